//! Something that is no node answers our call: frames of anything. It must never be believed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use node::proto::flags::Flags;
use node::proto::frame::{Deframer, Frame, Prefix};
use node::proto::handshake::LocalNode;
use node::proto::handshake::initiator::{Initiator, Progress};
use term::Atom;

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, bytes)) = bytes.split_first() else { return };
    let mut deframer = Deframer::handshake(Prefix::Two);
    deframer.push(bytes);
    let (peer, cookie) = (Atom::from_static("live@host"), b"a cookie that no fuzzer finds");
    let mut machine = if choice & 1 == 0 {
        let local = LocalNode { name: Atom::from_static("ours@host"), creation: 1, flags: Flags::offered() };
        Initiator::new(&local, peer, cookie, 7).0
    } else {
        match Initiator::unnamed(Atom::from_static("host"), Flags::offered(), peer, cookie, 7) {
            Ok((machine, _)) => machine,
            Err(_) => return,
        }
    };
    while let Ok(Some(Frame::Message(message))) = deframer.next_frame() {
        let progress = match machine.receive(&message) {
            Ok(Progress::Alive(question)) => question.answer(choice & 2 == 0),
            other => other,
        };
        match progress {
            Ok(Progress::Continue { machine: going_on, .. }) => machine = going_on,
            Ok(Progress::Established { .. }) => panic!("believed without the cookie"),
            Ok(Progress::Alive(_)) | Err(_) => return,
        }
    }
});
