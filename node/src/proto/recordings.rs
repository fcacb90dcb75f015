//! What live nodes of OTP 25, 27 and 29 sent, read by our own machinery.
//!
//! A peer of a few lines shook hands with `erl -name live@127.0.0.1 -hidden`, offering the flags that a file's
//! name stands for, and a process there did to the peer's pid, name and alias whatever a process can do. The frames are as they came, each
//! with its length of four bytes.

use bytes::Bytes;
use proptest::prelude::*;
use term::{Atom, Term};

use super::control::{AltactTo, Control, ProcessOrName};
use super::flags::Flags;
use super::fragment::Bounds;
use super::frame::{Deframer, Frame, Prefix};
use super::receive::{Message, Receiver};

/// The flags that two OTP 29 nodes have in common, less these.
pub(crate) fn flags_without(absent: Flags) -> Flags {
    Flags::from_bits_retain(0x6d_07df_7fbc) - absent
}

pub(crate) const HEADERLESS: Flags = Flags::FRAGMENTS.union(Flags::DIST_HDR_ATOM_CACHE);

fn frames(recording: &[u8]) -> Vec<Bytes> {
    let mut deframer = Deframer::handshake(Prefix::Two).established(1 << 20);
    deframer.push(recording);
    let mut frames = Vec::new();
    while let Some(frame) = deframer.next_frame().unwrap() {
        if let Frame::Message(frame) = frame {
            frames.push(frame);
        }
    }
    assert_eq!(deframer.pending(), 0, "the recording ends inside a frame");
    frames
}

pub(crate) fn messages(recording: &[u8], flags: Flags) -> Vec<Message> {
    let mut receiver = Receiver::new(flags, Bounds::default());
    let messages = frames(recording)
        .iter()
        .filter_map(|frame| receiver.receive(frame.clone()).unwrap())
        .collect();
    assert_eq!(receiver.held(), 0);
    messages
}

fn numbers(messages: &[Message]) -> Vec<u8> {
    messages.iter().map(|message| message.control.operation().number).collect()
}

fn payload(message: &Message) -> Option<Term> {
    message.payload.as_ref().map(|payload| payload.decode().unwrap())
}

macro_rules! recording {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/recordings/", $name, ".frames"))
    };
}

pub(crate) const PASS_THROUGH: [&[u8]; 3] = [
    recording!("otp25-pass-through"),
    recording!("otp27-pass-through"),
    recording!("otp29-pass-through"),
];
pub(crate) const NO_ALTACT: [&[u8]; 3] =
    [recording!("otp25-no-altact"), recording!("otp27-no-altact"), recording!("otp29-no-altact")];
pub(crate) const OLD_FORMS: [&[u8]; 3] =
    [recording!("otp25-old-forms"), recording!("otp27-old-forms"), recording!("otp29-old-forms")];
pub(crate) const HEADERS: [&[u8]; 3] =
    [recording!("otp25-header"), recording!("otp27-header"), recording!("otp29-header")];
pub(crate) const FRAGMENTS_NO_CACHE: [&[u8]; 3] = [
    recording!("otp25-fragments-no-cache"),
    recording!("otp27-fragments-no-cache"),
    recording!("otp29-fragments-no-cache"),
];
const CACHE_NO_FRAGMENTS: &[u8] = recording!("otp27-cache-no-fragments");

#[test]
fn control_messages_of_live_nodes_are_written_as_they_were_read() {
    for recording in PASS_THROUGH.iter().chain(&NO_ALTACT).chain(&OLD_FORMS) {
        let mut receiver = Receiver::new(flags_without(HEADERLESS), Bounds::default());
        for frame in frames(recording) {
            let message = receiver.receive(frame.clone()).unwrap().unwrap();
            let mut written = vec![112, 131];
            message.control.encode(&mut written);
            if let Some(payload) = &message.payload {
                written.push(131);
                written.extend_from_slice(payload.bytes());
            }
            assert_eq!(written, frame, "{message:?}");
        }
    }
}

#[test]
fn operations_of_live_nodes_are_told_apart() {
    let sorted = |recording, flags| {
        let mut numbers = numbers(&messages(recording, flags));
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    };
    let flags = flags_without(HEADERLESS);
    for recording in NO_ALTACT.iter().chain(&PASS_THROUGH[..2]) {
        let all = sorted(recording, flags);
        assert_eq!(all, [1, 6, 7, 16, 19, 20, 22, 23, 24, 25, 26, 28, 29, 30, 31, 33, 34, 35, 36]);
    }
    assert_eq!(
        sorted(PASS_THROUGH[2], flags),
        [1, 6, 7, 16, 19, 20, 22, 23, 24, 25, 26, 28, 29, 30, 31, 35, 36, 37]
    );
    for recording in OLD_FORMS {
        assert_eq!(
            sorted(recording, flags),
            [1, 2, 3, 6, 7, 8, 13, 19, 20, 21, 29, 30, 31, 35, 36]
        );
    }
}

