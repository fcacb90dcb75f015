//! What waits to be written to one peer: senders encode into it under its lock, the writer takes all there is.
//!
//! * **One pass.** A small signal is encoded once, behind the ones before it, into the buffer that is then written: what
//!   is sent while a write goes on, or by one run of a process, leaves in one write.
//! * **Small ones overtake.** Of a large message only the first fragment, which carries what the atom cache needs, goes
//!   behind the signals before it. The others are taken a few at a time between writes, one of each large message in
//!   turn; so a signal waits for some fragments and never for a whole message of somebody else's, but for one that the
//!   channel takes in a moment (`pace`).
//! * **Order per sender.** What a process sends while a large message of its own is under way waits behind it: signals
//!   between two processes arrive in the order sent, and a sequence of fragments is delivered when it is complete.
//! * **Bounds.** Over [`Bounds::busy`] bytes, senders that can wait do (`+zdbbl`); who sends when there are over
//!   [`Bounds::most`] already finds a peer that does not read, and the connection ends.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use bytes::Bytes;
use mailbox::{Signal, Target};
use term::{Atom, Pid};
use tokio::sync::Notify;

use super::batch::Batch;
use super::events::{Events, NodeEvent};
use super::lookout;
use super::pace::{FRAGMENTS_A_WRITE, Pace};
use crate::bridge::{self, Outgoing};
use crate::carrier::Address;
use crate::proto::control::Control;
use crate::proto::flags::Flags;
use crate::proto::send::{Content, Fragments, Output, Sender};

/// An empty frame (erl_dist_protocol, "Protocol between Connected Nodes").
const TICK: [u8; 4] = [0; 4];

/// What a signal is taken to weigh while it waits unencoded, besides what it carries.
const CONTROL: usize = 64;

/// The limits of a connection's queues, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Over this, senders that can wait do.
    pub(crate) busy: usize,
    /// Who sends over this ends the connection; one message may be larger.
    pub(crate) most: usize,
    /// What mailboxes may hold of the peer's messages; over it its socket is not read.
    pub(crate) unread: usize,
}

/// The connection is ending: the signal comes back.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) Signal);

/// What waits to be written to one peer.
pub(crate) struct Outbox {
    queues: Mutex<Queues>,
    flags: Flags,
    /// Stands where a message wants a sender and has none.
    nobody: Pid,
    bounds: Bounds,
    /// Bytes in all queues and in the write that goes on.
    bytes: AtomicUsize,
    ticks: AtomicU64,
    room: Notify,
    busy: Busy,
}

/// Who is told that there is too much, and when there is no longer.
#[derive(Debug)]
pub(crate) struct Busy {
    pub(crate) node: Atom,
    pub(crate) events: Events,
}

struct Queues {
    sender: Sender,
    /// What goes out next, whole.
    next: Batch,
    messages: u64,
    /// Large messages under way, in the order in which their next fragments go.
    large: VecDeque<Large>,
    /// What must not overtake any large message that was under way when it was sent.
    after: VecDeque<After>,
    begun: u64,
    /// Bytes of all this: encoded ones as they are, others by their weight.
    held: usize,
    /// Bytes that the writer has taken and not yet written.
    writing: usize,
    /// Bytes of the largest message queued since the queue was last empty.
    largest: usize,
    pace: Pace,
    writer: Option<Waker>,
    state: State,
}

/// A large message under way, and what its sender has sent since.
struct Large {
    number: u64,
    from: Option<Pid>,
    fragments: Fragments,
    behind: VecDeque<Parcel>,
}

/// A signal whose sender is not known: it waits for all large messages up to this one.
struct After {
    number: u64,
    parcel: Parcel,
}

/// A signal as it goes over the wire, not yet encoded.
struct Parcel {
    control: Control,
    content: Option<Content>,
    weight: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Nothing more is taken; what is there is written.
    Closing,
    /// Nothing more is taken, and the peer does not read.
    Overflown,
}

/// What became of a signal.
#[derive(Debug)]
pub(crate) enum Pushed {
    /// It is queued, or there was nothing to send.
    Done,
    /// The peer cannot know it, and this is to be delivered here in the peer's name.
    Answer(Signal),
    /// It is queued, and the queue has grown over its bound: the peer does not read.
    Overflow,
}

/// What the writer is to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Write the batch; this many messages are in it.
    Batch { messages: u64 },
    /// There is nothing more, and there will not be.
    End,
}

impl Outbox {
    pub(crate) fn new(flags: Flags, to: &Address, nobody: Pid, bounds: Bounds, busy: Busy) -> Self {
        let queues = Queues {
            sender: Sender::new(flags),
            next: Batch::default(),
            messages: 0,
            large: VecDeque::new(),
            after: VecDeque::new(),
            begun: 0,
            held: 0,
            writing: 0,
            largest: 0,
            pace: Pace::of(to),
            writer: None,
            state: State::Open,
        };
        Self {
            queues: Mutex::new(queues),
            flags,
            nobody,
            bounds,
            bytes: AtomicUsize::new(0),
            ticks: AtomicU64::new(0),
            room: Notify::new(),
            busy,
        }
    }

