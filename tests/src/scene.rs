//! One test's world: a directory, a private epmd port, the nodes started in it; all gone when it ends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::carrier::Carrier;
use crate::compile;
use crate::door::Door;
use crate::epmd;
use crate::group::Group;
use crate::node::{self, Program, Ready, Start, Surroundings};
use crate::otp::Otp;
use crate::proxy::Proxy;

/// The cookie of a scene's nodes unless a case says otherwise.
pub const COOKIE: &str = "scenecookie";

/// `localhost` must resolve to the loopback in every root, whatever its own files say.
const INETRC: &str = r#"
{host, {127,0,0,1}, ["localhost"]}.
{host, {0,0,0,0,0,0,0,1}, ["localhost"]}.
{lookup, [file, native]}.
"#;

/// What one test has started.
#[derive(Debug)]
pub struct Scene {
    otp: &'static Otp,
    carrier: Carrier,
    epmd_port: u16,
    epmd: Option<Group>,
    nodes: BTreeMap<String, Group>,
    /// Those stopped or ended, kept for their logs.
    ended: Vec<Group>,
    proxies: BTreeMap<String, Proxy>,
    verbose: bool,
    home: TempDir,
    shared: TempDir,
    compiled: bool,
}

impl Scene {
    /// A scene for one release, with no epmd running yet.
    pub fn bare(otp: &'static Otp) -> Result<Self> {
        Self::bare_over(Carrier::Tcp, otp)
    }

    /// The same over another carrier.
    pub fn bare_over(carrier: Carrier, otp: &'static Otp) -> Result<Self> {
        Self::bare_at(carrier, otp, epmd::free_port()?)
    }

    /// A scene for another release in the cluster of this one, over TCP: its nodes share this one's epmd.
    pub fn beside(&self, otp: &'static Otp) -> Result<Self> {
        Self::bare_at(Carrier::Tcp, otp, self.epmd_port)
    }

    fn bare_at(carrier: Carrier, otp: &'static Otp, epmd_port: u16) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("cnode-home-").tempdir()?;
        let shared = otp.directory()?;
        std::fs::write(shared.path().join("inetrc"), INETRC)?;
        carrier.prepare(shared.path(), &otp.inside(shared.path())?)?;
        Ok(Self {
            otp,
            carrier,
            epmd_port,
            epmd: None,
            nodes: BTreeMap::new(),
            ended: Vec::new(),
            proxies: BTreeMap::new(),
            verbose: false,
            home,
            shared,
            compiled: false,
        })
    }

    /// Runs `test` in a scene with an epmd; a failure shows what every node wrote.
    pub fn run(otp: &'static Otp, test: impl FnOnce(&mut Self) -> Result<()>) {
        Self::run_over(Carrier::Tcp, otp, test);
    }

    /// The same over another carrier.
    pub fn run_over(
        carrier: Carrier,
        otp: &'static Otp,
        test: impl FnOnce(&mut Self) -> Result<()>,
    ) {
        Self::run_bare_over(carrier, otp, |scene| {
            scene.start_epmd()?;
            test(scene)
        });
    }

    /// Runs `test` in a scene without an epmd; a failure shows what every node wrote.
    ///
    /// # Panics
    /// When the test fails.
    pub fn run_bare(otp: &'static Otp, test: impl FnOnce(&mut Self) -> Result<()>) {
        Self::run_bare_over(Carrier::Tcp, otp, test);
    }

    /// The same over another carrier.
    ///
    /// # Panics
    /// When the test fails.
    pub fn run_bare_over(
        carrier: Carrier,
        otp: &'static Otp,
        test: impl FnOnce(&mut Self) -> Result<()>,
    ) {
        let mut scene = match Self::bare_over(carrier, otp) {
            Ok(scene) => scene,
            Err(error) => panic!("no scene: {error:#}"),
        };
        if let Err(error) = test(&mut scene) {
            panic!("on OTP {} over {carrier:?}: {error:#}\n{}", otp.release(), scene.transcript());
        }
    }

