//! The process as its own code holds it: who it is, what it sends, whom it is tied to.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use term::{Atom, IntoAtom, Pid, Reference, Term};

use crate::alias::AliasMode;
use crate::cell::{Cell, Stage};
use crate::ending;
use crate::error::{Busy, Reason, RegisterError, UnregisterError};
use crate::ids::{Number, Place};
use crate::mailbox::{Mailbox, WORTH_A_MARK};
use crate::monitor::MonitorOptions;
use crate::payload::{CallMessage, Payload, ReplyMessage};
use crate::queue::{Message, System};
use crate::receive::block_on;
use crate::runtime::Runtime;
use crate::signal::{Dest, Signal, To};
use crate::trace::{Token, Trace};

/// A process, owned by the code that is the process.
///
/// The words are Erlang's, and they do what they do there. What a process does after an exit signal has been accepted
/// for it no longer counts: its messages go nowhere, and its receives give the reason back. A task is dropped at its next
/// await, before it can notice; a thread ends by returning that error.
#[derive(Debug)]
pub struct Process {
    pub(crate) mailbox: Mailbox,
    extra: Option<Box<Extra>>,
    /// Nobody else ends it: it ends when this is dropped.
    attached: bool,
}

#[derive(Debug, Default)]
struct Extra {
    trace: Trace,
}

impl Process {
    pub(crate) fn new(cell: Arc<Cell>, in_task: bool, attached: bool) -> Self {
        Self { mailbox: Mailbox::new(cell, in_task), extra: None, attached }
    }

    #[inline]
    pub(crate) const fn cell(&self) -> &Arc<Cell> {
        self.mailbox.cell()
    }

