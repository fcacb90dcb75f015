//! Quoted text: escapes, characters, strings, triple-quoted strings and sigils.

use super::error::{ParseError, ParseErrorKind};
use super::scan::{Scanner, Syntax, Token, is_space, is_unicode};
use super::style::Release;

impl<'t> Scanner<'t> {
    /// A token that begins with `"`.
    pub(super) fn string(&mut self) -> Result<Token<'t>, ParseError> {
        let start = self.at;
        let triple = self.rest().starts_with("\"\"\"") && self.syntax.has_sigils();
        let text = if triple {
            let triple = self.triple(start, false);
            // What is broken to OTP 27 are strings side by side to OTP 25.
            if self.syntax == Syntax::Any && (triple.is_err() || self.peek() == Some('"')) {
                self.at = start + 1;
                self.quoted(start, '"', "a string")?
            } else {
                triple?
            }
        } else {
            self.at += 1;
            self.quoted(start, '"', "a string")?
        };
        if self.syntax.wants_space() && self.peek() == Some('"') {
            let why = "two strings need space between them, as of OTP 27";
            return Err(self.error(self.at, ParseErrorKind::BadString(why)));
        }
        Ok(Token::Text(text))
    }

    /// A token that begins with `~` (OTP 27).
    pub(super) fn sigil(&mut self) -> Result<Token<'t>, ParseError> {
        let start = self.at;
        self.at += 1;
        let kind = self.name();
        let bad = |scanner: &Self, why| Err(scanner.error(start, ParseErrorKind::BadString(why)));
        let (binary, escapes) = match kind {
            "" | "b" => (true, true),
            "B" => (true, false),
            "s" => (false, true),
            "S" => (false, false),
            _ => return bad(self, "a sigil is ~, ~b, ~B, ~s or ~S"),
        };
        let text = if self.rest().starts_with("\"\"\"") {
            self.triple(start, escapes && !kind.is_empty())?
        } else {
            let close = match self.bump() {
                Some('(') => ')',
                Some('[') => ']',
                Some('{') => '}',
                Some('<') => '>',
                Some(quote @ ('/' | '|' | '#' | '`' | '\'' | '"')) => quote,
                _ => return bad(self, "a sigil has a string after its name"),
            };
            if escapes {
                self.quoted(start, close, "a sigil")?
            } else {
                self.verbatim(start, close)?
            }
        };
        if !self.name().is_empty() {
            return bad(self, "no sigil has a suffix");
        }
        Ok(if binary { Token::BinarySigil(text) } else { Token::TextSigil(text) })
    }

    /// What follows `$`.
    pub(super) fn character(&mut self, start: usize) -> Result<char, ParseError> {
        match self.bump() {
            Some('\\') => self.escape(start, "a character"),
            Some(character) if is_unicode(character) => Ok(character),
            Some(character) => Err(self.error(start, ParseErrorKind::IllegalCharacter(character))),
            None => Err(self.error(start, ParseErrorKind::Unterminated("a character"))),
        }
    }

    /// Up to the closing quote, escapes resolved.
    pub(super) fn quoted(
        &mut self,
        start: usize,
        close: char,
        what: &'static str,
    ) -> Result<String, ParseError> {
        let mut text = String::new();
        loop {
            let at = self.at;
            match self.bump() {
                Some(character) if character == close => return Ok(text),
                Some('\\') => text.push(self.escape(start, what)?),
                Some(character) if is_unicode(character) => text.push(character),
                Some(character) => {
                    return Err(self.error(at, ParseErrorKind::IllegalCharacter(character)));
                }
                None => return Err(self.error(start, ParseErrorKind::Unterminated(what))),
            }
        }
    }

    /// Up to the closing quote, as it stands.
    fn verbatim(&mut self, start: usize, close: char) -> Result<String, ParseError> {
        let rest = self.rest();
        let Some(length) = rest.find(close) else {
            return Err(self.error(start, ParseErrorKind::Unterminated("a sigil")));
        };
        let text = rest.get(..length).unwrap_or_default();
        if let Some((at, character)) =
            text.char_indices().find(|(_, character)| !is_unicode(*character))
        {
            return Err(self.error(self.at + at, ParseErrorKind::IllegalCharacter(character)));
        }
        self.at += length + close.len_utf8();
        Ok(text.to_owned())
    }

    /// What follows a backslash.
    fn escape(&mut self, start: usize, what: &'static str) -> Result<char, ParseError> {
        let at = self.at.saturating_sub(1);
        let bad = |scanner: &Self| Err(scanner.error(at, ParseErrorKind::BadEscape));
        let Some(first) = self.bump() else {
            return Err(self.error(start, ParseErrorKind::Unterminated(what)));
        };
        Ok(match first {
            '0'..='7' => {
                let mut value = u32::from(first) - u32::from('0');
                for _ in 0..2 {
                    let Some(digit) = self.peek().and_then(|character| character.to_digit(8))
                    else {
                        break;
                    };
                    self.at += 1;
                    value = value * 8 + digit;
                }
                char::from_u32(value).unwrap_or_default()
            }
            'x' => match self.hexadecimal() {
                Some(character) => character,
                None => return bad(self),
            },
            '^' => match self.bump().map(|character| control(character, self.syntax)) {
                Some(Some(character)) => character,
                _ => return bad(self),
            },
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'e' => '\u{1b}',
            's' => ' ',
            'd' => '\u{7f}',
            other if is_unicode(other) => other,
            _ => return bad(self),
        })
    }

    /// `41` or `{41}`.
    fn hexadecimal(&mut self) -> Option<char> {
        if !self.eat("{") {
            let text = self
                .rest()
                .get(..2)
                .filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
            self.at += 2;
            return char::from_u32(u32::from_str_radix(text, 16).ok()?);
        }
        let rest = self.rest();
        let digits = rest.get(..rest.find('}')?)?;
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.at += digits.len() + 1;
        let digits = digits.trim_start_matches('0');
        let value = if digits.is_empty() { 0 } else { u32::from_str_radix(digits, 16).ok()? };
        char::from_u32(value).filter(|character| is_unicode(*character))
    }

    /// A triple-quoted string: whole lines, without the indentation of the closing quotes.
    fn triple(&mut self, start: usize, escapes: bool) -> Result<String, ParseError> {
        let rest = self.rest();
        let count = rest.len() - rest.trim_start_matches('"').len();
        let quotes = rest.get(..count).unwrap_or_default();
        self.at += count;
        let unterminated = |scanner: &Self| {
            scanner.error(start, ParseErrorKind::Unterminated("a triple-quoted string"))
        };
        let first = self.line(start, escapes)?.ok_or_else(|| unterminated(self))?;
        if !first.chars().all(is_space) {
            let why = "nothing but space may follow opening triple quotes on their line";
            return Err(self.error(start, ParseErrorKind::BadString(why)));
        }
        let mut lines = Vec::new();
        let indentation = loop {
            let rest = self.rest();
            let length = rest
                .find(|character| character == '\n' || !is_space(character))
                .unwrap_or(rest.len());
            let (indentation, after) = rest.split_at_checked(length).unwrap_or_default();
            if after.starts_with(quotes) {
                self.at += length + count;
                break indentation;
            }
            lines.push(self.line(start, escapes)?.ok_or_else(|| unterminated(self))?);
        };
        let mut text = String::new();
        let last = lines.len();
        for (number, line) in lines.iter().enumerate() {
            let line = if number + 1 == last {
                let line = line.strip_suffix('\n').unwrap_or(line);
                line.strip_suffix('\r').unwrap_or(line)
            } else {
                line
            };
            let empty = line.is_empty() || line.starts_with('\n') || line.starts_with("\r\n");
            match line.strip_prefix(indentation) {
                _ if empty => text.push_str(line),
                Some(line) => text.push_str(line),
                None => {
                    let why =
                        "a line of a triple-quoted string is indented less than its closing quotes";
                    return Err(self.error(start, ParseErrorKind::BadString(why)));
                }
            }
        }
        Ok(text)
    }

    /// Up to the next newline, that included; nothing if there is none.
    fn line(&mut self, start: usize, escapes: bool) -> Result<Option<String>, ParseError> {
        let mut line = String::new();
        loop {
            let at = self.at;
            match self.bump() {
                Some('\n') => {
                    line.push('\n');
                    return Ok(Some(line));
                }
                Some('\\') if escapes => {
                    let ends = self.peek() == Some('\n');
                    line.push(self.escape(start, "a triple-quoted string")?);
                    if ends {
                        return Ok(Some(line));
                    }
                }
                Some(character) if is_unicode(character) => line.push(character),
                Some(character) => {
                    return Err(self.error(at, ParseErrorKind::IllegalCharacter(character)));
                }
                None => return Ok(None),
            }
        }
    }
}

/// `\^A`. OTP 25 takes any character, later releases those that have a control character on a keyboard.
fn control(character: char, syntax: Syntax) -> Option<char> {
    let code = u32::from(character);
    let low = char::from_u32(code & 31);
    match (character, syntax) {
        ('\n', Syntax::Of(Release::Otp25) | Syntax::Any) => Some('\n'),
        (_, Syntax::Of(Release::Otp25)) => low,
        ('?', _) => Some('\u{7f}'),
        ('@'..='_' | 'a'..='z', _) | (_, Syntax::Any) => low,
        _ => None,
    }
}
