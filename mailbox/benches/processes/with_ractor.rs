//! The measures on ractor's actors, default features.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, call};
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
    measure("call", &|| drive(settings, call_one(settings.calls())));
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
struct Worker;

enum Job {
    CountDown(Arc<AtomicUsize>, Arc<Notify>),
    Bounce { peer: Option<ActorRef<Message>>, left: usize, done: Option<oneshot::Sender<()>> },
    PassOn { next: Option<ActorRef<Message>>, done: Option<oneshot::Sender<()>> },
    Count { left: usize, done: Option<oneshot::Sender<()>> },
    Answer,
}

enum Message {
    Number(i64),
    Peer(ActorRef<Self>),
    Ask(i64, RpcReplyPort<i64>),
}

impl Actor for Worker {
    type Msg = Message;
    type State = Job;
    type Arguments = Job;

    async fn pre_start(&self, _: ActorRef<Message>, job: Job) -> Result<Job, ActorProcessingErr> {
        Ok(job)
    }

    async fn handle(
        &self,
        me: ActorRef<Message>,
        message: Message,
        job: &mut Job,
    ) -> Result<(), ActorProcessingErr> {
        match (job, message) {
            (Job::CountDown(left, done), Message::Number(_)) => {
                if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                    done.notify_one();
                }
                me.stop(None);
            }
            (Job::Bounce { peer, .. } | Job::PassOn { next: peer, .. }, Message::Peer(other)) => {
                *peer = Some(other)
            }
            (Job::Bounce { peer, left, done }, Message::Number(number)) => {
                if *left == 0 {
                    done.take().map(|done| done.send(()));
                } else if let Some(peer) = peer {
                    *left -= 1;
                    let _ = peer.cast(Message::Number(number + 1));
                }
            }
            (Job::PassOn { next, done }, Message::Number(number)) => {
                if number <= 0 {
                    done.take().map(|done| done.send(()));
                } else if let Some(next) = next {
                    let _ = next.cast(Message::Number(number - 1));
                }
            }
            (Job::Count { left, done }, Message::Number(_)) => {
                *left -= 1;
                if *left == 0 {
                    done.take().map(|done| done.send(()));
                }
            }
            (_, Message::Ask(number, reply)) => {
                let _ = reply.send(number);
            }
            _ => {}
        }
        Ok(())
    }
}

async fn start(job: Job) -> ActorRef<Message> {
    Actor::spawn(None, Worker, job).await.expect("an actor").0
}

async fn spawn(batches: usize) -> f64 {
    let left = Arc::new(AtomicUsize::new(0));
    let done = Arc::new(Notify::new());
    let begin = Instant::now();
    for _ in 0..batches {
        left.store(BATCH, Ordering::Relaxed);
        for _ in 0..BATCH {
            let actor = start(Job::CountDown(Arc::clone(&left), Arc::clone(&done))).await;
            let _ = actor.cast(Message::Number(1));
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
        let one = start(Job::Bounce { peer: None, left: times, done: Some(done) }).await;
        let other =
            start(Job::Bounce { peer: Some(one.clone()), left: usize::MAX, done: None }).await;
        let _ = one.cast(Message::Peer(other));
        let _ = one.cast(Message::Number(0));
        ends.push((end, one));
    }
    for (end, one) in ends {
        let _ = end.await;
        one.stop(None);
    }
    each(begin, pairs * times)
}

async fn ring(hops: usize) -> f64 {
    let (done, end) = oneshot::channel();
    let last = start(Job::PassOn { next: None, done: Some(done) }).await;
    let mut next = last.clone();
    for _ in 1..RING {
        next = start(Job::PassOn { next: Some(next), done: None }).await;
    }
    let _ = last.cast(Message::Peer(next.clone()));
    let begin = Instant::now();
    // Ends where it is counted down, which is at the last one: the ring's length divides the hops.
    let _ = next.cast(Message::Number((hops / RING * RING) as i64 - 1));
    let _ = end.await;
    each(begin, hops)
}

async fn fan_in(each_sends: usize) -> f64 {
    let (done, end) = oneshot::channel();
    let begin = Instant::now();
    let receiver = start(Job::Count { left: each_sends * SENDERS, done: Some(done) }).await;
    for _ in 0..SENDERS {
        let receiver = receiver.clone();
        tokio::spawn(async move {
            for number in 0..each_sends as i64 {
                let _ = receiver.cast(Message::Number(number));
                if number % 64 == 63 {
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    let _ = end.await;
    millions(begin, each_sends * SENDERS)
}

async fn call_one(calls: usize) -> f64 {
    let server = start(Job::Answer).await;
    let begin = Instant::now();
    for number in 0..calls as i64 {
        assert_eq!(call!(server, Message::Ask, number).ok(), Some(number));
    }
    each(begin, calls)
}

async fn idle(count: usize) -> Vec<(&'static str, f64)> {
    let before = resident();
    let mut actors = Vec::with_capacity(count);
    for _ in 0..count {
        actors.push(start(Job::Count { left: usize::MAX, done: None }).await);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let never = (resident() - before) / count as f64;
    for actor in &actors {
        let _ = actor.cast(Message::Number(1));
    }
    tokio::time::sleep(Duration::from_millis(1000)).await;
    vec![("idle", never), ("idle_after", (resident() - before) / count as f64)]
}
