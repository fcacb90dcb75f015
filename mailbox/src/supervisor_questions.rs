//! What the `supervisor` module asks over the wire, answered as it expects.

use std::time::Duration;

use term::{Term, TermRef, term};

use crate::child::{Child, Restart, Shutdown};
use crate::supervisor_children::{Children, Now};
use crate::supervisor_handle::{ChildError, ChildInfo, ChildState, Which};
use crate::supervisor_spec::Spec;

impl Children {
    /// The reply to a call. What only the program itself can do is refused.
    pub(crate) async fn question(&mut self, request: &Term) -> Term {
        if request.is_atom("which_children") {
            return self.which_children().iter().map(child_term).collect();
        }
        if request.is_atom("count_children") {
            let count = self.count_children();
            return term!([{specs, count.specs}, {active, count.active},
                          {supervisors, count.supervisors}, {workers, count.workers}]);
        }
        match self.question_of(request).await {
            Some(reply) => reply,
            None => term!({error, {unknown_call, request}}),
        }
    }

    /// `{Question, Id}`
    async fn question_of(&mut self, request: &Term) -> Option<Term> {
        let tuple = request.as_tuple().filter(|tuple| tuple.len() == 2)?;
        let (question, about) = (tuple.get(0)?.as_atom()?, tuple.get(1)?);
        let id = about.as_atom().map(term::AtomRef::to_atom);
        let reply = match (&*question.as_str(), id) {
            ("start_child", _) if self.is_simple() => {
                started(self.start_dynamic(argument_of(about)?).await)
            }
            ("start_child", _) => Err(self.no_start(about)),
            ("terminate_child", Some(id)) => done(self.terminate_child(Which::Id(id)).await),
            ("terminate_child", None) => match about.as_pid().filter(|_| self.is_simple()) {
                Some(pid) => done(self.terminate_child(Which::Pid(pid)).await),
                None if self.is_simple() => Err(ChildError::Strategy.reason()),
                None => Err(ChildError::NotFound.reason()),
            },
            ("restart_child", Some(id)) => started(self.restart_child(&id).await),
            ("delete_child", Some(id)) => done(self.delete_child(&id)),
            ("get_childspec", Some(id)) => match self.entry(&id) {
                Some(entry) => Ok(term!({ok, spec_term(&entry.spec)})),
                None => Err(ChildError::NotFound.reason()),
            },
            ("get_childspec", None) if self.is_simple() && about.as_pid().is_some() => {
                let known = about.as_pid().is_some_and(|pid| self.dynamic.contains_key(&pid));
                match self.list.first().filter(|_| known) {
                    Some(entry) => Ok(term!({ok, spec_term(&entry.spec)})),
                    None => Err(ChildError::NotFound.reason()),
                }
            }
            // Asked since OTP 29.
            ("which_child", id) => {
                let about_it = |child: &ChildInfo| match (&id, &child.state) {
                    (Some(id), _) => child.id.as_ref() == Some(id),
                    (None, ChildState::Running(pid)) => {
                        self.is_simple() && about.as_pid().as_ref() == Some(pid)
                    }
                    (None, _) => false,
                };
                match self.which_children().iter().find(|child| about_it(child)) {
                    Some(child) => Ok(term!({ok, child_term(child)})),
                    None => Err(ChildError::NotFound.reason()),
                }
            }
            ("restart_child" | "delete_child" | "get_childspec", None) if self.is_simple() => {
                Err(ChildError::Strategy.reason())
            }
            ("restart_child" | "delete_child" | "get_childspec", None) => {
                Err(ChildError::NotFound.reason())
            }
            _ => return None,
        };
        Some(reply.unwrap_or_else(|reason| term!({error, reason})))
    }
}

impl Children {
    /// Why a child of Erlang's is not started: what a BEAM node says without the function that its specification names.
    fn no_start(&self, spec: TermRef<'_>) -> Term {
        let spec = match Spec::of(&spec.to_term(), self.auto_shutdown) {
            Ok(spec) => spec,
            Err(wrong) => return wrong,
        };
        let known = spec.id.as_atom().and_then(|id| self.entry(&id.to_atom()));
        match known.map(|entry| &entry.now) {
            Some(Now::Running(pid)) => ChildError::AlreadyStarted(pid.clone()).reason(),
            Some(_) => ChildError::AlreadyPresent.reason(),
            None => spec.refusal(),
        }
    }
}

/// The argument in `[Argument]`, as `supervisor:start_child/2` has it for a `simple_one_for_one`; of several, their list.
fn argument_of(arguments: TermRef<'_>) -> Option<Term> {
    let list = arguments.as_list()?;
    Some(match (list.len(), list.iter().next()) {
        (1, Some(only)) => only.to_term(),
        _ => arguments.to_term(),
    })
}

fn started(started: Result<Option<term::Pid>, ChildError>) -> Result<Term, Term> {
    match started {
        Ok(Some(pid)) => Ok(term!({ok, pid})),
        Ok(None) => Ok(term!({ok, 'undefined})),
        Err(error) => Err(error.reason()),
    }
}

fn done(done: Result<(), ChildError>) -> Result<Term, Term> {
    done.map(|()| term!('ok)).map_err(|error| error.reason())
}

/// `{Id, Child, Type, Modules}`
fn child_term(child: &ChildInfo) -> Term {
    let id = child.id.as_ref().map_or_else(|| term!('undefined), Term::from);
    let state = match &child.state {
        ChildState::Running(pid) => Term::from(pid),
        ChildState::Stopped => term!('undefined),
        ChildState::Restarting => term!('restarting),
    };
    term!({(id), state, type_term(child.is_supervisor), [child.module]})
}

fn type_term(is_supervisor: bool) -> Term {
    if is_supervisor { term!('supervisor) } else { term!('worker) }
}

/// The specification as a map, as `supervisor:get_childspec/2` gives it.
fn spec_term(spec: &Child) -> Term {
    let restart = match spec.restart {
        Restart::Permanent => term!('permanent),
        Restart::Transient => term!('transient),
        Restart::Temporary => term!('temporary),
    };
    let shutdown = match spec.shutdown {
        Shutdown::BrutalKill => term!('brutal_kill),
        Shutdown::Timeout(time) => Term::from(milliseconds(time)),
        Shutdown::Infinity => term!('infinity),
    };
    term!(#{
        id => spec.id,
        start => {(spec.module), 'start_link, []},
        restart => restart,
        shutdown => shutdown,
        (term!('type)) => type_term(spec.is_supervisor),
        modules => [spec.module],
        significant => spec.significant
    })
}

pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
