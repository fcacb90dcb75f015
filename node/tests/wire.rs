//! What `proto` writes, read by live nodes of every release found here, in each form that a message may have: a peer made of
//! the machines and a blocking socket of any carrier, and a process over there that sends everything back.

#![allow(clippy::unwrap_used, reason = "what a helper here cannot do is a failed test")]

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use bytes::Bytes;
use node::proto::control::{Control, Unused};
use node::proto::flags::Flags;
use node::proto::fragment::Bounds;
use node::proto::frame::{Deframer, Frame, Prefix};
use node::proto::handshake::initiator::{Initiator, Progress};
use node::proto::handshake::{LocalNode, Peer};
use node::proto::receive::{Message, Receiver};
use node::proto::send::{Content, Fragments, Output, Sender};
use term::{Atom, Encoded, Pid, Term};
use tests::carrier::Carrier;
use tests::door::{Door, Socket};
use tests::epmd;
use tests::group::Group;
use tests::otp::Otp;
use tests::scene::Scene;

const COOKIE: &str = "wiretests";
const LIVE: &str = "live@127.0.0.1";
const CREATION: u32 = 0x0102_0304;

/// Sends `{From, Term}` back to From: as it came, and as a message of the live node's own making.
const MIRROR: &str = "register(mirror, self()), io:put_chars(\"mirror is up\\n\"), \
    F = fun G() -> receive {From, Term} -> From ! {mirror, Term}, G(); stop -> ok end end, F(), halt().";

/// TCP with every release that is here; what differs over another carrier is not a matter of the release.
fn lives() -> Vec<(&'static Otp, Carrier)> {
    let host = Otp::host().unwrap();
    let rooted = |release, carrier| Some((Otp::rooted(release)?, carrier));
    let all = [Some((host, Carrier::Tcp)), rooted(27, Carrier::Tcp), rooted(29, Carrier::Tcp)];
    let carriers = [
        Some((host, Carrier::Tls)),
        Some((host, Carrier::Local)),
        rooted(29, Carrier::Tls13),
        rooted(27, Carrier::Local),
    ];
    all.into_iter().chain(carriers).flatten().collect()
}

/// A live node with the mirror, and where it is reached.
struct Live {
    door: Door,
    _node: Group,
    _scene: Scene,
}

impl Live {
    fn start(otp: &'static Otp, carrier: Carrier) -> Self {
        let mut scene = Scene::bare_over(carrier, otp).unwrap();
        scene.start_epmd().unwrap();
        let mut command = scene.erl().unwrap();
        command.args(["-name", LIVE, "-hidden", "-setcookie", COOKIE]).args(["-eval", MIRROR]);
        let node = Group::start("erl", command).unwrap();
        let up = node.log().wait_for(0, Duration::from_secs(30), |line| {
            (line.text == "mirror is up").then_some(())
        });
        assert!(up.is_some(), "OTP {} is not up:\n{}", otp.release(), node.log().tail(20));
        // Over Unix sockets it has none, and is not registered.
        let names = epmd::names(scene.epmd_port()).unwrap();
        let port = names.into_iter().find(|(name, _)| name == "live").map_or(0, |(_, port)| port);
        let door = Door::of(carrier, scene.shared(), LIVE, port).unwrap();
        Self { door, _node: node, _scene: scene }
    }

    fn prefix(&self) -> Prefix {
        match self.door {
            Door::Tls(..) => Prefix::Four,
            Door::Tcp(_) | Door::Local(_) => Prefix::Two,
        }
    }
}

#[derive(Default)]
struct Wire(Vec<u8>);

impl Output for Wire {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    fn insert(&mut self, bytes: Bytes) {
        self.0.extend_from_slice(&bytes);
    }
}

/// Our end of a connection to the live node.
struct Link {
    socket: Socket,
    deframer: Deframer,
    sender: Sender,
    receiver: Receiver,
    peer: Peer,
    us: Pid,
    /// The peer had a connection of our name, and we said that it is dead.
    took_over: bool,
}

