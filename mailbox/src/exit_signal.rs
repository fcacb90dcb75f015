//! Exit signals at their receiver: [`crate::exit`] decides, this does it.

use std::sync::Arc;

use term::{Atom, Pid, Term};

use crate::cell::{Cell, Stage, State};
use crate::error::Reason;
use crate::exit::{Cause, Kind, Verdict, decide};
use crate::ids::{Number, Place, RefNumber};
use crate::outbound::Connection;
use crate::queue::{Message, System};

impl Cell {
    /// `from` called `exit(self, reason)`; with priority if it came through a priority alias.
    pub(crate) fn exit_called(
        &self,
        from: &Pid,
        reason: Term,
        token: Option<Term>,
        priority: bool,
    ) {
        let on_itself = matches!(self.runtime().ids().place(from), Place::Here(number) if number == self.number());
        let mut state = self.lock();
        let exit = System::Exit { from: from.clone(), reason, token };
        self.apply_exit(&mut state, exit, Cause::Call { on_itself }, priority);
    }

    /// The same through an alias of this process, which may not be active any longer.
    pub(crate) fn exit_called_through(
        &self,
        alias: RefNumber,
        from: &Pid,
        reason: Term,
        token: Option<Term>,
        priority: bool,
    ) {
        if let Some(urgent) = self.alias_priority(alias) {
            self.exit_called(from, reason, token, priority && urgent);
        }
    }

    /// A local process that was linked has ended.
    pub(crate) fn linked_ended(&self, from: Number, reason: Term, token: Option<Term>) {
        let mut state = self.lock();
        let link =
            state.known_relations_mut().and_then(|relations| relations.links.remove_local(from));
        let from = self.runtime().ids().pid(from);
        let cause = Cause::Link { active: link.is_some() };
        let exit = System::Exit { from, reason, token };
        self.apply_exit(&mut state, exit, cause, link.unwrap_or(false));
    }

    /// A remote process that was linked has ended, says the connection it is on.
    pub(crate) fn linked_ended_afar(
        &self,
        from: &Pid,
        reason: Term,
        token: Option<Term>,
        via: &Connection,
    ) {
        let mut state = self.lock();
        let link =
            state.known_relations_mut().and_then(|relations| relations.links.exited(from, via));
        let cause = Cause::Link { active: link.is_some() };
        let exit = System::Exit { from: from.clone(), reason, token };
        self.apply_exit(&mut state, exit, cause, link.unwrap_or(false));
    }

    /// A link that cannot be, or is no more, tells its end.
    pub(crate) fn exit_over_active_link(&self, state: &mut State, from: Pid, reason: Term) {
        let exit = System::Exit { from, reason, token: None };
        self.apply_exit(state, exit, Cause::Link { active: true }, false);
    }

    /// The end of a connection, as far as links go.
    pub(crate) fn cut_links(self: &Arc<Self>, connection: &Connection) {
        let mut state = self.lock();
        let Some(relations) = state.known_relations_mut() else { return };
        for (from, priority) in relations.links.cut(connection) {
            let reason = Term::from(Atom::from_static("noconnection"));
            let exit = System::Exit { from, reason, token: None };
            self.apply_exit(&mut state, exit, Cause::Link { active: true }, priority);
        }
    }

    fn apply_exit(&self, state: &mut State, exit: System, cause: Cause, priority: bool) {
        let System::Exit { reason, .. } = &exit else { return };
        if state.stage() != Stage::Alive {
            return;
        }
        match decide(cause, kind(reason), state.trap_exit) {
            Verdict::Ignore => {}
            Verdict::Message => {
                let message = Message::System(Box::new(exit));
                if priority {
                    self.push_urgent(state, message);
                } else {
                    self.push(state, message);
                }
            }
            Verdict::End => self.doom(state, Reason::new(reason)),
            Verdict::EndKilled => self.doom(state, Reason::killed()),
        }
    }
}

fn kind(reason: &Term) -> Kind {
    if reason.is_atom("normal") {
        Kind::Normal
    } else if reason.is_atom("kill") {
        Kind::Kill
    } else {
        Kind::Other
    }
}
