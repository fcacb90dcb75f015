//! Those who have not proved the cookie: dropped in time, told nothing, and nobody else notices them.

use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tests::carrier::Carrier;
use tests::hostile::{Random, is_our_own, poison, survives};
use tests::peer::{CREATION, FULL, PLAIN, Peer};
use tests::scene::COOKIE;

tests::over_each_carrier!(
    a_stalled_handshake_is_dropped_within_ten_seconds_whatever_drips_in,
    a_squatted_name_costs_its_owner_nothing,
    a_wrong_digest_gets_no_acknowledgement_and_delivers_nothing,
    frames_before_authentication_deliver_nothing,
    garbage_closes_its_own_connection_only,
    names_no_node_has_are_refused,
    missing_mandatory_flags_are_refused_with_not_allowed,
    a_second_connection_of_a_name_is_told_alive_and_takes_over_when_it_insists,
    the_old_name_message_is_accepted_where_a_peer_sends_it,
    hundreds_of_strangers_leave_no_descriptors_behind,
);

fn a_stalled_handshake_is_dropped_within_ten_seconds_whatever_drips_in(
    carrier: Carrier,
) -> Result<()> {
    survives(carrier, |_, node| {
        let door = node.door.clone();
        let mut names = 0;
        let mut stall = |setup: fn(&mut Peer) -> Result<()>, drip: Vec<u8>| {
            names += 1;
            let (door, name) = (door.clone(), format!("slow{names}@localhost"));
            thread::spawn(move || -> Result<Duration> {
                let begun = Instant::now();
                let mut peer = Peer::connect(&door, &name)?;
                setup(&mut peer)?;
                for byte in drip {
                    if peer.stream.write_all(&[byte]).is_err() {
                        break;
                    }
                    if peer.closed_within(Duration::from_millis(400)).is_ok() {
                        return Ok(begun.elapsed());
                    }
                    ensure!(
                        begun.elapsed() < Duration::from_secs(12),
                        "bytes that drip in keep the connection alive"
                    );
                }
                peer.closed_within(Duration::from_secs(12))?;
                Ok(begun.elapsed())
            })
        };
        let (long_name, long_reply) = {
            let peer = Peer::connect(&node.door, &format!("{}@localhost", "x".repeat(200)))?;
            let reply: Vec<u8> = [b'r'].into_iter().chain(1..=20).collect();
            (peer.framed(&peer.name_message(PLAIN))?, peer.framed(&reply)?)
        };
        let named: fn(&mut Peer) -> Result<()> = |peer| peer.send_name(PLAIN);
        let challenged: fn(&mut Peer) -> Result<()> = |peer| {
            peer.send_name(PLAIN)?;
            peer.status()?;
            peer.challenge().map(|_| ())
        };
        let stalls = [
            ("silence", stall(|_| Ok(()), Vec::new())),
            ("a dripping name", stall(|_| Ok(()), long_name)),
            ("silence after the name", stall(named, Vec::new())),
            ("silence after the challenge", stall(challenged, Vec::new())),
            // All but its last byte: the whole one would be answered.
            (
                "a dripping reply",
                stall(
                    challenged,
                    long_reply.split_last().map(|(_, most)| most.to_vec()).unwrap_or_default(),
                ),
            ),
            ("a length and no more", stall(|_| Ok(()), node.door.prefix(65_535)?)),
        ];
        for (what, thread) in stalls {
            let took = thread
                .join()
                .map_err(|_| anyhow::anyhow!("{what}: the thread panicked"))?
                .context(what)?;
            ensure!(took <= Duration::from_secs(10), "{what}: dropped only after {took:?}");
        }
        Ok(())
    })
}

