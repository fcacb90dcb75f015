//! Starting processes, on tasks and on threads, and seeing to it that each end of their code is an exit.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use pin_project_lite::pin_project;
use term::{Atom, IntoAtom, Pid, Reference};
use tokio::runtime::Handle;

use crate::cell::{Birth, Cell, Relations};
use crate::ending;
use crate::error::{IntoExit, Reason, SpawnError};
use crate::ids::Number;
use crate::monitor::MonitorOptions;
use crate::process::Process;
use crate::queue::Bound;
use crate::receive::block_on;
use crate::runtime::Runtime;

/// How a process is to be started.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use mailbox::{Bound, Overflow, Process, Reason, Runtime, SpawnOptions};
/// use term::IntoAtom;
///
/// let runtime = Runtime::new("rust@host".into_atom(), 1);
/// let bound = Bound { capacity: 1000, overflow: Overflow::DropOldest };
/// let options = SpawnOptions::new().name("log").bound(bound);
/// let spawned = runtime.spawn_with(options, async |mut process: Process| {
///     let line: String = process.receive().await?;
///     println!("{line}");
///     Ok::<(), Reason>(())
/// })?;
/// # let _ = spawned.pid;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct SpawnOptions {
    name: Option<Atom>,
    link: bool,
    monitor: Option<MonitorOptions>,
    group_leader: Option<Pid>,
    trap_exit: bool,
    bound: Option<Bound>,
    channel: bool,
}

/// What was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spawned {
    /// The new process.
    pub pid: Pid,
    /// The monitor of the process that started it, if it asked for one.
    pub monitor: Option<Reference>,
}

impl SpawnOptions {
    /// A plain process with an unbounded mailbox, as in Erlang.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers it before it runs.
    #[must_use]
    pub fn name(mut self, name: impl IntoAtom) -> Self {
        self.name = Some(name.into_atom());
        self
    }

    /// Links it to the process that starts it, in the same step. Without one, nothing.
    #[must_use]
    pub const fn link(mut self) -> Self {
        self.link = true;
        self
    }

    /// Has the process that starts it monitor it, in the same step. Without one, nothing.
    #[must_use]
    pub fn monitor(mut self, options: MonitorOptions) -> Self {
        self.monitor = Some(options);
        self
    }

    /// Its group leader, instead of that of the process that starts it.
    #[must_use]
    pub fn group_leader(mut self, leader: Pid) -> Self {
        self.group_leader = Some(leader);
        self
    }

    /// Traps exits from the start.
    #[must_use]
    pub const fn trap_exit(mut self) -> Self {
        self.trap_exit = true;
        self
    }

    /// Bounds its mailbox; unbounded unless asked, as in Erlang.
    #[must_use]
    pub const fn bound(mut self, bound: Bound) -> Self {
        self.bound = Some(bound);
        self
    }

    /// Gives a task the crossbeam channel that threads have, for where many senders meet: they do not wait for each other's
    /// lock, which is worth about 1.5 kB a process.
    #[must_use]
    pub const fn channel(mut self) -> Self {
        self.channel = true;
        self
    }
}

impl SpawnOptions {
    pub(crate) const fn is_linked(&self) -> bool {
        self.link
    }

    pub(crate) const fn unlinked(mut self) -> Self {
        self.link = false;
        self
    }
}

impl Runtime {
    /// Starts a process as a task (`spawn/1`). The future is the process: when it ends, the process exits.
    ///
    /// Where there are no pids left (2^28 processes), the pid given back is one of a process that has ended.
    pub fn spawn<F, R>(&self, process: impl FnOnce(Process) -> F) -> Pid
    where
        F: Future<Output = R> + Send + 'static,
        R: IntoExit + 'static,
    {
        self.pid_of(self.spawn_with(SpawnOptions::new(), process))
    }

    /// Starts a process as a task, and registers it before it runs.
    ///
    /// # Errors
    /// If the name is taken; nothing was started.
    pub fn spawn_named<F, R>(
        &self,
        name: impl IntoAtom,
        process: impl FnOnce(Process) -> F,
    ) -> Result<Pid, SpawnError>
    where
        F: Future<Output = R> + Send + 'static,
        R: IntoExit + 'static,
    {
        self.spawn_with(SpawnOptions::new().name(name), process).map(|spawned| spawned.pid)
    }

    /// Starts a process as a task, with options (`spawn_opt/2`).
    ///
    /// # Errors
    /// If its name is taken, or there are no pids left; nothing was started.
    pub fn spawn_with<F, R>(
        &self,
        options: SpawnOptions,
        process: impl FnOnce(Process) -> F,
    ) -> Result<Spawned, SpawnError>
    where
        F: Future<Output = R> + Send + 'static,
        R: IntoExit + 'static,
    {
        self.start_task(None, options, process)
    }

