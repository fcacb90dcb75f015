//! Port identifiers.

use std::fmt;

use crate::atom::Atom;

/// A port of some node, as `V4_PORT_EXT` carries it. Ordered by node and creation, then id, as the BEAM does.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Port {
    node: Atom,
    id: u64,
    creation: u32,
}

impl Port {
    /// A port from its parts.
    #[must_use]
    pub const fn new(node: Atom, id: u64, creation: u32) -> Self {
        Self { node, id, creation }
    }

    /// The name of the node the port lives on.
    #[must_use]
    pub const fn node(&self) -> &Atom {
        &self.node
    }

    /// The number of the port on its node.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// Which life of the node.
    #[must_use]
    pub const fn creation(&self) -> u32 {
        self.creation
    }
}

impl Ord for Port {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (&self.node, self.creation, self.id).cmp(&(&other.node, other.creation, other.id))
    }
}

impl PartialOrd for Port {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// `#Port<rust@host.5>`.
impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#Port<{}.{}>", self.node.as_str(), self.id)
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
