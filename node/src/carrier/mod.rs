//! The transmission channel between two nodes, as a trait: what Erlang replaces with `-proto_dist`.
//!
//! The distribution protocol asks little of what carries it: bytes arrive, in order, once, and the end of the stream is
//! seen. A [`Carrier`] brings that; everything above it (handshake, frames, ticks, messages) is the same whatever the
//! carrier. TCP is in [`tcp`], TLS in [`tls`], Unix sockets in [`local`]; the [`guide`] sets each up beside a BEAM, and anybody
//! may bring another.
//!
//! # The contract
//!
//! * **Reliable and ordered.** No byte is lost, repeated or swapped; a channel that cannot go on ends with an error.
//! * **Two halves.** Reading and writing go on at the same time from two tasks, and neither waits for the other.
//! * **The end is seen.** `poll_shutdown` of the writing half flushes and tells the peer; the peer's reads then yield 0.
//! * **Nothing waits in `accept`.** Whatever takes time with one stranger (a TLS handshake) belongs into
//!   [`Incoming::channel`], which runs under that stranger's own deadline.
//! * **Both ends agree on the handshake's length prefix**: 2 bytes as `inet_tcp_dist`, or 4 as `inet_tls_dist`.

#[doc = include_str!("guide.md")]
pub mod guide {}
#[cfg(unix)]
pub mod local;
pub mod tcp;
pub mod tls;

mod choice;
#[cfg(target_os = "linux")]
mod flood;
#[cfg(target_os = "linux")]
mod low_water;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

pub use crate::proto::frame::Prefix;
#[cfg(unix)]
pub use local::Local;
pub use tcp::{Tcp, TcpOptions};
pub use tls::{Tls, TlsOptions};

pub(crate) use choice::{Carriers, Route};

/// What an asynchronous method of these traits returns: boxed, so that carriers can be chosen at run time.
pub type Promise<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A way of carrying bytes between nodes.
///
/// A node may have several: it then listens on all of them, and dials a peer over the first that knows where the peer is
/// ([`Carrier::locate`]), else over the first that understands the address that epmd gave ([`Carrier::reaches`]).
pub trait Carrier: fmt::Debug + Send + Sync + 'static {
    /// The name for logs and for the ready line: `tcp`, `tls`, `local`.
    fn name(&self) -> &'static str;

    /// The size of the length before each message of the handshake: 2 bytes as `inet_tcp_dist`, or 4 as
    /// `inet_tls_dist` (which the protocol's guide does not say). Afterwards it is 4 everywhere.
    fn handshake_prefix(&self) -> Prefix {
        Prefix::Two
    }

    /// Binds the place where peers of `node` (its full name, `rust@myhost`) reach it.
    ///
    /// The listener is open when the promise resolves: a peer that connects from then on waits in its backlog.
    fn listen<'a>(&'a self, node: &'a str) -> Promise<'a, io::Result<Box<dyn Listener>>>;

    /// Connects to the listener of `node` at `to`. A carrier that can tell who answers checks that it is `node`'s host.
    fn connect<'a>(&'a self, node: &'a str, to: &'a Address) -> Promise<'a, io::Result<Channel>>;

    /// Whether [`Carrier::connect`] understands an address of this kind.
    fn reaches(&self, address: &Address) -> bool {
        let _ = address;
        true
    }

    /// Whether those who can see or reach the channel's bytes are kept from reading and changing them. A node that listens
    /// beyond its own machine on a channel without that warns of it when it starts.
    fn is_private(&self) -> bool {
        false
    }

    /// Where `node` listens, when that follows from its name; `None` when somebody else (epmd) must be asked.
    fn locate(&self, node: &str) -> Option<Address> {
        let _ = node;
        None
    }
}

/// Where peers come in.
pub trait Listener: fmt::Debug + Send {
    /// Where it listens.
    fn address(&self) -> Address;

    /// Waits for the next stranger. An error does not end the listener: the caller waits a little and asks again.
    fn accept(&mut self) -> Promise<'_, io::Result<Incoming>>;
}

/// A stranger at the door.
pub struct Incoming {
    /// Where it comes from, for logs and allow-lists.
    pub peer: Address,
    /// What is left to do until bytes of the distribution protocol can flow; nothing on plain TCP.
    pub channel: Promise<'static, io::Result<Channel>>,
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// An open channel: two halves, and whom it leads to.
pub struct Channel {
    /// What the peer sends.
    pub reader: Box<dyn AsyncRead + Send + Unpin>,
    /// What we send. Vectored writes are used where [`AsyncWrite::is_write_vectored`] says they pay.
    pub writer: Box<dyn AsyncWrite + Send + Unpin>,
    /// The other end.
    pub peer: Address,
    /// Who the channel itself proved the peer to be (the host names of a verified certificate); empty where it proves
    /// nothing, as on TCP.
    pub identity: Vec<String>,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("peer", &self.peer)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// The place of a listener or of a peer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An IP address and a port.
    Socket(SocketAddr),
    /// A socket in the file system.
    Path(PathBuf),
    /// Whatever a carrier of the user's own understands.
    Named(String),
}

impl Address {
    /// The port, where there is one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Socket(address) => Some(address.port()),
            Self::Path(_) | Self::Named(_) => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => address.fmt(f),
            Self::Path(path) => path.display().fmt(f),
            Self::Named(name) => name.fmt(f),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Socket(address)
    }
}
