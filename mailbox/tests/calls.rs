//! Calls and casts as `gen_server` makes them: replies, errors, time-outs, late replies, many requests at once.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test, and says where")]

use std::time::{Duration, Instant};

use mailbox::{
    AliasMode, CallError, Caller, Exit, MultiReply, Payload, Process, Reason, Received, Requests,
    Runtime,
};
use serde::{Deserialize, Serialize};
use term::{Atom, IntoAtom, Pid, Term, term};

fn runtime() -> Runtime {
    Runtime::new("rust@host".into_atom(), 1)
}

/// Takes the messages of `gen_server` apart by hand, so that these tests do not lean on `Server`.
async fn next_call(process: &mut Process) -> Result<(Caller, Term), Reason> {
    loop {
        let message: Term = process.receive().await?;
        if let Some(tuple) = message.as_tuple().filter(|tuple| tuple.len() == 3)
            && tuple.get(0).is_some_and(|tag| tag.is_atom("$gen_call"))
        {
            let from = tuple.get(1).unwrap().to_term();
            return Ok((
                Caller::from_term(&from, process).unwrap(),
                tuple.get(2).unwrap().to_term(),
            ));
        }
    }
}

async fn doubler(mut process: Process) -> Exit {
    loop {
        let (caller, request) = next_call(&mut process).await?;
        caller.reply(request.as_i64().unwrap_or_default() * 2);
    }
}

/// Replies to a call when the next one comes, which is ever too late.
async fn procrastinator(mut process: Process) -> Exit {
    let mut last: Option<Caller> = None;
    loop {
        let (caller, request) = next_call(&mut process).await?;
        if let Some(last) = last.take() {
            last.reply("late".into_atom());
        }
        if request.is_atom("now") {
            caller.reply("now".into_atom());
        } else {
            last = Some(caller);
        }
    }
}

