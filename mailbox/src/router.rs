//! The router: where a signal goes, by pid, name or alias, here or over a connection.

use term::{Atom, Pid, Reference, Term};

use crate::cell::Cell;
use crate::error::Refused;
use crate::ids::{Number, Place, RefNumber};
use crate::outbound::Connection;
use crate::payload::{Payload, ReplyMessage};
use crate::queue::Message;
use crate::runtime::Runtime;
use crate::signal::{Dest, Signal, Target, To};
use crate::trace;

impl Runtime {
    /// Sends a message that is already a payload, in nobody's name.
    pub fn send_payload(&self, to: impl Into<Dest>, payload: Payload) {
        self.route_payload(None, to.into(), payload, None);
    }

    /// Sends a message to wherever `to` is; what is not there gets nothing.
    pub(crate) fn route_payload(
        &self,
        from: Option<&Cell>,
        to: Dest,
        payload: Payload,
        token: Option<Term>,
    ) {
        self.route(from, To::Dest(to), &mut message(payload, token));
    }

    /// The same for what is a message already; it is taken, or left to be dropped.
    #[inline(always)]
    pub(crate) fn route(&self, from: Option<&Cell>, to: To<'_>, message: &mut Message) {
        if let Some(pid) = to.pid() {
            if let Place::Here(number) = self.ids().place(pid) {
                return self.route_here(number, message);
            }
        } else if let Some(alias) = to.alias()
            && let Some((number, owner)) = self.ids().alias_owner(alias)
        {
            return self.route_through(from, number, owner, message, false);
        }
        self.route_elsewhere(from, &to.into(), message);
    }

    /// The reply to a local process's call, through the alias that is its tag.
    #[inline]
    pub(crate) fn route_reply(
        &self,
        from: &Cell,
        reply: ReplyMessage,
        traced: impl FnOnce(Message) -> Message,
    ) {
        match self.ids().alias_owner(&reply.tag) {
            Some((number, owner)) => {
                let mut message = traced(Message::User(Payload::reply(reply)));
                self.route_through(Some(from), number, owner, &mut message, false);
            }
            None => {
                let to = Dest::Alias(reply.tag.clone());
                let mut message = traced(Message::User(Payload::reply(reply)));
                self.route_elsewhere(Some(from), &to, &mut message);
            }
        }
    }

    /// To what is neither a pid nor an alias of this node.
    #[inline(never)]
    fn route_elsewhere(&self, from: Option<&Cell>, to: &Dest, message: &mut Message) {
        match to {
            Dest::Pid(pid) => {
                if self.ids().place(pid) == Place::Elsewhere {
                    self.route_away(from, pid.node(), to.clone(), message);
                }
            }
            Dest::Name(name) => self.route_name(name, message),
            Dest::Remote { name, node } if node == self.node() => self.route_name(name, message),
            Dest::Remote { name, node } => {
                self.route_away(from, node, Dest::Name(name.clone()), message);
            }
            Dest::Alias(alias) => {
                if !self.ids().is_own_ref(alias) {
                    self.route_away(from, alias.node(), to.clone(), message);
                }
            }
        }
    }

    #[inline]
    fn route_here(&self, to: Number, message: &mut Message) {
        self.table().with(to, |cell| cell.accept(message));
    }

    fn route_name(&self, name: &Atom, message: &mut Message) {
        if let Some(number) = self.names().whereis(name) {
            self.route_here(number, message);
        }
    }

    fn route_alias(&self, alias: &Reference, message: &mut Message, priority: bool) {
        if let Some((number, owner)) = self.ids().alias_owner(alias) {
            self.route_through(None, number, owner, message, priority);
        }
    }

    #[inline(never)]
    fn route_through(
        &self,
        from: Option<&Cell>,
        number: RefNumber,
        owner: Number,
        message: &mut Message,
        priority: bool,
    ) {
        let monitor = self.table().with(owner, |cell| {
            let (monitor, sleeper) = cell.accept_through(number, message, priority);
            // Who replies is nearly always who was watched. It forgets that before the other one runs.
            let elsewhere = match (monitor, from) {
                (Some(monitor), Some(from)) if monitor.is_of(from.number()) => {
                    from.unwatch(number);
                    None
                }
                (monitor, _) => monitor,
            };
            sleeper.wake();
            elsewhere
        });
        if let Some(monitor) = monitor.flatten() {
            self.tell_demonitored(owner, number, monitor);
        }
    }

