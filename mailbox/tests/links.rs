//! Links between processes of one node, and by the link protocol between nodes, with its races.

mod two_nodes;

use mailbox::{Process, Reason, Received, Runtime};
use term::{IntoAtom, Pid, Term, term};
use two_nodes::{TwoNodes, atom, next, nothing};

fn runtime() -> Runtime {
    Runtime::new("rust@host".into_atom(), 1)
}

fn exit(from: &Pid, reason: Term) -> Term {
    term!({'EXIT, from, reason})
}

#[test]
fn the_end_of_one_ends_the_other_with_its_reason() {
    let runtime = runtime();
    let (one, other) = (runtime.attach().unwrap(), runtime.attach().unwrap());
    let mut watcher = runtime.attach().unwrap();
    let (pid, monitor) = (other.pid(), watcher.monitor(other.pid()));
    one.link(&pid);
    one.finish(Reason::new(term!({oh, 'no})));
    assert!(other.is_exiting());
    nothing(&mut watcher);
    drop(other);
    assert_eq!(next(&mut watcher), term!({'DOWN, monitor, 'process, pid, {oh, 'no}}));
}

#[test]
fn who_traps_exits_gets_a_message_also_for_normal() {
    let runtime = runtime();
    let (one, mut other) = (runtime.attach().unwrap(), runtime.attach().unwrap());
    assert!(!other.trap_exit(true));
    assert!(other.trap_exit(true));
    other.link(&one.pid());
    let pid = one.pid();
    one.finish(Reason::normal());
    assert_eq!(next(&mut other), exit(&pid, atom("normal")));
    assert!(!other.is_exiting());
    assert!(other.links().is_empty());
}

#[test]
fn normal_over_a_link_is_ignored_where_it_is_not_trapped() {
    let runtime = runtime();
    let (one, mut other) = (runtime.attach().unwrap(), runtime.attach().unwrap());
    other.link(&one.pid());
    drop(one);
    assert!(!other.is_exiting());
    nothing(&mut other);
}

#[test]
fn kill_over_a_link_can_be_trapped_and_is_not_turned_into_killed() {
    let runtime = runtime();
    let one = runtime.attach().unwrap();
    let (mut trapping, plain) = (runtime.attach().unwrap(), runtime.attach().unwrap());
    trapping.trap_exit(true);
    trapping.monitor(plain.pid());
    trapping.link(&one.pid());
    plain.link(&one.pid());
    let pid = one.pid();
    one.finish(Reason::new(atom("kill")));
    assert_eq!(next(&mut trapping), exit(&pid, atom("kill")));
    drop(plain);
    assert!(next(&mut trapping).element(4).unwrap().is_atom("kill"));
}

#[test]
fn a_link_to_the_dead_is_noproc() {
    let runtime = runtime();
    let gone = runtime.attach().unwrap().pid();
    let mut trapping = runtime.attach().unwrap();
    trapping.trap_exit(true);
    trapping.link(&gone);
    assert_eq!(next(&mut trapping), exit(&gone, atom("noproc")));

    let plain = runtime.attach().unwrap();
    plain.link(&gone);
    assert!(plain.is_exiting());
}

#[test]
fn a_link_to_an_older_creation_of_this_node_is_noproc() {
    let runtime = Runtime::new("rust@host".into_atom(), 2);
    let mut process = runtime.attach().unwrap();
    process.trap_exit(true);
    let me = process.pid();
    let older = Pid::new("rust@host".into_atom(), me.id(), me.serial(), 1);
    process.link(&older);
    assert_eq!(next(&mut process), exit(&older, atom("noproc")));
}

#[test]
fn unlink_takes_the_link_away_and_several_links_are_one() {
    let runtime = runtime();
    let (one, mut other) = (runtime.attach().unwrap(), runtime.attach().unwrap());
    other.trap_exit(true);
    one.link(&other.pid());
    other.link(&one.pid());
    one.link(&other.pid());
    assert_eq!(one.links(), vec![other.pid()]);
    other.unlink(&one.pid());
    assert!(one.links().is_empty());
    drop(one);
    nothing(&mut other);
}

#[test]
fn a_link_to_oneself_is_nothing() {
    let runtime = runtime();
    let process = runtime.attach().unwrap();
    process.link(&process.pid());
    assert!(process.links().is_empty());
}

#[tokio::test]
async fn a_process_linked_at_birth_tells_its_parent() {
    let runtime = runtime();
    let mut parent = runtime.attach().unwrap();
    parent.trap_exit(true);
    let child =
        parent.spawn_link(async |_: Process| Err::<(), _>(Reason::new(term!({crashed, 1}))));
    match parent.receive().await.unwrap() {
        Received::Exit { from, reason } => assert_eq!((from, reason), (child, term!({crashed, 1}))),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_link_between_nodes_carries_the_end_both_ways() {
    let nodes = TwoNodes::new();
    for from_a in [true, false] {
        let (a, b) = nodes.attach();
        let (ending, mut told) = if from_a { (a, b) } else { (b, a) };
        told.trap_exit(true);
        told.link(&ending.pid());
        nodes.settle();
        assert_eq!(ending.links(), vec![told.pid()]);
        let pid = ending.pid();
        let reason = Term::from((atom("big"), vec![7_u8; 100_000]));
        ending.finish(Reason::new(reason.clone()));
        nodes.settle();
        assert_eq!(next(&mut told), exit(&pid, reason));
        assert!(told.links().is_empty());
    }
}

#[test]
fn a_link_to_the_dead_on_another_node_is_noproc() {
    let nodes = TwoNodes::new();
    let (mut a, b) = nodes.attach();
    a.trap_exit(true);
    let gone = b.pid();
    drop(b);
    a.link(&gone);
    assert_eq!(a.links(), vec![gone.clone()]);
    nodes.settle();
    assert_eq!(next(&mut a), exit(&gone, atom("noproc")));
    assert!(a.links().is_empty());
}

#[test]
fn the_loss_of_the_connection_is_noconnection_on_both_sides() {
    let nodes = TwoNodes::new();
    let (mut a, mut b) = nodes.attach();
    a.trap_exit(true);
    b.trap_exit(true);
    a.link(&b.pid());
    nodes.settle();
    nodes.cut();
    assert_eq!(next(&mut a), exit(&b.pid(), atom("noconnection")));
    assert_eq!(next(&mut b), exit(&a.pid(), atom("noconnection")));
    nodes.settle();
    nothing(&mut a);
    nothing(&mut b);
}

#[test]
fn where_no_connection_can_be_a_link_is_noconnection_at_once() {
    let nodes = TwoNodes::new();
    let (mut a, b) = nodes.attach();
    nodes.refuse();
    a.trap_exit(true);
    a.link(&b.pid());
    assert_eq!(next(&mut a), exit(&b.pid(), atom("noconnection")));
}

#[test]
fn the_end_of_an_old_connection_leaves_links_over_the_next_alone() {
    let nodes = TwoNodes::new();
    let (mut a, b) = nodes.attach();
    b.trap_exit(true);
    a.trap_exit(true);
    a.link(&b.pid());
    nodes.settle();
    let (old, _) = nodes.connections();
    nodes.cut();
    assert_eq!(next(&mut a), exit(&b.pid(), atom("noconnection")));
    a.link(&b.pid());
    nodes.settle();
    nodes.a.node_down(&old);
    assert_eq!(a.links(), vec![b.pid()]);
    nothing(&mut a);
}

// The races of erl_dist_protocol, "Link Protocol".

#[test]
fn an_exit_that_crosses_an_unlink_is_not_seen() {
    let nodes = TwoNodes::new();
    let (mut a, b) = nodes.attach();
    a.trap_exit(true);
    a.link(&b.pid());
    nodes.settle();
    let pid = b.pid();
    b.finish(Reason::new(atom("late")));
    assert_eq!(nodes.under_way_to_a(), ["Exit"]);
    a.unlink(&pid);
    nodes.settle();
    nothing(&mut a);
}

#[test]
fn a_link_that_crosses_an_unlink_leaves_both_sides_unlinked() {
    let nodes = TwoNodes::new();
    let (a, b) = nodes.attach();
    a.link(&b.pid());
    nodes.settle();
    a.unlink(&b.pid());
    // Is linked as far as it knows, so this sends nothing.
    b.link(&a.pid());
    assert!(nodes.under_way_to_a().is_empty());
    nodes.settle();
    assert!(a.links().is_empty());
    assert!(b.links().is_empty());
}

#[test]
fn unlinks_that_cross_leave_both_sides_unlinked_and_free_to_link_again() {
    let nodes = TwoNodes::new();
    let (a, b) = nodes.attach();
    a.link(&b.pid());
    nodes.settle();
    a.unlink(&b.pid());
    b.unlink(&a.pid());
    nodes.settle();
    assert!(a.links().is_empty());
    assert!(b.links().is_empty());
    b.link(&a.pid());
    nodes.settle();
    assert_eq!(a.links(), vec![b.pid()]);
    assert_eq!(b.links(), vec![a.pid()]);
}

#[test]
fn a_link_again_while_the_unlink_is_under_way_holds_on_both_sides() {
    let nodes = TwoNodes::new();
    let (a, b) = nodes.attach();
    a.link(&b.pid());
    nodes.settle();
    a.unlink(&b.pid());
    a.link(&b.pid());
    a.unlink(&b.pid());
    a.link(&b.pid());
    nodes.settle();
    assert_eq!(a.links(), vec![b.pid()]);
    assert_eq!(b.links(), vec![a.pid()]);
}

#[test]
fn a_link_that_meets_an_unlink_not_yet_acknowledged_is_ignored() {
    let nodes = TwoNodes::new();
    let (a, b) = nodes.attach();
    a.link(&b.pid());
    nodes.settle();
    b.unlink(&a.pid());
    // b's unlink is under way when a, unlinked by its own doing, links again: b must not take that for a link.
    a.unlink(&b.pid());
    a.link(&b.pid());
    while nodes.to_b() {}
    assert!(b.links().is_empty());
    nodes.settle();
    assert_eq!(a.links().is_empty(), b.links().is_empty(), "both sides are of one mind");
    assert!(a.links().is_empty());
}

#[test]
fn the_ack_leaves_before_anything_else_that_the_unlinked_side_does() {
    let nodes = TwoNodes::new();
    let (a, b) = nodes.attach();
    b.link(&a.pid());
    nodes.settle();
    b.unlink(&a.pid());
    assert!(nodes.to_a());
    a.link(&b.pid());
    assert_eq!(nodes.under_way_to_b(), ["UnlinkAck", "Link"]);
    nodes.settle();
    assert_eq!(b.links(), vec![a.pid()]);
}

#[test]
fn the_dead_acknowledge_an_unlink() {
    let nodes = TwoNodes::new();
    let (mut a, b) = nodes.attach();
    a.link(&b.pid());
    nodes.settle();
    let gone = b.pid();
    a.unlink(&gone);
    drop(b);
    assert!(nodes.to_b());
    assert_eq!(nodes.under_way_to_a(), ["Exit", "UnlinkAck"]);
    nodes.settle();
    a.trap_exit(true);
    a.link(&gone);
    nodes.settle();
    assert_eq!(next(&mut a), exit(&gone, atom("noproc")));
}

#[test]
fn every_order_of_delivery_leaves_both_sides_of_one_mind() {
    // All programs of three steps for each side, and all ways to interleave them with deliveries, up to a seed.
    for seed in 0..1_000_u64 {
        let nodes = TwoNodes::new();
        let (a, b) = nodes.attach();
        let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        for _ in 0..20 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            match random % 6 {
                0 => a.link(&b.pid()),
                1 => b.link(&a.pid()),
                2 => a.unlink(&b.pid()),
                3 => b.unlink(&a.pid()),
                4 => drop(nodes.to_a()),
                _ => drop(nodes.to_b()),
            }
        }
        nodes.settle();
        assert_eq!(a.links().is_empty(), b.links().is_empty(), "seed {seed}");
    }
}

#[test]
fn a_peer_that_speaks_for_processes_of_others_is_refused() {
    let nodes = TwoNodes::new();
    let (a, b) = nodes.attach();
    let (at_a, _) = nodes.connections();
    let third = Pid::new("c@host".into_atom(), 1, 0, 1);
    for from in [third, a.pid()] {
        let (to, reason) = (a.pid(), atom("fake"));
        let refused =
            nodes.a.deliver(&at_a, mailbox::Signal::Exit { from, to, reason, token: None });
        assert!(refused.is_err());
    }
    assert!(!a.is_exiting());
    drop(b);
}
