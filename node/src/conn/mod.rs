//! Connections: how they come about, carry signals, and end.
//!
//! | file | what |
//! | --- | --- |
//! | `hub` | what all connections share; the runtime's way to other nodes |
//! | `table` | who is connected or being connected to, and which of two connections stays |
//! | `door` | the accept loop |
//! | `driver` | one connection's life: handshake, reader and writer and ticks, the news of its end |
//! | `handshake` | the protocol's handshake machines over a channel |
//! | `connection` | what the tasks and senders of one connection share |
//! | `reader` | socket to mailboxes |
//! | `outbox` | what waits to be written: encoding, fragments, bounds |
//! | `pace` | how large the pieces are that messages go in |
//! | `writer` | outbox to socket |
//! | `batch` | bytes that leave in one write |
//! | `lookout` | a thread that writes and ticks while user code computes on all workers |
//! | `guest` | a name from the first peer, and the connection that comes with it |
//! | `keeper` | connects again whenever a connection has ended |
//! | `events` | nodes that come and go |

mod batch;
mod connection;
mod door;
mod driver;
mod events;
mod guest;
mod handshake;
mod hub;
mod keeper;
mod lookout;
mod outbox;
mod pace;
mod reader;
mod table;
mod writer;

pub use connection::ConnectionInfo;
pub use events::{DownReason, NodeEvent, NodeEvents, NodeKind};
pub use hub::ConnectError;

pub(crate) use door::accept_loop;
pub(crate) use driver::{Refusal, accept};
pub(crate) use guest::ask_for_name;
pub(crate) use hub::{Hub, ToPeers};
pub(crate) use keeper::keep;
pub(crate) use outbox::Bounds;
pub(crate) use table::Table;
