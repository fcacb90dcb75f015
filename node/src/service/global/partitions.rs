//! Lost connections, told to all: so that no two partitions overlap, as OTP 25 and later have it by default
//! (`prevent_overlapping_partitions`; "Prevent Overlapping Partitions Algorithm" in `global.erl`).

use std::collections::{HashMap, HashSet};

use mailbox::Process;
use num_bigint::BigInt;
use term::{Atom, Term, term};

use super::{SERVER, Server, is_connected};

/// Losses that are remembered, to tell each on only once. Beyond that all are forgotten: some are told twice then, and do nothing
/// the second time.
const REMEMBERED: usize = 4_096;

/// Which life of the node that lost a connection, and which of its losses.
pub(super) type When = (Term, BigInt);

#[derive(Debug)]
pub(super) struct Losses {
    prevents_overlap: bool,
    /// The last loss, by who told it and whom it lost.
    told: HashMap<(Atom, Atom), When>,
    /// Nodes that we part with: that their connection ends is no loss to be told of. Where there was none yet, they have still
    /// to be told.
    parting: HashSet<Atom>,
    /// Numbers our own.
    number: i64,
}

impl Losses {
    pub(super) fn new(prevents_overlap: bool) -> Self {
        Self { prevents_overlap, told: HashMap::new(), parting: HashSet::new(), number: 0 }
    }

    /// From here on the node stops, and tells nobody of what it loses by that.
    pub(super) fn ignore(&mut self) {
        self.prevents_overlap = false;
    }

    /// We part with it. Who is forgotten when they are too many is told of as lost, or stays a stranger, as at a BEAM.
    fn part(&mut self, node: &Atom) {
        if self.parting.len() >= REMEMBERED {
            self.parting.clear();
        }
        self.parting.insert(node.clone());
    }

    /// A node is of our partition anew: if we parted with it, that is over, unless its connection has still to end.
    pub(super) fn joins(&mut self, process: &Process, node: &Atom) {
        if !is_connected(process, node) {
            self.parting.remove(node);
        }
    }

    /// Whether it is news.
    fn remember(&mut self, by: &Atom, lost: &Atom, when: When) -> bool {
        if self.told.len() >= REMEMBERED {
            self.told.clear();
        }
        let key = (by.clone(), lost.clone());
        let is_old = self
            .told
            .get(&key)
            .is_some_and(|(creation, number)| *creation == when.0 && when.1 <= *number);
        if !is_old {
            self.told.insert(key, when);
        }
        !is_old
    }
}

impl Server {
    /// There is a connection.
    pub(super) fn node_up(&mut self, process: &Process, node: &Atom) {
        // We parted with it before there was one: it has not heard of that, and may know us from the others. A BEAM node does not
        // tell it, and the two stay strangers to each other.
        if self.losses.parting.remove(node) {
            self.send(process, node, term!({remove_connection, &self.node}));
        }
        self.meet(process, node);
    }

    /// A connection has ended. Where we did not mean it to, everybody is told.
    pub(super) fn node_down(&mut self, process: &Process, node: &Atom) {
        let meant = self.losses.parting.remove(node);
        let concerns_us = self.known.contains(node) || self.sessions.contains_key(node);
        if self.losses.prevents_overlap && !meant && concerns_us {
            self.losses.number += 1;
            let (creation, number) = (process.pid().creation(), self.losses.number);
            let message = term!({lost_connection, &self.node, creation, number, node});
            self.tell_all(process, &message, node);
        }
        self.lost(process, node);
    }

    /// A node has lost another: whoever still has that one parts with it.
    pub(super) fn told_of_loss(
        &mut self,
        process: &Process,
        message: &Term,
        by: Atom,
        when: When,
        lost: Atom,
    ) {
        if !self.losses.prevents_overlap || !self.losses.remember(&by, &lost, when) {
            return;
        }
        self.tell_all(process, message, &by);
        let parted = if lost == self.node { by } else { lost };
        if !self.knows(&parted) {
            return;
        }
        tracing::warn!(
            target: "cnode::service", node = %parted,
            "asked to part with this node, to prevent overlapping partitions"
        );
        self.send(process, &parted, term!({remove_connection, &self.node}));
        self.losses.part(&parted);
        self.lost(process, &parted);
    }

    /// A node has been told that another has lost us, or we have lost it.
    pub(super) fn told_to_part(&mut self, process: &Process, node: &Atom) {
        if !self.knows(node) {
            return;
        }
        tracing::warn!(
            target: "cnode::service", %node,
            "disconnected from this node, to prevent overlapping partitions"
        );
        self.losses.part(node);
        self.lost(process, node);
        let _ = process.runtime().disconnect(node);
    }

    fn knows(&self, node: &Atom) -> bool {
        self.known.contains(node) || self.meets().any(|met| met == node)
    }

    fn tell_all(&self, process: &Process, message: &Term, but: &Atom) {
        for node in self.known.nodes().chain(self.meets()).filter(|node| *node != but) {
            self.send(process, node, message.clone());
        }
    }

    /// Connects to nobody.
    pub(super) fn send(&self, process: &Process, node: &Atom, message: Term) {
        if is_connected(process, node) {
            process.send((SERVER, node), message);
        }
    }
}
