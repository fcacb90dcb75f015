//! Connections beside code of the program's own that fails or needs something, and beside a node that stops.

mod support;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as Waker, Poll};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use node::carrier::{Address, Carrier, Channel, Listener, Promise, Tcp};
use node::discovery::Discovery;
use node::epmd::Family;
use node::{
    Builder, Cookie, EpmdMode, Exit, Node, NodeEvent, NodeName, Nodes, Process, Received,
    StartError,
};
use support::memory::Memory;
use support::peer;
use term::{Atom, IntoAtom, Pid, Term};
use tokio::io::AsyncWrite;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

const SOON: Duration = Duration::from_secs(20);

fn builder(name: &str) -> Result<Builder> {
    Ok(Node::builder(name).cookie(Cookie::new("secret")?).epmd(EpmdMode::None))
}

/// Somebody's discovery, with a mistake in it.
#[derive(Debug)]
struct Mistaken;

impl Discovery for Mistaken {
    fn locate<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: Family,
    ) -> Promise<'a, io::Result<SocketAddr>> {
        Box::pin(async { panic!("a mistake") })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_a_programs_own_discovery_fails_that_attempt_and_says_so() -> Result<()> {
    let node = builder("a@localhost")?.carrier(Tcp::default()).discovery(Mistaken).build()?;
    let peer = "b@localhost".into_atom();
    for _ in 0..2 {
        let failed = timeout(SOON, node.try_connect(&peer)).await.context("it waits for ever")?;
        let error = failed.err().context("it is connected")?;
        ensure!(error.to_string().contains("panic"), "{error}");
    }
    Ok(())
}

/// A node that stops takes its time over a peer that does not read; meanwhile nobody may connect to the others again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_kept_is_made_again_when_it_has_ended_and_not_while_the_node_stops()
-> Result<()> {
    let memory = Memory::default();
    let (a, b) = ("a@here".into_atom(), "b@here".into_atom());
    let keeper = builder("a@here")?.carrier(memory.clone()).build()?;
    let kept = builder("b@here")?.carrier(memory.clone()).build()?;
    let mut events = kept.events();
    keeper.listen().await?;
    kept.listen().await?;
    keeper.keep_connected(&b);
    up(&mut events, &a).await.context("not connected")?;
    ensure!(kept.disconnect(&a));
    up(&mut events, &a).await.context("not connected again")?;

    let at = peer::at(&keeper)?;
    let offered = node::Flags::offered();
    let _slow = peer::connect(&memory, &at, "a@here", "slow@here", offered).await?;
    let me = keeper.attach()?;
    me.send(Pid::new("slow@here".into_atom(), 1, 0, 77), Term::from(vec![0_u8; 1 << 20]));
    timeout(SOON, keeper.stop()).await?;
    ensure!(keeper.nodes(Nodes::Connected).is_empty(), "{:?}", keeper.nodes(Nodes::Connected));
    Ok(())
}

/// What its processes send and watch then comes to nothing, as on a BEAM after `net_kernel:stop/0`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_has_stopped_makes_no_connection() -> Result<()> {
    let memory = Memory::default();
    let b = "b@here".into_atom();
    let stops = builder("a@here")?.carrier(memory.clone()).build()?;
    let stays = builder("b@here")?.carrier(memory.clone()).build()?;
    stops.listen().await?;
    stays.listen().await?;
    let (mut me, there) = (stops.attach()?, stays.attach()?);
    stops.try_connect(&b).await?;
    let mut events = stays.events();
    timeout(SOON, stops.stop()).await?;

    me.send(there.pid(), Term::from(1));
    let monitor = me.monitor(there.pid());
    match timeout(SOON, me.receive::<Received>()).await? {
        Ok(Received::Down { reference, reason, .. }) => {
            ensure!(reference == monitor && reason.is_atom("noconnection"), "{reason}");
        }
        other => anyhow::bail!("{other:?}"),
    }
    let error = stops.try_connect(&b).await.err().context("it is connected")?;
    ensure!(error.to_string().contains("stopped"), "{error}");
    ensure!(matches!(stops.listen().await, Err(StartError::Stopped)), "it listens again");
    let told = timeout(SOON, events.next()).await?;
    ensure!(matches!(told, Some(NodeEvent::Down { .. })), "{told:?}");
    ensure!(stays.nodes(Nodes::Connected).is_empty(), "{:?}", stays.nodes(Nodes::Connected));
    Ok(())
}

async fn up(events: &mut node::NodeEvents, peer: &Atom) -> Result<()> {
    loop {
        if let NodeEvent::Up { node, .. } =
            timeout(SOON, events.next()).await?.context("no events")?
            && node == *peer
        {
            return Ok(());
        }
    }
}

/// A channel of somebody's own, whose writing half sets a timer of tokio's, as one that limits its rate would, or has a mistake.
#[derive(Debug)]
struct Odd {
    memory: Memory,
    panics: Arc<AtomicBool>,
}

struct OddWriter {
    writer: Box<dyn AsyncWrite + Send + Unpin>,
    panics: Arc<AtomicBool>,
}

