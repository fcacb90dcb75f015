//! Peers that know the cookie and send what no node should: their connection may end, the node and the others stay.

use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tests::bytes::{atom, binary, integer, nil, tuple};
use tests::carrier::Carrier;
use tests::hostile::{
    Insistent, Random, SLACK, every_operation, fragment, is_our_own, survives, survives_with,
};
use tests::peer::{FULL, PLAIN, Peer};
use tests::scene::COOKIE;

tests::over_each_carrier!(
    a_well_formed_message_of_every_operation_leaves_the_connection_open,
    truncated_and_distorted_control_messages_of_every_operation_never_end_the_node,
    unknown_operations_end_at_most_their_own_connection,
    a_frame_announced_at_four_gigabytes_is_not_waited_for,
    announced_sizes_inside_terms_cost_nothing,
    odd_fragments_end_at_most_their_own_connection,
    unfinished_fragments_are_bounded,
    atoms_of_a_peer_that_left_are_not_kept,
    depth_uses_no_stack,
    a_peer_that_does_not_read_holds_nobody_up,
    a_silent_peer_is_dropped_by_ticktime_and_ticks_are_sent,
    a_compressed_bomb_is_refused_or_bounded,
);

fn a_well_formed_message_of_every_operation_leaves_the_connection_open(
    carrier: Carrier,
) -> Result<()> {
    if !is_our_own() {
        return Ok(());
    }
    survives(carrier, |_, node| {
        let mut ended = Vec::new();
        for flags in [PLAIN, FULL] {
            let mut insistent = Insistent::new(&node.door, flags);
            for at in 0..every_operation("", "").len() {
                // Links to the dead, exits to nobody, replies nobody asked for: known, so handled or refused in sight.
                let peer = insistent.peer()?;
                let (operation, fields, payload) =
                    every_operation(&peer.name, &node.name).swap_remove(at);
                let control = tuple(&[vec![integer(operation)], fields].concat());
                let message = atom("hello");
                peer.control(&control, payload.then_some(&message[..]))?;
                if peer.echo(&[b'o', operation as u8]).is_err() {
                    ended.push(operation);
                    insistent.peer = None;
                }
            }
        }
        ensure!(ended.is_empty(), "these operations ended the connection: {ended:?}");
        Ok(())
    })
}

fn truncated_and_distorted_control_messages_of_every_operation_never_end_the_node(
    carrier: Carrier,
) -> Result<()> {
    if !is_our_own() {
        return Ok(());
    }
    survives(carrier, |scene, node| {
        let mut random = Random(77);
        for flags in [PLAIN, FULL] {
            let mut bad = Insistent::new(&node.door, flags);
            for (operation, fields, payload) in every_operation("bad1@localhost", &node.name) {
                let message = if payload { atom("hello") } else { Vec::new() };
                let whole = |fields: &[Vec<u8>]| {
                    let control = tuple(&[&[integer(operation)], fields].concat());
                    let prefix: &[u8] = if flags == PLAIN { &[112, 131] } else { &[131, 68, 0] };
                    let mark: &[u8] =
                        if flags == PLAIN && !message.is_empty() { &[131] } else { &[] };
                    [prefix, &control, mark, &message].concat()
                };
                let content = whole(&fields);
                // Cut at a few places, and always within the operation's own header.
                for cut in [
                    1,
                    2,
                    3,
                    4,
                    5,
                    6,
                    content.len() / 2,
                    content.len().saturating_sub(1),
                    random.below(content.len()),
                ] {
                    bad.try_frame(content.get(..cut).unwrap_or_default())?;
                }
                // One field fewer, one more, and each of another type.
                bad.try_frame(&whole(fields.get(1..).unwrap_or_default()))?;
                bad.try_frame(&whole(&[fields.clone(), vec![nil()]].concat()))?;
                for at in 0..fields.len() {
                    for odd in [integer(-1), nil(), binary(b"x"), tuple(&[]), vec![255]] {
                        let mut distorted = fields.clone();
                        distorted[at] = odd;
                        bad.try_frame(&whole(&distorted))?;
                    }
                }
                ensure!(
                    scene.node("node")?.has_ended()?.is_none(),
                    "operation {operation} ended the node"
                );
            }
        }
        Ok(())
    })
}

