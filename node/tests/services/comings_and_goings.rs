//! A cluster of a live node of every release found here and two Rust nodes, one visible and one hidden: groups, global names and
//! calls are as they should be after every coming and going.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use node::{Atom, Node, Pid, Process, Term, term};
use tests::otp::Otp;
use tests::scene::Scene;

use crate::cluster::{SOON, beam, becomes, rust, visible};

/// Scopes of groups, each with the live node that is not in it: the scope processes of OTP 25 end over what those of OTP 28 and
/// later send them first. Rust nodes are in both.
const SCOPES: [(&str, &str); 2] = [("elders", "newer"), ("youngers", "host")];

/// A Rust node and its member.
struct Ours {
    node: Node,
    member: Process,
}

impl Ours {
    async fn start(node: Node) -> Result<Self> {
        node.export("t", "add", |a: i64, b: i64| a + b)?;
        let member = node.attach()?;
        for (scope, _) in SCOPES {
            node.pg_scope(scope)?.join(term!('g), &member.pid()).await?;
        }
        Ok(Self { node, member })
    }

    fn name(&self) -> Atom {
        self.node.runtime().node().clone()
    }
}

struct Cluster {
    scenes: BTreeMap<&'static str, Scene>,
    /// By name of the node: its member.
    beams: BTreeMap<Atom, Pid>,
    visible: Option<Ours>,
    hidden: Option<Ours>,
    /// Asks the nodes what they know. It is in no group.
    watcher: Node,
}

const NAMES: [(&str, Option<u32>); 3] = [("host", None), ("older", Some(27)), ("newer", Some(29))];

impl Cluster {
    async fn start_beam(&mut self, id: &'static str) -> Result<()> {
        let name = beam(self.scenes.get_mut(id).context("no such release")?, id)?;
        let member = self.watcher.spawn_at(&name, "timer", "sleep", (600_000,)).await?.pid;
        for (scope, _) in SCOPES.iter().filter(|(_, but)| *but != id) {
            let scope = Atom::from_static(scope);
            let _: Term = self.watcher.erpc(&name, "pg", "start", (&scope,)).await?;
            let joined = (scope, term!('g), &member);
            let _: Atom = self.watcher.erpc(&name, "pg", "join", joined).await?;
        }
        self.beams.insert(name, member);
        Ok(())
    }

    /// Everybody is connected to everybody.
    async fn connect(&self) -> Result<()> {
        for name in self.beams.keys() {
            for other in self.beams.keys().filter(|other| *other != name) {
                let _: bool =
                    self.watcher.erpc(name, "net_kernel", "connect_node", (other,)).await?;
            }
            for ours in self.ours() {
                ensure!(ours.node.connect(name).await, "{} cannot connect to {name}", ours.name());
            }
        }
        if let (Some(visible), Some(hidden)) = (&self.visible, &self.hidden) {
            ensure!(hidden.node.connect(&visible.name()).await);
        }
        Ok(())
    }

    fn ours(&self) -> impl Iterator<Item = &Ours> {
        self.visible.iter().chain(&self.hidden)
    }

    /// Every node of a scope has every member in its group, and no other.
    async fn groups_are_right(&self) -> Result<bool> {
        for (scope, but) in SCOPES {
            let but = Atom::new(format!("{but}@localhost"))?;
            let beams = || self.beams.iter().filter(|(name, _)| **name != but);
            let mut all: Vec<Pid> = beams().map(|(_, member)| member.clone()).collect();
            all.extend(self.ours().map(|ours| ours.member.pid()));
            all.sort();
            for (name, _) in beams() {
                let asked = (Atom::from_static(scope), term!('g));
                let mut seen: Vec<Pid> =
                    self.watcher.erpc(name, "pg", "get_members", asked).await?;
                seen.sort();
                if seen != all {
                    return Ok(false);
                }
            }
            for ours in self.ours() {
                let mut seen = ours.node.pg_scope(scope)?.members(term!('g)).await?;
                seen.sort();
                if seen != all {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Every live node and every Rust node has these names, and no others.
    async fn names_are(&self, names: &BTreeMap<String, Pid>) -> Result<bool> {
        for beam in self.beams.keys() {
            let mut seen: Vec<String> =
                self.watcher.erpc(beam, "global", "registered_names", ()).await?;
            seen.sort();
            if !seen.iter().eq(names.keys()) {
                return Ok(false);
            }
        }
        for ours in self.ours() {
            for (name, pid) in names {
                if ours.node.global().whereis(name.as_str()).await?.as_ref() != Some(pid) {
                    return Ok(false);
                }
            }
            if ours.node.global().registered().await?.len() != names.len() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Each calls each.
    async fn calls_arrive(&self) -> Result<()> {
        for beam in self.beams.keys() {
            for ours in self.ours() {
                let back: Vec<i64> =
                    ours.node.erpc(beam, "lists", "reverse", (vec![1, 2],)).timeout(SOON).await?;
                assert_eq!(back, [2, 1]);
                let asked = (ours.name(), term!('t), term!('add), vec![1, 2]);
                assert_eq!(self.watcher.erpc::<i64>(beam, "erpc", "call", &asked).await?, 3);
                assert_eq!(self.watcher.erpc::<i64>(beam, "rpc", "call", asked).await?, 3);
            }
        }
        Ok(())
    }

    /// All that can be known is known. The names are those of the nodes that have one.
    async fn settles(&self, when: &str) -> Result<()> {
        self.connect().await.context(when.to_owned())?;
        becomes(&format!("{when}: groups"), || self.groups_are_right()).await?;
        let mut names = BTreeMap::new();
        for (beam, member) in &self.beams {
            let name = format!("name of {beam}");
            let registered = (name.as_str(), member);
            let _: Term = self.watcher.erpc(beam, "global", "register_name", registered).await?;
            names.insert(name, member.clone());
        }
        for ours in self.ours() {
            let name = format!("name of {}", ours.name());
            ours.node.global().register(name.as_str(), &ours.member.pid()).await?;
            names.insert(name, ours.member.pid());
        }
        becomes(&format!("{when}: names"), || self.names_are(&names)).await?;
        self.calls_arrive().await.context(when.to_owned())
    }
}

#[test]
fn everybody_knows_the_same_after_every_change() -> Result<()> {
    let mut scenes = BTreeMap::new();
    let mut host = Scene::bare(Otp::host()?)?;
    host.start_epmd()?;
    for (id, release) in NAMES {
        if let Some(otp) = release.and_then(Otp::rooted) {
            scenes.insert(id, host.beside(otp)?);
        }
    }
    scenes.insert("host", host);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(240), changes(scenes)).await })?
}

async fn changes(scenes: BTreeMap<&'static str, Scene>) -> Result<()> {
    let ids: Vec<&'static str> = scenes.keys().copied().collect();
    let host = scenes.get("host").context("no host")?;
    let (seen, unseen) =
        (visible(host, "seen@localhost").await?, rust(host, "unseen@localhost").await?);
    let watcher = rust(host, "watcher@localhost").await?;
    let (seen, unseen) = (Ours::start(seen).await?, Ours::start(unseen).await?);
    let mut cluster = Cluster {
        scenes,
        beams: BTreeMap::new(),
        visible: Some(seen),
        hidden: Some(unseen),
        watcher,
    };
    for id in &ids {
        cluster.start_beam(id).await?;
        cluster.settles(&format!("{id} has come")).await?;
    }
    for id in &ids {
        let name = Atom::new(format!("{id}@localhost"))?;
        cluster.scenes.get_mut(id).context("no such release")?.kill(id)?;
        cluster.beams.remove(&name);
        if !cluster.beams.is_empty() {
            cluster.settles(&format!("{id} was killed")).await?;
        }
        cluster.start_beam(id).await?;
        cluster.settles(&format!("{id} is back")).await?;
    }
    for _ in 0..2 {
        let gone = cluster.visible.take().context("no visible node")?;
        gone.node.stop().await;
        drop(gone);
        cluster.settles("the visible Rust node has gone").await?;
        let host = cluster.scenes.get("host").context("no host")?;
        cluster.visible = Some(Ours::start(visible(host, "seen@localhost").await?).await?);
        cluster.settles("the visible Rust node is back").await?;
        let gone = cluster.hidden.take().context("no hidden node")?;
        gone.node.stop().await;
        drop(gone);
        cluster.settles("the hidden Rust node has gone").await?;
        let host = cluster.scenes.get("host").context("no host")?;
        cluster.hidden = Some(Ours::start(rust(host, "unseen@localhost").await?).await?);
        cluster.settles("the hidden Rust node is back").await?;
    }
    // Connections that are lost, and made again by the next that settles.
    for id in &ids {
        let name = Atom::new(format!("{id}@localhost"))?;
        for ours in cluster.ours() {
            ensure!(ours.node.disconnect(&name));
        }
        cluster.settles(&format!("connections to {id} were lost")).await?;
    }
    Ok(())
}
