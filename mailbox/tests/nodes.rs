//! Other nodes coming and going; group leaders and processes started across nodes.

mod two_nodes;

use std::sync::Arc;

use mailbox::{
    MonitorOptions, NodeEvent, Nodes, Process, Reason, Received, SpawnRequest, SpawnRequestOptions,
    SpawnService, Start,
};
use term::{Atom, Encoded, IntoAtom, Pid, Reference, Term, term};
use two_nodes::{TwoNodes, atom, next, nothing};

fn node_event(tag: &'static str, node: &'static str) -> Term {
    Term::from((tag.into_atom(), node.into_atom()))
}

#[test]
fn each_call_of_monitor_node_is_answered_once_when_the_node_goes() {
    let nodes = TwoNodes::new();
    let (mut a, _b) = nodes.attach();
    a.monitor_node("b@host", true);
    a.monitor_node("b@host", true);
    a.monitor_node("b@host", true);
    a.monitor_node("b@host", false);
    nodes.come_up();
    assert_eq!(nodes.a.nodes(Nodes::Connected), vec!["b@host".into_atom()]);
    nothing(&mut a);
    nodes.cut();
    for _ in 0..2 {
        assert!(
            matches!(a.try_receive().unwrap(), Some(Received::NodeDown(node)) if node == "b@host")
        );
    }
    nothing(&mut a);
    nodes.connections();
    nodes.cut();
    nothing(&mut a);
}

#[test]
fn a_node_that_cannot_be_reached_is_down_at_once_and_one_that_does_not_come_up_when_that_is_known()
{
    let nodes = TwoNodes::new();
    let (mut a, _b) = nodes.attach();
    a.monitor_node("nowhere@host", true);
    assert_eq!(next(&mut a), node_event("nodedown", "nowhere@host"));
    a.monitor_node("b@host", true);
    nothing(&mut a);
    nodes.cut();
    assert_eq!(next(&mut a), node_event("nodedown", "b@host"));
    a.monitor_node("a@host", true);
    nothing(&mut a);
}

#[test]
fn who_monitors_nodes_is_told_of_all_that_come_and_go() {
    let nodes = TwoNodes::new();
    let (mut a, _b) = nodes.attach();
    let mut events = nodes.a.node_events();
    a.monitor_nodes(true);
    nodes.come_up();
    nodes.cut();
    // Never up, so never down.
    nodes.connections();
    nodes.cut();
    a.monitor_nodes(false);
    nodes.come_up();
    assert_eq!(next(&mut a), node_event("nodeup", "b@host"));
    assert_eq!(next(&mut a), node_event("nodedown", "b@host"));
    nothing(&mut a);
    let node: Atom = "b@host".into_atom();
    let up = NodeEvent::Up { node: node.clone(), hidden: true };
    assert_eq!(events.try_recv(), Ok(up.clone()));
    assert_eq!(events.try_recv(), Ok(NodeEvent::Down { node, hidden: true }));
    assert_eq!(events.try_recv(), Ok(up));
}

#[tokio::test]
async fn a_group_leader_is_inherited_and_can_be_set_from_elsewhere() {
    let nodes = TwoNodes::new();
    let (mut a, b) = nodes.attach();
    assert_eq!(a.group_leader(), a.pid());
    let leader = nodes.a.attach().unwrap().pid();
    nodes.a.set_default_group_leader(leader.clone());
    assert_eq!(a.group_leader(), leader);
    b.set_group_leader(b.pid(), &a.pid());
    nodes.settle();
    assert_eq!(a.group_leader(), b.pid());
    let parent = a.pid();
    a.spawn(async move |process: Process| process.send(parent, process.group_leader()));
    assert_eq!(a.receive::<Pid>().await.unwrap(), b.pid());
}

/// Starts `test:echo/1` and nothing else.
struct Service;

