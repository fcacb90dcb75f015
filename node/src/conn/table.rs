//! Who is connected, who is being connected to, and which of two connections between the same two nodes stays.
//!
//! The rules are those of `net_kernel` (`accept_pending`) with one difference: a stranger that only says a name changes
//! nothing here. [`Table::greet`] looks, and [`Table::claim`] acts once the digest was right; so nobody without the cookie can hold up,
//! or cut, the node whose name it uses.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use foldhash::fast::RandomState;
use mailbox::{Nodes, Signal};
use term::Atom;
use tokio::sync::futures::OwnedNotified;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::connection::{Connection, Established};
use super::events::{DownReason, Events, NodeEvent, NodeKind};
use super::outbox::{self, Bounds, Refused};
use crate::proto::handshake::acceptor::Decision;

/// Every message to another node looks here: by a quick hash, keyed at random, as who gets in has shown the cookie.
type Slots = HashMap<Atom, Slot, RandomState>;

/// The connections of a node, by the peer's name.
#[derive(Debug)]
pub(crate) struct Table {
    own: Atom,
    slots: RwLock<Slots>,
    /// No slot is filled any more. Changed with the slots in hand.
    closed: AtomicBool,
    /// The connections that were the last to leave their places, while their ends are still to be told.
    leaving: Mutex<HashMap<Atom, Arc<Connection>>>,
    attempts: AtomicU64,
    /// Strangers whose handshake is under way, by the names that they go by: as many as the door lets in.
    callers: Mutex<HashMap<Atom, usize>>,
    caller_gone: Notify,
    /// What may wait for a connection that is being made.
    bounds: Bounds,
    pub(crate) events: Events,
}

#[derive(Debug)]
enum Slot {
    Pending(Pending),
    Up(Arc<Connection>),
}

/// A connection that is being made: we dial, or the peer was faster and we wait for it.
#[derive(Debug)]
struct Pending {
    attempt: Attempt,
    carried: mailbox::Connection,
    waiting: Vec<Signal>,
    bytes: usize,
    /// Bytes of the largest of them.
    largest: usize,
    dial: Option<AbortHandle>,
    /// Our name is on its way: until then a call of the peer's own is no simultaneous one.
    called: bool,
    /// The peer refused ours because it is dialling us: it must not be refused in turn.
    yielded: bool,
    /// Somebody of the peer's name was told that its connection is to be the one: if ours fails, that is waited for.
    expects_peer: bool,
    room: Arc<Notify>,
    outcome: watch::Sender<Option<Outcome>>,
}

/// How an attempt to connect ended: `Err` says why there is no connection.
pub(crate) type Outcome = Result<(), Arc<str>>;

/// One attempt to connect; what comes back late from an earlier one must not touch the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attempt(u64);

/// Why an authenticated connection was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unclaimed {
    #[error("another connection between the two nodes was made at the same time, and it stays")]
    Simultaneous,
    #[error("the attempt to connect had been given up")]
    GivenUp,
    #[error("the peer has this node's own name")]
    OwnName,
    #[error("this node has stopped")]
    Stopped,
}

/// The connection that a signal goes over, and what the caller has to see to.
pub(crate) struct Begun {
    pub(crate) carried: mailbox::Connection,
    pub(crate) task: Task,
}

/// What has to be done outside of the table's lock, and outside of whatever lock its caller holds.
#[derive(Debug)]
pub(crate) enum Task {
    Nothing,
    /// The place is new: somebody has to dial.
    Dial(Attempt),
    /// The attempt was given up: the runtime is to be told of the end of this handle.
    Down(mailbox::Connection),
}

impl Table {
    pub(crate) fn new(own: Atom, bounds: Bounds) -> Self {
        Self {
            own,
            slots: RwLock::default(),
            closed: AtomicBool::new(false),
            leaving: Mutex::default(),
            attempts: AtomicU64::new(0),
            callers: Mutex::default(),
            caller_gone: Notify::new(),
            bounds,
            events: Events::new(),
        }
    }

