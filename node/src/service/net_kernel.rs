//! `net_kernel`: what a `net_adm:ping` asks. OTP's own does much more, none of it on behalf of peers.

use mailbox::{Exit, Process, Received};
use term::{Atom, Term, TermRef, term};

use super::question;

pub(crate) async fn run(mut process: Process) -> Exit {
    loop {
        // Exits, nodes that come and go, and messages that are no term: nothing to do with us.
        let Received::Message(message) = process.receive().await? else { continue };
        let Ok(message) = message.into_term() else { continue };
        if let Some((caller, request)) = question::asked(&process, &message) {
            caller.reply(answer(request));
        }
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
