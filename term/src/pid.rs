//! Process identifiers.

use std::fmt;

use crate::atom::Atom;

/// A process identifier: which process, on which node, in which life of that node.
///
/// Two pids are equal when all four parts are (`=:=`). `Display` writes `#Pid<rust@host.85.0>`: the BEAM's own
/// `<9.85.0>` begins with a number that means something inside one running node only.
///
/// The order is the BEAM's: serial and id first, then node and creation.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pid {
    node: Atom,
    id: u32,
    serial: u32,
    creation: u32,
}

impl Pid {
    /// A pid from its parts, as `NEW_PID_EXT` carries them (erl_ext_dist).
    #[must_use]
    pub const fn new(node: Atom, id: u32, serial: u32, creation: u32) -> Self {
        Self { node, id, serial, creation }
    }

    /// The name of the node the process lives on.
    #[must_use]
    pub const fn node(&self) -> &Atom {
        &self.node
    }

    /// The number of the process on its node (32 bits since OTP 26).
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Counts how often `id` was used up.
    #[must_use]
    pub const fn serial(&self) -> u32 {
        self.serial
    }

    /// Which life of the node: two nodes of one name, one after the other, differ here.
    #[must_use]
    pub const fn creation(&self) -> u32 {
        self.creation
    }
}

impl Ord for Pid {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.serial, self.id, &self.node, self.creation).cmp(&(
            other.serial,
            other.id,
            &other.node,
            other.creation,
        ))
    }
}

impl PartialOrd for Pid {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#Pid<{}.{}.{}>", self.node.as_str(), self.id, self.serial)
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
