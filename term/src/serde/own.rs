//! How our own types pass through serde: under names that our (de)serializer knows; to others they are text or bytes.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;

use bytes::Bytes;
use serde::de::{self, Deserialize, Visitor};
use serde::ser::Serialize;

use crate::atom::Atom;
use crate::cursor::Cursor;
use crate::encoded::Encoded;
use crate::encoder::Encoder;
use crate::pid::Pid;
use crate::port::Port;
use crate::reference::Reference;
use crate::term::Term;

/// What all the names begin with.
pub(crate) const PREFIX: &str = "$term::";
pub(crate) const ATOM: &str = "$term::Atom";
pub(crate) const PID: &str = "$term::Pid";
pub(crate) const PORT: &str = "$term::Port";
pub(crate) const REFERENCE: &str = "$term::Reference";
pub(crate) const TERM: &str = "$term::Term";
pub(crate) const ENCODED: &str = "$term::Encoded";
pub(crate) const RAW: &str = "$term::Raw";
pub(crate) const BIG_INTEGER: &str = "$term::BigInteger";
pub(crate) const SHARED: &str = "$term::SharedBytes";
pub(crate) const CHARLIST: &str = "$term::Charlist";
pub(crate) const IODATA: &str = "$term::IoData";
pub(crate) const NIL: &str = "$term::Nil";
pub(crate) const RECORD: &str = "$term::Record";
pub(crate) const PROPLIST: &str = "$term::Proplist";
pub(crate) const ELIXIR_STRUCT: &str = "$term::ElixirStruct";

thread_local! {
    /// What our deserializer hands to a visitor of ours, past serde's data model: shared values, without a copy.
    static HAND: RefCell<Option<Handed>> = const { RefCell::new(None) };
}

pub(crate) enum Handed {
    Term(Term),
    Bytes(Bytes),
    Encoded(Encoded),
}

/// Puts a value where the visitor, called next with `visit_unit`, takes it.
pub(crate) fn hand(value: Handed) {
    HAND.with(|hand| *hand.borrow_mut() = Some(value));
}

pub(crate) fn take() -> Option<Handed> {
    HAND.with(|hand| hand.borrow_mut().take())
}

impl Serialize for Atom {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(ATOM, self.as_str())
    }
}

impl<'de> Deserialize<'de> for Atom {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AtomVisitor;
        impl<'de> Visitor<'de> for AtomVisitor {
            type Value = Atom;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("atom")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Atom, E> {
                Atom::new(name).map_err(E::custom)
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Atom, E> {
                Ok(Atom::from_static(if value { "true" } else { "false" }))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Atom, E> {
                Ok(Atom::from_static("undefined"))
            }
            fn visit_newtype_struct<D: serde::Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Atom, D::Error> {
                deserializer.deserialize_str(self)
            }
        }
        deserializer.deserialize_newtype_struct(ATOM, AtomVisitor)
    }
}

/// Bytes that are a term; what other serializers see of a pid.
pub(crate) struct Wire<'a>(pub(crate) &'a [u8]);

impl Serialize for Wire<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// Writes the wire form of something small and passes it on under `name`.
pub(crate) fn serialize_raw<S: serde::Serializer>(
    serializer: S,
    name: &'static str,
    write: impl FnOnce(&mut Encoder<'_>),
) -> Result<S::Ok, S::Error> {
    thread_local! {
        static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    // Taken, not borrowed: whatever the serializer does, it may come back here.
    let mut buffer = BUFFER.with(|buffer| std::mem::take(&mut *buffer.borrow_mut()));
    buffer.clear();
    write(&mut Encoder::new(&mut buffer));
    let outcome = serializer.serialize_newtype_struct(name, &Wire(&buffer));
    // Large terms leave no large buffer behind: 4 KiB a thread, as for decoding.
    if buffer.capacity() <= 4096 {
        BUFFER.with(|kept| *kept.borrow_mut() = buffer);
    }
    outcome
}

/// Reads the wire form of an identifier.
pub(crate) struct RawVisitor<T> {
    pub(crate) expected: &'static str,
    pub(crate) read: fn(&mut Cursor<'_>) -> Result<T, crate::error::DecodeError>,
}

impl<'de, T> Visitor<'de> for RawVisitor<T> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }
    #[inline(always)]
    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<T, E> {
        (self.read)(&mut Cursor::new(bytes, &[])).map_err(E::custom)
    }
    fn visit_newtype_struct<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<T, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

macro_rules! identifiers {
    ($($type:ty: $name:ident, $method:ident, $expected:literal;)*) => {$(
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serialize_raw(serializer, $name, |encoder| encoder.$method(self))
            }
        }
        impl<'de> Deserialize<'de> for $type {
            #[inline(always)]
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_newtype_struct($name, RawVisitor { expected: $expected, read: |cursor| cursor.$method() })
            }
        }
    )*};
}
identifiers! {
    Pid: PID, pid, "pid";
    Port: PORT, port, "port";
    Reference: REFERENCE, reference, "reference";
}

