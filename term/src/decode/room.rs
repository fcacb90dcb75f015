//! Where nodes are put while decoding.

use crate::atom::Atom;
use crate::block::LARGEST_INLINE;
use crate::node::Node;
use crate::skip;

use super::reader::Reader;
use super::run::Stop;

/// How many terms are looked at to guess the number of all. A message that comes to this has some hundred nodes at least.
const SAMPLE: usize = 256;

/// Where nodes are put: the scratch of the thread, or, for a message that needs more, a vector of its own. What lies in them beyond the
/// part in use is left over from other messages: finished nodes, of which nobody asks more than whether they are.
pub(super) struct Room<'a> {
    pub(super) scratch: &'a mut [Node],
    pub(super) grown: Vec<Node>,
    /// Whether the nodes were counted.
    pub(super) exact: bool,
}

impl Room<'_> {
    #[inline]
    pub(super) fn nodes(&mut self) -> &mut [Node] {
        if self.grown.is_empty() { self.scratch } else { &mut self.grown }
    }

    /// As much room as the term needs. The guess was too low, and to grow would hold old and new nodes at once: so they are counted, and
    /// decoding begins again.
    #[cold]
    #[inline(never)]
    pub(super) fn count(&mut self, bytes: &[u8], atoms: &[Atom], start: usize) {
        let exact =
            skip::count_nodes(bytes, atoms, start).min(bytes.len() - start + LARGEST_INLINE);
        self.grown = Vec::new();
        self.grown = vec![Node::NIL; exact];
        self.exact = true;
    }

    /// Leaves no unfinished nodes in the scratch, which the next message would take for its own.
    #[cold]
    pub(super) fn forget(&mut self) {
        self.scratch.fill(Node::NIL);
    }

    /// More room than the scratch has, once: for as many nodes as there would be if what is left were like the next terms. What was
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
        if !self.grown.is_empty() {
            return Err(Stop::Room);
        }
        let left = reader.input.len() - reader.pos;
        let (nodes, bytes) = skip::sample_nodes(reader.input, reader.atoms, reader.pos, SAMPLE);
        let guess = (left as u128 * nodes as u128 * 9 / (bytes.max(1) as u128 * 8)) as usize;
        // No more nodes than bytes can ever be needed: 16 bytes of nodes per byte of the wire.
        let (least, most) = (length + children, length + left);
        let mut grown = Vec::with_capacity((length + guess + 64).clamp(least, most));
        grown.extend_from_slice(self.scratch.get(..length).unwrap_or_default());
        grown.resize(grown.capacity(), Node::NIL);
        self.grown = grown;
        self.forget();
        Ok(())
    }
}
