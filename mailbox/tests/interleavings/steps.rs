//! The scenarios. Each runs a few thousand times, in another order of steps each time.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::sync::Arc;

use shuttle::future::block_on;
use shuttle::sync::Mutex as ShuttleMutex;
use shuttle::thread;
use term::{Atom, IntoAtom, Pid, Term};

use crate::alias::AliasMode;
use crate::error::Reason;
use crate::monitor::MonitorOptions;
use crate::outbound::{BoxFuture, Connection, NoConnection, Nodes, Outbound};
use crate::process::Process;
use crate::received::Received;
use crate::runtime::Runtime;
use crate::signal::Signal;

/// How many orders of steps each scenario is run in, unless the environment says `INTERLEAVINGS=100000`: all of them together
/// take some seconds.
const ORDERS: usize = 500;

pub(crate) fn check(scenario: impl Fn() + Send + Sync + 'static) {
    let orders = std::env::var("INTERLEAVINGS").ok().and_then(|number| number.parse().ok());
    shuttle::check_random(scenario, orders.unwrap_or(ORDERS));
}

pub(crate) fn runtime() -> Runtime {
    Runtime::new("rust@host".into_atom(), 1)
}

pub(crate) fn attach(runtime: &Runtime) -> Process {
    runtime.attach().unwrap()
}

pub(crate) fn drain(process: &mut Process) -> Vec<Received> {
    std::iter::from_fn(|| process.try_receive().ok().flatten()).collect()
}

#[test]
fn a_link_to_a_process_that_is_ending_ends_the_linker_whatever_comes_first() {
    check(|| {
        let runtime = runtime();
        let (one, other) = (attach(&runtime), attach(&runtime));
        let pid = other.pid();
        let ending = thread::spawn(move || other.finish(Reason::shutdown()));
        one.link(&pid);
        ending.join().unwrap();
        assert!(one.is_exiting());
        drop(one);
        assert_eq!(runtime.stats().processes, 0);
    });
}

#[test]
fn links_and_unlinks_from_both_sides_leave_both_of_one_mind() {
    check(|| {
        let runtime = runtime();
        let (one, other) = (attach(&runtime), attach(&runtime));
        let (one_pid, other_pid) = (one.pid(), other.pid());
        let work = |process: Process, peer: Pid| {
            thread::spawn(move || {
                process.link(&peer);
                process.unlink(&peer);
                process.link(&peer);
                process
            })
        };
        let (one, other) = (work(one, other_pid.clone()), work(other, one_pid.clone()));
        let (one, other) = (one.join().unwrap(), other.join().unwrap());
        assert_eq!(one.links().contains(&other_pid), other.links().contains(&one_pid));
    });
}

#[test]
fn an_unlink_that_meets_the_exit_leaves_no_link_and_at_most_one_message() {
    check(|| {
        let runtime = runtime();
        let (mut one, other) = (attach(&runtime), attach(&runtime));
        one.trap_exit(true);
        one.link(&other.pid());
        let pid = other.pid();
        let ending = thread::spawn(move || other.finish(Reason::shutdown()));
        one.unlink(&pid);
        let seen_when_unlinked = drain(&mut one).len();
        ending.join().unwrap();
        assert!(seen_when_unlinked <= 1);
        assert!(drain(&mut one).is_empty(), "no exit signal after unlink");
        assert!(one.links().is_empty());
    });
}

#[test]
fn a_name_never_outlives_its_process() {
    check(|| {
        let runtime = runtime();
        let process = attach(&runtime);
        let pid = process.pid();
        let ending = thread::spawn(move || drop(process));
        let registered = runtime.register("name", &pid);
        ending.join().unwrap();
        let _ = registered;
        assert_eq!(runtime.whereis("name"), None);
        assert!(runtime.registered().is_empty());
    });
}

#[test]
fn two_that_want_one_name_do_not_both_get_it() {
    check(|| {
        let runtime = runtime();
        let (one, other) = (attach(&runtime), attach(&runtime));
        let racing = thread::spawn(move || other.register("name").map(|()| other));
        let first = one.register("name");
        let second = racing.join().unwrap();
        assert!(first.is_ok() != second.is_ok());
        assert!(runtime.whereis("name").is_some() || second.is_err());
    });
}

