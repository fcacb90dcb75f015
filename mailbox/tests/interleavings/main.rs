//! Interleavings of threads, checked with shuttle: no order of steps loses a wake-up, a signal or an entry.
//!
//! This compiles the crate's own files once more, with shuttle's locks and atomics in the place of `sync.rs`. What shuttle does
//! not see is left out: crossbeam's channels, the timer thread, tokio.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    unused_imports,
    clippy::needless_pass_by_ref_mut,
    reason = "only a part of the crate is used here"
)]

#[path = "../../src/abandoned.rs"]
mod abandoned;
#[path = "../../src/alias.rs"]
mod alias;
#[path = "../../src/asking.rs"]
mod asking;
#[path = "../../src/bounded.rs"]
mod bounded;
#[path = "../../src/call.rs"]
mod call;
#[path = "../../src/call_answer.rs"]
mod call_answer;
#[path = "../../src/call_error.rs"]
mod call_error;
#[path = "../../src/call_multi.rs"]
mod call_multi;
#[path = "../../src/call_parts.rs"]
mod call_parts;
#[path = "../../src/call_request.rs"]
mod call_request;
#[path = "../../src/caller.rs"]
mod caller;
mod calls;
#[path = "../../src/cell.rs"]
mod cell;
#[path = "../../src/child.rs"]
mod child;
#[path = "../../src/child_stop.rs"]
mod child_stop;
#[path = "../../src/ending.rs"]
mod ending;
#[path = "../../src/error.rs"]
mod error;
#[path = "../../src/exit.rs"]
mod exit;
#[path = "../../src/exit_signal.rs"]
mod exit_signal;
#[path = "../../src/few.rs"]
mod few;
mod heaps;
#[path = "../../src/ids.rs"]
mod ids;
#[path = "../../src/link.rs"]
mod link;
#[path = "../../src/mailbox.rs"]
mod mailbox;
#[path = "../../src/monitor.rs"]
mod monitor;
#[path = "../../src/nodedown.rs"]
mod nodedown;
#[path = "../../src/outbound.rs"]
mod outbound;
#[path = "../../src/passed.rs"]
mod passed;
#[path = "../../src/payload.rs"]
mod payload;
#[path = "../../src/process.rs"]
mod process;
#[path = "../../src/queue.rs"]
mod queue;
#[path = "../../src/receive.rs"]
mod receive;
#[path = "../../src/received.rs"]
mod received;
#[path = "../../src/registry.rs"]
mod registry;
#[path = "../../src/router.rs"]
mod router;
#[path = "../../src/runtime.rs"]
mod runtime;
#[path = "../../src/server.rs"]
mod server;
#[path = "../../src/server_loop.rs"]
mod server_loop;
#[path = "../../src/server_report.rs"]
mod server_report;
#[path = "../../src/server_start.rs"]
mod server_start;
#[path = "../../src/signal.rs"]
mod signal;
#[path = "../../src/spawn.rs"]
mod spawn;
#[path = "../../src/spawn_request.rs"]
mod spawn_request;
#[path = "../../src/stats.rs"]
mod stats;
mod steps;
#[path = "../../src/supervisor.rs"]
mod supervisor;
#[path = "../../src/supervisor_children.rs"]
mod supervisor_children;
#[path = "../../src/supervisor_commands.rs"]
mod supervisor_commands;
#[path = "../../src/supervisor_handle.rs"]
mod supervisor_handle;
#[path = "../../src/supervisor_loop.rs"]
mod supervisor_loop;
#[path = "../../src/supervisor_questions.rs"]
mod supervisor_questions;
#[path = "../../src/supervisor_restart.rs"]
mod supervisor_restart;
#[path = "../../src/supervisor_spec.rs"]
mod supervisor_spec;
mod sync;
#[path = "../../src/sys.rs"]
mod sys;
#[path = "../../src/sys_debug.rs"]
mod sys_debug;
#[path = "../../src/table.rs"]
mod table;
#[path = "../../src/ties.rs"]
mod ties;
#[path = "../../src/timer.rs"]
mod timer;
#[path = "../../src/trace.rs"]
mod trace;
#[path = "../../src/watchers.rs"]
mod watchers;

pub use alias::AliasMode;
pub use call::{CALL_TIMEOUT, CallFuture};
pub use call_error::CallError;
pub use call_multi::MultiReply;
pub use call_request::{Pending, Requests, Response};
pub use caller::Caller;
pub use child::{Child, Restart, Shutdown};
pub use error::{Exit, IntoExit, Reason, Refused, RegisterError, SpawnError, UnregisterError};
pub use monitor::MonitorOptions;
pub use nodedown::NodeEvent;
pub use outbound::{BoxFuture, Connection, NoConnection, Nodes, Outbound};
pub use payload::{CallMessage, Origin, Payload, ReadError, ReplyMessage};
pub use process::Process;
pub use queue::{Bound, Incoming, Overflow};
pub use receive::{
    Answer, AwaitAnswer, Receive, ReceiveMatch, ReceiveMatchTimeout, ReceiveTimeout,
};
pub use received::Received;
pub use runtime::Runtime;
pub use server::{Next, NotStarted, Reply, Server};
pub use server_start::{StartError, serve, serve_blocking};
pub use signal::{Dest, NoDest, Signal, SpawnReply, SpawnRequest, Target};
pub use spawn::{SpawnOptions, Spawned};
pub use spawn_request::{SpawnRequestOptions, SpawnService, Start};
pub use stats::Stats;
pub use supervisor::{AutoShutdown, Strategy, Supervisor};
pub use supervisor_handle::{ChildCount, ChildError, ChildInfo, ChildState, Supervision};
pub use ties::Ties;
