//! The scenarios of calls: a request, its reply, who gives it up, and who ends meanwhile.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use shuttle::future::block_on;
use shuttle::thread;
use term::{Reference, Term};

use crate::call_request::Pending;
use crate::payload::{Payload, ReplyMessage};
use crate::process::Process;
use crate::receive::Answer;
use crate::steps::{attach, check, drain, runtime};
use crate::ties::Ties;

/// What a server does with a call: it replies with the request.
fn reply(server: &Process, tag: Reference, value: i64) {
    let reply = ReplyMessage { tag: tag.clone(), value: Payload::from(Term::from(value)) };
    server.send_payload(tag, Payload::reply(reply));
}

/// The answer that is in the mailbox now.
fn answer(client: &mut Process, tag: &Reference) -> Option<i64> {
    let answered = client.answer_now(&mut |theirs| (theirs == tag).then_some(()))?;
    match answered.answer {
        Answer::Reply(reply) => reply.read().ok(),
        Answer::Down(_) => None,
    }
}

#[test]
fn a_request_that_meets_the_end_of_its_server_is_answered_by_one_down() {
    check(|| {
        let runtime = runtime();
        let (mut client, server) = (attach(&runtime), attach(&runtime));
        let pid = server.pid();
        let ending = thread::spawn(move || drop(server));
        let tag = client.request(&pid, Term::from(1).into());
        ending.join().unwrap();
        let answered = client.answer_now(&mut |theirs| (*theirs == tag).then_some(()));
        assert!(matches!(answered.map(|answered| answered.answer), Some(Answer::Down(_))));
        assert!(drain(&mut client).is_empty());
        assert_eq!(runtime.ties(), Ties::default());
    });
}

#[test]
fn a_reply_reaches_a_client_that_goes_to_sleep_for_it() {
    check(|| {
        let runtime = runtime();
        let (mut client, mut server) = (attach(&runtime), attach(&runtime));
        let pid = server.pid();
        let serving = thread::spawn(move || {
            block_on(async {
                for _ in 0..2 {
                    let call = server.receive::<Payload>().await.unwrap().into_call().unwrap();
                    let reply = ReplyMessage { tag: call.tag.clone(), value: call.request };
                    server.send_payload(call.tag, Payload::reply(reply));
                }
            });
        });
        // Passed over, and still there afterwards.
        client.send(client.pid(), 7_i64);
        block_on(async {
            for number in 0..2_i64 {
                let tag = client.request(&pid, Term::from(number).into());
                match client.answer(&tag, None).await {
                    Ok(Some(Answer::Reply(reply))) => {
                        assert_eq!(reply.read::<i64>().ok(), Some(number))
                    }
                    other => panic!("{other:?}"),
                }
            }
        });
        serving.join().unwrap();
        assert_eq!(client.mailbox_len(), 1);
        assert_eq!(drain(&mut client).len(), 1);
    });
}

#[test]
fn a_reply_that_meets_who_gives_the_request_up_is_never_seen() {
    check(|| {
        let runtime = runtime();
        let (mut client, server) = (attach(&runtime), attach(&runtime));
        let tag = client.request(server.pid(), Term::from(1).into());
        let theirs = tag.clone();
        let replying = thread::spawn(move || {
            reply(&server, theirs, 1);
            server
        });
        client.forget(&tag);
        let _server = replying.join().unwrap();
        assert!(drain(&mut client).is_empty());
        assert_eq!(runtime.ties(), Ties::default());
    });
}

#[test]
fn a_reply_that_meets_the_end_of_who_asked_leaves_nothing_at_the_server() {
    check(|| {
        let runtime = runtime();
        let (mut client, server) = (attach(&runtime), attach(&runtime));
        let tag = client.request(server.pid(), Term::from(1).into());
        let ending = thread::spawn(move || drop(client));
        reply(&server, tag, 1);
        ending.join().unwrap();
        assert_eq!(runtime.ties(), Ties::default());
    });
}

#[test]
fn of_two_replies_to_a_request_one_arrives_and_none_is_taken_for_the_next_requests() {
    check(|| {
        let runtime = runtime();
        let (mut client, server) = (attach(&runtime), attach(&runtime));
        let pid = server.pid();
        let first = client.request(&pid, Term::from(1).into());
        let late = {
            let (runtime, tag) = (runtime.clone(), first.clone());
            thread::spawn(move || {
                let value = Payload::from(Term::from(11));
                runtime
                    .send_payload(&tag, Payload::reply(ReplyMessage { tag: tag.clone(), value }));
            })
        };
        reply(&server, first.clone(), 1);
        assert!(matches!(answer(&mut client, &first), Some(1 | 11)));
        let second = client.request(&pid, Term::from(2).into());
        reply(&server, second.clone(), 2);
        assert_eq!(answer(&mut client, &second), Some(2));
        late.join().unwrap();
        assert!(drain(&mut client).is_empty());
        assert_eq!(runtime.ties(), Ties::default());
    });
}

