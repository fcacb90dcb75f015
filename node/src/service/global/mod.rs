//! `global_name_server`: a visible node's part in `global`. It knows all names, takes locks, and makes two partitions one.
//!
//! The messages are those that `global.erl` describes under "Messages in the protocol". Of two nodes that meet, one locks first:
//! a BEAM node always does; of two that speak our version, which no BEAM node of OTP 25.1 or later begins with, the smaller one.

mod locker;
mod locks;
mod names;
mod partitions;
mod transaction;

use std::collections::HashMap;
use std::time::Duration;

use mailbox::{Caller, Exit, Nodes, Process, Received};
use term::{Atom, Pid, Term, TermRef, order, term};

use self::locks::Locks;
use self::names::{Change, Name, Names};
use self::partitions::Losses;
use super::question;

pub(crate) use self::locker::{delete as delete_lock, set as set_lock};
pub(crate) use self::transaction::{Transaction, random_wait, whereis};

pub(crate) const SERVER: &str = "global_name_server";

/// The version of the protocol that we speak: with what prevents overlapping partitions. The next, that of OTP 25.1 to 29, also
/// verifies that both sides are about the same meeting; its nodes speak this one with who has no other.
const VERSION: i64 = 7;

/// How long we wait at most before we ask our locker again, in milliseconds: by chance up to this, as two may want it at once.
const AGAIN: u64 = 400;

/// `{'$gen_cast', Message}`.
fn cast(message: Term) -> Term {
    Term::from((Atom::from_static("$gen_cast"), message))
}

/// Both sides lock in the name of both lockers, so that the one lock does not shut the other out.
fn lock_id(ours: &Pid, theirs: &Pid) -> Term {
    let mut lockers = [Term::from(ours), Term::from(theirs)];
    lockers.sort_by(order::compare);
    term!({global, Term::from(lockers)})
}

/// A list of nodes: their names, or, as OTP 25 and later have them, `{Name, Version}`.
fn nodes(list: TermRef<'_>) -> Vec<Atom> {
    let name = |node: TermRef<'_>| {
        let name = node.as_tuple().and_then(|pair| pair.get(0)).unwrap_or(node);
        name.as_atom().map(|name| name.to_atom())
    };
    list.as_list().map(|list| list.iter().filter_map(name).collect()).unwrap_or_default()
}

/// What two nodes have told each other on the way to one partition.
#[derive(Debug)]
struct Session {
    /// Tells this meeting from an earlier one; what comes with another tag is late.
    tag: i64,
    /// Its tag, once it has greeted us.
    their_tag: Option<Term>,
    their_locker: Option<Pid>,
    version: i64,
    /// Our locker has begun, and waits to hear of the other's.
    begun: bool,
    lock: Option<Term>,
    /// Its names, where they came before our lock.
    names: Option<Vec<Name>>,
    changes: Option<Vec<Change>>,
    /// Its decisions and whom it knows, where they came before ours.
    resolved: Option<(Vec<Change>, Vec<Atom>)>,
}

struct Server {
    node: Atom,
    locker: Pid,
    names: Names,
    locks: Locks,
    /// The other nodes of our partition.
    known: Vec<Atom>,
    synced: Vec<Atom>,
    sessions: HashMap<Atom, Session>,
    tags: i64,
    losses: Losses,
}

pub(crate) async fn run(mut process: Process, prevents_overlap: bool) -> Exit {
    process.monitor_nodes(true);
    let locker = process.spawn_link(locker::run);
    let mut server = Server {
        node: process.runtime().node().clone(),
        locker,
        names: Names::default(),
        locks: Locks::default(),
        known: Vec::new(),
        synced: Vec::new(),
        sessions: HashMap::new(),
        tags: 0,
        losses: Losses::new(prevents_overlap),
    };
    for node in process.runtime().nodes(Nodes::Visible) {
        server.meet(&process, &node);
    }
    loop {
        match process.receive().await? {
            Received::Message(message) => {
                let Ok(message) = message.into_term() else { continue };
                match question::asked(&process, &message) {
                    Some((caller, request)) => server.asked(&process, &caller, request),
                    // What is none of its messages is for nobody.
                    None => drop(server.told(&process, &message)),
                }
            }
            Received::NodeUp(node) => {
                if process.runtime().nodes(Nodes::Visible).contains(&node) {
                    server.meet(&process, &node);
                }
            }
            Received::NodeDown(node) => server.node_down(&process, &node),
            Received::Down { reference, .. } => {
                server.names.ended(&reference);
                server.locks.ended(&reference);
            }
            Received::Exit { .. } => {}
        }
    }
}

