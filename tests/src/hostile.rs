//! What hostile tests share: a node that must survive, odd bytes to send it, a peer that keeps coming back.

use std::thread;

use anyhow::{Context as _, Result, ensure};

use crate::bytes::{atom, integer, nil, pid, reference, tuple};
use crate::carrier::Carrier;
use crate::door::Door;
use crate::node::Program;
use crate::otp::{Otp, loud};
use crate::peer::{CREATION, Peer};
use crate::scene::{COOKIE, Scene};
use crate::suite;

/// What a node may grow by over what it has received: the promise is 1.25 times that and 16 MiB; a debug build and its
/// allocator's slack get a little more.
pub const SLACK: u64 = 48 << 20;

/// The node under attack.
#[derive(Debug)]
pub struct Target {
    /// Its full name.
    pub name: String,
    /// Where peers come in.
    pub door: Door,
}

/// Starts a sidecar, lets `attack` have it, and then has an ordinary Erlang node served, all over one carrier.
pub fn survives(
    carrier: Carrier,
    attack: impl FnOnce(&mut Scene, &Target) -> Result<()>,
) -> Result<()> {
    survives_with(carrier, &[], attack)
}

/// The same with more options for the sidecar.
pub fn survives_with(
    carrier: Carrier,
    more: &[&str],
    attack: impl FnOnce(&mut Scene, &Target) -> Result<()>,
) -> Result<()> {
    Scene::run_over(carrier, Otp::host()?, |scene| {
        let mut arguments = vec!["--sname", "rust@localhost", "--cookie", COOKIE];
        arguments.extend_from_slice(more);
        let ready = scene.start_node("node", Program::Sidecar, &arguments)?;
        let door = scene.door(&ready)?;
        attack(scene, &Target { name: ready.name.clone(), door })?;
        ensure!(scene.node("node")?.has_ended()?.is_none(), "the node has ended");
        suite::run(scene, "served_suite", "tester@localhost", &[], &[("node", &ready.name)])
    });
    Ok(())
}

/// Tests that are functions of a carrier: each over TCP, TLS and Unix sockets.
#[macro_export]
macro_rules! over_each_carrier {
    ($($topic:ident),+ $(,)?) => {
        $(mod $topic {
            use $crate::carrier::Carrier;

            #[test]
            fn over_tcp() -> anyhow::Result<()> {
                super::$topic(Carrier::Tcp)
            }

            #[test]
            fn over_tls() -> anyhow::Result<()> {
                super::$topic(Carrier::Tls13)
            }

            #[test]
            fn over_unix_sockets() -> anyhow::Result<()> {
                super::$topic(Carrier::Local)
            }
        })+
    };
}

/// For what is known to end or swell a BEAM in the node's place.
pub fn is_our_own() -> bool {
    let own = Program::Sidecar.is_own();
    if !own {
        let test = thread::current().name().unwrap_or("a test").to_owned();
        loud(&format!("SKIPPED {test}: another program than ours need not survive this"));
    }
    own
}

/// A cast that sets the counter: were it delivered, the served suite would see it.
pub fn poison() -> Vec<u8> {
    tuple(&[atom("$gen_cast"), tuple(&[atom("set"), integer(666)])])
}

/// A small generator, so that a run can be repeated (xorshift64).
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below the bound.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.draw() % bound.max(1) as u64) as usize
    }

    /// That many bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.draw() as u8).collect()
    }
}

