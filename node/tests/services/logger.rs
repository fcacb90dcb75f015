//! Rust's events in the log of a live node.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use node::{Atom, Node, Pid, Process, Received, Term, term};
use tests::scene::Scene;
use tokio::time::timeout;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::cluster::{SOON, beam, on_every_release, rust};

/// A handler over there that sends every event to a process here.
async fn handler(node: &Node, there: &Atom, to: &Pid) -> Result<()> {
    Ok(node.erpc(there, "log_sink", "start", (to,)).await?)
}

async fn next(process: &mut Process) -> Result<Term> {
    match timeout(SOON, process.receive::<Received>()).await?.unwrap() {
        Received::Message(message) => Ok(message.into_term()?),
        other => anyhow::bail!("{other:?}"),
    }
}

/// The next event whose message is this text.
async fn logged(process: &mut Process, text: &str) -> Result<Term> {
    loop {
        let message = next(process).await?;
        let event = message.element(1).map(Term::from).context("no event")?;
        let msg = event.as_map().and_then(|event| event.get("msg")).map(Term::from);
        if msg == Some(term!({string, text})) {
            return Ok(event);
        }
    }
}

fn of(map: &Term, key: &str) -> Option<Term> {
    map.as_map()?.get(key).map(Term::from)
}

on_every_release!(events_reach_the_handlers_of_a_beam_node, forwarded);

async fn forwarded(mut scene: Scene) -> Result<()> {
    let there = beam(&mut scene, "logger")?;
    let node = rust(&scene, "rust@localhost").await?;
    let mut sink = node.attach()?;
    handler(&node, &there, &sink.pid()).await?;
    let subscriber = tracing_subscriber::registry().with(node.logger(&there));
    tracing::subscriber::with_default(subscriber, || {
        tracing::warn!(disk = "/var", percent = 97, full = false, ratio = 0.5, "almost größer ∀");
        tracing::error!(target: "elsewhere", "plain");
        tracing::info!(answer = ?Some(42));
        tracing::trace!("fine");
        // This library's own are not forwarded: it would have to tell itself.
        tracing::error!(target: "cnode::conn", "never");
        tracing::debug!("last");
    });
    let event =
        logged(&mut sink, "almost größer ∀ disk=/var percent=97 full=false ratio=0.5").await?;
    assert_eq!(of(&event, "level"), Some(term!('warning)));
    let meta = of(&event, "meta").context("no metadata")?;
    let fields = term!(#{ disk => "/var", percent => 97, full => false, ratio => 0.5 });
    assert_eq!(of(&meta, "fields"), Some(fields));
    assert_eq!(of(&meta, "node"), Some(Term::from(node.runtime().node())));
    assert_eq!(of(&meta, "target"), Some(Term::from(module_path!())));
    ensure!(of(&meta, "line").is_some_and(|line| line.as_i64().is_some()), "{meta}");
    ensure!(of(&meta, "file").is_some_and(|file| file.to_string().contains("logger.rs")), "{meta}");
    ensure!(
        of(&meta, "pid")
            .and_then(|pid| pid.as_pid())
            .is_some_and(|pid| pid.node() == node.runtime().node())
    );
    let time = of(&meta, "time").and_then(|time| time.as_i64()).context("no time")?;
    let theirs: i64 = node.erpc(&there, "logger", "timestamp", ()).await?;
    ensure!((0..60_000_000).contains(&(theirs - time)), "{theirs} - {time}");
    assert_eq!(of(&logged(&mut sink, "plain").await?, "level"), Some(term!('error)));
    assert_eq!(of(&logged(&mut sink, "answer=Some(42)").await?, "level"), Some(term!('info)));
    assert_eq!(of(&logged(&mut sink, "fine").await?, "level"), Some(term!('debug)));
    let last = next(&mut sink).await?;
    ensure!(last.to_string().contains("<<\"last\">>"), "{last}");
    Ok(())
}

on_every_release!(a_node_that_is_away_costs_events_and_no_time, bounded);

async fn bounded(mut scene: Scene) -> Result<()> {
    let there = beam(&mut scene, "logger")?;
    let node = rust(&scene, "rust@localhost").await?;
    let subscriber = tracing_subscriber::registry().with(node.logger(&there));
    let subscriber = tracing::Dispatch::new(subscriber);
    let say =
        |text: &str| tracing::dispatcher::with_default(&subscriber, || tracing::warn!("{text}"));
    // Nobody is connected, and nobody is connected to.
    let begun = Instant::now();
    for _ in 0..5_000 {
        say("lost");
    }
    ensure!(begun.elapsed() < SOON, "logging blocks");
    tokio::time::sleep(Duration::from_millis(300)).await;
    ensure!(node.connections().is_empty(), "logging connects");
    let mut sink = node.attach()?;
    handler(&node, &there, &sink.pid()).await?;
    say("heard");
    logged(&mut sink, "5000 log events of rust@localhost were dropped").await?;
    logged(&mut sink, "heard").await?;
    Ok(())
}
