//! What a function raises instead of returning: Erlang's three classes.

use mailbox::Reason;
use term::Term;

/// An exception, as a caller by `erpc` sees it.
///
/// Any error becomes one by `?`: of the class `error`, with the reason `{error, Text}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exception {
    /// `error(Reason)`: something went wrong; callers see a stack trace with the function on top.
    Error(Term),
    /// `exit(Reason)`: the process has enough.
    Exit(Term),
    /// `throw(Value)`: an early return, which `rpc:call/4` gives back as a value.
    Throw(Term),
}

/// Exception is no `std::error::Error` itself, as `Reason` is not, so that this can be.
impl<E: std::error::Error + 'static> From<E> for Exception {
    fn from(error: E) -> Self {
        Self::Error(Reason::from(error).into_term())
    }
}
