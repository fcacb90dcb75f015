//! Bounded mailboxes: what happens to a message too many.

use std::mem;

use crate::cell::{Cell, State};
use crate::error::Reason;
use crate::queue::{Bound, Message, Overflow};

#[derive(Debug)]
pub(crate) struct BoundState {
    bound: Bound,
    overflowed: u64,
}

impl BoundState {
    pub(crate) const fn new(bound: Bound) -> Self {
        Self { bound, overflowed: 0 }
    }
}

impl Cell {
    /// Whether `message` may be put in; room for it is made, if it can be.
    #[cold]
    pub(crate) fn make_room(&self, state: &mut State, message: &mut Message) -> bool {
        let waiting = self.len_locked(state);
        let limits = state.relations.as_mut().and_then(|relations| relations.bound.as_mut());
        let Some(limits) = limits else { return true };
        if waiting < limits.bound.capacity {
            return true;
        }
        limits.overflowed += 1;
        self.runtime().counters().overflowed();
        match limits.bound.overflow {
            Overflow::DropNewest => {}
            Overflow::DropOldest => {
                if let Some(oldest) = self.drop_oldest(state) {
                    self.push(state, mem::replace(message, oldest));
                }
            }
            Overflow::ExitReceiver => self.doom(state, Reason::atom("mailbox_full")),
        }
        false
    }

    /// The oldest ordinary message not looked at; signals stay.
    fn drop_oldest(&self, state: &mut State) -> Option<Message> {
        if let Some(channel) = self.channel() {
            loop {
                match channel.pop()? {
                    Message::Wake => {}
                    // Was ahead of everything in the channel, and still is.
                    signal @ Message::System(_) => self.push_urgent(state, signal),
                    ordinary => return Some(ordinary),
                }
            }
        }
        state.queue.take_ordinary()
    }

    /// How many messages its bound has cost the process so far.
    pub(crate) fn overflowed(&self) -> u64 {
        let state = self.lock();
        let limits = state.relations().and_then(|relations| relations.bound.as_ref());
        limits.map_or(0, |limits| limits.overflowed)
    }
}