#[test]
fn two_requests_at_once_are_answered_each_by_its_own() {
    check(|| {
        let runtime = runtime();
        let mut client = attach(&runtime);
        let servers = [attach(&runtime), attach(&runtime)];
        let tags: Vec<Reference> = servers
            .iter()
            .map(|server| client.request(server.pid(), Term::from(0).into()))
            .collect();
        let [one, other] = servers;
        let replying = {
            let tag = tags[0].clone();
            thread::spawn(move || {
                reply(&one, tag, 1);
                drop(one);
            })
        };
        let ending = thread::spawn(move || drop(other));
        replying.join().unwrap();
        ending.join().unwrap();
        assert_eq!(answer(&mut client, &tags[0]), Some(1));
        let down = client.answer_now(&mut |theirs| (*theirs == tags[1]).then_some(()));
        assert!(matches!(down.map(|answered| answered.answer), Some(Answer::Down(_))));
        assert!(drain(&mut client).is_empty());
        assert_eq!(runtime.ties(), Ties::default());
    });
}

#[test]
fn a_call_in_the_slot_keeps_its_monitor_when_its_alias_is_switched_off() {
    check(|| {
        let runtime = runtime();
        let (mut client, server) = (attach(&runtime), attach(&runtime));
        let tag = client.request(server.pid(), Term::from(1).into());
        let theirs = tag.clone();
        let serving = thread::spawn(move || reply(&server, theirs, 1));
        let was_on = client.unalias(&tag);
        serving.join().unwrap();
        // Either the reply was first and took the monitor away, or there is no reply and the server's end is told.
        let seen = client.answer_now(&mut |theirs| (*theirs == tag).then_some(()));
        assert_eq!(matches!(seen.map(|answered| answered.answer), Some(Answer::Down(_))), was_on);
        assert!(drain(&mut client).is_empty());
        assert_eq!(runtime.ties(), Ties::default());
    });
}

#[test]
fn a_request_dropped_on_another_thread_leaves_no_answer_for_the_next_receive() {
    check(|| {
        let runtime = runtime();
        let (mut client, server) = (attach(&runtime), attach(&runtime));
        let pending: Pending<i64> = client.send_request(server.pid(), 1_i64);
        let me = client.pid();
        let serving = thread::spawn(move || {
            block_on(async {
                let mut server = server;
                let call = server.receive::<Payload>().await.unwrap().into_call().unwrap();
                reply(&server, call.tag, 1);
                server.send(&me, 7_i64);
            });
        });
        let dropping = thread::spawn(move || drop(pending));
        // The answer may be what wakes it, be looked at, and even be passed over.
        let seven = block_on(client.receive_match(|term| term.as_i64()));
        assert_eq!(seven.unwrap(), 7);
        serving.join().unwrap();
        dropping.join().unwrap();
        assert!(drain(&mut client).is_empty());
        assert_eq!(client.mailbox_len(), 0);
        assert_eq!(runtime.ties(), Ties::default());
    });
}

#[test]
fn of_two_requests_dropped_elsewhere_and_one_that_is_wanted_only_the_wanted_is_answered() {
    check(|| {
        let runtime = runtime();
        let (mut client, server) = (attach(&runtime), attach(&runtime));
        let pid = server.pid();
        let dropped: Vec<Pending<i64>> = (0..2).map(|_| client.send_request(&pid, 0_i64)).collect();
        let wanted = client.send_request::<i64>(&pid, 5_i64);
        let serving = thread::spawn(move || {
            block_on(async {
                let mut server = server;
                for _ in 0..3 {
                    let call = server.receive::<Payload>().await.unwrap().into_call().unwrap();
                    let value = call.request.read().unwrap();
                    reply(&server, call.tag, value);
                }
            });
        });
        let dropping = thread::spawn(move || drop(dropped));
        assert_eq!(block_on(client.response(wanted).no_timeout()).unwrap(), 5);
        serving.join().unwrap();
        dropping.join().unwrap();
        assert!(drain(&mut client).is_empty());
        assert_eq!(client.mailbox_len(), 0);
        assert_eq!(runtime.ties(), Ties::default());
    });
}
