//! The queue of a process: a ring under the process's lock, or a crossbeam channel; bounds, and who is woken.

use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::collections::VecDeque;
use std::mem;

use crossbeam_channel::{Receiver, Sender};
use term::{Atom, Pid, Reference, Term};

use crate::payload::Payload;
use crate::trace;

/// One entry of a queue. Kept small: a million idle processes have four of these each.
#[derive(Debug)]
pub(crate) enum Message {
    /// What somebody sent.
    User(Payload),
    /// The same with a sequential trace token.
    Traced(Box<(Payload, Term)>),
    /// What the runtime has to say.
    System(Box<System>),
    /// Nothing; makes a blocked thread look at its state.
    Wake,
}

/// Messages that signals turned into.
#[derive(Clone, Debug)]
pub(crate) enum System {
    /// `{'EXIT', From, Reason}`.
    Exit { from: Pid, reason: Term, token: Option<Term> },
    /// `{Tag, Reference, process, Object, Reason}`; the tag is `'DOWN'` unless the monitor's options say otherwise.
    Down { tag: Option<Term>, reference: Reference, object: Term, reason: Term },
    /// `{nodeup, Node}`.
    NodeUp(Atom),
    /// `{nodedown, Node}`.
    NodeDown(Atom),
}

impl System {
    /// What becomes of its receiver's trace token: an exit signal is somebody's, the others are nobody's.
    pub(crate) fn token(&self) -> Option<Term> {
        match self {
            Self::Exit { token, .. } => token.clone(),
            Self::Down { .. } | Self::NodeUp(_) | Self::NodeDown(_) => Some(trace::nobodys()),
        }
    }
}

/// How many ordinary messages may wait in a mailbox, and what happens to one too many.
///
/// Messages that stand for signals (`'EXIT'`, `'DOWN'`, node events) and priority messages are never refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Most messages that wait, those that a selective receive has passed over included.
    pub capacity: usize,
    /// What happens to one more.
    pub overflow: Overflow,
}

/// What a bounded mailbox does with a message too many. Each is counted in [`Stats`](crate::Stats) and per process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The new one is dropped.
    DropNewest,
    /// The oldest that the process has not looked at yet is dropped; if it has looked at all of them, the new one.
    DropOldest,
    /// The receiver ends with the reason `mailbox_full`.
    ExitReceiver,
}

/// A ring that has grown past this is given back when it runs empty: 64 entries are what a busy server keeps
/// cycling through, and small beside the process.
pub(crate) const KEPT_RING: usize = 64;

/// The queue of a task. The first message lies in the process's own allocation: most mailboxes never hold a second one, and
/// the ring behind it takes memory only then.
///
/// Messages are handed over by exchange rather than by value: they are four words, and each move that the compiler cannot see
/// through costs as much as taking the lock.
#[derive(Debug)]
pub(crate) struct Queue {
    /// [`Message::Wake`] if there is none.
    first: Message,
    /// Empty unless there is a first.
    ring: VecDeque<Message>,
}

impl Default for Queue {
    fn default() -> Self {
        Self { first: Message::Wake, ring: VecDeque::new() }
    }
}

impl Queue {
    /// Takes `message`, and leaves a wake in its place.
    #[inline(always)]
    pub(crate) fn push(&mut self, message: &mut Message) {
        if self.is_empty() {
            mem::forget(mem::replace(&mut self.first, mem::replace(message, Message::Wake)));
        } else {
            self.ring.push_back(mem::replace(message, Message::Wake));
        }
    }

    /// Puts the first message into `slot`, which must hold a wake, and the others at the end of `to`.
    pub(crate) fn pop_and_drain_into(&mut self, slot: &mut Message, to: &mut VecDeque<Message>) {
        *slot = mem::replace(&mut self.first, Message::Wake);
        self.drain_ring_into(to);
    }

    /// Puts the first message into `slot`, which must hold a wake; whether there was one.
    #[inline(always)]
    pub(crate) fn pop(&mut self, slot: &mut Message) -> bool {
        if self.is_empty() {
            return false;
        }
        // The slot's wake owns nothing, and is not even read.
        mem::forget(mem::replace(slot, mem::replace(&mut self.first, Message::Wake)));
        if self.ring.capacity() > 0 {
            self.advance();
        }
        true
    }

