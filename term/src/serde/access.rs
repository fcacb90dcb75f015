//! How serde walks through what a term contains: elements, pairs, the fields of records, variants.

use std::marker::PhantomData;

use serde::de::value::{BorrowedBytesDeserializer, BorrowedStrDeserializer};
use serde::de::{self, Deserialize, DeserializeSeed, IntoDeserializer, Visitor};

use super::de::{Deserializer, then};
use super::error::{Error, Segment};
use super::own;
use crate::error::DecodeErrorKind;
use crate::tag::*;

/// The elements of a tuple.
pub(super) struct Fixed<'a, 'de> {
    deserializer: &'a mut Deserializer<'de>,
    left: usize,
    index: usize,
}

impl<'a, 'de> Fixed<'a, 'de> {
    /// `left` elements, in the path counted from `index`.
    pub(super) const fn new(
        deserializer: &'a mut Deserializer<'de>,
        left: usize,
        index: usize,
    ) -> Self {
        Self { deserializer, left, index }
    }

    #[inline(always)]
    fn next<T>(
        &mut self,
        read: impl for<'b> FnOnce(&'b mut Deserializer<'de>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.index += 1;
        match read(&mut *self.deserializer) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(error.within(Segment::Index(self.index - 1))),
        }
    }

    /// After the visitor: there must be nothing left that it did not take.
    #[inline]
    pub(super) fn finish(self) -> Result<(), Error> {
        if self.left > 0 { Err(too_many(self.index)) } else { Ok(()) }
    }
}

#[cold]
fn too_many(expected: usize) -> Error {
    Error::new(format_args!("expected {expected} elements, found more"))
}

impl<'de> de::SeqAccess<'de> for &mut Fixed<'_, 'de> {
    type Error = Error;

    #[inline(always)]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        self.next(|deserializer| seed.deserialize(deserializer))
    }

    // As serde has it, but in line: of what is handed over in memory the parts are waited for one by one.
    #[inline(always)]
    fn next_element<T: Deserialize<'de>>(&mut self) -> Result<Option<T>, Error> {
        self.next(|deserializer| T::deserialize(deserializer))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// Whether bytes begin with a name. Names of up to 16 bytes are compared by what they begin and end with, without a call.
#[inline(always)]
fn begins_with(bytes: &[u8], name: &[u8]) -> bool {
    let Some(bytes) = bytes.get(..name.len()) else { return false };
    macro_rules! ends {
        ($length:literal) => {
            if let (Some(a), Some(b), Some(c), Some(d)) = (
                bytes.first_chunk::<$length>(),
                name.first_chunk::<$length>(),
                bytes.last_chunk::<$length>(),
                name.last_chunk::<$length>(),
            ) {
                return a == b && c == d;
            }
        };
    }
    match name.len() {
        4..=8 => ends!(4),
        9..=16 => ends!(8),
        2..=3 => ends!(2),
        _ => {}
    }
    bytes == name
}

/// The elements of a list, whichever tags it is made of.
pub(super) struct Elements<'a, 'de> {
    deserializer: &'a mut Deserializer<'de>,
    left: usize,
    index: usize,
    /// Elements of a `STRING_EXT`.
    string: &'de [u8],
    /// There is a tail after these elements.
    list: bool,
}

impl<'a, 'de> Elements<'a, 'de> {
    pub(super) fn list(deserializer: &'a mut Deserializer<'de>) -> Result<Self, Error> {
        if !deserializer.cursor.is_list() {
            return Err(deserializer.expected("list"));
        }
        let mut elements = Self { deserializer, left: 0, index: 0, string: &[], list: true };
        elements.next_piece()?;
        Ok(elements)
    }

    /// The list that begins here: the whole one, or the tail of what was read so far.
    fn next_piece(&mut self) -> Result<(), Error> {
        match self.deserializer.cursor.peek_tag() {
            Some(STRING_EXT) => {
                self.string = self.deserializer.cursor.string()?;
                self.list = false;
            }
            Some(NIL_EXT | LIST_EXT) => {
                self.left = self.deserializer.cursor.list_header()?;
                self.list = self.left > 0;
            }
            _ => return Err(self.deserializer.expected("[] at the end of a list")),
        }
        Ok(())
    }

