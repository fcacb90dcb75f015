//! Sending and receiving: order, types, time-outs, selective receive, on tasks and on threads.

use mailbox::{Exit, Process, Received, Runtime};
use serde::{Deserialize, Serialize};
use term::{Atom, IntoAtom, Pid, Term, term};

fn runtime() -> Runtime {
    Runtime::new("rust@host".into_atom(), 1)
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Request {
    Foo(Pid, i64),
    Stop,
}

async fn server(mut process: Process) -> Exit {
    loop {
        match process.receive().await? {
            Request::Foo(from, x) => process.send(from, ("foo".into_atom(), x + 1)),
            Request::Stop => return Ok(()),
        }
    }
}

#[tokio::test]
async fn a_typed_request_is_answered() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let server = runtime.spawn(server);
    let monitor = me.monitor(&server);
    me.send(&server, Request::Foo(me.pid(), 41));
    let reply: (Atom, i64) = me.receive().await.unwrap();
    assert_eq!(reply, ("foo".into_atom(), 42));
    me.send(&server, Request::Stop);
    let down: Term = me.receive().await.unwrap();
    assert_eq!(down, term!({'DOWN, monitor, 'process, server, 'normal}));
}

#[tokio::test]
async fn a_message_of_another_type_ends_the_process_with_a_reason_that_names_the_path() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let server = runtime.spawn(server);
    me.monitor(&server);
    me.send(&server, (1, "x"));
    match me.receive().await.unwrap() {
        Received::Down { reason, .. } => {
            assert!(reason.element(0).unwrap().is_atom("bad_message"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}
