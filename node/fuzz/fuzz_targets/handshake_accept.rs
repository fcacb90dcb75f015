//! A stranger at the listener: frames of anything. It must never be believed, whatever it says: the cookie is not in its reach.

#![no_main]

use libfuzzer_sys::fuzz_target;
use node::proto::flags::Flags;
use node::proto::frame::{Deframer, Frame, Prefix};
use node::proto::handshake::LocalNode;
use node::proto::handshake::acceptor::{Acceptor, Decision, Next};
use term::Atom;

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, bytes)) = bytes.split_first() else { return };
    let mut deframer = Deframer::handshake(if choice & 1 == 0 { Prefix::Two } else { Prefix::Four });
    deframer.push(bytes);
    let mut messages = std::iter::from_fn(|| match deframer.next_frame() {
        Ok(Some(Frame::Message(message))) => Some(message),
        _ => None,
    });
    let local = LocalNode { name: Atom::from_static("live@host"), creation: 1, flags: Flags::offered() };
    let Some(name) = messages.next() else { return };
    let Ok(caller) = Acceptor::new(local).receive_name(&name) else { return };
    let decision = match choice >> 1 & 3 {
        0 => Decision::Accept,
        1 => Decision::AcceptSimultaneous,
        2 => Decision::AskIfAlive,
        _ => Decision::Grant { name: Atom::from_static("given@host"), creation: 2 },
    };
    let mut next = caller.decide(decision, b"a cookie that no fuzzer finds", 0x1234_5678);
    for message in messages {
        match next {
            Ok(Next::Continue { machine, .. }) => next = machine.receive(&message),
            _ => break,
        }
    }
    assert!(!matches!(next, Ok(Next::Proved(_))), "believed without the cookie");
});
