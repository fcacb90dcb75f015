//! Who called, and how to reply: at once, later, from another process or from none.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::Serialize;
use term::{EncodeError, Pid, Reference, Term};

use crate::call_parts::{CallFrom, Tag};
use crate::cell::Cell;
use crate::payload::{Payload, ReplyMessage};
use crate::process::Process;
use crate::signal::Dest;
use crate::trace::Token;

/// The `From` of a call. Kept, cloned or given to others, it [replies](Self::reply) whenever there is a reply.
///
/// Only the first reply counts, and none after the caller gave up: its alias is off then.
#[derive(Clone)]
pub struct Caller {
    from: CallFrom,
    /// In whose name replies go out.
    server: Arc<Cell>,
    /// The sequential trace token of the call.
    token: Option<Token>,
}

impl Caller {
    #[inline]
    pub(crate) fn new(from: CallFrom, server: &Process) -> Self {
        Self { from, server: Arc::clone(server.cell()), token: server.trace_token().cloned() }
    }

    /// The `From` in a `{'$gen_call', From, Request}` that `process` has received by itself: any `{Pid, Tag}`.
    #[must_use]
    pub fn from_term(from: &Term, process: &Process) -> Option<Self> {
        CallFrom::of_term(from.root()).map(|from| Self::new(from, process))
    }

    /// Who called.
    #[must_use]
    pub const fn pid(&self) -> &Pid {
        &self.from.pid
    }

    /// The alias that is all the reply needs, as today's callers make it.
    pub(crate) const fn alias(&self) -> Option<&Reference> {
        match &self.from.tag {
            Tag::Alias(alias) => Some(alias),
            Tag::InAlias(..) | Tag::Other(_) => None,
        }
    }

    /// `{Pid, Tag}`, as `gen_server` has it.
    #[must_use]
    pub fn to_term(&self) -> Term {
        Term::from((self.from.pid.clone(), self.from.tag.to_term()))
    }

    /// Replies (`gen_server:reply/2`).
    ///
    /// A value that cannot be a term (a float that is not finite, say) leaves the caller without a reply; that is logged.
    pub fn reply<T: Serialize + 'static>(&self, reply: T) {
        if let Err(error) = self.try_reply(reply) {
            tracing::error!(caller = %self.from.pid, %error, "a reply that cannot be a term was not sent");
        }
    }

    /// The same, and says if the value cannot be a term.
    ///
    /// # Errors
    /// So; nothing was sent.
    pub fn try_reply<T: Serialize + 'static>(&self, reply: T) -> Result<(), EncodeError> {
        self.reply_payload(Payload::new(reply)?);
        Ok(())
    }

    /// Replies with what is a payload already (`gen:reply/2`): through the alias where the tag has one, else to the pid.
    pub fn reply_payload(&self, value: Payload) {
        let (to, payload) = match &self.from.tag {
            Tag::Alias(alias) => (
                Dest::Alias(alias.clone()),
                Some(Payload::reply(ReplyMessage { tag: alias.clone(), value })),
            ),
            Tag::InAlias(alias, tag) => (Dest::Alias(alias.clone()), tagged(tag, value)),
            Tag::Other(tag) => (Dest::Pid(self.from.pid.clone()), tagged(tag, value)),
        };
        if let Some(payload) = payload {
            self.server.runtime().route_payload(
                Some(&self.server),
                to,
                payload,
                self.token.as_ref().map(|token| token.next(self.server.pid())),
            );
        }
    }
}

/// `{Tag, Reply}`; none if the reply came as bytes that are no term, of which their connection has been told.
fn tagged(tag: &Term, value: Payload) -> Option<Payload> {
    value.into_term().ok().map(|reply| Payload::from(Term::from((tag, reply))))
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Caller({})", self.from.pid)
    }
}

impl PartialEq for Caller {
    fn eq(&self, other: &Self) -> bool {
        self.from == other.from
    }
}

impl Eq for Caller {}

impl Hash for Caller {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.from.hash(state);
    }
}
