//! The lock on a partition: set on its greatest node first, then on the others, and taken away in the other order, so that of
//! two who want it one gets it (`global.erl`).

use std::time::Duration;

use mailbox::{CallError, Exit, Process, Reason};
use term::{Atom, Pid, Term, term};

use super::{SERVER, cast, known};

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
        if wanted.begins {
            first(&mut process, wanted).await?;
        } else {
            second(&mut process, wanted).await?;
        }
    }
}

/// The other has locked.
async fn second(process: &mut Process, wanted: Wanted) -> Result<(), Reason> {
    let partition = wanted.partition(process).await?;
    if wanted.lock(process, &partition).await? {
        wanted.say(process, true, &partition);
        return wanted.hold(process, &partition).await;
    }
    // First our server, so that it is ready for the other's next attempt.
    wanted.give_up(process);
    wanted.say(process, false, &partition);
    Ok(())
}

/// What comes of having locked first.
enum Answer {
    Locked,
    NotLocked,
    /// The meeting is over before it began.
    Over,
}

/// The other has not locked yet.
async fn first(process: &mut Process, wanted: Wanted) -> Result<(), Reason> {
    let partition = wanted.partition(process).await?;
    if !wanted.lock(process, &partition).await? {
        wanted.give_up(process);
        return Ok(());
    }
    wanted.say(process, true, &partition);
    let answer = process.receive_match(|message| wanted.answer(message)).await?;
    if matches!(answer, Answer::Locked) {
        return wanted.hold(process, &partition).await;
    }
    delete(process, &wanted.id, &partition.nodes).await?;
    if matches!(answer, Answer::NotLocked) {
        wanted.give_up(process);
    }
    Ok(())
}

/// `{lock, Server, Node, Id, Job, TheirTag}` of the server, or the same with `begin`.
struct Wanted {
    begins: bool,
    server: Pid,
    node: Atom,
    id: Term,
    job: i64,
    /// The other server's tag of the meeting, if its version has one here.
    their_tag: Option<Term>,
}

/// The nodes to lock for a meeting.
struct Partition {
    /// Ours, but us.
    known: Term,
    nodes: Vec<Atom>,
}

impl Wanted {
    fn of(message: &Term) -> Option<Self> {
        let parts = message.as_tuple().filter(|parts| parts.len() == 6)?;
        let word = parts.get(0)?;
        let begins = word.is_atom("begin");
        if !begins && !word.is_atom("lock") {
            return None;
        }
        let their_tag = parts.get(5)?;
        Some(Self {
            begins,
            server: parts.get(1)?.as_pid()?,
            node: parts.get(2)?.as_atom()?.to_atom(),
            id: parts.get(3)?.to_term(),
            job: parts.get(4)?.as_i64()?,
            their_tag: (!their_tag.is_atom("none")).then(|| their_tag.to_term()),
        })
    }

    /// As it is now: it may have grown by another meeting while this one waited for its turn.
    async fn partition(&self, process: &mut Process) -> Result<Partition, CallError> {
        let known = process.call::<Term>(&self.server, term!('get_known)).await?;
        let mut nodes = vec![self.server.node().clone()];
        nodes.extend(known::names(known.root()));
        if self.begins && !nodes.contains(&self.node) {
            // One node of the other partition: nobody there can lock it without coming to terms with us.
            nodes.push(self.node.clone());
        }
        Ok(Partition { known, nodes })
    }

    /// Locks a partition, and all of it: with our own node locked it grows no more.
    async fn lock(&self, process: &mut Process, partition: &Partition) -> Result<bool, CallError> {
        if !set(process, &self.id, &partition.nodes).await? {
            return Ok(false);
        }
        let now = self.partition(process).await?;
        let is_whole = now.nodes.iter().all(|node| partition.nodes.contains(node));
        if !is_whole {
            delete(process, &self.id, &partition.nodes).await?;
        }
        Ok(is_whole)
    }

    /// Tells the other locker, by way of its server, whether our lock is set.
    fn say(&self, process: &Process, set: bool, partition: &Partition) {
        let (locker, known) = (process.pid(), &partition.known);
        let lock_set = match &self.their_tag {
            Some(tag) => term!({lock_set, locker, set, known, tag}),
            None => term!({lock_set, locker, set, known}),
        };
        process.send((SERVER, &self.node), cast(lock_set));
    }

    fn give_up(&self, process: &Process) {
        process.send(&self.server, term!({not_locked, &self.node, self.job}));
    }

    /// What the other locker says to our lock.
    fn answer(&self, message: &Term) -> Option<Answer> {
        if self.last_words(message).is_some() {
            return Some(Answer::Over);
        }
        let parts = message.as_tuple().filter(|parts| parts.len() == 4)?;
        if !parts.get(0)?.is_atom("lock_set") {
            return None;
        }
        let set = match parts.get(1)?.as_pid() {
            // Of the locker itself, which knows nothing of the meeting: with its known nodes at the end (`the_locker_message`).
            Some(theirs) => (*theirs.node() == self.node).then(|| parts.get(2)?.as_bool())??,
            None => {
                let ours = parts.get(1)?.as_atom()? == *self.node.as_str()
                    && parts.get(2)?.as_i64()? == self.job;
                ours.then(|| parts.get(3)?.as_bool())??
            }
        };
        Some(if set { Answer::Locked } else { Answer::NotLocked })
    }

    /// `{cancel, Node, Job, Words, To}` of our server: the meeting is over, and the words are for the servers of some nodes.
    fn last_words(&self, message: &Term) -> Option<(Term, Vec<Atom>)> {
        let parts = message.as_tuple().filter(|parts| parts.len() == 5)?;
        let ours = parts.get(0)?.is_atom("cancel")
            && parts.get(1)?.as_atom()? == *self.node.as_str()
            && parts.get(2)?.as_i64()? == self.job;
        ours.then(|| Some((parts.get(3)?.to_term(), known::names(parts.get(4)?))))?
    }

    /// Both locks are set: until the server has done what is to be done.
    async fn hold(&self, process: &mut Process, partition: &Partition) -> Result<(), Reason> {
        let Self { server, node, id, .. } = self;
        process.send(server, term!({locked, node, self.job, id}));
        let (words, to) = process.receive_match(|message| self.last_words(message)).await?;
        // Before the lock goes: who gets it next finds everybody told.
        for other in &to {
            process.send((SERVER, other), cast(words.clone()));
        }
        Ok(delete(process, id, &partition.nodes).await?)
    }
}
