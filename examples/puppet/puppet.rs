//! A puppet: a process that does what it is told, and tells its owner of everything else that comes.

use std::future::Future;
use std::pin::Pin;

use node::{Dest, Exit, Node, Process, Reason, Term, term};

use crate::command::{Answer, Command, Outcome, Stop};
use crate::{calls, cluster, messages, processes, terms};

/// What a puppet knows beside its process.
#[derive(Debug)]
pub(crate) struct Strings {
    pub(crate) node: Node,
    /// Who hears of what comes: the From of the `spawn` that made the puppet.
    owner: Option<Dest>,
}

/// A future of a named type, as a puppet spawns puppets.
pub(crate) type Puppet = Pin<Box<dyn Future<Output = Exit> + Send>>;

pub(crate) fn puppet(mut process: Process, node: Node, owner: Option<Dest>) -> Puppet {
    let strings = Strings { node, owner };
    Box::pin(async move {
        loop {
            let message: Term = process.receive().await?;
            match told(&message) {
                Some((from, tag, command)) => {
                    obey(&mut process, &strings, from, tag, command).await?
                }
                None => {
                    if let Some(owner) = &strings.owner {
                        process.send(owner.clone(), term!({event, process.pid(), message}));
                    }
                }
            }
        }
    })
}

/// `{puppet, From, Tag, Command}`
fn told(message: &Term) -> Option<(Term, Term, Term)> {
    let tuple = message.as_tuple().filter(|tuple| tuple.len() == 4)?;
    tuple.get(0)?.is_atom("puppet").then_some(())?;
    Some((tuple.get(1)?.to_term(), tuple.get(2)?.to_term(), tuple.get(3)?.to_term()))
}

async fn obey(
    process: &mut Process,
    strings: &Strings,
    from: Term,
    tag: Term,
    command: Term,
) -> Result<(), Reason> {
    let answer = match Command::new(&command) {
        Some(words) => match run(process, strings, &from, &words).await {
            Ok(answer) => answer,
            Err(Stop::Exit(reason)) => return Err(reason),
            Err(Stop::Error(class)) => return Err(words.error(class)),
        },
        None => Answer::Unknown,
    };
    let answer = match answer {
        Answer::Is(term) => term,
        Answer::Unknown => term!({error, {bad_command, command}}),
    };
    // An answer to nobody is no error.
    if let Ok(from) = Dest::try_from(&from) {
        process.send(from, (tag, answer));
    }
    Ok(())
}

async fn run(process: &mut Process, strings: &Strings, from: &Term, command: &Command) -> Outcome {
    if let done @ Answer::Is(_) = processes::run(process, strings, from, command)? {
        return Ok(done);
    }
    if let done @ Answer::Is(_) = messages::run(process, command).await? {
        return Ok(done);
    }
    if let done @ Answer::Is(_) = calls::run(process, strings, command).await? {
        return Ok(done);
    }
    if let done @ Answer::Is(_) = cluster::run(process, strings, command).await? {
        return Ok(done);
    }
    terms::run(command, process.runtime().node())
}
