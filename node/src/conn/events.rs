//! Nodes that come and go, for who wants to know: the stream behind `Node::events`.

use std::fmt;

use term::Atom;
use tokio::sync::broadcast;

use crate::proto::flags::Flags;

/// Events kept for a subscriber that is behind. One that falls further behind is told how many it missed, and can ask for
/// the nodes there are.
const KEPT: usize = 1_024;

/// Something happened to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeEvent {
    /// A connection is up: `nodeup`.
    Up {
        /// The peer.
        node: Atom,
        /// Whether it publishes itself.
        kind: NodeKind,
    },
    /// A connection ended: `nodedown`.
    Down {
        /// The peer.
        node: Atom,
        /// Whether it published itself.
        kind: NodeKind,
        /// Why.
        reason: DownReason,
    },
    /// A connection has more to send than its busy limit (`+zdbbl`): senders that wait are waiting.
    Busy {
        /// The peer.
        node: Atom,
    },
    /// A busy connection has room again.
    Ready {
        /// The peer.
        node: Atom,
    },
    /// This subscriber was so far behind that events were lost to it: [`Node::nodes`](crate::Node::nodes) tells the present.
    Missed {
        /// How many.
        count: u64,
    },
}

/// How a node takes part in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeKind {
    /// It shows in `nodes()`, and its cluster connects to whom it connects to.
    Visible,
    /// It shows in `nodes(hidden)` only.
    Hidden,
}

impl From<Flags> for NodeKind {
    fn from(flags: Flags) -> Self {
        if flags.contains(Flags::PUBLISHED) { Self::Visible } else { Self::Hidden }
    }
}

impl fmt::Display for NodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Visible => "visible",
            Self::Hidden => "hidden",
        })
    }
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DownReason {
    /// The peer closed it, or the channel broke.
    ConnectionClosed(String),
    /// This node was told to disconnect.
    Disconnected,
    /// Nothing was heard of the peer for too long.
    NetTickTimeout,
    /// The peer sent what is not the protocol.
    Protocol(String),
    /// The peer does not read, and what waits for it has reached the limit.
    SlowConsumer,
    /// The peer came back on a new connection and said that this one is dead.
    Replaced,
    /// The connection never came up.
    SetupFailed(String),
    /// This node stops.
    Stopped,
}

impl DownReason {
    /// The atom that `net_kernel:monitor_nodes/2` shows as `nodedown_reason`, for the reasons that OTP knows.
    #[must_use]
    pub fn as_atom(&self) -> &'static str {
        match self {
            Self::ConnectionClosed(_) | Self::Protocol(_) | Self::SlowConsumer => {
                "connection_closed"
            }
            Self::Disconnected => "disconnect",
            Self::NetTickTimeout => "net_tick_timeout",
            Self::Replaced => "wait_pending",
            Self::SetupFailed(_) => "connection_setup_failed",
            Self::Stopped => "net_kernel_terminated",
        }
    }
}

impl fmt::Display for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectionClosed(how) => write!(f, "connection closed: {how}"),
            Self::Disconnected => f.write_str("disconnected by this node"),
            Self::NetTickTimeout => f.write_str("nothing heard of the peer within net_ticktime"),
            Self::Protocol(what) => write!(f, "the peer broke the protocol: {what}"),
            Self::SlowConsumer => {
                f.write_str("the peer does not read and its outgoing queue is full")
            }
            Self::Replaced => f.write_str("the peer came back on a new connection"),
            Self::SetupFailed(why) => write!(f, "could not connect: {why}"),
            Self::Stopped => f.write_str("this node stops"),
        }
    }
}

/// Those who listen.
#[derive(Debug, Clone)]
pub(crate) struct Events(broadcast::Sender<NodeEvent>);

impl Events {
    pub(crate) fn new() -> Self {
        Self(broadcast::channel(KEPT).0)
    }

    /// Tells all subscribers; costs next to nothing when there are none.
    pub(crate) fn tell(&self, event: NodeEvent) {
        let _ = self.0.send(event);
    }

    pub(crate) fn subscribe(&self) -> NodeEvents {
        NodeEvents(self.0.subscribe())
    }
}

/// The events of a node, from when it was asked for them.
#[derive(Debug)]
pub struct NodeEvents(broadcast::Receiver<NodeEvent>);

impl NodeEvents {
    /// The next event; `None` when the node is gone.
    pub async fn next(&mut self) -> Option<NodeEvent> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(NodeEvent::Missed { count }),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
