//! Stopping children, one or many: politely, then with `kill`.

use std::time::{Duration, Instant};

use term::{Pid, Reference, Term};

use crate::child::{Child, Restart, Shutdown};
use crate::error::Reason;
use crate::process::Process;
use crate::server_report::{Shown, is_ordered};
use crate::server_start::unlink_flush;

/// How long a child that was killed is waited for. On a BEAM nothing survives `kill`; here a task that never awaits, or a thread
/// that never receives, does. 5 s is what it would have had to shut down.
const KILL_GRACE: Duration = Duration::from_secs(5);

/// A child on its way out.
struct Ending {
    pid: Pid,
    monitor: Reference,
}

/// Stops children of one specification all at once, and waits until they have ended.
pub(crate) async fn stop(process: &mut Process, spec: &Child, pids: Vec<Pid>) {
    let order = match spec.shutdown {
        Shutdown::BrutalKill => "kill",
        Shutdown::Timeout(_) | Shutdown::Infinity => "shutdown",
    };
    let deadline = match spec.shutdown {
        Shutdown::BrutalKill => Instant::now().checked_add(KILL_GRACE),
        Shutdown::Timeout(time) => Instant::now().checked_add(time),
        Shutdown::Infinity => None,
    };
    let ending: Vec<Ending> = pids.into_iter().map(|pid| end(process, pid, order)).collect();
    let left = wait(process, spec, ending, deadline).await;
    if left.is_empty() {
        return;
    }
    for Ending { pid, .. } in left.iter().filter(|_| order != "kill") {
        process.exit(pid, Reason::atom("kill"));
    }
    let left = wait(process, spec, left, Instant::now().checked_add(KILL_GRACE)).await;
    for Ending { pid, monitor } in left {
        tracing::error!(supervisor = %process.pid(), child = %spec.id, %pid,
            "the child does not end although it was killed: it never awaits or receives; it is left alone, without its name");
        process.demonitor_flush(&monitor);
        unlink_flush(process, &pid, true);
        if process.runtime().whereis(&spec.id).as_ref() == Some(&pid) {
            // Nobody has it by then if it ended just now.
            let _ = process.runtime().unregister(&spec.id);
        }
    }
}

fn end(process: &Process, pid: Pid, order: &'static str) -> Ending {
    // The monitor tells the end even if the child has unlinked itself.
    let monitor = process.monitor(&pid);
    process.exit(&pid, Reason::atom(order));
    Ending { pid, monitor }
}

/// Waits for all to end; those that have not at the deadline.
async fn wait(
    process: &mut Process,
    spec: &Child,
    ending: Vec<Ending>,
    deadline: Option<Instant>,
) -> Vec<Ending> {
    let mut left = Vec::new();
    for one in ending {
        match process.down(&one.monitor, deadline).await {
            Ok(Some(reason)) => {
                // The link tells the true reason where the monitor came too late.
                let reason = unlink_flush(process, &one.pid, true).unwrap_or(reason);
                report(process, spec, &one.pid, &reason);
            }
            Ok(None) => left.push(one),
            // The supervisor is killed itself, and its links with it.
            Err(_) => return Vec::new(),
        }
    }
    left
}

/// An end that was not the one ordered is an error, as `supervisor` reports it.
fn report(process: &Process, spec: &Child, pid: &Pid, reason: &Term) {
    let ordered = match spec.shutdown {
        Shutdown::BrutalKill => reason.is_atom("killed"),
        Shutdown::Timeout(_) | Shutdown::Infinity => reason.is_atom("shutdown"),
    };
    let excused = spec.restart != Restart::Permanent && is_ordered(reason);
    if !ordered && !excused {
        tracing::error!(supervisor = %process.pid(), child = %spec.id, %pid, reason = %Shown(reason), "shutdown error");
    }
}
