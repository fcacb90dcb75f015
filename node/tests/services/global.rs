//! Global names and locks of Rust and live nodes.

use std::time::Duration;

use anyhow::{Result, ensure};
use node::{Atom, Node, Nodes, Pid, Term, term};
use tests::scene::Scene;
use tokio::time::timeout;

use crate::cluster::{SOON, beam, becomes, on_every_release, rust, strict_beam, visible};

fn name(node: &Node) -> Atom {
    node.runtime().node().clone()
}

async fn knows(node: &Node, name: &str, pid: Option<&Pid>) -> Result<()> {
    becomes(&format!("{} knows {name} as {pid:?}", node.name()), || async {
        Ok(node.global().whereis(name).await?.as_ref() == pid)
    })
    .await
}

async fn beam_knows(node: &Node, there: &Atom, name: &str, pid: Option<&Pid>) -> Result<()> {
    let expected = pid.map_or_else(|| term!('undefined), Term::from);
    becomes(&format!("{there} knows {name} as {expected}"), || async {
        Ok(node.erpc::<Term>(there, "global", "whereis_name", (name,)).await? == expected)
    })
    .await
}

fn cast(message: Term) -> Term {
    Term::from((Atom::from_static("$gen_cast"), message))
}

/// How many nodes `of` knows in its partition, itself not counted.
async fn known(asker: &Node, of: &Atom) -> Result<usize> {
    let known: Term = asker.call(("global_name_server", of), term!('get_known)).await?;
    Ok(known.as_list().map_or(0, |known| known.len()))
}

on_every_release!(two_visible_rust_nodes_need_no_beam, rust_alone);

/// (The release gives epmd.)
async fn rust_alone(scene: Scene) -> Result<()> {
    let (a, b) = (visible(&scene, "a@localhost").await?, visible(&scene, "b@localhost").await?);
    let (one, other) = (a.attach()?, b.attach()?);
    // Before they meet: a name each, and one that both have given.
    ensure!(a.global().register("mine", &one.pid()).await?);
    ensure!(b.global().register("yours", &other.pid()).await?);
    let (kept, lost) = (
        a.attach()?,
        b.spawn(|process| async move {
            let _held = process;
            std::future::pending::<()>().await;
        }),
    );
    ensure!(a.global().register("both", &kept.pid()).await?);
    ensure!(b.global().register("both", &lost).await?);
    ensure!(b.connect(&name(&a)).await);
    knows(&a, "yours", Some(&other.pid())).await?;
    knows(&b, "mine", Some(&one.pid())).await?;
    // The smaller node decides, and the process of the greater one is killed.
    knows(&b, "both", Some(&kept.pid())).await?;
    knows(&a, "both", Some(&kept.pid())).await?;
    becomes("the other is killed", || async { Ok(!b.runtime().is_alive(&lost)) }).await?;
    // Now that they are one partition.
    ensure!(!b.global().register("mine", &other.pid()).await?);
    b.global().re_register("mine", &other.pid()).await?;
    assert_eq!(a.global().whereis("mine").await?, Some(other.pid()));
    let mut names = a.global().registered().await?;
    names.sort();
    assert_eq!(names, ["both", "mine", "yours"].map(Term::from));
    a.global().unregister("mine").await?;
    assert_eq!(b.global().whereis("mine").await?, None);
    // A third one comes, and learns of all; then it goes, and its names.
    let c = visible(&scene, "c@localhost").await?;
    ensure!(c.connect(&name(&a)).await);
    knows(&c, "both", Some(&kept.pid())).await?;
    becomes("the third meets the second", || async { Ok(c.nodes(Nodes::Visible).len() == 2) })
        .await?;
    let third = c.attach()?;
    ensure!(c.global().register("third", &third.pid()).await?);
    for node in [&a, &b] {
        knows(node, "third", Some(&third.pid())).await?;
    }
    c.stop().await;
    for node in [&a, &b] {
        knows(node, "third", None).await?;
        knows(node, "both", Some(&kept.pid())).await?;
    }
    Ok(())
}

on_every_release!(a_lock_is_one_holders_on_all_nodes, locks);

async fn locks(mut scene: Scene) -> Result<()> {
    let there = beam(&mut scene, "locker")?;
    for (own, is_visible) in [("hidden@localhost", false), ("seen@localhost", true)] {
        let node = if is_visible { visible(&scene, own).await? } else { rust(&scene, own).await? };
        ensure!(node.connect(&there).await);
        if is_visible {
            becomes("it is visible there", || async {
                Ok(node
                    .erpc::<Vec<Atom>>(&there, "erlang", "nodes", ())
                    .await?
                    .contains(&name(&node)))
            })
            .await?;
        }
        // What a BEAM process gets that wants the lock now.
        let theirs = async || {
            let id = term!({"r", "me"});
            let nodes: Vec<Atom> =
                if is_visible { vec![there.clone(), name(&node)] } else { vec![there.clone()] };
            let set: bool = node.erpc(&there, "global", "set_lock", (&id, &nodes, 0)).await?;
            anyhow::Ok(set)
        };
        let lock = node.global().lock("r").await?;
        ensure!(!theirs().await?, "set at the BEAM although it is ours");
        ensure!(node.global().try_lock("r").await?.is_none(), "set twice");
        let other = node.global().try_lock("another").await?;
        ensure!(other.is_some());
        lock.release().await?;
        // The process of the call ends, and its lock with it.
        ensure!(theirs().await?, "not free after its release");
        // One that is dropped is free soon.
        drop(node.global().lock("r").await?);
        becomes("free again", theirs).await?;
        // Who waits gets it when it is free.
        let lock = node.global().lock("r").await?;
        let waiting = node.clone();
        let waits = tokio::spawn(async move { waiting.global().lock("r").await.map(drop) });
        tokio::time::sleep(Duration::from_millis(300)).await;
        ensure!(!waits.is_finished(), "two have it");
        lock.release().await?;
        timeout(SOON, waits).await???;
        node.stop().await;
    }
    Ok(())
}

on_every_release!(names_are_changed_and_listed_with_a_beam, with_a_beam);

async fn with_a_beam(mut scene: Scene) -> Result<()> {
    let there = beam(&mut scene, "names")?;
    for (own, is_visible) in [("hidden@localhost", false), ("seen@localhost", true)] {
        let node = if is_visible { visible(&scene, own).await? } else { rust(&scene, own).await? };
        ensure!(node.connect(&there).await);
        let (one, other) = (node.attach()?, node.attach()?);
        let first = format!("first of {own}");
        if is_visible {
            // Before the two are one partition there is nothing to be seen of each other.
            becomes("they are one partition", || async {
                let known: Vec<Term> =
                    node.call(("global_name_server", &there), term!('get_known)).await?;
                Ok(!known.is_empty())
            })
            .await?;
        }
        ensure!(node.global().register(first.as_str(), &one.pid()).await?);
        beam_knows(&node, &there, &first, Some(&one.pid())).await?;
        node.global().re_register(first.as_str(), &other.pid()).await?;
        beam_knows(&node, &there, &first, Some(&other.pid())).await?;
        becomes("it is listed", || async {
            Ok(node.global().registered().await? == [Term::from(first.as_str())])
        })
        .await?;
        drop(other);
        beam_knows(&node, &there, &first, None).await?;
        node.stop().await;
    }
    Ok(())
}

on_every_release!(partitions_do_not_overlap, overlapping);

/// Two nodes lose each other: who is connected to both does not stay so.
async fn overlapping(mut scene: Scene) -> Result<()> {
    let (a, b) = (strict_beam(&mut scene, "one")?, strict_beam(&mut scene, "two")?);
    let node = visible(&scene, "rust@localhost").await?;
    let watcher = rust(&scene, "watcher@localhost").await?;
    let env = term!(['kernel, 'prevent_overlapping_partitions]);
    assert_eq!(watcher.erpc::<Term>(&a, "application", "get_env", env).await?, term!({ok, true}));
    let connected = async |to: &Atom| {
        becomes("all three are one partition", || async {
            // Each time: who still hears of the last loss may part once more.
            let _: bool = node.connect(to).await;
            let _: bool = watcher.erpc(&a, "net_kernel", "connect_node", (&b,)).await?;
            Ok(known(&watcher, &a).await? == 2
                && known(&watcher, &b).await? == 2
                && known(&watcher, &name(&node)).await? == 2)
        })
        .await
    };
    connected(&a).await?;
    let _: bool = watcher.erpc(&a, "erlang", "disconnect_node", (&b,)).await?;
    // With one at least: which messages are sent before connections end is chance, among BEAM nodes as well.
    becomes("it has parted with one", || async { Ok(node.nodes(Nodes::Visible).len() < 2) })
        .await?;
    // A node that is gone takes nobody with it.
    connected(&a).await?;
    scene.kill("two")?;
    becomes("it is gone", || async { Ok(!node.nodes(Nodes::Visible).contains(&b)) }).await?;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(node.nodes(Nodes::Visible), std::slice::from_ref(&a));
    // We part with one: so do the others with both of us.
    let b = {
        scene.kill("one")?;
        strict_beam(&mut scene, "three")?
    };
    let a = strict_beam(&mut scene, "four")?;
    ensure!(node.connect(&a).await && node.connect(&b).await);
    becomes("they have met", || async {
        let seen: Vec<Atom> = watcher.erpc(&a, "erlang", "nodes", ()).await?;
        Ok(seen.len() == 2 && known(&watcher, &b).await? == 2)
    })
    .await?;
    ensure!(node.disconnect(&a));
    becomes("the third has parted with one of us", || async {
        let at_b: Vec<Atom> = watcher.erpc(&b, "erlang", "nodes", ()).await?;
        Ok(at_b.len() < 2)
    })
    .await?;
    ensure!(!node.nodes(Nodes::Visible).contains(&a));
    Ok(())
}

on_every_release!(who_parts_before_there_is_a_connection_meets_anew, parted_early);

/// Two nodes are told of each other, and one of them of a loss as well, while their connection is still being made.
async fn parted_early(mut scene: Scene) -> Result<()> {
    let there = strict_beam(&mut scene, "there")?;
    let node = visible(&scene, "rust@localhost").await?;
    let watcher = rust(&scene, "watcher@localhost").await?;
    let us = name(&node);
    assert_eq!((known(&watcher, &us).await?, known(&watcher, &there).await?), (0, 0));
    let (third, its_name) = (watcher.attach()?, Atom::from_static("third@localhost"));
    let one_of_ours = |node: &Atom| {
        let lock = term!([{vsn, 8}, {lock, {global, []}}]);
        cast(term!({new_nodes, &its_name, [], [], [{(node), 8}], lock}))
    };
    third.send(("global_name_server", &there), one_of_ours(&us));
    third.send(("global_name_server", &us), one_of_ours(&there));
    third.send(("global_name_server", &us), term!({lost_connection, &its_name, 1, 1, &there}));
    becomes("both know each other", || async {
        let _: bool = node.connect(&there).await;
        Ok(known(&watcher, &us).await? == 1 && known(&watcher, &there).await? == 1)
    })
    .await
}

on_every_release!(a_late_word_does_not_end_a_meeting, late_word);

/// `in_sync` is said by a process of its own, which may have been slow: what comes of it was said before the last parting.
async fn late_word(mut scene: Scene) -> Result<()> {
    // The smaller node, which locks first, and not at once.
    let there = strict_beam(&mut scene, "a")?;
    let node = visible(&scene, "rust@localhost").await?;
    let watcher = rust(&scene, "watcher@localhost").await?;
    let us = name(&node);
    let slow = watcher.attach()?;
    assert_eq!(known(&watcher, &us).await?, 0);
    ensure!(node.connect(&there).await);
    becomes("both know each other", || async {
        slow.send(("global_name_server", &us), cast(term!({in_sync, &there, true})));
        Ok(known(&watcher, &us).await? == 1 && known(&watcher, &there).await? == 1)
    })
    .await
}

on_every_release!(meetings_in_haste_end_in_one_partition, in_haste);

/// A connection that comes and goes, and words of meetings that are over: whoever greets whom first, in the end both know all.
async fn in_haste(mut scene: Scene) -> Result<()> {
    let there = beam(&mut scene, "middle")?;
    let watcher = rust(&scene, "watcher@localhost").await?;
    let version = async |of: &Atom| -> Result<i64> {
        Ok(watcher.call(("global_name_server", of), term!('get_protocol_version)).await?)
    };
    // One that is greater than the BEAM node, and one that is smaller and locks first.
    for own in ["a@localhost", "z@localhost"] {
        let node = visible(&scene, own).await?;
        let us = name(&node);
        assert_eq!(version(&us).await?, version(&there).await?);
        let ours = node.attach()?;
        ensure!(node.global().register(own, &ours.pid()).await?);
        for round in 0..15 {
            ensure!(node.connect(&there).await);
            if round % 5 == 0 {
                let late = term!({cancel_connect, &there, (round / 5)});
                watcher.attach()?.send(("global_name_server", &us), late);
                let late = term!({init_connect_ack, &there, 1, 1});
                watcher.attach()?.send(("global_name_server", &us), late);
            }
            tokio::time::sleep(Duration::from_millis(round * 3)).await;
            if round % 2 == 0 {
                node.disconnect(&there);
            } else {
                let _: bool = watcher.erpc(&there, "erlang", "disconnect_node", (&us,)).await?;
            }
        }
        becomes("connected for good", || async { Ok(node.connect(&there).await) }).await?;
        beam_knows(&watcher, &there, own, Some(&ours.pid())).await?;
        let theirs: Pid = watcher.erpc(&there, "erlang", "whereis", (term!('init),)).await?;
        let in_the_middle = format!("of the BEAM for {own}");
        let registered: Term = watcher
            .erpc(&there, "global", "register_name", (in_the_middle.as_str(), &theirs))
            .await?;
        assert_eq!(registered, term!('yes));
        knows(&node, &in_the_middle, Some(&theirs)).await?;
        let _: Term =
            watcher.erpc(&there, "global", "unregister_name", (in_the_middle.as_str(),)).await?;
        node.stop().await;
    }
    Ok(())
}

on_every_release!(several_partitions_met_at_once_become_one, met_at_once);

/// One that meets four others at once, two smaller and two greater than itself: its locker does one meeting after the other, and each
/// finds the partition grown by those before.
async fn met_at_once(mut scene: Scene) -> Result<()> {
    let beams = [beam(&mut scene, "b")?, beam(&mut scene, "y")?];
    let watcher = rust(&scene, "watcher@localhost").await?;
    for _ in 0..6 {
        let (a, m) = (visible(&scene, "a@localhost").await?, visible(&scene, "m@localhost").await?);
        let z = visible(&scene, "z@localhost").await?;
        let others = [beams[0].clone(), beams[1].clone(), name(&a), name(&z)];
        let dials = others.clone().map(|other| {
            let m = m.clone();
            tokio::spawn(async move { m.connect(&other).await })
        });
        for dial in dials {
            ensure!(dial.await?);
        }
        for one in others.iter().chain([&name(&m)]) {
            becomes(&format!("{one} knows the four others"), || async {
                Ok(known(&watcher, one).await? == 4)
            })
            .await?;
        }
        for rust in [&m, &a, &z] {
            rust.stop().await;
        }
        becomes("the two others are alone again", || async {
            // Each time: they may have been told of each other, and not be connected yet.
            let _: bool =
                watcher.erpc(&beams[0], "erlang", "disconnect_node", (&beams[1],)).await?;
            Ok(known(&watcher, &beams[0]).await? == 0 && known(&watcher, &beams[1]).await? == 0)
        })
        .await?;
    }
    Ok(())
}
