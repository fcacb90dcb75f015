//! Why a call of a function on another node gave no value.

use term::{Atom, Term, term};

use crate::export::Exception;

/// Why a call of a function on another node gave no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// *Connection lost*, or it could not be made. The function may have been called or not.
    #[error("no connection to {0}: it was lost, or could not be made (noconnection)")]
    ConnectionLost(Atom),
    /// *Not there*: the other node has no such function, or does not let others call it (`undef`).
    #[error("{module}:{function}/{arity} is not there, or not exported (undef)")]
    NotThere {
        /// The module asked for.
        module: Atom,
        /// The function asked for.
        function: Atom,
        /// With so many arguments.
        arity: usize,
        /// The stack trace, as it came.
        stack: Term,
    },
    /// *Refused*: the other node does not do such things (`notsup`), has no room (`system_limit`), or the arguments are no list or
    /// tuple (`badarg`).
    #[error("the call was refused: {0}")]
    Refused(Term),
    /// *Crashed*: the function raised an exception.
    #[error("the function that was called raised {exception:?}; stack: {stack}")]
    Raised {
        /// What it raised.
        exception: Exception,
        /// Where, as a stack trace; `[]` for what is no `error`.
        stack: Term,
    },
    /// *Crashed*: an exit signal ended the process that ran the function.
    #[error("the process that ran the function was ended by an exit signal: {0}")]
    Killed(Term),
    /// *Timed out*. A late result is never seen; a Rust node ends the work.
    #[error("no result in time (timeout)")]
    TimedOut,
    /// The result is not of the type asked for.
    #[error("the result is not what was asked for: {0}")]
    BadReply(String),
}

impl RemoteError {
    /// `{Class, Reason}` of the exception that `erpc:call/4` raises for it.
    #[must_use]
    pub fn to_erpc(&self) -> Term {
        match self {
            Self::ConnectionLost(_) => term!({error, {erpc, 'noconnection}}),
            Self::Refused(reason) => term!({error, {erpc, reason}}),
            Self::NotThere { stack, .. } => term!({error, {exception, 'undef, stack}}),
            Self::Raised { exception: Exception::Error(reason), stack } => {
                term!({error, {exception, reason, stack}})
            }
            Self::Raised { exception: Exception::Exit(reason), .. } => {
                term!({exit, {exception, reason}})
            }
            Self::Raised { exception: Exception::Throw(value), .. } => term!({throw, value}),
            Self::Killed(reason) => term!({exit, {signal, reason}}),
            Self::TimedOut => term!({error, {erpc, 'timeout}}),
            Self::BadReply(text) => term!({error, {bad_reply, text}}),
        }
    }

    /// What `rpc:call/4` returns for it: `{badrpc, Reason}`, or the value that was thrown.
    #[must_use]
    pub fn to_rpc(&self) -> Term {
        let exit = |reason: &Term| term!({badrpc, {EXIT, reason}});
        match self {
            Self::ConnectionLost(_) => term!({badrpc, 'nodedown}),
            Self::TimedOut => term!({badrpc, 'timeout}),
            Self::Raised { exception: Exception::Throw(value), .. } => value.clone(),
            Self::Raised { exception: Exception::Exit(reason), .. } | Self::Killed(reason) => {
                exit(reason)
            }
            Self::NotThere { stack, .. } => exit(&term!({'undef, stack})),
            Self::Raised { exception: Exception::Error(reason), stack } => {
                exit(&Term::from((reason, stack)))
            }
            Self::Refused(reason) => exit(&term!({(reason), []})),
            Self::BadReply(text) => exit(&term!({bad_reply, text})),
        }
    }
}
