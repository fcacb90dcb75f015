//! The nodes under test: the examples built by cargo (or another program that keeps the contract), and their ready line.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::compile::profile_directory;
use crate::group::Group;
use crate::log::Stream;

/// Which example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The node a newcomer runs: `any`, `echo`, `counter`.
    Sidecar,
    /// The node that an Erlang suite drives: `puppet`, `echo`, `sink`, `source`.
    Puppet,
    /// The worker of Phoenix.PubSub.
    Pubsub,
}

impl Program {
    /// The example's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sidecar => "sidecar",
            Self::Puppet => "puppet",
            Self::Pubsub => "pubsub",
        }
    }

    /// The program named by `CNODE_TEST_SIDECAR` or `CNODE_TEST_PUPPET`, tested in place of the example.
    fn stand_in(self) -> Option<PathBuf> {
        let variable = format!("CNODE_TEST_{}", self.name().to_uppercase());
        std::env::var_os(variable).map(PathBuf::from)
    }

    /// Whether the program tested is the example of this workspace.
    pub fn is_own(self) -> bool {
        self.stand_in().is_none()
    }

    /// The program, built when it is ours, in the profile of the running test.
    pub fn path(self) -> Result<PathBuf> {
        let directory = profile_directory()?;
        let profile = directory.file_name().and_then(|name| name.to_str());
        let profile = profile.context("an odd target directory")?;
        self.built(if profile == "debug" { "dev" } else { profile })
    }

    /// The same for a benchmark: in the profile `bench`, which shares its directory with `release` and is not told from it there.
    pub fn path_for_bench(self) -> Result<PathBuf> {
        self.built("bench")
    }

    fn built(self, profile: &str) -> Result<PathBuf> {
        if let Some(path) = self.stand_in() {
            return Ok(path);
        }
        static BUILT: [OnceLock<std::result::Result<(), String>>; 3] =
            [OnceLock::new(), OnceLock::new(), OnceLock::new()];
        let built = &BUILT[match self {
            Self::Sidecar => 0,
            Self::Puppet => 1,
            Self::Pubsub => 2,
        }];
        if let Err(error) =
            built.get_or_init(|| build(self, profile).map_err(|error| format!("{error:#}")))
        {
            bail!("{} does not build: {error}", self.name());
        }
        Ok(profile_directory()?.join("examples").join(self.name()))
    }
}

/// Builds one in the target directory of the running test. The whole workspace is named so that the
/// features cargo settles on are those of `cargo test --workspace`, and nothing is compiled twice.
fn build(program: Program, profile: &str) -> Result<()> {
    let directory = profile_directory()?;
    let target = directory.parent().context("an odd target directory")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .arg("build")
        .arg("--workspace");
    command.args(["--example", program.name(), "--profile", profile, "--target-dir"]).arg(target);
    let output = command.stdin(Stdio::null()).output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// What the ready line says: `ready rust@myhost port=40123 epmd=external`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// The full node name.
    pub name: String,
    /// The port of the distribution listener.
    pub port: u16,
    /// `external`, `embedded` or `none`.
    pub epmd: String,
}

impl Ready {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("ready ")?.split(' ');
        let name = words.next()?.to_owned();
        let port = words.next()?.strip_prefix("port=")?.parse().ok()?;
        let epmd = words.next()?.strip_prefix("epmd=")?.to_owned();
        words.next().is_none().then_some(Self { name, port, epmd })
    }
}

/// How a start came out.
#[derive(Debug)]
pub enum Start {
    /// It accepts connections.
    Ready(Group, Ready),
    /// It ended instead: the exit code and what it wrote on standard error.
    Ended(i32, Vec<String>),
}

/// Long enough for a busy two-core machine; a start takes milliseconds.
const START: Duration = Duration::from_secs(30);

/// What a node finds around it.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// Its home directory.
    pub home: &'a Path,
    /// `ERL_EPMD_PORT`.
    pub epmd_port: u16,
    /// How many descriptors it may open, when that is limited.
    pub descriptors: Option<u32>,
    /// `RUST_LOG`, when it is set.
    pub level: Option<&'a str>,
}

/// Starts one and waits for its ready line or its end.
pub fn start(
    program: Program,
    surroundings: &Surroundings<'_>,
    arguments: &[&str],
) -> Result<Start> {
    let Surroundings { home, epmd_port, descriptors, level } = *surroundings;
    let path = program.path()?;
    let mut command = match descriptors {
        None => Command::new(path),
        Some(limit) => {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\"")]).arg(path);
            command
        }
    };
    command
        .env("HOME", home)
        .env("ERL_EPMD_PORT", epmd_port.to_string())
        .env_remove("RUST_LOG")
        .args(arguments);
    if let Some(level) = level {
        command.env("RUST_LOG", level);
    }
    let mut group = Group::start(program.name(), command)?;
    let first = group
        .log()
        .wait_for(0, START, |line| (line.stream == Stream::Out).then(|| line.text.clone()));
    let Some((_, line)) = first else {
        let code = group.wait(Duration::from_secs(5)).context("it neither got ready nor ended")?;
        return Ok(Start::Ended(code, group.log().of(Stream::Err)));
    };
    let ready =
        Ready::parse(&line).with_context(|| format!("not the contract's ready line: {line:?}"))?;
    Ok(Start::Ready(group, ready))
}