    fn advance(&mut self) {
        if let Some(next) = self.ring.pop_front() {
            self.first = next;
        } else if self.ring.capacity() > KEPT_RING {
            self.ring = VecDeque::new();
        }
    }

    #[inline(always)]
    pub(crate) const fn is_empty(&self) -> bool {
        matches!(self.first, Message::Wake)
    }

    pub(crate) fn len(&self) -> usize {
        self.ring.len() + usize::from(!self.is_empty())
    }

    /// The oldest ordinary message; those that stand for signals stay.
    pub(crate) fn take_ordinary(&mut self) -> Option<Message> {
        let ordinary = |message: &Message| matches!(message, Message::User(_) | Message::Traced(_));
        if ordinary(&self.first) {
            let mut taken = Message::Wake;
            self.pop(&mut taken);
            return Some(taken);
        }
        let at = self.ring.iter().position(ordinary)?;
        self.ring.remove(at)
    }

    pub(crate) fn drain_into(&mut self, to: &mut VecDeque<Message>) {
        if self.is_empty() {
            return;
        }
        to.push_back(mem::replace(&mut self.first, Message::Wake));
        self.drain_ring_into(to);
    }

    /// Everything but the first.
    fn drain_ring_into(&mut self, to: &mut VecDeque<Message>) {
        if to.is_empty() {
            mem::swap(to, &mut self.ring);
            return;
        }
        to.append(&mut self.ring);
        if self.ring.capacity() > KEPT_RING {
            self.ring = VecDeque::new();
        }
    }
}

/// The queue of a thread, or of a task with many senders: they do not take the process's lock.
#[derive(Debug)]
pub(crate) struct Channel {
    sender: Sender<Incoming>,
    receiver: Receiver<Incoming>,
    /// An async receiver has found the channel empty and wants its waker called.
    waiting: AtomicBool,
    /// [`Message::Wake`]s in the channel.
    wakes: AtomicUsize,
    /// Priority messages wait under the lock.
    urgent: AtomicBool,
    bounded: bool,
}

/// What comes out of [`Process::channel`](crate::Process::channel); [`Process::take`](crate::Process::take) reads it.
#[derive(Debug)]
pub struct Incoming(pub(crate) Message);

impl Channel {
    pub(crate) fn new(bounded: bool) -> Self {
        let (sender, receiver) = crossbeam_channel::unbounded();
        let (waiting, urgent) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { sender, receiver, waiting, wakes: AtomicUsize::new(0), urgent, bounded }
    }

    /// Senders of ordinary messages have to take the lock and look at the bound.
    pub(crate) const fn is_bounded(&self) -> bool {
        self.bounded
    }

    /// Whether an async receiver has to be woken.
    pub(crate) fn push(&self, message: Message) -> bool {
        // Cannot fail: both ends live in this struct.
        let _ = self.sender.send(Incoming(message));
        // Against the fence in `start_waiting`: either the receiver sees the message or this sees it waiting.
        fence(Ordering::SeqCst);
        self.waiting.load(Ordering::Relaxed) && self.waiting.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn push_wake(&self) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
        let _ = self.sender.send(Incoming(Message::Wake));
    }

    pub(crate) fn pop(&self) -> Option<Message> {
        self.receiver.try_recv().ok().map(|incoming| self.open(incoming))
    }

    /// What came, counted out if it is a wake.
    pub(crate) fn open(&self, incoming: Incoming) -> Message {
        if matches!(incoming.0, Message::Wake) {
            self.wakes.fetch_sub(1, Ordering::Relaxed);
        }
        incoming.0
    }

    /// After this the queue must be looked at once more before the receiver sleeps.
    pub(crate) fn start_waiting(&self) {
        self.waiting.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    pub(crate) fn stop_waiting(&self) {
        self.waiting.store(false, Ordering::Relaxed);
    }

    pub(crate) const fn receiver(&self) -> &Receiver<Incoming> {
        &self.receiver
    }

    pub(crate) fn len(&self) -> usize {
        self.receiver.len().saturating_sub(self.wakes.load(Ordering::Relaxed))
    }

    pub(crate) fn set_urgent(&self, urgent: bool) {
        self.urgent.store(urgent, Ordering::Release);
    }

    pub(crate) fn is_urgent(&self) -> bool {
        self.urgent.load(Ordering::Acquire)
    }
}
