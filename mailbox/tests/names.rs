//! Registered names, as `register/2`, `unregister/1` and `whereis/1` have them.

mod two_nodes;

use mailbox::{Process, RegisterError, Runtime, SpawnError, SpawnOptions, UnregisterError};
use term::{IntoAtom, Pid, Term};
use two_nodes::{TwoNodes, next, nothing};

fn runtime() -> Runtime {
    Runtime::new("rust@host".into_atom(), 1)
}

#[test]
fn a_name_reaches_its_process_until_it_is_taken_away() {
    let runtime = runtime();
    let (mut process, other) = (runtime.attach().unwrap(), runtime.attach().unwrap());
    process.register("name").unwrap();
    assert_eq!(runtime.whereis("name"), Some(process.pid()));
    assert_eq!(process.registered_name(), Some("name".into_atom()));
    other.send("name", 1_i64);
    other.send(("name", "rust@host"), 2_i64);
    other.unregister("name").unwrap();
    assert_eq!(process.registered_name(), None);
    other.send("name", 3_i64);
    assert_eq!(next(&mut process), Term::from(1));
    assert_eq!(next(&mut process), Term::from(2));
    nothing(&mut process);
    assert_eq!(other.unregister("name"), Err(UnregisterError("name".into_atom())));
    process.register("another").unwrap();
    assert_eq!(runtime.registered(), vec!["another".into_atom()]);
}

#[test]
fn what_is_badarg_in_erlang_is_an_error_here() {
    let runtime = runtime();
    let (one, other) = (runtime.attach().unwrap(), runtime.attach().unwrap());
    one.register("name").unwrap();
    assert_eq!(other.register("name"), Err(RegisterError::Taken("name".into_atom())));
    assert_eq!(one.register("name"), Err(RegisterError::Taken("name".into_atom())));
    assert_eq!(one.register("second"), Err(RegisterError::HasName("name".into_atom())));
    assert_eq!(other.register("undefined"), Err(RegisterError::Undefined));
    let gone = runtime.attach().unwrap().pid();
    let elsewhere = Pid::new("a@host".into_atom(), 1, 0, 1);
    for pid in [gone, elsewhere] {
        assert_eq!(runtime.register("third", &pid), Err(RegisterError::NoProcess));
    }
    runtime.register("fourth", &other.pid()).unwrap();
    assert_eq!(runtime.whereis("fourth"), Some(other.pid()));
}

#[test]
fn a_process_that_is_to_end_gets_no_name() {
    let runtime = runtime();
    let (one, other) = (runtime.attach().unwrap(), runtime.attach().unwrap());
    one.exit(other.pid(), mailbox::Reason::killed());
    assert_eq!(runtime.register("name", &other.pid()), Err(RegisterError::NoProcess));
}

#[tokio::test]
async fn a_process_has_its_name_before_it_runs_and_none_starts_under_one_that_is_taken() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let parent = me.pid();
    runtime
        .spawn_named("child", move |process: Process| {
            let name = process.registered_name();
            async move {
                process.send(parent, name.map(|name| name.as_str().to_owned()));
                std::future::pending::<()>().await;
            }
        })
        .unwrap();
    assert_eq!(me.receive::<Option<String>>().await.unwrap().as_deref(), Some("child"));
    let before = runtime.stats().processes;
    let again = me.spawn_with(SpawnOptions::new().name("child").link(), async |_: Process| {
        panic!("must not run")
    });
    assert_eq!(again, Err(SpawnError::Name(RegisterError::Taken("child".into_atom()))));
    assert_eq!(runtime.stats().processes, before);
    assert!(me.links().is_empty());
}

#[test]
fn a_name_on_another_node_reaches_its_process() {
    let nodes = TwoNodes::new();
    let (a, mut b) = nodes.attach();
    b.register("there").unwrap();
    a.send(("there", "b@host"), ("hello".into_atom(), a.pid()));
    a.send(("nobody", "b@host"), 1_i64);
    nodes.settle();
    let (_, from): (term::Atom, Pid) = b.try_receive().unwrap().unwrap();
    assert_eq!(from, a.pid());
    nothing(&mut b);
}
