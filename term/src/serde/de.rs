//! Bytes to Rust values.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::{self, Visitor};

use super::access::{Elements, Entries, Fields, Properties, Variant};
use super::error::Error;
use super::own::{self, Handed};
use super::ser::Shape;
use crate::atom::{Atom, AtomRef};
use crate::cursor::{Cursor, kind_of};
use crate::decode::{Place, decode};
use crate::error::DecodeErrorKind;
use crate::limits::Limits;
use crate::tag::*;
use crate::term::Term;
use crate::transcode;

/// Reads one value after the other from bytes without 131.
#[derive(Debug)]
pub struct Deserializer<'de> {
    pub(super) cursor: Cursor<'de>,
    shared: Option<&'de Bytes>,
    table: Option<&'de Arc<[Atom]>>,
    /// How much deeper nesting may go.
    pub(super) depth: u16,
    shape: Shape,
}

impl<'de> Deserializer<'de> {
    /// A deserializer at the start of `input`; `atoms` are what atom cache references mean.
    #[must_use]
    pub const fn new(input: &'de [u8], atoms: &'de [Atom]) -> Self {
        let depth = Limits::DEFAULT.max_typed_depth;
        Self {
            cursor: Cursor::new(input, atoms),
            shared: None,
            table: None,
            depth,
            shape: Shape::Map,
        }
    }

    pub(super) fn shared(
        bytes: &'de Bytes,
        table: Option<&'de Arc<[Atom]>>,
        limits: &Limits,
    ) -> Self {
        let atoms = table.map(|table| &**table).unwrap_or_default();
        Self {
            shared: Some(bytes),
            table,
            depth: limits.max_typed_depth,
            ..Self::new(bytes, atoms)
        }
    }

    /// Checks that nothing follows.
    ///
    /// # Errors
    /// If something does.
    pub fn end(&self) -> Result<(), Error> {
        if self.cursor.is_empty() {
            return Ok(());
        }
        Err(DecodeErrorKind::Trailing(self.cursor.remaining().len())
            .at(self.cursor.position())
            .into())
    }

    /// "expected ..., found ..." for what stands here.
    #[cold]
    pub(super) fn expected(&self, expected: impl std::fmt::Display) -> Error {
        match self.cursor.peek_tag() {
            None => DecodeErrorKind::Truncated.at(self.cursor.position()).into(),
            Some(_) => Error::new(format_args!("expected {expected}, found {}", self.found())),
        }
    }

    /// What stands here, in a few words: `atom ok`, `integer 300`, `tuple of 2 elements`.
    fn found(&self) -> String {
        let mut ahead = self.cursor.clone();
        if let Ok(atom) = ahead.atom_ref() {
            return format!("atom {atom}");
        }
        if let Ok(integer) = ahead.integer_i64() {
            return format!("integer {integer}");
        }
        if let Ok(arity) = ahead.tuple_header() {
            return format!("tuple of {arity} elements");
        }
        self.cursor.peek_tag().map_or("nothing", kind_of).to_owned()
    }

    fn take_shape(&mut self) -> Shape {
        std::mem::replace(&mut self.shape, Shape::Map)
    }

