//! A payload on its way: bytes that are a term, and the atoms they refer to, decoded by whoever receives it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::atom::Atom;
use crate::cursor::Cursor;
use crate::decode::{Place, Source, decode};
use crate::error::DecodeError;
use crate::limits::Limits;
use crate::term::Term;
use crate::transcode;

/// A term as bytes, without the leading 131, with the atoms that its atom cache references mean by position.
///
/// This is how messages travel between a connection and a process: nobody decodes them on the way.
///
/// ```
/// use term::{Encoded, term};
/// let payload = term::encode(&("hello", 1)).unwrap();
/// assert_eq!(payload.decode().unwrap(), term!({"hello", 1}));
/// let (text, number): (String, i64) = payload.deserialize().unwrap();
/// assert_eq!((text.as_str(), number), ("hello", 1));
/// ```
#[derive(Clone)]
pub struct Encoded {
    bytes: Bytes,
    atoms: Option<Arc<[Atom]>>,
}

impl Encoded {
    /// A payload of the network: nothing is checked until somebody decodes it.
    #[must_use]
    pub const fn new(bytes: Bytes, atoms: Option<Arc<[Atom]>>) -> Self {
        Self { bytes, atoms }
    }

    /// A term's own encoding.
    #[must_use]
    pub fn from_term(term: &Term) -> Self {
        if let (Some(shared), Some(wire)) = (term.shared.get(), term.root().wire()) {
            return Self { bytes: shared.kept(wire), atoms: None };
        }
        let mut bytes = Vec::new();
        term.encode_into(&mut bytes);
        Self { bytes: bytes.into(), atoms: None }
    }

    /// The bytes, without 131.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What atom cache references in the bytes mean, by position; empty if there are none.
    #[must_use]
    pub fn atoms(&self) -> &[Atom] {
        self.atoms.as_deref().unwrap_or_default()
    }

    /// The same, shared.
    #[must_use]
    pub const fn shared_atoms(&self) -> Option<&Arc<[Atom]>> {
        self.atoms.as_ref()
    }

    /// The term. A compressed one is refused, as OTP refuses it in a distribution message.
    ///
    /// # Errors
    /// [`DecodeError`] for everything that OTP refuses, and for bytes after the term.
    pub fn decode(&self) -> Result<Term, DecodeError> {
        decode(Source::Shared(&self.bytes), 0, self.atoms.clone(), Place::Payload, &mut 0)
    }

    /// A value of the receiver's own type, straight from the bytes.
    ///
    /// # Errors
    /// [`Error`](crate::serde::Error), which names the path to what does not fit.
    pub fn deserialize<'de, T: ::serde::Deserialize<'de>>(
        &'de self,
    ) -> Result<T, crate::serde::Error> {
        crate::serde::from_shared(&self.bytes, self.atoms.as_ref(), &Limits::DEFAULT)
    }

    /// A reader over the bytes.
    #[must_use]
    pub fn cursor(&self) -> Cursor<'_> {
        Cursor::new(&self.bytes, self.atoms())
    }

    /// The bytes with every atom spelled out, for where no cache is: shared if they have no references already.
    ///
    /// # Errors
    /// Where the bytes are no term.
    pub fn to_bytes_without_cache_refs(&self) -> Result<Bytes, DecodeError> {
        if self.atoms().is_empty() {
            return Ok(self.bytes.clone());
        }
        let mut out = Vec::with_capacity(self.bytes.len() + 64);
        transcode::spell_out(&self.bytes, self.atoms(), &mut out)?;
        Ok(out.into())
    }
}

impl From<Term> for Encoded {
    fn from(term: Term) -> Self {
        Self::from_term(&term)
    }
}

impl From<&Term> for Encoded {
    fn from(term: &Term) -> Self {
        Self::from_term(term)
    }
}

/// As the term it decodes to.
impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.decode() {
            Ok(term) => fmt::Debug::fmt(&term, f),
            Err(error) => write!(f, "#Encoded<{} bytes, {error}>", self.bytes.len()),
        }
    }
}

/// Equal terms (`=:=`), or equal bytes where they are no terms.
impl PartialEq for Encoded {
    fn eq(&self, other: &Self) -> bool {
        match (self.decode(), other.decode()) {
            (Ok(a), Ok(b)) => a == b,
            (Err(_), Err(_)) => self.bytes == other.bytes && self.atoms() == other.atoms(),
            _ => false,
        }
    }
}