impl SpawnService for Service {
    fn start(&self, request: &SpawnRequest) -> Result<Start, Atom> {
        if (request.module.as_str(), request.function.as_str(), request.arity)
            != ("test", "echo", 1)
        {
            return Err("undef".into_atom());
        }
        let arguments: (Term,) = match request
            .arguments
            .decode()
            .ok()
            .and_then(|list| Some(list.as_list()?.iter().next()?.to_term()))
        {
            Some(argument) => (argument,),
            None => return Err("badarg".into_atom()),
        };
        let parent = request.from.clone();
        Ok(Box::new(move |process: Process| {
            Box::pin(async move {
                process.send(parent, (arguments.0, process.group_leader()));
                Err(Reason::new(atom("done")))
            })
        }))
    }
}

#[tokio::test]
async fn a_process_started_on_another_node_is_linked_and_monitored_before_it_runs() {
    let nodes = TwoNodes::new();
    let (mut a, _b) = nodes.attach();
    a.trap_exit(true);
    let arguments = || Encoded::from_term(&term!([7]));
    let echo = || ("test".into_atom(), "echo".into_atom(), 1);
    let refused = a.spawn_request("b@host", echo(), arguments(), SpawnRequestOptions::default());
    nodes.settle();
    assert_eq!(next(&mut a), term!({spawn_reply, refused, 'error, 'notsup}));

    assert!(nodes.b.set_spawn_service(Arc::new(Service)));
    let options = SpawnRequestOptions {
        link: true,
        monitor: Some(MonitorOptions::new()),
        ..Default::default()
    };
    let request = a.spawn_request("b@host", echo(), arguments(), options.clone());
    nodes.settle();
    let (tag, id, ok, child): (Atom, Reference, Atom, Pid) = a.try_receive().unwrap().unwrap();
    assert_eq!((tag.as_str(), ok.as_str(), &id), ("spawn_reply", "ok", &request));
    assert_eq!(child.node(), nodes.b.node());
    assert_eq!(a.links(), vec![child.clone()]);
    while nodes.b.is_alive(&child) {
        tokio::task::yield_now().await;
    }
    nodes.settle();
    let me = a.pid();
    assert_eq!(next(&mut a), term!({7, me}), "the group leader goes with it");
    assert_eq!(next(&mut a), term!({'EXIT, child, 'done}));
    assert_eq!(next(&mut a), term!({'DOWN, request, 'process, child, 'done}));

    let unknown = ("no".into_atom(), "such".into_atom(), 0);
    let id = a.spawn_request("b@host", unknown, arguments(), options.clone());
    nodes.settle();
    assert_eq!(next(&mut a), term!({spawn_reply, id, 'error, 'undef}));

    let id = a.spawn_request("b@host", echo(), arguments(), options.clone());
    nodes.cut();
    assert_eq!(next(&mut a), term!({spawn_reply, id, 'error, 'noconnection}));
    let id = a.spawn_request("nowhere@host", echo(), arguments(), options);
    assert_eq!(next(&mut a), term!({spawn_reply, id, 'error, 'noconnection}));
    nothing(&mut a);
}

#[tokio::test]
async fn what_was_started_for_a_process_that_has_ended_hears_of_it() {
    let nodes = TwoNodes::new();
    let (a, _b) = nodes.attach();
    nodes.b.set_spawn_service(Arc::new(Sleepers));
    let options = SpawnRequestOptions {
        link: true,
        monitor: Some(MonitorOptions::new()),
        ..Default::default()
    };
    let function = ("test".into_atom(), "sleep".into_atom(), 0);
    a.spawn_request("b@host", function, Encoded::from_term(&Term::NIL), options);
    let before = nodes.b.stats().processes;
    nodes.to_b();
    assert_eq!(nodes.b.stats().processes, before + 1);
    drop(a);
    nodes.settle();
    while nodes.b.stats().processes > before {
        tokio::task::yield_now().await;
    }
}

struct Sleepers;

impl SpawnService for Sleepers {
    fn start(&self, _: &SpawnRequest) -> Result<Start, Atom> {
        Ok(Box::new(|_process: Process| Box::pin(std::future::pending())))
    }
}
