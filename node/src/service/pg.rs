//! `pg`: process groups, seen alike on every node of the cluster (OTP's `pg.erl`, whose scope processes these are peers of).

use std::collections::HashMap;

use mailbox::{Caller, Exit, Nodes, Process, Received, To};
use term::{Atom, Pid, Reference, Term, TermRef, term};

use super::pg_watch::{Change, Watches};
use super::question;

/// The members that one node has, by group; a process is in a group as often as it has joined.
type Members = HashMap<Term, Vec<Pid>>;

/// The state of a scope.
struct Scope {
    name: Atom,
    /// Members of this node, each with its monitor and the groups it has joined.
    local: HashMap<Pid, (Reference, Vec<Term>)>,
    /// Scope processes of other nodes, each with its monitor and what it has told.
    peers: HashMap<Pid, (Reference, Members)>,
    /// Who is told of changes.
    watches: Watches,
}

pub(crate) async fn run(mut process: Process, name: Atom) -> Exit {
    // From here on every node that comes is greeted; those that are there are greeted now. OTP's greets visible nodes alone: who
    // is connected to a hidden node learns of its members by this.
    process.monitor_nodes(true);
    for node in process.runtime().nodes(Nodes::Connected) {
        discover(&process, (name.clone(), node));
    }
    let mut scope =
        Scope { name, local: HashMap::new(), peers: HashMap::new(), watches: Watches::default() };
    loop {
        match process.receive().await? {
            Received::Message(message) => {
                let Ok(message) = message.into_term() else { continue };
                match question::asked(&process, &message) {
                    Some((caller, request)) => scope.asked(&process, &caller, request),
                    // What is none of pg's messages is for nobody.
                    None => drop(scope.told(&process, &message)),
                }
            }
            Received::NodeUp(node) => discover(&process, (scope.name.clone(), node)),
            Received::Down { reference, object, .. } => {
                if let Some(pid) = object.as_pid() {
                    scope.ended(&process, &pid, &reference);
                }
            }
            _ => {}
        }
    }
}

/// The form of before OTP 28: every release knows it, and OTP 25's scope ends over the newer one.
fn discover<'a>(process: &Process, to: impl Into<To<'a>>) {
    process.send(to, term!({discover, process.pid()}));
}

