//! Other nodes coming and going: who is told, and what breaks with a connection.

use std::collections::HashMap;
use std::sync::Arc;

use term::Atom;
use tokio::sync::broadcast;

use crate::cell::{Cell, Stage};
use crate::few::Few;
use crate::ids::Number;
use crate::outbound::Connection;
use crate::queue::{Message, System};
use crate::runtime::Runtime;
use crate::sync::Mutex;

/// Node events that a slow reader of [`Runtime::node_events`] may be behind before it loses the oldest: a cluster of
/// a thousand nodes coming up at once fits.
const EVENTS: usize = 1024;

/// A node has come or gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeEvent {
    /// The connection is up.
    Up {
        /// Its name.
        node: Atom,
        /// It does not publish itself.
        hidden: bool,
    },
    /// The connection is no more.
    Down {
        /// Its name.
        node: Atom,
        /// It did not publish itself.
        hidden: bool,
    },
}

/// `monitor_node(Node, true)`, as often as called.
#[derive(Debug)]
pub(crate) struct NodeMonitor {
    node: Atom,
    connection: Connection,
    times: u32,
}

/// Who is connected, and who wants to know of changes.
#[derive(Debug)]
pub(crate) struct Nodes {
    events: broadcast::Sender<NodeEvent>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    up: HashMap<Atom, (Connection, bool)>,
    /// Processes that called `monitor_nodes(true)`.
    subscribers: Few<()>,
}

impl Default for Nodes {
    fn default() -> Self {
        Self { events: broadcast::Sender::new(EVENTS), inner: Mutex::default() }
    }
}

impl Nodes {
    pub(crate) fn subscribe(&self, process: Number, on: bool) {
        let mut inner = self.inner.lock();
        if on {
            inner.subscribers.insert(process.key(), ());
        } else {
            inner.subscribers.remove(process.key());
        }
    }

    /// How many processes monitor all nodes.
    pub(crate) fn subscribed(&self) -> usize {
        self.inner.lock().subscribers.len()
    }

    /// The connections that are up.
    pub(crate) fn connected(&self) -> Vec<Connection> {
        self.inner.lock().up.values().map(|(connection, _)| connection.clone()).collect()
    }
}

impl Runtime {
    /// A connection to `node` begins: the handle that names it to this runtime from its first signal to its end.
    ///
    /// For who implements [`Outbound`](crate::Outbound).
    #[must_use]
    pub fn open_connection(&self, node: Atom) -> Connection {
        Connection::new(node)
    }

    /// The connection is up: its handshake is done. Tells who asked for node events.
    pub fn node_up(&self, connection: &Connection, hidden: bool) {
        let node = connection.node().clone();
        let subscribers = {
            let mut inner = self.nodes_board().inner.lock();
            inner.up.insert(node.clone(), (connection.clone(), hidden));
            subscribers(&inner)
        };
        let _ = self.nodes_board().events.send(NodeEvent::Up { node: node.clone(), hidden });
        self.tell(&subscribers, &System::NodeUp(node));
    }

    /// The connection is no more, or could not be made: breaks the links and monitors over it with `noconnection`, and
    /// fires the node monitors. A second call does nothing.
    ///
    /// No signal that came over it may be delivered after this.
    pub fn node_down(&self, connection: &Connection) {
        let node = connection.node().clone();
        for number in connection.end() {
            if let Some(cell) = self.table().get(number) {
                cell.cut(connection);
            }
        }
        let was_up = {
            let mut inner = self.nodes_board().inner.lock();
            match inner.up.get(&node) {
                Some((up, hidden)) if up == connection => {
                    let hidden = *hidden;
                    inner.up.remove(&node);
                    Some((hidden, subscribers(&inner)))
                }
                _ => None,
            }
        };
        if let Some((hidden, subscribers)) = was_up {
            let _ = self.nodes_board().events.send(NodeEvent::Down { node: node.clone(), hidden });
            self.tell(&subscribers, &System::NodeDown(node));
        }
    }

    /// The stream of nodes coming and going, from now on. A reader more than 1,024 events behind loses the oldest and is
    /// told how many.
    #[must_use]
    pub fn node_events(&self) -> broadcast::Receiver<NodeEvent> {
        self.nodes_board().events.subscribe()
    }

    fn tell(&self, subscribers: &[Number], event: &System) {
        for number in subscribers {
            let alive = self.table().with(*number, |cell| {
                let mut state = cell.lock();
                if state.stage() == Stage::Alive {
                    cell.push(&mut state, Message::System(Box::new(event.clone())));
                }
            });
            if alive.is_none() {
                self.nodes_board().subscribe(*number, false);
            }
        }
    }
}

fn subscribers(inner: &Inner) -> Vec<Number> {
    inner.subscribers.iter().map(|(key, ())| Number::from_key(key)).collect()
}

impl Cell {
    /// `net_kernel:monitor_nodes/1`.
    pub(crate) fn monitor_nodes(&self, on: bool) {
        if on && self.is_doomed() {
            return;
        }
        // Its end takes back what this says.
        self.lock().relations_mut().monitors_nodes = on;
        self.runtime().nodes_board().subscribe(self.number(), on);
    }

    /// `monitor_node/2`. A node that cannot be connected to is down at once.
    pub(crate) fn monitor_node(&self, node: &Atom, on: bool) {
        if node == self.runtime().ids().node() || self.is_doomed() {
            return;
        }
        let mut state = self.lock();
        if !on {
            if let Some(relations) = state.known_relations_mut() {
                let monitors = &mut relations.node_monitors;
                if let Some(at) = monitors.iter().rposition(|monitor| monitor.node == *node) {
                    let times = monitors.get_mut(at).map_or(0, |monitor| {
                        monitor.times -= 1;
                        monitor.times
                    });
                    if times == 0 {
                        monitors.swap_remove(at);
                    }
                }
            }
            return;
        }
        match self.runtime().outbound_begin(node) {
            Ok(connection) if self.tie(&mut state, &connection) => {
                let monitors = &mut state.relations_mut().node_monitors;
                match monitors.iter_mut().find(|monitor| monitor.connection == connection) {
                    Some(monitor) => monitor.times = monitor.times.saturating_add(1),
                    None => monitors.push(NodeMonitor { node: node.clone(), connection, times: 1 }),
                }
            }
            _ => {
                if state.stage() == Stage::Alive {
                    self.push(
                        &mut state,
                        Message::System(Box::new(System::NodeDown(node.clone()))),
                    );
                }
            }
        }
    }

    /// Everything over a connection that has ended.
    fn cut(self: &Arc<Self>, connection: &Connection) {
        // Forgotten first: what the process begins from here on learns from `tie` that the connection is over, what it
        // began before is cut below.
        if let Some(relations) = self.lock().known_relations_mut() {
            relations.connections.retain(|known| known != connection);
        }
        self.cut_links(connection);
        self.cut_monitors(connection);
        self.cut_spawns(connection);
        let mut state = self.lock();
        let alive = state.stage() == Stage::Alive;
        let Some(relations) = state.known_relations_mut() else { return };
        let mut times = 0;
        relations.node_monitors.retain(|monitor| {
            let over_it = monitor.connection == *connection;
            if over_it {
                times = monitor.times;
            }
            !over_it
        });
        // One message for each call of `monitor_node/2`.
        for _ in 0..if alive { times } else { 0 } {
            self.push(
                &mut state,
                Message::System(Box::new(System::NodeDown(connection.node().clone()))),
            );
        }
    }
}
