//! Why a call came to nothing.

use term::{Atom, EncodeError, Term};

use crate::error::{Reason, SpawnError};
use crate::payload::ReadError;

/// Why a call has no reply.
///
/// `?` in a process function makes the [`reason`](Self::reason) its exit reason, as `gen_server:call/3` exits its caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// *Not there*: no such process, or nobody of that name; `noproc`.
    #[error("there is no such process to call (noproc)")]
    NotThere,
    /// *Refused*: nothing was sent, and this says why.
    #[error("the call was refused before it was sent: {0}")]
    Refused(String),
    /// *Crashed*: the process ended before it replied, with this exit reason.
    #[error("the process that was called ended before it replied: {0}")]
    Crashed(Term),
    /// *Connection lost*: to this node, or it could not be made; `{nodedown, Node}`.
    #[error("no connection to {0}: it was lost, or could not be made (nodedown)")]
    ConnectionLost(Atom),
    /// *Timed out*: no reply in time. A late one is dropped, and never seen.
    #[error("no reply in time (timeout)")]
    TimedOut,
    /// A process that waits for its own reply would wait for ever; `calling_self`.
    #[error("a process cannot call itself (calling_self)")]
    CallingSelf,
    /// The reply came, and is not of the type asked for.
    #[error("{0}")]
    BadReply(String),
    /// The calling process is itself to end, with this reason.
    #[error("the caller is to end: {0}")]
    Exiting(Reason),
}

impl CallError {
    /// The `Reason` that `gen_server:call/3` exits with, as in `exit:{Reason, {gen_server, call, _}}`.
    ///
    /// `{refused, Text}` and `{bad_reply, Text}` are what Erlang has no word for.
    #[must_use]
    pub fn reason(&self) -> Term {
        let atom = |name| Term::from(Atom::from_static(name));
        match self {
            Self::NotThere => atom("noproc"),
            Self::Refused(text) => Term::from((Atom::from_static("refused"), text.as_str())),
            Self::Crashed(reason) => reason.clone(),
            Self::ConnectionLost(node) => Term::from((Atom::from_static("nodedown"), node)),
            Self::TimedOut => atom("timeout"),
            Self::CallingSelf => atom("calling_self"),
            Self::BadReply(text) => Term::from((Atom::from_static("bad_reply"), text.as_str())),
            Self::Exiting(reason) => reason.to_term(),
        }
    }

    /// What a monitor's `DOWN` means for who waits for a reply of a process on `node`.
    pub(crate) fn of_down(reason: Term, node: &Atom) -> Self {
        if reason.is_atom("noproc") {
            Self::NotThere
        } else if reason.is_atom("noconnection") {
            Self::ConnectionLost(node.clone())
        } else {
            Self::Crashed(reason)
        }
    }
}

impl From<EncodeError> for CallError {
    fn from(error: EncodeError) -> Self {
        Self::Refused(format!("the request cannot be a term: {error}"))
    }
}

impl From<SpawnError> for CallError {
    fn from(error: SpawnError) -> Self {
        Self::Refused(format!("there is no process to call from: {error}"))
    }
}

impl From<ReadError> for CallError {
    fn from(error: ReadError) -> Self {
        Self::BadReply(match error {
            ReadError::Undecodable(error) => format!("the reply is no term: {error}"),
            ReadError::Mismatch(error) => format!("the reply is not what was asked for: {error}"),
        })
    }
}