    /// After the visitor: there must be nothing left that it did not take.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        if self.advance()? { Err(too_many(self.index)) } else { Ok(()) }
    }

    /// Whether there is another element.
    fn advance(&mut self) -> Result<bool, Error> {
        while self.left == 0 && self.string.is_empty() {
            if !self.list {
                return Ok(false);
            }
            self.next_piece()?;
        }
        Ok(true)
    }
}

impl<'de> de::SeqAccess<'de> for &mut Elements<'_, 'de> {
    type Error = Error;

    #[inline(always)]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        if self.left == 0 && !self.advance()? {
            return Ok(None);
        }
        let index = self.index;
        self.index += 1;
        let value = if self.left > 0 {
            self.left -= 1;
            seed.deserialize(&mut *self.deserializer)
        } else {
            let (byte, rest) =
                self.string.split_first().map_or((0, &[][..]), |(&b, rest)| (b, rest));
            self.string = rest;
            seed.deserialize(IntoDeserializer::<Error>::into_deserializer(byte))
        };
        match value {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(error.within(Segment::Index(index))),
        }
    }

    #[inline(always)]
    fn next_element<T: Deserialize<'de>>(&mut self) -> Result<Option<T>, Error> {
        self.next_element_seed(PhantomData)
    }

    fn size_hint(&self) -> Option<usize> {
        // Never more than there are bytes left; serde reserves at most 1 MiB for it.
        Some(self.left.max(self.string.len()))
    }
}

/// The pairs of a map.
pub(super) struct Entries<'a, 'de> {
    deserializer: &'a mut Deserializer<'de>,
    left: usize,
    /// Whether keys name the fields of a struct.
    named: bool,
    /// The fields that are likely to come: those after the last.
    likely: &'static [&'static str],
    /// Where the last key begins, for the path.
    key: usize,
    /// Where the deserializer is between keys and values. Kept here as well, where the compiler has it in a register: what is handed over
    /// in memory is waited for at every pair.
    at: usize,
    /// The name of the Elixir struct that this must be.
    expected: Option<&'static str>,
}

impl<'a, 'de> Entries<'a, 'de> {
    pub(super) fn new(
        deserializer: &'a mut Deserializer<'de>,
        pairs: usize,
        fields: Option<&'static [&'static str]>,
    ) -> Self {
        let at = deserializer.cursor.position();
        Self {
            deserializer,
            left: pairs,
            named: fields.is_some(),
            likely: fields.unwrap_or_default(),
            key: at,
            at,
            expected: None,
        }
    }

    pub(super) const fn expect_struct(&mut self, name: &'static str) {
        self.expected = Some(name);
    }

    #[inline(always)]
    pub(super) fn finish(mut self) -> Result<(), Error> {
        if self.expected.is_some() {
            self.pass_struct_name()?;
        }
        match (self.expected, self.left) {
            (None, 0) => Ok(()),
            (expected, left) => Err(unfinished(expected, left)),
        }
    }

    /// The name of the field that is likely, passed over, where it stands here: where the fields come in their order, the key is known to be
    /// text.
    #[inline(always)]
    fn likely(&mut self) -> Option<&'static str> {
        let (name, after) = self.likely.split_first()?;
        if let [SMALL_ATOM_UTF8_EXT, length, found @ ..] = self.deserializer.cursor.remaining()
            && usize::from(*length) == name.len()
            && begins_with(found, name.as_bytes())
        {
            self.deserializer.cursor.pass(2 + name.len());
            self.likely = after;
            return Some(name);
        }
        None
    }

    /// Begins a key.
    #[inline(always)]
    fn next(&mut self) {
        self.left -= 1;
        self.deserializer.cursor.advance_to(self.at);
        self.key = self.at;
    }

    /// What was read, from which on it goes on.
    #[inline(always)]
    fn read<T>(&mut self, outcome: T) -> T {
        self.at = self.deserializer.cursor.position();
        outcome
    }

    /// A key that is none of those expected.
    #[inline(always)]
    fn other_key<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<K::Value, Error> {
        if self.named {
            // A key that cannot be a field's name is passed over like any other unknown one.
            let cursor = &self.deserializer.cursor;
            if !cursor.is_atom() && cursor.peek_tag() != Some(BINARY_EXT) {
                self.deserializer.cursor.skip_term()?;
                return seed.deserialize(BorrowedStrDeserializer::<Error>::new(""));
            }
        }
        seed.deserialize(&mut *self.deserializer)
    }

    /// Checks and passes over `__struct__` where a struct is wanted.
    #[inline(always)]
    fn pass_struct_name(&mut self) -> Result<(), Error> {
        if let Some(name) = self.expected
            && self.left > 0
            && struct_name(self.deserializer, name)?
        {
            self.at = self.deserializer.cursor.position();
            self.left -= 1;
            self.expected = None;
        }
        Ok(())
    }
}

