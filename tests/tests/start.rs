//! How the examples start and refuse to start: the ready line, every option, every start error, one line each.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;
use tests::epmd;
use tests::log::Stream;
use tests::node::{Program, Ready};
use tests::otp::Otp;
use tests::peer::{PLAIN, Peer};
use tests::scene::{COOKIE, Scene};
use tests::suite;

fn on_host(test: impl FnOnce(&mut Scene) -> Result<()>) -> Result<()> {
    Scene::run(Otp::host()?, test);
    Ok(())
}

fn without_epmd(test: impl FnOnce(&mut Scene) -> Result<()>) -> Result<()> {
    Scene::run_bare(Otp::host()?, test);
    Ok(())
}

fn start(scene: &mut Scene, arguments: &[&str]) -> Result<Ready> {
    let id = format!("node{}", arguments.len());
    scene.start_node(&id, Program::Sidecar, arguments)
}

/// A start that must fail: within seconds, with code 1, saying one line that mentions all of `mentions`.
fn refused(scene: &mut Scene, arguments: &[&str], mentions: &[&str]) -> Result<()> {
    // Built by now, so that only the start is timed.
    Program::Sidecar.path()?;
    let begun = Instant::now();
    let (code, said) = match scene.try_node("refused", Program::Sidecar, arguments)? {
        Ok(ready) => bail!("{arguments:?} started: {ready:?}"),
        Err(ended) => ended,
    };
    ensure!(
        begun.elapsed() < Duration::from_secs(10),
        "{arguments:?}: refused only after {:?}",
        begun.elapsed()
    );
    ensure!(code == 1, "{arguments:?} ended with {code}, saying {said:?}");
    let lines: Vec<&String> = said.iter().filter(|line| !line.trim().is_empty()).collect();
    let [line] = lines[..] else {
        bail!("{arguments:?} should say why in one line, says {said:?}")
    };
    for mention in mentions {
        ensure!(
            line.to_lowercase().contains(&mention.to_lowercase()),
            "{arguments:?}: {mention:?} is not in {line:?}"
        );
    }
    Ok(())
}

/// The machine's short host name, as `erl -sname` takes it.
fn host() -> Result<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname")?;
    Ok(name.trim().split('.').next().unwrap_or_default().to_owned())
}

/// An address of this machine that is not the loopback, if it has one. Nothing is sent.
fn other_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

fn accepts(address: IpAddr, port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::new(address, port), Duration::from_secs(2)).is_ok()
}

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

#[test]
fn the_defaults_are_rust_at_this_host_with_the_epmd_that_answers() -> Result<()> {
    on_host(|scene| {
        let ready = start(scene, &["--cookie", COOKIE])?;
        ensure!(ready.name == format!("rust@{}", host()?), "{ready:?}");
        ensure!(ready.epmd == "external", "{ready:?}");
        let found = epmd::look_up(scene.epmd_port(), "rust")?.context("not registered")?;
        ensure!(found.port == ready.port, "{found:?} but {ready:?}");
        ensure!(found.versions == (6, 5), "{found:?}");
        Ok(())
    })
}

#[test]
fn both_examples_take_the_same_options_and_print_the_same_line() -> Result<()> {
    on_host(|scene| {
        for (program, id) in [(Program::Sidecar, "first"), (Program::Puppet, "second")] {
            let name = format!("{id}@localhost");
            let ready = scene.start_node(
                id,
                program,
                &["--sname", &name, "--setcookie", COOKIE, "--visible"],
            )?;
            ensure!(ready.name == name, "{ready:?}");
            let found = epmd::look_up(scene.epmd_port(), id)?.context("not registered")?;
            ensure!(found.kind == 77, "visible: {found:?}");
            Peer::join(ready.port, "peer@localhost", COOKIE, PLAIN)?.echo(b"hello")?;
        }
        Ok(())
    })
}

#[test]
fn a_short_name_without_a_host_and_a_long_name_with_an_address() -> Result<()> {
    on_host(|scene| {
        let short = start(scene, &["--sname", "brief", "--cookie", COOKIE])?;
        ensure!(short.name == format!("brief@{}", host()?), "{short:?}");
        let long = start(scene, &["--visible", "--name", "lengthy@127.0.0.1", "--cookie", COOKIE])?;
        ensure!(long.name == "lengthy@127.0.0.1", "{long:?}");
        let dotted = start(
            scene,
            &["--ticktime", "30", "--name", "dotted@host.example.org", "--cookie", COOKIE],
        )?;
        ensure!(dotted.name == "dotted@host.example.org", "{dotted:?}");
        Ok(())
    })
}

