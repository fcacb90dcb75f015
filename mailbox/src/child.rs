//! Child specifications: how a supervisor starts, restarts and stops one of its processes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use term::{Atom, IntoAtom, Pid, Term};

use crate::error::{IntoExit, Reason};
use crate::process::Process;
use crate::queue::Bound;
use crate::server::Server;
use crate::server_start::{Body, StartError, not_spawned, serve_child, start_process};
use crate::spawn::SpawnOptions;
use crate::supervisor::Supervisor;
use crate::supervisor_loop;

/// How long a worker has to end when it is told to, before it is killed: `supervisor`'s 5 s.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// When a child that has ended is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    #[default]
    Permanent,
    /// Unless it ended with `normal`, `shutdown` or `{shutdown, _}`.
    Transient,
    /// Never; it is forgotten when it ends.
    Temporary,
}

/// How a child is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// With `exit(Child, kill)`.
    BrutalKill,
    /// With `exit(Child, shutdown)`; if it is still there after this time, with `kill`.
    Timeout(Duration),
    /// With `exit(Child, shutdown)`, and it may take as long as it takes: for supervisors.
    Infinity,
}

/// One child of a [`Supervisor`], or what all children of a `simple_one_for_one` are made by.
///
/// Permanent, and with 5 s to shut down (a supervisor: as long as it takes), unless told otherwise; registered under its id.
#[derive(Clone)]
pub struct Child {
    pub(crate) id: Atom,
    pub(crate) restart: Restart,
    pub(crate) shutdown: Shutdown,
    pub(crate) is_supervisor: bool,
    pub(crate) significant: bool,
    /// What stands for the callback module.
    pub(crate) module: Atom,
    registered: bool,
    bound: Option<Bound>,
    body: Body,
    start: Start,
}

/// What a start is given: the parent, the options of the process, on what it runs, and the argument if there is one.
type Start = Arc<
    dyn for<'a> Fn(&'a mut Process, SpawnOptions, Body, Option<Term>) -> Starting<'a> + Send + Sync,
>;

type Starting<'a> = Pin<Box<dyn Future<Output = Result<Pid, StartError>> + Send + 'a>>;

impl Child {
    /// A server, made anew by `server` for each start.
    pub fn server<S: Server>(
        id: impl IntoAtom,
        server: impl Fn() -> S + Send + Sync + 'static,
    ) -> Self {
        Self::of_server(id.into_atom(), move |_| Ok(server()))
    }

    /// A server made of the argument that [`start_child`](crate::Supervision::start_child_with) was given: for `simple_one_for_one`.
    pub fn server_with<A: DeserializeOwned, S: Server>(
        id: impl IntoAtom,
        server: impl Fn(A) -> S + Send + Sync + 'static,
    ) -> Self {
        Self::of_server(id.into_atom(), move |argument| Ok(server(read(argument)?))).unregistered()
    }

    fn of_server<S: Server>(
        id: Atom,
        server: impl Fn(Option<Term>) -> Result<S, StartError> + Send + Sync + 'static,
    ) -> Self {
        let start: Start = Arc::new(move |parent, options, body, argument| {
            let server = server(argument);
            let pid = parent.pid();
            Box::pin(async move {
                let server = server?;
                start_process(parent, options, body, move |process, ack| {
                    serve_child(process, server, Some(pid), Some(ack))
                })
                .await
            })
        });
        Self::new(id, S::module(), start)
    }

