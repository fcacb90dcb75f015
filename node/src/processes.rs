//! What a node does with its processes; the rest is at its [`Runtime`](Node::runtime).

use std::future::Future;

use mailbox::{
    CallError, CallFuture, Dest, IntoExit, Process, RegisterError, SpawnError, SpawnOptions,
    Spawned, UnregisterError,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use term::{Atom, EncodeError, IntoAtom, Pid, term};

use crate::node::Node;

impl Node {
    /// Starts a process as a task (`spawn/1`). The future is the process: when it ends, the process exits.
    pub fn spawn<F, R>(&self, process: impl FnOnce(Process) -> F) -> Pid
    where
        F: Future<Output = R> + Send + 'static,
        R: IntoExit + 'static,
    {
        self.runtime().spawn(process)
    }

    /// Starts a process as a task, registered before it runs.
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
        self.runtime().spawn_named(name, process)
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
        self.runtime().spawn_with(options, process)
    }

    /// Starts a process on a thread of its own, registered before it runs.
    ///
    /// # Errors
    /// If the name is taken, or the operating system gives no thread; nothing was started.
    pub fn spawn_thread<R: IntoExit>(
        &self,
        name: impl IntoAtom,
        process: impl FnOnce(Process) -> R + Send + 'static,
    ) -> Result<Pid, SpawnError> {
        let options = SpawnOptions::new().name(name);
        self.runtime().spawn_thread_with(options, process).map(|spawned| spawned.pid)
    }

    /// Makes the caller a process: it has a pid and a mailbox, and ends when the handle is dropped.
    ///
    /// # Errors
    /// If there are no pids left.
    pub fn attach(&self) -> Result<Process, SpawnError> {
        self.runtime().attach()
    }

    /// Gives a process a name (`register/2`).
    ///
    /// # Errors
    /// If the name or the process has one already, or there is no such process here.
    pub fn register(&self, name: impl IntoAtom, pid: &Pid) -> Result<(), RegisterError> {
        self.runtime().register(name, pid)
    }

    /// Takes a name away (`unregister/1`).
    ///
    /// # Errors
    /// If nobody has it.
    pub fn unregister(&self, name: impl IntoAtom) -> Result<(), UnregisterError> {
        self.runtime().unregister(name)
    }

    /// The process of this name (`whereis/1`).
    pub fn whereis(&self, name: impl IntoAtom) -> Option<Pid> {
        self.runtime().whereis(name)
    }

    /// All registered names (`registered/0`), in no order.
    #[must_use]
    pub fn registered(&self) -> Vec<Atom> {
        self.runtime().registered()
    }

    /// Calls a server from outside any process (`gen_server:call/3`): see [`Process::call`].
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # async fn ask(node: node::Node) -> Result<(), node::CallError> {
    /// let n: i64 = node.call(("counter", "a@host"), ("add", 2)).timeout(Duration::from_secs(1)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`CallError`], from the future: not there, refused, crashed, connection lost, timed out.
    ///
    /// # Cancellation
    /// Dropping the future gives the call up: its late reply is never seen.
    pub fn call<T: DeserializeOwned + 'static>(
        &self,
        to: impl Into<Dest>,
        request: impl Serialize + 'static,
    ) -> CallFuture<Process, T> {
        self.runtime().call(to, request)
    }

    /// Casts a request to a server from outside any process (`gen_server:cast/2`); nothing is waited for.
    ///
    /// # Errors
    /// If the request cannot be a term.
    pub fn cast(
        &self,
        to: impl Into<Dest>,
        request: impl Serialize + 'static,
    ) -> Result<(), EncodeError> {
        self.runtime().cast(to, request)
    }

    /// Whether a peer answers (`net_adm:ping/1`): connects to it, and asks its `net_kernel`.
    pub async fn ping(&self, peer: impl IntoAtom) -> bool {
        let peer = peer.into_atom();
        let us = self.runtime().node().clone();
        if peer == us {
            return true;
        }
        let asked: Result<Atom, CallError> =
            self.call(("net_kernel", peer), term!({is_auth, us})).await;
        asked.is_ok_and(|answer| answer.as_str() == "yes")
    }
}
