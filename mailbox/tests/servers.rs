//! Servers: what each callback's outcome does, time-outs, deferred replies, ends, and what `sys` is answered.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test, and says where")]

use std::sync::mpsc;
use std::time::{Duration, Instant};

use mailbox::{
    CallError, Caller, Exit, Next, NotStarted, Process, Reason, Received, Reply, Runtime, Server,
    SpawnOptions, StartError, serve, serve_blocking,
};
use serde::{Deserialize, Serialize};
use term::{Atom, IntoAtom, Pid, Term, term};

fn runtime() -> Runtime {
    Runtime::new("rust@host".into_atom(), 1)
}

/// A server that tells a test what happens to it.
struct Counter {
    n: i64,
    told: Option<mpsc::Sender<String>>,
}

impl Counter {
    fn new() -> Self {
        Self { n: 0, told: None }
    }

    fn telling() -> (Self, mpsc::Receiver<String>) {
        let (told, tells) = mpsc::channel();
        (Self { n: 0, told: Some(told) }, tells)
    }

    fn tell(&self, what: impl Into<String>) {
        if let Some(told) = &self.told {
            // The test may have ended.
            let _ = told.send(what.into());
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Call {
    Get,
    Add(i64),
    Sleep(u64),
    Crash,
    StopWith(Term),
    Continue(Term),
    Patience(u64),
    Panic,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Cast {
    Set(i64),
    Stop(Term),
}

impl Server for Counter {
    type Call = Call;
    type Reply = Term;
    type Cast = Cast;
    type Info = Received;

    async fn call(&mut self, call: Call, from: Caller, process: &mut Process) -> Reply<Term> {
        match call {
            Call::Get => Reply::Now(self.n.into()),
            Call::Add(n) => {
                self.n += n;
                Reply::Now(self.n.into())
            }
            Call::Sleep(ms) => {
                process.detach(async move {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    from.reply("ok".into_atom());
                });
                Reply::Later
            }
            Call::Crash => Reply::Exit(term!({crash, 'requested})),
            Call::StopWith(reason) => Reply::NowThen(term!('stopping), Next::Exit(reason)),
            Call::Continue(what) => Reply::NowThen(term!('ok), Next::Continue(what)),
            Call::Patience(ms) => {
                Reply::NowThen(term!('ok), Next::WaitFor(Duration::from_millis(ms)))
            }
            Call::Panic => panic!("on request"),
        }
    }

    async fn cast(&mut self, cast: Cast, _process: &mut Process) -> Next {
        match cast {
            Cast::Set(n) => {
                self.n = n;
                Next::Wait
            }
            Cast::Stop(reason) => Next::Exit(reason),
        }
    }

    async fn info(&mut self, info: Received, _process: &mut Process) -> Next {
        let info = info.into_term().unwrap();
        if info.is_atom("tick") {
            self.n += 1;
        }
        self.tell(format!("info {info}"));
        Next::Wait
    }

    async fn continue_(&mut self, what: Term, _process: &mut Process) -> Next {
        self.tell(format!("continue {what}"));
        Next::Wait
    }

    async fn timeout(&mut self, _process: &mut Process) -> Next {
        self.tell("timeout");
        Next::Wait
    }

    async fn terminate(&mut self, reason: &Reason, _process: &mut Process) {
        self.tell(format!("terminate {reason}"));
    }

    fn state(&self) -> Option<Term> {
        Some(Term::from(self.n))
    }

    fn replace_state(&mut self, state: Term) -> Result<(), term::Error> {
        self.n = term::from_term(&state)?;
        Ok(())
    }
}

async fn down(process: &mut Process) -> Term {
    loop {
        if let Received::Down { reason, .. } = process.receive().await.unwrap() {
            return reason;
        }
    }
}

#[tokio::test]
async fn a_server_answers_calls_and_takes_casts_and_messages() {
    let runtime = runtime();
    runtime.start_named("counter", Counter::new()).await.unwrap();
    let mut me = runtime.attach().unwrap();
    assert_eq!(me.call::<i64>("counter", Call::Add(2)).await, Ok(2));
    me.cast("counter", Cast::Set(40));
    me.send("counter", "tick".into_atom());
    assert_eq!(me.call::<i64>("counter", Call::Get).await, Ok(41));
    // As terms, the way Erlang's reach it.
    assert_eq!(me.call::<i64>("counter", term!({add, 1})).await, Ok(42));
}

#[tokio::test]
async fn a_deferred_reply_does_not_hold_others_up() {
    let runtime = runtime();
    let counter = runtime.start(Counter::new()).await.unwrap();
    let mut me = runtime.attach().unwrap();
    let begun = Instant::now();
    let slow = me.send_request::<Atom>(&counter, Call::Sleep(1_000));
    assert_eq!(me.call::<i64>(&counter, Call::Get).await, Ok(0));
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(me.response(slow).await.unwrap(), "ok");
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_server_that_exits_in_a_call_tells_its_caller_why() {
    let runtime = runtime();
    let (counter, tells) = Counter::telling();
    let counter = runtime.start(counter).await.unwrap();
    let error = runtime.call::<Term>(&counter, Call::Crash).await.unwrap_err();
    assert_eq!(error, CallError::Crashed(term!({crash, 'requested})));
    assert_eq!(tells.recv().unwrap(), "terminate {crash,requested}");
}

#[tokio::test]
async fn stop_with_a_reply_terminates_first_and_then_replies() {
    let runtime = runtime();
    let (counter, tells) = Counter::telling();
    let counter = runtime.start(counter).await.unwrap();
    let mut me = runtime.attach().unwrap();
    me.monitor(&counter);
    let reply: Atom = me.call(&counter, Call::StopWith(term!('bored))).await.unwrap();
    assert_eq!(reply, "stopping");
    assert_eq!(tells.try_recv().unwrap(), "terminate bored");
    assert_eq!(down(&mut me).await, term!('bored));
}

#[tokio::test]
async fn continue_runs_before_any_message() {
    let runtime = runtime();
    let (counter, tells) = Counter::telling();
    let mut me = runtime.attach().unwrap();
    let counter = runtime.start(counter).await.unwrap();
    me.cast(&counter, Cast::Set(1));
    let pending = me.send_request::<Atom>(&counter, Call::Continue(term!({first, 1})));
    me.send(&counter, "second".into_atom());
    assert_eq!(me.response(pending).await.unwrap(), "ok");
    me.call::<i64>(&counter, Call::Get).await.unwrap();
    assert_eq!(tells.recv().unwrap(), "continue {first,1}");
    assert_eq!(tells.recv().unwrap(), "info second");
}

#[tokio::test]
async fn a_time_out_runs_if_no_message_comes_and_only_then() {
    let runtime = runtime();
    let (counter, tells) = Counter::telling();
    let counter = runtime.start(counter).await.unwrap();
    runtime.call::<Atom>(&counter, Call::Patience(5_000)).await.unwrap();
    runtime.call::<i64>(&counter, Call::Get).await.unwrap();
    assert!(tells.try_recv().is_err());
    runtime.call::<Atom>(&counter, Call::Patience(20)).await.unwrap();
    let told = tokio::task::spawn_blocking(move || tells.recv_timeout(Duration::from_secs(5)))
        .await
        .unwrap();
    assert_eq!(told.unwrap(), "timeout");
}

#[tokio::test]
async fn a_call_of_another_type_ends_the_server_with_function_clause() {
    let runtime = runtime();
    for bad in [term!({add, 'x}), term!('nonsense), term!([1, 2])] {
        let counter = runtime.start(Counter::new()).await.unwrap();
        let error = runtime.call::<Term>(&counter, bad).await.unwrap_err();
        let place = term!([{(Atom::from_static("Counter")), 'handle_call, 3, []}]);
        assert_eq!(error, CallError::Crashed(term!({function_clause, place})));
    }
}

#[tokio::test]
async fn a_cast_of_another_type_ends_the_server_and_any_other_message_does_not() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let (counter, _tells) = Counter::telling();
    let counter = runtime.start(counter).await.unwrap();
    me.monitor(&counter);
    me.send(&counter, ("what", "is", "this"));
    assert_eq!(me.call::<i64>(&counter, Call::Get).await, Ok(0));
    me.cast(&counter, "nonsense".into_atom());
    assert!(down(&mut me).await.element(0).unwrap().is_atom("function_clause"));
}

/// The contract's counter: it says itself what a bad call means.
struct Strict;

impl Server for Strict {
    type Call = i64;
    type Reply = i64;
    type Cast = Term;
    type Info = i64;

    async fn call(&mut self, call: i64, _: Caller, _: &mut Process) -> Reply<i64> {
        Reply::Now(call)
    }

    fn bad_call(&mut self, request: Term, from: Caller, _: &term::Error) -> Reply<Term> {
        if request.is_atom("later") {
            from.reply("later");
            return Reply::Later;
        }
        Reply::Exit(term!({bad_call, request}))
    }
}

#[tokio::test]
async fn a_server_can_decide_itself_what_a_bad_call_means() {
    let runtime = runtime();
    let strict = runtime.start(Strict).await.unwrap();
    assert_eq!(runtime.call::<i64>(&strict, 5).await, Ok(5));
    assert_eq!(runtime.call::<String>(&strict, "later".into_atom()).await.unwrap(), "later");
    // What it takes none of is ignored.
    runtime.cast(&strict, "x").unwrap();
    runtime.send_payload(&strict, term!("no integer").into());
    let error = runtime.call::<i64>(&strict, "nonsense".into_atom()).await.unwrap_err();
    assert_eq!(error, CallError::Crashed(term!({bad_call, 'nonsense})));
    assert_eq!(runtime.call::<i64>(&strict, 5).await, Err(CallError::NotThere));
}

struct Unwritable;

impl Server for Unwritable {
    type Call = Term;
    type Reply = f64;
    type Cast = Term;
    type Info = Term;

    async fn call(&mut self, _: Term, _: Caller, _: &mut Process) -> Reply<f64> {
        Reply::Now(f64::NAN)
    }
}

#[tokio::test]
async fn a_reply_that_cannot_be_a_term_ends_the_server_so_that_nobody_waits_for_it() {
    let runtime = runtime();
    let unwritable = runtime.start(Unwritable).await.unwrap();
    match runtime.call::<Term>(&unwritable, 1).await {
        Err(CallError::Crashed(reason)) => {
            assert!(reason.element(0).unwrap().is_atom("bad_reply"), "{reason}")
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_panic_in_a_callback_is_told_to_the_caller() {
    let runtime = runtime();
    let counter = runtime.start(Counter::new()).await.unwrap();
    let error = runtime.call::<Term>(&counter, Call::Panic).await.unwrap_err();
    assert_eq!(error, CallError::Crashed(term!({panic, "on request"})));
}

struct Starting(Result<Next, NotStarted>);

impl Server for Starting {
    type Call = Term;
    type Reply = Term;
    type Cast = Term;
    type Info = Term;

    async fn init(&mut self, process: &mut Process) -> Result<Next, NotStarted> {
        process.trap_exit(true);
        std::mem::replace(&mut self.0, Ok(Next::Wait))
    }

    async fn call(&mut self, call: Term, _: Caller, _: &mut Process) -> Reply<Term> {
        Reply::Now(call)
    }
}

#[tokio::test]
async fn who_starts_a_server_is_told_what_its_init_says() {
    let runtime = runtime();
    let stop = NotStarted::Stop(Reason::new(term!({no, "database"})));
    let error = runtime.start_named("s", Starting(Err(stop))).await.unwrap_err();
    assert_eq!(error, StartError::Stopped(Reason::new(term!({no, "database"}))));
    let error = runtime.start_named("s", Starting(Err(NotStarted::Ignore))).await.unwrap_err();
    assert_eq!(error, StartError::Ignored);
    // The name is free again each time.
    let pid = runtime.start_named("s", Starting(Ok(Next::Wait))).await.unwrap();
    let error = runtime.start_named("s", Starting(Ok(Next::Wait))).await.unwrap_err();
    assert_eq!(error, StartError::AlreadyStarted(pid.clone()));
    assert_eq!(error.reason(), term!({already_started, pid}));
}

#[tokio::test]
async fn a_failing_start_link_leaves_no_exit_message_behind() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    me.trap_exit(true);
    let stop = NotStarted::Stop(Reason::new(term!('because)));
    assert!(me.start_link(Starting(Err(stop))).await.is_err());
    assert_eq!(me.mailbox_len(), 0);
    assert!(me.links().is_empty());
}

#[tokio::test]
async fn a_server_that_traps_exits_terminates_when_its_parent_ends_and_not_when_others_do() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let (told, tells) = mpsc::channel();
    struct Trapping(mpsc::Sender<String>);
    impl Server for Trapping {
        type Call = Term;
        type Reply = Term;
        type Cast = Term;
        type Info = Received;
        async fn init(&mut self, process: &mut Process) -> Result<Next, NotStarted> {
            process.trap_exit(true);
            Ok(Next::Wait)
        }
        async fn call(&mut self, call: Term, _: Caller, _: &mut Process) -> Reply<Term> {
            Reply::Now(call)
        }
        async fn info(&mut self, info: Received, _: &mut Process) -> Next {
            self.0.send(format!("info {}", info.into_term().unwrap())).unwrap();
            Next::Wait
        }
        async fn terminate(&mut self, reason: &Reason, _: &mut Process) {
            self.0.send(format!("terminate {reason}")).unwrap();
        }
    }
    let (started, starts) = tokio::sync::oneshot::channel();
    let parent = runtime.spawn(move |mut parent: Process| async move {
        let server = parent.start_link(Trapping(told)).await.unwrap();
        started.send(server).unwrap();
        parent.receive::<Term>().await.map(drop)
    });
    let server: Pid = starts.await.unwrap();
    me.monitor(&server);
    me.exit(&server, Reason::new(term!('other)));
    assert_eq!(runtime.call::<i64>(&server, 1).await, Ok(1));
    assert_eq!(
        tells.try_recv().unwrap(),
        format!("info {{'EXIT',{},other}}", term!([me.pid()]).to_string().trim_matches(['[', ']']))
    );
    me.exit(&parent, Reason::new(term!('over)));
    assert_eq!(down(&mut me).await, term!('over));
    assert_eq!(tells.try_recv().unwrap(), "terminate over");
}

#[tokio::test]
async fn a_server_can_be_made_of_a_process_that_runs() {
    let runtime = runtime();
    runtime.spawn_named("served", |process| serve(process, Counter::new())).unwrap();
    assert_eq!(runtime.call::<i64>("served", Call::Add(3)).await, Ok(3));
}

#[test]
fn a_server_on_a_thread_answers_like_one_on_a_task() {
    let runtime = runtime();
    let me = runtime.attach().unwrap();
    runtime
        .spawn_thread_with(SpawnOptions::new().name("t"), |process| {
            serve_blocking(process, Counter::new())
        })
        .unwrap();
    assert_eq!(runtime.call::<i64>("t", Call::Add(3)).blocking(), Ok(3));
    assert_eq!(sys(&runtime, "t", term!({terminate, 'normal})), term!('ok));
    drop(me);
}

#[tokio::test]
async fn a_server_started_on_a_thread_has_tokios_clock() {
    let runtime = runtime();
    let pid = runtime.start_on_thread(SpawnOptions::new(), Counter::new()).await.unwrap();
    let reply: Atom = runtime.call(&pid, Call::Sleep(5)).await.unwrap();
    assert_eq!(reply, "ok");
}

/// What `sys` sends, and its answer.
fn sys(runtime: &Runtime, to: impl Into<mailbox::Dest>, request: Term) -> Term {
    let mut me = runtime.attach().unwrap();
    let tag = me.make_ref();
    me.send(to.into(), term!({system, {(me.pid()), tag}, request}));
    let reply: Term =
        me.receive_blocking_timeout(Duration::from_secs(10)).unwrap().expect("an answer");
    assert_eq!(reply.element(0).unwrap().as_reference(), Some(tag));
    reply.element(1).unwrap().to_term()
}

async fn ask(runtime: &Runtime, to: &'static str, request: Term) -> Term {
    let runtime = runtime.clone();
    tokio::task::spawn_blocking(move || sys(&runtime, to, request)).await.unwrap()
}

#[tokio::test]
async fn sys_gets_the_state_if_the_server_gives_it() {
    let runtime = runtime();
    runtime.start_named("counter", Counter::new()).await.unwrap();
    runtime.start_named("strict", Strict).await.unwrap();
    runtime.cast("counter", Cast::Set(7)).unwrap();
    assert_eq!(ask(&runtime, "counter", term!('get_state)).await, term!({ok, 7}));
    let refused = ask(&runtime, "strict", term!('get_state)).await;
    let place = term!({gen_server, 'system_get_state});
    assert_eq!(refused, term!({error, {callback_failed, place, {error, 'undef}}}));
}

#[tokio::test]
async fn sys_gets_the_status_in_gen_servers_shape() {
    let runtime = runtime();
    let pid = runtime.start_named("counter", Counter::new()).await.unwrap();
    let status = ask(&runtime, "counter", term!('get_status)).await;
    let text = Term::charlist;
    let module = Atom::from_static("Counter");
    let dictionary = term!([{(Atom::from_static("$initial_call")), {(module), 'init, 1}},
                            {(Atom::from_static("$ancestors")), [pid]}]);
    let misc = term!([
        {header, text("Status for generic server counter")},
        {data, [{(text("Status")), 'running}, {(text("Parent")), pid}, {(text("Logged events")), []}]},
        {data, [{(text("State")), 0}]}
    ]);
    assert_eq!(
        status,
        term!({status, pid, {module, 'gen_server}, [dictionary, 'running, pid, [], misc]})
    );
}

#[tokio::test]
async fn a_suspended_server_answers_sys_only_and_the_rest_in_its_order_when_resumed() {
    let runtime = runtime();
    let (counter, tells) = Counter::telling();
    let counter = runtime.start_named("counter", counter).await.unwrap();
    let mut me = runtime.attach().unwrap();
    assert_eq!(ask(&runtime, "counter", term!('suspend)).await, term!('ok));
    let pending = me.send_request::<i64>(&counter, Call::Add(1));
    me.send(&counter, 1);
    me.send(&counter, 2);
    assert_eq!(ask(&runtime, "counter", term!('get_state)).await, term!({ok, 0}));
    let status = ask(&runtime, "counter", term!('get_status)).await;
    assert!(
        status.element(3).unwrap().as_list().unwrap().iter().nth(1).unwrap().is_atom("suspended")
    );
    let change = term!({change_code, 'counter, 1, []});
    let refused = ask(&runtime, "counter", change.clone()).await;
    // What a BEAM's server without a code_change/3 says.
    assert!(refused.element(0).unwrap().is_atom("error"), "{refused}");
    let why = refused.element(1).unwrap();
    assert!(why.element(0).unwrap().is_atom("EXIT"), "{refused}");
    assert!(why.element(1).unwrap().element(0).unwrap().is_atom("undef"), "{refused}");
    assert!(tells.try_recv().is_err());
    assert_eq!(ask(&runtime, "counter", term!('resume)).await, term!('ok));
    assert_eq!(me.response(pending).await, Ok(1));
    me.call::<i64>(&counter, Call::Get).await.unwrap();
    assert_eq!(tells.try_recv().unwrap(), "info 1");
    assert_eq!(tells.try_recv().unwrap(), "info 2");
    assert_eq!(
        ask(&runtime, "counter", change.clone()).await,
        term!({error, {unknown_system_msg, change}})
    );
}

#[tokio::test]
async fn sys_terminate_runs_terminate_and_ends_with_its_reason() {
    let runtime = runtime();
    let (counter, tells) = Counter::telling();
    let pid = runtime.start_named("counter", counter).await.unwrap();
    let mut me = runtime.attach().unwrap();
    me.monitor(&pid);
    assert_eq!(ask(&runtime, "counter", term!({terminate, {shutdown, 'done}})).await, term!('ok));
    assert_eq!(down(&mut me).await, term!({shutdown, 'done}));
    assert_eq!(tells.try_recv().unwrap(), "terminate {shutdown,done}");
}

#[tokio::test]
async fn sys_terminate_reaches_a_suspended_server() {
    let runtime = runtime();
    let pid = runtime.start_named("counter", Counter::new()).await.unwrap();
    let mut me = runtime.attach().unwrap();
    me.monitor(&pid);
    ask(&runtime, "counter", term!('suspend)).await;
    ask(&runtime, "counter", term!({terminate, 'normal})).await;
    assert_eq!(down(&mut me).await, term!('normal));
}

#[tokio::test]
async fn whatever_else_sys_asks_is_answered() {
    let runtime = runtime();
    runtime.start_named("counter", Counter::new()).await.unwrap();
    for (request, answer) in [
        (term!({debug, 'no_debug}), term!('ok)),
        (term!({debug, {trace, false}}), term!('ok)),
        (term!({debug, {trace, true}}), term!('ok)),
        (term!({debug, {trace, 'perhaps}}), term!('unknown_debug)),
        (term!({debug, {trace, false}}), term!('ok)),
        (term!({debug, {statistics, 'get}}), term!({ok, 'no_statistics})),
        (term!({debug, {log, 'get}}), term!({ok, []})),
        (term!({debug, 17}), term!('unknown_debug)),
        (term!('nonsense), term!({error, {unknown_system_msg, 'nonsense}})),
        (term!({a, 1, 2.5}), term!({error, {unknown_system_msg, {a, 1, 2.5}}})),
        (term!({(1), 2}), term!({error, {unknown_system_msg, {(1), 2}}})),
    ] {
        assert_eq!(ask(&runtime, "counter", request).await, answer);
    }
    // There is no node here that could run a fun.
    let refused = ask(&runtime, "counter", term!({replace_state, 'fun})).await;
    assert!(refused.element(0).unwrap().is_atom("error"), "{refused}");
    assert_eq!(runtime.call::<i64>("counter", Call::Get).await, Ok(0));
}

#[tokio::test]
async fn nothing_is_left_of_servers_that_ended() {
    let runtime = runtime();
    let before = runtime.stats();
    for _ in 0..100 {
        let counter = runtime.start(Counter::new()).await.unwrap();
        runtime.call::<Atom>(&counter, Call::StopWith(term!('normal))).await.unwrap();
        while runtime.is_alive(&counter) {
            tokio::task::yield_now().await;
        }
    }
    let after = runtime.stats();
    assert_eq!((after.processes, after.names), (before.processes, before.names));
}

/// An async closure is a process as well, and what it ends with is its reason.
#[tokio::test]
async fn detached_work_outlives_its_process() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let pid = me.pid();
    let worker = async move |process: Process| -> Exit {
        let runtime = process.runtime().clone();
        process.detach(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            runtime.send_payload(&pid, term!('done).into());
        });
        Ok(())
    };
    me.spawn_monitor(worker);
    assert_eq!(down(&mut me).await, term!('normal));
    assert_eq!(me.receive::<Atom>().await.unwrap(), "done");
}
