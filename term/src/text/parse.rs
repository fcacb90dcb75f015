//! Text to a term: what `erl_parse:parse_term/1` takes, built bottom up as the nodes of the term.
//!
//! No recursion: what is open waits on a stack, finished parts wait as nodes until their container closes and takes them.

use std::str::FromStr;

use super::assembly::Assembly;
use super::bits::{Bits, Specification, Value};
use super::error::{ParseError, ParseErrorKind};
use super::number::Integer;
use super::scan::{Scanner, Symbol, Syntax, Token};
use super::style::Release;
use crate::map;
use crate::node::{Kind, Node};
use crate::term::Term;

/// Reads one term, with or without the closing dot.
///
/// Takes what `erl_parse:parse_term/1` takes on OTP 25, 27 or 29: where only some releases accept a text (sigils, triple
/// quotes, `maybe` without quotes, `16#0.8#e1`), so does this; where they disagree on what it means (triple quotes), the newest is right. [`parse_as`] follows one release exactly.
///
/// * Pids, ports, references and closures have no text that can be read, here as in Erlang. `fun m:f/1` can.
/// * An integer has at most 4,194,304 bits, as from OTP 27 on.
/// * `<<0:1000000>>` would let a few bytes of text ask for any amount of memory, so all binaries of a text together have
///   at most 1 MiB and 16 times the length of the text; more is refused.
///
/// # Errors
/// [`ParseError`] says where and what, for everything that is no term.
///
/// ```
/// use term::{Term, term, text};
/// assert_eq!(text::parse(r#"{ok, #{"k" => [1, 2.5 | x]}}. % yes"#)?, text::parse("{ok,#{[$k]=>[1,2.5|x]}}")?);
/// assert_eq!("[1, {two, <<\"3\">>}]".parse::<Term>()?, term!([1, {two, "3"}]));
/// # Ok::<(), text::ParseError>(())
/// ```
pub fn parse(text: &str) -> Result<Term, ParseError> {
    Parser::new(text, Syntax::Any).run()
}

/// As [`parse`], accepting exactly what one release accepts.
///
/// # Errors
/// As [`parse`].
pub fn parse_as(text: &str, release: Release) -> Result<Term, ParseError> {
    Parser::new(text, Syntax::Of(release)).run()
}

/// [`parse`](crate::text::parse).
impl FromStr for Term {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse(text)
    }
}

/// Bytes that a text may ask for beyond 16 times its length.
const FREE_ROOM: usize = 1 << 20;

/// What is open. Numbers are where its parts begin among the finished ones.
enum Open {
    Paren,
    /// `-` or `+` before a number.
    Sign {
        negative: bool,
    },
    Tuple(usize),
    List(usize),
    /// After the bar of a list.
    Tail(usize),
    /// Before a key.
    Key(usize),
    /// After an arrow.
    Value(usize),
    /// A binary, in a segment.
    Segment(Box<Bits>),
    /// A binary, in the size of a segment whose value waits.
    Size(Box<(Bits, Operand)>),
}

/// The value of a segment that waits for its size.
enum Operand {
    Node(Node),
    Text(String),
}

