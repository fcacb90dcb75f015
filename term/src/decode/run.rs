//! The loop over all tags, and what it ends with.

use std::cell::Cell;

use crate::atom::Atom;
use crate::error::{DecodeError, DecodeErrorKind};
use crate::map;
use crate::node::{Kind, Node};
use crate::tag::LOCAL_EXT;

use super::Place;
use super::common::common;
use super::reader::Reader;
use super::room::Room;

/// "No frame": the slot of the root, which no frame can have.
const NONE: u32 = 0;

/// Why an attempt ended early.
pub(super) enum Stop {
    /// More nodes are needed than there is room for.
    Room,
    /// What was read is no term, and its place is that of the next.
    Again,
    /// Apart, so that success fits registers.
    Refused(Box<DecodeError>),
}

impl From<DecodeError> for Stop {
    #[cold]
    fn from(error: DecodeError) -> Self {
        Self::Refused(error.into())
    }
}

/// What is refused on the way that most terms go, made apart: the parts of an error, put together in line, would take registers from
/// the loop.
impl Stop {
    #[cold]
    #[inline(never)]
    pub(super) fn truncated(at: usize) -> Self {
        DecodeErrorKind::Truncated.at(at).into()
    }

    #[cold]
    #[inline(never)]
    pub(super) fn bad_float(at: usize) -> Self {
        DecodeErrorKind::BadFloat.at(at).into()
    }

    #[cold]
    #[inline(never)]
    pub(super) fn bad_cache_ref(index: u8, len: usize, at: usize) -> Self {
        DecodeErrorKind::BadCacheRef { index, len }.at(at).into()
    }
}

/// Decodes into the room there is, or that one growth gives; the number of nodes.
#[inline(always)]
pub(super) fn attempt(
    state: &mut State,
    input: &[u8],
    atoms: &[Atom],
    room: &mut Room<'_>,
    place: Place,
) -> Result<usize, Stop> {
    // Nodes say where they are in 32 bits.
    if input.len() > u32::MAX as usize {
        return Err(DecodeErrorKind::TooLarge.at(0).into());
    }
    if place == Place::AfterVersion
        && state.pos == state.start
        && input.get(state.pos) == Some(&LOCAL_EXT)
    {
        let length = input.len() - state.pos;
        if let Some(node) = room.nodes().first_mut() {
            *node = Node::new(Kind::Local, state.pos as u32, length as u64);
        }
        state.pos = input.len();
        return Ok(1);
    }
    while !common(state, input, room.nodes()) {
        state.step(input, atoms, room)?;
    }
    if state.maps == NO_MAP {
        return Ok(state.length);
    }
    map::check(room.nodes(), state.length, state.maps, input, atoms, state.start)
        .map_err(|error| error.map_or(Stop::Room, Stop::from))
}

/// End of the chain of maps through the high halves of their nodes.
pub(crate) const NO_MAP: u32 = u32::MAX;

/// Where decoding stands between two terms.
pub(super) struct State {
    /// Of the whole.
    pub(super) start: usize,
    /// How many atoms cache references may mean.
    pub(super) atoms: usize,
    /// Of the next term.
    pub(super) pos: usize,
    /// Where it is put.
    pub(super) slot: usize,
    /// End of the slots of its container.
    pub(super) end: usize,
    /// How many slots have an owner: at the end, all nodes.
    pub(super) length: usize,
    /// The frame of those who wait.
    saved: u32,
    /// The last map met, from which each map's node names the one before it.
    pub(super) maps: u32,
    /// Whether the container is a list.
    in_list: bool,
    /// Whether everything so far is written as we would write it, so that the bytes can be sent on as they are.
    pub(super) plain: bool,
}

impl State {
    #[inline(always)]
    pub(super) const fn new(start: usize, atoms: usize) -> Self {
        Self {
            start,
            atoms,
            pos: start,
            slot: 0,
            end: 1,
            length: 1,
            saved: NONE,
            maps: NO_MAP,
            in_list: false,
            plain: true,
        }
    }

    /// Where the bytes are as we would write them.
    #[inline(always)]
    pub(super) const fn wire(&self) -> (u32, u32) {
        if self.plain { (self.start as u32, self.pos as u32) } else { (0, 0) }
    }

    /// One term of any kind, with room made for its children.
    #[inline(never)]
    pub(super) fn step(
        &mut self,
        input: &[u8],
        atoms: &[Atom],
        room: &mut Room<'_>,
    ) -> Result<(), Stop> {
        let plain = Cell::new(self.plain);
        let mut at = Reader { input, pos: self.pos, atoms, plain: &plain };
        let (node, children) = loop {
            match at.one(self.in_list && self.slot + 1 == self.end) {
                Ok(found) => break found,
                Err(Stop::Again) => {}
                Err(stop) => return Err(stop),
            }
        };
        (self.pos, self.plain) = (at.pos, plain.get());
        if children == 0 {
            room.nodes()[self.slot] = node;
            self.slot += 1;
            return Ok(());
        }
        // Every term takes at least one byte.
        if children > at.input.len() - at.pos {
            return Err(Stop::truncated(at.pos));
        }
        if children > room.nodes().len() - self.length {
            room.grow(self.length, children, at)?;
        }
        self.open(room.nodes(), node, children);
        Ok(())
    }

    /// Puts a container where it belongs, for whose children there is room, and goes on with them.
    #[inline(always)]
    pub(super) fn open(&mut self, nodes: &mut [Node], mut node: Node, children: usize) {
        let Self { slot, end, length, .. } = *self;
        node.b |= length as u64;
        if node.kind() == Kind::Map {
            node.b |= u64::from(self.maps) << 32;
            self.maps = slot as u32;
        }
        nodes[slot] = node;
        // The last child needs no frame: what follows it is what follows its parent.
        if slot + 1 < end {
            nodes[slot + 1] = Node::pending(self.in_list, end as u32, u64::from(self.saved));
            self.saved = (slot + 1) as u32;
        }
        self.in_list = node.kind() == Kind::List;
        (self.slot, self.end, self.length) = (length, length + children, length + children);
    }

    /// Goes on with those who wait, these children being done; whether somebody does.
    #[inline(always)]
    pub(super) fn resume(&mut self, nodes: &[Node]) -> bool {
        if self.saved == NONE {
            return false;
        }
        self.slot = self.saved as usize;
        let frame = nodes[self.slot];
        (self.end, self.saved, self.in_list) = (frame.count(), frame.b as u32, frame.extra() != 0);
        true
    }

    /// How many of so many slots no container has yet.
    #[inline(always)]
    pub(super) const fn left(&self, slots: usize) -> usize {
        slots - self.length
    }

    #[inline(always)]
    pub(super) const fn in_list(&self) -> bool {
        self.in_list
    }
}
