//! `sink`: counts what it receives, and tells on request.

use node::{Dest, Exit, Process, Term};

pub(crate) async fn sink(mut process: Process) -> Exit {
    let mut count = 0_u64;
    loop {
        let message: Term = process.receive().await?;
        match asked(&message) {
            Some((from, reference)) => {
                process.send(from, (reference, count));
                count = 0;
            }
            None => count += 1,
        }
    }
}

/// `{From, Ref, count}`
fn asked(message: &Term) -> Option<(Dest, Term)> {
    let tuple = message.as_tuple().filter(|tuple| tuple.len() == 3)?;
    tuple.get(2)?.is_atom("count").then_some(())?;
    Some((Dest::try_from(tuple.get(0)?).ok()?, tuple.get(1)?.to_term()))
}
