//! Text: how terms print and what is read back.
//!
//! ```text
//! format   the choices ──> style ──> write    one line
//!                                └─> layout   lines of some width, from pieces
//! inspect  Elixir's form, with elixir_name for its atoms
//! parse    text to a term: the tokens of scan (number, literal), the segments of bits, put together in assembly
//! ```

mod assembly;
mod bits;
mod capped;
mod elixir_name;
mod error;
mod float;
mod format;
mod inspect;
mod layout;
mod literal;
mod number;
mod parse;
mod pieces;
mod quote;
mod scan;
mod shape;
mod style;
mod write;

pub use error::{ParseError, ParseErrorKind};
pub use format::Format;
pub use inspect::{Charlists, Inspect};
pub use parse::{parse, parse_as};
pub use style::Release;

/// An atom by itself, as `~tw` writes it: characters beyond Latin-1 as they are, `maybe` and `else` in quotes so that every release reads it.
pub(crate) fn write_atom(
    out: &mut impl std::fmt::Write,
    atom: crate::AtomRef<'_>,
) -> std::fmt::Result {
    quote::write_atom(out, atom, style::Encoding::Unicode, Release::Otp27)
}
