//! The measures on this crate's processes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use mailbox::{Answer, Exit, Payload, Process, Runtime, SpawnOptions};
use term::{IntoAtom, Pid, Term};
use tokio::sync::Notify;

use crate::contender::{BATCH, PAIRS, RING, SENDERS, Settings, each, millions, resident};

pub(crate) fn run(settings: &Settings) -> Vec<(&'static str, f64)> {
    let mut results = Vec::new();
    let mut measure = |name: &'static str, value: &dyn Fn(&Runtime) -> f64| {
        if settings.wants(name) {
            let tokio = settings.runtime();
            let runtime = Runtime::on(tokio.handle().clone(), "bench@localhost".into_atom(), 1);
            results.push((name, value(&runtime)));
        }
    };
    measure("spawn", &|runtime| spawn(runtime, settings));
    measure("pair", &|runtime| pairs(runtime, 1, settings.round_trips()));
    measure("pairs", &|runtime| pairs(runtime, PAIRS, settings.round_trips_of_each_pair()));
    measure("ring", &|runtime| ring(runtime, settings));
    measure("fan_in", &|runtime| fan_in(runtime, settings, SpawnOptions::new()));
    measure("fan_in_channel", &|runtime| fan_in(runtime, settings, SpawnOptions::new().channel()));
    measure("call", &|runtime| call(runtime, settings));
    if settings.wants("idle") {
        let tokio = settings.runtime();
        let runtime = Runtime::on(tokio.handle().clone(), "bench@localhost".into_atom(), 1);
        results.extend(idle(&runtime, settings));
    }
    results
}

/// Runs `driver` as a process and waits for what it gives.
fn drive<T, F>(runtime: &Runtime, driver: impl FnOnce(Process) -> F) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let (sender, receiver) = std::sync::mpsc::channel();
    runtime.spawn(|process| {
        let driver = driver(process);
        async move {
            let _ = sender.send(driver.await);
        }
    });
    receiver.recv().expect("the driver's result")
}

fn spawn(runtime: &Runtime, settings: &Settings) -> f64 {
    let batches = settings.spawns() / BATCH;
    drive(runtime, move |process| async move {
        let left = Arc::new(AtomicUsize::new(0));
        let done = Arc::new(Notify::new());
        let start = Instant::now();
        for _ in 0..batches {
            left.store(BATCH, Ordering::Relaxed);
            for _ in 0..BATCH {
                let (left, done) = (Arc::clone(&left), Arc::clone(&done));
                let pid = process.spawn(async move |mut process: Process| {
                    let _: i64 = process.receive().await?;
                    if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                        done.notify_one();
                    }
                    Ok::<(), mailbox::Reason>(())
                });
                process.send(pid, 1_i64);
            }
            done.notified().await;
        }
        each(start, batches * BATCH)
    })
}

async fn echo(mut process: Process) -> Exit {
    let peer: Pid = process.receive().await?;
    loop {
        let number: i64 = process.receive().await?;
        process.send(&peer, number);
    }
}

async fn bounce(mut process: Process, times: usize) -> Exit {
    let peer = process.spawn_link(echo);
    process.send(&peer, process.pid());
    for number in 0..times as i64 {
        process.send(&peer, number);
        let _: i64 = process.receive().await?;
    }
    process.exit(&peer, mailbox::Reason::killed());
    Ok(())
}

fn pairs(runtime: &Runtime, pairs: usize, times: usize) -> f64 {
    drive(runtime, move |process| async move {
        let left = Arc::new(AtomicUsize::new(pairs));
        let done = Arc::new(Notify::new());
        let start = Instant::now();
        for _ in 0..pairs {
            let (left, done) = (Arc::clone(&left), Arc::clone(&done));
            process.spawn(move |process| async move {
                let ended = bounce(process, times).await;
                if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                    done.notify_one();
                }
                ended
            });
        }
        done.notified().await;
        each(start, pairs * times)
    })
}

