//! One line of Erlang: `~0p` and `~w`. What is still to be written waits on a stack of our own, so depth costs no other.

use std::fmt::{self, Write};

use num_bigint::BigUint;

use super::float;
use super::quote::{write_atom, write_emulator_atom, write_quoted};
use super::shape::{self, BinaryText, Pairs, Record, Shape};
use super::style::{Encoding, Style};
use crate::atom::AtomRef;
use crate::identifier::Parts;
use crate::node::{Kind, Node};
use crate::order::{Chain, Context, Link};

/// Integers with more bytes than this print as `16#...`: decimal digits cost time by the square of their number, and a peer may
/// send 64 MiB of them. 64 KiB are 157,826 digits.
const LARGEST_DECIMAL: usize = 64 * 1024;

/// Writes a term on one line.
pub(super) fn term(
    out: &mut (impl Write + ?Sized),
    style: &Style<'_>,
    context: Context<'_>,
    root: Node,
) -> fmt::Result {
    let mut stack: Vec<Frame> = Vec::new();
    let mut node = root;
    loop {
        match shape::of(context, node, style) {
            Shape::Whole => whole(out, style, context, node)?,
            Shape::Bytes => bytes(out, context, node)?,
            shape => {
                open(out, style, context, node, shape)?;
                stack.push(Frame::new(style, context, node, shape));
            }
        }
        loop {
            let Some(frame) = stack.last_mut() else { return Ok(()) };
            match frame.advance(out, style, context)? {
                Some(next) => {
                    node = next;
                    break;
                }
                None => stack.pop(),
            };
        }
    }
}

/// What is still to be written of a container.
enum Frame {
    Tuple {
        tuple: Node,
        next: usize,
    },
    List {
        chain: Chain,
        first: bool,
    },
    /// The bracket after the tail of an improper list.
    Close,
    Map {
        map: Node,
        pairs: Pairs,
        next: usize,
        value: Option<Node>,
    },
    Record {
        record: Record,
        next: usize,
    },
}

impl Frame {
    fn new(style: &Style<'_>, context: Context<'_>, node: Node, shape: Shape) -> Self {
        match shape {
            Shape::Tuple => Self::Tuple { tuple: node, next: 0 },
            Shape::Map => Self::Map {
                map: node,
                pairs: Pairs::of(context, node, style),
                next: 0,
                value: None,
            },
            Shape::Record => Self::Record { record: Record::new(node), next: 0 },
            _ => Self::List { chain: Chain::new(node), first: true },
        }
    }

    /// Writes what stands before the next part and gives the part, or writes the closing bracket.
    fn advance(
        &mut self,
        out: &mut (impl Write + ?Sized),
        style: &Style<'_>,
        context: Context<'_>,
    ) -> Result<Option<Node>, fmt::Error> {
        let comma =
            |out: &mut _, first: bool| if first { Ok(()) } else { Write::write_char(out, ',') };
        match self {
            Self::Tuple { tuple, next } => {
                if *next == tuple.count() {
                    out.write_char('}')?;
                    return Ok(None);
                }
                comma(out, *next == 0)?;
                *next += 1;
                Ok(Some(context.at(tuple.first() + *next - 1)))
            }
            Self::List { chain, first } => match chain.next(context) {
                Link::Element(element) => {
                    comma(out, std::mem::replace(first, false))?;
                    Ok(Some(element))
                }
                Link::Tail(tail) => {
                    out.write_char('|')?;
                    *self = Self::Close;
                    Ok(Some(tail))
                }
                Link::End => {
                    out.write_char(']')?;
                    Ok(None)
                }
            },
            Self::Close => {
                out.write_char(']')?;
                Ok(None)
            }
            Self::Map { map, pairs, next, value } => {
                if value.is_some() {
                    out.write_str(" => ")?;
                    return Ok(value.take());
                }
                if *next == map.count() {
                    out.write_char('}')?;
                    return Ok(None);
                }
                comma(out, *next == 0)?;
                let pair = pairs.pair(context, *map, *next);
                *next += 1;
                *value = Some(pair.1);
                Ok(Some(pair.0))
            }
            Self::Record { record, next } => {
                if *next == record.fields() {
                    out.write_char('}')?;
                    return Ok(None);
                }
                comma(out, *next == 0)?;
                let (name, value) = record.field(context, *next);
                *next += 1;
                field_name(out, style, context, name)?;
                Ok(Some(value))
            }
        }
    }
}