    /// The release of this scene's Erlang nodes.
    pub fn otp(&self) -> &'static Otp {
        self.otp
    }

    /// The epmd port of all nodes of this scene.
    pub fn epmd_port(&self) -> u16 {
        self.epmd_port
    }

    /// The home directory of the nodes under test.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Starts the release's own epmd.
    pub fn start_epmd(&mut self) -> Result<()> {
        self.epmd = Some(epmd::start(self.otp, self.epmd_port)?);
        Ok(())
    }

    /// Kills epmd, as an upgrade of it would.
    pub fn stop_epmd(&mut self) {
        self.epmd = None;
    }

    /// Starts a node under test, whatever becomes of it.
    pub fn try_node(
        &mut self,
        id: &str,
        program: Program,
        arguments: &[&str],
    ) -> Result<Result<Ready, (i32, Vec<String>)>> {
        let arguments = self.with_carrier(arguments);
        match self.start(program, None, &arguments)? {
            Start::Ready(group, ready) => {
                self.keep(id, group);
                Ok(Ok(ready))
            }
            Start::Ended(code, said) => Ok(Err((code, said))),
        }
    }

    /// Starts a node under test that must get ready.
    pub fn start_node(&mut self, id: &str, program: Program, arguments: &[&str]) -> Result<Ready> {
        match self.try_node(id, program, arguments)? {
            Ok(ready) => Ok(ready),
            Err((code, said)) => {
                bail!(
                    "{} {arguments:?} ended with {code} instead of getting ready:\n{}",
                    program.name(),
                    said.join("\n")
                )
            }
        }
    }

    /// The same with a limit on its descriptors.
    pub fn start_limited(
        &mut self,
        id: &str,
        program: Program,
        descriptors: u32,
        arguments: &[&str],
    ) -> Result<Ready> {
        let all = self.with_carrier(arguments);
        match self.start(program, Some(descriptors), &all)? {
            Start::Ready(group, ready) => {
                self.keep(id, group);
                Ok(ready)
            }
            Start::Ended(code, said) => {
                bail!("{} ended with {code}:\n{}", program.name(), said.join("\n"))
            }
        }
    }

    fn start(
        &self,
        program: Program,
        descriptors: Option<u32>,
        arguments: &[String],
    ) -> Result<Start> {
        let level = self.verbose.then_some("trace");
        let surroundings =
            Surroundings { home: self.home.path(), epmd_port: self.epmd_port, descriptors, level };
        node::start(program, &surroundings, &borrowed(arguments))
    }

    /// From here on nodes log all there is.
    pub fn log_everything(&mut self) {
        self.verbose = true;
    }

    fn with_carrier(&self, arguments: &[&str]) -> Vec<String> {
        let own = arguments.iter().map(|word| (*word).to_owned());
        own.chain(self.carrier.options(self.shared.path())).collect()
    }

    /// What the nodes of this scene talk over.
    pub fn carrier(&self) -> Carrier {
        self.carrier
    }

    /// Where a peer made by hand reaches a node of this scene.
    pub fn door(&self, node: &Ready) -> Result<Door> {
        Door::of(self.carrier, self.shared.path(), &node.name, node.port)
    }

    /// Where the carrier's files are: certificates, sockets.
    pub fn shared(&self) -> &Path {
        self.shared.path()
    }

    fn keep(&mut self, id: &str, group: Group) {
        if let Some(older) = self.nodes.insert(id.to_owned(), group) {
            self.ended.push(older);
        }
    }

    /// The directory of compiled suites, as the release's programs see it.
    fn suites(&mut self) -> Result<PathBuf> {
        if !self.compiled {
            compile::suites_into(self.otp, self.shared.path())?;
            self.compiled = true;
        }
        self.otp.inside(self.shared.path())
    }

    /// `erl` with everything that makes it this scene's: epmd port, home, resolver, suites on its path.
    pub fn erl(&mut self) -> Result<Command> {
        let inside = self.suites()?;
        let mut command = self.otp.command("erl");
        command
            .env("ERL_EPMD_PORT", self.epmd_port.to_string())
            .env("HOME", &inside)
            .env("LANG", "C.UTF-8");
        command.env("ERL_INETRC", inside.join("inetrc")).env("ERL_CRASH_DUMP", "/dev/null");
        command
            .env_remove("ERL_LIBS")
            .env_remove("ERL_FLAGS")
            .env_remove("ERL_AFLAGS")
            .env_remove("ERL_ZFLAGS");
        command.args(["-noshell", "-start_epmd", "false", "-pa"]).arg(&inside);
        command.args(self.carrier.flags(&inside));
        // A cluster of hidden and killed nodes is what these tests are about; `global` need not mend it.
        command.args(["-kernel", "prevent_overlapping_partitions", "false"]);
        Ok(command)
    }

    /// Starts an Erlang node that idles until the scene ends; its name says whether names are long.
    pub fn start_beam(&mut self, id: &str, name: &str, cookie: &str, flags: &[&str]) -> Result<()> {
        let mut command = self.erl()?;
        command
            .args([name_flag(name), name, "-setcookie", cookie])
            .args(flags)
            .args(["-s", "check", "idle"]);
        let group = Group::start(id, command)?;
        let ready = group
            .log()
            .wait_for(0, Duration::from_secs(30), |line| (line.text == "@idle").then_some(()));
        let log = group.log().clone();
        self.keep(id, group);
        ready
            .map(|_| ())
            .with_context(|| format!("the Erlang node {name} did not start:\n{}", log.tail(20)))
    }

    /// A node started earlier.
    pub fn node(&mut self, id: &str) -> Result<&mut Group> {
        self.nodes.get_mut(id).with_context(|| format!("no node {id:?} in this scene"))
    }

    /// The proxy called `id`, made when it is first named.
    pub fn proxy(&mut self, id: &str) -> Result<&mut Proxy> {
        if !self.proxies.contains_key(id) {
            self.proxies.insert(id.to_owned(), Proxy::open()?);
        }
        self.proxies.get_mut(id).with_context(|| format!("no proxy {id:?} in this scene"))
    }

    /// Takes a node out and kills it; its log is still shown.
    pub fn kill(&mut self, id: &str) -> Result<()> {
        let mut group =
            self.nodes.remove(id).with_context(|| format!("no node {id:?} in this scene"))?;
        group.kill()?;
        self.ended.push(group);
        Ok(())
    }

    /// What every node wrote, the last of it.
    pub fn transcript(&self) -> String {
        let mut text = String::new();
        for group in self.ended.iter().chain(self.nodes.values()).chain(self.epmd.as_ref()) {
            let tail = group.log().tail(40);
            text.push_str(&format!("--- {} (process {})\n{tail}", group.name(), group.id()));
        }
        text
    }
}

fn borrowed(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// `-sname` or `-name`, as the host part asks.
pub fn name_flag(name: &str) -> &'static str {
    if name.split_once('@').is_some_and(|(_, host)| host.contains(['.', ':'])) {
        "-name"
    } else {
        "-sname"
    }
}
