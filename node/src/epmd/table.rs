//! What a served epmd knows: which names are held, where their nodes listen, and their creations.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use thiserror::Error;

use crate::proto::epmd::{NameEntry, NamesResponse, PortResponse, Registration};

/// Most names held at once. Each holds a descriptor and up to 3 KiB; the C epmd ends at its descriptors, 1,024 by
/// custom.
const MAX_NAMES: usize = 4_096;

/// Creations below are what nodes of long ago counted with, 1 to 3 (erl_dist_protocol, "ALIVE2_X_RESP").
const LOWEST_CREATION: u32 = 4;

/// Why a name was not registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// Another node holds it.
    #[error("the name is taken")]
    Taken,
    /// It has blanks: `a at port 1` would forge an entry of the names listing.
    #[error("no node's name has blanks")]
    Blank,
    /// As many names are held as we ever hold.
    #[error("{MAX_NAMES} names are registered, and more are not taken")]
    Full,
}

/// The names of a served epmd.
#[derive(Debug)]
pub(super) struct Table {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    nodes: BTreeMap<String, Registration>,
    next_creation: u32,
    /// The answer to NAMES_REQ, until a name comes or goes: so that many askers share one copy.
    listing: Option<Bytes>,
}

/// A registered name, which is free again when this is dropped.
pub struct HeldName {
    table: Arc<Table>,
    name: String,
    creation: u32,
}

impl HeldName {
    /// What makes this life of the name different from those before: 32 bits, 4 or more.
    #[must_use]
    pub fn creation(&self) -> u32 {
        self.creation
    }

    /// The part of the node name before `@`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for HeldName {
    fn drop(&mut self) {
        let mut inner = self.table.lock();
        inner.nodes.remove(&self.name);
        inner.listing = None;
        drop(inner);
        tracing::debug!(target: "cnode::epmd", name = %self.name, "unregistered");
    }
}

impl fmt::Debug for HeldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.creation)
    }
}

impl Table {
    /// An empty table whose creations start where the operating system's dice say, so that those of one life of this
    /// epmd are not those of the one before.
    pub(super) fn new() -> io::Result<Self> {
        let next_creation = getrandom::u32().map_err(io::Error::other)?;
        Ok(Self {
            inner: Mutex::new(Inner { nodes: BTreeMap::new(), next_creation, listing: None }),
        })
    }

    /// Nothing between lock and unlock can leave the table half changed, so a panic elsewhere does no harm to it.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a node, with a creation no name had before.
    pub(super) fn register(
        self: &Arc<Self>,
        node: Registration,
    ) -> Result<HeldName, RegisterError> {
        if node.name.contains(char::is_whitespace) {
            return Err(RegisterError::Blank);
        }
        let mut inner = self.lock();
        if inner.nodes.contains_key(&node.name) {
            return Err(RegisterError::Taken);
        }
        if inner.nodes.len() >= MAX_NAMES {
            return Err(RegisterError::Full);
        }
        let creation = inner.next_creation.max(LOWEST_CREATION);
        inner.next_creation = creation.wrapping_add(1);
        inner.listing = None;
        let name = node.name.clone();
        inner.nodes.insert(name.clone(), node);
        drop(inner);
        tracing::debug!(target: "cnode::epmd", %name, creation, "registered");
        Ok(HeldName { table: Arc::clone(self), name, creation })
    }

    /// The answer to PORT_PLEASE2_REQ.
    pub(super) fn port(&self, name: &str) -> PortResponse {
        match self.lock().nodes.get(name) {
            Some(node) => PortResponse::Found(node.clone()),
            None => PortResponse::NotFound { result: 1 },
        }
    }

    /// The answer to NAMES_REQ.
    pub(super) fn listing(&self, epmd_port: u16) -> Bytes {
        let mut inner = self.lock();
        if let Some(listing) = &inner.listing {
            return listing.clone();
        }
        let entries = inner.nodes.values();
        let entries =
            entries.map(|node| NameEntry { name: node.name.clone(), port: node.port }).collect();
        let listing: Bytes = NamesResponse { epmd_port: epmd_port.into(), entries }.encode().into();
        inner.listing = Some(listing.clone());
        listing
    }

    pub(super) fn len(&self) -> usize {
        self.lock().nodes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::epmd::NodeType;

    fn node(name: &str, port: u16) -> Registration {
        Registration::new(name, port, NodeType::Hidden).unwrap()
    }

    #[test]
    fn a_name_is_held_until_it_is_dropped_and_then_free_with_a_new_creation() {
        let table = Arc::new(Table::new().unwrap());
        let first = table.register(node("a", 1)).unwrap();
        assert_eq!(table.register(node("a", 2)).unwrap_err(), RegisterError::Taken);
        assert_eq!(table.port("a"), PortResponse::Found(node("a", 1)));
        let creation = first.creation();
        drop(first);
        assert!(matches!(table.port("a"), PortResponse::NotFound { .. }));
        assert_ne!(table.register(node("a", 2)).unwrap().creation(), creation);
    }

    #[test]
    fn creations_go_round_without_ever_being_one_of_the_old_ones() {
        let table = Arc::new(Table::new().unwrap());
        table.lock().next_creation = u32::MAX;
        let creations: Vec<u32> =
            ["a", "b", "c"].map(|name| table.register(node(name, 1)).unwrap().creation()).into();
        assert_eq!(creations, [u32::MAX, 4, 5]);
    }

    #[test]
    fn the_listing_follows_every_change() {
        let table = Arc::new(Table::new().unwrap());
        let names = || NamesResponse::decode(&table.listing(4369)).unwrap().entries;
        assert_eq!(names(), []);
        let a = table.register(node("a", 1)).unwrap();
        assert_eq!(names(), [NameEntry { name: "a".into(), port: 1 }]);
        drop(a);
        assert_eq!(names(), []);
    }

    #[test]
    fn names_with_blanks_are_refused_as_they_would_forge_the_listing() {
        let table = Arc::new(Table::new().unwrap());
        for name in ["a b", "a at port 1", "a\u{2028}b", "\u{a0}"] {
            assert_eq!(
                table.register(node(name, 1)).unwrap_err(),
                RegisterError::Blank,
                "{name:?}"
            );
        }
    }

    #[test]
    fn the_number_of_names_is_bounded() {
        let table = Arc::new(Table::new().unwrap());
        let held: Vec<_> =
            (0..MAX_NAMES).map(|i| table.register(node(&format!("n{i}"), 1)).unwrap()).collect();
        assert_eq!(table.register(node("one_more", 1)).unwrap_err(), RegisterError::Full);
        drop(held);
        assert!(table.register(node("one_more", 1)).is_ok());
    }
}