impl Server {
    fn asked(&mut self, process: &Process, caller: &Caller, request: TermRef<'_>) {
        if let Some(word) = request.as_atom() {
            caller.reply(match word.to_string().as_str() {
                "get_known" => Term::from(self.known.clone()),
                "get_synced" => Term::from(self.synced.clone()),
                "get_protocol_version" => Term::from(VERSION),
                "get_names_ext" => Term::NIL,
                "get_names" => self.names.to_term(),
                _ => term!({error, 'notsup}),
            });
            return;
        }
        let parts: Vec<TermRef<'_>> =
            request.as_tuple().map(|parts| parts.iter().collect()).unwrap_or_default();
        let word = parts.first().and_then(|word| word.as_atom()).map(|word| word.to_string());
        caller.reply(match (word.as_deref().unwrap_or_default(), parts.as_slice()) {
            ("set_lock", [_, id]) => Term::from(self.locks.set(process, *id, caller.pid())),
            ("del_lock", [_, id]) => {
                self.locks.delete(process, *id, caller.pid());
                Term::from(true)
            }
            ("register", [_, name, pid, method]) | ("register_ext", [_, name, pid, method, _]) => {
                match pid.as_pid() {
                    Some(pid) => {
                        // Who had the lock and lost it comes too late.
                        if !self.locks.is_anothers(&term!('global), caller.pid()) {
                            let (name, method) = (name.to_term(), method.to_term());
                            self.names.insert(process, Name { name, pid, method });
                        }
                        term!('yes)
                    }
                    None => term!({error, 'badarg}),
                }
            }
            ("unregister", [_, name]) => {
                self.names.delete(process, &name.to_term());
                term!('ok)
            }
            ("whereis", [_, name]) => match self.names.whereis(process, &name.to_term()) {
                Some(pid) => Term::from(pid),
                None => term!('undefined),
            },
            _ => term!({error, 'notsup}),
        });
    }

    /// A cast of another node, or a word of our locker. `None` if it is neither.
    fn told(&mut self, process: &Process, message: &Term) -> Option<()> {
        let parts: Vec<TermRef<'_>> = message.as_tuple()?.iter().collect();
        match parts.as_slice() {
            [word, told] if word.is_atom("$gen_cast") => {
                let parts: Vec<TermRef<'_>> = told.as_tuple()?.iter().collect();
                self.cast(process, &parts)
            }
            [word, node, id] if word.is_atom("locked") => {
                self.locked(process, &node.as_atom()?.to_atom(), id.to_term());
                Some(())
            }
            // A node that we were told of, and that is not to be reached.
            [word, node] if word.is_atom("extra_nodedown") => {
                self.lost(process, &node.as_atom()?.to_atom());
                Some(())
            }
            // Our locker could not set the lock, or the other one could not: later, if that meeting is not over.
            [word, node, tag] if word.is_atom("not_locked") => {
                self.begin_later(process, &node.as_atom()?.to_atom(), tag.as_i64()?)
            }
            [word, node, tag] if word.is_atom("begin") => {
                let node = node.as_atom()?.to_atom();
                if self.session(&node, *tag).is_some_and(|session| session.lock.is_none()) {
                    self.begin(process, &node);
                }
                Some(())
            }
            [word, by, creation, number, lost] if word.is_atom("lost_connection") => {
                let (by, lost) = (by.as_atom()?.to_atom(), lost.as_atom()?.to_atom());
                let when = (creation.to_term(), number.as_big_integer()?);
                self.told_of_loss(process, message, by, when, lost);
                Some(())
            }
            [word, node] if word.is_atom("remove_connection") => {
                self.told_to_part(process, &node.as_atom()?.to_atom());
                Some(())
            }
            _ => None,
        }
    }

    fn cast(&mut self, process: &Process, parts: &[TermRef<'_>]) -> Option<()> {
        let (word, rest) = parts.split_first()?;
        match (word.as_atom()?.to_string().as_str(), rest) {
            ("init_connect", [version, node, init]) => {
                let node = node.as_atom()?.to_atom();
                let version = version.as_tuple()?;
                let (number, tag) = (version.get(0)?.as_i64()?, version.get(1)?.to_term());
                self.meet(process, &node);
                let session = self.sessions.get_mut(&node)?;
                session.their_tag = Some(tag);
                session.their_locker = init.as_tuple()?.get(3)?.as_pid();
                session.version = number.min(VERSION);
                if number == VERSION && self.node.as_str() < node.as_str() {
                    self.begin(process, &node);
                }
            }
            ("lock_set", [locker, set, _]) => {
                let locker = locker.as_pid()?;
                if self.sessions.get(locker.node()).is_some_and(|session| session.begun) {
                    let set = set.as_bool()?;
                    process.send(&self.locker, term!({lock_set, locker.node(), set}));
                } else if set.as_bool()? {
                    self.lock(process, &locker);
                }
            }
            ("exchange", [node, names, _, tag]) => {
                let node = node.as_atom()?.to_atom();
                let names = names.as_list()?.iter().filter_map(Name::of).collect();
                let session = self.session(&node, *tag)?;
                session.names = Some(names);
                self.exchange(process, &node)?;
            }
            ("resolved", [node, changes, known, _, _, tag]) => {
                let node = node.as_atom()?.to_atom();
                let resolved = (Change::list(*changes), nodes(*known));
                let session = self.session(&node, *tag)?;
                session.resolved = Some(resolved);
                self.join(process, &node)?;
            }
            ("new_nodes", [_, changes, _, nodes, _]) => {
                let nodes = self::nodes(*nodes);
                self.greet(process, &nodes);
                self.change(process, Change::list(*changes));
                self.know(nodes);
            }
            ("in_sync", [node, _]) => {
                let node = node.as_atom()?.to_atom();
                self.forget(process, &node);
                if !self.synced.contains(&node) {
                    self.synced.push(node);
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn session(&mut self, node: &Atom, tag: TermRef<'_>) -> Option<&mut Session> {
        let tag = tag.as_i64()?;
        self.sessions.get_mut(node).filter(|session| session.tag == tag)
    }

    /// A node that is not of our partition yet.
    fn meet(&mut self, process: &Process, node: &Atom) {
        if self.known.contains(node) || self.sessions.contains_key(node) || *node == self.node {
            return;
        }
        self.tags += 1;
        let session = Session {
            tag: self.tags,
            their_tag: None,
            their_locker: None,
            version: VERSION,
            begun: false,
            lock: None,
            names: None,
            changes: None,
            resolved: None,
        };
        self.sessions.insert(node.clone(), session);
        let (known, locker) = (Term::from(self.known.clone()), &self.locker);
        let greeting = term!({init_connect, {(VERSION), self.tags}, &self.node,
                              {locker, 'no_longer_a_pid, known, locker}});
        process.send((SERVER, node), cast(greeting));
    }

    /// Has our locker lock first: our partition, and one node of the other.
    fn begin(&mut self, process: &Process, node: &Atom) {
        let Some(session) = self.sessions.get_mut(node) else { return };
        let Some(theirs) = &session.their_locker else { return };
        session.begun = true;
        let id = lock_id(&self.locker, theirs);
        let known = Term::from(self.known.clone());
        let tag = session.tag;
        process.send(&self.locker, term!({begin, process.pid(), node, id, known, tag}));
    }

    fn begin_later(&mut self, process: &Process, node: &Atom, tag: i64) -> Option<()> {
        let session = self.sessions.get_mut(node).filter(|session| session.tag == tag)?;
        session.begun = false;
        let wait = u64::from(getrandom::u32().unwrap_or(u32::MAX)) % AGAIN;
        let again = term!({begin, node, tag});
        process.send_after(Duration::from_millis(wait), process.pid(), again);
        Some(())
    }

    /// The locker of another node has locked its partition, and one node of ours: us. Now ours locks.
    fn lock(&self, process: &Process, theirs: &Pid) {
        let node = theirs.node();
        let known = Term::from(self.known.clone());
        if self.sessions.get(node).is_none_or(|session| session.their_tag.is_none()) {
            process.send((SERVER, node), cast(term!({lock_set, &self.locker, false, known})));
            return;
        }
        let id = lock_id(&self.locker, theirs);
        process.send(&self.locker, term!({lock, process.pid(), node, id, known}));
    }

    fn locked(&mut self, process: &Process, node: &Atom, id: Term) {
        let names = self.names.to_term();
        let Some((session, tag)) = self.sessions.get_mut(node).and_then(|session| {
            let tag = session.their_tag.clone()?;
            Some((session, tag))
        }) else {
            process.send(&self.locker, term!({cancel, node, 'nothing}));
            return;
        };
        session.lock = Some(id);
        process.send((SERVER, node), cast(term!({exchange, &self.node, names, [], tag})));
        let _ = self.exchange(process, node);
    }

    /// With our lock set and its names told: what comes of them.
    fn exchange(&mut self, process: &Process, node: &Atom) -> Option<()> {
        let session = self.sessions.get_mut(node)?;
        session.lock.as_ref()?;
        let theirs = session.names.take()?;
        let we_decide = self.node.as_str() < node.as_str();
        let (for_us, for_them) = self.names.exchange(process, &theirs, we_decide);
        session.changes = Some(for_us);
        let tag = session.their_tag.clone()?;
        let known = Term::from(self.known.clone());
        let for_them: Term = for_them.iter().map(Change::to_term).collect();
        let resolved = term!({resolved, &self.node, for_them, &known, &known, [], tag});
        process.send((SERVER, node), cast(resolved));
        self.join(process, node)
    }

    /// With both sides' decisions: the partitions are one.
    fn join(&mut self, process: &Process, node: &Atom) -> Option<()> {
        let session = self.sessions.get_mut(node)?;
        session.changes.as_ref()?;
        let (their_changes, their_known) = session.resolved.take()?;
        let session = self.sessions.remove(node)?;
        let mut changes = session.changes?;
        changes.extend(their_changes);
        let mut nodes = vec![node.clone()];
        nodes.extend(their_known.iter().cloned());
        let told: Term = changes.iter().map(Change::to_term).collect();
        self.greet(process, &their_known);
        self.change(process, changes);
        for other in &their_known {
            self.forget(process, other);
        }
        let lock = session.lock?;
        let extra = term!([{vsn, session.version}, {lock, lock}]);
        let new_nodes = term!({new_nodes, &self.node, told, [], Term::from(nodes.clone()), extra});
        process.send(&self.locker, term!({cancel, node, new_nodes}));
        self.know(nodes);
        self.synced.push(node.clone());
        Some(())
    }

    /// Tells nodes that came with another that we are of one partition with them, once there is a connection (`sync_others`).
    fn greet(&self, process: &Process, nodes: &[Atom]) {
        for node in nodes.iter().filter(|node| **node != self.node && !self.known.contains(node)) {
            let (node, server) = (node.clone(), process.pid());
            process.spawn(move |process| async move {
                if process.runtime().connect(&node).await {
                    let us = process.runtime().node().clone();
                    process.send((SERVER, &node), cast(term!({in_sync, us, true})));
                } else {
                    process.send(server, term!({extra_nodedown, node}));
                }
            });
        }
    }

    fn know(&mut self, nodes: Vec<Atom>) {
        for node in nodes {
            if node != self.node && !self.known.contains(&node) {
                self.known.push(node);
            }
        }
    }

    fn change(&mut self, process: &Process, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Insert(name) => self.names.insert(process, name),
                Change::Delete(name) => self.names.delete(process, &name),
            }
        }
    }

    /// A meeting that is over, or comes to nothing.
    fn forget(&mut self, process: &Process, node: &Atom) {
        if self.sessions.remove(node).is_some() {
            process.send(&self.locker, term!({cancel, node, 'nothing}));
        }
    }

    fn lost(&mut self, process: &Process, node: &Atom) {
        self.forget(process, node);
        self.known.retain(|known| known != node);
        self.synced.retain(|synced| synced != node);
    }
}
