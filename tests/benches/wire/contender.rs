//! The nodes that are compared, each a program of its own that answers to `echo`, `sink` and `source`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;
use tests::carrier::Carrier;
use tests::group::Group;
use tests::log::Stream;
use tests::node::Program;

/// Where this file and the other nodes' programs are.
const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/wire");
const COOKIE: &str = "wirecookie";
/// `erl` without busy-waiting: on one core it would starve the other side, and it would count as the node's work.
const QUIET: [&str; 7] = ["+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none", "-noshell"];
const PATIENCE: Duration = Duration::from_secs(120);

/// What takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Contender {
    /// A BEAM node: everything is put in relation to it.
    Beam,
    /// Our `puppet`.
    Cnode,
    /// The same without FRAGMENTS.
    Whole,
    /// A C node with `erl_interface`.
    Ei,
    /// The `erl_dist` crate.
    ErlDist,
    /// Another build of `puppet`: an earlier one, or one that is tried.
    Other(&'static str),
}

impl Contender {
    pub(crate) const ALL: [Self; 5] =
        [Self::Beam, Self::Cnode, Self::Whole, Self::Ei, Self::ErlDist];
    /// As many as one run takes.
    pub(crate) const OTHERS: [Self; 4] = [
        Self::Other("other1"),
        Self::Other("other2"),
        Self::Other("other3"),
        Self::Other("other4"),
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Beam => "beam",
            Self::Cnode => "cnode",
            Self::Whole => "whole",
            Self::Ei => "ei",
            Self::ErlDist => "erl_dist",
            Self::Other(name) => name,
        }
    }
}

/// What all of them need: epmd's port, a carrier, and a directory for what is compiled.
pub(crate) struct Place {
    directory: tempfile::TempDir,
    epmd_port: u16,
    carrier: Carrier,
    puppet: PathBuf,
    others: BTreeMap<Contender, PathBuf>,
    ei: Option<PathBuf>,
}

/// One node, running.
pub(crate) struct Running {
    group: Group,
    /// How long it took until it was ready.
    pub(crate) start: Duration,
}

/// What a node came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// By name of the measure.
    pub(crate) figures: BTreeMap<String, f64>,
    /// Why, by name of the task.
    pub(crate) failed: BTreeMap<String, String>,
}

