//! The receiving half of a mailbox: the next message in order, or the first that matches, and the rest left in order.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::abandoned::Abandoned;
use crate::cell::{Cell, Stage, State};
use crate::ids::RefNumber;
use crate::passed::Rest;
use crate::queue::{Channel, Message};

/// After this many messages taken without a pause a process lets others run, so that one with a full mailbox does not hold
/// its worker, and notices that it is to end. Tokio's own budget is 128 as well.
const FUEL: u8 = 128;

/// From this many waiting messages on, a fresh reference remembers where the mailbox ended when it was made.
pub(crate) const WORTH_A_MARK: usize = 32;

/// From this many waiting messages on, the receiver takes all out at once, and its senders' lock only when they are through: fewer
/// are as quick one by one, and need no memory of their own.
const WORTH_A_BATCH: usize = 8;

#[derive(Debug)]
pub(crate) struct Mailbox {
    cell: Arc<Cell>,
    rest: Option<Box<Rest>>,
    fuel: u8,
    /// The process runs as a task that drops its code when it is to end.
    in_task: bool,
    /// A receive has let the task see that it is to end.
    yielded: bool,
    /// What tells the task's own waker from others, once the mailbox has slept on it.
    task_waker: usize,
}

/// What a receive finds.
#[derive(Debug)]
pub(crate) enum Found<T> {
    /// This.
    It(T),
    /// Nothing until the deadline.
    TimedOut,
    /// The process is to end, or has.
    Doomed,
}

/// What a look at a message says.
#[derive(Debug)]
pub(crate) enum Look<R> {
    /// It is this one.
    Take(R),
    /// Leave it.
    Leave,
    /// Take it away and go on: it is none at all.
    Discard,
}

impl Mailbox {
    pub(crate) const fn new(cell: Arc<Cell>, in_task: bool) -> Self {
        Self { cell, rest: None, fuel: FUEL, in_task, yielded: false, task_waker: 0 }
    }

    #[inline]
    pub(crate) const fn cell(&self) -> &Arc<Cell> {
        &self.cell
    }

