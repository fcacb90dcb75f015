//! The shared half of a process: its queue and signal state behind one lock, in one allocation.
//!
//! The other half, [`Process`](crate::Process), is owned by the code that runs. Everybody else reaches a process
//! through here, and applies signals to it under its lock, in the order sent. Only [`crate::link`] ever holds the locks
//! of two cells, the lower number's first.

use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, OnceLock};
use std::task::Waker;

use term::{Atom, Pid, Term};

use crate::alias::Aliases;
use crate::asking::Asking;
use crate::bounded::BoundState;
use crate::error::Reason;
use crate::ids::Number;
use crate::link::Links;
use crate::monitor::Monitors;
use crate::nodedown::NodeMonitor;
use crate::outbound::Connection;
use crate::queue::{Bound, Channel, Message, Queue};
use crate::runtime::Runtime;
use crate::spawn_request::PendingSpawns;
use crate::sync::{Mutex, MutexGuard};
use crate::timer::Timers;
use crate::watchers::Watchers;

#[derive(Debug)]
pub(crate) struct Cell {
    number: Number,
    runtime: Runtime,
    /// An exit signal has been accepted, or the process has ended: nothing it does counts any longer.
    doomed: AtomicBool,
    /// The queue is empty, and the task will be woken by whatever comes: its receiver need not take the lock to learn so.
    calm: AtomicBool,
    /// Messages that a selective receive has passed over, or looks at; they live in the other half, which alone writes this.
    passed_over: AtomicUsize,
    /// Urgent messages wait under the lock: what the receiver has taken out already comes after them.
    urgent: AtomicBool,
    /// It has a group leader of its own, for its children to inherit.
    led: AtomicBool,
    asking: Asking,
    /// The task's own, set when it first runs; of a process that is no task, the first one that it has slept on.
    waker: OnceLock<Waker>,
    channel: Option<Box<Channel>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) queue: Queue,
    /// A receiver has found the queue empty.
    waiting: bool,
    stage: Stage,
    pub(crate) trap_exit: bool,
    pub(crate) relations: Option<Box<Relations>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    #[default]
    Alive,
    /// It is to end with a reason, and its code has not stopped yet.
    Exiting,
    /// It has ended.
    Closed,
}

/// What ties a process to others; most processes that only pass messages have none of it.
#[derive(Debug, Default)]
pub(crate) struct Relations {
    pub(crate) links: Links,
    pub(crate) monitors: Monitors,
    pub(crate) watchers: Watchers,
    pub(crate) aliases: Aliases,
    pub(crate) node_monitors: Vec<NodeMonitor>,
    /// It is told of all nodes that come and go.
    pub(crate) monitors_nodes: bool,
    /// The connections that know this process (see [`Connection::concerns`]).
    pub(crate) connections: Vec<Connection>,
    pub(crate) spawns: PendingSpawns,
    pub(crate) timers: Timers,
    pub(crate) name: Option<Atom>,
    /// `None`: the runtime's.
    pub(crate) group_leader: Option<Pid>,
    /// Priority messages, ahead of the queue.
    pub(crate) urgent: VecDeque<Message>,
    /// Any other that the receiver sleeps on: of a combinator that polls its parts on wakers of their own, of another thread.
    inner_waker: Option<Waker>,
    /// The trace token that its exit signals carry.
    pub(crate) last_token: Option<Term>,
    /// Why it is to end.
    reason: Option<Reason>,
    pub(crate) bound: Option<BoundState>,
}

/// A receiver to be woken, best when its lock is free again: it may run on another worker at once, and would only wait there.
#[derive(Debug)]
#[must_use = "a receiver that is not woken sleeps on"]
pub(crate) enum Sleeper<'a> {
    Nobody,
    /// By the waker that its process keeps: nearly always.
    Task(&'a Waker),
    Other(Waker),
}

impl Sleeper<'_> {
    #[inline(always)]
    pub(crate) fn wake(self) {
        match self {
            Self::Nobody => {}
            Self::Task(waker) => waker.wake_by_ref(),
            Self::Other(waker) => waker.wake(),
        }
    }
}

/// What a closed process leaves to be told to others, and to be dropped outside its lock.
#[derive(Debug)]
pub(crate) struct Remains {
    pub(crate) reason: Reason,
    pub(crate) relations: Option<Box<Relations>>,
    _queue: Queue,
}

impl Cell {
    pub(crate) fn new(number: Number, runtime: Runtime, birth: Birth) -> Arc<Self> {
        let mut state =
            State { trap_exit: birth.trap_exit, relations: birth.relations, ..State::default() };
        if let Some(bound) = birth.bound {
            state.relations_mut().bound = Some(BoundState::new(bound));
        }
        Arc::new(Self {
            number,
            runtime,
            doomed: AtomicBool::new(false),
            calm: AtomicBool::new(false),
            passed_over: AtomicUsize::new(0),
            urgent: AtomicBool::new(false),
            led: AtomicBool::new(
                state.relations().is_some_and(|relations| relations.group_leader.is_some()),
            ),
            asking: Asking::new(),
            waker: OnceLock::new(),
            channel: birth.channel.then(|| Box::new(Channel::new(birth.bound.is_some()))),
            state: Mutex::new(state),
        })
    }

