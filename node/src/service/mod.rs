//! Processes that every Erlang node has: ordinary ones, registered by name.
//!
//! | file | registered as | what |
//! | --- | --- | --- |
//! | `net_kernel` | `net_kernel` | answers `net_adm:ping` |
//! | `group_leader` | `user` | writes what processes print to standard error |
//! | `format` | | `io_lib:format`, for what comes to the group leader unformatted |

mod format;
mod group_leader;
mod net_kernel;

use mailbox::{Runtime, SpawnError};

/// Starts them all.
pub(crate) fn start(runtime: &Runtime) -> Result<(), SpawnError> {
    let leader = runtime.spawn_named("user", group_leader::run)?;
    runtime.set_default_group_leader(leader);
    runtime.spawn_named("net_kernel", net_kernel::run)?;
    Ok(())
}
