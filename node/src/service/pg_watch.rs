//! Who is told of the changes of a process group, or of all groups of a scope (`pg:monitor/2`, `pg:monitor_scope/1`).

use std::collections::HashMap;

use mailbox::Process;
use term::{Pid, Reference, Term, term};

/// What happens to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Join,
    Leave,
}

#[derive(Debug)]
struct Watch {
    pid: Pid,
    /// `None`: all groups.
    group: Option<Term>,
}

/// The watchers of a scope, by the monitor that this scope has of each, which is also the reference it was given.
#[derive(Debug, Default)]
pub(super) struct Watches(HashMap<Reference, Watch>);

impl Watches {
    pub(super) fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn scope(&mut self, process: &Process, pid: &Pid) -> Reference {
        self.insert(process, pid, None)
    }

    pub(super) fn group(&mut self, process: &Process, pid: &Pid, group: Term) -> Reference {
        self.insert(process, pid, Some(group))
    }

    fn insert(&mut self, process: &Process, pid: &Pid, group: Option<Term>) -> Reference {
        let reference = process.monitor(pid);
        self.0.insert(reference.clone(), Watch { pid: pid.clone(), group });
        reference
    }

    /// Whether there was such a watch.
    pub(super) fn end(&mut self, process: &Process, reference: &Reference) -> bool {
        let known = self.0.remove(reference).is_some();
        if known {
            process.demonitor(reference);
        }
        known
    }

    pub(super) fn ended(&mut self, reference: &Reference) {
        self.0.remove(reference);
    }

    /// `{Ref, join | leave, Group, Pids}` to whom it concerns.
    pub(super) fn tell(&self, process: &Process, change: Change, group: &Term, pids: Vec<Pid>) {
        if self.0.is_empty() || pids.is_empty() {
            return;
        }
        let word = match change {
            Change::Join => term!('join),
            Change::Leave => term!('leave),
        };
        let pids = Term::from(pids);
        for (reference, watch) in &self.0 {
            if watch.group.as_ref().is_none_or(|wanted| wanted == group) {
                process.send(&watch.pid, Term::from((reference, &word, group, &pids)));
            }
        }
    }
}
