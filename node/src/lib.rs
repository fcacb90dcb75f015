//! A hidden Erlang node in Rust: to its peers a BEAM node, to its programmer processes that are async functions or threads.
//!
//! ```no_run
//! use node::{Exit, Node, Pid, Process, Term, term};
//!
//! async fn echo(mut process: Process) -> Exit {
//!     loop {
//!         let (from, body): (Pid, Term) = process.receive().await?;
//!         process.send(from, term!({ echo, body }));
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let node = Node::new("rust")?; // name, cookie and epmd found as `erl -sname rust` finds them
//!     node.spawn_named("echo", echo)?;
//!     node.listen().await?; // from here on peers reach us
//!     node.until_stopped().await; // SIGTERM, ctrl-c: unregister, drain, close
//!     Ok(())
//! }
//! ```
//!
//! # Layout
//!
//! | where | what |
//! | --- | --- |
//! | `node`, `processes`, `builder`, [`config`], [`error`] | the node, what it does with processes, its settings, why it does not start |
//! | [`name`], [`cookie`] | who we are, what we share |
//! | [`discovery`], [`admission`] | what may stand in epmd's place; who may be a peer |
//! | [`epmd`] | who listens on which port: asking, registering, serving |
//! | [`carrier`] | the transmission channel |
//! | [`proto`] | the distribution protocol without I/O: bytes in, events and bytes out |
//! | [`bridge`] | control messages to signals, and back |
//! | `conn` | connections: handshake, reading, writing, ticks, who is connected |
//! | `export`, `remote` | functions that other nodes may call, and theirs that we call |
//! | `groups`, `global`, `io` | process groups, global names and group leaders as a program uses them |
//! | `service` | processes that every Erlang node has: `net_kernel`, `rex`, the group leader; spawn requests |
//! | `telemetry`, `logger` | what is counted; `tracing` events in the log of a BEAM node |
//!
//! # The path of a message
//!
//! Each step is one file.
//!
//! ```text
//! in   socket > carrier > conn::reader > proto::frame > proto::dist_header > proto::fragment > proto::control
//!           > bridge::inbound > mailbox::router > mailbox::queue > Mailbox > user code
//! out  user code > Process > mailbox::router > mailbox::Outbound (trait) > bridge::outbound > proto::control
//!           > proto::fragment > proto::dist_header > proto::frame > conn::writer > carrier > socket
//! ```
//!
//! The reader never waits for a mailbox. The process that it wakes runs next on the same worker, and the writer that the process
//! wakes runs after that: a round trip costs one read and one write, and no second thread is woken on the way.
//!
//! A process that computes keeps its tokio worker: the others read and write meanwhile, and a thread of the node's own (`conn::lookout`)
//! writes and ticks even when all of them compute. What computes for long is better a thread of its own
//! ([`Node::spawn_thread`]).

#![forbid(unsafe_code)]

pub mod admission;
pub mod bridge;
pub mod carrier;
pub mod config;
pub mod cookie;
pub mod discovery;
pub mod epmd;
pub mod error;
pub mod name;
pub mod proto;

mod builder;
mod conn;
mod export;
mod global;
mod groups;
mod io;
#[cfg(feature = "logger")]
mod logger;
mod node;
mod processes;
mod remote;
mod service;
mod telemetry;

pub use crate::builder::{BUSY, Builder, UNREAD};
pub use crate::config::{Config, EpmdMode, Limits};
pub use crate::conn::{ConnectError, ConnectionInfo, DownReason, NodeEvent, NodeEvents, NodeKind};
pub use crate::cookie::{Cookie, CookieError};
pub use crate::epmd::EpmdKind;
pub use crate::error::StartError;
pub use crate::export::{Exception, ExportError, Function, Invocation, Outcome, Returned};
pub use crate::global::{Global, GlobalError, GlobalLock};
pub use crate::groups::{GroupChange, GroupChanges, Groups};
pub use crate::io::{IoDevice, IoError};
#[cfg(feature = "logger")]
pub use crate::logger::LoggerLayer;
pub use crate::name::{NameError, NameKind, NodeName};
pub use crate::node::Node;
pub use crate::proto::flags::Flags;
pub use crate::remote::{RemoteCall, RemoteCalls, RemoteError, RemoteSpawn, SpawnFailed};
pub use crate::telemetry::{Stats, TrafficStats};

// What a program needs of the crates below, so that it needs to name one.
pub use mailbox::{
    AliasMode, Bound, Busy, CallError, Caller, Dest, Exit, MonitorOptions, Next, Nodes, Overflow,
    Payload, Process, Reason, Received, RegisterError, Reply, Runtime, Server, SpawnError,
    SpawnOptions, SpawnReplies, SpawnRequestOptions, Spawned,
};
pub use term::{Atom, IntoAtom, Pid, Port, Reference, Term, term};
