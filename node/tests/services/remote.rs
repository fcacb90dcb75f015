//! Functions of live nodes called and started from Rust.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use node::{
    Atom, CallError, MonitorOptions, Pid, Process, Received, Reference, RemoteError, SpawnFailed,
    SpawnReplies, SpawnRequestOptions, Term, term,
};
use term::Encoded;
use tests::scene::Scene;
use tokio::time::timeout;

use crate::cluster::{SOON, beam, becomes, expressions, on_every_release, rust};

on_every_release!(every_way_a_call_ends_is_told_apart, calls);

async fn calls(mut scene: Scene) -> Result<()> {
    let there = beam(&mut scene, "callee")?;
    let node = rust(&scene, "rust@localhost").await?;
    ensure!(node.ping(&there).await && !node.ping("nobody@localhost").await);
    assert_eq!(node.erpc::<Atom>(&there, "erlang", "node", ()).await?, there);
    assert_eq!(node.rpc::<Vec<i64>>(&there, "lists", "reverse", (vec![1, 2],)).await?, [2, 1]);
    let not_there = node.erpc::<Term>(&there, "nosuch", "nosuch", (1, 2)).await;
    match not_there {
        Err(RemoteError::NotThere { module, arity: 2, .. }) => {
            assert_eq!(module.as_str(), "nosuch")
        }
        other => anyhow::bail!("{other:?}"),
    }
    // One that is there, and calls one that is not, has crashed.
    let inner = node.erpc::<Term>(&there, "lists", "map", (fun("nosuch:nosuch/1"), [1])).await;
    ensure!(matches!(inner, Err(RemoteError::Raised { .. })), "{inner:?}");
    let slow = node.erpc::<Term>(&there, "timer", "sleep", (60_000,));
    assert_eq!(slow.timeout(Duration::from_millis(100)).await, Err(RemoteError::TimedOut));
    let exits = node.erpc::<Term>(&there, "erlang", "exit", (term!('bye),)).await;
    ensure!(matches!(exits, Err(RemoteError::Raised { .. })), "{exits:?}");
    let text = node.erpc::<String>(&there, "erlang", "node", ()).await;
    ensure!(matches!(text, Ok(_) | Err(RemoteError::BadReply(_))), "{text:?}");
    // Servers, and what is none.
    let known: Vec<Term> = node.call(("global_name_server", &there), term!('get_known)).await?;
    ensure!(known.is_empty());
    let nobody = node.call::<Term>(("nobody", &there), term!('hello)).await;
    assert_eq!(nobody, Err(CallError::NotThere));
    let nowhere = node.call::<Term>(("nobody", "nowhere@localhost"), term!('hello)).await;
    ensure!(matches!(nowhere, Err(CallError::ConnectionLost(_))), "{nowhere:?}");
    let silent = node.call::<Term>(("init", &there), term!('hello));
    assert_eq!(silent.timeout(Duration::from_millis(100)).await, Err(CallError::TimedOut));
    // Many at once: the slowest is waited for, and each result stands with its node.
    let nodes = [there.as_str(), "nobody@localhost", node.name().as_str()]
        .map(|name| Atom::new(name).unwrap());
    let all = node.multicall::<Atom>(nodes.clone(), "erlang", "node", ()).await;
    assert_eq!(all[0], (there.clone(), Ok(there.clone())));
    assert_eq!(all[1], (nodes[1].clone(), Err(RemoteError::ConnectionLost(nodes[1].clone()))));
    ensure!(matches!(all[2].1, Err(RemoteError::NotThere { .. })), "{all:?}");
    // The node is lost while it works.
    let lost = tokio::spawn(node.erpc::<Term>(&there, "timer", "sleep", (60_000,)).into_future());
    becomes("the call runs", || async { Ok(node.connections().len() == 1) }).await?;
    tokio::time::sleep(Duration::from_millis(200)).await;
    scene.kill("callee")?;
    assert_eq!(timeout(SOON, lost).await??, Err(RemoteError::ConnectionLost(there)));
    Ok(())
}

on_every_release!(a_call_that_is_dropped_is_given_up, dropped);

/// Its process over there goes on, as with `erpc`; its result reaches nobody, and this node forgets the call.
async fn dropped(mut scene: Scene) -> Result<()> {
    let there = beam(&mut scene, "callee")?;
    let node = rust(&scene, "rust@localhost").await?;
    ensure!(node.connect(&there).await);
    let before = node.stats().processes;
    let begun = Instant::now();
    let call = node.erpc::<Term>(&there, "timer", "sleep", (60_000,)).into_future();
    ensure!(timeout(Duration::from_millis(200), call).await.is_err());
    becomes("the caller is gone", || async { Ok(node.stats().processes == before) }).await?;
    ensure!(begun.elapsed() < SOON);
    Ok(())
}

on_every_release!(processes_are_started_there_with_every_option, spawns);

async fn spawns(mut scene: Scene) -> Result<()> {
    let there = beam(&mut scene, "spawner")?;
    let node = rust(&scene, "rust@localhost").await?;
    let mut process = node.attach()?;
    process.trap_exit(true);
    let pid = node.spawn_at(&there, "timer", "sleep", (60_000,)).await?.pid;
    ensure!(node.erpc::<bool>(&there, "erlang", "is_process_alive", (pid,)).await?);
    // Linked and monitored.
    let both = node.spawn_at(&there, "erlang", "exit", (term!('bye),));
    let both = both.link().monitor(MonitorOptions::new()).by(&mut process).await?;
    let mut seen = Vec::new();
    for _ in 0..2 {
        match next(&mut process).await? {
            Received::Exit { from, reason, .. } => {
                seen.push("exit");
                assert_eq!((from, reason), (both.pid.clone(), term!('bye)));
            }
            Received::Down { reference, reason, .. } => {
                seen.push("down");
                assert_eq!((Some(reference), reason), (both.monitor.clone(), term!('bye)));
            }
            other => anyhow::bail!("{other:?}"),
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, ["down", "exit"]);
    // Not there: it starts, and ends with undef.
    let undef = node.spawn_at(&there, "nosuch", "nosuch", (1,)).monitor(MonitorOptions::new());
    let undef = undef.by(&mut process).await?;
    match next(&mut process).await? {
        Received::Down { reference, reason, .. } => {
            assert_eq!(Some(reference), undef.monitor);
            ensure!(reason.to_string().starts_with("{undef,[{nosuch,nosuch,[1],"), "{reason}");
        }
        other => anyhow::bail!("{other:?}"),
    }
    // Refused, and not to be reached.
    let refused = node.spawn_at(&there, "timer", "sleep", (1,)).option(term!('no_such_option));
    assert_eq!(refused.await, Err(SpawnFailed::Refused(there.clone(), term!('badopt))));
    let fine = node.spawn_at(&there, "timer", "sleep", (1,)).option(term!({priority, 'high}));
    ensure!(fine.await.is_ok());
    let nobody = node.spawn_at("nobody@localhost", "timer", "sleep", (1,)).await;
    assert_eq!(nobody, Err(SpawnFailed::ConnectionLost(Atom::new("nobody@localhost")?)));
    let none = node.spawn_at(&there, "timer", "sleep", 17).await;
    assert_eq!(none, Err(SpawnFailed::BadArguments));
    // By request: the answers asked for come, under their tag.
    let request = |options: SpawnRequestOptions, module: &'static str| {
        let function = (Atom::from_static(module), Atom::from_static("sleep"), 1);
        process.spawn_request(&there, function, Encoded::from_term(&term!([0])), options)
    };
    let tagged = SpawnRequestOptions { reply_tag: Some(term!({my, 'tag})), ..Default::default() };
    let tagged = request(tagged, "timer");
    let bad = |reply| SpawnRequestOptions {
        reply,
        others: vec![term!('no_such_option)],
        ..Default::default()
    };
    let quiet = SpawnRequestOptions { reply: SpawnReplies::Errors, ..Default::default() };
    request(quiet, "timer");
    request(bad(SpawnReplies::Successes), "timer");
    request(bad(SpawnReplies::None), "timer");
    let last = request(bad(SpawnReplies::Errors), "timer");
    let first: Term = timeout(SOON, process.receive()).await?.unwrap();
    assert_eq!(first.element(0).map(Term::from), Some(term!({my, 'tag})));
    assert_eq!(first.element(1).map(Term::from), Some(Term::from(tagged)));
    let second: Term = timeout(SOON, process.receive()).await?.unwrap();
    assert_eq!(second, term!({spawn_reply, last, 'error, 'badopt}));
    Ok(())
}

on_every_release!(an_abandoned_request_has_no_effect_here, abandoned);

async fn abandoned(mut scene: Scene) -> Result<()> {
    let there = beam(&mut scene, "spawner")?;
    let node = rust(&scene, "rust@localhost").await?;
    ensure!(node.connect(&there).await);
    // It registers itself, so that its end can be seen.
    let code = "register(abandoned, self()), timer:sleep(60000).";
    let (module, function) = (Atom::from_static("erl_eval"), Atom::from_static("exprs"));
    let expressions = expressions(&node, &there, code).await?;
    let arguments = Encoded::from_term(&Term::from(vec![expressions, Term::NIL]));
    let name_is_free = || async {
        let found: Term = node.erpc(&there, "erlang", "whereis", (term!('abandoned),)).await?;
        Ok(found.is_atom("undefined"))
    };
    let (mut process, request) = loop {
        let mut process = node.attach()?;
        process.trap_exit(true);
        let options = SpawnRequestOptions {
            link: true,
            monitor: Some(MonitorOptions::new()),
            ..Default::default()
        };
        let function = (module.clone(), function.clone(), 2);
        let request = process.spawn_request(&there, function, arguments.clone(), options);
        if process.spawn_request_abandon(&request) {
            break (process, request);
        }
        // The answer was faster, on a busy machine: again.
        let (_, _, _, pid): (Atom, Reference, Atom, Pid) =
            timeout(SOON, process.receive()).await?.unwrap();
        let _: bool = node.erpc(&there, "erlang", "exit", (pid, term!('kill))).await?;
        becomes("it has ended", name_is_free).await?;
    };
    ensure!(!process.spawn_request_abandon(&request), "abandoned twice");
    // It is linked over there, and sent an exit signal.
    becomes("the process has ended", name_is_free).await?;
    let nothing = process.receive_timeout::<Received>(Duration::from_millis(200)).await.unwrap();
    ensure!(nothing.is_none(), "{nothing:?}");
    Ok(())
}

fn fun(text: &str) -> Term {
    format!("fun {text}").parse().unwrap()
}

async fn next(process: &mut Process) -> Result<Received> {
    Ok(timeout(SOON, process.receive::<Received>()).await?.unwrap())
}
