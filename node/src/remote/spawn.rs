//! Processes started on other nodes: `spawn/4`, `spawn_link/4`, `spawn_monitor/4`, `spawn_opt/5`.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use mailbox::{
    MonitorOptions, Process, Reason, SpawnError, SpawnOptions, SpawnRequestOptions, Spawned,
};
use serde::Serialize;
use term::{Atom, Encoded, IntoAtom, Pid, Term};

use super::call::arguments_of;
use crate::node::Node;

/// Why no process was started on another node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnFailed {
    /// *Connection lost*, or it could not be made. A process may have been started or not.
    #[error("no connection to {0}: it was lost, or could not be made (noconnection)")]
    ConnectionLost(Atom),
    /// *Refused*: the other node does not start processes for others (`notsup`), has no room (`system_limit`), or does not know an
    /// option (`badopt`).
    #[error("{0} refuses to start a process: {1}")]
    Refused(Atom, Term),
    /// The arguments are no tuple and no list.
    #[error("arguments are a tuple or a list, and these are neither (badarg)")]
    BadArguments,
    /// *Timed out*. The request was abandoned: a process that it starts after all is not linked, and not monitored.
    #[error("no answer in time (timeout)")]
    TimedOut,
    /// The process that asks is told to exit.
    #[error("the process that asks exits: {0}")]
    Exiting(Reason),
    /// No pids are left here for the one who asks.
    #[error(transparent)]
    Here(#[from] SpawnError),
}

impl Node {
    /// Starts `module:function` with these arguments as a process on another node (`spawn/4`), and says its pid.
    ///
    /// Arguments are a tuple or a list of whatever serde makes terms of; `()` is none. A function that is not there is no failure
    /// of this: as in Erlang the process is there for a moment, and ends with `undef`.
    ///
    /// ```no_run
    /// # async fn start(node: node::Node, mut process: node::Process) -> node::Exit {
    /// use node::{MonitorOptions, Received};
    ///
    /// let pid = node.spawn_at("a@host", "timer", "sleep", (10,)).await?.pid;
    /// println!("{pid} sleeps");
    ///
    /// // spawn_opt(Node, timer, sleep, [10], [link, monitor]) of a process.
    /// let asked = node.spawn_at("a@host", "timer", "sleep", (10,));
    /// let started = asked.link().monitor(MonitorOptions::new()).by(&mut process).await?;
    /// let down = process.receive::<Received>().await?;
    /// println!("{} has ended: {down:?}", started.pid);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// For `spawn_request/5`, whose answer is a message, see [`Process::spawn_request`].
    ///
    /// # Errors
    /// [`SpawnFailed`], from the future.
    pub fn spawn_at(
        &self,
        node: impl IntoAtom,
        module: impl IntoAtom,
        function: impl IntoAtom,
        arguments: impl Serialize,
    ) -> RemoteSpawn {
        RemoteSpawn {
            from: self.clone(),
            node: node.into_atom(),
            function: (module.into_atom(), function.into_atom()),
            arguments: arguments_of(&arguments),
            leader: None,
            timeout: None,
            options: SpawnRequestOptions::default(),
        }
    }
}

/// A process to be started; see [`Node::spawn_at`]. Nothing is sent before it is awaited.
#[must_use = "nothing is started until it is awaited"]
#[derive(Debug)]
pub struct RemoteSpawn {
    from: Node,
    node: Atom,
    function: (Atom, Atom),
    /// `None`: what was given are no arguments.
    arguments: Option<Vec<Term>>,
    leader: Option<Pid>,
    timeout: Option<Duration>,
    options: SpawnRequestOptions,
}

impl RemoteSpawn {
    /// Gives the request up after this long (`spawn_request_abandon/1`).
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// What the process prints goes to this group leader; without one, to that of the process that asks.
    pub fn group_leader(mut self, leader: Pid) -> Self {
        self.leader = Some(leader);
        self
    }

    /// Links it to the process that asks; see [`by`](Self::by).
    pub const fn link(mut self) -> Self {
        self.options.link = true;
        self
    }

    /// Has the process that asks monitor it; see [`by`](Self::by).
    pub fn monitor(mut self, options: MonitorOptions) -> Self {
        self.options.monitor = Some(options);
        self
    }

    /// Another option, for the other node: `{priority, high}`, `{max_heap_size, N}` and what else `spawn_opt/5` there knows.
    pub fn option(mut self, option: impl Into<Term>) -> Self {
        self.options.others.push(option.into());
        self
    }

    /// Starts it for a process of this node: links and monitors are that process's.
    ///
    /// # Errors
    /// [`SpawnFailed`].
    pub async fn by(self, process: &mut Process) -> Result<Spawned, SpawnFailed> {
        let Self {
            node, function: (module, function), arguments, leader, timeout, options, ..
        } = self;
        let arguments = arguments.ok_or(SpawnFailed::BadArguments)?;
        let arity = u32::try_from(arguments.len()).map_err(|_| SpawnFailed::BadArguments)?;
        let arguments = Encoded::from_term(&Term::from(arguments));
        let is_monitored = options.monitor.is_some();
        let options = SpawnRequestOptions { group_leader: leader, ..options };
        let request =
            process.spawn_request(node.clone(), (module, function, arity), arguments, options);
        let replied = |message: &Term| {
            let reply = message.as_tuple().filter(|reply| reply.len() == 4)?;
            if !reply.get(0)?.is_atom("spawn_reply") || reply.get(1)?.as_reference()? != request {
                return None;
            }
            Some(reply.get(3)?.to_term())
        };
        let reply = match timeout {
            None => process.receive_match(replied).await.map_err(SpawnFailed::Exiting)?,
            Some(timeout) => {
                let reply = process.receive_match(replied).timeout(timeout).await;
                match reply.map_err(SpawnFailed::Exiting)? {
                    Some(reply) => reply,
                    None => {
                        process.spawn_request_abandon(&request);
                        return Err(SpawnFailed::TimedOut);
                    }
                }
            }
        };
        match reply.as_pid() {
            Some(pid) => Ok(Spawned { pid, monitor: is_monitored.then_some(request) }),
            None if reply.is_atom("noconnection") => Err(SpawnFailed::ConnectionLost(node)),
            None => Err(SpawnFailed::Refused(node, reply)),
        }
    }
}

impl IntoFuture for RemoteSpawn {
    type Output = Result<Spawned, SpawnFailed>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// For nobody in particular: a link or monitor is over with the answer.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut process = self.from.runtime().attach_with(SpawnOptions::new())?;
            self.by(&mut process).await
        })
    }
}
