//! Links: between two local processes at once, to another node by the link protocol.
//!
//! Two local processes are linked and unlinked under both their locks, so no signal is under way between them and
//! no race is left. With a remote process the protocol of erl_dist_protocol, "Link Protocol", keeps both sides of one
//! mind. It needs that our Link, Unlink and UnlinkAck leave in the order in which they changed our side, so those
//! are queued under the process's lock.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use term::{Atom, Pid, Term};

use crate::cell::{Cell, Stage, State};
use crate::few::Few;
use crate::ids::{Number, Place};
use crate::outbound::Connection;
use crate::runtime::Runtime;
use crate::signal::Signal;

/// One process's side of its links.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// With whether their exits go ahead of ordinary messages.
    local: Few<bool>,
    remote: Option<Box<RemoteLinks>>,
}

#[derive(Debug, Default)]
struct RemoteLinks {
    links: HashMap<Pid, RemoteLink>,
    last_unlink: u64,
}

#[derive(Debug)]
struct RemoteLink {
    connection: Connection,
    /// `None`: active. Else the id of our unlink that has not been acknowledged.
    unlinking: Option<NonZeroU64>,
    priority: bool,
}

impl Links {
    /// Both processes are local, and this one is not visible yet or locked.
    pub(crate) fn insert_local(&mut self, other: Number) {
        // A second link to the same process is the first one.
        if self.local.get(other.key()).is_none() {
            self.local.insert(other.key(), false);
        }
    }

    /// `link(Pid, [priority])`: the exit of a linked process is to go ahead.
    fn prefer(&mut self, other: &Pid, place: Place) {
        match place {
            Place::Here(number) => {
                if self.local.get(number.key()).is_some() {
                    self.local.insert(number.key(), true);
                }
            }
            _ => {
                let link = self.remote.as_mut().and_then(|remote| remote.links.get_mut(other));
                if let Some(link) = link {
                    link.priority = true;
                }
            }
        }
    }

    /// The other node has set its side up already.
    pub(crate) fn insert_remote(&mut self, other: Pid, connection: Connection) {
        let link = RemoteLink { connection, unlinking: None, priority: false };
        self.remote.get_or_insert_default().links.insert(other, link);
    }

    /// Whether there was an active link, and its exits go ahead.
    pub(crate) fn remove_local(&mut self, other: Number) -> Option<bool> {
        self.local.remove(other.key())
    }

    pub(crate) fn take_local(&mut self) -> impl Iterator<Item = Number> + use<> {
        self.local.take().into_iter().map(|(key, _)| Number::from_key(key))
    }

    /// The active remote links, with their connections.
    pub(crate) fn take_remote(&mut self) -> Vec<(Pid, Connection)> {
        let links = self.remote.take().map(|remote| remote.links).unwrap_or_default();
        let active = links.into_iter().filter(|(_, link)| link.unlinking.is_none());
        active.map(|(pid, link)| (pid, link.connection)).collect()
    }

    /// Forgets the links over a connection that ended; the pids whose links were active, and whether they go ahead.
    pub(crate) fn cut(&mut self, connection: &Connection) -> Vec<(Pid, bool)> {
        let Some(remote) = self.remote.as_mut() else { return Vec::new() };
        let mut active = Vec::new();
        remote.links.retain(|pid, link| {
            let over_it = link.connection == *connection;
            if over_it && link.unlinking.is_none() {
                active.push((pid.clone(), link.priority));
            }
            !over_it
        });
        active
    }

    /// Takes the link away because its other end ended, says the connection; whether it was active over that one, and
    /// its exits go ahead.
    pub(crate) fn exited(&mut self, from: &Pid, via: &Connection) -> Option<bool> {
        let remote = self.remote.as_mut()?;
        remote.links.get(from).filter(|link| link.connection == *via)?;
        remote.links.remove(from).filter(|link| link.unlinking.is_none()).map(|link| link.priority)
    }

