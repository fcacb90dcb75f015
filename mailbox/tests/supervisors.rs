//! Supervisors: which children are restarted when one ends, in which order they start and stop, and when there are too many restarts.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test, and says where")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mailbox::{
    Caller, Child, ChildCount, ChildError, ChildState, Exit, Next, NotStarted, Process, Reason,
    Received, Reply, Restart, Runtime, Server, Shutdown, StartError, Supervisor,
};
use term::{Atom, IntoAtom, Pid, Term, term};

const PATIENCE: Duration = Duration::from_secs(10);

fn runtime() -> Runtime {
    Runtime::new("rust@host".into_atom(), 1)
}

/// What children did, in order.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn write(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// A server that writes down its start and its end.
struct Scribe {
    name: &'static str,
    diary: Diary,
}

impl Server for Scribe {
    type Call = Term;
    type Reply = Term;
    type Cast = Term;
    type Info = Received;

    async fn init(&mut self, process: &mut Process) -> Result<Next, NotStarted> {
        process.trap_exit(true);
        self.diary.write(format!("{} starts", self.name));
        Ok(Next::Wait)
    }

    async fn call(&mut self, call: Term, _: Caller, _: &mut Process) -> Reply<Term> {
        Reply::Now(call)
    }

    async fn cast(&mut self, reason: Term, _: &mut Process) -> Next {
        Next::Exit(reason)
    }

    async fn terminate(&mut self, reason: &Reason, _: &mut Process) {
        self.diary.write(format!("{} ends: {reason}", self.name));
    }
}

fn scribe(name: &'static str, diary: &Diary) -> Child {
    let diary = diary.clone();
    Child::server(name, move || Scribe { name, diary: diary.clone() })
}

fn three(supervisor: Supervisor, diary: &Diary) -> Supervisor {
    ["a", "b", "c"]
        .into_iter()
        .fold(supervisor.intensity(10, Duration::from_secs(10)), |supervisor, name| {
            supervisor.with(scribe(name, diary))
        })
}

async fn until(what: impl Fn() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < PATIENCE, "it never came about");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until the name is another process's, which answers.
async fn restarted(runtime: &Runtime, name: &'static str, was: &Pid) -> Pid {
    until(|| runtime.whereis(name).is_some_and(|pid| pid != *was)).await;
    let pid = runtime.whereis(name).unwrap();
    runtime.call::<Term>(&pid, 1).await.unwrap();
    pid
}

async fn down(process: &mut Process) -> Term {
    loop {
        if let Some(Received::Down { reason, .. }) =
            process.receive_timeout(PATIENCE).await.unwrap()
        {
            return reason;
        }
    }
}

#[tokio::test]
async fn children_start_in_order_and_stop_in_the_reverse_order() {
    let (runtime, diary) = (runtime(), Diary::default());
    let supervision = runtime.supervise(three(Supervisor::one_for_one(), &diary)).await.unwrap();
    assert_eq!(diary.take(), ["a starts", "b starts", "c starts"]);
    for name in ["a", "b", "c"] {
        assert_eq!(runtime.call::<i64>(name, 1).await, Ok(1));
    }
    supervision.stop().await;
    assert_eq!(diary.take(), ["c ends: shutdown", "b ends: shutdown", "a ends: shutdown"]);
    assert!(runtime.registered().is_empty());
    assert_eq!(supervision.count_children().await, Err(ChildError::Gone));
}

