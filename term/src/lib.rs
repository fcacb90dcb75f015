//! Erlang's external term format: values, bytes, order, text, typed conversion.
//!
//! Three ways to read, by cost: `serde` straight from the bytes into a type of yours ([`from_bytes`], [`Encoded::deserialize`]); a
//! [`Cursor`] over the bytes; a [`Term`], one block that is seen in place. Three ways to write likewise: [`to_bytes`], an
//! [`Encoder`], and [`term!`].
//!
//! People who know Erlang start at [`guide`].
//!
//! # Layout
//!
//! Values: [`Atom`] `atom.rs`, [`Pid`] `pid.rs`, [`Port`] `port.rs`, [`Reference`] `reference.rs`, [`Term`] `term.rs`, seen by
//! `access.rs` and `view.rs`, from and to Rust values by `convert.rs`.
//!
//! The path of bytes in: `tag.rs` > `skip.rs` (the bare walk) > `cursor.rs` > `identifier.rs` > `decode/` > `node.rs` >
//! `map.rs` (keys) > `block.rs` (what a term owns) > `stock.rs` (blocks to be used again). Out: `encoder.rs`, `open.rs` (sizes known at the end) >
//! `encode.rs`, `extent.rs` (parts that go out as they came); `compress.rs` and `transcode.rs` (atom
//! caches) both ways; `encoded.rs` is a payload on its way.
//!
//! What terms mean: `order.rs` and `hash.rs`, as Rust's traits in `equality.rs`. What they look like: `text/`. As Rust types: `serde/`, `macros.rs`. `utf8.rs` is bytes as text, and has the one line of `unsafe`.

mod access;
mod atom;
mod block;
mod compress;
mod convert;
mod cursor;
mod decode;
#[cfg(feature = "eetf")]
pub mod eetf;
mod encode;
mod encoded;
mod encoder;
mod equality;
mod error;
mod extent;
pub mod guide;
mod hash;
mod identifier;
mod limits;
mod macros;
mod map;
mod matching;
mod node;
mod open;
pub mod order;
mod pid;
mod port;
mod reference;
pub mod serde;
mod skip;
mod stock;
pub mod tag;
mod term;
pub mod text;
pub mod transcode;
mod utf8;
mod view;

pub use crate::atom::{Atom, AtomRef, AtomTooLong, IntoAtom, MAX_ATOM_CHARACTERS};
pub use crate::convert::WrongKind;
pub use crate::cursor::Cursor;
pub use crate::encoded::Encoded;
pub use crate::encoder::Encoder;
pub use crate::error::{DecodeError, DecodeErrorKind};
pub use crate::limits::Limits;
pub use crate::matching::{Matched, Pinned};
pub use crate::pid::Pid;
pub use crate::port::Port;
pub use crate::reference::{BadReferenceLength, MAX_REFERENCE_WORDS, Reference};
pub use crate::serde::{
    EncodeError, Error, encode, encode_into, from_bytes, from_bytes_owned, from_term, to_bytes,
    to_term,
};
pub use crate::term::{Term, TermRef};
pub use crate::view::{Elements, Export, Fun, List, Map, Record, Tuple, View};

/// What the macros expand to.
#[doc(hidden)]
pub mod __private {
    pub use crate::macros::Literal;
    pub use crate::matching::expanded::*;
}
