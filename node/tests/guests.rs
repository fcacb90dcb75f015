//! Names on loan: a node that has none is given one by the first peer it calls, live nodes of every release and ours alike.

mod support;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use node::{Cookie, EpmdMode, Exit, Flags, Node, Nodes, Process, StartError};
use support::live::{self, Live};
use support::memory::Memory;
use term::{Atom, IntoAtom, Pid, Term, term};
use tests::otp::Otp;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(10);

async fn echo(mut process: Process) -> Exit {
    loop {
        let (from, body): (Pid, Term) = process.receive().await?;
        process.send(from, ("echo".into_atom(), body));
    }
}

fn builder(name: &str) -> Result<node::Builder> {
    Ok(Node::builder(name).cookie(Cookie::new(live::COOKIE)?))
}

async fn next(process: &mut Process) -> Result<Term> {
    let term = timeout(SOON, process.receive::<Term>()).await.context("nothing came")?;
    term.map_err(|reason| anyhow::anyhow!("{reason}"))
}

async fn named_by_a_live_node(otp: &'static Otp) -> Result<()> {
    let live = Live::start(otp)?;
    let peer = Atom::new(live::NAME)?;
    let guest = || async {
        builder("undefined@127.0.0.1")?
            .epmd_port(live.epmd_port)
            .build_named_by(peer.as_str())
            .await
            .context("not named")
    };
    let (first, second) = (guest().await?, guest().await?);
    let own = Atom::new(first.name().as_str())?;
    ensure!(first.name().host() == "127.0.0.1" && first.name().alive() != "undefined", "{own}");
    ensure!(first.name() != second.name(), "two nodes are called {own}");
    ensure!(first.nodes(Nodes::Hidden) == std::slice::from_ref(&peer));
    let connections = first.connections();
    ensure!(connections.first().is_some_and(|connection| connection.dialled));
    // They know us by that name, and our pids bear it.
    let mut me = first.attach()?;
    ensure!(me.pid().node() == &own && me.pid().creation() == first.creation());
    me.send(("echo", &peer), (me.pid(), "nodes".into_atom()));
    let answer = timeout(SOON, me.receive::<(Atom, Vec<Atom>, Atom)>()).await?;
    let (_, theirs, node_of_pid) = answer.map_err(|reason| anyhow::anyhow!("{reason}"))?;
    ensure!(theirs.contains(&own) && node_of_pid == own, "{theirs:?} {node_of_pid}");
    // A connection lost is made again under the same name.
    ensure!(first.disconnect(&peer));
    for round in 0..20 {
        me.send(("echo", &peer), (me.pid(), round));
        ensure!(next(&mut me).await? == term!({ echo, round }));
        first.disconnect(&peer);
    }
    first.stop().await;
    second.stop().await;
    ensure!(live.node.log().tail(5).contains("up"));
    Ok(())
}

#[tokio::test]
async fn a_live_node_of_the_hosts_release_gives_a_name() -> Result<()> {
    named_by_a_live_node(Otp::host()?).await
}

#[tokio::test]
async fn a_live_node_of_otp_27_gives_a_name() -> Result<()> {
    match Otp::rooted(27) {
        Some(otp) => named_by_a_live_node(otp).await,
        None => Ok(()),
    }
}

#[tokio::test]
async fn a_live_node_of_otp_29_gives_a_name() -> Result<()> {
    match Otp::rooted(29) {
        Some(otp) => named_by_a_live_node(otp).await,
        None => Ok(()),
    }
}

#[tokio::test]
async fn ours_gives_names_that_differ_and_hundreds_of_guests_are_served() -> Result<()> {
    let memory = Memory::default();
    let host = builder("host@here")?.epmd(EpmdMode::None).carrier(memory.clone()).build()?;
    host.spawn_named("echo", echo)?;
    host.listen().await?;
    let mut guests = Vec::new();
    for _ in 0..200 {
        let guest = builder("undefined@here")?.epmd(EpmdMode::None).carrier(memory.clone());
        guests.push(guest.build_named_by("host@here").await?);
    }
    for guest in &guests {
        let mut me = guest.attach()?;
        me.send(("echo", Atom::new("host@here")?), (me.pid(), 1));
        ensure!(next(&mut me).await? == term!({ echo, 1 }));
    }
    let mut names: Vec<String> = guests.iter().map(|guest| guest.name().to_string()).collect();
    names.sort();
    names.dedup();
    ensure!(names.len() == 200, "{} names for 200 guests", names.len());
    ensure!(host.nodes(Nodes::Hidden).len() == 200 && host.nodes(Nodes::Visible).is_empty());
    Ok(())
}

#[tokio::test]
async fn who_is_given_no_name_is_told_why() -> Result<()> {
    let memory = Memory::default();
    let host = builder("host@here")?.epmd(EpmdMode::None).carrier(memory.clone()).build()?;
    host.listen().await?;
    let guest = || -> Result<node::Builder> {
        Ok(builder("undefined@here")?.epmd(EpmdMode::None).carrier(memory.clone()))
    };
    let refused = |outcome: Result<Node, StartError>| match outcome {
        Err(error @ StartError::NoNameGiven { .. }) => Ok(error.to_string()),
        other => Err(anyhow::anyhow!("{other:?}")),
    };
    let text = refused(guest()?.cookie(Cookie::new("other")?).build_named_by("host@here").await)?;
    ensure!(text.contains("cookie"), "{text}");
    let text = refused(guest()?.build_named_by("nobody@here").await)?;
    ensure!(text.contains("nobody@here"), "{text}");
    let text = refused(guest()?.build_named_by("host@here.there").await)?;
    ensure!(text.contains("short"), "{text}");
    let visible = guest()?.visible(true).build_named_by("host@here").await;
    ensure!(matches!(visible, Err(StartError::Setting(_))), "{visible:?}");
    ensure!(!Flags::offered().contains(Flags::NAME_ME), "only who has no name asks for one");
    Ok(())
}
