//! What a term owns: the nodes, the bytes they point into, and the atoms that came by cache reference, in one allocation.

use bytes::Bytes;
use triomphe::{Arc, HeaderSliceWithLengthProtected, ThinArc, UniqueArc};

use crate::atom::Atom;
use crate::node::Node;
use crate::stock;

/// The shared block of a message: one word to hold, one allocation, and (having no weak references) one count to give back.
#[derive(Clone, Debug)]
pub(crate) struct Shared(ThinArc<Head, Node>);

/// What lies before the cells, which are nodes and after them, where that is a small message, its bytes.
#[derive(Debug)]
struct Head {
    /// How many cells are nodes; none where `large` has them.
    nodes: u32,
    /// How many bytes the cells after the nodes hold; none where `bytes` has them.
    inside: u32,
    /// Where the bytes are the whole term just as we would write it: sent on, they need no encoding. (0, 0) where they are not.
    wire: (u32, u32),
    bytes: Bytes,
    atoms: Option<std::sync::Arc<[Atom]>>,
    /// The nodes of a message that has more than [`LARGEST_INLINE`]: they stay where the decoder grew them, so that they are never held twice.
    large: Vec<Node>,
}

/// 4 KiB of nodes: what the scratch of a thread holds.
pub(crate) const LARGEST_INLINE: usize = 256;

/// Up to so many bytes a message lies in its block: to copy them costs less than to count who holds the buffer they came in, and that
/// buffer is free again.
pub(crate) const LARGEST_INSIDE: usize = 256;

/// What a block is made of besides its nodes.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) bytes: Bytes,
    pub(crate) atoms: Option<std::sync::Arc<[Atom]>>,
    pub(crate) wire: (u32, u32),
}

impl Shared {
    #[inline]
    pub(crate) fn nodes(&self) -> &[Node] {
        match self.0.slice.get(..self.head().nodes as usize) {
            Some([]) | None => &self.head().large,
            Some(nodes) => nodes,
        }
    }

    /// What the nodes point into.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        let head = self.head();
        if head.inside == 0 {
            return &head.bytes;
        }
        let cells = self.0.slice.get(head.nodes as usize..).unwrap_or_default();
        Node::bytes_of(cells).get(..head.inside as usize).unwrap_or_default()
    }

    /// A part of the bytes to keep: a copy where all are few or where it is a small part of many, else it shares them.
    pub(crate) fn kept(&self, part: &[u8]) -> Bytes {
        let head = self.head();
        if head.inside == 0 {
            crate::term::kept(&head.bytes, part)
        } else {
            Bytes::copy_from_slice(part)
        }
    }

    /// A part of the bytes that shares them, where they are not few.
    pub(crate) fn slice(&self, part: &[u8]) -> Bytes {
        let head = self.head();
        if head.inside == 0 { head.bytes.slice_ref(part) } else { Bytes::copy_from_slice(part) }
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
        let rest = Rest { bytes, atoms: None, wire: (0, 0) };
        if nodes.len() <= LARGEST_INLINE {
            Self::copied(&nodes, nodes.len(), 0, rest)
        } else {
            Self::grown(nodes, rest)
        }
    }

    /// Copies finished cells: nodes, and after them so many bytes.
    pub(crate) fn copied(cells: &[Node], nodes: usize, inside: usize, rest: Rest) -> Self {
        let Rest { bytes, atoms, wire } = rest;
        let (nodes, inside) = (nodes as u32, inside as u32);
        let head = Head { nodes, inside, wire, bytes, atoms, large: Vec::new() };
        Self(ThinArc::from_header_and_slice(head, cells))
    }

    /// Keeps the nodes where they are.
    pub(crate) fn grown(nodes: Vec<Node>, rest: Rest) -> Self {
        let Rest { bytes, atoms, wire } = rest;
        let head = Head { nodes: 0, inside: 0, wire, bytes, atoms, large: nodes };
        Self(ThinArc::from_header_and_slice(head, &[]))
    }

    /// A block of so many cells that is still to be written.
    pub(crate) fn blank(cells: &[Node]) -> Self {
        Self::copied(cells, 0, 0, Rest { bytes: Bytes::new(), atoms: None, wire: (0, 0) })
    }

    /// The block to be written anew, where nobody else holds it.
    #[inline(always)]
    pub(crate) fn alone(self) -> Option<Blank> {
        Arc::try_unique(Arc::protected_from_thin(self.0)).ok().map(Blank)
    }
}

/// A block that nobody holds.
pub(crate) struct Blank(UniqueArc<HeaderSliceWithLengthProtected<Head, Node>>);

impl Blank {
    #[inline(always)]
    pub(crate) fn cells(&mut self) -> &mut [Node] {
        self.0.slice_mut()
    }

    /// How many bytes its message had, of which it lets go, as of all else that it holds.
    #[inline(always)]
    pub(crate) fn empty(&mut self) -> usize {
        let head = self.0.header_mut();
        if head.atoms.is_some() {
            head.atoms = None;
        }
        match head.inside {
            0 => std::mem::take(&mut head.bytes).len(),
            inside => inside as usize,
        }
    }

    /// Says what was written: so many nodes, and after them so many bytes, or none where `bytes` has them.
    #[inline(always)]
    pub(crate) fn finish(
        mut self,
        nodes: usize,
        inside: usize,
        wire: (u32, u32),
        bytes: Option<Bytes>,
        atoms: Option<std::sync::Arc<[Atom]>>,
    ) -> Shared {
        let head = self.0.header_mut();
        (head.nodes, head.inside, head.wire) = (nodes as u32, inside as u32, wire);
        if let Some(bytes) = bytes {
            head.bytes = bytes;
        }
        if atoms.is_some() {
            head.atoms = atoms;
        }
        self.back()
    }

    /// As it is.
    #[inline(always)]
    pub(crate) fn back(self) -> Shared {
        Shared(Arc::protected_into_thin(self.0.shareable()))
    }
}

/// What a term holds: a block, or none where its node says everything. The last one to hold a small block leaves it to the thread's stock.
#[derive(Clone, Debug)]
pub(crate) struct Owner(Option<Shared>);

impl Owner {
    pub(crate) const NONE: Self = Self(None);

    #[inline(always)]
    pub(crate) const fn of(shared: Shared) -> Self {
        Self(Some(shared))
    }

    #[inline(always)]
    pub(crate) const fn get(&self) -> Option<&Shared> {
        self.0.as_ref()
    }
}

impl Drop for Owner {
    #[inline]
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            stock::give_back(shared);
        }
    }
}