fn unknown_operations_end_at_most_their_own_connection(carrier: Carrier) -> Result<()> {
    survives(carrier, |_, node| {
        let mut good = Peer::join(&node.door, "good@localhost", COOKIE, PLAIN)?;
        let mut bad = Insistent::new(&node.door, PLAIN);
        for operation in [0, 9, 10, 11, 14, 15, 17, 38, 39, 99, 255, 256, -1, i32::MAX, i32::MIN] {
            for fields in [vec![], vec![nil()], vec![nil(), nil(), nil()]] {
                let control = tuple(&[vec![integer(operation)], fields].concat());
                bad.try_frame(&[&[112, 131][..], &control].concat())?;
            }
        }
        // Operations that are no integers, controls that are no tuples.
        for control in [
            tuple(&[atom("send")]),
            tuple(&[binary(b"\x06")]),
            atom("six"),
            nil(),
            tuple(&[]),
            vec![110, 9, 0, 6, 0, 0, 0, 0, 0, 0, 0, 1],
        ] {
            bad.try_frame(&[&[112, 131][..], &control].concat())?;
        }
        good.echo(b"untouched")?;
        Ok(())
    })
}

fn a_frame_announced_at_four_gigabytes_is_not_waited_for(carrier: Carrier) -> Result<()> {
    survives(carrier, |scene, node| {
        let before = scene.node("node")?.resident()?;
        let mut held = Vec::new();
        for (at, length) in [u32::MAX, 0x8000_0000, 0x7FFF_FFFF].into_iter().enumerate() {
            for copy in 0..10 {
                let mut peer =
                    Peer::join(&node.door, &format!("large{at}x{copy}@localhost"), COOKIE, PLAIN)?;
                peer.stream.write_all(&length.to_be_bytes())?;
                peer.stream.write_all(&[112, 131, 104])?;
                if length == u32::MAX {
                    peer.closed_within(Duration::from_secs(3)).context("4 GiB announced")?;
                } else {
                    held.push(peer);
                }
            }
        }
        let after = scene.node("node")?.resident()?;
        ensure!(
            after < before + SLACK,
            "announced frames cost memory: {} MiB, then {} MiB",
            before >> 20,
            after >> 20
        );
        Ok(())
    })
}

fn announced_sizes_inside_terms_cost_nothing(carrier: Carrier) -> Result<()> {
    survives(carrier, |scene, node| {
        let before = scene.node("node")?.resident()?;
        let mut bad = Insistent::new(&node.door, PLAIN);
        let huge: [&[u8]; 8] = [
            &[108, 255, 255, 255, 255],
            &[108, 64, 0, 0, 0, 97, 1],
            &[105, 255, 255, 255, 255],
            &[109, 255, 255, 255, 255],
            &[111, 255, 255, 255, 255, 0, 1],
            &[116, 255, 255, 255, 255],
            &[77, 255, 255, 255, 255, 1],
            &[80, 255, 255, 255, 255, 120, 156],
        ];
        for body in huge {
            for _ in 0..20 {
                let peer = bad.peer()?;
                let message = [&[104, 2][..], &peer.pid(), body].concat();
                let control = peer.reg_send("echo");
                let content = peer.content(&control, Some(&message));
                bad.try_frame(&content)?;
            }
        }
        let after = scene.node("node")?.resident()?;
        ensure!(
            after < before + SLACK,
            "announced sizes cost memory: {} MiB, then {} MiB",
            before >> 20,
            after >> 20
        );
        Ok(())
    })
}

