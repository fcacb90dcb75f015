//! The handshake (erl_dist_protocol, "Distribution Handshake"): two machines, one for each end of the connection.
//!
//! A machine takes one message and consumes itself; what it becomes says what may happen next, so that a message out
//! of turn has no method to call. Bytes to be sent come out as messages without their length ([`Prefix::frame`] adds
//! it). Randomness, cookies and every decision about other connections come in from the caller. Nothing is
//! remembered about a name a peer claims until its digest proves the cookie.
//!
//! | file | what |
//! | --- | --- |
//! | `message` | what travels: names, status, challenge, reply, acknowledgement |
//! | `digest` | the proof of the cookie |
//! | `initiator` | the end that dialled |
//! | `acceptor` | the end that listened |
//!
//! [`Prefix::frame`]: super::frame::Prefix::frame

pub mod acceptor;
pub mod digest;
pub mod initiator;
pub mod message;

use term::Atom;
use thiserror::Error;

use super::flags::Flags;
use message::{MessageError, Status};

/// How the node that runs a machine presents itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalNode {
    /// Full node name.
    pub name: Atom,
    /// Creation of this life of the node; not 0.
    pub creation: u32,
    /// The flags to offer ([`Flags::offer`]).
    pub flags: Flags,
}

/// The other end, after its digest was right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Full node name; one that we granted if the peer asked for a name.
    pub name: Atom,
    /// Creation of this life of the peer.
    pub creation: u32,
    /// The flags it offered.
    pub offered: Flags,
    /// The flags that hold for the connection: offered by both.
    pub flags: Flags,
}

impl Peer {
    /// Whether it is a hidden node: the connection then shows in `nodes(hidden)` only.
    ///
    /// As in OTP, both ends must publish themselves for a connection to be a visible one.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        !self.flags.contains(Flags::PUBLISHED)
    }
}

/// Why a handshake came to nothing: the connection is to be closed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// A message that cannot be read, or not in this place.
    #[error("the handshake failed: {0}")]
    Message(#[from] MessageError),
    /// The peer lacks flags without which no node since OTP 26 talks to another.
    #[error(
        "{peer} cannot talk to us: it lacks the flags {missing}; it runs something older than OTP 25, or a library that imitates one"
    )]
    MissingFlags {
        /// The peer's name, as it gave it.
        peer: Atom,
        /// What it lacks.
        missing: Flags,
    },
    /// The peer's digest is wrong.
    #[error(
        "{peer} has another cookie: give both nodes the same one (see ~/.erlang.cookie and the cookie option)"
    )]
    BadCookie {
        /// The peer's name, as it gave it.
        peer: Atom,
    },
    /// The peer goes by our own name.
    #[error(
        "a node that calls itself {0} wants to connect to us, and that is our own name: two nodes were started with one name"
    )]
    OwnName(Atom),
    /// The node that answered is not the one dialled.
    #[error("dialled {wanted}, but {found} answered: the port belongs to another node")]
    WrongNode {
        /// Who was dialled.
        wanted: Atom,
        /// Who answered.
        found: String,
    },
    /// Status `not_allowed`.
    #[error(
        "{0} does not allow us to connect: it misses a flag of ours, or its list of allowed nodes leaves us out"
    )]
    NotAllowed(Atom),
    /// Status `nok`: the peer is dialling us, and its attempt is the one that counts.
    #[error("{0} is connecting to us at the same time, and its connection is the one that counts")]
    Simultaneous(Atom),
    /// We refused: the caller decided so.
    #[error("refused {peer} with status {status}")]
    Refused {
        /// The peer's name, as it gave it.
        peer: Atom,
        /// What it was told.
        status: Status,
    },
    /// To the status `alive` the peer answered `false`, or we did.
    #[error("{0} still has its connection to us and did not give it up for this one")]
    StillAlive(Atom),
    /// A status that is an answer to something else.
    #[error("unexpected status {status} from {peer}")]
    UnexpectedStatus {
        /// The peer's name.
        peer: Atom,
        /// What it sent.
        status: Status,
    },
}

/// A handshake that failed, and what is still to be told the peer before closing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{error}")]
pub struct Failure {
    /// Why.
    #[source]
    pub error: HandshakeError,
    /// A message to send before closing.
    pub farewell: Option<Vec<u8>>,
}

impl Failure {
    fn telling(status: &Status, error: HandshakeError) -> Self {
        Self { error, farewell: Some(status.encode()) }
    }
}

impl<E: Into<HandshakeError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), farewell: None }
    }
}

#[cfg(test)]
mod tests;
