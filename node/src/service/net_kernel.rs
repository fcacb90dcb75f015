//! `net_kernel`: what a `net_adm:ping` asks. OTP's own does much more, none of it on behalf of peers.

use mailbox::{Exit, Process, Received};
use term::{Atom, Pid, Reference, Term, TermRef, View, term};

pub(crate) async fn run(mut process: Process) -> Exit {
    loop {
        // Exits, nodes that come and go, and messages that are no term: nothing to do with us.
        let Received::Message(message) = process.receive().await? else { continue };
        let Ok(message) = message.into_term() else { continue };
        if let Some((from, tag, request)) = call(&message) {
            let reply = answer(request);
            let to = to_alias(tag).map_or_else(|| from.into(), mailbox::Dest::Alias);
            process.send(to, Term::from((tag.to_term(), reply)));
        }
    }
}

/// `{'$gen_call', {From, Tag}, Request}`. Casts and everything else are for nobody here.
fn call(message: &Term) -> Option<(Pid, TermRef<'_>, TermRef<'_>)> {
    let tuple = message.as_tuple()?;
    if tuple.len() != 3 || !tuple.get(0)?.is_atom("$gen_call") {
        return None;
    }
    let from = tuple.get(1)?.as_tuple().filter(|from| from.len() == 2)?;
    Some((from.get(0)?.as_pid()?, from.get(1)?, tuple.get(2)?))
}

/// The alias in `[alias | Reference]`, as callers since OTP 24 tag what they ask (`gen.erl`).
fn to_alias(tag: TermRef<'_>) -> Option<Reference> {
    match tag.view() {
        View::ImproperList(list, alias)
            if list.len() == 1 && list.iter().next()?.is_atom("alias") =>
        {
            alias.as_reference()
        }
        _ => None,
    }
}

fn answer(request: TermRef<'_>) -> Term {
    match request.as_tuple() {
        // Whoever can ask has shown the cookie.
        Some(asked)
            if asked.len() == 2 && asked.get(0).is_some_and(|word| word.is_atom("is_auth")) =>
        {
            Term::from(Atom::from_static("yes"))
        }
        // An answer that says no, where OTP's would leave the caller to its time-out.
        _ => term!({ error, 'notsup }),
    }
}
