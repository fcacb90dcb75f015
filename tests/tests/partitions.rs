//! Connections under a network that fails: two nodes behind proxies, each of which sees what becomes of the other.

use tests::carrier::Carrier;
use tests::node::Program;
use tests::on_every_release;
use tests::otp::Otp;
use tests::scene::{COOKIE, Scene};
use tests::suite;

/// The suite starts the nodes itself, and starts them again.
fn between_ours_and(otp: &'static Otp, two: &str) {
    in_these_cases(otp, Carrier::Tcp, &[], two);
}

fn in_these_cases(otp: &'static Otp, carrier: Carrier, cases: &[&str], two: &str) {
    Scene::run_over(carrier, otp, |scene| {
        // Built before the suite's clock runs.
        Program::Puppet.path()?;
        let flags = ["-kernel", "net_ticktime", "4"];
        suite::run_cases(
            scene,
            "partition_suite",
            cases,
            "tester@localhost",
            &flags,
            &[("two", two)],
        )
    });
}

on_every_release!(a_beam_and_ours_lose_and_find_each_other, between_ours_and("beam"));

/// No part of it depends on the release of the one that watches.
#[test]
fn two_of_ours_lose_and_find_each_other() -> anyhow::Result<()> {
    between_ours_and(Otp::host()?, "puppet");
    Ok(())
}

/// The proxies carry TLS as they carry all else. What the kernel does to a connection is another thing when TLS is in it: its
/// end and its reset, a peer that is stopped or killed, bytes that stop coming.
#[test]
fn a_beam_and_ours_lose_and_find_each_other_over_tls() -> anyhow::Result<()> {
    let cases = [
        "the_nodes_meet",
        "a_closed_connection",
        "a_reset_connection",
        "silence",
        "a_stopped_process",
        "a_killed_node_that_comes_back",
        "a_killed_node_of_ours_that_comes_back",
    ];
    in_these_cases(Otp::host()?, Carrier::Tls, &cases, "beam");
    Ok(())
}

/// Over each carrier: what a stopped or killed process leaves to the kernel differs with the socket.
fn who_is_stopped_or_killed(carrier: Carrier, otp: &'static Otp) {
    Scene::run_over(carrier, otp, |scene| {
        let arguments = ["--sname", "ours@localhost", "--cookie", COOKIE, "--ticktime", "4"];
        let ready = scene.start_node("node", Program::Puppet, &arguments)?;
        let flags = ["-kernel", "net_ticktime", "4"];
        let settings = [("node", ready.name.as_str())];
        suite::run(scene, "stopped_suite", "tester@localhost", &flags, &settings)
    });
}

mod the_stopped_and_the_killed_are_missed {
    use super::*;

    #[test]
    fn over_tcp() -> anyhow::Result<()> {
        who_is_stopped_or_killed(Carrier::Tcp, Otp::host()?);
        Ok(())
    }

    #[test]
    fn over_tls() -> anyhow::Result<()> {
        who_is_stopped_or_killed(Carrier::Tls, Otp::host()?);
        Ok(())
    }

    #[test]
    fn over_tls_13_on_otp_29() {
        if let Some(otp) = Otp::rooted(29) {
            who_is_stopped_or_killed(Carrier::Tls13, otp);
        }
    }

    #[test]
    fn over_unix_sockets() -> anyhow::Result<()> {
        who_is_stopped_or_killed(Carrier::Local, Otp::host()?);
        Ok(())
    }
}
