//! Selective receive, bounds, order, payloads that are no terms, crossbeam channels.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod two_nodes;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::select;
use mailbox::{
    Bound, Dest, Exit, Origin, Overflow, Payload, Process, Reason, Received, ReplyMessage, Runtime,
    Signal, SpawnOptions,
};
use term::{DecodeError, Encoded, IntoAtom, Pid, Reference, Term, term};
use two_nodes::{TwoNodes, atom, next, nothing};

fn runtime() -> Runtime {
    Runtime::new("rust@host".into_atom(), 1)
}

const WAIT: Duration = Duration::from_secs(5);

fn number(process: &mut Process) -> i64 {
    process.try_receive().unwrap().expect("a number")
}

#[tokio::test]
async fn a_selective_receive_leaves_the_rest_in_order() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    for number in 1..=5_i64 {
        me.send(me.pid(), number);
    }
    let four = me.receive_match(|term| term.as_i64().filter(|number| *number == 4)).await.unwrap();
    assert_eq!(four, 4);
    assert_eq!(me.mailbox_len(), 4);
    assert_eq!(runtime.mailbox_len(&me.pid()), Some(4));
    me.send(me.pid(), 6_i64);
    let two =
        me.receive_match(|term| term.as_i64().filter(|number| number % 2 == 0)).await.unwrap();
    assert_eq!(two, 2);
    for expected in [1, 3, 5, 6] {
        assert_eq!(number(&mut me), expected);
    }
    assert_eq!(me.mailbox_len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_selective_receive_waits_for_what_it_wants() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let parent = me.pid();
    runtime.spawn(async move |process: Process| {
        for number in 0..1000_i64 {
            process.send(&parent, number);
            if number % 100 == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        process.send(&parent, "wanted".into_atom());
    });
    me.receive_match(|term| term.is_atom("wanted").then_some(()))
        .timeout(WAIT)
        .await
        .unwrap()
        .unwrap();
    for expected in 0..1000 {
        assert_eq!(number(&mut me), expected);
    }
}

#[tokio::test]
async fn dropping_a_receive_loses_nothing() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    for round in 0..10_i64 {
        tokio::select! {
            biased;
            got = me.receive::<Term>() => panic!("{got:?}"),
            () = std::future::ready(()) => {}
        }
        me.send(me.pid(), round);
        tokio::select! {
            biased;
            () = tokio::task::yield_now() => {}
            got = me.receive_match(|_| None::<()>) => panic!("{got:?}"),
        }
        assert_eq!(number(&mut me), round);
    }
}

#[tokio::test]
async fn a_save_queue_of_100_000_is_not_looked_at_again_for_each_answer() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let looked = Arc::new(AtomicUsize::new(0));
    for number in 0..100_000_i64 {
        me.send(me.pid(), number);
    }
    // Waiting: each new message is looked at once, the old ones only the first time.
    let counter = Arc::clone(&looked);
    let parent = me.pid();
    runtime.spawn(async move |process: Process| {
        for number in 0..1000_i64 {
            process.send(&parent, number);
            tokio::task::yield_now().await;
        }
        process.send(&parent, "end".into_atom());
    });
    me.receive_match(|term| {
        counter.fetch_add(1, Ordering::Relaxed);
        term.is_atom("end").then_some(())
    })
    .await
    .unwrap();
    assert_eq!(looked.load(Ordering::Relaxed), 101_001);

    // A fresh reference: nothing that waited before it was made is looked at at all.
    let echo = runtime.spawn(async |mut process: Process| -> Exit {
        loop {
            let (from, tag): (Pid, Reference) = match process.receive().await? {
                Received::Message(payload) => match payload.into_call() {
                    Ok(call) => (call.from(), call.tag),
                    Err(other) => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            };
            let _ = from;
            process.send_payload(
                &tag,
                Payload::reply(ReplyMessage { tag: tag.clone(), value: Term::from(1).into() }),
            );
        }
    });
    let start = Instant::now();
    for _ in 0..1000 {
        let tag = me.request(&echo, Payload::from(Term::from(1)));
        assert!(matches!(me.answer(&tag, None).await, Ok(Some(mailbox::Answer::Reply(_)))));
    }
    let with = start.elapsed();
    let mut fresh = runtime.attach().unwrap();
    let start = Instant::now();
    for _ in 0..1000 {
        let tag = fresh.request(&echo, Payload::from(Term::from(1)));
        assert!(matches!(fresh.answer(&tag, None).await, Ok(Some(mailbox::Answer::Reply(_)))));
    }
    let without = start.elapsed();
    // 100,000 looks each would be a thousand times as slow.
    assert!(with < without * 20, "{with:?} with a full mailbox, {without:?} with an empty one");
    assert_eq!(me.mailbox_len(), 101_000);
}

