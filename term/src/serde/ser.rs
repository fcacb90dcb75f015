//! Rust values to bytes.

use serde::ser::{self, Serialize};

use super::error::EncodeError;
use super::own;
use crate::atom::Atom;
use crate::encoder::Encoder;
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
    out: &'a mut Vec<u8>,
    options: &'a Options,
    /// How the next struct or map goes out; see `wrap.rs`.
    shape: Shape,
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
    const fn encoder(&mut self) -> Encoder<'_> {
        Encoder::new(self.out)
    }

    #[inline]
    fn atom(&mut self, name: &str) -> Result<(), EncodeError> {
        if name.len() > crate::atom::MAX_ATOM_CHARACTERS {
            self.encoder().atom(&Atom::new(name)?);
        } else {
            self.encoder().atom_utf8(name.as_bytes());
        }
        Ok(())
    }

    fn count(count: usize) -> Result<usize, EncodeError> {
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
        let start = self.out.len();
        self.out.extend_from_slice(&[LIST_EXT, 0, 0, 0, 0]);
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

/// A list on its way out; its length is filled in at the end.
#[derive(Debug)]
pub struct Sequence<'s, 'a> {
    serializer: &'s mut Serializer<'a>,
    start: usize,
    length: usize,
}

impl ser::SerializeSeq for Sequence<'_, '_> {
    type Ok = ();
    type Error = EncodeError;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.length += 1;
        value.serialize(&mut *self.serializer)
    }

    fn end(self) -> Result<(), EncodeError> {
        let out = &mut *self.serializer.out;
        if self.length == 0 {
            out.truncate(self.start);
            out.push(NIL_EXT);
            return Ok(());
        }
        let length = u32::try_from(self.length).map_err(|_| EncodeError::TooLarge(self.length))?;
        let body = out.get(self.start + 5..).unwrap_or_default();
        // A list of bytes goes out as a string, as the BEAM writes it.
        if let Ok(short) = u16::try_from(self.length)
            && body.len() == 2 * self.length
            && body.chunks_exact(2).all(|pair| pair.first() == Some(&SMALL_INTEGER_EXT))
        {
            for index in 0..self.length {
                if let Some(&byte) = out.get(self.start + 5 + 2 * index + 1)
                    && let Some(place) = out.get_mut(self.start + 3 + index)
                {
                    *place = byte;
                }
            }
            out.truncate(self.start + 3 + self.length);
            let [high, low] = short.to_be_bytes();
            if let Some(head) = out.get_mut(self.start..self.start + 3) {
                head.copy_from_slice(&[STRING_EXT, high, low]);
            }
            return Ok(());
        }
        if let Some(place) = out.get_mut(self.start + 1..self.start + 5) {
            place.copy_from_slice(&length.to_be_bytes());
        }
        out.push(NIL_EXT);
        Ok(())
    }
}

/// The elements of a tuple on their way out.
#[derive(Debug)]
pub struct Elements<'s, 'a> {
    serializer: &'s mut Serializer<'a>,
}

macro_rules! elements {
    ($($trait:ident::$method:ident)*) => {$(
        impl ser::$trait for Elements<'_, '_> {
            type Ok = ();
            type Error = EncodeError;
            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
                value.serialize(&mut *self.serializer)
            }
            fn end(self) -> Result<(), EncodeError> {
                Ok(())
            }
        }
    )*};
}
elements!(SerializeTuple::serialize_element SerializeTupleStruct::serialize_field SerializeTupleVariant::serialize_field);

/// A map, or a struct in its shape, on its way out; the count is filled in at the end.
#[derive(Debug)]
pub struct Pairs<'s, 'a> {
    serializer: &'s mut Serializer<'a>,
    shape: Shape,
    start: usize,
    count: usize,
}

