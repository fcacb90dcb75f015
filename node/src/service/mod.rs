//! What every Erlang node has: processes registered by name, and the running of exported functions.
//!
//! | file | registered as | what |
//! | --- | --- | --- |
//! | `net_kernel` | `net_kernel` | answers `net_adm:ping` |
//! | `rex` | `rex` | answers what `rpc` sends |
//! | `group_leader` | `user` | answers I/O requests; this one writes to standard error |
//! | `logger_proxy` | `logger_proxy` | takes log events of BEAM code whose group leader is here |
//! | `format` | | `io_lib:format`, for what comes to the group leader unformatted |
//! | `global` | `global_name_server` | a visible node's part in `global` |
//! | `pg`, `pg_watch` | each scope | process groups, and who is told of their changes |
//! | `spawn` | | answers spawn requests, of `erpc` among others |
//! | `apply` | | calls an exported function; what comes of it in the shapes of OTP |
//! | `question` | | tells a `gen_server:call` from other messages |

mod apply;
mod format;
pub(crate) mod global;
pub(crate) mod group_leader;
mod logger_proxy;
mod net_kernel;
pub(crate) mod pg;
mod pg_watch;
mod question;
mod rex;
mod spawn;

use std::sync::Arc;

use mailbox::{Runtime, SpawnError};

pub(crate) use self::apply::{Call, Ended};
use crate::config::Config;
use crate::export::Exports;

/// Starts them all.
pub(crate) fn start(
    runtime: &Runtime,
    exports: &Arc<Exports>,
    config: &Config,
) -> Result<(), SpawnError> {
    let leader = runtime
        .spawn_named("user", |process| group_leader::run(process, group_leader::StandardError))?;
    runtime.set_default_group_leader(leader);
    runtime.spawn_named("net_kernel", net_kernel::run)?;
    runtime.spawn_named("logger_proxy", logger_proxy::run)?;
    let functions = Arc::clone(exports);
    runtime.spawn_named("rex", move |process| rex::run(process, functions))?;
    if !config.hidden {
        let prevents_overlap = config.prevent_overlapping_partitions;
        runtime
            .spawn_named(global::SERVER, move |process| global::run(process, prevents_overlap))?;
    }
    runtime.set_spawn_service(Arc::new(spawn::ExportedFunctions(Arc::clone(exports))));
    Ok(())
}
