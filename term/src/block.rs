//! What a term owns: the nodes, the bytes they point into, and the atoms that came by cache reference, in one allocation.

use std::sync::Arc;

use bytes::Bytes;

use crate::atom::Atom;
use crate::node::Node;

/// The one block of a message. `N` is `[Node; _]` when made, `[Node]` when held, or a `Vec` for the large ones.
#[derive(Debug)]
pub(crate) struct Block<N: ?Sized> {
    pub(crate) bytes: Bytes,
    pub(crate) atoms: Option<Arc<[Atom]>>,
    /// Where the bytes are the whole term just as we would write it: sent on, they need no encoding. (0, 0) where they are not.
    pub(crate) wire: (u32, u32),
    pub(crate) nodes: N,
}

/// A shared block.
#[derive(Clone, Debug)]
pub(crate) enum Shared {
    /// Up to [`LARGEST_INLINE`] nodes: header and nodes in one allocation.
    Small(Arc<Block<[Node]>>),
    /// More: the nodes stay where the decoder grew them, so that they are never held twice.
    Large(Arc<Block<Vec<Node>>>),
}

/// 4 KiB of nodes: what the scratch of a thread holds.
pub(crate) const LARGEST_INLINE: usize = 256;

impl Shared {
    #[inline]
    pub(crate) fn nodes(&self) -> &[Node] {
        match self {
            Self::Small(block) => &block.nodes,
            Self::Large(block) => &block.nodes,
        }
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &Bytes {
        match self {
            Self::Small(block) => &block.bytes,
            Self::Large(block) => &block.bytes,
        }
    }

    /// The bytes of the whole term where they are as we would write them.
    #[inline]
    pub(crate) fn wire(&self) -> Option<&[u8]> {
        let ((from, to), bytes) = match self {
            Self::Small(block) => (block.wire, &block.bytes),
            Self::Large(block) => (block.wire, &block.bytes),
        };
        if from < to { bytes.get(from as usize..to as usize) } else { None }
    }

    #[inline]
    pub(crate) fn atoms(&self) -> &[Atom] {
        let atoms = match self {
            Self::Small(block) => &block.atoms,
            Self::Large(block) => &block.atoms,
        };
        atoms.as_deref().unwrap_or_default()
    }

    /// Nodes over bytes that are no encoding of the whole.
    pub(crate) fn small(nodes: &[Node], bytes: Bytes, atoms: Option<Arc<[Atom]>>) -> Self {
        Self::copied(nodes, bytes, atoms, (0, 0))
    }

    /// The same for more than [`LARGEST_INLINE`] nodes.
    pub(crate) fn large(nodes: Vec<Node>, bytes: Bytes, atoms: Option<Arc<[Atom]>>) -> Self {
        Self::grown(nodes, bytes, atoms, (0, 0))
    }

    /// Copies the nodes of a finished scratch; at most [`LARGEST_INLINE`] of them.
    pub(crate) fn copied(
        nodes: &[Node],
        bytes: Bytes,
        atoms: Option<Arc<[Atom]>>,
        wire: (u32, u32),
    ) -> Self {
        // Safe Rust makes an unsized block only from a sized one, hence the classes: steps of a quarter to a third.
        macro_rules! classes {
            ($($size:literal)*) => {
                $(if nodes.len() <= $size { return Self::Small(sized::<$size>(nodes, bytes, atoms, wire)); })*
            };
        }
        classes!(1 2 4 6 8 12 16 24 32 48 64 80 96 128 160 192 256);
        Self::grown(nodes.to_vec(), bytes, atoms, wire)
    }

    pub(crate) fn grown(
        nodes: Vec<Node>,
        bytes: Bytes,
        atoms: Option<Arc<[Atom]>>,
        wire: (u32, u32),
    ) -> Self {
        Self::Large(Arc::new(Block { bytes, atoms, wire, nodes }))
    }
}

#[inline]
fn sized<const N: usize>(
    nodes: &[Node],
    bytes: Bytes,
    atoms: Option<Arc<[Atom]>>,
    wire: (u32, u32),
) -> Arc<Block<[Node]>> {
    let mut inline = [Node::NIL; N];
    if let Some(used) = inline.get_mut(..nodes.len()) {
        used.copy_from_slice(nodes);
    }
    Arc::new(Block { bytes, atoms, wire, nodes: inline })
}
