//! Process groups of Rust and live nodes: who is told of their changes.

use std::collections::HashMap;

use anyhow::{Context as _, Result, ensure};
use node::{Atom, GroupChange, GroupChanges, Node, Pid, Reference, Term, term};
use tests::scene::Scene;
use tokio::time::timeout;

use crate::cluster::{SOON, beam, becomes, on_every_release, rust, start_code, visible};

async fn next(changes: &mut GroupChanges) -> Result<GroupChange> {
    timeout(SOON, changes.next()).await?.context("the scope has ended")
}

fn joined(group: &'static str, pids: &[&Pid]) -> GroupChange {
    let pids = pids.iter().copied().cloned().collect();
    GroupChange::Joined { group: term!((Atom::from_static(group))), pids }
}

fn left(group: &'static str, pids: &[&Pid]) -> GroupChange {
    let pids = pids.iter().copied().cloned().collect();
    GroupChange::Left { group: term!((Atom::from_static(group))), pids }
}

/// A scope over there, and a process that lives until it is killed.
async fn scope(node: &Node, there: &Atom, scope: &'static str) -> Result<Pid> {
    let _: Term = node.erpc(there, "pg", "start", (Atom::from_static(scope),)).await?;
    Ok(node.spawn_at(there, "timer", "sleep", (600_000,)).await?.pid)
}

on_every_release!(a_rust_program_sees_every_change_of_a_group, watched);

async fn watched(mut scene: Scene) -> Result<()> {
    let there = beam(&mut scene, "groups")?;
    let node = visible(&scene, "rust@localhost").await?;
    let (far, scope_name) = (scope(&node, &there, "watched").await?, "watched");
    let groups = node.pg_scope(scope_name)?;
    let mine = node.attach()?;
    let (members, mut one) = groups.monitor(term!('g)).await?;
    ensure!(members.is_empty());
    let (all, mut every) = groups.monitor_scope().await?;
    ensure!(all.is_empty());
    let at_beam = |function: &'static str, pids: Term| {
        node.erpc::<Atom>(&there, "pg", function, (Atom::from_static(scope_name), term!('g), pids))
    };
    // Of a BEAM node, once and several at a time.
    at_beam("join", term!((&far))).await?;
    assert_eq!(next(&mut one).await?, joined("g", &[&far]));
    at_beam("join", term!([&far, &far])).await?;
    assert_eq!(next(&mut one).await?, joined("g", &[&far, &far]));
    at_beam("leave", term!((&far))).await?;
    assert_eq!(next(&mut one).await?, left("g", &[&far]));
    // Of our own, and in another group, which who watches one group does not see.
    groups.join(term!('other), &mine.pid()).await?;
    groups.join(term!('g), &mine.pid()).await?;
    assert_eq!(next(&mut one).await?, joined("g", &[&mine.pid()]));
    ensure!(groups.leave(term!('g), &mine.pid()).await?);
    assert_eq!(next(&mut one).await?, left("g", &[&mine.pid()]));
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(next(&mut every).await?);
    }
    assert_eq!(seen[3], joined("other", &[&mine.pid()]));
    let (all, _) = groups.monitor_scope().await?;
    let expected = [(term!('other), vec![mine.pid()]), (term!('g), vec![far.clone(), far.clone()])];
    assert_eq!(all, HashMap::from(expected));
    assert_eq!(groups.which_local_groups().await?, [term!('other)]);
    // A BEAM process asks our scope, as `pg:monitor/2` asks its own.
    let asked: (Reference, Vec<Pid>) = node
        .erpc(
            &there,
            "gen_server",
            "call",
            (
                (Atom::from_static(scope_name), Atom::new(node.name().as_str())?),
                term!({monitor, 'g}),
            ),
        )
        .await?;
    assert_eq!(asked.1, [far.clone(), far.clone()]);
    // The node is lost: who was a member twice goes twice.
    scene.kill("groups")?;
    assert_eq!(next(&mut one).await?, left("g", &[&far, &far]));
    assert_eq!(next(&mut every).await?, left("g", &[&far, &far]));
    Ok(())
}

on_every_release!(a_beam_process_that_watches_sees_our_members, seen_there);

async fn seen_there(mut scene: Scene) -> Result<()> {
    let there = beam(&mut scene, "watcher")?;
    // Hidden: a BEAM scope takes in whoever discovers it.
    let node = rust(&scene, "rust@localhost").await?;
    scope(&node, &there, "seen").await?;
    let groups = node.pg_scope("seen")?;
    let member = node.spawn(|mut process| async move {
        let _: Term = process.receive().await?;
        Ok::<(), node::Reason>(())
    });
    let mut told = node.attach()?;
    let watcher = "{Ref, Members} = pg:monitor(seen, g), Rust ! {watching, Members},
        F = fun F() -> receive {Ref, Word, Group, Pids} -> Rust ! {Word, Group, Pids}, F() end end, F().";
    start_code(&node, &there, &told.pid(), watcher).await?;
    let mut next =
        async || Ok::<Term, anyhow::Error>(timeout(SOON, told.receive()).await?.unwrap());
    assert_eq!(next().await?, term!({watching, []}));
    for _ in 0..2 {
        groups.join(term!('g), &member).await?;
        assert_eq!(next().await?, term!({join, 'g, [&member]}));
    }
    // It ends: it leaves as often as it joined.
    node.attach()?.send(&member, term!('stop));
    for _ in 0..2 {
        assert_eq!(next().await?, term!({leave, 'g, [&member]}));
    }
    Ok(())
}

on_every_release!(members_are_back_when_the_connection_is, rejoined);

async fn rejoined(mut scene: Scene) -> Result<()> {
    let there = beam(&mut scene, "again")?;
    for (name, is_visible) in [("hidden@localhost", false), ("seen@localhost", true)] {
        let node =
            if is_visible { visible(&scene, name).await? } else { rust(&scene, name).await? };
        let scopes = ["one", "two"];
        let mine = node.attach()?;
        let mut far = Vec::new();
        for name in scopes {
            far.push(scope(&node, &there, name).await?);
        }
        for name in scopes {
            node.pg_scope(name)?.join(term!('g), &mine.pid()).await?;
        }
        for (name, far) in scopes.iter().zip(&far) {
            let joined = (Atom::from_static(name), term!('g), far.clone());
            let _: Atom = node.erpc(&there, "pg", "join", joined).await?;
        }
        let consistent = async |present: bool| {
            for (name, far) in scopes.iter().zip(&far) {
                let ours = node.pg_scope(*name)?.members(term!('g)).await?;
                if ours.contains(far) != present || !ours.contains(&mine.pid()) {
                    return Ok(false);
                }
                if present {
                    let theirs: Vec<Pid> = node
                        .erpc(&there, "pg", "get_members", (Atom::from_static(name), term!('g)))
                        .await?;
                    if !theirs.contains(&mine.pid()) || !theirs.contains(far) {
                        return Ok(false);
                    }
                }
            }
            anyhow::Ok(true)
        };
        becomes("both know all", || consistent(true)).await?;
        for _ in 0..3 {
            ensure!(node.disconnect(&there));
            becomes("theirs are gone here", || consistent(false)).await?;
            ensure!(node.connect(&there).await);
            becomes("both know all again", || consistent(true)).await?;
        }
        node.stop().await;
    }
    Ok(())
}
