//! Why processes end, and what can be wrong with what a caller asks for.

use std::any::Any;
use std::error::Error;
use std::fmt;

use term::{Atom, Pid, Term};

/// An exit reason: any term. What a process function gives back when it does not end `normal`ly.
///
/// `?` makes one of any error: `{error, <<"what it says">>}`.
///
/// ```
/// use mailbox::Reason;
/// assert!(Reason::normal().is_normal());
/// let reason = Reason::from("x".parse::<i32>().unwrap_err());
/// assert_eq!(reason.into_term(), term::term!({error, "invalid digit found in string"}));
/// ```
#[derive(Clone)]
pub struct Reason(Form);

/// The reasons that nearly every process ends with cost nothing to make.
#[derive(Clone)]
enum Form {
    Atom(&'static str),
    Term(Box<Term>),
}

/// The connection to another node has no room for more: who sent asked not to wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection is busy; nothing was sent")]
pub struct Busy<M> {
    /// What was to be sent.
    pub message: M,
}

/// What a process function gives back: `Ok(())` is an exit with `normal`.
pub type Exit = Result<(), Reason>;

impl Reason {
    /// This term.
    pub fn new(reason: impl Into<Term>) -> Self {
        Self(Form::Term(Box::new(reason.into())))
    }

    /// `normal`: as if the function had returned.
    #[must_use]
    pub const fn normal() -> Self {
        Self::atom("normal")
    }

    /// `shutdown`: ordered, as by a supervisor.
    #[must_use]
    pub const fn shutdown() -> Self {
        Self::atom("shutdown")
    }

    /// `killed`: by `exit(Pid, kill)`.
    #[must_use]
    pub const fn killed() -> Self {
        Self::atom("killed")
    }

    pub(crate) const fn atom(name: &'static str) -> Self {
        Self(Form::Atom(name))
    }

    /// `{tag, <<"text">>}`.
    pub(crate) fn text(tag: &'static str, text: &str) -> Self {
        Self::new((Atom::from_static(tag), text))
    }

    /// `{panic, <<"what it said">>}`.
    pub(crate) fn panic(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self::text("panic", text.unwrap_or("a panic without a text"))
    }

    /// The term.
    #[must_use]
    pub fn to_term(&self) -> Term {
        self.clone().into_term()
    }

    /// The term.
    #[must_use]
    pub fn into_term(self) -> Term {
        match self.0 {
            Form::Atom(name) => Term::from(Atom::from_static(name)),
            Form::Term(term) => *term,
        }
    }

    /// Whether it is this atom.
    #[must_use]
    pub fn is_atom(&self, name: &str) -> bool {
        match &self.0 {
            Form::Atom(atom) => *atom == name,
            Form::Term(term) => term.is_atom(name),
        }
    }

    /// Whether it is `normal`.
    #[must_use]
    pub fn is_normal(&self) -> bool {
        self.is_atom("normal")
    }
}

impl PartialEq for Reason {
    fn eq(&self, other: &Self) -> bool {
        self.to_term() == other.to_term()
    }
}

impl Eq for Reason {}

/// Reason is no `std::error::Error` itself, as `anyhow::Error` is not, so that this can be.
impl<E: Error + 'static> From<E> for Reason {
    fn from(error: E) -> Self {
        // A failed call ends its caller as `gen_server:call/3` does.
        if let Some(call) = (&error as &(dyn Error + 'static)).downcast_ref::<crate::CallError>() {
            return Self::new(call.reason());
        }
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::text("error", &text)
    }
}

impl From<Reason> for Term {
    fn from(reason: Reason) -> Self {
        reason.into_term()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_term(), f)
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_term(), f)
    }
}

/// What a process function may give back.
pub trait IntoExit {
    /// How the process ends.
    fn into_exit(self) -> Exit;
}

impl IntoExit for () {
    fn into_exit(self) -> Exit {
        Ok(())
    }
}

impl IntoExit for Reason {
    fn into_exit(self) -> Exit {
        Err(self)
    }
}

impl<T: IntoExit, E: Into<Reason>> IntoExit for Result<T, E> {
    fn into_exit(self) -> Exit {
        self.map_err(Into::into)?.into_exit()
    }
}

/// The type `!`, which has no name on stable Rust: what a process that loops for ever gives back.
type Never = <fn() -> ! as Gives>::Back;

/// Names what a function gives back.
#[doc(hidden)]
#[allow(
    unreachable_pub,
    missing_docs,
    reason = "part of the type of an implementation, nothing to be used"
)]
pub trait Gives {
    type Back;
}

impl<T> Gives for fn() -> T {
    type Back = T;
}

impl IntoExit for Never {
    fn into_exit(self) -> Exit {
        self
    }
}

impl IntoExit for std::convert::Infallible {
    fn into_exit(self) -> Exit {
        match self {}
    }
}

/// Why a name was not registered; `badarg` in Erlang.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// Another process has it.
    #[error("the name {0} is registered already; unregister it first, or choose another")]
    Taken(Atom),
    /// The process has a name.
    #[error("the process is registered as {0} already, and a process has one name")]
    HasName(Atom),
    /// No process of that pid lives here.
    #[error("only a live process of this node can be given a name")]
    NoProcess,
    /// `undefined` is what `whereis` answers when there is nobody.
    #[error("undefined cannot be a registered name")]
    Undefined,
}

/// Nobody is registered under the name; `badarg` in Erlang.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no process is registered as {0}")]
pub struct UnregisterError(pub Atom);

/// Why a process was not started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpawnError {
    /// Its name could not be registered.
    #[error(transparent)]
    Name(#[from] RegisterError),
    /// There are as many processes as there are pids.
    #[error("there are 2^28 processes, and no pid is left")]
    TooMany,
    /// The operating system gave no thread.
    #[error("no thread for the process: {0}")]
    Thread(String),
}

/// A signal that the node it came from had no right to send: the connection ought to be closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Links, monitors and exits speak for processes of their own node only (erl_dist_protocol, "Control Messages").
    #[error("{node} sent a signal in the name of {from}, which is not its process")]
    NotItsProcess {
        /// Who sent it.
        node: Atom,
        /// In whose name.
        from: Pid,
    },
    /// It is for a process of another node.
    #[error("{node} sent a signal for {to}, which is no process of this node")]
    NotOurs {
        /// Who sent it.
        node: Atom,
        /// For whom.
        to: Pid,
    },
}
