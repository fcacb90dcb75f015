//! An epmd within this process, for hosts where none runs: real `erl` nodes register at it and find one another.
//!
//! It serves what nodes need and no more. Registrations are taken from this machine only. KILL is answered `NO`, as
//! the C epmd answers while nodes live; STOP is closed on, as there; DUMP gets an empty dump. A request has one
//! deadline, however its bytes drip in, and when too many strangers stand at the door or no descriptor is left, the one
//! that has waited longest goes: an honest one needs a millisecond.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::table::{HeldName, RegisterError, Table};
use crate::error::StartError;
use crate::proto::epmd::{
    Alive2Response, EpmdError, MAX_REQUEST, NamesResponse, Registration, Request,
};

/// From the first byte of a request to the last of its answer. The C epmd waits 60 s, renewed with each byte; a request
/// is one packet of a connection just made, so this is for the slowest of networks.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Requests under way at once, a listener. Each costs a descriptor and a few kilobytes.
const MAX_PENDING: usize = 256;
/// Callers that wait in the kernel until they are accepted; it has its own maximum (`net.core.somaxconn`).
const BACKLOG: i32 = 4_096;
/// How long to wait after a failed `accept`: no event says when descriptors come back.
const AFTER_FAILURE: Duration = Duration::from_millis(20);
/// A failing `accept` says so in the log at most this often.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// A running epmd. Dropping it closes its listeners and the connections of all who are registered.
pub struct Server {
    table: Arc<Table>,
    addresses: Vec<SocketAddr>,
    stop: CancellationToken,
    _stop_when_dropped: DropGuard,
}

impl Server {
    /// Serves an epmd on `port`, for a node that listens on `interface`: on the loopback interfaces only when the node
    /// does, on all when the node does, else on that one and the loopback interfaces, where the nodes of this machine
    /// register. Of both families, where the machine has both.
    ///
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// When the port is taken, or cannot be listened on.
    pub fn bind(port: u16, interface: IpAddr) -> Result<Self, StartError> {
        Self::bind_with(port, interface, |_| Ok::<_, StartError>(())).map(|(server, ())| server)
    }

