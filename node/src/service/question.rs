//! A `gen_server:call` that reaches a process which is none.

use mailbox::{Caller, Process};
use term::{Term, TermRef};

/// Who asks and what, if the message is `{'$gen_call', From, Request}`.
pub(super) fn asked<'a>(process: &Process, message: &'a Term) -> Option<(Caller, TermRef<'a>)> {
    let tuple = message.as_tuple().filter(|tuple| tuple.len() == 3)?;
    if !tuple.get(0)?.is_atom("$gen_call") {
        return None;
    }
    let caller = Caller::from_term(&tuple.get(1)?.to_term(), process)?;
    Some((caller, tuple.get(2)?))
}
