//! `Inspect`: a term as Elixir's `inspect/2` shows it, on one line.

use std::fmt::{self, Write};

use super::capped::Capped;
use super::elixir_name::{escape, first_character, write_function, write_key, write_literal};
use super::float;
use super::shape::{Pairs, Record};
use super::style::Style;
use super::write::{self, Segments};
use crate::atom::Atom;
use crate::node::{Kind, Node};
use crate::order::{Chain, Context, Link};
use crate::term::{Term, TermRef};

/// How lists of printable ASCII characters show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Charlists {
    /// `~c"abc"`, as Elixir 1.15 and later write them.
    #[default]
    Sigil,
    /// `'abc'`, as up to Elixir 1.14.
    Quotes,
    /// `[97, 98, 99]`, as with `charlists: :as_lists`.
    Lists,
}

/// A term to be printed as Elixir's `inspect/2` prints it; made by [`Term::inspect`].
///
/// ```
/// use term::{Term, term};
/// let user = term!(#{ name => "Ada", tags => [[97, 98], [1, 2]], age => 'nil });
/// assert_eq!(user.inspect().to_string(), r#"%{name: "Ada", tags: [~c"ab", [1, 2]], age: nil}"#);
/// assert_eq!(term!({ok, [{a, 1}]}).inspect().to_string(), "{:ok, [a: 1]}");
/// ```
///
/// Defaults are Elixir's: 50 elements ([`Inspect::limit`]) and 4,096 characters of text ([`Inspect::printable_limit`]); counted as
/// up to Elixir 1.18, where each container has what its parents left.
///
/// # What differs from a live Elixir
///
/// * A map with `__struct__` and nothing but atoms for keys prints as a struct, `%Foo{a: 1}`, fields in the order of the map. Elixir does so where it has
///   the module, in the order of its definition, unless the module prints itself otherwise (`1..2`, `~D[2024-02-29]`).
/// * Closures print as where their module is not loaded: `#Function<1.234/2 in :module>`.
/// * Pids, ports and references of other nodes print with the node's name: see [`Format`](super::Format).
/// * An atom with letters of rarer scripts (other than Latin, Greek, Cyrillic, Chinese, Japanese, Korean) is put in quotes: the same
///   atom, where Elixir sometimes leaves them out.
/// * A native record (OTP 29) prints as `~p` prints it.
#[derive(Clone, Copy, Debug)]
#[must_use = "prints when displayed"]
pub struct Inspect<'a> {
    term: TermRef<'a>,
    limit: Option<usize>,
    printable_limit: Option<usize>,
    charlists: Charlists,
    style: Style<'a>,
    characters: Option<usize>,
}

impl<'a> Inspect<'a> {
    const fn new(term: TermRef<'a>) -> Self {
        Self {
            term,
            limit: Some(50),
            printable_limit: Some(4096),
            charlists: Charlists::Sigil,
            style: Style::PLAIN,
            characters: None,
        }
    }

    /// The `limit:` option: most elements shown of lists, tuples, maps and binaries; `None` is `:infinity`.
    pub const fn limit(mut self, elements: Option<usize>) -> Self {
        self.limit = elements;
        self
    }

    /// The `printable_limit:` option: most characters shown of strings and charlists; `None` is `:infinity`.
    pub const fn printable_limit(mut self, characters: Option<usize>) -> Self {
        self.printable_limit = characters;
        self
    }

    /// How charlists show; `~c"..."` if not set.
    pub const fn charlists(mut self, charlists: Charlists) -> Self {
        self.charlists = charlists;
        self
    }

    /// Maps in the order of their keys, so that equal maps print equally.
    pub const fn ordered(mut self) -> Self {
        self.style.ordered = true;
        self
    }

    /// The node whose pids print as the BEAM prints its own: `#PID<0.85.0>`.
    pub const fn local(mut self, node: &'a Atom) -> Self {
        self.style.local = Some(node);
        self
    }

    /// At most this many characters in all, the last three of them dots if there were more.
    pub const fn max_characters(mut self, characters: usize) -> Self {
        self.characters = Some(characters);
        self
    }

