//! Two nodes that meet become one partition: they greet each other, both lock their own, tell their names, and what they decided
//! where those clash (`global.erl`, "Connection algorithm").
//!
//! The smaller of the two begins to lock at once; a BEAM node begins too, after a moment. Both lock in the name of both lockers,
//! so that the one lock does not shut the other out.

use std::time::Duration;

use mailbox::Process;
use term::{Atom, Pid, Term, TermRef, order, term};

use super::known;
use super::names::{Change, Name};
use super::{SERVER, Server, VERSION, cast, is_connected};

/// From this version on, nodes tell each other which meeting they are in (`init_connect_ack`) and call one off
/// (`cancel_connect`), so that two lockers never wait for each other's in meetings that are not the same.
///
/// A BEAM node calls off, and begins anew, whenever it hears of another meeting than its own, a late word of an earlier one
/// included; were we to do so too, each would chase the other's last attempt for ever. We keep still instead, and greet anew
/// when nothing more is under way.
const VERIFIES: i64 = 8;

/// How long nothing is said when it is not clear which meeting a node is in: longer than any word is under way. It doubles with
/// each attempt, up to 32 times as long.
const STILL: Duration = Duration::from_millis(100);

/// How long we wait at most before we ask our locker again, in milliseconds: by chance up to this, as two may want it at once.
const AGAIN: u64 = 400;

/// What two nodes have told each other on the way to one partition.
#[derive(Debug)]
pub(super) struct Session {
    /// Tells this meeting from an earlier one; what comes with another tag is late.
    tag: i64,
    /// Once it has greeted us.
    theirs: Option<Theirs>,
    /// It has said that it is in this very meeting.
    confirmed: bool,
    /// It has begun anew since we greeted it: it may not know our tag.
    in_doubt: bool,
    /// The number of the last doubt.
    doubt: i64,
    /// How often we have greeted it anew.
    attempts: u32,
    /// What our locker does for this meeting, and the number of that job.
    locking: Locking,
    job: i64,
    lock: Option<Term>,
    /// Its names, where they came before our lock.
    pub(super) names: Option<Vec<Name>>,
    changes: Option<Vec<Change>>,
    /// Its decisions and whom it knows, where they came before ours.
    pub(super) resolved: Option<Resolved>,
}

