//! Processes with Erlang's semantics: the puppet driven from Erlang, compared with the BEAM doing the same.

use tests::node::Program;
use tests::on_every_release;
use tests::otp::Otp;
use tests::scene::{COOKIE, Scene};
use tests::suite;

/// Starts two hidden puppet nodes and runs a suite that drives them.
fn with_two_puppets(otp: &'static Otp, module: &str) {
    with_puppets(otp, module, &[]);
}

/// The same where the second one is visible.
fn with_a_visible_puppet(otp: &'static Otp, module: &str) {
    with_puppets(otp, module, &["--visible"]);
}

fn with_puppets(otp: &'static Otp, module: &str, options_of_two: &[&str]) {
    Scene::run(otp, |scene| {
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

on_every_release!(a_puppet_obeys, with_two_puppets("puppet_basic_suite"));
on_every_release!(links_and_exits_are_erlangs, with_two_puppets("puppet_link_suite"));
on_every_release!(monitors_are_erlangs, with_two_puppets("puppet_monitor_suite"));
on_every_release!(aliases_are_erlangs, with_two_puppets("puppet_alias_suite"));
on_every_release!(messages_and_calls_are_erlangs, with_two_puppets("puppet_message_suite"));
on_every_release!(functions_are_called_elsewhere, with_two_puppets("puppet_remote_suite"));
on_every_release!(groups_span_the_cluster, with_a_visible_puppet("puppet_groups_suite"));
on_every_release!(global_names_are_the_clusters, with_a_visible_puppet("puppet_global_suite"));
on_every_release!(terms_are_the_beams, with_two_puppets("puppet_codec_suite"));
on_every_release!(priority_goes_ahead, with_two_puppets("priority_suite"));
on_every_release!(random_scripts_come_out_alike, with_two_puppets("random_suite"));
