//! What a mailbox keeps beside its queue: messages taken out and not yet received, and where to look among them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::abandoned::Abandoned;
use crate::cell::{Cell, State};
use crate::ids::RefNumber;
use crate::queue::{KEPT_RING, Message};

/// Marks kept: calls that wait at the same time. A forgotten mark costs a longer scan, nothing else.
const MARKS: usize = 8;

/// What few mailboxes need.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// Messages that a selective receive has looked at and left, or that were taken out together, in order.
    pub(crate) passed: VecDeque<Message>,
    /// How many of them, at the front, are urgent ones.
    urgent: usize,
    /// Where the mailbox ended when a reference was made: nothing before can contain it.
    marks: Vec<(RefNumber, usize)>,
    /// Answers to be thrown away, once a request was made that may leave one.
    pub(crate) abandoned: Option<Arc<Abandoned>>,
    /// When the clock will make the process look at its deadline, and the timer that does it.
    pub(crate) armed: Option<(Instant, RefNumber)>,
}

impl Rest {
    /// An urgent message, else the first that was passed over; `None` if none was.
    pub(crate) fn next(&mut self, cell: &Cell, state: &mut State) -> Option<Message> {
        if self.passed.is_empty() {
            return None;
        }
        let urgent = state.pop_urgent();
        if urgent.is_none() {
            cell.calm_urgency();
        }
        urgent.or_else(|| self.take(0, cell))
    }

    #[inline]
    pub(crate) fn take(&mut self, at: usize, cell: &Cell) -> Option<Message> {
        let message = if at == 0 { self.passed.pop_front()? } else { self.passed.remove(at)? };
        if self.passed.is_empty() && self.passed.capacity() > KEPT_RING {
            self.passed = VecDeque::new();
        }
        if at < self.urgent {
            self.urgent -= 1;
        }
        for (_, mark) in &mut self.marks {
            if at < *mark {
                *mark -= 1;
            }
        }
        cell.set_passed_over(self.passed.len());
        Some(message)
    }

    /// Puts an urgent message behind the urgent ones that are there; its place.
    pub(crate) fn insert_urgent(&mut self, message: Message) -> usize {
        let at = self.urgent;
        self.passed.insert(at, message);
        self.urgent += 1;
        self.marks.iter_mut().for_each(|(_, mark)| *mark += 1);
        at
    }

    /// Nothing before `at` contains that reference.
    pub(crate) fn mark(&mut self, number: RefNumber, at: usize) {
        if self.marks.len() >= MARKS {
            self.marks.remove(0);
        }
        self.marks.push((number, at));
    }

    pub(crate) const fn has_marks(&self) -> bool {
        !self.marks.is_empty()
    }

    /// Where to begin to look for what contains that reference.
    pub(crate) fn start_of(&self, number: RefNumber) -> usize {
        self.marks.iter().find(|(marked, _)| *marked == number).map_or(0, |(_, at)| *at)
    }

    pub(crate) fn unmark(&mut self, number: RefNumber) {
        self.marks.retain(|(marked, _)| *marked != number);
    }
}