    /// The next message, urgent ones first.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        deadline: Option<Instant>,
    ) -> Poll<Found<Message>> {
        let mut message = Message::Wake;
        self.poll_into(cx, deadline, &mut message).map(|found| match found {
            Found::It(()) => Found::It(message),
            Found::TimedOut => Found::TimedOut,
            Found::Doomed => Found::Doomed,
        })
    }

    /// The same, into `slot`, which must hold a wake.
    #[inline(always)]
    pub(crate) fn poll_into(
        &mut self,
        cx: &mut Context<'_>,
        deadline: Option<Instant>,
        slot: &mut Message,
    ) -> Poll<Found<()>> {
        self.tidy();
        if self.cell.is_doomed() || self.fuel == 0 {
            return self.pause(cx);
        }
        if self.cell.is_calm()
            && self.task_waker == cx.waker().data() as usize
            && !self.has_passed()
        {
            return self.asleep(deadline);
        }
        match self.next_or_wait(Some(cx.waker()), slot) {
            Next::Message => {
                self.fuel -= 1;
                Poll::Ready(Found::It(()))
            }
            Next::Doomed => self.pause(cx),
            Next::Nothing => self.asleep(deadline),
        }
    }

    #[inline]
    fn has_passed(&self) -> bool {
        self.passed() > 0
    }

    /// How many messages were passed over.
    #[inline]
    fn passed(&self) -> usize {
        self.rest.as_ref().map_or(0, |rest| rest.passed.len())
    }

    /// Where a request leaves its tag if its answer is not wanted any longer.
    pub(crate) fn abandoned(&mut self) -> Arc<Abandoned> {
        Arc::clone(self.rest.get_or_insert_default().abandoned.get_or_insert_default())
    }

    /// Whether a message that is out of the mailbox already was abandoned.
    pub(crate) fn is_abandoned(&self, message: &mut Message) -> bool {
        let abandoned = self.rest.as_ref().and_then(|rest| rest.abandoned.as_ref());
        abandoned.is_some_and(|abandoned| abandoned.any() && abandoned.is(message))
    }

    /// Throws away what was abandoned since the last receive; whether there was anything, so that no place among the messages
    /// passed over is what it was.
    #[inline(always)]
    fn tidy(&mut self) -> bool {
        if let Some(rest) = &self.rest
            && let Some(abandoned) = rest.abandoned.as_ref().filter(|abandoned| abandoned.any())
        {
            let abandoned = Arc::clone(abandoned);
            self.throw_abandoned_away(&abandoned);
            return true;
        }
        false
    }

    /// The next message if there is one now.
    pub(crate) fn next_now(&mut self) -> Option<Message> {
        self.tidy();
        let mut message = Message::Wake;
        match self.next_or_wait(None, &mut message) {
            Next::Message => Some(message),
            Next::Doomed | Next::Nothing => None,
        }
    }

    /// The first message, from the `at`th on, that `look` takes.
    pub(crate) fn poll_select<R>(
        &mut self,
        cx: &mut Context<'_>,
        deadline: Option<Instant>,
        at: &mut usize,
        look: &mut impl FnMut(&mut Message) -> Look<R>,
    ) -> Poll<Found<R>> {
        if self.tidy() {
            // What has come meanwhile was moved there to be looked through, unseen by this receive.
            *at = 0;
        }
        if self.cell.is_doomed() || self.fuel == 0 {
            return self.pause(cx);
        }
        if self.cell.is_calm()
            && self.task_waker == cx.waker().data() as usize
            && *at >= self.passed()
        {
            return self.asleep(deadline);
        }
        loop {
            if let Some(found) = self.scan(at, look) {
                self.fuel -= 1;
                return Poll::Ready(Found::It(found));
            }
            // What was passed over has been looked at; now what arrives, one after the other.
            let mut message = Message::Wake;
            match self.next_unseen(cx.waker(), &mut message) {
                Some(Next::Message) => match look(&mut message) {
                    Look::Take(found) => {
                        self.cell.set_passed_over(self.passed());
                        self.fuel -= 1;
                        return Poll::Ready(Found::It(found));
                    }
                    Look::Discard => self.cell.set_passed_over(self.passed()),
                    Look::Leave => {
                        let rest = self.rest.get_or_insert_default();
                        rest.passed.push_back(message);
                        *at = rest.passed.len();
                    }
                },
                Some(Next::Doomed) => return self.pause(cx),
                Some(Next::Nothing) => return self.asleep(deadline),
                None => match self.refill_or_wait(at, Some(cx.waker())) {
                    Refill::Some => {}
                    Refill::Doomed => return self.pause(cx),
                    Refill::Nothing => return self.asleep(deadline),
                },
            }
        }
    }

    /// The next message of the ring, counted among those passed over while it is looked at. `None` where it is not as simple as
    /// that: urgent messages, a channel.
    fn next_unseen(&mut self, waker: &Waker, slot: &mut Message) -> Option<Next> {
        let passed = self.passed();
        let cell = &*self.cell;
        if cell.channel().is_some() {
            return None;
        }
        let mut state = cell.lock();
        if state.has_urgent() {
            return None;
        }
        if state.pop(slot) {
            cell.set_passed_over(passed + 1);
            if self.task_waker != 0 && state.is_empty() {
                cell.calm_down(&mut state);
            }
            return Some(Next::Message);
        }
        if state.stage() != Stage::Alive {
            return Some(Next::Doomed);
        }
        if cell.wait(&mut state, waker) {
            self.task_waker = waker.data() as usize;
            cell.calm_down(&mut state);
        }
        Some(Next::Nothing)
    }

    /// The same among what is there now.
    pub(crate) fn select_now<R>(
        &mut self,
        look: &mut impl FnMut(&mut Message) -> Look<R>,
    ) -> Option<R> {
        let mut at = 0;
        loop {
            if let Some(found) = self.scan(&mut at, look) {
                return Some(found);
            }
            if !matches!(self.refill_or_wait(&mut at, None), Refill::Some) {
                return None;
            }
        }
    }

    /// Lets the worker go on with others: for the sake of fairness, or so that the task sees its end. A receiver that is
    /// polled again all the same is told.
    #[cold]
    fn pause<R>(&mut self, cx: &Context<'_>) -> Poll<Found<R>> {
        let doomed = self.cell.is_doomed();
        if doomed && (self.yielded || !self.in_task) {
            return Poll::Ready(Found::Doomed);
        }
        self.yielded = doomed;
        self.fuel = FUEL;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The waker is in place. Only now the time is looked at: a timer that fires from here on finds it.
    fn asleep<R>(&mut self, deadline: Option<Instant>) -> Poll<Found<R>> {
        self.fuel = FUEL;
        let Some(deadline) = deadline else { return Poll::Pending };
        let now = Instant::now();
        if now >= deadline {
            return Poll::Ready(Found::TimedOut);
        }
        self.arm(now, deadline);
        Poll::Pending
    }

    /// Has the clock wake the process no later than `deadline`. A timer set for an earlier deadline is left to fire, and then
    /// set again: a process that makes calls with a time-out all day sets one every few seconds.
    fn arm(&mut self, now: Instant, deadline: Instant) {
        let runtime = self.cell.runtime().clone();
        let number = self.cell.number();
        let rest = self.rest.get_or_insert_default();
        if let Some((due, timer)) = rest.armed {
            if due > now && due <= deadline {
                return;
            }
            runtime.timers().cancel(timer);
        }
        rest.armed = Some((deadline, runtime.wake_at(number, deadline)));
    }

    #[inline(always)]
    fn next_or_wait(&mut self, waker: Option<&Waker>, slot: &mut Message) -> Next {
        let cell = &*self.cell;
        if let Some(channel) = cell.channel() {
            let rest = self.rest.as_deref_mut();
            return Self::next_of_channel(cell, channel, rest, waker, slot);
        }
        if let Some(rest) = self.rest.as_deref_mut()
            && !cell.is_urgent()
            && let Some(message) = rest.take(0, cell)
        {
            *slot = message;
            return Next::Message;
        }
        let mut state = cell.lock();
        if let Some(rest) = self.rest.as_deref_mut()
            && let Some(message) = rest.next(cell, &mut state)
        {
            *slot = message;
            return Next::Message;
        }
        if state.backlog() >= WORTH_A_BATCH {
            let rest = self.rest.get_or_insert_default();
            state.pop_and_drain_into(slot, &mut rest.passed);
            cell.set_passed_over(rest.passed.len());
            return Next::Message;
        }
        if state.pop(slot) {
            if self.task_waker != 0 && state.is_empty() {
                cell.calm_down(&mut state);
            }
            return Next::Message;
        }
        if state.stage() != Stage::Alive {
            return Next::Doomed;
        }
        if let Some(waker) = waker
            && cell.wait(&mut state, waker)
        {
            self.task_waker = waker.data() as usize;
            cell.calm_down(&mut state);
        }
        Next::Nothing
    }

    #[inline(never)]
    fn next_of_channel(
        cell: &Cell,
        channel: &Channel,
        mut rest: Option<&mut Rest>,
        waker: Option<&Waker>,
        slot: &mut Message,
    ) -> Next {
        let mut waiting = None;
        loop {
            if channel.is_urgent() {
                channel.set_urgent(false);
                if let Some(urgent) = cell.lock().pop_urgent() {
                    // There may be more.
                    channel.set_urgent(true);
                    *slot = urgent;
                    return Next::Message;
                }
            }
            if let Some(rest) = rest.as_deref_mut()
                && !rest.passed.is_empty()
                && let Some(passed) = rest.take(0, cell)
            {
                *slot = passed;
                return Next::Message;
            }
            if let Some(message) = pop_channel(channel) {
                if waiting.is_some() {
                    channel.stop_waiting();
                }
                *slot = message;
                return Next::Message;
            }
            match waiting {
                Some(next) => return next,
                None => {
                    let next = wait(cell, &mut cell.lock(), waker);
                    if waker.is_none() || matches!(next, Next::Doomed) {
                        return next;
                    }
                    // Now look once more: a sender that saw nobody waiting has put its message in by then.
                    channel.start_waiting();
                    waiting = Some(next);
                }
            }
        }
    }

    /// Looks at the passed messages from `at` on.
    fn scan<R>(
        &mut self,
        at: &mut usize,
        look: &mut impl FnMut(&mut Message) -> Look<R>,
    ) -> Option<R> {
        let rest = self.rest.as_deref_mut()?;
        while let Some(message) = rest.passed.get_mut(*at) {
            match look(message) {
                Look::Leave => *at += 1,
                Look::Discard => drop(rest.take(*at, &self.cell)),
                Look::Take(found) => {
                    let taken = rest.take(*at, &self.cell);
                    drop(taken);
                    return Some(found);
                }
            }
        }
        None
    }

    /// Moves what has arrived to the passed messages; `at` goes back to urgent ones that are new.
    fn refill_or_wait(&mut self, at: &mut usize, waker: Option<&Waker>) -> Refill {
        let cell = &*self.cell;
        let rest = self.rest.get_or_insert_default();
        let before = rest.passed.len();
        if let Some(channel) = cell.channel() {
            if let Some(waker) = waker {
                wait(cell, &mut cell.lock(), Some(waker));
                channel.start_waiting();
            }
            while let Some(message) = pop_channel(channel) {
                rest.passed.push_back(message);
            }
            channel.set_urgent(false);
        }
        let mut state = cell.lock();
        while let Some(urgent) = state.pop_urgent() {
            *at = (*at).min(rest.insert_urgent(urgent));
        }
        state.drain_into(&mut rest.passed);
        cell.set_passed_over(rest.passed.len());
        if rest.passed.len() > before {
            if let Some(channel) = cell.channel() {
                channel.stop_waiting();
            }
            return Refill::Some;
        }
        match wait(cell, &mut state, waker) {
            Next::Doomed => Refill::Doomed,
            _ => Refill::Nothing,
        }
    }

    /// Where the mailbox ends now, if that is worth to be remembered: what waits here cannot contain a reference that is
    /// made next.
    pub(crate) fn end(&mut self) -> Option<usize> {
        if self.len() < WORTH_A_MARK {
            return None;
        }
        let mut at = usize::MAX;
        self.refill_or_wait(&mut at, None);
        self.rest.as_ref().map(|rest| rest.passed.len())
    }

    /// Nothing before `at`, the [`end`](Self::end) before it was made, contains that reference.
    pub(crate) fn mark(&mut self, number: RefNumber, at: usize) {
        self.rest.get_or_insert_default().mark(number, at);
    }

    /// Whether any reference is remembered.
    pub(crate) fn has_marks(&self) -> bool {
        self.rest.as_ref().is_some_and(|rest| rest.has_marks())
    }

    /// Where to begin to look for what contains that reference.
    pub(crate) fn start_of(&self, number: RefNumber) -> usize {
        self.rest.as_ref().map_or(0, |rest| rest.start_of(number))
    }

    /// The reference is not waited for any longer.
    pub(crate) fn unmark(&mut self, number: RefNumber) {
        if let Some(rest) = self.rest.as_deref_mut() {
            rest.unmark(number);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.cell.len()
    }

    /// Whether messages that were passed over, or urgent ones, come before those in the queue.
    pub(crate) fn take_before_channel(&mut self) -> Option<Message> {
        if let Some(urgent) = self.cell.lock().pop_urgent() {
            return Some(urgent);
        }
        let rest = self.rest.as_deref_mut()?;
        rest.take(0, &self.cell)
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let Some(rest) = self.rest.take() else { return };
        if let Some((_, timer)) = rest.armed {
            self.cell.runtime().timers().cancel(timer);
        }
        self.cell.set_passed_over(0);
    }
}

#[derive(Clone, Copy, Debug)]
enum Next {
    Message,
    Doomed,
    Nothing,
}

#[derive(Debug)]
enum Refill {
    Some,
    Doomed,
    Nothing,
}

fn wait(cell: &Cell, state: &mut State, waker: Option<&Waker>) -> Next {
    if state.stage() != Stage::Alive {
        return Next::Doomed;
    }
    if let Some(waker) = waker {
        cell.wait(state, waker);
    }
    Next::Nothing
}

fn pop_channel(channel: &Channel) -> Option<Message> {
    loop {
        match channel.pop()? {
            Message::Wake => {}
            message => return Some(message),
        }
    }
}
