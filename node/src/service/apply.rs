//! `apply/3` for the functions that this node exports: what comes of it, in the shapes that `erpc` and exits give it.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

use mailbox::{BoxFuture, Exit, Process, Reason};
use term::{Atom, Term, term};

use crate::export::{Exception, Exports, Invocation};

/// A function and what it is called with.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) module: Atom,
    pub(crate) function: Atom,
    pub(crate) arguments: Vec<Term>,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Returned(Term),
    Threw { value: Term, stack: Term },
    Exited(Term),
    Failed { reason: Term, stack: Term },
}

impl Call {
    /// Of a module, a function and a list of arguments; `None` if they are none.
    pub(crate) fn of_terms(module: &Term, function: &Term, arguments: &Term) -> Option<Self> {
        Some(Self {
            module: module.as_atom()?.to_atom(),
            function: function.as_atom()?.to_atom(),
            arguments: arguments.as_list()?.iter().map(|argument| argument.to_term()).collect(),
        })
    }

    pub(crate) async fn run(self, exports: &Exports, process: Process) -> Ended {
        let Self { module, function, arguments } = self;
        let arity = arguments.len();
        let Some(body) = exports.get(&module, &function, arity) else {
            let stack = stack(module, function, Term::from(arguments));
            return Ended::Failed { reason: term!('undef), stack };
        };
        let given = Term::from(arguments.clone());
        let outcome =
            match catch_unwind(AssertUnwindSafe(|| body(Invocation { process, arguments }))) {
                Ok(running) => caught(running).await,
                Err(panic) => Err(panic),
            };
        match outcome {
            Ok(Ok(value)) => Ended::Returned(value),
            Ok(Err(Exception::Throw(value))) => {
                Ended::Threw { value, stack: stack(module, function, Term::from(arity)) }
            }
            Ok(Err(Exception::Exit(reason))) => Ended::Exited(reason),
            Ok(Err(Exception::Error(reason))) => {
                // As in Erlang the arguments show only where no clause took them.
                let arguments =
                    if reason.is_atom("function_clause") { given } else { Term::from(arity) };
                Ended::Failed { reason, stack: stack(module, function, arguments) }
            }
            Err(panic) => {
                let text = panic_text(&*panic);
                tracing::error!(target: "cnode::service", %module, %function, arity, panic = text, "an exported function panicked");
                let reason = term!({panic, text});
                Ended::Failed { reason, stack: stack(module, function, Term::from(arity)) }
            }
        }
    }
}

impl Ended {
    /// How a process ends that does nothing but call the function.
    pub(super) fn into_exit(self) -> Exit {
        match self {
            Self::Returned(_) => Ok(()),
            Self::Threw { value, stack } => Err(Reason::new((term!({nocatch, value}), stack))),
            Self::Exited(reason) => Err(Reason::new(reason)),
            Self::Failed { reason, stack } => Err(Reason::new((reason, stack))),
        }
    }

    /// The exit reason that carries the outcome of `erpc:execute_call/4` to the one who monitors it.
    pub(super) fn into_erpc(self, result: &Term) -> Term {
        match self {
            Self::Returned(value) => Term::from((result, word("return"), value)),
            Self::Threw { value, .. } => Term::from((result, word("throw"), value)),
            Self::Exited(reason) => Term::from((result, word("exit"), reason)),
            Self::Failed { reason, stack } => Term::from((result, word("error"), reason, stack)),
        }
    }

    /// What `rex` replies.
    pub(super) fn into_rpc(self) -> Term {
        match self {
            // What looks like a caught exit is one, to `rpc`.
            Self::Returned(value) | Self::Threw { value, .. } if is_exit(&value) => {
                term!({badrpc, value})
            }
            Self::Returned(value) | Self::Threw { value, .. } => value,
            Self::Exited(reason) => badrpc(reason),
            Self::Failed { reason, stack } => badrpc(Term::from((reason, stack))),
        }
    }
}

/// `{'EXIT', _}`.
fn is_exit(value: &Term) -> bool {
    let pair = value.as_tuple().filter(|tuple| tuple.len() == 2);
    pair.and_then(|pair| pair.get(0)).is_some_and(|word| word.is_atom("EXIT"))
}

/// `{badrpc, {'EXIT', Reason}}`.
pub(super) fn badrpc(reason: Term) -> Term {
    term!({badrpc, {EXIT, reason}})
}

fn word(word: &'static str) -> Atom {
    Atom::from_static(word)
}

/// A stack trace of one call; the last is its arguments, or how many.
fn stack(module: Atom, function: Atom, arguments: Term) -> Term {
    Term::from(vec![Term::from((module, function, arguments, Term::NIL))])
}

/// Runs a future; a panic in it is a value.
async fn caught<T>(mut running: BoxFuture<T>) -> std::thread::Result<T> {
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a text")
}
