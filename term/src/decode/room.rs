//! Where nodes are put while decoding.

use std::cell::Cell;

use crate::atom::Atom;
use crate::block::LARGEST_INLINE;
use crate::node::Node;
use crate::skip;

use super::reader::Reader;
use super::run::Stop;

/// How many terms are looked at to guess the number of all. A message that comes to this has some hundred nodes at least.
const SAMPLE: usize = 256;

thread_local! {
    /// [`LARGEST_INLINE`] nodes, once they were needed: what outgrows the blocks in stock is decoded here, so that a message of up to
    /// 4 KiB of nodes costs one allocation.
    static SCRATCH: Cell<Vec<Node>> = const { Cell::new(Vec::new()) };
}

/// Where nodes are put: a block of the thread's stock, or, for a message that needs more, the scratch of the thread, or, for one that needs still more,
/// a vector of its own. What lies in them beyond the part in use is left over from other messages, and nobody looks at it.
pub(super) struct Room<'a> {
    pub(super) block: &'a mut [Node],
    pub(super) grown: Vec<Node>,
    /// Whether the nodes were counted.
    pub(super) exact: bool,
}

impl<'a> Room<'a> {
    /// At least room for one.
    #[inline(always)]
    pub(super) fn new(block: &'a mut [Node]) -> Self {
        let grown = if block.is_empty() { scratch() } else { Vec::new() };
        Self { block, grown, exact: false }
    }

    #[inline]
    pub(super) fn nodes(&mut self) -> &mut [Node] {
        if self.grown.is_empty() { self.block } else { &mut self.grown }
    }

    /// The scratch, all of it anew, where the block is too small for what is put behind the nodes; whether that is more room.
    #[cold]
    #[inline(never)]
    pub(super) fn leave_block(&mut self) -> bool {
        if !self.grown.is_empty() {
            return false;
        }
        self.grown = scratch();
        true
    }

    /// As much room as the term needs. The guess was too low, and to grow would hold old and new nodes at once: so they are counted, and
    /// decoding begins again.
    #[cold]
    #[inline(never)]
    pub(super) fn count(&mut self, bytes: &[u8], atoms: &[Atom], start: usize) {
        let exact =
            skip::count_nodes(bytes, atoms, start).min(bytes.len() - start + LARGEST_INLINE);
        keep(std::mem::take(&mut self.grown));
        self.grown = vec![Node::NIL; exact];
        self.exact = true;
    }

    /// More room: the scratch, then, once, for as many nodes as there would be if what is left were like the next terms. What was
    /// read so far says less: of a list that is the message, it is the header. The reader is a copy, since nobody may have the address of the
    /// one that reads.
    #[cold]
    #[inline(never)]
    pub(super) fn grow(
        &mut self,
        length: usize,
        children: usize,
        reader: Reader<'_>,
    ) -> Result<(), Stop> {
        if self.exact || self.grown.len() > LARGEST_INLINE {
            return Err(Stop::Room);
        }
        let grown = if length + children <= LARGEST_INLINE {
            let mut scratch = scratch();
            if let (Some(to), Some(from)) = (scratch.get_mut(..length), self.nodes().get(..length))
            {
                to.copy_from_slice(from);
            }
            scratch
        } else {
            let left = reader.input.len() - reader.pos;
            let (nodes, bytes) = skip::sample_nodes(reader.input, reader.atoms, reader.pos, SAMPLE);
            let guess = (left as u128 * nodes as u128 * 9 / (bytes.max(1) as u128 * 8)) as usize;
            // No more nodes than bytes can ever be needed: 16 bytes of nodes per byte of the wire.
            let (least, most) = (length + children, length + left);
            let mut grown = Vec::with_capacity((length + guess + 64).clamp(least, most));
            grown.extend_from_slice(self.nodes().get(..length).unwrap_or_default());
            grown.resize(grown.capacity(), Node::NIL);
            grown
        };
        keep(std::mem::replace(&mut self.grown, grown));
        Ok(())
    }
}

/// The scratch of the thread, or one made now: for its first message, while another is being decoded, and while the thread ends.
#[inline(never)]
fn scratch() -> Vec<Node> {
    let kept = SCRATCH.try_with(Cell::take).unwrap_or_default();
    if kept.is_empty() { vec![Node::NIL; LARGEST_INLINE] } else { kept }
}

/// Puts the scratch back; what is none is dropped.
pub(super) fn keep(nodes: Vec<Node>) {
    if nodes.len() == LARGEST_INLINE && nodes.capacity() == LARGEST_INLINE {
        let _ = SCRATCH.try_with(|scratch| scratch.set(nodes));
    }
}