impl Serialize for Term {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_raw(serializer, TERM, |encoder| encoder.term(self))
    }
}

impl Serialize for crate::term::TermRef<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_raw(serializer, TERM, |encoder| crate::encode::term(*self, encoder.buffer()))
    }
}

impl Serialize for Encoded {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = self.to_bytes_without_cache_refs().map_err(serde::ser::Error::custom)?;
        serializer.serialize_newtype_struct(TERM, &Wire(&bytes))
    }
}

struct TermVisitor;

impl<'de> Visitor<'de> for TermVisitor {
    type Value = Term;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any term")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Term, E> {
        match take() {
            Some(Handed::Term(term)) => Ok(term),
            _ => Ok(Term::from(Atom::from_static("undefined"))),
        }
    }

    fn visit_newtype_struct<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Term, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_some<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Term, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_none<E: de::Error>(self) -> Result<Term, E> {
        Ok(Term::from(Atom::from_static("undefined")))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Term, E> {
        Ok(Term::from(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Term, E> {
        Ok(Term::from(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Term, E> {
        Ok(Term::from(value))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Term, E> {
        Ok(Term::from(value))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Term, E> {
        Ok(Term::from(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Term, E> {
        if value.is_finite() {
            Ok(Term::from(value))
        } else {
            Err(E::custom("Erlang has only finite floats"))
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Term, E> {
        Ok(Term::from(text))
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Term, E> {
        Ok(Term::from(Bytes::copy_from_slice(bytes)))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut elements: A) -> Result<Term, A::Error> {
        let mut all = Vec::new();
        while let Some(element) = elements.next_element::<Term>()? {
            all.push(element);
        }
        Ok(Term::from(all))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut pairs: A) -> Result<Term, A::Error> {
        let mut all = Vec::new();
        while let Some(pair) = pairs.next_entry::<Term, Term>()? {
            all.push(pair);
        }
        Ok(Term::map(all))
    }
}

impl<'de> Deserialize<'de> for Term {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(TERM, TermVisitor)
    }
}

/// As the bytes lie there: nothing but their form is looked at.
impl<'de> Deserialize<'de> for Encoded {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EncodedVisitor;
        impl<'de> Visitor<'de> for EncodedVisitor {
            type Value = Encoded;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any term")
            }
            fn visit_unit<E: de::Error>(self) -> Result<Encoded, E> {
                match take() {
                    Some(Handed::Encoded(payload)) => Ok(payload),
                    _ => Err(E::invalid_type(de::Unexpected::Unit, &self)),
                }
            }
            fn visit_newtype_struct<D: serde::Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Encoded, D::Error> {
                Term::deserialize(deserializer).map(Encoded::from)
            }
        }
        deserializer.deserialize_newtype_struct(ENCODED, EncodedVisitor)
    }
}

/// Binaries shared with the message: `term::serde::shared`.
pub(crate) struct SharedVisitor;

impl<'de> Visitor<'de> for SharedVisitor {
    type Value = Bytes;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("binary")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Bytes, E> {
        match take() {
            Some(Handed::Bytes(bytes)) => Ok(bytes),
            _ => Err(E::invalid_type(de::Unexpected::Unit, &self)),
        }
    }
    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes::copy_from_slice(bytes))
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
        Ok(Bytes::copy_from_slice(text.as_bytes()))
    }
    fn visit_newtype_struct<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Bytes, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

/// Text that may have had to be copied.
pub(crate) fn visit_text<'de, V: Visitor<'de>, E: de::Error>(
    text: Cow<'de, str>,
    visitor: V,
) -> Result<V::Value, E> {
    match text {
        Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
        Cow::Owned(text) => visitor.visit_string(text),
    }
}
