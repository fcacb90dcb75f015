//! The loop over all tags, and what it ends with.

use crate::error::{DecodeError, DecodeErrorKind};
use crate::map;
use crate::node::{Kind, Node};
use crate::tag::LOCAL_EXT;

use super::Place;
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
    reader: &mut Reader<'_>,
    room: &mut Room<'_>,
    place: Place,
) -> Result<usize, Stop> {
    if place == Place::AfterVersion && reader.input.get(reader.pos) == Some(&LOCAL_EXT) {
        let length = reader.input.len() - reader.pos;
        if let Some(node) = room.nodes().first_mut() {
            *node = Node::new(Kind::Local, reader.pos as u32, length as u64);
        }
        reader.pos = reader.input.len();
        return Ok(1);
    }
    let (length, maps) = run(reader, room)?;
    if maps == NO_MAP {
        return Ok(length);
    }
    map::check(room.nodes(), length, maps, reader.input, reader.atoms, reader.start)
        .map_err(|error| error.map_or(Stop::Room, Stop::from))
}

/// End of the chain of maps through the high halves of their nodes.
pub(crate) const NO_MAP: u32 = u32::MAX;

/// The loop over all tags: the number of nodes, and the last map met, from which each map's node names the one before it.
#[inline(always)]
fn run(of: &mut Reader<'_>, room: &mut Room<'_>) -> Result<(usize, u32), Stop> {
    let mut reader = *of;
    let mut nodes = room.nodes();
    let mut length = 1usize;
    let mut maps = NO_MAP;
    let (mut slot, mut end, mut saved) = (0usize, 1usize, NONE);
    loop {
        let children = match reader.one(&mut nodes[slot]) {
            Ok(children) => children,
            Err(Stop::Again) => continue,
            Err(stop) => return Err(stop),
        };
        if children == 0 {
            slot += 1;
            // Done with these children: on with those who wait.
            if slot == end {
                if saved == NONE {
                    of.pos = reader.pos;
                    return Ok((length, maps));
                }
                slot = saved as usize;
                let frame = nodes[slot];
                end = frame.count();
                saved = frame.b as u32;
            }
            continue;
        }
        // Every term takes at least one byte.
        if children > reader.input.len() - reader.pos {
            return Err(Stop::truncated(reader.pos));
        }
        if children > nodes.len() - length {
            room.grow(length, children, reader)?;
            nodes = room.nodes();
        }
        let kind = nodes[slot].kind();
        nodes[slot].b |= length as u64;
        if kind == Kind::Map {
            nodes[slot].b |= u64::from(maps) << 32;
            maps = slot as u32;
        }
        // The last child needs no frame: what follows it is what follows its parent.
        if slot + 1 < end {
            let tail = nodes[slot + 1].is_tail();
            nodes[slot + 1] = Node::pending(tail, end as u32, u64::from(saved));
            saved = (slot + 1) as u32;
        }
        slot = length;
        length += children;
        end = length;
        if kind == Kind::List {
            nodes[end - 1] = Node::pending(true, 0, 0);
        }
    }
}
