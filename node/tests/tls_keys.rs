//! How long a TLS connection lasts: the cipher that is chosen with live nodes, whoever calls, and keys changed under way.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use node::carrier::{Address, Carrier as _, TcpOptions, Tls, TlsOptions};
use tests::carrier::{Authority, Carrier, Holder, optfile};
use tests::group::Group;
use tests::node::Program;
use tests::otp::Otp;
use tests::scene::{COOKIE, Scene};

const SOON: Duration = Duration::from_secs(90);

fn ours(scene: &Scene) -> Result<Tls> {
    let file = |name: &str| scene.shared().join(name);
    let options = TlsOptions::mutual(&file("node.pem"), &file("node.key"), &file("ca.pem"));
    let tcp = TcpOptions { interface: [127, 0, 0, 1].into(), ..TcpOptions::default() };
    Ok(Tls::new(tcp, options)?)
}

/// An `erl` that evaluates this with `Options` for its `ssl`.
fn erl(scene: &mut Scene, version: &str, code: &str) -> Result<Group> {
    let inside = scene.otp().inside(scene.shared())?;
    let file = |name: &str| inside.join(name).display().to_string();
    let options = format!(
        "{{ok, _}} = application:ensure_all_started(ssl), Options = [{{certfile, \"{}\"}}, {{keyfile, \"{}\"}}, \
         {{cacertfile, \"{}\"}}, {{verify, verify_peer}}, {{versions, ['{version}']}}, {{active, false}}], \
         Tell = fun(S) -> {{ok, [{{_, Suite}}]}} = ssl:connection_information(S, [selected_cipher_suite]), \
         io:format(\"cipher ~w~n\", [maps:get(cipher, Suite)]) end, ",
        file("node.pem"),
        file("node.key"),
        file("ca.pem")
    );
    let mut erl = scene.erl()?;
    erl.args(["-eval", &format!("{options}{code}, halt().")]);
    Group::start("erl", erl)
}

fn told(erl: &Group, word: &str) -> Result<String> {
    let found = erl
        .log()
        .wait_for(0, SOON, |line| line.text.strip_prefix(word).map(|rest| rest.trim().to_owned()));
    Ok(found.with_context(|| format!("no {word}:\n{}", erl.log().tail(20)))?.1)
}

/// TLS 1.2 cannot change its keys, so the one that is used has to last: AES-GCM's ends after 2^24 records.
fn lasting(otp: &'static Otp) {
    Scene::run_bare_over(Carrier::Tls, otp, |scene| {
        let runtime = tokio::runtime::Runtime::new()?;
        let tls = ours(scene)?;
        for (version, wanted) in [("tlsv1.2", "chacha20_poly1305"), ("tlsv1.3", "aes_256_gcm")] {
            let listens = "{ok, L} = ssl:listen(0, [{fail_if_no_peer_cert, true}, {ip, {127, 0, 0, 1}} | Options]), \
                           {ok, {_, Port}} = ssl:sockname(L), io:format(\"port ~w~n\", [Port]), \
                           {ok, T} = ssl:transport_accept(L), {ok, S} = ssl:handshake(T), Tell(S)";
            let called = erl(scene, version, listens)?;
            let port: u16 = told(&called, "port ")?.parse()?;
            let to = Address::Socket(([127, 0, 0, 1], port).into());
            let channel = runtime.block_on(tls.connect("it@localhost", &to))?;
            let cipher = told(&called, "cipher ")?;
            ensure!(cipher == wanted, "we call over {version}: {cipher}");
            drop(channel);

            let mut door = runtime.block_on(tls.listen("us@localhost"))?;
            let port = door.address().port().context("no port")?;
            let calls = format!(
                "{{ok, S}} = ssl:connect({{127, 0, 0, 1}}, {port}, [{{server_name_indication, \"localhost\"}} | Options]), \
                 Tell(S)"
            );
            let calling = erl(scene, version, &calls)?;
            let channel = runtime.block_on(async { door.accept().await?.channel.await })?;
            let cipher = told(&calling, "cipher ")?;
            ensure!(cipher == wanted, "we are called over {version}: {cipher}");
            drop(channel);
        }
        Ok(())
    });
}

