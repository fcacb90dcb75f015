//! A thousand nodes in one process, all connected to one: what each costs in memory, how long connecting takes, and what the ticks
//! of an idle minute cost. The one is a node of ours, then a BEAM, each in a process of its own.
//!
//!     cargo bench -p node --bench scale              # 1,000 nodes, ticks every second for a minute
//!     cargo bench -p node --bench scale -- 200 10    # 200 nodes, 10 seconds

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use node::{Atom, Cookie, EpmdMode, Exit, IntoAtom as _, Node, Nodes, Pid, Process, Term};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tests::epmd;
use tests::group::Group;
use tests::otp::Otp;
use tokio::task::JoinSet;

/// OTP ticks four times in a `net_ticktime`: with 4 s, every second in both directions.
const TICKTIME: Duration = Duration::from_secs(4);
const COOKIE: &str = "scale";
const HUB: &str = "hub@127.0.0.1";

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    allow_descriptors()?;
    if words.first().is_some_and(|word| word == "hub") {
        return be_the_hub();
    }
    let number = |at: usize, default: u64| words.get(at).map_or(Ok(default), |word| word.parse());
    let (nodes, seconds) = (number(0, 1_000)?, number(1, 60)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let built = runtime.block_on(measure(nodes, Duration::from_secs(seconds), "ours", ours()?))?;
    println!("{}", built);
    if let Ok(otp) = Otp::host() {
        let (hub, _epmd) = beam(otp)?;
        let built =
            runtime.block_on(measure(nodes, Duration::from_secs(seconds), "a BEAM", hub))?;
        println!("{built}");
    }
    Ok(())
}

/// A node in a process of its own, and its port.
struct Hub {
    process: Group,
    port: u16,
}

fn ours() -> Result<Hub> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("hub");
    let process = Group::start("hub", command)?;
    let port = process.log().wait_for(0, Duration::from_secs(30), |line| {
        line.text.strip_prefix("port ").and_then(|port| port.parse().ok())
    });
    let (_, port) = port.with_context(|| format!("no hub: {}", process.log().tail(20)))?;
    Ok(Hub { process, port })
}

#[tokio::main]
async fn be_the_hub() -> Result<()> {
    let node = builder("hub@127.0.0.1")?.build()?;
    node.spawn_named("echo", echo)?;
    node.listen().await?;
    println!("port {}", node.port().context("no port")?);
    node.until_stopped().await;
    Ok(())
}

fn beam(otp: &Otp) -> Result<(Hub, Group)> {
    const ECHO: &str = "register(echo, self()), io:put_chars(\"up\\n\"), \
        F = fun G() -> receive {From, Term} -> From ! {echo, Term}, G() end end, F().";
    let epmd_port = epmd::free_port()?;
    let epmd = epmd::start(otp, epmd_port)?;
    let mut command = otp.command("erl");
    command
        .args(["-start_epmd", "false", "-name", HUB, "-hidden", "-setcookie", COOKIE])
        .args(["-kernel", "net_ticktime", &TICKTIME.as_secs().to_string()])
        .args(["-noshell", "-noinput", "-eval", ECHO])
        .env("ERL_EPMD_PORT", epmd_port.to_string());
    let process = Group::start("erl", command)?;
    let up = process
        .log()
        .wait_for(0, Duration::from_secs(30), |line| (line.text == "up").then_some(()));
    up.with_context(|| format!("no BEAM: {}", process.log().tail(20)))?;
    let names = epmd::names(epmd_port)?;
    let (_, port) =
        names.into_iter().find(|(name, _)| name == "hub").context("the BEAM has no port")?;
    Ok((Hub { process, port }, epmd))
}

async fn echo(mut process: Process) -> Exit {
    loop {
        let (from, body): (Pid, Term) = process.receive().await?;
        process.send(from, ("echo".into_atom(), body));
    }
}

fn builder(name: &str) -> Result<node::Builder> {
    let builder = Node::builder(name).cookie(Cookie::new(COOKIE)?).epmd(EpmdMode::None);
    Ok(builder.ticktime(TICKTIME).handshake_timeout(Duration::from_secs(60)))
}