fn a_squatted_name_costs_its_owner_nothing(carrier: Carrier) -> Result<()> {
    if !is_our_own() {
        return Ok(());
    }
    let mut squatters = Vec::new();
    survives(carrier, |_, node| {
        // The name of the Erlang node that comes next, held in every state before the digest.
        for step in 0..30 {
            let mut peer = Peer::connect(&node.door, "tester@localhost")?;
            peer.send_name(PLAIN)?;
            if step % 3 > 0 {
                peer.status()?;
            }
            if step % 3 > 1 {
                peer.challenge()?;
            }
            squatters.push(peer);
        }
        Ok(())
    })
}

fn a_wrong_digest_gets_no_acknowledgement_and_delivers_nothing(carrier: Carrier) -> Result<()> {
    survives(carrier, |_, node| {
        for cookie in ["", "wrong", "scenecooki", "scenecookie "] {
            let mut peer = Peer::connect(&node.door, "liar@localhost")?;
            peer.send_name(PLAIN)?;
            ensure!(peer.status()? == "ok", "a stranger is told apart before its digest");
            let challenge = peer.challenge()?;
            peer.reply(cookie, challenge, 1)?;
            let _ = peer.send("counter", &poison());
            ensure!(peer.hear().is_err(), "an answer to the digest of {cookie:?}");
        }
        Ok(())
    })
}

fn frames_before_authentication_deliver_nothing(carrier: Carrier) -> Result<()> {
    survives(carrier, |_, node| {
        for step in 0..4 {
            let mut peer = Peer::connect(&node.door, "early@localhost")?;
            if step > 0 {
                peer.send_name(PLAIN)?;
            }
            if step > 1 {
                peer.status()?;
            }
            if step > 2 {
                peer.challenge()?;
            }
            for _ in 0..5 {
                let _ = peer.send("counter", &poison());
            }
            peer.closed_within(Duration::from_secs(10)).with_context(|| format!("step {step}"))?;
        }
        Ok(())
    })
}

fn garbage_closes_its_own_connection_only(carrier: Carrier) -> Result<()> {
    survives(carrier, |_, node| {
        let mut good = Peer::join(&node.door, "good@localhost", COOKIE, PLAIN)?;
        let mut random = Random(0x5DEE_CE66_D1CE);
        for round in 0..200 {
            let mut peer = Peer::connect(&node.door, &format!("noise{round}@localhost"))?;
            let length = random.below(400) + 1;
            let noise = random.bytes(length);
            match round % 4 {
                0 => peer.stream.write_all(&noise)?,
                1 => peer.stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?,
                2 => peer.say(&noise)?,
                _ => {
                    let mut peer = Peer::join(
                        &node.door,
                        &format!("noise{round}@localhost"),
                        COOKIE,
                        if round % 8 == 3 { PLAIN } else { FULL },
                    )?;
                    let _ = peer.frame(&noise);
                }
            }
            if round % 20 == 0 {
                let took = good.echo(format!("round {round}").as_bytes())?;
                ensure!(
                    took < Duration::from_secs(2),
                    "a good peer's echo took {took:?} beside garbage"
                );
            }
        }
        Ok(())
    })
}

fn names_no_node_has_are_refused(carrier: Carrier) -> Result<()> {
    if !is_our_own() {
        return Ok(());
    }
    survives(carrier, |_, node| {
        for name in [
            "",
            "@",
            "nohost",
            "@localhost",
            "two@at@signs",
            "rust@localhost",
            "\u{1}@localhost",
            "a\nb@localhost",
        ] {
            let mut peer = Peer::connect(&node.door, name)?;
            peer.send_name(PLAIN)?;
            let joined = peer.status().and_then(|status| {
                ensure!(status == "ok", "{status}");
                peer.authenticate(COOKIE)
            });
            ensure!(joined.is_err(), "a peer called {name:?} got in");
        }
        Ok(())
    })
}

