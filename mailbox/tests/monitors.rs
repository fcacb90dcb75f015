//! Monitors: by pid and by name, here and elsewhere, and their options.

mod two_nodes;

use mailbox::{AliasMode, MonitorOptions, Process, Reason, Received, Runtime};
use term::{IntoAtom, Pid, Reference, Term, term};
use two_nodes::{TwoNodes, atom, next, nothing};

fn runtime() -> Runtime {
    Runtime::new("rust@host".into_atom(), 1)
}

fn down(monitor: &Reference, object: impl Into<Term>, reason: Term) -> Term {
    let object: Term = object.into();
    term!({'DOWN, monitor, 'process, object, reason})
}

fn named(name: &'static str, node: &'static str) -> Term {
    Term::from((name.into_atom(), node.into_atom()))
}

#[test]
fn the_end_is_told_once_for_each_monitor() {
    let runtime = runtime();
    let (mut watcher, watched) = (runtime.attach().unwrap(), runtime.attach().unwrap());
    let pid = watched.pid();
    let (first, second) = (watcher.monitor(&pid), watcher.monitor(&pid));
    assert_ne!(first, second);
    watched.finish(Reason::new(term!({oh, 'no})));
    let mut told = vec![next(&mut watcher), next(&mut watcher)];
    told.sort();
    let mut expected =
        vec![down(&first, &pid, term!({oh, 'no})), down(&second, &pid, term!({oh, 'no}))];
    expected.sort();
    assert_eq!(told, expected);
    nothing(&mut watcher);
}

#[test]
fn a_monitor_of_the_dead_says_noproc_at_once() {
    let runtime = runtime();
    let mut watcher = runtime.attach().unwrap();
    let gone = runtime.attach().unwrap().pid();
    let monitor = watcher.monitor(&gone);
    assert_eq!(next(&mut watcher), down(&monitor, &gone, atom("noproc")));
    let older = Pid::new("rust@host".into_atom(), 1, 0, 99);
    let monitor = watcher.monitor(&older);
    assert_eq!(next(&mut watcher), down(&monitor, &older, atom("noproc")));
}

#[test]
fn a_monitor_by_name_tells_the_name_and_the_node() {
    let runtime = runtime();
    let (mut watcher, watched) = (runtime.attach().unwrap(), runtime.attach().unwrap());
    watched.register("known").unwrap();
    let by_name = watcher.monitor("known");
    let by_both = watcher.monitor(("known", "rust@host"));
    let nobody = watcher.monitor("nobody");
    assert_eq!(next(&mut watcher), down(&nobody, named("nobody", "rust@host"), atom("noproc")));
    // The monitor is of the process, not of the name.
    watched.unregister("known").unwrap();
    drop(watched);
    for monitor in [by_name, by_both] {
        assert_eq!(next(&mut watcher), down(&monitor, named("known", "rust@host"), atom("normal")));
    }
}

#[test]
fn a_monitor_of_oneself_never_tells() {
    let runtime = runtime();
    let mut process = runtime.attach().unwrap();
    process.register("me").unwrap();
    process.monitor(process.pid());
    process.monitor("me");
    nothing(&mut process);
}

#[test]
fn demonitor_says_whether_there_was_a_monitor_and_flush_takes_the_message_out() {
    let runtime = runtime();
    let mut watcher = runtime.attach().unwrap();
    let watched = runtime.attach().unwrap();
    let monitor = watcher.monitor(watched.pid());
    assert!(watcher.demonitor(&monitor));
    assert!(!watcher.demonitor(&monitor));

    let stays = watcher.monitor(watched.pid());
    let flushed = watcher.monitor(watched.pid());
    let pid = watched.pid();
    watcher.send(watcher.pid(), "before".into_atom());
    drop(watched);
    watcher.send(watcher.pid(), "after".into_atom());
    assert!(!watcher.demonitor(&stays));
    assert!(!watcher.demonitor_flush(&flushed));
    assert_eq!(next(&mut watcher), atom("before"));
    assert_eq!(next(&mut watcher), down(&stays, &pid, atom("normal")));
    assert_eq!(next(&mut watcher), atom("after"));
    nothing(&mut watcher);
}

#[test]
fn a_tag_stands_in_the_place_of_down() {
    let runtime = runtime();
    let (mut watcher, watched) = (runtime.attach().unwrap(), runtime.attach().unwrap());
    let tag = term!({my, "tag"});
    let pid = watched.pid();
    let monitor = watcher.monitor_with(&pid, MonitorOptions::new().tag(tag.clone()));
    drop(watched);
    assert_eq!(
        next(&mut watcher),
        Term::from((tag, monitor, atom("process"), pid, atom("normal")))
    );
}

#[tokio::test]
async fn a_process_monitored_at_birth_tells_its_parent() {
    let runtime = runtime();
    let mut parent = runtime.attach().unwrap();
    let (child, monitor) =
        parent.spawn_monitor(async |_: Process| Err::<(), _>(Reason::new(atom("over"))));
    match parent.receive().await.unwrap() {
        Received::Down { reference, object, reason, tag: None } => {
            assert_eq!((reference, object, reason), (monitor, Term::from(child), atom("over")));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_monitor_on_another_node_by_pid_and_by_name() {
    let nodes = TwoNodes::new();
    let (mut a, b) = nodes.attach();
    b.register("known").unwrap();
    let by_pid = a.monitor(b.pid());
    let by_name = a.monitor(("known", "b@host"));
    let taken_back = a.monitor(("known", "b@host"));
    nodes.settle();
    // The name may be gone when the demonitor, which names it, arrives.
    b.unregister("known").unwrap();
    assert!(a.demonitor(&taken_back));
    nodes.settle();
    let pid = b.pid();
    b.finish(Reason::new(term!({oh, 'no})));
    assert_eq!(nodes.under_way_to_a(), ["Down", "Down"]);
    nodes.settle();
    let mut told = vec![next(&mut a), next(&mut a)];
    told.sort();
    let mut expected = vec![
        down(&by_pid, &pid, term!({oh, 'no})),
        down(&by_name, named("known", "b@host"), term!({oh, 'no})),
    ];
    expected.sort();
    assert_eq!(told, expected);
    nothing(&mut a);
}

#[test]
fn a_monitor_of_the_unknown_on_another_node_is_noproc() {
    let nodes = TwoNodes::new();
    let (mut a, b) = nodes.attach();
    let gone = b.pid();
    drop(b);
    let by_pid = a.monitor(&gone);
    let by_name = a.monitor(("nobody", "b@host"));
    nodes.settle();
    assert_eq!(next(&mut a), down(&by_pid, &gone, atom("noproc")));
    assert_eq!(next(&mut a), down(&by_name, named("nobody", "b@host"), atom("noproc")));
}

#[test]
fn the_loss_of_the_connection_is_noconnection_and_so_is_its_absence() {
    let nodes = TwoNodes::new();
    let (mut a, b) = nodes.attach();
    let by_pid = a.monitor(b.pid());
    let by_name = a.monitor(("nobody", "b@host"));
    nodes.cut();
    let mut told = vec![next(&mut a), next(&mut a)];
    told.sort();
    let mut expected = vec![
        down(&by_pid, b.pid(), atom("noconnection")),
        down(&by_name, named("nobody", "b@host"), atom("noconnection")),
    ];
    expected.sort();
    assert_eq!(told, expected);
    nodes.refuse();
    let monitor = a.monitor(b.pid());
    assert_eq!(next(&mut a), down(&monitor, b.pid(), atom("noconnection")));
    nothing(&mut a);
}

#[test]
fn a_down_that_crosses_a_demonitor_is_not_seen() {
    let nodes = TwoNodes::new();
    let (mut a, b) = nodes.attach();
    let monitor = a.monitor(b.pid());
    nodes.settle();
    drop(b);
    assert_eq!(nodes.under_way_to_a(), ["Down"]);
    assert!(a.demonitor(&monitor));
    nodes.settle();
    nothing(&mut a);
}

#[test]
fn a_down_from_a_connection_that_the_monitor_is_not_on_is_ignored() {
    let nodes = TwoNodes::new();
    let (mut a, b) = nodes.attach();
    let monitor = a.monitor(b.pid());
    let forged = nodes.a.open_connection("c@host".into_atom());
    let from = mailbox::Target::Pid(Pid::new("c@host".into_atom(), 1, 0, 1));
    let signal =
        mailbox::Signal::Down { from, to: a.pid(), reference: monitor, reason: atom("fake") };
    nodes.a.deliver(&forged, signal).unwrap();
    nothing(&mut a);
}

#[test]
fn monitors_end_with_their_watcher_on_the_other_node() {
    let nodes = TwoNodes::new();
    let (a, b) = nodes.attach();
    a.monitor(b.pid());
    nodes.settle();
    drop(a);
    nodes.settle();
    drop(b);
    assert!(nodes.under_way_to_a().is_empty());
}

#[test]
fn the_down_of_a_priority_monitor_goes_ahead() {
    let runtime = runtime();
    let (mut watcher, watched) = (runtime.attach().unwrap(), runtime.attach().unwrap());
    let pid = watched.pid();
    let monitor = watcher.monitor_with(&pid, MonitorOptions::new().priority());
    watcher.send(watcher.pid(), 1_i64);
    drop(watched);
    assert_eq!(next(&mut watcher), down(&monitor, &pid, atom("normal")));
    assert_eq!(next(&mut watcher), Term::from(1));
}

#[test]
fn an_alias_that_goes_with_its_monitor_goes_when_the_down_comes() {
    let runtime = runtime();
    let mut watcher = runtime.attach().unwrap();
    for (mode, stays) in [
        (AliasMode::ExplicitUnalias, true),
        (AliasMode::Demonitor, false),
        (AliasMode::ReplyDemonitor, false),
    ] {
        let watched = runtime.attach().unwrap();
        let pid = watched.pid();
        let alias = watcher.monitor_with(&pid, MonitorOptions::new().alias(mode));
        drop(watched);
        watcher.send(&alias, "through".into_atom());
        assert_eq!(next(&mut watcher), down(&alias, &pid, atom("normal")));
        if stays {
            assert_eq!(next(&mut watcher), atom("through"));
        }
        nothing(&mut watcher);
        assert_eq!(watcher.unalias(&alias), stays);
    }
}
