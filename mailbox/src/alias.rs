//! Aliases: references that stand for their process until they are switched off.

use term::Reference;

use crate::cell::{Cell, Sleeper, Stage};
use crate::few::Few;
use crate::ids::RefNumber;
use crate::monitor::Ended;
use crate::queue::Message;

/// When an alias ends by itself, as in `erlang:alias/1` and `erlang:monitor/3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AliasMode {
    /// Never: only `unalias` ends it.
    ExplicitUnalias,
    /// With the first message that comes through it (`alias/1` only).
    Reply,
    /// With its monitor: when that is taken away or has told its `DOWN`.
    Demonitor,
    /// With its monitor, or the first message that comes through it, which takes the monitor away as well.
    ReplyDemonitor,
}

impl AliasMode {
    /// The same for an alias that no monitor belongs to.
    pub(crate) const fn without_monitor(self) -> Self {
        match self {
            Self::ExplicitUnalias | Self::Demonitor => Self::ExplicitUnalias,
            Self::Reply | Self::ReplyDemonitor => Self::Reply,
        }
    }
}

/// One process's active aliases, by the number of the reference.
#[derive(Debug, Default)]
pub(crate) struct Aliases(Few<Alias>);

#[derive(Clone, Copy, Debug)]
struct Alias {
    mode: AliasMode,
    priority: bool,
}

impl Aliases {
    pub(crate) fn insert(&mut self, number: RefNumber, mode: AliasMode, priority: bool) {
        self.0.insert(number, Alias { mode, priority });
    }

    pub(crate) fn remove(&mut self, number: RefNumber) -> bool {
        self.0.remove(number).is_some()
    }

    /// Its monitor is no more.
    pub(crate) fn demonitored(&mut self, number: RefNumber) {
        let with_monitor =
            |alias: &Alias| matches!(alias.mode, AliasMode::Demonitor | AliasMode::ReplyDemonitor);
        if self.0.get(number).is_some_and(with_monitor) {
            self.0.remove(number);
        }
    }

    /// A message comes through it: how it is, and it ends if it ends with a message.
    fn used(&mut self, number: RefNumber) -> Option<Alias> {
        let alias = *self.0.get(number)?;
        if matches!(alias.mode, AliasMode::Reply | AliasMode::ReplyDemonitor) {
            self.0.remove(number);
        }
        Some(alias)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Cell {
    /// `alias/1`.
    pub(crate) fn alias(&self, mode: AliasMode, priority: bool) -> Reference {
        let (number, alias) = self.runtime().ids().make_alias(self.number());
        if !self.is_doomed() {
            self.lock().relations_mut().aliases.insert(number, mode, priority);
        }
        alias
    }

    /// `unalias/1`: whether it was an active alias of this process.
    pub(crate) fn unalias(&self, alias: &Reference) -> bool {
        match self.runtime().ids().alias_owner(alias) {
            Some((number, owner)) if owner == self.number() => {
                let mut state = self.lock();
                if let Some(target) = self.asking().take(number) {
                    // The monitor stays.
                    state.relations_mut().monitors.insert_call(number, target);
                    return true;
                }
                state
                    .known_relations_mut()
                    .is_some_and(|relations| relations.aliases.remove(number))
            }
            _ => false,
        }
    }

    /// A message has come through an alias; it stays where it is if that is not active. What is given back is the monitor that
    /// ended with it, of which its target is still to be told, without any lock, and then who is to be woken.
    #[inline]
    pub(crate) fn accept_through(
        &self,
        number: RefNumber,
        message: &mut Message,
        priority: bool,
    ) -> (Option<Ended>, Sleeper<'_>) {
        let mut state = self.lock();
        if let Some(target) = self.asking().take(number) {
            // Taken from one that is ending as well: its end does not look for it any more.
            return (Some(Ended::of_call(target)), self.accept_locked(&mut state, message));
        }
        let alias = match state.known_relations_mut() {
            Some(relations) => relations.aliases.used(number),
            None => None,
        };
        let Some(alias) = alias.filter(|_| state.stage() == Stage::Alive) else {
            return (None, Sleeper::Nobody);
        };
        let monitor = match alias.mode {
            AliasMode::ReplyDemonitor => Self::replied(&mut state, number),
            _ => None,
        };
        if priority && alias.priority {
            self.push_urgent(&mut state, std::mem::replace(message, Message::Wake));
            return (monitor, Sleeper::Nobody);
        }
        (monitor, self.accept_locked(&mut state, message))
    }

    /// Whether a priority exit signal through this alias goes ahead: `None` if it is not active. No alias ends with one, as
    /// seen on OTP 29.
    pub(crate) fn alias_priority(&self, number: RefNumber) -> Option<bool> {
        let state = self.lock();
        if self.asking().is(number) {
            return Some(false);
        }
        Some(state.relations()?.aliases.0.get(number)?.priority)
    }
}
