//! What is written here is read back with our own receiver, which is held against live nodes elsewhere; live nodes
//! read it in `node/tests`.

use proptest::prelude::*;
use term::{Atom, Pid};

use super::*;
use crate::proto::fragment::Bounds;
use crate::proto::frame::{Deframer, Frame, Prefix};
use crate::proto::receive::{Message, Receiver};

/// Everything in one buffer, and how many bytes came by reference.
#[derive(Default)]
struct Wire {
    bytes: Vec<u8>,
    inserted: usize,
}

impl Output for Wire {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    fn insert(&mut self, bytes: Bytes) {
        self.inserted += bytes.len();
        self.bytes.extend_from_slice(&bytes);
    }
}

fn control(id: u32) -> Control {
    let to = Pid::new(Atom::from_static("b@h"), 1, 0, 1);
    Control::SendSender { from: Pid::new(Atom::from_static("a@h"), id, 0, 1), to }
}

fn receive(flags: Flags, wire: &[u8]) -> Vec<Message> {
    let mut deframer = Deframer::handshake(Prefix::Two).established(1 << 30);
    deframer.push(wire);
    let mut receiver = Receiver::new(flags, Bounds::default());
    let mut messages = Vec::new();
    while let Some(frame) = deframer.next_frame().unwrap() {
        let Frame::Message(frame) = frame else { continue };
        messages.extend(receiver.receive(frame).unwrap());
    }
    assert_eq!((deframer.pending(), receiver.held()), (0, 0));
    messages
}

fn all_forms() -> [Flags; 4] {
    let all = Flags::offered();
    [
        all,
        all - Flags::DIST_HDR_ATOM_CACHE,
        all - Flags::FRAGMENTS,
        all - Flags::FRAGMENTS - Flags::DIST_HDR_ATOM_CACHE,
    ]
}

fn binary(length: usize) -> Term {
    Term::from(Bytes::from((0..length).map(|i| (i % 251) as u8).collect::<Vec<u8>>()))
}

fn any_term() -> impl Strategy<Value = Term> {
    let leaf = prop_oneof![
        (0..600u32).prop_map(|i| Term::from(Atom::new(format!("atom_{i}")).unwrap())),
        any::<i64>().prop_map(Term::from),
        prop_oneof![0..100usize, 8_000..9_000usize, 60_000..200_000usize].prop_map(binary),
        (0..9u32).prop_map(|id| Term::from(Pid::new(
            Atom::new(format!("node{id}@h")).unwrap(),
            id,
            0,
            1
        ))),
    ];
    leaf.prop_recursive(3, 300, 120, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..120).prop_map(Term::from),
            (inner.clone(), inner).prop_map(Term::from),
        ]
    })
}

#[test]
fn a_message_up_to_the_size_for_whole_ones_is_one_frame_and_a_longer_one_is_cut_all_the_way() {
    let mut sender = Sender::new(Flags::offered());
    sender.set_whole_size(1 << 20);
    let (short, long) = (binary((1 << 20) - 1_000), binary((1 << 20) + 1));
    let mut wire = Wire::default();
    assert!(
        sender.put(&control(1), Some(Content::Term(short.clone())), &mut wire).unwrap().is_none()
    );
    let mut rest =
        sender.put(&control(2), Some(Content::Term(long.clone())), &mut wire).unwrap().unwrap();
    assert!((1 << 20) + 1 - rest.held() <= FRAGMENT_SIZE);
    while rest.put_next(&mut wire) {}
    let got: Vec<Term> = receive(Flags::offered(), &wire.bytes)
        .iter()
        .map(|message| message.payload.as_ref().unwrap().decode().unwrap())
        .collect();
    assert_eq!(got, [short, long]);
}

/// Streams of one process or of several by turns, from nodes and to names that meet in the cache with what messages hold.
fn any_control() -> impl Strategy<Value = Control> {
    let pid = |node: u32| Pid::new(Atom::new(format!("node{node}@h")).unwrap(), 7, 0, 1);
    prop_oneof![
        4 => Just(control(1)),
        2 => (1..3u32).prop_map(control),
        1 => (0..4_000u32, 0..4_000u32)
            .prop_map(move |(from, to)| Control::SendSender { from: pid(from), to: pid(to) }),
        1 => (0..3u32).prop_map(move |from| Control::RegSend {
            from: pid(from),
            unused: crate::proto::control::Unused,
            to: Atom::new(format!("name_{from}")).unwrap(),
        }),
        1 => Just(Control::Link { from: pid(1), to: pid(2) }),
    ]
}