impl Link {
    fn connect(live: &Live, name: &str, flags: Flags) -> Self {
        let (mut socket, prefix) = (live.door.open().unwrap(), live.prefix());
        let local = LocalNode { name: Atom::new(name).unwrap(), creation: CREATION, flags };
        let us = Pid::new(local.name.clone(), 1, 0, CREATION);
        let (mut machine, name) =
            Initiator::new(&local, Atom::new(LIVE).unwrap(), COOKIE.as_bytes(), 42);
        let mut deframer = Deframer::handshake(prefix);
        let mut took_over = false;
        socket.write_all(&prefix.frame(&name).unwrap()).unwrap();
        let peer = loop {
            let mut progress = machine.receive(&next(&mut socket, &mut deframer)).unwrap();
            if let Progress::Alive(question) = progress {
                took_over = true;
                progress = question.answer(true).unwrap();
            }
            match progress {
                Progress::Continue { message, machine: going_on } => {
                    machine = going_on;
                    if let Some(message) = message {
                        socket.write_all(&prefix.frame(&message).unwrap()).unwrap();
                    }
                }
                Progress::Established { peer, .. } => break peer,
                Progress::Alive(_) => panic!("asked twice"),
            }
        };
        let (sender, receiver) =
            (Sender::new(peer.flags), Receiver::new(peer.flags, Bounds::default()));
        Self {
            socket,
            deframer: deframer.established(1 << 28),
            sender,
            receiver,
            peer,
            us,
            took_over,
        }
    }

    fn to_mirror(&self) -> Control {
        Control::RegSend { from: self.us.clone(), unused: Unused, to: Atom::from_static("mirror") }
    }

    /// The next message that the mirror sent back.
    fn reflection(&mut self) -> Term {
        loop {
            let frame = next(&mut self.socket, &mut self.deframer);
            if let Some(Message { payload: Some(payload), .. }) =
                self.receiver.receive(frame).unwrap()
            {
                let term = payload.decode().unwrap();
                let mirrored =
                    term.as_tuple().and_then(|tuple| tuple.get(1)).map(|inner| inner.to_term());
                return mirrored.unwrap();
            }
        }
    }
}

fn next(socket: &mut Socket, deframer: &mut Deframer) -> Bytes {
    loop {
        match deframer.next_frame().unwrap() {
            Some(Frame::Message(frame)) => return frame,
            Some(Frame::Tick) => {}
            None => {
                let mut bytes = [0; 1 << 16];
                let read = socket.read(&mut bytes).unwrap();
                assert!(read > 0, "the live node closed the connection");
                deframer.push(&bytes[..read]);
            }
        }
    }
}

fn forms() -> [Flags; 4] {
    let all = Flags::offered();
    [
        all,
        all - Flags::DIST_HDR_ATOM_CACHE,
        all - Flags::FRAGMENTS,
        all - Flags::FRAGMENTS - Flags::DIST_HDR_ATOM_CACHE,
    ]
}

fn atom(name: impl AsRef<str>) -> Term {
    Term::from(Atom::new(name).unwrap())
}

/// Terms that try the cache and the cutting into fragments.
fn terms() -> Vec<Term> {
    let binary = |length: usize| {
        Term::from(Bytes::from((0..length).map(|i| (i % 251) as u8).collect::<Vec<_>>()))
    };
    let mut terms = vec![
        atom("hello"),
        Term::from((atom("hello"), atom("world"), 1)),
        Term::from((0..300).map(|i| atom(format!("atom_{i}"))).collect::<Vec<_>>()),
        atom("\u{1F600}".repeat(255)),
        Term::from((atom("x".repeat(255)), atom("ä".repeat(200)))),
        binary(10),
        binary(70_000),
        Term::from((
            atom("tail"),
            binary(300_000),
            Term::from((0..200).map(|i| atom(format!("t_{i}"))).collect::<Vec<_>>()),
        )),
        Term::from(
            (0..1000)
                .map(|i| Term::from((atom("row"), i, atom(format!("k{}", i % 50)))))
                .collect::<Vec<_>>(),
        ),
        Term::from(
            (0..9000).map(|i| Term::from((atom("long_row"), i, binary(20)))).collect::<Vec<_>>(),
        ),
    ];
    // More atoms than there are slots, some of them seen again.
    for round in 0..20 {
        terms.push(Term::from(
            (0..250).map(|i| atom(format!("slot_{}", i * 13 + round * 170))).collect::<Vec<_>>(),
        ));
    }
    terms
}

