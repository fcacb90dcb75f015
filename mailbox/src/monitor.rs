//! Monitors: what a process watches; `watchers` is the other side.
//!
//! A local monitor stands in two places, the watcher's and the target's, changed one after the other; whichever of
//! them is missing when a `DOWN` arrives makes it vanish.

use std::sync::Arc;

use term::{Atom, Reference, Term};

use crate::alias::AliasMode;
use crate::cell::{Cell, Stage};
use crate::error::Reason;
use crate::few::Few;
use crate::ids::{Number, Place, RefNumber};
use crate::outbound::Connection;
use crate::queue::{Message, System};
use crate::runtime::Runtime;
use crate::signal::{Dest, Signal, Target};

/// Options of a monitor, as `erlang:monitor/3` takes them.
///
/// ```
/// use mailbox::{AliasMode, MonitorOptions};
/// let options = MonitorOptions::new().alias(AliasMode::ReplyDemonitor);
/// # let _ = options;
/// ```
#[derive(Clone, Debug, Default)]
pub struct MonitorOptions {
    pub(crate) alias: Option<AliasMode>,
    pub(crate) tag: Option<Term>,
    pub(crate) priority: bool,
}

impl MonitorOptions {
    /// None: a plain monitor.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the reference an alias as well (`{alias, Mode}`).
    #[must_use]
    pub const fn alias(mut self, mode: AliasMode) -> Self {
        self.alias = Some(mode);
        self
    }

    /// Puts `tag` where the message has `'DOWN'` (`{tag, Tag}`).
    #[must_use]
    pub fn tag(mut self, tag: Term) -> Self {
        self.tag = Some(tag);
        self
    }

    /// Lets the `DOWN` message go ahead of ordinary ones (OTP 28). Messages to the alias are ordinary all the same.
    #[must_use]
    pub const fn priority(mut self) -> Self {
        self.priority = true;
        self
    }
}

/// What one process watches, by the number of the monitor's reference.
#[derive(Debug, Default)]
pub(crate) struct Monitors(Few<Watch>);

#[derive(Debug)]
struct Watch {
    /// The local process; nobody for a remote one.
    target: Number,
    /// The reference is an alias, and has the two words more.
    is_alias: bool,
    extra: Option<Box<Extra>>,
}

#[derive(Debug, Default)]
struct Extra {
    /// `{Name, Node}` for monitors by name.
    name: Option<(Atom, Atom)>,
    tag: Option<Term>,
    priority: bool,
    remote: Option<(Target, Connection)>,
}

impl Monitors {
    /// The other node has set its side up already.
    pub(crate) fn insert_remote(
        &mut self,
        number: RefNumber,
        to: Target,
        via: Connection,
        options: MonitorOptions,
    ) {
        let remote = Some((to, via));
        let extra = Extra { name: None, tag: options.tag, priority: options.priority, remote };
        let is_alias = options.alias.is_some();
        self.0.insert(
            number,
            Watch { target: Number::NOBODY, is_alias, extra: Some(Box::new(extra)) },
        );
    }

    /// The monitor of a call to a local process, whose alias goes with it.
    pub(crate) fn insert_call(&mut self, number: RefNumber, target: Number) {
        self.0.insert(number, Watch::of_call(target));
    }

    pub(crate) fn remove(&mut self, number: RefNumber) -> Option<Ended> {
        self.0.remove(number).map(Watch::ended)
    }

