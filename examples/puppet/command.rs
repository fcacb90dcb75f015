//! A command taken apart: its name, its arguments, and what Erlang would say of a bad one.

use std::time::Duration;

use node::{Atom, Dest, Pid, Reason, Reference, Term, term};

/// `name`, or `{name, Argument, ...}`.
#[derive(Debug)]
pub(crate) struct Command {
    name: Atom,
    arguments: Vec<Term>,
}

/// What came of a command.
pub(crate) type Outcome = Result<Answer, Stop>;

/// What a puppet answers.
#[derive(Debug)]
pub(crate) enum Answer {
    /// This.
    Is(Term),
    /// The command is none of this field.
    Unknown,
}

/// Why a puppet ends instead of answering.
#[derive(Debug)]
pub(crate) enum Stop {
    /// With this reason.
    Exit(Reason),
    /// As a call that Erlang would not make: `badarg`, `function_clause`, `timeout_value`.
    Error(&'static str),
}

pub(crate) const BADARG: Stop = Stop::Error("badarg");

impl Command {
    pub(crate) fn new(term: &Term) -> Option<Self> {
        if let Some(name) = term.as_atom() {
            return Some(Self { name: name.to_atom(), arguments: Vec::new() });
        }
        let mut words = term.as_tuple()?.iter();
        let name = words.next()?.as_atom()?.to_atom();
        // `{self}` is not `self`.
        (words.len() > 0).then(|| Self { name, arguments: words.map(Term::from).collect() })
    }

    /// For `match`.
    pub(crate) fn words(&self) -> (&str, &[Term]) {
        (self.name.as_str(), &self.arguments)
    }

    /// The exit reason of a process that makes this call with arguments it does not take: the error, and the call on top of
    /// the stack.
    pub(crate) fn error(&self, class: &'static str) -> Reason {
        let call = Term::from((
            Atom::from_static("erlang"),
            self.name.clone(),
            self.arguments.clone(),
            Term::NIL,
        ));
        Reason::new((Atom::from_static(class), Term::from(vec![call])))
    }
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Self::Exit(reason)
    }
}

pub(crate) fn is(value: impl Into<Term>) -> Outcome {
    Ok(Answer::Is(value.into()))
}

pub(crate) fn ok() -> Outcome {
    is(term!('ok))
}

pub(crate) fn dest(term: &Term) -> Result<Dest, Stop> {
    Dest::try_from(term).map_err(|_| BADARG)
}

pub(crate) fn pid(term: &Term) -> Result<Pid, Stop> {
    term.as_pid().ok_or(BADARG)
}

pub(crate) fn reference(term: &Term) -> Result<Reference, Stop> {
    term.as_reference().ok_or(BADARG)
}

pub(crate) fn atom(term: &Term) -> Result<Atom, Stop> {
    term.as_atom().map(|atom| atom.to_atom()).ok_or(BADARG)
}

pub(crate) fn boolean(term: &Term) -> Result<bool, Stop> {
    term.as_bool().ok_or(BADARG)
}

/// Milliseconds as a time to wait: `None` is `infinity`.
pub(crate) fn timeout(term: &Term) -> Option<Option<Duration>> {
    if term.is_atom("infinity") {
        return Some(None);
    }
    // As `receive` takes them: 32 bits.
    let ms = u32::try_from(term.as_i64()?).ok()?;
    Some(Some(Duration::from_millis(ms.into())))
}
