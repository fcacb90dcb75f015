//! Who is held back by what: a slow mailbox, a slow peer, and those beside them.

mod support;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use node::{Cookie, EpmdMode, Exit, Node, NodeEvent, Nodes, Process};
use support::network::Network;
use term::{Atom, IntoAtom, Pid, Term, term};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

const SOON: Duration = Duration::from_secs(20);

over_each_network!(
    a_mailbox_that_nobody_reads_holds_up_nobody_on_its_connection,
    senders_to_a_busy_peer_wait_or_block_or_are_told_or_go_on_and_other_peers_do_not_notice,
    who_waits_for_room_is_freed_when_the_connection_ends,
    a_message_over_the_bound_waits_for_its_connection_and_takes_those_beside_it_along,
);

fn builder(name: &str, network: &Network) -> Result<node::Builder> {
    let node = Node::builder(name).cookie(Cookie::new("secret")?).epmd(EpmdMode::None);
    network.carry(node)
}

async fn echo(mut process: Process) -> Exit {
    loop {
        let (from, body): (Pid, Term) = process.receive().await?;
        process.send(from, ("echo".into_atom(), body));
    }
}

fn name(node: &Node) -> Result<Atom> {
    Ok(Atom::new(node.name().as_str())?)
}

async fn echoed(process: &mut Process, node: &Node, mark: i64) -> Result<Duration> {
    let begun = Instant::now();
    process.send(("echo", name(node)?), (process.pid(), mark));
    let echo = timeout(SOON, process.receive::<Term>()).await.context("nothing came")?;
    ensure!(echo.map_err(|reason| anyhow::anyhow!("{reason}"))? == term!({ echo, mark }));
    Ok(begun.elapsed())
}

/// A process that reads nothing until it is told to, and then everything; how much it has read.
fn sleeper(node: &Node) -> Result<(watch::Sender<bool>, watch::Receiver<usize>)> {
    let (wake, mut woken) = watch::channel(false);
    let (read, reads) = watch::channel(0);
    node.spawn_named("sleeper", async move |mut process: Process| -> Exit {
        let _ = woken.wait_for(|woken| *woken).await;
        loop {
            let _: Term = process.receive().await?;
            read.send_modify(|read| *read += 1);
        }
    })?;
    Ok((wake, reads))
}

fn body(bytes: usize) -> Term {
    Term::from(Bytes::from(vec![7; bytes]))
}

async fn a_mailbox_that_nobody_reads_holds_up_nobody_on_its_connection(
    network: Network,
) -> Result<()> {
    let (a, b) = (builder("a@here", &network)?.build()?, builder("b@here", &network)?.build()?);
    b.spawn_named("echo", echo)?;
    let (wake, mut reads) = sleeper(&b)?;
    b.listen().await?;
    let (mut me, busy) = (a.attach()?, a.attach()?);
    for number in 0..60 {
        busy.send_wait(("sleeper", name(&b)?), body(1 << 20)).await;
        for _ in 0..1_000 {
            busy.send_wait(("sleeper", name(&b)?), number).await;
        }
        echoed(&mut me, &b, number).await.context("behind 60 MiB and 60,000 messages")?;
    }
    ensure!(*reads.borrow() == 0);
    wake.send_replace(true);
    timeout(SOON, reads.wait_for(|reads| *reads == 60 * 1_001)).await??;
    Ok(())
}

/// Over the bound the sender's node is held back, and for however long: neither side takes the other for dead.
#[tokio::test(start_paused = true)]
async fn over_the_bound_of_unread_messages_the_peer_is_held_back_and_kept() -> Result<()> {
    let network = Network::memory();
    let a = builder("a@here", &network)?.build()?;
    let b = builder("b@here", &network)?.unread_limit(1 << 20).build()?;
    b.spawn_named("echo", echo)?;
    let (wake, mut reads) = sleeper(&b)?;
    b.listen().await?;
    let mut me = a.attach()?;
    for _ in 0..16 {
        me.send(("sleeper", name(&b)?), body(1 << 20));
    }
    sleep(Duration::from_secs(3_600)).await;
    let unread = b.connections().first().context("b has lost the connection")?.unread;
    ensure!((1 << 20..4 << 20).contains(&unread), "{unread} bytes in the mailbox");
    ensure!(a.nodes(Nodes::Connected) == [name(&b)?], "a has lost the connection");
    let queued = a.connections().first().context("a has lost the connection")?.queued;
    ensure!(queued > 8 << 20, "{queued} bytes wait at the sender");
    wake.send_replace(true);
    reads.wait_for(|reads| *reads == 16).await?;
    echoed(&mut me, &b, 1).await?;
    // And a peer that has gone meanwhile is found out again.
    ensure!(b.disconnect(&name(&a)?));
    Ok(())
}