/// The other's decisions, and the nodes that it knows with their versions.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) changes: Vec<Change>,
    pub(super) known: Vec<(Atom, i64)>,
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
        let session = Session {
            tag: 0,
            theirs: None,
            confirmed: false,
            in_doubt: false,
            doubt: 0,
            attempts: 0,
            locking: Locking::Idle,
            job: 0,
            lock: None,
            names: None,
            changes: None,
            resolved: None,
        };
        self.sessions.insert(node.clone(), session);
        self.greet_first(process, node);
    }

    /// `init_connect`, with a new tag.
    fn greet_first(&mut self, process: &Process, node: &Atom) {
        let Some(session) = self.sessions.get_mut(node) else { return };
        self.numbers += 1;
        session.tag = self.numbers;
        let (known, locker) = (self.known.to_map(), &self.locker);
        let greeting = term!({init_connect, {(VERSION), session.tag}, &self.node,
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
        // Over its own connection: there are as many meetings as nodes, whatever names a peer thinks of.
        if !is_connected(process, node) {
            return;
        }
        self.meet(process, node);
        let Some(session) = self.sessions.get(node) else { return };
        let is_first = session.theirs.is_none() && !session.in_doubt;
        if !is_first && version < VERIFIES {
            tracing::error!(
                target: "cnode::service", %node, version,
                "met anew in the middle of a meeting, in a version of global that cannot begin again; disconnected"
            );
            let _ = process.runtime().disconnect(node);
            return;
        }
        self.unlock(process, node);
        let Some(session) = self.sessions.get_mut(node) else { return };
        session.theirs = Some(Theirs { tag, version, locker });
        session.confirmed = false;
        if version < VERIFIES {
            self.begin(process, node);
        } else if is_first {
            self.acknowledge(process, node);
        } else {
            self.doubt(process, node);
        }
    }

    fn acknowledge(&self, process: &Process, node: &Atom) {
        let Some(session) = self.sessions.get(node) else { return };
        if let Some(theirs) = session.theirs.as_ref().filter(|theirs| theirs.version >= VERIFIES) {
            let (theirs, ours) = (&theirs.tag, session.tag);
            self.send(process, node, term!({init_connect_ack, &self.node, theirs, ours}));
        }
    }

    /// It tells which meeting it is in (`init_connect_ack`).
    pub(super) fn verify(
        &mut self,
        process: &Process,
        node: &Atom,
        ours: TermRef<'_>,
        theirs: TermRef<'_>,
    ) -> Option<()> {
        let session = self.session(node, ours)?;
        session.theirs.as_ref().filter(|known| known.tag.root() == theirs)?;
        session.confirmed = true;
        if std::mem::take(&mut session.in_doubt) {
            self.acknowledge(process, node);
        }
        self.begin(process, node);
        Some(())
    }

    /// It calls this meeting off (`cancel_connect`), and will greet us anew.
    pub(super) fn called_off(
        &mut self,
        process: &Process,
        node: &Atom,
        tag: TermRef<'_>,
    ) -> Option<()> {
        self.session(node, tag)?.theirs = None;
        self.unlock(process, node);
        self.doubt(process, node);
        Some(())
    }

    fn doubt(&mut self, process: &Process, node: &Atom) {
        let Some(session) = self.sessions.get_mut(node) else { return };
        session.confirmed = false;
        session.in_doubt = true;
        self.numbers += 1;
        session.doubt = self.numbers;
        let (doubt, attempt) = (session.doubt, session.attempts.min(5));
        let still = STILL * (1 << attempt);
        let some_more =
            still.mul_f64(f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX));
        process.send_after(still + some_more, process.pid(), term!({settle, node, doubt}));
    }

    /// Nothing has been said for a while, and it has not confirmed that it is in this meeting: we greet it anew.
    pub(super) fn settle(&mut self, process: &Process, node: &Atom, doubt: i64) {
        let is_last = |session: &&mut Session| session.doubt == doubt && !session.confirmed;
        let Some(session) = self.sessions.get_mut(node).filter(is_last) else { return };
        session.attempts += 1;
        self.greet_first(process, node);
        self.acknowledge(process, node);
        self.doubt(process, node);
    }

    /// A meeting that is over, or comes to nothing.
    pub(super) fn forget(&mut self, process: &Process, node: &Atom) {
        self.unlock(process, node);
        self.sessions.remove(node);
    }

    /// Has our locker end what it does for a meeting, and drops what has been told in it.
    fn unlock(&mut self, process: &Process, node: &Atom) {
        let Some(session) = self.sessions.get_mut(node) else { return };
        if session.locking != Locking::Idle {
            process.send(&self.locker, term!({cancel, node, session.job, 'nothing, []}));
        }
        session.locking = Locking::Idle;
        (session.lock, session.names, session.changes) = (None, None, None);
        session.resolved = None;
    }

    /// Those who are to be told of what concerns everybody, though they are not of our partition yet.
    pub(super) fn meets(&self) -> impl Iterator<Item = &Atom> {
        self.sessions.iter().filter(|(_, session)| session.theirs.is_some()).map(|(node, _)| node)
    }

    /// Has our locker lock first, if that is ours to do: our partition, and one node of the other.
    pub(super) fn begin(&mut self, process: &Process, node: &Atom) {
        let is_sure = |session: &Session| {
            let theirs = session.theirs.as_ref();
            session.confirmed || theirs.is_some_and(|theirs| theirs.version < VERIFIES)
        };
        if self.node.as_str() < node.as_str() && self.sessions.get(node).is_some_and(is_sure) {
            self.have_locked(process, node, Locking::First);
        }
    }

    fn have_locked(&mut self, process: &Process, node: &Atom, how: Locking) {
        let Some(session) = self.sessions.get_mut(node) else { return };
        let Some(theirs) = &session.theirs else { return };
        if session.locking != Locking::Idle {
            return;
        }
        session.locking = how;
        self.numbers += 1;
        session.job = self.numbers;
        let word = if how == Locking::First { term!('begin) } else { term!('lock) };
        let id = lock_id(&self.locker, &theirs.locker);
        let (job, their_tag) = (session.job, theirs.tag());
        process.send(&self.locker, term!({(word), process.pid(), node, id, job, their_tag}));
    }

    /// Our locker could not set the lock, or the other one could not: later, if that meeting is not over.
    pub(super) fn not_locked(&mut self, process: &Process, node: &Atom, job: i64) -> Option<()> {
        let session = self.sessions.get_mut(node).filter(|session| session.job == job)?;
        session.locking = Locking::Idle;
        let wait = u64::from(getrandom::u32().unwrap_or(u32::MAX)) % AGAIN;
        let again = term!({begin, node, session.tag});
        process.send_after(Duration::from_millis(wait), process.pid(), again);
        Some(())
    }

    /// Another locker says whether its partition, and one node of ours, us, is locked.
    pub(super) fn lock_set(&mut self, process: &Process, theirs: &Pid, set: bool) {
        let node = theirs.node().clone();
        match self.sessions.get(&node) {
            Some(Session { locking: Locking::First, job, .. }) => {
                process.send(&self.locker, term!({lock_set, &node, *job, set}));
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
    pub(super) fn locked(&mut self, process: &Process, node: &Atom, job: i64, id: Term) {
        let names = self.names.to_term();
        let their_tag =
            self.sessions.get_mut(node).filter(|session| session.job == job).and_then(|session| {
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
        let Resolved { changes: their_changes, known: their_known } = session.resolved.take()?;
        let session = self.sessions.remove(node)?;
        let version = session.theirs?.version;
        let mut changes = session.changes?;
        changes.extend(their_changes);
        let mut nodes = vec![(node.clone(), version)];
        nodes.extend(their_known);
        let told: Term = changes.iter().map(Change::to_term).collect();
        self.change(process, changes);
        let extra = term!([{vsn, version.min(VERSION)}, {lock, session.lock?}]);
        let listed = known::versions(&nodes);
        let new_nodes = term!({new_nodes, &self.node, told, [], listed, extra});
        // Those who are still of our partition: some may have gone since the lock was set.
        let to = self.known.names();
        process.send(&self.locker, term!({cancel, node, session.job, new_nodes, to}));
        self.known.insert(node.clone(), version);
        self.synced.push(node.clone());
        self.know(process, nodes);
        Some(())
    }
}
