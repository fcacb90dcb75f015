//! Functions of this program that other nodes may call (`rpc`, `erpc`, `spawn/4`): by module, name and arity, and no others.

mod exception;
mod function;
mod print;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::sync::{Arc, RwLock};

use mailbox::{BoxFuture, Process};
use term::{Atom, IntoAtom, Term};

pub use exception::Exception;
pub use function::{Function, Returned};

use crate::node::Node;

/// A call of an exported function: the process that runs it, and its arguments.
#[derive(Debug)]
pub struct Invocation {
    /// The process that runs the function, started for this call. Its group leader is the caller's.
    pub process: Process,
    /// As many as the arity that the function was exported with.
    pub arguments: Vec<Term>,
}

/// What an exported function gives back, or raises.
pub type Outcome = Result<Term, Exception>;

pub(crate) type Body = Arc<dyn Fn(Invocation) -> BoxFuture<Outcome> + Send + Sync>;

/// The functions of a module, by name and arity.
type Module = HashMap<(Atom, usize), Body>;

/// The functions of a node, by module.
#[derive(Default)]
pub(crate) struct Exports(RwLock<HashMap<Atom, Module>>);

/// The function is exported already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{module}:{function}/{arity} is exported already; give this one another name, or unexport that one first"
)]
pub struct ExportError {
    /// Its module.
    pub module: Atom,
    /// Its name.
    pub function: Atom,
    /// How many arguments it takes.
    pub arity: usize,
}

impl Exports {
    pub(crate) fn get(&self, module: &Atom, function: &Atom, arity: usize) -> Option<Body> {
        let modules = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        modules.get(module)?.get(&(function.clone(), arity)).cloned()
    }

    fn insert(
        &self,
        module: Atom,
        function: Atom,
        arity: usize,
        body: Body,
    ) -> Result<(), ExportError> {
        let mut modules = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        match modules.entry(module.clone()).or_default().entry((function.clone(), arity)) {
            Entry::Occupied(_) => Err(ExportError { module, function, arity }),
            Entry::Vacant(place) => {
                place.insert(body);
                Ok(())
            }
        }
    }

    fn remove(&self, module: &Atom, function: Atom, arity: usize) -> bool {
        let mut modules = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(functions) = modules.get_mut(module) else { return false };
        let removed = functions.remove(&(function, arity)).is_some();
        if functions.is_empty() {
            modules.remove(module);
        }
        removed
    }
}

impl Node {
    /// Lets other nodes call a Rust function: `rpc:call('rust@host', math, add, [1, 2])`, `erpc:call/4`, `spawn/4`.
    ///
    /// Arguments are whatever serde makes of the terms, or [`Term`]s; one that does not fit raises `function_clause` at the caller.
    /// What is returned is whatever serde makes a term of, or a `Result` of that with an [`Exception`] to raise. The function may be
    /// async. Each call has a process of its own, which ends when the caller gives up; an async function is dropped at its next await
    /// then. One that is not async keeps its worker until it returns: what computes for long belongs on a thread
    /// (`tokio::task::spawn_blocking`). A panic is an `error` of the reason `{panic, Text}`.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use node::{Exception, Node, term};
    ///
    /// # let cookie = node::Cookie::new("doc").unwrap();
    /// # let node = Node::builder("exports@localhost").cookie(cookie).build()?;
    /// node.export("math", "add", |a: i64, b: i64| a + b)?;
    /// node.export("math", "div", |a: i64, b: i64| {
    ///     a.checked_div(b).ok_or_else(|| Exception::Error(term!('badarith)))
    /// })?;
    /// node.export("slow", "sleep", |ms: u64| tokio::time::sleep(Duration::from_millis(ms)))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If a function of that module, name and arity is exported already.
    pub fn export<M>(
        &self,
        module: impl IntoAtom,
        function: impl IntoAtom,
        body: impl Function<M>,
    ) -> Result<(), ExportError> {
        let (arity, body) = body.into_body();
        self.hub.exports.insert(module.into_atom(), function.into_atom(), arity, body)
    }

    /// The same for a function on terms, which is given the process that runs it: it can send, receive, and print to the caller's
    /// group leader.
    ///
    /// # Errors
    /// If a function of that module, name and arity is exported already.
    pub fn export_invocation<F, Fut>(
        &self,
        module: impl IntoAtom,
        function: impl IntoAtom,
        arity: usize,
        body: F,
    ) -> Result<(), ExportError>
    where
        F: Fn(Invocation) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        let body: Body = Arc::new(move |invocation| Box::pin(body(invocation)));
        self.hub.exports.insert(module.into_atom(), function.into_atom(), arity, body)
    }

    /// Takes a function back; whether it was exported. Calls of it that run go on.
    pub fn unexport(&self, module: impl IntoAtom, function: impl IntoAtom, arity: usize) -> bool {
        self.hub.exports.remove(&module.into_atom(), function.into_atom(), arity)
    }
}
