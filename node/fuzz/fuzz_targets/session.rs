//! A peer that knows the cookie sends anything: frames, distribution headers, fragments, control messages, payloads. What is held
//! for it never exceeds what it sent, and what it sent can be sent on.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use node::proto::flags::Flags;
use node::proto::fragment::Bounds;
use node::proto::frame::{Deframer, Frame, Prefix};
use node::proto::receive::Receiver;
use node::proto::send::{Content, Output, Sender};

struct Nowhere(Vec<u8>);

impl Output for Nowhere {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    fn insert(&mut self, _: Bytes) {}
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, bytes)) = bytes.split_first() else { return };
    let mut flags = Flags::offered();
    if choice & 1 != 0 {
        flags -= Flags::FRAGMENTS;
    }
    if choice & 2 != 0 {
        flags -= Flags::DIST_HDR_ATOM_CACHE;
    }
    let mut deframer = Deframer::handshake(Prefix::Two).established(1 << 16);
    deframer.push(bytes);
    let mut receiver = Receiver::new(flags, Bounds::for_message(1 << 16));
    let mut sender = Sender::new(Flags::offered());
    while let Ok(Some(frame)) = deframer.next_frame() {
        let Frame::Message(frame) = frame else { continue };
        let Ok(message) = receiver.receive(frame.clone()) else { return };
        assert!(receiver.held() <= bytes.len());
        let Some(message) = message else { continue };
        if let Some(payload) = message.payload {
            let decoded = payload.decode();
            let sent = sender.put(&message.control, Some(Content::Encoded(payload)), &mut Nowhere(Vec::new()));
            // Sending on is a walk, decoding looks closer.
            assert!(sent.is_ok() || decoded.is_err());
        }
    }
});