/// Why a map is not what was wanted, though the visitor has what it asked for.
#[cold]
fn unfinished(expected: Option<&'static str>, left: usize) -> Error {
    match expected {
        Some(name) => Error::new(format_args!(
            "expected Elixir struct {name}, found a map without __struct__"
        )),
        None => Error::new(format_args!("{left} pairs too many")),
    }
}

/// Whether `__struct__` stands here; then it and its value, which must be `name`, are passed over.
#[inline(never)]
fn struct_name(deserializer: &mut Deserializer<'_>, name: &'static str) -> Result<bool, Error> {
    if deserializer.atom_ahead().is_none_or(|atom| atom != "__struct__") {
        return Ok(false);
    }
    deserializer.cursor.atom_ref()?;
    let module = deserializer.atom_ahead();
    let matches = module.is_some_and(|module| {
        module == *name || module.as_str().strip_prefix("Elixir.") == Some(name)
    });
    if !matches {
        let error = deserializer.expected(format_args!("Elixir struct {name}"));
        return Err(error.within(Segment::Key("__struct__".to_owned())));
    }
    deserializer.cursor.atom_ref()?;
    Ok(true)
}

/// The error with the key at `key` in its path.
#[cold]
#[inline(never)]
fn in_value(error: Error, deserializer: &Deserializer<'_>, key: usize) -> Error {
    let mut cursor = deserializer.cursor.clone();
    cursor.advance_to(key);
    error.within(Segment::Key(key_text(&cursor)))
}

/// A key for the path: the name of an atom, the text of a binary, anything else as it prints.
fn key_text(key: &crate::cursor::Cursor<'_>) -> String {
    let mut key = key.clone();
    if let Ok(atom) = key.atom_ref() {
        return atom.to_string();
    }
    match key.term() {
        Ok(term) => term.as_str().map_or_else(|| term.to_string(), |text| format!("<<{text:?}>>")),
        Err(_) => "?".to_owned(),
    }
}

impl<'de> de::MapAccess<'de> for &mut Entries<'_, 'de> {
    type Error = Error;