    /// What waits is on a stack of our own, as everywhere.
    fn print(&self, out: &mut dyn Write) -> fmt::Result {
        let context = self.term.context();
        let mut stack: Vec<Frame> = Vec::new();
        let (mut node, mut limit) = (self.term.node, self.limit);
        loop {
            if let Some(frame) = self.one(out, context, node, limit)? {
                stack.push(frame);
            }
            loop {
                let Some(frame) = stack.last_mut() else { return Ok(()) };
                match frame.advance(out, context)? {
                    Some(next) => {
                        (node, limit) = next;
                        break;
                    }
                    None => stack.pop(),
                };
            }
        }
    }

    /// Writes a leaf, or opens a container.
    fn one(
        &self,
        out: &mut dyn Write,
        context: Context<'_>,
        node: Node,
        limit: Option<usize>,
    ) -> Result<Option<Frame>, fmt::Error> {
        match node.kind() {
            Kind::Float => float::write_elixir(out, f64::from_bits(node.b))?,
            Kind::Atom | Kind::AtomLatin1 | Kind::AtomCached => {
                context.atom(node).map_or(Ok(()), |atom| write_literal(out, atom))?;
            }
            Kind::Binary | Kind::Bits => self.binary(out, context, node, limit)?,
            Kind::Tuple => {
                out.write_char('{')?;
                return Ok(Some(Frame::new(
                    Items::Tuple { at: node.first(), left: node.count() },
                    "}",
                    limit,
                )));
            }
            Kind::List | Kind::String => return self.list(out, context, node, limit),
            Kind::Map => return self.map(out, context, node, limit).map(Some),
            Kind::Pid => {
                if let Some(parts) = context.identifier(node) {
                    out.write_str("#PID")?;
                    write::pid_numbers(out, &self.style, &parts)?;
                }
            }
            Kind::Reference => {
                if let Some(parts) = context.identifier(node) {
                    out.write_str("#Reference")?;
                    write::reference_numbers(out, &self.style, &parts)?;
                }
            }
            Kind::Export => export(out, context, node)?,
            Kind::Fun => closure(out, context, node)?,
            Kind::Record => {
                let record = Record::new(node);
                write::record_name(out, &self.style, context, record)?;
                out.write_char('{')?;
                return Ok(Some(Frame::new(Items::Record { record, next: 0 }, "}", limit)));
            }
            _ => write::whole(out, &self.style, context, node)?,
        }
        Ok(None)
    }

    fn binary(
        &self,
        out: &mut dyn Write,
        context: Context<'_>,
        node: Node,
        limit: Option<usize>,
    ) -> fmt::Result {
        let bytes = node.span(context.bytes);
        if node.kind() == Kind::Binary && is_printable(bytes, self.printable_limit) {
            out.write_char('"')?;
            let cut = escape(out, bytes, '"', self.printable_limit)?;
            return out.write_str(if cut { "\" <> ..." } else { "\"" });
        }
        out.write_str("<<")?;
        let mut left = limit;
        for (index, segment) in Segments::new(context, node).enumerate() {
            if index > 0 {
                out.write_str(", ")?;
            }
            if left == Some(0) {
                out.write_str("...")?;
                break;
            }
            left = left.map(|left| left - 1);
            write!(out, "{}", segment.value)?;
            if segment.bits < 8 {
                write!(out, "::size({})", segment.bits)?;
            }
        }
        out.write_str(">>")
    }

    fn list(
        &self,
        out: &mut dyn Write,
        context: Context<'_>,
        node: Node,
        limit: Option<usize>,
    ) -> Result<Option<Frame>, fmt::Error> {
        if self.charlists != Charlists::Lists
            && let Some(text) = charlist(context, node, self.printable_limit)
        {
            let sigil = self.charlists == Charlists::Sigil;
            let quote = if sigil { '"' } else { '\'' };
            out.write_str(if sigil { "~c\"" } else { "'" })?;
            let cut = escape(out, text.as_bytes(), quote, self.printable_limit)?;
            out.write_char(quote)?;
            if cut {
                out.write_str(" ++ ...")?;
            }
            return Ok(None);
        }
        out.write_char('[')?;
        let chain = Chain::new(node);
        let items =
            if is_keyword(context, chain) { Items::Keyword(chain) } else { Items::List(chain) };
        Ok(Some(Frame::new(items, "]", limit)))
    }

