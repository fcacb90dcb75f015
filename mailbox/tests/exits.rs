//! How processes end: by returning, by error, by panic, by signal, with their executor; and that nothing of them is left.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod two_nodes;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mailbox::{Exit, MonitorOptions, Process, Reason, Received, Runtime, SpawnOptions};
use term::{IntoAtom, Term, term};
use two_nodes::{TwoNodes, atom, next, nothing};

fn runtime() -> Runtime {
    Runtime::new("rust@host".into_atom(), 1)
}

/// The reason of the next `DOWN`.
async fn reason(watcher: &mut Process) -> Term {
    match watcher.receive_timeout(Duration::from_secs(5)).await.unwrap() {
        Some(Received::Down { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

async fn sleeper(_: Process) {
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_return_is_normal_and_an_error_is_its_reason() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    me.spawn_monitor(async |_: Process| {});
    assert_eq!(reason(&mut me).await, atom("normal"));
    me.spawn_monitor(async |_: Process| Reason::new(term!({my, "reason"})));
    assert_eq!(reason(&mut me).await, term!({my, "reason"}));
    me.spawn_monitor(async |_: Process| -> Exit {
        let number: i64 = "x".parse()?;
        unreachable!("{number}")
    });
    assert_eq!(reason(&mut me).await, term!({error, "invalid digit found in string"}));
}

#[tokio::test]
async fn a_panic_is_a_reason_and_not_the_end_of_the_program() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    me.spawn_monitor(async |_: Process| {
        tokio::task::yield_now().await;
        panic!("so {}", "what");
    });
    assert_eq!(reason(&mut me).await, term!({panic, "so what"}));
    me.spawn_monitor(|_: Process| -> std::future::Ready<()> { panic!("before it began") });
    assert_eq!(reason(&mut me).await, term!({panic, "before it began"}));
    let spawned = me
        .spawn_thread_with(SpawnOptions::new().monitor(MonitorOptions::new()), |_: Process| {
            panic!("on a thread")
        })
        .unwrap();
    assert!(spawned.monitor.is_some());
    assert_eq!(reason(&mut me).await, term!({panic, "on a thread"}));
    assert_eq!(runtime.stats().panicked, 3);
}

/// Says so when it is dropped.
struct Guard(Arc<AtomicBool>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_killed_task_is_dropped_at_its_await_before_anybody_hears_of_it() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let dropped = Arc::new(AtomicBool::new(false));
    let guard = Guard(Arc::clone(&dropped));
    let (pid, _) = me.spawn_monitor(async move |process: Process| {
        process.trap_exit(true);
        let _guard = guard;
        tokio::time::sleep(Duration::from_secs(3600)).await;
    });
    tokio::task::yield_now().await;
    me.exit(&pid, Reason::new(atom("kill")));
    assert!(!runtime.is_alive(&pid), "dead to the world at once");
    assert!(!dropped.load(Ordering::SeqCst), "though its code has not stopped yet");
    assert_eq!(reason(&mut me).await, atom("killed"));
    assert!(dropped.load(Ordering::SeqCst));
}

#[tokio::test]
async fn exit_signals_end_or_become_messages_as_the_manual_says() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let (pid, _) = me.spawn_monitor(sleeper);
    me.exit(&pid, Reason::normal());
    tokio::task::yield_now().await;
    assert!(runtime.is_alive(&pid), "normal from somebody else is nothing");
    me.exit(&pid, Reason::shutdown());
    assert_eq!(reason(&mut me).await, atom("shutdown"));

    me.spawn_monitor(async |process: Process| {
        process.exit(process.pid(), Reason::normal());
        std::future::pending::<()>().await;
    });
    assert_eq!(reason(&mut me).await, atom("normal"));

    me.trap_exit(true);
    me.exit(me.pid(), Reason::normal());
    me.exit(me.pid(), Reason::new(atom("other")));
    let pid = me.pid();
    assert_eq!(next(&mut me), term!({'EXIT, pid, 'normal}));
    assert_eq!(next(&mut me), term!({'EXIT, pid, 'other}));
    assert!(!me.is_exiting());
    me.exit(me.pid(), Reason::new(atom("kill")));
    assert!(me.is_exiting());
    assert!(me.receive::<Term>().await.unwrap_err().is_atom("killed"));
}

#[tokio::test]
async fn what_a_process_does_after_its_end_was_ordered_does_not_count() {
    let runtime = runtime();
    let (mut other, doomed) = (runtime.attach().unwrap(), runtime.attach().unwrap());
    doomed.send(other.pid(), 1_i64);
    other.exit(doomed.pid(), Reason::new(atom("now")));
    doomed.send(other.pid(), 2_i64);
    doomed.exit(other.pid(), Reason::new(atom("revenge")));
    doomed.link(&other.pid());
    assert_eq!(next(&mut other), Term::from(1));
    drop(doomed);
    nothing(&mut other);
    assert!(!other.is_exiting());
}

#[tokio::test]
async fn the_first_reason_counts() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let (pid, _) = me.spawn_monitor(sleeper);
    me.exit(&pid, Reason::new(atom("first")));
    me.exit(&pid, Reason::new(atom("kill")));
    assert_eq!(reason(&mut me).await, atom("first"));
}

#[test]
fn a_task_whose_executor_shuts_down_ends_in_an_exit_signal() {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let runtime = Runtime::on(tokio.handle().clone(), "rust@host".into_atom(), 1);
    let mut me = runtime.attach().unwrap();
    let (pid, monitor) = me.spawn_monitor(sleeper);
    drop(tokio);
    assert_eq!(next(&mut me), term!({'DOWN, monitor, 'process, pid, 'killed}));
    let (pid, monitor) = me.spawn_monitor(sleeper);
    assert_eq!(
        next(&mut me),
        term!({'DOWN, monitor, 'process, pid, 'killed}),
        "also one that never ran"
    );
}

#[test]
fn without_a_tokio_runtime_a_task_runs_on_a_thread() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let echo = runtime.spawn(async |mut process: Process| -> Exit {
        let (from, text): (term::Pid, String) = process.receive().await?;
        process.send(from, text);
        Ok(())
    });
    me.send(&echo, (me.pid(), "hello"));
    assert_eq!(me.receive_blocking::<String>().unwrap(), "hello");
}

#[test]
fn a_killed_thread_ends_at_its_next_receive() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let options = || SpawnOptions::new().monitor(MonitorOptions::new());
    let blocked = me
        .spawn_thread_with(options(), |mut process: Process| -> Exit {
            loop {
                let _: Term = process.receive_blocking()?;
            }
        })
        .unwrap();
    std::thread::sleep(Duration::from_millis(20));
    me.exit(&blocked.pid, Reason::new(atom("kill")));
    let down: Term = me.receive_blocking_timeout(Duration::from_secs(5)).unwrap().expect("an end");
    let (pid, monitor) = (blocked.pid, blocked.monitor.unwrap());
    assert_eq!(down, term!({'DOWN, monitor, 'process, pid, 'killed}));
}

#[tokio::test]
async fn everything_that_others_can_see_is_gone_when_the_end_is_told() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    for _ in 0..100 {
        let options = SpawnOptions::new().name("known").monitor(MonitorOptions::new());
        let spawned = me.spawn_with(options, async |_: Process| {}).unwrap();
        reason(&mut me).await;
        assert_eq!(runtime.whereis("known"), None);
        assert!(!runtime.is_alive(&spawned.pid));
    }
}

#[tokio::test]
async fn a_process_that_ended_leaves_no_entry_in_any_table() {
    let nodes = TwoNodes::new();
    let (me, far) = nodes.attach();
    let (at_a, at_b) = nodes.connections();
    let before = nodes.a.stats();
    for round in 0..50 {
        let neighbour = nodes.a.attach().unwrap();
        let mut process = nodes.a.attach().unwrap();
        process.trap_exit(true);
        process.register("busy").unwrap();
        process.link(&neighbour.pid());
        process.link(&far.pid());
        neighbour.monitor(process.pid());
        process.monitor(neighbour.pid());
        process.monitor(far.pid());
        process.monitor(("nobody", "b@host"));
        far.monitor(process.pid());
        far.monitor(("busy", "a@host"));
        far.link(&process.pid());
        let _ = process.alias(mailbox::AliasMode::ExplicitUnalias);
        process.monitor_node("b@host", true);
        process.monitor_nodes(true);
        process.send_after(Duration::from_secs(3600), process.pid(), 1_i64);
        me.send_after(Duration::from_secs(3600), process.pid(), 1_i64);
        let _ = process.receive_match(|_| None::<()>).timeout(Duration::from_millis(1)).await;
        if round % 2 == 0 {
            nodes.settle();
        }
        drop(process);
        drop(neighbour);
        nodes.settle();
    }
    // Far has got its exits and downs; nothing else is left of the fifty.
    assert_eq!(nodes.a.stats().processes, before.processes);
    assert_eq!(nodes.a.stats().names, before.names);
    assert_eq!(nodes.a.stats().timers, 0);
    assert_eq!(far.links(), vec![]);
    nodes.come_up();
    assert_eq!(at_a.load(), (0, 0));
    assert_eq!(at_b.load(), (1, 0), "far is alive");
}

#[tokio::test]
async fn a_process_may_loop_for_ever() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let (pid, _) = me.spawn_monitor(async |mut process: Process| {
        loop {
            if let Ok((from, number)) = process.receive::<(term::Pid, i64)>().await {
                process.send(from, number + 1);
            }
        }
    });
    me.send(&pid, (me.pid(), 1_i64));
    assert_eq!(me.receive::<i64>().await.unwrap(), 2);
    me.exit(&pid, Reason::killed());
    assert_eq!(reason(&mut me).await, atom("killed"));
}

#[tokio::test]
async fn a_process_whose_handle_outlives_it_ties_itself_to_nobody() {
    let nodes = TwoNodes::new();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let mut sender = Some(sender);
    let pid = nodes.a.spawn(move |process: Process| {
        // The code ends at once; the handle lives on elsewhere.
        let _ = sender.take().unwrap().send(process);
        std::future::ready(())
    });
    let mut process = receiver.await.unwrap();
    while nodes.a.is_alive(&pid) {
        tokio::task::yield_now().await;
    }
    let (at_a, _) = nodes.connections();
    let (other, far) = nodes.attach();
    process.link(&other.pid());
    process.link(&far.pid());
    process.monitor(other.pid());
    process.monitor(far.pid());
    process.monitor_node("b@host", true);
    process.monitor_nodes(true);
    process.send(other.pid(), 1_i64);
    assert!(process.register("zombie").is_err());
    assert!(process.receive::<Term>().await.unwrap_err().is_atom("noproc"));
    assert_eq!(at_a.load(), (0, 0));
    assert!(nodes.under_way_to_b().is_empty());
    assert!(other.links().is_empty());
    assert_eq!(other.mailbox_len(), 0);
}
