//! Processes with Erlang's semantics: the puppet driven from Erlang, compared with the BEAM doing the same.

use tests::node::Program;
use tests::otp::Otp;
use tests::scene::{COOKIE, Scene};
use tests::suite;

/// Starts two hidden puppet nodes and runs a suite that drives them.
fn with_two_puppets(otp: &'static Otp, module: &str) {
    Scene::run(otp, |scene| {
        let one = scene.start_node(
            "node",
            Program::Puppet,
            &["--sname", "one@localhost", "--cookie", COOKIE],
        )?;
        let two = scene.start_node(
            "node2",
            Program::Puppet,
            &["--sname", "two@localhost", "--cookie", COOKIE],
        )?;
        let settings = [
            ("node", one.name.as_str()),
            ("node2", &two.name),
            ("own", &Program::Puppet.is_own().to_string()),
        ];
        suite::run(scene, module, "tester@localhost", &[], &settings)
    });
}

/// One module of tests a topic: on the host's release, on 27 and on 29.
macro_rules! on_every_release {
    ($topic:ident, $module:literal) => {
        mod $topic {
            use tests::otp::Otp;

            #[test]
            fn on_the_hosts_otp() -> anyhow::Result<()> {
                super::with_two_puppets(Otp::host()?, $module);
                Ok(())
            }

            #[test]
            fn on_otp_27() {
                if let Some(otp) = Otp::rooted(27) {
                    super::with_two_puppets(otp, $module);
                }
            }

            #[test]
            fn on_otp_29() {
                if let Some(otp) = Otp::rooted(29) {
                    super::with_two_puppets(otp, $module);
                }
            }
        }
    };
}

on_every_release!(a_puppet_obeys, "puppet_basic_suite");
on_every_release!(links_and_exits_are_erlangs, "puppet_link_suite");
on_every_release!(monitors_are_erlangs, "puppet_monitor_suite");
on_every_release!(aliases_are_erlangs, "puppet_alias_suite");
on_every_release!(messages_and_calls_are_erlangs, "puppet_message_suite");
on_every_release!(terms_are_the_beams, "puppet_codec_suite");