    #[inline]
    pub(crate) const fn number(&self) -> Number {
        self.number
    }

    pub(crate) fn pid(&self) -> Pid {
        self.runtime.ids().pid(self.number)
    }

    #[inline]
    pub(crate) const fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    #[inline]
    pub(crate) fn is_doomed(&self) -> bool {
        self.doomed.load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Acquire)
    }

    /// The receiver has just taken the last message, and goes to sleep before long: it is taken for asleep from here on. What
    /// comes before it really is wakes it once too often, which costs less than the lock does every time.
    #[inline]
    pub(crate) fn calm_down(&self, state: &mut State) {
        state.waiting = true;
        self.calm.store(true, Ordering::Release);
    }

    #[inline]
    pub(crate) fn set_passed_over(&self, count: usize) {
        self.passed_over.store(count, Ordering::Relaxed);
    }

    /// Only for the process itself, which alone changes it.
    #[inline]
    pub(crate) fn passed_over(&self) -> usize {
        self.passed_over.load(Ordering::Relaxed)
    }

    /// The call under way that its own code has made.
    #[inline]
    pub(crate) const fn asking(&self) -> &Asking {
        &self.asking
    }

    #[inline]
    pub(crate) fn is_urgent(&self) -> bool {
        self.urgent.load(Ordering::Acquire)
    }

    /// Its state, which the receiver has locked, holds no urgent messages.
    pub(crate) fn calm_urgency(&self) {
        self.urgent.store(false, Ordering::Release);
    }

    pub(crate) fn is_led(&self) -> bool {
        self.led.load(Ordering::Acquire)
    }

    /// Its state has a group leader.
    pub(crate) fn now_led(&self) {
        self.led.store(true, Ordering::Release);
    }

    #[inline]
    pub(crate) fn channel(&self) -> Option<&Channel> {
        self.channel.as_deref()
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Puts an ordinary message into the mailbox, or does what its bound says. What is not taken stays in `message`.
    #[inline(always)]
    pub(crate) fn accept(&self, message: &mut Message) {
        match self.channel() {
            None => {
                let sleeper = self.accept_locked(&mut self.lock(), message);
                sleeper.wake();
            }
            Some(channel) => self.accept_in_channel(channel, message),
        }
    }

    /// The same for who holds the lock. What stays in `message` is to be dropped without it: that may tell a connection.
    #[inline(always)]
    pub(crate) fn accept_locked<'a>(
        &'a self,
        state: &mut State,
        message: &mut Message,
    ) -> Sleeper<'a> {
        if state.stage != Stage::Alive {
            return Sleeper::Nobody;
        }
        let bound = state.relations.as_ref().is_some_and(|relations| relations.bound.is_some());
        if !bound || self.make_room(state, message) {
            self.push_from(state, message)
        } else {
            Sleeper::Nobody
        }
    }

    #[inline(never)]
    fn accept_in_channel(&self, channel: &Channel, message: &mut Message) {
        if self.is_doomed() {
            return;
        }
        if channel.is_bounded() {
            // A bound is exact only under the lock.
            let sleeper = self.accept_locked(&mut self.lock(), message);
            sleeper.wake();
        } else if channel.push(mem::replace(message, Message::Wake)) {
            self.wake(&mut self.lock());
        }
    }

    /// Puts a message at the end of the queue whatever its bound; the process is alive.
    pub(crate) fn push(&self, state: &mut State, mut message: Message) {
        self.push_from(state, &mut message).wake();
    }

    #[inline(always)]
    fn push_from<'a>(&'a self, state: &mut State, message: &mut Message) -> Sleeper<'a> {
        match self.channel() {
            None => state.queue.push(message),
            Some(channel) => {
                if !channel.push(mem::replace(message, Message::Wake)) {
                    return Sleeper::Nobody;
                }
                state.waiting = true;
            }
        }
        self.sleeper(state)
    }

    /// Puts a message ahead of the ordinary ones, behind other urgent ones.
    pub(crate) fn push_urgent(&self, state: &mut State, message: Message) {
        state.relations_mut().urgent.push_back(message);
        self.urgent.store(true, Ordering::Release);
        self.nudge(state);
    }

    /// Makes a receiver that waits look at the state again.
    pub(crate) fn nudge(&self, state: &mut State) {
        if let Some(channel) = self.channel() {
            channel.set_urgent(true);
            channel.push_wake();
            channel.stop_waiting();
            state.waiting = true;
        }
        self.wake(state);
    }

    /// The waker that wakes the process from here on: its task's own.
    #[inline]
    pub(crate) fn set_waker(&self, waker: &Waker) {
        self.waker.get_or_init(|| waker.clone());
    }

    /// The receiver has found nothing and sleeps; the waker known from the start will do nearly always. Whether it did.
    #[inline]
    pub(crate) fn wait(&self, state: &mut State, waker: &Waker) -> bool {
        state.waiting = true;
        if self.waker.get_or_init(|| waker.clone()).will_wake(waker) {
            if let Some(relations) = state.relations.as_mut() {
                relations.inner_waker = None;
            }
            return true;
        }
        state.relations_mut().inner_waker = Some(waker.clone());
        false
    }

    /// The receiver, if it sleeps; whoever takes it has to wake it.
    #[inline(always)]
    fn sleeper<'a>(&'a self, state: &mut State) -> Sleeper<'a> {
        if !state.waiting {
            return Sleeper::Nobody;
        }
        state.waiting = false;
        self.calm.store(false, Ordering::Relaxed);
        if let Some(relations) = state.relations.as_mut()
            && let Some(waker) = relations.inner_waker.take()
        {
            return Sleeper::Other(waker);
        }
        self.waker.get().map_or(Sleeper::Nobody, Sleeper::Task)
    }

    fn wake(&self, state: &mut State) {
        self.sleeper(state).wake();
    }

    /// Sets the process on its way out: its code is stopped at its next await or receive.
    pub(crate) fn doom(&self, state: &mut State, reason: Reason) {
        if state.stage != Stage::Alive {
            return;
        }
        state.stage = Stage::Exiting;
        state.relations_mut().reason = Some(reason);
        self.doomed.store(true, Ordering::Release);
        state.waiting = true;
        if let Some(channel) = self.channel() {
            channel.push_wake();
        }
        self.wake(state);
        // The receive may wait on a part's waker; what drops it is the task's own.
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    /// Ends the process: nothing reaches it from here on. The first reason counts.
    pub(crate) fn close(&self, reason: Reason) -> Option<Remains> {
        let mut state = self.lock();
        if state.stage == Stage::Closed {
            return None;
        }
        state.stage = Stage::Closed;
        self.doomed.store(true, Ordering::Release);
        if let Some((number, target)) = self.asking.take_any() {
            // To be told like every other.
            state.relations_mut().monitors.insert_call(number, target);
        }
        let mut relations = state.relations.take();
        let known = relations.as_mut().and_then(|relations| relations.reason.take());
        Some(Remains {
            reason: known.unwrap_or(reason),
            relations,
            _queue: mem::take(&mut state.queue),
        })
    }

    /// The messages that wait, those passed over included.
    pub(crate) fn len(&self) -> usize {
        self.len_locked(&self.lock())
    }

    pub(crate) fn len_locked(&self, state: &State) -> usize {
        let urgent = state.relations.as_ref().map_or(0, |relations| relations.urgent.len());
        let queued = self.channel().map_or(state.queue.len(), Channel::len);
        queued + urgent + self.passed_over()
    }

    /// Why it is ending, once an exit signal has been accepted.
    pub(crate) fn exit_reason(&self) -> Option<Reason> {
        self.lock().relations()?.reason.clone()
    }
}