#[test]
fn a_monitor_of_a_process_that_is_ending_tells_exactly_once() {
    check(|| {
        let runtime = runtime();
        let (mut watcher, watched) = (attach(&runtime), attach(&runtime));
        let pid = watched.pid();
        let ending = thread::spawn(move || drop(watched));
        watcher.monitor(&pid);
        ending.join().unwrap();
        assert_eq!(drain(&mut watcher).len(), 1);
        assert_eq!(
            watcher.cell().lock().relations().map(|relations| relations.monitors.len()),
            Some(0)
        );
    });
}

#[test]
fn a_demonitor_that_meets_the_end_either_finds_the_monitor_or_the_message() {
    check(|| {
        let runtime = runtime();
        let (mut watcher, watched) = (attach(&runtime), attach(&runtime));
        let monitor = watcher.monitor(watched.pid());
        let ending = thread::spawn(move || drop(watched));
        let removed = watcher.demonitor(&monitor);
        let messages = drain(&mut watcher).len();
        ending.join().unwrap();
        assert_eq!(messages, usize::from(!removed));
        assert!(drain(&mut watcher).is_empty());
    });
}

#[test]
fn a_reply_that_meets_the_end_of_either_side_leaves_nothing_behind() {
    check(|| {
        let runtime = runtime();
        let (client, server) = (attach(&runtime), attach(&runtime));
        let alias = client
            .monitor_with(server.pid(), MonitorOptions::new().alias(AliasMode::ReplyDemonitor));
        let replying = runtime.clone();
        let reply = {
            let alias = alias.clone();
            thread::spawn(move || replying.send_payload(&alias, Term::from(1).into()))
        };
        let closing = thread::spawn(move || drop(client));
        server.send(&alias, 2_i64);
        reply.join().unwrap();
        closing.join().unwrap();
        let watchers =
            server.cell().lock().relations().map_or(0, |relations| relations.watchers.len());
        assert_eq!(watchers, 0);
    });
}

#[test]
fn of_two_replies_one_arrives() {
    check(|| {
        let runtime = runtime();
        let (mut client, server) = (attach(&runtime), attach(&runtime));
        let alias = client
            .monitor_with(server.pid(), MonitorOptions::new().alias(AliasMode::ReplyDemonitor));
        let other = {
            let (runtime, alias) = (runtime.clone(), alias.clone());
            thread::spawn(move || runtime.send_payload(&alias, Term::from(1).into()))
        };
        server.send(&alias, 2_i64);
        other.join().unwrap();
        drop(server);
        assert_eq!(drain(&mut client).len(), 1, "and no DOWN");
        let relations = client.cell().lock();
        let left = relations
            .relations()
            .map(|relations| (relations.monitors.len(), relations.aliases.len()));
        assert_eq!(left, Some((0, 0)));
    });
}

#[test]
fn a_receiver_that_goes_to_sleep_is_woken_by_what_came_meanwhile() {
    check(|| {
        let runtime = runtime();
        let (mut one, mut other) = (attach(&runtime), attach(&runtime));
        let (one_pid, other_pid) = (one.pid(), other.pid());
        let echo = thread::spawn(move || {
            block_on(async {
                for _ in 0..4 {
                    let number: i64 = other.receive().await.unwrap();
                    other.send(&one_pid, number);
                }
            });
        });
        block_on(async {
            // The second pair has two under way at once.
            one.send(&other_pid, 0_i64);
            assert_eq!(one.receive::<i64>().await.unwrap(), 0);
            one.send(&other_pid, 1_i64);
            one.send(&other_pid, 2_i64);
            assert_eq!(one.receive::<i64>().await.unwrap(), 1);
            assert_eq!(one.receive::<i64>().await.unwrap(), 2);
            one.send(&other_pid, 3_i64);
            let three = one.receive_match(|term| term.as_i64().filter(|number| *number == 3)).await;
            assert_eq!(three.unwrap(), 3);
        });
        echo.join().unwrap();
    });
}

#[test]
fn a_receiver_that_goes_to_sleep_is_woken_by_its_end() {
    check(|| {
        let runtime = runtime();
        let (mut one, other) = (attach(&runtime), attach(&runtime));
        let pid = one.pid();
        let receiver = thread::spawn(move || {
            block_on(async {
                let mut got = 0;
                while one.receive::<i64>().await.is_ok() {
                    got += 1;
                }
                got
            })
        });
        other.send(&pid, 1_i64);
        other.exit(&pid, Reason::new("kill".into_atom()));
        let got = receiver.join().unwrap();
        assert!(got <= 1);
        assert!(!runtime.is_alive(&pid));
    });
}

