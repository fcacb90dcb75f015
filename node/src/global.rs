//! Global names as a program uses them: `node.global().register("one", &pid)`.

use std::time::Duration;

use mailbox::{CallError, Nodes, Payload, SpawnError};
use serde::Serialize;
use term::{Atom, EncodeError, Pid, Term};

use crate::node::Node;
use crate::remote::RemoteError;
use crate::service::global::{Transaction, whereis};

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
    /// This node is hidden, and connected to no visible one that could be asked.
    #[error(
        "a hidden node needs a visible one to ask for global names, and is connected to none; connect to one first"
    )]
    Alone,
    /// The visible node did not answer.
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
    /// Gives a process a name on all nodes (`global:register_name/2`); `false` if the name is taken.
    ///
    /// # Errors
    /// [`GlobalError`].
    pub async fn register(&self, name: impl Into<Term>, pid: &Pid) -> Result<bool, GlobalError> {
        let name = name.into();
        if let Some(node) = self.asked_instead()? {
            let answer: Term =
                self.ask(node, "register_name_external", vec![name, Term::from(pid)]).await?;
            return Ok(answer.is_atom("yes"));
        }
        let method: Term =
            METHOD.parse().map_err(|error| GlobalError::Message(format!("{error}")))?;
        let mut process = self.0.attach()?;
        Ok(Transaction::Register(&name, pid, &method).run(&mut process).await?)
    }

    /// Takes a name away (`global:unregister_name/1`), whoever has it.
    ///
    /// # Errors
    /// [`GlobalError`].
    pub async fn unregister(&self, name: impl Into<Term>) -> Result<(), GlobalError> {
        let name = name.into();
        if let Some(node) = self.asked_instead()? {
            self.ask::<Term>(node, "unregister_name_external", vec![name]).await?;
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
        if let Some(node) = self.asked_instead()? {
            return Ok(self.ask::<Term>(node, "whereis_name", vec![name]).await?.as_pid());
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

    /// The node that a hidden one asks.
    fn asked_instead(&self) -> Result<Option<Atom>, GlobalError> {
        if !self.0.hub.config.hidden {
            return Ok(None);
        }
        self.0.nodes(Nodes::Visible).into_iter().next().map(Some).ok_or(GlobalError::Alone)
    }

    async fn ask<T: serde::de::DeserializeOwned + 'static>(
        &self,
        node: Atom,
        function: &'static str,
        arguments: Vec<Term>,
    ) -> Result<T, RemoteError> {
        self.0.erpc(node, "global", function, arguments).timeout(ANSWER).await
    }
}
