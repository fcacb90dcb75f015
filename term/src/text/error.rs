//! Why a text is no term.

use std::fmt;

/// A text that is no term: where, and why.
///
/// ```
/// let error = "{ok, [1, 2}".parse::<term::Term>().unwrap_err();
/// assert_eq!(error.to_string(), "line 1, column 11: expected `,`, `|` or `]`, found `}`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {kind}")]
pub struct ParseError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Byte offset in the text.
    pub offset: usize,
    /// What is wrong there.
    pub kind: ParseErrorKind,
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// Something else was expected there.
    Unexpected {
        /// What could have stood there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// Well-formed Erlang that is no term, such as a variable or an operator.
    NotATerm(&'static str),
    /// A character that Erlang has no use for outside quotes, or that is no character at all.
    IllegalCharacter(char),
    /// Something that is opened and not closed before the text ends.
    Unterminated(&'static str),
    /// A number that is none.
    BadNumber(&'static str),
    /// An escape sequence that is none.
    BadEscape,
    /// A name of more than 255 characters.
    AtomTooLong,
    /// A segment of a binary that cannot be built.
    BadSegment(&'static str),
    /// Text in triple quotes that is not laid out as it must be, or a broken sigil.
    BadString(&'static str),
    /// Larger than the text is allowed to become.
    TooLarge(&'static str),
}

impl fmt::Display for ParseErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected { expected, found } => write!(f, "expected {expected}, found {found}"),
            Self::NotATerm(what) => write!(f, "{what}, which no term contains"),
            Self::IllegalCharacter(character) => write!(f, "illegal character {character:?}"),
            Self::Unterminated(what) => write!(f, "{what} is not closed"),
            Self::BadNumber(why) => write!(f, "no number: {why}"),
            Self::BadEscape => f.write_str("no escape sequence of Erlang's"),
            Self::AtomTooLong => f.write_str("an atom of more than 255 characters"),
            Self::BadSegment(why) => write!(f, "no segment of a binary: {why}"),
            Self::BadString(why) => f.write_str(why),
            Self::TooLarge(what) => write!(f, "too large: {what}"),
        }
    }
}
