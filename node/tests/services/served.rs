//! What a Rust node serves to live ones: every question that OTP has is put to a BEAM node and to a Rust node that have the same
//! functions, and the same must come of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use node::{Atom, Exception, Invocation, Node, Pid, Term, term};
use tests::scene::Scene;

use crate::cluster::{SOON, beam, becomes, on_every_release, rust, visible};

/// All questions one after the other, most of which wait a moment for what may come unasked.
const ALL: Duration = Duration::from_secs(110);

/// The functions of `served.erl`.
fn serve(node: &Node) -> Result<()> {
    node.export("served", "add", |a: i64, b: i64| a + b)?;
    node.export("served", "unit", || ())?;
    node.export("served", "raise", |class: Term, reason: Term| {
        Err::<(), _>(match class.to_string().as_str() {
            "throw" => Exception::Throw(reason),
            "exit" => Exception::Exit(reason),
            _ => Exception::Error(reason),
        })
    })?;
    node.export("served", "panic", |text: String| -> i64 { panic!("{text}") })?;
    node.export_invocation("served", "tell", 2, |call| async move {
        let (to, what): (Pid, Term) = given(&call)?;
        call.process.send(to, what);
        Ok(term!('told))
    })?;
    node.export_invocation("served", "tell_leader", 1, |call| async move {
        let (to,): (Pid,) = given(&call)?;
        call.process.send(to, term!({leader, call.process.group_leader()}));
        Ok(term!('told))
    })?;
    node.export_invocation("served", "announce", 1, |call| async move {
        let (to,): (Pid,) = given(&call)?;
        call.process.send(to, term!({announced, call.process.pid()}));
        std::future::pending().await
    })?;
    node.export_invocation("served", "prints", 1, |mut call| async move {
        let (text,): (String,) = given(&call)?;
        call.print(&text).await?;
        Ok(term!('printed))
    })?;
    Ok(())
}

fn given<T: for<'de> serde::Deserialize<'de>>(call: &Invocation) -> Result<T, Exception> {
    let arguments = Term::tuple(&call.arguments);
    term::from_term(&arguments).map_err(|_| Exception::Error(term!('badarg)))
}

on_every_release!(whatever_is_asked_the_same_comes_of_it_as_on_a_beam_node, same);

async fn same(mut scene: Scene) -> Result<()> {
    let (asker, beam) = (beam(&mut scene, "asker")?, beam(&mut scene, "oracle")?);
    let (rust, watcher) =
        (rust(&scene, "rust@localhost").await?, rust(&scene, "watcher@localhost").await?);
    serve(&rust)?;
    let there = rust.runtime().node();
    let all = async |of: &Atom| {
        let all = watcher.erpc::<Answers>(&asker, "asking", "everything", (of, 300));
        all.timeout(ALL).await
    };
    let (expected, got) = (all(&beam).await?, all(there).await?);
    ensure!(expected.len() > 300 && expected.len() == got.len());
    // What comes unasked may come late on a busy machine: what differs is asked once more, with more patience.
    let labels: Term = differing(&expected, &got).map(|(label, _, _)| label.clone()).collect();
    let again = async |of: &Atom| {
        let again = watcher.erpc::<Answers>(&asker, "asking", "again", (of, &labels, 4_000));
        again.timeout(ALL).await
    };
    let (expected, got) = (again(&beam).await?, again(there).await?);
    ensure!(expected.len() == got.len());
    let different: Vec<String> = differing(&expected, &got)
        .map(|(label, expected, got)| format!("{label}\n    BEAM {expected}\n    Rust {got}"))
        .collect();
    ensure!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
    Ok(())
}

/// What came of each question.
type Answers = Vec<(Term, Term)>;

fn differing<'a>(
    expected: &'a Answers,
    got: &'a Answers,
) -> impl Iterator<Item = (&'a Term, &'a Term, &'a Term)> {
    let all = expected.iter().zip(got).map(|((label, expected), (_, got))| (label, expected, got));
    all.filter(|(_, expected, got)| expected != got)
}

on_every_release!(no_question_is_left_hanging, answered);

async fn answered(mut scene: Scene) -> Result<()> {
    let asker = beam(&mut scene, "asker")?;
    for (name, is_visible) in [("hidden@localhost", false), ("seen@localhost", true)] {
        let node =
            if is_visible { visible(&scene, name).await? } else { rust(&scene, name).await? };
        serve(&node)?;
        let watcher = rust(&scene, "watcher@localhost").await?;
        let asked = (node.runtime().node(),);
        let hang: Vec<(Term, Term)> =
            watcher.erpc(&asker, "asking", "hangs", asked).timeout(SOON * 2).await?;
        ensure!(hang.is_empty(), "{name}: {hang:?}");
        // It serves on.
        assert_eq!(watcher.erpc::<i64>(node.runtime().node(), "served", "add", (1, 2)).await?, 3);
        ensure!(!node.connections().is_empty());
        watcher.stop().await;
        node.stop().await;
    }
    Ok(())
}

on_every_release!(work_ends_when_its_caller_gives_up, given_up);

/// Counts what is under way: up while it lives.
struct Busy(Arc<AtomicUsize>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn given_up(mut scene: Scene) -> Result<()> {
    let asker = beam(&mut scene, "asker")?;
    let node = rust(&scene, "rust@localhost").await?;
    let watcher = rust(&scene, "watcher@localhost").await?;
    let count = Arc::new(AtomicUsize::new(0));
    let (busy, begun) = (Arc::clone(&count), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&begun);
    node.export("work", "long", move || {
        busy.fetch_add(1, Ordering::SeqCst);
        counted.fetch_add(1, Ordering::SeqCst);
        let busy = Busy(Arc::clone(&busy));
        async move {
            std::future::pending::<()>().await;
            drop(busy);
        }
    })?;
    let there = node.runtime().node().clone();
    let call = || (there.clone(), term!('work), term!('long), Term::NIL, 300);
    for (module, function) in [("erpc", "call"), ("rpc", "call"), ("erpc", "multicall")] {
        let before = begun.load(Ordering::SeqCst);
        let (node, module_, function_, arguments, time) = call();
        let nodes = if function == "multicall" { term!([node]) } else { Term::from(node) };
        let given = (nodes, module_, function_, arguments, time);
        let out = watcher.erpc::<Term>(&asker, module, function, given).timeout(SOON).await;
        ensure!(format!("{out:?}").contains("timeout"), "{module}:{function}: {out:?}");
        ensure!(begun.load(Ordering::SeqCst) == before + 1, "{module}:{function} began nothing");
        becomes("the work has ended", || async { Ok(count.load(Ordering::SeqCst) == 0) }).await?;
    }
    // The caller's node is lost in the middle.
    let linked = (there.clone(), term!('work), term!('long), Term::NIL);
    let waiting = tokio::spawn(
        watcher.erpc::<Term>(&asker, "erpc", "call", linked).timeout(SOON).into_future(),
    );
    becomes("it works", || async { Ok(count.load(Ordering::SeqCst) == 1) }).await?;
    scene.kill("asker")?;
    becomes("the work has ended", || async { Ok(count.load(Ordering::SeqCst) == 0) }).await?;
    ensure!(waiting.await?.is_err());
    Ok(())
}