fn odd_fragments_end_at_most_their_own_connection(carrier: Carrier) -> Result<()> {
    if !is_our_own() {
        return Ok(()); // these end a BEAM
    }
    survives(carrier, |scene, node| {
        let before = scene.node("node")?.resident()?;
        let mut bad = Insistent::new(&node.door, FULL);
        for (first, sequence, number) in [
            (true, 1, 0),
            (true, 2, u64::MAX),
            (true, 3, 1 << 32),
            (true, 4, 1 << 26),
            (false, 5, 1),
            (false, 5, 0),
            (false, u64::MAX, u64::MAX),
        ] {
            let peer = bad.peer()?;
            let control = peer.reg_send("echo");
            bad.try_frame(&fragment(first, sequence, number, &control))?;
        }
        // Numbers that rise, repeat, or skip.
        for numbers in [[3_u64, 4, 2], [3, 3, 2], [3, 1, 2], [2, 1, 1], [3, 2, 0]] {
            let peer = bad.peer()?;
            let control = peer.reg_send("echo");
            let _ = peer.frame(&fragment(true, 9, numbers[0], &control));
            let _ = peer.frame(&fragment(false, 9, numbers[1], &[0; 100]));
            bad.try_frame(&fragment(false, 9, numbers[2], &[0; 100]))?;
        }
        let after = scene.node("node")?.resident()?;
        ensure!(
            after < before + SLACK,
            "announced fragments cost memory: {} MiB, then {} MiB",
            before >> 20,
            after >> 20
        );
        Ok(())
    })
}

fn unfinished_fragments_are_bounded(carrier: Carrier) -> Result<()> {
    if !is_our_own() {
        return Ok(());
    }
    survives(carrier, |scene, node| {
        let before = scene.node("node")?.resident()?;
        let mut bad = Insistent::new(&node.door, FULL);
        // 600 MiB of sequences that are never finished; the promise is 128 MiB a peer, and one that was closed for it may
        // not have been freed when the next has sent as much.
        let part = vec![0; 1 << 20];
        for sequence in 0..600 {
            let peer = bad.peer()?;
            let content = [peer.reg_send("echo"), part.clone()].concat();
            if peer.frame(&fragment(true, sequence, 5, &content)).is_err() {
                bad.peer = None;
            }
        }
        let after = scene.node("node")?.resident()?;
        ensure!(
            after < before + (256 << 20) + SLACK,
            "unfinished fragments: {} MiB, then {} MiB",
            before >> 20,
            after >> 20
        );
        Ok(())
    })
}

fn atoms_of_a_peer_that_left_are_not_kept(carrier: Carrier) -> Result<()> {
    if !is_our_own() {
        return Ok(());
    }
    survives(carrier, |scene, node| {
        let mut settled = 0;
        for round in 0..4 {
            let mut peer =
                Peer::join(&node.door, &format!("wordy{round}@localhost"), COOKIE, PLAIN)?;
            for chunk in 0..300 {
                let names: Vec<Vec<u8>> = (0..200)
                    .map(|n| atom(&format!("word_{round}_{chunk}_{n}_{}", "x".repeat(150))))
                    .collect();
                let message = tuple(&[peer.pid(), tuple(&names)]);
                peer.send("echo", &message)?;
                peer.next_frame()?;
            }
            peer.echo(b"done")?;
            drop(peer);
            thread::sleep(Duration::from_millis(200));
            let now = scene.node("node")?.resident()?;
            if round == 0 {
                settled = now;
            }
            ensure!(
                now < settled + (16 << 20),
                "60,000 atoms a round stay: {} MiB, then {} MiB",
                settled >> 20,
                now >> 20
            );
        }
        Ok(())
    })
}

fn depth_uses_no_stack(carrier: Carrier) -> Result<()> {
    survives(carrier, |_, node| {
        let mut peer = Peer::join(&node.door, "deep@localhost", COOKIE, PLAIN)?;
        // A million levels of tuples, of lists, of maps; some never closed.
        for (open, closing) in [
            (vec![104, 1], nil()),
            (vec![108, 0, 0, 0, 1], nil()),
            (vec![116, 0, 0, 0, 1, 97, 1], nil()),
        ] {
            let mut deep = open.repeat(1_000_000);
            deep.extend(closing);
            if open.first() == Some(&108) {
                deep.extend(std::iter::repeat_n(106, 1_000_000));
            }
            let message = [&[104, 2][..], &peer.pid(), &deep].concat();
            if peer.send("echo", &message).is_err() || peer.next_frame().is_err() {
                peer = Peer::join(&node.door, "deep@localhost", COOKIE, PLAIN)?;
            }
        }
        Ok(())
    })
}