    /// The processes and monitors to be told that this one does not watch any longer.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = (RefNumber, Ended)> + use<> {
        self.0.take().into_iter().map(|(number, watch)| (number, watch.ended()))
    }

    /// The monitors over a connection that ended.
    fn over(&self, connection: &Connection) -> Vec<RefNumber> {
        let over_it = |watch: &Watch| watch.remote().is_some_and(|(_, via)| via == connection);
        self.0.iter().filter(|(_, watch)| over_it(watch)).map(|(number, _)| number).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A monitor taken away at its watcher: where else it has to be.
#[derive(Debug)]
pub(crate) struct Ended {
    target: Number,
    is_alias: bool,
    remote: Option<(Target, Connection)>,
}

impl Ended {
    /// The monitor of a call, with its alias.
    pub(crate) const fn of_call(target: Number) -> Self {
        Self { target, is_alias: true, remote: None }
    }

    /// Whether it was a monitor of that local process.
    pub(crate) fn is_of(&self, target: Number) -> bool {
        self.target == target && self.remote.is_none()
    }
}

impl Watch {
    const fn of_call(target: Number) -> Self {
        Self { target, is_alias: true, extra: None }
    }

    fn remote(&self) -> Option<&(Target, Connection)> {
        self.extra.as_ref()?.remote.as_ref()
    }

    fn ended(self) -> Ended {
        Ended {
            target: self.target,
            is_alias: self.is_alias,
            remote: self.extra.and_then(|extra| extra.remote),
        }
    }
}

impl Cell {
    /// `monitor/3`. What is not there answers with `DOWN` and `noproc`, or `noconnection`, at once.
    pub(crate) fn monitor(self: &Arc<Self>, to: Dest, options: MonitorOptions) -> Reference {
        let ids = self.runtime().ids();
        let is_alias = options.alias.is_some();
        let (number, reference) =
            if is_alias { ids.make_alias(self.number()) } else { ids.make_ref() };
        if self.is_doomed() {
            // What it still does does not count, and nobody would take it back after its end.
            return reference;
        }
        if let Some(mode) = options.alias {
            self.lock().relations_mut().aliases.insert(number, mode, false);
        }
        let extra =
            Extra { name: None, tag: options.tag, priority: options.priority, remote: None };
        match to {
            Dest::Pid(pid) => match ids.place(&pid) {
                Place::Here(target) if target == self.number() => self.monitor_self(number),
                Place::Here(target) => self.monitor_here(number, target, is_alias, extra),
                Place::Past => {
                    self.monitor_nothing(number, Target::Pid(pid), is_alias, extra, "noproc")
                }
                Place::Elsewhere => {
                    let node = pid.node().clone();
                    self.monitor_remote(
                        number,
                        &reference,
                        Target::Pid(pid),
                        &node,
                        is_alias,
                        extra,
                    );
                }
            },
            Dest::Name(name) => self.monitor_name(number, name, is_alias, extra),
            Dest::Remote { name, node } if node == *ids.node() => {
                self.monitor_name(number, name, is_alias, extra)
            }
            Dest::Remote { name, node } => {
                let extra = Extra { name: Some((name.clone(), node.clone())), ..extra };
                self.monitor_remote(number, &reference, Target::Name(name), &node, is_alias, extra);
            }
            // An alias is nobody who could be watched; `erlang:monitor/3` has an error for it.
            Dest::Alias(_) => {}
        }
        reference
    }

    fn monitor_name(&self, number: RefNumber, name: Atom, is_alias: bool, extra: Extra) {
        let target = self.runtime().names().whereis(&name);
        let extra =
            Extra { name: Some((name.clone(), self.runtime().ids().node().clone())), ..extra };
        match target {
            Some(target) if target == self.number() => self.monitor_self(number),
            Some(target) => self.monitor_here(number, target, is_alias, extra),
            None => self.monitor_nothing(number, Target::Name(name), is_alias, extra, "noproc"),
        }
    }

    /// Watching oneself is allowed and tells nothing; erts makes no more than a reference for it, which is no alias either.
    fn monitor_self(&self, number: RefNumber) {
        self.lock().relations_mut().aliases.remove(number);
    }

    fn monitor_here(&self, number: RefNumber, target: Number, is_alias: bool, extra: Extra) {
        let plain = extra.name.is_none() && extra.tag.is_none() && !extra.priority;
        let watch = Watch { target, is_alias, extra: (!plain).then(|| Box::new(extra)) };
        self.lock().relations_mut().monitors.0.insert(number, watch);
        let alive = self
            .runtime()
            .table()
            .get(target)
            .is_some_and(|other| other.watch(number, self.number()));
        if !alive {
            self.down(number, Term::from(Atom::from_static("noproc")), None);
        }
    }

    /// Monitors a process that was just born and has not run yet.
    pub(crate) fn monitor_child(&self, child: &Self, options: MonitorOptions) -> Reference {
        let ids = self.runtime().ids();
        let is_alias = options.alias.is_some();
        let (number, reference) =
            if is_alias { ids.make_alias(self.number()) } else { ids.make_ref() };
        child.watch(number, self.number());
        let plain = options.tag.is_none() && !options.priority;
        let extra =
            Extra { name: None, tag: options.tag, priority: options.priority, remote: None };
        let watch =
            Watch { target: child.number(), is_alias, extra: (!plain).then(|| Box::new(extra)) };
        let mut state = self.lock();
        let relations = state.relations_mut();
        if let Some(mode) = options.alias {
            relations.aliases.insert(number, mode, false);
        }
        relations.monitors.0.insert(number, watch);
        reference
    }

    fn monitor_nothing(
        &self,
        number: RefNumber,
        target: Target,
        is_alias: bool,
        extra: Extra,
        reason: &'static str,
    ) {
        // Stands just long enough for its DOWN to find it; a pid is kept as the object to tell.
        let connection = Connection::new(self.runtime().ids().node().clone());
        let extra = Extra { remote: Some((target, connection)), ..extra };
        let watch = Watch { target: Number::NOBODY, is_alias, extra: Some(Box::new(extra)) };
        self.lock().relations_mut().monitors.0.insert(number, watch);
        self.down(number, Term::from(Atom::from_static(reason)), None);
    }

    fn monitor_remote(
        &self,
        number: RefNumber,
        reference: &Reference,
        target: Target,
        node: &Atom,
        is_alias: bool,
        extra: Extra,
    ) {
        let mut state = self.lock();
        let signal =
            Signal::Monitor { from: self.pid(), to: target.clone(), reference: reference.clone() };
        match self.runtime().outbound_send(node, signal) {
            Ok(connection) if self.tie(&mut state, &connection) => {
                let extra = Extra { remote: Some((target, connection)), ..extra };
                let watch =
                    Watch { target: Number::NOBODY, is_alias, extra: Some(Box::new(extra)) };
                state.relations_mut().monitors.0.insert(number, watch);
            }
            _ => {
                drop(state);
                self.monitor_nothing(number, target, is_alias, extra, "noconnection");
            }
        }
    }

    /// `demonitor/1`; whether there was a monitor to take away. Its alias goes with it, unless made to stay.
    pub(crate) fn demonitor(&self, reference: &Reference) -> bool {
        let Some(number) = self.runtime().ids().ref_number(reference) else { return false };
        let ended = {
            let mut state = self.lock();
            match (self.asking().take(number), state.known_relations_mut()) {
                (Some(target), _) => Some(Ended::of_call(target)),
                (None, Some(relations)) => {
                    relations.aliases.demonitored(number);
                    relations.monitors.remove(number)
                }
                (None, None) => None,
            }
        };
        let Some(ended) = ended else { return false };
        self.tell_demonitored(number, ended);
        true
    }

    /// The other half of taking a monitor away; not under this process's lock.
    pub(crate) fn tell_demonitored(&self, number: RefNumber, ended: Ended) {
        self.runtime().tell_demonitored(self.number(), number, ended);
    }

    /// What is watched by this reference has ended: a message, if the monitor still stands.
    ///
    /// `via` is the connection that says so; it must be the monitor's.
    pub(crate) fn down(&self, number: RefNumber, reason: Term, via: Option<&Connection>) {
        let mut state = self.lock();
        if state.stage() != Stage::Alive {
            return;
        }
        if via.is_none()
            && let Some(target) = self.asking().take(number)
        {
            let (message, _) = self.down_message(number, Watch::of_call(target), reason);
            return self.push(&mut state, message);
        }
        let Some(relations) = state.known_relations_mut() else { return };
        if let Some(via) = via {
            let theirs = relations.monitors.0.get(number).and_then(Watch::remote);
            if theirs.is_none_or(|(_, connection)| connection != via) {
                return;
            }
        }
        let Some(watch) = relations.monitors.0.remove(number) else { return };
        relations.aliases.demonitored(number);
        let (message, priority) = self.down_message(number, watch, reason);
        if priority {
            self.push_urgent(&mut state, message);
        } else {
            self.push(&mut state, message);
        }
    }

    fn down_message(&self, number: RefNumber, watch: Watch, reason: Term) -> (Message, bool) {
        let ids = self.runtime().ids();
        let reference =
            if watch.is_alias { ids.alias(number, self.number()) } else { ids.reference(number) };
        let extra = watch.extra.map(|extra| *extra).unwrap_or_default();
        let object = match (extra.name, extra.remote) {
            (Some((name, node)), _) => Term::from((name, node)),
            (None, Some((Target::Pid(pid), _))) => Term::from(pid),
            (None, Some((Target::Name(name), connection))) => {
                Term::from((name, connection.node().clone()))
            }
            (None, None) => Term::from(ids.pid(watch.target)),
        };
        let down = System::Down { tag: extra.tag, reference, object, reason };
        (Message::System(Box::new(down)), extra.priority)
    }

    /// The end of a connection, as far as monitors go.
    pub(crate) fn cut_monitors(&self, connection: &Connection) {
        let lost = {
            let mut state = self.lock();
            let Some(relations) = state.known_relations_mut() else { return };
            let employed = relations.watchers.cut(connection);
            let lost = relations.monitors.over(connection);
            if employed {
                self.doom(&mut state, Reason::killed());
            }
            lost
        };
        for number in lost {
            self.down(number, Term::from(Atom::from_static("noconnection")), Some(connection));
        }
    }
}

impl Runtime {
    /// Tells the target of a monitor that `watcher` does not watch it any longer.
    pub(crate) fn tell_demonitored(&self, watcher: Number, number: RefNumber, ended: Ended) {
        let Some((to, connection)) = ended.remote else {
            self.table().with(ended.target, |target| target.unwatch(number));
            return;
        };
        let ids = self.ids();
        let reference =
            if ended.is_alias { ids.alias(number, watcher) } else { ids.reference(number) };
        let signal = Signal::Demonitor { from: ids.pid(watcher), to, reference };
        // Only over the connection it was made on: another one knows nothing of it.
        self.outbound_send_over(&connection, signal);
    }
}