struct Parser<'t> {
    scanner: Scanner<'t>,
    /// The next token, and where it begins.
    token: Token<'t>,
    start: usize,
    open: Vec<Open>,
    made: Assembly,
    /// Whether the last finished part is a number without a sign, in parentheses or not.
    unsigned: bool,
    /// The text of the last finished part, if that is a string.
    text: Option<String>,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, syntax: Syntax) -> Self {
        Self {
            scanner: Scanner::new(text, syntax),
            token: Token::End,
            start: 0,
            open: Vec::new(),
            made: Assembly::default(),
            unsigned: false,
            text: None,
        }
    }

    fn run(mut self) -> Result<Term, ParseError> {
        if self.scanner.text.len() > u32::MAX as usize / 32 {
            return Err(self
                .scanner
                .error(0, ParseErrorKind::TooLarge("a text of more than 128 MiB")));
        }
        self.next()?;
        loop {
            // A part begins here; it is finished at once, or something was opened.
            if !self.part()? {
                continue;
            }
            // Whatever ends with it ends now.
            while self.close()? {}
            if self.open.is_empty() && !self.made.parts.is_empty() {
                break;
            }
        }
        if self.token == Token::Dot {
            self.next()?;
        }
        if self.token != Token::End {
            return Err(self.unexpected("the end of the text"));
        }
        Ok(self.made.finish())
    }

    fn next(&mut self) -> Result<Token<'t>, ParseError> {
        let (start, token) = self.scanner.token()?;
        self.start = start;
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn error(&self, kind: ParseErrorKind) -> ParseError {
        self.scanner.error(self.start, kind)
    }

    fn atom(&mut self, name: &str) -> Result<Node, ParseError> {
        self.made.atom(name).ok_or_else(|| self.error(ParseErrorKind::AtomTooLong))
    }

    fn unexpected(&self, expected: &'static str) -> ParseError {
        self.error(ParseErrorKind::Unexpected { expected, found: self.token.describe() })
    }

    fn eat(&mut self, symbol: Symbol) -> Result<bool, ParseError> {
        let there = self.token == Token::Symbol(symbol);
        if there {
            self.next()?;
        }
        Ok(there)
    }

    fn want(&mut self, symbol: Symbol, expected: &'static str) -> Result<(), ParseError> {
        if self.eat(symbol)? { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    /// Reads a leaf, or opens something; whether a part is finished.
    fn part(&mut self) -> Result<bool, ParseError> {
        if matches!(self.open.last(), Some(Open::Sign { .. })) {
            let sign = matches!(self.token, Token::Symbol(Symbol::Minus | Symbol::Plus));
            if sign {
                return Err(self.error(ParseErrorKind::NotATerm("a second sign")));
            }
        }
        let token = self.next_part()?;
        let (mut unsigned, mut text) = (false, None);
        let node = match token {
            Token::Name(name) => self.atom(name)?,
            Token::Quoted(name) => self.atom(&name)?,
            Token::Integer(value) => {
                unsigned = true;
                self.made.integer(value.into_big())
            }
            Token::Float(value) => {
                unsigned = true;
                Node::float(value)
            }
            Token::Character(character) => {
                unsigned = true;
                Node::int(u32::from(character).into())
            }
            Token::Text(first) => {
                let mut whole = first;
                while let Token::Text(_) = self.token {
                    if let Token::Text(more) = self.next()? {
                        whole.push_str(&more);
                    }
                }
                let node = self.made.string(&whole);
                text = Some(whole);
                node
            }
            Token::TextSigil(sigil) => {
                let node = self.made.string(&sigil);
                text = Some(sigil);
                node
            }
            Token::BinarySigil(sigil) => self.made.binary(sigil.as_bytes(), 8),
            Token::Reserved(_) => self.export()?,
            Token::Symbol(symbol) => match self.bracket(symbol)? {
                Some(node) => node,
                None => return Ok(false),
            },
            _ => Node::NIL,
        };
        (self.unsigned, self.text) = (unsigned, text);
        self.made.parts.push(node);
        Ok(true)
    }

    /// Takes a token that a part may begin with.
    fn next_part(&mut self) -> Result<Token<'t>, ParseError> {
        let sized = matches!(self.open.last(), Some(Open::Size(_)));
        match &self.token {
            Token::Variable(_) => return Err(self.error(ParseErrorKind::NotATerm("a variable"))),
            Token::Reserved("fun") => {}
            Token::Symbol(Symbol::Minus | Symbol::Plus) if sized => {
                return Err(self.unexpected("a size"));
            }
            Token::Symbol(
                Symbol::OpenTuple
                | Symbol::OpenList
                | Symbol::OpenParen
                | Symbol::OpenBits
                | Symbol::Hash
                | Symbol::Minus
                | Symbol::Plus,
            ) => {}
            Token::Reserved(_) | Token::Symbol(_) | Token::Dot | Token::Other(_) | Token::End => {
                return Err(self.unexpected("a term"));
            }
            _ => {}
        }
        self.next()
    }

    /// What begins with a symbol: a node if it is empty, else it is open now.
    fn bracket(&mut self, symbol: Symbol) -> Result<Option<Node>, ParseError> {
        let from = self.made.parts.len();
        let (open, close, empty) = match symbol {
            Symbol::OpenTuple => {
                (Open::Tuple(from), Symbol::CloseTuple, Node::new(Kind::Tuple, 0, 0))
            }
            Symbol::OpenList => (Open::List(from), Symbol::CloseList, Node::NIL),
            Symbol::Hash => {
                self.want(Symbol::OpenTuple, "`{`")?;
                let empty = Node::new(Kind::Map, 0, u64::from(map::ASCENDING) << 32);
                (Open::Key(from), Symbol::CloseTuple, empty)
            }
            Symbol::OpenBits => {
                (Open::Segment(Box::default()), Symbol::CloseBits, Node::new(Kind::Binary, 0, 0))
            }
            Symbol::OpenParen => {
                self.open.push(Open::Paren);
                return Ok(None);
            }
            _ => {
                self.open.push(Open::Sign { negative: symbol == Symbol::Minus });
                return Ok(None);
            }
        };
        if self.eat(close)? {
            return Ok(Some(empty));
        }
        self.open.push(open);
        Ok(None)
    }

    /// After a finished part: closes what ends here. Whether that finished another part.
    fn close(&mut self) -> Result<bool, ParseError> {
        let Some(open) = self.open.pop() else { return Ok(false) };
        match open {
            Open::Paren => {
                self.want(Symbol::CloseParen, "`)`")?;
                return Ok(true);
            }
            Open::Sign { negative } => self.sign(negative)?,
            Open::Tuple(from) => {
                if self.eat(Symbol::Comma)? {
                    self.open.push(Open::Tuple(from));
                    return Ok(false);
                }
                self.want(Symbol::CloseTuple, "`,` or `}`")?;
                let count = self.made.parts.len() - from;
                let first = self.made.take(from);
                self.made.parts.push(Node::new(Kind::Tuple, count as u32, first));
            }
            Open::List(from) => {
                if self.eat(Symbol::Comma)? {
                    self.open.push(Open::List(from));
                    return Ok(false);
                }
                if self.eat(Symbol::Bar)? {
                    self.open.push(Open::Tail(from));
                    return Ok(false);
                }
                self.want(Symbol::CloseList, "`,`, `|` or `]`")?;
                self.made.parts.push(Node::NIL);
                self.made.list(from);
            }
            Open::Tail(from) => {
                self.want(Symbol::CloseList, "`]`")?;
                self.made.list(from);
            }
            Open::Key(from) => {
                self.want(Symbol::Arrow, "`=>`")?;
                self.open.push(Open::Value(from));
                return Ok(false);
            }
            Open::Value(from) => {
                if self.eat(Symbol::Comma)? {
                    self.open.push(Open::Key(from));
                    return Ok(false);
                }
                self.want(Symbol::CloseTuple, "`,` or `}`")?;
                self.made.map(from);
            }
            Open::Segment(bits) => {
                let operand = match self.text.take() {
                    Some(text) => {
                        self.made.parts.pop();
                        Operand::Text(text)
                    }
                    None => Operand::Node(self.made.parts.pop().unwrap_or(Node::NIL)),
                };
                if self.eat(Symbol::Colon)? {
                    self.open.push(Open::Size(Box::new((*bits, operand))));
                    return Ok(false);
                }
                if !self.segment(bits, &operand, None)? {
                    return Ok(false);
                }
            }
            Open::Size(sized) => {
                let (bits, operand) = *sized;
                let size = match self.made.parts.pop() {
                    Some(node) if node.kind() == Kind::Int => usize::try_from(node.b as i64).ok(),
                    _ => None,
                };
                let Some(size) = size else {
                    return Err(self.bad_segment("a size is a whole number, 0 or more"));
                };
                if !self.segment(Box::new(bits), &operand, Some(size))? {
                    return Ok(false);
                }
            }
        }
        (self.unsigned, self.text) = (false, None);
        Ok(true)
    }

    fn sign(&mut self, negative: bool) -> Result<(), ParseError> {
        if !self.unsigned {
            return Err(
                self.error(ParseErrorKind::NotATerm("a sign before something that is no number"))
            );
        }
        if !negative {
            return Ok(());
        }
        let node = self.made.parts.pop().unwrap_or(Node::NIL);
        let node = match node.kind() {
            Kind::Float => Node::float(-f64::from_bits(node.b)),
            _ => {
                let value = -self.made.big(node);
                self.made.integer(value)
            }
        };
        self.made.parts.push(node);
        Ok(())
    }

    /// `module:function/arity` after `fun`.
    fn export(&mut self) -> Result<Node, ParseError> {
        let from = self.made.parts.len();
        for (expected, after, symbol) in
            [("a module", "`:`", Symbol::Colon), ("a function", "`/`", Symbol::Slash)]
        {
            let name = match &mut self.token {
                Token::Name(name) => (*name).to_owned(),
                Token::Quoted(name) => std::mem::take(name),
                _ => return Err(self.unexpected(expected)),
            };
            let node = self.atom(&name)?;
            self.made.parts.push(node);
            self.next()?;
            self.want(symbol, after)?;
        }
        let Token::Integer(Integer::Small(arity @ 0..=255)) = self.token else {
            return Err(self.unexpected("an arity, 0 to 255"));
        };
        self.next()?;
        self.made.parts.push(Node::int(arity.into()));
        Ok(Node::new(Kind::Export, 3, self.made.take(from)))
    }

    fn bad_segment(&self, why: &'static str) -> ParseError {
        self.error(ParseErrorKind::BadSegment(why))
    }

    /// After the value and the size of a segment: its types, then the segment itself. Whether the binary is finished with it.
    fn segment(
        &mut self,
        mut bits: Box<Bits>,
        operand: &Operand,
        size: Option<usize>,
    ) -> Result<bool, ParseError> {
        let mut how = Specification::with_size(size);
        if self.eat(Symbol::Slash)? {
            loop {
                self.kind_of_segment(&mut how)?;
                if !self.eat(Symbol::Minus)? {
                    break;
                }
            }
        }
        let room = (self.scanner.text.len() * 16 + FREE_ROOM)
            .saturating_sub(self.made.bytes.len() + bits.length());
        let added = match operand {
            Operand::Text(text) => bits.add(Value::Text(text), &how, room),
            Operand::Node(node) => match node.kind() {
                Kind::Int | Kind::Big => bits.add(Value::Integer(self.made.big(*node)), &how, room),
                Kind::Float => bits.add(Value::Float(f64::from_bits(node.b)), &how, room),
                Kind::Binary | Kind::Bits => {
                    let bytes = node.span(&self.made.bytes);
                    let spare =
                        if node.kind() == Kind::Bits { 8 - usize::from(node.extra()) } else { 0 };
                    bits.add(Value::Bits(bytes, bytes.len() * 8 - spare), &how, room)
                }
                _ => Err("only numbers, strings and binaries can be in a binary"),
            },
        };
        added.map_err(|why| self.bad_segment(why))?;
        if self.eat(Symbol::Comma)? {
            self.open.push(Open::Segment(bits));
            return Ok(false);
        }
        self.want(Symbol::CloseBits, "`:`, `/`, `,` or `>>`")?;
        let (bytes, last) = bits.finish();
        let node = self.made.binary(&bytes, last);
        self.made.parts.push(node);
        Ok(true)
    }

    /// One of the types after the slash.
    fn kind_of_segment(&mut self, how: &mut Specification) -> Result<(), ParseError> {
        let word = match &mut self.token {
            Token::Name(word) => (*word).to_owned(),
            Token::Quoted(word) => std::mem::take(word),
            _ => return Err(self.unexpected("a type")),
        };
        let at = self.start;
        self.next()?;
        let mut number = None;
        if self.eat(Symbol::Colon)? {
            let Token::Integer(Integer::Small(value)) = self.token else {
                return Err(self.unexpected("a number"));
            };
            number = Some(value as usize);
            self.next()?;
        }
        how.add(&word, number)
            .map_err(|why| self.scanner.error(at, ParseErrorKind::BadSegment(why)))
    }
}
