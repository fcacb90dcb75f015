//! Clusters of Erlang nodes and ours: joining, leaving, and staying whole.

use tests::carrier::Carrier;
use tests::node::Program;
use tests::on_every_release;
use tests::otp::Otp;
use tests::scene::{COOKIE, Scene};
use tests::suite;

/// OTP's default, which the other suites switch off.
const WHOLE: [&str; 3] = ["-kernel", "prevent_overlapping_partitions", "true"];

fn in_a_mesh(otp: &'static Otp, carrier: Carrier) {
    Scene::run_over(carrier, otp, |scene| {
        // Built before the suite's clock runs.
        Program::Puppet.path()?;
        let flags = [&WHOLE[..], &["-kernel", "net_ticktime", "4"]].concat();
        let own = Program::Puppet.is_own().to_string();
        suite::run(scene, "mesh_suite", "tester@localhost", &flags, &[("own", &own)])
    });
}

on_every_release!(a_cluster_stays_whole_with_ours_in_it, in_a_mesh(super::Carrier::Tcp));

/// Short names of the machine's own host: that is where a node without a name takes itself to be.
fn as_a_guest(otp: &'static Otp, carrier: Carrier) {
    Scene::run_over(carrier, otp, |scene| {
        let ready =
            scene.start_node("node", Program::Puppet, &["--sname", "ours", "--cookie", COOKIE])?;
        suite::run(scene, "guest_suite", "undefined", &[], &[("node", &ready.name)])
    });
}

on_every_release!(a_node_without_a_name_is_given_one, as_a_guest(super::Carrier::Tcp));

#[test]
fn a_node_without_a_name_is_given_one_over_a_unix_socket() -> anyhow::Result<()> {
    as_a_guest(Otp::host()?, Carrier::Local);
    Ok(())
}

#[test]
fn a_cluster_over_unix_sockets_stays_whole_with_ours_in_it() -> anyhow::Result<()> {
    in_a_mesh(Otp::host()?, Carrier::Local);
    Ok(())
}

/// Names on both sides of the tester's, and one that carries messages to them meanwhile.
fn at_the_same_time(otp: &'static Otp, carrier: Carrier) {
    Scene::run_over(carrier, otp, |scene| {
        let mut settings = Vec::new();
        for (key, name) in [("smaller", "a"), ("greater", "z"), ("hand", "hand")] {
            let full = format!("{name}@localhost");
            let options = ["--sname", &full, "--cookie", COOKIE];
            settings.push((key, scene.start_node(key, Program::Puppet, &options)?.name));
        }
        let settings: Vec<(&str, &str)> =
            settings.iter().map(|(key, name)| (*key, name.as_str())).collect();
        suite::run(scene, "simultaneous_suite", "tester@localhost", &[], &settings)
    });
}

on_every_release!(who_dial_each_other_get_one_connection, at_the_same_time(super::Carrier::Tcp));

#[test]
fn a_cluster_over_tls_stays_whole_with_ours_in_it() -> anyhow::Result<()> {
    in_a_mesh(Otp::host()?, Carrier::Tls);
    Ok(())
}

#[test]
fn who_dial_each_other_over_tls_get_one_connection() -> anyhow::Result<()> {
    at_the_same_time(Otp::host()?, Carrier::Tls13);
    Ok(())
}

#[test]
fn who_dial_each_other_over_unix_sockets_get_one_connection() -> anyhow::Result<()> {
    at_the_same_time(Otp::host()?, Carrier::Local);
    Ok(())
}
