//! Changes of a global name: under a lock on every node of our partition, and told to each of them.

use std::time::Duration;

use mailbox::{CallError, Process, Received};
use term::{Atom, Pid, Term, term};

use super::{SERVER, known, locker};

/// For one round of telling all nodes; who has not answered by then is gone, or will be told by those who remain.
const ANSWERS: Duration = Duration::from_secs(5);

/// What to do to a name.
pub(crate) enum Transaction<'a> {
    /// `{Name, Pid, Method}`.
    Register(&'a Term, &'a Pid, &'a Term),
    /// The same, whoever has the name.
    ReRegister(&'a Term, &'a Pid, &'a Term),
    Unregister(&'a Term),
}

impl Transaction<'_> {
    /// Does it; `false` if the name is another's, or the process to be registered has a name. `process` holds the lock: if it ends, everybody forgets the lock.
    pub(crate) async fn run(self, process: &mut Process) -> Result<bool, CallError> {
        let id = term!({global, process.pid()});
        let nodes = lock(process, &id).await?;
        let done = self.under_lock(process, &nodes).await;
        locker::delete(process, &id, &nodes).await?;
        done
    }

    async fn under_lock(self, process: &mut Process, nodes: &[Atom]) -> Result<bool, CallError> {
        let request = match self {
            Self::Register(name, pid, method) => {
                if whereis(process, name).await?.is_some() || is_named(process, pid).await? {
                    return Ok(false);
                }
                term!({register, name, pid, method})
            }
            Self::ReRegister(name, pid, method) => term!({register, name, pid, method}),
            Self::Unregister(name) => term!({unregister, name}),
        };
        process.multi_call::<Term, _>(nodes, SERVER, request, ANSWERS).await?;
        Ok(true)
    }
}

/// The process of a global name, as our own server knows it.
pub(crate) async fn whereis(process: &mut Process, name: &Term) -> Result<Option<Pid>, CallError> {
    let found = process.call::<Term>(SERVER, term!({whereis, name})).await?;
    Ok(found.as_pid())
}

/// Whether a process has a global name, as our own server knows it. It gets no second one (`global:register_name/2`).
async fn is_named(process: &mut Process, pid: &Pid) -> Result<bool, CallError> {
    let answer = process.call::<Term>(SERVER, term!({is_named, pid})).await?;
    Ok(answer.is_atom("true"))
}

/// Sets the lock on all nodes of our partition, and says which they are (`set_lock_known`).
async fn lock(process: &mut Process, id: &Term) -> Result<Vec<Atom>, CallError> {
    for times in 0_u32.. {
        let known = known(process).await?;
        let mut nodes = vec![process.runtime().node().clone()];
        nodes.extend(known.iter().cloned());
        if locker::set(process, id, &nodes).await? {
            if self::known(process).await?.iter().all(|node| known.contains(node)) {
                return Ok(nodes);
            }
            // The partition has grown meanwhile.
            locker::delete(process, id, &nodes).await?;
        }
        random_wait(process, times).await?;
    }
    Err(CallError::TimedOut)
}

async fn known(process: &mut Process) -> Result<Vec<Atom>, CallError> {
    let known = process.call::<Term>(SERVER, term!('get_known)).await?;
    Ok(known::names(known.root()))
}

/// As `global` does: longer each time up to 8 s, by chance, so that two who want the lock do not meet again.
pub(crate) async fn random_wait(process: &mut Process, times: u32) -> Result<(), CallError> {
    let most = (1_u64 << times.min(5)) * 250;
    let wait = most * u64::from(getrandom::u32().unwrap_or(u32::MAX) % 1000) / 1000;
    process
        .receive_timeout::<Received>(Duration::from_millis(wait))
        .await
        .map_err(CallError::Exiting)?;
    Ok(())
}
