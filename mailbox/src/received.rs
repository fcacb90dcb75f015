//! Everything that can come out of a mailbox.

use std::any::Any;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use term::{Atom, DecodeError, Pid, Reference, Term};

use crate::error::Reason;
use crate::payload::{Payload, ReadError};
use crate::queue::System;

/// What came: a message, or what a signal has turned into.
///
/// Unlike in Erlang the two are told apart for certain: a message that somebody sent is a [`Received::Message`] even if it
/// looks like `{'EXIT', Pid, Reason}`.
#[derive(Clone, Debug)]
pub enum Received {
    /// A message.
    Message(Payload),
    /// `{'EXIT', From, Reason}`: a linked process has ended, or somebody called `exit/2`; only where exits are trapped.
    Exit {
        /// Who ended, or called.
        from: Pid,
        /// Why.
        reason: Term,
    },
    /// `{'DOWN', Reference, process, Object, Reason}`: a monitor has fired.
    Down {
        /// The monitor.
        reference: Reference,
        /// The pid that was monitored, or `{Name, Node}`.
        object: Term,
        /// Why it ended; `noproc`, `noconnection`.
        reason: Term,
        /// What stands in the place of `'DOWN'`, if the monitor was made with a tag.
        tag: Option<Term>,
    },
    /// `{nodeup, Node}`.
    NodeUp(Atom),
    /// `{nodedown, Node}`.
    NodeDown(Atom),
}

impl Received {
    /// The message as Erlang sees it.
    ///
    /// # Errors
    /// If it came as bytes that are no term.
    pub fn into_term(self) -> Result<Term, DecodeError> {
        match self {
            Self::Message(payload) => payload.into_term(),
            signal => Ok(signal.into_term_infallible()),
        }
    }

    /// The same for what is no ordinary message.
    pub(crate) fn into_term_infallible(self) -> Term {
        match self {
            Self::Message(payload) => payload.into_term().unwrap_or_default(),
            Self::Exit { from, reason } => Term::from((Atom::from_static("EXIT"), from, reason)),
            Self::Down { reference, object, reason, tag } => {
                let tag = tag.unwrap_or_else(|| Term::from(Atom::from_static("DOWN")));
                Term::from((tag, reference, Atom::from_static("process"), object, reason))
            }
            Self::NodeUp(node) => Term::from((Atom::from_static("nodeup"), node)),
            Self::NodeDown(node) => Term::from((Atom::from_static("nodedown"), node)),
        }
    }

    /// This as a `T`: itself, or what serde makes of the term.
    pub(crate) fn read_as<T: DeserializeOwned + 'static>(self) -> Result<T, Reason> {
        let mut slot: Option<T> = None;
        let any: &mut dyn Any = &mut slot;
        if let Some(slot) = any.downcast_mut::<Option<Self>>() {
            *slot = Some(self);
        } else {
            let read = Payload::from(self.into_term_infallible()).read();
            slot = Some(read.map_err(|error| Reason::text("bad_message", &error.to_string()))?);
        }
        slot.ok_or_else(|| Reason::atom("bad_message"))
    }

    /// A message as a `T`.
    pub(crate) fn read_payload<T: DeserializeOwned + 'static>(
        mut payload: Payload,
    ) -> Result<T, ReadError> {
        Self::read_out(&mut payload)
    }

    /// The same from where the payload lies; `[]` may be left in its place.
    #[inline(always)]
    pub(crate) fn read_out<T: DeserializeOwned + 'static>(
        payload: &mut Payload,
    ) -> Result<T, ReadError> {
        let mut slot: Option<T> = None;
        let any: &mut dyn Any = &mut slot;
        if let Some(slot) = any.downcast_mut::<Option<Self>>() {
            *slot = Some(Self::Message(payload.take()));
        } else {
            return payload.read_out();
        }
        slot.ok_or_else(|| ReadError::Mismatch(serde::de::Error::custom("no value")))
    }

    fn signal_in(term: &Term) -> Option<Self> {
        let tuple = term.as_tuple()?;
        let tag = tuple.get(0)?.as_atom()?;
        match tuple.len() {
            2 if tag == *"nodeup" => Some(Self::NodeUp(tuple.get(1)?.as_atom()?.to_atom())),
            2 if tag == *"nodedown" => Some(Self::NodeDown(tuple.get(1)?.as_atom()?.to_atom())),
            3 if tag == *"EXIT" => {
                Some(Self::Exit { from: tuple.get(1)?.as_pid()?, reason: tuple.get(2)?.to_term() })
            }
            5 if tag == *"DOWN" && tuple.get(2)?.is_atom("process") => Some(Self::Down {
                reference: tuple.get(1)?.as_reference()?,
                object: tuple.get(3)?.to_term(),
                reason: tuple.get(4)?.to_term(),
                tag: None,
            }),
            _ => None,
        }
    }
}

impl From<System> for Received {
    fn from(system: System) -> Self {
        match system {
            System::Exit { from, reason, token: _ } => Self::Exit { from, reason },
            System::Down { tag, reference, object, reason } => {
                Self::Down { reference, object, reason, tag }
            }
            System::NodeUp(node) => Self::NodeUp(node),
            System::NodeDown(node) => Self::NodeDown(node),
        }
    }
}

impl<'de> Deserialize<'de> for Received {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let term = Term::deserialize(deserializer)?;
        Ok(Self::signal_in(&term).unwrap_or_else(|| Self::Message(Payload::from(term))))
    }
}