#[test]
fn standard_output_holds_the_ready_line_and_nothing_else() -> Result<()> {
    on_host(|scene| {
        let ready = scene.start_node(
            "node",
            Program::Sidecar,
            &["--sname", "rust@localhost", "--cookie", COOKIE],
        )?;
        suite::run(scene, "any_suite", "tester@localhost", &[], &[("node", &ready.name)])?;
        let _ = Peer::join(ready.port, "stranger@localhost", "wrong", PLAIN);
        let node = scene.node("node")?;
        node.signal(Signal::TERM)?;
        ensure!(node.wait(Duration::from_secs(10))? == 0, "SIGTERM should end it with 0");
        let said = node.log().of(Stream::Out);
        ensure!(said.len() == 1, "standard output: {said:?}");
        Ok(())
    })
}

#[test]
fn a_cookie_is_made_as_otp_makes_it_and_found_again() -> Result<()> {
    on_host(|scene| {
        let file = scene.home().join(".erlang.cookie");
        ensure!(!file.exists(), "the home is new");
        let ready = start(scene, &["--sname", "first@localhost"])?;
        let cookie = fs::read_to_string(&file).context("no cookie was made")?;
        let mode = fs::metadata(&file)?.permissions().mode() & 0o777;
        ensure!(mode == 0o400, "mode {mode:o}");
        ensure!(
            cookie.len() == 20 && cookie.bytes().all(|byte| byte.is_ascii_uppercase()),
            "not OTP's shape: {cookie:?}"
        );
        Peer::join(ready.port, "peer@localhost", &cookie, PLAIN)?
            .echo(b"the cookie of the file")?;
        let again = start(scene, &["--visible", "--sname", "second@localhost"])?;
        Peer::join(again.port, "peer@localhost", &cookie, PLAIN)?.echo(b"the same cookie")?;
        ensure!(fs::read_to_string(&file)? == cookie, "the file was written again");
        Ok(())
    })
}

#[test]
fn a_cookie_of_the_file_is_taken_as_otp_reads_it() -> Result<()> {
    on_host(|scene| {
        let file = scene.home().join(".erlang.cookie");
        fs::write(&file, "written-by-hand\n")?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o400))?;
        let ready = start(scene, &["--sname", "rust@localhost"])?;
        Peer::join(ready.port, "peer@localhost", "written-by-hand", PLAIN)?
            .echo(b"without the line's end")?;
        // The option goes before the file.
        let other = start(scene, &["--sname", "other@localhost", "--cookie", "of-the-option"])?;
        Peer::join(other.port, "peer@localhost", "of-the-option", PLAIN)?.echo(b"the option's")?;
        ensure!(
            Peer::join(other.port, "peer2@localhost", "written-by-hand", PLAIN).is_err(),
            "the file's cookie opens too"
        );
        Ok(())
    })
}

#[test]
fn a_cookie_file_that_cannot_be_trusted_or_read_is_refused() -> Result<()> {
    on_host(|scene| {
        let file = scene.home().join(".erlang.cookie");
        fs::write(&file, "open")?;
        for mode in [0o644, 0o440, 0o404, 0o666] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode))?;
            refused(scene, &["--sname", "rust@localhost"], &[".erlang.cookie"])?;
        }
        fs::remove_file(&file)?;
        fs::create_dir(&file)?;
        refused(scene, &["--sname", "rust@localhost"], &[".erlang.cookie"])?;
        // With the cookie given nobody looks at the file.
        start(scene, &["--sname", "rust@localhost", "--cookie", COOKIE]).map(|_| ())
    })
}

#[test]
fn a_taken_name_is_refused_by_name() -> Result<()> {
    on_host(|scene| {
        start(scene, &["--sname", "rust@localhost", "--cookie", COOKIE])?;
        refused(scene, &["--sname", "rust@localhost", "--cookie", COOKIE], &["rust"])
    })
}