    /// Queues a signal, and wakes the writer if it sleeps.
    #[allow(
        clippy::result_large_err,
        reason = "the signal comes back to be sent another way; it is moved once"
    )]
    pub(crate) fn push(&self, signal: Signal) -> Result<Pushed, Refused> {
        let order = Order::of(&signal);
        let weight = weight(&signal);
        let mut queues = self.lock();
        if queues.state != State::Open {
            return Err(Refused(signal));
        }
        let (control, content) = match bridge::outbound(signal, self.flags, &self.nobody) {
            Outgoing::Message(control, content) => (control, content),
            Outgoing::Answer(signal) => return Ok(Pushed::Answer(signal)),
            Outgoing::Withheld(why) => {
                tracing::debug!(target: "cnode::conn", %why, "a signal was not sent");
                return Ok(Pushed::Done);
            }
            Outgoing::Undecodable(error) => {
                tracing::warn!(target: "cnode::conn", %error, "a message that is no term was not passed on");
                return Ok(Pushed::Done);
            }
        };
        let before = queues.held + queues.writing;
        let unread = queues.unread_beside_the_largest();
        queues.push(order, weight, control, content);
        queues.largest = queues.largest.max((queues.held + queues.writing).saturating_sub(before));
        if unread > self.bounds.most {
            queues.state = State::Overflown;
        }
        let pushed = if queues.state == State::Overflown { Pushed::Overflow } else { Pushed::Done };
        self.publish_and_wake(queues);
        Ok(pushed)
    }

    /// Queues a tick, if nothing else is there to show that we live.
    pub(crate) fn tick(&self) {
        let mut queues = self.lock();
        if queues.state != State::Open || !queues.next.is_empty() || !queues.large.is_empty() {
            return;
        }
        self.ticks.fetch_add(1, Ordering::Relaxed);
        queues.next.buffer().extend_from_slice(&TICK);
        queues.held += TICK.len();
        self.publish_and_wake(queues);
    }

    /// Bytes of all ticks so far.
    pub(crate) fn ticked(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed) * TICK.len() as u64
    }

    /// Moves what is to be written next into `batch`, which is empty. With nothing there, remembers whom to wake.
    pub(crate) fn poll_take(&self, batch: &mut Batch, waker: &Waker) -> Poll<Taken> {
        let mut queues = self.lock();
        if queues.state == State::Overflown {
            return Poll::Ready(Taken::End);
        }
        queues.take(batch);
        if !batch.is_empty() {
            queues.writing = batch.len();
            queues.pace.begin(batch.len());
            let messages = mem::take(&mut queues.messages);
            self.publish(&queues);
            return Poll::Ready(Taken::Batch { messages });
        }
        if queues.state == State::Closing {
            return Poll::Ready(Taken::End);
        }
        match &mut queues.writer {
            Some(writer) => writer.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        Poll::Pending
    }

    /// What was taken last has gone to the kernel.
    pub(crate) fn written(&self) {
        let mut queues = self.lock();
        let written = mem::take(&mut queues.writing);
        if queues.pace.end(written) {
            let Pace { fragment, whole, .. } = queues.pace;
            queues.sender.set_fragment_size(fragment);
            queues.sender.set_whole_size(whole);
        }
        self.publish(&queues);
    }

    /// Shows the number of bytes to who asks without the lock, and tells who waits for room that there is.
    fn publish(&self, queues: &Queues) {
        let bytes = queues.held + queues.writing;
        let before = self.bytes.swap(bytes, Ordering::SeqCst);
        match (before > self.bounds.busy, bytes > self.bounds.busy) {
            (true, false) => {
                self.room.notify_waiters();
                self.busy.events.tell(NodeEvent::Ready { node: self.busy.node.clone() });
            }
            (false, true) => {
                self.busy.events.tell(NodeEvent::Busy { node: self.busy.node.clone() })
            }
            _ => {}
        }
    }

    /// Wakes the writer out of the lock, where it would find it taken.
    fn publish_and_wake(&self, mut queues: MutexGuard<'_, Queues>) {
        self.publish(&queues);
        let writer = queues.writer.take();
        drop(queues);
        if let Some(writer) = writer {
            writer.wake();
            lookout::alert();
        }
    }

    /// Whether senders that can wait should.
    pub(crate) fn is_busy(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > self.bounds.busy
    }

    /// Completes when there is room, or nothing is taken any more.
    pub(crate) async fn room(&self) {
        loop {
            let notified = self.room.notified();
            if self.bytes.load(Ordering::SeqCst) <= self.bounds.busy
                || self.lock().state != State::Open
            {
                return;
            }
            notified.await;
        }
    }

    /// Whether something waits, or is being written: then a tick would tell the peer nothing new.
    pub(crate) fn is_pending(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > 0
    }

    /// Bytes that wait or are being written.
    pub(crate) fn len(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Takes nothing more; what is there may still be written.
    pub(crate) fn close(&self) {
        let mut queues = self.lock();
        if queues.state == State::Open {
            queues.state = State::Closing;
        }
        self.publish_and_wake(queues);
        self.room.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queues {
    /// Encodes or queues a signal.
    fn push(&mut self, order: Order, weight: usize, control: Control, content: Option<Content>) {
        self.messages += 1;
        match order {
            Order::Of(from) => match self.large.iter_mut().find(|large| large.from == from) {
                Some(large) => {
                    self.held += weight;
                    large.behind.push_back(Parcel { control, content, weight });
                }
                None => self.encode(from, None, &control, content),
            },
            Order::AfterAll if self.large.is_empty() => self.encode(None, None, &control, content),
            Order::AfterAll => {
                self.held += weight;
                let parcel = Parcel { control, content, weight };
                self.after.push_back(After { number: self.begun, parcel });
            }
        }
    }

    /// Encodes a signal, or its first fragment. A large one that has waited behind another keeps that one's `number`.
    fn encode(
        &mut self,
        from: Option<Pid>,
        number: Option<u64>,
        control: &Control,
        content: Option<Content>,
    ) {
        let before = self.next.len();
        match self.sender.put(control, content, &mut self.next) {
            Ok(None) => self.held += self.next.len() - before,
            Ok(Some(fragments)) => {
                self.held += self.next.len() - before + fragments.held();
                let number = number.unwrap_or_else(|| {
                    self.begun += 1;
                    self.begun
                });
                self.large.push_back(Large { number, from, fragments, behind: VecDeque::new() });
            }
            Err(error) => {
                tracing::warn!(target: "cnode::conn", %error, "a message that cannot be sent was dropped");
            }
        }
    }

    /// Bytes that wait, without the largest message among them: alone it may be larger than any bound, and says nothing about the
    /// peer.
    fn unread_beside_the_largest(&mut self) -> usize {
        let waiting = self.held + self.writing;
        if waiting == 0 {
            self.largest = 0;
        }
        waiting.saturating_sub(self.largest)
    }

    /// What is to be written next: all small ones, then fragments of the large ones in turn.
    fn take(&mut self, batch: &mut Batch) {
        self.take_next(batch);
        while batch.len() < self.pace.fragment.max(FRAGMENTS_A_WRITE)
            && let Some(mut large) = self.large.pop_front()
        {
            let held = large.fragments.held();
            let more = large.fragments.put_next(batch);
            self.held -= held - large.fragments.held();
            if more {
                self.large.push_back(large);
            } else {
                self.follow(large);
                // What its sender has sent since goes right behind the last fragment.
                self.take_next(batch);
            }
        }
    }

    fn take_next(&mut self, batch: &mut Batch) {
        self.held -= self.next.len();
        if batch.is_empty() {
            mem::swap(&mut self.next, batch);
        } else {
            batch.append(&mut self.next);
        }
    }

    /// A large message is out: now what waited behind it, up to the next large one.
    fn follow(&mut self, large: Large) {
        let Large { number, from, mut behind, .. } = large;
        let under_way = self.large.len();
        while let Some(Parcel { control, content, weight }) = behind.pop_front() {
            self.held -= weight;
            self.encode(from.clone(), Some(number), &control, content);
            if self.large.len() > under_way {
                if let Some(next) = self.large.back_mut() {
                    next.behind = behind;
                }
                break;
            }
        }
        while let Some(after) = self.after.front()
            && !self.large.iter().any(|large| large.number <= after.number)
            && let Some(After { parcel: Parcel { control, content, weight }, .. }) =
                self.after.pop_front()
        {
            self.held -= weight;
            self.encode(None, None, &control, content);
        }
    }
}

/// What a signal must not overtake.
enum Order {
    /// What this process has sent; `None` is whoever sends in nobody's name.
    Of(Option<Pid>),
    /// Anything: it does not say who sends it.
    AfterAll,
}

impl Order {
    fn of(signal: &Signal) -> Self {
        match signal {
            Signal::Message { from, .. } => Self::Of(from.clone()),
            Signal::Link { from, .. }
            | Signal::Unlink { from, .. }
            | Signal::UnlinkAck { from, .. }
            | Signal::Exit { from, .. }
            | Signal::Exit2 { from, .. }
            | Signal::Monitor { from, .. }
            | Signal::Demonitor { from, .. }
            | Signal::Down { from: Target::Pid(from), .. } => Self::Of(Some(from.clone())),
            Signal::SpawnRequest(request) => Self::Of(Some(request.from.clone())),
            Signal::Down { from: Target::Name(_), .. }
            | Signal::GroupLeader { .. }
            | Signal::SpawnReply(_) => Self::AfterAll,
        }
    }
}

/// About how many bytes a signal will be.
pub(crate) fn weight(signal: &Signal) -> usize {
    let content = match signal {
        Signal::Message { payload, .. } => payload.len_hint(),
        Signal::SpawnRequest(request) => request.arguments.bytes().len(),
        _ => 0,
    };
    CONTROL + content
}

impl Output for Batch {
    fn buffer(&mut self) -> &mut Vec<u8> {
        Self::buffer(self)
    }

    fn insert(&mut self, bytes: Bytes) {
        Self::insert(self, bytes);
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("bytes", &self.len())
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}
