//! TLS against live nodes: what a certificate that does not fit leads to, in words, whoever calls; and certificates renewed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use node::carrier::{TcpOptions, Tls, TlsOptions};
use node::discovery::StaticTable;
use node::{Atom, Cookie, EpmdMode, Node};
use tests::carrier::{Authority, Carrier, Holder, optfile};
use tests::door::Door;
use tests::node::Program;
use tests::otp::Otp;
use tests::peer::{PLAIN, Peer};
use tests::scene::{COOKIE, Scene};

const SOON: Duration = Duration::from_secs(15);

/// Certificates of one cluster: what is wrong with each is its name.
fn certificates(directory: &Path) -> Result<()> {
    let ours = Authority::new("ours")?;
    fs::write(directory.join("ca.pem"), ours.pem())?;
    let good = Holder::of(&["localhost"]);
    ours.issue(directory, "good", &good)?;
    ours.issue(
        directory,
        "expired",
        &Holder { years: (2000, 2001), ..Holder::of(&["localhost"]) },
    )?;
    ours.issue(directory, "elsewhere", &Holder::of(&["other.example.org"]))?;
    Authority::new("theirs")?.issue(directory, "unknown", &good)
}

/// The flags of a BEAM that speaks TLS with this certificate; without one it has none as a client.
fn flags(scene: &Scene, certificate: Option<&str>, version: &str) -> Result<Vec<String>> {
    let inside = scene.otp().inside(scene.shared())?;
    let mut text = optfile(&inside, certificate.unwrap_or("good"), version);
    if certificate.is_none() {
        let ca = inside.join("ca.pem");
        let server = text.split_once("\n").context("two lines")?.0.to_owned();
        text = format!(
            "{server}\n {{client, [{{cacertfile, \"{}\"}}, {{verify, verify_peer}}]}}].\n",
            ca.display()
        );
    }
    let name = format!("{}.conf", certificate.unwrap_or("none"));
    fs::write(scene.shared().join(&name), text)?;
    let conf = inside.join(&name).display().to_string();
    Ok(["-proto_dist", "inet_tls", "-ssl_dist_optfile", &conf].map(str::to_owned).to_vec())
}

fn beam(scene: &mut Scene, name: &str, certificate: Option<&str>, version: &str) -> Result<Atom> {
    let flags = flags(scene, certificate, version)?;
    let full = format!("{name}@localhost");
    scene.start_beam(name, &full, COOKIE, &flags.iter().map(String::as_str).collect::<Vec<_>>())?;
    Ok(Atom::new(full)?)
}

fn file(scene: &Scene, name: &str) -> PathBuf {
    scene.shared().join(name)
}

/// A node of ours that calls with this certificate; with none at all when it is `None`.
fn caller(scene: &Scene, certificate: Option<&str>) -> Result<Node> {
    let pem = |suffix| file(scene, &format!("{}.{suffix}", certificate.unwrap_or("good")));
    let mut options = TlsOptions::mutual(&pem("pem"), &pem("key"), &file(scene, "ca.pem"));
    if certificate.is_none()
        && let Some(client) = &mut options.client
    {
        (client.cert, client.key) = (None, None);
    }
    let node = Node::builder("caller@localhost").cookie(Cookie::new(COOKIE)?);
    let node = node.epmd(EpmdMode::External).epmd_port(scene.epmd_port());
    Ok(node.carrier(Tls::new(TcpOptions::default(), options)?).build()?)
}

/// What calling comes to: the error with all its causes, or nothing.
fn call(node: &Node, peer: &Atom) -> String {
    match node.block_on(node.try_connect(peer)) {
        Ok(()) => String::new(),
        Err(error) => format!("{:#}", anyhow::Error::from(error)),
    }
}

fn says(what: &str, said: &str, wanted: &[&str]) -> Result<()> {
    for word in wanted {
        ensure!(said.contains(word), "{what}: {word:?} is not in {said:?}");
    }
    ensure!(!said.contains('\n'), "{what}: more than a line: {said:?}");
    ensure!(!wanted.is_empty() || said.is_empty(), "{what}: {said:?}");
    Ok(())
}

const VERSIONS: [&str; 2] = ["tlsv1.2", "tlsv1.3"];