/// A well-formed control message of every operation (erl_dist_protocol, "Protocol Between Connected Nodes"): its fields, and
/// whether a message follows.
pub fn every_operation(me: &str, node: &str) -> Vec<(i32, Vec<Vec<u8>>, bool)> {
    let mine = pid(me, 5, 0, CREATION);
    let theirs = pid(node, 1, 0, 1);
    let tag = reference(me, CREATION, [1, 2, 3]);
    let token = tuple(&[integer(1), integer(17), integer(2), mine.clone(), integer(3)]);
    let mfa = tuple(&[atom("math"), atom("add"), integer(2)]);
    let empty = atom("");
    let pair = || vec![mine.clone(), theirs.clone()];
    let with =
        |more: &[&Vec<u8>]| [pair(), more.iter().map(|&part| part.clone()).collect()].concat();
    let reason = atom("reason");
    let id = integer(7);
    vec![
        (1, pair(), false),
        (2, vec![empty.clone(), theirs.clone()], true),
        (3, with(&[&reason]), false),
        (4, pair(), false),
        (5, vec![], false),
        (6, vec![mine.clone(), empty.clone(), atom("echo")], true),
        (7, pair(), false),
        (8, with(&[&reason]), false),
        (12, vec![empty.clone(), theirs.clone(), token.clone()], true),
        (13, with(&[&token, &reason]), false),
        (16, vec![mine.clone(), empty.clone(), atom("echo"), token.clone()], true),
        (18, with(&[&token, &reason]), false),
        (19, vec![mine.clone(), atom("echo"), tag.clone()], false),
        (20, vec![mine.clone(), atom("echo"), tag.clone()], false),
        (21, with(&[&tag, &reason]), false),
        (22, pair(), true),
        (23, with(&[&token]), true),
        (24, pair(), true),
        (25, with(&[&token]), true),
        (26, pair(), true),
        (27, with(&[&token]), true),
        (28, with(&[&tag]), true),
        (29, vec![tag.clone(), mine.clone(), mine.clone(), mfa.clone(), nil()], true),
        (
            30,
            vec![tag.clone(), mine.clone(), mine.clone(), mfa.clone(), nil(), token.clone()],
            true,
        ),
        (31, vec![tag.clone(), theirs.clone(), integer(0), mine.clone()], false),
        (32, vec![tag.clone(), theirs.clone(), integer(0), mine.clone(), token.clone()], false),
        (33, vec![mine.clone(), tag.clone()], true),
        (34, vec![mine.clone(), tag.clone(), token.clone()], true),
        (35, vec![id.clone(), mine.clone(), theirs.clone()], false),
        (36, vec![id.clone(), mine.clone(), theirs.clone()], false),
        (37, vec![integer(0), mine.clone(), theirs.clone()], true),
        (37, vec![integer(4), mine.clone(), tag.clone()], true),
        (37, vec![integer(8), mine.clone(), atom("echo")], true),
        (37, vec![integer(17), mine.clone(), theirs.clone()], true),
    ]
}

/// A peer that is let in again whenever the node closed on it.
#[derive(Debug)]
pub struct Insistent {
    door: Door,
    flags: u64,
    joined: u32,
    /// The connection, if there is one just now.
    pub peer: Option<Peer>,
}

impl Insistent {
    /// One that joins when it is first needed.
    pub fn new(to: impl Into<Door>, flags: u64) -> Self {
        Self { door: to.into(), flags, joined: 0, peer: None }
    }

    /// The connection, made anew where the node has closed it.
    pub fn peer(&mut self) -> Result<&mut Peer> {
        if self.peer.is_none() {
            self.joined += 1;
            // Another name for each: the node may not have noticed yet that the one before has gone.
            let name = format!("bad{}x{:x}@localhost", self.joined, self.flags);
            self.peer = Some(
                Peer::join(&self.door, &name, COOKIE, self.flags)
                    .context("the node lets nobody in any more")?,
            );
        }
        self.peer.as_mut().context("just joined")
    }

    /// Sends one frame; whether the connection survived is asked with an echo, and either is fine.
    pub fn try_frame(&mut self, content: &[u8]) -> Result<bool> {
        let peer = self.peer()?;
        let alive = peer.frame(content).and_then(|()| peer.echo(b"alive?")).is_ok();
        if !alive {
            self.peer = None;
        }
        Ok(alive)
    }
}

/// A frame with a fragment's header: sequence id, fragment id, no atoms (erl_dist_protocol, "Distribution Header for Fragmented Messages").
pub fn fragment(first: bool, sequence: u64, number: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![131, if first { 69 } else { 70 }];
    bytes.extend_from_slice(&sequence.to_be_bytes());
    bytes.extend_from_slice(&number.to_be_bytes());
    if first {
        bytes.push(0);
    }
    bytes.extend_from_slice(body);
    bytes
}
