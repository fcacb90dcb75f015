//! What does not fit, and where: errors of typed reading and writing.

use std::fmt;

use serde::{de, ser};

use crate::error::DecodeError;

/// A step on the way to the part that did not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// The element of a tuple or list, from 0.
    Index(usize),
    /// The value of a map's key, a field.
    Key(String),
}

/// Why a term could not be read as the type asked for. Displays as `[2].name: expected binary, found atom ok`.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    /// Innermost first.
    path: Vec<Segment>,
    message: String,
    cause: Option<DecodeError>,
}

impl Error {
    #[cold]
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self(Box::new(Inner { path: Vec::new(), message: message.to_string(), cause: None }))
    }

    /// Adds the step that led here.
    #[cold]
    pub(crate) fn within(mut self, segment: Segment) -> Self {
        self.0.path.push(segment);
        self
    }

    /// The way from the whole term to what did not fit.
    pub fn path(&self) -> impl Iterator<Item = &Segment> {
        self.0.path.iter().rev()
    }

    /// What is wrong there, without the path.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The error in the bytes themselves, if it was not only the type that did not fit.
    #[must_use]
    pub const fn decode_error(&self) -> Option<&DecodeError> {
        self.0.cause.as_ref()
    }
}

impl From<DecodeError> for Error {
    #[cold]
    fn from(cause: DecodeError) -> Self {
        Self(Box::new(Inner { path: Vec::new(), message: cause.to_string(), cause: Some(cause) }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, segment) in self.path().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if depth == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
            }
        }
        if !self.0.path.is_empty() {
            f.write_str(": ")?;
        }
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self})")
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message)
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(format_args!("expected {expected}, found {found}"))
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(format_args!("expected {expected}, found {found}"))
    }

    fn invalid_length(length: usize, expected: &dyn de::Expected) -> Self {
        Self::new(format_args!("expected {expected}, found {length} elements"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format_args!("expected {}, found {variant}", Alternatives(expected)))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format_args!("expected no key but {}, found {field}", Alternatives(expected)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format_args!("key {field} is missing"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format_args!("key {field} is there twice"))
    }
}

struct Alternatives(&'static [&'static str]);

impl fmt::Display for Alternatives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let separator = match index {
                0 => "",
                last if last + 1 == self.0.len() => " or ",
                _ => ", ",
            };
            write!(f, "{separator}{name}")?;
        }
        Ok(())
    }
}

/// Why a value cannot be written as a term.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// NaN or an infinity.
    #[error("Erlang has no {0}")]
    NotFinite(f64),
    /// A name (variant, field, atom) of more than 255 characters.
    #[error(transparent)]
    AtomTooLong(#[from] crate::atom::AtomTooLong),
    /// More than 2^32 - 1 elements or bytes.
    #[error("{0} elements or bytes; the external term format counts to 2^32 - 1")]
    TooLarge(usize),
    /// A wrapper around a value that it is not for.
    #[error("{0}")]
    Unsuitable(&'static str),
    /// What the type says itself.
    #[error("{0}")]
    Custom(String),
    /// The value makes no valid term: a map with the same key twice.
    #[error("not a term: {0}")]
    Invalid(#[from] DecodeError),
}

impl ser::Error for EncodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Custom(message.to_string())
    }
}
