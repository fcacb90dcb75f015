//! A term taken apart for `~p`: every piece with the room it takes on one line, in the order in which they print.

use std::fmt::{self, Write};

use super::shape::{self, Pairs, Record, Shape};
use super::style::Style;
use super::write;
use crate::node::Node;
use crate::order::{Chain, Context, Link};

/// What a piece is to the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text that is never broken.
    Whole,
    Bytes,
    List,
    /// Its last child is the tail.
    ImproperList,
    Tuple,
    /// A tuple of two or more whose first element is an atom.
    TaggedTuple,
    Map,
    /// Key and value of a map: two children.
    Pair,
    Record,
    /// A field of a record; `node` is its name, and its one child the value.
    Field,
}

/// One piece. Its children follow it, each followed by its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) kind: Kind,
    /// Characters on one line.
    pub(super) length: i64,
    /// The piece after this one and all that is in it.
    pub(super) end: usize,
    pub(super) node: Node,
}

/// Characters that go nowhere but are counted.
#[derive(Default)]
struct Count(i64);

impl Write for Count {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.chars().count() as i64;
        Ok(())
    }
}

/// How many characters something prints as.
pub(super) fn count(print: impl FnOnce(&mut dyn Write) -> fmt::Result) -> Result<i64, fmt::Error> {
    let mut counted = Count::default();
    print(&mut counted)?;
    Ok(counted.0)
}

/// A container whose children are being collected.
struct Open {
    at: usize,
    children: i64,
    rest: Rest,
}

enum Rest {
    Tuple { tuple: Node, next: usize },
    List(Chain),
    Map { map: Node, pairs: Pairs, next: usize },
    Value(Node),
    Record { record: Record, next: usize },
    Nothing,
}

/// Takes a term apart.
pub(super) fn of(
    style: &Style<'_>,
    context: Context<'_>,
    root: Node,
) -> Result<Vec<Piece>, fmt::Error> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut stack: Vec<Open> = Vec::new();
    let mut node = root;
    loop {
        let at = pieces.len();
        let shape = shape::of(context, node, style);
        let (kind, length, rest) = match shape {
            Shape::Whole => {
                (Kind::Whole, count(|out| write::whole(out, style, context, node))?, None)
            }
            Shape::Bytes => {
                (Kind::Bytes, count(|out| write::term(out, style, context, node))?, None)
            }
            Shape::Tuple => {
                let tagged = node.count() > 1 && context.atom(context.at(node.first())).is_some();
                let kind = if tagged { Kind::TaggedTuple } else { Kind::Tuple };
                (kind, 2, Some(Rest::Tuple { tuple: node, next: 0 }))
            }
            Shape::List => (Kind::List, 2, Some(Rest::List(Chain::new(node)))),
            Shape::Map => (
                Kind::Map,
                3,
                Some(Rest::Map { map: node, pairs: Pairs::of(context, node, style), next: 0 }),
            ),
            Shape::Record => {
                let record = Record::new(node);
                let name = count(|out| write::record_name(out, style, context, record))?;
                (Kind::Record, name + 2, Some(Rest::Record { record, next: 0 }))
            }
        };
        pieces.push(Piece { kind, length, end: at + 1, node });
        if let Some(rest) = rest {
            stack.push(Open { at, children: 0, rest });
        } else {
            close(&mut pieces, &mut stack, at);
        }
        node = loop {
            let Some(open) = stack.last_mut() else { return Ok(pieces) };
            match next(open, &mut pieces, context) {
                Step::Child(child) => break child,
                Step::Pair(key, value) => {
                    let at = pieces.len();
                    pieces.push(Piece {
                        kind: Kind::Pair,
                        length: 3,
                        end: at + 1,
                        node: Node::NIL,
                    });
                    stack.push(Open { at, children: 0, rest: Rest::Value(value) });
                    break key;
                }
                Step::Field(name, value) => {
                    let at = pieces.len();
                    let length = count(|out| write::field_name(out, style, context, name))?;
                    pieces.push(Piece { kind: Kind::Field, length, end: at + 1, node: name });
                    stack.push(Open { at, children: 0, rest: Rest::Nothing });
                    break value;
                }
                Step::Done => {
                    let at = open.at;
                    stack.pop();
                    if let Some(piece) = pieces.get(at).copied() {
                        let end = pieces.len();
                        if let Some(place) = pieces.get_mut(at) {
                            *place = Piece { end, ..piece };
                        }
                    }
                    close(&mut pieces, &mut stack, at);
                }
            }
        };
    }
}

/// A child is complete: its length, and that of a separator before it, count for the container.
fn close(pieces: &mut [Piece], stack: &mut [Open], at: usize) {
    let Some(length) = pieces.get(at).map(|piece| piece.length) else { return };
    if let Some(open) = stack.last_mut() {
        let separator = i64::from(open.children > 0);
        open.children += 1;
        if let Some(parent) = pieces.get_mut(open.at) {
            parent.length += length + separator;
        }
    }
}

enum Step {
    Child(Node),
    Pair(Node, Node),
    Field(Node, Node),
    Done,
}

fn next(open: &mut Open, pieces: &mut [Piece], context: Context<'_>) -> Step {
    match &mut open.rest {
        Rest::Tuple { tuple, next } if *next < tuple.count() => {
            *next += 1;
            Step::Child(context.at(tuple.first() + *next - 1))
        }
        Rest::List(chain) => match chain.next(context) {
            Link::Element(element) => Step::Child(element),
            Link::Tail(tail) => {
                if let Some(list) = pieces.get_mut(open.at) {
                    list.kind = Kind::ImproperList;
                }
                open.rest = Rest::Nothing;
                Step::Child(tail)
            }
            Link::End => Step::Done,
        },
        Rest::Map { map, pairs, next } if *next < map.count() => {
            let (key, value) = pairs.pair(context, *map, *next);
            *next += 1;
            Step::Pair(key, value)
        }
        Rest::Value(value) => {
            let value = *value;
            open.rest = Rest::Nothing;
            Step::Child(value)
        }
        Rest::Record { record, next } if *next < record.fields() => {
            let (name, value) = record.field(context, *next);
            *next += 1;
            Step::Field(name, value)
        }
        _ => Step::Done,
    }
}
