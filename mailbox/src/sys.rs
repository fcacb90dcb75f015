//! What the `sys` module asks of a process: its state and status, to pause, to go on, to end.
//!
//! Everything is answered; what cannot be done here is refused in words that `sys` understands.

use std::future::poll_fn;
use std::time::Duration;

use term::{Atom, Term, TermRef, term};

use crate::call_parts::{CallFrom, Parts};
use crate::caller::Caller;
use crate::error::Reason;
use crate::mailbox::{Found, Look};
use crate::payload::Payload;
use crate::process::Process;
use crate::queue::{Message, System as Signal};
use crate::sys_debug::Debug;

/// How long the asker's node is waited for where it has to help: less than the 5 s after which `sys` gives up.
const HELP_TIMEOUT: Duration = Duration::from_secs(4);

/// From this release of OTP on `sys` takes the state as `{ok, State}` (it came with 26.1), before as it is.
const STATE_IN_OK: i64 = 26;

/// A process that `sys` can be asked about.
pub(crate) trait System: Send {
    fn process(&mut self) -> &mut Process;
    /// What stands for the callback module.
    fn module(&self) -> Atom;
    fn state(&self) -> Option<Term>;
    fn replace_state(&mut self, state: Term) -> Result<(), term::Error>;
    /// More items for the end of the status.
    fn status(&self) -> Vec<Term>;
    /// What `sys` has it note.
    fn debug(&mut self) -> &mut Debug;
}

/// How the process goes on.
#[derive(Debug, PartialEq)]
pub(crate) enum Flow {
    Go,
    Terminate(Term),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Running,
    Suspended,
}

enum Step {
    Stay(Mode),
    Terminate(Term),
}

/// Answers a system message; if it suspends the process, everything up to where it is resumed or ends.
pub(crate) async fn handle<S: System>(
    target: &mut S,
    parent: &term::Pid,
    caller: Caller,
    request: Payload,
) -> Flow {
    let mut step = command(target, Mode::Running, parent, caller, request).await;
    loop {
        match step {
            Step::Stay(Mode::Running) => return Flow::Go,
            Step::Terminate(reason) => return Flow::Terminate(reason),
            Step::Stay(Mode::Suspended) => {}
        }
        step = match next_while_suspended(target.process(), parent).await {
            Ok(Woken::Asked(caller, request)) => {
                command(target, Mode::Suspended, parent, caller, request).await
            }
            Ok(Woken::ParentEnded(reason)) => Step::Terminate(reason),
            Err(reason) => Step::Terminate(reason.into_term()),
        };
    }
}

