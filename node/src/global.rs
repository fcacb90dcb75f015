//! Global names as a program uses them: `node.global().register("one", &pid)`.

use std::time::Duration;

use mailbox::{CallError, Nodes, Payload, Process, SpawnError};
use serde::Serialize;
use term::{Atom, EncodeError, IntoAtom as _, Pid, Term, term};

use crate::node::Node;
use crate::remote::RemoteError;
use crate::service::global::{SERVER, Transaction, delete_lock, random_wait, set_lock, whereis};

/// For a question to the BEAM node that a hidden node asks: registering waits for locks on the whole cluster.
const ANSWER: Duration = Duration::from_secs(30);

/// How two processes of one name are told apart when partitions meet: one of the two is killed. `global`'s own default.
const METHOD: &str = "fun global:random_exit_name/3";

/// Names that are known on every node of the cluster (`global`).
///
/// A visible node takes part in `global` itself. A hidden one has a BEAM node that it is connected to do it, as C nodes do.
#[derive(Clone, Debug)]
pub struct Global(Node);

/// Why nothing is known of a global name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GlobalError {
    /// This node is hidden, and connected to no visible BEAM node that could be asked.
    #[error(
        "a hidden node needs a visible one to ask for global names, and is connected to none; connect to one first"
    )]
    Alone,
    /// The BEAM node did not answer.
    #[error("the node asked for a global name: {0}")]
    Remote(#[from] RemoteError),
    /// This node's own server did not answer.
    #[error("this node's global_name_server: {0}")]
    Call(#[from] CallError),
    /// There are no pids left.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// The message cannot be a term.
    #[error("the message cannot be a term: {0}")]
    Message(String),
}

impl From<EncodeError> for GlobalError {
    fn from(error: EncodeError) -> Self {
        Self::Message(error.to_string())
    }
}

impl Node {
    /// The names of the whole cluster.
    #[must_use]
    pub fn global(&self) -> Global {
        Global(self.clone())
    }
}

impl Global {
    /// Gives a process a name on all nodes (`global:register_name/2`); `false` if the name is taken, or the process has one.
    ///
    /// # Errors
    /// [`GlobalError`].
    pub async fn register(&self, name: impl Into<Term>, pid: &Pid) -> Result<bool, GlobalError> {
        let name = name.into();
        if self.is_hidden() {
            let (asked, _) = self.ask_whom("whereis_name", vec![name.clone()]).await?;
            if self.is_named_at(&asked, pid).await? {
                return Ok(false);
            }
            let answer = self.ask("register_name_external", vec![name, Term::from(pid)]).await?;
            return Ok(answer.is_atom("yes"));
        }
        let mut process = self.0.attach()?;
        Ok(Transaction::Register(&name, pid, &method()?).run(&mut process).await?)
    }

    /// Takes a name away (`global:unregister_name/1`), whoever has it.
    ///
    /// # Errors
    /// [`GlobalError`].
    pub async fn unregister(&self, name: impl Into<Term>) -> Result<(), GlobalError> {
        let name = name.into();
        if self.is_hidden() {
            self.ask("unregister_name_external", vec![name]).await?;
            return Ok(());
        }
        let mut process = self.0.attach()?;
        if whereis(&mut process, &name).await?.is_some() {
            Transaction::Unregister(&name).run(&mut process).await?;
        }
        Ok(())
    }

    /// The process of a name (`global:whereis_name/1`).
    ///
    /// # Errors
    /// [`GlobalError`].
    pub async fn whereis(&self, name: impl Into<Term>) -> Result<Option<Pid>, GlobalError> {
        let name = name.into();
        if self.is_hidden() {
            return Ok(self.ask("whereis_name", vec![name]).await?.as_pid());
        }
        let mut process = self.0.attach()?;
        Ok(whereis(&mut process, &name).await?)
    }

    /// Sends a message to the process of a name (`global:send/2`), which is given back; `None` if there is none.
    ///
    /// # Errors
    /// [`GlobalError`].
    pub async fn send<M: Serialize + 'static>(
        &self,
        name: impl Into<Term>,
        message: M,
    ) -> Result<Option<Pid>, GlobalError> {
        let message = Payload::new(message)?;
        let found = self.whereis(name).await?;
        if let Some(pid) = &found {
            self.0.runtime().send_payload(pid, message);
        }
        Ok(found)
    }

    /// Gives a name to a process, whoever has it (`global:re_register_name/2`).
    ///
    /// # Errors
    /// [`GlobalError`].
    pub async fn re_register(&self, name: impl Into<Term>, pid: &Pid) -> Result<(), GlobalError> {
        let name = name.into();
        if self.is_hidden() {
            self.ask("re_register_name", vec![name, Term::from(pid)]).await?;
            return Ok(());
        }
        let mut process = self.0.attach()?;
        Transaction::ReRegister(&name, pid, &method()?).run(&mut process).await?;
        Ok(())
    }

    /// All names, in no order (`global:registered_names/0`).
    ///
    /// # Errors
    /// [`GlobalError`].
    pub async fn registered(&self) -> Result<Vec<Term>, GlobalError> {
        if self.is_hidden() {
            let names = self.ask("registered_names", Vec::new()).await?;
            return Ok(names
                .as_list()
                .map(|names| names.iter().map(Term::from).collect())
                .unwrap_or_default());
        }
        let names: Vec<(Term, Pid, Term)> = self.0.call(SERVER, term!('get_names)).await?;
        Ok(names.into_iter().map(|(name, _, _)| name).collect())
    }

    /// Sets a lock on a resource, whatever that is, on all nodes (`global:set_lock/1`), and waits until it is set. It is this
    /// guard's alone, for Rust and BEAM processes alike.
    ///
    /// ```no_run
    /// # async fn once(node: node::Node) -> Result<(), node::GlobalError> {
    /// let lock = node.global().lock("the printer").await?;
    /// // global:trans({<<"the printer">>, self()}, Fun) waits on every node of the cluster.
    /// lock.release().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`GlobalError`].
    ///
    /// # Cancellation
    /// Dropping the future takes the lock away where it is set already.
    pub async fn lock(&self, resource: impl Into<Term>) -> Result<GlobalLock, GlobalError> {
        let (resource, mut times) = (resource.into(), 0);
        loop {
            match self.locked(&resource).await? {
                Ok(lock) => return Ok(lock),
                Err(mut process) => random_wait(&mut process, times).await?,
            }
            times += 1;
        }
    }

    /// The same without waiting: `None` if it is another's (`global:set_lock/3` with no retries).
    ///
    /// # Errors
    /// [`GlobalError`].
    pub async fn try_lock(
        &self,
        resource: impl Into<Term>,
    ) -> Result<Option<GlobalLock>, GlobalError> {
        Ok(self.locked(&resource.into()).await?.ok())
    }

    async fn locked(&self, resource: &Term) -> Result<Result<GlobalLock, Process>, GlobalError> {
        let nodes = self.servers().await?;
        let mut process = self.0.attach()?;
        let id = term!({(resource), process.pid()});
        if set_lock(&mut process, &id, &nodes).await? {
            Ok(Ok(GlobalLock { process, id, nodes }))
        } else {
            Ok(Err(process))
        }
    }

    /// The nodes that have a part in `global`.
    async fn servers(&self) -> Result<Vec<Atom>, GlobalError> {
        let us = self.0.runtime().node().clone();
        if !self.is_hidden() {
            let mut nodes = self.0.nodes(Nodes::Visible);
            nodes.push(us);
            return Ok(nodes);
        }
        let (asked, _) = self.ask_whom("registered_names", Vec::new()).await?;
        let others: Vec<Atom> = self.0.erpc(&asked, "erlang", "nodes", ()).timeout(ANSWER).await?;
        Ok(std::iter::once(asked).chain(others).filter(|node| *node != us).collect())
    }

    /// Whether `global` on a BEAM node knows a name of this process. It asks that itself before a process of its own gets a
    /// name, and not before one of a hidden node does, in a table that has had this name since before OTP 25.
    async fn is_named_at(&self, node: &Atom, pid: &Pid) -> Result<bool, GlobalError> {
        let asked = self.0.erpc(node, "ets", "member", ("global_pid_names".into_atom(), pid));
        Ok(asked.timeout(ANSWER).await?)
    }

    fn is_hidden(&self) -> bool {
        self.0.hub.config.hidden
    }

    /// Asks a connected node: the first that has OTP's `global`, which another Rust node has not.
    async fn ask(&self, function: &'static str, arguments: Vec<Term>) -> Result<Term, GlobalError> {
        Ok(self.ask_whom(function, arguments).await?.1)
    }

    /// The same; which node it was, and its answer.
    async fn ask_whom(
        &self,
        function: &'static str,
        arguments: Vec<Term>,
    ) -> Result<(Atom, Term), GlobalError> {
        // Seen from a hidden node every connection is hidden.
        for node in self.0.nodes(Nodes::Connected) {
            let asked = self.0.erpc(&node, "global", function, &arguments).timeout(ANSWER).await;
            match asked {
                Err(RemoteError::NotThere { .. }) => {}
                asked => return Ok((node, asked?)),
            }
        }
        Err(GlobalError::Alone)
    }
}

/// How a clash of two processes is decided.
fn method() -> Result<Term, GlobalError> {
    METHOD.parse().map_err(|error| GlobalError::Message(format!("{error}")))
}

/// A lock that is set on all nodes; dropped, it is taken away, as soon as they learn of it.
#[derive(Debug)]
#[must_use = "the lock is taken away when this is dropped"]
pub struct GlobalLock {
    /// The holder: when it ends every node forgets the lock.
    process: Process,
    id: Term,
    nodes: Vec<Atom>,
}

impl GlobalLock {
    /// Takes the lock away everywhere, and waits until that is done (`global:del_lock/1`).
    ///
    /// # Errors
    /// If this node stops.
    pub async fn release(mut self) -> Result<(), GlobalError> {
        Ok(delete_lock(&mut self.process, &self.id, &self.nodes).await?)
    }
}
