//! What Rust processes and threads ask of a `gen_server`: a BEAM's, another Rust node's, and one of their own node, which must be all the same.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use mailbox::{MultiReply, Requests};
use node::{Atom, Node, Process, Reason, Received, Term, term};
use tests::scene::Scene;

use crate::cluster::{SOON, beam, on_every_release, rust};
use crate::supervision::serve;

on_every_release!(a_gen_server_is_asked_alike_wherever_it_is, alike);

async fn alike(mut scene: Scene) -> Result<()> {
    let beam = beam(&mut scene, "server")?;
    let (near, far) = (rust(&scene, "near@localhost").await?, rust(&scene, "far@localhost").await?);
    let ok: Atom = near.erpc(&beam, "supervising", "serve", ()).await?;
    ensure!(ok == "ok");
    serve(&near).await?;
    serve(&far).await?;
    let nodes = [&beam, far.runtime().node(), near.runtime().node()];
    many(&near, nodes).await?;
    blocking(&near, nodes).await?;
    let mut came = Vec::new();
    for node in nodes {
        let process = &mut near.runtime().attach()?;
        let asked = tokio::time::timeout(SOON, asked(process, node));
        came.push(asked.await.with_context(|| format!("{node} is asked in vain"))??);
    }
    ensure!(came[0] == came[1] && came[0] == came[2], "the BEAM's first: {came:#?}");
    Ok(())
}