    /// As [`Server::bind`], with something done after the port is ours and before anybody is served: the place to
    /// register a name of our own that nobody can have taken.
    pub(super) fn bind_with<T, E: From<StartError>>(
        port: u16,
        interface: IpAddr,
        first: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<(Self, T), E> {
        let listeners = listen(port, interface)?;
        let addresses: Vec<_> =
            listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        let stop = CancellationToken::new();
        let server = Self {
            table: Arc::new(Table::new().map_err(StartError::Randomness)?),
            addresses,
            _stop_when_dropped: stop.clone().drop_guard(),
            stop,
        };
        let done = first(&server)?;
        for listener in listeners {
            let visit = Visit { table: Arc::clone(&server.table), stop: server.stop.clone() };
            let accept = accept_loop(listener, visit);
            let stop = server.stop.clone();
            tokio::spawn(async move { stop.run_until_cancelled(accept).await });
        }
        Ok((server, done))
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Registers a node of this process, without a connection, until the answer is dropped.
    ///
    /// # Errors
    /// When another node holds the name, or it is none that a node has.
    pub fn register(&self, node: Registration) -> Result<HeldName, RegisterError> {
        self.table.register(node)
    }

    /// How many names are registered, this process's own among them.
    #[must_use]
    pub fn registered(&self) -> usize {
        self.table.len()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// Where a server for a node on `interface` listens, the required address first.
fn interfaces(interface: IpAddr) -> Vec<IpAddr> {
    let loopbacks = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let all = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    let mut list = vec![interface];
    let others = if interface.is_unspecified() { all } else { loopbacks };
    list.extend(others.into_iter().filter(|other| *other != interface));
    list
}

fn listen(mut port: u16, interface: IpAddr) -> Result<Vec<TcpListener>, StartError> {
    let mut listeners = Vec::new();
    for ip in interfaces(interface) {
        let address = SocketAddr::new(ip, port);
        match listen_on(address) {
            Ok(listener) => {
                // Port 0 is for tests: all listeners then share the port that the first one got.
                if port == 0 {
                    let taken = listener.local_addr();
                    port = taken.map_err(|error| StartError::EpmdListen { address, error })?.port();
                }
                listeners.push(listener);
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                return Err(StartError::EpmdPortTaken { address, error });
            }
            // The machine may lack the other family altogether, and then needs no listener for it.
            Err(error) if ip != interface => {
                tracing::debug!(target: "cnode::epmd", %address, %error, "not served there");
            }
            Err(error) => return Err(StartError::EpmdListen { address, error }),
        }
    }
    Ok(listeners)
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // On Windows this would let two servers share the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

/// Accepts for ever: whatever `accept` says, the listener stays.
async fn accept_loop(listener: TcpListener, visit: Visit) {
    let mut pending = Pending::default();
    let mut complained: Option<Instant> = None;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => pending.admit(visit.clone().serve(stream, peer)).await,
            Err(error) => {
                if complained.is_none_or(|at| at.elapsed() > COMPLAIN_EVERY) {
                    complained = Some(Instant::now());
                    tracing::warn!(target: "cnode::epmd", %error, "accept failed; going on");
                }
                // Most likely there are no descriptors left. One that a stranger held serves the next at once.
                if !pending.dismiss_oldest().await {
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            }
        }
    }
}

/// The requests under way, oldest first. Dropping it ends them all.
#[derive(Default)]
struct Pending(VecDeque<JoinHandle<()>>);

impl Pending {
    async fn admit(&mut self, request: impl Future<Output = ()> + Send + 'static) {
        if self.0.len() >= MAX_PENDING {
            self.0.retain(|request| !request.is_finished());
        }
        if self.0.len() >= MAX_PENDING {
            self.dismiss_oldest().await;
        }
        self.0.push_back(tokio::spawn(request));
    }

    /// Ends the oldest request and waits until its connection is closed; false when there is none.
    async fn dismiss_oldest(&mut self) -> bool {
        while let Some(oldest) = self.0.pop_front() {
            if !oldest.is_finished() {
                oldest.abort();
                // Cancelled or finished at the last moment: its connection is closed either way.
                let _ = oldest.await;
                return true;
            }
        }
        false
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// What serving one connection needs.
#[derive(Clone)]
struct Visit {
    table: Arc<Table>,
    stop: CancellationToken,
}

/// What becomes of a connection when its request is answered.
enum Outcome {
    /// It is closed, as epmd closes every connection but a registered node's.
    Close(TcpStream),
    /// It stays open, and with it the name.
    Hold(TcpStream, HeldName),
}

impl Visit {
    async fn serve(self, stream: TcpStream, peer: SocketAddr) {
        match timeout(REQUEST_TIMEOUT, self.answer(stream, peer)).await {
            Ok(Ok(Outcome::Hold(stream, name))) => {
                // A task of its own: from here on it is no longer one of the strangers that may be dismissed.
                let stop = self.stop;
                tokio::spawn(async move { stop.run_until_cancelled(hold(stream, name)).await });
            }
            Ok(Ok(Outcome::Close(mut stream))) => drop(stream.shutdown().await),
            Ok(Err(error)) => tracing::debug!(target: "cnode::epmd", %peer, %error, "refused"),
            Err(_) => tracing::debug!(target: "cnode::epmd", %peer, "no whole request in time"),
        }
    }

    async fn answer(&self, mut stream: TcpStream, peer: SocketAddr) -> Result<Outcome, Refusal> {
        let request = read_request(&mut stream).await?;
        let local = stream.local_addr()?;
        let on_this_machine = is_loopback(peer.ip()) || peer.ip() == local.ip();
        match request {
            Request::Alive2(_) if !on_this_machine => Err(Refusal::Distant("ALIVE2")),
            Request::Alive2(node) => self.register(stream, node).await,
            Request::PortPlease2 { name } => write(stream, self.table.port(&name).encode()?).await,
            Request::Names => write(stream, self.table.listing(local.port())).await,
            Request::Dump => {
                let empty = NamesResponse { epmd_port: local.port().into(), entries: Vec::new() };
                write(stream, empty.encode()).await
            }
            Request::Kill if on_this_machine => {
                tracing::info!(target: "cnode::epmd", "asked to end by `epmd -kill`: refused, it ends with the process that serves it");
                write(stream, &b"NO"[..]).await
            }
            Request::Kill => Err(Refusal::Distant("KILL")),
            Request::Stop { .. } => Err(Refusal::Stop),
        }
    }

    async fn register(
        &self,
        mut stream: TcpStream,
        node: Registration,
    ) -> Result<Outcome, Refusal> {
        let highest = node.highest;
        match self.table.register(node) {
            Ok(name) => {
                let answer = Alive2Response::Registered { creation: name.creation() };
                stream.write_all(&answer.encode(highest)).await?;
                Ok(Outcome::Hold(stream, name))
            }
            Err(error) => {
                tracing::debug!(target: "cnode::epmd", %error, "a registration is refused");
                write(stream, Alive2Response::Refused { result: 1 }.encode(highest)).await
            }
        }
    }
}

/// Why a connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{0} from another machine")]
    Distant(&'static str),
    #[error("STOP: a name goes when its node's connection does, and not otherwise")]
    Stop,
    #[error("closed before a whole request")]
    Closed,
    #[error(transparent)]
    NoRequest(#[from] EpmdError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

async fn read_request(stream: &mut TcpStream) -> Result<Request, Refusal> {
    let mut received = Vec::with_capacity(64);
    let mut stream = stream.take(MAX_REQUEST as u64 + 2);
    loop {
        if let Some(request) = Request::parse(&received)? {
            return Ok(request);
        }
        if stream.read_buf(&mut received).await? == 0 {
            return Err(Refusal::Closed);
        }
    }
}

async fn write(mut stream: TcpStream, answer: impl Into<Bytes>) -> Result<Outcome, Refusal> {
    stream.write_all(&answer.into()).await?;
    Ok(Outcome::Close(stream))
}

/// Waits until the node goes. It has nothing more to say on this connection; should it, we part, as the C epmd does.
async fn hold(mut stream: TcpStream, name: HeldName) {
    let mut byte = [0];
    let _ = stream.read(&mut byte).await;
    drop(name);
}

/// 127.0.0.0/8 and ::1, the former also as an IPv6 socket shows it.
fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_listens_no_further_than_its_node() {
        let list = |ip: &str| -> Vec<String> {
            interfaces(ip.parse().unwrap()).iter().map(ToString::to_string).collect()
        };
        assert_eq!(list("127.0.0.1"), ["127.0.0.1", "::1"]);
        assert_eq!(list("::1"), ["::1", "127.0.0.1"]);
        assert_eq!(list("0.0.0.0"), ["0.0.0.0", "::"]);
        assert_eq!(list("::"), ["::", "0.0.0.0"]);
        assert_eq!(list("192.0.2.1"), ["192.0.2.1", "127.0.0.1", "::1"]);
    }
}