    /// Queues `signal` for `node` if there is a connection: what nearly always happens, and needs no more than a look.
    #[allow(
        clippy::result_large_err,
        reason = "the signal comes back to be sent another way; it is moved once"
    )]
    pub(crate) fn send_if_up(
        &self,
        node: &Atom,
        signal: Signal,
    ) -> Result<mailbox::Connection, Refused> {
        match self.read().get(node) {
            Some(Slot::Up(connection)) => {
                connection.send(signal).map(|()| connection.carried.clone())
            }
            _ => Err(Refused(signal)),
        }
    }

    /// Queues `signal` for this very connection, or drops it with the connection.
    pub(crate) fn send_over(&self, carried: &mailbox::Connection, signal: Signal) {
        if let Some(Slot::Up(connection)) = self.read().get(carried.node())
            && connection.carried == *carried
        {
            // As lost as what was sent right before the end.
            let _ = connection.send(signal);
        }
    }

    /// From now on no connection is made, whoever asks for it or calls.
    pub(crate) fn close(&self) {
        let _slots = self.write();
        self.closed.store(true, Ordering::Relaxed);
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Queues `signal` for `node`, making a place for a connection if there is none; `None` if none is made any more.
    ///
    /// `open` is asked for the runtime's handle of a new connection.
    pub(crate) fn send(
        &self,
        node: &Atom,
        signal: Signal,
        open: impl FnOnce() -> mailbox::Connection,
    ) -> Option<Begun> {
        let mut slots = self.write();
        Some(match self.living(&mut slots, node) {
            Some(Slot::Up(connection)) => {
                // One that ends between the two looks drops the signal, as a connection that ends does.
                let _ = connection.send(signal);
                Begun { carried: connection.carried.clone(), task: Task::Nothing }
            }
            Some(Slot::Pending(pending)) => {
                let carried = pending.carried.clone();
                let is_over = pending.beside_the_largest() > self.bounds.most;
                pending.queue(signal);
                // A stream with a hole is worse than none: beyond the bound the attempt goes, as a connection does.
                let task = if is_over {
                    give_up(&mut slots, node, "too much was sent to it meanwhile")
                } else {
                    Task::Nothing
                };
                Begun { carried, task }
            }
            None if self.is_closed() => return None,
            None => {
                let mut pending = Pending::new(self.next_attempt(), open());
                let begun = pending.begun();
                pending.queue(signal);
                slots.insert(node.clone(), Slot::Pending(pending));
                begun
            }
        })
    }

    /// The connection that a signal sent now would take; `None` if there is none and none is made any more.
    pub(crate) fn begin(
        &self,
        node: &Atom,
        open: impl FnOnce() -> mailbox::Connection,
    ) -> Option<Begun> {
        let mut slots = self.write();
        Some(match self.living(&mut slots, node) {
            Some(Slot::Up(connection)) => {
                Begun { carried: connection.carried.clone(), task: Task::Nothing }
            }
            Some(Slot::Pending(pending)) => {
                Begun { carried: pending.carried.clone(), task: Task::Nothing }
            }
            None if self.is_closed() => return None,
            None => {
                let pending = Pending::new(self.next_attempt(), open());
                let begun = pending.begun();
                slots.insert(node.clone(), Slot::Pending(pending));
                begun
            }
        })
    }

    /// Remembers the task that dials, so that it can be stopped; stops it at once if it is needed no longer.
    pub(crate) fn dialling(&self, node: &Atom, attempt: Attempt, dial: AbortHandle) {
        match self.write().get_mut(node) {
            Some(Slot::Pending(pending)) if pending.attempt == attempt => pending.dial = Some(dial),
            // It was so quick that it has ended, or somebody else has ended it.
            _ => {}
        }
    }

    /// What to wait for until `node` takes more, if it is over its limit.
    pub(crate) fn full(&self, node: &Atom) -> Option<Full> {
        match self.read().get(node)? {
            Slot::Up(connection) => {
                connection.is_full().then(|| Full::Connection(connection.clone()))
            }
            // Asked for with the table in hand, so that no change of the slot is missed.
            Slot::Pending(pending) => (pending.bytes > self.bounds.busy)
                .then(|| Full::Pending(pending.room.clone().notified_owned())),
        }
    }

    /// How an attempt ends, for who waits for it; `None` when there is a connection.
    pub(crate) fn outcome(&self, node: &Atom) -> Option<watch::Receiver<Option<Outcome>>> {
        match self.read().get(node) {
            Some(Slot::Pending(pending)) => Some(pending.outcome.subscribe()),
            _ => None,
        }
    }

    /// What to answer to a stranger that says it is `peer`, and a mark that somebody of that name is at the door. It changes nothing
    /// but that an attempt of ours which fails then is not given up at once.
    pub(crate) fn greet(&self, peer: &Atom) -> (Decision, AtTheDoor<'_>) {
        let slots = self.read();
        // With the slots in hand: an attempt that is begun later finds the mark.
        let mark = self.mark(peer);
        match slots.get(peer) {
            Some(Slot::Up(connection)) if !connection.is_closing() => {
                return (Decision::AskIfAlive, mark);
            }
            Some(Slot::Pending(pending)) if pending.called && !pending.yielded => {
                if self.wins(peer) {
                    return (Decision::RefuseSimultaneous, mark);
                }
            }
            _ => return (Decision::Accept, mark),
        }
        drop(slots);
        if let Some(Slot::Pending(pending)) = self.write().get_mut(peer) {
            pending.expects_peer = true;
        }
        (Decision::AcceptSimultaneous, mark)
    }

    fn mark(&self, peer: &Atom) -> AtTheDoor<'_> {
        *self.callers().entry(peer.clone()).or_default() += 1;
        AtTheDoor { table: self, name: peer.clone() }
    }

    /// Waits until nobody is at the door who says it is `node`.
    pub(crate) async fn door_is_free(&self, node: &Atom) {
        self.as_callers_go(|| (!self.callers().contains_key(node)).then_some(())).await;
    }

    /// Looks now, and again whenever a caller has gone, until there is what is looked for.
    async fn as_callers_go<T>(&self, look: impl Fn() -> Option<T>) -> T {
        loop {
            let gone = self.caller_gone.notified();
            if let Some(found) = look() {
                return found;
            }
            gone.await;
        }
    }

    /// Waits until nobody is at the door who says it is `node`, and begins our call in that moment; whether it is still wanted. OTP
    /// does not dial either where the other's call has come first: were it refused for ours in the end, what its node has sent
    /// meanwhile would be lost there.
    pub(crate) async fn call_in_turn(&self, node: &Atom, attempt: Attempt) -> bool {
        self.as_callers_go(|| self.call_if(node, attempt, |callers| !callers.contains_key(node)))
            .await
    }

    /// Begins our call, whoever is at the door; whether it is still wanted.
    pub(crate) fn call_now(&self, node: &Atom, attempt: Attempt) -> bool {
        self.call_if(node, attempt, |_| true).unwrap_or(false)
    }

    fn call_if(
        &self,
        node: &Atom,
        attempt: Attempt,
        may: impl FnOnce(&HashMap<Atom, usize>) -> bool,
    ) -> Option<bool> {
        match self.write().get_mut(node) {
            Some(Slot::Pending(pending)) if pending.attempt == attempt => {
                // With the slot in hand, so that nobody is greeted between the look and the beginning.
                pending.called = may(&self.callers());
                pending.called.then_some(true)
            }
            _ => Some(false),
        }
    }

    /// Whether a connection of the peer's own may take the place of an attempt that has failed.
    pub(crate) fn expects_peer(&self, node: &Atom, attempt: Attempt) -> bool {
        matches!(self.read().get(node), Some(Slot::Pending(pending)) if pending.attempt == attempt && pending.expects_peer)
    }

    /// Whether `attempt` is still what this node knows about `node`: the answer to the status `alive`.
    pub(crate) fn is_pending(&self, node: &Atom, attempt: Attempt) -> bool {
        matches!(self.read().get(node), Some(Slot::Pending(pending)) if pending.attempt == attempt)
    }

    /// Gives an authenticated connection its place, with what was waiting for it already in its queue.
    ///
    /// `dialled` is the attempt it comes from, if this node began it.
    ///
    /// # Errors
    /// If another connection has the place and stays.
    pub(crate) fn claim(
        &self,
        established: Established,
        dialled: Option<Attempt>,
        open: impl FnOnce() -> mailbox::Connection,
    ) -> Result<Arc<Connection>, Unclaimed> {
        let node = established.node.clone();
        if node == self.own {
            return Err(Unclaimed::OwnName);
        }
        let mut slots = self.write();
        if self.is_closed() {
            return Err(Unclaimed::Stopped);
        }
        let place = self.living(&mut slots, &node);
        let (carried, waiting, outcome) = match (place, dialled) {
            // It was greeted long before we began to dial. Were it taken, and ours by the peer, each would end the other.
            (Some(Slot::Pending(pending)), None)
                if pending.called && !pending.yielded && self.wins(&node) =>
            {
                return Err(Unclaimed::Simultaneous);
            }
            (Some(Slot::Pending(pending)), attempt)
                if attempt.is_none_or(|attempt| pending.attempt == attempt) =>
            {
                let pending = pending.take();
                if attempt.is_none()
                    && let Some(dial) = pending.dial
                {
                    dial.abort();
                }
                pending.room.notify_waiters();
                (pending.carried, pending.waiting, Some(pending.outcome))
            }
            (Some(Slot::Pending(_)) | None, Some(_)) => return Err(Unclaimed::GivenUp),
            (Some(Slot::Pending(_)) | None, None) => (open(), Vec::new(), None),
            (Some(Slot::Up(old)), dialled) => {
                if !self.replaces(old, dialled.is_some(), established.takes_over) {
                    return Err(Unclaimed::Simultaneous);
                }
                old.close(DownReason::Replaced);
                self.leaves(old);
                (open(), Vec::new(), None)
            }
        };
        let before = self.left().get(&node).cloned();
        let connection = Arc::new(Connection::new(established, carried, dialled.is_some(), before));
        for signal in waiting {
            // A queue that was within its bound fits; one that is refused is as lost as on a connection that ends.
            let _ = connection.send(signal);
        }
        slots.insert(node.clone(), Slot::Up(connection.clone()));
        self.events.tell(NodeEvent::Up { node, kind: connection.kind });
        drop(slots);
        if let Some(outcome) = outcome {
            outcome.send_replace(Some(Ok(())));
        }
        Ok(connection)
    }

    /// Whether a new connection takes the place of one that is up.
    ///
    /// After `alive` the peer has said that the old one is dead. Otherwise both were made at the same time: of two in
    /// opposite directions the one begun by the greater name stays, on both nodes; of two in the same, the newer.
    fn replaces(&self, old: &Connection, dialled: bool, takes_over: bool) -> bool {
        takes_over || old.dialled == dialled || dialled == self.wins(&old.node)
    }

    fn wins(&self, peer: &Atom) -> bool {
        self.own.as_str() > peer.as_str()
    }

    /// Takes `connection` out, if it is still there: from now on nothing is queued for it.
    pub(crate) fn retire(&self, connection: &Arc<Connection>) {
        let mut slots = self.write();
        if let Entry::Occupied(slot) = slots.entry(connection.node.clone())
            && matches!(slot.get(), Slot::Up(up) if Arc::ptr_eq(up, connection))
        {
            slot.remove();
            self.leaves(connection);
        }
    }

    /// Its end has been told.
    pub(crate) fn has_left(&self, connection: &Arc<Connection>) {
        let mut leaving = self.left();
        if leaving.get(&connection.node).is_some_and(|last| Arc::ptr_eq(last, connection)) {
            leaving.remove(&connection.node);
        }
    }

    /// The attempt failed. Returns the runtime's handle, for its `node_down`, if it was still awaited.
    pub(crate) fn fail(&self, node: &Atom, attempt: Attempt, why: &str) -> Task {
        let mut slots = self.write();
        match slots.get(node) {
            Some(Slot::Pending(pending)) if pending.attempt == attempt => {
                give_up(&mut slots, node, why)
            }
            _ => Task::Nothing,
        }
    }

    /// The dial has ended, and the attempt goes on: the peer's own connection is on its way.
    pub(crate) fn awaits_peer(&self, node: &Atom, attempt: Attempt) {
        if let Some(Slot::Pending(pending)) = self.write().get_mut(node)
            && pending.attempt == attempt
        {
            pending.yielded = true;
            pending.expects_peer = true;
        }
    }

    /// Ends whatever there is with `node`; `None` if there is nothing.
    pub(crate) fn disconnect(&self, node: &Atom, reason: DownReason) -> Option<Task> {
        let mut slots = self.write();
        match slots.get(node)? {
            Slot::Pending(_) => Some(give_up(&mut slots, node, &reason.to_string())),
            Slot::Up(connection) => {
                connection.close(reason);
                self.leaves(connection);
                slots.remove(node);
                Some(Task::Nothing)
            }
        }
    }

    pub(crate) fn is_up(&self, node: &Atom) -> bool {
        matches!(self.read().get(node), Some(Slot::Up(connection)) if !connection.is_closing())
    }

    /// The nodes connected now.
    pub(crate) fn nodes(&self, which: Nodes) -> Vec<Atom> {
        let wanted = |kind| match which {
            Nodes::Visible => kind == NodeKind::Visible,
            Nodes::Hidden => kind == NodeKind::Hidden,
            Nodes::Connected => true,
        };
        self.connections()
            .into_iter()
            .filter(|up| wanted(up.kind))
            .map(|up| up.node.clone())
            .collect()
    }

    /// The connections that are up.
    pub(crate) fn connections(&self) -> Vec<Arc<Connection>> {
        let up = |slot: &Slot| match slot {
            Slot::Up(connection) if !connection.is_closing() => Some(connection.clone()),
            _ => None,
        };
        self.read().values().filter_map(up).collect()
    }

    /// Everybody there is or may soon be.
    pub(crate) fn names(&self) -> Vec<Atom> {
        self.read().keys().cloned().collect()
    }

    /// What is in the slot of `node`, less a connection that is ending.
    fn living<'a>(&self, slots: &'a mut Slots, node: &Atom) -> Option<&'a mut Slot> {
        if let Entry::Occupied(slot) = slots.entry(node.clone())
            && let Slot::Up(connection) = slot.get()
            && connection.is_closing()
        {
            self.leaves(connection);
            slot.remove();
        }
        slots.get_mut(node)
    }

    /// Called with the slot in hand, once, when a connection leaves it: so ups and downs of a node come in order.
    fn leaves(&self, connection: &Arc<Connection>) {
        self.left().insert(connection.node.clone(), connection.clone());
        let reason = connection.reason();
        self.events.tell(NodeEvent::Down {
            node: connection.node.clone(),
            kind: connection.kind,
            reason,
        });
    }

    fn left(&self) -> MutexGuard<'_, HashMap<Atom, Arc<Connection>>> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn callers(&self) -> MutexGuard<'_, HashMap<Atom, usize>> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_attempt(&self) -> Attempt {
        Attempt(self.attempts.fetch_add(1, Ordering::Relaxed))
    }

    fn read(&self) -> RwLockReadGuard<'_, Slots> {
        self.slots.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Slots> {
        self.slots.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody of this name is at the door, until it is dropped.
#[derive(Debug)]
pub(crate) struct AtTheDoor<'a> {
    table: &'a Table,
    name: Atom,
}

