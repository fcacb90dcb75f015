//! Global names at one node: which process has which, and what a clash of two comes to.

use std::collections::HashMap;

use mailbox::{Process, Reason};
use term::{Pid, Reference, Term, TermRef, View, term};

/// A name as nodes tell it to one another: `{Name, Pid, Method}`.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) name: Term,
    pub(super) pid: Pid,
    /// The fun that decides a clash.
    pub(super) method: Term,
}

impl Name {
    pub(super) fn of(term: TermRef<'_>) -> Option<Self> {
        let parts = term.as_tuple().filter(|parts| parts.len() == 3)?;
        Some(Self {
            name: parts.get(0)?.to_term(),
            pid: parts.get(1)?.as_pid()?,
            method: parts.get(2)?.to_term(),
        })
    }

    fn to_term(&self) -> Term {
        Term::from((&self.name, &self.pid, &self.method))
    }
}

/// What two partitions that become one do to their names.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Insert(Name),
    Delete(Term),
}

impl Change {
    pub(super) fn to_term(&self) -> Term {
        match self {
            Self::Insert(name) => term!({insert, name.to_term()}),
            Self::Delete(name) => term!({delete, name}),
        }
    }

    /// A list of them, as it comes from another node; what is none is passed over.
    pub(super) fn list(terms: TermRef<'_>) -> Vec<Self> {
        let one = |term: TermRef<'_>| {
            let pair = term.as_tuple().filter(|pair| pair.len() == 2)?;
            let (word, what) = (pair.get(0)?, pair.get(1)?);
            if word.is_atom("insert") {
                return Name::of(what).map(Self::Insert);
            }
            word.is_atom("delete").then(|| Self::Delete(what.to_term()))
        };
        terms.as_list().map(|list| list.iter().filter_map(one).collect()).unwrap_or_default()
    }
}

#[derive(Debug)]
struct Holder {
    pid: Pid,
    method: Term,
    monitor: Reference,
}

/// All names that this node knows.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<Term, Holder>);

impl Names {
    pub(super) fn whereis(&self, process: &Process, name: &Term) -> Option<Pid> {
        let pid = &self.0.get(name)?.pid;
        let gone = pid.node() == process.runtime().node() && !process.runtime().is_alive(pid);
        (!gone).then(|| pid.clone())
    }

    pub(super) fn is_named(&self, pid: &Pid) -> bool {
        self.0.values().any(|holder| holder.pid == *pid)
    }

    pub(super) fn insert(&mut self, process: &Process, name: Name) {
        let Name { name, pid, method } = name;
        let monitor = process.monitor(&pid);
        if let Some(before) = self.0.insert(name, Holder { pid, method, monitor }) {
            process.demonitor(&before.monitor);
        }
    }

    pub(super) fn delete(&mut self, process: &Process, name: &Term) {
        if let Some(before) = self.0.remove(name) {
            process.demonitor(&before.monitor);
        }
    }

    /// A monitor has fired: whoever it was of has no names any longer.
    pub(super) fn ended(&mut self, monitor: &Reference) {
        self.0.retain(|_, holder| holder.monitor != *monitor);
    }

    pub(super) fn to_term(&self) -> Term {
        let name =
            |(name, holder): (&Term, &Holder)| Term::from((name, &holder.pid, &holder.method));
        self.0.iter().map(name).collect()
    }

    /// What the names of another node mean for ours, and, where deciding a clash is up to us, for its (`exchange_names`): the
    /// smaller of two nodes decides.
    pub(super) fn exchange(
        &self,
        process: &Process,
        theirs: &[Name],
        we_decide: bool,
    ) -> (Vec<Change>, Vec<Change>) {
        let (mut for_us, mut for_them) = (Vec::new(), Vec::new());
        for name in theirs {
            match self.0.get(&name.name) {
                None => for_us.push(Change::Insert(name.clone())),
                Some(holder) if holder.pid == name.pid || !we_decide => {}
                Some(holder) => {
                    let ours = Name {
                        name: name.name.clone(),
                        pid: holder.pid.clone(),
                        method: holder.method.clone(),
                    };
                    match decided(process, &ours, name) {
                        Some(pid) if pid == name.pid => for_us.push(Change::Insert(name.clone())),
                        Some(_) => for_them.push(Change::Insert(ours)),
                        None => {
                            for_us.push(Change::Delete(name.name.clone()));
                            for_them.push(Change::Delete(name.name.clone()));
                        }
                    }
                }
            }
        }
        (for_us, for_them)
    }
}

/// Who keeps the name, by the method of the one who has it here. Of methods that are not `global`'s own, whose code is not
/// here, nobody does.
fn decided(process: &Process, ours: &Name, theirs: &Name) -> Option<Pid> {
    let method = match ours.method.view() {
        View::Export(export) if export.module() == *"global" => export.function().to_string(),
        _ => String::new(),
    };
    let (least, greatest) = if theirs.pid.node().as_str() < ours.pid.node().as_str() {
        (&theirs.pid, &ours.pid)
    } else {
        (&ours.pid, &theirs.pid)
    };
    let name = &ours.name;
    match method.as_str() {
        "random_exit_name" => {
            process.exit(greatest, Reason::killed());
            Some(least.clone())
        }
        "random_notify_name" => {
            process.send(greatest, term!({global_name_conflict, name}));
            Some(least.clone())
        }
        "notify_all_name" => {
            process.send(&theirs.pid, term!({global_name_conflict, name, &ours.pid}));
            process.send(&ours.pid, term!({global_name_conflict, name, &theirs.pid}));
            None
        }
        _ => None,
    }
}
