//! What the nodes talk over: every carrier on every release, several at once, who is let in, what is said at the start.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tests::carrier::{Authority, Carrier, Holder, optfile};
use tests::group::Group;
use tests::node::Program;
use tests::otp::Otp;
use tests::peer::{PLAIN, Peer};
use tests::scene::{COOKIE, Scene};
use tests::suite;

/// Two sidecars: one with short ticks, and one that has other things to do, in an unoptimized build, than to keep such ticks
/// beside 64 MiB.
fn over(otp: &'static Otp, carrier: Carrier) {
    Scene::run_over(carrier, otp, |scene| {
        let arguments = ["--sname", "ticks@localhost", "--cookie", COOKIE, "--ticktime", "4"];
        let ready = scene.start_node("ticks", Program::Sidecar, &arguments)?;
        let settings = [("node", ready.name.as_str())];
        let flags = ["-kernel", "net_ticktime", "4"];
        suite::run(scene, "tick_suite", "ticker@localhost", &flags, &settings)?;
        let arguments = ["--sname", "rust@localhost", "--cookie", COOKIE];
        let ready = scene.start_node("node", Program::Sidecar, &arguments)?;
        let settings = [("node", ready.name.as_str())];
        suite::run(scene, "carrier_suite", "tester@localhost", &[], &settings)
    });
}

tests::on_every_release!(tls_12_carries_all_there_is, over(super::Carrier::Tls));
tests::on_every_release!(tls_13_carries_all_there_is, over(super::Carrier::Tls13));
tests::on_every_release!(unix_sockets_carry_all_there_is, over(super::Carrier::Local));

/// Nodes of one name that start at once, three BEAMs and one of ours, where a killed one has left its socket: one of them gets it.
fn one_of_many_gets_the_name(otp: &'static Otp) {
    Scene::run_bare_over(Carrier::Local, otp, |scene| {
        scene.start_beam("killed", "same@localhost", COOKIE, &[])?;
        scene.kill("killed")?;
        ensure!(
            scene.shared().join("dist/same@localhost").exists(),
            "a kill takes the socket away"
        );
        let mut beams = Vec::new();
        for _ in 0..3 {
            let mut erl = scene.erl()?;
            erl.args(["-sname", "same@localhost", "-setcookie", COOKIE, "-s", "check", "idle"]);
            beams.push(Group::start("contender", erl)?);
        }
        let arguments = ["--sname", "same@localhost", "--cookie", COOKIE];
        let ours = scene.try_node("ours", Program::Sidecar, &arguments)?;
        let mut winners = usize::from(ours.is_ok());
        if let Err((_, said)) = ours {
            ensure!(said.iter().any(|line| line.contains("taken")), "{said:?}");
        }
        for beam in &mut beams {
            let told = beam.log().wait_for(0, Duration::from_secs(30), |line| match &*line.text {
                "@idle" => Some(true),
                text => text.contains("in use by another Erlang node").then_some(false),
            });
            let (_, won) = told.with_context(|| beam.log().tail(20))?;
            winners += usize::from(won);
        }
        ensure!(winners == 1, "{winners} nodes have one name");
        let left: Vec<_> = fs::read_dir(scene.shared().join("dist"))?
            .map(|entry| Ok(entry?.file_name()))
            .collect::<Result<_>>()?;
        ensure!(left == ["same@localhost"], "{left:?}");
        Ok(())
    });
}

tests::on_every_release!(of_those_who_start_at_once_one_gets_the_name, one_of_many_gets_the_name());

