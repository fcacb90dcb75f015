//! The runtime: one node's processes, names, references and timers, and the way to other nodes.

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use term::{Atom, Pid, Reference};
use tokio::runtime::Handle;

use crate::error::{RegisterError, UnregisterError};
use crate::ids::Ids;
use crate::nodedown::Nodes as NodesBoard;
use crate::outbound::{BoxFuture, Connection, NoConnection, Nodes, Outbound};
use crate::registry::Names;
use crate::signal::Signal;
use crate::spawn_request::SpawnService;
use crate::stats::{Counters, Stats};
use crate::sync::RwLock;
use crate::table::Table;
use crate::timer::Clock;

/// A node's processes. A handle: clones are the same runtime.
///
/// A runtime knows no network. What it has for other nodes it gives to its [`Outbound`]; what came from them is given
/// to [`deliver`](Self::deliver).
///
/// ```
/// use mailbox::{Exit, Process, Runtime};
/// use term::{IntoAtom, Pid};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// async fn echo(mut process: Process) -> Exit {
///     loop {
///         let (from, text): (Pid, String) = process.receive().await?;
///         process.send(from, ("echo".into_atom(), text));
///     }
/// }
///
/// let runtime = Runtime::new("rust@host".into_atom(), 1);
/// runtime.spawn_named("echo", echo)?;
/// let mut me = runtime.attach()?;
/// me.send("echo", (me.pid(), "hello"));
/// let (_, text): (term::Atom, String) = me.receive().await.unwrap();
/// assert_eq!(text, "hello");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

#[derive(Default)]
struct Late {
    outbound: OnceLock<Arc<dyn Outbound>>,
    group_leader: RwLock<Option<Pid>>,
    spawn_service: OnceLock<Arc<dyn SpawnService>>,
}

pub(crate) struct Inner {
    ids: Ids,
    table: Table,
    names: Names,
    timers: Clock,
    nodes: NodesBoard,
    counters: Counters,
    executor: Option<Handle>,
    late: Late,
}

impl Runtime {
    /// A runtime for the node of this name and creation. Its tasks run on the tokio runtime that this is called in; where
    /// there is none, on the one that `spawn` is called in, or on a thread each.
    #[must_use]
    pub fn new(node: Atom, creation: u32) -> Self {
        Self::build(node, creation, Handle::try_current().ok())
    }

    /// The same, with its tasks on this tokio runtime.
    #[must_use]
    pub fn on(executor: Handle, node: Atom, creation: u32) -> Self {
        Self::build(node, creation, Some(executor))
    }

    fn build(node: Atom, creation: u32, executor: Option<Handle>) -> Self {
        Self(Arc::new(Inner {
            ids: Ids::new(node, creation),
            table: Table::default(),
            names: Names::default(),
            timers: Clock::default(),
            nodes: NodesBoard::default(),
            counters: Counters::default(),
            executor,
            late: Late::default(),
        }))
    }

    /// The node's name.
    #[must_use]
    pub fn node(&self) -> &Atom {
        self.0.ids.node()
    }

    /// Which life of the node.
    #[must_use]
    pub fn creation(&self) -> u32 {
        self.0.ids.creation()
    }

    /// A reference like no other of this node (`make_ref/0`).
    #[must_use]
    pub fn make_ref(&self) -> Reference {
        self.0.ids.make_ref().1
    }

    /// Gives the process a name (`register/2`).
    ///
    /// # Errors
    /// If the name or the process has one already, or there is no such process here.
    pub fn register(&self, name: impl term::IntoAtom, pid: &Pid) -> Result<(), RegisterError> {
        let cell = self.local_number(pid).and_then(|number| self.table().get(number));
        self.names().register(name.into_atom(), cell.as_ref())
    }

    /// Takes a name away (`unregister/1`).
    ///
    /// # Errors
    /// If nobody has it.
    pub fn unregister(&self, name: impl term::IntoAtom) -> Result<(), UnregisterError> {
        self.names().unregister(&name.into_atom(), |number| self.table().get(number))
    }

    /// The process of this name (`whereis/1`).
    pub fn whereis(&self, name: impl term::IntoAtom) -> Option<Pid> {
        self.names().whereis(&name.into_atom()).map(|number| self.ids().pid(number))
    }

    /// All registered names (`registered/0`), in no order.
    #[must_use]
    pub fn registered(&self) -> Vec<Atom> {
        self.names().all()
    }

    /// Whether the process lives here (`is_process_alive/1`): it has not ended, and no exit signal has reached it that
    /// will end it.
    #[must_use]
    pub fn is_alive(&self, pid: &Pid) -> bool {
        self.local_number(pid)
            .and_then(|number| self.table().with(number, |cell| !cell.is_doomed()))
            .unwrap_or(false)
    }

