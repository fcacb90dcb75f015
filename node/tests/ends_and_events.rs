//! What live nodes are told of processes of ours that are threads, however these end, and of our node; and what ours are told.

mod support;

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use node::{Cookie, EpmdMode, Exit, Node, Pid, Process, Reason, Received};
use support::live::{self, Live};
use term::{Atom, IntoAtom, Term, term};
use tests::otp::Otp;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(30);

/// `watcher` monitors and links to each pid it is sent, and says `{watching, Pid}`; kills `{kill, Pid}`; leaves `{leave, Node}`;
/// answers `{From, up}`. Of everything else, the ends of processes and the node events, it prints a line.
const WATCHER: &str = "spawn(fun() -> register(watcher, self()), process_flag(trap_exit, true), \
    ok = net_kernel:monitor_nodes(true, [{node_type, all}, nodedown_reason]), \
    F = fun G() -> receive \
    {From, watch} -> monitor(process, From), link(From), From ! watching, G(); \
    {kill, Pid} -> exit(Pid, kill), G(); \
    {leave, Node} -> erlang:disconnect_node(Node), G(); \
    {From, up} -> From ! up, G(); \
    {nodeup, _, Info} -> io:format(\"nodeup ~0p~n\", [lists:sort(Info)]), G(); \
    {nodedown, _, Info} -> io:format(\"nodedown ~0p~n\", [lists:sort(Info)]), G(); \
    {'DOWN', _, process, _, Reason} -> io:format(\"down ~0p~n\", [Reason]), G(); \
    {'EXIT', _, Reason} -> io:format(\"exit ~0p~n\", [Reason]), G() end end, F() end).";

fn start(otp: &'static Otp) -> Result<(Live, Node)> {
    let live = Live::start_with(otp, &["-eval", WATCHER])?;
    let builder = Node::builder("rust@127.0.0.1").cookie(Cookie::new(live::COOKIE)?);
    let node = builder.epmd(EpmdMode::External).epmd_port(live.epmd_port).build()?;
    Ok((live, node))
}

/// Waits until the live node has printed this line, at `from` or after; the place behind it.
fn printed(live: &Live, from: usize, wanted: &str) -> Result<usize> {
    let log = live.node.log();
    let found = log.wait_for(from, SOON, |line| (line.text == wanted).then_some(()));
    found.map(|(at, ())| at).with_context(|| format!("no {wanted} in:\n{}", log.tail(20)))
}

/// The next line of the kind that is asked for.
fn next_event(live: &Live, from: &mut usize) -> Result<String> {
    let log = live.node.log();
    let event = |line: &tests::log::Line| line.text.starts_with("node").then(|| line.text.clone());
    let found = log.wait_for(*from, SOON, event);
    let (at, text) = found.with_context(|| format!("no event in:\n{}", log.tail(20)))?;
    *from = at;
    Ok(text)
}

