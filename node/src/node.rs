//! The node: processes, a name, and the door.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use mailbox::{Nodes, Runtime};
use term::Atom;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::builder::Builder;
use crate::carrier::{Address, Carrier};
use crate::conn::{self, ConnectError, ConnectionInfo, DownReason, Hub, NodeEvents, ToPeers};
use crate::epmd::{EpmdKind, Registration};
use crate::error::StartError;
use crate::name::NodeName;
use crate::service::global;
use crate::telemetry::Stats;

/// A node of an Erlang cluster.
///
/// Cheap to clone; all clones are the same node. It exists from [`Node::new`] on, with processes that talk to one another; peers
/// reach it from [`Node::listen`] on, and it reaches them at any time.
///
/// When the last clone is dropped the door closes and connections end; [`Node::stop`] does that in order, and waits for it.
#[derive(Clone)]
pub struct Node {
    pub(crate) hub: Arc<Hub>,
    life: Arc<Life>,
}

/// What has a beginning and an end.
struct Life {
    /// The async runtime, if the program had none.
    own_runtime: Option<tokio::runtime::Runtime>,
    hub: Arc<Hub>,
    door: Mutex<Option<Door>>,
    /// It has begun to stop: nothing is connected again.
    stopping: watch::Sender<bool>,
    /// It has stopped.
    stopped: watch::Sender<bool>,
}

/// What is open while peers can come in.
struct Door {
    /// One a carrier, in their order.
    leaves: Vec<Leaf>,
    registration: Option<Registration>,
}

/// One listener.
struct Leaf {
    address: Address,
    accepting: AbortHandle,
}