fn ring(runtime: &Runtime, settings: &Settings) -> f64 {
    let hops = settings.hops() as i64;
    drive(runtime, move |mut process| async move {
        let last = process.pid();
        let mut next = last.clone();
        for _ in 1..RING {
            let to = next;
            next = process.spawn(move |mut process: Process| async move {
                loop {
                    let left: i64 = process.receive().await?;
                    process.send(&to, left - 1);
                }
                #[allow(unreachable_code)]
                Ok::<(), mailbox::Reason>(())
            });
        }
        let start = Instant::now();
        process.send(&next, hops);
        while let Ok(left @ 1..) = process.receive::<i64>().await {
            process.send(&next, left - 1);
        }
        each(start, hops as usize)
    })
}

fn fan_in(runtime: &Runtime, settings: &Settings, options: SpawnOptions) -> f64 {
    let each_sends = settings.messages_of_each_sender();
    let expected = each_sends * SENDERS;
    drive(runtime, move |mut process| async move {
        let me = process.pid();
        let start = Instant::now();
        let receiver = process.spawn_with(options, move |mut process: Process| async move {
            for _ in 0..expected {
                let _: i64 = process.receive().await?;
            }
            process.send(me, 0_i64);
            Ok::<(), mailbox::Reason>(())
        });
        let receiver = receiver.expect("a receiver").pid;
        for _ in 0..SENDERS {
            let receiver = receiver.clone();
            process.spawn(move |process| async move {
                for number in 0..each_sends as i64 {
                    process.send(&receiver, number);
                    if number % 64 == 63 {
                        tokio::task::yield_now().await;
                    }
                }
            });
        }
        let _ = process.receive::<i64>().await;
        millions(start, expected)
    })
}

fn call(runtime: &Runtime, settings: &Settings) -> f64 {
    let calls = settings.calls();
    drive(runtime, move |mut process| async move {
        let server = process.spawn(|mut process: Process| async move {
            loop {
                let payload: Payload = process.receive().await?;
                if let Ok(call) = payload.into_call() {
                    process.reply(call.tag, call.request);
                }
            }
            #[allow(unreachable_code)]
            Ok::<(), mailbox::Reason>(())
        });
        let start = Instant::now();
        for number in 0..calls as i64 {
            let tag = process.request(&server, Payload::from(Term::from(number)));
            match process.answer(&tag, None).await {
                Ok(Some(Answer::Reply(reply))) => {
                    assert_eq!(reply.read::<i64>().ok(), Some(number))
                }
                other => panic!("{other:?}"),
            }
        }
        let result = each(start, calls);
        process.exit(&server, mailbox::Reason::killed());
        result
    })
}

fn idle(runtime: &Runtime, settings: &Settings) -> Vec<(&'static str, f64)> {
    let count = settings.idle();
    drive(runtime, move |process| async move {
        let before = resident();
        let mut pids = Vec::with_capacity(count);
        for number in 0..count {
            pids.push(process.spawn(|mut process: Process| async move {
                loop {
                    let _: i64 = process.receive().await?;
                }
                #[allow(unreachable_code)]
                Ok::<(), mailbox::Reason>(())
            }));
            if number % 1000 == 0 {
                tokio::task::yield_now().await;
            }
        }
        settle(&process).await;
        let pids_take = (pids.capacity() * size_of::<Pid>()) as f64;
        let never = (resident() - before - pids_take) / count as f64;
        for (number, pid) in pids.iter().enumerate() {
            process.send(pid, 1_i64);
            if number % 1000 == 0 {
                tokio::task::yield_now().await;
            }
        }
        settle(&process).await;
        let after = (resident() - before - pids_take) / count as f64;
        vec![("idle", never), ("idle_after", after)]
    })
}

/// Until everybody has run.
async fn settle(process: &Process) {
    for _ in 0..50 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(process.runtime().stats().processes > 0);
}
