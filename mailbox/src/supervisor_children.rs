//! The children of a supervisor: which there are, and what becomes of them when one ends.

use std::collections::HashMap;
use std::time::Instant;

use term::{Atom, Pid, Term, term};

use crate::child::{Child, Restart};
use crate::child_stop;
use crate::error::Reason;
use crate::process::Process;
use crate::server_report::{Shown, is_ordered};
use crate::server_start::StartError;
use crate::supervisor::{AutoShutdown, Strategy, Supervisor};
use crate::supervisor_restart::{Intensity, restarts};
use crate::sys_debug::Debug;

/// A supervisor at work.
pub(crate) struct Children {
    pub(crate) process: Process,
    pub(crate) strategy: Strategy,
    pub(crate) intensity: Intensity,
    pub(crate) auto_shutdown: AutoShutdown,
    /// In the order of their start; of a `simple_one_for_one` the one specification.
    pub(crate) list: Vec<Entry>,
    /// Those of a `simple_one_for_one`, with their arguments.
    pub(crate) dynamic: HashMap<Pid, Term>,
    /// Those of them that could not be started again yet, by the pid they had.
    pub(crate) restarting: HashMap<Pid, Term>,
    pub(crate) debug: Debug,
}

pub(crate) struct Entry {
    pub(crate) spec: Child,
    pub(crate) now: Now,
}

/// What a child is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Now {
    Running(Pid),
    Stopped,
    /// It could not be started again, which is tried once more.
    Restarting,
}

/// How the supervisor goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Go,
    /// There were too many restarts, or there is nothing left to supervise for: it stops all, and ends with `shutdown`.
    Over,
}

impl Children {
    pub(crate) fn new(process: Process, supervisor: Supervisor) -> Self {
        let Supervisor { strategy, intensity, auto_shutdown, children, .. } = supervisor;
        let list = children.into_iter().map(|spec| Entry { spec, now: Now::Stopped }).collect();
        Self {
            process,
            strategy,
            intensity,
            auto_shutdown,
            list,
            dynamic: HashMap::new(),
            restarting: HashMap::new(),
            debug: Debug::default(),
        }
    }

    pub(crate) fn is_simple(&self) -> bool {
        self.strategy == Strategy::SimpleOneForOne
    }

    /// Starts all, in their order; if one does not start, those before it are stopped again.
    pub(crate) async fn start_all(&mut self) -> Result<(), Reason> {
        if let Some(wrong) = self.list.iter().find_map(|entry| self.bad_combination(&entry.spec)) {
            return Err(Reason::new(term!({start_spec, wrong})));
        }
        if self.is_simple() {
            return if self.list.len() == 1 { Ok(()) } else { Err(Reason::atom("bad_start_spec")) };
        }
        if let Some(id) = self.duplicate() {
            return Err(Reason::new(term!({start_spec, {duplicate_child_name, id}})));
        }
        if let Err((id, error)) = self.start_from(0).await {
            self.stop_all().await;
            return Err(Reason::new(
                term!({shutdown, {failed_to_start_child, id, error.reason()}}),
            ));
        }
        Ok(())
    }

