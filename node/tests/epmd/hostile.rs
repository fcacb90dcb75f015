//! Strangers who send garbage, drip, hold connections, or ask for what is not theirs.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tests::epmd;
use tests::group::Group;

use crate::erl::{connect, eventually, names, ready, serve};

/// Reads to the end; a reset counts as one.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    bytes
}

#[test]
fn a_request_has_one_deadline_that_dripping_bytes_does_not_renew() {
    let (_server, port) = serve(&[]);
    let mut stream = connect(port);
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let start = Instant::now();
    let request = epmd::framed(&epmd::alive2(&[b'd'; 200], 1).unwrap()).unwrap();
    let mut closed = None;
    for byte in request {
        if stream.write_all(&[byte]).is_err() {
            closed = Some(start.elapsed());
            break;
        }
        match stream.read(&mut [0; 16]) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            _ => {
                closed = Some(start.elapsed());
                break;
            }
        }
    }
    let closed = closed.expect("a whole minute, and still open");
    assert!((4..8).contains(&closed.as_secs()), "closed after {closed:?}");
}

#[test]
fn a_crowd_that_says_nothing_keeps_nobody_else_from_being_served() {
    let (server, port) = serve(&[]);
    let _held = epmd::register(port, b"kept", 1).unwrap();
    let crowd: Vec<TcpStream> = (0..1_000).map(|_| connect(port)).collect();
    let start = Instant::now();
    assert_eq!(names(port), ["kept"]);
    assert!(start.elapsed() < Duration::from_secs(2), "served after {:?}", start.elapsed());
    assert!(server.descriptors().unwrap() < 600, "{} descriptors", server.descriptors().unwrap());
    drop(crowd);
}

#[test]
fn running_out_of_descriptors_costs_a_second_at_most_and_no_name() {
    let port = epmd::free_port().unwrap();
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "ulimit -n 40; exec \"$0\" epmd --port \"$1\"",
        env!("CARGO_BIN_EXE_cnode"),
    ]);
    command.arg(port.to_string());
    let server = ready(Group::start("cnode epmd with 40 descriptors", command).unwrap());
    let held = epmd::register(port, b"kept", 1).unwrap();

    // More idle callers than descriptors, then an honest one: it is served, as the oldest idle one goes.
    let crowd: Vec<TcpStream> = (0..200).map(|_| connect(port)).collect();
    let start = Instant::now();
    assert_eq!(names(port), ["kept"]);
    assert!(start.elapsed() < Duration::from_secs(2), "served after {:?}", start.elapsed());
    drop(crowd);

    // Registered names are not dismissed for others: when they hold every descriptor, new ones wait, and when one
    // goes, somebody is served.
    let mut holders = Vec::new();
    while holders.len() < 60 {
        let mut stream = connect(port);
        stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
        let name = format!("holder{}", holders.len());
        stream
            .write_all(&epmd::framed(&epmd::alive2(name.as_bytes(), 1).unwrap()).unwrap())
            .unwrap();
        if stream.read_exact(&mut [0; 6]).is_err() {
            break;
        }
        holders.push(stream);
    }
    assert!((10..40).contains(&holders.len()), "{} holders", holders.len());
    holders.truncate(holders.len() - 3);
    let start = Instant::now();
    eventually("served again", Duration::from_secs(1), || {
        epmd::names(port).is_ok_and(|names| names.iter().any(|(name, _)| name == "kept"))
    });
    println!("served again after {:?}", start.elapsed());
    drop(holders);
    eventually("only ours is left", Duration::from_secs(2), || names(port) == ["kept"]);
    assert!(server.descriptors().unwrap() < 40);
    drop(held);
}

#[test]
fn kill_and_stop_and_dump_by_hand_change_nothing() {
    let (mut server, port) = serve(&[]);
    assert_eq!(epmd::ask(port, b"k").unwrap(), b"NO", "refused even when no names are registered");
    let _held = epmd::register(port, b"kept", 1).unwrap();
    assert_eq!(epmd::ask(port, b"k").unwrap(), b"NO");
    assert_eq!(epmd::ask(port, b"skept").unwrap(), b"");
    assert_eq!(epmd::ask(port, b"d").unwrap(), u32::from(port).to_be_bytes());
    assert_eq!(names(port), ["kept"]);
    assert!(server.has_ended().unwrap().is_none());
}

