//! One function called on another node, as `erpc` and `rpc` call it.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::{Duration, Instant};

use mailbox::{MonitorOptions, Payload, Process, Received, SpawnOptions, SpawnRequestOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use term::{Atom, Encoded, IntoAtom, Pid, Term, TermRef, term};

use super::error::RemoteError;
use crate::export::Exception;
use crate::node::Node;
use crate::service::{Call, Ended};

impl Node {
    /// Calls a function on another node, or an exported one on this (`erpc:call/4`), and waits for its value as a `T`, for ever
    /// unless [told otherwise](RemoteCall::timeout).
    ///
    /// Arguments are a tuple or a list of whatever serde makes terms of; `()` is none.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # async fn ask(node: node::Node) -> Result<(), node::RemoteError> {
    /// let back: Vec<i64> = node.erpc("a@host", "lists", "reverse", (vec![1, 2, 3],)).await?;
    /// let slow: node::Atom =
    ///     node.erpc("a@host", "timer", "sleep", (10,)).timeout(Duration::from_secs(1)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`RemoteError`], from the future.
    ///
    /// # Cancellation
    /// Dropping the future gives the call up: its result is never seen.
    pub fn erpc<T: DeserializeOwned + 'static>(
        &self,
        node: impl IntoAtom,
        module: impl IntoAtom,
        function: impl IntoAtom,
        arguments: impl Serialize,
    ) -> RemoteCall<T> {
        RemoteCall {
            from: self.clone(),
            node: node.into_atom(),
            module: module.into_atom(),
            function: function.into_atom(),
            arguments: arguments_of(&arguments),
            leader: None,
            timeout: None,
            throws_return: false,
            value: PhantomData,
        }
    }

    /// The same, where a thrown value is the value, as with `rpc:call/4`.
    ///
    /// # Errors
    /// [`RemoteError`], from the future.
    pub fn rpc<T: DeserializeOwned + 'static>(
        &self,
        node: impl IntoAtom,
        module: impl IntoAtom,
        function: impl IntoAtom,
        arguments: impl Serialize,
    ) -> RemoteCall<T> {
        RemoteCall { throws_return: true, ..self.erpc(node, module, function, arguments) }
    }
}

/// Arguments as a list; `None` if they are none.
pub(super) fn arguments_of(arguments: &impl Serialize) -> Option<Vec<Term>> {
    list(term::to_term(arguments).ok()?.root())
}

fn list(arguments: TermRef<'_>) -> Option<Vec<Term>> {
    // What `()` is as a term.
    if arguments.is_atom("ok") {
        return Some(Vec::new());
    }
    if let Some(tuple) = arguments.as_tuple() {
        return Some(tuple.iter().map(Term::from).collect());
    }
    Some(arguments.as_list()?.iter().map(|argument| argument.to_term()).collect())
}

/// A call to be made; see [`Node::erpc`]. Nothing is sent before it is awaited.
#[must_use = "a call does nothing until it is awaited"]
pub struct RemoteCall<T> {
    from: Node,
    node: Atom,
    module: Atom,
    function: Atom,
    /// `None`: what was given are no arguments.
    arguments: Option<Vec<Term>>,
    leader: Option<Pid>,
    timeout: Option<Duration>,
    throws_return: bool,
    value: PhantomData<fn() -> T>,
}

impl<T> RemoteCall<T> {
    /// Gives up after this long.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// What the function prints goes to the group leader of this process; without one, to the node's own.
    pub fn printing_as(self, process: &Process) -> Self {
        self.group_leader(process.group_leader())
    }

    /// What the function prints goes to this group leader; see [`Node::spawn_group_leader`].
    pub fn group_leader(mut self, leader: Pid) -> Self {
        self.leader = Some(leader);
        self
    }

    /// The same call to another node.
    pub(super) fn to(&self, node: Atom) -> Self {
        Self {
            from: self.from.clone(),
            node,
            module: self.module.clone(),
            function: self.function.clone(),
            arguments: self.arguments.clone(),
            leader: self.leader.clone(),
            timeout: self.timeout,
            throws_return: self.throws_return,
            value: PhantomData,
        }
    }

    pub(super) const fn spawner(&self) -> &Node {
        &self.from
    }