    /// Starts a process on a thread of its own.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub fn spawn_thread<R: IntoExit>(
        &self,
        process: impl FnOnce(Process) -> R + Send + 'static,
    ) -> Result<Pid, SpawnError> {
        self.spawn_thread_with(SpawnOptions::new(), process).map(|spawned| spawned.pid)
    }

    /// Starts a process on a thread of its own, with options.
    ///
    /// # Errors
    /// If its name is taken, there are no pids left, or the operating system gives no thread; nothing was started.
    pub fn spawn_thread_with<R: IntoExit>(
        &self,
        options: SpawnOptions,
        process: impl FnOnce(Process) -> R + Send + 'static,
    ) -> Result<Spawned, SpawnError> {
        self.start_thread(None, options, process)
    }

    /// Makes the caller a process: it has a pid and a mailbox, and ends when the handle is dropped: with `normal`, or with
    /// `{panic, Text}` where a panic drops it.
    ///
    /// # Errors
    /// If there are no pids left.
    pub fn attach(&self) -> Result<Process, SpawnError> {
        self.attach_with(SpawnOptions::new())
    }

    /// The same with options, of which those about who starts it mean nothing.
    ///
    /// # Errors
    /// If its name is taken, or there are no pids left.
    pub fn attach_with(&self, options: SpawnOptions) -> Result<Process, SpawnError> {
        let (cell, _) = self.bear(None, options)?;
        Ok(Process::new(cell, false, true))
    }

    fn pid_of(&self, spawned: Result<Spawned, SpawnError>) -> Pid {
        spawned.map(|spawned| spawned.pid).unwrap_or_else(|error| {
            tracing::error!(%error, "a process was not started");
            self.ids().pid(Number::NOBODY)
        })
    }

    fn start_task<F, R>(
        &self,
        parent: Option<&Process>,
        options: SpawnOptions,
        process: impl FnOnce(Process) -> F,
    ) -> Result<Spawned, SpawnError>
    where
        F: Future<Output = R> + Send + 'static,
        R: IntoExit + 'static,
    {
        let (cell, monitor) = self.bear(parent, options)?;
        let spawned = Spawned { pid: cell.pid(), monitor };
        self.run_born(cell, process);
        Ok(spawned)
    }

    /// Gives a process that was born its code.
    pub(crate) fn run_born<F, R>(&self, cell: Arc<Cell>, process: impl FnOnce(Process) -> F)
    where
        F: Future<Output = R> + Send + 'static,
        R: IntoExit + 'static,
    {
        let own = Process::new(Arc::clone(&cell), true, false);
        match catch_unwind(AssertUnwindSafe(|| process(own))) {
            Ok(future) => self.run(Task { cell, future: Some(future), met: false }),
            Err(panic) => {
                self.counters().panicked();
                ending::end(&cell, Reason::panic(&*panic));
            }
        }
    }

    fn run<F, R>(&self, task: Task<F>)
    where
        F: Future<Output = R> + Send + 'static,
        R: IntoExit + 'static,
    {
        if let Some(executor) = self.executor() {
            executor.spawn(task);
        } else if let Ok(here) = Handle::try_current() {
            here.spawn(task);
        } else {
            // Dropped if there is no thread, which ends the process.
            let _ = thread::Builder::new().spawn(move || block_on(task));
        }
    }

    fn start_thread<R: IntoExit>(
        &self,
        parent: Option<&Process>,
        options: SpawnOptions,
        process: impl FnOnce(Process) -> R + Send + 'static,
    ) -> Result<Spawned, SpawnError> {
        let name = options.name.as_ref().map(|name| name.as_str().replace('\0', ""));
        let (cell, monitor) = self.bear(parent, SpawnOptions { channel: true, ..options })?;
        let spawned = Spawned { pid: cell.pid(), monitor };
        let mut builder = thread::Builder::new();
        if let Some(name) = name {
            builder = builder.name(name);
        }
        let own = Process::new(Arc::clone(&cell), false, false);
        let body = Arc::clone(&cell);
        let started = builder.spawn(move || {
            let ended = catch_unwind(AssertUnwindSafe(|| process(own).into_exit()));
            ending::end(&body, reason_of(&body, ended));
        });
        if let Err(error) = started {
            ending::end(&cell, Reason::atom("system_limit"));
            return Err(SpawnError::Thread(error.to_string()));
        }
        Ok(spawned)
    }

    /// A process without code yet: in the table, named, linked and monitored.
    pub(crate) fn bear(
        &self,
        parent: Option<&Process>,
        options: SpawnOptions,
    ) -> Result<(Arc<Cell>, Option<Reference>), SpawnError> {
        let SpawnOptions { name, link, monitor, group_leader, trap_exit, bound, channel } = options;
        let mut relations: Option<Box<Relations>> = None;
        if let Some(leader) = group_leader.or_else(|| parent.and_then(Process::own_group_leader)) {
            relations.get_or_insert_default().group_leader = Some(leader);
        }
        let parent = parent.map(Process::cell);
        if let Some(parent) = parent.filter(|_| link) {
            relations.get_or_insert_default().links.insert_local(parent.number());
        }
        let birth = Birth { trap_exit, channel, bound, relations };
        let cell = self
            .table()
            .insert(|number| Cell::new(number, self.clone(), birth))
            .ok_or(SpawnError::TooMany)?;
        if let Some(name) = name
            && let Err(taken) = self.names().register(name, Some(&cell))
        {
            // Nobody knows of it yet, so this tells nobody.
            ending::end(&cell, Reason::normal());
            return Err(taken.into());
        }
        let mut reference = None;
        if let Some(parent) = parent {
            if link {
                parent.lock().relations_mut().links.insert_local(cell.number());
            }
            reference = monitor.map(|options| parent.monitor_child(&cell, options));
        }
        Ok((cell, reference))
    }
}