#[tokio::test]
async fn a_call_brings_the_reply_as_the_type_asked_for() {
    let runtime = runtime();
    runtime.spawn_named("doubler", doubler).unwrap();
    let mut me = runtime.attach().unwrap();
    let n: i64 = me.call("doubler", 21).await.unwrap();
    assert_eq!(n, 42);
    let t: Term = me.call(("doubler", "rust@host"), 4).await.unwrap();
    assert_eq!(t, Term::from(8));
    let n: u8 = runtime.call("doubler", 100).await.unwrap();
    assert_eq!(n, 200);
    assert_eq!(me.mailbox_len(), 0);
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Point {
    x: i64,
}

#[tokio::test]
async fn a_reply_of_another_type_says_where_it_differs() {
    let runtime = runtime();
    let doubler = runtime.spawn(doubler);
    let mut me = runtime.attach().unwrap();
    let error = me.call::<Point>(&doubler, 1).await.unwrap_err();
    assert!(matches!(&error, CallError::BadReply(text) if text.contains("expected")), "{error}");
}

#[tokio::test]
async fn nobody_of_the_name_is_told_at_once() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    for error in [
        me.call::<Term>("nobody", 1).await.unwrap_err(),
        me.call::<Term>(("nobody", "rust@host"), 1).no_timeout().await.unwrap_err(),
        me.call::<Term>(&Pid::new("rust@host".into_atom(), 4000, 0, 1), 1).await.unwrap_err(),
        // Of an older life of this node.
        me.call::<Term>(&Pid::new("rust@host".into_atom(), 1, 0, 9), 1).await.unwrap_err(),
    ] {
        assert_eq!(error, CallError::NotThere);
        assert_eq!(error.reason(), term!('noproc));
    }
    assert_eq!(me.mailbox_len(), 0);
}

#[tokio::test]
async fn a_node_that_cannot_be_reached_is_nodedown() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let error = me.call::<Term>(("counter", "a@elsewhere"), 1).await.unwrap_err();
    assert_eq!(error, CallError::ConnectionLost("a@elsewhere".into_atom()));
    assert_eq!(error.reason(), term!({nodedown, (Atom::from_static("a@elsewhere"))}));
}

#[tokio::test]
async fn a_process_does_not_call_itself() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    me.register("me").unwrap();
    let pid = me.pid();
    for to in [mailbox::Dest::from(&pid), "me".into(), ("me", "rust@host").into()] {
        let error = me.call::<Term>(to, 1).await.unwrap_err();
        assert_eq!(error.reason(), term!('calling_self));
    }
}

#[tokio::test]
async fn an_alias_cannot_be_called() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let alias = me.alias(AliasMode::ExplicitUnalias);
    assert!(matches!(me.call::<Term>(alias, 1).await, Err(CallError::Refused(_))));
}

#[tokio::test]
async fn a_request_that_cannot_be_a_term_is_refused_before_it_is_sent() {
    let runtime = runtime();
    let doubler = runtime.spawn(doubler);
    let mut me = runtime.attach().unwrap();
    assert!(matches!(me.call::<Term>(&doubler, f64::NAN).await, Err(CallError::Refused(_))));
    assert!(!me.is_exiting());
}

#[tokio::test]
async fn the_reason_of_a_crash_comes_whole() {
    let runtime = runtime();
    let crasher = runtime.spawn(async |mut process: Process| {
        let (_, request) = next_call(&mut process).await?;
        Err::<(), Reason>(Reason::new(term!({crash, request})))
    });
    let mut me = runtime.attach().unwrap();
    let error = me.call::<Term>(&crasher, "x".into_atom()).await.unwrap_err();
    assert_eq!(error, CallError::Crashed(term!({crash, 'x})));
}

#[tokio::test]
async fn the_failure_of_a_call_is_the_exit_reason_of_who_does_not_catch_it() {
    let runtime = runtime();
    let caller = async |mut process: Process| {
        let _: Term = process.call("nobody", 1).await?;
        Ok::<(), Reason>(())
    };
    let mut me = runtime.attach().unwrap();
    me.spawn_monitor(caller);
    match me.receive().await.unwrap() {
        Received::Down { reason, .. } => assert_eq!(reason, term!('noproc)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_late_reply_is_never_seen() {
    let runtime = runtime();
    let slow = runtime.spawn(procrastinator);
    let mut me = runtime.attach().unwrap();
    let begun = Instant::now();
    let error = me.call::<Term>(&slow, 1).timeout(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(error, CallError::TimedOut);
    assert!(begun.elapsed() >= Duration::from_millis(50));
    // The late reply to the first call was sent before this one's.
    let now: Atom = me.call(&slow, "now".into_atom()).await.unwrap();
    assert_eq!(now, "now");
    assert_eq!(me.mailbox_len(), 0);
}

#[tokio::test]
async fn dropping_a_call_cancels_it() {
    let runtime = runtime();
    let slow = runtime.spawn(procrastinator);
    let mut me = runtime.attach().unwrap();
    {
        let call = me.call::<Term>(&slow, 1);
        tokio::select! {
            biased;
            reply = call => panic!("{reply:?}"),
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
    }
    let now: Atom = me.call(&slow, "now".into_atom()).await.unwrap();
    assert_eq!(now, "now");
    assert_eq!(me.mailbox_len(), 0);
    runtime.spawn(async move |mut process: Process| {
        process.exit(&slow, Reason::shutdown());
        process.receive::<Term>().await.map(drop)
    });
    // Its monitor is gone as well: no DOWN comes.
    assert!(me.receive_timeout::<Term>(Duration::from_millis(50)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_call_that_is_never_polled_sends_nothing() {
    let runtime = runtime();
    let mut peer = runtime.attach().unwrap();
    let mut me = runtime.attach().unwrap();
    drop(me.call::<Term>(&peer.pid(), 1));
    assert!(peer.try_receive::<Term>().unwrap().is_none());
}

#[tokio::test]
async fn what_waits_in_the_mailbox_keeps_its_order_around_a_call() {
    let runtime = runtime();
    let doubler = runtime.spawn(doubler);
    let mut me = runtime.attach().unwrap();
    for n in 0..100 {
        me.send(me.pid(), n);
    }
    let n: i64 = me.call(&doubler, 500).await.unwrap();
    assert_eq!(n, 1000);
    for n in 0..100 {
        assert_eq!(me.receive::<i64>().await.unwrap(), n);
    }
}

#[tokio::test]
async fn a_call_does_not_look_at_a_hundred_thousand_messages_that_wait() {
    let runtime = runtime();
    let doubler = runtime.spawn(doubler);
    let mut me = runtime.attach().unwrap();
    for n in 0..100_000 {
        me.send(me.pid(), n);
    }
    let begun = Instant::now();
    for n in 0..1000 {
        let twice: i64 = me.call(&doubler, n).await.unwrap();
        assert_eq!(twice, 2 * n);
    }
    // Each would take some milliseconds if it looked at them: a hundred million looks altogether.
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(me.mailbox_len(), 100_000);
    assert_eq!(me.receive::<i64>().await.unwrap(), 0);
}

#[tokio::test]
async fn the_tag_of_a_call_is_echoed_whatever_it_is() {
    let runtime = runtime();
    let doubler = runtime.spawn(doubler);
    let mut me = runtime.attach().unwrap();
    let bare = me.make_ref();
    let improper = Term::improper_list(&[term!('alias)], &Term::from(&me.alias(AliasMode::Reply)));
    let labelled = Term::improper_list(
        &[Term::improper_list(&[term!('alias)], &Term::from(&me.alias(AliasMode::Reply)))],
        &term!({label, 1}),
    );
    for tag in [Term::from(&bare), improper, labelled, term!({mytag, [1, 2.5]}), term!("tag")] {
        let from = Term::from((me.pid(), &tag));
        me.send(&doubler, Term::from((Atom::from_static("$gen_call"), from, 4)));
        let reply: Term = me.receive().await.unwrap();
        assert_eq!(reply, Term::from((tag, 8)));
    }
}

#[tokio::test]
async fn a_reply_to_the_pid_instead_of_the_alias_counts_and_leaves_nothing_behind() {
    let runtime = runtime();
    let simple = runtime.spawn(async |mut process: Process| {
        loop {
            let message: Term = process.receive().await?;
            let from = message.element(1).unwrap();
            let pid = from.element(0).unwrap().as_pid().unwrap();
            process.send(pid, Term::from((from.element(1).unwrap(), term!('simple))));
        }
        #[allow(unreachable_code)]
        Ok::<(), Reason>(())
    });
    let mut me = runtime.attach().unwrap();
    let reply: Atom = me.call(&simple, 1).await.unwrap();
    assert_eq!(reply, "simple");
    me.exit(&simple, Reason::shutdown());
    assert!(me.receive_timeout::<Term>(Duration::from_millis(50)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_cast_arrives_as_gen_server_has_it() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    me.register("me").unwrap();
    me.cast("me", ("set", 1));
    runtime.cast(("me", "rust@host"), "x".into_atom()).unwrap();
    me.abcast(["rust@host"], "me", 7);
    assert_eq!(
        me.receive::<Term>().await.unwrap(),
        Term::from((Atom::from_static("$gen_cast"), ("set", 1)))
    );
    assert_eq!(
        me.receive::<Term>().await.unwrap(),
        Term::from((Atom::from_static("$gen_cast"), term!('x)))
    );
    assert_eq!(
        me.receive::<Term>().await.unwrap(),
        Term::from((Atom::from_static("$gen_cast"), 7))
    );
    assert!(runtime.cast("me", f64::INFINITY).is_err());
}

#[tokio::test]
async fn a_call_arrives_as_gen_server_has_it() {
    let runtime = runtime();
    let mut peer = runtime.attach().unwrap();
    let mut me = runtime.attach().unwrap();
    let pending = me.send_request::<Term>(&peer.pid(), ("get", 1));
    let message: Term = peer.receive().await.unwrap();
    let from = message.element(1).unwrap().to_term();
    assert_eq!(message, Term::from((Atom::from_static("$gen_call"), &from, ("get", 1))));
    assert_eq!(from.element(0).unwrap().as_pid(), Some(me.pid()));
    let caller = Caller::from_term(&from, &peer).unwrap();
    assert_eq!(caller.to_term(), from);
    caller.reply(("ok", 5));
    assert_eq!(me.response(pending).await.unwrap(), Term::from(("ok", 5)));
}

#[tokio::test]
async fn requests_are_answered_in_any_order() {
    let runtime = runtime();
    let mut peer = runtime.attach().unwrap();
    let mut me = runtime.attach().unwrap();
    let mut requests = Requests::new();
    for label in ["a", "b", "c"] {
        requests.add(label, me.send_request::<String>(&peer.pid(), label));
    }
    requests.add("nobody", me.send_request("nobody", 1));
    let mut callers = Vec::new();
    for _ in 0..3 {
        callers.push(next_call(&mut peer).await.unwrap());
    }
    assert!(matches!(
        requests.next(&mut me).await.unwrap(),
        Some(("nobody", Err(CallError::NotThere)))
    ));
    assert_eq!(
        requests.next_timeout(&mut me, Duration::from_millis(20)).await,
        Err(CallError::TimedOut)
    );
    for (caller, request) in callers.into_iter().rev() {
        caller.reply(request);
    }
    let mut order = Vec::new();
    while let Some((label, reply)) = requests.next(&mut me).await.unwrap() {
        assert_eq!(reply.unwrap(), label);
        order.push(label);
    }
    assert_eq!(order, ["c", "b", "a"]);
    assert!(requests.is_empty());
}

#[tokio::test]
async fn a_response_can_be_waited_for_in_turns() {
    let runtime = runtime();
    let mut peer = runtime.attach().unwrap();
    let mut me = runtime.attach().unwrap();
    let mut pending = me.send_request::<i64>(&peer.pid(), 1);
    assert_eq!(me.wait_response(&mut pending, Duration::from_millis(10)).await, Ok(None));
    next_call(&mut peer).await.unwrap().0.reply(7);
    assert_eq!(me.wait_response(&mut pending, Duration::from_secs(5)).await, Ok(Some(7)));
    assert!(matches!(
        me.wait_response(&mut pending, Duration::ZERO).await,
        Err(CallError::Refused(_))
    ));
}

#[tokio::test]
async fn a_request_that_is_dropped_or_abandoned_leaves_no_reply_behind() {
    let runtime = runtime();
    let mut peer = runtime.attach().unwrap();
    let mut me = runtime.attach().unwrap();
    drop(me.send_request::<i64>(&peer.pid(), 1));
    next_call(&mut peer).await.unwrap().0.reply(1);
    assert_eq!(me.mailbox_len(), 0);
    let answered = me.send_request::<i64>(&peer.pid(), 2);
    next_call(&mut peer).await.unwrap().0.reply(2);
    assert_eq!(me.mailbox_len(), 1);
    me.abandon(answered);
    assert_eq!(me.mailbox_len(), 0);
}

#[tokio::test]
async fn an_answer_whose_request_is_dropped_is_never_seen() {
    let runtime = runtime();
    let mut peer = runtime.attach().unwrap();
    let mut me = runtime.attach().unwrap();
    me.send(me.pid(), "before");
    let answered = me.send_request::<i64>(&peer.pid(), 2);
    next_call(&mut peer).await.unwrap().0.reply(2);
    me.send(me.pid(), "after");
    // One has been passed over by then, the other has not been looked at.
    let passed_over = me.send_request::<i64>(&peer.pid(), 3);
    next_call(&mut peer).await.unwrap().0.reply(3);
    me.receive_match(|message| message.as_str().filter(|text| *text == "after").map(drop))
        .await
        .unwrap();
    let ended = me.send_request::<i64>("nobody", 4);
    drop((answered, passed_over, ended));
    assert_eq!(me.receive::<String>().await.unwrap(), "before");
    assert!(me.try_receive::<Term>().unwrap().is_none());
    assert_eq!(me.mailbox_len(), 0);
}

#[tokio::test]
async fn a_multi_call_tells_replies_from_bad_nodes() {
    let runtime = runtime();
    runtime.spawn_named("doubler", doubler).unwrap();
    let mut me = runtime.attach().unwrap();
    let timeout = Duration::from_secs(5);
    let reply = me.multi_call(["rust@host", "a@elsewhere"], "doubler", 8, timeout).await.unwrap();
    let bad_nodes = vec!["a@elsewhere".into_atom()];
    assert_eq!(reply, MultiReply { replies: vec![("rust@host".into_atom(), 16)], bad_nodes });
    runtime.spawn_named("slow", procrastinator).unwrap();
    let reply: MultiReply<Term> =
        me.multi_call(["rust@host"], "slow", 8, Duration::from_millis(20)).await.unwrap();
    assert_eq!(reply, MultiReply { replies: vec![], bad_nodes: vec!["rust@host".into_atom()] });
    assert_eq!(me.mailbox_len(), 0);
}

#[test]
fn a_thread_calls_as_a_task_does() {
    let runtime = runtime();
    let (result, results) = std::sync::mpsc::channel();
    let doubler = runtime.spawn(doubler);
    runtime
        .spawn_thread(move |mut process: Process| {
            for n in 0..1000 {
                process.send(process.pid(), n);
            }
            result.send(process.call::<i64>(&doubler, 21).blocking()).unwrap();
            result.send(process.call::<i64>("nobody", 21).blocking()).unwrap();
            let mut peer = process.runtime().attach().unwrap();
            let late =
                process.call::<i64>(&peer.pid(), 1).timeout(Duration::from_millis(20)).blocking();
            result.send(late).unwrap();
            let asked: Payload = peer.receive_blocking().unwrap();
            assert!(asked.into_call().is_ok());
            assert_eq!(process.mailbox_len(), 1000);
        })
        .unwrap();
    assert_eq!(results.recv().unwrap(), Ok(42));
    assert_eq!(results.recv().unwrap(), Err(CallError::NotThere));
    assert_eq!(results.recv().unwrap(), Err(CallError::TimedOut));
    assert!(results.recv().is_err());
}

#[tokio::test]
async fn a_caller_that_is_killed_ends_while_it_waits() {
    let runtime = runtime();
    let slow = runtime.spawn(procrastinator);
    let mut me = runtime.attach().unwrap();
    let (caller, monitor) = me.spawn_monitor(move |mut process: Process| async move {
        let _: Term = process.call(&slow, 1).no_timeout().await?;
        Ok::<(), Reason>(())
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    me.exit(&caller, Reason::new(term!('kill)));
    let down: Term = me.receive().await.unwrap();
    assert_eq!(down, term!({'DOWN, monitor, 'process, caller, 'killed}));
}
