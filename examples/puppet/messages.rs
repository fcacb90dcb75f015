//! Commands about messages: send, cast, call, selective receive, timers.

use std::time::Duration;

use node::{CallError, Dest, Process, Reason, Term, term};

use crate::command::{
    Answer, BADARG, Command, Outcome, Stop, dest, is, ok, pid, reference, timeout,
};

pub(crate) async fn run(process: &mut Process, command: &Command) -> Outcome {
    match command.words() {
        ("send", [to, message]) => {
            // What Erlang's `!` refuses is let go as well: the answer is always ok.
            if let Ok(to) = dest(to) {
                process.send(to, message.clone());
            }
            ok()
        }
        // As erlang:send/3 with [priority], and exit/3.
        ("send_priority", [to, message]) => {
            if let Ok(to) = dest(to) {
                process.send_priority(to, message.clone());
            }
            ok()
        }
        ("exit_priority", [to, reason]) => {
            process.exit_priority(dest(to)?, Reason::new(reason));
            is(true)
        }
        ("cast", [to, request]) => {
            let to = dest(to).map_err(|_| Stop::Error("function_clause"))?;
            process.cast(to, request.clone());
            ok()
        }
        ("call", [to, request, ms]) => match (dest(to), timeout(ms)) {
            (Ok(to), Some(limit)) => call(process, to, request, limit).await,
            _ => is(term!({error, command.error("function_clause").into_term()})),
        },
        ("await", [wanted, ms]) => wait_for(process, wanted, ms).await,
        ("send_after", [ms, to, message]) => send_after(process, ms, to, message),
        ("cancel_timer", [timer]) => match process.cancel_timer(&reference(timer)?) {
            Some(left) => is(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
            None => is(false),
        },
        ("mailbox_len", [who]) => {
            let who = pid(who)?;
            if who.node() != process.runtime().node() {
                return Err(BADARG);
            }
            is(process.runtime().mailbox_len(&who).unwrap_or(0))
        }
        _ => Ok(Answer::Unknown),
    }
}

/// `{await, Term, Ms}`: a selective receive of exactly this.
async fn wait_for(process: &mut Process, wanted: &Term, ms: &Term) -> Outcome {
    let limit = timeout(ms).ok_or(Stop::Error("timeout_value"))?;
    let matching = process.receive_match(|message| (message == wanted).then_some(()));
    let found = match limit {
        Some(limit) => matching.timeout(limit).await?,
        None => Some(matching.await?),
    };
    if found.is_some() { ok() } else { is(term!('timeout)) }
}

/// As `erlang:send_after/3`: only to local processes and names.
fn send_after(process: &Process, ms: &Term, to: &Term, message: &Term) -> Outcome {
    let after = timeout(ms).flatten().ok_or(BADARG)?;
    let to = match dest(to)? {
        Dest::Pid(pid) if pid.node() == process.runtime().node() => Dest::Pid(pid),
        Dest::Name(name) => Dest::Name(name),
        _ => return Err(BADARG),
    };
    is(process.send_after(after, to, message.clone()))
}

/// `gen_server:call/3`, the reason of its exit as an error.
async fn call(process: &mut Process, to: Dest, request: &Term, limit: Option<Duration>) -> Outcome {
    let call = process.call::<Term>(to, request.clone());
    let answered = match limit {
        Some(limit) => call.timeout(limit).await,
        None => call.no_timeout().await,
    };
    match answered {
        Ok(reply) => is(term!({ok, reply})),
        Err(CallError::Exiting(reason)) => Err(reason.into()),
        Err(error) => is(term!({error, error.reason()})),
    }
}
