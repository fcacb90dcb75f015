//! Clusters without epmd: ports that everybody knows, in the ways that OTP has for it.

use tests::carrier::Carrier;
use tests::node::Program;
use tests::on_every_release;
use tests::otp::Otp;
use tests::scene::{COOKIE, Scene};
use tests::suite;

/// A port that is free on two addresses of the loopback.
fn port_of_all() -> anyhow::Result<u16> {
    loop {
        let first = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        let port = first.local_addr()?.port();
        if std::net::TcpListener::bind(("127.0.0.2", port)).is_ok() {
            return Ok(port);
        }
    }
}

/// `-erl_epmd_port`: one port for all nodes, each on an address of its own, and neither side told more.
fn with_one_port_for_all(otp: &'static Otp, carrier: Carrier) {
    Scene::run_bare_over(carrier, otp, |scene| {
        let port = port_of_all()?.to_string();
        let node = ["--name", "ours@127.0.0.2", "--interface", "127.0.0.2"];
        let place = ["--erl-epmd-port", &port, "--cookie", COOKIE];
        let ready = scene.start_node("node", Program::Puppet, &[&node[..], &place[..]].concat())?;
        let flags = ["-erl_epmd_port", &port, "-kernel", "inet_dist_use_interface", "{127,0,0,1}"];
        suite::run(scene, "static_suite", "tester@127.0.0.1", &flags, &[("node", &ready.name)])
    });
}

/// `-epmd_module`: the port follows from the name.
fn with_a_module_for_epmd(otp: &'static Otp, carrier: Carrier) {
    Scene::run_bare_over(carrier, otp, |scene| {
        let (ours, theirs) = (port_of_all()?.to_string(), port_of_all()?.to_string());
        let (name, tester) = (format!("p{ours}@127.0.0.1"), format!("p{theirs}@127.0.0.1"));
        let place = format!("{tester}=127.0.0.1:{theirs}");
        let options = [
            "--epmd",
            "none",
            "--name",
            &name,
            "--port-min",
            &ours,
            "--peer",
            &place,
            "--cookie",
            COOKIE,
        ];
        let ready = scene.start_node("node", Program::Puppet, &options)?;
        let flags = ["-epmd_module", "static_epmd"];
        suite::run(scene, "static_suite", &tester, &flags, &[("node", &ready.name)])
    });
}

on_every_release!(one_port_for_all_nodes, with_one_port_for_all(super::Carrier::Tcp));
on_every_release!(one_port_for_all_nodes_over_tls, with_one_port_for_all(super::Carrier::Tls13));
on_every_release!(
    a_module_in_the_place_of_epmds_client,
    with_a_module_for_epmd(super::Carrier::Tcp)
);
on_every_release!(
    a_module_in_the_place_of_epmds_client_over_tls,
    with_a_module_for_epmd(super::Carrier::Tls)
);

/// `-no_epmd`, which wants a `-proto_dist` beside it: a BEAM over TLS can then only dial, as its listener wants an epmd all the same. Where ours is follows from
/// the one port of all nodes.
fn beside_a_beam_that_knows_no_epmd(otp: &'static Otp, carrier: Carrier) {
    Scene::run_bare_over(carrier, otp, |scene| {
        let port = port_of_all()?.to_string();
        let node = ["--name", "ours@127.0.0.2", "--interface", "127.0.0.2", "--cookie", COOKIE];
        let arguments = [&node[..], &["--erl-epmd-port", &port]].concat();
        let ready = scene.start_node("node", Program::Sidecar, &arguments)?;
        let flags = ["-no_epmd", "-dist_listen", "false", "-erl_epmd_port", &port];
        suite::run(scene, "served_suite", "tester@127.0.0.1", &flags, &[("node", &ready.name)])
    });
}

on_every_release!(
    a_beam_told_of_no_epmd_over_tls,
    beside_a_beam_that_knows_no_epmd(super::Carrier::Tls)
);