impl<'s, 'a> Pairs<'s, 'a> {
    fn begin(
        serializer: &'s mut Serializer<'a>,
        name: Option<&'static str>,
        fields: usize,
    ) -> Result<Self, EncodeError> {
        Serializer::count(fields)?;
        let start = serializer.out.len();
        // The shape is not for what is in the value.
        let shape = std::mem::replace(&mut serializer.shape, Shape::Map);
        let mut count = 0;
        match (shape, name) {
            (Shape::Map | Shape::Atom | Shape::Charlist | Shape::Raw, _) => {
                serializer.out.extend_from_slice(&[MAP_EXT, 0, 0, 0, 0])
            }
            (Shape::Proplist, _) => serializer.out.extend_from_slice(&[LIST_EXT, 0, 0, 0, 0]),
            (Shape::Record, Some(name)) => {
                serializer.out.extend_from_slice(&[LARGE_TUPLE_EXT, 0, 0, 0, 0]);
                serializer.atom(name)?;
                count = 1;
            }
            (Shape::ElixirStruct, Some(name)) => {
                serializer.out.extend_from_slice(&[MAP_EXT, 0, 0, 0, 0]);
                serializer.atom("__struct__")?;
                if name.starts_with("Elixir.") {
                    serializer.atom(name)?;
                } else {
                    serializer.atom(&format!("Elixir.{name}"))?;
                }
                count = 1;
            }
            (Shape::Record | Shape::ElixirStruct, None) => {
                return Err(EncodeError::Unsuitable(
                    "only a struct with named fields can be a record or an Elixir struct",
                ));
            }
        }
        Ok(Self { serializer, shape, start, count })
    }

    #[inline]
    fn pair<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.count += 1;
        match self.shape {
            Shape::Record => {}
            Shape::Proplist => {
                self.serializer.encoder().tuple_header(2);
                self.serializer.atom(key)?;
            }
            _ => self.serializer.atom(key)?,
        }
        value.serialize(&mut *self.serializer)
    }

    fn skip(&mut self) -> Result<(), EncodeError> {
        // A record's fields are known by their place, so none can be left out.
        if self.shape == Shape::Record {
            self.count += 1;
            return ser::Serializer::serialize_none(&mut *self.serializer);
        }
        Ok(())
    }

    fn finish(self) -> Result<(), EncodeError> {
        // The elements of one list all go out in the shape asked for.
        self.serializer.shape = self.shape;
        let out = &mut *self.serializer.out;
        let count = u32::try_from(self.count).map_err(|_| EncodeError::TooLarge(self.count))?;
        if self.shape == Shape::Proplist {
            if count == 0 {
                out.truncate(self.start);
            }
            out.push(NIL_EXT);
        }
        if let (Shape::Record, Ok(arity)) = (self.shape, u8::try_from(count)) {
            // A small tuple after all.
            out.drain(self.start + 2..self.start + 5);
            if let Some(head) = out.get_mut(self.start..self.start + 2) {
                head.copy_from_slice(&[SMALL_TUPLE_EXT, arity]);
            }
        } else if let Some(place) = out.get_mut(self.start + 1..self.start + 5) {
            place.copy_from_slice(&count.to_be_bytes());
        }
        Ok(())
    }
}

impl ser::SerializeMap for Pairs<'_, '_> {
    type Ok = ();
    type Error = EncodeError;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        self.count += 1;
        if self.shape == Shape::Proplist {
            self.serializer.encoder().tuple_header(2);
        }
        key.serialize(&mut *self.serializer)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        value.serialize(&mut *self.serializer)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.finish()
    }
}

macro_rules! structs {
    ($($trait:ident)*) => {$(
        impl ser::$trait for Pairs<'_, '_> {
            type Ok = ();
            type Error = EncodeError;
            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), EncodeError> {
                self.pair(key, value)
            }
            fn skip_field(&mut self, _: &'static str) -> Result<(), EncodeError> {
                self.skip()
            }
            fn end(self) -> Result<(), EncodeError> {
                self.finish()
            }
        }
    )*};
}
structs!(SerializeStruct SerializeStructVariant);
