//! Two nodes in one process: what one says, the other hears.

mod support;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mailbox::{Exit, Nodes, Process, Received};
use node::Flags;
use node::{Cookie, DownReason, EpmdMode, Node, NodeEvent, NodeKind};
use support::memory::Memory;
use support::network::Network;
use support::peer;
use term::{Atom, IntoAtom, Pid, Term, term};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(5);

over_each_network!(
    the_first_send_connects_and_what_is_sent_meanwhile_arrives_in_order,
    a_lost_connection_is_told_once_to_links_monitors_and_subscribers,
    after_a_loss_the_next_send_connects_again,
    another_cookie_is_refused_and_who_waited_is_told,
    a_cookie_for_one_peer_is_used_with_that_peer_in_both_directions,
    short_and_long_names_do_not_mix_and_nobody_waits_for_it,
    a_node_that_comes_back_takes_the_place_of_its_old_connection,
    pids_of_an_earlier_life_of_a_node_reach_nobody,
    two_nodes_that_dial_each_other_at_once_end_up_with_one_connection,
);

fn builder(name: &str, network: &Network) -> Result<node::Builder> {
    let node = Node::builder(name).cookie(Cookie::new("secret")?).epmd(EpmdMode::None);
    network.carry(node)
}

async fn pair(network: &Network) -> Result<(Node, Node)> {
    let (a, b) = (builder("a@here", network)?.build()?, builder("b@here", network)?.build()?);
    a.listen().await?;
    b.listen().await?;
    Ok((a, b))
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

async fn next(process: &mut Process) -> Result<Received> {
    let received = timeout(SOON, process.receive::<Received>()).await.context("nothing came")?;
    received.map_err(|reason| anyhow::anyhow!("{reason}"))
}

async fn next_term(process: &mut Process) -> Result<Term> {
    Ok(next(process).await?.into_term()?)
}

async fn the_first_send_connects_and_what_is_sent_meanwhile_arrives_in_order(
    network: Network,
) -> Result<()> {
    let (a, b) = pair(&network).await?;
    b.spawn_named("echo", echo)?;
    let mut me = a.attach()?;
    for number in 0..1_000 {
        me.send(("echo", name(&b)?), (me.pid(), number));
    }
    for number in 0..1_000 {
        assert_eq!(next_term(&mut me).await?, term!({ echo, number }));
    }
    assert_eq!(a.nodes(Nodes::Hidden), [name(&b)?]);
    assert_eq!(b.nodes(Nodes::Connected), [name(&a)?]);
    assert!(b.nodes(Nodes::Visible).is_empty());
    Ok(())
}

async fn a_lost_connection_is_told_once_to_links_monitors_and_subscribers(
    network: Network,
) -> Result<()> {
    let (a, b) = pair(&network).await?;
    let remote = b.spawn_named("echo", echo)?;
    let mut me = a.attach()?;
    me.trap_exit(true);
    let mut events = a.events();
    let monitor = me.monitor(&remote);
    me.link(&remote);
    me.monitor_node(name(&b)?, true);
    me.send(&remote, (me.pid(), 1));
    assert_eq!(next_term(&mut me).await?, term!({ echo, 1 }));
    b.disconnect(&name(&a)?);
    let (mut exits, mut downs, mut nodedowns) = (0, 0, 0);
    for _ in 0..3 {
        match next(&mut me).await? {
            Received::Exit { from, reason } => {
                ensure!(from == remote && reason.is_atom("noconnection"), "{from} {reason}");
                exits += 1;
            }
            Received::Down { reference, reason, .. } => {
                ensure!(
                    reference == monitor && reason.is_atom("noconnection"),
                    "{reference} {reason}"
                );
                downs += 1;
            }
            Received::NodeDown(node) => {
                assert_eq!(node, name(&b)?);
                nodedowns += 1;
            }
            other => anyhow::bail!("{other:?}"),
        }
    }
    assert_eq!((exits, downs, nodedowns), (1, 1, 1));
    assert!(
        timeout(Duration::from_millis(200), me.receive::<Received>()).await.is_err(),
        "told twice"
    );
    assert_eq!(
        events.next().await,
        Some(NodeEvent::Up { node: name(&b)?, kind: NodeKind::Hidden })
    );
    match events.next().await {
        Some(NodeEvent::Down { node, reason: DownReason::ConnectionClosed(_), .. }) => {
            assert_eq!(node, name(&b)?)
        }
        other => anyhow::bail!("{other:?}"),
    }
    Ok(())
}

async fn after_a_loss_the_next_send_connects_again(network: Network) -> Result<()> {
    let (a, b) = pair(&network).await?;
    let remote = b.spawn_named("echo", echo)?;
    let mut me = a.attach()?;
    for round in 0..20 {
        me.send(&remote, (me.pid(), round));
        assert_eq!(next_term(&mut me).await?, term!({ echo, round }));
        assert!(a.disconnect(&name(&b)?));
    }
    assert!(!a.disconnect(&name(&b)?));
    Ok(())
}

async fn another_cookie_is_refused_and_who_waited_is_told(network: Network) -> Result<()> {
    let a = builder("a@here", &network)?.cookie(Cookie::new("other")?).build()?;
    let b = builder("b@here", &network)?.build()?;
    b.listen().await?;
    let mut me = a.attach()?;
    let monitor = me.monitor(("echo", name(&b)?));
    match next(&mut me).await? {
        Received::Down { reference, reason, .. } => {
            assert_eq!(reference, monitor);
            assert!(reason.is_atom("noconnection"));
        }
        other => anyhow::bail!("{other:?}"),
    }
    assert!(!a.connect(&name(&b)?).await);
    assert!(b.nodes(Nodes::Connected).is_empty());
    // The caller may be told before the other end has counted.
    timeout(SOON, async {
        while b.stats().refused < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await?;
    assert_eq!(b.stats().refused, 2);
    Ok(())
}

async fn a_cookie_for_one_peer_is_used_with_that_peer_in_both_directions(
    network: Network,
) -> Result<()> {
    let a =
        builder("a@here", &network)?.cookie_for("b@here", Cookie::new("between us")?).build()?;
    let b =
        builder("b@here", &network)?.cookie_for("a@here", Cookie::new("between us")?).build()?;
    a.listen().await?;
    b.listen().await?;
    assert!(a.connect(&name(&b)?).await);
    assert!(a.disconnect(&name(&b)?));
    assert!(b.connect(&name(&a)?).await);
    Ok(())
}

async fn short_and_long_names_do_not_mix_and_nobody_waits_for_it(network: Network) -> Result<()> {
    let (a, b) =
        (builder("a@here", &network)?.build()?, builder("b@here.there", &network)?.build()?);
    b.listen().await?;
    assert!(!timeout(SOON, a.connect(&name(&b)?)).await?);
    Ok(())
}

async fn a_node_that_comes_back_takes_the_place_of_its_old_connection(
    network: Network,
) -> Result<()> {
    let (a, b) = pair(&network).await?;
    assert!(a.connect(&name(&b)?).await);
    let mut events = b.events();
    // Another life of `a`, while `b` has not noticed the end of the first.
    let again = builder("a@here", &network)?.build()?;
    assert!(again.connect(&name(&b)?).await);
    let (node, kind) = (name(&a)?, NodeKind::Hidden);
    assert_eq!(
        events.next().await,
        Some(NodeEvent::Down { node: node.clone(), kind, reason: DownReason::Replaced })
    );
    assert_eq!(events.next().await, Some(NodeEvent::Up { node, kind }));
    let connections = b.connections();
    assert_eq!(connections.len(), 1);
    assert_eq!(connections.first().map(|connection| connection.creation), Some(again.creation()));
    Ok(())
}

async fn pids_of_an_earlier_life_of_a_node_reach_nobody(network: Network) -> Result<()> {
    let a = builder("a@here", &network)?.build()?;
    let b = builder("b@here", &network)?.build()?;
    b.listen().await?;
    let mut me = a.attach()?;
    let pid = b.spawn_named("echo", echo)?;
    let (id, serial) = (pid.id(), pid.serial());
    let old = Pid::new(pid.node().clone(), id, serial, pid.creation().wrapping_sub(1));
    let monitor = me.monitor(&old);
    me.send(&old, (me.pid(), 1));
    match next(&mut me).await? {
        Received::Down { reference, reason, .. } => {
            assert_eq!(reference, monitor);
            assert!(reason.is_atom("noproc"), "{reason}");
        }
        other => anyhow::bail!("{other:?}"),
    }
    me.send(&pid, (me.pid(), 2));
    assert_eq!(next_term(&mut me).await?, term!({ echo, 2 }));
    Ok(())
}

async fn two_nodes_that_dial_each_other_at_once_end_up_with_one_connection(
    network: Network,
) -> Result<()> {
    for _ in 0..200 {
        let network = network.another()?;
        let (a, b) = pair(&network).await?;
        a.spawn_named("echo", echo)?;
        b.spawn_named("echo", echo)?;
        let (mut from_a, mut from_b) = (a.attach()?, b.attach()?);
        from_a.send(("echo", name(&b)?), (from_a.pid(), 1));
        from_b.send(("echo", name(&a)?), (from_b.pid(), 2));
        assert_eq!(next_term(&mut from_a).await?, term!({ echo, 1 }));
        assert_eq!(next_term(&mut from_b).await?, term!({ echo, 2 }));
        assert_eq!((a.connections().len(), b.connections().len()), (1, 1));
    }
    Ok(())
}

/// Half of them are dialled while they dial, and all in the same moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_dials_at_once_make_one_connection_for_each_pair_and_lose_nothing() -> Result<()>
{
    const LONG: Duration = Duration::from_secs(60);
    let network = Network::tcp();
    let middle = builder("middle@here", &network)?.build()?;
    middle.spawn_named("echo", echo)?;
    middle.listen().await?;
    let (mut others, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..50 {
        // On either side of the name in the middle, as the order of names decides who wins.
        let side = if number % 2 == 0 { "a" } else { "z" };
        let other = builder(&format!("{side}{number}@here"), &network)?.build()?;
        other.spawn_named("echo", echo)?;
        other.listen().await?;
        ours.push((middle.attach()?, name(&other)?));
        theirs.push(other.attach()?);
        others.push(other);
    }
    let to = name(&middle)?;
    for ((from_us, other), from_them) in ours.iter().zip(&theirs) {
        from_us.send(("echo", other.clone()), (from_us.pid(), other.clone()));
        from_them.send(("echo", to.clone()), (from_them.pid(), 2));
    }
    for (process, other) in &mut ours {
        let answer: Term = timeout(LONG, process.receive())
            .await
            .with_context(|| format!("{other} does not answer"))?
            .map_err(|reason| anyhow::anyhow!("{reason}"))?;
        assert_eq!(answer, term!({ echo, (other.clone()) }));
    }
    for process in &mut theirs {
        let answer: Term = timeout(LONG, process.receive())
            .await
            .context("no answer from the middle")?
            .map_err(|reason| anyhow::anyhow!("{reason}"))?;
        assert_eq!(answer, term!({ echo, 2 }));
    }
    assert_eq!(middle.connections().len(), others.len());
    for other in &others {
        assert_eq!(other.connections().len(), 1, "{}", other.name());
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_lives_on_ticks() -> Result<()> {
    let network = Network::memory();
    let (a, b) = pair(&network).await?;
    assert!(a.connect(&name(&b)?).await);
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(a.nodes(Nodes::Connected), [name(&b)?]);
    assert_eq!(b.nodes(Nodes::Connected), [name(&a)?]);
    let traffic = a.stats().traffic;
    // An empty frame each quarter of a minute: 240 in the hour, 4 bytes each, and nothing else.
    assert!((200 * 4..300 * 4).contains(&traffic.bytes_out), "{traffic:?}");
    assert_eq!(traffic.messages_out, 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_cut_between_three_and_five_quarters_of_the_ticktime() -> Result<()> {
    let memory = Memory::default();
    let network = Network::Memory(memory.clone());
    let (a, _) = pair(&network).await?;
    let mut events = a.events();
    let began = tokio::time::Instant::now();
    let mut silent =
        peer::connect(&memory, &peer::at(&a)?, "a@here", "silent@here", Flags::offered()).await?;
    silent.ended().await?;
    let lasted = began.elapsed();
    assert!((45..=75).contains(&lasted.as_secs()), "{lasted:?}");
    assert!(matches!(events.next().await, Some(NodeEvent::Up { .. })));
    match events.next().await {
        Some(NodeEvent::Down { reason, .. }) => assert_eq!(reason, DownReason::NetTickTimeout),
        other => anyhow::bail!("{other:?}"),
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_only_ticks_is_kept() -> Result<()> {
    let memory = Memory::default();
    let network = Network::Memory(memory.clone());
    let (a, _) = pair(&network).await?;
    let mut ticking =
        peer::connect(&memory, &peer::at(&a)?, "a@here", "ticking@here", Flags::offered()).await?;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_secs(40)).await;
        ticking.send(&[]).await?;
    }
    assert_eq!(a.nodes(Nodes::Connected), [Atom::new("ticking@here")?]);
    Ok(())
}

/// On one thread and in memory, where no delay of the machine's can make the large one faster.
#[tokio::test]
async fn messages_over_one_megabyte_arrive_whole_and_small_ones_overtake_them() -> Result<()> {
    let (a, b) = pair(&Network::memory()).await?;
    b.spawn_named("echo", echo)?;
    let (mut big, mut small) = (a.attach()?, a.attach()?);
    let body = Term::from(bytes::Bytes::from(vec![7_u8; 8 << 20]));
    assert!(a.connect(&name(&b)?).await);
    big.send(("echo", name(&b)?), (big.pid(), body.clone()));
    big.send(("echo", name(&b)?), (big.pid(), 2));
    small.send(("echo", name(&b)?), (small.pid(), 1));
    assert_eq!(next_term(&mut small).await?, term!({ echo, 1 }));
    assert_eq!(big.mailbox_len(), 0, "the small one had to wait for the large one");
    assert_eq!(next_term(&mut big).await?, term!({ echo, body }));
    assert_eq!(next_term(&mut big).await?, term!({ echo, 2 }));
    Ok(())
}
