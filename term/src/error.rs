//! Why bytes are refused as a term.

/// The bytes are no term that OTP would accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {kind}")]
pub struct DecodeError {
    /// Where, counted from the start of what was being decoded (for a compressed term, of the inflated bytes).
    pub offset: usize,
    /// What is wrong there.
    pub kind: DecodeErrorKind,
}

/// What is wrong with the bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The bytes end inside a term, or a count is larger than the bytes left could hold.
    #[error("the bytes end inside a term (or a length is larger than what is left)")]
    Truncated,
    /// The first byte is not 131.
    #[error("the external term format begins with 131, this with {0}")]
    BadVersion(u8),
    /// A tag that erl_ext_dist does not define, or not at this place.
    #[error("tag {0} is not a term (here)")]
    UnknownTag(u8),
    /// An atom's bytes are not UTF-8.
    #[error("an atom's name is not UTF-8")]
    AtomNotUtf8,
    /// An atom of more than 255 characters.
    #[error("an atom has more than 255 characters")]
    AtomTooLong,
    /// An atom cache reference to a position that the distribution header does not have.
    #[error("atom cache reference {index}, but the header has {len} atoms")]
    BadCacheRef {
        /// The position asked for.
        index: u8,
        /// How many there are.
        len: usize,
    },
    /// NaN, an infinity, or text that is no float.
    #[error("not a finite float")]
    BadFloat,
    /// The number of bits used in the last byte does not fit.
    #[error("a bit string with {0} bits in its last byte")]
    BadBits(u8),
    /// Two equal keys in one map.
    #[error("a map has the same key twice")]
    DuplicateKey,
    /// A pid, port or reference out of the range of its form.
    #[error("a {0} whose parts are out of range")]
    BadIdentifier(&'static str),
    /// A fun whose fixed parts are not what they must be.
    #[error("a fun with {0}")]
    BadFun(&'static str),
    /// A native record with flags that are none, or a field twice.
    #[error("a native record with {0}")]
    BadRecord(&'static str),
    /// The compressed form is broken, or does not inflate to the size it declares.
    #[error("compressed term: {0}")]
    BadCompression(&'static str),
    /// The compressed form declares more than [`Limits::max_inflated`](crate::Limits::max_inflated).
    #[error("compressed term declares {declared} bytes, the limit is {limit}")]
    InflatedTooLarge {
        /// The declared size.
        declared: u32,
        /// The limit in force.
        limit: u32,
    },
    /// More than 4 GiB of bytes, or of parts.
    #[error("a term of more than 4 GiB")]
    TooLarge,
    /// A term of another kind than the reader asked for.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What was asked for.
        expected: &'static str,
        /// The kind of term that stands there.
        found: &'static str,
    },
    /// Bytes follow the term where none may.
    #[error("{0} bytes follow the term")]
    Trailing(usize),
}

impl DecodeErrorKind {
    pub(crate) const fn at(self, offset: usize) -> DecodeError {
        DecodeError { offset, kind: self }
    }
}