    #[inline(always)]
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        if self.expected.is_some() {
            self.pass_struct_name()?;
        }
        if self.left == 0 {
            return Ok(None);
        }
        self.next();
        let key = match self.likely() {
            Some(name) => seed.deserialize(BorrowedStrDeserializer::<Error>::new(name)),
            None => self.other_key(seed),
        };
        self.read(key).map(Some)
    }

    #[inline(always)]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        self.deserializer.cursor.advance_to(self.at);
        let value = seed.deserialize(&mut *self.deserializer);
        match self.read(value) {
            Ok(value) => Ok(value),
            Err(error) => Err(in_value(error, self.deserializer, self.key)),
        }
    }

    #[inline(always)]
    fn next_key<K: Deserialize<'de>>(&mut self) -> Result<Option<K>, Error> {
        // A field of a derived type is an enum of one byte. It is found sooner by bytes than by text: the compiler makes a tree of the
        // former, and compares with the latter one after the other. Who knows no bytes is asked again.
        if size_of::<K>() == 1 && self.expected.is_none() && self.left > 0 {
            self.next();
            let Some(name) = self.likely() else {
                let key = self.other_key(PhantomData);
                return self.read(key).map(Some);
            };
            self.at += 2 + name.len();
            if let Ok(key) =
                K::deserialize(BorrowedBytesDeserializer::<Unknown>::new(name.as_bytes()))
            {
                return Ok(Some(key));
            }
            return K::deserialize(BorrowedStrDeserializer::<Error>::new(name)).map(Some);
        }
        self.next_key_seed(PhantomData)
    }

    #[inline(always)]
    fn next_value<V: Deserialize<'de>>(&mut self) -> Result<V, Error> {
        self.deserializer.cursor.advance_to(self.at);
        let value = V::deserialize(&mut *self.deserializer);
        match self.read(value) {
            Ok(value) => Ok(value),
            Err(error) => Err(in_value(error, self.deserializer, self.key)),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// A name that a type does not know as bytes. Nothing is said of it, as the type is asked again.
#[derive(Debug)]
struct Unknown;

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("unknown as bytes")
    }
}

impl std::error::Error for Unknown {}

impl de::Error for Unknown {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self
    }
}

/// A list of `{Key, Value}` and of keys alone, which stand for `{Key, true}` as `proplists` has it.
pub(super) struct Properties<'a, 'de> {
    deserializer: &'a mut Deserializer<'de>,
    left: usize,
    begun: bool,
    alone: bool,
    key: crate::cursor::Cursor<'de>,
}

impl<'a, 'de> Properties<'a, 'de> {
    pub(super) fn new(deserializer: &'a mut Deserializer<'de>) -> Self {
        let key = deserializer.cursor.clone();
        Self { deserializer, left: 0, begun: false, alone: false, key }
    }
}

impl<'de> de::MapAccess<'de> for Properties<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let cursor = &mut self.deserializer.cursor;
        if !self.begun {
            self.begun = true;
            self.left = match cursor.list_header() {
                Ok(left) => left,
                Err(_) => return Err(self.deserializer.expected("list of {Key, Value}")),
            };
            if self.left == 0 {
                return Ok(None);
            }
        } else if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.alone = cursor.is_atom();
        if !self.alone {
            let at = cursor.clone();
            if !matches!(cursor.tuple_header(), Ok(2)) {
                *cursor = at;
                return Err(self.deserializer.expected("{Key, Value}"));
            }
        }
        self.key = self.deserializer.cursor.clone();
        let key = seed.deserialize(&mut *self.deserializer)?;
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let value = if self.alone {
            seed.deserialize(IntoDeserializer::<Error>::into_deserializer(true))
        } else {
            seed.deserialize(&mut *self.deserializer)
        };
        let value = value.map_err(|error| error.within(Segment::Key(key_text(&self.key))))?;
        if self.left == 0 && self.deserializer.cursor.nil().is_err() {
            return Err(self.deserializer.expected("[] at the end of a list"));
        }
        Ok(value)
    }
}

/// The fields of a record, whose names stand in the type alone.
pub(super) struct Fields<'a, 'de> {
    deserializer: &'a mut Deserializer<'de>,
    names: &'static [&'static str],
    next: usize,
}

impl<'a, 'de> Fields<'a, 'de> {
    pub(super) const fn new(
        deserializer: &'a mut Deserializer<'de>,
        names: &'static [&'static str],
    ) -> Self {
        Self { deserializer, names, next: 0 }
    }
}

impl<'de> de::MapAccess<'de> for Fields<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some(name) = self.names.get(self.next) else { return Ok(None) };
        self.next += 1;
        seed.deserialize(IntoDeserializer::<Error>::into_deserializer(*name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let name = self.names.get(self.next.saturating_sub(1)).copied().unwrap_or_default();
        seed.deserialize(&mut *self.deserializer)
            .map_err(|error| error.within(Segment::Key(name.to_owned())))
    }
}

