//! The measures on kameo's actors, unbounded mailboxes, no tracing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kameo::Actor;
use kameo::actor::{ActorRef, Spawn};
use kameo::mailbox;
use kameo::message::{Context, Message};
use tokio::sync::{Notify, oneshot};

use crate::contender::{BATCH, PAIRS, RING, SENDERS, Settings, each, millions, resident};

pub(crate) fn run(settings: &Settings) -> Vec<(&'static str, f64)> {
    let mut results = Vec::new();
    let mut measure = |name: &'static str, value: &dyn Fn() -> f64| {
        if settings.wants(name) {
            results.push((name, value()));
        }
    };
    measure("spawn", &|| drive(settings, spawn(settings.spawns() / 4 / BATCH)));
    measure("pair", &|| drive(settings, pairs(1, settings.round_trips())));
    measure("pairs", &|| drive(settings, pairs(PAIRS, settings.round_trips_of_each_pair())));
    measure("ring", &|| drive(settings, ring(settings.hops())));
    measure("fan_in", &|| drive(settings, fan_in(settings.messages_of_each_sender())));
    measure("call", &|| drive(settings, call(settings.calls())));
    if settings.wants("idle") {
        results.extend(drive(settings, idle(settings.idle() / 5)));
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

/// One actor for all measures: what it does with a number is its state.
#[derive(Actor)]
enum Worker {
    CountDown(Arc<AtomicUsize>, Arc<Notify>),
    Bounce { peer: Option<ActorRef<Self>>, left: usize, done: Option<oneshot::Sender<()>> },
    PassOn { next: Option<ActorRef<Self>>, done: Option<oneshot::Sender<()>> },
    Count { left: usize, done: Option<oneshot::Sender<()>> },
    Answer,
}

struct Number(i64);
struct Peer(ActorRef<Worker>);
struct Ask(i64);

impl Message<Number> for Worker {
    type Reply = ();

    async fn handle(&mut self, Number(number): Number, context: &mut Context<Self, ()>) {
        match self {
            Self::CountDown(left, done) => {
                if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                    done.notify_one();
                }
                context.stop();
            }
            Self::Bounce { peer, left, done } => {
                if *left == 0 {
                    done.take().map(|done| done.send(()));
                } else if let Some(peer) = peer {
                    *left -= 1;
                    let _ = peer.tell(Number(number + 1)).try_send();
                }
            }
            Self::PassOn { next, done } => {
                if number <= 0 {
                    done.take().map(|done| done.send(()));
                } else if let Some(next) = next {
                    let _ = next.tell(Number(number - 1)).try_send();
                }
            }
            Self::Count { left, done } => {
                *left -= 1;
                if *left == 0 {
                    done.take().map(|done| done.send(()));
                }
            }
            Self::Answer => {}
        }
    }
}

impl Message<Peer> for Worker {
    type Reply = ();

    async fn handle(&mut self, Peer(other): Peer, _: &mut Context<Self, ()>) {
        if let Self::Bounce { peer, .. } | Self::PassOn { next: peer, .. } = self {
            *peer = Some(other);
        }
    }
}

impl Message<Ask> for Worker {
    type Reply = i64;

    async fn handle(&mut self, Ask(number): Ask, _: &mut Context<Self, i64>) -> i64 {
        number
    }
}

fn start(worker: Worker) -> ActorRef<Worker> {
    Worker::spawn_with_mailbox(worker, mailbox::unbounded())
}

async fn spawn(batches: usize) -> f64 {
    let left = Arc::new(AtomicUsize::new(0));
    let done = Arc::new(Notify::new());
    let begin = Instant::now();
    for _ in 0..batches {
        left.store(BATCH, Ordering::Relaxed);
        for _ in 0..BATCH {
            let actor = start(Worker::CountDown(Arc::clone(&left), Arc::clone(&done)));
            let _ = actor.tell(Number(1)).try_send();
        }
        done.notified().await;
    }
    each(begin, batches * BATCH)
}

async fn pairs(pairs: usize, times: usize) -> f64 {
    let begin = Instant::now();
    let mut ends = Vec::new();
    for _ in 0..pairs {
        let (done, end) = oneshot::channel();
        let one = start(Worker::Bounce { peer: None, left: times, done: Some(done) });
        let other = start(Worker::Bounce { peer: Some(one.clone()), left: usize::MAX, done: None });
        let _ = one.tell(Peer(other)).try_send();
        let _ = one.tell(Number(0)).try_send();
        ends.push((end, one));
    }
    for (end, one) in ends {
        let _ = end.await;
        one.kill();
    }
    each(begin, pairs * times)
}

async fn ring(hops: usize) -> f64 {
    let (done, end) = oneshot::channel();
    let last = start(Worker::PassOn { next: None, done: Some(done) });
    let mut next = last.clone();
    for _ in 1..RING {
        next = start(Worker::PassOn { next: Some(next), done: None });
    }
    let _ = last.tell(Peer(next.clone())).try_send();
    let begin = Instant::now();
    // Ends where it is counted down, which is at the last one: the ring's length divides the hops.
    let _ = next.tell(Number((hops / RING * RING) as i64 - 1)).try_send();
    let _ = end.await;
    each(begin, hops)
}

async fn fan_in(each_sends: usize) -> f64 {
    let (done, end) = oneshot::channel();
    let begin = Instant::now();
    let receiver = start(Worker::Count { left: each_sends * SENDERS, done: Some(done) });
    for _ in 0..SENDERS {
        let receiver = receiver.clone();
        tokio::spawn(async move {
            for number in 0..each_sends as i64 {
                let _ = receiver.tell(Number(number)).try_send();
                if number % 64 == 63 {
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    let _ = end.await;
    millions(begin, each_sends * SENDERS)
}

async fn call(calls: usize) -> f64 {
    let server = start(Worker::Answer);
    let begin = Instant::now();
    for number in 0..calls as i64 {
        assert_eq!(server.ask(Ask(number)).await.ok(), Some(number));
    }
    each(begin, calls)
}

async fn idle(count: usize) -> Vec<(&'static str, f64)> {
    let before = resident();
    let mut actors = Vec::with_capacity(count);
    for _ in 0..count {
        actors.push(start(Worker::Count { left: usize::MAX, done: None }));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let never = (resident() - before) / count as f64;
    for actor in &actors {
        let _ = actor.tell(Number(1)).try_send();
    }
    tokio::time::sleep(Duration::from_millis(1000)).await;
    vec![("idle", never), ("idle_after", (resident() - before) / count as f64)]
}