fn open(
    out: &mut (impl Write + ?Sized),
    style: &Style<'_>,
    context: Context<'_>,
    node: Node,
    shape: Shape,
) -> fmt::Result {
    match shape {
        Shape::Tuple => out.write_char('{'),
        Shape::Map => out.write_str("#{"),
        Shape::Record => {
            record_name(out, style, context, Record::new(node))?;
            out.write_char('{')
        }
        _ => out.write_char('['),
    }
}

/// `#module:name`, what a native record begins with.
pub(super) fn record_name(
    out: &mut (impl Write + ?Sized),
    style: &Style<'_>,
    context: Context<'_>,
    record: Record,
) -> fmt::Result {
    out.write_char('#')?;
    atom(out, style, context, record.module(context))?;
    out.write_char(':')?;
    atom(out, style, context, record.name(context))
}

/// `name = `, what stands before the value of a field.
pub(super) fn field_name(
    out: &mut (impl Write + ?Sized),
    style: &Style<'_>,
    context: Context<'_>,
    name: Node,
) -> fmt::Result {
    atom(out, style, context, name)?;
    out.write_str(" = ")
}

pub(super) fn atom(
    out: &mut (impl Write + ?Sized),
    style: &Style<'_>,
    context: Context<'_>,
    node: Node,
) -> fmt::Result {
    context.atom(node).map_or(Ok(()), |atom| write_atom(out, atom, style.encoding, style.release))
}

/// A piece that is never taken apart.
pub(super) fn whole(
    out: &mut (impl Write + ?Sized),
    style: &Style<'_>,
    context: Context<'_>,
    node: Node,
) -> fmt::Result {
    match node.kind() {
        Kind::Int => write!(out, "{}", node.b as i64),
        Kind::Big => big_integer(out, node.extra() != 0, node.span(context.bytes)),
        Kind::Float => float::write(out, f64::from_bits(node.b)),
        Kind::Atom | Kind::AtomLatin1 | Kind::AtomCached => atom(out, style, context, node),
        Kind::Nil => out.write_str("[]"),
        Kind::Tuple => out.write_str("{}"),
        Kind::Map => out.write_str("#{}"),
        Kind::List | Kind::String => text(out, style, context, node),
        Kind::Binary | Kind::Bits => match shape::binary_text(context, node, style) {
            Some(BinaryText::Latin1(bytes)) => {
                out.write_str("<<")?;
                write_quoted(
                    out,
                    bytes.iter().map(|&byte| char::from(byte)),
                    '"',
                    Encoding::Unicode,
                )?;
                out.write_str(">>")
            }
            Some(BinaryText::Utf8(text)) => {
                out.write_str("<<")?;
                write_quoted(out, text.chars(), '"', Encoding::Unicode)?;
                out.write_str("/utf8>>")
            }
            None => out.write_str("<<>>"),
        },
        Kind::Pid => pid(out, style, context.identifier(node)),
        Kind::Port => port(out, style, context.identifier(node)),
        Kind::Reference => reference(out, style, context.identifier(node)),
        Kind::Export => export(out, context, node),
        Kind::Fun => closure(out, context, node),
        Kind::Local => write!(out, "#Local<{} bytes>", node.span(context.bytes).len()),
        Kind::Record | Kind::Pending => Ok(()),
    }
}

/// A list of characters; that it is one was checked.
fn text(
    out: &mut (impl Write + ?Sized),
    style: &Style<'_>,
    context: Context<'_>,
    node: Node,
) -> fmt::Result {
    let mut chain = Chain::new(node);
    let characters = std::iter::from_fn(|| match chain.next(context) {
        Link::Element(element) => u32::try_from(element.b).ok().and_then(char::from_u32),
        _ => None,
    });
    write_quoted(out, characters, '"', style.encoding)
}

/// `<<1,2,3:5>>`.
fn bytes(out: &mut (impl Write + ?Sized), context: Context<'_>, node: Node) -> fmt::Result {
    out.write_str("<<")?;
    for (index, segment) in Segments::new(context, node).enumerate() {
        if index > 0 {
            out.write_char(',')?;
        }
        write!(out, "{segment}")?;
    }
    out.write_str(">>")
}

/// The bytes of a bit string, and the bits at its end.
pub(super) struct Segments<'a> {
    bytes: std::slice::Iter<'a, u8>,
    last: u8,
}

impl<'a> Segments<'a> {
    pub(super) fn new(context: Context<'a>, node: Node) -> Self {
        let last = if node.kind() == Kind::Bits { node.extra() } else { 8 };
        Self { bytes: node.span(context.bytes).iter(), last }
    }
}

