//! Thousands of lives, with everything that can tie a process to others, and every way to end: then all is as it was.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod two_nodes;

use std::time::Duration;

use mailbox::{
    AliasMode, Exit, MonitorOptions, Payload, Process, Reason, Received, Runtime, SpawnOptions,
    Ties,
};
use term::{IntoAtom, Pid, Term, term};
use two_nodes::TwoNodes;

/// What many lives are tied to: takes everything in, answers nothing, and is ended by nobody's end.
async fn hub(mut process: Process) -> Exit {
    process.trap_exit(true);
    loop {
        let _: Received = process.receive().await?;
    }
}

/// Everything that ties it to others, and then it ends in one of the ways there are.
async fn life(mut process: Process, hub: Pid, number: u64) -> Exit {
    process.link(&hub);
    let monitor = process.monitor(&hub);
    process.monitor("hub");
    process.monitor("nobody");
    process.monitor_with(&hub, MonitorOptions::new().alias(AliasMode::Demonitor).tag(term!('tag)));
    let _alias = process.alias(AliasMode::ExplicitUnalias);
    let _other = process.priority_alias(AliasMode::Reply);
    process.register(format!("life {number}").parse::<term::Atom>().unwrap()).unwrap();
    process.monitor_nodes(true);
    let later = Duration::from_secs(3600);
    process.send_after(later, process.pid(), 1_i64);
    process.start_timer(later, process.pid(), term!('late));
    // Two requests at once: one is dropped, one is waited for until the end.
    drop(process.send_request::<Term>(&hub, number as i64));
    let waiting = process.request(&hub, Payload::from(Term::from(number)));
    let child = process.spawn_link(|mut child: Process| async move {
        let _: Term = child.receive().await?;
        Ok::<(), Reason>(())
    });
    match number % 6 {
        0 => {
            // A normal end takes nobody along.
            process.exit(&child, Reason::shutdown());
            Ok(())
        }
        1 => Err(Reason::new(term!({some, 'reason}))),
        2 => {
            process.unlink(&hub);
            process.demonitor_flush(&monitor);
            process.forget(&waiting);
            process.exit(&child, Reason::killed());
            std::future::pending().await
        }
        3 => {
            process.exit(process.pid(), Reason::shutdown());
            std::future::pending().await
        }
        4 => {
            process.exit(&child, Reason::new("kill".into_atom()));
            std::future::pending().await
        }
        _ => {
            // For a while; then whoever started it kills it.
            let _: Option<Term> = process.receive_timeout(later).await?;
            std::future::pending().await
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_lives_leave_nothing_in_any_table() {
    // Each has a child.
    const LIVES: u64 = 50_000;
    const STARTERS: u64 = 4;
    let runtime = Runtime::new("rust@host".into_atom(), 1);
    let hub = runtime.spawn_named("hub", hub).unwrap();
    let starters: Vec<_> = (0..STARTERS)
        .map(|starter| {
            let (runtime, hub) = (runtime.clone(), hub.clone());
            tokio::spawn(async move {
                let mut process = runtime.attach().unwrap();
                for number in (0..LIVES / STARTERS).map(|number| number * STARTERS + starter) {
                    let options = SpawnOptions::new().monitor(MonitorOptions::new());
                    let hub = hub.clone();
                    let started = process
                        .spawn_with(options, move |process| life(process, hub, number))
                        .unwrap();
                    if number % 6 == 5 {
                        tokio::task::yield_now().await;
                        process.exit(&started.pid, Reason::new("kill".into_atom()));
                    }
                    // Its DOWN, and the next one may begin.
                    let _: Received = process.receive().await.unwrap();
                }
            })
        })
        .collect();
    for starter in starters {
        starter.await.unwrap();
    }
    // Their children hear of it a moment later.
    let nothing_left = async {
        while runtime.stats().processes > 1 || runtime.mailbox_len(&hub) != Some(0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), nothing_left).await.unwrap();
    assert_eq!(runtime.ties(), Ties::default());
    let stats = runtime.stats();
    assert_eq!((stats.names, stats.timers), (1, 0));
    assert!(stats.ended >= 2 * LIVES, "{stats:?}");
}

#[test]
fn lives_on_two_nodes_leave_nothing_on_either_whenever_the_wire_is_cut() {
    let nodes = TwoNodes::new();
    let mut number = 0_u64;
    for round in 0..2_000_u64 {
        // Numbers that look like chance, and are the same each time.
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(round | 1);
        let chance = |n: u64, of: u64| (number >> (8 + 3 * n)).is_multiple_of(of);
        let (a, mut b) = nodes.attach();
        b.trap_exit(chance(0, 2));
        a.link(&b.pid());
        b.link(&a.pid());
        a.monitor(b.pid());
        let by_name = b.register("known").map(|()| a.monitor(("known", "b@host"))).unwrap();
        a.monitor(("nobody", "b@host"));
        if chance(1, 2) {
            nodes.settle();
        }
        let alias = b.monitor_with(a.pid(), MonitorOptions::new().alias(AliasMode::ReplyDemonitor));
        a.send(&alias, 1_i64);
        b.monitor_node("a@host", true);
        drop(b.send_request::<Term>(a.pid(), 1_i64));
        if chance(2, 2) {
            a.unlink(&b.pid());
            a.demonitor(&by_name);
        }
        if chance(3, 3) {
            nodes.to_b();
            nodes.to_a();
        }
        if chance(4, 3) {
            b.unregister("known").unwrap();
        }
        if chance(5, 4) {
            nodes.cut();
        }
        if chance(6, 2) {
            a.finish(Reason::shutdown());
            nodes.to_b();
            drop(b);
        } else {
            drop(b);
            drop(a);
        }
        if chance(7, 4) {
            nodes.settle();
        }
    }
    nodes.settle();
    for runtime in [&nodes.a, &nodes.b] {
        assert_eq!(runtime.ties(), Ties::default());
        let stats = runtime.stats();
        assert_eq!((stats.processes, stats.names, stats.timers), (0, 0, 0));
    }
    let (at_a, at_b) = nodes.connections();
    assert_eq!((at_a.load(), at_b.load()), ((0, 0), (0, 0)));
}
