//! Global names as a program uses them: `node.global().register("one", &pid)`.

use std::time::Duration;

use mailbox::{CallError, Nodes, Payload, SpawnError};
use serde::Serialize;
use term::{EncodeError, Pid, Term};

use crate::export::Exception;
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
    /// Gives a process a name on all nodes (`global:register_name/2`); `false` if the name is taken.
    ///
    /// # Errors
    /// [`GlobalError`].
    pub async fn register(&self, name: impl Into<Term>, pid: &Pid) -> Result<bool, GlobalError> {
        let name = name.into();
        if self.is_hidden() {
            let answer = self.ask("register_name_external", vec![name, Term::from(pid)]).await?;
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

    fn is_hidden(&self) -> bool {
        self.0.hub.config.hidden
    }

    /// Asks a connected node: the first that has OTP's `global`, which another Rust node has not.
    async fn ask(&self, function: &'static str, arguments: Vec<Term>) -> Result<Term, GlobalError> {
        // Seen from a hidden node every connection is hidden.
        for node in self.0.nodes(Nodes::Connected) {
            let asked = self.0.erpc(node, "global", function, &arguments).timeout(ANSWER).await;
            match asked {
                Err(RemoteError::Raised { exception: Exception::Error(reason), .. })
                    if reason.is_atom("undef") => {}
                asked => return Ok(asked?),
            }
        }
        Err(GlobalError::Alone)
    }
}
