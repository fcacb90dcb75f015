//! `Supervision`: a supervisor that runs, for the program that started it.

use std::fmt;

use serde::Serialize;
use term::{Atom, IntoAtom, Pid, Term};
use tokio::sync::{mpsc, oneshot};

use crate::child::Child;
use crate::error::Reason;
use crate::runtime::Runtime;
use crate::server_start::StartError;

/// How many commands wait for a supervisor; who has one more waits. A command takes as long as a child's start or end, so a
/// few dozen are a backlog already.
pub(crate) const COMMANDS: usize = 32;

/// A supervisor that runs. Clones are the same one; dropping them all leaves it running.
#[derive(Clone)]
pub struct Supervision {
    pid: Pid,
    runtime: Runtime,
    commands: mpsc::Sender<Command>,
}

/// Why a supervisor did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChildError {
    /// There is no child of that id, or that pid.
    #[error("there is no such child")]
    NotFound,
    /// It runs; only one that was terminated can be restarted or deleted.
    #[error("the child is running; terminate it first")]
    Running,
    /// It is about to be started again.
    #[error("the child is about to be restarted")]
    Restarting,
    /// A child of that id runs already, as this process.
    #[error("a child of that id runs already: {0}")]
    AlreadyStarted(Pid),
    /// A child of that id is there, terminated.
    #[error("a child of that id is there already, terminated: restart or delete it")]
    AlreadyPresent,
    /// Children of a `simple_one_for_one` have no ids, and those of others no arguments.
    #[error("that is not how children of this supervisor's strategy are addressed")]
    Strategy,
    /// It did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The argument cannot be a term.
    #[error("the argument cannot be a term: {0}")]
    Argument(String),
    /// The supervisor has ended.
    #[error("the supervisor has ended")]
    Gone,
}

/// A child as `supervisor:which_children/1` tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildInfo {
    /// Its id; none for children of a `simple_one_for_one`.
    pub id: Option<Atom>,
    /// What it is doing.
    pub state: ChildState,
    /// Whether it is a supervisor itself.
    pub is_supervisor: bool,
    /// What stands for its callback module.
    pub module: Atom,
}

/// What a child is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChildState {
    /// It runs, as this process.
    Running(Pid),
    /// It does not (`undefined`).
    Stopped,
    /// It could not be started again, which is tried once more (`restarting`).
    Restarting,
}

/// How many children there are, as `supervisor:count_children/1` counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChildCount {
    /// Specifications.
    pub specs: usize,
    /// Children that run.
    pub active: usize,
    /// Children that are supervisors, running or not.
    pub supervisors: usize,
    /// Children that are none, running or not.
    pub workers: usize,
}

/// Which child: by its id, or by its pid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Id(Atom),
    Pid(Pid),
}

pub(crate) enum Command {
    Start(Box<Child>, Answer<Result<Option<Pid>, ChildError>>),
    StartWith(Term, Answer<Result<Option<Pid>, ChildError>>),
    Terminate(Which, Answer<Result<(), ChildError>>),
    Restart(Atom, Answer<Result<Option<Pid>, ChildError>>),
    Delete(Atom, Answer<Result<(), ChildError>>),
    Which(Answer<Vec<ChildInfo>>),
    Count(Answer<ChildCount>),
}

type Answer<T> = oneshot::Sender<T>;

impl Supervision {
    pub(crate) const fn new(pid: Pid, runtime: Runtime, commands: mpsc::Sender<Command>) -> Self {
        Self { pid, runtime, commands }
    }

    /// The supervisor's pid: to link to, to monitor, to call.
    #[must_use]
    pub const fn pid(&self) -> &Pid {
        &self.pid
    }

    /// Adds a child, and starts it (`supervisor:start_child/2`); `None` if its `init` says that there is nothing to do.
    ///
    /// # Errors
    /// [`ChildError`].
    pub async fn start_child(&self, child: Child) -> Result<Option<Pid>, ChildError> {
        self.ask(|answer| Command::Start(Box::new(child), answer)).await.and_then(|started| started)
    }