#[tokio::test]
async fn each_strategy_restarts_its_own() {
    type Row = (fn() -> Supervisor, &'static [&'static str]);
    let table: [Row; 3] = [
        (Supervisor::one_for_one, &["b ends: oops", "b starts"]),
        (Supervisor::rest_for_one, &["b ends: oops", "c ends: shutdown", "b starts", "c starts"]),
        (
            Supervisor::one_for_all,
            &[
                "b ends: oops",
                "c ends: shutdown",
                "a ends: shutdown",
                "a starts",
                "b starts",
                "c starts",
            ],
        ),
    ];
    for (strategy, expected) in table {
        let (runtime, diary) = (runtime(), Diary::default());
        let supervision = runtime.supervise(three(strategy(), &diary)).await.unwrap();
        diary.take();
        let (b, c) = (runtime.whereis("b").unwrap(), runtime.whereis("c").unwrap());
        runtime.cast("b", term!('oops)).unwrap();
        restarted(&runtime, "b", &b).await;
        if expected.contains(&"c starts") {
            restarted(&runtime, "c", &c).await;
        }
        assert_eq!(supervision.count_children().await.unwrap().active, 3);
        assert_eq!(diary.take(), expected, "{strategy:?}");
        supervision.stop().await;
    }
}

#[tokio::test]
async fn the_restart_type_decides_by_the_reason() {
    // Type, reason, and whether it is there again, there but stopped, or forgotten.
    let table = [
        (Restart::Permanent, term!('normal), "again"),
        (Restart::Permanent, term!('oops), "again"),
        (Restart::Transient, term!('normal), "stopped"),
        (Restart::Transient, term!('shutdown), "stopped"),
        (Restart::Transient, term!({shutdown, 1}), "stopped"),
        (Restart::Transient, term!('oops), "again"),
        (Restart::Temporary, term!('normal), "forgotten"),
        (Restart::Temporary, term!('oops), "forgotten"),
    ];
    for (restart, reason, becomes) in table {
        let (runtime, diary) = (runtime(), Diary::default());
        let supervisor = Supervisor::one_for_one().with(scribe("a", &diary).restart(restart));
        let supervision = runtime.supervise(supervisor).await.unwrap();
        let a = runtime.whereis("a").unwrap();
        runtime.cast("a", reason.clone()).unwrap();
        until(|| !runtime.is_alive(&a)).await;
        if becomes == "again" {
            restarted(&runtime, "a", &a).await;
        }
        // Its end reaches the supervisor before this question.
        let children = supervision.which_children().await.unwrap();
        let found = match children.first().map(|child| &child.state) {
            Some(ChildState::Running(_)) => "again",
            Some(ChildState::Stopped) => "stopped",
            Some(ChildState::Restarting) => "restarting",
            None => "forgotten",
        };
        assert_eq!(found, becomes, "{restart:?} {reason}");
        supervision.stop().await;
    }
}

#[tokio::test]
async fn too_many_restarts_end_the_supervisor_with_shutdown_and_all_its_children() {
    let (runtime, diary) = (runtime(), Diary::default());
    let supervisor = Supervisor::one_for_one()
        .intensity(2, Duration::from_secs(10))
        .with(scribe("a", &diary))
        .with(scribe("b", &diary));
    let supervision = runtime.supervise(supervisor).await.unwrap();
    let mut me = runtime.attach().unwrap();
    me.monitor(supervision.pid());
    let mut b = runtime.whereis("b").unwrap();
    for _ in 0..2 {
        runtime.cast(&b, term!('oops)).unwrap();
        b = restarted(&runtime, "b", &b).await;
    }
    diary.take();
    runtime.cast(&b, term!('oops)).unwrap();
    assert_eq!(down(&mut me).await, term!('shutdown));
    assert_eq!(diary.take(), ["b ends: oops", "a ends: shutdown"]);
    assert!(runtime.registered().is_empty());
}

#[tokio::test]
async fn the_default_allows_one_restart_in_five_seconds() {
    let (runtime, diary) = (runtime(), Diary::default());
    let supervision =
        runtime.supervise(Supervisor::one_for_one().with(scribe("a", &diary))).await.unwrap();
    let mut me = runtime.attach().unwrap();
    me.monitor(supervision.pid());
    let a = runtime.whereis("a").unwrap();
    runtime.cast(&a, term!('oops)).unwrap();
    let a = restarted(&runtime, "a", &a).await;
    runtime.cast(&a, term!('oops)).unwrap();
    assert_eq!(down(&mut me).await, term!('shutdown));
}

/// Does not end before its time is up, whatever it is told.
async fn stubborn(process: Process) -> Exit {
    process.trap_exit(true);
    tokio::time::sleep(Duration::from_secs(60)).await;
    Ok(())
}

#[tokio::test]
async fn a_child_that_does_not_shut_down_in_time_is_killed() {
    let runtime = runtime();
    let time = Duration::from_millis(50);
    let child = Child::process("stubborn", stubborn).shutdown(Shutdown::Timeout(time));
    let supervision = runtime.supervise(Supervisor::one_for_one().with(child)).await.unwrap();
    let mut me = runtime.attach().unwrap();
    me.monitor("stubborn");
    let begun = Instant::now();
    supervision.stop().await;
    assert!(begun.elapsed() >= time);
    assert!(begun.elapsed() < Duration::from_secs(4));
    assert_eq!(down(&mut me).await, term!('killed));
}

#[tokio::test]
async fn a_brutal_kill_does_not_ask() {
    let (runtime, diary) = (runtime(), Diary::default());
    let child = scribe("a", &diary).shutdown(Shutdown::BrutalKill);
    let supervision = runtime.supervise(Supervisor::one_for_one().with(child)).await.unwrap();
    let mut me = runtime.attach().unwrap();
    me.monitor("a");
    supervision.stop().await;
    assert_eq!(down(&mut me).await, term!('killed));
    assert_eq!(diary.take(), ["a starts"]);
}

#[tokio::test]
async fn a_name_is_never_without_its_process_longer_than_the_restart_takes() {
    let (runtime, diary) = (runtime(), Diary::default());
    let supervisor =
        Supervisor::one_for_one().intensity(1000, Duration::from_secs(1)).with(scribe("a", &diary));
    let supervision = runtime.supervise(supervisor).await.unwrap();
    for _ in 0..100 {
        let a = runtime.whereis("a").unwrap();
        runtime.cast(&a, term!('oops)).unwrap();
        // Whenever the supervisor tells of a new pid, the name is that process's.
        loop {
            let children = supervision.which_children().await.unwrap();
            match &children[0].state {
                ChildState::Running(pid) if *pid != a => {
                    assert_eq!(runtime.whereis("a").as_ref(), Some(pid));
                    break;
                }
                _ => {}
            }
        }
    }
}

/// Starts as often as it is allowed to.
struct Reluctant {
    diary: Diary,
    failures: Arc<Mutex<Vec<NotStarted>>>,
}

impl Server for Reluctant {
    type Call = Term;
    type Reply = Term;
    type Cast = Term;
    type Info = Received;

    async fn init(&mut self, _: &mut Process) -> Result<Next, NotStarted> {
        match self.failures.lock().unwrap().pop() {
            Some(failure) => {
                self.diary.write("r fails".to_owned());
                Err(failure)
            }
            None => {
                self.diary.write("r starts".to_owned());
                Ok(Next::Wait)
            }
        }
    }

    async fn call(&mut self, call: Term, _: Caller, _: &mut Process) -> Reply<Term> {
        Reply::Now(call)
    }

    async fn cast(&mut self, reason: Term, _: &mut Process) -> Next {
        Next::Exit(reason)
    }
}

fn reluctant(diary: &Diary, failures: &Arc<Mutex<Vec<NotStarted>>>) -> Child {
    let (diary, failures) = (diary.clone(), Arc::clone(failures));
    Child::server("r", move || Reluctant { diary: diary.clone(), failures: Arc::clone(&failures) })
}

fn failure() -> NotStarted {
    NotStarted::Stop(Reason::new(term!({no, "luck"})))
}

#[tokio::test]
async fn a_child_that_does_not_start_ends_those_before_it_and_the_start() {
    let (runtime, diary) = (runtime(), Diary::default());
    let failures = Arc::new(Mutex::new(vec![failure()]));
    let supervisor = Supervisor::one_for_one()
        .with(scribe("a", &diary))
        .with(reluctant(&diary, &failures))
        .name("sup");
    let error = runtime.supervise(supervisor.clone()).await.unwrap_err();
    let reason = term!({shutdown, {failed_to_start_child, 'r, {no, "luck"}}});
    assert_eq!(error, StartError::Stopped(Reason::new(reason)));
    assert_eq!(diary.take(), ["a starts", "r fails", "a ends: shutdown"]);
    assert!(runtime.registered().is_empty());
    // It was the last failure.
    let supervision = runtime.supervise(supervisor).await.unwrap();
    assert_eq!(runtime.whereis("sup").as_ref(), Some(supervision.pid()));
}

#[tokio::test]
async fn a_restart_that_fails_is_tried_again_and_counts_each_time() {
    let (runtime, diary) = (runtime(), Diary::default());
    let failures = Arc::new(Mutex::new(vec![]));
    let supervisor = Supervisor::rest_for_one()
        .intensity(4, Duration::from_secs(10))
        .with(reluctant(&diary, &failures))
        .with(scribe("z", &diary));
    let supervision = runtime.supervise(supervisor).await.unwrap();
    diary.take();
    let r = runtime.whereis("r").unwrap();
    failures.lock().unwrap().extend([failure(), failure()]);
    runtime.cast("r", term!('oops)).unwrap();
    restarted(&runtime, "r", &r).await;
    until(|| runtime.whereis("z").is_some()).await;
    supervision.count_children().await.unwrap();
    assert_eq!(diary.take(), ["z ends: shutdown", "r fails", "r fails", "r starts", "z starts"]);
    // Three are used up; two more are one too many.
    let mut me = runtime.attach().unwrap();
    me.monitor(supervision.pid());
    failures.lock().unwrap().extend([failure(), failure()]);
    runtime.cast("r", term!('oops)).unwrap();
    assert_eq!(down(&mut me).await, term!('shutdown));
}

#[tokio::test]
async fn a_child_whose_init_ignores_the_start_is_there_without_a_process() {
    let (runtime, diary) = (runtime(), Diary::default());
    let failures = Arc::new(Mutex::new(vec![NotStarted::Ignore]));
    let supervision = runtime
        .supervise(Supervisor::one_for_one().with(reluctant(&diary, &failures)))
        .await
        .unwrap();
    let children = supervision.which_children().await.unwrap();
    assert_eq!(children[0].state, ChildState::Stopped);
    let started = supervision.restart_child("r").await.unwrap();
    assert_eq!(started, runtime.whereis("r"));
    assert!(started.is_some());
}

#[tokio::test]
async fn two_children_of_one_id_are_refused() {
    let (runtime, diary) = (runtime(), Diary::default());
    let supervisor = Supervisor::one_for_one().with(scribe("a", &diary)).with(scribe("a", &diary));
    match runtime.supervise(supervisor).await {
        Err(StartError::Stopped(reason)) => {
            assert_eq!(reason.to_term(), term!({start_spec, {duplicate_child_name, 'a}}));
        }
        other => panic!("{other:?}"),
    }
    assert!(diary.take().is_empty());
}

#[tokio::test]
async fn children_are_added_terminated_restarted_and_deleted_while_it_runs() {
    let (runtime, diary) = (runtime(), Diary::default());
    let supervision =
        runtime.supervise(Supervisor::one_for_one().with(scribe("a", &diary))).await.unwrap();
    let b = supervision.start_child(scribe("b", &diary)).await.unwrap().unwrap();
    assert_eq!(
        supervision.start_child(scribe("b", &diary)).await,
        Err(ChildError::AlreadyStarted(b.clone()))
    );
    assert_eq!(supervision.restart_child("b").await, Err(ChildError::Running));
    assert_eq!(supervision.delete_child("b").await, Err(ChildError::Running));
    assert_eq!(supervision.terminate_child("b").await, Ok(()));
    assert!(!runtime.is_alive(&b));
    assert_eq!(supervision.start_child(scribe("b", &diary)).await, Err(ChildError::AlreadyPresent));
    let again = supervision.restart_child("b").await.unwrap().unwrap();
    assert_eq!(runtime.whereis("b"), Some(again));
    assert_eq!(supervision.terminate_child("b").await, Ok(()));
    assert_eq!(supervision.delete_child("b").await, Ok(()));
    assert_eq!(supervision.delete_child("b").await, Err(ChildError::NotFound));
    assert_eq!(supervision.terminate_child("nobody").await, Err(ChildError::NotFound));
    assert_eq!(supervision.start_child_with(1).await, Err(ChildError::Strategy));
    let count = ChildCount { specs: 1, active: 1, supervisors: 0, workers: 1 };
    assert_eq!(supervision.count_children().await, Ok(count));
}

struct Worker(i64);

impl Server for Worker {
    type Call = Term;
    type Reply = i64;
    type Cast = Term;
    type Info = Received;

    async fn call(&mut self, _: Term, _: Caller, _: &mut Process) -> Reply<i64> {
        Reply::Now(self.0)
    }

    async fn cast(&mut self, reason: Term, _: &mut Process) -> Next {
        Next::Exit(reason)
    }
}

#[tokio::test]
async fn a_simple_one_for_one_starts_as_many_as_it_is_told_and_restarts_each_with_its_argument() {
    let runtime = runtime();
    let supervisor = Supervisor::simple_one_for_one(Child::server_with("worker", Worker))
        .intensity(5, PATIENCE)
        .name("pool");
    let supervision = runtime.supervise(supervisor).await.unwrap();
    assert_eq!(
        supervision.count_children().await.unwrap(),
        ChildCount { specs: 1, ..ChildCount::default() }
    );
    let mut pids = Vec::new();
    for n in 0..10 {
        pids.push(supervision.start_child_with(n).await.unwrap().unwrap());
    }
    assert_eq!(runtime.call::<i64>(&pids[7], 1).await, Ok(7));
    runtime.cast(&pids[7], term!('oops)).unwrap();
    until(|| !runtime.is_alive(&pids[7])).await;
    let children = supervision.which_children().await.unwrap();
    assert_eq!(children.len(), 10);
    let new = children.iter().find_map(|child| match &child.state {
        ChildState::Running(pid) if !pids.contains(pid) => Some(pid.clone()),
        _ => None,
    });
    assert_eq!(runtime.call::<i64>(&new.unwrap(), 1).await, Ok(7));
    assert_eq!(supervision.terminate_child_pid(&pids[0]).await, Ok(()));
    assert_eq!(supervision.terminate_child_pid(&pids[0]).await, Err(ChildError::NotFound));
    assert_eq!(supervision.terminate_child("worker").await, Err(ChildError::Strategy));
    let count = ChildCount { specs: 1, active: 9, supervisors: 0, workers: 9 };
    assert_eq!(supervision.count_children().await, Ok(count));
    assert!(matches!(supervision.start_child_with("no integer").await, Err(ChildError::Start(_))));
    supervision.stop().await;
    assert!(pids.iter().all(|pid| !runtime.is_alive(pid)));
    assert!(runtime.registered().is_empty());
}

#[tokio::test]
async fn processes_threads_and_supervisors_are_children_too() {
    let (runtime, diary) = (runtime(), Diary::default());
    async fn echo(mut process: Process) -> Exit {
        loop {
            let (from, what): (Pid, Term) = process.receive().await?;
            process.send(from, what);
        }
    }
    let thread = |mut process: Process| -> Exit {
        loop {
            let (from, what): (Pid, Term) = process.receive_blocking()?;
            process.send(from, what);
        }
    };
    let below = Supervisor::one_for_all()
        .with(scribe("deep", &diary))
        .with(scribe("deeper", &diary).on_thread());
    let supervisor = Supervisor::one_for_one()
        .intensity(10, PATIENCE)
        .with(Child::process("task", echo))
        .with(Child::thread("thread", thread))
        .with(Child::supervisor("below", below));
    let supervision = runtime.supervise(supervisor).await.unwrap();
    let mut me = runtime.attach().unwrap();
    for name in ["task", "thread"] {
        me.send(name, (me.pid(), 1));
        assert_eq!(me.receive_timeout::<i64>(PATIENCE).await.unwrap(), Some(1));
        let was = runtime.whereis(name).unwrap();
        // No pair: it ends with a reason that says so.
        me.send(name, "x".into_atom());
        until(|| runtime.whereis(name).is_some_and(|pid| pid != was)).await;
        me.send(name, (me.pid(), 2));
        assert_eq!(me.receive_timeout::<i64>(PATIENCE).await.unwrap(), Some(2));
    }
    let deeper = runtime.whereis("deeper").unwrap();
    runtime.cast("deep", term!('oops)).unwrap();
    restarted(&runtime, "deeper", &deeper).await;
    let count = ChildCount { specs: 3, active: 3, supervisors: 1, workers: 2 };
    assert_eq!(supervision.count_children().await, Ok(count));
    supervision.stop().await;
    assert!(runtime.registered().is_empty());
    until(|| runtime.processes().len() == 1).await;
}

#[tokio::test]
async fn the_exit_of_its_parent_stops_the_children() {
    let (runtime, diary) = (runtime(), Diary::default());
    let (started, starts) = tokio::sync::oneshot::channel();
    let tree = three(Supervisor::one_for_one(), &diary);
    let parent = runtime.spawn(move |mut parent: Process| async move {
        let supervision = parent.supervise(tree).await.unwrap();
        started.send(supervision).unwrap();
        parent.receive::<Term>().await.map(drop)
    });
    let supervision = starts.await.unwrap();
    let mut me = runtime.attach().unwrap();
    me.monitor(supervision.pid());
    // Exits of others are none of its business.
    me.exit(supervision.pid(), Reason::new(term!('oops)));
    assert_eq!(supervision.count_children().await.unwrap().active, 3);
    diary.take();
    me.exit(&parent, Reason::new(term!('over)));
    assert_eq!(down(&mut me).await, term!('over));
    assert_eq!(diary.take(), ["c ends: shutdown", "b ends: shutdown", "a ends: shutdown"]);
}

#[tokio::test]
async fn a_supervisor_that_is_killed_takes_its_children_with_it() {
    let (runtime, diary) = (runtime(), Diary::default());
    let supervision = runtime.supervise(three(Supervisor::one_for_one(), &diary)).await.unwrap();
    let mut me = runtime.attach().unwrap();
    me.exit(supervision.pid(), Reason::new(term!('kill)));
    until(|| runtime.registered().is_empty()).await;
    diary.take();
    me.call::<Term>("a", 1).await.unwrap_err();
}

#[tokio::test]
async fn the_supervisor_module_is_answered() {
    let (runtime, diary) = (runtime(), Diary::default());
    let below = Supervisor::one_for_one().with(scribe("deep", &diary));
    let supervisor = Supervisor::one_for_one()
        .with(scribe("a", &diary).transient())
        .with(Child::supervisor("below", below))
        .name("sup");
    runtime.supervise(supervisor).await.unwrap();
    let mut me = runtime.attach().unwrap();
    let mut ask = async |request: Term| me.call::<Term>("sup", request).await.unwrap();
    let (a, below) = (runtime.whereis("a").unwrap(), runtime.whereis("below").unwrap());
    let scribe_module = Atom::from_static("Scribe");
    let listed =
        term!([{below, below, 'supervisor, ['supervisor]}, {a, a, 'worker, [scribe_module]}]);
    assert_eq!(ask(term!('which_children)).await, listed);
    let counted = term!([{specs, 2}, {active, 2}, {supervisors, 1}, {workers, 1}]);
    assert_eq!(ask(term!('count_children)).await, counted);
    assert_eq!(ask(term!({which_child, 'a})).await, term!({ok, {a, a, 'worker, [scribe_module]}}));
    let spec = ask(term!({get_childspec, 'a})).await;
    let spec = spec.element(1).unwrap().to_term();
    assert_eq!(spec.get("shutdown").unwrap().as_i64(), Some(5000));
    assert!(spec.get("restart").unwrap().is_atom("transient"));
    assert!(spec.get("type").unwrap().is_atom("worker"));
    assert_eq!(ask(term!({restart_child, 'a})).await, term!({error, 'running}));
    assert_eq!(ask(term!({terminate_child, 'a})).await, term!('ok));
    assert!(ask(term!('which_children)).await.to_string().contains("{a,undefined,worker"));
    let started = ask(term!({restart_child, 'a})).await;
    assert_eq!(started, term!({ok, runtime.whereis("a").unwrap()}));
    assert_eq!(ask(term!({delete_child, 'nobody})).await, term!({error, 'not_found}));
    for refused in [
        term!({start_child, #{id => 'x, start => {m, 'f, []}}}),
        term!('nonsense),
        term!({x, 1, 2}),
    ] {
        assert!(ask(refused).await.element(0).unwrap().is_atom("error"));
    }
}
