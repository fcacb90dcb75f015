//! Commands about functions on other nodes: rpc, erpc, spawn requests.

use node::{Atom, MonitorOptions, Process, RemoteError, SpawnRequestOptions, Term, term};
use term::Encoded;

use crate::command::{Answer, Command, Outcome, Stop, atom, is, timeout};
use crate::puppet::Strings;

pub(crate) async fn run(process: &mut Process, strings: &Strings, command: &Command) -> Outcome {
    match command.words() {
        ("rpc", [node, module, function, arguments, ms]) => {
            let call = Wanted::of(node, module, function, arguments)?;
            match call.made(process, strings, ms).await? {
                Ok(value) => is(value),
                Err(error) => is(error.to_rpc()),
            }
        }
        ("erpc", [node, module, function, arguments, ms]) => {
            let call = Wanted::of(node, module, function, arguments)?;
            match call.made(process, strings, ms).await? {
                Ok(value) => is(term!({ok, value})),
                Err(error) => is(error.to_erpc()),
            }
        }
        ("spawn_request", [node, module, function, arguments, options]) => {
            let call = Wanted::of(node, module, function, arguments)?;
            spawn_request(process, call, options).await
        }
        _ => Ok(Answer::Unknown),
    }
}

/// A function on a node, and a list of arguments.
struct Wanted {
    node: Atom,
    module: Atom,
    function: Atom,
    arguments: Term,
}

impl Wanted {
    fn of(node: &Term, module: &Term, function: &Term, arguments: &Term) -> Result<Self, Stop> {
        arguments.as_list().ok_or(Stop::Error("badarg"))?;
        Ok(Self {
            node: atom(node)?,
            module: atom(module)?,
            function: atom(function)?,
            arguments: arguments.clone(),
        })
    }

    async fn made(
        self,
        process: &Process,
        strings: &Strings,
        ms: &Term,
    ) -> Result<Result<Term, RemoteError>, Stop> {
        let Self { node, module, function, arguments } = self;
        let limit = timeout(ms).ok_or(Stop::Error("badarg"))?;
        let mut call = strings.node.erpc(node, module, function, arguments).printing_as(process);
        if let Some(limit) = limit {
            call = call.timeout(limit);
        }
        Ok(call.await)
    }
}

/// `spawn_request/5`, and the wait for its reply.
async fn spawn_request(process: &mut Process, wanted: Wanted, options: &Term) -> Outcome {
    let Wanted { node, module, function, arguments } = wanted;
    let mut chosen = SpawnRequestOptions::default();
    for option in options.as_list().ok_or(Stop::Error("badarg"))? {
        match option.as_atom() {
            Some(word) if word == *"link" => chosen.link = true,
            Some(word) if word == *"monitor" => chosen.monitor = Some(MonitorOptions::new()),
            _ => return is(term!({error, 'badopt})),
        }
    }
    let arity = arguments.as_list().map_or(0, |list| list.len());
    let arity = u32::try_from(arity).map_err(|_| Stop::Error("badarg"))?;
    let is_monitored = chosen.monitor.is_some();
    let arguments = Encoded::from_term(&arguments);
    let request = process.spawn_request(node, (module, function, arity), arguments, chosen);
    let replied = process.receive_match(|message| {
        let reply = message.as_tuple().filter(|reply| reply.len() == 4)?;
        if !reply.get(0)?.is_atom("spawn_reply") || reply.get(1)?.as_reference()? != request {
            return None;
        }
        Some((reply.get(2)?.is_atom("ok"), reply.get(3)?.to_term()))
    });
    match replied.await? {
        (true, pid) if is_monitored => is(term!({ok, {(pid), request}})),
        (true, pid) => is(term!({ok, pid})),
        (false, reason) => is(term!({error, reason})),
    }
}
