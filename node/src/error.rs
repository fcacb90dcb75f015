//! Why a node does not start: one line each, saying what happened, where we looked, and how to fix it.

use std::io;
use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use crate::cookie::CookieError;
use crate::epmd::EpmdFailure;
use crate::name::NameError;

/// Why a node does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The name is none, or is of the other kind.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The cookie cannot be read or made.
    #[error(transparent)]
    Cookie(#[from] CookieError),
    /// The node has stopped, and does not start again.
    #[error("the node has stopped: build another, which gets a creation of its own")]
    Stopped,
    /// Another node of this name runs on this machine.
    #[error(
        "the name {name} is taken: epmd at {epmd} knows another Erlang node by it. Choose another name, or \
         stop that node (`epmd -names` lists them)"
    )]
    NameTaken {
        /// The part of our name before `@`.
        name: String,
        /// The epmd that refused it.
        epmd: SocketAddr,
    },
    /// An epmd was asked for that somebody else runs, and there is none.
    #[error(
        "no epmd on port {port} of this machine ({error}), and an external one was asked for: start one with \
         `epmd -daemon`, correct --epmd-port or ERL_EPMD_PORT, or let this node serve one with --epmd auto"
    )]
    NoEpmd {
        /// Where we looked, on the loopback interfaces.
        port: u16,
        /// What the operating system said.
        error: io::Error,
    },
    /// Something answers on epmd's port, or does not even answer, and it is no epmd.
    #[error(
        "port {} of this machine is open, and what listens there does not behave as epmd ({error}): stop it, or \
         choose another port with --epmd-port or ERL_EPMD_PORT, the same for every node here",
        .epmd.port()
    )]
    NotEpmd {
        /// Who was asked.
        epmd: SocketAddr,
        /// What it did.
        error: EpmdFailure,
    },
    /// Our own epmd was asked for, and its port is taken.
    #[error(
        "cannot serve epmd: {address} is taken ({error}). If that is an epmd, use it with --epmd auto, else choose \
         another port with --epmd-port or ERL_EPMD_PORT, the same for every node here"
    )]
    EpmdPortTaken {
        /// Where it would have listened.
        address: SocketAddr,
        /// What the operating system said.
        error: io::Error,
    },
    /// Our own epmd could not listen for another reason.
    #[error(
        "cannot serve epmd at {address}: {error}. Correct --interface or --epmd-port, or use --epmd external"
    )]
    EpmdListen {
        /// Where it would have listened.
        address: SocketAddr,
        /// What the operating system said.
        error: io::Error,
    },
    /// Every port that the node may listen on is taken.
    #[error(
        "no free port from {low} to {high} on {interface} for the distribution listener: widen --port-min and \
         --port-max, or stop what holds them"
    )]
    PortsExhausted {
        /// Lowest port of the range.
        low: u16,
        /// Highest port of the range.
        high: u16,
        /// The address we listen on.
        interface: IpAddr,
    },
    /// The node cannot listen for another reason.
    #[error("cannot listen on {at}: {error}. --interface must be an address of this machine")]
    Listen {
        /// Where it would have listened.
        at: String,
        /// What the operating system said.
        error: io::Error,
    },
    /// A carrier cannot listen.
    #[error("cannot listen over {carrier}: {error}")]
    Carrier {
        /// The carrier's name.
        carrier: &'static str,
        /// What the operating system, or the carrier, said.
        error: io::Error,
    },
    /// What stands in epmd's place did not take the node.
    #[error("the node cannot be made known to others: {0}")]
    NotAnnounced(io::Error),
    /// Settings that contradict one another or the protocol.
    #[error("{0}")]
    Setting(String),
    /// The node was to be given its name, and was not.
    #[error(
        "no name from {peer}: {why}. Start that node first, give this one the same cookie, or choose a name for it"
    )]
    NoNameGiven {
        /// Who was asked.
        peer: String,
        /// What came of it.
        why: String,
    },
    /// The operating system has no randomness for us; challenges and creations need it.
    #[error("the operating system gives no random numbers: {0}")]
    Randomness(io::Error),
}
