//! Text to tokens, as `erl_scan` has them; only the symbols a term may contain.

use super::error::{ParseError, ParseErrorKind};
use super::number::Integer;
use super::quote::{continues_name, is_reserved, starts_atom, starts_variable};
use super::style::Release;

/// Which release's syntax to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    /// What any release accepts. Where two see something different in one text, the newer is right.
    Any,
    /// Exactly this release's.
    Of(Release),
}

impl Syntax {
    /// Triple quotes, sigils.
    pub(super) fn has_sigils(self) -> bool {
        self != Self::Of(Release::Otp25)
    }

    /// `16#0.8#e1`.
    pub(super) fn has_based_floats(self) -> bool {
        matches!(self, Self::Any | Self::Of(Release::Otp29))
    }

    /// OTP 27 wants space between two strings.
    pub(super) fn wants_space(self) -> bool {
        matches!(self, Self::Of(Release::Otp27 | Release::Otp29))
    }

    fn reserves(self, name: &str) -> bool {
        let release = if let Self::Of(release) = self { release } else { Release::Otp25 };
        is_reserved(name, release)
    }
}

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'t> {
    /// An atom without quotes.
    Name(&'t str),
    /// One with them.
    Quoted(String),
    Reserved(&'t str),
    Variable(&'t str),
    Integer(Integer),
    Float(f64),
    Character(char),
    Text(String),
    /// `~s"..."`: a string that does not go together with its neighbours.
    TextSigil(String),
    /// `~"..."`: a binary.
    BinarySigil(String),
    Symbol(Symbol),
    /// The dot that ends a term.
    Dot,
    /// Anything that no term contains.
    Other(char),
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symbol {
    OpenTuple,
    CloseTuple,
    OpenList,
    CloseList,
    OpenParen,
    CloseParen,
    OpenBits,
    CloseBits,
    Hash,
    Comma,
    Bar,
    Arrow,
    Colon,
    Slash,
    Plus,
    Minus,
}

impl Symbol {
    /// The symbol that begins with this character, `next` being the one after it.
    const fn of(first: char, next: Option<u8>) -> Option<Self> {
        Some(match (first, next) {
            ('<', Some(b'<')) => Self::OpenBits,
            ('>', Some(b'>')) => Self::CloseBits,
            ('=', Some(b'>')) => Self::Arrow,
            ('{', _) => Self::OpenTuple,
            ('}', _) => Self::CloseTuple,
            ('[', _) => Self::OpenList,
            (']', _) => Self::CloseList,
            ('(', _) => Self::OpenParen,
            (')', _) => Self::CloseParen,
            ('#', _) => Self::Hash,
            (',', _) => Self::Comma,
            ('|', _) => Self::Bar,
            (':', _) => Self::Colon,
            ('/', _) => Self::Slash,
            ('+', _) => Self::Plus,
            ('-', _) => Self::Minus,
            _ => return None,
        })
    }

    const fn text(self) -> &'static str {
        match self {
            Self::OpenBits => "<<",
            Self::CloseBits => ">>",
            Self::Arrow => "=>",
            Self::OpenTuple => "{",
            Self::CloseTuple => "}",
            Self::OpenList => "[",
            Self::CloseList => "]",
            Self::OpenParen => "(",
            Self::CloseParen => ")",
            Self::Hash => "#",
            Self::Comma => ",",
            Self::Bar => "|",
            Self::Colon => ":",
            Self::Slash => "/",
            Self::Plus => "+",
            Self::Minus => "-",
        }
    }
}

impl Token<'_> {
    /// How an error calls it.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Name(name) | Self::Reserved(name) | Self::Variable(name) => format!("`{name}`"),
            Self::Quoted(_) => "a quoted atom".into(),
            Self::Integer(_) => "an integer".into(),
            Self::Float(value) => format!("`{value:?}`"),
            Self::Character(character) => format!("the character {character:?}"),
            Self::Text(_) | Self::TextSigil(_) => "a string".into(),
            Self::BinarySigil(_) => "a sigil".into(),
            Self::Symbol(symbol) => format!("`{}`", symbol.text()),
            Self::Dot => "`.`".into(),
            Self::Other(character) => format!("`{character}`"),
            Self::End => "the end of the text".into(),
        }
    }
}