fn a_peer_that_does_not_read_holds_nobody_up(carrier: Carrier) -> Result<()> {
    if !is_our_own() {
        return Ok(()); // a BEAM's echo is suspended, and every peer waits
    }
    survives(carrier, |scene, node| {
        let before = scene.node("node")?.resident()?;
        let mut good = Peer::join(&node.door, "good@localhost", COOKIE, PLAIN)?;
        let door = node.door.clone();
        let greedy = thread::spawn(move || -> Result<()> {
            let mut peer = Peer::join(&door, "greedy@localhost", COOKIE, PLAIN)?;
            let message = tuple(&[peer.pid(), binary(&vec![7; 1 << 20])]);
            for _ in 0..300 {
                if peer.send("echo", &message).is_err() {
                    return Ok(()); // closed as a slow consumer, or not read from: either is a policy
                }
            }
            thread::sleep(Duration::from_secs(3));
            Ok(())
        });
        let mut worst = Duration::ZERO;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(6) {
            worst = worst.max(good.echo(b"patience")?);
            thread::sleep(Duration::from_millis(50));
        }
        let peak = scene.node("node")?.resident()?;
        ensure!(worst < Duration::from_secs(1), "another peer's echo took {worst:?}");
        // Outgoing 64 MiB a peer, a mailbox of 128 MiB, and what is under way.
        ensure!(
            peak < before + (256 << 20) + SLACK,
            "{} MiB, then {} MiB",
            before >> 20,
            peak >> 20
        );
        greedy.join().map_err(|_| anyhow::anyhow!("the greedy peer panicked"))?
    })
}

fn a_silent_peer_is_dropped_by_ticktime_and_ticks_are_sent(carrier: Carrier) -> Result<()> {
    survives_with(carrier, &["--ticktime", "4"], |_, node| {
        let mut peer = Peer::join(&node.door, "silent@localhost", COOKIE, PLAIN)?;
        let begun = Instant::now();
        let tick = peer.next_frame_or_tick()?;
        ensure!(tick.is_empty(), "not a tick: {tick:?}");
        ensure!(
            begun.elapsed() < Duration::from_secs(3),
            "the first tick came after {:?}",
            begun.elapsed()
        );
        // net_ticktime: between 0.75 and 1.25 times the 4 s.
        peer.closed_within(Duration::from_secs(8))?;
        let took = begun.elapsed();
        ensure!(
            took > Duration::from_millis(2900) && took < Duration::from_millis(6000),
            "dropped after {took:?}"
        );
        Ok(())
    })
}

fn a_compressed_bomb_is_refused_or_bounded(carrier: Carrier) -> Result<()> {
    survives(carrier, |scene, node| {
        let before = scene.node("node")?.resident()?;
        let mut bad = Insistent::new(&node.door, PLAIN);
        // zlib of a stored block whose announced size is 1 GiB: the size must not be believed.
        let stored = [&[120, 1, 1, 5, 0, 250, 255][..], &[109, 0, 0, 0, 0], &[0, 0, 0, 0]].concat();
        for _ in 0..20 {
            let peer = bad.peer()?;
            let bomb = [&[80, 64, 0, 0, 0][..], &stored].concat();
            let message = [&[104, 2][..], &peer.pid(), &bomb].concat();
            let control = peer.reg_send("echo");
            let content = peer.content(&control, Some(&message));
            bad.try_frame(&content)?;
        }
        let after = scene.node("node")?.resident()?;
        ensure!(after < before + SLACK, "{} MiB, then {} MiB", before >> 20, after >> 20);
        Ok(())
    })
}
