//! Who watches a process: the other side of monitors, at their target.

use std::collections::HashMap;

use term::{Pid, Reference};

use crate::cell::{Cell, Stage};
use crate::error::Reason;
use crate::few::Few;
use crate::ids::{Number, RefNumber};
use crate::outbound::Connection;
use crate::signal::Target;

/// Who watches one process.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    local: Few<Number>,
    #[expect(
        clippy::box_collection,
        reason = "8 bytes instead of 48 in every process that only local ones watch"
    )]
    remote: Option<Box<HashMap<Reference, RemoteWatcher>>>,
}

#[derive(Debug)]
pub(crate) struct RemoteWatcher {
    pub(crate) from: Pid,
    pub(crate) by: Target,
    pub(crate) connection: Connection,
    /// The process works for this watcher alone, and ends when it is not watched any longer.
    pub(crate) employs: bool,
}

impl Watchers {
    pub(crate) fn insert_local(&mut self, reference: RefNumber, watcher: Number) {
        self.local.insert(reference, watcher);
    }

    pub(crate) fn insert_remote(&mut self, reference: Reference, watcher: RemoteWatcher) {
        self.remote.get_or_insert_default().insert(reference, watcher);
    }

    pub(crate) fn take_local(&mut self) -> Vec<(RefNumber, Number)> {
        self.local.take()
    }

    pub(crate) fn take_remote(&mut self) -> HashMap<Reference, RemoteWatcher> {
        self.remote.take().map(|watchers| *watchers).unwrap_or_default()
    }

    /// Forgets who watched over a connection; whether the process worked for one of them.
    pub(crate) fn cut(&mut self, connection: &Connection) -> bool {
        let mut employed = false;
        if let Some(remote) = self.remote.as_mut() {
            remote.retain(|_, watcher| {
                let over_it = watcher.connection == *connection;
                employed |= over_it && watcher.employs;
                !over_it
            });
        }
        employed
    }

    pub(crate) fn len(&self) -> usize {
        self.local.len() + self.remote.as_ref().map_or(0, |remote| remote.len())
    }
}

impl Cell {
    /// Lets `watcher` be told of this process's end; `false` if that has come already.
    pub(crate) fn watch(&self, number: RefNumber, watcher: Number) -> bool {
        let mut state = self.lock();
        if state.stage() == Stage::Closed {
            return false;
        }
        state.relations_mut().watchers.insert_local(number, watcher);
        true
    }

    pub(crate) fn unwatch(&self, number: RefNumber) {
        if let Some(relations) = self.lock().known_relations_mut() {
            relations.watchers.local.remove(number);
        }
    }

    /// Lets a remote process be told of this one's end; `false` if that has come already.
    pub(crate) fn watch_from_afar(
        &self,
        reference: &Reference,
        from: &Pid,
        by: &Target,
        via: &Connection,
    ) -> bool {
        let mut state = self.lock();
        if state.stage() == Stage::Closed {
            return false;
        }
        if self.tie(&mut state, via) {
            if matches!(by, Target::Name(_)) {
                via.named_monitor(reference.clone(), self.number());
            }
            let watcher = RemoteWatcher {
                from: from.clone(),
                by: by.clone(),
                connection: via.clone(),
                employs: false,
            };
            state.relations_mut().watchers.insert_remote(reference.clone(), watcher);
        }
        true
    }

    /// A remote process does not want to be told any longer.
    pub(crate) fn unwatch_from_afar(&self, reference: &Reference, from: &Pid) {
        let mut state = self.lock();
        let Some(remote) =
            state.known_relations_mut().and_then(|relations| relations.watchers.remote.as_mut())
        else {
            return;
        };
        if remote.get(reference).is_some_and(|watcher| watcher.from == *from)
            && remote.remove(reference).is_some_and(|watcher| watcher.employs)
        {
            self.doom(&mut state, Reason::killed());
        }
    }

    /// From here on the process works for the remote process that watches it by this reference.
    pub(crate) fn work_for(&self, reference: &Reference) {
        let mut state = self.lock();
        let remote = state.relations_mut().watchers.remote.as_mut();
        if let Some(watcher) = remote.and_then(|remote| remote.get_mut(reference)) {
            watcher.employs = true;
        }
    }
}