    fn shaped<V: Visitor<'de>>(&mut self, shape: Shape, visitor: V) -> Result<V::Value, Error> {
        let outer = std::mem::replace(&mut self.shape, shape);
        let outcome = visitor.visit_newtype_struct(&mut *self);
        self.shape = outer;
        outcome
    }

    /// Goes one level down while `read` runs.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        let Some(depth) = self.depth.checked_sub(1) else {
            return Err(Error::new("nested deeper than the limit for types"));
        };
        self.depth = depth;
        let outcome = read(self);
        self.depth += 1;
        outcome
    }

    #[inline]
    fn integer<V: Visitor<'de>>(&mut self, visitor: V, expected: &str) -> Result<V::Value, Error> {
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

    #[inline]
    fn float<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.cursor.peek_tag() {
            Some(NEW_FLOAT_EXT | FLOAT_EXT) => visitor.visit_f64(self.cursor.float()?),
            Some(SMALL_INTEGER_EXT | INTEGER_EXT | SMALL_BIG_EXT | LARGE_BIG_EXT) => {
                self.integer(visitor, "number")
            }
            _ => Err(self.expected("float")),
        }
    }

    /// Text of an atom, borrowed unless it is Latin-1 of an old node; `None` where no atom stands.
    #[inline]
    pub(super) fn atom_text(&mut self) -> Option<Cow<'de, str>> {
        let remaining = self.cursor.remaining();
        if let [SMALL_ATOM_UTF8_EXT, length, rest @ ..] = remaining
            && let Some(name) = rest.get(..usize::from(*length))
            && let Ok(name) = std::str::from_utf8(name)
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

    #[inline]
    fn text<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        if self.shape != Shape::Map {
            return self.shaped_text(visitor);
        }
        let [BINARY_EXT, a, b, c, d, rest @ ..] = self.cursor.remaining() else {
            return Err(self.expected("binary"));
        };
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let Some(bytes) = rest.get(..length) else {
            return Err(DecodeErrorKind::Truncated.at(self.cursor.position()).into());
        };
        self.cursor.pass(5 + length);
        match std::str::from_utf8(bytes) {
            Ok(text) => visitor.visit_borrowed_str(text),
            Err(_) => Err(Error::new("expected binary of UTF-8 text, found other bytes")),
        }
    }

    fn shaped_text<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.shape {
            Shape::Atom => match self.atom_text() {
                Some(text) => own::visit_text(text, visitor),
                None => Err(self.expected("atom")),
            },
            Shape::Charlist => {
                let at = self.cursor.clone();
                let text = self.cursor.term()?.as_charlist();
                let Some(text) = text else {
                    self.cursor = at;
                    return Err(self.expected("list of code points"));
                };
                visitor.visit_string(text)
            }
            shape => {
                self.shape = Shape::Map;
                let outcome = self.text(visitor);
                self.shape = shape;
                outcome
            }
        }
    }

    fn bytes<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
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

    /// One term as its bytes.
    fn raw<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let atoms = self.atoms();
        let bytes = self.cursor.skip_term()?;
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
    fn term(&mut self) -> Result<Term, Error> {
        let Some(shared) = self.shared else { return Ok(self.cursor.term()?) };
        let start = self.cursor.position();
        let place = Place::Inside;
        if shared.len() <= 4096 || start == 0 {
            let mut end = start;
            let term = decode(&mut shared.clone(), start, self.table.cloned(), place, &mut end)?;
            self.cursor.advance_to(end);
            return Ok(term);
        }
        let bytes = self.cursor.skip_term()?;
        Ok(Term::decode_fragment(crate::term::kept(shared, bytes), self.table.cloned())?)
    }

    /// The number of elements of a tuple, which must be `arity`.
    #[inline]
    fn tuple_of(&mut self, arity: usize) -> Result<(), Error> {
        if let [SMALL_TUPLE_EXT, found, ..] = *self.cursor.remaining()
            && usize::from(found) == arity
        {
            self.cursor.pass(2);
            return Ok(());
        }
        let at = self.cursor.clone();
        match self.cursor.tuple_header() {
            Ok(found) if found == arity => Ok(()),
            _ => {
                self.cursor = at;
                Err(self.expected(format_args!("tuple of {arity} elements")))
            }
        }
    }

    fn record<V: Visitor<'de>>(
        &mut self,
        name: &str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.tuple_of(fields.len() + 1)?;
        let tagged = self.cursor.atom_ref().is_ok_and(|atom| atom == *name);
        if !tagged {
            return Err(Error::new(format_args!("expected record {name}, found another tuple")));
        }
        visitor.visit_map(Fields::new(self, fields))
    }

    fn pairs<V: Visitor<'de>>(
        &mut self,
        fields: Option<(&'static str, &'static [&'static str])>,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let shape = self.take_shape();
        let outcome = self.nested(|this| match (shape, fields) {
            (Shape::Record, Some((name, fields))) => this.record(name, fields, visitor),
            (Shape::Proplist, _) => visitor.visit_map(Properties::new(this)),
            _ => {
                if this.cursor.peek_tag() != Some(MAP_EXT) {
                    return Err(this.expected("map"));
                }
                let pairs = this.cursor.map_header()?;
                let mut entries = Entries::new(this, pairs, fields.is_some());
                if shape == Shape::ElixirStruct
                    && let Some((name, _)) = fields
                {
                    entries.expect_struct(name);
                }
                let value = visitor.visit_map(&mut entries)?;
                entries.finish()?;
                Ok(value)
            }
        });
        self.shape = shape;
        outcome
    }
}

macro_rules! integers {
    ($($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.integer(visitor, "integer")
        }
    )*};
}

