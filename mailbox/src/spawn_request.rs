//! Processes started by request: other nodes' requests to this one, and this one's to others (`spawn_request/5`).

use std::sync::Arc;

use term::{Atom, Encoded, IntoAtom, Pid, Reference, Term};

use crate::cell::{Cell, Stage};
use crate::error::Exit;
use crate::few::Few;
use crate::ids::RefNumber;
use crate::monitor::MonitorOptions;
use crate::outbound::{BoxFuture, Connection};
use crate::payload::Payload;
use crate::process::Process;
use crate::queue::Message;
use crate::runtime::Runtime;
use crate::signal::{Signal, SpawnReply, SpawnRequest, Target};
use crate::spawn::SpawnOptions;

/// The code of a process that a request asks for.
pub type Start = Box<dyn FnOnce(Process) -> BoxFuture<Exit> + Send>;

/// Decides what other nodes may start here.
pub trait SpawnService: Send + Sync + 'static {
    /// The code for a request.
    ///
    /// # Errors
    /// The atom that the reply carries instead of a pid: `notsup`, `system_limit` ...
    fn start(&self, request: &SpawnRequest) -> Result<Start, Atom>;

    /// Whether the process works for the one who asks and monitors it, and for nobody else: it is killed when that monitor is
    /// taken away or its connection ends, as when a call times out.
    fn ends_unwatched(&self, request: &SpawnRequest) -> bool {
        let _ = request;
        false
    }
}

/// Requests that have not been answered, by the number of their reference.
#[derive(Debug, Default)]
pub(crate) struct PendingSpawns(Few<Pending>);

#[derive(Debug)]
struct Pending {
    monitor: Option<MonitorOptions>,
    connection: Connection,
    reply: Replying,
    /// Whether the one who asked has given it up: the process is told so should it be started.
    abandoned: bool,
}

/// Which replies are delivered, and under which word.
#[derive(Debug)]
struct Replying {
    which: SpawnReplies,
    tag: Option<Term>,
}

impl Replying {
    /// The message for an outcome, if it makes one.
    fn message(&self, id: &Reference, result: &Result<Pid, Atom>) -> Option<Message> {
        let wanted = match self.which {
            SpawnReplies::All => true,
            SpawnReplies::Errors => result.is_err(),
            SpawnReplies::Successes => result.is_ok(),
            SpawnReplies::None => false,
        };
        wanted.then(|| spawn_reply(self.tag.as_ref(), id, result))
    }
}

impl PendingSpawns {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    fn over(&self, connection: &Connection) -> Vec<RefNumber> {
        self.0
            .iter()
            .filter(|(_, pending)| pending.connection == *connection)
            .map(|(number, _)| number)
            .collect()
    }
}

/// Which outcomes of a request are told in a message (`{reply, ReplyOpt}`). Links and monitors are in force in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpawnReplies {
    /// All of them: `yes`.
    #[default]
    All,
    /// Failures alone: `error_only`.
    Errors,
    /// Pids alone: `success_only`.
    Successes,
    /// None: `no`.
    None,
}

/// What is asked for besides the function (`spawn_request/5`).
#[derive(Clone, Debug, Default)]
pub struct SpawnRequestOptions {
    /// Link the new process to the one that asks.
    pub link: bool,
    /// Have the one that asks monitor it; the reference is the request's.
    pub monitor: Option<MonitorOptions>,
    /// Which outcomes are told.
    pub reply: SpawnReplies,
    /// What stands in the place of `spawn_reply` in the message (`{reply_tag, Tag}`).
    pub reply_tag: Option<Term>,
    /// The group leader of the new process; without one, that of the process that asks.
    pub group_leader: Option<Pid>,
    /// Options for the other node alone: `{priority, high}`, `{max_heap_size, N}` and what else `spawn_opt/5` there knows. One that
    /// it does not know is answered `badopt`.
    pub others: Vec<Term>,
}

impl Process {
    /// Asks `node` to start a process in `module:function` with the elements of the list `arguments`.
    ///
    /// The answer is a message, `{spawn_reply, Request, ok, Pid}` or `{spawn_reply, Request, error, Reason}` with `noconnection`,
    /// `notsup`, `system_limit` ... for the reason, unless the [options](SpawnRequestOptions) say otherwise.
    pub fn spawn_request(
        &self,
        node: impl IntoAtom,
        function: (Atom, Atom, u32),
        arguments: Encoded,
        options: SpawnRequestOptions,
    ) -> Reference {
        let leader = options.group_leader.clone().unwrap_or_else(|| self.group_leader());
        self.cell().spawn_request(
            &node.into_atom(),
            leader,
            function,
            arguments,
            options,
            self.next_token(),
        )
    }

