//! Two nodes that meet become one partition: they greet each other, both lock their own, tell their names, and what they decided
//! where those clash (`global.erl`, "Connection algorithm").
//!
//! The smaller of the two begins to lock at once; a BEAM node begins too, after a moment. Both lock in the name of both lockers,
//! so that the one lock does not shut the other out.

use std::time::Duration;

use mailbox::{Nodes, Process};
use term::{Atom, Pid, Term, TermRef, order, term};

use super::known;
use super::names::{Change, Name};
use super::{SERVER, Server, VERSION, cast};

/// From this version on, nodes tell each other which meeting they are in (`init_connect_ack`) and call one off
/// (`cancel_connect`), so that two lockers never wait for each other's in meetings that are not the same.
const VERIFIES: i64 = 8;

/// How long we wait at most before we ask our locker again, in milliseconds: by chance up to this, as two may want it at once.
const AGAIN: u64 = 400;

/// What two nodes have told each other on the way to one partition.
#[derive(Debug)]
pub(super) struct Session {
    /// Tells this meeting from an earlier one; what comes with another tag is late.
    tag: i64,
    /// Once it has greeted us.
    theirs: Option<Theirs>,
    /// What our locker does for this meeting.
    locking: Locking,
    lock: Option<Term>,
    /// Its names, where they came before our lock.
    pub(super) names: Option<Vec<Name>>,
    changes: Option<Vec<Change>>,
    /// Its decisions and whom it knows, where they came before ours.
    pub(super) resolved: Option<(Vec<Change>, Vec<(Atom, i64)>)>,
}

