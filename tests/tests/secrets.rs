//! What a node says with its log wide open, what it says when it cannot start, and what `ps` shows of it: no cookie, no key.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use tests::carrier::Carrier;
use tests::node::Program;
use tests::otp::Otp;
use tests::peer::{PLAIN, Peer};
use tests::scene::{COOKIE, Scene};
use tests::suite;

/// A secret in every form in which it might get into a text: as it is, as hexadecimal digits, as a list of bytes.
fn forms(secret: &[u8]) -> Vec<String> {
    let joined =
        |by: &str, form: fn(&u8) -> String| secret.iter().map(form).collect::<Vec<_>>().join(by);
    let mut forms = vec![
        joined("", |byte| format!("{byte:02x}")),
        joined(" ", |byte| format!("{byte:02x}")),
        joined(", ", u8::to_string),
        joined(",", u8::to_string),
    ];
    forms.extend(std::str::from_utf8(secret).ok().map(str::to_owned));
    forms
}

/// Of the cookie, of each line of the key's file, and of each sixteen bytes in the key.
fn secrets(pem: &str) -> Result<Vec<String>> {
    let mut secrets = forms(COOKIE.as_bytes());
    secrets.extend(pem.lines().filter(|line| !line.starts_with('-')).map(str::to_owned));
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())?;
    secrets.extend(key.secret_der().windows(16).flat_map(forms));
    Ok(secrets)
}

fn holds_none(what: &str, texts: &[String], secrets: &[String]) -> Result<()> {
    for text in texts {
        let lower = text.to_lowercase();
        for secret in secrets {
            ensure!(!text.contains(secret) && !lower.contains(secret), "{what}: {text}");
        }
    }
    Ok(())
}

#[test]
fn neither_cookie_nor_key_show_in_anything_a_node_writes_or_in_ps() -> Result<()> {
    Scene::run_over(Carrier::Tls, Otp::host()?, |scene| {
        scene.log_everything();
        let file = scene.home().join("cookie");
        fs::write(&file, COOKIE)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o400))?;
        let file = file.display().to_string();
        let secrets = secrets(&fs::read_to_string(scene.shared().join("node.key"))?)?;
        let arguments = ["--sname", "ours@localhost", "--cookie-file", &file];
        let ready = scene.start_node("node", Program::Puppet, &arguments)?;
        let door = scene.door(&ready)?;

        // Called and calling, known and unknown, TLS and none.
        Peer::join(&door, "peer@localhost", COOKIE, PLAIN)?.echo(b"let in")?;
        ensure!(Peer::join(&door, "foe@localhost", "guessed", PLAIN).is_err(), "any cookie opens");
        ensure!(Peer::join(ready.port, "plain@localhost", COOKIE, PLAIN).is_err(), "without TLS");
        let settings = [("node", ready.name.as_str())];
        suite::run(scene, "both_ways_suite", "tester@localhost", &[], &settings)?;
        let key = scene.shared().join("node.key");
        fs::write(&key, "nonsense")?;
        ensure!(
            Peer::join(&door, "late@localhost", COOKIE, PLAIN).is_ok(),
            "the older key is kept"
        );

        let node = scene.node("node")?;
        let log = node.log().clone();
        for wanted in ["foe@localhost", "cannot be used", "tester@localhost"] {
            log.wait_for(0, Duration::from_secs(10), |line| {
                line.text.contains(wanted).then_some(())
            })
            .with_context(|| format!("its log is not wide open: nothing of {wanted}"))?;
        }
        let process = format!("/proc/{}", node.id());
        let shown = ["cmdline", "environ", "comm"].map(|of| fs::read(format!("{process}/{of}")));
        let shown: Vec<String> = shown
            .into_iter()
            .map(|bytes| Ok(String::from_utf8_lossy(&bytes?).replace('\0', " ")))
            .collect::<Result<_>>()?;
        holds_none("in ps", &shown, &secrets)?;
        node.signal(Signal::TERM)?;
        node.wait(Duration::from_secs(10))?;
        let said: Vec<String> = log.lines().into_iter().map(|line| line.text).collect();
        holds_none("in the log", &said, &secrets)
    });
    Ok(())
}

#[test]
fn a_start_that_fails_over_a_secret_does_not_tell_it() -> Result<()> {
    Scene::run_over(Carrier::Tcp, Otp::host()?, |scene| {
        scene.log_everything();
        let file = |scene: &Scene, name: &str| scene.home().join(name).display().to_string();
        let open = file(scene, "open");
        fs::write(&open, COOKIE)?;
        fs::set_permissions(&open, fs::Permissions::from_mode(0o644))?;
        let broken = file(scene, "broken");
        fs::write(&broken, format!("{COOKIE}\u{1}{COOKIE}"))?;
        fs::set_permissions(&broken, fs::Permissions::from_mode(0o400))?;
        let optfile = |name: &str, text: &str| -> Result<String> {
            let path = file(scene, name);
            fs::write(&path, text.replace("SECRET", COOKIE))?;
            Ok(path)
        };
        let unknown = optfile("unknown", "[{server, [{password, \"SECRET\"}]}].")?;
        let odd = optfile("odd", "[{server, [{password, \"SECRET\", here}]}].")?;
        let stray = optfile("stray", "[{password, \"SECRET\", here}].")?;
        let torn = optfile("torn", "[{server, [{password, 1 \"SECRET\"}]}].")?;
        for arguments in [
            &["--cookie-file", &open][..],
            &["--cookie-file", &broken],
            &["--cookie", "fits", "--tls-cert", &open, "--tls-key", &broken, "--tls-ca", &open],
            &["--cookie", "fits", "--tls-optfile", &broken],
            &["--cookie", "fits", "--tls-optfile", &unknown],
            &["--cookie", "fits", "--tls-optfile", &odd],
            &["--cookie", "fits", "--tls-optfile", &stray],
            &["--cookie", "fits", "--tls-optfile", &torn],
        ] {
            match scene.try_node("node", Program::Sidecar, arguments)? {
                Ok(ready) => anyhow::bail!("{arguments:?}: {ready:?}"),
                Err((_, said)) => {
                    ensure!(!said.is_empty(), "{arguments:?}: nothing is said");
                    holds_none("at the start", &said, &forms(COOKIE.as_bytes()))?;
                }
            }
        }
        Ok(())
    });
    Ok(())
}