/// A task waits, a thread blocks, who tries is told, who asks for nothing goes on; and somebody else's peer is reached as ever.
async fn senders_to_a_busy_peer_wait_or_block_or_are_told_or_go_on_and_other_peers_do_not_notice(
    network: Network,
) -> Result<()> {
    let a = builder("a@here", &network)?.busy_limit(1 << 20).build()?;
    let slow = builder("slow@here", &network)?.unread_limit(1 << 20).build()?;
    let quick = builder("quick@here", &network)?.build()?;
    quick.spawn_named("echo", echo)?;
    let (wake, mut reads) = sleeper(&slow)?;
    slow.listen().await?;
    quick.listen().await?;
    let mut events = a.events();
    let to = name(&slow)?;
    let mut me = a.attach()?;
    ensure!(a.connect(&to).await && a.connect(&name(&quick)?).await);
    // Who goes on is done at once.
    for _ in 0..8 {
        me.send(("sleeper", &to), body(1 << 20));
    }
    let refused = me.try_send(("sleeper", &to), 3).expect_err("it was sent to a busy peer");
    ensure!(refused.message == 3, "another message came back: {refused:?}");
    ensure!(me.try_send(("nobody", name(&quick)?), 3).is_ok(), "another peer is not busy");
    let (done, mut progress) = watch::channel((false, false));
    let (waits, blocks) = (done.clone(), done);
    let (at_task, at_thread) = (to.clone(), to.clone());
    a.spawn(async move |process: Process| -> Exit {
        process.send_wait(("sleeper", &at_task), 1).await;
        waits.send_modify(|done| done.0 = true);
        Ok(())
    });
    a.spawn_thread("blocked", move |process: Process| -> Exit {
        process.send_blocking(("sleeper", &at_thread), 2);
        blocks.send_modify(|done| done.1 = true);
        Ok(())
    })?;
    let mut longest = Duration::ZERO;
    for mark in 0..200 {
        longest = longest.max(echoed(&mut me, &quick, mark).await?);
    }
    ensure!(longest < Duration::from_secs(2), "another peer's echo took {longest:?}");
    sleep(Duration::from_millis(200)).await;
    ensure!(
        *progress.borrow() == (false, false),
        "somebody did not wait: {:?}",
        *progress.borrow()
    );
    wake.send_replace(true);
    timeout(SOON, progress.wait_for(|done| *done == (true, true))).await??;
    timeout(SOON, reads.wait_for(|reads| *reads == 10)).await??;
    let (mut busy, mut ready) = (0, 0);
    loop {
        // The last is Ready, which may take a moment on a busy machine.
        let patience = if busy > ready { SOON } else { Duration::from_millis(200) };
        let Ok(event) = timeout(patience, events.next()).await else { break };
        match event.context("no events")? {
            NodeEvent::Busy { node } if node == to => busy += 1,
            NodeEvent::Ready { node } if node == to => ready += 1,
            NodeEvent::Up { .. } => {}
            other => anyhow::bail!("{other:?}"),
        }
    }
    ensure!(busy > 0 && busy == ready, "{busy} times busy, {ready} times ready");
    ensure!(me.try_send(("sleeper", &to), 4).is_ok(), "there is room again");
    timeout(SOON, reads.wait_for(|reads| *reads == 11)).await??;
    Ok(())
}

/// A peer that goes while others wait for room frees them.
async fn who_waits_for_room_is_freed_when_the_connection_ends(network: Network) -> Result<()> {
    let a = builder("a@here", &network)?.busy_limit(1 << 16).build()?;
    let slow = builder("slow@here", &network)?.unread_limit(1 << 16).build()?;
    let (_wake, _reads) = sleeper(&slow)?;
    slow.listen().await?;
    let me = a.attach()?;
    let to = name(&slow)?;
    ensure!(a.connect(&to).await);
    for _ in 0..8 {
        me.send(("sleeper", &to), body(1 << 18));
    }
    let waiting = me.send_wait(("sleeper", &to), 1);
    tokio::pin!(waiting);
    ensure!(timeout(Duration::from_millis(100), &mut waiting).await.is_err(), "it did not wait");
    ensure!(a.disconnect(&to));
    timeout(SOON, waiting).await.context("it still waits")?;
    Ok(())
}

/// As on a connection that is up, the largest message does not count: alone it says nothing about the peer.
async fn a_message_over_the_bound_waits_for_its_connection_and_takes_those_beside_it_along(
    network: Network,
) -> Result<()> {
    let a = builder("a@here", &network)?.outbound_limit(1 << 16).build()?;
    let b = builder("b@here", &network)?.build()?;
    let (wake, mut reads) = sleeper(&b)?;
    wake.send_replace(true);
    b.listen().await?;
    let me = a.attach()?;
    let to = ("sleeper", name(&b)?);
    // The first begins the connection, which is up long after the last is sent.
    me.send(to.clone(), 1);
    me.send(to.clone(), body(1 << 20));
    me.send(to, 2);
    timeout(SOON, reads.wait_for(|reads| *reads == 3)).await.context("it was given up")??;
    Ok(())
}