impl Drop for AtTheDoor<'_> {
    fn drop(&mut self) {
        if let Entry::Occupied(mut there) = self.table.callers().entry(self.name.clone()) {
            let left = there.get().saturating_sub(1);
            *there.get_mut() = left;
            if left == 0 {
                there.remove();
            }
        }
        self.table.caller_gone.notify_waiters();
    }
}

/// What a sender waits for.
pub(crate) enum Full {
    Connection(Arc<Connection>),
    Pending(OwnedNotified),
}

impl Pending {
    fn new(attempt: Attempt, carried: mailbox::Connection) -> Self {
        Self {
            attempt,
            carried,
            waiting: Vec::new(),
            bytes: 0,
            largest: 0,
            dial: None,
            called: false,
            yielded: false,
            expects_peer: false,
            room: Arc::new(Notify::new()),
            outcome: watch::Sender::new(None),
        }
    }

    fn begun(&self) -> Begun {
        Begun { carried: self.carried.clone(), task: Task::Dial(self.attempt) }
    }

    fn queue(&mut self, signal: Signal) {
        let weight = outbox::weight(&signal);
        self.bytes += weight;
        self.largest = self.largest.max(weight);
        self.waiting.push(signal);
    }

    /// Bytes that wait, less the largest message, which may be larger than any bound: as in the queue of a connection that is up.
    fn beside_the_largest(&self) -> usize {
        self.bytes.saturating_sub(self.largest)
    }

    fn take(&mut self) -> Self {
        let attempt = self.attempt;
        let carried = self.carried.clone();
        std::mem::replace(self, Self::new(attempt, carried))
    }
}

/// Ends the attempt in the slot of `node`; what waited for it is lost, and the runtime says so.
fn give_up(slots: &mut Slots, node: &Atom, why: &str) -> Task {
    match slots.remove(node) {
        Some(Slot::Pending(pending)) => {
            if let Some(dial) = pending.dial {
                dial.abort();
            }
            pending.room.notify_waiters();
            pending.outcome.send_replace(Some(Err(why.into())));
            Task::Down(pending.carried)
        }
        Some(up) => {
            slots.insert(node.clone(), up);
            Task::Nothing
        }
        None => Task::Nothing,
    }
}