/// As at a BEAM, which looks at the host in a caller's certificate where it has a list of who may come.
fn misplaced(scene: &mut Scene) -> Result<()> {
    let flags = flags(scene, Some("elsewhere"), "tlsv1.3")?;
    sidecar(scene, "good", &[])?;
    ensure!(pings(scene, &flags)?, "without a list");
    scene.kill("sidecar")?;
    sidecar(scene, "good", &["--allow", "localhost"])?;
    ensure!(!pings(scene, &flags)?, "a caller of the list with another's certificate gets in");
    let log = scene.node("sidecar")?.log().clone();
    let wanted = ["tester@localhost", "its certificate must be for that host"];
    let told = log
        .wait_for(0, SOON, |line| wanted.iter().all(|word| line.text.contains(word)).then_some(()));
    told.with_context(|| format!("no line with {wanted:?}"))?;
    let flags = self::flags(scene, Some("good"), "tlsv1.3")?;
    ensure!(pings(scene, &flags)?, "a caller of the list");
    scene.kill("sidecar")
}

fn calling(scene: &mut Scene) -> Result<()> {
    certificates(scene.shared())?;
    for version in VERSIONS {
        let suffix = version.replace(['.', 'v'], "");
        let good = beam(scene, &format!("good{suffix}"), Some("good"), version)?;
        for (certificate, wanted) in [
            (Some("good"), &[][..]),
            (Some("expired"), &["our certificate", "expired.pem", "has expired"]),
            (Some("unknown"), &["does not know the authority", "unknown.pem"]),
            (None, &["certificate from us"]),
        ] {
            let node = caller(scene, certificate)?;
            let what = format!("we call with {certificate:?} over {version}");
            says(&what, &call(&node, &good), wanted)?;
        }
        let node = caller(scene, Some("good"))?;
        for (certificate, wanted) in [
            ("expired", &["peer's certificate has expired", "days ago"][..]),
            ("elsewhere", &["other.example.org", "not for the host localhost"]),
            ("unknown", &["no authority in", "ca.pem"]),
        ] {
            let called =
                beam(scene, &format!("{certificate}{suffix}"), Some(certificate), version)?;
            says(&format!("we call {certificate} over {version}"), &call(&node, &called), wanted)?;
        }
    }
    Ok(())
}

fn called(scene: &mut Scene) -> Result<()> {
    certificates(scene.shared())?;
    misnamed(scene)?;
    misplaced(scene)?;
    sidecar(scene, "good", &[])?;
    for version in VERSIONS {
        for (certificate, wanted) in [
            (Some("expired"), "the peer's certificate has expired"),
            (Some("unknown"), "comes from no authority in"),
            (None, "has shown no certificate"),
        ] {
            let flags = flags(scene, certificate, version)?;
            let begin = scene.node("sidecar")?.log().lines().len();
            ensure!(!pings(scene, &flags)?, "{certificate:?} gets in over {version}");
            let log = scene.node("sidecar")?.log().clone();
            log.wait_for(begin, SOON, |line| line.text.contains(wanted).then_some(()))
                .with_context(|| {
                    format!("{certificate:?} over {version}: no line with {wanted:?}")
                })?;
        }
        let flags = flags(scene, Some("good"), version)?;
        ensure!(pings(scene, &flags)?, "a good certificate over {version}");
    }
    Ok(())
}

/// Our own certificate is for another host: the BEAM that calls us does not take it.
fn misnamed(scene: &mut Scene) -> Result<()> {
    sidecar(scene, "elsewhere", &[])?;
    for version in VERSIONS {
        let flags = flags(scene, Some("good"), version)?;
        let begin = scene.node("sidecar")?.log().lines().len();
        ensure!(!pings(scene, &flags)?, "a certificate of another host is taken over {version}");
        let log = scene.node("sidecar")?.log().clone();
        let wanted = ["elsewhere.pem", "for the host of this node's name"];
        let says = |text: &str| wanted.iter().all(|word| text.contains(word));
        let told = log.wait_for(begin, SOON, |line| says(&line.text).then_some(()));
        told.with_context(|| format!("no line with {wanted:?} over {version}"))?;
    }
    scene.kill("sidecar")
}

/// Its port.
fn sidecar(scene: &mut Scene, certificate: &str, more: &[&str]) -> Result<u16> {
    let pem = |name: &str| file(scene, name).display().to_string();
    let (cert, key) = (pem(&format!("{certificate}.pem")), pem(&format!("{certificate}.key")));
    let ca = pem("ca.pem");
    let arguments = [
        "--sname",
        "rust@localhost",
        "--cookie",
        COOKIE,
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
        "--tls-ca",
        &ca,
    ];
    let arguments = [&arguments[..], more].concat();
    Ok(scene.start_node("sidecar", Program::Sidecar, &arguments)?.port)
}

/// Whether a BEAM with these flags reaches the sidecar, and comes to use it.
fn pings(scene: &mut Scene, flags: &[String]) -> Result<bool> {
    let mut erl = scene.erl()?;
    erl.args(flags).args([
        "-sname",
        "tester@localhost",
        "-setcookie",
        COOKIE,
        "-kernel",
        "logger_level",
        "none",
    ]);
    erl.args(["-eval", "io:put_chars(atom_to_list(net_adm:ping('rust@localhost'))), halt()."]);
    let output = erl.stdin(std::process::Stdio::null()).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).contains("pong"))
}