    fn map(
        &self,
        out: &mut dyn Write,
        context: Context<'_>,
        map: Node,
        limit: Option<usize>,
    ) -> Result<Frame, fmt::Error> {
        let mut pairs = Pairs::of(context, map, &self.style);
        if !self.style.ordered {
            // `Map.to_list/1` does not turn large maps round as the iterator does.
            pairs = Pairs::Forward;
        }
        let keys = |nth| context.atom(pairs.pair(context, map, nth).0);
        let keyword = (0..map.count())
            .all(|nth| keys(nth).is_some_and(|key| !key.as_str().starts_with("Elixir.")));
        out.write_char('%')?;
        let mut name = None;
        if keyword {
            let at = (0..map.count()).find(|&nth| keys(nth).is_some_and(|key| key == "__struct__"));
            name = at.and_then(|at| context.atom(pairs.pair(context, map, at).1));
        }
        if let Some(name) = name {
            write_literal(out, name)?;
        }
        out.write_char('{')?;
        let items =
            Items::Map { map, pairs, next: 0, keyword, is_struct: name.is_some(), value: None };
        Ok(Frame::new(items, "}", limit))
    }
}

impl fmt::Display for Inspect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.characters {
            None => self.print(f),
            Some(limit) => Capped::new(f, limit).run(|out| self.print(out)),
        }
    }
}

/// A container that is being written.
struct Frame {
    items: Items,
    close: &'static str,
    first: bool,
    /// How many more elements may be shown.
    left: Option<usize>,
}

enum Items {
    Tuple {
        at: usize,
        left: usize,
    },
    List(Chain),
    Keyword(Chain),
    Map {
        map: Node,
        pairs: Pairs,
        next: usize,
        keyword: bool,
        is_struct: bool,
        value: Option<Node>,
    },
    Record {
        record: Record,
        next: usize,
    },
    Nothing,
}

type Next = Option<(Node, Option<usize>)>;

impl Frame {
    const fn new(items: Items, close: &'static str, left: Option<usize>) -> Self {
        Self { items, close, first: true, left }
    }

    /// Writes what stands before the next part and gives the part and its limit, or writes the closing bracket.
    fn advance(&mut self, out: &mut dyn Write, context: Context<'_>) -> Result<Next, fmt::Error> {
        if let Items::Map { value, .. } = &mut self.items
            && let Some(value) = value.take()
        {
            out.write_str(" => ")?;
            return Ok(Some((value, self.left)));
        }
        if let Items::Map { map, pairs, next, is_struct: true, .. } = &mut self.items {
            // What makes it a struct is its name, which is written.
            let hidden = |nth| {
                let key = context.atom(pairs.pair(context, *map, nth).0);
                key.is_some_and(|key| key == "__struct__" || key == "__exception__")
            };
            while *next < map.count() && hidden(*next) {
                *next += 1;
            }
        }
        let mut ahead = Link::End;
        let more = match &mut self.items {
            Items::Tuple { left, .. } => *left > 0,
            Items::List(chain) | Items::Keyword(chain) => {
                ahead = chain.next(context);
                !matches!(ahead, Link::End)
            }
            Items::Map { map, next, .. } => *next < map.count(),
            Items::Record { record, next } => *next < record.fields(),
            Items::Nothing => false,
        };
        if !more {
            out.write_str(self.close)?;
            return Ok(None);
        }
        if let Link::Tail(tail) = ahead {
            // It counts together with the element before it.
            out.write_str(" | ")?;
            self.items = Items::Nothing;
            return Ok(Some((tail, self.left)));
        }
        if !std::mem::replace(&mut self.first, false) {
            out.write_str(", ")?;
        }
        if self.left == Some(0) {
            out.write_str("...")?;
            out.write_str(self.close)?;
            return Ok(None);
        }
        self.left = self.left.map(|left| left - 1);
        let node = self.take(out, context, ahead)?;
        Ok(Some((node, self.left)))
    }

    /// The next part, after its key if that is a word.
    fn take(
        &mut self,
        out: &mut dyn Write,
        context: Context<'_>,
        ahead: Link,
    ) -> Result<Node, fmt::Error> {
        let element = if let Link::Element(element) = ahead { element } else { Node::NIL };
        Ok(match &mut self.items {
            Items::Tuple { at, left } => {
                *left -= 1;
                *at += 1;
                context.at(*at - 1)
            }
            Items::Keyword(_) => {
                key(out, context, context.at(element.first()))?;
                context.at(element.first() + 1)
            }
            Items::Map { map, pairs, next, keyword, value, .. } => {
                let pair = pairs.pair(context, *map, *next);
                *next += 1;
                if *keyword {
                    key(out, context, pair.0)?;
                    pair.1
                } else {
                    *value = Some(pair.1);
                    pair.0
                }
            }
            Items::Record { record, next } => {
                let (name, value) = record.field(context, *next);
                *next += 1;
                write::field_name(out, &Style::PLAIN, context, name)?;
                value
            }
            Items::List(_) | Items::Nothing => element,
        })
    }
}