    /// All processes linked now.
    pub(crate) fn pids(&self, runtime: &Runtime) -> Vec<Pid> {
        let local = self.local.iter().map(|(key, _)| runtime.ids().pid(Number::from_key(key)));
        let remote = self.remote.iter().flat_map(|remote| &remote.links);
        local
            .chain(remote.filter(|(_, link)| link.unlinking.is_none()).map(|(pid, _)| pid.clone()))
            .collect()
    }

    /// How many there are, those that wait for the acknowledgement of their unlink included.
    pub(crate) fn len(&self) -> usize {
        self.local.len() + self.remote.as_ref().map_or(0, |remote| remote.links.len())
    }
}

impl Cell {
    /// `link/1`. A process that is no more answers with the exit signal `noproc`.
    pub(crate) fn link(self: &Arc<Self>, to: &Pid) {
        match self.runtime().ids().place(to) {
            Place::Here(number) if number == self.number() => {}
            Place::Here(number) => {
                let linked = self
                    .runtime()
                    .table()
                    .get(number)
                    .is_some_and(|other| link_local(self, &other));
                if !linked {
                    self.no_process(to);
                }
            }
            Place::Past => self.no_process(to),
            Place::Elsewhere => self.link_remote(to),
        }
    }

    /// `link/2` with `[priority]`, after the link: how its exit signal goes is this side's affair alone.
    pub(crate) fn prefer_exit_of(&self, to: &Pid) {
        let place = self.runtime().ids().place(to);
        if let Some(relations) = self.lock().known_relations_mut() {
            relations.links.prefer(to, place);
        }
    }

    /// `unlink/1`: from here on no exit signal of `to` arrives over the link.
    pub(crate) fn unlink(self: &Arc<Self>, to: &Pid) {
        match self.runtime().ids().place(to) {
            Place::Here(number) => match self.runtime().table().get(number) {
                Some(other) if number != self.number() => unlink_local(self, &other),
                // It is closing: its exit signal may be under way, and is not wanted any longer.
                _ => {
                    if let Some(relations) = self.lock().known_relations_mut() {
                        relations.links.remove_local(number);
                    }
                }
            },
            Place::Past => {}
            Place::Elsewhere => self.unlink_remote(to),
        }
    }

    fn no_process(&self, to: &Pid) {
        let mut state = self.lock();
        self.exit_over_active_link(&mut state, to.clone(), Term::from(Atom::from_static("noproc")));
    }

    fn link_remote(&self, to: &Pid) {
        let mut state = self.lock();
        if state.stage() != Stage::Alive {
            return;
        }
        let known = state.relations_mut().links.remote.get_or_insert_default().links.get(to);
        if known.is_some_and(|link| link.unlinking.is_none()) {
            return;
        }
        // Sent under the lock: see the head of this file. An unlink under way is overtaken, its ack will be ignored.
        match self
            .runtime()
            .outbound_send(to.node(), Signal::Link { from: self.pid(), to: to.clone() })
        {
            Ok(connection) if self.tie(&mut state, &connection) => {
                state.relations_mut().links.insert_remote(to.clone(), connection);
            }
            _ => self.exit_over_active_link(
                &mut state,
                to.clone(),
                Term::from(Atom::from_static("noconnection")),
            ),
        }
    }

    fn unlink_remote(&self, to: &Pid) {
        let mut state = self.lock();
        let Some(remote) =
            state.known_relations_mut().and_then(|relations| relations.links.remote.as_mut())
        else {
            return;
        };
        let Some(link) = remote.links.get_mut(to).filter(|link| link.unlinking.is_none()) else {
            return;
        };
        // Ids are 1 to 2^64-1; this many unlinks of one process are out of reach.
        remote.last_unlink = remote.last_unlink.wrapping_add(1).max(1);
        link.unlinking = NonZeroU64::new(remote.last_unlink);
        let unlink = Signal::Unlink { from: self.pid(), to: to.clone(), id: remote.last_unlink };
        self.runtime().outbound_send_over(&link.connection, unlink);
        drop(state);
    }

