//! What peers and strangers do wrong costs them their connection, and nobody else anything.

mod support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mailbox::{Exit, Nodes, Process, Received};
use node::carrier::{Address, Carrier, Tcp};
use node::proto::fragment::FRAGMENT_SIZE;
use node::{Cookie, DownReason, EpmdMode, Flags, Node, NodeEvent};
use support::memory::Memory;
use support::peer::{self, Peer};
use term::{Atom, IntoAtom, Pid, Term, term};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const SOON: Duration = Duration::from_secs(10);

fn builder(name: &str) -> Result<node::Builder> {
    Ok(Node::builder(name).cookie(Cookie::new("secret")?).epmd(EpmdMode::None))
}

async fn echo(mut process: Process) -> Exit {
    loop {
        let (from, body): (Pid, Term) = process.receive().await?;
        process.send(from, ("echo".into_atom(), body));
    }
}

async fn in_memory(memory: &Memory) -> Result<Node> {
    let node = builder("victim@here")?.carrier(memory.clone()).build()?;
    node.spawn_named("echo", echo)?;
    node.listen().await?;
    Ok(node)
}

async fn call(memory: &Memory, node: &Node, name: &str) -> Result<Peer> {
    peer::connect(memory, &peer::at(node)?, "victim@here", name, Flags::offered() - headers()).await
}

/// Without these, what a frame is made of is two terms.
fn headers() -> Flags {
    Flags::DIST_HDR_ATOM_CACHE | Flags::FRAGMENTS
}

/// A pass-through frame: control message and payload, each with its version.
fn frame(control: &Term, payload: Option<&[u8]>) -> Vec<u8> {
    let mut frame = vec![112];
    frame.extend_from_slice(&control.encode_to_vec());
    frame.extend_from_slice(payload.unwrap_or_default());
    frame
}

/// A process of a node that is none of ours.
fn pid(node: &'static str) -> Pid {
    Pid::new(node.into_atom(), 1, 0, 77)
}

/// The node answers others.
async fn serves(memory: &Memory, node: &Node) -> Result<()> {
    let friend = builder("friend@here")?.carrier(memory.clone()).build()?;
    let mut me = friend.attach()?;
    me.send(("echo", Atom::new(node.name().as_str())?), (me.pid(), 1));
    let answer: Term =
        timeout(SOON, me.receive()).await?.map_err(|reason| anyhow::anyhow!("{reason}"))?;
    assert_eq!(answer, term!({ echo, 1 }));
    friend.stop().await;
    Ok(())
}

async fn why_down(events: &mut node::NodeEvents) -> Result<DownReason> {
    loop {
        if let NodeEvent::Down { reason, .. } =
            timeout(SOON, events.next()).await?.context("no events")?
        {
            return Ok(reason);
        }
    }
}

