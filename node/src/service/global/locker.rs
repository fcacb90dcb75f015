//! The lock on a partition: set on its greatest node first, then on the others, and taken away in the other order, so that of
//! two who want it one gets it (`global.erl`).

use std::time::Duration;

use mailbox::{CallError, Exit, Process};
use term::{Atom, Pid, Term, term};

use super::{SERVER, cast};

/// For one round of questions. A node that does not answer is one without the lock, as one that is gone.
const ANSWERS: Duration = Duration::from_secs(5);

/// Sets a lock on nodes; whether it is set on all that answered. If not it is set on none.
pub(super) async fn set(
    process: &mut Process,
    id: &Term,
    nodes: &[Atom],
) -> Result<bool, CallError> {
    let Some(boss) = nodes.iter().max() else { return Ok(true) };
    if !ask(process, id, std::slice::from_ref(boss)).await? {
        return Ok(false);
    }
    let others: Vec<Atom> = nodes.iter().filter(|node| *node != boss).cloned().collect();
    if ask(process, id, &others).await? {
        return Ok(true);
    }
    release(process, id, std::slice::from_ref(boss)).await?;
    Ok(false)
}

async fn ask(process: &mut Process, id: &Term, nodes: &[Atom]) -> Result<bool, CallError> {
    let replies =
        process.multi_call::<bool, _>(nodes, SERVER, term!({set_lock, id}), ANSWERS).await?.replies;
    if replies.iter().all(|(_, set)| *set) {
        return Ok(true);
    }
    let set: Vec<Atom> =
        replies.into_iter().filter(|(_, set)| *set).map(|(node, _)| node).collect();
    release(process, id, &set).await?;
    Ok(false)
}

/// Takes a lock away.
pub(super) async fn delete(
    process: &mut Process,
    id: &Term,
    nodes: &[Atom],
) -> Result<(), CallError> {
    let Some(boss) = nodes.iter().max() else { return Ok(()) };
    let others: Vec<Atom> = nodes.iter().filter(|node| *node != boss).cloned().collect();
    release(process, id, &others).await?;
    release(process, id, std::slice::from_ref(boss)).await
}

async fn release(process: &mut Process, id: &Term, nodes: &[Atom]) -> Result<(), CallError> {
    process.multi_call::<bool, _>(nodes, SERVER, term!({del_lock, id}), ANSWERS).await?;
    Ok(())
}

/// The locker: locks our partition when the locker of another has locked its own, until the two are one. It does one at a time.
pub(super) async fn run(mut process: Process) -> Exit {
    loop {
        let message: Term = process.receive().await?;
        let Some(wanted) = Wanted::of(&message) else { continue };
        let Wanted { server, node, id, nodes, known } = wanted;
        let set = set(&mut process, &id, &nodes).await?;
        let lock_set = term!({lock_set, process.pid(), set, known});
        process.send((SERVER, &node), cast(lock_set));
        if !set {
            continue;
        }
        process.send(&server, term!({locked, &node, &id}));
        let last_words = process
            .receive_match(|message| {
                let words = message.as_tuple().filter(|words| words.len() == 3)?;
                let ours =
                    words.get(0)?.is_atom("cancel") && words.get(1)?.as_atom()? == *node.as_str();
                ours.then(|| words.get(2).map(Term::from))?
            })
            .await?;
        // Before the lock goes: who gets it next finds everybody told.
        if last_words.as_tuple().is_some() {
            for other in nodes.iter().filter(|other| *other != process.runtime().node()) {
                process.send((SERVER, other), cast(last_words.clone()));
            }
        }
        delete(&mut process, &id, &nodes).await?;
    }
}

/// `{lock, Server, Node, Id, Known}` of the server.
struct Wanted {
    server: Pid,
    node: Atom,
    id: Term,
    nodes: Vec<Atom>,
    known: Term,
}

impl Wanted {
    fn of(message: &Term) -> Option<Self> {
        let parts = message.as_tuple().filter(|parts| parts.len() == 5)?;
        if !parts.get(0)?.is_atom("lock") {
            return None;
        }
        let known = parts.get(4)?;
        let server = parts.get(1)?.as_pid()?;
        let mut nodes = vec![server.node().clone()];
        nodes.extend(super::nodes(known));
        Some(Self {
            server,
            node: parts.get(2)?.as_atom()?.to_atom(),
            id: parts.get(3)?.to_term(),
            nodes,
            known: known.to_term(),
        })
    }
}
