//! Bytes to nodes: one pass, no recursion, nothing allocated but the nodes.
//!
//! The children of a container are neighbours. When its header is read, room for them is made at the end of the nodes and filled
//! as they arrive; where to go on after a child that is itself a container is kept in the next, still empty, node. So the
//! stack of the decoder lies in the room the result needs anyway, and depth costs nothing.
//!
//! `common` goes over the tags that most messages are made of, and leaves any other to `run`, for which `reader` reads one; `leaf` says what
//! a name or a number is; `room` is where nodes are put: those of a small message into a block of `stock.rs`.

mod common;
mod leaf;
mod reader;
mod room;
mod run;

use std::mem::take;
use std::sync::Arc;

use bytes::Bytes;

pub(crate) use leaf::{big_node, certainly_ascii, check_atom, parse_old_float, short_ascii, word};
pub(crate) use run::NO_MAP;

use crate::atom::Atom;
use crate::block::{Blank, LARGEST_INLINE, LARGEST_INSIDE, Owner, Rest, Shared};
use crate::error::{DecodeError, DecodeErrorKind};
use crate::node::{Kind, Node};
use crate::stock;
use crate::term::Term;
use common::common;
use room::Room;
use run::{State, Stop, attempt};

/// Where a term stands; `LOCAL_EXT` is allowed right after the version byte only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// After 131.
    AfterVersion,
    /// Inside another term, or one of several.
    Inside,
    /// The payload of a distribution message, which nothing may follow.
    Payload,
}

/// Whose the bytes are: those of a small message are copied, others taken or shared where the term has any of them.
pub(crate) enum Source<'a> {
    Taken(&'a mut Bytes),
    Shared(&'a Bytes),
}

impl Source<'_> {
    #[inline(always)]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Taken(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }

    fn keep(self) -> Bytes {
        match self {
            Self::Taken(bytes) => take(bytes),
            Self::Shared(bytes) => bytes.clone(),
        }
    }
}

/// Decodes the term at `start` of the bytes, and says where it ends.
///
/// A small one is written where it stays, into a block of the thread's stock, and is mostly done after one call. The result is put together where
/// the caller wants it: to move what was just written in pieces stalls the processor, and a small message takes no longer than a few
/// such stalls.
#[inline(never)]
pub(crate) fn decode(
    source: Source<'_>,
    start: usize,
    atoms: Option<Arc<[Atom]>>,
    place: Place,
    end: &mut usize,
) -> Result<Term, DecodeError> {
    let input = source.bytes();
    let mut state = State::new(start, atoms.as_deref().unwrap_or_default().len());
    // Nodes say where they are in 32 bits: what is longer is refused there.
    let Some(mut blank) = u32::try_from(input.len()).ok().and_then(|_| stock::take(input.len()))
    else {
        return any(source, state, None, atoms, place, end);
    };
    let cells = blank.cells();
    if common(&mut state, input, cells)
        && state.maps == NO_MAP
        && (place != Place::Payload || state.pos == input.len())
        && let Some(&root) = cells.first()
        && let Some(bytes) = input.get(..state.pos)
        && is_kept_apart(root)
    {
        *end = state.pos;
        let inside = put_inside(cells, state.length, bytes);
        let bytes = if inside == 0 { Some(source.keep()) } else { None };
        let shared = blank.finish(state.length, inside, state.wire(), bytes, atoms);
        return Ok(Term { shared: Owner::of(shared), node: root });
    }
    any(source, state, Some(blank), atoms, place, end)
}

/// Goes on where `state` says with whatever is to come.
#[inline(never)]
fn any(
    source: Source<'_>,
    mut state: State,
    mut blank: Option<Blank>,
    atoms: Option<Arc<[Atom]>>,
    place: Place,
    end: &mut usize,
) -> Result<Term, DecodeError> {
    let (input, start) = (source.bytes(), state.start);
    let block = blank.as_mut().map_or(&mut [][..], Blank::cells);
    let mut room = Room::new(block);
    let table = atoms.as_deref().unwrap_or_default();
    let done = loop {
        match attempt(&mut state, input, table, &mut room, place) {
            Ok(_) if place == Place::Payload && state.pos < input.len() => {
                let left = input.len() - state.pos;
                break Err(DecodeErrorKind::Trailing(left).at(state.pos));
            }
            Ok(length) => break Ok(length),
            Err(Stop::Refused(error)) => break Err(*error),
            Err(Stop::Room) if room.exact => break Err(DecodeErrorKind::TooLarge.at(start)),
            Err(Stop::Room | Stop::Again) => {
                if !room.leave_block() {
                    room.count(input, table, start);
                }
                state = State::new(start, table.len());
            }
        }
    };
    let (length, root) = match done.map(|length| (length, room.nodes().first().copied())) {
        Ok((length, Some(root))) => (length, root),
        Ok((_, None)) => return Err(DecodeErrorKind::Truncated.at(start)),
        Err(refused) => {
            room::keep(room.grown);
            stock::put_back(blank);
            return Err(refused);
        }
    };
    *end = state.pos;
    if !is_kept_apart(root) {
        room::keep(room.grown);
        stock::put_back(blank);
        return Ok(Term::leaf(root));
    }
    let bytes = input.get(..state.pos).unwrap_or_default();
    let inside = put_inside(room.nodes(), length, bytes);
    let bytes = if inside == 0 { Some(source.keep()) } else { None };
    let (grown, wire) = (room.grown, state.wire());
    let shared = match blank {
        Some(blank) if grown.is_empty() => blank.finish(length, inside, wire, bytes, atoms),
        blank => {
            stock::put_back(blank);
            let bytes = bytes.unwrap_or_default();
            apart(grown, length, inside, Rest { bytes, atoms, wire })
        }
    };
    Ok(Term { shared: Owner::of(shared), node: root })
}

/// Whether there is more to the term than its root says.
#[inline(always)]
const fn is_kept_apart(root: Node) -> bool {
    !matches!(root.kind(), Kind::Int | Kind::Float | Kind::Nil)
}

/// Puts the bytes of a small message behind the nodes; how many were put there, none where there is no room.
#[inline(always)]
fn put_inside(cells: &mut [Node], nodes: usize, bytes: &[u8]) -> usize {
    if bytes.len() <= LARGEST_INSIDE && Node::hold(cells, nodes, bytes) { bytes.len() } else { 0 }
}

/// The block of a message that was not read into one.
#[inline(never)]
fn apart(mut nodes: Vec<Node>, length: usize, inside: usize, rest: Rest) -> Shared {
    if length <= LARGEST_INLINE {
        let cells = nodes.get(..length + inside.div_ceil(size_of::<Node>()));
        let shared = Shared::copied(cells.unwrap_or_default(), length, inside, rest);
        room::keep(nodes);
        return shared;
    }
    nodes.truncate(length);
    // Where even a shrinking that moves the nodes stays in the bound.
    if nodes.capacity() > length + length / 4 && nodes.capacity() + length <= rest.bytes.len() {
        nodes.shrink_to_fit();
    }
    Shared::grown(nodes, rest)
}
