//! Bytes to Rust values.

use std::sync::Arc;

use bytes::Bytes;
use serde::de::{self, Visitor};

use super::access::{Elements, Entries, Fields, Fixed, Properties, Variant};
use super::error::Error;
use super::name::AsAtom;
use super::own::{self, Handed};
use super::ser::Shape;
use crate::atom::Atom;
use crate::cursor::{Cursor, kind_of};
use crate::error::DecodeErrorKind;
use crate::limits::Limits;
use crate::tag::*;

/// Reads one value after the other from bytes without 131.
#[derive(Debug)]
pub struct Deserializer<'de> {
    pub(super) cursor: Cursor<'de>,
    pub(super) shared: Option<&'de Bytes>,
    pub(super) table: Option<&'de Arc<[Atom]>>,
    /// How much deeper nesting may go.
    pub(super) depth: u16,
    pub(super) shape: Shape,
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

    #[inline]
    fn shaped<V: Visitor<'de>>(&mut self, shape: Shape, visitor: V) -> Result<V::Value, Error> {
        let outer = std::mem::replace(&mut self.shape, shape);
        let outcome = visitor.visit_newtype_struct(&mut *self);
        self.shape = outer;
        outcome
    }

    /// Goes one level down while `read` runs.
    #[inline(always)]
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        let Some(depth) = self.depth.checked_sub(1) else {
            return Err(too_deep());
        };
        self.depth = depth;
        let outcome = read(self);
        self.depth += 1;
        outcome
    }

    /// The number of elements of a tuple, which must be `arity`.
    #[inline(always)]
    fn tuple_of(&mut self, arity: usize) -> Result<(), Error> {
        if let [SMALL_TUPLE_EXT, found, ..] = *self.cursor.remaining()
            && usize::from(found) == arity
        {
            self.cursor.pass(2);
            return Ok(());
        }
        self.other_tuple_of(arity)
    }

    #[inline(never)]
    fn other_tuple_of(&mut self, arity: usize) -> Result<(), Error> {
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
                let mut entries = Entries::new(this, pairs, fields.map(|(_, fields)| fields));
                if shape == Shape::ElixirStruct
                    && let Some((name, _)) = fields
                {
                    entries.expect_struct(name);
                }
                let outcome = visitor.visit_map(&mut entries);
                then(outcome, || entries.finish())
            }
        });
        self.shape = shape;
        outcome
    }

    /// A truth value in another form than today's.
    #[inline(never)]
    fn other_bool<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.atom_ahead() {
            Some(atom) if atom == "true" || atom == "false" => {
                self.cursor.atom_ref()?;
                visitor.visit_bool(atom == "true")
            }
            _ => Err(self.expected("true or false")),
        }
    }

    /// An atom alone, or a tuple in another form than today's.
    fn variant<V: Visitor<'de>>(
        &mut self,
        variants: &'static [&'static str],
        result: bool,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.cursor.is_atom() {
            return visitor.visit_enum(Variant::new(self, 0, variants, result));
        }
        let at = self.cursor.clone();
        match self.cursor.tuple_header() {
            Ok(arity) if arity > 0 && self.cursor.is_atom() => {
                self.nested(|this| visitor.visit_enum(Variant::new(this, arity, variants, result)))
            }
            _ => {
                self.cursor = at;
                Err(self.expected("atom or tuple that begins with one"))
            }
        }
    }
}

#[cold]
#[inline(never)]
fn too_deep() -> Error {
    Error::new("nested deeper than the limit for types")
}

/// What was read, if what follows is right too. It stays where it was written: large types take long to move.
#[inline(always)]
pub(super) fn then<T>(
    outcome: Result<T, Error>,
    check: impl FnOnce() -> Result<(), Error>,
) -> Result<T, Error> {
    if outcome.is_ok()
        && let Err(error) = check()
    {
        return Err(error);
    }
    outcome
}

macro_rules! integers {
    ($($method:ident)*) => {$(
        #[inline(always)]
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
                match crate::utf8::text(bytes) {
                    Ok(text) => visitor.visit_borrowed_str(text),
                    Err(_) => visitor.visit_borrowed_bytes(bytes),
                }
            }
            Some(SMALL_TUPLE_EXT | LARGE_TUPLE_EXT) => {
                let arity = self.cursor.tuple_header()?;
                self.nested(|this| {
                    let mut elements = Fixed::new(this, arity, 0);
                    let outcome = visitor.visit_seq(&mut elements);
                    then(outcome, || elements.finish())
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

    #[inline(always)]
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
            _ => self.other_bool(visitor),
        }
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    #[inline(always)]
    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.float(visitor)
    }

    #[inline(always)]
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.float(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    #[inline(always)]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    #[inline(always)]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.bytes(visitor)
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.bytes(visitor)
    }

    #[inline]
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

    // In line, because the name is a constant where this is called: of the whole match, one arm is left.
    #[inline(always)]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if !name.starts_with('$') {
            return visitor.visit_newtype_struct(self);
        }
        match name {
            own::ATOM => visitor.visit_newtype_struct(AsAtom(self)),
            own::PID if !self.cursor.is_pid() => Err(self.expected("pid")),
            own::REFERENCE if !self.cursor.is_reference() => Err(self.expected("reference")),
            own::PORT if !self.cursor.is_port() => Err(self.expected("port")),
            own::BIG_INTEGER if !self.cursor.is_integer() => Err(self.expected("integer")),
            own::PID => self.identifier(NEW_PID_EXT, 1, 12, visitor),
            own::REFERENCE => {
                let words = self.cursor.remaining().get(2).copied().unwrap_or_default();
                self.identifier(NEWER_REFERENCE_EXT, 3, 4 + 4 * usize::from(words), visitor)
            }
            own::RAW | own::PORT | own::BIG_INTEGER => self.raw(visitor),
            own::TERM => {
                let term = self.term()?;
                own::hand(Handed::Term(term));
                visitor.visit_unit()
            }
            own::ENCODED => {
                let payload = self.payload()?;
                own::hand(Handed::Encoded(payload));
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

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.nested(|this| {
            let mut elements = Elements::list(this)?;
            let outcome = visitor.visit_seq(&mut elements);
            then(outcome, || elements.finish())
        })
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        arity: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.tuple_of(arity)?;
        self.nested(|this| {
            let mut elements = Fixed::new(this, arity, 0);
            let outcome = visitor.visit_seq(&mut elements);
            then(outcome, || elements.finish())
        })
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        arity: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(arity, visitor)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.pairs(None, visitor)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.pairs(Some((name, fields)), visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let result = name == "Result" && variants == ["Ok", "Err"];
        if let [SMALL_TUPLE_EXT, arity, SMALL_ATOM_UTF8_EXT, ..] = *self.cursor.remaining()
            && arity > 0
        {
            self.cursor.pass(2);
            let arity = usize::from(arity);
            return self
                .nested(|this| visitor.visit_enum(Variant::new(this, arity, variants, result)));
        }
        self.variant(variants, result, visitor)
    }

    #[inline(always)]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if let Some(name) = self.plain_atom() {
            return visitor.visit_borrowed_str(name);
        }
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
