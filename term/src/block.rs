//! What a term owns: the nodes, the bytes they point into, and the atoms that came by cache reference, in one allocation.

use std::sync::Arc;

use bytes::Bytes;
use triomphe::ThinArc;

use crate::atom::Atom;
use crate::node::Node;

/// The shared block of a message: one word to hold, one allocation, and (having no weak references) one count to give back.
#[derive(Clone, Debug)]
pub(crate) struct Shared(ThinArc<Head, Node>);

/// What lies before the nodes.
#[derive(Debug)]
struct Head {
    bytes: Bytes,
    /// Where the bytes are the whole term just as we would write it: sent on, they need no encoding. (0, 0) where they are not.
    wire: (u32, u32),
    atoms: Option<Arc<[Atom]>>,
    /// The nodes of a message that has more than [`LARGEST_INLINE`]: they stay where the decoder grew them, so that they are never held twice.
    large: Vec<Node>,
}

/// 4 KiB of nodes: what the scratch of a thread holds.
pub(crate) const LARGEST_INLINE: usize = 256;

impl Shared {
    #[inline]
    pub(crate) fn nodes(&self) -> &[Node] {
        match &self.0.slice {
            [] => &self.head().large,
            nodes => nodes,
        }
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.head().bytes
    }

    /// The bytes of the whole term where they are as we would write them.
    #[inline]
    pub(crate) fn wire(&self) -> Option<&[u8]> {
        let (from, to) = self.head().wire;
        if from < to { self.bytes().get(from as usize..to as usize) } else { None }
    }

    #[inline]
    pub(crate) fn atoms(&self) -> &[Atom] {
        self.head().atoms.as_deref().unwrap_or_default()
    }

    #[inline]
    fn head(&self) -> &Head {
        &self.0.header.header
    }

    /// Nodes over bytes that are no encoding of the whole.
    pub(crate) fn of(nodes: Vec<Node>, bytes: Bytes) -> Self {
        if nodes.len() <= LARGEST_INLINE {
            Self::copied(&nodes, bytes, None, (0, 0))
        } else {
            Self::grown(nodes, bytes, None, (0, 0))
        }
    }

    /// Copies the nodes of a finished scratch.
    #[inline(always)]
    pub(crate) fn copied(
        nodes: &[Node],
        bytes: Bytes,
        atoms: Option<Arc<[Atom]>>,
        wire: (u32, u32),
    ) -> Self {
        Self(ThinArc::from_header_and_slice(Head { bytes, wire, atoms, large: Vec::new() }, nodes))
    }

    /// Keeps the nodes where they are.
    pub(crate) fn grown(
        nodes: Vec<Node>,
        bytes: Bytes,
        atoms: Option<Arc<[Atom]>>,
        wire: (u32, u32),
    ) -> Self {
        Self(ThinArc::from_header_and_slice(Head { bytes, wire, atoms, large: nodes }, &[]))
    }
}