impl Drop for Life {
    fn drop(&mut self) {
        global::prepare_shutdown(&self.hub.runtime);
        self.hub.disconnect_all(&DownReason::Stopped);
        // Where blocking is not allowed a runtime must not be waited for.
        if let Some(own_runtime) = self.own_runtime.take() {
            own_runtime.shutdown_background();
        }
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Node {
    /// A hidden node, named as `erl -sname NAME` names itself, with the cookie and the epmd that `erl` would find.
    ///
    /// `rust` becomes `rust@myhost`; a host with a dot, or an IP address, makes it a long name. It may be called outside of an async
    /// runtime: the node then brings its own, and [`Node::block_on`] waits for what is async.
    ///
    /// # Errors
    /// If the name is none, no cookie is to be had, or the system gives no random numbers.
    pub fn new(name: &str) -> Result<Self, StartError> {
        Self::builder(name).build()
    }

    /// A node with settings of its own.
    pub fn builder(name: &str) -> Builder {
        Builder::new(name)
    }

    pub(crate) fn assemble(hub: Hub, own_runtime: Option<tokio::runtime::Runtime>) -> Self {
        let hub = Arc::new(hub);
        hub.runtime.set_outbound(Arc::new(ToPeers(Arc::downgrade(&hub))));
        let life = Life {
            own_runtime,
            hub: hub.clone(),
            door: Mutex::default(),
            stopping: watch::Sender::new(false),
            stopped: watch::Sender::new(false),
        };
        Self { hub, life: Arc::new(life) }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &NodeName {
        &self.hub.config.name
    }

    /// The number that tells this life of the node from an earlier one, in its pids and references: random, over 3.
    #[must_use]
    pub fn creation(&self) -> u32 {
        self.hub.local.creation
    }

    /// The processes: spawning, names, local delivery.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.hub.runtime
    }

    /// Opens the door: binds, listens, registers with epmd, and accepts. Call it when the names that peers will ask for are
    /// registered: from now on they ask.
    ///
    /// # Errors
    /// If the ports are taken, epmd refuses the name, or there is no epmd where one was asked for; the door is closed again then.
    /// If the node has stopped.
    pub async fn listen(&self) -> Result<(), StartError> {
        if *self.life.stopping.borrow() {
            return Err(StartError::Stopped);
        }
        let config = &self.hub.config;
        let mut listeners = Vec::new();
        for carrier in self.hub.carriers.iter() {
            match carrier.listen(config.name.as_str()).await {
                Ok(listener) => listeners.push((carrier.clone(), listener)),
                Err(error) => return Err(self.cannot_listen(&**carrier, error)),
            }
        }
        // Callers wait in the backlog until the name is ours: who is refused by epmd must not have answered anybody.
        let port = listeners.iter().find_map(|(_, listener)| listener.address().port());
        let registration = match port {
            Some(port) => self.announce(port).await?,
            None => None,
        };
        warn_if_open(listeners.iter().map(|(carrier, listener)| (&**carrier, listener.address())));
        let mut leaves = Vec::new();
        for (carrier, listener) in listeners {
            let address = listener.address();
            tracing::info!(
                target: "cnode::conn",
                name = %config.name, %address, carrier = carrier.name(), creation = self.creation(), "listening"
            );
            let (hub, prefix) = (self.hub.clone(), carrier.handshake_prefix());
            let greet = move |incoming| conn::accept(hub.clone(), incoming, prefix);
            let accept = conn::accept_loop(listener, config.limits.pending_handshakes, greet);
            let accepting = self.hub.handle.spawn(accept).abort_handle();
            leaves.push(Leaf { address, accepting });
        }
        let door = Door { leaves, registration };
        match self.opens(door) {
            None => Ok(()),
            Some(late) => {
                self.close(late).await;
                Err(StartError::Stopped)
            }
        }
    }

    /// From here on [`Node::stop`] finds the door. Given back if it has been there already.
    fn opens(&self, door: Door) -> Option<Door> {
        let mut place = self.door();
        if *self.life.stopping.borrow() {
            return Some(door);
        }
        *place = Some(door);
        None
    }

    /// Nobody comes in any more, and nobody is told that we are here.
    async fn close(&self, mut door: Door) {
        door.leaves.clear();
        if let Some(discovery) = &self.hub.discovery {
            discovery.withdraw(&self.hub.config.name).await;
        }
        if let Some(registration) = door.registration.take() {
            registration.withdraw().await;
        }
    }

    /// Tells those who map names to ports.
    async fn announce(&self, port: u16) -> Result<Option<Registration>, StartError> {
        let config = &self.hub.config;
        if let Some(discovery) = &self.hub.discovery {
            let told = discovery.announce(&config.name, port).await;
            return told.map(|()| None).map_err(StartError::NotAnnounced);
        }
        let registration = Registration::announce(config, port).await?;
        tracing::info!(
            target: "cnode::conn",
            name = %config.name, port, epmd = %registration.kind(), creation = registration.creation(), "registered"
        );
        Ok(Some(registration))
    }

    fn cannot_listen(&self, carrier: &dyn Carrier, error: std::io::Error) -> StartError {
        let config = &self.hub.config;
        let (low, high) = (*config.ports.start(), *config.ports.end());
        match error.kind() {
            std::io::ErrorKind::AddrInUse if low != 0 => {
                StartError::PortsExhausted { low, high, interface: config.interface }
            }
            std::io::ErrorKind::AddrNotAvailable => {
                StartError::Listen { at: config.interface.to_string(), error }
            }
            _ => StartError::Carrier { carrier: carrier.name(), error },
        }
    }

    /// The port that peers connect to; `None` before [`Node::listen`], or with a carrier that has no ports.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.door().as_ref()?.leaves.iter().find_map(|leaf| leaf.address.port())
    }

    /// Where peers connect to, over the first carrier; `None` before [`Node::listen`].
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        self.addresses().into_iter().next()
    }