    /// A process function. It counts as started at once.
    pub fn process<F, R>(
        id: impl IntoAtom,
        process: impl Fn(Process) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = R> + Send + 'static,
        R: IntoExit + 'static,
    {
        let start: Start = Arc::new(move |parent, options, _, _| {
            let started = parent.spawn_with(options, &process);
            let started = started.map_err(|error| not_spawned(parent.runtime(), error));
            Box::pin(std::future::ready(started.map(|spawned| spawned.pid)))
        });
        Self::of_function(id, start)
    }

    /// A process function on a thread of its own. It counts as started at once.
    ///
    /// A thread sees that it is to end at its next receive. One that blocks elsewhere cannot be stopped: see
    /// [`Supervisor`].
    pub fn thread<R: IntoExit>(
        id: impl IntoAtom,
        process: impl Fn(Process) -> R + Send + Sync + 'static,
    ) -> Self {
        let process = Arc::new(process);
        let start: Start = Arc::new(move |parent, options, _, _| {
            let process = Arc::clone(&process);
            let started = parent.spawn_thread_with(options, move |own| process(own));
            let started = started.map_err(|error| not_spawned(parent.runtime(), error));
            Box::pin(std::future::ready(started.map(|spawned| spawned.pid)))
        });
        Self::of_function(id, start)
    }

    /// Another supervisor, with its children.
    pub fn supervisor(id: impl IntoAtom, supervisor: Supervisor) -> Self {
        let start: Start = Arc::new(move |parent, options, body, _| {
            let supervisor = supervisor.clone();
            let pid = parent.pid();
            Box::pin(async move {
                start_process(parent, options, body, move |process, ack| {
                    supervisor_loop::run(process, supervisor, Some(pid), None, Some(ack))
                })
                .await
            })
        });
        let child = Self::new(id.into_atom(), Atom::from_static("supervisor"), start);
        Self { is_supervisor: true, shutdown: Shutdown::Infinity, ..child }
    }

    fn of_function(id: impl IntoAtom, start: Start) -> Self {
        let id = id.into_atom();
        Self::new(id.clone(), id, start)
    }

    fn new(id: Atom, module: Atom, start: Start) -> Self {
        Self {
            id,
            restart: Restart::Permanent,
            shutdown: Shutdown::Timeout(SHUTDOWN_TIMEOUT),
            is_supervisor: false,
            significant: false,
            module,
            registered: true,
            bound: None,
            body: Body::Task,
            start,
        }
    }

    /// Started again only if it ends in another way than `normal` or `shutdown`.
    #[must_use]
    pub const fn transient(mut self) -> Self {
        self.restart = Restart::Transient;
        self
    }

    /// Never started again.
    #[must_use]
    pub const fn temporary(mut self) -> Self {
        self.restart = Restart::Temporary;
        self
    }

    /// When it is started again.
    #[must_use]
    pub const fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// How it is stopped.
    #[must_use]
    pub const fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = shutdown;
        self
    }

    /// Its end may be the end of the supervisor, as [`AutoShutdown`](crate::AutoShutdown) says (OTP 24). Not for permanent ones, which
    /// never end for good.
    #[must_use]
    pub const fn significant(mut self) -> Self {
        self.significant = true;
        self
    }

    /// Its id is not its registered name.
    #[must_use]
    pub const fn unregistered(mut self) -> Self {
        self.registered = false;
        self
    }

    /// Bounds its mailbox.
    #[must_use]
    pub const fn bound(mut self, bound: Bound) -> Self {
        self.bound = Some(bound);
        self
    }

    /// A server on a thread of its own, where its callbacks may block.
    #[must_use]
    pub const fn on_thread(mut self) -> Self {
        self.body = Body::Thread;
        self
    }

    /// Starts it, linked to its supervisor; with the name it had before, in force before it runs.
    pub(crate) async fn start(
        &self,
        parent: &mut Process,
        argument: Option<Term>,
    ) -> Result<Pid, StartError> {
        let mut options = SpawnOptions::new().link();
        if self.registered {
            options = options.name(&self.id);
        }
        if let Some(bound) = self.bound {
            options = options.bound(bound);
        }
        (self.start)(parent, options, self.body, argument).await
    }
}

fn read<A: DeserializeOwned>(argument: Option<Term>) -> Result<A, StartError> {
    let argument = argument.unwrap_or_default();
    term::from_term(&argument)
        .map_err(|error| StartError::Stopped(Reason::text("bad_argument", &error.to_string())))
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("id", &self.id)
            .field("restart", &self.restart)
            .field("shutdown", &self.shutdown)
            .finish_non_exhaustive()
    }
}