/// Where in the text we are.
#[derive(Clone, Debug)]
pub(super) struct Scanner<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
    pub(super) syntax: Syntax,
}

impl<'t> Scanner<'t> {
    pub(super) const fn new(text: &'t str, syntax: Syntax) -> Self {
        Self { text, at: 0, syntax }
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        match self.text.as_bytes().get(self.at) {
            Some(byte) if byte.is_ascii() => Some(char::from(*byte)),
            _ => self.rest().chars().next(),
        }
    }

    /// Takes the next character.
    pub(super) fn bump(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        Some(character)
    }

    /// Takes what is expected, if it is there.
    pub(super) fn eat(&mut self, prefix: &str) -> bool {
        let there = self.rest().starts_with(prefix);
        if there {
            self.at += prefix.len();
        }
        there
    }

    /// An error at some byte of the text.
    pub(super) fn error(&self, offset: usize, kind: ParseErrorKind) -> ParseError {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        ParseError {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            offset,
            kind,
        }
    }

    /// The next token and where it begins.
    pub(super) fn token(&mut self) -> Result<(usize, Token<'t>), ParseError> {
        self.skip_space()?;
        let start = self.at;
        let Some(first) = self.peek() else { return Ok((start, Token::End)) };
        let token = match first {
            _ if starts_atom(first) => {
                let name = self.name();
                if self.syntax.reserves(name) { Token::Reserved(name) } else { Token::Name(name) }
            }
            _ if starts_variable(first) => Token::Variable(self.name()),
            '0'..='9' => self.number()?,
            '"' => self.string()?,
            '\'' => {
                self.at += 1;
                Token::Quoted(self.quoted(start, '\'', "an atom")?)
            }
            '$' => {
                self.at += 1;
                Token::Character(self.character(start)?)
            }
            '~' if self.syntax.has_sigils() => self.sigil()?,
            '.' => {
                self.at += 1;
                match self.peek() {
                    None | Some('%') => Token::Dot,
                    Some(next) if is_space(next) => Token::Dot,
                    Some(_) => Token::Other('.'),
                }
            }
            '\u{100}'.. => return Err(self.error(start, ParseErrorKind::IllegalCharacter(first))),
            _ => match Symbol::of(first, self.text.as_bytes().get(start + 1).copied()) {
                Some(symbol) => {
                    self.at += symbol.text().len();
                    Token::Symbol(symbol)
                }
                None => {
                    self.at += first.len_utf8();
                    Token::Other(first)
                }
            },
        };
        Ok((start, token))
    }

    /// White space and comments.
    fn skip_space(&mut self) -> Result<(), ParseError> {
        let mut comment = false;
        while let Some(character) = self.peek() {
            if comment && !is_unicode(character) {
                return Err(self.error(self.at, ParseErrorKind::IllegalCharacter(character)));
            }
            match character {
                '\n' => comment = false,
                '%' => comment = true,
                _ if comment || is_space(character) => {}
                _ => return Ok(()),
            }
            self.at += character.len_utf8();
        }
        Ok(())
    }

    /// Letters, digits, `_` and `@`.
    pub(super) fn name(&mut self) -> &'t str {
        let rest = self.rest();
        let length = rest.find(|character| !continues_name(character)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }
}

/// What `erl_scan` takes for white space: all control characters, the space and the no-break space.
pub(super) const fn is_space(character: char) -> bool {
    matches!(character, '\0'..=' ' | '\u{80}'..='\u{a0}')
}

/// Characters that may stand in quotes and comments.
pub(super) const fn is_unicode(character: char) -> bool {
    !matches!(character, '\u{fffe}' | '\u{ffff}')
}