/// A variant: an atom, or a tuple of `arity` that begins with one.
pub(super) struct Variant<'a, 'de> {
    deserializer: &'a mut Deserializer<'de>,
    arity: usize,
    names: &'static [&'static str],
    /// `ok` and `error` stand for `Ok` and `Err`.
    result: bool,
}

impl<'a, 'de> Variant<'a, 'de> {
    pub(super) const fn new(
        deserializer: &'a mut Deserializer<'de>,
        arity: usize,
        names: &'static [&'static str],
        result: bool,
    ) -> Self {
        Self { deserializer, arity, names, result }
    }

    #[inline]
    fn of_arity(&self, expected: usize) -> Result<(), Error> {
        if self.arity == expected { Ok(()) } else { Err(self.wrong_arity(expected)) }
    }

    #[cold]
    fn wrong_arity(&self, expected: usize) -> Error {
        let found = match self.arity {
            0 => "the atom alone".to_owned(),
            arity => format!("tuple of {arity} elements"),
        };
        Error::new(format_args!("expected tuple of {expected} elements, found {found}"))
    }
}

impl<'a, 'de> de::EnumAccess<'de> for Variant<'a, 'de> {
    type Error = Error;
    type Variant = Self;

    #[inline(always)]
    fn variant<V: Deserialize<'de>>(self) -> Result<(V, Self), Error> {
        self.variant_seed(PhantomData)
    }

    #[inline(always)]
    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        // A name that the type has is known to be text.
        if !self.result
            && let [SMALL_ATOM_UTF8_EXT, length, rest @ ..] = self.deserializer.cursor.remaining()
            && let Some(found) = rest.get(..usize::from(*length))
            && let Some(name) = self
                .names
                .iter()
                .find(|name| name.len() == found.len() && begins_with(found, name.as_bytes()))
        {
            self.deserializer.cursor.pass(2 + found.len());
            let value = seed.deserialize(BorrowedStrDeserializer::<Error>::new(name))?;
            return Ok((value, self));
        }
        let Some(atom) = self.deserializer.atom_text() else {
            return Err(self.deserializer.expected("atom"));
        };
        let name = match &*atom {
            "ok" if self.result => "Ok".into(),
            "error" if self.result => "Err".into(),
            _ => atom,
        };
        let value = seed.deserialize(Name(name))?;
        Ok((value, self))
    }
}

/// The name of a variant.
struct Name<'de>(std::borrow::Cow<'de, str>);

impl<'de> de::Deserializer<'de> for Name<'de> {
    type Error = Error;
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        own::visit_text(self.0, visitor)
    }
    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Error;

    #[inline]
    fn unit_variant(self) -> Result<(), Error> {
        match self.arity {
            0 => Ok(()),
            arity => Err(Error::new(format_args!(
                "expected the atom alone, found tuple of {arity} elements"
            ))),
        }
    }

    #[inline(always)]
    fn newtype_variant<T: Deserialize<'de>>(self) -> Result<T, Error> {
        self.newtype_variant_seed(PhantomData)
    }

    #[inline(always)]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        if self.arity == 0 && self.result {
            return seed.deserialize(IntoDeserializer::<Error>::into_deserializer(()));
        }
        self.of_arity(2)?;
        match seed.deserialize(&mut *self.deserializer) {
            Ok(value) => Ok(value),
            Err(error) => Err(error.within(Segment::Index(1))),
        }
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        self.of_arity(length + 1)?;
        // In the path, elements count from the atom.
        let mut elements = Fixed::new(self.deserializer, length, 1);
        let outcome = visitor.visit_seq(&mut elements);
        then(outcome, || elements.finish())
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.of_arity(2)?;
        let value =
            de::Deserializer::deserialize_struct(&mut *self.deserializer, "", fields, visitor);
        value.map_err(|error| error.within(Segment::Index(1)))
    }
}

impl From<DecodeErrorKind> for Error {
    fn from(kind: DecodeErrorKind) -> Self {
        kind.at(0).into()
    }
}
