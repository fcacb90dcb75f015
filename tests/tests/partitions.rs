//! Connections under a network that fails: two nodes behind proxies, each of which sees what becomes of the other.

use tests::carrier::Carrier;
use tests::node::Program;
use tests::on_every_release;
use tests::otp::Otp;
use tests::scene::Scene;
use tests::suite;

/// The suite starts the nodes itself, and starts them again.
fn between_ours_and(otp: &'static Otp, carrier: Carrier, two: &str) {
    Scene::run_over(carrier, otp, |scene| {
        // Built before the suite's clock runs.
        Program::Puppet.path()?;
        let flags = ["-kernel", "net_ticktime", "4"];
        suite::run(scene, "partition_suite", "tester@localhost", &flags, &[("two", two)])
    });
}

on_every_release!(
    a_beam_and_ours_lose_and_find_each_other,
    between_ours_and(super::Carrier::Tcp, "beam")
);

/// No part of it depends on the release of the one that watches.
#[test]
fn two_of_ours_lose_and_find_each_other() -> anyhow::Result<()> {
    between_ours_and(Otp::host()?, Carrier::Tcp, "puppet");
    Ok(())
}

/// The proxies carry TLS as they carry all else.
#[test]
fn a_beam_and_ours_lose_and_find_each_other_over_tls() -> anyhow::Result<()> {
    between_ours_and(Otp::host()?, Carrier::Tls, "beam");
    Ok(())
}