impl Iterator for Segments<'_> {
    type Item = Segment;

    fn next(&mut self) -> Option<Segment> {
        let byte = *self.bytes.next()?;
        let bits = if self.bytes.len() == 0 { self.last.clamp(1, 8) } else { 8 };
        Some(Segment { value: byte >> (8 - bits), bits })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.bytes.size_hint()
    }
}

impl ExactSizeIterator for Segments<'_> {}

/// A byte, `255`, or fewer bits, `5:3`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) value: u8,
    pub(super) bits: u8,
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bits == 8 {
            write!(f, "{}", self.value)
        } else {
            write!(f, "{}:{}", self.value, self.bits)
        }
    }
}

/// A magnitude in little endian.
pub(super) fn big_integer(
    out: &mut (impl Write + ?Sized),
    negative: bool,
    magnitude: &[u8],
) -> fmt::Result {
    if negative {
        out.write_char('-')?;
    }
    let value = BigUint::from_bytes_le(magnitude);
    if magnitude.len() > LARGEST_DECIMAL {
        write!(out, "16#{value:X}")
    } else {
        write!(out, "{value}")
    }
}

/// The number that stands for a node in an identifier: 0 for the own one.
///
/// The BEAM prints a number for every node, which means something inside that BEAM only; another node's name says more.
fn owner(out: &mut (impl Write + ?Sized), style: &Style<'_>, node: AtomRef<'_>) -> fmt::Result {
    match style.local {
        Some(local) if node == *local => out.write_char('0'),
        _ => node.chars().try_for_each(|character| out.write_char(character)),
    }
}

/// `<0.85.0>` for a process of the own node, else `#Pid<rust@host.85.0>`.
fn pid(
    out: &mut (impl Write + ?Sized),
    style: &Style<'_>,
    parts: Option<Parts<'_>>,
) -> fmt::Result {
    let Some(parts) = parts else { return Ok(()) };
    if style.local.is_none_or(|local| parts.node != *local) {
        out.write_str("#Pid")?;
    }
    pid_numbers(out, style, &parts)
}

/// `<0.85.0>`.
pub(super) fn pid_numbers(
    out: &mut (impl Write + ?Sized),
    style: &Style<'_>,
    parts: &Parts<'_>,
) -> fmt::Result {
    out.write_char('<')?;
    owner(out, style, parts.node)?;
    write!(out, ".{}.{}>", parts.id, parts.serial)
}

/// `#Port<0.5>`.
pub(super) fn port(
    out: &mut (impl Write + ?Sized),
    style: &Style<'_>,
    parts: Option<Parts<'_>>,
) -> fmt::Result {
    let Some(parts) = parts else { return Ok(()) };
    out.write_str("#Port<")?;
    owner(out, style, parts.node)?;
    write!(out, ".{}>", parts.id)
}

/// `#Ref<0.3.2.1>`, the most significant word first.
fn reference(
    out: &mut (impl Write + ?Sized),
    style: &Style<'_>,
    parts: Option<Parts<'_>>,
) -> fmt::Result {
    let Some(parts) = parts else { return Ok(()) };
    out.write_str("#Ref")?;
    reference_numbers(out, style, &parts)
}

/// `<0.3.2.1>`.
pub(super) fn reference_numbers(
    out: &mut (impl Write + ?Sized),
    style: &Style<'_>,
    parts: &Parts<'_>,
) -> fmt::Result {
    out.write_char('<')?;
    owner(out, style, parts.node)?;
    for word in parts.words.as_chunks::<4>().0.iter().rev() {
        write!(out, ".{}", u32::from_be_bytes(*word))?;
    }
    out.write_char('>')
}

/// `fun module:function/2`.
fn export(out: &mut (impl Write + ?Sized), context: Context<'_>, node: Node) -> fmt::Result {
    let part = |nth: usize| context.at(node.first() + nth);
    out.write_str("fun ")?;
    context.atom(part(0)).map_or(Ok(()), |module| write_emulator_atom(out, module))?;
    out.write_char(':')?;
    context.atom(part(1)).map_or(Ok(()), |function| write_emulator_atom(out, function))?;
    write!(out, "/{}", part(2).b as i64)
}

/// `#Fun<module.index.uniq>`.
fn closure(out: &mut (impl Write + ?Sized), context: Context<'_>, node: Node) -> fmt::Result {
    let part = |nth: usize| context.at(node.first() + nth);
    out.write_str("#Fun<")?;
    context.atom(part(0)).map_or(Ok(()), |module| write_emulator_atom(out, module))?;
    write!(out, ".{}.{}>", part(1).b as i64, part(2).b as i64)
}