    /// What is wrong with a significant child, in the words of `supervisor`.
    pub(crate) fn bad_combination(&self, spec: &Child) -> Option<Term> {
        if !spec.significant {
            return None;
        }
        if spec.restart == Restart::Permanent {
            return Some(term!({bad_combination, [{restart, 'permanent}, {significant, true}]}));
        }
        let never = self.auto_shutdown == AutoShutdown::Never;
        never.then(|| term!({bad_combination, [{auto_shutdown, 'never}, {significant, true}]}))
    }

    fn duplicate(&self) -> Option<Atom> {
        let ids = || self.list.iter().map(|entry| &entry.spec.id);
        ids()
            .enumerate()
            .find(|(at, id)| ids().take(*at).any(|before| before == *id))
            .map(|(_, id)| id.clone())
    }

    /// Starts what is stopped from the `from`th on; the first that does not start ends this.
    async fn start_from(&mut self, from: usize) -> Result<(), (Atom, StartError)> {
        let ids: Vec<Atom> =
            self.list.iter().skip(from).map(|entry| entry.spec.id.clone()).collect();
        for id in ids {
            if let Err(error) = self.start(&id).await {
                return Err((id, error));
            }
        }
        Ok(())
    }

    /// Starts one; none if its `init` ignores that.
    pub(crate) async fn start(&mut self, id: &Atom) -> Result<Option<Pid>, StartError> {
        let Some(spec) = self.entry(id).map(|entry| entry.spec.clone()) else { return Ok(None) };
        match self.start_spec(&spec, None).await {
            Ok(Some(pid)) => {
                self.set(id, Now::Running(pid.clone()));
                Ok(Some(pid))
            }
            Ok(None) => {
                self.stopped(id);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn start_spec(
        &mut self,
        spec: &Child,
        argument: Option<Term>,
    ) -> Result<Option<Pid>, StartError> {
        match spec.start(&mut self.process, argument).await {
            Ok(pid) => {
                tracing::info!(supervisor = %self.process.pid(), child = %spec.id, %pid, "child started");
                Ok(Some(pid))
            }
            Err(StartError::Ignored) => Ok(None),
            Err(error) => {
                let reason = error.reason();
                tracing::error!(supervisor = %self.process.pid(), child = %spec.id, reason = %Shown(&reason), "start error");
                Err(error)
            }
        }
    }

    pub(crate) fn entry(&self, id: &Atom) -> Option<&Entry> {
        self.list.iter().find(|entry| entry.spec.id == *id)
    }

    pub(crate) fn set(&mut self, id: &Atom, now: Now) {
        if let Some(entry) = self.list.iter_mut().find(|entry| entry.spec.id == *id) {
            entry.now = now;
        }
    }

    /// A child is not to run any longer: its specification stays, unless it is a temporary one.
    pub(crate) fn stopped(&mut self, id: &Atom) {
        self.set(id, Now::Stopped);
        self.list.retain(|entry| entry.spec.id != *id || entry.spec.restart != Restart::Temporary);
    }

    /// Stops one that runs, and waits for its end.
    pub(crate) async fn stop(&mut self, id: &Atom) {
        let Some(entry) = self.entry(id) else { return };
        if let Now::Running(pid) = &entry.now {
            let (spec, pid) = (entry.spec.clone(), pid.clone());
            child_stop::stop(&mut self.process, &spec, vec![pid]).await;
        }
        self.stopped(id);
    }

    /// Stops those from the `from`th on, the last first.
    async fn stop_from(&mut self, from: usize) {
        let ids: Vec<Atom> =
            self.list.iter().skip(from).map(|entry| entry.spec.id.clone()).collect();
        for id in ids.iter().rev() {
            self.stop(id).await;
        }
    }

    /// Stops all: the last first, or those of a `simple_one_for_one` at once.
    pub(crate) async fn stop_all(&mut self) {
        if !self.is_simple() {
            return self.stop_from(0).await;
        }
        let pids: Vec<Pid> = self.dynamic.drain().map(|(pid, _)| pid).collect();
        self.restarting.clear();
        if let Some(spec) = self.list.first().map(|entry| entry.spec.clone()) {
            child_stop::stop(&mut self.process, &spec, pids).await;
        }
    }

    /// A linked process has ended: a child, or nobody that matters.
    pub(crate) async fn ended(&mut self, pid: &Pid, reason: &Term) -> Outcome {
        if let Some(argument) = self.dynamic.remove(pid) {
            let Some(spec) = self.list.first().map(|entry| entry.spec.clone()) else {
                return Outcome::Go;
            };
            self.report(&spec, pid, reason);
            if restarts(spec.restart, reason) {
                return self.restart_dynamic(&spec, pid, argument).await;
            }
            return self.after_the_end_of(&spec);
        }
        let running = |entry: &&Entry| entry.now == Now::Running(pid.clone());
        let Some(spec) = self.list.iter().find(running).map(|entry| entry.spec.clone()) else {
            return Outcome::Go;
        };
        self.report(&spec, pid, reason);
        if restarts(spec.restart, reason) {
            self.set(&spec.id, Now::Restarting);
            return self.restart(&spec.id).await;
        }
        self.stopped(&spec.id);
        self.after_the_end_of(&spec)
    }

    /// A child has ended for good.
    fn after_the_end_of(&self, spec: &Child) -> Outcome {
        let over = spec.significant
            && match self.auto_shutdown {
                AutoShutdown::Never => false,
                AutoShutdown::AnySignificant => true,
                AutoShutdown::AllSignificant => !self.has_significant(),
            };
        if over { Outcome::Over } else { Outcome::Go }
    }

    /// Whether a significant child runs, or is about to.
    fn has_significant(&self) -> bool {
        let runs = |entry: &Entry| {
            entry.now != Now::Stopped || !self.dynamic.is_empty() || !self.restarting.is_empty()
        };
        self.list.iter().any(|entry| entry.spec.significant && runs(entry))
    }

    fn report(&self, spec: &Child, pid: &Pid, reason: &Term) {
        if spec.restart == Restart::Permanent || !is_ordered(reason) {
            let supervisor = self.process.pid();
            tracing::error!(%supervisor, child = %spec.id, %pid, reason = %Shown(reason), "child terminated");
        }
    }

    fn may_restart(&mut self, id: &Atom) -> bool {
        let may = self.intensity.allows(Instant::now());
        if !may {
            tracing::error!(supervisor = %self.process.pid(), child = %id, "reached max restart intensity: shutting down");
        }
        may
    }

    async fn restart(&mut self, id: &Atom) -> Outcome {
        if !self.may_restart(id) {
            self.stopped(id);
            return Outcome::Over;
        }
        let Some(at) = self.list.iter().position(|entry| entry.spec.id == *id) else {
            return Outcome::Go;
        };
        let restarted = match self.strategy {
            Strategy::OneForOne | Strategy::SimpleOneForOne => {
                self.start(id).await.map(drop).map_err(|error| (id.clone(), error))
            }
            Strategy::RestForOne => self.restart_from(at).await,
            Strategy::OneForAll => self.restart_from(0).await,
        };
        if let Err((failed, _)) = restarted {
            self.set(&failed, Now::Restarting);
            // By way of the mailbox, so that others have their turn, as in `supervisor`.
            self.try_again(term!({try_again_restart, failed}));
        }
        Outcome::Go
    }

    async fn restart_from(&mut self, from: usize) -> Result<(), (Atom, StartError)> {
        self.stop_from(from).await;
        self.start_from(from).await
    }

    async fn restart_dynamic(&mut self, spec: &Child, was: &Pid, argument: Term) -> Outcome {
        if !self.may_restart(&spec.id) {
            return Outcome::Over;
        }
        match self.start_spec(spec, Some(argument.clone())).await {
            Ok(Some(pid)) => {
                self.dynamic.insert(pid, argument);
            }
            Ok(None) => {}
            Err(_) => {
                self.restarting.insert(was.clone(), argument);
                self.try_again(term!({try_again_restart, {restarting, was}}));
            }
        }
        Outcome::Go
    }

    fn try_again(&self, what: Term) {
        self.process.cast(self.process.pid(), what);
    }

    /// `{try_again_restart, Id}`, or with `{restarting, Pid}` for one without an id.
    pub(crate) async fn tried_again(&mut self, what: &Term) -> Outcome {
        let Some(tuple) = what.as_tuple().filter(|tuple| tuple.len() == 2) else {
            return Outcome::Go;
        };
        let (Some(tag), Some(who)) = (tuple.get(0), tuple.get(1)) else { return Outcome::Go };
        if !tag.is_atom("try_again_restart") {
            return Outcome::Go;
        }
        if let Some(id) = who.as_atom().map(term::AtomRef::to_atom) {
            return match self.entry(&id).map(|entry| &entry.now) {
                Some(Now::Restarting) => self.restart(&id).await,
                _ => Outcome::Go,
            };
        }
        let was = who.as_tuple().and_then(|restarting| restarting.get(1)?.as_pid());
        let argument = was.as_ref().and_then(|was| self.restarting.remove(was));
        match (was, argument, self.list.first().map(|entry| entry.spec.clone())) {
            (Some(was), Some(argument), Some(spec)) => {
                self.restart_dynamic(&spec, &was, argument).await
            }
            _ => Outcome::Go,
        }
    }
}
