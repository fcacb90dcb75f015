//! Real nodes at the epmd we serve.

use std::time::Duration;

use rustix::process::Signal;
use tests::epmd;

use crate::erl::{eval, eventually, names, output, program, releases, serve, start};

#[test]
fn nodes_of_every_release_register_are_listed_and_find_one_another() {
    let (_server, port) = serve(&[]);
    let nodes: Vec<_> = releases()
        .into_iter()
        .map(|otp| (otp, format!("n{}", otp.release())))
        .map(|(otp, name)| (otp, start(otp, port, &["-name", &format!("{name}@127.0.0.1")]), name))
        .collect();
    for (otp, _node, name) in &nodes {
        let found = epmd::look_up(port, name).unwrap().unwrap();
        assert_eq!((found.kind, found.versions.0, &found.name), (77, 6, name));
        let pings: Vec<String> = nodes
            .iter()
            .map(|(_, _, name)| format!("{{{name},net_adm:ping('{name}@127.0.0.1')}}"))
            .collect();
        let code = format!(
            "{{ok, Names}} = net_adm:names('127.0.0.1'), {{[list_to_atom(N) || {{N, _}} <- lists:sort(Names)], [{}]}}",
            pings.join(",")
        );
        let (text, _) = eval(otp, port, &["-name", "asker@127.0.0.1"], &code);
        let all: Vec<_> = nodes.iter().map(|(_, _, name)| name.clone()).collect();
        let pongs: Vec<_> = all.iter().map(|name| format!("{{{name},pong}}")).collect();
        assert_eq!(text, format!("{{[asker,{}],[{}]}}", all.join(","), pongs.join(",")));
    }
}

#[test]
fn the_epmd_command_of_every_release_lists_the_names_and_may_not_end_us() {
    let (mut server, port) = serve(&[]);
    let held = epmd::register(port, b"kept", 1234).unwrap();
    for otp in releases() {
        let epmd = |flags: &[&str]| {
            let mut command = program(otp, "epmd", port);
            command.args(flags);
            output(command)
        };
        assert_eq!(
            epmd(&["-names"]),
            (format!("epmd: up and running on port {port} with data:\nname kept at port 1234"), 0)
        );
        assert_eq!(epmd(&["-kill"]), ("Killing not allowed - living nodes in database.".into(), 1));
        assert_eq!(epmd(&["-stop", "kept"]), ("epmd: local epmd responded with <>".into(), 1));
        // `erl` runs this before it registers: it sees that one is there, and is content. (Not as a daemon: that one says so in
        // the background, and if we had ended by then it would stay for good.)
        assert_eq!(epmd(&[]).1, 0);
    }
    assert!(server.has_ended().unwrap().is_none());
    assert_eq!(names(port), ["kept"]);
    drop(held);
}

#[test]
fn a_name_that_a_live_node_holds_is_refused_to_a_second_one() {
    for otp in releases() {
        let (_server, port) = serve(&[]);
        let _first = start(otp, port, &["-name", "twin@127.0.0.1"]);
        let (text, code) = eval(otp, port, &["-name", "twin@127.0.0.1"], "ok");
        assert!(
            text.contains("twin@127.0.0.1 seems to be in use by another Erlang node"),
            "{text}"
        );
        assert_ne!(code, 0);
    }
}

#[test]
fn a_killed_nodes_name_is_free_at_once_and_its_successor_has_another_creation() {
    for otp in releases() {
        let (_server, port) = serve(&[]);
        let creation = || -> u32 {
            let (text, _) =
                eval(otp, port, &["-name", "phoenix@127.0.0.1"], "erlang:system_info(creation)");
            text.parse().unwrap_or_else(|_| panic!("no creation: {text}"))
        };
        let mut first = start(otp, port, &["-name", "phoenix@127.0.0.1"]);
        // The launcher may be a shell around the emulator: kill the whole group.
        let group = rustix::process::Pid::from_raw(i32::try_from(first.id()).unwrap()).unwrap();
        rustix::process::kill_process_group(group, Signal::KILL).unwrap();
        assert_eq!(first.wait(Duration::from_secs(5)).unwrap(), 128 + 9);
        eventually("the name is free", Duration::from_secs(2), || names(port).is_empty());
        let (second, third) = (creation(), creation());
        assert_ne!(second, third);
        assert!(second > 3 && third > 3);
    }
}

#[test]
fn nodes_on_ipv6_register_and_find_one_another() {
    for otp in releases() {
        let (_server, port) = serve(&["--interface", "::1"]);
        let v6 = ["-proto_dist", "inet6_tcp"];
        let _node = start(otp, port, &[&v6[..], &["-name", "six@::1"]].concat());
        let flags = [&v6[..], &["-name", "asker@::1"]].concat();
        let (text, _) = eval(
            otp,
            port,
            &flags,
            "{ok, Names} = erl_epmd:names({0,0,0,0,0,0,0,1}), {net_adm:ping('six@::1'), lists:sort([list_to_atom(N) || {N, _} <- Names])}",
        );
        assert_eq!(text, "{pong,[asker,six]}");
        // One table for both families.
        assert_eq!(names(port), ["six"]);
    }
}

#[test]
fn a_server_for_the_loopback_interface_cannot_be_reached_from_outside() {
    let (server, _) = serve(&["--interface", "127.0.0.1"]);
    let line = server.log().lines().remove(0).text;
    let addresses: Vec<&str> = line.strip_prefix("ready epmd at ").unwrap().split(' ').collect();
    assert!(!addresses.is_empty());
    for address in addresses {
        assert!(address.parse::<std::net::SocketAddr>().unwrap().ip().is_loopback(), "{line}");
    }
}

#[test]
fn cnode_names_prints_what_the_epmd_command_prints() {
    let otp = releases()[0];
    let port = epmd::free_port().unwrap();
    let _epmd = epmd::start(otp, port).unwrap();
    let _held = epmd::register(port, b"listed", 4321).unwrap();
    let mut theirs = program(otp, "epmd", port);
    theirs.arg("-names");
    let mut ours = std::process::Command::new(env!("CARGO_BIN_EXE_cnode"));
    ours.args(["names", "127.0.0.1"]).env("ERL_EPMD_PORT", port.to_string());
    assert_eq!(output(ours), output(theirs));
}

#[test]
fn cnode_says_in_one_line_what_is_wrong_and_exits_1() {
    let cnode = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cnode"));
        command.args(arguments).env("RUST_BACKTRACE", "1");
        let (text, code) = output(command);
        assert_eq!((text.lines().count(), code), (1, 1), "{text}");
        text
    };
    let port = epmd::free_port().unwrap().to_string();
    let text = cnode(&["names", "127.0.0.1", "--port", &port]);
    assert!(text.contains(&port) && text.contains("refused"), "{text}");
    let (_server, taken) = serve(&[]);
    let text = cnode(&["epmd", "--port", &taken.to_string()]);
    assert!(text.contains(&format!("0.0.0.0:{taken} is taken")), "{text}");
    let text = cnode(&["epmd", "--port", &port, "--interface", "192.0.2.99"]);
    assert!(text.contains("cannot serve epmd at 192.0.2.99"), "{text}");
}

#[test]
fn sigterm_ends_the_server_with_code_0_and_closes_its_port() {
    let (mut server, port) = serve(&[]);
    server.signal(Signal::TERM).unwrap();
    assert_eq!(server.wait(Duration::from_secs(5)).unwrap(), 0);
    assert!(epmd::names(port).is_err());
}