impl<'de> de::Deserializer<'de> for &mut Deserializer<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.cursor.peek_tag() {
            Some(SMALL_INTEGER_EXT | INTEGER_EXT | SMALL_BIG_EXT | LARGE_BIG_EXT) => {
                self.integer(visitor, "integer of 128 bits")
            }
            Some(NEW_FLOAT_EXT | FLOAT_EXT) => self.float(visitor),
            Some(BINARY_EXT) => {
                let bytes = self.cursor.binary()?;
                match std::str::from_utf8(bytes) {
                    Ok(text) => visitor.visit_borrowed_str(text),
                    Err(_) => visitor.visit_borrowed_bytes(bytes),
                }
            }
            Some(SMALL_TUPLE_EXT | LARGE_TUPLE_EXT) => {
                let arity = self.cursor.tuple_header()?;
                self.nested(|this| {
                    let mut elements = Elements::tuple(this, arity);
                    let value = visitor.visit_seq(&mut elements)?;
                    elements.finish()?;
                    Ok(value)
                })
            }
            Some(LIST_EXT | NIL_EXT | STRING_EXT) => self.deserialize_seq(visitor),
            Some(MAP_EXT) => self.deserialize_map(visitor),
            Some(tag) if crate::skip::is_atom(tag) => {
                let atom = self.cursor.atom_ref()?;
                if atom == "true" {
                    visitor.visit_bool(true)
                } else if atom == "false" {
                    visitor.visit_bool(false)
                } else if atom == "undefined" || atom == "nil" {
                    visitor.visit_unit()
                } else {
                    own::visit_text(atom.as_str(), visitor)
                }
            }
            _ => self.bytes(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match *self.cursor.remaining() {
            [SMALL_ATOM_UTF8_EXT, 4, b't', b'r', b'u', b'e', ..] => {
                self.cursor.pass(6);
                visitor.visit_bool(true)
            }
            [SMALL_ATOM_UTF8_EXT, 5, b'f', b'a', b'l', b's', b'e', ..] => {
                self.cursor.pass(7);
                visitor.visit_bool(false)
            }
            _ => match self.atom_ahead() {
                Some(atom) if atom == "true" || atom == "false" => {
                    self.cursor.atom_ref()?;
                    visitor.visit_bool(atom == "true")
                }
                _ => Err(self.expected("true or false")),
            },
        }
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.float(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.float(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.bytes(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.cursor.is_atom()
            && let Some(atom) = self.atom_ahead()
            && (atom == "undefined" || atom == "nil")
        {
            self.cursor.atom_ref()?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.atom_ahead().is_some_and(|atom| atom == "ok") {
            self.cursor.atom_ref()?;
            return visitor.visit_unit();
        }
        Err(self.expected("atom ok"))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.atom_ahead().is_some_and(|atom| atom == *name) {
            self.cursor.atom_ref()?;
            return visitor.visit_unit();
        }
        Err(self.expected(format_args!("atom {name}")))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if !name.starts_with('$') {
            return visitor.visit_newtype_struct(self);
        }
        match name {
            own::ATOM => self.shaped(Shape::Atom, visitor),
            own::PID if !self.cursor.is_pid() => Err(self.expected("pid")),
            own::REFERENCE if !self.cursor.is_reference() => Err(self.expected("reference")),
            own::PORT if !self.cursor.is_port() => Err(self.expected("port")),
            own::BIG_INTEGER if !self.cursor.is_integer() => Err(self.expected("integer")),
            own::PID | own::REFERENCE | own::PORT | own::BIG_INTEGER => self.raw(visitor),
            own::TERM => {
                let term = self.term()?;
                own::hand(Handed::Term(term));
                visitor.visit_unit()
            }
            own::SHARED => {
                let Ok(bytes) = self.cursor.binary() else { return Err(self.expected("binary")) };
                match self.shared {
                    Some(shared) => {
                        own::hand(Handed::Bytes(crate::term::kept(shared, bytes)));
                        visitor.visit_unit()
                    }
                    None => visitor.visit_borrowed_bytes(bytes),
                }
            }
            own::IODATA => {
                let at = self.cursor.clone();
                let Some(bytes) = self.cursor.term()?.as_iodata() else {
                    self.cursor = at;
                    return Err(self.expected("iodata"));
                };
                visitor.visit_byte_buf(bytes)
            }
            own::CHARLIST => self.shaped(Shape::Charlist, visitor),
            own::RECORD => self.shaped(Shape::Record, visitor),
            own::PROPLIST => self.shaped(Shape::Proplist, visitor),
            own::ELIXIR_STRUCT => self.shaped(Shape::ElixirStruct, visitor),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.nested(|this| {
            let mut elements = Elements::list(this)?;
            let value = visitor.visit_seq(&mut elements)?;
            elements.finish()?;
            Ok(value)
        })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        arity: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.tuple_of(arity)?;
        self.nested(|this| {
            let mut elements = Elements::tuple(this, arity);
            let value = visitor.visit_seq(&mut elements)?;
            elements.finish()?;
            Ok(value)
        })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        arity: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(arity, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.pairs(None, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.pairs(Some((name, fields)), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let result = name == "Result" && variants == ["Ok", "Err"];
        if self.cursor.is_atom() {
            return visitor.visit_enum(Variant::new(self, 0, result));
        }
        let at = self.cursor.clone();
        match self.cursor.tuple_header() {
            Ok(arity) if arity > 0 && self.cursor.is_atom() => {
                self.nested(|this| visitor.visit_enum(Variant::new(this, arity, result)))
            }
            _ => {
                self.cursor = at;
                Err(self.expected("atom or tuple that begins with one"))
            }
        }
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.atom_text() {
            Some(text) => own::visit_text(text, visitor),
            None if self.cursor.peek_tag() == Some(BINARY_EXT) => self.text(visitor),
            None => Err(self.expected("atom")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.cursor.skip_term()?;
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}
