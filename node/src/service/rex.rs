//! `rex`: what OTP's `rpc` sends to the server of that name (`rpc:block_call/4`, `rpc:sbcast/3`, and what it sent before OTP 23).

use std::collections::HashMap;
use std::sync::Arc;

use mailbox::{Caller, Dest, Exit, MonitorOptions, Payload, Process, Received, SpawnOptions};
use term::{Pid, Reference, Term, TermRef, term};
use tokio::sync::Mutex;

use super::apply::{Call, badrpc};
use super::question;
use crate::export::Exports;

/// Who waits for a call, by the monitor of the process that runs it.
type Waiting = HashMap<Reference, ReplyTo>;

/// A caller by `gen_server:call`, or one of those C nodes that send their pid and want `{rex, Reply}`.
#[derive(Clone)]
enum ReplyTo {
    Caller(Caller),
    Pid(Pid),
}

struct Rex {
    exports: Arc<Exports>,
    waiting: Waiting,
    /// `block_call`s run one after the other, in the order they come.
    one_by_one: Arc<Mutex<()>>,
}

pub(super) async fn run(mut process: Process, exports: Arc<Exports>) -> Exit {
    let mut rex = Rex { exports, waiting: Waiting::new(), one_by_one: Arc::default() };
    loop {
        match process.receive().await? {
            Received::Message(message) => {
                if let Ok(message) = message.into_term() {
                    rex.asked(&process, &message);
                }
            }
            Received::Down { reference, reason, .. } => rex.ended(&process, &reference, reason),
            _ => {}
        }
    }
}

impl Rex {
    fn asked(&mut self, process: &Process, message: &Term) {
        if let Some((caller, request)) = question::asked(process, message) {
            match Applied::of(request) {
                Some(applied) if applied.word != Word::Cast => {
                    self.start(process, applied, Some(ReplyTo::Caller(caller)));
                }
                _ => caller.reply(term!({error, 'notsup})),
            }
            return;
        }
        let Some(pair) = message.as_tuple().filter(|tuple| tuple.len() == 2) else { return };
        let (Some(first), Some(second)) = (pair.get(0), pair.get(1)) else { return };
        if first.is_atom("$gen_cast") {
            if let Some(applied) = Applied::of(second).filter(|applied| applied.word == Word::Cast)
            {
                self.start(process, applied, None);
            }
        } else if let Some(from) = first.as_pid() {
            self.asked_by_pid(process, from, second);
        }
    }

    /// `{From, Request}`, from before there was `gen_server`.
    fn asked_by_pid(&mut self, process: &Process, from: Pid, request: TermRef<'_>) {
        if request.is_atom("features_request") {
            let node = process.runtime().node().clone();
            process.send(from, term!({features_reply, node, ['erpc]}));
            return;
        }
        if let Some(applied) = Applied::of(request) {
            if applied.word == Word::Call {
                self.start(process, applied, Some(ReplyTo::Pid(from)));
            }
            return;
        }
        let Some(request) = request.as_tuple().filter(|tuple| tuple.len() == 3) else { return };
        let (Some(word), Some(name), Some(message)) =
            (request.get(0), request.get(1), request.get(2))
        else {
            return;
        };
        let is_broadcast = word.is_atom("sbcast");
        if !is_broadcast && !word.is_atom("send") {
            return;
        }
        let node = Term::from(process.runtime().node());
        let there = name.as_atom().is_some_and(|name| {
            let name = name.to_atom();
            let there = process.runtime().whereis(&name).is_some();
            if there && is_broadcast {
                process.send(Dest::Name(name), message.to_term());
            } else if there {
                // Answering is up to whoever has the name.
                process.send(Dest::Name(name), (from.clone(), message.to_term()));
            }
            there
        });
        if !there {
            let name = name.to_term();
            process.send(from, term!({rex, node, {nonexisting_name, name}}));
        } else if is_broadcast {
            process.send(from, term!({rex, node.clone(), node}));
        }
    }

    fn start(&mut self, process: &Process, applied: Applied, to: Option<ReplyTo>) {
        let Applied { word, call, leader } = applied;
        let mut options = SpawnOptions::new();
        if let Some(leader) = leader {
            options = options.group_leader(leader);
        }
        if to.is_some() {
            options = options.monitor(MonitorOptions::new());
        }
        let turn = (word == Word::BlockCall).then(|| Arc::clone(&self.one_by_one));
        let (exports, reply_to) = (Arc::clone(&self.exports), to.clone());
        let started = process.spawn_with(options, move |own| async move {
            let _turn = match &turn {
                Some(turn) => Some(turn.lock().await),
                None => None,
            };
            let runtime = own.runtime().clone();
            let ended = call.run(&exports, own).await;
            match reply_to {
                None => ended.into_exit(),
                Some(ReplyTo::Caller(caller)) => {
                    caller.reply(ended.into_rpc());
                    Ok(())
                }
                Some(ReplyTo::Pid(to)) => {
                    let reply = ended.into_rpc();
                    runtime.send_payload(to, Payload::from(term!({rex, reply})));
                    Ok(())
                }
            }
        });
        match (started, to) {
            (Ok(spawned), Some(to)) => {
                if let Some(monitor) = spawned.monitor {
                    self.waiting.insert(monitor, to);
                }
            }
            (Err(_), Some(to)) => to.reply(process, badrpc(term!('system_limit))),
            (_, None) => {}
        }
    }

    /// A call's process is gone: where it had not the time to reply, its end is the reply.
    fn ended(&mut self, process: &Process, monitor: &Reference, reason: Term) {
        if let Some(to) = self.waiting.remove(monitor)
            && !reason.is_atom("normal")
        {
            to.reply(process, badrpc(reason));
        }
    }
}

impl ReplyTo {
    fn reply(&self, process: &Process, reply: Term) {
        match self {
            Self::Caller(caller) => caller.reply(reply),
            Self::Pid(to) => process.send(to, term!({rex, reply})),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Call,
    BlockCall,
    Cast,
}

/// `{call | block_call | cast, Module, Function, Arguments, GroupLeader}`.
struct Applied {
    word: Word,
    call: Call,
    /// `None` for `user`: the node's own.
    leader: Option<Pid>,
}

impl Applied {
    fn of(request: TermRef<'_>) -> Option<Self> {
        let tuple = request.as_tuple().filter(|tuple| tuple.len() == 5)?;
        let word = tuple.get(0)?;
        let word = if word.is_atom("call") {
            Word::Call
        } else if word.is_atom("block_call") {
            Word::BlockCall
        } else if word.is_atom("cast") {
            Word::Cast
        } else {
            return None;
        };
        let part = |index| Some(tuple.get(index)?.to_term());
        let call = Call::of_terms(&part(1)?, &part(2)?, &part(3)?)?;
        Some(Self { word, call, leader: tuple.get(4)?.as_pid() })
    }
}