async fn command<S: System>(
    target: &mut S,
    mode: Mode,
    parent: &term::Pid,
    caller: Caller,
    request: Payload,
) -> Step {
    let request = match request.into_term() {
        Ok(request) => request,
        Err(error) => {
            target.process().undecodable(&error);
            return Step::Stay(mode);
        }
    };
    let mut next = Step::Stay(mode);
    let reply = match Request::of(&request) {
        Request::Suspend => {
            next = Step::Stay(Mode::Suspended);
            term!('ok)
        }
        Request::Resume => {
            next = Step::Stay(Mode::Running);
            term!('ok)
        }
        Request::Terminate(reason) => {
            next = Step::Terminate(reason.to_term());
            term!('ok)
        }
        Request::GetState => {
            get_state(target, caller);
            return next;
        }
        Request::ReplaceState(fun) => {
            let fun = fun.to_term();
            replace_state(target, caller, fun).await;
            return next;
        }
        Request::GetStatus => status(target, mode, parent),
        Request::Debug(what) => target.debug().command(what),
        Request::ChangeCode { old, extra } if mode == Mode::Suspended => {
            no_code_change(target, old, extra)
        }
        Request::ChangeCode { .. } | Request::Unknown => {
            term!({error, {unknown_system_msg, request}})
        }
    };
    caller.reply(reply);
    next
}

enum Request<'a> {
    Suspend,
    Resume,
    GetState,
    ReplaceState(TermRef<'a>),
    GetStatus,
    Debug(TermRef<'a>),
    Terminate(TermRef<'a>),
    ChangeCode { old: TermRef<'a>, extra: TermRef<'a> },
    Unknown,
}

impl<'a> Request<'a> {
    fn of(request: &'a Term) -> Self {
        if let Some(name) = request.as_atom() {
            return match &*name.as_str() {
                "suspend" => Self::Suspend,
                "resume" => Self::Resume,
                "get_state" => Self::GetState,
                "get_status" => Self::GetStatus,
                _ => Self::Unknown,
            };
        }
        Self::of_tuple(request).unwrap_or(Self::Unknown)
    }

    fn of_tuple(request: &'a Term) -> Option<Self> {
        let tuple = request.as_tuple()?;
        let (name, what) = (tuple.get(0)?.as_atom()?, tuple.get(1)?);
        Some(match (&*name.as_str(), tuple.len()) {
            ("replace_state", 2) => Self::ReplaceState(what),
            ("debug", 2) => Self::Debug(what),
            ("terminate", 2) => Self::Terminate(what),
            ("change_code", 4) => Self::ChangeCode { old: tuple.get(2)?, extra: tuple.get(3)? },
            _ => Self::Unknown,
        })
    }
}

/// `sys:get_state/1`. What OTP 25 takes for the state is to later ones an error, and the other way round; so a node is asked which it
/// is, by a process of its own.
fn get_state<S: System>(target: &mut S, caller: Caller) {
    match target.state() {
        Some(state) => reply_state(target.process(), caller, state),
        None => caller.reply(no_state("system_get_state")),
    }
}

fn reply_state(process: &Process, caller: Caller, state: Term) {
    let node = caller.pid().node().clone();
    if node == *process.runtime().node() {
        caller.reply(term!({ok, state}));
        return;
    }
    process.runtime().spawn(move |mut helper: Process| async move {
        let release = release_of(&mut helper, &node).await;
        caller.reply(if release.is_some_and(|release| release < STATE_IN_OK) {
            state
        } else {
            term!({ok, state})
        });
    });
}

/// The major release of OTP that a node runs; none if it is no BEAM.
async fn release_of(process: &mut Process, node: &Atom) -> Option<i64> {
    let ask = term!({call, 'erlang, 'system_info, ['otp_release], 'user});
    let release = process.call::<Term>(("rex", node), ask).timeout(HELP_TIMEOUT).await.ok()?;
    release.as_charlist()?.parse().ok()
}

/// `sys:replace_state/2`: the fun is the asker's, and only its node can run it.
async fn replace_state<S: System>(target: &mut S, caller: Caller, fun: Term) {
    let Some(state) = target.state() else {
        caller.reply(no_state("system_replace_state"));
        return;
    };
    let apply = term!({call, 'erlang, 'apply, [fun, [state]], 'user});
    let node = caller.pid().node().clone();
    let process = target.process();
    let applied = if node == *process.runtime().node() {
        Err(term!({error, {no_fun_to_run_here, fun}}))
    } else {
        let applied = process.call::<Term>(("rex", &node), apply).timeout(HELP_TIMEOUT).await;
        applied.map_err(|error| term!({exit, error.reason()}))
    };
    let replaced = applied.and_then(|state| match bad_rpc(&state) {
        Some(reason) => Err(raised(reason)),
        None => match target.replace_state(state.clone()) {
            Ok(()) => Ok(state),
            Err(error) => Err(term!({error, {bad_state, error.to_string()}})),
        },
    });
    match replaced {
        Ok(state) => reply_state(target.process(), caller, state),
        Err(why) => {
            caller
                .reply(term!({error, {callback_failed, {gen_server, 'system_replace_state}, why}}));
        }
    }
}

/// The reason in `{badrpc, {'EXIT', Reason}}`.
fn bad_rpc(reply: &Term) -> Option<Term> {
    let tuple = reply.as_tuple().filter(|tuple| tuple.len() == 2)?;
    let why = tuple.get(0)?.is_atom("badrpc").then(|| tuple.get(1)).flatten()?;
    let exit = why
        .as_tuple()
        .filter(|exit| exit.len() == 2 && exit.get(0).is_some_and(|tag| tag.is_atom("EXIT")));
    Some(exit.and_then(|exit| exit.get(1)).unwrap_or(why).to_term())
}

/// `{Class, Reason}` of what `rex` has caught: an error comes with its stack, an exit without.
fn raised(reason: Term) -> Term {
    let error = reason.as_tuple().filter(|pair| pair.len() == 2).and_then(|pair| {
        let call = pair.get(1)?.as_list()?.iter().next()?.as_tuple()?;
        let is_call = call.len() == 4 && call.get(0)?.as_atom().is_some();
        is_call.then(|| pair.get(0).map(TermRef::to_term)).flatten()
    });
    match error {
        Some(error) => term!({error, error}),
        None => term!({exit, reason}),
    }
}

/// What `sys` says where the callback is missing.
fn no_state(function: &'static str) -> Term {
    let place = Term::from((Atom::from_static("gen_server"), Atom::from_static(function)));
    term!({error, {callback_failed, place, {error, 'undef}}})
}

/// What a `gen_server` without a `code_change/3` says: there is no other code to change to.
fn no_code_change<S: System>(target: &S, old: TermRef<'_>, extra: TermRef<'_>) -> Term {
    let state = target.state().unwrap_or_else(|| term!('undefined));
    let call =
        term!([{(target.module()), 'code_change, [(old.to_term()), state, (extra.to_term())], []}]);
    term!({error, {(Atom::from_static("EXIT")), {undef, call}}})
}

/// What `sys:get_status/1` gives of a `gen_server`.
fn status<S: System>(target: &mut S, mode: Mode, parent: &term::Pid) -> Term {
    let module = target.module();
    let state = target.state().unwrap_or_else(|| term!('undefined));
    let more = target.status();
    let (options, logged) = (target.debug().options(), target.debug().logged());
    let process = target.process();
    let pid = process.pid();
    let name = process.registered_name().map_or_else(|| pid.to_string(), |name| name.to_string());
    let mode = match mode {
        Mode::Running => term!('running),
        Mode::Suspended => term!('suspended),
    };
    let text = Term::charlist;
    let data = term!([{(text("Status")), mode}, {(text("Parent")), parent}, {(text("Logged events")), logged}]);
    let mut misc = vec![
        term!({header, text(&format!("Status for generic server {name}"))}),
        term!({data, data}),
        term!({data, [{(text("State")), state}]}),
    ];
    misc.extend(more);
    let dictionary = term!([{(Atom::from_static("$initial_call")), {(module), 'init, 1}},
                            {(Atom::from_static("$ancestors")), [parent]}]);
    term!({status, pid, {module, 'gen_server}, [dictionary, mode, parent, options, misc]})
}

enum Woken {
    Asked(Caller, Payload),
    ParentEnded(Term),
}

/// The next system message, or the parent's exit; everything else waits in its order.
async fn next_while_suspended(process: &mut Process, parent: &term::Pid) -> Result<Woken, Reason> {
    let mut at = 0;
    let mut look = |message: &mut Message| match message {
        Message::User(payload) => look_for_system(payload),
        Message::Traced(traced) => look_for_system(&mut traced.0),
        Message::System(signal) => match &**signal {
            Signal::Exit { from, reason, .. } if from == parent => Look::Take(Err(reason.clone())),
            _ => Look::Leave,
        },
        Message::Wake => Look::Discard,
    };
    match poll_fn(|cx| process.mailbox.poll_select(cx, None, &mut at, &mut look)).await {
        Found::It(Ok((from, request))) => Ok(Woken::Asked(Caller::new(from, process), request)),
        Found::It(Err(reason)) => Ok(Woken::ParentEnded(reason)),
        Found::TimedOut | Found::Doomed => Err(process.why()),
    }
}

type Asked = Result<(CallFrom, Payload), Term>;

fn look_for_system(payload: &mut Payload) -> Look<Asked> {
    if !Parts::is_system(payload) {
        return Look::Leave;
    }
    match Parts::of(std::mem::replace(payload, Payload::from(Term::NIL))) {
        Parts::System(from, request) => Look::Take(Ok((from, request))),
        // Not reached: it was seen to be one.
        _ => Look::Discard,
    }
}