impl Scope {
    /// The requests of OTP's `pg:join/3`, `leave/3`, `monitor/2`, `monitor_scope/1`, `demonitor/2`; and of
    /// [`Groups`](crate::groups::Groups).
    fn asked(&mut self, process: &Process, caller: &Caller, request: TermRef<'_>) {
        if request.is_atom("monitor") {
            let reference = self.watches.scope(process, caller.pid());
            caller.reply(term!({(reference), self.all()}));
            return;
        }
        let parts: Vec<TermRef<'_>> =
            request.as_tuple().map(|tuple| tuple.iter().collect()).unwrap_or_default();
        let reply = match parts.as_slice() {
            [word, group, who] if word.is_atom("join_local") => match local_pids(process, *who) {
                Some(pids) => self.join(process, &group.to_term(), pids, &who.to_term()),
                None => term!({error, 'badarg}),
            },
            [word, group, who] if word.is_atom("leave_local") => match local_pids(process, *who) {
                Some(pids) => self.leave(process, &group.to_term(), pids, &who.to_term()),
                None => term!({error, 'badarg}),
            },
            [word, group] if word.is_atom("get_members") => self.members(&group.to_term()),
            [word, group] if word.is_atom("get_local_members") => {
                Term::from(self.local_members(&group.to_term()))
            }
            [word] if word.is_atom("which_groups") => self.groups(),
            [word] if word.is_atom("which_local_groups") => self.local_groups(),
            [word, group] if word.is_atom("monitor") => {
                let group = group.to_term();
                let members = self.members(&group);
                let reference = self.watches.group(process, caller.pid(), group);
                term!({(reference), members})
            }
            [word, reference] if word.is_atom("demonitor") => {
                let ended =
                    reference.as_reference().is_some_and(|known| self.watches.end(process, &known));
                if ended { term!('ok) } else { Term::from(false) }
            }
            _ => term!({error, 'notsup}),
        };
        caller.reply(reply);
    }

    fn join(&mut self, process: &Process, group: &Term, pids: Vec<Pid>, who: &Term) -> Term {
        let joined = pids.clone();
        for pid in pids {
            self.local
                .entry(pid.clone())
                .or_insert_with(|| (process.monitor(&pid), Vec::new()))
                .1
                .push(group.clone());
        }
        self.tell_peers(process, &term!({join, process.pid(), group, who}));
        self.watches.tell(process, Change::Join, group, joined);
        term!('ok)
    }

    fn leave(&mut self, process: &Process, group: &Term, pids: Vec<Pid>, who: &Term) -> Term {
        let mut left = Vec::new();
        for pid in pids {
            let Some((monitor, groups)) = self.local.get_mut(&pid) else { continue };
            let Some(at) = groups.iter().rposition(|joined| joined == group) else { continue };
            groups.remove(at);
            if groups.is_empty() {
                process.demonitor(monitor);
                self.local.remove(&pid);
            }
            left.push(pid);
        }
        if left.is_empty() {
            return term!('not_joined);
        }
        self.tell_peers(process, &term!({leave, process.pid(), who, [group]}));
        self.watches.tell(process, Change::Leave, group, left);
        term!('ok)
    }

    fn local_members(&self, group: &Term) -> Vec<Pid> {
        let mut members = Vec::new();
        for (pid, (_, groups)) in &self.local {
            members.extend(groups.iter().filter(|joined| *joined == group).map(|_| pid.clone()));
        }
        members
    }

    fn members(&self, group: &Term) -> Term {
        let mut members = self.local_members(group);
        for (_, theirs) in self.peers.values() {
            members.extend(theirs.get(group).into_iter().flatten().cloned());
        }
        Term::from(members)
    }

    /// Every group with its members: `#{Group => [Pid]}`.
    fn all(&self) -> Term {
        let mut all: Members = HashMap::new();
        for (pid, (_, groups)) in &self.local {
            for group in groups {
                all.entry(group.clone()).or_default().push(pid.clone());
            }
        }
        for (_, members) in self.peers.values() {
            for (group, pids) in members {
                all.entry(group.clone()).or_default().extend(pids.iter().cloned());
            }
        }
        Term::map(all.into_iter().map(|(group, pids)| (group, Term::from(pids))))
    }

    fn local_groups(&self) -> Term {
        let ours = self.local.values().flat_map(|(_, groups)| groups);
        let groups: std::collections::HashSet<&Term> = ours.collect();
        groups.into_iter().cloned().collect()
    }

    fn groups(&self) -> Term {
        let ours = self.local.values().flat_map(|(_, groups)| groups);
        let theirs = self.peers.values().flat_map(|(_, members)| members.keys());
        let groups: std::collections::HashSet<&Term> = ours.chain(theirs).collect();
        groups.into_iter().cloned().collect()
    }

    /// A message of another scope process, in any of the forms of OTP 23 to 29. `None` if it is none.
    fn told(&mut self, process: &Process, message: &Term) -> Option<()> {
        let parts: Vec<TermRef<'_>> = message.as_tuple()?.iter().collect();
        if let [word, told] = parts.as_slice()
            && word.is_atom("$gen_cast")
        {
            let sync = told.as_tuple().filter(|sync| sync.len() == 3)?;
            sync.get(0)?.is_atom("sync").then_some(())?;
            let peer = sync.get(1)?.as_pid()?;
            let mut members = Members::new();
            for entry in sync.get(2)?.as_list()? {
                let entry = entry.as_tuple().filter(|entry| entry.len() == 2)?;
                members.insert(entry.get(0)?.to_term(), pids(entry.get(1)?)?);
            }
            self.synchronised(process, &peer, members);
            return Some(());
        }
        let (word, rest) = parts.split_first()?;
        match (word.as_atom()?.to_string().as_str(), rest) {
            ("discover", [peer] | [peer, _]) => self.discovered(process, &peer.as_pid()?),
            ("local_data", [peer, _, groups]) => {
                let mut members = Members::new();
                for (group, who) in groups.as_map()?.iter() {
                    members.insert(group.to_term(), pids(who)?);
                }
                self.synchronised(process, &peer.as_pid()?, members);
            }
            ("join", [peer, group, who]) => {
                let (_, members) = self.peers.get_mut(&peer.as_pid()?)?;
                let (group, who) = (group.to_term(), pids(*who)?);
                members.entry(group.clone()).or_default().extend(who.iter().cloned());
                self.watches.tell(process, Change::Join, &group, who);
            }
            ("leave", [peer, who, groups]) => {
                let (_, members) = self.peers.get_mut(&peer.as_pid()?)?;
                for group in groups.as_list()? {
                    let group = group.to_term();
                    let left = take_away(members, &group, pids(*who)?);
                    self.watches.tell(process, Change::Leave, &group, left);
                }
            }
            ("update", [peer, changes]) => {
                let (_, members) = self.peers.get_mut(&peer.as_pid()?)?;
                for change in changes.as_list()? {
                    let change = change.as_tuple().filter(|change| change.len() == 3)?;
                    let group = change.get(0)?.to_term();
                    let (joined, left) = (pids(change.get(1)?)?, pids(change.get(2)?)?);
                    if !joined.is_empty() {
                        members.entry(group.clone()).or_default().extend(joined.iter().cloned());
                    }
                    self.watches.tell(process, Change::Join, &group, joined);
                    let left = take_away(members, &group, left);
                    self.watches.tell(process, Change::Leave, &group, left);
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// Another scope process looks for its like: it gets what we know, and is looked for in turn.
    fn discovered(&mut self, process: &Process, peer: &Pid) {
        let mut ours: HashMap<&Term, Vec<Pid>> = HashMap::new();
        for (pid, (_, groups)) in &self.local {
            for group in groups {
                ours.entry(group).or_default().push(pid.clone());
            }
        }
        let ours: Term =
            ours.into_iter().map(|(group, pids)| Term::from((group, Term::from(pids)))).collect();
        let sync = term!({sync, process.pid(), ours});
        process.send(peer, Term::from((Atom::from_static("$gen_cast"), sync)));
        if !self.peers.contains_key(peer) {
            self.peers.insert(peer.clone(), (process.monitor(peer), Members::new()));
            discover(process, peer);
        }
    }

    /// What it tells is all that its node has.
    fn synchronised(&mut self, process: &Process, peer: &Pid, members: Members) {
        let known = match self.peers.get_mut(peer) {
            Some((_, known)) => std::mem::replace(known, members.clone()),
            None => {
                self.peers.insert(peer.clone(), (process.monitor(peer), members.clone()));
                Members::new()
            }
        };
        if self.watches.are_none() {
            return;
        }
        for (group, before) in &known {
            let gone = without(before, members.get(group));
            self.watches.tell(process, Change::Leave, group, gone);
        }
        for (group, now) in &members {
            let new = without(now, known.get(group));
            self.watches.tell(process, Change::Join, group, new);
        }
    }

    /// A member or a peer is gone, and with a peer everything it told; or one who was told of changes.
    fn ended(&mut self, process: &Process, pid: &Pid, monitor: &Reference) {
        if self.peers.get(pid).is_some_and(|(known, _)| known == monitor) {
            let Some((_, members)) = self.peers.remove(pid) else { return };
            for (group, pids) in members {
                self.watches.tell(process, Change::Leave, &group, pids);
            }
        } else if self.local.get(pid).is_some_and(|(known, _)| known == monitor)
            && let Some((_, groups)) = self.local.remove(pid)
        {
            self.tell_peers(process, &term!({leave, process.pid(), pid, &groups}));
            for group in &groups {
                self.watches.tell(process, Change::Leave, group, vec![pid.clone()]);
            }
        } else {
            self.watches.ended(monitor);
        }
    }

    fn tell_peers(&self, process: &Process, message: &Term) {
        for peer in self.peers.keys() {
            process.send(peer, message.clone());
        }
    }
}

/// Takes members away, each once; those that were there.
fn take_away(members: &mut Members, group: &Term, mut gone: Vec<Pid>) -> Vec<Pid> {
    let Some(pids) = members.get_mut(group) else { return Vec::new() };
    gone.retain(|pid| match pids.iter().rposition(|member| member == pid) {
        Some(at) => {
            pids.remove(at);
            true
        }
        None => false,
    });
    if pids.is_empty() {
        members.remove(group);
    }
    gone
}

/// The pids that are not among the others, as often as they are there more (`--`).
fn without(pids: &[Pid], others: Option<&Vec<Pid>>) -> Vec<Pid> {
    let mut counts: HashMap<&Pid, usize> = HashMap::new();
    for other in others.into_iter().flatten() {
        *counts.entry(other).or_default() += 1;
    }
    let mut left = pids.to_vec();
    left.retain(|pid| match counts.get_mut(pid) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    });
    left
}

/// A pid, or a list of pids.
fn pids(who: TermRef<'_>) -> Option<Vec<Pid>> {
    match who.as_pid() {
        Some(pid) => Some(vec![pid]),
        None => who.as_list()?.iter().map(|pid| pid.as_pid()).collect(),
    }
}

/// The same, of processes of this node: a scope speaks for those alone.
fn local_pids(process: &Process, who: TermRef<'_>) -> Option<Vec<Pid>> {
    let ours = |pid: &Pid| pid.node() == process.runtime().node();
    pids(who).filter(|pids| pids.iter().all(ours))
}
