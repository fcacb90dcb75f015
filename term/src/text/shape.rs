//! What a term is to a printer: one piece of text, or brackets with something in them.

use super::quote::{printable_latin1, printable_unicode};
use super::style::{Encoding, Range, Release, Style};
use crate::map::{self, KeyOrder};
use crate::node::{Kind, Node};
use crate::order::{Chain, Context, Link};

/// The two ways to print a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A piece that is never taken apart: numbers, atoms, identifiers, text, empty brackets.
    Whole,
    /// `<<1,2,3>>`, which `~p` may break between its bytes.
    Bytes,
    /// `[`...`]`
    List,
    /// `{`...`}`
    Tuple,
    /// `#{`...`}`
    Map,
    /// `#module:name{`...`}`
    Record,
}

/// Decides once how a node prints, which for a list means looking at its elements until one is no character.
pub(super) fn of(context: Context<'_>, node: Node, style: &Style<'_>) -> Shape {
    match node.kind() {
        Kind::Tuple if node.count() > 0 => Shape::Tuple,
        Kind::Map if node.count() > 0 => Shape::Map,
        Kind::Record => Shape::Record,
        Kind::Binary | Kind::Bits => match binary_text(context, node, style) {
            Some(_) => Shape::Whole,
            None if node.span(context.bytes).is_empty() => Shape::Whole,
            None => Shape::Bytes,
        },
        Kind::List | Kind::String if style.strings && is_text(context, node, style) => Shape::Whole,
        Kind::List => Shape::List,
        Kind::String if node.span(context.bytes).is_empty() => Shape::Whole,
        Kind::String => Shape::List,
        _ => Shape::Whole,
    }
}

/// Whether a list prints as `"..."`.
fn is_text(context: Context<'_>, node: Node, style: &Style<'_>) -> bool {
    let mut chain = Chain::new(node);
    let unicode = style.encoding == Encoding::Unicode && style.range == Range::Unicode;
    let mut some = false;
    loop {
        match chain.next(context) {
            Link::Element(element) if element.kind() == Kind::Int => {
                let Ok(code) = u32::try_from(element.b) else { return false };
                if !(printable_latin1(code) || unicode && printable_unicode(code)) {
                    return false;
                }
                some = true;
            }
            Link::End => return some,
            _ => return false,
        }
    }
}

/// The text a binary shows as.
#[derive(Clone, Copy, Debug)]
pub(super) enum BinaryText<'a> {
    /// `<<"...">>`, one character a byte.
    Latin1(&'a [u8]),
    /// `<<"..."/utf8>>`.
    Utf8(&'a str),
}

/// Whether a binary prints as text, and as which.
pub(super) fn binary_text<'a>(
    context: Context<'a>,
    node: Node,
    style: &Style<'_>,
) -> Option<BinaryText<'a>> {
    let bytes = node.span(context.bytes);
    if !style.strings || node.kind() != Kind::Binary || bytes.is_empty() {
        return None;
    }
    if style.encoding == Encoding::Unicode {
        let printable = |character: char| match style.range {
            Range::Latin1 => printable_latin1(character.into()),
            Range::Unicode => printable_unicode(character.into()),
        };
        let valid = std::str::from_utf8(bytes);
        let up_to = valid.map_or_else(|error| error.valid_up_to(), str::len);
        let head = bytes.get(..up_to).and_then(|head| std::str::from_utf8(head).ok());
        let all = head.unwrap_or_default().chars().all(printable);
        match valid {
            Ok(text) if all && text.is_ascii() => return Some(BinaryText::Latin1(bytes)),
            Ok(text) if all => return Some(BinaryText::Utf8(text)),
            Ok(_) => return None,
            // What is no UTF-8 may be Latin-1. OTP 29 does not look further than to the first character that does not print.
            Err(_) if style.release == Release::Otp29 && !all => return None,
            Err(_) => {}
        }
    }
    bytes.iter().all(|&byte| printable_latin1(byte.into())).then_some(BinaryText::Latin1(bytes))
}

/// In which order the pairs of a map print.
///
/// A map prints as on the node that sent it. The BEAM iterates over a small map, up to 32 keys, in the order in which it sends
/// it, and over a larger one backwards. (What that order is, is its own affair: term order in OTP 25, for atoms by their
/// index in OTP 26 and later, by hash in larger maps.)
#[derive(Debug)]
pub(super) enum Pairs {
    Forward,
    Backward,
    Sorted(Box<KeyOrder>),
}

impl Pairs {
    pub(super) fn of(context: Context<'_>, map: Node, style: &Style<'_>) -> Self {
        if style.ordered {
            Self::Sorted(Box::new(KeyOrder::of(context, map)))
        } else if map.count() <= map::FEW {
            Self::Forward
        } else {
            Self::Backward
        }
    }

    /// Key and value of the pair that prints as number `nth`, counted from 0.
    pub(super) fn pair(&self, context: Context<'_>, map: Node, nth: usize) -> (Node, Node) {
        let position = match self {
            Self::Forward => nth,
            Self::Backward => map.count().saturating_sub(nth + 1),
            Self::Sorted(order) => order.position(context, nth),
        };
        (map::key_at(context, map, position), map::value_at(context, map, position))
    }
}

/// The parts of a native record: module, name, then fields by number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    node: Node,
}

impl Record {
    pub(super) const fn new(node: Node) -> Self {
        Self { node }
    }

    pub(super) const fn fields(self) -> usize {
        self.node.count()
    }

    pub(super) fn module(self, context: Context<'_>) -> Node {
        context.at(self.node.first())
    }

    pub(super) fn name(self, context: Context<'_>) -> Node {
        context.at(self.node.first() + 1)
    }

    /// Name and value of a field.
    pub(super) fn field(self, context: Context<'_>, nth: usize) -> (Node, Node) {
        let first = self.node.first() + 2;
        (context.at(first + nth), context.at(first + self.node.count() + nth))
    }
}
