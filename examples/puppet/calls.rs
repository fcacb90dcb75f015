//! Commands about functions on other nodes: rpc, erpc, spawn requests.

use node::{
    Atom, MonitorOptions, Process, Reason, RemoteError, SpawnOptions, SpawnRequestOptions, Term,
    term,
};
use term::{Encoded, TermRef};

use crate::command::{Answer, Command, Outcome, Stop, atom, is, timeout};
use crate::processes::monitor_options;
use crate::puppet::Strings;

pub(crate) async fn run(process: &mut Process, strings: &Strings, command: &Command) -> Outcome {
    match command.words() {
        ("rpc", [node, module, function, arguments, ms]) => {
            let call = Wanted::of(node, module, function, arguments)?;
            let answer = match call.made(process, strings, ms).await? {
                Ok(value) => value,
                Err(error) => error.to_rpc(),
            };
            // What looks like a caught exit is one, to rpc.
            is(if is_exit(&answer) { term!({badrpc, answer}) } else { answer })
        }
        ("erpc", [node, module, function, arguments, ms]) => {
            let Ok(call) = Wanted::of(node, module, function, arguments) else {
                return is(term!({error, {erpc, 'badarg}}));
            };
            match call.made(process, strings, ms).await {
                Ok(Ok(value)) => is(term!({ok, value})),
                Ok(Err(error)) => is(error.to_erpc()),
                Err(_) => is(term!({error, {erpc, 'badarg}})),
            }
        }
        ("spawn_request", [node, module, function, arguments, options]) => {
            let call = Wanted::of(node, module, function, arguments)?;
            spawn_request(process, call, options).await
        }
        _ => Ok(Answer::Unknown),
    }
}

/// `{'EXIT', _}`
fn is_exit(answer: &Term) -> bool {
    let pair = answer.as_tuple().filter(|tuple| tuple.len() == 2);
    pair.and_then(|pair| pair.get(0)).is_some_and(|word| word.is_atom("EXIT"))
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
    let Some(chosen) = request_options(options)? else { return is(term!({error, 'badopt})) };
    if node == *process.runtime().node() {
        return spawn_here(process, &(module, function, arguments), chosen);
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

/// The options of `spawn_request/5`; `None` for a monitor's that are none. Whether there is a reply, and what it is tagged with, is not
/// seen in an answer to a command; what is left is for the other node to judge.
fn request_options(options: &Term) -> Result<Option<SpawnRequestOptions>, Stop> {
    let mut chosen = SpawnRequestOptions::default();
    for option in options.as_list().ok_or(Stop::Error("badarg"))? {
        let pair = (option.element(0), option.element(1), option.element(2));
        let is_key = |key: TermRef<'_>, word| key.is_atom(word);
        match pair {
            (Some(key), Some(value), None) if is_key(key, "monitor") => {
                let Ok(options) = monitor_options(&value.to_term()) else { return Ok(None) };
                chosen.monitor = Some(options);
            }
            (Some(key), Some(value), None) if is_key(key, "reply") => {
                let words = ["yes", "no", "error_only", "success_only"];
                if !words.iter().any(|word| value.is_atom(word)) {
                    return Ok(None);
                }
            }
            (Some(key), Some(_), None) if is_key(key, "reply_tag") => {}
            _ if option.is_atom("link") => chosen.link = true,
            _ if option.is_atom("monitor") => chosen.monitor = Some(MonitorOptions::new()),
            _ => chosen.others.push(option.to_term()),
        }
    }
    Ok(Some(chosen))
}

/// On our own node, where a puppet exports nothing: the process is there, and ends with `undef`.
fn spawn_here(
    process: &Process,
    (module, function, arguments): &(Atom, Atom, Term),
    chosen: SpawnRequestOptions,
) -> Outcome {
    if !chosen.others.is_empty() {
        return is(term!({error, 'badopt}));
    }
    let mut options = SpawnOptions::new();
    if chosen.link {
        options = options.link();
    }
    if let Some(monitor) = chosen.monitor {
        options = options.monitor(monitor);
    }
    let undef = Reason::new(term!({undef, [{(module), function, arguments, []}]}));
    let spawned = process.spawn_with(options, move |_| async move { Err::<(), _>(undef) });
    let Ok(spawned) = spawned else { return is(term!({error, 'system_limit})) };
    match spawned.monitor {
        Some(monitor) => is(term!({ok, {(spawned.pid), monitor}})),
        None => is(term!({ok, spawned.pid})),
    }
}