#[test]
fn a_bounded_mailbox_drops_the_newest_or_the_oldest_or_its_process() {
    let runtime = runtime();
    let sender = runtime.attach().unwrap();
    let bound = |overflow| SpawnOptions::new().bound(Bound { capacity: 3, overflow });
    for channel in [false, true] {
        let options = |overflow| if channel { bound(overflow).channel() } else { bound(overflow) };
        let mut newest = runtime.attach_with(options(Overflow::DropNewest)).unwrap();
        let mut oldest = runtime.attach_with(options(Overflow::DropOldest)).unwrap();
        let exits = runtime.attach_with(options(Overflow::ExitReceiver)).unwrap();
        for number in 1..=5_i64 {
            for to in [newest.pid(), oldest.pid(), exits.pid()] {
                sender.send(to, number);
            }
        }
        assert_eq!([1, 2, 3].map(|_| number(&mut newest)), [1, 2, 3]);
        assert_eq!([1, 2, 3].map(|_| number(&mut oldest)), [3, 4, 5]);
        nothing(&mut newest);
        nothing(&mut oldest);
        assert_eq!(runtime.mailbox_overflowed(&newest.pid()), Some(2));
        assert_eq!(runtime.mailbox_overflowed(&oldest.pid()), Some(2));
        assert!(exits.is_exiting());
        let watcher = runtime.attach().unwrap();
        watcher.monitor(exits.pid());
        drop(exits);
        let mut watcher = watcher;
        assert!(next(&mut watcher).element(4).unwrap().is_atom("mailbox_full"));
    }
    assert_eq!(runtime.stats().overflowed, 10);
}

