//! What a supervisor is asked to do with its children while it runs, and what it tells of them.

use term::{Atom, Pid, Term};

use crate::child::Child;
use crate::child_stop;
use crate::error::Reason;
use crate::server_start::StartError;
use crate::supervisor_children::{Children, Entry, Now};
use crate::supervisor_handle::{ChildCount, ChildError, ChildInfo, ChildState, Command, Which};

impl Children {
    pub(crate) async fn command(&mut self, command: Command) {
        // Who asked may be gone by the time there is an answer.
        match command {
            Command::Start(child, answer) => drop(answer.send(self.start_child(*child).await)),
            Command::StartWith(argument, answer) => {
                drop(answer.send(self.start_dynamic(argument).await))
            }
            Command::Terminate(which, answer) => {
                drop(answer.send(self.terminate_child(which).await))
            }
            Command::Restart(id, answer) => drop(answer.send(self.restart_child(&id).await)),
            Command::Delete(id, answer) => drop(answer.send(self.delete_child(&id))),
            Command::Which(answer) => drop(answer.send(self.which_children())),
            Command::Count(answer) => drop(answer.send(self.count_children())),
        }
    }

    async fn start_child(&mut self, child: Child) -> Result<Option<Pid>, ChildError> {
        if self.is_simple() {
            return Err(ChildError::Strategy);
        }
        if let Some(wrong) = self.bad_combination(&child) {
            return Err(ChildError::Start(StartError::Stopped(Reason::new(wrong))));
        }
        match self.entry(&child.id).map(|entry| &entry.now) {
            Some(Now::Running(pid)) => return Err(ChildError::AlreadyStarted(pid.clone())),
            Some(_) => return Err(ChildError::AlreadyPresent),
            None => {}
        }
        let id = child.id.clone();
        self.list.push(Entry { spec: child, now: Now::Stopped });
        match self.start(&id).await {
            Ok(started) => Ok(started),
            Err(error) => {
                self.list.retain(|entry| entry.spec.id != id);
                Err(error.into())
            }
        }
    }

    pub(crate) async fn start_dynamic(
        &mut self,
        argument: Term,
    ) -> Result<Option<Pid>, ChildError> {
        let spec = self.list.first().map(|entry| entry.spec.clone()).filter(|_| self.is_simple());
        let Some(spec) = spec else { return Err(ChildError::Strategy) };
        let started = self.start_spec(&spec, Some(argument.clone())).await?;
        if let Some(pid) = &started {
            self.dynamic.insert(pid.clone(), argument);
        }
        Ok(started)
    }

    pub(crate) async fn terminate_child(&mut self, which: Which) -> Result<(), ChildError> {
        match which {
            Which::Id(_) if self.is_simple() => Err(ChildError::Strategy),
            Which::Id(id) => {
                self.entry(&id).ok_or(ChildError::NotFound)?;
                self.stop(&id).await;
                Ok(())
            }
            Which::Pid(pid) => {
                if self.restarting.remove(&pid).is_some() {
                    return Ok(());
                }
                self.dynamic.remove(&pid).ok_or(ChildError::NotFound)?;
                let spec = self
                    .list
                    .first()
                    .map(|entry| entry.spec.clone())
                    .ok_or(ChildError::NotFound)?;
                child_stop::stop(&mut self.process, &spec, vec![pid]).await;
                Ok(())
            }
        }
    }

    pub(crate) async fn restart_child(&mut self, id: &Atom) -> Result<Option<Pid>, ChildError> {
        self.stopped_child(id)?;
        Ok(self.start(id).await?)
    }

    pub(crate) fn delete_child(&mut self, id: &Atom) -> Result<(), ChildError> {
        self.stopped_child(id)?;
        self.list.retain(|entry| entry.spec.id != *id);
        Ok(())
    }

    fn stopped_child(&self, id: &Atom) -> Result<(), ChildError> {
        if self.is_simple() {
            return Err(ChildError::Strategy);
        }
        match self.entry(id).ok_or(ChildError::NotFound)?.now {
            Now::Stopped => Ok(()),
            Now::Running(_) => Err(ChildError::Running),
            Now::Restarting => Err(ChildError::Restarting),
        }
    }

    pub(crate) fn which_children(&self) -> Vec<ChildInfo> {
        if !self.is_simple() {
            return self.list.iter().rev().map(info).collect();
        }
        let Some(entry) = self.list.first() else { return Vec::new() };
        let each = |state| ChildInfo { id: None, state, ..info(entry) };
        let running = self.dynamic.keys().map(|pid| each(ChildState::Running(pid.clone())));
        running.chain(self.restarting.keys().map(|_| each(ChildState::Restarting))).collect()
    }

    pub(crate) fn count_children(&self) -> ChildCount {
        let mut count = ChildCount { specs: self.list.len(), ..ChildCount::default() };
        for child in self.which_children() {
            if let ChildState::Running(pid) = &child.state
                && self.process.runtime().is_alive(pid)
            {
                count.active += 1;
            }
            if child.is_supervisor {
                count.supervisors += 1;
            } else {
                count.workers += 1;
            }
        }
        count
    }
}

fn info(entry: &Entry) -> ChildInfo {
    let state = match &entry.now {
        Now::Running(pid) => ChildState::Running(pid.clone()),
        Now::Stopped => ChildState::Stopped,
        Now::Restarting => ChildState::Restarting,
    };
    let spec = &entry.spec;
    ChildInfo {
        id: Some(spec.id.clone()),
        state,
        is_supervisor: spec.is_supervisor,
        module: spec.module.clone(),
    }
}
