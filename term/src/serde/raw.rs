//! A part of a message as it lies there: passed on, or read later.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use super::error::Error;
use super::own;
use crate::cursor::Cursor;
use crate::error::DecodeError;
use crate::term::Term;

/// Any term as its bytes (without 131), inside a type of yours: borrowed from the message, so that it costs no more than to find its end.
///
/// It is for parts that are passed on, or looked at only now and then: a caller, a tag to send back, a state to keep. Where the message
/// came with an atom cache, atoms of that cache are spelled out, in bytes of its own.
///
/// ```
/// use term::{Pid, serde::Raw, term};
/// let call = term::encode(&term!({call, [1, 2], "body"})).unwrap();
/// let (tag, from, body): (Raw<'_>, Raw<'_>, &str) = call.deserialize().unwrap();
/// assert_eq!(from.decode().unwrap(), term!([1, 2]));
/// assert_eq!(from.read::<Vec<u8>>().unwrap(), [1, 2]);
/// assert_eq!(term::to_term(&(tag, body)).unwrap(), term!({call, "body"}));
/// ```
#[derive(Clone)]
pub struct Raw<'a>(Cow<'a, [u8]>);

impl Raw<'_> {
    /// The bytes, without 131.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// A reader over the bytes.
    #[must_use]
    pub fn cursor(&self) -> Cursor<'_> {
        Cursor::new(&self.0, &[])
    }

    /// The term.
    ///
    /// # Errors
    /// [`DecodeError`] for a map with a key twice; everything else was checked.
    pub fn decode(&self) -> Result<Term, DecodeError> {
        self.cursor().term()
    }

    /// A value of another type.
    ///
    /// # Errors
    /// [`Error`], which names the path to what does not fit.
    pub fn read<'de, T: Deserialize<'de>>(&'de self) -> Result<T, Error> {
        T::deserialize(&mut super::Deserializer::new(&self.0, &[]))
    }

    /// One that borrows nothing.
    #[must_use]
    pub fn into_owned(self) -> Raw<'static> {
        Raw(Cow::Owned(self.0.into_owned()))
    }
}

/// As the term it is.
impl fmt::Debug for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.decode() {
            Ok(term) => fmt::Debug::fmt(&term, f),
            Err(error) => write!(f, "#Raw<{} bytes, {error}>", self.0.len()),
        }
    }
}

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(own::TERM, &own::Wire(&self.0))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(own::RAW, RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any term")
    }

    /// From our own deserializer, which has looked at them.
    #[inline]
    fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'de [u8]) -> Result<Raw<'de>, E> {
        Ok(Raw(Cow::Borrowed(bytes)))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Raw<'de>, E> {
        Ok(Raw(Cow::Owned(bytes)))
    }

    /// From another, which has no bytes of ours.
    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Raw<'de>, D::Error> {
        let mut bytes = Vec::new();
        Term::deserialize(deserializer)?.encode_into(&mut bytes);
        Ok(Raw(Cow::Owned(bytes)))
    }
}
