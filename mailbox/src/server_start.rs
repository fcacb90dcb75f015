//! Starting servers: who starts one waits until its `init` has run (`proc_lib:start_link/3`).

use std::future::Future;

use term::{IntoAtom, Pid, Reference, Term};
use tokio::sync::oneshot;

use crate::error::{Exit, Reason, RegisterError, SpawnError};
use crate::mailbox::{Found, Look};
use crate::monitor::MonitorOptions;
use crate::process::Process;
use crate::queue::{Message, System as Signal};
use crate::receive::block_on;
use crate::runtime::Runtime;
use crate::server::{NotStarted, Server};
use crate::server_loop::Loop;
use crate::spawn::{SpawnOptions, Spawned};
use crate::sys_debug::Debug;

/// Why a server was not started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is no process for it.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// Its name is another process's (`{already_started, Pid}`).
    #[error("a process of that name has been started already: {0}")]
    AlreadyStarted(Pid),
    /// Its `init` says that there is nothing to do for it (`ignore`).
    #[error("the server's init ignores the start")]
    Ignored,
    /// It ended before it was ready, with this reason.
    #[error("the server ended before it was ready: {0}")]
    Stopped(Reason),
}

impl StartError {
    /// What `start_link` would give for it: the `Reason` of `{error, Reason}`, or `ignore`.
    #[must_use]
    pub fn reason(&self) -> Term {
        match self {
            Self::Spawn(error) => Reason::from(error.clone()).into_term(),
            Self::AlreadyStarted(pid) => {
                Term::from((term::Atom::from_static("already_started"), pid))
            }
            Self::Ignored => Term::from(term::Atom::from_static("ignore")),
            Self::Stopped(reason) => reason.to_term(),
        }
    }
}

/// What a starting process tells who starts it.
pub(crate) enum Ack {
    Ready,
    Ignore,
}

impl Runtime {
    /// Starts a server that nobody is linked to (`gen_server:start/3`), and waits for its `init`.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start<S: Server>(&self, server: S) -> Result<Pid, StartError> {
        self.start_with(SpawnOptions::new(), server).await
    }

    /// The same, registered before its `init` runs.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start_named<S: Server>(
        &self,
        name: impl IntoAtom,
        server: S,
    ) -> Result<Pid, StartError> {
        self.start_with(SpawnOptions::new().name(name), server).await
    }

    /// Starts a server with options, of which `link` and `monitor` mean nothing here.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start_with<S: Server>(
        &self,
        options: SpawnOptions,
        server: S,
    ) -> Result<Pid, StartError> {
        let mut starter = self.attach()?;
        start(&mut starter, options.unlinked(), None, server, Body::Task).await
    }

    /// Starts a server on a thread of its own, where its callbacks may block.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start_on_thread<S: Server>(
        &self,
        options: SpawnOptions,
        server: S,
    ) -> Result<Pid, StartError> {
        let mut starter = self.attach()?;
        start(&mut starter, options.unlinked(), None, server, Body::Thread).await
    }
}

impl Process {
    /// Starts a server linked to this process, which is its parent (`gen_server:start_link/3`), and waits for its `init`.
    ///
    /// # Errors
    /// [`StartError`]. A server that stops in its `init` also sends its exit signal, as in Erlang.
    pub async fn start_link<S: Server>(&mut self, server: S) -> Result<Pid, StartError> {
        self.start_with(SpawnOptions::new().link(), server).await
    }

    /// Starts a server with options; linked, this process is its parent.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start_with<S: Server>(
        &mut self,
        options: SpawnOptions,
        server: S,
    ) -> Result<Pid, StartError> {
        let parent = options.is_linked().then(|| self.pid());
        start(self, options, parent, server, Body::Task).await
    }

    /// The same on a thread of its own, where its callbacks may block.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start_on_thread<S: Server>(
        &mut self,
        options: SpawnOptions,
        server: S,
    ) -> Result<Pid, StartError> {
        let parent = options.is_linked().then(|| self.pid());
        start(self, options, parent, server, Body::Thread).await
    }
}

/// Makes a server of a process that runs already (`gen_server:enter_loop/3`, with `init` before).
///
/// ```
/// # use mailbox::{Caller, Process, Reply, Runtime, Server, serve};
/// # use term::{IntoAtom, Term};
/// # #[derive(Default)] struct Counter(i64);
/// # impl Server for Counter {
/// #     type Call = Term; type Reply = i64; type Cast = Term; type Info = Term;
/// #     async fn call(&mut self, _: Term, _: Caller, _: &mut Process) -> Reply<i64> { Reply::Now(self.0) }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = Runtime::new("rust@host".into_atom(), 1);
/// runtime.spawn_named("counter", |process| serve(process, Counter::default()))?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The reason that the process ends with.
pub async fn serve<S: Server>(process: Process, server: S) -> Exit {
    serve_child(process, server, None, None).await
}

/// [`serve`] on the thread of a process that is one: callbacks may block there.
///
/// # Errors
/// The reason that the process ends with.
pub fn serve_blocking<S: Server>(process: Process, server: S) -> Exit {
    on_this_thread(process, |process| serve(process, server))
}

