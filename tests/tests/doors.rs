//! Those who come over a carrier and are no nodes, or stop being one: garbage before and inside TLS, handshakes and records
//! that stop half way, one direction closed, certificates nobody takes. Each loses its own connection; the others do not notice.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tests::bytes::{atom, binary, integer, tuple};
use tests::carrier::Carrier;
use tests::door::{Door, Socket};
use tests::hostile::{Random, SLACK, Target, survives, survives_with};
use tests::peer::{PLAIN, Peer};
use tests::scene::COOKIE;

/// A handshake, TLS and all, has 7 s.
const DROPPED: Duration = Duration::from_secs(10);

fn port(node: &Target) -> Result<u16> {
    match &node.door {
        Door::Tcp(at) | Door::Tls(at, _) => Ok(at.port()),
        Door::Local(path) => bail!("{} has no port", path.display()),
    }
}

fn raw(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(DROPPED))?;
    Ok(stream)
}

/// Reads until the node closes; how long after `begun` that was.
fn closed(mut stream: TcpStream, begun: Instant) -> Result<Duration> {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(begun.elapsed()),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                return Ok(begun.elapsed());
            }
            Err(error) => return Err(error).context("the node still holds the connection"),
        }
    }
}

/// What a client says first.
fn client_hello(door: &Door) -> Result<Vec<u8>> {
    let Door::Tls(_, config) = door else { bail!("no TLS") };
    let name = ServerName::try_from("localhost")?;
    let mut hello = Vec::new();
    ClientConnection::new(config.clone(), name)?.write_tls(&mut hello)?;
    Ok(hello)
}

#[test]
fn garbage_in_the_place_of_tls_ends_its_own_connection_only() -> Result<()> {
    survives(Carrier::Tls, |scene, node| {
        let mut good = Peer::join(&node.door, "good@localhost", COOKIE, PLAIN)?;
        let before = scene.node("node")?.resident()?;
        let (hello, mut random) = (client_hello(&node.door)?, Random(0x1DEA_5EED));
        // A header of TLS with the largest length; the hello with a byte of it turned; the node's own protocol without TLS.
        let name = b"\0\x15N\0\0\0\x0d\x07\xdf\x7f\xbc\0\0\0\x4d\0\x06x@here".to_vec();
        for round in 0..120 {
            let bytes = match round % 6 {
                0 => random.bytes(200),
                1 => b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
                2 => vec![22, 3, 1, 255, 255, 1, 0, 255, 255],
                3 => name.clone(),
                4 => vec![21, 3, 3, 0, 2, 2, 40],
                _ => {
                    let mut distorted = hello.clone();
                    let at = random.below(distorted.len());
                    if let Some(byte) = distorted.get_mut(at) {
                        *byte ^= 0x55;
                    }
                    distorted
                }
            };
            let mut stream = raw(port(node)?)?;
            stream.write_all(&bytes)?;
            if round % 20 == 0 {
                let took = good.echo(b"beside garbage")?;
                ensure!(took < Duration::from_secs(2), "a good peer's echo took {took:?}");
            }
        }
        good.echo(b"after garbage")?;
        let after = scene.node("node")?.resident()?;
        ensure!(after < before + SLACK, "{} MiB, then {} MiB", before >> 20, after >> 20);
        Ok(())
    })
}

#[test]
fn a_tls_handshake_that_stops_half_way_is_dropped_within_ten_seconds() -> Result<()> {
    survives(Carrier::Tls13, |_, node| {
        let (port, hello) = (port(node)?, client_hello(&node.door)?);
        let half = hello.get(..hello.len() / 2).unwrap_or_default().to_vec();
        let stalls = [
            ("silence", Vec::new(), Duration::ZERO),
            ("half of a hello", half, Duration::ZERO),
            ("a hello and no more", hello.clone(), Duration::ZERO),
            ("a hello by the byte", hello, Duration::from_millis(300)),
        ];
        let stalls = stalls.map(|(what, bytes, pause)| {
            let stalled = thread::spawn(move || -> Result<Duration> {
                let begun = Instant::now();
                let mut stream = raw(port)?;
                if pause.is_zero() {
                    stream.write_all(&bytes)?;
                    return closed(stream, begun);
                }
                for byte in bytes {
                    if stream.write_all(&[byte]).is_err() {
                        return Ok(begun.elapsed());
                    }
                    thread::sleep(pause);
                }
                bail!("all of it was taken")
            });
            (what, stalled)
        });
        let mut good = Peer::join(&node.door, "good@localhost", COOKIE, PLAIN)?;
        good.echo(b"beside those who stall")?;
        for (what, stalled) in stalls {
            let took = stalled.join().map_err(|_| anyhow::anyhow!("{what}: panicked"))?;
            let took = took.context(what)?;
            ensure!(took <= DROPPED, "{what}: dropped only after {took:?}");
        }
        good.echo(b"after them")?;
        Ok(())
    })
}