fn renewed(scene: &mut Scene) -> Result<()> {
    certificates(scene.shared())?;
    for suffix in ["pem", "key"] {
        fs::copy(
            file(scene, &format!("expired.{suffix}")),
            file(scene, &format!("live.{suffix}")),
        )?;
    }
    let port = sidecar(scene, "live", &[])?;
    let flags = flags(scene, Some("good"), "tlsv1.2")?;
    ensure!(!pings(scene, &flags)?, "an expired certificate is taken");
    // Who is connected while certificates come and go stays so: it looked at the one that was there when it came.
    let careless = Door::careless(port, scene.shared(), "good")?;
    let mut standing = Peer::join(&careless, "standing@localhost", COOKIE, PLAIN)?;
    standing.echo(b"before")?;
    for suffix in ["pem", "key"] {
        let renewed = file(scene, &format!("renewed.{suffix}"));
        fs::copy(file(scene, &format!("good.{suffix}")), &renewed)?;
        fs::rename(&renewed, file(scene, &format!("live.{suffix}")))?;
    }
    ensure!(pings(scene, &flags)?, "the renewed certificate is not used");
    standing.echo(b"renewed meanwhile")?;
    // What cannot be used does not replace what can.
    fs::write(file(scene, "live.pem"), "nonsense")?;
    ensure!(pings(scene, &flags)?, "a broken file takes the certificate away");
    standing.echo(b"broken meanwhile")?;
    let log = scene.node("sidecar")?.log().clone();
    let told = log.wait_for(0, SOON, |line| line.text.contains("cannot be used").then_some(()));
    told.context("nothing is said of the broken file").map(|_| ())
}

fn option_file(scene: &mut Scene) -> Result<()> {
    certificates(scene.shared())?;
    flags(scene, Some("good"), "tlsv1.2")?;
    // The BEAM's own file, seen from here.
    let text = fs::read_to_string(file(scene, "good.conf"))?;
    let inside = scene.otp().inside(scene.shared())?.display().to_string();
    let conf = file(scene, "ours.conf");
    fs::write(&conf, text.replace(&inside, &scene.shared().display().to_string()))?;
    let arguments = [
        "--sname",
        "rust@localhost",
        "--cookie",
        COOKIE,
        "--tls-optfile",
        &conf.display().to_string(),
    ];
    scene.start_node("sidecar", Program::Sidecar, &arguments)?;
    let flags = flags(scene, Some("good"), "tlsv1.2")?;
    ensure!(pings(scene, &flags)?, "with OTP's option file");
    Ok(())
}

/// Nobody is asked where the BEAM is: a table says it.
fn by_table(scene: &mut Scene) -> Result<()> {
    certificates(scene.shared())?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let (limits, text) = (["inet_dist_listen_min", "inet_dist_listen_max"], port.to_string());
    let mut flags = flags(scene, Some("good"), "tlsv1.3")?;
    for limit in limits {
        flags.extend(["-kernel", limit, &text].map(str::to_owned));
    }
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    scene.start_beam("tabled", "tabled@localhost", COOKIE, &flags)?;
    scene.stop_epmd();
    let pem = |name: &str| file(scene, name);
    let options = TlsOptions::mutual(&pem("good.pem"), &pem("good.key"), &pem("ca.pem"));
    let table = StaticTable::default().with("tabled@localhost", "127.0.0.1", port);
    let node = Node::builder("caller@localhost").cookie(Cookie::new(COOKIE)?).discovery(table);
    let node = node.carrier(Tls::new(TcpOptions::default(), options)?).build()?;
    says("who is in the table", &call(&node, &Atom::new("tabled@localhost")?), &[])?;
    let unknown = call(&node, &Atom::new("other@localhost")?);
    says("who is not", &unknown, &["other@localhost is not in the table of nodes, which has 1"])
}

fn in_scene(otp: &'static Otp, test: fn(&mut Scene) -> Result<()>) {
    Scene::run_over(Carrier::Tcp, otp, test);
}

tests::on_every_release!(
    a_certificate_that_does_not_fit_is_told_to_who_calls,
    in_scene(super::calling)
);
tests::on_every_release!(
    a_caller_whose_certificate_does_not_fit_is_told_of_in_the_log,
    in_scene(super::called)
);
tests::on_every_release!(certificates_are_renewed_without_a_restart, in_scene(super::renewed));
tests::on_every_release!(otps_option_file_is_read_as_it_is, in_scene(super::option_file));
tests::on_every_release!(a_static_table_leads_to_a_beam_over_tls, in_scene(super::by_table));
