//! Where nodes are put while decoding.

use crate::atom::Atom;
use crate::block::LARGEST_INLINE;
use crate::node::Node;
use crate::skip;

use super::run::Stop;

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

    /// More room than the scratch has, once: a guess from how densely the bytes were used so far.
    #[cold]
    #[inline(never)]
    pub(super) fn grow(
        &mut self,
        length: usize,
        children: usize,
        used: usize,
        left: usize,
    ) -> Result<(), Stop> {
        if !self.grown.is_empty() {
            return Err(Stop::Room);
        }
        // No more nodes than bytes can ever be needed: 16 bytes of nodes per byte of the wire.
        let most = length + left;
        let used = used.max(1);
        let guess = (length as u128 * (used + left) as u128 * 9 / (used as u128 * 8)) as usize + 64;
        let mut grown = Vec::with_capacity(guess.clamp(length + children, most));
        grown.extend_from_slice(self.scratch.get(..length).unwrap_or_default());
        grown.resize(grown.capacity(), Node::NIL);
        self.grown = grown;
        self.forget();
        Ok(())
    }
}