#[derive(Debug)]
struct Theirs {
    tag: Term,
    version: i64,
    locker: Pid,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Locking {
    Idle,
    /// It locks first, and waits to hear of the other's lock.
    First,
    /// The other has locked.
    Second,
}

impl Theirs {
    /// What our locker's words to theirs carry, in versions that have it.
    fn tag(&self) -> Term {
        if self.version < VERIFIES { term!('none) } else { self.tag.clone() }
    }
}

fn lock_id(ours: &Pid, theirs: &Pid) -> Term {
    let mut lockers = [Term::from(ours), Term::from(theirs)];
    lockers.sort_by(order::compare);
    term!({global, Term::from(lockers)})
}

impl Server {
    pub(super) fn session(&mut self, node: &Atom, tag: TermRef<'_>) -> Option<&mut Session> {
        let tag = tag.as_i64()?;
        self.sessions.get_mut(node).filter(|session| session.tag == tag)
    }

    /// A node that is not of our partition yet.
    pub(super) fn meet(&mut self, process: &Process, node: &Atom) {
        if self.known.contains(node) || self.sessions.contains_key(node) || *node == self.node {
            return;
        }
        self.tags += 1;
        let session = Session {
            tag: self.tags,
            theirs: None,
            locking: Locking::Idle,
            lock: None,
            names: None,
            changes: None,
            resolved: None,
        };
        self.sessions.insert(node.clone(), session);
        let (known, locker) = (self.known.to_map(), &self.locker);
        let greeting = term!({init_connect, {(VERSION), self.tags}, &self.node,
                              {locker, 'no_longer_a_pid, known, locker}});
        process.send((SERVER, node), cast(greeting));
    }

    /// It greets us (`init_connect`).
    pub(super) fn greeted(
        &mut self,
        process: &Process,
        node: &Atom,
        version: i64,
        tag: Term,
        locker: Pid,
    ) {
        self.meet(process, node);
        if self.sessions.get(node).is_some_and(|session| session.theirs.is_some()) {
            if version < VERIFIES {
                tracing::error!(
                    target: "cnode::service", %node, version,
                    "met anew in the middle of a meeting, in a version of global that cannot begin again; disconnected"
                );
                let _ = process.runtime().disconnect(node);
                return;
            }
            self.send(process, node, term!({cancel_connect, &self.node, &tag}));
            self.restart(process, node);
        }
        let Some(session) = self.sessions.get_mut(node) else { return };
        let ours = session.tag;
        let acknowledged = term!({init_connect_ack, &self.node, &tag, ours});
        session.theirs = Some(Theirs { tag, version, locker });
        if version >= VERIFIES {
            self.send(process, node, acknowledged);
        }
        if self.node.as_str() < node.as_str() {
            self.begin(process, node);
        }
    }

    /// It tells which meeting it is in. Both begin anew if that is not ours.
    pub(super) fn verify(
        &mut self,
        process: &Process,
        node: &Atom,
        ours: TermRef<'_>,
        theirs: TermRef<'_>,
    ) {
        let is_this = self.session(node, ours).is_some_and(|session| {
            session.theirs.as_ref().is_some_and(|known| known.tag.root() == theirs)
        });
        if !is_this {
            self.send(process, node, term!({cancel_connect, &self.node, theirs.to_term()}));
            self.restart(process, node);
        }
    }

    /// This meeting comes to nothing; another one, if there still is a connection.
    pub(super) fn restart(&mut self, process: &Process, node: &Atom) {
        let Some(session) = self.sessions.get(node) else { return };
        if let Some(theirs) = session.theirs.as_ref().filter(|theirs| theirs.version >= VERIFIES) {
            self.send(process, node, term!({cancel_connect, &self.node, &theirs.tag}));
        }
        self.forget(process, node);
        if process.runtime().nodes(Nodes::Visible).contains(node) {
            self.meet(process, node);
        }
    }

    /// A meeting that is over, or comes to nothing.
    pub(super) fn forget(&mut self, process: &Process, node: &Atom) {
        if let Some(session) = self.sessions.remove(node) {
            process.send(&self.locker, term!({cancel, node, session.tag, 'nothing}));
        }
    }

    /// Whether it is to be told of what concerns everybody, though it is not of our partition yet.
    pub(super) fn meets(&self) -> impl Iterator<Item = &Atom> {
        self.sessions.iter().filter(|(_, session)| session.theirs.is_some()).map(|(node, _)| node)
    }

    /// Has our locker lock first: our partition, and one node of the other.
    pub(super) fn begin(&mut self, process: &Process, node: &Atom) {
        self.have_locked(process, node, Locking::First);
    }

    fn have_locked(&mut self, process: &Process, node: &Atom, how: Locking) {
        let Some(session) = self.sessions.get_mut(node) else { return };
        let Some(theirs) = &session.theirs else { return };
        if session.locking != Locking::Idle || session.lock.is_some() {
            return;
        }
        session.locking = how;
        let word = if how == Locking::First { term!('begin) } else { term!('lock) };
        let id = lock_id(&self.locker, &theirs.locker);
        let known = self.known.names();
        let (tag, their_tag) = (session.tag, theirs.tag());
        process.send(&self.locker, term!({(word), process.pid(), node, id, known, tag, their_tag}));
    }

    /// Our locker could not set the lock, or the other one could not: later, if that meeting is not over.
    pub(super) fn not_locked(&mut self, process: &Process, node: &Atom, tag: i64) -> Option<()> {
        let session = self.sessions.get_mut(node).filter(|session| session.tag == tag)?;
        session.locking = Locking::Idle;
        if self.node.as_str() < node.as_str() {
            let wait = u64::from(getrandom::u32().unwrap_or(u32::MAX)) % AGAIN;
            let again = term!({begin, node, tag});
            process.send_after(Duration::from_millis(wait), process.pid(), again);
        }
        Some(())
    }

    /// Another locker says whether its partition, and one node of ours, us, is locked.
    pub(super) fn lock_set(&mut self, process: &Process, theirs: &Pid, set: bool) {
        let node = theirs.node().clone();
        match self.sessions.get(&node) {
            Some(Session { locking: Locking::First, tag, .. }) => {
                process.send(&self.locker, term!({lock_set, &node, *tag, set}));
            }
            Some(Session { locking: Locking::Idle, theirs: Some(_), .. }) if set => {
                self.have_locked(process, &node, Locking::Second);
            }
            _ if set => {
                let refusal = term!({lock_set, &self.locker, false, self.known.names()});
                process.send((SERVER, &node), cast(refusal));
            }
            _ => {}
        }
    }

    /// Both lockers have locked: our names.
    pub(super) fn locked(&mut self, process: &Process, node: &Atom, tag: i64, id: Term) {
        let names = self.names.to_term();
        let their_tag =
            self.sessions.get_mut(node).filter(|session| session.tag == tag).and_then(|session| {
                session.lock = Some(id);
                session.theirs.as_ref().map(|theirs| theirs.tag.clone())
            });
        // Over already: its `cancel` is under way to the locker.
        let Some(their_tag) = their_tag else { return };
        process.send((SERVER, node), cast(term!({exchange, &self.node, names, [], their_tag})));
        let _ = self.exchange(process, node);
    }

    /// With our lock set and its names told: what comes of them.
    pub(super) fn exchange(&mut self, process: &Process, node: &Atom) -> Option<()> {
        let session = self.sessions.get_mut(node)?;
        session.lock.as_ref()?;
        let names = session.names.take()?;
        let we_decide = self.node.as_str() < node.as_str();
        let (for_us, for_them) = self.names.exchange(process, &names, we_decide);
        session.changes = Some(for_us);
        let tag = &session.theirs.as_ref()?.tag;
        let known = self.known.versions();
        let for_them: Term = for_them.iter().map(Change::to_term).collect();
        let resolved = term!({resolved, &self.node, for_them, known, 'unused, [], tag});
        process.send((SERVER, node), cast(resolved));
        self.join(process, node)
    }

    /// With both sides' decisions: the partitions are one.
    pub(super) fn join(&mut self, process: &Process, node: &Atom) -> Option<()> {
        let session = self.sessions.get_mut(node)?;
        session.changes.as_ref()?;
        let (their_changes, their_known) = session.resolved.take()?;
        let session = self.sessions.remove(node)?;
        let version = session.theirs?.version;
        let mut changes = session.changes?;
        changes.extend(their_changes);
        let mut nodes = vec![(node.clone(), version)];
        nodes.extend(their_known.iter().cloned());
        let told: Term = changes.iter().map(Change::to_term).collect();
        self.greet(process, &their_known);
        self.change(process, changes);
        for (other, _) in &their_known {
            self.forget(process, other);
        }
        let extra = term!([{vsn, version.min(VERSION)}, {lock, session.lock?}]);
        let listed = known::versions(&nodes);
        let new_nodes = term!({new_nodes, &self.node, told, [], listed, extra});
        process.send(&self.locker, term!({cancel, node, session.tag, new_nodes}));
        self.know(nodes);
        self.synced.push(node.clone());
        Some(())
    }
}
