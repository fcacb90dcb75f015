//! Processes with Erlang's semantics: the puppet driven from Erlang, compared with the BEAM doing the same.

use tests::carrier::Carrier;
use tests::node::Program;
use tests::otp::Otp;
use tests::scene::{COOKIE, Scene};
use tests::suite;
use tests::{on_every_release, over_every_carrier};

/// Starts two hidden puppet nodes and runs a suite that drives them.
fn with_two_puppets(carrier: Carrier, otp: &'static Otp, module: &str) {
    with_puppets(carrier, otp, module, &[]);
}

/// The same where the second one is visible.
fn with_a_visible_puppet(carrier: Carrier, otp: &'static Otp, module: &str) {
    with_puppets(carrier, otp, module, &["--visible"]);
}

fn with_puppets(carrier: Carrier, otp: &'static Otp, module: &str, options_of_two: &[&str]) {
    Scene::run_over(carrier, otp, |scene| {
        let one = scene.start_node(
            "node",
            Program::Puppet,
            &["--sname", "one@localhost", "--cookie", COOKIE],
        )?;
        let options = [&["--sname", "two@localhost", "--cookie", COOKIE], options_of_two].concat();
        let two = scene.start_node("node2", Program::Puppet, &options)?;
        let settings = [
            ("node", one.name.as_str()),
            ("node2", &two.name),
            ("own", &Program::Puppet.is_own().to_string()),
        ];
        suite::run(scene, module, "tester@localhost", &[], &settings)
    });
}

/// The same over TCP alone: what is large or many takes its time.
fn with_two_puppets_over_tcp(otp: &'static Otp, module: &str) {
    with_two_puppets(Carrier::Tcp, otp, module);
}

on_every_release!(
    storms_come_out_alike_and_leave_nothing,
    with_two_puppets_over_tcp("storm_suite")
);

#[test]
fn storms_over_tls_come_out_alike() -> anyhow::Result<()> {
    with_two_puppets(Carrier::Tls, Otp::host()?, "storm_suite");
    Ok(())
}

#[test]
fn storms_over_unix_sockets_come_out_alike() -> anyhow::Result<()> {
    with_two_puppets(Carrier::Local, Otp::host()?, "storm_suite");
    Ok(())
}

over_every_carrier!(a_puppet_obeys, with_two_puppets("puppet_basic_suite"));
over_every_carrier!(links_and_exits_are_erlangs, with_two_puppets("puppet_link_suite"));
over_every_carrier!(monitors_are_erlangs, with_two_puppets("puppet_monitor_suite"));
over_every_carrier!(aliases_are_erlangs, with_two_puppets("puppet_alias_suite"));
over_every_carrier!(messages_and_calls_are_erlangs, with_two_puppets("puppet_message_suite"));
over_every_carrier!(traces_are_erlangs, with_two_puppets("puppet_trace_suite"));
over_every_carrier!(functions_are_called_elsewhere, with_two_puppets("puppet_remote_suite"));
over_every_carrier!(groups_span_the_cluster, with_a_visible_puppet("puppet_groups_suite"));
over_every_carrier!(global_names_are_the_clusters, with_a_visible_puppet("puppet_global_suite"));
over_every_carrier!(terms_are_the_beams, with_two_puppets("puppet_codec_suite"));
over_every_carrier!(priority_goes_ahead, with_two_puppets("priority_suite"));
over_every_carrier!(random_scripts_come_out_alike, with_two_puppets("random_suite"));