    /// The pids of all processes here (`processes/0`).
    #[must_use]
    pub fn processes(&self) -> Vec<Pid> {
        self.table().all().iter().map(|cell| cell.pid()).collect()
    }

    /// How many messages wait in a local process's mailbox; `None` if there is no such process.
    #[must_use]
    pub fn mailbox_len(&self, pid: &Pid) -> Option<usize> {
        self.table().get(self.local_number(pid)?).map(|cell| cell.len())
    }

    /// How many messages the bound of a local process's mailbox has cost it so far.
    #[must_use]
    pub fn mailbox_overflowed(&self, pid: &Pid) -> Option<u64> {
        self.table().get(self.local_number(pid)?).map(|cell| cell.overflowed())
    }

    /// The counters now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (processes, started) = self.table().counts();
        Stats {
            processes,
            started,
            ended: started - processes as u64,
            names: self.names().len(),
            timers: self.timers().len(),
            ..self.counters().snapshot()
        }
    }

    /// The group leader of processes that nobody gave another.
    pub fn set_default_group_leader(&self, leader: Pid) {
        *self.0.late.group_leader.write() = Some(leader);
    }

    pub(crate) fn default_group_leader(&self) -> Option<Pid> {
        self.0.late.group_leader.read().clone()
    }

    /// Opens the way to other nodes. Only the first call counts; whether this was it.
    pub fn set_outbound(&self, outbound: Arc<dyn Outbound>) -> bool {
        self.0.late.outbound.set(outbound).is_ok()
    }

    /// The connected nodes (`nodes/1`).
    #[must_use]
    pub fn nodes(&self, which: Nodes) -> Vec<Atom> {
        self.outbound().map_or_else(|_| Vec::new(), |outbound| outbound.nodes(which))
    }

    /// Connects to a node (`net_kernel:connect_node/1`); whether there is a connection now.
    pub fn connect(&self, node: &Atom) -> BoxFuture<bool> {
        match self.outbound() {
            _ if node == self.node() => Box::pin(std::future::ready(true)),
            Ok(outbound) => outbound.connect(node),
            Err(NoConnection) => Box::pin(std::future::ready(false)),
        }
    }

    /// Ends the connection to a node (`erlang:disconnect_node/1`); whether there was one.
    #[must_use]
    pub fn disconnect(&self, node: &Atom) -> bool {
        self.outbound().is_ok_and(|outbound| outbound.disconnect(node))
    }

    /// `None` if the connection to `node` takes more at once; else what completes when it does.
    #[must_use]
    pub fn ready(&self, node: &Atom) -> Option<BoxFuture<()>> {
        if node == self.node() {
            return None;
        }
        self.outbound().ok()?.ready(node)
    }

    pub(crate) fn late_spawn_service(&self) -> &OnceLock<Arc<dyn SpawnService>> {
        &self.0.late.spawn_service
    }

    fn outbound(&self) -> Result<&Arc<dyn Outbound>, NoConnection> {
        self.0.late.outbound.get().ok_or(NoConnection)
    }

    pub(crate) fn outbound_send(
        &self,
        node: &Atom,
        signal: Signal,
    ) -> Result<Connection, NoConnection> {
        self.outbound()?.send(node, signal)
    }

    pub(crate) fn outbound_send_over(&self, connection: &Connection, signal: Signal) {
        if let Ok(outbound) = self.outbound() {
            outbound.send_over(connection, signal);
        }
    }

    pub(crate) fn outbound_begin(&self, node: &Atom) -> Result<Connection, NoConnection> {
        self.outbound()?.begin(node)
    }

    #[inline]
    pub(crate) fn ids(&self) -> &Ids {
        &self.0.ids
    }

    #[inline]
    pub(crate) fn table(&self) -> &Table {
        &self.0.table
    }

    pub(crate) fn names(&self) -> &Names {
        &self.0.names
    }

    pub(crate) fn timers(&self) -> &Clock {
        &self.0.timers
    }

    pub(crate) fn nodes_board(&self) -> &NodesBoard {
        &self.0.nodes
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.0.counters
    }

    pub(crate) fn executor(&self) -> Option<&Handle> {
        self.0.executor.as_ref()
    }

    pub(crate) fn downgrade(&self) -> Weak<Inner> {
        Arc::downgrade(&self.0)
    }

    pub(crate) const fn from_inner(inner: Arc<Inner>) -> Self {
        Self(inner)
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Runtime({})", self.node())
    }
}
