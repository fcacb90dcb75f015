//! Calls of functions on other nodes, as `erpc` and `rpc` make them.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::{Duration, Instant};

use mailbox::{MonitorOptions, Payload, Process, Received, SpawnOptions, SpawnRequestOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use term::{Atom, Encoded, IntoAtom, Pid, Term, TermRef, term};

use crate::export::Exception;
use crate::node::Node;
use crate::service::{Call, Ended};

/// Why a call of a function on another node gave no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// *Connection lost*, or it could not be made. The function may have been called or not.
    #[error("no connection to {0}: it was lost, or could not be made (noconnection)")]
    ConnectionLost(Atom),
    /// *Refused*: the other node does not do such things (`notsup`), has no room (`system_limit`), or the arguments are no list or
    /// tuple (`badarg`).
    #[error("the call was refused: {0}")]
    Refused(Term),
    /// *Crashed*: the function raised an exception.
    #[error("the function that was called raised {exception:?}; stack: {stack}")]
    Raised {
        /// What it raised.
        exception: Exception,
        /// Where, as a stack trace; `[]` for what is no `error`.
        stack: Term,
    },
    /// *Crashed*: an exit signal ended the process that ran the function.
    #[error("the process that ran the function was ended by an exit signal: {0}")]
    Killed(Term),
    /// *Timed out*. A late result is never seen; a Rust node ends the work.
    #[error("no result in time (timeout)")]
    TimedOut,
    /// The result is not of the type asked for.
    #[error("the result is not what was asked for: {0}")]
    BadReply(String),
}

impl RemoteError {
    /// `{Class, Reason}` of the exception that `erpc:call/4` raises for it.
    #[must_use]
    pub fn to_erpc(&self) -> Term {
        match self {
            Self::ConnectionLost(_) => term!({error, {erpc, 'noconnection}}),
            Self::Refused(reason) => term!({error, {erpc, reason}}),
            Self::Raised { exception: Exception::Error(reason), stack } => {
                term!({error, {exception, reason, stack}})
            }
            Self::Raised { exception: Exception::Exit(reason), .. } => {
                term!({exit, {exception, reason}})
            }
            Self::Raised { exception: Exception::Throw(value), .. } => term!({throw, value}),
            Self::Killed(reason) => term!({exit, {signal, reason}}),
            Self::TimedOut => term!({error, {erpc, 'timeout}}),
            Self::BadReply(text) => term!({error, {bad_reply, text}}),
        }
    }

    /// What `rpc:call/4` returns for it: `{badrpc, Reason}`, or the value that was thrown.
    #[must_use]
    pub fn to_rpc(&self) -> Term {
        let exit = |reason: &Term| term!({badrpc, {EXIT, reason}});
        match self {
            Self::ConnectionLost(_) => term!({badrpc, 'nodedown}),
            Self::TimedOut => term!({badrpc, 'timeout}),
            Self::Raised { exception: Exception::Throw(value), .. } => value.clone(),
            Self::Raised { exception: Exception::Exit(reason), .. } | Self::Killed(reason) => {
                exit(reason)
            }
            Self::Raised { exception: Exception::Error(reason), stack } => {
                exit(&Term::from((reason, stack)))
            }
            Self::Refused(reason) => exit(&term!({(reason), []})),
            Self::BadReply(text) => exit(&term!({bad_reply, text})),
        }
    }
}

impl Node {
    /// Calls a function on another node, or an exported one on this (`erpc:call/4`), and waits for its value as a `T`, for ever
    /// unless [told otherwise](RemoteCall::timeout).
    ///
    /// Arguments are a tuple or a list of whatever serde makes terms of.
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
            arguments: term::to_term(&arguments).ok().and_then(|given| list(given.root())),
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

/// A tuple or a list as a list.
fn list(arguments: TermRef<'_>) -> Option<Vec<Term>> {
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
    pub fn printing_as(mut self, process: &Process) -> Self {
        self.leader = Some(process.group_leader());
        self
    }

    async fn made(self) -> Result<Term, RemoteError> {
        let arguments = self.arguments.ok_or_else(|| RemoteError::Refused(term!('badarg)))?;
        let call = Call { module: self.module, function: self.function, arguments };
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
            made => made,
        }
    }
}

impl<T: DeserializeOwned + 'static> IntoFuture for RemoteCall<T> {
    type Output = Result<T, RemoteError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let value = self.made().await?;
            Payload::from(value).read().map_err(|error| RemoteError::BadReply(error.to_string()))
        })
    }
}

impl<T> std::fmt::Debug for RemoteCall<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RemoteCall({}:{} on {})", self.module, self.function, self.node)
    }
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
    let options = SpawnRequestOptions { link: false, monitor: Some(MonitorOptions::new()) };
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
