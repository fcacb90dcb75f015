//! Typed reading and writing: straight between bytes and Rust types, no tree in between.
//!
//! | Rust | Erlang |
//! | --- | --- |
//! | integers up to 128 bits, [`big_integer`] | integer |
//! | `f32`, `f64` (finite) | float; an integer is read as well |
//! | `bool` | `true`, `false` |
//! | `&str`, `String`, `char` | binary of UTF-8 |
//! | `&[u8]`, `serde_bytes`, [`shared`] for `Bytes` | binary |
//! | [`Atom`], [`atom`](mod@atom) for a `String` | atom |
//! | `Pid`, `Port`, `Reference`, `Term`, `Encoded`, [`Raw`] | themselves, inside any type |
//! | `Vec<T>`, sets | list |
//! | `(A, B)`, `[T; N]`, tuple structs | tuple |
//! | struct with fields | map with atom keys; [`record`], [`proplist`], [`elixir_struct`] otherwise |
//! | `HashMap`, `BTreeMap` | map |
//! | `Option` | the value, or `undefined` ([`Options::none`] or [`nil`] otherwise); `nil` is read as `None` too |
//! | `()` | `ok` |
//! | unit struct, unit variant | atom |
//! | variant with values | tuple that begins with the atom: `{foo, 1}`, `{bar, 1, 2}` |
//! | variant with fields | `{foo, #{x => 1}}` |
//! | `Result` | `{ok, Value}`, `{error, Reason}`; `ok` for `Ok(())` |
//! | [`charlist`] for a `String` | list of code points |
//! | [`iodata`] for a `Vec<u8>` | written as a binary, read from any iodata |
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use term::Pid;
//!
//! #[derive(Serialize, Deserialize, PartialEq, Debug)]
//! #[serde(rename_all = "snake_case")]
//! enum Request { Foo(i64), Bar { x: f64 }, Stop }
//!
//! let bytes = term::to_bytes(&Request::Foo(1)).unwrap();
//! assert_eq!(bytes, [131, 104, 2, 119, 3, b'f', b'o', b'o', 97, 1]); // {foo,1}
//! assert_eq!(term::from_bytes::<Request>(&bytes).unwrap(), Request::Foo(1));
//! ```
//!
//! What serde's attributes make of this: `flatten` turns a struct into a map of text, whose keys are written as binaries (and read from
//! atoms too, as all names of fields are); the tag of `#[serde(tag = "type")]` is a binary, and read from an atom too; what is tried one
//! variant after the other (`untagged`, `flatten`) holds integers of 64 bits at most. `Some(None)` is written as `None` is: Erlang has
//! one way to say nothing.
//!
//! Errors name the path to what does not fit:
//!
//! ```
//! #[derive(serde::Deserialize, Debug)]
//! struct User { #[allow(dead_code)] name: String }
//! let bytes = term::term!([#{name => "a"}, #{name => 'ok}]).encode_to_vec();
//! let error = term::from_bytes::<Vec<User>>(&bytes).unwrap_err();
//! assert_eq!(error.to_string(), "[1].name: expected binary, found atom ok");
//! ```

mod access;
mod compound;
mod de;
mod error;
mod leaf;
mod name;
mod own;
mod raw;
mod ser;
mod wrap;

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use de::Deserializer;
pub use error::{EncodeError, Error, Segment};
pub use raw::Raw;
pub use ser::{Options, Serializer};
pub use wrap::{Charlist, ElixirStruct, IoData, Proplist, Record};
pub use wrap::{atom, big_integer, charlist, elixir_struct, iodata, nil, proplist, record, shared};

use crate::atom::Atom;
use crate::compress;
use crate::encoded::Encoded;
use crate::error::DecodeErrorKind;
use crate::limits::Limits;
use crate::tag::VERSION_MAGIC;
use crate::term::Term;

/// What a thread keeps to write values into; larger ones get memory of their own. As for decoding.
const LARGEST_SCRATCH: usize = 4096;