/// A TLS record of which half has come is no sign of life, and no reason to wait for ever.
#[test]
fn a_tls_record_that_stops_half_way_is_a_silent_peer() -> Result<()> {
    survives_with(Carrier::Tls13, &["--ticktime", "4"], |_, node| {
        let mut peer = Peer::join(&node.door, "half@localhost", COOKIE, PLAIN)?;
        peer.echo(b"whole")?;
        let content = peer.content(&peer.reg_send("echo"), Some(&binary(&[7; 1000])));
        let Socket::Tls(stream) = &mut peer.stream else { bail!("no TLS") };
        let mut record = Vec::new();
        stream.conn.writer().write_all(&content)?;
        stream.conn.write_tls(&mut record)?;
        let half = record.get(..record.len() / 2).context("no record")?;
        stream.sock.write_all(half)?;
        let took = peer.closed_within(Duration::from_secs(12))?;
        ensure!(took > Duration::from_millis(2500), "cut after {took:?}, as if it were an error");
        Ok(())
    })
}

#[test]
fn garbage_inside_tls_ends_its_own_connection_at_once() -> Result<()> {
    survives(Carrier::Tls13, |_, node| {
        let mut good = Peer::join(&node.door, "good@localhost", COOKIE, PLAIN)?;
        // Application data that nobody encrypted; a record of no known kind; one that is too long; an alert in the clear.
        for (number, bytes) in [
            [&[23, 3, 3, 0, 100][..], &[9; 100]].concat(),
            vec![99, 3, 3, 0, 1, 0],
            [&[23, 3, 3, 255, 255][..], &[0; 65_535]].concat(),
            vec![21, 3, 3, 0, 2, 2, 80],
        ]
        .into_iter()
        .enumerate()
        {
            let name = format!("bad{number}@localhost");
            let mut peer = Peer::join(&node.door, &name, COOKIE, PLAIN)?;
            peer.echo(b"before")?;
            let Socket::Tls(stream) = &mut peer.stream else { bail!("no TLS") };
            // The node may close before it has read all.
            let _ = stream.sock.write_all(&bytes);
            peer.closed_within(Duration::from_secs(5)).with_context(|| name.clone())?;
            good.echo(b"beside it")?;
        }
        Ok(())
    })
}

tests::over_each_carrier!(
    who_closes_one_direction_is_heard_to_the_end_and_gone_then,
    who_is_gone_without_a_word_is_missed_at_once,
);

/// A BEAM takes the end of what a peer says for the end of the peer.
fn who_closes_one_direction_is_heard_to_the_end_and_gone_then(carrier: Carrier) -> Result<()> {
    survives(carrier, |_, node| {
        let set = |value| tuple(&[atom("$gen_cast"), tuple(&[atom("set"), integer(value)])]);
        let mut peer = Peer::join(&node.door, "half@localhost", COOKIE, PLAIN)?;
        peer.send("counter", &set(41))?;
        peer.stream.finish_writing()?;
        peer.closed_within(Duration::from_secs(5))?;
        let mut after = Peer::join(&node.door, "after@localhost", COOKIE, PLAIN)?;
        let tag = tuple(&[after.pid(), atom("tag")]);
        after.send("counter", &tuple(&[atom("$gen_call"), tag, atom("get")]))?;
        let frame = after.next_frame()?;
        ensure!(frame.ends_with(&integer(41)), "what was said before the end is lost: {frame:?}");
        // The served suite begins with 0.
        after.send("counter", &set(0))?;
        after.echo(b"after it")?;
        Ok(())
    })
}

/// Its process is killed, and its system closes its sockets.
fn who_is_gone_without_a_word_is_missed_at_once(carrier: Carrier) -> Result<()> {
    survives(carrier, |scene, node| {
        let mut good = Peer::join(&node.door, "good@localhost", COOKIE, PLAIN)?;
        let before = scene.node("node")?.descriptors()?;
        for round in 0..10 {
            let mut peer =
                Peer::join(&node.door, &format!("gone{round}@localhost"), COOKIE, PLAIN)?;
            peer.echo(b"there")?;
        }
        let begun = Instant::now();
        while scene.node("node")?.descriptors()? > before {
            ensure!(begun.elapsed() < Duration::from_secs(5), "they are not missed");
            thread::sleep(Duration::from_millis(20));
        }
        good.echo(b"still here")?;
        Ok(())
    })
}