/// `name: `.
fn key(out: &mut dyn Write, context: Context<'_>, node: Node) -> fmt::Result {
    context.atom(node).map_or(Ok(()), |atom| write_key(out, atom))?;
    out.write_char(' ')
}

/// `String.printable?/2`.
fn is_printable(mut bytes: &[u8], limit: Option<usize>) -> bool {
    let mut left = limit;
    while !bytes.is_empty() && left != Some(0) {
        let (character, rest) = first_character(bytes);
        let printable = matches!(
            character,
            Ok(' '..='\u{7f}' | '\u{7}'..='\r' | '\u{1b}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..)
        );
        if !printable {
            return false;
        }
        left = left.map(|left| left - 1);
        bytes = rest;
    }
    true
}

/// The text of a list of printable ASCII characters (`List.ascii_printable?/2`: beyond the limit any characters).
fn charlist(context: Context<'_>, node: Node, limit: Option<usize>) -> Option<String> {
    let mut chain = Chain::new(node);
    let mut text = String::new();
    let mut left = limit;
    loop {
        match chain.next(context) {
            Link::Element(element) if element.kind() == Kind::Int => {
                let character = u32::try_from(element.b).ok().and_then(char::from_u32)?;
                if left != Some(0) && !matches!(character, ' '..='~' | '\u{7}'..='\r' | '\u{1b}') {
                    return None;
                }
                // One more than is shown tells that something was cut.
                if left == Some(0) {
                    text.push(character);
                    return Some(text);
                }
                left = left.map(|left| left - 1);
                text.push(character);
            }
            Link::End => return Some(text),
            _ => return None,
        }
    }
}

/// Whether all elements are pairs with a word first.
fn is_keyword(context: Context<'_>, mut chain: Chain) -> bool {
    loop {
        match chain.next(context) {
            Link::Element(pair) if pair.kind() == Kind::Tuple && pair.count() == 2 => {
                let key = context.atom(context.at(pair.first()));
                if key.is_none_or(|key| key.as_str().starts_with("Elixir.")) {
                    return false;
                }
            }
            Link::End => return true,
            _ => return false,
        }
    }
}

/// `&Module.function/2`. `Function.info/1`, which `inspect` asks, makes `nil` of `undefined`.
fn export(out: &mut dyn Write, context: Context<'_>, node: Node) -> fmt::Result {
    let part = |nth: usize| context.at(node.first() + nth);
    let nil = Atom::from_static("nil");
    let name = |nth: usize| {
        context.atom(part(nth)).map(|atom| if atom == "undefined" { nil.as_ref() } else { atom })
    };
    out.write_char('&')?;
    name(0).map_or(Ok(()), |module| write_literal(out, module))?;
    out.write_char('.')?;
    name(1).map_or(Ok(()), |function| write_function(out, function))?;
    write!(out, "/{}", part(2).b as i64)
}

/// `#Function<index.uniq/arity in Module>`.
fn closure(out: &mut dyn Write, context: Context<'_>, node: Node) -> fmt::Result {
    let part = |nth: usize| context.at(node.first() + nth);
    let fixed = crate::order::fixed_part(context, node);
    let arity = fixed.first().copied().unwrap_or_default();
    let index = fixed.last_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    write!(out, "#Function<{index}.{}/{arity} in ", part(2).b as i64)?;
    context.atom(part(0)).map_or(Ok(()), |module| write_literal(out, module))?;
    out.write_char('>')
}

impl Term {
    /// As Elixir shows it: see [`Inspect`].
    pub const fn inspect(&self) -> Inspect<'_> {
        Inspect::new(self.root())
    }
}

impl<'a> TermRef<'a> {
    /// As Elixir shows it: see [`Inspect`].
    pub const fn inspect(self) -> Inspect<'a> {
        Inspect::new(self)
    }
}