    /// Gives a request up that has not been answered (`spawn_request_abandon/1`); whether it was one. It has no effect on this
    /// process any longer: no answer comes, no link or monitor is set up, and a process that was to be linked and is started after
    /// all is sent an exit signal of the reason `abandoned`.
    pub fn spawn_request_abandon(&self, request: &Reference) -> bool {
        self.cell().abandon_spawn(request)
    }
}

impl Cell {
    fn spawn_request(
        &self,
        node: &Atom,
        group_leader: Pid,
        (module, function, arity): (Atom, Atom, u32),
        arguments: Encoded,
        options: SpawnRequestOptions,
        token: Option<Term>,
    ) -> Reference {
        let ids = self.runtime().ids();
        let with_alias = options.monitor.as_ref().is_some_and(|monitor| monitor.alias.is_some());
        let (number, id) = if with_alias { ids.make_alias(self.number()) } else { ids.make_ref() };
        let mut asked = Vec::new();
        if options.link {
            asked.push(Term::from(Atom::from_static("link")));
        }
        if options.monitor.is_some() {
            asked.push(Term::from(Atom::from_static("monitor")));
        }
        asked.extend(options.others);
        let reply = Replying { which: options.reply, tag: options.reply_tag };
        let from = self.pid();
        let request = SpawnRequest {
            id: id.clone(),
            from,
            group_leader,
            module,
            function,
            arity,
            options: asked.into_iter().collect(),
            arguments,
            token,
        };
        let mut state = self.lock();
        if state.stage() != Stage::Alive {
            return id;
        }
        if let Some(mode) = options.monitor.as_ref().and_then(|monitor| monitor.alias) {
            state.relations_mut().aliases.insert(number, mode, false);
        }
        match self.runtime().outbound_send(node, Signal::SpawnRequest(Box::new(request))) {
            Ok(connection) if self.tie(&mut state, &connection) => {
                let pending =
                    Pending { monitor: options.monitor, connection, reply, abandoned: false };
                state.relations_mut().spawns.0.insert(number, pending);
            }
            _ => {
                state.relations_mut().aliases.demonitored(number);
                if let Some(message) = reply.message(&id, &Err(Atom::from_static("noconnection"))) {
                    self.push(&mut state, message);
                }
            }
        }
        id
    }

    fn abandon_spawn(&self, request: &Reference) -> bool {
        let Some(number) = self.runtime().ids().ref_number(request) else { return false };
        let mut state = self.lock();
        if state.stage() != Stage::Alive {
            return false;
        }
        let relations = state.relations_mut();
        let Some(pending) = relations.spawns.0.get_mut(number).filter(|pending| !pending.abandoned)
        else {
            return false;
        };
        pending.abandoned = true;
        pending.monitor = None;
        relations.aliases.demonitored(number);
        true
    }

    /// The answer to a request of this process. The other node has set up what the reply says.
    pub(crate) fn spawn_replied(&self, reply: &SpawnReply, via: &Connection) -> bool {
        let Some(number) = self.runtime().ids().ref_number(&reply.id) else { return false };
        let mut state = self.lock();
        if state.stage() != Stage::Alive {
            return false;
        }
        let relations = state.relations_mut();
        if relations.spawns.0.get(number).is_none_or(|pending| pending.connection != *via) {
            return false;
        }
        let Some(pending) = relations.spawns.0.remove(number) else { return false };
        if pending.abandoned {
            drop(state);
            self.runtime().take_spawn_back(reply, via, "abandoned");
            return true;
        }
        match &reply.result {
            Ok(pid) => {
                if reply.linked {
                    relations.links.insert_remote(pid.clone(), via.clone());
                }
                if let Some(options) = pending.monitor.filter(|_| reply.monitored) {
                    relations.monitors.insert_remote(
                        number,
                        Target::Pid(pid.clone()),
                        via.clone(),
                        options,
                    );
                }
            }
            Err(_) => relations.aliases.demonitored(number),
        }
        if let Some(message) = pending.reply.message(&reply.id, &reply.result) {
            self.push(&mut state, message);
        }
        true
    }