#[test]
fn external_without_an_epmd_is_refused() -> Result<()> {
    without_epmd(|scene| {
        let port = scene.epmd_port().to_string();
        refused(
            scene,
            &["--sname", "rust@localhost", "--cookie", COOKIE, "--epmd", "external"],
            &["epmd", &port],
        )
    })
}

#[test]
fn embedded_with_the_port_taken_is_refused() -> Result<()> {
    on_host(|scene| {
        let port = scene.epmd_port().to_string();
        refused(
            scene,
            &["--sname", "rust@localhost", "--cookie", COOKIE, "--epmd", "embedded"],
            &[&port],
        )
    })
}

#[test]
fn auto_serves_epmd_where_none_answers_and_external_uses_it() -> Result<()> {
    without_epmd(|scene| {
        let first = start(scene, &["--sname", "first@localhost", "--cookie", COOKIE])?;
        ensure!(first.epmd == "embedded", "{first:?}");
        let second = start(
            scene,
            &["--sname", "second@localhost", "--cookie", COOKIE, "--epmd", "external"],
        )?;
        ensure!(second.epmd == "external", "{second:?}");
        let names: Vec<String> =
            epmd::names(scene.epmd_port())?.into_iter().map(|(name, _)| name).collect();
        ensure!(
            names.contains(&"first".to_owned()) && names.contains(&"second".to_owned()),
            "{names:?}"
        );
        Ok(())
    })
}

#[test]
fn none_registers_nowhere_and_accepts_connections() -> Result<()> {
    on_host(|scene| {
        let ready =
            start(scene, &["--sname", "rust@localhost", "--cookie", COOKIE, "--epmd", "none"])?;
        ensure!(ready.epmd == "none", "{ready:?}");
        ensure!(epmd::names(scene.epmd_port())?.is_empty(), "it registered");
        Peer::join(ready.port, "peer@localhost", COOKIE, PLAIN)?.echo(b"without epmd")?;
        Ok(())
    })
}

#[test]
fn the_epmd_port_option_goes_before_the_environment() -> Result<()> {
    without_epmd(|scene| {
        let port = epmd::free_port()?;
        let option = port.to_string();
        let ready = start(
            scene,
            &["--sname", "rust@localhost", "--cookie", COOKIE, "--epmd-port", &option],
        )?;
        ensure!(ready.epmd == "embedded", "{ready:?}");
        ensure!(epmd::look_up(port, "rust")?.is_some(), "not registered on port {port}");
        ensure!(epmd::names(scene.epmd_port()).is_err(), "an epmd on the environment's port");
        Ok(())
    })
}

#[test]
fn the_listener_keeps_to_its_port_range_and_says_when_it_is_exhausted() -> Result<()> {
    on_host(|scene| {
        let port = loop {
            // Both must be nobody else's: tests beside this one take theirs from the same sequence.
            let (first, second) = (epmd::free_port()?, epmd::free_port()?);
            if second == first + 1 {
                break first;
            }
        };
        let (min, max) = (port.to_string(), (port + 1).to_string());
        let range = ["--port-min", &min, "--port-max", &max, "--cookie", COOKIE, "--sname"];
        let mut ports = Vec::new();
        for (id, name) in [("one", "one@localhost"), ("two", "two@localhost")] {
            let arguments = [&range[..], &[name]].concat();
            ports.push(scene.start_node(id, Program::Sidecar, &arguments)?.port);
        }
        ports.sort_unstable();
        ensure!(ports == [port, port + 1], "{ports:?} should be {port} and the next");
        // A BEAM in its place says less.
        let mention = if Program::Sidecar.is_own() { min.as_str() } else { "" };
        refused(scene, &[&range[..], &["three@localhost"]].concat(), &[mention])?;
        // One port, held by somebody else altogether.
        let held = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let taken = held.local_addr()?.port().to_string();
        refused(
            scene,
            &[
                "--port-min",
                &taken,
                "--port-max",
                &taken,
                "--sname",
                "four@localhost",
                "--cookie",
                COOKIE,
            ],
            &[if Program::Sidecar.is_own() { &taken } else { "" }],
        )
    })
}

