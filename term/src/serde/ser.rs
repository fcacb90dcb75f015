//! Rust values to bytes.

use serde::ser::{self, Serialize};

use super::compound::{Elements, Pairs, Sequence};
use super::error::EncodeError;
use super::own;
use crate::atom::Atom;
use crate::encoder::Encoder;
use crate::open;
use crate::tag::*;
use crate::term::Term;

/// How values are written where there is a choice.
///
/// ```
/// use serde::Serialize;
/// use term::serde::{Options, Serializer};
/// let mut out = Vec::new();
/// let options = Options { none: term::Atom::from_static("nil") };
/// None::<i64>.serialize(&mut Serializer::with_options(&mut out, &options)).unwrap();
/// assert_eq!(out, [119, 3, b'n', b'i', b'l']);
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// The atom for `None`: `undefined` by default, as in Erlang's records; `nil` for Elixir.
    pub none: Atom,
}

impl Options {
    /// `undefined` for `None`.
    pub const DEFAULT: Self = Self { none: Atom::from_static("undefined") };
}

impl Default for Options {
    fn default() -> Self {
        Self::DEFAULT
    }
}

static DEFAULT: Options = Options::DEFAULT;

/// Writes one value, without 131, to the end of a buffer.
#[derive(Debug)]
pub struct Serializer<'a> {
    pub(super) out: &'a mut Vec<u8>,
    options: &'a Options,
    /// How the next struct or map goes out; see `wrap.rs`.
    pub(super) shape: Shape,
}

/// What the next value becomes, where a wrapper says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Nothing special: a struct becomes a map.
    Map,
    /// Text becomes an atom.
    Atom,
    /// Text becomes a charlist.
    Charlist,
    /// Bytes are a term already.
    Raw,
    Record,
    Proplist,
    ElixirStruct,
}

impl<'a> Serializer<'a> {
    /// A serializer that appends to `out`.
    #[must_use]
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self::with_options(out, &DEFAULT)
    }

    /// The same with a choice of forms.
    #[must_use]
    pub const fn with_options(out: &'a mut Vec<u8>, options: &'a Options) -> Self {
        Self { out, options, shape: Shape::Map }
    }

    #[inline]
    pub(super) const fn encoder(&mut self) -> Encoder<'_> {
        Encoder::new(self.out)
    }

    #[inline]
    pub(super) fn atom(&mut self, name: &str) -> Result<(), EncodeError> {
        if name.len() > crate::atom::MAX_ATOM_CHARACTERS {
            self.encoder().atom(&Atom::new(name)?);
        } else {
            self.encoder().atom_utf8(name.as_bytes());
        }
        Ok(())
    }

    pub(super) fn count(count: usize) -> Result<usize, EncodeError> {
        u32::try_from(count).map(|_| count).map_err(|_| EncodeError::TooLarge(count))
    }

    fn wide(&mut self, negative: bool, magnitude: u128) {
        self.encoder().magnitude(negative, &magnitude.to_le_bytes());
    }

    fn tuple(&mut self, arity: usize) -> Result<(), EncodeError> {
        Self::count(arity)?;
        self.encoder().tuple_header(arity);
        Ok(())
    }
}

/// `Ok` and `Err` of `Result` in Erlang's words.
fn variant_name(name: &'static str, variant: &'static str) -> &'static str {
    match (name, variant) {
        ("Result", "Ok") => "ok",
        ("Result", "Err") => "error",
        _ => variant,
    }
}