    #[cold]
    fn route_away(&self, from: Option<&Cell>, node: &Atom, to: Dest, message: &mut Message) {
        let (payload, token) = match std::mem::replace(message, Message::Wake) {
            Message::User(payload) => (payload, None),
            Message::Traced(traced) => {
                (traced.0, Some(traced.1).filter(|token| !trace::is_nobodys(token)))
            }
            Message::System(_) | Message::Wake => return,
        };
        let from = from.map(Cell::pid);
        let signal = Signal::Message { from, to, payload, token, priority: false };
        // What cannot be sent is lost, as any message to another node may be.
        let _ = self.outbound_send(node, signal);
    }

    /// A priority message (OTP 28): only an alias made with the priority option takes it as one.
    pub(crate) fn route_priority(
        &self,
        from: &Cell,
        to: Dest,
        payload: Payload,
        token: Option<Term>,
    ) {
        match to {
            Dest::Alias(alias) if self.ids().is_own_ref(&alias) => {
                self.route_alias(&alias, &mut message(payload, token), true);
            }
            Dest::Alias(alias) => {
                let node = alias.node().clone();
                let (from, to) = (Some(from.pid()), Dest::Alias(alias));
                let signal = Signal::Message { from, to, payload, token, priority: true };
                let _ = self.outbound_send(&node, signal);
            }
            to => self.route_payload(Some(from), to, payload, token),
        }
    }

    /// `exit/2`: an exit signal to a process, or with priority through an alias. It carries no trace token, as in erts.
    pub(crate) fn route_exit(&self, from: &Cell, to: Dest, reason: Term, priority: bool) {
        let node = match &to {
            Dest::Pid(pid) => match self.ids().place(pid) {
                Place::Here(number) => {
                    if let Some(cell) = self.table().get(number) {
                        cell.exit_called(&from.pid(), reason, None, false);
                    }
                    return;
                }
                Place::Past => return,
                Place::Elsewhere => pid.node().clone(),
            },
            Dest::Alias(alias) if self.ids().is_own_ref(alias) => {
                if let Some((number, owner)) = self.ids().alias_owner(alias)
                    && let Some(cell) = self.table().get(owner)
                {
                    cell.exit_called_through(number, &from.pid(), reason, None, priority);
                }
                return;
            }
            Dest::Alias(alias) => alias.node().clone(),
            // `exit/2` takes no names.
            Dest::Name(_) | Dest::Remote { .. } => return,
        };
        let exit = Signal::Exit2 { from: from.pid(), to, reason, token: None, priority };
        let _ = self.outbound_send(&node, exit);
    }