/// Neither side goes where others can come in, and each says what to do.
fn a_directory_that_is_open_to_others(otp: &'static Otp) {
    Scene::run_bare_over(Carrier::Local, otp, |scene| {
        let dist = scene.shared().join("dist");
        fs::create_dir(&dist)?;
        fs::set_permissions(&dist, fs::Permissions::from_mode(0o750))?;
        let arguments = ["--sname", "rust@localhost", "--cookie", COOKIE];
        let Err((_, said)) = scene.try_node("node", Program::Sidecar, &arguments)? else {
            bail!("ours starts");
        };
        ensure!(said.len() == 1 && said.iter().all(|line| line.contains("chmod 700")), "{said:?}");
        let mut erl = scene.erl()?;
        erl.args(["-sname", "tester@localhost", "-setcookie", COOKIE, "-s", "check", "idle"]);
        let mut beam = Group::start("beam", erl)?;
        beam.wait(Duration::from_secs(30))?;
        let said = beam.log().lines();
        ensure!(said.iter().any(|line| line.text.contains("chmod 700")), "{said:?}");
        fs::set_permissions(&dist, fs::Permissions::from_mode(0o700))?;
        scene.start_node("node", Program::Sidecar, &arguments)?;
        let modes = [&dist, &dist.join("rust@localhost")]
            .map(|path| Ok(fs::metadata(path)?.permissions().mode() & 0o777));
        let modes: Vec<u32> = modes.into_iter().collect::<Result<_>>()?;
        ensure!(modes == [0o700, 0o600], "{modes:?}");
        let said = echo(scene, "tester", &[])?;
        ensure!(said == "{echo,there}", "{said:?}");
        Ok(())
    });
}

tests::on_every_release!(
    an_open_directory_is_refused_by_both_sides,
    a_directory_that_is_open_to_others()
);

/// A puppet that is dialled and dials.
fn both_ways_over_ipv6(otp: &'static Otp, carrier: Carrier) {
    Scene::run_over(carrier, otp, |scene| {
        let ready = scene.start_node(
            "node",
            Program::Puppet,
            // The address for a host: not every machine's `localhost` has one of this family.
            &["--name", "ours@::1", "--cookie", COOKIE],
        )?;
        suite::run(scene, "both_ways_suite", "tester@::1", &[], &[("node", &ready.name)])
    });
}

tests::on_every_release!(inet6_tcp_carries_both_ways, both_ways_over_ipv6(super::Carrier::Tcp6));
tests::on_every_release!(inet6_tls_carries_both_ways, both_ways_over_ipv6(super::Carrier::Tls6));

/// Listens on a Unix socket for one BEAM and on TLS for another; a third speaks both.
fn two_at_once(otp: &'static Otp) {
    Scene::run(otp, |scene| {
        let directory = scene.shared().to_owned();
        let authority = Authority::new("the cluster's")?;
        fs::write(directory.join("ca.pem"), authority.pem())?;
        authority.issue(&directory, "node", &Holder::of(&["localhost"]))?;
        let inside = scene.otp().inside(&directory)?;
        fs::write(directory.join("tls.conf"), optfile(&inside, "node", "tlsv1.2"))?;
        let file = |name: &str| directory.join(name).display().to_string();
        let there = |name: &str| inside.join(name).display().to_string();

        let (cert, key, ca, dist) =
            (file("node.pem"), file("node.key"), file("ca.pem"), file("dist"));
        let mut arguments = vec!["--sname", "rust@localhost", "--cookie", COOKIE, "--local", &dist];
        arguments.extend(["--tls-cert", &cert, "--tls-key", &key, "--tls-ca", &ca]);
        let ready = scene.start_node("node", Program::Sidecar, &arguments)?;
        ensure!(ready.port != 0 && ready.epmd == "external", "it listens on a port too: {ready:?}");

        let (conf, dist) = (there("tls.conf"), there("dist"));
        for (id, flags) in [
            ("cluster", &["-proto_dist", "inet_tls", "-ssl_dist_optfile", &conf][..]),
            ("beside", &["-proto_dist", "local", "-no_epmd", "-local_dist_dir", &dist]),
            (
                "both",
                &[
                    "-proto_dist",
                    "local",
                    "inet_tls",
                    "-ssl_dist_optfile",
                    &conf,
                    "-local_dist_dir",
                    &dist,
                ],
            ),
        ] {
            let said = echo(scene, id, flags)?;
            ensure!(said == "{echo,there}", "{id}: {said}");
        }
        ensure!(echo(scene, "plain", &[])? == "nothing", "plain TCP gets in");
        Ok(())
    });
}

