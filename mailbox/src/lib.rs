//! Processes without a network: Erlang's, as tokio tasks and as threads.
//!
//! A process is a pid, a mailbox and its signal state (links, monitors, aliases, group leader, whether it traps exits),
//! in one allocation behind one lock. The code that is the process owns a [`Process`]; everybody else knows its pid.
//! Whatever one process sends another is a *signal*, and does here what the Erlang reference manual says, whether the
//! other is in this runtime or behind an [`Outbound`].
//!
//! # Layout
//!
//! In the order a signal travels:
//!
//! | file | what |
//! | --- | --- |
//! | `signal` | [`Signal`]: everything one process sends another |
//! | `payload` | [`Payload`]: what a message carries, a term or its bytes |
//! | `outbound` | [`Outbound`], [`Connection`]: the way to other nodes |
//! | `router` | where a signal goes, and [`Runtime::deliver`] for what came in |
//! | `table`, `registry`, `ids` | pids to processes, names to processes, numbers to pids and references |
//! | `cell` | the shared half of a process; `queue`, `bounded`, what is in it |
//! | `link`, `monitor`, `watchers`, `alias`, `asking`, `exit`, `exit_signal`, `nodedown` | each signal at its receiver |
//! | `mailbox`, `passed`, `receive`, `received` | the receiving half, the words for it, and what comes out |
//! | `process`, `spawn`, `spawn_request`, `ending` | the process as its code holds it, its beginning and its end |
//! | `call`, `call_*`, `caller`, `abandoned` | calls and casts of `gen_server`, from both ends |
//! | `server`, `server_*`, `sys`, `sys_debug` | [`Server`]: the shape of `gen_server`, and what the `sys` module asks of it |
//! | `supervisor`, `supervisor_*`, `child`, `child_stop` | [`Supervisor`]: children, their order, and their restarts |
//! | `timer`, `trace`, `stats`, `ties`, `error` | timers, trace tokens, counters, what is remembered, reasons and refusals |

#![forbid(unsafe_code)]

mod abandoned;
mod alias;
mod asking;
mod bounded;
mod call;
mod call_answer;
mod call_error;
mod call_multi;
mod call_parts;
mod call_request;
mod caller;
mod cell;
mod child;
mod child_stop;
mod ending;
mod error;
mod exit;
mod exit_signal;
mod few;
mod ids;
mod link;
mod mailbox;
mod monitor;
mod nodedown;
mod outbound;
mod passed;
mod payload;
mod process;
mod queue;
mod receive;
mod received;
mod registry;
mod router;
mod runtime;
mod server;
mod server_loop;
mod server_report;
mod server_start;
mod signal;
mod spawn;
mod spawn_request;
mod stats;
mod supervisor;
mod supervisor_children;
mod supervisor_commands;
mod supervisor_handle;
mod supervisor_loop;
mod supervisor_questions;
mod supervisor_restart;
mod supervisor_spec;
mod sync;
mod sys;
mod sys_debug;
mod table;
mod ties;
mod timer;
mod trace;
mod watchers;

pub use alias::AliasMode;
pub use call::{CALL_TIMEOUT, CallFuture};
pub use call_error::CallError;
pub use call_multi::MultiReply;
pub use call_request::{Pending, Requests, Response};
pub use caller::Caller;
pub use child::{Child, Restart, Shutdown};
pub use error::{
    Busy, Exit, IntoExit, Reason, Refused, RegisterError, SpawnError, UnregisterError,
};
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
pub use signal::{Dest, NoDest, Signal, SpawnReply, SpawnRequest, Target, To};
pub use spawn::{SpawnOptions, Spawned};
pub use spawn_request::{SpawnReplies, SpawnRequestOptions, SpawnService, Start};
pub use stats::Stats;
pub use supervisor::{AutoShutdown, Strategy, Supervisor};
pub use supervisor_handle::{ChildCount, ChildError, ChildInfo, ChildState, Supervision};
pub use ties::Ties;
