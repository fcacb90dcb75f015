//! `Server`: a process that answers calls, casts and other messages one after the other, as a `gen_server` does.

use std::error::Error;
use std::future::{Future, ready};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use term::{Atom, Term};

use crate::caller::Caller;
use crate::error::Reason;
use crate::process::Process;

/// A process with the shape of `gen_server`: a state, and what becomes of it with each message.
///
/// Requests, and whatever else comes, are read straight into types of the server's own; [`Term`] and
/// [`Received`](crate::Received) are such types too. To the cluster it is a `gen_server`: `gen_server:call/2`, `cast/2` and
/// `stop/1`, Elixir's `GenServer`, and what the `sys` module asks, all work on it.
///
/// Each callback has the [`Process`], with every word it has; what a callback waits for holds up the rest, as in Erlang. Work
/// that should not goes to [`Process::detach`], with the [`Caller`] to reply to.
///
/// ```
/// use std::time::Duration;
/// use mailbox::{Caller, Process, Reply, Runtime, Server};
/// use serde::{Deserialize, Serialize};
/// use term::{IntoAtom, Term};
///
/// #[derive(Default)]
/// struct Counter(i64);
///
/// #[derive(Serialize, Deserialize)]
/// #[serde(rename_all = "snake_case")]
/// enum Call { Get, Add(i64) }
///
/// impl Server for Counter {
///     type Call = Call;
///     type Reply = i64;
///     type Cast = Term;
///     type Info = Term;
///
///     async fn call(&mut self, call: Call, _from: Caller, _process: &mut Process) -> Reply<i64> {
///         match call {
///             Call::Get => Reply::Now(self.0),
///             Call::Add(n) => {
///                 self.0 += n;
///                 Reply::Now(self.0)
///             }
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = Runtime::new("rust@host".into_atom(), 1);
/// runtime.start_named("counter", Counter::default()).await?;
/// let n: i64 = runtime.call("counter", Call::Add(2)).await?;
/// assert_eq!(n, 2);
/// # Ok(())
/// # }
/// ```
pub trait Server: Sized + Send + 'static {
    /// What is called for.
    type Call: DeserializeOwned + Send + 'static;
    /// What a call is answered with: [`Term`] where that differs from call to call.
    type Reply: Serialize + Send + 'static;
    /// What is cast.
    type Cast: DeserializeOwned + Send + 'static;
    /// Every other message, exits and `DOWN`s among them.
    type Info: DeserializeOwned + Send + 'static;

    /// Runs first, in the process; who starts it waits for it (`init/1`).
    ///
    /// # Errors
    /// [`NotStarted`]; `?` makes one of any error.
    fn init(
        &mut self,
        process: &mut Process,
    ) -> impl Future<Output = Result<Next, NotStarted>> + Send {
        let _ = process;
        ready(Ok(Next::Wait))
    }

    /// A call (`handle_call/3`).
    fn call(
        &mut self,
        call: Self::Call,
        from: Caller,
        process: &mut Process,
    ) -> impl Future<Output = Reply<Self::Reply>> + Send;

    /// A cast (`handle_cast/2`). Unless written, a server takes none: it is logged and ignored.
    fn cast(
        &mut self,
        cast: Self::Cast,
        process: &mut Process,
    ) -> impl Future<Output = Next> + Send {
        let _ = cast;
        tracing::warn!(process = %process.pid(), server = %Self::module(), "a cast to a server that takes none is ignored");
        ready(Next::Wait)
    }

    /// Any other message (`handle_info/2`). Unless written, it is logged and ignored.
    fn info(
        &mut self,
        info: Self::Info,
        process: &mut Process,
    ) -> impl Future<Output = Next> + Send {
        let _ = info;
        tracing::warn!(process = %process.pid(), server = %Self::module(), "an unexpected message is ignored");
        ready(Next::Wait)
    }

    /// What [`Next::Continue`] asked for, before any other message (`handle_continue/2`).
    fn continue_(
        &mut self,
        what: Term,
        process: &mut Process,
    ) -> impl Future<Output = Next> + Send {
        let (_, _) = (what, process);
        ready(Next::Wait)
    }

    /// Nothing came for as long as [`Next::WaitFor`] said (`handle_info(timeout, _)`).
    fn timeout(&mut self, process: &mut Process) -> impl Future<Output = Next> + Send {
        let _ = process;
        ready(Next::Wait)
    }

    /// The server is about to end for this reason (`terminate/2`): because a callback said so, because it was asked to stop, or, if
    /// it traps exits, because its parent ended. Not before an exit signal that it does not trap, nor after a panic: what must happen
    /// even then belongs into `Drop`.
    fn terminate(
        &mut self,
        reason: &Reason,
        process: &mut Process,
    ) -> impl Future<Output = ()> + Send {
        let (_, _) = (reason, process);
        ready(())
    }

    /// A call that is no [`Call`](Self::Call). Unless written, the server ends with `{function_clause, _}`, as a `gen_server`
    /// without a clause for it does.
    fn bad_call(&mut self, request: Term, from: Caller, error: &term::Error) -> Reply<Term> {
        let (_, _) = (request, from);
        tracing::error!(server = %Self::module(), %error, "a call of another type");
        Reply::Exit(function_clause::<Self>("handle_call", 3))
    }

    /// A cast that is no [`Cast`](Self::Cast). Unless written, the server ends with `{function_clause, _}`.
    fn bad_cast(&mut self, request: Term, error: &term::Error) -> Next {
        let _ = request;
        tracing::error!(server = %Self::module(), %error, "a cast of another type");
        Next::Exit(function_clause::<Self>("handle_cast", 2))
    }

    /// Another message that is no [`Info`](Self::Info). Unless written, it is logged and ignored.
    fn bad_info(&mut self, info: Term, error: &term::Error) -> Next {
        let _ = info;
        tracing::warn!(server = %Self::module(), %error, "an unexpected message is ignored");
        Next::Wait
    }

    /// The state as a term, for `sys:get_state/1` and `sys:get_status/1`. Unless written, it stays private, and who asks is told
    /// so.
    ///
    /// For a state that is `Serialize`: `term::to_term(self).ok()`.
    fn state(&self) -> Option<Term> {
        None
    }

    /// Takes a state as [`state`](Self::state) gives it, for `sys:replace_state/2`. Unless written, it is refused.
    ///
    /// For a state that is `Deserialize`: `*self = term::from_term(&state)?; Ok(())`.
    ///
    /// # Errors
    /// If the term is no state; who asks is told.
    fn replace_state(&mut self, state: Term) -> Result<(), term::Error> {
        let _ = state;
        Err(serde::de::Error::custom("this server does not let its state be replaced"))
    }

    /// What stands where Erlang has the callback module: the type's name without its path, `'Counter'`, unless written.
    #[must_use]
    fn module() -> Atom {
        let path = std::any::type_name::<Self>();
        let without_arguments = path.split('<').next().unwrap_or(path);
        let name = without_arguments.rsplit("::").next().unwrap_or(without_arguments);
        Atom::new(name).unwrap_or_else(|_| Atom::from_static("server"))
    }
}

