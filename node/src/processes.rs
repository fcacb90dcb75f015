//! What a node does with its processes; the rest is at its [`Runtime`](Node::runtime).

use std::future::Future;

use mailbox::{
    IntoExit, Process, RegisterError, SpawnError, SpawnOptions, Spawned, UnregisterError,
};
use term::{Atom, IntoAtom, Pid};

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
}