/// What a process is born with.
#[derive(Debug, Default)]
pub(crate) struct Birth {
    pub(crate) trap_exit: bool,
    pub(crate) channel: bool,
    pub(crate) bound: Option<Bound>,
    pub(crate) relations: Option<Box<Relations>>,
}

impl State {
    #[inline]
    pub(crate) const fn stage(&self) -> Stage {
        self.stage
    }

    pub(crate) fn relations_mut(&mut self) -> &mut Relations {
        self.relations.get_or_insert_default()
    }

    #[inline]
    pub(crate) fn relations(&self) -> Option<&Relations> {
        self.relations.as_deref()
    }

    #[inline]
    pub(crate) fn known_relations_mut(&mut self) -> Option<&mut Relations> {
        self.relations.as_deref_mut()
    }

    /// Puts the next urgent message, else the next of the queue, into `slot`, which must hold a wake; whether there was one.
    #[inline(always)]
    pub(crate) fn pop(&mut self, slot: &mut Message) -> bool {
        if let Some(relations) = self.relations.as_mut()
            && let Some(urgent) = relations.urgent.pop_front()
        {
            *slot = urgent;
            return true;
        }
        self.queue.pop(slot)
    }

    #[inline]
    pub(crate) fn has_urgent(&self) -> bool {
        self.relations.as_ref().is_some_and(|relations| !relations.urgent.is_empty())
    }

    /// Whether nothing is left to be popped.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && !self.has_urgent()
    }

    #[inline]
    pub(crate) fn pop_urgent(&mut self) -> Option<Message> {
        self.relations.as_mut()?.urgent.pop_front()
    }

    /// How many messages wait in the ring, where the receiver may take out many at once: a bound counts what it has not looked at.
    #[inline]
    pub(crate) fn backlog(&self) -> usize {
        match &self.relations {
            Some(relations) if relations.bound.is_some() || !relations.urgent.is_empty() => 0,
            _ => self.queue.len(),
        }
    }

    /// The first message of the queue into `slot`, the others to the end of `to`.
    pub(crate) fn pop_and_drain_into(&mut self, slot: &mut Message, to: &mut VecDeque<Message>) {
        self.queue.pop_and_drain_into(slot, to);
    }

    /// Moves everything the queue holds to the end of `to`.
    pub(crate) fn drain_into(&mut self, to: &mut VecDeque<Message>) {
        self.queue.drain_into(to);
    }
}
