//! A call of one local process to another: its monitor and its alias, in one slot that the asker fills without a lock.
//!
//! Nearly all who call wait for the reply before they call again. The one monitor and the one alias that they have in the meantime
//! are these two words of their cell; what is asked besides goes where every monitor and every alias is.

use std::sync::Arc;

use term::{Atom, Term};

use crate::alias::AliasMode;
use crate::cell::{Cell, Stage, State};
use crate::ids::{Number, RefNumber};
use crate::monitor::Ended;
use crate::queue::Message;
use crate::sync::atomic::{AtomicU64, Ordering};

/// No reference has this number: they are counted from 1.
const NONE: RefNumber = 0;

/// A monitor of a local process with an alias that ends with the first message through it.
///
/// Filled only by the code that is the process, and only when it is empty; emptied under the process's lock. Whoever else knows
/// the number has it from a message that was sent after the slot was filled.
#[derive(Debug)]
pub(crate) struct Asking {
    number: AtomicU64,
    target: AtomicU64,
}

impl Asking {
    pub(crate) const fn new() -> Self {
        Self { number: AtomicU64::new(NONE), target: AtomicU64::new(0) }
    }

    /// For the process itself: whether the slot was empty, and is this call's now.
    #[inline]
    fn fill(&self, number: RefNumber, target: Number) -> bool {
        // Against the store in `empty`: whoever emptied it has read the target by then.
        if self.number.load(Ordering::Acquire) != NONE {
            return false;
        }
        self.target.store(target.key(), Ordering::Relaxed);
        self.number.store(number, Ordering::Release);
        true
    }

    /// Whether the call of this number is under way.
    #[inline]
    pub(crate) fn is(&self, number: RefNumber) -> bool {
        // A made-up alias may well have the number that no reference has.
        number != NONE && self.number.load(Ordering::Acquire) == number
    }

    /// Whether any call is under way.
    pub(crate) fn is_any(&self) -> bool {
        self.number.load(Ordering::Acquire) != NONE
    }

    /// Ends the call of this number, if it is under way: whom it watched. Under the process's lock.
    #[inline]
    pub(crate) fn take(&self, number: RefNumber) -> Option<Number> {
        self.is(number).then(|| self.empty())
    }

    /// The same, whichever call it is.
    pub(crate) fn take_any(&self) -> Option<(RefNumber, Number)> {
        let number = self.number.load(Ordering::Acquire);
        (number != NONE).then(|| (number, self.empty()))
    }

    fn empty(&self) -> Number {
        let target = Number::from_key(self.target.load(Ordering::Relaxed));
        self.number.store(NONE, Ordering::Release);
        target
    }
}

impl Cell {
    /// The first half of a call to a local process: this side of its monitor and alias. How many messages wait in the mailbox, at
    /// least. Only for the process itself.
    #[inline]
    pub(crate) fn prepare_to_ask(&self, target: Number, number: RefNumber) -> usize {
        if self.asking().fill(number, target) {
            // Calm, it has nothing but what was passed over.
            return if self.is_calm() { self.passed_over() } else { self.len() };
        }
        let mut state = self.lock();
        let relations = state.relations_mut();
        relations.aliases.insert(number, AliasMode::ReplyDemonitor, false);
        relations.monitors.insert_call(number, target);
        self.len_locked(&state)
    }

    /// The second half: the other side of the monitor, and the message, under one lock.
    #[inline]
    pub(crate) fn ask(self: &Arc<Self>, target: Number, number: RefNumber, message: &mut Message) {
        let asked = self.runtime().table().with(target, |cell| {
            let mut state = cell.lock();
            if state.stage() == Stage::Closed {
                return false;
            }
            state.relations_mut().watchers.insert_local(number, self.number());
            let sleeper = cell.accept_locked(&mut state, message);
            drop(state);
            sleeper.wake();
            true
        });
        if asked != Some(true) {
            self.down(number, Term::from(Atom::from_static("noproc")), None);
        }
    }

    /// Takes the monitor of a call's alias away, because the reply has come; see [`crate::alias`].
    pub(crate) fn replied(state: &mut State, number: RefNumber) -> Option<Ended> {
        state.known_relations_mut()?.monitors.remove(number)
    }
}