    pub(super) async fn made(self) -> Result<Term, RemoteError> {
        let arguments = self.arguments.ok_or_else(|| RemoteError::Refused(term!('badarg)))?;
        let arity = arguments.len();
        let call = Call { module: self.module, function: self.function, arguments };
        let (module, function) = (call.module.clone(), call.function.clone());
        let options = self.leader.map(|leader| SpawnOptions::new().group_leader(leader));
        // A process for this call alone: dropped, it takes its monitor back, and late messages find nobody.
        let process = self
            .from
            .runtime()
            .attach_with(options.unwrap_or_default())
            .map_err(|_| RemoteError::Refused(term!('system_limit)))?;
        let made = if self.node == *process.runtime().node() {
            here(&self.from, process, call, self.timeout).await
        } else {
            there(process, &self.node, call, self.timeout).await
        };
        match made {
            Err(RemoteError::Raised { exception: Exception::Throw(value), .. })
                if self.throws_return =>
            {
                Ok(value)
            }
            Err(RemoteError::Raised { exception: Exception::Error(reason), stack })
                if reason.is_atom("undef") && is_of(&stack, &module, &function, arity) =>
            {
                Err(RemoteError::NotThere { module, function, arity, stack })
            }
            made => made,
        }
    }
}

impl<T: DeserializeOwned + 'static> IntoFuture for RemoteCall<T> {
    type Output = Result<T, RemoteError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { read(self.made().await?) })
    }
}

impl<T> std::fmt::Debug for RemoteCall<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RemoteCall({}:{} on {})", self.module, self.function, self.node)
    }
}

/// Whether a stack trace begins with this function, and not with one that it has called.
fn is_of(stack: &Term, module: &Atom, function: &Atom, arity: usize) -> bool {
    let top = || {
        let top = stack.as_list()?.iter().next()?.as_tuple().filter(|top| top.len() == 4)?;
        let arguments = top.get(2)?;
        let given = match arguments.as_list() {
            Some(list) => list.len(),
            None => usize::try_from(arguments.as_i64()?).ok()?,
        };
        Some(
            top.get(0)?.as_atom()? == *module.as_str()
                && top.get(1)?.as_atom()? == *function.as_str()
                && given == arity,
        )
    };
    top().unwrap_or(false)
}

/// What was read of a value.
pub(super) fn read<T: DeserializeOwned + 'static>(value: Term) -> Result<T, RemoteError> {
    Payload::from(value).read().map_err(|error| RemoteError::BadReply(error.to_string()))
}

/// A call of a function that this node exports.
async fn here(
    node: &Node,
    process: Process,
    call: Call,
    timeout: Option<Duration>,
) -> Result<Term, RemoteError> {
    let running = call.run(&node.hub.exports, process);
    let ended = match timeout {
        Some(timeout) => {
            let timed = {
                // The timer is the node's, whatever runs this future.
                let _context = node.hub.handle.enter();
                tokio::time::timeout(timeout, running)
            };
            timed.await.map_err(|_| RemoteError::TimedOut)?
        }
        None => running.await,
    };
    let raised = |exception, stack| Err(RemoteError::Raised { exception, stack });
    match ended {
        Ended::Returned(value) => Ok(value),
        Ended::Threw { value, .. } => raised(Exception::Throw(value), Term::NIL),
        Ended::Exited(reason) => raised(Exception::Exit(reason), Term::NIL),
        Ended::Failed { reason, stack } => raised(Exception::Error(reason), stack),
    }
}

/// A process on the other node runs `erpc:execute_call/4`, and its exit reason is the result (`erpc.erl`).
async fn there(
    mut process: Process,
    node: &Atom,
    call: Call,
    timeout: Option<Duration>,
) -> Result<Term, RemoteError> {
    let result = Term::from(process.make_ref());
    let Call { module, function, arguments } = call;
    let arguments = Term::from(vec![
        result.clone(),
        Term::from(module),
        Term::from(function),
        Term::from(arguments),
    ]);
    let execute = (Atom::from_static("erpc"), Atom::from_static("execute_call"), 4);
    let options =
        SpawnRequestOptions { monitor: Some(MonitorOptions::new()), ..Default::default() };
    process.spawn_request(node, execute, Encoded::from_term(&arguments), options);
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let received = match deadline {
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                process.receive_timeout(left).await.map(|received| received.ok_or(()))
            }
            None => process.receive().await.map(Ok),
        };
        // Nobody knows the process, so nobody ends it but the end of this node.
        let received = received.map_err(|reason| RemoteError::Killed(reason.into_term()))?;
        match received.map_err(|()| RemoteError::TimedOut)? {
            Received::Down { reason, .. } => return outcome(node, &result, &reason),
            Received::Message(message) => {
                let Ok(reply) = message.into_term() else { continue };
                if let Some(reason) = refusal(&reply) {
                    return Err(if reason.is_atom("noconnection") {
                        RemoteError::ConnectionLost(node.clone())
                    } else {
                        RemoteError::Refused(reason)
                    });
                }
            }
            _ => {}
        }
    }
}

/// The reason in `{spawn_reply, Request, error, Reason}`.
fn refusal(reply: &Term) -> Option<Term> {
    let reply = reply.as_tuple().filter(|reply| reply.len() == 4)?;
    reply.get(2)?.is_atom("error").then(|| reply.get(3).map(Term::from))?
}

/// What the exit reason of `erpc:execute_call/4` says.
fn outcome(node: &Atom, result: &Term, reason: &Term) -> Result<Term, RemoteError> {
    if reason.is_atom("noconnection") {
        return Err(RemoteError::ConnectionLost(node.clone()));
    }
    match told(result, reason) {
        Some(told) => told,
        None => Err(RemoteError::Killed(reason.clone())),
    }
}

fn told(result: &Term, reason: &Term) -> Option<Result<Term, RemoteError>> {
    let parts = reason.as_tuple()?;
    if parts.get(0)?.to_term() != *result {
        return None;
    }
    let class = parts.get(1)?.as_atom()?;
    let value = parts.get(2)?.to_term();
    let raised = |exception, stack| Some(Err(RemoteError::Raised { exception, stack }));
    match (class.to_string().as_str(), parts.len()) {
        ("return", 3) => Some(Ok(value)),
        ("throw", 3) => raised(Exception::Throw(value), Term::NIL),
        ("exit", 3) => raised(Exception::Exit(value), Term::NIL),
        ("error", 4) => raised(Exception::Error(value), parts.get(3)?.to_term()),
        ("error", 3) => {
            let why = value.element(1)?.to_term();
            Some(Err(RemoteError::Refused(why)))
        }
        _ => None,
    }
}