#[test]
fn an_interface_limits_who_can_connect() -> Result<()> {
    on_host(|scene| {
        let ready = start(
            scene,
            &["--sname", "inside@localhost", "--cookie", COOKIE, "--interface", "127.0.0.1"],
        )?;
        ensure!(accepts(V4, ready.port), "the loopback is closed");
        let everywhere = start(scene, &["--sname", "outside@localhost", "--cookie", COOKIE])?;
        if let Some(address) = other_address() {
            ensure!(!accepts(address, ready.port), "{address} reaches a node on the loopback");
            ensure!(
                accepts(address, everywhere.port),
                "{address} does not reach a node on all interfaces"
            );
        }
        Ok(())
    })
}

#[test]
fn an_ipv6_interface_makes_an_ipv6_node() -> Result<()> {
    on_host(|scene| {
        let ready =
            start(scene, &["--sname", "six@localhost", "--cookie", COOKIE, "--interface", "::1"])?;
        ensure!(accepts(V6, ready.port), "::1 is closed");
        ensure!(!accepts(V4, ready.port), "IPv4 reaches an IPv6 node");
        let flags = ["-proto_dist", "inet6_tcp"];
        suite::run(scene, "served_suite", "tester@localhost", &flags, &[("node", &ready.name)])
    })
}

#[test]
fn an_embedded_epmd_listens_where_the_node_does() -> Result<()> {
    without_epmd(|scene| {
        start(
            scene,
            &[
                "--sname",
                "inside@localhost",
                "--cookie",
                COOKIE,
                "--interface",
                "127.0.0.1",
                "--epmd",
                "embedded",
            ],
        )?;
        ensure!(accepts(V4, scene.epmd_port()), "no epmd on the loopback");
        // The C epmd, which stands in for another program's, listens everywhere.
        if let Some(address) = other_address().filter(|_| Program::Sidecar.is_own()) {
            ensure!(
                !accepts(address, scene.epmd_port()),
                "{address} reaches the epmd of a node on the loopback"
            );
        }
        Ok(())
    })
}

#[test]
fn unknown_options_are_refused_by_name() -> Result<()> {
    on_host(|scene| {
        for option in ["--nonsense", "--snam", "-x", "stray"] {
            refused(scene, &["--sname", "rust@localhost", "--cookie", COOKIE, option], &[option])?;
        }
        Ok(())
    })
}

#[test]
fn values_that_mean_nothing_are_refused() -> Result<()> {
    if !Program::Sidecar.is_own() {
        return Ok(()); // how another program says it is its own affair
    }
    on_host(|scene| {
        for (arguments, mention) in [
            (&["--port-min", "many"][..], "many"),
            (&["--port-min", "70000"], "70000"),
            (&["--port-min", "4000", "--port-max", "3000"], "3000"),
            (&["--epmd", "sometimes"], "sometimes"),
            (&["--epmd-port", "0x10"], "0x10"),
            (&["--ticktime", "never"], "never"),
            (&["--ticktime", "0"], "0"),
            (&["--interface", "localhost:"], "localhost:"),
            (&["--interface", "192.0.2.99"], "192.0.2.99"),
            (&["--max-frame", "big"], "big"),
            (&["--ticktime"], "--ticktime"),
            (&["--name", "nohost"], "nohost"),
            (&["--sname", "dotted@host.example.org"], "host.example.org"),
            (&["--sname", "two words@localhost"], "two words"),
            (&["--sname", "@localhost"], "@localhost"),
            (&["--sname", "a@b@c"], "a@b@c"),
            (
                &[
                    "--tls-cert",
                    "/nonexistent/cert",
                    "--tls-key",
                    "/nonexistent/key",
                    "--tls-ca",
                    "/nonexistent/ca",
                ],
                "",
            ),
        ] {
            refused(scene, &[arguments, &["--cookie", COOKIE]].concat(), &[mention])?;
        }
        Ok(())
    })
}

#[test]
fn a_limit_below_otps_fragments_is_kept_as_well() -> Result<()> {
    if !Program::Sidecar.is_own() {
        return Ok(()); // a BEAM knows no such limit
    }
    on_host(|scene| {
        let arguments = ["--sname", "rust@localhost", "--cookie", COOKIE, "--max-frame", "65536"];
        scene.start_node("node", Program::Sidecar, &arguments)?;
        for (size, outcome) in [(60_000, "answered"), (100_000, "silent"), (500, "answered")] {
            let mut erl = scene.erl()?;
            erl.args(["-sname", "big@localhost", "-setcookie", COOKIE, "-eval"]).arg(format!(
                "{{echo, 'rust@localhost'}} ! {{self(), binary:copy(<<1>>, {size})}}, \
                 R = receive {{echo, _}} -> answered after 3000 -> silent end, io:format(\"~p~n\", [R]), halt()."
            ));
            let output = erl.output()?;
            let said = String::from_utf8_lossy(&output.stdout);
            ensure!(said.trim() == outcome, "{size} bytes under a limit of 65,536: {said}");
        }
        Ok(())
    })
}

