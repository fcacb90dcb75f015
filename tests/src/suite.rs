//! One Erlang suite run to its end: its cases counted, its questions answered, its failures told.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::ask;
use crate::group::Group;
use crate::log::Stream;
use crate::otp::loud;
use crate::scene::{COOKIE, Scene, name_flag};

/// A whole suite, on a machine that does other things too. Each case has its own, shorter one in `check.erl`.
const SUITE: Duration = Duration::from_secs(240);

/// Runs `module` on the node named `tester`, started with `flags`; `settings` reach its cases as a map of atoms to strings.
///
/// # Errors
/// With every failed case and what it expected, when a case failed or the suite did not come to its end.
pub fn run(
    scene: &mut Scene,
    module: &str,
    tester: &str,
    flags: &[&str],
    settings: &[(&str, &str)],
) -> Result<()> {
    run_cases(scene, module, &[], tester, flags, settings)
}

/// The same with some of its cases, in the suite's order; with none named, all of them.
///
/// # Errors
/// As `run`.
pub fn run_cases(
    scene: &mut Scene,
    module: &str,
    cases: &[&str],
    tester: &str,
    flags: &[&str],
    settings: &[(&str, &str)],
) -> Result<()> {
    let mut command = scene.erl()?;
    command.args(flags).args([
        name_flag(tester),
        tester,
        "-setcookie",
        COOKIE,
        "-s",
        "check",
        "main",
        "-extra",
        module,
    ]);
    let cases = std::env::var("CNODE_TEST_CASES").unwrap_or_else(|_| cases.join(","));
    command.arg(format!("cases={cases}"));
    for (key, value) in settings {
        command.arg(format!("{key}={value}"));
    }
    let mut erl = Group::start(module, command)?;
    let outcome = follow(scene, &mut erl, module);
    outcome.with_context(|| format!("--- {module}\n{}", erl.log().tail(60)))
}

/// Runs an Elixir script of `tests/elixir` on a node of the host's release; its argument is the node under test.
///
/// # Errors
/// As `run`.
pub fn run_elixir(scene: &mut Scene, script: &str, node: &str) -> Result<()> {
    let erl = scene.erl()?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("elixir").join(script);
    let mut command = Command::new("elixir");
    for (key, value) in erl.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    command.env("ELIXIR_ERL_OPTIONS", "-start_epmd false");
    command.args(["--sname", "elixir@localhost", "--cookie", COOKIE]).arg(path).arg(node);
    let mut elixir = Group::start(script, command)?;
    let outcome = follow(scene, &mut elixir, script);
    outcome.with_context(|| format!("--- {script}\n{}", elixir.log().tail(60)))
}

/// Reads what the suite prints until its last line.
fn follow(scene: &mut Scene, erl: &mut Group, module: &str) -> Result<()> {
    let deadline = Instant::now() + SUITE;
    let (mut at, mut passed, mut skipped, mut failures) = (0, 0_usize, 0_usize, Vec::new());
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let next = erl.log().wait_for(at, left, |line| {
            let text = line.text.strip_prefix('@')?;
            (line.stream == Stream::Out).then(|| text.to_owned())
        });
        let Some((after, line)) = next else {
            bail!(
                "{module} did not come to its end after {passed} cases; failed so far:\n{}",
                failures.join("\n")
            );
        };
        at = after;
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match word {
            "ok" => passed += 1,
            "FAILED" => failures.push(format!("FAILED {rest}")),
            "skipped" => {
                skipped += 1;
                loud(&format!("SKIPPED {module}:{rest}"));
            }
            "ask" => {
                let (number, question) = rest.split_once(' ').context("an odd question")?;
                let answer = match ask::answer(scene, question) {
                    Ok(answer) => format!("ok {answer}"),
                    Err(error) => format!("error {error:#}").replace('\n', " | "),
                };
                erl.say(&format!("{number} {answer}"))?;
            }
            "done" => break,
            _ => bail!("{module} says what nobody understands: {line}"),
        }
    }
    ensure!(
        failures.is_empty(),
        "{} of {} cases of {module} failed:\n{}",
        failures.len(),
        failures.len() + passed,
        failures.join("\n")
    );
    ensure!(passed + skipped > 0, "{module} ran no case");
    Ok(())
}