#[test]
fn names_that_no_node_has_are_refused() {
    let (_server, port) = serve(&[]);
    let long = "l".repeat(256);
    for name in [
        "",
        "a\nname b at port 1",
        "a\r",
        "a\0",
        "a b",
        "a at port 1",
        "a@b",
        "\u{7f}",
        "\u{2028}",
        &long,
    ] {
        assert!(epmd::register(port, name.as_bytes(), 1).is_err(), "{name:?}");
    }
    assert!(epmd::register(port, b"\xff\xfe", 1).is_err());
    assert_eq!(names(port), [""; 0]);
    let longest = "ä".repeat(255);
    let held = epmd::register(port, longest.as_bytes(), 7).unwrap();
    assert_eq!(epmd::look_up(port, &longest).unwrap().unwrap().name, longest);
    drop(held);
}

#[test]
fn a_name_goes_with_its_connection_however_that_ends() {
    let (_server, port) = serve(&[]);
    let ends: [fn(&mut TcpStream); 3] = [
        |stream| stream.shutdown(Shutdown::Both).unwrap(),
        |stream| stream.shutdown(Shutdown::Write).unwrap(),
        // A node says nothing more on this connection; who does has it closed, as by the C epmd.
        |stream| stream.write_all(b"more").unwrap(),
    ];
    let mut last = 0;
    for end in ends {
        let mut held = epmd::register(port, b"gone", 1).unwrap();
        assert_ne!(held.creation, last);
        last = held.creation;
        end(&mut held.stream);
        eventually("the name is free", Duration::from_secs(1), || names(port).is_empty());
    }
}

#[test]
fn a_registration_that_does_not_come_from_this_machine_is_refused() {
    // An address of ours that is not the loopback's; UDP sends nothing by connecting.
    let outside = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("198.51.100.1:9")?;
        socket.local_addr()
    });
    let Some(ours) = outside.ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback()) else {
        tests::otp::loud(
            "SKIPPED a_registration_that_does_not_come_from_this_machine: only a loopback interface here",
        );
        return;
    };
    let (_server, port) = serve(&[]);
    let request = epmd::framed(&epmd::alive2(b"stranger", 1).unwrap()).unwrap();
    let register = |from: SocketAddr, to: SocketAddr| {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&from.into()).unwrap();
        socket.connect(&to.into()).unwrap();
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(&request).unwrap();
        let mut reply = [0; 6];
        (stream.read_exact(&mut reply).map(|()| reply[1]), stream)
    };
    let outside = SocketAddr::new(ours, 0);
    // Over the interface's own address on both ends it is this machine.
    let (registered, held) = register(outside, SocketAddr::new(ours, port));
    assert_eq!(registered.unwrap(), 0);
    drop(held);
    eventually("the name is free", Duration::from_secs(1), || names(port).is_empty());
    // From an address that is neither the loopback's nor the one called, which is what another machine has.
    let (refused, _held) = register(outside, SocketAddr::new([127, 0, 0, 1].into(), port));
    assert!(refused.is_err());
    assert_eq!(names(port), [""; 0]);
}

#[test]
fn garbage_of_every_kind_leaves_the_server_and_its_memory_as_they_were() {
    let (server, port) = serve(&["--interface", "127.0.0.1"]);
    let _held = epmd::register(port, b"kept", 1).unwrap();
    let before = server.resident().unwrap();
    // Requests with a true or a false length, a known or an unknown tag, cut anywhere.
    let tag = prop_oneof![
        Just(b'x'),
        Just(b'z'),
        Just(b'n'),
        Just(b'k'),
        Just(b's'),
        Just(b'd'),
        any::<u8>()
    ];
    let body = (
        tag,
        prop::collection::vec(any::<u8>(), 0..1_200),
        prop::option::of(any::<u16>()),
        any::<bool>(),
    );
    let mut runner =
        TestRunner::new(Config { cases: 1_500, failure_persistence: None, ..Config::default() });
    runner
        .run(&body, |(tag, bytes, length, end)| {
            let mut request = length.unwrap_or(bytes.len() as u16 + 1).to_be_bytes().to_vec();
            request.push(tag);
            request.extend_from_slice(&bytes);
            let mut stream = connect(port);
            // It may be closed on us while we write: that is an answer too.
            let _ = stream.write_all(&request);
            if end {
                let _ = stream.shutdown(Shutdown::Write);
                rest(&mut stream);
            }
            Ok(())
        })
        .unwrap();
    eventually("the answers are as before", Duration::from_secs(6), || names(port) == ["kept"]);
    let grown = server.resident().unwrap().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes more than before");
}