/// `{function_clause, [{Module, Function, Arity, []}]}`
fn function_clause<S: Server>(function: &'static str, arity: i64) -> Term {
    let place = Term::from((S::module(), Atom::from_static(function), arity, Term::NIL));
    Term::from((Atom::from_static("function_clause"), Term::from([place])))
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply<T> {
    /// This is the reply, and the server waits for the next message (`{reply, Reply, State}`).
    Now(T),
    /// The reply comes later, through the [`Caller`] (`{noreply, State}`).
    Later,
    /// This is the reply; and then ([`Next::Exit`] ends the server first, and replies once `terminate` has run, as `gen_server` does).
    NowThen(T, Next),
    /// The reply comes later; and then.
    LaterThen(Next),
    /// The server ends with this reason, without a reply: the caller is told the reason (`{stop, Reason, State}`).
    Exit(Term),
}

/// What a server does after a callback.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Next {
    /// It waits for the next message (`{noreply, State}`).
    #[default]
    Wait,
    /// It waits for the next message this long, then [`Server::timeout`] runs (`{noreply, State, Timeout}`).
    WaitFor(Duration),
    /// [`Server::continue_`] runs before any message is looked at (`{noreply, State, {continue, What}}`).
    Continue(Term),
    /// It ends, with this reason (`{stop, Reason, State}`).
    Exit(Term),
}

impl Next {
    /// It ends with `normal`.
    #[must_use]
    pub fn stop() -> Self {
        Self::Exit(Reason::normal().into_term())
    }
}

/// Why a server's `init` does not start it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotStarted {
    /// There is nothing to do for it, and that is in order (`ignore`): a supervisor goes on without.
    Ignore,
    /// It cannot be (`{stop, Reason}`).
    Stop(Reason),
}

/// The reason is that of [`Reason`]'s own conversion.
impl<E: Error + 'static> From<E> for NotStarted {
    fn from(error: E) -> Self {
        Self::Stop(Reason::from(error))
    }
}