#[test]
fn fields_of_live_control_messages_are_those_that_the_process_meant() {
    let all = messages(PASS_THROUGH[2], flags_without(HEADERLESS));
    let find =
        |number: u8| all.iter().filter(move |message| message.control.operation().number == number);
    assert!(
        find(22).any(|message| payload(message) == Some(Term::from(Atom::from_static("hello"))))
    );
    assert!(
        find(6)
            .all(|message| matches!(&message.control, Control::RegSend { to, .. } if to == "reg"))
    );
    assert!(find(28).any(|message| {
        let Control::PayloadMonitorPExit { from: ProcessOrName::Name(name), reference, .. } =
            &message.control
        else {
            return false;
        };
        name == "nobody"
            && reference.words() == [9, 9, 9]
            && payload(message) == Some(Term::from(Atom::from_static("noproc")))
    }));
    assert!(find(36).all(
        |message| matches!(&message.control, Control::UnlinkIdAck { id, .. } if id.get() == 77)
    ));
    assert!(find(31).all(|message| {
        matches!(&message.control, Control::SpawnReply { flags, result: ProcessOrName::Process(_), .. }
            if flags.monitored() && !flags.linked())
    }));
    assert!(find(29).all(|message| {
        let Control::SpawnRequest { mfa, options, .. } = &message.control else { return false };
        mfa.module == "lists"
            && mfa.function == "seq"
            && mfa.arity == 2
            && options.0.to_string() == "[link,monitor]"
    }));
    let altact: Vec<_> = find(37)
        .map(|message| {
            let Control::AltactSigSend(signal) = &message.control else { panic!() };
            let to = match &signal.to {
                AltactTo::Process(_) => "pid",
                AltactTo::Alias(_) => "alias",
                AltactTo::Name(_) => "name",
            };
            (
                signal.priority,
                signal.exit,
                to,
                signal.token.is_some(),
                payload(message).unwrap().to_string(),
            )
        })
        .collect();
    let expected = [
        (false, false, "alias", false, "{to_alias,1}"),
        (false, false, "alias", true, "traced"),
        (true, false, "pid", false, "prio_pid"),
        (true, false, "name", false, "prio_name"),
        (true, false, "alias", false, "prio_alias"),
        (true, true, "pid", false, "prio_exit"),
        (true, true, "alias", false, "prio_exit_alias"),
    ];
    assert_eq!(
        altact,
        expected.map(|(priority, exit, to, token, text)| (
            priority,
            exit,
            to,
            token,
            text.to_owned()
        ))
    );
}

#[test]
fn messages_behind_distribution_headers_are_those_without_a_cache() {
    let mut seen = Vec::new();
    for recording in HEADERS {
        seen.push(messages(recording, flags_without(Flags::empty())));
    }
    for recording in FRAGMENTS_NO_CACHE {
        seen.push(messages(recording, flags_without(Flags::DIST_HDR_ATOM_CACHE)));
    }
    seen.push(messages(CACHE_NO_FRAGMENTS, flags_without(Flags::FRAGMENTS)));
    for all in seen {
        let texts: Vec<_> = all.iter().filter_map(payload).map(|term| term.to_string()).collect();
        let again = texts.iter().filter(|text| *text == "{again,hello}").count();
        assert_eq!(again, 2);
        // 300 atoms in one message: 255 by reference, or fewer, and the others by name.
        let atoms: Vec<_> = (1..=300).map(|i| format!("atom_{i}")).collect();
        assert!(
            texts.contains(&format!("[{}]", atoms.join(","))),
            "the list of 300 atoms is not there"
        );
        let long = all.iter().filter_map(payload).any(|term| {
            term.as_atom().is_some_and(|atom| atom.as_str() == "\u{1F600}".repeat(255))
        });
        assert!(long, "the atom of 1,020 bytes is not there");
        assert!(texts.contains(&format!("{{{},long}}", "x".repeat(255))));
        assert!(texts.last().is_some_and(|text| text == "done"));
    }
}

