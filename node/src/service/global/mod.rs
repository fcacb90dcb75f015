//! `global_name_server`: a visible node's part in `global`. It knows all names, takes locks, and makes two partitions one.
//!
//! The messages are those that `global.erl` describes under "Messages in the protocol".

mod known;
mod locker;
mod locks;
mod meeting;
mod names;
mod partitions;
mod transaction;

use std::collections::HashMap;

use mailbox::{Caller, Exit, Nodes, Payload, Process, Received, Runtime};
use term::{Atom, Pid, Term, TermRef, term};

use self::known::Known;
use self::locks::Locks;
use self::meeting::{Resolved, Session};
use self::names::{Change, Name, Names};
use self::partitions::Losses;
use super::question;

pub(crate) use self::locker::{delete as delete_lock, set as set_lock};
pub(crate) use self::transaction::{Transaction, random_wait, whereis};

pub(crate) const SERVER: &str = "global_name_server";

/// The version of the protocol that we speak: that of OTP 25.1 to 29.
const VERSION: i64 = 8;

/// `{'$gen_cast', Message}`.
fn cast(message: Term) -> Term {
    Term::from((Atom::from_static("$gen_cast"), message))
}

fn is_connected(process: &Process, node: &Atom) -> bool {
    process.runtime().nodes(Nodes::Connected).contains(node)
}

/// Before the connections of a node that stops end one after the other: the losses are none to tell of.
pub(crate) fn prepare_shutdown(runtime: &Runtime) {
    runtime.send_payload(SERVER, Payload::from(term!({prepare_shutdown, 'nobody, 'nothing})));
}

struct Server {
    node: Atom,
    locker: Pid,
    names: Names,
    locks: Locks,
    known: Known,
    synced: Vec<Atom>,
    sessions: HashMap<Atom, Session>,
    /// The last of those that tell meetings, and jobs of the locker, apart.
    numbers: i64,
    losses: Losses,
}

pub(crate) async fn run(mut process: Process, prevents_overlap: bool) -> Exit {
    process.monitor_nodes(true);
    let locker = process.spawn_link(locker::run);
    let mut server = Server {
        node: process.runtime().node().clone(),
        locker,
        names: Names::default(),
        locks: Locks::default(),
        known: Known::default(),
        synced: Vec::new(),
        sessions: HashMap::new(),
        numbers: 0,
        losses: Losses::new(prevents_overlap),
    };
    for node in process.runtime().nodes(Nodes::Visible) {
        server.meet(&process, &node);
    }
    loop {
        match process.receive().await? {
            Received::Message(message) => {
                let Ok(message) = message.into_term() else { continue };
                match question::asked(&process, &message) {
                    Some((caller, request)) => server.asked(&process, &caller, request),
                    // What is none of its messages is for nobody.
                    None => drop(server.told(&process, &message)),
                }
            }
            Received::NodeUp(node) => {
                if process.runtime().nodes(Nodes::Visible).contains(&node) {
                    server.node_up(&process, &node);
                }
            }
            Received::NodeDown(node) => server.node_down(&process, &node),
            Received::Down { reference, .. } => {
                server.names.ended(&reference);
                server.locks.ended(&reference);
            }
            Received::Exit { .. } => {}
        }
    }
}

