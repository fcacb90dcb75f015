//! Locks at one node, as `global:set_lock/1` sets them on many.

use std::collections::HashMap;

use mailbox::Process;
use term::{Pid, Reference, Term, TermRef};

/// Locks, by what they lock.
#[derive(Debug, Default)]
pub(super) struct Locks(HashMap<Term, Lock>);

#[derive(Debug)]
struct Lock {
    /// On whose behalf; whoever asks for the same shares the lock.
    requester: Term,
    holders: Vec<(Pid, Reference)>,
}

/// `{Resource, Requester}`.
fn parts(id: TermRef<'_>) -> Option<(Term, Term)> {
    let pair = id.as_tuple().filter(|pair| pair.len() == 2)?;
    Some((pair.get(0)?.to_term(), pair.get(1)?.to_term()))
}

impl Locks {
    /// Whether the lock is set for `pid` now.
    pub(super) fn set(&mut self, process: &Process, id: TermRef<'_>, pid: &Pid) -> bool {
        let Some((resource, requester)) = parts(id) else { return false };
        let lock = self
            .0
            .entry(resource)
            .or_insert_with(|| Lock { requester: requester.clone(), holders: Vec::new() });
        if lock.requester != requester {
            return false;
        }
        if !lock.holders.iter().any(|(holder, _)| holder == pid) {
            lock.holders.push((pid.clone(), process.monitor(pid)));
        }
        true
    }

    pub(super) fn delete(&mut self, process: &Process, id: TermRef<'_>, pid: &Pid) {
        let Some((resource, requester)) = parts(id) else { return };
        let Some(lock) = self.0.get_mut(&resource).filter(|lock| lock.requester == requester)
        else {
            return;
        };
        lock.holders.retain(|(holder, monitor)| {
            if holder == pid {
                process.demonitor(monitor);
            }
            holder != pid
        });
        if lock.holders.is_empty() {
            self.0.remove(&resource);
        }
    }

    /// A monitor has fired: whoever it was of holds no locks any longer.
    pub(super) fn ended(&mut self, ended: &Reference) {
        self.0.retain(|_, lock| {
            lock.holders.retain(|(_, monitor)| monitor != ended);
            !lock.holders.is_empty()
        });
    }

    /// Whether the lock under which names change is somebody else's than `pid`'s.
    pub(super) fn is_anothers(&self, resource: &Term, pid: &Pid) -> bool {
        let holds = |lock: &Lock| lock.holders.iter().any(|(holder, _)| holder == pid);
        self.0.get(resource).is_some_and(|lock| !holds(lock))
    }
}