fn missing_mandatory_flags_are_refused_with_not_allowed(carrier: Carrier) -> Result<()> {
    survives(carrier, |_, node| {
        // EXTENDED_REFERENCES, EXTENDED_PIDS_PORTS, UTF8_ATOMS, MAP_TAG, BIG_CREATION (erl_dist_protocol, "Distribution Flags").
        for flag in [0x4_u64, 0x100, 0x1_0000, 0x2_0000, 0x4_0000] {
            let mut peer = Peer::connect(&node.door, "poor@localhost")?;
            // The digest bit stands for the set of OTP 25 and would fill the gap.
            peer.send_name(PLAIN & !flag & !0x400_0000)?;
            let status = peer.status()?;
            ensure!(status == "not_allowed", "without {flag:#x} the node says {status:?}");
        }
        Ok(())
    })
}

fn a_second_connection_of_a_name_is_told_alive_and_takes_over_when_it_insists(
    carrier: Carrier,
) -> Result<()> {
    survives(carrier, |_, node| {
        let mut first = Peer::join(&node.door, "twice@localhost", COOKIE, PLAIN)?;
        first.echo(b"first")?;
        let mut modest = Peer::connect(&node.door, "twice@localhost")?;
        modest.send_name(PLAIN)?;
        ensure!(modest.status()? == "alive", "the name is connected");
        modest.say(b"sfalse")?;
        modest.closed_within(Duration::from_secs(10))?;
        first.echo(b"first still")?;
        let mut second = Peer::connect(&node.door, "twice@localhost")?;
        second.send_name(PLAIN)?;
        ensure!(second.status()? == "alive", "the name is connected");
        second.say(b"strue")?;
        second.authenticate(COOKIE)?;
        second.echo(b"second")?;
        first
            .closed_within(Duration::from_secs(10))
            .context("the first connection should make room")?;
        Ok(())
    })
}

fn the_old_name_message_is_accepted_where_a_peer_sends_it(carrier: Carrier) -> Result<()> {
    if !is_our_own() {
        return Ok(()); // OTP 25 closes, OTP 27 and 29 accept it
    }
    survives(carrier, |_, node| {
        let mut peer = Peer::connect(&node.door, "older@localhost")?;
        let mut message = vec![b'n', 0, 5];
        message.extend_from_slice(&(PLAIN as u32).to_be_bytes());
        message.extend_from_slice(b"older@localhost");
        peer.say(&message)?;
        ensure!(peer.status()? == "ok", "the old name message is refused");
        let challenge = peer.challenge()?;
        // send_complement: the upper flags and the creation that the old message had no room for.
        let mut complement = vec![b'c'];
        complement.extend_from_slice(&((PLAIN >> 32) as u32).to_be_bytes());
        complement.extend_from_slice(&CREATION.to_be_bytes());
        peer.say(&complement)?;
        peer.reply(COOKIE, challenge, 99)?;
        ensure!(peer.hear()?.first() == Some(&b'a'), "no acknowledgement");
        peer.echo(b"hello from before")?;
        Ok(())
    })
}

fn hundreds_of_strangers_leave_no_descriptors_behind(carrier: Carrier) -> Result<()> {
    survives(carrier, |scene, node| {
        let before = scene.node("node")?.descriptors()?;
        let mut strangers = Vec::new();
        for number in 0..400 {
            let mut peer = Peer::connect(&node.door, &format!("stranger{number}@localhost"))?;
            if number % 2 == 0 {
                peer.send_name(PLAIN)?;
            }
            strangers.push(peer);
        }
        let begun = Instant::now();
        Peer::join(&node.door, "good@localhost", COOKIE, PLAIN)?.echo(b"among strangers")?;
        ensure!(
            begun.elapsed() < Duration::from_secs(2),
            "a good peer waited {:?}",
            begun.elapsed()
        );
        drop(strangers);
        let deadline = Instant::now() + Duration::from_secs(11);
        loop {
            let now = scene.node("node")?.descriptors()?;
            if now <= before + 3 {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{before} descriptors before, {now} after");
            thread::sleep(Duration::from_millis(100));
        }
    })
}
