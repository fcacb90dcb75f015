//! What all connections of a node share, and the runtime's way to other nodes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use mailbox::{BoxFuture, NoConnection, Nodes, Outbound, Runtime, Signal};
use term::Atom;
use tokio::runtime::Handle;

use super::connection::{Connection, Established};
use super::driver::{self, Refusal};
use super::events::DownReason;
use super::outbox::{Bounds, Refused};
use super::table::{Attempt, Begun, Full, Table, Task, Unclaimed};
use crate::admission::Admission;
use crate::carrier::{Address, Carriers, Route};
use crate::config::{Config, EpmdMode};
use crate::cookie::Cookie;
use crate::discovery::Discovery;
use crate::epmd;
use crate::export::Exports;
use crate::name::NodeName;
use crate::proto::handshake::acceptor::Decision;
use crate::proto::handshake::{LocalNode, Peer};
use crate::telemetry::{Counters, Stats, Traffic};

/// There is no connection to a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no connection to {node}: {why}")]
pub struct ConnectError {
    /// The node.
    pub node: Atom,
    /// What went wrong, and how to mend it where that is known.
    pub why: String,
}

/// The middle of a node: settings, the table, the runtime below and the carrier beyond.
pub(crate) struct Hub {
    pub(crate) config: Config,
    pub(crate) local: LocalNode,
    pub(crate) cookies: HashMap<Atom, Cookie>,
    /// Where peers are that need no asking.
    pub(crate) places: HashMap<Atom, Address>,
    pub(crate) carriers: Carriers,
    /// What is asked in place of epmd.
    pub(crate) discovery: Option<Arc<dyn Discovery>>,
    pub(crate) admission: Admission,
    pub(crate) runtime: Runtime,
    pub(crate) exports: Arc<Exports>,
    pub(crate) handle: Handle,
    pub(crate) table: Table,
    pub(crate) bounds: Bounds,
    pub(crate) tick_intensity: u32,
    pub(crate) counters: Arc<Counters>,
    /// Handshakes that came to nothing.
    pub(crate) refused: AtomicU64,
}

/// How often a caller begins anew when what it finds under way ends that very moment.
const ATTEMPTS: usize = 3;

impl Hub {
    /// Whether a peer of this name may connect at all, whose channel proved `identity`.
    pub(crate) fn admits(&self, name: &Atom, identity: &[String]) -> bool {
        self.admission.admits_node(name.as_str(), identity)
    }

    /// A name for a caller that wants one, as `erl -sname undefined` does.
    pub(crate) fn name_for_guest(&self, host: &Atom) -> Decision {
        let (Ok(number), Ok(creation)) = (getrandom::u32(), getrandom::u32()) else {
            return Decision::Refuse;
        };
        match Atom::new(format!("guest-{number:08x}@{host}")) {
            Ok(name) => Decision::Grant { name, creation: creation.max(4) },
            Err(_) => Decision::Refuse,
        }
    }

    /// The same under the name that it was given, before anybody has seen it.
    pub(crate) fn renamed(mut self, name: NodeName, given: Atom, creation: u32) -> Self {
        self.config.name = name;
        self.local.name = given.clone();
        self.table = Table::new(given.clone(), self.bounds);
        self.runtime = Runtime::new(given, creation);
        self.local.creation = creation;
        self
    }

    /// The cookie shared with `node`.
    pub(crate) fn cookie_for(&self, node: &Atom) -> Cookie {
        self.cookies.get(node).unwrap_or(&self.config.cookie).clone()
    }

    /// The way to `node`: told at start, or following from its name, or known to its host's epmd or what is in epmd's place.
    pub(crate) async fn locate(&self, node: &Atom) -> Result<Route, Refusal> {
        let (alive, host) = self
            .config
            .name
            .split_peer(node.as_str())
            .map_err(|error| Refusal::NotFound(error.to_string()))?;
        if let Some(place) = self.places.get(node) {
            return self.carriers.route_to(place.clone());
        }
        if let Some(route) = self.carriers.locate(node.as_str()) {
            return Ok(route);
        }
        let family = epmd::Family::of(self.config.interface);
        if let Some(discovery) = &self.discovery {
            return match discovery.locate(alive, host, family).await {
                Ok(address) => self.carriers.route_to(address.into()),
                Err(error) => Err(Refusal::NotFound(error.to_string())),
            };
        }
        if self.config.epmd == EpmdMode::None {
            return Err(Refusal::NotFound(format!(
                "epmd is off, and nobody has said where {node} listens: give its host and port"
            )));
        }
        let client =
            epmd::Client::new(self.config.epmd_port).with_timeout(self.config.handshake_timeout);
        match client.locate(alive, host, family).await {
            Ok(address) => self.carriers.route_to(address.into()),
            Err(error) => Err(Refusal::NotFound(error.to_string())),
        }
    }

    /// Gives an authenticated connection its place.
    pub(crate) fn claim(
        &self,
        peer: Peer,
        address: Address,
        takes_over: bool,
        dialled: Option<Attempt>,
    ) -> Result<Arc<Connection>, Unclaimed> {
        let node = peer.name.clone();
        let traffic = Traffic::of(self.counters.clone());
        let established = Established {
            node: node.clone(),
            peer,
            address,
            takes_over,
            bounds: self.bounds,
            traffic,
            runtime: self.runtime.clone(),
            handle: self.handle.clone(),
            events: self.table.events.clone(),
        };
        self.table.claim(established, dialled, || self.open(&node))
    }