    /// The end of a connection, as far as requests go.
    pub(crate) fn cut_spawns(&self, connection: &Connection) {
        let mut state = self.lock();
        let Some(relations) = state.known_relations_mut() else { return };
        let ids = self.runtime().ids();
        let mut messages = Vec::new();
        for number in relations.spawns.over(connection) {
            let Some(pending) = relations.spawns.0.remove(number) else { continue };
            relations.aliases.demonitored(number);
            let with_alias =
                pending.monitor.as_ref().is_some_and(|monitor| monitor.alias.is_some());
            let id =
                if with_alias { ids.alias(number, self.number()) } else { ids.reference(number) };
            if !pending.abandoned {
                let lost = Err(Atom::from_static("noconnection"));
                messages.extend(pending.reply.message(&id, &lost));
            }
        }
        if state.stage() == Stage::Alive {
            for message in messages {
                self.push(&mut state, message);
            }
        }
    }
}

fn spawn_reply(tag: Option<&Term>, id: &Reference, result: &Result<Pid, Atom>) -> Message {
    let (outcome, value) = match result {
        Ok(pid) => ("ok", Term::from(pid.clone())),
        Err(reason) => ("error", Term::from(reason.clone())),
    };
    let tag = tag.cloned().unwrap_or_else(|| Term::from(Atom::from_static("spawn_reply")));
    let reply = (tag, id.clone(), Atom::from_static(outcome), value);
    Message::User(Payload::from(Term::from(reply)))
}

impl Runtime {
    /// Lets other nodes start processes here; without a service each request is answered `notsup`. Only the first call
    /// counts; whether this was it.
    pub fn set_spawn_service(&self, service: Arc<dyn SpawnService>) -> bool {
        self.late_spawn_service().set(service).is_ok()
    }

    /// A request has come over a connection. The reply leaves before anything that the new process sends.
    pub(crate) fn serve_spawn(&self, via: &Connection, request: SpawnRequest) {
        let service = self.late_spawn_service().get();
        let started = match service {
            Some(service) => service.start(&request),
            None => Err(Atom::from_static("notsup")),
        };
        let born = started.and_then(|start| {
            let options = SpawnOptions::new().group_leader(request.group_leader.clone());
            let (cell, _) =
                self.bear(None, options).map_err(|_| Atom::from_static("system_limit"))?;
            Ok((cell, start))
        });
        let asked = |name: &str| asks(&request.options, name);
        let reply = |linked, monitored, result| {
            let SpawnRequest { id, from, token, .. } = &request;
            let (id, to, token) = (id.clone(), from.clone(), token.clone());
            Signal::SpawnReply(Box::new(SpawnReply { id, to, linked, monitored, result, token }))
        };
        match born {
            Ok((cell, start)) => {
                let linked = asked("link") && cell.link_received(&request.from, via);
                let by = Target::Pid(cell.pid());
                let monitored =
                    asked("monitor") && cell.watch_from_afar(&request.id, &request.from, &by, via);
                if monitored && service.is_some_and(|service| service.ends_unwatched(&request)) {
                    cell.work_for(&request.id);
                }
                self.outbound_send_over(via, reply(linked, monitored, Ok(cell.pid())));
                self.run_born(cell, start);
            }
            Err(reason) => self.outbound_send_over(via, reply(false, false, Err(reason))),
        }
    }

    /// The process that a reply is for has ended: what the other node set up for it is taken back.
    pub(crate) fn spawn_reply_to_nobody(&self, reply: &SpawnReply, via: &Connection) {
        self.take_spawn_back(reply, via, "noproc");
    }

    fn take_spawn_back(&self, reply: &SpawnReply, via: &Connection, why: &'static str) {
        let Ok(pid) = &reply.result else { return };
        let (from, to) = (reply.to.clone(), pid.clone());
        if reply.linked {
            let reason = Term::from(Atom::from_static(why));
            self.outbound_send_over(
                via,
                Signal::Exit { from: from.clone(), to: to.clone(), reason, token: None },
            );
        }
        if reply.monitored {
            let reference = reply.id.clone();
            self.outbound_send_over(
                via,
                Signal::Demonitor { from, to: Target::Pid(to), reference },
            );
        }
    }
}

/// Whether an option list has the option `name`, or a tuple that begins with it.
fn asks(options: &Term, name: &str) -> bool {
    let Some(options) = options.as_list() else { return false };
    options.iter().any(|option| {
        option.is_atom(name) || option.element(0).is_some_and(|first| first.is_atom(name))
    })
}
