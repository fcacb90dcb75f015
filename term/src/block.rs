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

    #[inline]
    pub(crate) fn atoms(&self) -> &[Atom] {
        let atoms = match self {
            Self::Small(block) => &block.atoms,
            Self::Large(block) => &block.atoms,
        };
        atoms.as_deref().unwrap_or_default()
    }

    /// Copies the nodes of a finished scratch; at most [`LARGEST_INLINE`] of them.
    pub(crate) fn small(nodes: &[Node], bytes: Bytes, atoms: Option<Arc<[Atom]>>) -> Self {
        // Safe Rust makes an unsized block only from a sized one, hence the classes: steps of a quarter to a third.
        macro_rules! classes {
            ($($size:literal)*) => {
                $(if nodes.len() <= $size { return Self::Small(sized::<$size>(nodes, bytes, atoms)); })*
            };
        }
        classes!(1 2 4 6 8 12 16 24 32 48 64 80 96 128 160 192 256);
        Self::large(nodes.to_vec(), bytes, atoms)
    }

    pub(crate) fn large(nodes: Vec<Node>, bytes: Bytes, atoms: Option<Arc<[Atom]>>) -> Self {
        Self::Large(Arc::new(Block { bytes, atoms, nodes }))
    }
}

#[inline]
fn sized<const N: usize>(
    nodes: &[Node],
    bytes: Bytes,
    atoms: Option<Arc<[Atom]>>,
) -> Arc<Block<[Node]>> {
    let mut block = Arc::new(Block { bytes, atoms, nodes: [Node::NIL; N] });
    if let Some(block) = Arc::get_mut(&mut block) {
        for (to, from) in block.nodes.iter_mut().zip(nodes) {
            *to = *from;
        }
    }
    block
}