#[test]
fn messages_to_a_process_that_ends_are_dropped_and_the_table_is_empty_then() {
    check(|| {
        let runtime = runtime();
        let (one, other) = (attach(&runtime), attach(&runtime));
        let pid = one.pid();
        let ending = thread::spawn(move || drop(one));
        other.send(&pid, 1_i64);
        other.send(&pid, 2_i64);
        ending.join().unwrap();
        drop(other);
        assert_eq!(runtime.stats().processes, 0);
        // The slot serves the next one, whom an old pid does not reach.
        let mut next = attach(&runtime);
        runtime.send_payload(&pid, Term::from(3).into());
        assert!(drain(&mut next).is_empty());
    });
}

/// Takes everything, over a connection that may be replaced.
#[derive(Clone)]
struct Wire(Arc<ShuttleMutex<(Option<Connection>, Vec<Signal>)>>);

impl Wire {
    fn new() -> Self {
        Self(Arc::new(ShuttleMutex::new((None, Vec::new()))))
    }

    fn connection(&self) -> Connection {
        let node: Atom = "peer@host".into_atom();
        self.0.lock().unwrap().0.get_or_insert_with(|| Connection::new(node)).clone()
    }

    fn sent(&self) -> Vec<Signal> {
        self.0.lock().unwrap().1.clone()
    }
}

impl Outbound for Wire {
    fn send(&self, _: &Atom, signal: Signal) -> Result<Connection, NoConnection> {
        let connection = self.connection();
        self.0.lock().unwrap().1.push(signal);
        Ok(connection)
    }

    fn begin(&self, _: &Atom) -> Result<Connection, NoConnection> {
        Ok(self.connection())
    }

    fn ready(&self, _: &Atom) -> Option<BoxFuture<()>> {
        None
    }

    fn connect(&self, _: &Atom) -> BoxFuture<bool> {
        Box::pin(async { true })
    }

    fn disconnect(&self, _: &Atom) -> bool {
        false
    }

    fn nodes(&self, _: Nodes) -> Vec<Atom> {
        Vec::new()
    }
}

fn with_wire() -> (Runtime, Wire, Pid) {
    let (runtime, wire) = (runtime(), Wire::new());
    assert!(runtime.set_outbound(Arc::new(wire.clone())));
    (runtime, wire, Pid::new("peer@host".into_atom(), 7, 0, 1))
}

#[test]
fn an_ack_leaves_before_a_link_that_was_made_after_it() {
    check(|| {
        let (runtime, wire, peer) = with_wire();
        let one = attach(&runtime);
        one.link(&peer);
        let pid = one.pid();
        let reader = {
            let (runtime, via, from, to) =
                (runtime.clone(), wire.connection(), peer.clone(), pid.clone());
            thread::spawn(move || {
                runtime.deliver(&via, Signal::Unlink { from, to, id: 1 }).unwrap()
            })
        };
        one.link(&peer);
        reader.join().unwrap();
        let sent = wire.sent();
        let ack =
            sent.iter().position(|signal| matches!(signal, Signal::UnlinkAck { .. })).unwrap();
        let linked_again =
            sent.iter().rposition(|signal| matches!(signal, Signal::Link { .. })).unwrap();
        // Either it saw the link that was there and sent nothing, or the second Link is behind the ack.
        assert_eq!(one.links().contains(&peer), linked_again > ack);
    });
}

#[test]
fn a_link_and_a_monitor_that_meet_the_loss_of_the_connection_are_told_of_it_once() {
    check(|| {
        let (runtime, wire, peer) = with_wire();
        let mut one = attach(&runtime);
        one.trap_exit(true);
        let via = wire.connection();
        let losing = {
            let (runtime, via) = (runtime.clone(), via.clone());
            thread::spawn(move || runtime.node_down(&via))
        };
        one.link(&peer);
        one.monitor(&peer);
        one.monitor_node("peer@host", true);
        losing.join().unwrap();
        let told = drain(&mut one);
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(one.links().is_empty());
        assert_eq!(via.load(), (0, 0));
    });
}

#[test]
fn a_process_that_ends_while_the_connection_is_lost_is_forgotten_by_it() {
    check(|| {
        let (runtime, wire, peer) = with_wire();
        let one = attach(&runtime);
        one.link(&peer);
        let via = wire.connection();
        let losing = {
            let (runtime, via) = (runtime.clone(), via.clone());
            thread::spawn(move || runtime.node_down(&via))
        };
        drop(one);
        losing.join().unwrap();
        assert_eq!(via.load(), (0, 0));
        assert_eq!(runtime.stats().processes, 0);
    });
}
