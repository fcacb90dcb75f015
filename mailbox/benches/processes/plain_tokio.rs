//! The measures on tokio tasks with unbounded mpsc channels: no pids, names, links, monitors or selective receive.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, oneshot};

use crate::contender::{BATCH, PAIRS, RING, SENDERS, Settings, each, millions, resident};

pub(crate) fn run(settings: &Settings) -> Vec<(&'static str, f64)> {
    let mut results = Vec::new();
    let mut measure = |name: &'static str, value: &dyn Fn() -> f64| {
        if settings.wants(name) {
            results.push((name, value()));
        }
    };
    measure("spawn", &|| drive(settings, spawn(settings.spawns() / BATCH)));
    measure("pair", &|| drive(settings, pairs(1, settings.round_trips())));
    measure("pairs", &|| drive(settings, pairs(PAIRS, settings.round_trips_of_each_pair())));
    measure("ring", &|| drive(settings, ring(settings.hops())));
    measure("fan_in", &|| drive(settings, fan_in(settings.messages_of_each_sender())));
    measure("call", &|| drive(settings, call(settings.calls())));
    if settings.wants("idle") {
        results.extend(drive(settings, idle(settings.idle())));
    }
    results
}

fn drive<T: Send + 'static>(
    settings: &Settings,
    driver: impl Future<Output = T> + Send + 'static,
) -> T {
    let runtime = settings.runtime();
    runtime.block_on(runtime.spawn(driver)).expect("the driver's result")
}

async fn spawn(batches: usize) -> f64 {
    let left = Arc::new(AtomicUsize::new(0));
    let done = Arc::new(Notify::new());
    let start = Instant::now();
    for _ in 0..batches {
        left.store(BATCH, Ordering::Relaxed);
        for _ in 0..BATCH {
            let (left, done) = (Arc::clone(&left), Arc::clone(&done));
            let (sender, mut receiver) = unbounded_channel::<i64>();
            tokio::spawn(async move {
                receiver.recv().await;
                if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                    done.notify_one();
                }
            });
            let _ = sender.send(1);
        }
        done.notified().await;
    }
    each(start, batches * BATCH)
}

async fn bounce(times: usize) {
    let (there, mut at_peer) = unbounded_channel::<i64>();
    let (back, mut here) = unbounded_channel::<i64>();
    tokio::spawn(async move {
        while let Some(number) = at_peer.recv().await {
            let _ = back.send(number);
        }
    });
    for number in 0..times as i64 {
        let _ = there.send(number);
        here.recv().await;
    }
}

async fn pairs(pairs: usize, times: usize) -> f64 {
    let start = Instant::now();
    let tasks: Vec<_> = (0..pairs).map(|_| tokio::spawn(bounce(times))).collect();
    for task in tasks {
        let _ = task.await;
    }
    each(start, pairs * times)
}

async fn ring(hops: usize) -> f64 {
    let (sender, mut last) = unbounded_channel::<i64>();
    let mut next = sender;
    for _ in 1..RING {
        let (sender, mut receiver) = unbounded_channel::<i64>();
        let to = next;
        tokio::spawn(async move {
            while let Some(left) = receiver.recv().await {
                let _ = to.send(left - 1);
            }
        });
        next = sender;
    }
    let start = Instant::now();
    let _ = next.send(hops as i64);
    while let Some(left) = last.recv().await
        && left > 0
    {
        let _ = next.send(left - 1);
    }
    each(start, hops)
}

async fn fan_in(each_sends: usize) -> f64 {
    let (sender, mut receiver): (UnboundedSender<i64>, UnboundedReceiver<i64>) =
        unbounded_channel();
    let start = Instant::now();
    for _ in 0..SENDERS {
        let sender = sender.clone();
        tokio::spawn(async move {
            for number in 0..each_sends as i64 {
                let _ = sender.send(number);
                if number % 64 == 63 {
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    drop(sender);
    let receiver = tokio::spawn(async move { while receiver.recv().await.is_some() {} });
    let _ = receiver.await;
    millions(start, each_sends * SENDERS)
}

async fn call(calls: usize) -> f64 {
    let (sender, mut receiver) = unbounded_channel::<(i64, oneshot::Sender<i64>)>();
    tokio::spawn(async move {
        while let Some((number, reply)) = receiver.recv().await {
            let _ = reply.send(number);
        }
    });
    let start = Instant::now();
    for number in 0..calls as i64 {
        let (reply, answer) = oneshot::channel();
        let _ = sender.send((number, reply));
        assert_eq!(answer.await, Ok(number));
    }
    each(start, calls)
}

async fn idle(count: usize) -> Vec<(&'static str, f64)> {
    let before = resident();
    let mut senders = Vec::with_capacity(count);
    for _ in 0..count {
        let (sender, mut receiver) = unbounded_channel::<i64>();
        tokio::spawn(async move { while receiver.recv().await.is_some() {} });
        senders.push(sender);
    }
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let senders_take = (senders.capacity() * size_of::<UnboundedSender<i64>>()) as f64;
    let never = (resident() - before - senders_take) / count as f64;
    for sender in &senders {
        let _ = sender.send(1);
    }
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let after = (resident() - before - senders_take) / count as f64;
    vec![("idle", never), ("idle_after", after)]
}
