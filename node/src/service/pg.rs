//! `pg`: process groups, seen alike on every node of the cluster (OTP's `pg.erl`, whose scope processes these are peers of).

use std::collections::HashMap;

use mailbox::{Caller, Dest, Exit, Nodes, Process, Received};
use term::{Atom, Pid, Reference, Term, TermRef, term};

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
}

pub(crate) async fn run(mut process: Process, name: Atom) -> Exit {
    // From here on every node that comes is greeted; those that are there are greeted now. OTP's greets visible nodes alone: who
    // is connected to a hidden node learns of its members by this.
    process.monitor_nodes(true);
    for node in process.runtime().nodes(Nodes::Connected) {
        discover(&process, (name.clone(), node));
    }
    let mut scope = Scope { name, local: HashMap::new(), peers: HashMap::new() };
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
fn discover(process: &Process, to: impl Into<Dest>) {
    process.send(to, term!({discover, process.pid()}));
}

impl Scope {
    /// The requests of OTP's `pg:join/3`, `leave/3`; and of [`Groups`](crate::groups::Groups).
    fn asked(&mut self, process: &Process, caller: &Caller, request: TermRef<'_>) {
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
            _ => term!({error, 'notsup}),
        };
        caller.reply(reply);
    }

    fn join(&mut self, process: &Process, group: &Term, pids: Vec<Pid>, who: &Term) -> Term {
        for pid in pids {
            self.local
                .entry(pid.clone())
                .or_insert_with(|| (process.monitor(&pid), Vec::new()))
                .1
                .push(group.clone());
        }
        self.tell_peers(process, &term!({join, process.pid(), group, who}));
        term!('ok)
    }

    fn leave(&mut self, process: &Process, group: &Term, pids: Vec<Pid>, who: &Term) -> Term {
        let mut left = false;
        for pid in pids {
            let Some((monitor, groups)) = self.local.get_mut(&pid) else { continue };
            let Some(at) = groups.iter().rposition(|joined| joined == group) else { continue };
            groups.remove(at);
            left = true;
            if groups.is_empty() {
                process.demonitor(monitor);
                self.local.remove(&pid);
            }
        }
        if !left {
            return term!('not_joined);
        }
        self.tell_peers(process, &term!({leave, process.pid(), who, [group]}));
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
                members.entry(group.to_term()).or_default().extend(pids(*who)?);
            }
            ("leave", [peer, who, groups]) => {
                let (_, members) = self.peers.get_mut(&peer.as_pid()?)?;
                for group in groups.as_list()? {
                    take_away(members, &group.to_term(), &pids(*who)?);
                }
            }
            ("update", [peer, changes]) => {
                let (_, members) = self.peers.get_mut(&peer.as_pid()?)?;
                for change in changes.as_list()? {
                    let change = change.as_tuple().filter(|change| change.len() == 3)?;
                    let group = change.get(0)?.to_term();
                    members.entry(group.clone()).or_default().extend(pids(change.get(1)?)?);
                    take_away(members, &group, &pids(change.get(2)?)?);
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
        match self.peers.get_mut(peer) {
            Some((_, known)) => *known = members,
            None => {
                self.peers.insert(peer.clone(), (process.monitor(peer), members));
            }
        }
    }

    /// A member or a peer is gone, and with a peer everything it told.
    fn ended(&mut self, process: &Process, pid: &Pid, monitor: &Reference) {
        if self.peers.get(pid).is_some_and(|(known, _)| known == monitor) {
            self.peers.remove(pid);
        } else if self.local.get(pid).is_some_and(|(known, _)| known == monitor)
            && let Some((_, groups)) = self.local.remove(pid)
        {
            self.tell_peers(process, &term!({leave, process.pid(), pid, groups}));
        }
    }

    fn tell_peers(&self, process: &Process, message: &Term) {
        for peer in self.peers.keys() {
            process.send(peer, message.clone());
        }
    }
}

fn take_away(members: &mut Members, group: &Term, gone: &[Pid]) {
    let Some(pids) = members.get_mut(group) else { return };
    for pid in gone {
        if let Some(at) = pids.iter().rposition(|member| member == pid) {
            pids.remove(at);
        }
    }
    if pids.is_empty() {
        members.remove(group);
    }
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