    /// Who this is (`self/0`).
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.cell().pid()
    }

    /// The runtime it belongs to.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        self.cell().runtime()
    }

    /// A reference like no other of this node (`make_ref/0`).
    #[must_use]
    pub fn make_ref(&self) -> Reference {
        self.runtime().make_ref()
    }

    /// Whether an exit signal has been accepted that ends it; nothing it does counts any longer.
    #[inline]
    #[must_use]
    pub fn is_exiting(&self) -> bool {
        self.cell().is_doomed()
    }

    /// Why it is to end, where it is.
    pub(crate) fn why(&self) -> Reason {
        self.cell().exit_reason().unwrap_or_else(|| Reason::atom("noproc"))
    }

    /// Sends a message (`To ! Message`): to a pid, a name, `{Name, Node}` or an alias. Never waits and never fails: what is
    /// not there gets nothing.
    ///
    /// A message that serde cannot make a term of, as when its own `Serialize` fails, ends the process with the reason
    /// `{bad_message, Text}`.
    #[inline]
    pub fn send<'a, M: Serialize + 'static>(&self, to: impl Into<To<'a>>, message: M) {
        if self.is_exiting() {
            return;
        }
        if let Some(payload) = self.payload(message) {
            let mut message = Message::User(payload);
            if self.extra.is_some() {
                message = self.traced(message);
            }
            self.runtime().route(Some(self.cell()), to.into(), &mut message);
        }
    }

    #[cold]
    fn traced(&self, message: Message) -> Message {
        match (message, self.next_token()) {
            (Message::User(payload), Some(token)) => Message::Traced(Box::new((payload, token))),
            (message, _) => message,
        }
    }

    /// Sends what is a payload already.
    #[inline]
    pub fn send_payload<'a>(&self, to: impl Into<To<'a>>, payload: Payload) {
        if self.is_exiting() {
            return;
        }
        let mut message = Message::User(payload);
        if self.extra.is_some() {
            message = self.traced(message);
        }
        self.runtime().route(Some(self.cell()), to.into(), &mut message);
    }

    /// Answers a call that came in parts ([`Payload::into_call`]): sends `{[alias | Tag], Value}` to the alias that its tag is.
    #[inline]
    pub fn reply(&self, tag: Reference, value: Payload) {
        if self.is_exiting() {
            return;
        }
        let traced = |message| if self.extra.is_some() { self.traced(message) } else { message };
        self.runtime().route_reply(self.cell(), ReplyMessage { tag, value }, traced);
    }

    /// Sends as [`send`](Self::send), but first waits until the connection to the other node has room, if it has none: the
    /// back-pressure that `!` has on a BEAM node.
    pub async fn send_wait<M: Serialize + 'static>(&self, to: impl Into<Dest>, message: M) {
        let to = to.into();
        if let Some(room) = self.room(&to) {
            room.await;
        }
        self.send(to, message);
    }

    /// [`send_wait`](Self::send_wait), blocking the thread.
    pub fn send_blocking<M: Serialize + 'static>(&self, to: impl Into<Dest>, message: M) {
        let to = to.into();
        if let Some(room) = self.room(&to) {
            block_on(room);
        }
        self.send(to, message);
    }

    /// Sends as [`send`](Self::send), unless the connection to the other node has no room: `erlang:send/3` with `nosuspend`.
    /// A node tells when there is room again (`NodeEvent::Ready`).
    ///
    /// # Errors
    /// [`Busy`] with the message, of which nothing was sent.
    pub fn try_send<M: Serialize + 'static>(
        &self,
        to: impl Into<Dest>,
        message: M,
    ) -> Result<(), Busy<M>> {
        let to = to.into();
        if self.room(&to).is_some() {
            return Err(Busy { message });
        }
        self.send(to, message);
        Ok(())
    }

    /// Sends ahead of ordinary messages, if `to` is an alias that its process made with priority (OTP 28); else as
    /// [`send`](Self::send).
    pub fn send_priority<M: Serialize + 'static>(&self, to: impl Into<Dest>, message: M) {
        if let Some(payload) = self.payload(message)
            && !self.is_exiting()
        {
            self.runtime().route_priority(self.cell(), to.into(), payload, self.next_token());
        }
    }

    pub(crate) fn room(&self, to: &Dest) -> Option<crate::outbound::BoxFuture<()>> {
        match to {
            Dest::Pid(pid) => self.runtime().ready(pid.node()),
            Dest::Remote { node, .. } => self.runtime().ready(node),
            Dest::Alias(alias) => self.runtime().ready(alias.node()),
            Dest::Name(_) => None,
        }
    }

    #[inline]
    pub(crate) fn payload<M: Serialize + 'static>(&self, message: M) -> Option<Payload> {
        match Payload::new(message) {
            Ok(payload) => Some(payload),
            Err(error) => {
                tracing::error!(process = %self.pid(), %error, "a message that cannot be a term ends its sender");
                self.cell()
                    .doom(&mut self.cell().lock(), Reason::text("bad_message", &error.to_string()));
                None
            }
        }
    }

    /// How many messages wait, those passed over included.
    #[must_use]
    pub fn mailbox_len(&self) -> usize {
        self.mailbox.len()
    }

    /// Links to a process (`link/1`): if either ends, the other gets an exit signal. One that is not there answers with
    /// `noproc`, which ends this process unless it traps exits.
    pub fn link(&self, to: &Pid) {
        if !self.is_exiting() {
            self.cell().link(to);
        }
    }

    /// Links to a process, whose exit signal then goes ahead of ordinary messages where it becomes one (`link/2` with
    /// `[priority]`, OTP 28).
    pub fn link_priority(&self, to: &Pid) {
        self.link(to);
        self.cell().prefer_exit_of(to);
    }

    /// Takes the link away (`unlink/1`); no exit signal comes over it from here on.
    pub fn unlink(&self, to: &Pid) {
        if !self.is_exiting() {
            self.cell().unlink(to);
        }
    }

    /// The processes it is linked to now.
    #[must_use]
    pub fn links(&self) -> Vec<Pid> {
        self.cell()
            .lock()
            .relations()
            .map_or_else(Vec::new, |relations| relations.links.pids(self.runtime()))
    }

    /// Watches a process (`monitor/2`): a [`Received::Down`](crate::Received::Down) comes when it ends, and at once if it is
    /// not there. An alias cannot be watched: the reference is good for nothing then.
    pub fn monitor(&self, to: impl Into<Dest>) -> Reference {
        self.monitor_with(to, MonitorOptions::new())
    }

    /// `monitor/3`.
    pub fn monitor_with(&self, to: impl Into<Dest>, options: MonitorOptions) -> Reference {
        self.cell().monitor(to.into(), options)
    }

    /// Takes a monitor away (`demonitor/2` with `[info]`): whether it was there, and no `DOWN` comes for it. If it has come
    /// already it stays; see [`demonitor_flush`](Self::demonitor_flush).
    pub fn demonitor(&self, monitor: &Reference) -> bool {
        self.cell().demonitor(monitor)
    }

    /// The same, and takes the `DOWN` out of the mailbox if it has come (`[flush, info]`).
    pub fn demonitor_flush(&mut self, monitor: &Reference) -> bool {
        let removed = self.demonitor(monitor);
        if !removed {
            self.mailbox.select_now(&mut |message: &mut Message| match message {
                Message::System(system) => match &**system {
                    System::Down { reference, .. } if reference == monitor => {
                        crate::mailbox::Look::Take(())
                    }
                    _ => crate::mailbox::Look::Leave,
                },
                _ => crate::mailbox::Look::Leave,
            });
        }
        removed
    }

    /// An address of this process that can be switched off (`alias/1`). [`AliasMode::Demonitor`] and
    /// [`AliasMode::ReplyDemonitor`] are for monitors, and mean [`AliasMode::ExplicitUnalias`] and [`AliasMode::Reply`] here.
    #[must_use]
    pub fn alias(&self, mode: AliasMode) -> Reference {
        self.cell().alias(mode.without_monitor(), false)
    }

    /// The same, for messages and exit signals that are sent with priority (OTP 28).
    #[must_use]
    pub fn priority_alias(&self, mode: AliasMode) -> Reference {
        self.cell().alias(mode.without_monitor(), true)
    }

    /// Switches an alias off (`unalias/1`); whether it was an active one of this process.
    pub fn unalias(&self, alias: &Reference) -> bool {
        self.cell().unalias(alias)
    }

    /// Whether exit signals become messages (`process_flag(trap_exit, On)`); how it was.
    pub fn trap_exit(&self, on: bool) -> bool {
        std::mem::replace(&mut self.cell().lock().trap_exit, on)
    }

    /// Sends an exit signal (`exit/2`) to a pid or an alias. `kill` cannot be trapped; `normal` ends only who sends it to
    /// itself. Names get none, as in Erlang.
    pub fn exit(&self, to: impl Into<Dest>, reason: impl Into<Reason>) {
        self.send_exit(to.into(), reason.into(), false);
    }

    /// Sends an exit signal that goes ahead of ordinary messages where it becomes one, if `to` is an alias that its
    /// process made with priority (`exit/3`, OTP 28).
    pub fn exit_priority(&self, to: impl Into<Dest>, reason: impl Into<Reason>) {
        self.send_exit(to.into(), reason.into(), true);
    }

    fn send_exit(&self, to: Dest, reason: Reason, priority: bool) {
        if !self.is_exiting() {
            let reason = reason.into_term();
            self.runtime().route_exit(self.cell(), to, reason, priority);
        }
    }

    /// Gives this process a name (`register(Name, self())`).
    ///
    /// # Errors
    /// If the name or the process has one already.
    pub fn register(&self, name: impl IntoAtom) -> Result<(), RegisterError> {
        self.runtime().names().register(name.into_atom(), Some(self.cell()))
    }

    /// Takes a name away (`unregister/1`), from whichever process has it.
    ///
    /// # Errors
    /// If nobody has it.
    pub fn unregister(&self, name: impl IntoAtom) -> Result<(), UnregisterError> {
        self.runtime().unregister(name)
    }

    /// The name it has.
    #[must_use]
    pub fn registered_name(&self) -> Option<Atom> {
        self.cell().lock().relations().and_then(|relations| relations.name.clone())
    }

    /// Who does its I/O (`group_leader/0`); itself where the runtime has none.
    #[must_use]
    pub fn group_leader(&self) -> Pid {
        self.own_group_leader()
            .or_else(|| self.runtime().default_group_leader())
            .unwrap_or_else(|| self.pid())
    }

    pub(crate) fn own_group_leader(&self) -> Option<Pid> {
        if !self.cell().is_led() {
            return None;
        }
        self.cell().lock().relations().and_then(|relations| relations.group_leader.clone())
    }

    /// Gives a process, here or elsewhere, a group leader (`group_leader/2`).
    pub fn set_group_leader(&self, leader: Pid, of: &Pid) {
        match self.runtime().local_number(of) {
            Some(number) => {
                self.runtime().table().with(number, |cell| cell.set_group_leader(leader));
            }
            None if of.node() == self.runtime().node() => {}
            None => {
                let _ = self
                    .runtime()
                    .outbound_send(of.node(), Signal::GroupLeader { to: of.clone(), leader });
            }
        }
    }

    /// Sends a message later (`send_after/3`), in nobody's name, unless [cancelled](Self::cancel_timer). To a local process
    /// that has ended by then nothing is kept; to a name it goes to whoever has it then.
    pub fn send_after<M: Serialize + 'static>(
        &self,
        after: Duration,
        to: impl Into<Dest>,
        message: M,
    ) -> Reference {
        match self.payload(message) {
            Some(payload) => self.runtime().set_timer(after, to.into(), payload),
            None => self.make_ref(),
        }
    }

    /// `start_timer/3`: sends `{timeout, Timer, Message}` later.
    pub fn start_timer(
        &self,
        after: Duration,
        to: impl Into<Dest>,
        message: impl Into<Term>,
    ) -> Reference {
        self.runtime().start_timer(after, to.into(), message.into())
    }

    /// Takes a timer away (`cancel_timer/1`): how long it still had, if it had not fired.
    pub fn cancel_timer(&self, timer: &Reference) -> Option<Duration> {
        self.runtime().cancel_timer(timer)
    }

    /// Asks for `{nodedown, Node}` when the connection to `node` ends, connecting first if there is none
    /// (`monitor_node/2`). Each call with `true` is answered once, each with `false` takes one back.
    pub fn monitor_node(&self, node: impl IntoAtom, on: bool) {
        self.cell().monitor_node(&node.into_atom(), on);
    }

    /// Asks for `{nodeup, Node}` and `{nodedown, Node}` of every node that comes and goes (`net_kernel:monitor_nodes/1`).
    pub fn monitor_nodes(&self, on: bool) {
        self.cell().monitor_nodes(on);
    }

    /// Asks a process by `gen_server`'s call protocol, and gives back what the answer will carry: monitors it with an alias,
    /// and sends `{'$gen_call', {self(), [alias | Tag]}, Request}`. [`answer`](Self::answer) waits for the answer,
    /// [`forget`](Self::forget) gives up.
    pub fn request(&mut self, to: impl Into<Dest>, request: Payload) -> Reference {
        let to = to.into();
        if let Dest::Pid(pid) = &to
            && let Place::Here(target) = self.runtime().ids().place(pid)
            && target != self.cell().number()
            && !self.is_exiting()
        {
            return self.request_here(target, request);
        }
        let options = MonitorOptions::new().alias(AliasMode::ReplyDemonitor);
        // Before the monitor, whose DOWN may come at once.
        let end = self.mailbox.end();
        let tag = self.cell().monitor(to.clone(), options);
        if let Some(end) = end
            && let Some(number) = self.runtime().ids().ref_number(&tag)
        {
            self.mailbox.mark(number, end);
        }
        self.send_payload(to, Payload::call(CallMessage::new(tag.clone(), request)));
        tag
    }

    /// The same to another local process.
    fn request_here(&mut self, target: Number, request: Payload) -> Reference {
        let (number, tag) = self.runtime().ids().make_alias(self.cell().number());
        // Nothing that waits before the request is sent can be its answer.
        if self.cell().prepare_to_ask(target, number) >= WORTH_A_MARK
            && let Some(end) = self.mailbox.end()
        {
            self.mailbox.mark(number, end);
        }
        let call = CallMessage::new(tag.clone(), request);
        let mut message = Message::User(Payload::call(call));
        if self.extra.is_some() {
            message = self.traced(message);
        }
        self.cell().ask(target, number, &mut message);
        tag
    }

    /// Gives a request up: its monitor and alias are taken away, and an answer that has come is thrown away.
    pub fn forget(&mut self, tag: &Reference) {
        self.give_up(tag);
    }

    /// The request has been answered: nothing is remembered of it.
    pub(crate) fn answered(&mut self, tag: &Reference) {
        if self.mailbox.has_marks()
            && let Some(number) = self.runtime().ids().ref_number(tag)
        {
            self.mailbox.unmark(number);
        }
    }

    /// The sequential trace token of the message received last (`seq_trace`). With what is sent goes its successor: its serial is
    /// this process's next, its sender this process.
    #[must_use]
    pub fn token(&self) -> Option<Term> {
        Some(self.trace_token()?.term().clone())
    }

    /// The token as it is, for who sends in this process's name later.
    pub(crate) fn trace_token(&self) -> Option<&Token> {
        self.extra.as_ref()?.trace.token()
    }

    /// The token that goes with what is sent next.
    pub(crate) fn next_token(&self) -> Option<Term> {
        Some(self.trace_token()?.next(self.pid()))
    }

    /// Sets or clears the token.
    #[inline]
    pub fn set_token(&mut self, token: Option<Term>) {
        if token.is_some() || self.extra.is_some() {
            self.extra.get_or_insert_default().trace.take_over(token);
        }
    }

    /// Ends a process that was [attached](Runtime::attach), with this reason. One that was spawned ends by returning; for
    /// it this says with which reason, should it not say another.
    pub fn finish(self, reason: impl Into<Reason>) {
        ending_of(&self, reason.into());
    }
}

fn ending_of(process: &Process, reason: Reason) {
    let cell = process.cell();
    if process.attached {
        ending::end(cell, reason);
    } else {
        cell.doom(&mut cell.lock(), reason);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(token) = self.next_token() {
            // Goes with the exit signals.
            self.cell().lock().relations_mut().last_token = Some(token);
        }
        if self.attached {
            let reason = if std::thread::panicking() {
                self.runtime().counters().panicked();
                // What it says is not to be had here.
                Reason::text("panic", "the code that held the process panicked")
            } else {
                Reason::normal()
            };
            ending::end(self.cell(), reason);
        }
    }
}

impl Cell {
    pub(crate) fn set_group_leader(&self, leader: Pid) {
        let mut state = self.lock();
        if state.stage() != Stage::Closed {
            state.relations_mut().group_leader = Some(leader);
            self.now_led();
        }
    }
}
