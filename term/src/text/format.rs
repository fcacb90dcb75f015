//! `Format`: a term with the choices of how to print it, as `io:format` takes them in a control sequence.

use std::fmt;

use super::capped::Capped;
use super::style::{Encoding, Range, Release, Style};
use super::{layout, write};
use crate::atom::Atom;
use crate::term::{Term, TermRef};

/// A term to be printed as Erlang's `io:format` prints it; made by [`Term::format`], `~0p` until told otherwise.
///
/// ```
/// use term::{Term, term};
/// let reply = term!({ok, #{ "name" => [1, 2, 3] }});
/// assert_eq!(reply.format().to_string(), r#"{ok,#{<<"name">> => [1,2,3]}}"#);           // ~0p
/// assert_eq!(reply.format().raw().to_string(), "{ok,#{<<110,97,109,101>> => [1,2,3]}}"); // ~w
/// assert_eq!(reply.format().limit(12).to_string(), "{ok,#{<<\"...");
/// assert_eq!(reply.format().width(24).to_string(), "{ok,#{<<\"name\">> =>\n          [1,2,3]}}"); // ~24p
/// ```
///
/// | Erlang | here |
/// | --- | --- |
/// | `~0p` | `term.format()`, and `Display` |
/// | `~p` | `.width(80)`, and `Display` with `{:#}` |
/// | `~w` | `.raw()` |
/// | `~tp`, `~tw` | `.unicode()` |
/// | `~tp` where `erl` runs with `+pc unicode` | `.printable_unicode()` |
/// | `~kp` (OTP 26) | `.ordered()` |
///
/// # What is exact, and what cannot be
///
/// * Floats, quotes, escapes, strings, the layout of `~p`: exactly what OTP 25, 27 and 29 print; for the one difference between
///   them see [`Release`]. The layout counts code points, where OTP, for text beyond Latin-1, counts grapheme clusters.
/// * A map prints in the order in which the node that sent it would print it, which equal maps of two nodes may not share: see
///   [`Format::ordered`] for text to compare.
/// * A pid, port or reference of another node prints with that node's name, `#Pid<rust@host.85.0>`, since the number in the
///   BEAM's `<9124.85.0>` means something in one running BEAM only; see [`Format::local`] for those of a node of one's own. They cannot be
///   read back: the text lacks the creation. (`erl_parse` refuses its own forms as well.)
/// * A closure prints as `#Fun<module.index.uniq>`, an integer of more than 64 KiB in base 16 (decimal digits cost quadratic
///   time), bytes of a foreign `LOCAL_EXT` as `#Local<N bytes>`.
///
/// Output is streamed, and nothing is recursive: a term of any depth prints on a small stack.
#[derive(Clone, Copy, Debug)]
#[must_use = "prints when displayed"]
pub struct Format<'a> {
    term: TermRef<'a>,
    style: Style<'a>,
    width: Option<usize>,
    column: usize,
    limit: Option<usize>,
}

impl<'a> Format<'a> {
    pub(super) const fn new(term: TermRef<'a>) -> Self {
        Self { term, style: Style::PLAIN, width: None, column: 1, limit: None }
    }

    /// `~p`: lines of up to this many characters; 80 is Erlang's default.
    pub const fn width(mut self, width: usize) -> Self {
        self.width = Some(width);
        self
    }

    /// The column that the first line begins in, 1 if not set: what stands before the term on that line, plus 1. Has a meaning with [`Format::width`] only.
    pub const fn column(mut self, column: usize) -> Self {
        self.column = column;
        self
    }

    /// `~w`: lists and binaries never as text.
    pub const fn raw(mut self) -> Self {
        self.style.strings = false;
        self
    }

    /// The `t` modifier: characters beyond Latin-1 stand for themselves in atoms, and UTF-8 binaries of printable Latin-1 characters show as text.
    pub const fn unicode(mut self) -> Self {
        self.style.encoding = Encoding::Unicode;
        self
    }

    /// The `t` modifier where `io:printable_range()` is `unicode`: all printable characters make text.
    pub const fn printable_unicode(mut self) -> Self {
        self.style.range = Range::Unicode;
        self.unicode()
    }

    /// The `k` modifier: maps in the order of their keys, so that equal maps print equally.
    ///
    /// As OTP 26 and later print it, but for maps that are keys themselves, or in keys: those OTP orders by the numbers of a running BEAM's atom table.
    pub const fn ordered(mut self) -> Self {
        self.style.ordered = true;
        self
    }

    /// The release whose quoting of `maybe` and `else` to follow.
    pub const fn release(mut self, release: Release) -> Self {
        self.style.release = release;
        self
    }

    /// The node whose pids, ports and references print as the BEAM prints its own: `<0.85.0>`.
    pub const fn local(mut self, node: &'a Atom) -> Self {
        self.style.local = Some(node);
        self
    }

    /// At most this many characters, the last three of them dots if there were more.
    pub const fn limit(mut self, characters: usize) -> Self {
        self.limit = Some(characters);
        self
    }

    fn print(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        let (context, node) = (self.term.context(), self.term.node);
        match self.width {
            None | Some(0) => write::term(out, &self.style, context, node),
            Some(width) => layout::term(out, &self.style, context, node, width, self.column),
        }
    }
}

impl fmt::Display for Format<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.limit {
            None => self.print(f),
            Some(limit) => Capped::new(f, limit).run(|out| self.print(out)),
        }
    }
}

impl Term {
    /// How to print it: see [`Format`].
    pub const fn format(&self) -> Format<'_> {
        Format::new(self.root())
    }
}

impl<'a> TermRef<'a> {
    /// How to print it: see [`Format`].
    pub const fn format(self) -> Format<'a> {
        Format::new(self)
    }
}

/// `~0p`; `{:#}` is `~p`, and a precision (`{:.200}`) the most characters.
impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.root(), f)
    }
}

/// `~0p`; `{:#}` is `~p`, and a precision (`{:.200}`) the most characters.
impl fmt::Display for TermRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format =
            Format { width: f.alternate().then_some(80), limit: f.precision(), ..self.format() };
        fmt::Display::fmt(&format, f)
    }
}