    /// Does what the table leaves to be done, where no lock is held.
    fn see_to(self: &Arc<Self>, node: &Atom, task: Task) {
        match task {
            Task::Nothing => {}
            Task::Dial(attempt) => {
                let dial = self.handle.spawn(driver::dial(self.clone(), node.clone(), attempt));
                self.table.dialling(node, attempt, dial.abort_handle());
            }
            Task::Down(carried) => {
                let runtime = self.runtime.clone();
                self.handle.spawn(async move { runtime.node_down(&carried) });
            }
        }
    }

    fn begun(self: &Arc<Self>, node: &Atom, begun: Begun) -> mailbox::Connection {
        self.see_to(node, begun.task);
        begun.carried
    }

    /// Ends everything, in order and for good, and waits until it has ended: a second or so at most.
    pub(crate) async fn close_all(self: &Arc<Self>, reason: DownReason) {
        for connection in self.disconnect_all(&reason) {
            connection.over().await;
        }
    }

    /// Begins to end everything, for good; gives the connections that there were.
    pub(crate) fn disconnect_all(self: &Arc<Self>, reason: &DownReason) -> Vec<Arc<Connection>> {
        self.table.close();
        let connections = self.table.connections();
        for node in self.table.names() {
            self.disconnect(&node, reason.clone());
        }
        connections
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            processes: self.runtime.stats().processes,
            connections: self.table.connections().len(),
            traffic: self.counters.snapshot(),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    fn send(
        self: &Arc<Self>,
        node: &Atom,
        signal: Signal,
    ) -> Result<mailbox::Connection, NoConnection> {
        let signal = match self.table.send_if_up(node, signal) {
            Ok(carried) => return Ok(carried),
            Err(Refused(signal)) => signal,
        };
        if self.is_no_peer(node) {
            return Err(NoConnection);
        }
        let begun = self.table.send(node, signal, || self.open(node)).ok_or(NoConnection)?;
        Ok(self.begun(node, begun))
    }

    fn begin(self: &Arc<Self>, node: &Atom) -> Result<mailbox::Connection, NoConnection> {
        if self.is_no_peer(node) {
            return Err(NoConnection);
        }
        let begun = self.table.begin(node, || self.open(node)).ok_or(NoConnection)?;
        Ok(self.begun(node, begun))
    }

    /// Connects, unless there is a connection.
    pub(crate) async fn connect(self: &Arc<Self>, node: &Atom) -> Result<(), ConnectError> {
        if *node == self.local.name {
            return Ok(());
        }
        let failed = |why: &str| Err(ConnectError { node: node.clone(), why: why.to_owned() });
        if self.is_no_peer(node) {
            return failed("it is no node name, which has an @ in it");
        }
        for _ in 0..ATTEMPTS {
            let Some(begun) = self.table.begin(node, || self.open(node)) else {
                return failed("this node has stopped");
            };
            // Before the dial begins: it may fail at once, and nobody would know why.
            let outcome = self.table.outcome(node);
            self.begun(node, begun);
            match outcome {
                Some(mut outcome) => match outcome.wait_for(Option::is_some).await.as_deref() {
                    Ok(Some(Ok(()))) => return Ok(()),
                    Ok(Some(Err(why))) => return failed(why),
                    Ok(None) | Err(_) => return failed("the node stops"),
                },
                None if self.table.is_up(node) => return Ok(()),
                // It was up, or somebody else's attempt was under way, and that has just ended.
                None => {}
            }
        }
        failed("the connection ended at once")
    }

    pub(crate) fn open(&self, node: &Atom) -> mailbox::Connection {
        self.runtime.open_connection(node.clone())
    }

    fn is_no_peer(&self, node: &Atom) -> bool {
        *node == self.local.name || !node.as_str().contains('@')
    }

    /// Ends whatever there is with `node`; whether there was anything.
    pub(crate) fn disconnect(self: &Arc<Self>, node: &Atom, reason: DownReason) -> bool {
        match self.table.disconnect(node, reason) {
            Some(task) => {
                self.see_to(node, task);
                true
            }
            None => false,
        }
    }
}

/// What the runtime sees of it. The runtime lives in the hub, so it holds the hub weakly: a node that is gone has no peers.
pub(crate) struct ToPeers(pub(crate) Weak<Hub>);

impl Outbound for ToPeers {
    fn send(&self, node: &Atom, signal: Signal) -> Result<mailbox::Connection, NoConnection> {
        self.0.upgrade().ok_or(NoConnection)?.send(node, signal)
    }

    fn send_over(&self, connection: &mailbox::Connection, signal: Signal) {
        if let Some(hub) = self.0.upgrade() {
            hub.table.send_over(connection, signal);
        }
    }

    fn begin(&self, node: &Atom) -> Result<mailbox::Connection, NoConnection> {
        self.0.upgrade().ok_or(NoConnection)?.begin(node)
    }

    fn ready(&self, node: &Atom) -> Option<BoxFuture<()>> {
        let full = self.0.upgrade()?.table.full(node)?;
        Some(Box::pin(async move {
            match full {
                Full::Connection(connection) => connection.room().await,
                Full::Pending(room) => room.await,
            }
        }))
    }

    fn connect(&self, node: &Atom) -> BoxFuture<bool> {
        let Some(hub) = self.0.upgrade() else { return Box::pin(std::future::ready(false)) };
        let node = node.clone();
        Box::pin(async move { hub.connect(&node).await.is_ok() })
    }

    fn disconnect(&self, node: &Atom) -> bool {
        self.0.upgrade().is_some_and(|hub| hub.disconnect(node, DownReason::Disconnected))
    }

    fn nodes(&self, which: Nodes) -> Vec<Atom> {
        self.0.upgrade().map_or_else(Vec::new, |hub| hub.table.nodes(which))
    }
}
