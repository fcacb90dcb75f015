//! `Supervisor`: which children there are, and what happens when one ends.

use std::time::Duration;

use term::{Atom, IntoAtom};
use tokio::sync::mpsc;

use crate::child::Child;
use crate::process::Process;
use crate::receive::block_on;
use crate::runtime::Runtime;
use crate::server::Server;
use crate::server_start::{Body, StartError, start_process};
use crate::spawn::SpawnOptions;
use crate::supervisor_handle::{COMMANDS, Supervision};
use crate::supervisor_loop;
use crate::supervisor_restart::Intensity;

/// Which children are started again when one has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// It alone.
    OneForOne,
    /// All: the others are stopped first.
    OneForAll,
    /// It and those that were started after it, which are stopped first.
    RestForOne,
    /// It alone; all children are made by one specification, while the program runs.
    SimpleOneForOne,
}

/// Whether a supervisor ends with its [significant](Child::significant) children (OTP 24): with those that end and are not started
/// again, whatever they end with. One that is terminated by its supervisor does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoShutdown {
    /// No; there are no significant children then.
    #[default]
    Never,
    /// With the first of them.
    AnySignificant,
    /// With the last of them.
    AllSignificant,
}

/// A supervisor to be: its strategy, and its children in the order of their start. They are stopped in the reverse order.
///
/// What it does is what OTP's `supervisor` does: a child that ends is started again as its [`Restart`](crate::Restart) and the [`Strategy`]
/// say; when that happens too often (once in 5 s, unless [told otherwise](Self::intensity)) it stops all and exits with
/// `shutdown`. It is a process, with links and monitors, and tells `supervisor:which_children/1`, `count_children/1` and
/// `sys:get_status/1` what they ask.
///
/// ```
/// use std::time::Duration;
/// use mailbox::{Child, Exit, Process, Runtime, Supervisor};
/// use term::IntoAtom;
///
/// async fn ticker(mut process: Process) -> Exit {
///     loop {
///         process.receive_timeout::<term::Term>(Duration::from_secs(1)).await?;
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = Runtime::new("rust@host".into_atom(), 1);
/// let supervisor = Supervisor::one_for_one()
///     .intensity(3, Duration::from_secs(5))
///     .with(Child::process("ticker", ticker).transient());
/// let supervision = runtime.supervise(supervisor).await?;
/// assert!(runtime.whereis("ticker").is_some());
/// supervision.stop().await;
/// assert!(runtime.whereis("ticker").is_none());
/// # Ok(())
/// # }
/// ```
///
/// One thing is not as on a BEAM: a task ends at its next await and a thread at its next receive, so code that does neither cannot be
/// stopped. A child that is still there 5 s after its `kill` is left alone, without its name, and logged as an error.
#[derive(Clone, Debug)]
pub struct Supervisor {
    pub(crate) strategy: Strategy,
    pub(crate) intensity: Intensity,
    pub(crate) auto_shutdown: AutoShutdown,
    pub(crate) children: Vec<Child>,
    name: Option<Atom>,
}

impl Supervisor {
    /// Starts a child again when it ends.
    #[must_use]
    pub const fn one_for_one() -> Self {
        Self::new(Strategy::OneForOne)
    }

    /// Starts all children again when one ends.
    #[must_use]
    pub const fn one_for_all() -> Self {
        Self::new(Strategy::OneForAll)
    }

    /// Starts a child and those after it again when it ends.
    #[must_use]
    pub const fn rest_for_one() -> Self {
        Self::new(Strategy::RestForOne)
    }

    /// Children all made by `child`, each with an argument of its own: none at first, and each
    /// [started](Supervision::start_child_with) while the program runs. They have no names.
    #[must_use]
    pub fn simple_one_for_one(child: Child) -> Self {
        Self { children: vec![child.unregistered()], ..Self::new(Strategy::SimpleOneForOne) }
    }

    const fn new(strategy: Strategy) -> Self {
        Self {
            strategy,
            intensity: Intensity::DEFAULT,
            auto_shutdown: AutoShutdown::Never,
            children: Vec::new(),
            name: None,
        }
    }

    /// Gives up when there are more than `restarts` within `period`. Once in 5 s unless told otherwise, as in OTP.
    #[must_use]
    pub fn intensity(mut self, restarts: u32, period: Duration) -> Self {
        self.intensity = Intensity::new(restarts, period);
        self
    }

    /// Ends with its significant children: stops the others, and exits with `shutdown`.
    #[must_use]
    pub const fn auto_shutdown(mut self, when: AutoShutdown) -> Self {
        self.auto_shutdown = when;
        self
    }

    /// Adds a server, made anew by `server` for each start and registered under its id.
    #[must_use]
    pub fn child<S: Server>(
        self,
        id: impl IntoAtom,
        server: impl Fn() -> S + Send + Sync + 'static,
    ) -> Self {
        self.with(Child::server(id, server))
    }

    /// Adds a child. A `simple_one_for_one` has the one it was made with, and takes no other: its start fails.
    #[must_use]
    pub fn with(mut self, child: Child) -> Self {
        self.children.push(child);
        self
    }

    /// Registers the supervisor itself.
    #[must_use]
    pub fn name(mut self, name: impl IntoAtom) -> Self {
        self.name = Some(name.into_atom());
        self
    }

    async fn start(self, starter: &mut Process, linked: bool) -> Result<Supervision, StartError> {
        let mut options = SpawnOptions::new();
        if linked {
            options = options.link();
        }
        if let Some(name) = &self.name {
            options = options.name(name);
        }
        let parent = linked.then(|| starter.pid());
        let (commands, commanded) = mpsc::channel(COMMANDS);
        let run =
            |process, ack| supervisor_loop::run(process, self, parent, Some(commanded), Some(ack));
        let pid = start_process(starter, options, Body::Task, run).await?;
        Ok(Supervision::new(pid, starter.runtime().clone(), commands))
    }
}

impl Runtime {
    /// Starts a supervisor that nobody is linked to, and waits until all its children have started: their names are
    /// registered then.
    ///
    /// # Errors
    /// [`StartError`], if a child does not start, or two have one id; those started before it have been stopped.
    pub async fn supervise(&self, supervisor: Supervisor) -> Result<Supervision, StartError> {
        let mut starter = self.attach()?;
        supervisor.start(&mut starter, false).await
    }

    /// [`supervise`](Self::supervise), blocking the thread: for programs outside tokio.
    ///
    /// # Errors
    /// As [`supervise`](Self::supervise).
    pub fn supervise_blocking(&self, supervisor: Supervisor) -> Result<Supervision, StartError> {
        block_on(self.supervise(supervisor))
    }
}

impl Process {
    /// Starts a supervisor linked to this process, which is its parent (`supervisor:start_link/2`): when it ends, the supervisor
    /// stops its children, and ends.
    ///
    /// # Errors
    /// As [`Runtime::supervise`]. A supervisor that does not start also sends its exit signal, as in Erlang.
    pub async fn supervise(&mut self, supervisor: Supervisor) -> Result<Supervision, StartError> {
        supervisor.start(self, true).await
    }
}