/// Has the live node watch the process, which is this thread's, and knows so.
fn have_watched(process: &mut Process) -> Result<(), Reason> {
    process.send(("watcher", live::NAME), (process.pid(), "watch".into_atom()));
    let answer: Term = process.receive_blocking()?;
    assert_eq!(answer, term!('watching));
    Ok(())
}

fn panics(mut process: Process) -> Exit {
    have_watched(&mut process)?;
    panic!("torn off");
}

fn fails(mut process: Process) -> Exit {
    have_watched(&mut process)?;
    Err(Reason::new(term!({no, 'more})))
}

fn returns(mut process: Process) -> Exit {
    have_watched(&mut process)
}

fn is_killed(mut process: Process) -> Exit {
    have_watched(&mut process)?;
    process.send(("watcher", live::NAME), ("kill".into_atom(), process.pid()));
    // For ever: nothing is sent.
    process.receive_blocking::<Term>().map(|_| ())
}

type Body = fn(Process) -> Exit;

async fn threads_end(otp: &'static Otp) -> Result<()> {
    let (live, node) = start(otp)?;
    let ends: [(Body, &str); 4] = [
        (panics, "{panic,<<\"torn off\">>}"),
        (fails, "{no,more}"),
        (returns, "normal"),
        (is_killed, "killed"),
    ];
    let mut from = 0;
    for (body, reason) in ends {
        node.runtime().spawn_thread(body)?;
        from = both_told(&live, from, reason)?;
    }
    // A thread of the program's own that was made a process.
    let mut process = node.attach()?;
    let own = thread::spawn(move || {
        have_watched(&mut process).ok();
        panic!("torn off");
    });
    ensure!(own.join().is_err());
    both_told(&live, from, "{panic,<<\"the code that held the process panicked\">>}")?;
    Ok(())
}

/// The monitor and the link tell of the same end, in no order.
fn both_told(live: &Live, from: usize, reason: &str) -> Result<usize> {
    let down = printed(live, from, &format!("down {reason}"))?;
    let exit = printed(live, from, &format!("exit {reason}"))?;
    Ok(down.max(exit))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_node_is_told_why_a_thread_has_ended() -> Result<()> {
    for otp in live::releases()? {
        threads_end(otp).await.with_context(|| format!("OTP {}", otp.release()))?;
    }
    Ok(())
}

async fn next(process: &mut Process) -> Result<Received> {
    let next = timeout(SOON, process.receive::<Received>()).await.context("nothing came")?;
    next.map_err(|reason| anyhow::anyhow!("{reason}"))
}

async fn up(me: &mut Process, peer: &Atom) -> Result<()> {
    match next(me).await? {
        Received::NodeUp(node) if node == *peer => Ok(()),
        other => anyhow::bail!("{other:?}"),
    }
}

/// For `monitor_nodes`, and once more for `monitor_node`.
async fn down(me: &mut Process, peer: &Atom, times: usize) -> Result<()> {
    for _ in 0..times {
        match next(me).await? {
            Received::NodeDown(node) if node == *peer => {}
            other => anyhow::bail!("{other:?}"),
        }
    }
    Ok(())
}

async fn nodes_come_and_go(otp: &'static Otp) -> Result<()> {
    let (live, node) = start(otp)?;
    let peer = Atom::new(live::NAME)?;
    let mut me = node.attach()?;
    me.monitor_nodes(true);
    let mut at = 0;
    let hidden_up = "nodeup [{node_type,hidden}]";

    ensure!(node.connect(&peer).await);
    up(&mut me, &peer).await?;
    ensure!(next_event(&live, &mut at)? == hidden_up);

    // We leave.
    me.monitor_node(&peer, true);
    ensure!(node.disconnect(&peer));
    down(&mut me, &peer, 2).await?;
    let event = next_event(&live, &mut at)?;
    ensure!(
        event == "nodedown [{node_type,hidden},{nodedown_reason,connection_closed}]",
        "{event}"
    );

    // They leave.
    ensure!(node.connect(&peer).await);
    up(&mut me, &peer).await?;
    ensure!(next_event(&live, &mut at)? == hidden_up);
    me.monitor_node(&peer, true);
    me.monitor_node(&peer, false);
    me.send(("watcher", &peer), ("leave".into_atom(), node_of(&me.pid())));
    down(&mut me, &peer, 1).await?;
    let event = next_event(&live, &mut at)?;
    ensure!(event == "nodedown [{node_type,hidden},{nodedown_reason,disconnect}]", "{event}");

    // Who does not ask any longer is not told, and has been told nothing twice.
    me.monitor_nodes(false);
    ensure!(node.connect(&peer).await);
    ensure!(next_event(&live, &mut at)? == hidden_up);
    me.send(("watcher", &peer), (me.pid(), "up".into_atom()));
    match next(&mut me).await? {
        Received::Message(answer) => ensure!(answer.into_term()? == term!('up)),
        other => anyhow::bail!("{other:?}"),
    }
    Ok(())
}

fn node_of(pid: &Pid) -> Atom {
    pid.node().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_events_come_on_both_sides_of_a_connection() -> Result<()> {
    for otp in live::releases()? {
        nodes_come_and_go(otp).await.with_context(|| format!("OTP {}", otp.release()))?;
    }
    Ok(())
}