#[tokio::test]
async fn what_is_no_protocol_ends_its_connection_and_no_other() -> Result<()> {
    let memory = Memory::default();
    let node = in_memory(&memory).await?;
    let mut events = node.events();
    let from = pid("bad@here");
    let send = term!({ (6), from.clone(), (Atom::from_static("")), 'echo });
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("neither 112 nor 131", vec![1, 2, 3]),
        ("a header that was not agreed on", vec![131, 68, 0, 97, 1]),
        ("no control message", vec![112, 131]),
        ("an operation of nobody's", frame(&term!({ (99), 1 }), None)),
        ("a message without its content", frame(&send, None)),
        (
            "a link in the name of another node's process",
            frame(&term!({ (1), (pid("else@here")), (pid("x@here")) }), None),
        ),
        ("a tuple that ends too early", vec![112, 131, 104, 3, 97, 1]),
        ("a list of four billion elements", vec![112, 131, 104, 2, 97, 1, 108, 255, 255, 255, 255]),
    ];
    for (what, bytes) in cases {
        let mut bad = call(&memory, &node, "bad@here").await?;
        bad.send(&bytes).await?;
        timeout(SOON, bad.ended()).await.with_context(|| format!("{what}: still connected"))??;
        let reason = why_down(&mut events).await?;
        ensure!(matches!(reason, DownReason::Protocol(_)), "{what}: {reason}");
    }
    serves(&memory, &node).await
}

#[tokio::test]
async fn a_message_that_is_no_term_ends_the_connection_it_came_over_when_it_is_read() -> Result<()>
{
    let memory = Memory::default();
    let node = in_memory(&memory).await?;
    let mut events = node.events();
    let mut bad = call(&memory, &node, "bad@here").await?;
    let send = term!({ (6), (pid("bad@here")), (Atom::from_static("")), 'echo });
    bad.send(&frame(&send, Some(&[131, 104, 2, 103]))).await?;
    timeout(SOON, bad.ended()).await??;
    assert!(matches!(why_down(&mut events).await?, DownReason::Protocol(_)));
    serves(&memory, &node).await
}

#[tokio::test]
async fn a_frame_over_the_limit_is_refused_before_it_comes() -> Result<()> {
    let memory = Memory::default();
    let node = builder("victim@here")?.carrier(memory.clone()).max_frame(1 << 20).build()?;
    node.spawn_named("echo", echo)?;
    node.listen().await?;
    let mut bad = call(&memory, &node, "bad@here").await?;
    bad.channel.writer.write_all(&[0xff, 0xff, 0xff, 0xff]).await?;
    timeout(SOON, bad.ended()).await??;
    serves(&memory, &node).await
}

#[tokio::test]
async fn frames_before_the_cookie_is_proved_deliver_nothing() -> Result<()> {
    let memory = Memory::default();
    let node = builder("victim@here")?.carrier(memory.clone()).build()?;
    let mut me = node.attach()?;
    node.register("me", &me.pid())?;
    node.listen().await?;
    let mut channel = memory.connect("victim@here", &peer::at(&node)?).await?;
    let send = term!({ (6), (pid("bad@here")), (Atom::from_static("")), 'me });
    let early = frame(&send, Some(&[131, 97, 1]));
    channel.writer.write_all(&u32::try_from(early.len())?.to_be_bytes()).await?;
    channel.writer.write_all(&early).await?;
    let mut rest = Vec::new();
    timeout(SOON, channel.reader.read_to_end(&mut rest)).await??;
    assert!(timeout(Duration::from_millis(100), me.receive::<Received>()).await.is_err());
    assert!(node.nodes(Nodes::Connected).is_empty());
    Ok(())
}

#[tokio::test]
async fn who_offers_a_name_and_stalls_holds_up_nobody_of_that_name() -> Result<()> {
    let memory = Memory::default();
    let node = in_memory(&memory).await?;
    let mut squatters = Vec::new();
    for _ in 0..20 {
        let mut channel = memory.connect("victim@here", &peer::at(&node)?).await?;
        let name = b"friend@here";
        let mut message = vec![b'N'];
        message.extend_from_slice(&Flags::offered().bits().to_be_bytes());
        message.extend_from_slice(&[0, 0, 0, 9]);
        message.extend_from_slice(&u16::try_from(name.len())?.to_be_bytes());
        message.extend_from_slice(name);
        channel.writer.write_all(&u16::try_from(message.len())?.to_be_bytes()).await?;
        channel.writer.write_all(&message).await?;
        // The status has come: it is where a name would be taken.
        let mut status = [0; 5];
        channel.reader.read_exact(&mut status).await?;
        assert_eq!(&status, b"\x00\x03sok");
        squatters.push(channel);
    }
    let began = Instant::now();
    serves(&memory, &node).await?;
    assert!(began.elapsed() < Duration::from_secs(2));
    Ok(())
}

async fn on_tcp() -> Result<(Node, SocketAddr)> {
    let node = builder("victim@localhost")?.interface(IpAddr::V4(Ipv4Addr::LOCALHOST)).build()?;
    node.spawn_named("echo", echo)?;
    node.listen().await?;
    let port = node.port().context("no port")?;
    Ok((node, SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_that_stall_hold_up_no_legitimate_peer_and_go_after_their_time() -> Result<()> {
    let (node, address) = on_tcp().await?;
    let mut strangers = Vec::new();
    // As many as the descriptors of a usual process allow beside the tests that run at the same time.
    for _ in 0..300 {
        strangers.push(TcpStream::connect(address).await?);
    }
    let friend = builder("friend@localhost")?.peer_at("victim@localhost", address).build()?;
    let began = Instant::now();
    assert!(friend.connect(&Atom::new("victim@localhost")?).await);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let mut bytes = [0; 16];
    for mut stranger in strangers {
        let end = timeout(SOON, stranger.read(&mut bytes)).await.context("a stranger was kept")?;
        ensure!(matches!(end, Ok(0) | Err(_)));
    }
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    assert_eq!(node.nodes(Nodes::Connected).len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_does_not_read_is_cut_at_the_bound_and_others_do_not_notice() -> Result<()> {
    let memory = Memory::default();
    let node = builder("victim@here")?.carrier(memory.clone()).outbound_limit(4 << 20).build()?;
    node.spawn_named("echo", echo)?;
    node.listen().await?;
    let mut events = node.events();
    let me = node.attach()?;
    let deaf = call(&memory, &node, "deaf@here").await?;
    let body = Term::from(bytes::Bytes::from(vec![1; FRAGMENT_SIZE]));
    let to = pid("deaf@here");
    for sent in 0..1_000 {
        me.send(&to, body.clone());
        if sent == 20 {
            serves(&memory, &node).await?;
        }
    }
    loop {
        match timeout(SOON, events.next()).await?.context("no events")? {
            NodeEvent::Down { node, reason, .. } if node == *"deaf@here" => {
                assert_eq!(reason, DownReason::SlowConsumer);
                break;
            }
            _ => {}
        }
    }
    drop(deaf);
    serves(&memory, &node).await
}

/// The bound is for what piles up, not for one message: what comes behind a large one waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_above_the_bound_and_what_follows_it_arrive() -> Result<()> {
    let memory = Memory::default();
    let node = builder("victim@here")?.carrier(memory.clone()).outbound_limit(4 << 20).build()?;
    let peer = builder("reader@here")?.carrier(memory.clone()).build()?;
    peer.listen().await?;
    let mut reader = peer.attach()?;
    let me = node.attach()?;
    ensure!(node.connect(reader.pid().node()).await, "no connection");
    let body = Term::from(bytes::Bytes::from(vec![1; 16 << 20]));
    me.send(reader.pid(), body.clone());
    for number in 0..1_000 {
        me.send(reader.pid(), number);
    }
    let large = timeout(SOON, reader.receive::<Term>()).await?;
    ensure!(large.is_ok_and(|large| large == body), "not the large one");
    for number in 0..1_000 {
        let next = timeout(SOON, reader.receive::<i64>()).await?;
        ensure!(next.is_ok_and(|next| next == number), "not {number}");
    }
    Ok(())
}

#[tokio::test]
async fn a_sender_that_waits_is_held_back_by_a_busy_connection_until_there_is_room() -> Result<()> {
    let memory = Memory::default();
    let node = builder("victim@here")?.carrier(memory.clone()).busy_limit(1 << 20).build()?;
    node.listen().await?;
    let mut events = node.events();
    let mut slow = call(&memory, &node, "slow@here").await?;
    let (done, mut waits) = tokio::sync::watch::channel(0);
    let to = pid("slow@here");
    let sender = node.spawn(async move |process: Process| -> Exit {
        let body = Term::from(bytes::Bytes::from(vec![1; FRAGMENT_SIZE]));
        for sent in 1..=100 {
            process.send_wait(&to, body.clone()).await;
            done.send_replace(sent);
        }
        Ok(())
    });
    timeout(SOON, waits.wait_for(|sent| *sent >= 10)).await??;
    sleep(Duration::from_millis(300)).await;
    let held = *waits.borrow();
    // One busy limit in the queue, and what the pipe takes.
    assert!(held < 40, "{held} of 100 were sent to a peer that does not read");
    assert!(node.runtime().is_alive(&sender));
    for _ in 0..100 {
        slow.hear().await?;
    }
    waits.wait_for(|sent| *sent == 100).await?;
    let mut is_busy = false;
    loop {
        // The last is Ready, which may take a moment on a busy machine.
        let patience = if is_busy { SOON } else { Duration::from_millis(100) };
        match timeout(patience, events.next()).await {
            Ok(Some(NodeEvent::Busy { .. })) => ensure!(!is_busy, "busy twice"),
            Ok(Some(NodeEvent::Ready { .. })) => ensure!(is_busy, "ready twice"),
            Ok(Some(_)) => continue,
            Ok(None) => bail!("no events"),
            Err(_) => break,
        }
        is_busy = !is_busy;
    }
    ensure!(!is_busy, "as many Ready as Busy");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_was_sent_before_a_long_computation_leaves_and_the_connection_ticks_meanwhile()
-> Result<()> {
    let memory = Memory::default();
    let node =
        builder("victim@here")?.carrier(memory.clone()).ticktime(Duration::from_secs(1)).build()?;
    node.listen().await?;
    let mut peer = call(&memory, &node, "peer@here").await?;
    let to = pid("peer@here");
    // Long enough for whoever looks after busy workers to have gone to sleep.
    sleep(Duration::from_millis(200)).await;
    // The only worker is busy from here on, and with it all tasks of the node; the test has a thread of its own.
    node.spawn(async move |process: Process| -> Exit {
        process.send(&to, 1);
        std::thread::sleep(Duration::from_secs(3));
        Ok(())
    });
    let began = Instant::now();
    let first = peer.hear().await?;
    ensure!(!first.is_empty() && began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let mut ticks = 0;
    while began.elapsed() < Duration::from_millis(2_500) {
        match timeout(Duration::from_millis(900), peer.hear()).await {
            Ok(frame) => {
                ensure!(frame?.is_empty());
                ticks += 1;
            }
            Err(_) => bail!("no tick while the worker computes"),
        }
    }
    assert!((4..=16).contains(&ticks), "{ticks}");
    Ok(())
}

#[tokio::test]
async fn tcp_listens_where_it_is_told_and_says_so() -> Result<()> {
    let (node, address) = on_tcp().await?;
    assert_eq!(node.address(), Some(Address::Socket(address)));
    let tcp = Tcp::default();
    let peer = peer::connect(
        &tcp,
        &Address::Socket(address),
        "victim@localhost",
        "p@localhost",
        Flags::offered(),
    )
    .await?;
    assert_eq!(node.nodes(Nodes::Hidden), [Atom::new("p@localhost")?]);
    drop(peer);
    Ok(())
}

/// A new connection may be there before the end of the old one is seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_comes_back_at_once_is_down_before_it_is_up_again() -> Result<()> {
    const TIMES: usize = 60;
    let memory = Memory::default();
    let node = in_memory(&memory).await?;
    let mut watcher = node.attach()?;
    watcher.monitor_nodes(true);
    let mut kept = Vec::new();
    for _ in 0..TIMES {
        // It says of the old connection, which it still has, that it is dead.
        kept.push(call(&memory, &node, "restless@here").await?);
    }
    for time in 0..TIMES {
        for wanted in ["nodeup", "nodedown"].into_iter().take(if time + 1 < TIMES { 2 } else { 1 })
        {
            let (got, _): (Atom, Atom) = timeout(SOON, watcher.receive())
                .await?
                .map_err(|reason| anyhow::anyhow!("{reason}"))?;
            ensure!(got == *wanted, "{got} where {wanted} is due, the {time}. time");
        }
    }
    node.stop().await;
    Ok(())
}