impl Server {
    fn asked(&mut self, process: &Process, caller: &Caller, request: TermRef<'_>) {
        if let Some(word) = request.as_atom() {
            caller.reply(match word.to_string().as_str() {
                "get_known" => self.known.names(),
                "get_synced" => Term::from(self.synced.clone()),
                "get_protocol_version" => Term::from(VERSION),
                "get_names_ext" => Term::NIL,
                "get_names" => self.names.to_term(),
                _ => term!({error, 'notsup}),
            });
            return;
        }
        let parts: Vec<TermRef<'_>> =
            request.as_tuple().map(|parts| parts.iter().collect()).unwrap_or_default();
        let word = parts.first().and_then(|word| word.as_atom()).map(|word| word.to_string());
        caller.reply(match (word.as_deref().unwrap_or_default(), parts.as_slice()) {
            ("set_lock", [_, id]) => Term::from(self.locks.set(process, *id, caller.pid())),
            ("del_lock", [_, id]) => {
                self.locks.delete(process, *id, caller.pid());
                Term::from(true)
            }
            ("register", [_, name, pid, method]) | ("register_ext", [_, name, pid, method, _]) => {
                match pid.as_pid() {
                    Some(pid) => {
                        // Who had the lock and lost it comes too late.
                        if !self.locks.is_anothers(&term!('global), caller.pid()) {
                            let (name, method) = (name.to_term(), method.to_term());
                            self.names.insert(process, Name { name, pid, method });
                        }
                        term!('yes)
                    }
                    None => term!({error, 'badarg}),
                }
            }
            ("unregister", [_, name]) => {
                self.names.delete(process, &name.to_term());
                term!('ok)
            }
            ("whereis", [_, name]) => match self.names.whereis(process, &name.to_term()) {
                Some(pid) => Term::from(pid),
                None => term!('undefined),
            },
            ("is_named", [_, pid]) => {
                Term::from(pid.as_pid().is_some_and(|pid| self.names.is_named(&pid)))
            }
            _ => term!({error, 'notsup}),
        });
    }

    /// A cast of another node, or a word of our locker. `None` if it is neither.
    fn told(&mut self, process: &Process, message: &Term) -> Option<()> {
        let parts: Vec<TermRef<'_>> = message.as_tuple()?.iter().collect();
        match parts.as_slice() {
            [word, told] if word.is_atom("$gen_cast") => {
                let parts: Vec<TermRef<'_>> = told.as_tuple()?.iter().collect();
                self.cast(process, &parts)
            }
            [word, node, job, id] if word.is_atom("locked") => {
                self.locked(process, &node.as_atom()?.to_atom(), job.as_i64()?, id.to_term());
                Some(())
            }
            [word, node, job] if word.is_atom("not_locked") => {
                self.not_locked(process, &node.as_atom()?.to_atom(), job.as_i64()?)
            }
            [word, node, tag] if word.is_atom("begin") => {
                let node = node.as_atom()?.to_atom();
                self.session(&node, *tag)?;
                self.begin(process, &node);
                Some(())
            }
            [word, node] if word.is_atom("tried") => {
                self.tried(process, &node.as_atom()?.to_atom());
                Some(())
            }
            [word, node, ours, theirs] if word.is_atom("init_connect_ack") => {
                self.verify(process, &node.as_atom()?.to_atom(), *ours, *theirs)
            }
            [word, node, tag] if word.is_atom("cancel_connect") => {
                self.called_off(process, &node.as_atom()?.to_atom(), *tag)
            }
            [word, node, doubt] if word.is_atom("settle") => {
                self.settle(process, &node.as_atom()?.to_atom(), doubt.as_i64()?);
                Some(())
            }
            [word, from, tag] if word.is_atom("prepare_shutdown") => {
                self.losses.ignore();
                if let Some(from) = from.as_pid() {
                    process.send(from, (tag.to_term(), term!('ok)));
                }
                Some(())
            }
            [word, by, creation, number, lost] if word.is_atom("lost_connection") => {
                let (by, lost) = (by.as_atom()?.to_atom(), lost.as_atom()?.to_atom());
                let when = (creation.to_term(), number.as_big_integer()?);
                self.told_of_loss(process, message, by, when, lost);
                Some(())
            }
            [word, node] if word.is_atom("remove_connection") => {
                self.told_to_part(process, &node.as_atom()?.to_atom());
                Some(())
            }
            _ => None,
        }
    }

    fn cast(&mut self, process: &Process, parts: &[TermRef<'_>]) -> Option<()> {
        let (word, rest) = parts.split_first()?;
        match (word.as_atom()?.to_string().as_str(), rest) {
            ("init_connect", [version, node, init]) => {
                let version = version.as_tuple()?;
                let locker = init.as_tuple()?.get(3)?.as_pid()?;
                let (number, tag) = (version.get(0)?.as_i64()?, version.get(1)?.to_term());
                self.greeted(process, &node.as_atom()?.to_atom(), number, tag, locker);
            }
            ("lock_set", [locker, set, _]) => {
                self.lock_set(process, &locker.as_pid()?, set.as_bool()?);
            }
            // Of version 8: with our tag, and of no other meeting than this.
            ("lock_set", [locker, set, _, tag]) => {
                let locker = locker.as_pid()?;
                self.session(locker.node(), *tag)?;
                self.lock_set(process, &locker, set.as_bool()?);
            }
            ("exchange", [node, names, _, tag]) => {
                let node = node.as_atom()?.to_atom();
                let names = names.as_list()?.iter().filter_map(Name::of).collect();
                self.session(&node, *tag)?.names = Some(names);
                self.exchange(process, &node)?;
            }
            ("resolved", [node, changes, known, _, _, tag]) => {
                let node = node.as_atom()?.to_atom();
                let resolved =
                    Resolved { changes: Change::list(*changes), known: known::listed(*known) };
                self.session(&node, *tag)?.resolved = Some(resolved);
                self.join(process, &node)?;
            }
            ("new_nodes", [_, changes, _, nodes, _]) => {
                self.change(process, Change::list(*changes));
                self.know(process, known::listed(*nodes));
            }
            ("in_sync", [node, _]) => {
                let node = node.as_atom()?.to_atom();
                // From one that we do not know it may be a late word, of before the last parting: the meeting goes on.
                if self.known.contains(&node) {
                    self.forget(process, &node);
                }
                // Over its own connection, or it is nobody's word.
                if is_connected(process, &node) && !self.synced.contains(&node) {
                    self.synced.push(node);
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// Nodes of another partition that has become one with ours: they are told so, once there is a connection (`sync_others`).
    fn know(&mut self, process: &Process, nodes: Vec<(Atom, i64)>) {
        for (node, version) in nodes {
            if node == self.node {
                continue;
            }
            if !self.known.contains(&node) {
                self.forget(process, &node);
                self.losses.joins(process, &node);
                self.try_to_reach(process, node.clone());
            }
            self.known.insert(node, version);
        }
    }

    fn try_to_reach(&self, process: &Process, node: Atom) {
        let server = process.pid();
        process.spawn(move |process| async move {
            let _ = process.runtime().connect(&node).await;
            process.send(server, term!({tried, node}));
        });
    }

    /// An attempt to connect to a node that we were told of has ended.
    fn tried(&mut self, process: &Process, node: &Atom) {
        // Not said by who dialled: to a node that we have parted with meanwhile it would be said out of turn.
        if !self.known.contains(node) {
            return;
        }
        if is_connected(process, node) {
            self.send(process, node, cast(term!({in_sync, &self.node, true})));
        } else {
            self.node_down(process, node);
        }
    }

    fn change(&mut self, process: &Process, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Insert(name) => self.names.insert(process, name),
                Change::Delete(name) => self.names.delete(process, &name),
            }
        }
    }

    fn lost(&mut self, process: &Process, node: &Atom) {
        self.forget(process, node);
        self.known.remove(node);
        self.synced.retain(|synced| synced != node);
    }
}
