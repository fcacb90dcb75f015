//! Process groups as a program uses them: `node.pg().join("workers", &pid)`.

use std::collections::HashMap;

use mailbox::{CallError, Process, Received, SpawnError};
use term::{Atom, IntoAtom, Pid, Reference, Term, TermRef, term};

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

    /// The groups that have members on this node, in no order (`pg:which_local_groups/1`).
    ///
    /// # Errors
    /// If the scope has ended.
    pub async fn which_local_groups(&self) -> Result<Vec<Term>, CallError> {
        let groups = self.ask(term!({ which_local_groups })).await?;
        Ok(groups.as_list().map(|list| list.iter().map(Term::from).collect()).unwrap_or_default())
    }

    /// The members of a group now, and from then on its changes (`pg:monitor/2`): nothing is missed between the two.
    ///
    /// ```no_run
    /// # async fn watch(node: node::Node) -> Result<(), Box<dyn std::error::Error>> {
    /// use node::GroupChange;
    ///
    /// let (members, mut changes) = node.pg()?.monitor("workers").await?;
    /// println!("there are {members:?}");
    /// while let Some(change) = changes.next().await {
    ///     match change {
    ///         GroupChange::Joined { pids, .. } => println!("{pids:?} came"),
    ///         GroupChange::Left { pids, .. } => println!("{pids:?} went"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the scope has ended.
    pub async fn monitor(
        &self,
        group: impl Into<Term>,
    ) -> Result<(Vec<Pid>, GroupChanges), CallError> {
        let (members, changes) = self.watch(term!({monitor, group.into()})).await?;
        Ok((pids_of(members.root()), changes))
    }

    /// The same for all groups of the scope (`pg:monitor_scope/1`).
    ///
    /// # Errors
    /// If the scope has ended.
    pub async fn monitor_scope(
        &self,
    ) -> Result<(HashMap<Term, Vec<Pid>>, GroupChanges), CallError> {
        let (groups, changes) = self.watch(term!('monitor)).await?;
        let groups = groups.as_map().map(|groups| {
            groups.iter().map(|(group, pids)| (group.to_term(), pids_of(pids))).collect()
        });
        Ok((groups.unwrap_or_default(), changes))
    }

    async fn watch(&self, question: Term) -> Result<(Term, GroupChanges), CallError> {
        let mut process = self.node.runtime().attach().map_err(CallError::from)?;
        // Taken before the scope is asked: should it end right after, that is seen.
        process.monitor(&self.scope);
        let (reference, now) = process.call(&self.scope, question).await?;
        Ok((now, GroupChanges { process, reference }))
    }

    async fn pids(&self, question: Term) -> Result<Vec<Pid>, CallError> {
        Ok(pids_of(self.ask(question).await?.root()))
    }

    async fn ask(&self, question: Term) -> Result<Term, CallError> {
        self.node.runtime().call::<Term>(&self.scope, question).await
    }
}

/// The pids of a list.
fn pids_of(list: TermRef<'_>) -> Vec<Pid> {
    list.as_list()
        .map(|list| list.iter().filter_map(|pid| pid.as_pid()).collect())
        .unwrap_or_default()
}

/// What happened to a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupChange {
    /// Processes have joined it, on any node.
    Joined {
        /// The group.
        group: Term,
        /// Each as often as it joined.
        pids: Vec<Pid>,
    },
    /// Processes have left it, have ended, or their node is lost.
    Left {
        /// The group.
        group: Term,
        /// Each as often as it left.
        pids: Vec<Pid>,
    },
}

/// The changes of one group, or of all of a scope, in the order in which this node learns of them; dropped, it is told of no more.
///
/// They wait in the mailbox of a process that belongs to this alone, which has no bound: who asks for them reads them.
#[derive(Debug)]
pub struct GroupChanges {
    process: Process,
    reference: Reference,
}

impl GroupChanges {
    /// The next change; `None` when the scope has ended.
    ///
    /// # Cancellation
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<GroupChange> {
        loop {
            match self.process.receive::<Received>().await.ok()? {
                Received::Message(message) => {
                    let Ok(message) = message.into_term() else { continue };
                    if let Some(change) = self.change(&message) {
                        return Some(change);
                    }
                }
                Received::Down { .. } => return None,
                _ => {}
            }
        }
    }

    /// `{Ref, join | leave, Group, Pids}`.
    fn change(&self, message: &Term) -> Option<GroupChange> {
        let parts = message.as_tuple().filter(|parts| parts.len() == 4)?;
        if parts.get(0)?.as_reference()? != self.reference {
            return None;
        }
        let (group, pids) = (parts.get(2)?.to_term(), pids_of(parts.get(3)?));
        let joined = parts.get(1)?.is_atom("join");
        Some(if joined {
            GroupChange::Joined { group, pids }
        } else {
            GroupChange::Left { group, pids }
        })
    }
}