#[test]
fn signals_are_never_refused_by_a_full_mailbox() {
    let runtime = runtime();
    for overflow in [Overflow::DropNewest, Overflow::DropOldest] {
        let options = SpawnOptions::new().trap_exit().bound(Bound { capacity: 1, overflow });
        let mut full = runtime.attach_with(options).unwrap();
        let other = runtime.attach().unwrap();
        full.link(&other.pid());
        full.monitor(other.pid());
        other.send(full.pid(), 1_i64);
        drop(other);
        full.send(full.pid(), 2_i64);
        let mut got: Vec<Term> = (0..3).map(|_| next(&mut full)).collect();
        let kept = got.iter().position(|term| term.as_i64().is_some()).unwrap();
        assert_eq!(
            got.remove(kept),
            Term::from(if overflow == Overflow::DropNewest { 1 } else { 2 })
        );
        assert!(got.iter().all(|term| term.as_tuple().is_some()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_one_sender_arrive_in_order_whatever_the_queue() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    for channel in [false, true] {
        let options = if channel { SpawnOptions::new().channel() } else { SpawnOptions::new() };
        let parent = me.pid();
        let receiver = runtime
            .spawn_with(options, async move |mut process: Process| -> Exit {
                let mut last = [-1_i64; 8];
                for _ in 0..8 * 5000 {
                    let (sender, number): (usize, i64) = process.receive().await?;
                    assert_eq!(number, last[sender] + 1);
                    last[sender] = number;
                }
                process.send(parent, "ordered".into_atom());
                Ok(())
            })
            .unwrap()
            .pid;
        for sender in 0..8_usize {
            let receiver = receiver.clone();
            runtime.spawn(async move |process: Process| {
                for number in 0..5000_i64 {
                    process.send(&receiver, (sender, number));
                    if number % 50 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            });
        }
        assert_eq!(
            me.receive_timeout::<Term>(Duration::from_secs(30)).await.unwrap(),
            Some(atom("ordered"))
        );
    }
}

#[tokio::test]
async fn a_process_that_is_never_short_of_messages_lets_others_run_and_can_be_killed() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let (pid, _) = me.spawn_monitor(async |mut process: Process| {
        process.send(process.pid(), 1_i64);
        loop {
            let _ = process.receive::<i64>().await;
            process.send(process.pid(), 1_i64);
        }
    });
    tokio::task::yield_now().await;
    me.exit(&pid, Reason::new(atom("kill")));
    match me.receive_timeout(WAIT).await.unwrap() {
        Some(Received::Down { reason, .. }) => assert_eq!(reason, atom("killed")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_thread_selects_over_its_mailbox_and_other_channels() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let (work, jobs) = crossbeam_channel::unbounded::<i64>();
    let parent = me.pid();
    let thread = runtime
        .spawn_thread(move |mut process: Process| -> Exit {
            loop {
                let mailbox = process.channel().expect("a thread has one").clone();
                select! {
                    recv(mailbox) -> incoming => {
                        if let Some(text) = process.take::<String>(incoming?)? {
                            process.send(&parent, ("message".into_atom(), text));
                        }
                    }
                    recv(jobs) -> job => process.send(&parent, ("job".into_atom(), job?)),
                }
            }
        })
        .unwrap();
    me.monitor(&thread);
    work.send(7).unwrap();
    assert_eq!(me.receive_blocking::<Term>().unwrap(), term!({job, 7}));
    me.send(&thread, "hello");
    assert_eq!(me.receive_blocking::<Term>().unwrap(), term!({message, "hello"}));
    me.exit(&thread, Reason::new(atom("kill")));
    let down: Term = me.receive_blocking_timeout(WAIT).unwrap().expect("an end");
    assert!(down.element(4).unwrap().is_atom("killed"));
}

#[test]
fn an_answer_whose_request_was_dropped_is_nothing_to_a_select() {
    let runtime = runtime();
    let server = runtime.attach().unwrap();
    let to = server.pid();
    let (asked, wait_for_asked) = crossbeam_channel::bounded::<()>(0);
    let (replied, wait_for_reply) = crossbeam_channel::bounded::<()>(0);
    let (tell, told) = crossbeam_channel::unbounded();
    runtime
        .spawn_thread(move |mut process: Process| {
            let mailbox = process.channel().unwrap().clone();
            let wanted = process.send_request::<i64>(&to, 1_i64);
            let dropped = process.send_request::<i64>(&to, 2_i64);
            asked.send(()).unwrap();
            wait_for_reply.recv().unwrap();
            // Its answer lies in the channel by now, before a message that is wanted.
            drop(dropped);
            let mut seen = Vec::new();
            while seen.is_empty() {
                select! {
                    recv(mailbox) -> incoming => {
                        if let Some(message) = process.take::<Term>(incoming.unwrap()).unwrap() {
                            seen.push(message);
                        }
                    }
                    default(WAIT) => panic!("nothing comes"),
                }
            }
            let answer: i64 = process.response(wanted).blocking().unwrap();
            tell.send((seen, answer, process.mailbox_len())).unwrap();
        })
        .unwrap();
    wait_for_asked.recv().unwrap();
    let mut server = server;
    let calls: Vec<_> = (0..2)
        .map(|_| server.receive_blocking::<Payload>().unwrap().into_call().unwrap())
        .collect();
    let [wanted, dropped] = <[_; 2]>::try_from(calls).unwrap();
    let client = dropped.from();
    let reply = |tag: Reference, value: i64| {
        let value = Payload::from(Term::from(value));
        server.send_payload(&tag, Payload::reply(ReplyMessage { tag: tag.clone(), value }));
    };
    reply(dropped.tag, 2);
    server.send(client, 7_i64);
    reply(wanted.tag, 1);
    replied.send(()).unwrap();
    let (seen, answer, left) = told.recv_timeout(WAIT).unwrap();
    assert_eq!((seen, answer, left), (vec![Term::from(7)], 1, 0));
}

#[test]
fn a_thread_has_the_same_words() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let parent = me.pid();
    let thread = runtime
        .spawn_thread_with(
            SpawnOptions::new().name("thread"),
            move |mut process: Process| -> Exit {
                process.trap_exit(true);
                process.link(&parent);
                let wanted = process
                    .receive_match_blocking(None, |term| term.is_atom("wanted").then_some(()))?;
                assert_eq!(wanted, Some(()));
                let missing = process.receive_match_blocking(Some(Duration::ZERO), |term| {
                    term.is_atom("no").then_some(())
                })?;
                assert_eq!(missing, None);
                let first: i64 = process.receive_blocking()?;
                process.send_blocking(&parent, first);
                match process.receive_blocking()? {
                    Received::Exit { from, reason } => process.send(&parent, (from, reason)),
                    other => panic!("{other:?}"),
                }
                Ok(())
            },
        )
        .unwrap();
    me.trap_exit(true);
    me.send("thread", 1_i64);
    me.send("thread", "wanted".into_atom());
    assert_eq!(me.receive_blocking::<i64>().unwrap(), 1);
    me.exit(&thread.pid, Reason::new(atom("bye")));
    let (from, reason): (Pid, Term) = me.receive_blocking().unwrap();
    assert_eq!((from, reason), (me.pid(), atom("bye")));
    let pid = thread.pid;
    assert_eq!(me.receive_blocking::<Term>().unwrap(), term!({'EXIT, pid, 'normal}));
}

/// Remembers what it is told.
#[derive(Default)]
struct Peer {
    errors: Mutex<Vec<DecodeError>>,
    released: AtomicUsize,
}

impl Origin for Peer {
    fn undecodable(&self, error: &DecodeError) {
        self.errors.lock().unwrap().push(error.clone());
    }

    fn released(&self, bytes: usize) {
        self.released.fetch_add(bytes, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn bytes_that_are_no_term_are_skipped_and_their_connection_is_told() {
    let nodes = TwoNodes::new();
    let mut process = nodes.a.attach().unwrap();
    let (via, _) = nodes.connections();
    let peer = Arc::new(Peer::default());
    let pid = process.pid();
    let deliver = |bytes: &'static [u8]| {
        let origin: Arc<dyn Origin> = Arc::clone(&peer) as _;
        let payload = Payload::received(Encoded::new(bytes.into(), None), origin);
        let to = Dest::Pid(pid.clone());
        let signal = Signal::Message { from: None, to, payload, token: None, priority: false };
        nodes.a.deliver(&via, signal).unwrap();
    };
    // SMALL_TUPLE of two, with one; 42; an unknown tag; 43. Typed, as a term, and by match.
    let bytes: [&[u8]; 4] = [&[104, 2, 97, 1], &[97, 42], &[1, 2, 3], &[97, 43]];
    for _ in 0..3 {
        bytes.iter().for_each(|bytes| deliver(bytes));
    }
    assert_eq!(process.receive::<i64>().await.unwrap(), 42);
    assert_eq!(process.receive::<i64>().await.unwrap(), 43);
    assert_eq!(process.receive::<Term>().await.unwrap(), Term::from(42));
    assert_eq!(process.receive::<Term>().await.unwrap(), Term::from(43));
    assert_eq!(process.receive_match(|term| term.as_i64().filter(|n| *n == 43)).await.unwrap(), 43);
    assert_eq!(process.receive_match(|term| term.as_i64()).await.unwrap(), 42);
    assert_eq!(peer.errors.lock().unwrap().len(), 6);
    assert_eq!(nodes.a.stats().undecodable, 6);
    assert_eq!(peer.released.load(Ordering::SeqCst), 3 * (4 + 2 + 3 + 2));
    // What is never read is released as well, with its process.
    deliver(&[97, 1]);
    drop(process);
    assert_eq!(peer.released.load(Ordering::SeqCst), 3 * (4 + 2 + 3 + 2) + 2);
}

#[test]
fn a_trace_token_goes_with_what_is_sent_after_the_message_it_came_with() {
    let nodes = TwoNodes::new();
    let (mut a, mut b) = nodes.attach();
    let (via, _) = nodes.connections();
    let token = term!({1, 2, 3, 4, 5});
    let deliver = |token| {
        let to = Dest::Pid(a.pid());
        let payload = Payload::from(Term::from(1));
        let signal = Signal::Message { from: Some(b.pid()), to, payload, token, priority: false };
        nodes.a.deliver(&via, signal).unwrap();
    };
    deliver(Some(token.clone()));
    deliver(None);
    number(&mut a);
    assert_eq!(a.token(), Some(token.clone()));
    a.send(b.pid(), 2_i64);
    nodes.settle();
    number(&mut b);
    // The next tick of the sender's clock, the sender, and the serial received last.
    assert_eq!(b.token(), Some(term!({1, 2, 4, (a.pid()), 3})));
    number(&mut a);
    assert_eq!(a.token(), None);
    a.send(b.pid(), 3_i64);
    nodes.settle();
    number(&mut b);
    assert_eq!(b.token(), None);
}

#[test]
fn a_pid_of_an_older_creation_reaches_nobody() {
    let runtime = Runtime::new("rust@host".into_atom(), 2);
    let mut me = runtime.attach().unwrap();
    let pid = me.pid();
    me.send(Pid::new("rust@host".into_atom(), pid.id(), pid.serial(), 1), 1_i64);
    me.send(Pid::new("rust@host".into_atom(), pid.id(), pid.serial() + 1, 2), 2_i64);
    nothing(&mut me);
    assert!(!runtime.is_alive(&Pid::new("rust@host".into_atom(), pid.id(), pid.serial(), 1)));
}
