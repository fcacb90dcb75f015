//! What the runtime asks of whoever carries signals to other nodes, and what it hands them: connections.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use term::{Atom, Reference};

use crate::ids::Number;
use crate::signal::Signal;
use crate::sync::Mutex;

/// A boxed future, as the traits of this file return them.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// Carries signals to other nodes; `node` implements it.
///
/// Its side of the contract:
///
/// * [`send`](Self::send), [`send_over`](Self::send_over), [`begin`](Self::begin) and [`ready`](Self::ready) return at once, and do not call into the
///   [`Runtime`](crate::Runtime) before they return: links are changed and their signals sent in one step, under
///   the process's lock, or the link protocol would not hold.
/// * Signals accepted for a node go over the connection returned for them, in the order accepted, or not at all. A
///   connection exists from the moment its first signal is queued, long before its handshake.
/// * Every connection made with [`Runtime::open_connection`](crate::Runtime::open_connection) ends with one
///   [`Runtime::node_down`](crate::Runtime::node_down), also when it never came up, after the last signal that came
///   over it has been delivered. From then on nothing is accepted for it.
pub trait Outbound: Send + Sync + 'static {
    /// Queues `signal` for `node`, beginning a connection if there is none, and says which connection it will go over.
    ///
    /// # Errors
    /// [`NoConnection`] if there can be none (distribution is off, the name is no node's); the signal is gone, and
    /// the runtime does what a lost connection does.
    fn send(&self, node: &Atom, signal: Signal) -> Result<Connection, NoConnection>;

    /// Queues `signal` for this very connection; one that has ended, or ends before it is sent, takes the signal with it.
    fn send_over(&self, connection: &Connection, signal: Signal) {
        if !connection.is_over() {
            let _ = self.send(connection.node(), signal);
        }
    }

    /// The connection to `node` that signals sent now would take; begins one if there is none.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    fn begin(&self, node: &Atom) -> Result<Connection, NoConnection>;

    /// `None` if the connection to `node` takes more without growing past its limit, or there is none; else what
    /// completes when it does, or when it ends.
    fn ready(&self, node: &Atom) -> Option<BoxFuture<()>>;

    /// Connects to `node`; completes with whether there is a connection.
    fn connect(&self, node: &Atom) -> BoxFuture<bool>;

    /// Ends the connection to `node`; whether there was one.
    fn disconnect(&self, node: &Atom) -> bool;

    /// The nodes connected now.
    fn nodes(&self, which: Nodes) -> Vec<Atom>;
}

/// There is no connection to a node and none can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no connection to that node, and none can be made")]
pub struct NoConnection;

/// Which of the connected nodes, as in `nodes/1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nodes {
    /// Those that publish themselves.
    Visible,
    /// Those that do not.
    Hidden,
    /// Both.
    Connected,
}

/// One connection to a node, from its first queued signal to [`Runtime::node_down`](crate::Runtime::node_down).
///
/// A handle; two are equal when they are the same connection, not merely to the same node. Links, monitors and node
/// monitors remember theirs, so that the end of one never touches what was made over the next.
#[derive(Clone)]
pub struct Connection(Arc<Carried>);

struct Carried {
    node: Atom,
    /// `None` once it is down.
    local: Mutex<Option<Local>>,
}

/// The local ends of what a connection carries.
#[derive(Default)]
struct Local {
    /// Who may have a link, a monitor or a node monitor over it.
    processes: HashSet<Number>,
    /// Whom the other side monitors by name: its demonitor says the name, which may be another's by then.
    named: HashMap<Reference, Number>,
}

impl Connection {
    pub(crate) fn new(node: Atom) -> Self {
        Self(Arc::new(Carried { node, local: Mutex::new(Some(Local::default())) }))
    }

    /// The node at its other end.
    #[must_use]
    pub fn node(&self) -> &Atom {
        &self.0.node
    }

    /// Whether [`Runtime::node_down`](crate::Runtime::node_down) has been called for it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.local.lock().is_none()
    }

    /// Remembers that `process` is to be told of the end; `false` if that has come already.
    pub(crate) fn concerns(&self, process: Number) -> bool {
        match self.0.local.lock().as_mut() {
            Some(local) => {
                local.processes.insert(process);
                true
            }
            None => false,
        }
    }

    /// `process` has ended.
    pub(crate) fn forget(&self, process: Number) {
        if let Some(local) = self.0.local.lock().as_mut() {
            local.processes.remove(&process);
        }
    }

    /// The other side monitors `process` by a name it has now.
    pub(crate) fn named_monitor(&self, reference: Reference, process: Number) {
        if let Some(local) = self.0.local.lock().as_mut() {
            local.named.insert(reference, process);
        }
    }

    /// That monitor is over; who it was.
    pub(crate) fn named_monitor_over(&self, reference: &Reference) -> Option<Number> {
        self.0.local.lock().as_mut()?.named.remove(reference)
    }

    /// Marks the end, and says whom to tell; nobody the second time.
    pub(crate) fn end(&self) -> HashSet<Number> {
        self.0.local.lock().take().unwrap_or_default().processes
    }

    /// How many local processes, and how many monitors of them by name, it has to remember for its end.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        self.0
            .local
            .lock()
            .as_ref()
            .map_or((0, 0), |local| (local.processes.len(), local.named.len()))
    }
}

impl PartialEq for Connection {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Connection {}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({})", self.0.node)
    }
}
