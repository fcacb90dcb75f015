//! Timers and time-outs.

mod two_nodes;

use std::time::{Duration, Instant};

use mailbox::{Process, Runtime};
use term::{IntoAtom, Reference, Term};
use two_nodes::{atom, nothing};

fn runtime() -> Runtime {
    Runtime::new("rust@host".into_atom(), 1)
}

const SHORT: Duration = Duration::from_millis(30);
/// Time for a busy machine to do what comes before it.
const LATER: Duration = Duration::from_millis(750);
const LONG: Duration = Duration::from_secs(3600);

#[test]
fn messages_come_when_they_are_due_and_in_the_order_they_are() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let start = Instant::now();
    me.send_after(LATER, me.pid(), 2_i64);
    me.send_after(SHORT, me.pid(), 1_i64);
    me.send_after(Duration::ZERO, me.pid(), 0_i64);
    for number in 0..3 {
        assert_eq!(me.receive_blocking::<i64>().unwrap(), number);
        assert!(start.elapsed() >= SHORT * number as u32);
    }
    assert_eq!(runtime.stats().timers, 0);
}

#[test]
fn a_cancelled_timer_says_what_it_had_left_and_does_not_fire() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let timer = me.send_after(LONG, me.pid(), 1_i64);
    let left = runtime.read_timer(&timer).unwrap();
    assert!(left <= LONG && left > LONG - Duration::from_secs(60));
    assert!(me.cancel_timer(&timer).is_some());
    assert!(me.cancel_timer(&timer).is_none());
    let timer = me.send_after(LATER, me.pid(), 1_i64);
    let somebody_else = runtime.attach().unwrap();
    assert!(somebody_else.cancel_timer(&timer).is_some());
    assert_eq!(runtime.stats().timers, 0);
    std::thread::sleep(LATER + SHORT);
    nothing(&mut me);
    assert!(me.cancel_timer(&me.make_ref()).is_none());
}

#[test]
fn a_timer_to_a_name_finds_who_has_it_when_it_is_due() {
    let runtime = runtime();
    let (me, mut other) = (runtime.attach().unwrap(), runtime.attach().unwrap());
    me.send_after(LATER, "later", "hello");
    other.register("later").unwrap();
    assert_eq!(other.receive_blocking::<String>().unwrap(), "hello");
}

#[test]
fn a_timer_ends_with_the_process_it_is_for_but_not_with_the_one_that_set_it() {
    let runtime = runtime();
    let (one, mut other) = (runtime.attach().unwrap(), runtime.attach().unwrap());
    other.send_after(LONG, one.pid(), 1_i64);
    one.send_after(LATER, other.pid(), 2_i64);
    assert_eq!(runtime.stats().timers, 2);
    drop(one);
    assert_eq!(runtime.stats().timers, 1);
    assert_eq!(other.receive_blocking::<i64>().unwrap(), 2);
    let gone = runtime.attach().unwrap().pid();
    other.send_after(LONG, gone, 1_i64);
    assert_eq!(runtime.stats().timers, 0);
}

#[test]
fn start_timer_says_which_timer_it_was() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let timer = me.start_timer(Duration::ZERO, me.pid(), atom("tick"));
    let (timeout, reference, message): (term::Atom, Reference, Term) =
        me.receive_blocking().unwrap();
    assert_eq!((timeout.as_str(), reference, message), ("timeout", timer, atom("tick")));
}

#[tokio::test]
async fn a_receive_times_out_and_the_next_one_is_not_disturbed() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let start = Instant::now();
    assert_eq!(me.receive_timeout::<i64>(SHORT).await.unwrap(), None);
    assert!(start.elapsed() >= SHORT);
    me.send_after(SHORT, me.pid(), 1_i64);
    assert_eq!(me.receive_timeout::<i64>(LONG).await.unwrap(), Some(1));
    me.send_after(LATER, me.pid(), 2_i64);
    assert_eq!(me.receive_timeout::<i64>(SHORT).await.unwrap(), None);
    assert_eq!(me.receive::<i64>().await.unwrap(), 2);
    assert_eq!(me.receive_timeout::<i64>(Duration::ZERO).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_outs_fire_in_tasks_and_in_threads_whatever_deadline_was_armed_before() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let parent = me.pid();
    let body = move |mut process: Process| async move {
        for timeout in [LONG, SHORT, LONG, SHORT * 2, SHORT] {
            if timeout == LONG {
                process.send_after(SHORT, process.pid(), 1_i64);
                assert_eq!(process.receive_timeout::<i64>(LONG).await?, Some(1));
            } else {
                let start = Instant::now();
                assert_eq!(process.receive_timeout::<i64>(timeout).await?, None);
                assert!(start.elapsed() >= timeout);
            }
        }
        process.send(parent, "done".into_atom());
        Ok::<(), mailbox::Reason>(())
    };
    runtime.spawn(body);
    assert_eq!(
        me.receive_timeout::<Term>(Duration::from_secs(5)).await.unwrap(),
        Some(atom("done"))
    );
    let parent = me.pid();
    runtime
        .spawn_thread(move |mut process: Process| {
            assert_eq!(process.receive_blocking_timeout::<i64>(SHORT)?, None);
            process.send_after(SHORT, process.pid(), 1_i64);
            assert_eq!(process.receive_blocking_timeout::<i64>(LONG)?, Some(1));
            process.send(parent, "done".into_atom());
            Ok::<(), mailbox::Reason>(())
        })
        .unwrap();
    assert_eq!(
        me.receive_timeout::<Term>(Duration::from_secs(5)).await.unwrap(),
        Some(atom("done"))
    );
}