/// What was found, of both processes.
struct Found {
    hub: &'static str,
    nodes: u64,
    node_bytes: u64,
    connection_bytes: u64,
    hub_connection_bytes: u64,
    connecting: Duration,
    echoes: Duration,
    idle: Duration,
    cpu: Duration,
    hub_cpu: Duration,
}

async fn measure(nodes: u64, idle: Duration, name: &'static str, hub: Hub) -> Result<Found> {
    let place = ([127, 0, 0, 1], hub.port).into();
    let to = Atom::new(HUB)?;
    let own = std::process::id();
    let (before, hub_before) = (resident(own)?, hub.process.resident()?);
    let mut all = Vec::new();
    for number in 0..nodes {
        let node = builder(&format!("n{number}@127.0.0.1"))?.peer_at(HUB, place).build()?;
        all.push(node);
    }
    let built = resident(own)?;
    let begun = Instant::now();
    let mut dials = JoinSet::new();
    for node in &all {
        let (node, to) = (node.clone(), to.clone());
        dials.spawn(async move { node.try_connect(&to).await });
    }
    while let Some(dialled) = dials.join_next().await {
        dialled??;
    }
    let connecting = begun.elapsed();
    let begun = Instant::now();
    let mut echoes = JoinSet::new();
    for node in &all {
        let (mut process, to) = (node.attach()?, to.clone());
        echoes.spawn(async move {
            process.send(("echo", to), (process.pid(), 1));
            process.receive::<Term>().await
        });
    }
    while let Some(answer) = echoes.join_next().await {
        answer?.map_err(|reason| anyhow::anyhow!("{reason}"))?;
    }
    let echoes = begun.elapsed();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (connected, hub_connected) = (resident(own)?, hub.process.resident()?);
    let (cpu, hub_cpu) = (cpu_time(own)?, cpu_time(hub.process.id())?);
    tokio::time::sleep(idle).await;
    let (cpu, hub_cpu) = (cpu_time(own)? - cpu, cpu_time(hub.process.id())? - hub_cpu);
    let there = all.iter().filter(|node| node.nodes(Nodes::Hidden) == [to.clone()]).count();
    ensure!(there == all.len(), "{} connections did not last", all.len() - there);
    Ok(Found {
        hub: name,
        nodes,
        node_bytes: built.saturating_sub(before) / nodes,
        connection_bytes: connected.saturating_sub(built) / nodes,
        hub_connection_bytes: hub_connected.saturating_sub(hub_before) / nodes,
        connecting,
        echoes,
        idle,
        cpu,
        hub_cpu,
    })
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kib = |bytes: u64| bytes as f64 / 1024.0;
        writeln!(f, "{} nodes connected to {}", self.nodes, self.hub)?;
        writeln!(f, "  memory of a node without a connection   {:8.1} KiB", kib(self.node_bytes))?;
        writeln!(
            f,
            "  of its connection, at its end           {:8.1} KiB",
            kib(self.connection_bytes)
        )?;
        writeln!(
            f,
            "  of its connection, at the other end     {:8.1} KiB",
            kib(self.hub_connection_bytes)
        )?;
        writeln!(f, "  to connect all                          {:8.1?}", self.connecting)?;
        writeln!(f, "  one echo from each, all at once         {:8.1?}", self.echoes)?;
        let share = |cpu: Duration| 100.0 * cpu.as_secs_f64() / self.idle.as_secs_f64();
        writeln!(
            f,
            "  CPU of {:?} of ticks, one a second each: {:?} ({:.1} % of a core) for all nodes, {:?} ({:.1} %) for the other end",
            self.idle,
            self.cpu,
            share(self.cpu),
            self.hub_cpu,
            share(self.hub_cpu)
        )
    }
}

/// A connection is a descriptor; the usual soft limit is 1,024.
fn allow_descriptors() -> Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

fn resident(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.split_whitespace().next().context("an odd VmRSS")?.parse()?;
    Ok(kib * 1024)
}

/// User and system time, in the kernel's hundredths of a second.
fn cpu_time(process: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in brackets may hold anything; fields 14 and 15 are 12 and 13 behind it.
    let (_, rest) = stat.rsplit_once(')').context("an odd stat")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| -> Result<u64> { Ok(fields.get(at).context("a short stat")?.parse()?) };
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}
