//! Functions that one node exports and another calls: what each end sees. What BEAM nodes see of ours, and we of theirs, is in
//! the suites of `tests/`.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use node::{Cookie, EpmdMode, Exception, Node, Process, RemoteError, SpawnOptions, Term, term};
use support::memory::Memory;
use term::{Atom, Pid};
use tokio::time::{sleep, timeout};

const SOON: Duration = Duration::from_secs(5);

fn node(name: &str, memory: &Memory) -> Result<Node> {
    let builder = Node::builder(name).cookie(Cookie::new("secret")?).epmd(EpmdMode::None);
    Ok(builder.carrier(memory.clone()).build()?)
}

/// The caller, and the one that exports.
async fn pair() -> Result<(Node, Node, Atom)> {
    let memory = Memory::default();
    let (ours, theirs) = (node("ours@here", &memory)?, node("theirs@here", &memory)?);
    ours.listen().await?;
    theirs.listen().await?;
    let name = Atom::new(theirs.name().as_str())?;
    Ok((ours, theirs, name))
}

/// Counts what is under way: up while it lives.
struct Busy(Arc<AtomicUsize>);

impl Busy {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn becomes(count: &AtomicUsize, wanted: usize) -> Result<()> {
    let reached = async {
        while count.load(Ordering::SeqCst) != wanted {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, reached).await.with_context(|| format!("never became {wanted}"))
}

/// Exports `work:long/0`, which never returns.
fn export_work(theirs: &Node) -> Result<Arc<AtomicUsize>> {
    let count = Arc::new(AtomicUsize::new(0));
    let busy = Arc::clone(&count);
    theirs.export("work", "long", move || {
        let busy = Busy::new(&busy);
        async move {
            std::future::pending::<()>().await;
            drop(busy);
        }
    })?;
    Ok(count)
}

#[tokio::test]
async fn functions_take_and_give_types_terms_and_results_now_or_later() -> Result<()> {
    let (ours, theirs, there) = pair().await?;
    theirs.export("t", "add", |a: i64, b: i64| a + b)?;
    theirs.export("t", "none", || "nothing")?;
    theirs.export("t", "head", |list: Vec<Term>| {
        list.into_iter().next().ok_or_else(|| Exception::Throw(term!('empty)))
    })?;
    theirs.export("t", "later", |text: String| async move { text.len() })?;
    theirs.export(
        "t",
        "parse",
        |text: String| async move { Ok::<i64, Exception>(text.parse()?) },
    )?;
    assert_eq!(ours.erpc::<i64>(&there, "t", "add", (1, 2)).await?, 3);
    assert_eq!(ours.erpc::<i64>(&there, "t", "add", vec![1, 2]).await?, 3);
    assert_eq!(ours.erpc::<String>(&there, "t", "none", Term::NIL).await?, "nothing");
    // No arguments, and no value, are `()`.
    theirs.export("t", "unit", || ())?;
    theirs.export("t", "takes_ok", |(): ()| 7)?;
    ours.erpc::<()>(&there, "t", "unit", ()).await?;
    assert_eq!(ours.erpc::<Term>(&there, "t", "unit", ()).await?, term!('ok));
    assert_eq!(ours.erpc::<i64>(&there, "t", "takes_ok", ((),)).await?, 7);
    assert_eq!(ours.erpc::<i64>(&there, "t", "head", (vec![7, 8],)).await?, 7);
    assert_eq!(ours.erpc::<usize>(&there, "t", "later", ("four",)).await?, 4);
    assert_eq!(ours.erpc::<i64>(&there, "t", "parse", ("42",)).await?, 42);
    // The same functions called at home.
    assert_eq!(theirs.erpc::<i64>(&there, "t", "add", (1, 2)).await?, 3);
    Ok(())
}

fn not_there(function: &'static str, arity: usize, stack: Term) -> Result<Term, RemoteError> {
    let [module, function] = ["t", function].map(Atom::from_static);
    Err(RemoteError::NotThere { module, function, arity, stack })
}

#[tokio::test]
async fn every_way_to_fail_is_told_apart() -> Result<()> {
    let (ours, theirs, there) = pair().await?;
    theirs.export("t", "raise", |class: String, reason: Term| {
        Err::<(), _>(match class.as_str() {
            "throw" => Exception::Throw(reason),
            "exit" => Exception::Exit(reason),
            _ => Exception::Error(reason),
        })
    })?;
    theirs.export("t", "panics", |text: String| -> i64 { panic!("{text}") })?;
    theirs.export("t", "sleeps", || sleep(SOON * 10))?;
    let at = |function: &'static str, arguments: Term| {
        ours.erpc::<Term>(&there, "t", function, arguments).timeout(SOON)
    };
    let raised = |exception, stack| Err(RemoteError::Raised { exception, stack });
    let why = term!([1, 'two]);
    assert_eq!(
        at("raise", term!(["throw", &why])).await,
        raised(Exception::Throw(why.clone()), Term::NIL)
    );
    assert_eq!(
        at("raise", term!(["exit", &why])).await,
        raised(Exception::Exit(why.clone()), Term::NIL)
    );
    assert_eq!(
        at("raise", term!(["error", &why])).await,
        raised(Exception::Error(why.clone()), term!([{t, 'raise, 2, []}]))
    );
    assert_eq!(
        at("panics", term!(["oh"])).await,
        raised(Exception::Error(term!({panic, "oh"})), term!([{t, 'panics, 1, []}]))
    );
    assert_eq!(
        at("panics", term!(['oh, 'no])).await,
        not_there("panics", 2, term!([{t, 'panics, ['oh, 'no], []}]))
    );
    assert_eq!(
        at("panics", term!([17])).await,
        raised(Exception::Error(term!('function_clause)), term!([{t, 'panics, [17], []}]))
    );
    let slow = at("sleeps", Term::NIL).timeout(Duration::from_millis(300));
    assert_eq!(slow.await, Err(RemoteError::TimedOut));
    assert_eq!(at("sleeps", term!('no_list)).await, Err(RemoteError::Refused(term!('badarg))));
    let nobody = Atom::new("nobody@here")?;
    assert_eq!(
        ours.erpc::<Term>(&nobody, "t", "sleeps", Term::NIL).await,
        Err(RemoteError::ConnectionLost(nobody.clone()))
    );
    let thrown = ours.rpc::<Term>(&there, "t", "raise", term!(["throw", &why])).await?;
    assert_eq!(thrown, why);
    Ok(())
}

#[tokio::test]
async fn who_gives_a_call_up_ends_the_work() -> Result<()> {
    let (ours, theirs, there) = pair().await?;
    let busy = export_work(&theirs)?;
    let call = || ours.erpc::<Term>(&there, "work", "long", Vec::<Term>::new());
    // By its time-out.
    let timed = call().timeout(Duration::from_millis(500)).await;
    assert_eq!(timed, Err(RemoteError::TimedOut));
    becomes(&busy, 0).await?;
    // By dropping it.
    let dropped = tokio::spawn(call().into_future());
    becomes(&busy, 1).await?;
    dropped.abort();
    becomes(&busy, 0).await?;
    // By losing the connection, which the caller is told.
    let lost = tokio::spawn(call().into_future());
    becomes(&busy, 1).await?;
    ensure!(theirs.disconnect(&Atom::new(ours.name().as_str())?));
    assert_eq!(timeout(SOON, lost).await??, Err(RemoteError::ConnectionLost(there.clone())));
    becomes(&busy, 0).await
}

#[tokio::test]
async fn a_function_is_exported_once_and_can_be_taken_back() -> Result<()> {
    let (ours, theirs, there) = pair().await?;
    theirs.export("t", "f", || 1)?;
    theirs.export("t", "f", |_: Term| 2)?;
    let again = theirs.export("t", "f", || 3).map_err(|error| error.to_string());
    ensure!(again.as_ref().is_err_and(|text| text.contains("t:f/0")), "{again:?}");
    ensure!(theirs.unexport("t", "f", 0) && !theirs.unexport("t", "f", 0));
    let gone = ours.erpc::<Term>(&there, "t", "f", Vec::<Term>::new()).await;
    assert_eq!(gone, not_there("f", 0, term!([{t, 'f, [], []}])));
    assert_eq!(ours.erpc::<i64>(&there, "t", "f", (0,)).await?, 2);
    Ok(())
}

#[tokio::test]
async fn what_a_function_prints_goes_to_the_callers_group_leader() -> Result<()> {
    let (ours, theirs, there) = pair().await?;
    theirs.export_invocation("t", "says", 0, |mut call| async move {
        call.print("größer ∀\n").await?;
        Ok(term!('said))
    })?;
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let leader = ours.spawn(move |mut process: Process| async move {
        let request: (Atom, Pid, Term, Term) = process.receive().await?;
        let (_, from, reply_as, what) = request;
        let _ = tell.send(what);
        process.send(from, term!({io_reply, reply_as, 'ok}));
        Ok::<(), node::Reason>(())
    });
    let caller = ours.runtime().attach_with(SpawnOptions::new().group_leader(leader))?;
    let call = ours.erpc::<Term>(&there, "t", "says", Vec::<Term>::new()).printing_as(&caller);
    assert_eq!(timeout(SOON, call.into_future()).await??, term!('said));
    assert_eq!(told.recv().await, Some(term!({put_chars, 'unicode, "größer ∀\n"})));
    // The leader has ended: told, not waited for.
    let call = ours.erpc::<Term>(&there, "t", "says", Vec::<Term>::new()).printing_as(&caller);
    let failed = timeout(SOON, call.into_future()).await?;
    let stack = term!([{t, 'says, 0, []}]);
    let exception = Exception::Error(term!('terminated));
    assert_eq!(failed, Err(RemoteError::Raised { exception, stack }));
    Ok(())
}

#[tokio::test]
async fn groups_of_two_hidden_nodes_are_one_while_they_are_connected() -> Result<()> {
    let (ours, theirs, there) = pair().await?;
    let (one, other) = (ours.attach()?, theirs.attach()?);
    ours.pg()?.join("g", &one.pid()).await?;
    theirs.pg()?.join("g", &other.pid()).await?;
    assert_eq!(ours.pg()?.members("g").await?, [one.pid()]);
    ensure!(ours.connect(&there).await);
    let both = async {
        while ours.pg()?.members("g").await?.len() != 2
            || theirs.pg()?.members("g").await?.len() != 2
        {
            sleep(Duration::from_millis(5)).await;
        }
        Ok::<(), anyhow::Error>(())
    };
    timeout(SOON, both).await??;
    assert_eq!(ours.pg()?.local_members("g").await?, [one.pid()]);
    ensure!(
        ours.pg()?.join("g", &other.pid()).await.is_err(),
        "another node's process joined here"
    );
    ensure!(ours.disconnect(&there));
    let alone = async {
        while ours.pg()?.members("g").await? != [one.pid()] {
            sleep(Duration::from_millis(5)).await;
        }
        Ok::<(), anyhow::Error>(())
    };
    timeout(SOON, alone).await??;
    Ok(())
}
