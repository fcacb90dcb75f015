//! `any`: the C node of OTP's interoperability tutorial. Its `complex3.erl` works unmodified, on a node whose peer is this one.

use examples::Integer;
use node::{Dest, Exit, IntoAtom as _, Payload, Process};
use serde::Deserialize;

/// `{call, From, {foo, X}}` and `{call, From, {bar, Y}}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Message {
    Call(Dest, Request),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Request {
    Foo(Integer),
    Bar(Integer),
}

pub(crate) async fn any(mut process: Process) -> Exit {
    loop {
        let message: Payload = process.receive().await?;
        // Other messages are passed over.
        let Ok(Message::Call(from, request)) = message.read() else { continue };
        let result = match request {
            Request::Foo(x) => Integer(x.0 + 1),
            Request::Bar(y) => Integer(y.0 * 2),
        };
        process.send(from, ("cnode".into_atom(), result));
    }
}
