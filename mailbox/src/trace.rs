//! Sequential trace tokens (`seq_trace`): taken over from what a process receives, counted on in what it sends.
//!
//! The token is `{Flags, Label, Serial, Sender, Last}`. As in erts, a process keeps a clock that is never behind a serial it has
//! received, and each signal it sends has the next tick for its serial, and the serial received last beside it: so whoever
//! collects the traces can put them in order. A node does not print traces here; it does not break the chain either.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use term::{Atom, Pid, Term, Tuple};

/// The clock of a process, and the token it has now.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    clock: Arc<AtomicU64>,
    token: Option<Token>,
}

/// A token as who holds it sends it on.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    term: Term,
    clock: Arc<AtomicU64>,
}

impl Trace {
    /// A message has come with this token, or with none.
    pub(crate) fn take_over(&mut self, token: Option<Term>) {
        if token.as_ref().is_some_and(is_nobodys) {
            return;
        }
        self.token = token.map(|term| {
            if let Some(serial) = parts(&term).and_then(|parts| serial_of(&parts)) {
                self.clock.fetch_max(serial, Ordering::Relaxed);
            }
            Token { term, clock: Arc::clone(&self.clock) }
        });
    }

    pub(crate) const fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }
}

impl Token {
    /// As it was received.
    pub(crate) const fn term(&self) -> &Term {
        &self.term
    }

    /// As it goes with the next signal that `sender` sends.
    pub(crate) fn next(&self, sender: Pid) -> Term {
        let next = parts(&self.term).and_then(|parts| {
            let last = serial_of(&parts)?;
            let serial = self.clock.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
            let (flags, label) = (parts.get(0)?.to_term(), parts.get(1)?.to_term());
            Some(Term::from((flags, label, Term::from(serial), sender, Term::from(last))))
        });
        // What is no token of erts is none of ours to change.
        next.unwrap_or_else(|| self.term.clone())
    }
}

/// What stands for the token of a message that nobody sent, a timer's or a monitor's: it leaves that of its receiver alone
/// (`am_undefined` in erts).
pub(crate) fn nobodys() -> Term {
    Term::from(Atom::from_static("undefined"))
}

pub(crate) fn is_nobodys(token: &Term) -> bool {
    token.is_atom("undefined")
}

fn parts(token: &Term) -> Option<Tuple<'_>> {
    token.as_tuple().filter(|parts| parts.len() == 5)
}

fn serial_of(parts: &Tuple<'_>) -> Option<u64> {
    u64::try_from(parts.get(2)?.as_i64()?).ok()
}
