//! The scenarios of a mailbox that fills faster than it is read: the receiver takes out many at once.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use shuttle::future::block_on;
use shuttle::thread;

use crate::alias::AliasMode;
use crate::error::Reason;
use crate::steps::{attach, check, drain, runtime};

/// More than the receiver takes one by one.
const HEAP: i64 = 12;

#[test]
fn messages_taken_out_together_keep_their_order_with_those_that_come_meanwhile() {
    check(|| {
        let runtime = runtime();
        let (mut receiver, one, other) = (attach(&runtime), attach(&runtime), attach(&runtime));
        let pid = receiver.pid();
        // There before anybody looks.
        for number in 0..HEAP {
            one.send(&pid, number);
        }
        let sending = {
            let pid = pid.clone();
            thread::spawn(move || (HEAP..2 * HEAP).for_each(|number| one.send(&pid, number)))
        };
        let others =
            thread::spawn(move || (0..2).for_each(|number| other.send(&pid, 100 + number)));
        let received: Vec<i64> = block_on(async {
            let mut received = Vec::new();
            while received.len() < 2 * HEAP as usize + 2 {
                assert!(receiver.mailbox_len() <= 2 * HEAP as usize + 2 - received.len());
                received.push(receiver.receive().await.unwrap());
            }
            received
        });
        sending.join().unwrap();
        others.join().unwrap();
        let of = |from: i64, to: i64| {
            received.iter().copied().filter(|n| (from..to).contains(n)).collect::<Vec<_>>()
        };
        assert_eq!(of(0, 100), (0..2 * HEAP).collect::<Vec<_>>());
        assert_eq!(of(100, 102), [100, 101]);
        assert_eq!(receiver.mailbox_len(), 0);
    });
}

#[test]
fn an_urgent_message_goes_ahead_of_those_taken_out_together() {
    check(|| {
        let runtime = runtime();
        let (mut receiver, sender) = (attach(&runtime), attach(&runtime));
        let alias = receiver.priority_alias(AliasMode::ExplicitUnalias);
        for number in 0..HEAP {
            sender.send(receiver.pid(), number);
        }
        assert_eq!(block_on(receiver.receive::<i64>()).unwrap(), 0);
        let urgent = thread::spawn(move || {
            sender.send_priority(&alias, 1000_i64);
            sender
        });
        let mut received = vec![block_on(receiver.receive::<i64>()).unwrap()];
        let _sender = urgent.join().unwrap();
        // It is there by now: next, whatever was taken out before it, unless it has been seen already.
        received.push(block_on(receiver.receive::<i64>()).unwrap());
        assert!(received.contains(&1000), "{received:?}");
        assert_eq!(drain(&mut receiver).len(), HEAP as usize - 2);
    });
}

#[test]
fn a_selective_receive_looks_behind_what_was_taken_out_and_leaves_it() {
    check(|| {
        let runtime = runtime();
        let (mut receiver, sender) = (attach(&runtime), attach(&runtime));
        let pid = receiver.pid();
        for number in 0..HEAP {
            sender.send(&pid, number);
        }
        assert_eq!(block_on(receiver.receive::<i64>()).unwrap(), 0);
        let sending = thread::spawn(move || (HEAP..HEAP + 3).for_each(|n| sender.send(&pid, n)));
        let wanted = HEAP + 1;
        let found = receiver.receive_match(|term| term.as_i64().filter(|number| *number == wanted));
        assert_eq!(block_on(found).unwrap(), wanted);
        sending.join().unwrap();
        let rest: Vec<i64> =
            std::iter::from_fn(|| receiver.try_receive::<i64>().unwrap()).collect();
        assert_eq!(rest, (1..HEAP + 3).filter(|n| *n != wanted).collect::<Vec<_>>());
    });
}

#[test]
fn a_kill_ends_who_has_a_heap_before_it_and_the_heap_goes_with_it() {
    check(|| {
        let runtime = runtime();
        let (mut receiver, sender) = (attach(&runtime), attach(&runtime));
        let pid = receiver.pid();
        for number in 0..HEAP {
            sender.send(&pid, number);
        }
        let killing = thread::spawn(move || {
            sender.send(&pid, HEAP);
            sender.exit(&pid, Reason::new(term::IntoAtom::into_atom("kill")));
        });
        let mut received = 0;
        while block_on(receiver.receive::<i64>()).is_ok() {
            received += 1;
        }
        killing.join().unwrap();
        assert!(received <= HEAP + 1);
        drop(receiver);
        assert_eq!(runtime.stats().processes, 0);
    });
}