#[test]
fn a_frame_above_the_limit_ends_the_connection_and_one_below_passes() -> Result<()> {
    if !Program::Sidecar.is_own() {
        return Ok(()); // a BEAM knows no such limit
    }
    on_host(|scene| {
        let arguments = ["--sname", "rust@localhost", "--cookie", COOKIE, "--max-frame", "200000"];
        let ready = scene.start_node("node", Program::Sidecar, &arguments)?;
        let mut peer = Peer::join(ready.port, "peer@localhost", COOKIE, PLAIN)?;
        peer.echo(&vec![1; 180_000])?;
        peer.frame(&vec![112; 300_000])?;
        peer.closed_within(Duration::from_secs(5))?;
        Peer::join(ready.port, "peer@localhost", COOKIE, PLAIN)?.echo(b"again")?;
        // OTP sends fragments of 64 KiB: reassembled, the message counts as a whole.
        for (size, outcome) in [(180_000, "answered"), (300_000, "silent")] {
            let mut erl = scene.erl()?;
            erl.args(["-sname", "big@localhost", "-setcookie", COOKIE, "-eval"]).arg(format!(
                "{{echo, 'rust@localhost'}} ! {{self(), binary:copy(<<1>>, {size})}}, \
                 R = receive {{echo, _}} -> answered after 3000 -> silent end, io:format(\"~p~n\", [R]), halt()."
            ));
            let output = erl.output()?;
            let said = String::from_utf8_lossy(&output.stdout);
            ensure!(
                said.trim() == outcome,
                "{size} bytes in fragments under a limit of 200,000: {said}"
            );
        }
        Ok(())
    })
}

#[test]
fn an_embedded_epmd_survives_running_out_of_descriptors() -> Result<()> {
    if !Program::Sidecar.is_own() {
        return Ok(()); // the C epmd exits
    }
    without_epmd(|scene| {
        let ready = scene.start_limited(
            "node",
            Program::Sidecar,
            64,
            &["--sname", "rust@localhost", "--cookie", COOKIE],
        )?;
        ensure!(ready.epmd == "embedded", "{ready:?}");
        let address = SocketAddr::new(V4, scene.epmd_port());
        let held: Vec<_> = (0..300)
            .map_while(|_| TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok())
            .collect();
        ensure!(held.len() >= 64, "only {} connections fit into the backlog", held.len());
        std::thread::sleep(Duration::from_millis(300));
        drop(held);
        let begun = Instant::now();
        while epmd::names(scene.epmd_port()).is_err() {
            ensure!(
                begun.elapsed() < Duration::from_secs(5),
                "no answer after the descriptors came back"
            );
        }
        ensure!(
            begun.elapsed() < Duration::from_secs(2),
            "it answers only after {:?}",
            begun.elapsed()
        );
        suite::run(scene, "served_suite", "tester@localhost", &[], &[("node", &ready.name)])
    })
}

#[test]
fn an_embedded_epmd_gives_each_request_one_deadline() -> Result<()> {
    if !Program::Sidecar.is_own() {
        return Ok(()); // each byte renews the minute of the C epmd
    }
    without_epmd(|scene| {
        start(scene, &["--sname", "rust@localhost", "--cookie", COOKIE])?;
        let mut peer = Peer::connect(scene.epmd_port(), "drip")?;
        let begun = Instant::now();
        let request = epmd::framed(&[b'z'; 300])?;
        for byte in request {
            use std::io::Write as _;
            if peer.stream.write_all(&[byte]).is_err()
                || peer.closed_within(Duration::from_millis(500)).is_ok()
            {
                ensure!(
                    begun.elapsed() > Duration::from_millis(900),
                    "closed at once: a slow but honest client is lost"
                );
                return Ok(());
            }
            ensure!(
                begun.elapsed() < Duration::from_secs(30),
                "bytes that drip in hold a request open"
            );
        }
        bail!("150 s went by unnoticed")
    })
}