impl<'s, 'a> ser::Serializer for &'s mut Serializer<'a> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = Sequence<'s, 'a>;
    type SerializeTuple = Elements<'s, 'a>;
    type SerializeTupleStruct = Elements<'s, 'a>;
    type SerializeTupleVariant = Elements<'s, 'a>;
    type SerializeMap = Pairs<'s, 'a>;
    type SerializeStruct = Pairs<'s, 'a>;
    type SerializeStructVariant = Pairs<'s, 'a>;

    fn serialize_bool(self, value: bool) -> Result<(), EncodeError> {
        self.atom(if value { "true" } else { "false" })
    }

    fn serialize_i8(self, value: i8) -> Result<(), EncodeError> {
        self.serialize_i64(i64::from(value))
    }

    fn serialize_i16(self, value: i16) -> Result<(), EncodeError> {
        self.serialize_i64(i64::from(value))
    }

    fn serialize_i32(self, value: i32) -> Result<(), EncodeError> {
        self.serialize_i64(i64::from(value))
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result<(), EncodeError> {
        self.encoder().integer(value);
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<(), EncodeError> {
        match i64::try_from(value) {
            Ok(value) => self.encoder().integer(value),
            Err(_) => self.wide(value < 0, value.unsigned_abs()),
        }
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Result<(), EncodeError> {
        self.out.extend_from_slice(&[SMALL_INTEGER_EXT, value]);
        Ok(())
    }

    fn serialize_u16(self, value: u16) -> Result<(), EncodeError> {
        self.serialize_i64(i64::from(value))
    }

    fn serialize_u32(self, value: u32) -> Result<(), EncodeError> {
        self.serialize_i64(i64::from(value))
    }

    fn serialize_u64(self, value: u64) -> Result<(), EncodeError> {
        self.encoder().unsigned(value);
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<(), EncodeError> {
        match i64::try_from(value) {
            Ok(value) => self.encoder().integer(value),
            Err(_) => self.wide(false, value),
        }
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), EncodeError> {
        self.serialize_f64(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Result<(), EncodeError> {
        if !value.is_finite() {
            return Err(EncodeError::NotFinite(value));
        }
        self.encoder().float(value);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), EncodeError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), EncodeError> {
        match self.shape {
            Shape::Atom => return self.atom(value),
            Shape::Charlist => {
                Term::charlist(value).encode_into(self.out);
                return Ok(());
            }
            _ => {}
        }
        Serializer::count(value.len())?;
        self.encoder().binary(value.as_bytes());
        Ok(())
    }

    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Result<(), EncodeError> {
        if self.shape == Shape::Raw {
            self.encoder().raw(value);
            return Ok(());
        }
        Serializer::count(value.len())?;
        self.encoder().binary(value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), EncodeError> {
        let none = self.options.none.as_str();
        Encoder::new(self.out).atom_utf8(none.as_bytes());
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), EncodeError> {
        self.atom("ok")
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<(), EncodeError> {
        self.atom(name)
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), EncodeError> {
        self.atom(variant_name(name, variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        if !name.starts_with(own::PREFIX) {
            return value.serialize(self);
        }
        match name {
            own::ATOM => self.shaped(Shape::Atom, value),
            own::PID | own::PORT | own::REFERENCE | own::TERM | own::BIG_INTEGER => {
                self.shaped(Shape::Raw, value)
            }
            own::CHARLIST => self.shaped(Shape::Charlist, value),
            own::NIL => {
                let nil = Options { none: Atom::from_static("nil") };
                value.serialize(&mut Serializer { out: self.out, options: &nil, shape: self.shape })
            }
            own::RECORD => self.shaped(Shape::Record, value),
            own::PROPLIST => self.shaped(Shape::Proplist, value),
            own::ELIXIR_STRUCT => self.shaped(Shape::ElixirStruct, value),
            _ => value.serialize(self),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        let start = self.out.len();
        self.tuple(2)?;
        let variant = variant_name(name, variant);
        self.atom(variant)?;
        let content = self.out.len();
        value.serialize(&mut *self)?;
        // `Ok(())` is a plain `ok`.
        if name == "Result"
            && variant == "ok"
            && self.out.get(content..) == Some(&[SMALL_ATOM_UTF8_EXT, 2, b'o', b'k'])
        {
            self.out.truncate(start);
            self.atom("ok")?;
        }
        Ok(())
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Sequence<'s, 'a>, EncodeError> {
        Serializer::count(length.unwrap_or_default())?;
        let start = open::open_list(self.out);
        Ok(Sequence { serializer: self, start, length: 0 })
    }

    fn serialize_tuple(self, arity: usize) -> Result<Elements<'s, 'a>, EncodeError> {
        self.tuple(arity)?;
        Ok(Elements { serializer: self })
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        arity: usize,
    ) -> Result<Elements<'s, 'a>, EncodeError> {
        self.serialize_tuple(arity)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        arity: usize,
    ) -> Result<Elements<'s, 'a>, EncodeError> {
        self.tuple(arity + 1)?;
        self.atom(variant)?;
        Ok(Elements { serializer: self })
    }

    fn serialize_map(self, pairs: Option<usize>) -> Result<Pairs<'s, 'a>, EncodeError> {
        Pairs::begin(self, None, pairs.unwrap_or_default())
    }

    fn serialize_struct(
        self,
        name: &'static str,
        fields: usize,
    ) -> Result<Pairs<'s, 'a>, EncodeError> {
        Pairs::begin(self, Some(name), fields)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        fields: usize,
    ) -> Result<Pairs<'s, 'a>, EncodeError> {
        if self.shape == Shape::Record {
            return Pairs::begin(self, Some(variant), fields);
        }
        self.tuple(2)?;
        self.atom(variant)?;
        Pairs::begin(self, None, fields)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl Serializer<'_> {
    fn shaped<T: Serialize + ?Sized>(
        &mut self,
        shape: Shape,
        value: &T,
    ) -> Result<(), EncodeError> {
        let outer = std::mem::replace(&mut self.shape, shape);
        let outcome = value.serialize(&mut *self);
        self.shape = outer;
        outcome
    }
}