/// Runs what is asynchronous on a thread, with tokio's clock and sockets where the runtime has a tokio.
pub(crate) fn on_this_thread<F: Future>(
    process: Process,
    run: impl FnOnce(Process) -> F,
) -> F::Output {
    let executor = process.runtime().executor().cloned();
    let _entered = executor.as_ref().map(tokio::runtime::Handle::enter);
    block_on(run(process))
}

pub(crate) async fn serve_child<S: Server>(
    mut process: Process,
    mut server: S,
    parent: Option<Pid>,
    ack: Option<oneshot::Sender<Ack>>,
) -> Exit {
    let tell = |what| ack.map(|ack| ack.send(what));
    match server.init(&mut process).await {
        Ok(next) => {
            tell(Ack::Ready);
            Loop { server, process, parent, debug: Debug::default() }.run(next).await
        }
        Err(NotStarted::Ignore) => {
            tell(Ack::Ignore);
            Ok(())
        }
        // Who starts it is told by its end.
        Err(NotStarted::Stop(reason)) => Err(reason),
    }
}

/// On what a server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Task,
    Thread,
}

async fn start<S: Server>(
    starter: &mut Process,
    options: SpawnOptions,
    parent: Option<Pid>,
    server: S,
    body: Body,
) -> Result<Pid, StartError> {
    start_process(starter, options, body, move |process, ack| {
        serve_child(process, server, parent, Some(ack))
    })
    .await
}

/// Starts a process, and waits until it says that it is ready, or ends.
pub(crate) async fn start_process<F>(
    starter: &mut Process,
    options: SpawnOptions,
    body: Body,
    run: impl FnOnce(Process, oneshot::Sender<Ack>) -> F + Send + 'static,
) -> Result<Pid, StartError>
where
    F: Future<Output = Exit> + Send + 'static,
{
    let (ack, acked) = oneshot::channel();
    let linked = options.is_linked();
    let monitored = options.monitor(MonitorOptions::new());
    let spawned = match body {
        Body::Task => starter.spawn_with(monitored, move |process| run(process, ack)),
        Body::Thread => starter.spawn_thread_with(monitored, move |process| {
            on_this_thread(process, move |process| run(process, ack))
        }),
    };
    let Spawned { pid, monitor } = match spawned {
        Ok(spawned) => spawned,
        Err(error) => return Err(not_spawned(starter.runtime(), error)),
    };
    let monitor = monitor.unwrap_or_else(|| starter.monitor(&pid));
    match acked.await {
        Ok(Ack::Ready) => {
            starter.demonitor_flush(&monitor);
            Ok(pid)
        }
        Ok(Ack::Ignore) => {
            await_down(starter, &monitor).await?;
            unlink_flush(starter, &pid, linked);
            Err(StartError::Ignored)
        }
        Err(_) => {
            let reason = await_down(starter, &monitor).await?;
            let reason = unlink_flush(starter, &pid, linked).unwrap_or(reason);
            Err(StartError::Stopped(Reason::new(reason)))
        }
    }
}

pub(crate) fn not_spawned(runtime: &Runtime, error: SpawnError) -> StartError {
    match &error {
        SpawnError::Name(RegisterError::Taken(name)) => match runtime.whereis(name) {
            Some(pid) => StartError::AlreadyStarted(pid),
            None => StartError::Spawn(error),
        },
        _ => StartError::Spawn(error),
    }
}

/// The reason in a monitor's `DOWN`, whatever else waits.
async fn await_down(process: &mut Process, monitor: &Reference) -> Result<Term, StartError> {
    let down = process.down(monitor, None).await.map_err(StartError::Stopped)?;
    Ok(down.unwrap_or_default())
}

/// Takes the link to a process that has ended away, and its exit signal out of the mailbox: the reason in it.
pub(crate) fn unlink_flush(process: &mut Process, pid: &Pid, linked: bool) -> Option<Term> {
    if !linked {
        return None;
    }
    process.unlink(pid);
    process.mailbox.select_now(&mut |message: &mut Message| match message {
        Message::System(signal) => match &**signal {
            Signal::Exit { from, reason, .. } if from == pid => Look::Take(reason.clone()),
            _ => Look::Leave,
        },
        _ => Look::Leave,
    })
}

impl Process {
    /// Waits for a monitor's `DOWN`, whatever else waits: its reason, or `None` at the deadline.
    pub(crate) async fn down(
        &mut self,
        monitor: &Reference,
        deadline: Option<std::time::Instant>,
    ) -> Result<Option<Term>, Reason> {
        let mut at = 0;
        let mut look = |message: &mut Message| match message {
            Message::System(signal) => match &**signal {
                Signal::Down { reference, reason, .. } if reference == monitor => {
                    Look::Take(reason.clone())
                }
                _ => Look::Leave,
            },
            _ => Look::Leave,
        };
        match std::future::poll_fn(|cx| self.mailbox.poll_select(cx, deadline, &mut at, &mut look))
            .await
        {
            Found::It(reason) => Ok(Some(reason)),
            Found::TimedOut => Ok(None),
            Found::Doomed => Err(self.why()),
        }
    }

    /// Runs work beside the process, as a process of its own that nothing ties to this one: it goes on if this one ends.
    ///
    /// What a server does not want to wait for goes here, with the [`Caller`](crate::Caller) to reply to.
    pub fn detach<F>(&self, work: F) -> Pid
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn(move |process| async move {
            work.await;
            drop(process);
        })
    }
}