impl Process {
    /// Starts a process as a task; it has this one's group leader (`spawn/1`).
    pub fn spawn<F, R>(&self, process: impl FnOnce(Self) -> F) -> Pid
    where
        F: Future<Output = R> + Send + 'static,
        R: IntoExit + 'static,
    {
        self.runtime().pid_of(self.spawn_with(SpawnOptions::new(), process))
    }

    /// Starts a process as a task, linked to this one (`spawn_link/1`).
    pub fn spawn_link<F, R>(&self, process: impl FnOnce(Self) -> F) -> Pid
    where
        F: Future<Output = R> + Send + 'static,
        R: IntoExit + 'static,
    {
        self.runtime().pid_of(self.spawn_with(SpawnOptions::new().link(), process))
    }

    /// Starts a process as a task, monitored by this one (`spawn_monitor/1`).
    pub fn spawn_monitor<F, R>(&self, process: impl FnOnce(Self) -> F) -> (Pid, Reference)
    where
        F: Future<Output = R> + Send + 'static,
        R: IntoExit + 'static,
    {
        let spawned = self.spawn_with(SpawnOptions::new().monitor(MonitorOptions::new()), process);
        match spawned {
            Ok(Spawned { pid, monitor: Some(monitor) }) => (pid, monitor),
            // What was not started is monitored as what is not there.
            other => {
                let pid = self.runtime().pid_of(other);
                let monitor = self.monitor(&pid);
                (pid, monitor)
            }
        }
    }

    /// Starts a process as a task, with options (`spawn_opt/2`).
    ///
    /// # Errors
    /// If its name is taken, or there are no pids left; nothing was started.
    pub fn spawn_with<F, R>(
        &self,
        options: SpawnOptions,
        process: impl FnOnce(Self) -> F,
    ) -> Result<Spawned, SpawnError>
    where
        F: Future<Output = R> + Send + 'static,
        R: IntoExit + 'static,
    {
        self.runtime().start_task(Some(self), options, process)
    }

    /// Starts a process on a thread of its own, with options.
    ///
    /// # Errors
    /// If its name is taken, there are no pids left, or the operating system gives no thread; nothing was started.
    pub fn spawn_thread_with<R: IntoExit>(
        &self,
        options: SpawnOptions,
        process: impl FnOnce(Self) -> R + Send + 'static,
    ) -> Result<Spawned, SpawnError> {
        self.runtime().start_thread(Some(self), options, process)
    }
}

pin_project! {
    /// A process as a task: polls its code until that ends, or is to end; then, with the code gone, the process exits.
    struct Task<F> {
        cell: Arc<Cell>,
        #[pin]
        future: Option<F>,
        // Whether the cell knows the task's waker.
        met: bool,
    }

    impl<F> PinnedDrop for Task<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.future.is_some() {
                // Its executor is shutting down.
                let _ = catch_unwind(AssertUnwindSafe(|| this.future.set(None)));
                ending::end(this.cell, Reason::killed());
            }
        }
    }
}

impl<F: Future<Output: IntoExit>> Future for Task<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if !*this.met {
            *this.met = true;
            this.cell.set_waker(cx.waker());
        }
        let ended = if this.cell.is_doomed() {
            // The reason is known already; this one does not count.
            Ok(Ok(()))
        } else {
            let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Ready(()) };
            match catch_unwind(AssertUnwindSafe(|| future.poll(cx).map(IntoExit::into_exit))) {
                Ok(Poll::Pending) if !this.cell.is_doomed() => return Poll::Pending,
                Ok(Poll::Pending) => Ok(Ok(())),
                Ok(Poll::Ready(exit)) => Ok(exit),
                Err(panic) => Err(panic),
            }
        };
        let mut reason = reason_of(this.cell, ended);
        // What the code held is dropped before anybody hears of its end.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| this.future.set(None))) {
            reason = reason_of(this.cell, Err(panic));
        }
        ending::end(this.cell, reason);
        Poll::Ready(())
    }
}

fn reason_of(cell: &Cell, ended: thread::Result<crate::error::Exit>) -> Reason {
    match ended {
        Ok(Ok(())) => Reason::normal(),
        Ok(Err(reason)) => reason,
        Err(panic) => {
            cell.runtime().counters().panicked();
            Reason::panic(&*panic)
        }
    }
}