#[test]
fn a_live_node_understands_what_we_write_in_every_form() {
    for (otp, carrier) in lives() {
        let live = Live::start(otp, carrier);
        for (number, flags) in forms().into_iter().enumerate() {
            let mut link = Link::connect(&live, &format!("form{number}@127.0.0.1"), flags);
            assert_eq!(link.peer.flags, flags & link.peer.offered.with_digest_expanded());
            let terms = terms();
            // Twice: the second time most atoms are in the cache. As terms, then as bytes.
            for round in 0..2 {
                for term in &terms {
                    let message = Term::from((link.us.clone(), term.clone()));
                    let content = if round == 0 {
                        Content::Term(message)
                    } else {
                        Content::Encoded(Encoded::from_term(&message))
                    };
                    let mut wire = Wire::default();
                    let control = link.to_mirror();
                    if let Some(mut fragments) =
                        link.sender.put(&control, Some(content), &mut wire).unwrap()
                    {
                        while fragments.put_next(&mut wire) {}
                    }
                    link.socket.write_all(&wire.0).unwrap();
                    let got = link.reflection();
                    assert!(
                        got == *term,
                        "OTP {} over {carrier:?}, {flags}: {} bytes differ",
                        otp.release(),
                        wire.0.len()
                    );
                }
            }
        }
    }
}

/// Fragments of OTP's size, and as large as they grow on a fast channel.
#[test]
fn a_live_node_takes_fragments_of_several_messages_in_turn_and_small_ones_between() {
    for (otp, carrier) in lives() {
        let live = Live::start(otp, carrier);
        let forms = [Flags::offered(), Flags::offered() - Flags::DIST_HDR_ATOM_CACHE];
        for (number, (flags, size)) in forms
            .iter()
            .flat_map(|flags| [64 << 10, 1 << 20].map(|size| (*flags, size)))
            .enumerate()
        {
            let mut link = Link::connect(&live, &format!("turns{number}@127.0.0.1"), flags);
            link.sender.set_fragment_size(size);
            let mut wire = Wire::default();
            let mut under_way: VecDeque<Fragments> = VecDeque::new();
            let large: Vec<_> = (0..3u8)
                .map(|i| {
                    // Atoms that the cache has from the one before, and atoms that it has not.
                    let atoms: Vec<Term> =
                        (0..100u8).map(|j| atom(format!("atom_{}", j / 2 * (i + 1)))).collect();
                    Term::from((
                        atom(format!("large_{i}")),
                        atoms.into_iter().collect::<Term>(),
                        Term::from(Bytes::from(vec![i; 6 * size + 7_000])),
                    ))
                })
                .collect();
            let put = |link: &mut Link, wire: &mut Wire, term: &Term| {
                let message = Term::from((link.us.clone(), term.clone()));
                let control = link.to_mirror();
                link.sender.put(&control, Some(Content::Term(message)), wire).unwrap()
            };
            for term in &large {
                under_way.extend(put(&mut link, &mut wire, term));
            }
            let mut small = Vec::new();
            while let Some(mut fragments) = under_way.pop_front() {
                if fragments.put_next(&mut wire) {
                    under_way.push_back(fragments);
                }
                let term = atom(format!("small_{}", small.len()));
                assert!(put(&mut link, &mut wire, &term).is_none());
                small.push(term);
            }
            let longest = frame_lengths(&wire.0).max().unwrap();
            assert!((size..size + 10_000).contains(&longest), "a frame of {longest} bytes");
            link.socket.write_all(&wire.0).unwrap();
            let got: Vec<_> = (0..large.len() + small.len()).map(|_| link.reflection()).collect();
            let (large_ones, small_ones): (Vec<_>, Vec<_>) =
                got.into_iter().partition(|term| large.contains(term));
            assert_eq!(large_ones.len(), large.len());
            assert_eq!(small_ones, small, "OTP {} over {carrier:?}: out of order", otp.release());
        }
    }
}

/// The lengths of the frames that `wire` consists of.
fn frame_lengths(wire: &[u8]) -> impl Iterator<Item = usize> {
    let mut rest = wire;
    std::iter::from_fn(move || {
        let (prefix, tail) = rest.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*prefix) as usize;
        rest = tail.get(length..)?;
        Some(length)
    })
}

#[test]
fn a_second_connection_of_our_name_takes_the_place_of_the_first_when_we_say_so() {
    for (otp, carrier) in lives() {
        let live = Live::start(otp, carrier);
        let first = Link::connect(&live, "again@127.0.0.1", Flags::offered());
        assert!(!first.took_over);
        let mut second = Link::connect(&live, "again@127.0.0.1", Flags::offered());
        assert!(second.took_over, "OTP {} over {carrier:?} did not ask", otp.release());
        let mut wire = Wire::default();
        let message = Term::from((second.us.clone(), atom("there")));
        let control = second.to_mirror();
        second.sender.put(&control, Some(Content::Term(message)), &mut wire).unwrap();
        second.socket.write_all(&wire.0).unwrap();
        assert_eq!(second.reflection(), atom("there"));
    }
}