thread_local! {
    /// Taken, not borrowed: a value may encode others while it is written.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A value from its `term_to_binary/1` form (131 first). Bytes after the term are not looked at, as `binary_to_term/1` does not.
/// Borrowed types (`&str`, `&[u8]`) point into `bytes`.
///
/// # Errors
/// [`Error`], which names the path to what does not fit. A compressed term is refused, because nothing could borrow from it: see [`from_bytes_owned`].
pub fn from_bytes<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Error> {
    match bytes.first() {
        Some(&VERSION_MAGIC) if compress::is_compressed(bytes) => {
            Err(DecodeErrorKind::BadCompression("from_bytes_owned and Term::decode read it")
                .at(1)
                .into())
        }
        Some(&VERSION_MAGIC) => {
            T::deserialize(&mut Deserializer::new(bytes.get(1..).unwrap_or_default(), &[]))
        }
        Some(&other) => Err(DecodeErrorKind::BadVersion(other).at(0).into()),
        None => Err(DecodeErrorKind::Truncated.at(0).into()),
    }
}

/// As [`from_bytes`] for types that borrow nothing; reads compressed terms too.
///
/// # Errors
/// [`Error`], which names the path to what does not fit.
pub fn from_bytes_owned<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    if compress::is_compressed(bytes) {
        let (inflated, _) = compress::inflate(bytes, &Limits::DEFAULT)?;
        return T::deserialize(&mut Deserializer::new(&inflated, &[]));
    }
    from_bytes(bytes)
}

/// A value from a term.
///
/// # Errors
/// [`Error`], which names the path to what does not fit.
pub fn from_term<T: for<'de> Deserialize<'de>>(term: &Term) -> Result<T, Error> {
    Encoded::from_term(term).deserialize()
}

/// The `term_to_binary/1` form of a value, 131 first.
///
/// # Errors
/// [`EncodeError`] for floats that are not finite, names too long for an atom, and what the type itself refuses.
pub fn to_bytes<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut out = vec![VERSION_MAGIC];
    encode_into(value, &mut out)?;
    Ok(out)
}

/// Appends a value, without 131, to a buffer; makes no allocation where it has room.
///
/// # Errors
/// As [`to_bytes`]; the buffer is then as it was.
pub fn encode_into<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let before = out.len();
    let outcome = value.serialize(&mut Serializer::new(out));
    if outcome.is_err() {
        out.truncate(before);
    }
    outcome
}

/// A value as a payload.
///
/// # Errors
/// As [`to_bytes`].
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Encoded, EncodeError> {
    // Most messages are small: written where there is room already, and copied once to where they stay.
    let mut scratch = SCRATCH.take();
    scratch.clear();
    let outcome = encode_into(value, &mut scratch);
    if scratch.capacity() > LARGEST_SCRATCH {
        return outcome.map(|()| Encoded::new(scratch.into(), None));
    }
    let bytes = Bytes::copy_from_slice(&scratch);
    SCRATCH.set(scratch);
    outcome.map(|()| Encoded::new(bytes, None))
}

/// A value as a [`Term`].
///
/// # Errors
/// As [`to_bytes`], and where a map of the value's has a key twice.
pub fn to_term<T: Serialize + ?Sized>(value: &T) -> Result<Term, EncodeError> {
    let mut out = Vec::new();
    encode_into(value, &mut out)?;
    Term::from_encoded(out).map_err(EncodeError::from)
}

/// From bytes that may be shared by what is read (`Term`, [`shared`]).
pub(crate) fn from_shared<'de, T: Deserialize<'de>>(
    bytes: &'de Bytes,
    atoms: Option<&'de Arc<[Atom]>>,
    limits: &Limits,
) -> Result<T, Error> {
    let mut deserializer = Deserializer::shared(bytes, atoms, limits);
    let outcome = T::deserialize(&mut deserializer);
    de::then(outcome, || deserializer.end())
}