    /// Starts a child of a `simple_one_for_one`, with its argument.
    ///
    /// # Errors
    /// [`ChildError`].
    pub async fn start_child_with(
        &self,
        argument: impl Serialize,
    ) -> Result<Option<Pid>, ChildError> {
        let argument =
            term::to_term(&argument).map_err(|error| ChildError::Argument(error.to_string()))?;
        self.ask(|answer| Command::StartWith(argument, answer)).await.and_then(|started| started)
    }

    /// Stops a child (`supervisor:terminate_child/2`); it stays, to be restarted or deleted, unless it is temporary.
    ///
    /// # Errors
    /// [`ChildError`].
    pub async fn terminate_child(&self, id: impl IntoAtom) -> Result<(), ChildError> {
        let which = Which::Id(id.into_atom());
        self.ask(|answer| Command::Terminate(which, answer)).await.and_then(|done| done)
    }

    /// Stops the child of a `simple_one_for_one` that has this pid.
    ///
    /// # Errors
    /// [`ChildError`].
    pub async fn terminate_child_pid(&self, pid: &Pid) -> Result<(), ChildError> {
        let which = Which::Pid(pid.clone());
        self.ask(|answer| Command::Terminate(which, answer)).await.and_then(|done| done)
    }

    /// Starts a child again that was terminated (`supervisor:restart_child/2`).
    ///
    /// # Errors
    /// [`ChildError`].
    pub async fn restart_child(&self, id: impl IntoAtom) -> Result<Option<Pid>, ChildError> {
        let id = id.into_atom();
        self.ask(|answer| Command::Restart(id, answer)).await.and_then(|started| started)
    }

    /// Forgets a child that was terminated (`supervisor:delete_child/2`).
    ///
    /// # Errors
    /// [`ChildError`].
    pub async fn delete_child(&self, id: impl IntoAtom) -> Result<(), ChildError> {
        let id = id.into_atom();
        self.ask(|answer| Command::Delete(id, answer)).await.and_then(|done| done)
    }

    /// The children, those started last first (`supervisor:which_children/1`).
    ///
    /// # Errors
    /// If the supervisor has ended.
    pub async fn which_children(&self) -> Result<Vec<ChildInfo>, ChildError> {
        self.ask(Command::Which).await
    }

    /// How many children there are (`supervisor:count_children/1`).
    ///
    /// # Errors
    /// If the supervisor has ended.
    pub async fn count_children(&self) -> Result<ChildCount, ChildError> {
        self.ask(Command::Count).await
    }

    /// Has the supervisor stop its children and end with `shutdown`, and waits for that; at once if it has ended.
    pub async fn stop(&self) {
        let Ok(mut process) = self.runtime.attach() else { return };
        let monitor = process.monitor(&self.pid);
        let stop = Term::from((Atom::from_static("terminate"), Reason::shutdown().into_term()));
        let from = Term::from((process.pid(), Term::from(&monitor)));
        process.send(&self.pid, Term::from((Atom::from_static("system"), from, stop)));
        let _ = process.down(&monitor, None).await;
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, ChildError> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).await.map_err(|_| ChildError::Gone)?;
        answered.await.map_err(|_| ChildError::Gone)
    }
}

impl ChildError {
    /// The `Reason` of `{error, Reason}` that `supervisor` has for it.
    pub(crate) fn reason(&self) -> Term {
        let atom = |name| Term::from(Atom::from_static(name));
        match self {
            Self::NotFound => atom("not_found"),
            Self::Running => atom("running"),
            Self::Restarting => atom("restarting"),
            Self::AlreadyStarted(pid) => Term::from((Atom::from_static("already_started"), pid)),
            Self::AlreadyPresent => atom("already_present"),
            Self::Strategy => atom("simple_one_for_one"),
            Self::Start(error) => error.reason(),
            Self::Argument(text) => Term::from((Atom::from_static("bad_argument"), text.as_str())),
            Self::Gone => atom("noproc"),
        }
    }
}

impl fmt::Debug for Supervision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Supervision({})", self.pid)
    }
}
