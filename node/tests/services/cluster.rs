//! Rust nodes of this process in a scene with live ones.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use node::{Atom, Cookie, EpmdMode, Node, Pid, Term, term};
use tests::otp::Otp;
use tests::scene::{COOKIE, Scene};

/// For what takes milliseconds, on a machine that does other things too.
pub(crate) const SOON: Duration = Duration::from_secs(15);

/// A hidden node that listens.
pub(crate) async fn rust(scene: &Scene, name: &str) -> Result<Node> {
    started(scene, name, false).await
}

/// A visible one.
pub(crate) async fn visible(scene: &Scene, name: &str) -> Result<Node> {
    started(scene, name, true).await
}

async fn started(scene: &Scene, name: &str, visible: bool) -> Result<Node> {
    let node = Node::builder(name)
        .cookie(Cookie::new(COOKIE)?)
        .epmd(EpmdMode::External)
        .epmd_port(scene.epmd_port())
        .visible(visible)
        .build()?;
    node.listen().await?;
    Ok(node)
}

/// A live node that idles.
pub(crate) fn beam(scene: &mut Scene, name: &str) -> Result<Atom> {
    let full = format!("{name}@localhost");
    scene.start_beam(name, &full, COOKIE, &[])?;
    Ok(Atom::new(full)?)
}

/// The same that prevents overlapping partitions, as is the default of OTP 25 and later, but not of these tests.
pub(crate) fn strict_beam(scene: &mut Scene, name: &str) -> Result<Atom> {
    let full = format!("{name}@localhost");
    scene.start_beam(
        name,
        &full,
        COOKIE,
        &["-kernel", "prevent_overlapping_partitions", "true"],
    )?;
    Ok(Atom::new(full)?)
}

/// Erlang code over there as expressions, to be run by `erl_eval:exprs/2`.
pub(crate) async fn expressions(node: &Node, there: &Atom, code: &str) -> Result<Term> {
    let code: Term = code.chars().map(|c| Term::from(u32::from(c))).collect();
    let (_, tokens, _): (Atom, Term, Term) =
        node.erpc(there, "erl_scan", "string", (code,)).await?;
    let (_, parsed): (Atom, Term) = node.erpc(there, "erl_parse", "parse_exprs", (tokens,)).await?;
    Ok(parsed)
}

/// A process over there that runs Erlang code, in which `Rust` is a process here.
pub(crate) async fn start_code(node: &Node, there: &Atom, rust: &Pid, code: &str) -> Result<Pid> {
    let code = expressions(node, there, code).await?;
    let bindings = term!([{ (Atom::from_static("Rust")), rust }]);
    Ok(node.spawn_at(there, "erl_eval", "exprs", (code, bindings)).await?.pid)
}

/// Waits until it is so.
pub(crate) async fn becomes<F: Future<Output = Result<bool>>>(
    what: &str,
    mut is_so: impl FnMut() -> F,
) -> Result<()> {
    let reached = async {
        while !is_so().await? {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(SOON, reached).await.with_context(|| format!("never came true: {what}"))?
}

/// Runs a test with an async runtime, in a scene with an epmd.
pub(crate) fn run<F: Future<Output = Result<()>>>(
    otp: &'static Otp,
    test: impl FnOnce(Scene) -> F,
) -> Result<()> {
    let mut scene = Scene::bare(otp)?;
    scene.start_epmd()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome = runtime.block_on(async { tokio::time::timeout(SOON * 8, test(scene)).await });
    let outcome = outcome.context("the test hangs")?;
    ensure!(outcome.is_ok(), "on OTP {}: {outcome:?}", otp.release());
    Ok(())
}

/// A module of tests: `function(scene)` on every release found here.
macro_rules! on_every_release {
    ($topic:ident, $function:ident) => {
        mod $topic {
            use tests::otp::Otp;

            #[test]
            fn on_the_hosts_otp() -> anyhow::Result<()> {
                crate::cluster::run(Otp::host()?, super::$function)
            }

            #[test]
            fn on_otp_27() -> anyhow::Result<()> {
                Otp::rooted(27).map_or(Ok(()), |otp| crate::cluster::run(otp, super::$function))
            }

            #[test]
            fn on_otp_29() -> anyhow::Result<()> {
                Otp::rooted(29).map_or(Ok(()), |otp| crate::cluster::run(otp, super::$function))
            }
        }
    };
}
pub(crate) use on_every_release;