proptest! {
    #[test]
    fn a_control_message_that_comes_again_is_the_same_to_its_receiver_whatever_else_is_in_the_cache(
        messages in proptest::collection::vec(
            (any_control(), 1..30usize, proptest::collection::vec(0..6_000u32, 0..60), 0..20u8),
            1..60,
        ),
    ) {
        let mut sender = Sender::new(Flags::offered());
        let (mut wire, mut expected) = (Wire::default(), Vec::new());
        for (control, times, atoms, bad) in messages {
            let atoms: Vec<Term> =
                atoms.iter().map(|i| Term::from(Atom::new(format!("atom_{i}")).unwrap())).collect();
            for time in 0..times {
                let payload = Term::from(atoms.get(time.min(atoms.len())..).unwrap_or_default().to_vec());
                let mut encoded = Encoded::from_term(&payload).bytes().to_vec();
                if bad == 0 {
                    // Its atoms have been chosen when it turns out to be no term: all that is taken back.
                    encoded.push(0);
                }
                let content = control.operation().payload.then(|| Content::Encoded(Encoded::new(encoded.into(), None)));
                let sent = sender.put(&control, content, &mut wire);
                if bad == 0 && control.operation().payload {
                    prop_assert!(sent.is_err());
                } else {
                    prop_assert!(sent.unwrap().is_none());
                    expected.push((control.clone(), control.operation().payload.then_some(payload)));
                }
            }
        }
        let got: Vec<(Control, Option<Term>)> = receive(Flags::offered(), &wire.bytes)
            .into_iter()
            .map(|message| (message.control, message.payload.map(|payload| payload.decode().unwrap())))
            .collect();
        prop_assert_eq!(got, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_is_sent_arrives_whatever_was_agreed_on(
        terms in proptest::collection::vec((any_term(), any::<bool>()), 1..8),
        form in 0..4usize,
        size in 0..300_000usize,
    ) {
        let flags = all_forms()[form];
        let mut sender = Sender::new(flags);
        sender.set_fragment_size(size);
        let mut wire = Wire::default();
        let mut under_way: VecDeque<Fragments> = VecDeque::new();
        for (id, (term, encoded)) in terms.iter().enumerate() {
            let content =
                if *encoded { Content::Encoded(Encoded::from_term(term)) } else { Content::Term(term.clone()) };
            under_way.extend(sender.put(&control(id as u32), Some(content), &mut wire).unwrap());
            // One fragment of another message between every two.
            if let Some(mut fragments) = under_way.pop_front()
                && fragments.put_next(&mut wire)
            {
                under_way.push_back(fragments);
            }
        }
        while let Some(mut fragments) = under_way.pop_front() {
            if fragments.put_next(&mut wire) {
                under_way.push_back(fragments);
            }
        }
        let mut messages = receive(flags, &wire.bytes);
        messages.sort_by_key(|message| match &message.control {
            Control::SendSender { from, .. } => from.id(),
            _ => u32::MAX,
        });
        prop_assert_eq!(messages.len(), terms.len());
        for (id, (message, (term, _))) in messages.iter().zip(&terms).enumerate() {
            prop_assert_eq!(&message.control, &control(id as u32));
            prop_assert_eq!(&message.payload.as_ref().unwrap().decode().unwrap(), term);
        }
    }
}

#[test]
fn what_came_over_one_connection_goes_out_over_another() {
    let flags = Flags::offered();
    let mut first = Wire::default();
    let term = Term::from((Atom::from_static("hello"), Atom::from_static("world")));
    Sender::new(flags).put(&control(1), Some(Content::Term(term.clone())), &mut first).unwrap();
    let received = receive(flags, &first.bytes).remove(0).payload.unwrap();
    assert!(!received.atoms().is_empty());
    for flags in all_forms() {
        let mut sender = Sender::new(flags);
        let mut second = Wire::default();
        // Other atoms first, so that positions differ.
        sender
            .put(
                &control(2),
                Some(Content::Term(Term::from(Atom::from_static("other")))),
                &mut second,
            )
            .unwrap();
        sender.put(&control(3), Some(Content::Encoded(received.clone())), &mut second).unwrap();
        assert_eq!(
            receive(flags, &second.bytes)[1].payload.as_ref().unwrap().decode().unwrap(),
            term
        );
    }
}

#[test]
fn the_second_message_of_its_kind_is_shorter() {
    let mut sender = Sender::new(Flags::offered());
    let content = || Some(Content::Term(Term::from(Atom::from_static("a_rather_long_atom"))));
    let mut wire = Wire::default();
    sender.put(&control(1), content(), &mut wire).unwrap();
    let first = wire.bytes.len();
    sender.put(&control(1), content(), &mut wire).unwrap();
    assert!(wire.bytes.len() - first < first - 20, "{first}, then {}", wire.bytes.len() - first);
}

#[test]
fn large_binaries_are_not_copied() {
    for flags in all_forms() {
        for encoded in [false, true] {
            let term = Term::from((Atom::from_static("reply"), binary(1 << 20)));
            let content = if encoded {
                Content::Encoded(Encoded::from_term(&term))
            } else {
                Content::Term(term)
            };
            let mut wire = Wire::default();
            let mut sender = Sender::new(flags);
            if let Some(mut fragments) = sender.put(&control(1), Some(content), &mut wire).unwrap()
            {
                while fragments.put_next(&mut wire) {}
                assert_eq!(fragments.held(), 0);
            }
            assert!(
                wire.inserted >= (1 << 20) - SHARED * 2,
                "{flags}: {} by reference",
                wire.inserted
            );
        }
    }
}

#[test]
fn a_payload_that_is_no_term_is_refused_and_leaves_the_connection_as_it_was() {
    let flags = Flags::offered();
    let mut sender = Sender::new(flags);
    let mut wire = Wire::default();
    // A tuple of two, of which the second is missing; its first atom would have been new in the cache.
    let broken = Encoded::new(Bytes::from_static(&[104, 2, 119, 3, b'n', b'e', b'w']), None);
    assert!(sender.put(&control(1), Some(Content::Encoded(broken)), &mut wire).is_err());
    assert!(wire.bytes.is_empty());
    let term = Term::from(Atom::from_static("new"));
    sender.put(&control(1), Some(Content::Term(term.clone())), &mut wire).unwrap();
    assert_eq!(receive(flags, &wire.bytes)[0].payload.as_ref().unwrap().decode().unwrap(), term);
}

#[test]
fn one_large_message_does_not_hold_memory_for_ever() {
    let mut sender = Sender::new(Flags::offered() - Flags::FRAGMENTS);
    let list: Vec<Term> = (0..200_000).map(Term::from).collect();
    sender.put(&control(1), Some(Content::Term(Term::from(list))), &mut Wire::default()).unwrap();
    assert!(sender.parts.buffer.capacity() <= Parts::KEPT);
}