#[test]
fn a_message_in_three_fragments_comes_out_whole() {
    let with_cache = messages(HEADERS[2], flags_without(Flags::empty()));
    let without = messages(FRAGMENTS_NO_CACHE[1], flags_without(Flags::DIST_HDR_ATOM_CACHE));
    for all in [with_cache, without] {
        let whole = all.iter().filter_map(payload).any(|term| {
            let Some(tuple) = term.as_tuple() else { return false };
            let Some(binary) = tuple.get(1).and_then(|element| element.as_binary()) else {
                return false;
            };
            binary[..] == b"0123456789abcdef".repeat(9000)
        });
        assert!(whole, "the binary of 144,000 bytes is not there");
    }
}

#[test]
fn a_form_that_was_not_agreed_on_ends_the_connection() {
    let all = frames(HEADERS[0]);
    assert!(
        Receiver::new(flags_without(HEADERLESS), Bounds::default())
            .receive(all[0].clone())
            .is_err()
    );
    let all = frames(PASS_THROUGH[0]);
    assert!(
        Receiver::new(flags_without(Flags::empty()), Bounds::default())
            .receive(all[0].clone())
            .is_err()
    );
    let mut receiver = Receiver::new(flags_without(Flags::FRAGMENTS), Bounds::default());
    assert!(
        frames(HEADERS[2]).iter().any(|frame| receiver.receive(frame.clone()).is_err()),
        "fragments went through"
    );
}

#[test]
fn every_cut_of_a_live_frame_is_refused_or_lacks_its_payload_only() {
    for frame in frames(HEADERS[2]).iter().filter(|frame| frame.len() < 400) {
        for cut in 0..frame.len() {
            let mut receiver = Receiver::new(flags_without(Flags::empty()), Bounds::default());
            if let Ok(Some(message)) = receiver.receive(frame.slice(..cut)) {
                // The control message was whole; its payload tells its receiver that it is not.
                if let Some(payload) = message.payload {
                    assert!(payload.decode().is_err());
                }
            }
        }
    }
}

proptest! {
    /// Reads end where they like: in lengths, headers, fragments and payloads.
    #[test]
    fn a_live_session_read_in_any_pieces_is_the_same_session(
        sizes in proptest::collection::vec(prop_oneof![1..8usize, 1..2_000usize, 60_000..70_000usize], 1..40),
        which in 0..9usize,
    ) {
        let (recording, flags) = match which {
            0..3 => (HEADERS[which], flags_without(Flags::empty())),
            3..6 => (FRAGMENTS_NO_CACHE[which - 3], flags_without(Flags::DIST_HDR_ATOM_CACHE)),
            _ => (PASS_THROUGH[which - 6], flags_without(HEADERLESS)),
        };
        let mut deframer = Deframer::handshake(Prefix::Two).established(1 << 20);
        let mut receiver = Receiver::new(flags, Bounds::default());
        let mut received = Vec::new();
        let (mut at, mut sizes) = (0, sizes.iter().cycle());
        while at < recording.len() {
            let end = (at + sizes.next().unwrap()).min(recording.len());
            deframer.push(&recording[at..end]);
            at = end;
            while let Some(frame) = deframer.next_frame().unwrap() {
                let Frame::Message(frame) = frame else { continue };
                received.extend(receiver.receive(frame.clone()).unwrap());
            }
        }
        prop_assert_eq!(received, messages(recording, flags));
    }

    #[test]
    fn no_mutation_of_a_live_session_makes_the_receiver_panic(
        changes in proptest::collection::vec((0..150_000usize, any::<u8>()), 1..12),
        which in 0..3usize,
    ) {
        let (recording, flags) = [
            (HEADERS[2], flags_without(Flags::empty())),
            (FRAGMENTS_NO_CACHE[1], flags_without(Flags::DIST_HDR_ATOM_CACHE)),
            (PASS_THROUGH[2], flags_without(HEADERLESS)),
        ][which];
        let mut bytes = recording.to_vec();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let mut deframer = Deframer::handshake(Prefix::Two).established(1 << 18);
        deframer.push(&bytes);
        let mut receiver = Receiver::new(flags, Bounds::for_message(1 << 18));
        while let Ok(Some(frame)) = deframer.next_frame() {
            let Frame::Message(frame) = frame else { continue };
            match receiver.receive(frame.clone()) {
                Ok(Some(Message { payload: Some(payload), .. })) => drop(payload.decode()),
                Ok(_) => {}
                Err(_) => break,
            }
            prop_assert!(receiver.held() <= bytes.len());
        }
    }
}
