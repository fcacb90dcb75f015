//! The sidecar as an Erlang node sees it, on every release: one suite a topic.

use tests::carrier::Carrier;
use tests::node::Program;
use tests::otp::Otp;
use tests::scene::{COOKIE, Scene};
use tests::suite;
use tests::{on_every_release, over_every_carrier};

/// Starts a sidecar with short names (or long ones) and runs a suite against it.
fn against_a_sidecar(carrier: Carrier, otp: &'static Otp, module: &str, host: &str) {
    Scene::run_over(carrier, otp, |scene| {
        let name = format!("rust@{host}");
        let flag = tests::scene::name_flag(&name).replacen('-', "--", 1);
        let ready =
            scene.start_node("node", Program::Sidecar, &[&flag, &name, "--cookie", COOKIE])?;
        let settings = [
            ("node", ready.name.as_str()),
            ("port", &ready.port.to_string()),
            ("own", &Program::Sidecar.is_own().to_string()),
        ];
        suite::run(scene, module, &format!("tester@{host}"), &[], &settings)
    });
}

/// Both sides tick every second.
fn with_short_ticks(carrier: Carrier, otp: &'static Otp, module: &str, host: &str) {
    Scene::run_over(carrier, otp, |scene| {
        let name = format!("rust@{host}");
        let arguments = ["--sname", &name, "--cookie", COOKIE, "--ticktime", "4"];
        let ready = scene.start_node("node", Program::Sidecar, &arguments)?;
        let flags = ["-kernel", "net_ticktime", "4"];
        suite::run(scene, module, &format!("tester@{host}"), &flags, &[("node", &ready.name)])
    });
}

/// The node itself serves epmd, before any Erlang node of the scene starts.
fn with_its_own_epmd(otp: &'static Otp, module: &str, host: &str) {
    Scene::run_bare(otp, |scene| {
        let name = format!("rust@{host}");
        let ready =
            scene.start_node("node", Program::Sidecar, &["--sname", &name, "--cookie", COOKIE])?;
        let settings = [
            ("node", ready.name.as_str()),
            ("epmd", &ready.epmd),
            ("own", &Program::Sidecar.is_own().to_string()),
        ];
        suite::run(scene, module, &format!("tester@{host}"), &[], &settings)
    });
}

over_every_carrier!(
    any_answers_as_the_tutorials_c_node,
    against_a_sidecar("any_suite", "localhost")
);
over_every_carrier!(echo_gives_every_term_back, against_a_sidecar("echo_suite", "localhost"));
over_every_carrier!(echo_works_with_long_names, against_a_sidecar("echo_suite", "127.0.0.1"));
over_every_carrier!(counter_is_a_gen_server, against_a_sidecar("counter_suite", "localhost"));
over_every_carrier!(
    the_node_is_seen_as_a_hidden_node,
    against_a_sidecar("presence_suite", "localhost")
);
over_every_carrier!(
    a_wrong_cookie_is_refused_both_ways,
    against_a_sidecar("cookie_suite", "localhost")
);
over_every_carrier!(sys_looks_into_the_counter, against_a_sidecar("server_suite", "localhost"));
over_every_carrier!(
    exported_functions_are_called_and_spawned,
    against_a_sidecar("functions_suite", "localhost")
);
over_every_carrier!(nodes_start_stop_and_die, against_a_sidecar("lifecycle_suite", "localhost"));
// Unix sockets need no epmd, and TLS has no part in it.
on_every_release!(erlang_nodes_use_the_epmd_we_serve, with_its_own_epmd("epmd_suite", "localhost"));
over_every_carrier!(idle_connections_live_by_ticks, with_short_ticks("tick_suite", "localhost"));

/// Runs an Elixir script against one of the example nodes, where there is an Elixir.
fn against_elixir(test: &str, program: Program, script: &str) -> anyhow::Result<()> {
    let found = std::process::Command::new("elixir").arg("--short-version").output();
    if !found.is_ok_and(|output| output.status.success()) {
        tests::otp::loud(&format!("SKIPPED {test}: no elixir here (`.ci/setup` installs it)"));
        return Ok(());
    }
    Scene::run(Otp::host()?, |scene| {
        let arguments = ["--sname", "rust@localhost", "--cookie", COOKIE];
        let ready = scene.start_node("node", program, &arguments)?;
        suite::run_elixir(scene, script, &ready.name)
    });
    Ok(())
}

#[test]
fn elixir_calls_casts_and_monitors() -> anyhow::Result<()> {
    against_elixir("elixir_calls_casts_and_monitors", Program::Sidecar, "sidecar.exs")
}

#[test]
fn phoenix_pubsub_publishes_and_subscribes() -> anyhow::Result<()> {
    against_elixir("phoenix_pubsub_publishes_and_subscribes", Program::Pubsub, "pubsub.exs")
}
