//! Bytes to nodes: one pass, no recursion, nothing allocated but the nodes.
//!
//! The children of a container are neighbours. When its header is read, room for them is made at the end of the nodes and filled
//! as they arrive; where to go on after a child that is itself a container is kept in the next, still empty, node. So the
//! stack of the decoder lies in the room the result needs anyway, and depth costs nothing.
//!
//! `run` goes over the tags, `reader` reads one, `leaf` says what a name or a number is, `room` is where nodes are put.

mod leaf;
mod reader;
mod room;
mod run;

use std::cell::{Cell, RefCell};
use std::mem::take;
use std::sync::Arc;

use bytes::Bytes;

pub(crate) use leaf::{big_node, check_atom, parse_old_float, short_ascii};
pub(crate) use run::NO_MAP;

use crate::atom::Atom;
use crate::block::{LARGEST_INLINE, Shared};
use crate::error::{DecodeError, DecodeErrorKind};
use crate::node::{Kind, Node};
use crate::term::Term;
use reader::Reader;
use room::Room;
use run::{Stop, attempt};

thread_local! {
    /// 4 KiB of nodes per thread, so that a small message costs one allocation.
    static SCRATCH: RefCell<[Node; LARGEST_INLINE]> =
        const { RefCell::new([Node::NIL; LARGEST_INLINE]) };
}

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

/// Decodes the term at `start` of `bytes`, and says where it ends.
///
/// The bytes are taken where they stand, unless the term has none of them, and the result is put together where the caller
/// wants it: to move what was just written in pieces stalls the processor, and a small message takes no longer than a few
/// such stalls.
pub(crate) fn decode(
    bytes: &mut Bytes,
    start: usize,
    atoms: Option<Arc<[Atom]>>,
    place: Place,
    end: &mut usize,
) -> Result<Term, DecodeError> {
    let mut root = Node::NIL;
    let shared = SCRATCH.with(|scratch| {
        // Nothing that decodes is called while decoding; if it were, it would have nodes of its own after the first.
        let mut none = [Node::NIL];
        let mut scratch = scratch.try_borrow_mut();
        let nodes = scratch.as_mut().map_or(&mut none[..], |scratch| &mut scratch[..]);
        block(nodes, bytes, start, atoms, place, end, &mut root)
    });
    match shared {
        Ok(shared) => Ok(Term { shared, node: root }),
        Err(refused) => Err(*refused),
    }
}

/// The block of the term, unless its root says everything.
#[inline(always)]
fn block(
    scratch: &mut [Node],
    bytes: &mut Bytes,
    start: usize,
    atoms: Option<Arc<[Atom]>>,
    place: Place,
    end: &mut usize,
    root: &mut Node,
) -> Result<Option<Shared>, Box<DecodeError>> {
    if bytes.len() > u32::MAX as usize {
        return Err(DecodeErrorKind::TooLarge.at(0).into());
    }
    let mut room = Room { scratch, grown: Vec::new(), exact: false };
    let atom_table = atoms.as_deref().unwrap_or_default();
    let plain = Cell::new(true);
    let mut reader = Reader { input: bytes, pos: start, start, atoms: atom_table, plain: &plain };
    let length = loop {
        match attempt(&mut reader, &mut room, place) {
            Ok(length) => break length,
            Err(Stop::Refused(error)) => {
                room.forget();
                return Err(error);
            }
            Err(Stop::Room) if room.exact => {
                return Err(DecodeErrorKind::TooLarge.at(start).into());
            }
            Err(Stop::Room | Stop::Again) => {
                room.count(bytes, reader.atoms, start);
                reader.pos = start;
                plain.set(true);
            }
        }
    };
    *end = reader.pos;
    if place == Place::Payload && reader.pos < reader.input.len() {
        let left = reader.input.len() - reader.pos;
        return Err(DecodeErrorKind::Trailing(left).at(reader.pos).into());
    }
    let wire = if plain.get() { (start as u32, reader.pos as u32) } else { (0, 0) };
    let nodes = room.nodes().get(..length).unwrap_or_default();
    let Some(&first) = nodes.first() else {
        return Err(DecodeErrorKind::Truncated.at(start).into());
    };
    *root = first;
    Ok(match first.kind() {
        Kind::Int | Kind::Float | Kind::Nil => None,
        _ if length <= LARGEST_INLINE => Some(Shared::copied(nodes, take(bytes), atoms, wire)),
        _ => Some(large(room.grown, length, take(bytes), atoms, wire)),
    })
}

/// The block of a message that has grown out of the scratch.
#[inline(never)]
fn large(
    mut nodes: Vec<Node>,
    length: usize,
    bytes: Bytes,
    atoms: Option<Arc<[Atom]>>,
    wire: (u32, u32),
) -> Shared {
    nodes.truncate(length);
    // Where even a shrinking that moves the nodes stays in the bound.
    if nodes.capacity() > length + length / 4 && nodes.capacity() + length <= bytes.len() {
        nodes.shrink_to_fit();
    }
    Shared::grown(nodes, bytes, atoms, wire)
}
