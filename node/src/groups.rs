//! Process groups as a program uses them: `node.pg().join("workers", &pid)`.

use mailbox::{CallError, SpawnError};
use term::{Atom, IntoAtom, Pid, Term, term};

use crate::node::Node;
use crate::service::pg;

/// A scope of process groups (`pg`): its members are seen on every connected node that has a scope of that name, and go with
/// their process or node. The scope is a process registered under its name, as OTP's is.
#[derive(Clone, Debug)]
pub struct Groups {
    node: Node,
    scope: Atom,
}

impl Node {
    /// The default scope, `pg`; started with the first use.
    ///
    /// ```no_run
    /// # async fn join(node: node::Node, process: node::Process) -> Result<(), Box<dyn std::error::Error>> {
    /// node.pg()?.join("workers", &process.pid()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If there are no pids left.
    pub fn pg(&self) -> Result<Groups, SpawnError> {
        self.pg_scope("pg")
    }

    /// Another scope; started with the first use (`pg:start/1`).
    ///
    /// # Errors
    /// If there are no pids left.
    pub fn pg_scope(&self, scope: impl IntoAtom) -> Result<Groups, SpawnError> {
        let scope = scope.into_atom();
        if self.whereis(&scope).is_none() {
            let name = scope.clone();
            match self.spawn_named(&scope, move |process| pg::run(process, name)) {
                // Somebody else was faster.
                Ok(_) | Err(SpawnError::Name(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Groups { node: self.clone(), scope })
    }
}

impl Groups {
    /// Adds a process of this node to a group, once more if it is in it already (`pg:join/3`).
    ///
    /// # Errors
    /// If the scope has ended, or the process is another node's.
    pub async fn join(&self, group: impl Into<Term>, pid: &Pid) -> Result<(), CallError> {
        match self.ask(term!({join_local, group.into(), pid})).await? {
            answer if answer.is_atom("ok") => Ok(()),
            answer => Err(CallError::Refused(format!("{pid} cannot join here: {answer}"))),
        }
    }

    /// Takes a process of this node out of a group, once; whether it was in it (`pg:leave/3`).
    ///
    /// # Errors
    /// If the scope has ended, or the process is another node's.
    pub async fn leave(&self, group: impl Into<Term>, pid: &Pid) -> Result<bool, CallError> {
        match self.ask(term!({leave_local, group.into(), pid})).await? {
            answer if answer.is_atom("ok") => Ok(true),
            answer if answer.is_atom("not_joined") => Ok(false),
            answer => Err(CallError::Refused(format!("{pid} cannot leave here: {answer}"))),
        }
    }

    /// The members of a group on all nodes, in no order (`pg:get_members/2`).
    ///
    /// # Errors
    /// If the scope has ended.
    pub async fn members(&self, group: impl Into<Term>) -> Result<Vec<Pid>, CallError> {
        self.pids(term!({get_members, group.into()})).await
    }

    /// The members of a group on this node, in no order (`pg:get_local_members/2`).
    ///
    /// # Errors
    /// If the scope has ended.
    pub async fn local_members(&self, group: impl Into<Term>) -> Result<Vec<Pid>, CallError> {
        self.pids(term!({get_local_members, group.into()})).await
    }

    /// The groups that have members anywhere, in no order (`pg:which_groups/1`).
    ///
    /// # Errors
    /// If the scope has ended.
    pub async fn which_groups(&self) -> Result<Vec<Term>, CallError> {
        let groups = self.ask(term!({ which_groups })).await?;
        Ok(groups.as_list().map(|list| list.iter().map(Term::from).collect()).unwrap_or_default())
    }

    async fn pids(&self, question: Term) -> Result<Vec<Pid>, CallError> {
        let members = self.ask(question).await?;
        Ok(members
            .as_list()
            .map(|list| list.iter().filter_map(|pid| pid.as_pid()).collect())
            .unwrap_or_default())
    }

    async fn ask(&self, question: Term) -> Result<Term, CallError> {
        self.node.runtime().call::<Term>(&self.scope, question).await
    }
}
