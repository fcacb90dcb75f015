//! Both directions against recordings of live nodes: what a BEAM says to a peer of these flags means a signal, and we say the same
//! signal to such a peer in the same words.

use std::sync::Arc;

use mailbox::{Dest, Origin, Payload, Signal, SpawnRequest, Target};
use term::{Atom, DecodeError, Encoded, Pid, Reference, Term};

use super::{Outgoing, Withheld, inbound, outbound};
use crate::proto::control::Control;
use crate::proto::flags::Flags;
use crate::proto::receive::Message;
use crate::proto::recordings::{
    FRAGMENTS_NO_CACHE, HEADERLESS, HEADERS, NO_ALTACT, OLD_FORMS, PASS_THROUGH, flags_without,
    messages,
};
use crate::proto::send::Content;

struct Nowhere;

impl Origin for Nowhere {
    fn undecodable(&self, error: &DecodeError) {
        panic!("undecodable: {error}");
    }

    fn released(&self, _bytes: usize) {}
}

fn pid(id: u32) -> Pid {
    Pid::new(Atom::from_static("a@h"), id, 0, 7)
}

fn reference() -> Reference {
    Reference::from_words(Atom::from_static("a@h"), 7, [1, 2, 3])
}

fn decoded(content: Option<Content>) -> Option<Term> {
    content.map(|content| match content {
        Content::Encoded(encoded) => encoded.decode().unwrap(),
        Content::Term(term) => term,
    })
}

fn sent(signal: Signal, flags: Flags) -> (Control, Option<Term>) {
    match outbound(signal, flags, &pid(0)) {
        Outgoing::Message(control, content) => (control, decoded(content)),
        other => panic!("not sent: {other:?}"),
    }
}

/// What nodes of OTP 25 and 27 know.
const UP_TO_27: Flags = Flags::ALTACT_SIG.union(Flags::NATIVE_RECORDS);

#[test]
fn a_signal_is_said_in_the_words_a_live_node_uses_for_a_peer_of_the_same_flags() {
    let mut sessions = Vec::new();
    for (releases, absent) in [
        (PASS_THROUGH, HEADERLESS),
        (NO_ALTACT, HEADERLESS | Flags::ALTACT_SIG),
        (
            OLD_FORMS,
            HEADERLESS
                | Flags::ALTACT_SIG
                | Flags::ALIAS
                | Flags::SEND_SENDER
                | Flags::EXIT_PAYLOAD
                | Flags::BIG_SEQTRACE_LABELS,
        ),
        (HEADERS, Flags::empty()),
        (FRAGMENTS_NO_CACHE, Flags::DIST_HDR_ATOM_CACHE),
    ] {
        for (recording, unknown) in releases.into_iter().zip([UP_TO_27, UP_TO_27, Flags::empty()]) {
            sessions.push((recording, flags_without(absent | unknown)));
        }
    }
    for (recording, flags) in sessions {
        for message in messages(recording, flags) {
            let Message { control, payload } = message.clone();
            let signal = inbound(message, &Arc::new(Nowhere)).unwrap();
            let said = sent(signal, flags);
            assert_eq!(said.0, control, "{flags}");
            assert_eq!(said.1, payload.map(|payload| payload.decode().unwrap()));
        }
    }
}

#[test]
fn a_peer_without_monitors_is_told_of_none() {
    let flags = flags_without(Flags::DIST_MONITOR_NAME);
    let to = Target::Pid(pid(1));
    for signal in [
        Signal::Monitor { from: pid(2), to: to.clone(), reference: reference() },
        Signal::Demonitor { from: pid(2), to: to.clone(), reference: reference() },
        Signal::Down { from: to, to: pid(2), reference: reference(), reason: Term::from(1) },
    ] {
        assert!(matches!(outbound(signal, flags, &pid(0)), Outgoing::Withheld(Withheld::Monitor)));
    }
}

#[test]
fn aliases_are_told_to_peers_that_know_them() {
    let message = |priority| Signal::Message {
        from: Some(pid(1)),
        to: Dest::Alias(reference()),
        payload: Payload::new(1i64).unwrap(),
        token: None,
        priority,
    };
    // As erts: without ALIAS an ordinary one is dropped, while a priority one still goes out as operation 37.
    let flags = flags_without(Flags::ALIAS);
    assert!(matches!(
        outbound(message(false), flags, &pid(0)),
        Outgoing::Withheld(Withheld::Alias)
    ));
    assert!(matches!(sent(message(true), flags).0, Control::AltactSigSend(_)));
    let flags = flags_without(Flags::ALTACT_SIG);
    assert!(matches!(sent(message(true), flags).0, Control::AliasSend { .. }));
    let exit = Signal::Exit2 {
        from: pid(1),
        to: Dest::Alias(reference()),
        reason: Term::from(1),
        token: None,
        priority: true,
    };
    assert!(matches!(outbound(exit, flags, &pid(0)), Outgoing::Withheld(Withheld::ExitToAlias)));
}

#[test]
fn a_spawn_request_to_a_peer_that_cannot_is_answered_notsup_as_erts_does() {
    let request = SpawnRequest {
        id: reference(),
        from: pid(1),
        group_leader: pid(2),
        module: Atom::from_static("m"),
        function: Atom::from_static("f"),
        arity: 0,
        options: Term::NIL,
        arguments: Encoded::from_term(&Term::NIL),
        token: None,
    };
    let signal = Signal::SpawnRequest(Box::new(request));
    let Outgoing::Answer(Signal::SpawnReply(reply)) =
        outbound(signal, flags_without(Flags::SPAWN), &pid(0))
    else {
        panic!("no answer")
    };
    assert_eq!(
        (reply.id, reply.to, reply.result),
        (reference(), pid(1), Err(Atom::from_static("notsup")))
    );
}

#[test]
fn a_message_of_no_known_sender_goes_out_in_the_name_of_nobody() {
    let message = |to| Signal::Message {
        from: None,
        to,
        payload: Payload::new(1i64).unwrap(),
        token: None,
        priority: false,
    };
    let flags = flags_without(Flags::empty());
    let (control, _) = sent(message(Dest::Name(Atom::from_static("name"))), flags);
    assert!(matches!(control, Control::RegSend { from, .. } if from == pid(0)));
    let (control, _) = sent(message(Dest::Pid(pid(9))), flags);
    assert!(matches!(control, Control::SendSender { from, .. } if from == pid(0)));
}

#[test]
fn an_exit_reason_that_is_no_term_ends_the_connection() {
    let message = Message {
        control: Control::PayloadExit { from: pid(1), to: pid(2) },
        payload: Some(Encoded::new(bytes::Bytes::from_static(&[109, 0, 0, 0, 9]), None)),
    };
    assert!(inbound(message, &Arc::new(Nowhere)).is_err());
}

#[test]
fn an_unlink_without_an_id_is_not_sent() {
    let signal = Signal::Unlink { from: pid(1), to: pid(2), id: 0 };
    assert!(matches!(
        outbound(signal, Flags::offered(), &pid(0)),
        Outgoing::Withheld(Withheld::UnlinkId)
    ));
}