/// What comes of each way to ask; in the end the server is gone.
async fn asked(process: &mut Process, node: &Atom) -> Result<Vec<String>> {
    let keeper = || ("keeper", node);
    let (moment, mut came) = (Duration::from_millis(50), Vec::new());
    process.cast(keeper(), term!({set, 5}));
    came.push(format!("{:?}", process.call::<i64>(keeper(), term!('get)).await));
    came.push(format!("{:?}", process.call::<String>(keeper(), term!('get)).await));

    // What comes too late is never seen, nor what was given up.
    let late = process.call::<Term>(keeper(), term!('hold)).timeout(moment).await;
    came.push(format!("{late:?}"));
    released(process, node, &mut came).await?;
    let dropped = process.call::<Term>(keeper(), term!('hold));
    ensure!(tokio::time::timeout(moment, dropped).await.is_err());
    released(process, node, &mut came).await?;
    let abandoned = process.send_request::<Term>(keeper(), term!('hold));
    process.abandon(abandoned);
    released(process, node, &mut came).await?;

    // Waited for in turns, or whichever comes first.
    let mut held = process.send_request::<Atom>(keeper(), term!('hold));
    came.push(format!("{:?}", process.wait_response(&mut held, moment).await));
    process.cast(keeper(), term!('release));
    came.push(format!("{:?}", process.response(held).await));
    let mut requests = Requests::new();
    for (label, request) in
        [("held", term!('hold)), ("got", term!('get)), ("more", term!({add, 1}))]
    {
        requests.add(label, process.send_request::<Term>(keeper(), request));
    }
    came.push(format!("{:?}", requests.next(process).await));
    came.push(format!("{:?}", requests.next(process).await));
    process.cast(keeper(), term!('release));
    came.push(format!("{:?}", requests.next(process).await));
    came.push(format!("{:?}", requests.next(process).await));

    // It crashes while it is asked, and is there no longer.
    let monitor = process.monitor(keeper());
    came.push(format!("{:?}", process.call::<Term>(keeper(), term!('crash)).await));
    match process.receive::<Received>().await.map_err(ended)? {
        Received::Down { reference, reason, .. } if reference == monitor => {
            came.push(outermost(&reason));
        }
        other => came.push(format!("{other:?}")),
    }
    came.push(format!("{:?}", process.call::<Term>(keeper(), term!('get)).await));
    Ok(came)
}

/// The server replies to who has given up. When it answers the next question that has arrived, and is not in the mailbox.
async fn released(process: &mut Process, node: &Atom, came: &mut Vec<String>) -> Result<()> {
    process.cast(("keeper", node), term!('release));
    let got = process.call::<i64>(("keeper", node), term!('get)).await;
    came.push(format!("{got:?}, {:?}", process.runtime().mailbox_len(&process.pid())));
    Ok(())
}

/// The stack of a BEAM's crash is its own.
fn outermost(reason: &Term) -> String {
    reason.element(0).map_or_else(|| reason.to_string(), |first| first.to_term().to_string())
}

/// All of them at once, and some that are not there.
async fn many(node: &Node, nodes: [&Atom; 3]) -> Result<()> {
    let mut process = node.runtime().attach()?;
    process.abcast(nodes, "keeper", term!({set, 7}));
    let nosuch = Atom::from_static("nosuch@localhost");
    let asked = nodes.into_iter().chain([&nosuch]);
    let MultiReply { mut replies, bad_nodes } =
        process.multi_call::<i64, _>(asked.clone(), "keeper", term!('get), SOON).await?;
    let mut expected: Vec<(Atom, i64)> = nodes.into_iter().map(|node| (node.clone(), 7)).collect();
    replies.sort();
    expected.sort();
    ensure!(replies == expected && bad_nodes == [nosuch.clone()]);
    // Nobody of the name; and one that does not answer in time.
    let none =
        process.multi_call::<i64, _>(nodes, "nobody", term!('get), SOON).await?.bad_nodes.len();
    let moment = Duration::from_millis(50);
    let late = process.multi_call::<Term, _>(nodes, "keeper", term!('hold), moment).await?;
    ensure!(none == 3 && late.replies.is_empty() && late.bad_nodes.len() == 3);
    process.abcast(nodes, "keeper", term!('release));
    let again = process.multi_call::<i64, _>(nodes, "keeper", term!('get), SOON).await?;
    ensure!(again.replies.len() == 3);
    ensure!(process.runtime().mailbox_len(&process.pid()) == Some(0));
    Ok(())
}

/// A thread has the same words, and a channel for `select!`.
async fn blocking(node: &Node, nodes: [&Atom; 3]) -> Result<()> {
    let (there, theirs) = tokio::sync::oneshot::channel();
    let (waits, waiting) = tokio::sync::oneshot::channel();
    let nodes = nodes.map(Clone::clone);
    let beam = nodes[0].clone();
    let thread = node.spawn_thread("blocking", move |mut process: Process| {
        let outcome = calls(&mut process, &nodes).and_then(|()| {
            // Before anybody is told to send an exit signal.
            process.trap_exit(true);
            let _ = waits.send(());
            through_a_channel(&mut process)
        });
        let _ = there.send(outcome);
    })?;
    // From the BEAM, when the thread has made its calls.
    if tokio::time::timeout(SOON, waiting).await?.is_ok() {
        for (function, what) in [("send", term!('hello)), ("exit", term!('enough))] {
            node.erpc::<Term>(&beam, "erlang", function, (&thread, what)).await?;
        }
    }
    tokio::time::timeout(SOON, theirs).await.context("the thread does not end")??
}

fn ended(reason: Reason) -> anyhow::Error {
    anyhow!("the process is to end: {reason}")
}

fn calls(process: &mut Process, nodes: &[Atom; 3]) -> Result<()> {
    for node in nodes {
        let keeper = || ("keeper", node);
        let got = process.call::<i64>(keeper(), term!('get)).blocking();
        ensure!(got == Ok(7), "{node}: {got:?}");
        let late = process
            .call::<Term>(keeper(), term!('hold))
            .timeout(Duration::from_millis(50))
            .blocking();
        ensure!(late == Err(mailbox::CallError::TimedOut), "{node}: {late:?}");
        let mut requests = Requests::new();
        requests.add(1, process.send_request::<i64>(keeper(), term!('get)));
        let came = requests.next_blocking(process);
        ensure!(came == Ok(Some((1, Ok(7)))), "{node}: {came:?}");
        process.cast(keeper(), term!('release));
        let gone = process.monitor(("nobody", node));
        let down = process.receive_blocking::<Received>().map_err(ended)?;
        ensure!(
            matches!(&down, Received::Down { reference, .. } if *reference == gone),
            "{down:?}"
        );
    }
    Ok(())
}

/// A message and an exit signal of a BEAM come out of it in their order.
fn through_a_channel(process: &mut Process) -> Result<()> {
    let channel = process.channel().cloned().context("a thread without a channel")?;
    let mut came: Vec<Term> = Vec::new();
    while came.len() < 2 {
        if let Some(term) = process.try_receive().map_err(ended)? {
            came.push(term);
        } else if let Some(term) = process.take(channel.recv_timeout(SOON)?).map_err(ended)? {
            came.push(term);
        }
    }
    ensure!(
        came[0] == term!('hello)
            && came[1].element(2).is_some_and(|reason| reason.is_atom("enough"))
    );
    Ok(())
}
