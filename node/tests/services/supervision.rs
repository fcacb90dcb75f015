//! Rust's servers and supervisors, asked by OTP's own `supervisor` and `sys` modules: every question is put to a BEAM's as well, and the
//! same must come of it.

use std::time::Duration;

use anyhow::{Result, ensure};
use mailbox::{Child, Shutdown, Supervisor};
use node::{Atom, Caller, Exit, Next, Node, Pid, Process, Reply, Server, Term, term};
use serde::Deserialize;
use tests::scene::Scene;

use crate::cluster::{SOON, beam, on_every_release, rust};

/// The server of `supervising.erl`: a number, and who waits until it is released.
struct Keeper(i64, Option<Caller>);

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Call {
    Get,
    Add(i64),
    Later,
    Hold,
    Again,
    Pause,
    Crash,
    Stop(Term),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Cast {
    Set(i64),
    Release,
}

impl Server for Keeper {
    type Call = Call;
    type Reply = Term;
    type Cast = Cast;
    type Info = Term;

    async fn call(&mut self, call: Call, from: Caller, _: &mut Process) -> Reply<Term> {
        match call {
            Call::Get => Reply::Now(Term::from(self.0)),
            Call::Add(n) => {
                self.0 += n;
                Reply::Now(Term::from(self.0))
            }
            Call::Later => {
                from.reply(self.0);
                Reply::Later
            }
            Call::Hold => {
                self.1 = Some(from);
                Reply::Later
            }
            Call::Again => Reply::NowThen(Term::from(self.0), Next::Continue(term!('more))),
            Call::Pause => {
                Reply::NowThen(Term::from(self.0), Next::WaitFor(Duration::from_millis(1)))
            }
            Call::Crash => Reply::Exit(term!({crash, 'requested})),
            Call::Stop(reason) => Reply::NowThen(term!('stopped), Next::Exit(reason)),
        }
    }

    async fn cast(&mut self, cast: Cast, _: &mut Process) -> Next {
        match cast {
            Cast::Set(n) => self.0 = n,
            Cast::Release => {
                if let Some(held) = self.1.take() {
                    held.reply(Atom::from_static("late"));
                }
            }
        }
        Next::Wait
    }

    async fn info(&mut self, _: Term, _: &mut Process) -> Next {
        self.0 += 1;
        Next::Wait
    }

    async fn timeout(&mut self, _: &mut Process) -> Next {
        self.0 += 1000;
        Next::Wait
    }

    async fn continue_(&mut self, _: Term, _: &mut Process) -> Next {
        self.0 += 10;
        Next::Wait
    }

    fn state(&self) -> Option<Term> {
        Some(Term::from(self.0))
    }

    fn replace_state(&mut self, state: Term) -> Result<(), term::Error> {
        self.0 = term::from_term(&state)?;
        Ok(())
    }

    fn module() -> Atom {
        Atom::from_static("supervising")
    }
}

/// What `supervising:serve/0` starts.
pub(crate) async fn serve(node: &Node) -> Result<()> {
    let keeper = |id: &'static str| Child::server(id, || Keeper(0, None));
    let tree = Supervisor::one_for_one()
        .name("tree")
        .intensity(100, Duration::from_secs(5))
        .with(keeper("a"))
        .with(keeper("b").transient().shutdown(Shutdown::BrutalKill))
        .with(keeper("c").temporary().shutdown(Shutdown::Timeout(Duration::from_secs(1))))
        .with(Child::supervisor("d", Supervisor::one_for_one()));
    node.runtime().supervise(tree).await?;
    let pool =
        Supervisor::simple_one_for_one(Child::server_with("worker", |n: i64| Keeper(n, None)))
            .name("pool")
            .intensity(100, Duration::from_secs(5));
    node.runtime().supervise(pool).await?;
    let often = Duration::from_secs(5);
    // Two trees have children of these ids, and a node has a name once.
    let three = |tree: Supervisor| {
        ["x", "y", "z"].into_iter().fold(tree, |tree, id| tree.with(keeper(id).unregistered()))
    };
    for tree in [
        Supervisor::one_for_one()
            .name("fragile")
            .intensity(1, Duration::from_secs(60))
            .with(keeper("only")),
        three(Supervisor::one_for_all().name("all_of_them").intensity(100, often)),
        three(Supervisor::rest_for_one().name("the_rest").intensity(100, often)),
        Supervisor::one_for_one()
            .name("stubborn")
            .with(stubborn("first", Shutdown::Timeout(Duration::from_millis(200))))
            .with(stubborn("second", Shutdown::Timeout(Duration::from_millis(200))))
            .with(stubborn("brutal", Shutdown::BrutalKill)),
    ] {
        node.runtime().supervise(tree).await?;
    }
    node.runtime().start_named("keeper", Keeper(0, None)).await?;
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ping {
    Ping,
}

/// A child that does not go when it is told to.
fn stubborn(id: &'static str, shutdown: Shutdown) -> Child {
    let stay = async |mut process: Process| -> Exit {
        process.trap_exit(true);
        loop {
            let message: Term = process.receive().await?;
            if let Ok((from, Ping::Ping)) = term::from_term::<(Pid, Ping)>(&message) {
                process.send(from, term!('pong));
            }
        }
    };
    Child::process(id, stay).temporary().shutdown(shutdown)
}

/// What came of each question.
type Answers = Vec<(Term, Term)>;

async fn alike(mut scene: Scene) -> Result<()> {
    let (asker, oracle) = (beam(&mut scene, "asker")?, beam(&mut scene, "oracle")?);
    let (rust, watcher) =
        (rust(&scene, "rust@localhost").await?, rust(&scene, "watcher@localhost").await?);
    serve(&rust).await?;
    let ok: Atom = watcher.erpc(&oracle, "supervising", "serve", ()).await?;
    ensure!(ok == "ok");
    let ask = async |of: &Atom, questions: &'static str| {
        let asked = watcher.erpc::<Answers>(&asker, "supervising", questions, (of,));
        asked.timeout(SOON * 2).await
    };
    let there = rust.runtime().node();
    check_refusals(&ask(there, "refused").await?);
    for (questions, many) in [("supervisors", 40), ("strategies", 14), ("servers", 50)] {
        let (expected, got) = (ask(&oracle, questions).await?, ask(there, questions).await?);
        ensure!(expected.len() >= many && expected.len() == got.len());
        let pairs = expected.iter().zip(&got).filter(|((_, expected), (_, got))| expected != got);
        let different: Vec<String> = pairs
            .map(|((label, expected), (_, got))| {
                let label = label.as_charlist().unwrap_or_default();
                format!("{label}\n    BEAM {expected}\n    Rust {got}")
            })
            .collect();
        ensure!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
    }
    Ok(())
}

on_every_release!(otps_own_modules_find_servers_and_supervisors_as_they_find_a_beams, alike);

/// What only a BEAM can do is refused in its words.
fn check_refusals(got: &Answers) {
    let got: Vec<String> = got.iter().map(|(_, answer)| answer.to_string()).collect();
    let start = "{supervising,start_link,[]}";
    let expected = [
        "{returned,unknown_debug}".to_owned(),
        "{returned,unknown_debug}".to_owned(),
        "{returned,{error,open_file}}".to_owned(),
        format!(
            "{{returned,{{error,{{{{'EXIT',{{undef,{{stack,supervising,start_link,[]}}}}}},\
             {{child,undefined,new,{start},permanent,false,5000,worker,[supervising]}}}}}}}}"
        ),
        "{returned,true}".to_owned(),
        "{returned,{error,{unknown_call,nonsense}}}".to_owned(),
        "{returned,[{specs,4},{active,4},{supervisors,1},{workers,3}]}".to_owned(),
    ];
    assert_eq!(got, expected);
}
