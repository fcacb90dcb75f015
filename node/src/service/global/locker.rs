//! The lock on a partition: set on its greatest node first, then on the others, and taken away in the other order, so that of
//! two who want it one gets it (`global.erl`).

use std::time::Duration;

use mailbox::{CallError, Exit, Process, Reason};
use term::{Atom, Pid, Term, term};

use super::{SERVER, cast};

/// For one round of questions. A node that does not answer is one without the lock, as one that is gone.
const ANSWERS: Duration = Duration::from_secs(5);

/// Sets a lock on nodes; whether it is set on all that answered. If not it is set on none.
pub(crate) async fn set(
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
pub(crate) async fn delete(
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

/// The locker: locks our partition when the locker of another has locked its own, or locks first, until the two are one. It does
/// one at a time.
pub(super) async fn run(mut process: Process) -> Exit {
    loop {
        let message: Term = process.receive().await?;
        let Some(wanted) = Wanted::of(&message) else { continue };
        match wanted.begins {
            None => second(&mut process, wanted).await?,
            Some(tag) => first(&mut process, wanted, tag).await?,
        }
    }
}

/// The other has locked.
async fn second(process: &mut Process, wanted: Wanted) -> Result<(), Reason> {
    let set = set(process, &wanted.id, &wanted.nodes).await?;
    wanted.say(process, set);
    if set {
        wanted.hold(process).await?;
    }
    Ok(())
}

/// The other has not locked yet.
async fn first(process: &mut Process, wanted: Wanted, tag: i64) -> Result<(), Reason> {
    let Wanted { server, node, id, nodes, .. } = &wanted;
    if set(process, id, nodes).await? {
        wanted.say(process, true);
        let answer = process.receive_match(|message| {
            let answer = message.as_tuple().filter(|answer| answer.len() == 3)?;
            if answer.get(1)?.as_atom()? != *node.as_str() {
                return None;
            }
            match answer.get(0)? {
                word if word.is_atom("lock_set") => answer.get(2)?.as_bool(),
                // The meeting is over before it began.
                word if word.is_atom("cancel") => Some(false),
                _ => None,
            }
        });
        if answer.await? {
            return wanted.hold(process).await;
        }
        delete(process, id, nodes).await?;
    }
    process.send(server, term!({not_locked, node, tag}));
    Ok(())
}

/// `{lock, Server, Node, Id, Known}` of the server, or `{begin, Server, Node, Id, Known, Tag}`.
struct Wanted {
    server: Pid,
    node: Atom,
    id: Term,
    nodes: Vec<Atom>,
    known: Term,
    /// The tag of the meeting, if we are to lock first.
    begins: Option<i64>,
}

impl Wanted {
    fn of(message: &Term) -> Option<Self> {
        let parts = message.as_tuple()?;
        let begins = match (parts.get(0)?, parts.len()) {
            (word, 5) if word.is_atom("lock") => None,
            (word, 6) if word.is_atom("begin") => Some(parts.get(5)?.as_i64()?),
            _ => return None,
        };
        let known = parts.get(4)?;
        let server = parts.get(1)?.as_pid()?;
        let mut nodes = vec![server.node().clone()];
        nodes.extend(super::nodes(known));
        let node = parts.get(2)?.as_atom()?.to_atom();
        if begins.is_some() && !nodes.contains(&node) {
            // One node of the other partition: nobody there can lock it without coming to terms with us.
            nodes.push(node.clone());
        }
        Some(Self {
            server,
            node,
            id: parts.get(3)?.to_term(),
            nodes,
            known: known.to_term(),
            begins,
        })
    }

    /// Tells the other locker whether our lock is set.
    fn say(&self, process: &Process, set: bool) {
        let lock_set = term!({lock_set, process.pid(), set, &self.known});
        process.send((SERVER, &self.node), cast(lock_set));
    }

    /// Both locks are set: until the server has done what is to be done.
    async fn hold(&self, process: &mut Process) -> Result<(), Reason> {
        let Self { server, node, id, nodes, .. } = self;
        process.send(server, term!({locked, node, id}));
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
            let told = |other: &&Atom| *other != process.runtime().node() && *other != node;
            for other in nodes.iter().filter(told) {
                process.send((SERVER, other), cast(last_words.clone()));
            }
        }
        Ok(delete(process, id, nodes).await?)
    }
}