impl AsyncWrite for OddWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Waker<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        assert!(!self.panics.load(Ordering::SeqCst), "a mistake");
        // Needs a runtime around it.
        drop(sleep(Duration::from_secs(1)));
        Pin::new(&mut self.writer).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Waker<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Waker<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_shutdown(cx)
    }
}

impl Carrier for Odd {
    fn name(&self) -> &'static str {
        "odd"
    }

    fn listen<'a>(&'a self, node: &'a str) -> Promise<'a, io::Result<Box<dyn Listener>>> {
        self.memory.listen(node)
    }

    fn connect<'a>(&'a self, node: &'a str, to: &'a Address) -> Promise<'a, io::Result<Channel>> {
        Box::pin(async move {
            let Channel { reader, writer, peer, identity } = self.memory.connect(node, to).await?;
            let writer = Box::new(OddWriter { writer, panics: self.panics.clone() });
            Ok(Channel { reader, writer, peer, identity })
        })
    }

    fn locate(&self, node: &str) -> Option<Address> {
        self.memory.locate(node)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_a_channel_of_the_programs_own_needs_of_tokio_is_there_while_all_workers_compute()
-> Result<()> {
    let memory = Memory::default();
    let there = builder("b@here")?.carrier(memory.clone());
    // On threads of its own: those of the test are to be kept busy.
    let there = std::thread::spawn(move || there.build()).join().ok().context("no node")??;
    let (told, mut tell) = tokio::sync::mpsc::unbounded_channel();
    there.spawn_named("there", async move |mut process: Process| -> Exit {
        loop {
            let number: i64 = process.receive().await?;
            let _ = told.send(number);
        }
    })?;
    there.listen().await?;
    let node = builder("a@here")?.carrier(Odd { memory, panics: Arc::default() }).build()?;
    let to = ("there", "b@here".into_atom());
    // Whoever writes has to have begun.
    node.attach()?.send(to.clone(), 0);
    ensure!(timeout(SOON, tell.recv()).await? == Some(0));
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let computes = Arc::new(AtomicBool::new(true));
    let computing = computes.clone();
    node.spawn(async move |process: Process| -> Exit {
        process.send(to, 1);
        // The only worker is busy until the message has come; for so long, should it not, and no longer: time-outs need it too.
        let _ = wait.recv_timeout(SOON);
        computing.store(false, Ordering::SeqCst);
        Ok(())
    });
    ensure!(tell.recv().await == Some(1));
    ensure!(computes.load(Ordering::SeqCst), "it waited for the worker");
    drop(go_on);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_a_channel_of_the_programs_own_ends_that_connection_and_says_so() -> Result<()> {
    let (memory, panics) = (Memory::default(), Arc::<AtomicBool>::default());
    let there = builder("b@here")?.carrier(memory.clone()).build()?;
    there.listen().await?;
    let node = builder("a@here")?.carrier(Odd { memory, panics: panics.clone() }).build()?;
    let peer = "b@here".into_atom();
    for _ in 0..2 {
        panics.store(false, Ordering::SeqCst);
        let mut events = node.events();
        ensure!(node.connect(&peer).await);
        panics.store(true, Ordering::SeqCst);
        node.attach()?.send(("nobody", &peer), 1);
        let reason = loop {
            if let NodeEvent::Down { reason, .. } =
                timeout(SOON, events.next()).await.context("it goes on")?.context("no events")?
            {
                break reason;
            }
        };
        ensure!(reason.to_string().contains("panic"), "{reason}");
    }
    Ok(())
}

/// A place to be announced that takes its time.
#[derive(Debug, Clone, Default)]
struct Slow(Arc<Progress>);

/// How far it has come.
#[derive(Debug, Default)]
struct Progress {
    asked: Notify,
    goes_on: Notify,
    withdrawn: AtomicBool,
}

impl Discovery for Slow {
    fn announce<'a>(&'a self, _: &'a NodeName, _: u16) -> Promise<'a, io::Result<()>> {
        Box::pin(async {
            self.0.asked.notify_one();
            self.0.goes_on.notified().await;
            Ok(())
        })
    }

    fn withdraw<'a>(&'a self, _: &'a NodeName) -> Promise<'a, ()> {
        self.0.withdrawn.store(true, Ordering::SeqCst);
        Box::pin(std::future::ready(()))
    }

    fn locate<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: Family,
    ) -> Promise<'a, io::Result<SocketAddr>> {
        Box::pin(std::future::ready(Err(io::ErrorKind::NotFound.into())))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_stopped_while_it_begins_to_listen_leaves_no_door_open() -> Result<()> {
    let slow = Slow::default();
    let node = builder("a@localhost")?.carrier(Tcp::default()).discovery(slow.clone()).build()?;
    let node = Arc::new(node);
    let listening = tokio::spawn({
        let node = node.clone();
        async move { node.listen().await }
    });
    timeout(SOON, slow.0.asked.notified()).await.context("it is not announced")?;
    node.stop().await;
    slow.0.goes_on.notify_one();
    let ended = timeout(SOON, listening).await.context("it listens for ever")??;
    ensure!(matches!(ended, Err(StartError::Stopped)), "{ended:?}");
    ensure!(slow.0.withdrawn.load(Ordering::SeqCst), "still announced");
    ensure!(node.port().is_none(), "still listening");
    Ok(())
}
