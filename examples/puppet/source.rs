//! `source`: sends a term many times.

use node::{Exit, Payload, Pid, Process, Term};
use term::Encoded;

pub(crate) async fn source(mut process: Process) -> Exit {
    loop {
        let message: Term = process.receive().await?;
        let Some((from, count, term)) = wanted(&message) else { continue };
        // Written once; what is sent is a handle on the bytes.
        let payload = Payload::from(Encoded::from_term(&term));
        for _ in 0..count {
            process.send_wait(from.clone(), payload.clone()).await;
        }
        process.send(from, term::term!({source, 'done, count}));
    }
}

/// `{From, N, Term}`
fn wanted(message: &Term) -> Option<(Pid, u64, Term)> {
    let tuple = message.as_tuple().filter(|tuple| tuple.len() == 3)?;
    Some((tuple.get(0)?.as_pid()?, tuple.get(1)?.as_u64()?, tuple.get(2)?.to_term()))
}