    /// A Link has come over a connection.
    pub(crate) fn link_received(&self, from: &Pid, via: &Connection) -> bool {
        let mut state = self.lock();
        if state.stage() == Stage::Closed {
            return false;
        }
        let stale = {
            let links = &mut state.relations_mut().links.remote.get_or_insert_default().links;
            match links.get(from) {
                // Whether active or being unlinked: the sender will see what we sent.
                Some(link) if link.connection == *via => return true,
                Some(_) => links.remove(from).is_some_and(|link| link.unlinking.is_none()),
                None => false,
            }
        };
        if stale {
            // Over a connection whose end is about to be told: told now, so that it does not touch the new link.
            self.exit_over_active_link(
                &mut state,
                from.clone(),
                Term::from(Atom::from_static("noconnection")),
            );
        }
        if self.tie(&mut state, via) {
            state.relations_mut().links.insert_remote(from.clone(), via.clone());
        }
        true
    }

    /// An Unlink has come over a connection; it is acknowledged before anything else goes that way.
    pub(crate) fn unlink_received(&self, from: &Pid, id: u64, via: &Connection) {
        let mut state = self.lock();
        if let Some(remote) =
            state.known_relations_mut().and_then(|relations| relations.links.remote.as_mut())
            && remote
                .links
                .get(from)
                .is_some_and(|link| link.unlinking.is_none() && link.connection == *via)
        {
            remote.links.remove(from);
        }
        let ack = Signal::UnlinkAck { from: self.pid(), to: from.clone(), id };
        self.runtime().outbound_send_over(via, ack);
        drop(state);
    }

    /// An UnlinkAck has come over a connection.
    pub(crate) fn unlink_acknowledged(&self, from: &Pid, id: u64) {
        let mut state = self.lock();
        let Some(remote) =
            state.known_relations_mut().and_then(|relations| relations.links.remote.as_mut())
        else {
            return;
        };
        if remote
            .links
            .get(from)
            .is_some_and(|link| link.unlinking.is_some_and(|ours| ours.get() == id))
        {
            remote.links.remove(from);
        }
    }

    /// Makes `connection` remember this process, so that its end is told; `false` if it has ended already.
    pub(crate) fn tie(&self, state: &mut State, connection: &Connection) -> bool {
        let connections = &mut state.relations_mut().connections;
        if connections.contains(connection) {
            // Known to it before it ended, if it has: then `cut` has not been here yet, and will find what is made now.
            return true;
        }
        if !connection.concerns(self.number()) {
            return false;
        }
        connections.push(connection.clone());
        true
    }
}

/// Links two local processes under both locks; `false` if the other has ended.
fn link_local(one: &Cell, other: &Cell) -> bool {
    let (mut mine, mut theirs) = lock_both(one, other);
    if theirs.stage() == Stage::Closed {
        return false;
    }
    if mine.stage() == Stage::Alive {
        mine.relations_mut().links.insert_local(other.number());
        theirs.relations_mut().links.insert_local(one.number());
    }
    true
}

fn unlink_local(one: &Cell, other: &Cell) {
    let (mut mine, mut theirs) = lock_both(one, other);
    if let Some(relations) = mine.known_relations_mut() {
        relations.links.remove_local(other.number());
    }
    if let Some(relations) = theirs.known_relations_mut() {
        relations.links.remove_local(one.number());
    }
}

/// The lower number's lock first, so that two processes that link each other at once do not wait for each other.
fn lock_both<'a>(
    one: &'a Cell,
    other: &'a Cell,
) -> (crate::sync::MutexGuard<'a, State>, crate::sync::MutexGuard<'a, State>) {
    if one.number() < other.number() {
        let first = one.lock();
        (first, other.lock())
    } else {
        let first = other.lock();
        (one.lock(), first)
    }
}