impl Place {
    pub(crate) fn new(epmd_port: u16, carrier: Carrier, others: &[&str]) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("cnode-wire-").tempdir()?;
        let mut erlc = Command::new("erlc");
        erlc.arg("-o").arg(directory.path());
        let sources = ["wire_node.erl", "wire_driver.erl", "../../../node/erlang/local_dist.erl"];
        erlc.args(sources.map(|file| Path::new(HERE).join(file)));
        run_to_end(erlc)?;
        carrier.prepare(directory.path(), directory.path())?;
        Ok(Self {
            puppet: Program::Puppet.path_for_bench()?,
            epmd_port,
            carrier,
            directory,
            others: Contender::OTHERS.into_iter().zip(others.iter().map(PathBuf::from)).collect(),
            ei: None,
        })
    }

    /// Whether this one can take part; says so where it cannot.
    pub(crate) fn has(&mut self, contender: Contender) -> bool {
        let missing = match contender {
            Contender::Beam | Contender::Cnode | Contender::Whole | Contender::Other(_) => None,
            _ if self.carrier != Carrier::Tcp => Some("it has TCP alone".to_owned()),
            Contender::Ei => self.compile_ei().err().map(|error| format!("{error:#}")),
            Contender::ErlDist if cfg!(feature = "compare") => None,
            Contender::ErlDist => Some("give `--features compare` for it".to_owned()),
        };
        if let Some(why) = &missing {
            eprintln!("SKIPPED {}: {why}", contender.name());
        }
        missing.is_none()
    }

    fn compile_ei(&mut self) -> Result<()> {
        let program = self.directory.path().join("ei_node");
        let root = erl_interface().context("no erl_interface (Debian has it in erlang-dev)")?;
        let mut cc = Command::new("cc");
        cc.args(["-O2", "-o"]).arg(&program).arg(Path::new(HERE).join("ei_node.c"));
        cc.arg("-I").arg(root.join("include")).arg("-L").arg(root.join("lib"));
        // _REENTRANT: libei's errno is one for each thread, and its header has to know.
        cc.args(["-D_REENTRANT", "-lei", "-lpthread"]);
        run_to_end(cc).context("no C node")?;
        self.ei = Some(program);
        Ok(())
    }

    /// Starts one and waits until it is ready.
    pub(crate) fn start(&self, contender: Contender, pinned: bool) -> Result<Running> {
        let name = contender.name();
        let full = format!("{name}@localhost");
        let port = self.epmd_port.to_string();
        let mut words: Vec<String> = Vec::new();
        let mut say = |more: &[&str]| words.extend(more.iter().map(|&word| word.to_owned()));
        match contender {
            Contender::Beam => {
                say(&["erl"]);
                say(&QUIET);
                say(&["-hidden", "-sname", &full, "-setcookie", COOKIE, "-pa"]);
                say(&[&self.directory.path().to_string_lossy(), "-s", "wire_node", "main"]);
                words.extend(self.carrier.flags(self.directory.path()));
            }
            Contender::Cnode | Contender::Whole | Contender::Other(_) => {
                let puppet = self.others.get(&contender).unwrap_or(&self.puppet);
                say(&[&puppet.to_string_lossy(), "--sname", &full, "--cookie", COOKIE]);
                say(&["--epmd", "external", "--epmd-port", &port]);
                if contender == Contender::Whole {
                    say(&["--without", "FRAGMENTS"]);
                }
                words.extend(self.carrier.options(self.directory.path()));
            }
            Contender::Ei => {
                let program = self.ei.as_ref().context("no C node")?;
                say(&[&program.to_string_lossy(), name, COOKIE]);
            }
            Contender::ErlDist => {
                let us = std::env::current_exe()?;
                say(&[&us.to_string_lossy(), "run=erl_dist", &full, COOKIE, &port]);
            }
        }
        let began = Instant::now();
        let group = Group::start(name, self.command(pinned, &words)?)?;
        let ready = group.log().wait_for(0, Duration::from_secs(30), |line| {
            (line.stream == Stream::Out && line.text.starts_with("ready ")).then_some(())
        });
        let start = began.elapsed();
        ensure!(ready.is_some(), "{name} does not get ready: {:?}", group.log().lines());
        Ok(Running { group, start })
    }

    /// Has an `erl` drive the node through tasks.
    pub(crate) fn drive(
        &self,
        contender: Contender,
        node: &mut Running,
        pinned: bool,
        tasks: &[&str],
    ) -> Result<Outcome> {
        let full = format!("{}@localhost", contender.name());
        let process = node.group.id().to_string();
        let mut words = vec!["erl".to_owned()];
        words.extend(QUIET.map(str::to_owned));
        let directory = self.directory.path().to_string_lossy().into_owned();
        let rest =
            ["-hidden", "-sname", "driver@localhost", "-setcookie", COOKIE, "-pa", &directory];
        words.extend(rest.map(str::to_owned));
        words.extend(self.carrier.flags(self.directory.path()));
        words.extend(["-s", "wire_driver", "main", "-extra", &full, &process].map(str::to_owned));
        words.extend(tasks.iter().map(|&task| task.to_owned()));
        let mut driver = Group::start("driver", self.command(pinned, &words)?)?;
        let code = driver.wait(PATIENCE)?;
        if code != 0 {
            bail!("{}: the driver gave up: {:?}", contender.name(), driver.log().lines());
        }
        let mut outcome = Outcome::default();
        for line in driver.log().of(Stream::Out) {
            let Some((kind, (name, rest))) =
                line.split_once(' ').and_then(|(kind, rest)| Some((kind, rest.split_once(' ')?)))
            else {
                continue;
            };
            match kind {
                "@result" => {
                    outcome.figures.insert(name.to_owned(), rest.trim().parse()?);
                }
                "@failed" => {
                    outcome.failed.insert(name.to_owned(), rest.to_owned());
                }
                _ => {}
            }
        }
        Ok(outcome)
    }

    fn command(&self, pinned: bool, words: &[String]) -> Result<Command> {
        let mut words = words.iter();
        let program = words.next().context("no program")?;
        let mut command = if pinned {
            let mut command = Command::new("taskset");
            command.args(["-c", "0", program]);
            command
        } else {
            Command::new(program)
        };
        command.args(words).env("ERL_EPMD_PORT", self.epmd_port.to_string());
        command.env("HOME", self.directory.path()).env_remove("RUST_LOG");
        Ok(command)
    }
}

impl Running {
    /// Ends it; not every one of them minds a polite word.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.group.signal(Signal::TERM)?;
        if self.group.wait(Duration::from_secs(3)).is_err() {
            self.group.kill()?;
        }
        Ok(())
    }
}

/// Where the `erl` on the path keeps erl_interface.
fn erl_interface() -> Option<PathBuf> {
    let output = Command::new("erl")
        .args(["-noshell", "-eval", "io:put_chars(code:lib_dir(erl_interface)), halt()."])
        .output()
        .ok()?;
    let root = PathBuf::from(String::from_utf8(output.stdout).ok()?);
    (root.join("lib/libei.a").exists() && root.join("include/ei.h").exists()).then_some(root)
}

fn run_to_end(mut command: Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
