//! Both machines against what live nodes said to each other, against each other, and against those who lie.

use proptest::prelude::*;
use term::Atom;

use super::acceptor::{Acceptor, Caller, Decision, Machine, Next, Proved};
use super::digest::Digest;
use super::initiator::{Initiator, Progress};
use super::message::{
    Ack, Challenge, Complement, MessageError, Name, NodeNameFault, Reply, Status,
};
use super::{Failure, HandshakeError, LocalNode, Peer};
use crate::proto::flags::{Flags, MANDATORY};
use crate::proto::frame::{Deframer, Frame, Prefix};

const COOKIE: &[u8] = b"secret";

/// A handshake between two live nodes with the cookie `secret`, recorded on the way: the messages of the end that dialled
/// and of the end that listened, lengths included.
struct Recording {
    releases: &'static str,
    dialled: [&'static str; 2],
    listened: [&'static str; 3],
}

const STATIC_NAMES: [Recording; 4] = [
    Recording {
        releases: "25 to 25",
        dialled: [
            "001c4e0000000d07df7fbd6b03dce6000d696e69403132372e302e302e31",
            "001572957a8f487206bc5aa5a0ffc6d6e8261df4f1eb9e",
        ],
        listened: [
            "0003736f6b",
            "00204e0000000d07df7fbd9d5f7efa6b03dce6000d616363403132372e302e302e31",
            "001161f23ec9c2414bde3297137f1251aff5e7",
        ],
    },
    Recording {
        releases: "27 to 27",
        dialled: [
            "001c4e0000000d07df7fbd6b03dce7000d696e69403132372e302e302e31",
            "001572e82e2bcee955e7ed4e2b9bdde23263024c79349f",
        ],
        listened: [
            "0003736f6b",
            "00204e0000000d07df7fbdfc737c5d6b03dce7000d616363403132372e302e302e31",
            "001161fa48edbdd75242a8b5a6f3470530fece",
        ],
    },
    Recording {
        releases: "29 to 29",
        dialled: [
            "001c4e0000006d07df7fbd6b03dce8000d696e69403132372e302e302e31",
            "001572f2f4bd82b6a9445600a681a7087f65510d136ff7",
        ],
        listened: [
            "0003736f6b",
            "00204e0000006d07df7fbddf154be86b03dce8000d616363403132372e302e302e31",
            "00116189e7b82ee48421af1614393de6013900",
        ],
    },
    Recording {
        releases: "29 to 25",
        dialled: [
            "001c4e0000006d07df7fbd6b03dcea000d696e69403132372e302e302e31",
            "001572f38a7d69c8e7f2e3df1ef33b6ef19195a9e322dc",
        ],
        listened: [
            "0003736f6b",
            "00204e0000000d07df7fbd9edb831b6b03dce9000d616363403132372e302e302e31",
            "001161b92bcbbd69938fcfbe44f007562900be",
        ],
    },
];

/// The dialling end was started as `-name undefined` and asked for a name.
const DYNAMIC_NAMES: [Recording; 2] = [
    Recording {
        releases: "27 to 27",
        dialled: [
            "00184e0000000f07df7fbc0000000000093132372e302e302e31",
            "00157253125d054be52acba00c05f0c3a0d8b0e16d9cd1",
        ],
        listened: [
            "0024736e616d65643a001733334648313457343750345736403132372e302e302e314a5cc19f",
            "00204e0000000f07df7fbc37e1e8756b03dceb000d616363403132372e302e302e31",
            "0011610d4bcd8bbc609f2bef718c6187dfb039",
        ],
    },
    Recording {
        releases: "29 to 29",
        dialled: [
            "00184e0000006f07df7fbc0000000000093132372e302e302e31",
            "001572443fdb953e273ec6cda40725904a75531aaff3ac",
        ],
        listened: [
            "0023736e616d65643a00164d3855504256445131585031403132372e302e302e31ecdf7b34",
            "00204e0000006f07df7fbc01e8f7bf6b03dcec000d616363403132372e302e302e31",
            "00116179585ef9779f35f2070bdf48879e504e",
        ],
    },
];

/// A recorded message without its length.
fn body(recorded: &str) -> Vec<u8> {
    let bytes: Vec<u8> = (0..recorded.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&recorded[i..i + 2], 16).unwrap())
        .collect();
    assert_eq!(usize::from(u16::from_be_bytes([bytes[0], bytes[1]])), bytes.len() - 2);
    bytes[2..].to_vec()
}

fn atom(name: &str) -> Atom {
    Atom::new(name).unwrap()
}

fn local(name: &str) -> LocalNode {
    LocalNode { name: atom(name), creation: 7, flags: Flags::offered() }
}

fn goes_on(progress: Result<Progress, Failure>) -> (Option<Vec<u8>>, Initiator) {
    match progress {
        Ok(Progress::Continue { message, machine }) => (message, machine),
        other => panic!("the initiator does not go on: {other:?}"),
    }
}

fn next(next: Result<Next, Failure>) -> (Vec<Vec<u8>>, Machine) {
    match next {
        Ok(Next::Continue { messages, machine }) => (messages, machine),
        other => panic!("the acceptor does not go on: {other:?}"),
    }
}

fn proved(next: Result<Next, Failure>) -> Proved {
    match next {
        Ok(Next::Proved(proved)) => proved,
        other => panic!("the acceptor is not convinced: {other:?}"),
    }
}

#[test]
fn as_the_end_that_dials_we_say_byte_for_byte_what_a_live_node_said() {
    for recording in STATIC_NAMES {
        let name = Name::decode(&body(recording.dialled[0])).unwrap();
        let reply = Reply::decode(&body(recording.dialled[1])).unwrap();
        let node =
            LocalNode { name: name.name, creation: name.creation.unwrap(), flags: name.flags };
        let (machine, sent) = Initiator::new(&node, atom("acc@127.0.0.1"), COOKIE, reply.challenge);
        assert_eq!(sent, body(recording.dialled[0]), "{}", recording.releases);
        let (message, machine) = goes_on(machine.receive(&body(recording.listened[0])));
        assert_eq!(message, None);
        let (message, machine) = goes_on(machine.receive(&body(recording.listened[1])));
        assert_eq!(message, Some(body(recording.dialled[1])));
        let Ok(Progress::Established { peer, granted: None }) =
            machine.receive(&body(recording.listened[2]))
        else {
            panic!("{} not established", recording.releases);
        };
        let theirs = Challenge::decode(&body(recording.listened[1])).unwrap();
        assert_eq!(
            (peer.name, peer.creation, peer.offered),
            (theirs.name, theirs.creation, theirs.flags)
        );
        assert_eq!(peer.flags.bits(), name.flags.bits() & theirs.flags.bits());
    }
}

#[test]
fn as_the_end_that_listens_we_say_byte_for_byte_what_a_live_node_said() {
    for recording in STATIC_NAMES {
        let ours = Challenge::decode(&body(recording.listened[1])).unwrap();
        let node = LocalNode { name: ours.name, creation: ours.creation, flags: ours.flags };
        let caller = Acceptor::new(node).receive_name(&body(recording.dialled[0])).unwrap();
        assert_eq!(caller.claimed_name(), Some(&atom("ini@127.0.0.1")));
        let (messages, machine) = next(caller.decide(Decision::Accept, COOKIE, ours.challenge));
        assert_eq!(
            messages,
            [body(recording.listened[0]), body(recording.listened[1])],
            "{}",
            recording.releases
        );
        let (ack, peer) = proved(machine.receive(&body(recording.dialled[1]))).accept();
        assert_eq!(ack, body(recording.listened[2]));
        assert_eq!(peer.name, atom("ini@127.0.0.1"));
        assert!(!peer.is_hidden());
    }
}

#[test]
fn a_name_is_asked_for_as_a_live_node_asks() {
    for recording in DYNAMIC_NAMES {
        let name = Name::decode(&body(recording.dialled[0])).unwrap();
        let reply = Reply::decode(&body(recording.dialled[1])).unwrap();
        let (machine, sent) = Initiator::unnamed(
            name.name,
            name.flags,
            atom("acc@127.0.0.1"),
            COOKIE,
            reply.challenge,
        )
        .unwrap();
        assert_eq!(sent, body(recording.dialled[0]));
        let (_, machine) = goes_on(machine.receive(&body(recording.listened[0])));
        let (message, machine) = goes_on(machine.receive(&body(recording.listened[1])));
        assert_eq!(message, Some(body(recording.dialled[1])), "{}", recording.releases);
        let Ok(Progress::Established { granted: Some((name, creation)), .. }) =
            machine.receive(&body(recording.listened[2]))
        else {
            panic!("no name");
        };
        assert_eq!(
            Status::decode(&body(recording.listened[0])),
            Ok(Status::Named { name, creation })
        );
    }
}

#[test]
fn a_name_is_granted_as_a_live_node_grants_it() {
    for recording in DYNAMIC_NAMES {
        let ours = Challenge::decode(&body(recording.listened[1])).unwrap();
        let Ok(Status::Named { name, creation }) = Status::decode(&body(recording.listened[0]))
        else {
            panic!()
        };
        // A live node answers with the flag of the question set; ours is to add it by itself.
        let node = LocalNode {
            name: ours.name,
            creation: ours.creation,
            flags: ours.flags - Flags::NAME_ME,
        };
        let caller = Acceptor::new(node).receive_name(&body(recording.dialled[0])).unwrap();
        assert_eq!((caller.claimed_name(), caller.wanted_host()), (None, Some(&atom("127.0.0.1"))));
        let grant = Decision::Grant { name: name.clone(), creation };
        let (messages, machine) = next(caller.decide(grant, COOKIE, ours.challenge));
        assert_eq!(
            messages,
            [body(recording.listened[0]), body(recording.listened[1])],
            "{}",
            recording.releases
        );
        let (ack, peer) = proved(machine.receive(&body(recording.dialled[1]))).accept();
        assert_eq!(ack, body(recording.listened[2]));
        assert_eq!((peer.name, peer.creation), (name, creation));
    }
}

/// Runs a whole handshake between two of ours.
fn meet(
    dialling: &LocalNode,
    listening: &LocalNode,
    cookies: (&[u8], &[u8]),
    decision: Decision,
    still_wanted: bool,
) -> Result<(Peer, Peer), Failure> {
    let (mut initiator, name) = Initiator::new(dialling, listening.name.clone(), cookies.0, 1);
    let caller = Acceptor::new(listening.clone()).receive_name(&name)?;
    let mut to_initiator;
    let mut machine;
    match caller.decide(decision, cookies.1, 2)? {
        Next::Continue { messages, machine: next } => (to_initiator, machine) = (messages, next),
        Next::Proved(_) => panic!("convinced by a name"),
    }
    loop {
        let mut replies = Vec::new();
        for message in std::mem::take(&mut to_initiator) {
            let mut progress = initiator.receive(&message)?;
            if let Progress::Alive(question) = progress {
                progress = question.answer(still_wanted)?;
            }
            match progress {
                Progress::Continue { message, machine } => {
                    replies.extend(message);
                    initiator = machine;
                }
                other => panic!("established before the acknowledgement: {other:?}"),
            }
        }
        for message in replies {
            match machine.receive(&message)? {
                Next::Continue { messages, machine: next } => {
                    (to_initiator, machine) = (messages, next)
                }
                Next::Proved(proved) => {
                    let (ack, dialler) = proved.accept();
                    let Progress::Established { peer, granted: None } = initiator.receive(&ack)?
                    else {
                        panic!("not established")
                    };
                    return Ok((peer, dialler));
                }
            }
        }
    }
}

#[test]
fn two_of_ours_meet_and_agree_on_flags() {
    let a = local("a@h");
    let b = LocalNode { flags: Flags::offered() - Flags::FRAGMENTS, ..local("b@h") };
    for decision in [Decision::Accept, Decision::AcceptSimultaneous, Decision::AskIfAlive] {
        let (listener, dialler) = meet(&a, &b, (b"c", b"c"), decision, true).unwrap();
        assert_eq!((&listener.name, &dialler.name), (&atom("b@h"), &atom("a@h")));
        assert_eq!(listener.flags, dialler.flags);
        assert_eq!(listener.flags, Flags::offered() - Flags::FRAGMENTS);
        assert!(dialler.is_hidden());
    }
}

#[test]
fn another_cookie_is_noticed_by_the_end_that_listens() {
    let failure =
        meet(&local("a@h"), &local("b@h"), (b"c", b"d"), Decision::Accept, true).unwrap_err();
    assert_eq!(failure.error, HandshakeError::BadCookie { peer: atom("a@h") });
}

#[test]
fn a_listener_that_does_not_know_the_cookie_is_noticed_by_the_end_that_dials() {
    let (machine, _) = Initiator::new(&local("a@h"), atom("b@h"), COOKIE, 1);
    let (_, machine) = goes_on(machine.receive(&Status::Ok.encode()));
    let challenge =
        Challenge { flags: Flags::offered(), challenge: 2, creation: 3, name: atom("b@h") };
    let (_, machine) = goes_on(machine.receive(&challenge.encode()));
    let failure = machine.receive(&Ack { digest: Digest::new(b"guess", 1) }.encode()).unwrap_err();
    assert_eq!(failure.error, HandshakeError::BadCookie { peer: atom("b@h") });
}

#[test]
fn an_attempt_no_longer_wanted_says_false_to_alive() {
    let failure =
        meet(&local("a@h"), &local("b@h"), (b"c", b"c"), Decision::AskIfAlive, false).unwrap_err();
    assert_eq!(failure.farewell, Some(b"sfalse".to_vec()));
    assert_eq!(failure.error, HandshakeError::StillAlive(atom("b@h")));
}

#[test]
fn refusals_are_told_before_closing() {
    for (decision, farewell) in
        [(Decision::RefuseSimultaneous, &b"snok"[..]), (Decision::Refuse, b"snot_allowed")]
    {
        let failure = meet(&local("a@h"), &local("b@h"), (b"c", b"c"), decision, true).unwrap_err();
        assert_eq!(failure.farewell.as_deref(), Some(farewell));
    }
}

#[test]
fn of_two_simultaneous_attempts_the_one_of_the_greater_name_counts() {
    let (a, b) = (atom("a@h"), atom("b@h"));
    assert_eq!(Decision::simultaneous(&a, &b), Decision::AcceptSimultaneous);
    assert_eq!(Decision::simultaneous(&b, &a), Decision::RefuseSimultaneous);
}

#[test]
fn refusals_by_the_peer_have_each_their_own_error() {
    for (status, error) in [
        (Status::Nok, HandshakeError::Simultaneous(atom("b@h"))),
        (Status::NotAllowed, HandshakeError::NotAllowed(atom("b@h"))),
        (
            Status::True,
            HandshakeError::UnexpectedStatus { peer: atom("b@h"), status: Status::True },
        ),
    ] {
        let (machine, _) = Initiator::new(&local("a@h"), atom("b@h"), COOKIE, 1);
        assert_eq!(machine.receive(&status.encode()).unwrap_err().error, error);
    }
}

#[test]
fn a_missing_flag_is_named_and_the_caller_told() {
    for flag in MANDATORY.iter() {
        let name = Name { flags: MANDATORY - flag, creation: Some(1), name: atom("a@h") };
        let failure = Acceptor::new(local("b@h")).receive_name(&name.encode()).unwrap_err();
        assert_eq!(failure.farewell, Some(b"snot_allowed".to_vec()));
        assert_eq!(
            failure.error,
            HandshakeError::MissingFlags { peer: atom("a@h"), missing: flag }
        );
        assert!(failure.to_string().contains(&flag.to_string()), "{failure}");

        let (machine, _) = Initiator::new(&local("a@h"), atom("b@h"), COOKIE, 1);
        let (_, machine) = goes_on(machine.receive(&Status::Ok.encode()));
        let challenge =
            Challenge { flags: MANDATORY - flag, challenge: 2, creation: 3, name: atom("b@h") };
        let failure = machine.receive(&challenge.encode()).unwrap_err();
        assert_eq!(
            failure.error,
            HandshakeError::MissingFlags { peer: atom("b@h"), missing: flag }
        );
    }
}

/// An old name message, as OTP 23 and 24 send it where they do not know the listener's release, and what follows it.
fn old_name(flags: Flags) -> Caller {
    let mut message = b"n\0\x05".to_vec();
    message.extend_from_slice(&(flags.bits() as u32).to_be_bytes());
    message.extend_from_slice(b"a@h");
    Acceptor::new(local("b@h")).receive_name(&message).unwrap()
}

#[test]
fn an_old_name_message_is_answered_and_its_complement_waited_for() {
    let flags = Flags::from_bits_retain(0xd_07df_7fbc);
    let (messages, machine) = next(old_name(flags).decide(Decision::Accept, COOKIE, 2));
    assert_eq!(messages[1][0], b'N');
    let complement = Complement { flags_high: 0xd, creation: 9 };
    let (messages, machine) = next(machine.receive(&complement.encode()));
    assert!(messages.is_empty());
    let reply = Reply { challenge: 1, digest: Digest::new(COOKIE, 2) };
    let (_, peer) = proved(machine.receive(&reply.encode())).accept();
    assert_eq!((peer.creation, peer.offered), (9, flags));
}

#[test]
fn an_old_name_message_whose_complement_lacks_a_flag_is_refused() {
    let (_, machine) = next(old_name(MANDATORY).decide(Decision::Accept, COOKIE, 2));
    let failure = machine.receive(&Complement { flags_high: 0, creation: 9 }.encode()).unwrap_err();
    assert_eq!(
        failure.error,
        HandshakeError::MissingFlags { peer: atom("a@h"), missing: Flags::V4_NC }
    );
}

#[test]
fn an_answer_out_of_turn_is_refused() {
    let (_, machine) = next(old_name(MANDATORY).decide(Decision::Accept, COOKIE, 2));
    let reply = Reply { challenge: 1, digest: Digest::new(COOKIE, 2) };
    assert!(matches!(
        machine.receive(&reply.encode()).unwrap_err().error,
        HandshakeError::Message(MessageError::Unexpected { found: Some(b'r'), .. })
    ));
}

#[test]
fn names_that_no_node_has_are_refused() {
    for (name, fault) in [
        (&b""[..], NodeNameFault::NotNameAtHost),
        (b"a", NodeNameFault::NotNameAtHost),
        (b"@h", NodeNameFault::NotNameAtHost),
        (b"a@", NodeNameFault::NotNameAtHost),
        (b"a@b@c", NodeNameFault::NotNameAtHost),
        (b"a\n@h", NodeNameFault::Control),
        (b"a@h\0", NodeNameFault::Control),
        (b"\xff@h", NodeNameFault::NotUtf8),
        (&[&[b'a'; 254][..], b"@h"].concat(), NodeNameFault::TooLong),
    ] {
        let mut message = b"N".to_vec();
        message.extend_from_slice(&Flags::offered().bits().to_be_bytes());
        message.extend_from_slice(&1u32.to_be_bytes());
        message.extend_from_slice(&(name.len() as u16).to_be_bytes());
        message.extend_from_slice(name);
        let failure = Acceptor::new(local("b@h")).receive_name(&message).unwrap_err();
        assert_eq!(failure.error, HandshakeError::Message(MessageError::Name(fault)), "{name:?}");
        message.splice(0..15, b"n\0\x05\x03\x07\x0f\x94".iter().copied());
        let failure = Acceptor::new(local("b@h")).receive_name(&message).unwrap_err();
        assert_eq!(failure.error, HandshakeError::Message(MessageError::Name(fault)), "{name:?}");
    }
}

#[test]
fn our_own_name_is_refused() {
    let (_, name) = Initiator::new(&local("b@h"), atom("b@h"), COOKIE, 1);
    let failure = Acceptor::new(local("b@h")).receive_name(&name).unwrap_err();
    assert_eq!(failure.error, HandshakeError::OwnName(atom("b@h")));
}

#[test]
fn another_node_at_the_port_dialled_is_noticed() {
    let (machine, _) = Initiator::new(&local("a@h"), atom("b@h"), COOKIE, 1);
    let (_, machine) = goes_on(machine.receive(&Status::Ok.encode()));
    let challenge = Challenge { flags: MANDATORY, challenge: 2, creation: 3, name: atom("c@h") };
    let error = machine.receive(&challenge.encode()).unwrap_err().error;
    assert_eq!(error, HandshakeError::WrongNode { wanted: atom("b@h"), found: "c@h".into() });
}

#[test]
fn a_name_is_granted_on_the_callers_own_host_and_to_those_without_one_only() {
    let ask = || {
        let (_, name) =
            Initiator::unnamed(atom("h"), Flags::offered(), atom("b@h"), COOKIE, 1).unwrap();
        Acceptor::new(local("b@h")).receive_name(&name).unwrap()
    };
    for (name, good) in [("x@h", true), ("x@other", false), ("x", false)] {
        let decision = Decision::Grant { name: atom(name), creation: 5 };
        assert_eq!(ask().decide(decision, COOKIE, 2).is_ok(), good, "{name}");
    }
    assert!(ask().decide(Decision::Accept, COOKIE, 2).is_err());
    let (_, name) = Initiator::new(&local("a@h"), atom("b@h"), COOKIE, 1);
    let caller = Acceptor::new(local("b@h")).receive_name(&name).unwrap();
    assert!(caller.decide(Decision::Grant { name: atom("x@h"), creation: 5 }, COOKIE, 2).is_err());
}

#[test]
fn extra_data_behind_a_name_is_ignored_as_the_guide_asks() {
    let (_, mut name) = Initiator::new(&local("a@h"), atom("b@h"), COOKIE, 1);
    name.extend_from_slice(b"from the future");
    assert!(Acceptor::new(local("b@h")).receive_name(&name).is_ok());
}

#[test]
fn secrets_are_not_printed() {
    let (machine, _) = Initiator::new(&local("a@h"), atom("b@h"), b"monster", 1);
    let text = format!("{machine:?} {:?}", Digest::new(b"monster", 1));
    assert!(!text.contains("monster") && !text.contains("109, 111"), "{text}");
}

/// What each live end sent, on the wire: wherever a read ends, the messages are the same ones.
#[test]
fn a_live_handshake_split_at_every_boundary_is_the_same_handshake() {
    for recording in STATIC_NAMES.iter().chain(&DYNAMIC_NAMES) {
        for sent in [&recording.dialled[..], &recording.listened[..]] {
            let messages: Vec<Vec<u8>> = sent.iter().map(|message| body(message)).collect();
            let wire: Vec<u8> =
                messages.iter().flat_map(|message| Prefix::Two.frame(message).unwrap()).collect();
            for first in 0..=wire.len() {
                for second in first..=wire.len() {
                    let pieces = [&wire[..first], &wire[first..second], &wire[second..]];
                    assert_eq!(said(&pieces), messages, "{} {first} {second}", recording.releases);
                }
            }
        }
    }
}

/// The messages in pieces of a stream.
fn said(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut deframer = Deframer::handshake(Prefix::Two);
    let mut messages = Vec::new();
    for piece in pieces {
        deframer.push(piece);
        while let Some(frame) = deframer.next_frame().unwrap() {
            let Frame::Message(message) = frame else { panic!("an empty message") };
            messages.push(message.to_vec());
        }
    }
    assert_eq!(deframer.pending(), 0);
    messages
}

proptest! {
    /// A peer that knows the right messages and not when to send them: only their one order leads anywhere.
    #[test]
    fn right_messages_in_a_wrong_order_convince_nobody(order in Just([0, 1, 2, 3]).prop_shuffle(), which in 0..4usize) {
        let recording = &STATIC_NAMES[which];
        let theirs: Vec<Vec<u8>> =
            recording.listened.iter().chain(&recording.dialled[1..]).map(|message| body(message)).collect();
        let ours = Name::decode(&body(recording.dialled[0])).unwrap();
        let peer = Challenge::decode(&body(recording.listened[1])).unwrap();
        let reply = Reply::decode(&body(recording.dialled[1])).unwrap();
        let dialling = LocalNode { name: ours.name.clone(), creation: 7, flags: ours.flags };
        let (mut initiator, _) = Initiator::new(&dialling, peer.name.clone(), COOKIE, reply.challenge);
        let mut established = false;
        for at in order {
            match initiator.receive(&theirs[at]) {
                Ok(Progress::Continue { machine, .. }) => initiator = machine,
                Ok(Progress::Established { .. }) => { established = true; break; }
                _ => break,
            }
        }
        prop_assert_eq!(established, order[..3] == [0, 1, 2]);
        // The other end: name, reply and what is no message of a dialling end.
        let listening = LocalNode { name: peer.name.clone(), creation: 7, flags: peer.flags };
        let dialled = [body(recording.dialled[0]), body(recording.dialled[1]), theirs[0].clone(), theirs[2].clone()];
        let mut proved = false;
        if let Ok(caller) = Acceptor::new(listening).receive_name(&dialled[order[0]]) {
            let mut step = caller.decide(Decision::Accept, COOKIE, peer.challenge);
            for at in &order[1..] {
                match step {
                    Ok(Next::Continue { machine, .. }) => step = machine.receive(&dialled[*at]),
                    _ => break,
                }
            }
            proved = matches!(step, Ok(Next::Proved(_)));
        }
        prop_assert_eq!(proved, order[..2] == [0, 1]);
    }

    #[test]
    fn no_message_makes_a_machine_panic(messages in proptest::collection::vec(
        (prop_oneof![Just(b'N'), Just(b'n'), Just(b's'), Just(b'r'), Just(b'a'), Just(b'c'), any::<u8>()],
         proptest::collection::vec(any::<u8>(), 0..60)), 1..4)) {
        let messages: Vec<Vec<u8>> =
            messages.into_iter().map(|(tag, mut rest)| { rest.insert(0, tag); rest }).collect();
        let (mut initiator, _) = Initiator::new(&local("a@h"), atom("b@h"), COOKIE, 1);
        for message in &messages {
            match initiator.receive(message) {
                Ok(Progress::Continue { machine, .. }) => initiator = machine,
                _ => break,
            }
        }
        if let Ok(caller) = Acceptor::new(local("b@h")).receive_name(&messages[0]) {
            let mut step = caller.decide(Decision::Accept, COOKIE, 2);
            for message in &messages[1..] {
                match step {
                    Ok(Next::Continue { machine, .. }) => step = machine.receive(message),
                    _ => break,
                }
            }
            prop_assert!(!matches!(step, Ok(Next::Proved(_))), "convinced without the cookie");
        }
    }

    #[test]
    fn a_truncated_message_is_an_error_never_another_message(cut in 0..100usize) {
        let status = Status::Named { name: atom("abc@host"), creation: 77 }.encode();
        if cut < status.len() {
            prop_assert!(Status::decode(&status[..cut]).is_err());
        }
        let challenge = Challenge { flags: MANDATORY, challenge: 2, creation: 3, name: atom("abc@host") }.encode();
        if cut < challenge.len() {
            prop_assert!(Challenge::decode(&challenge[..cut]).is_err());
        }
        let reply = Reply { challenge: 1, digest: Digest::new(COOKIE, 2) }.encode();
        if cut < reply.len() {
            prop_assert!(Reply::decode(&reply[..cut]).is_err());
        }
    }
}