/// Has a BEAM of this name ask `echo`; what it received.
fn echo(scene: &mut Scene, id: &str, flags: &[&str]) -> Result<String> {
    let mut erl = scene.erl()?;
    let name = format!("{id}@localhost");
    erl.args(["-sname", &name, "-setcookie", COOKIE]).args(flags).args([
        "-eval",
        "{echo, 'rust@localhost'} ! {self(), there}, \
         receive M -> io:format(\"~0tp\", [M]) after 5000 -> io:format(\"nothing\") end, halt().",
    ]);
    let output = erl.stdin(Stdio::null()).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

tests::on_every_release!(a_node_listens_on_tls_and_on_a_unix_socket_at_once, two_at_once());

/// A puppet with a Unix socket and a listener on the network, and a BEAM on each at the same time.
fn a_peer_on_each_side(otp: &'static Otp, network: Carrier) {
    Scene::run(otp, |scene| {
        let inside = scene.otp().inside(scene.shared())?;
        network.prepare(scene.shared(), &inside)?;
        let both = |network: Vec<String>, beside: &[&str]| {
            let beside = beside.iter().map(|word| (*word).to_owned());
            network.into_iter().chain(beside).collect::<Vec<_>>()
        };
        let dist = scene.shared().join("dist").display().to_string();
        let options = both(
            network.options(scene.shared()),
            &["--local", &dist, "--sname", "ours@localhost", "--cookie", COOKIE],
        );
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let ready = scene.start_node("node", Program::Puppet, &options)?;
        let flags = network.flags(&inside);
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        scene.start_beam("far", "far@localhost", COOKIE, &flags)?;
        let beside = Carrier::Local.flags(&inside);
        let beside: Vec<&str> = beside.iter().map(String::as_str).collect();
        let settings = [("node", ready.name.as_str())];
        suite::run(scene, "each_side_suite", "tester@localhost", &beside, &settings)
    });
}

tests::on_every_release!(
    peers_over_tls_and_over_a_unix_socket_at_once,
    a_peer_on_each_side(super::Carrier::Tls)
);
tests::on_every_release!(
    peers_over_tcp_and_over_a_unix_socket_at_once,
    a_peer_on_each_side(super::Carrier::Tcp)
);

fn on_host(test: impl FnOnce(&mut Scene) -> Result<()>) -> Result<()> {
    Scene::run(Otp::host()?, test);
    Ok(())
}

const OPEN: &str = "listening beyond this machine without TLS";

#[test]
fn who_listens_beyond_the_machine_without_tls_is_warned_once_and_nobody_else() -> Result<()> {
    on_host(|scene| {
        scene.start_node(
            "open",
            Program::Sidecar,
            &["--sname", "open@localhost", "--cookie", COOKIE],
        )?;
        scene.start_node(
            "inside",
            Program::Sidecar,
            &["--sname", "inside@localhost", "--cookie", COOKIE, "--interface", "127.0.0.1"],
        )?;
        let warned = |lines: Vec<tests::log::Line>| {
            lines.iter().filter(|line| line.text.contains(OPEN)).count()
        };
        ensure!(warned(scene.node("open")?.log().lines()) == 1, "an open node is warned once");
        ensure!(warned(scene.node("inside")?.log().lines()) == 0, "one on the loopback is not");
        Ok(())
    })?;
    Scene::run_over(Carrier::Tls, Otp::host()?, |scene| {
        scene.start_node(
            "tls",
            Program::Sidecar,
            &["--sname", "tls@localhost", "--cookie", COOKIE],
        )?;
        let lines = scene.node("tls")?.log().lines();
        ensure!(!lines.iter().any(|line| line.text.contains(OPEN)), "over TLS it is not");
        Ok(())
    });
    Ok(())
}

fn says(scene: &mut Scene, id: &str, wanted: &str) -> Result<()> {
    let log = scene.node(id)?.log().clone();
    let found =
        log.wait_for(0, Duration::from_secs(5), |line| line.text.contains(wanted).then_some(()));
    found.with_context(|| format!("{id} does not say {wanted:?}")).map(|_| ())
}

#[test]
fn only_names_and_networks_that_are_allowed_come_in() -> Result<()> {
    on_host(|scene| {
        let start = |scene: &mut Scene, id: &str, more: &[&str]| {
            let name = format!("{id}@localhost");
            scene.start_node(
                id,
                Program::Sidecar,
                &[&["--sname", &name, "--cookie", COOKIE], more].concat(),
            )
        };
        let names =
            start(scene, "names", &["--allow", "friend@localhost", "--allow", "elsewhere"])?;
        Peer::join(names.port, "friend@localhost", COOKIE, PLAIN)?.echo(b"friend")?;
        Peer::join(names.port, "any@elsewhere", COOKIE, PLAIN)?.echo(b"of the host")?;
        ensure!(Peer::join(names.port, "foe@localhost", COOKIE, PLAIN).is_err(), "a foe comes in");
        says(scene, "names", "foe@localhost is not among the nodes that are allowed")?;
        let networks = start(scene, "networks", &["--allow-network", "192.0.2.0/24"])?;
        ensure!(
            Peer::join(networks.port, "friend@localhost", COOKIE, PLAIN).is_err(),
            "from the loopback"
        );
        says(scene, "networks", "none of the networks that are allowed")?;
        let both = start(
            scene,
            "both",
            &["--allow-network", "192.0.2.0/24", "--allow-network", "127.0.0.0/8"],
        )?;
        Peer::join(both.port, "friend@localhost", COOKIE, PLAIN)?.echo(b"from the loopback")?;
        Ok(())
    })
}

#[test]
fn a_cookie_shows_neither_in_the_log_nor_in_ps_when_a_file_holds_it() -> Result<()> {
    on_host(|scene| {
        const SECRET: &str = "never-to-be-seen";
        let file = scene.home().join("cookie");
        fs::write(&file, SECRET)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o400))?;
        let file = file.display().to_string();
        let ready = scene.start_node(
            "node",
            Program::Sidecar,
            &["--sname", "rust@localhost", "--cookie-file", &file],
        )?;
        Peer::join(ready.port, "peer@localhost", SECRET, PLAIN)?.echo(b"the cookie of the file")?;
        ensure!(
            Peer::join(ready.port, "foe@localhost", "guessed", PLAIN).is_err(),
            "any cookie opens"
        );
        let node = scene.node("node")?;
        let log = node.log().clone();
        let refused = |line: &tests::log::Line| line.text.contains("foe@localhost").then_some(());
        log.wait_for(0, Duration::from_secs(5), refused)
            .context("the refusal is not in the log")?;
        let command = fs::read(format!("/proc/{}/cmdline", node.id()))?;
        ensure!(!String::from_utf8_lossy(&command).contains(SECRET), "in ps");
        ensure!(!log.lines().iter().any(|line| line.text.contains(SECRET)), "in the log");
        Ok(())
    })
}

/// Both sides know the port: no epmd runs anywhere.
fn one_port_for_all(otp: &'static Otp) {
    Scene::run_bare(otp, |scene| {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
        scene.start_node(
            "node",
            Program::Sidecar,
            &["--sname", "rust@localhost", "--cookie", COOKIE, "--erl-epmd-port", &port],
        )?;
        // A BEAM that is told not to listen: the port is taken on this machine.
        let flags = ["-erl_epmd_port", &port, "-dist_listen", "false"];
        let said = echo(scene, "tester", &flags)?;
        ensure!(said == "{echo,there}", "{said:?}");
        Ok(())
    });
}

tests::on_every_release!(with_one_port_for_all_no_epmd_is_needed, one_port_for_all());