    /// Applies a signal that came over a connection. Never blocks; what its receiver's mailbox cannot take is the matter of
    /// that mailbox's policy.
    ///
    /// # Errors
    /// [`Refused`] if the peer had no right to send it; nothing was done, and the connection ought to be closed.
    pub fn deliver(&self, via: &Connection, signal: Signal) -> Result<(), Refused> {
        match signal {
            Signal::Message { from: _, to, payload, token, priority } => {
                self.deliver_message(&to, &mut message(payload, token), priority);
            }
            Signal::Link { from, to } => {
                self.check_sender(via, &from)?;
                let alive = self.local(&to).is_some_and(|cell| cell.link_received(&from, via));
                if !alive {
                    let exit = Signal::Exit { from: to, to: from, reason: noproc(), token: None };
                    self.outbound_send_over(via, exit);
                }
            }
            Signal::Unlink { from, to, id } => {
                self.check_sender(via, &from)?;
                match self.local(&to) {
                    Some(cell) => cell.unlink_received(&from, id, via),
                    // The dead acknowledge as well, or the peer would remember the unlink for ever.
                    None => {
                        self.outbound_send_over(via, Signal::UnlinkAck { from: to, to: from, id })
                    }
                }
            }
            Signal::UnlinkAck { from, to, id } => {
                self.check_sender(via, &from)?;
                if let Some(cell) = self.local(&to) {
                    cell.unlink_acknowledged(&from, id);
                }
            }
            Signal::Exit { from, to, reason, token } => {
                self.check_sender(via, &from)?;
                if let Some(cell) = self.local(&to) {
                    cell.linked_ended_afar(&from, reason, token, via);
                }
            }
            Signal::Exit2 { from, to, reason, token, priority } => {
                // A process of ours did not send this from there.
                if from.node() == self.node() {
                    return Err(Refused::NotItsProcess { node: via.node().clone(), from });
                }
                self.deliver_exit(&from, &to, reason, token, priority);
            }
            Signal::Monitor { from, to, reference } => {
                self.check_sender(via, &from)?;
                let watched = self
                    .target(&to)
                    .is_some_and(|cell| cell.watch_from_afar(&reference, &from, &to, via));
                if !watched {
                    self.outbound_send_over(
                        via,
                        Signal::Down { from: to, to: from, reference, reason: noproc() },
                    );
                }
            }
            Signal::Demonitor { from, to, reference } => {
                self.check_sender(via, &from)?;
                let cell = match &to {
                    Target::Pid(pid) => self.local(pid),
                    // The name may be another's by now, or nobody's.
                    Target::Name(_) => via
                        .named_monitor_over(&reference)
                        .and_then(|number| self.table().get(number)),
                };
                if let Some(cell) = cell {
                    cell.unwatch_from_afar(&reference, &from);
                }
            }
            Signal::Down { from, to, reference, reason } => {
                if let Target::Pid(pid) = &from {
                    self.check_sender(via, pid)?;
                }
                if let Some(cell) = self.local(&to)
                    && let Some(number) = self.ids().ref_number(&reference)
                {
                    cell.down(number, reason, Some(via));
                }
            }
            Signal::GroupLeader { to, leader } => {
                if let Some(cell) = self.local(&to) {
                    cell.set_group_leader(leader);
                }
            }
            Signal::SpawnRequest(request) => {
                self.check_sender(via, &request.from)?;
                self.serve_spawn(via, *request);
            }
            Signal::SpawnReply(reply) => {
                if let Ok(pid) = &reply.result {
                    self.check_sender(via, pid)?;
                }
                let taken =
                    self.local(&reply.to).is_some_and(|cell| cell.spawn_replied(&reply, via));
                if !taken {
                    self.spawn_reply_to_nobody(&reply, via);
                }
            }
        }
        Ok(())
    }

    fn deliver_message(&self, to: &Dest, message: &mut Message, priority: bool) {
        match to {
            Dest::Alias(alias) => self.route_alias(alias, message, priority),
            // A pid, name or node that is not ours gets nothing: we are no relay.
            Dest::Pid(pid) => {
                if let Some(number) = self.local_number(pid) {
                    self.route_here(number, message);
                }
            }
            Dest::Name(name) => self.route_name(name, message),
            Dest::Remote { name, node } => {
                if node == self.node() {
                    self.route_name(name, message);
                }
            }
        }
    }

    fn deliver_exit(
        &self,
        from: &Pid,
        to: &Dest,
        reason: Term,
        token: Option<Term>,
        priority: bool,
    ) {
        match to {
            Dest::Pid(pid) => {
                if let Some(cell) = self.local(pid) {
                    cell.exit_called(from, reason, token, false);
                }
            }
            Dest::Name(name) => {
                if let Some(cell) =
                    self.names().whereis(name).and_then(|number| self.table().get(number))
                {
                    cell.exit_called(from, reason, token, false);
                }
            }
            Dest::Remote { .. } => {}
            Dest::Alias(alias) => {
                if let Some((number, owner)) = self.ids().alias_owner(alias)
                    && let Some(cell) = self.table().get(owner)
                {
                    cell.exit_called_through(number, from, reason, token, priority);
                }
            }
        }
    }

    /// Links, monitors and exits speak for the peer's own processes.
    fn check_sender(&self, via: &Connection, from: &Pid) -> Result<(), Refused> {
        if from.node() == via.node() {
            return Ok(());
        }
        Err(Refused::NotItsProcess { node: via.node().clone(), from: from.clone() })
    }

    fn local(&self, pid: &Pid) -> Option<std::sync::Arc<Cell>> {
        self.table().get(self.local_number(pid)?)
    }

    fn target(&self, target: &Target) -> Option<std::sync::Arc<Cell>> {
        match target {
            Target::Pid(pid) => self.local(pid),
            Target::Name(name) => self.table().get(self.names().whereis(name)?),
        }
    }
}

fn noproc() -> Term {
    Term::from(Atom::from_static("noproc"))
}

#[inline]
fn message(payload: Payload, token: Option<Term>) -> Message {
    match token {
        None => Message::User(payload),
        Some(token) => Message::Traced(Box::new((payload, token))),
    }
}