    /// Where peers connect to, one address a carrier; none before [`Node::listen`].
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        let door = self.door();
        let leaves = door.iter().flat_map(|door| &door.leaves);
        leaves.map(|leaf| leaf.address.clone()).collect()
    }

    /// Which epmd knows this node now. With [`EpmdMode::Auto`](crate::EpmdMode) it may change in a node's life.
    #[must_use]
    pub fn epmd_mode_in_use(&self) -> EpmdKind {
        let door = self.door();
        door.as_ref()
            .and_then(|door| door.registration.as_ref())
            .map_or(EpmdKind::None, Registration::kind)
    }

    /// Connects to a peer, which sending to it does as well; whether there is a connection then (`net_kernel:connect_node/1`).
    pub async fn connect(&self, peer: &Atom) -> bool {
        self.try_connect(peer).await.is_ok()
    }

    /// [`Node::connect`] for who wants to know why not.
    ///
    /// # Errors
    /// If there is no connection: the name is of the other kind, nobody listens, the cookie is another, and so on.
    pub async fn try_connect(&self, peer: &Atom) -> Result<(), ConnectError> {
        self.hub.connect(peer).await
    }

    /// Keeps a connection to a peer: connects now, and again whenever the connection has ended, at first after 100 ms, then
    /// after twice as long each time up to 30 s. It goes on until the node stops.
    pub fn keep_connected(&self, peer: &Atom) {
        let keeper =
            conn::keep(Arc::downgrade(&self.hub), peer.clone(), self.life.stopping.subscribe());
        self.hub.handle.spawn(keeper);
    }

    /// Ends the connection to a peer; whether there was one. Links, monitors and calls over it see `noconnection`.
    pub fn disconnect(&self, peer: &Atom) -> bool {
        self.hub.disconnect(peer, DownReason::Disconnected)
    }

    /// The peers connected now.
    #[must_use]
    pub fn nodes(&self, which: Nodes) -> Vec<Atom> {
        self.hub.table.nodes(which)
    }

    /// Peers that come and go, from now on.
    #[must_use]
    pub fn events(&self) -> NodeEvents {
        self.hub.table.events.subscribe()
    }

    /// The connections that are up, each with its traffic and what waits in it.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        self.hub.table.connections().iter().map(|connection| connection.info()).collect()
    }

    /// The node at this moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.hub.stats()
    }

    /// Waits until the program is told to end (SIGTERM, ctrl-c), or [`Node::stop`] is called elsewhere; then stops the node.
    ///
    /// The signals are caught from this call on, whether or not it is awaited yet. Who must not miss one that comes the moment the
    /// node is to be reached calls it first:
    ///
    /// ```no_run
    /// # async fn serve(node: node::Node) -> Result<(), node::StartError> {
    /// let stopped = node.until_stopped();
    /// node.listen().await?;
    /// stopped.await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A program that never calls it keeps the system's default, which is to end at once.
    #[must_use = "the node is stopped by awaiting it"]
    pub fn until_stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let told = {
            let _context = self.hub.handle.enter();
            told_to_end()
        };
        let node = self.clone();
        async move {
            let mut stopped = node.life.stopped.subscribe();
            tokio::select! {
                () = told => {}
                _ = stopped.wait_for(|stopped| *stopped) => {}
            }
            node.stop().await;
        }
    }

    /// Leaves the cluster: the door closes, epmd forgets the name, what is queued for peers leaves within a second, and every
    /// connection is closed, so that peers see `nodedown` at once. It is for good: no connection is made after that, and what
    /// processes send to others comes to nothing, as on a BEAM that is not alive.
    pub async fn stop(&self) {
        self.life.stopping.send_replace(true);
        let door = self.door().take();
        if let Some(door) = door {
            self.close(door).await;
        }
        global::prepare_shutdown(&self.hub.runtime);
        self.hub.close_all(DownReason::Stopped).await;
        self.life.stopped.send_replace(true);
    }

    /// Runs a future to its end on the node's async runtime, for programs that have none of their own.
    ///
    /// # Panics
    /// If called from async code.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.hub.handle.block_on(future)
    }

    fn door(&self) -> std::sync::MutexGuard<'_, Option<Door>> {
        self.life.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("name", self.name())
            .field("creation", &self.creation())
            .finish_non_exhaustive()
    }
}

/// Said once a start, over however many carriers: whoever can read or change what goes over the network needs no cookie.
fn warn_if_open<'a>(listeners: impl Iterator<Item = (&'a dyn Carrier, Address)>) {
    let open: Vec<String> = listeners
        .filter(|(carrier, at)| {
            !carrier.is_private()
                && matches!(at, Address::Socket(socket) if !socket.ip().is_loopback())
        })
        .map(|(_, address)| address.to_string())
        .collect();
    if !open.is_empty() {
        tracing::warn!(
            target: "cnode::conn", address = open.join(", "),
            "listening beyond this machine without TLS: whoever can see the traffic can read it and take connections over. \
             Use TLS, or an --interface that only trusted hosts reach"
        );
    }
}

/// Catches SIGTERM and SIGINT from now on; completes at the first of them.
fn told_to_end() -> impl Future<Output = ()> + Send {
    use tokio::signal::unix::{SignalKind, signal};
    let caught = signal(SignalKind::terminate())
        .and_then(|terminate| Ok((terminate, signal(SignalKind::interrupt())?)));
    async move {
        match caught {
            Ok((mut terminate, mut interrupt)) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
            Err(error) => {
                tracing::warn!(target: "cnode::conn", %error, "signals cannot be caught; the node runs until it is stopped");
                std::future::pending().await
            }
        }
    }
}
