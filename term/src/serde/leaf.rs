//! Leaves and whole terms of bytes as Rust values: integers, floats, text, bytes, identifiers.

use std::borrow::Cow;

use bytes::Bytes;
use serde::de::Visitor;

use super::de::Deserializer;
use super::error::Error;
use super::ser::Shape;
use crate::atom::{Atom, AtomRef};
use crate::decode::{Place, Source, decode};
use crate::encoded::Encoded;
use crate::error::DecodeErrorKind;
use crate::identifier;
use crate::tag::*;
use crate::term::Term;
use crate::transcode;
use crate::utf8::{plain_text, text};

impl<'de> Deserializer<'de> {
    #[inline(always)]
    pub(super) fn integer<V: Visitor<'de>>(
        &mut self,
        visitor: V,
        expected: &str,
    ) -> Result<V::Value, Error> {
        match *self.cursor.remaining() {
            [SMALL_INTEGER_EXT, value, ..] => {
                self.cursor.pass(2);
                visitor.visit_u64(u64::from(value))
            }
            [INTEGER_EXT, a, b, c, d, ..] => {
                self.cursor.pass(5);
                visitor.visit_i64(i64::from(i32::from_be_bytes([a, b, c, d])))
            }
            _ => self.wide(visitor, expected),
        }
    }

    #[inline(never)]
    fn wide<V: Visitor<'de>>(&mut self, visitor: V, expected: &str) -> Result<V::Value, Error> {
        if !self.cursor.is_integer() {
            return Err(self.expected(expected));
        }
        if let Ok(value) = self.cursor.integer_i64() {
            return visitor.visit_i64(value);
        }
        if let Ok(value) = self.cursor.integer_u64() {
            return visitor.visit_u64(value);
        }
        let at = self.cursor.clone();
        let value = self.cursor.term()?.as_big_integer().unwrap_or_default();
        if let Ok(value) = i128::try_from(&value) {
            return visitor.visit_i128(value);
        }
        if let Ok(value) = u128::try_from(&value) {
            return visitor.visit_u128(value);
        }
        self.cursor = at;
        Err(Error::new(format_args!(
            "expected {expected}, found an integer of {} bits",
            value.bits()
        )))
    }

    #[inline(always)]
    pub(super) fn float<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.cursor.float_of_today() {
            Some(value) => visitor.visit_f64(value),
            None => self.other_number(visitor),
        }
    }

    #[inline(never)]
    fn other_number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.cursor.peek_tag() {
            Some(NEW_FLOAT_EXT | FLOAT_EXT) => visitor.visit_f64(self.cursor.float()?),
            Some(SMALL_INTEGER_EXT | INTEGER_EXT | SMALL_BIG_EXT | LARGE_BIG_EXT) => {
                self.integer(visitor, "number")
            }
            _ => Err(self.expected("float")),
        }
    }

    /// Text of an atom in today's form that is plainly one, which is nearly all of them.
    #[inline(always)]
    pub(super) fn plain_atom(&mut self) -> Option<&'de str> {
        let (input, at) = self.cursor.place();
        let [SMALL_ATOM_UTF8_EXT, length] = *input.get(at..)?.first_chunk()? else { return None };
        let name = plain_text(input, at + 2, usize::from(length))?;
        self.cursor.advance_to(at + 2 + usize::from(length));
        Some(name)
    }

    /// Text of an atom, borrowed unless it is Latin-1 of an old node; `None` where no atom stands.
    #[inline(never)]
    pub(super) fn atom_text(&mut self) -> Option<Cow<'de, str>> {
        if let [SMALL_ATOM_UTF8_EXT, length, rest @ ..] = self.cursor.remaining()
            && let Some(name) = rest.get(..usize::from(*length))
            && let Ok(name) = text(name)
        {
            self.cursor.pass(2 + name.len());
            return Some(Cow::Borrowed(name));
        }
        self.cursor.atom_ref().ok().map(AtomRef::as_str)
    }

    /// The atom that stands here, if one does.
    pub(super) fn atom_ahead(&self) -> Option<AtomRef<'de>> {
        if self.cursor.is_atom() { self.cursor.clone().atom_ref().ok() } else { None }
    }

    #[inline(always)]
    pub(super) fn text<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.plain_binary() {
            Some(text) => visitor.visit_borrowed_str(text),
            None => self.other_text(visitor),
        }
    }

    /// Text of a binary that is plainly one, where it is to be a binary.
    #[inline(always)]
    fn plain_binary(&mut self) -> Option<&'de str> {
        let (input, at) = self.cursor.place();
        let [BINARY_EXT, a, b, c, d] = *input.get(at..)?.first_chunk()? else { return None };
        if self.shape != Shape::Map {
            return None;
        }
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let text = plain_text(input, at + 5, length)?;
        self.cursor.advance_to(at + 5 + length);
        Some(text)
    }

    /// An atom as text.
    #[inline(always)]
    pub(super) fn name<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.plain_atom() {
            Some(name) => visitor.visit_borrowed_str(name),
            None => self.other_atom(visitor),
        }
    }

    #[inline(never)]
    fn other_atom<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.atom_text() {
            Some(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
            Some(Cow::Owned(text)) => visitor.visit_string(text),
            None => Err(self.expected("atom")),
        }
    }

    /// Text that is longer, not ASCII, in another form, or none.
    #[inline(never)]
    fn other_text<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.shape {
            Shape::Atom => return self.other_atom(visitor),
            Shape::Charlist => return self.charlist(visitor),
            _ => {}
        }
        let [BINARY_EXT, a, b, c, d, rest @ ..] = self.cursor.remaining() else {
            return Err(self.expected("binary"));
        };
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let Some(bytes) = rest.get(..length) else { return Err(self.cut()) };
        self.cursor.pass(5 + length);
        match text(bytes) {
            Ok(text) => visitor.visit_borrowed_str(text),
            Err(_) => Err(no_text()),
        }
    }

    /// The bytes end inside what begins here.
    #[cold]
    #[inline(never)]
    fn cut(&self) -> Error {
        DecodeErrorKind::Truncated.at(self.cursor.position()).into()
    }

    #[cold]
    fn charlist<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let at = self.cursor.clone();
        let text = self.cursor.term()?.as_charlist();
        let Some(text) = text else {
            self.cursor = at;
            return Err(self.expected("list of code points"));
        };
        visitor.visit_string(text)
    }

    pub(super) fn bytes<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.cursor.peek_tag() {
            Some(BINARY_EXT) => visitor.visit_borrowed_bytes(self.cursor.binary()?),
            // An identifier inside an untagged enum: serde asks again once it knows the type.
            Some(
                NEW_PID_EXT | PID_EXT | NEWER_REFERENCE_EXT | NEW_REFERENCE_EXT | REFERENCE_EXT
                | V4_PORT_EXT | NEW_PORT_EXT | PORT_EXT,
            ) => self.raw(visitor),
            _ => Err(self.expected("binary")),
        }
    }

    /// A pid, port or reference as its bytes. In the form of `today`, `head` bytes stand before its atom and `tail` bytes after it.
    #[inline(always)]
    pub(super) fn identifier<V: Visitor<'de>>(
        &mut self,
        today: u8,
        head: usize,
        tail: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let rest = self.cursor.remaining();
        // Its length is plain to see; whoever takes it for an identifier checks it.
        if rest.first() == Some(&today)
            && let Some(&[SMALL_ATOM_UTF8_EXT, length]) = rest.get(head..head + 2)
            && let Some(bytes) = rest.get(..head + 2 + usize::from(length) + tail)
        {
            self.cursor.pass(bytes.len());
            return visitor.visit_borrowed_bytes(bytes);
        }
        self.raw(visitor)
    }

    /// Passes over one term; pids, which is what most raw parts are, without a call.
    #[inline(always)]
    fn raw_bytes(&mut self) -> Result<&'de [u8], Error> {
        let rest = self.cursor.remaining();
        if rest.first() == Some(&NEW_PID_EXT)
            && let Some(end) = identifier::today(rest, 0, 1, 12)
            && let Some(bytes) = rest.get(..end)
        {
            self.cursor.pass(end);
            return Ok(bytes);
        }
        Ok(self.cursor.skip_term()?)
    }

    /// One term as its bytes.
    pub(super) fn raw<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let atoms = self.atoms();
        let bytes = self.raw_bytes()?;
        if atoms.is_empty() {
            return visitor.visit_borrowed_bytes(bytes);
        }
        let mut out = Vec::with_capacity(bytes.len() + 32);
        transcode::spell_out(bytes, atoms, &mut out)?;
        visitor.visit_byte_buf(out)
    }

    fn atoms(&self) -> &'de [Atom] {
        self.cursor.table()
    }

    /// One term, sharing the message where that is possible.
    pub(super) fn term(&mut self) -> Result<Term, Error> {
        let Some(shared) = self.shared else { return Ok(self.cursor.term()?) };
        let start = self.cursor.position();
        let place = Place::Inside;
        if shared.len() <= 4096 || start == 0 {
            let mut end = start;
            let term = decode(Source::Shared(shared), start, self.table.cloned(), place, &mut end)?;
            self.cursor.advance_to(end);
            return Ok(term);
        }
        let bytes = self.cursor.skip_term()?;
        Ok(Term::decode_fragment(crate::term::kept(shared, bytes), self.table.cloned())?)
    }

    /// One term as it lies there, sharing the message where that is possible.
    pub(super) fn payload(&mut self) -> Result<Encoded, Error> {
        let (atoms, bytes) = (self.atoms(), self.cursor.skip_term()?);
        Ok(match self.shared {
            Some(shared) => Encoded::new(crate::term::kept(shared, bytes), self.table.cloned()),
            None => {
                let table = (!atoms.is_empty()).then(|| atoms.into());
                Encoded::new(Bytes::copy_from_slice(bytes), table)
            }
        })
    }
}

#[cold]
#[inline(never)]
fn no_text() -> Error {
    Error::new("expected binary of UTF-8 text, found other bytes")
}