tests::on_every_release!(the_cipher_chosen_with_a_beam_is_one_that_lasts, lasting());

/// A sidecar, and an `erl` over TLS with one more option on both its sides, which evaluates this; what that prints.
fn beside(scene: &mut Scene, version: &str, option: &str, code: &str) -> Result<Vec<String>> {
    let authority = Authority::new("the cluster's")?;
    fs::write(scene.shared().join("ca.pem"), authority.pem())?;
    authority.issue(scene.shared(), "node", &Holder::of(&["localhost"]))?;
    scene.start_epmd()?;
    let file = |name: &str| scene.shared().join(name).display().to_string();
    let (cert, key, ca) = (file("node.pem"), file("node.key"), file("ca.pem"));
    let mut arguments = vec!["--sname", "rust@localhost", "--cookie", COOKIE];
    arguments.extend(["--tls-cert", &cert, "--tls-key", &key, "--tls-ca", &ca]);
    scene.start_node("node", Program::Sidecar, &arguments)?;

    let inside = scene.otp().inside(scene.shared())?;
    let conf = optfile(&inside, "node", version);
    let versions = format!("{{versions, ['{version}']}}");
    ensure!(conf.matches(&versions).count() == 2, "another option file: {conf}");
    let conf = conf.replace(&versions, &format!("{option}, {versions}"));
    fs::write(scene.shared().join("tls.conf"), conf)?;
    let conf = inside.join("tls.conf").display().to_string();
    let mut erl = scene.erl()?;
    erl.args(["-proto_dist", "inet_tls", "-ssl_dist_optfile", &conf]);
    erl.args(["-sname", "tester@localhost", "-setcookie", COOKIE, "-eval", code]);
    let mut beam = Group::start("beam", erl)?;
    beam.wait(SOON)?;
    Ok(beam.log().lines().into_iter().map(|line| line.text).collect())
}

/// A BEAM that changes its keys, and wants ours changed, after every few messages.
fn changed_keys(otp: &'static Otp) {
    Scene::run_bare(otp, |scene| {
        let lines = beside(
            scene,
            "tlsv1.3",
            "{key_update_at, 5000}",
            "Rust = 'rust@localhost', true = net_kernel:connect_node(Rust), true = monitor_node(Rust, true), \
             Sizes = [N rem 7 * 1000 || N <- lists:seq(1, 300)] ++ [1 bsl 20], \
             Sent = [begin B = binary:copy(<<N>>, N), {echo, Rust} ! {self(), B}, B end || N <- Sizes], \
             [receive {echo, B} -> ok; {nodedown, _} -> io:put_chars(\"nodedown\\n\"), halt() end || B <- Sent], \
             io:put_chars(\"all are back\\n\"), halt().",
        )?;
        ensure!(lines.iter().any(|line| line == "all are back"), "{lines:?}");
        Ok(())
    });
}

tests::on_every_release!(keys_change_under_way_with_tls_13, changed_keys());

/// A BEAM that wants to renegotiate after a few messages: it would wait until the ticks stop.
fn renegotiation(otp: &'static Otp) {
    Scene::run_bare(otp, |scene| {
        let lines = beside(
            scene,
            "tlsv1.2",
            "{renegotiate_at, 200}",
            "Rust = 'rust@localhost', true = net_kernel:connect_node(Rust), true = monitor_node(Rust, true), \
             Ask = fun F(N) -> {echo, Rust} ! {self(), N}, receive {echo, N} -> F(N + 1); {nodedown, Rust} -> ok end end, \
             ok = Ask(1), io:put_chars(\"down\\n\"), pong = net_adm:ping(Rust), {echo, Rust} ! {self(), again}, \
             receive {echo, again} -> io:put_chars(\"again\\n\") end, halt().",
        )?;
        ensure!(lines.iter().any(|line| line == "down"), "{lines:?}");
        ensure!(lines.iter().any(|line| line == "again"), "{lines:?}");
        let log = scene.node("node")?.log().clone();
        let told = log
            .wait_for(0, SOON, |line| line.text.contains("the peer wants new keys").then_some(()));
        told.context("nothing is said of it").map(|_| ())
    });
}

tests::on_every_release!(who_wants_to_renegotiate_gets_a_new_connection_at_once, renegotiation());
