//! Aliases in all their modes, priority messages, here and across nodes.

mod two_nodes;

use mailbox::{AliasMode, MonitorOptions, Process, Reason, Runtime};
use term::{IntoAtom, Reference, Term, term};
use two_nodes::{TwoNodes, atom, next, nothing};

fn runtime() -> Runtime {
    Runtime::new("rust@host".into_atom(), 1)
}

#[test]
fn messages_through_an_alias_arrive_until_it_is_switched_off() {
    let runtime = runtime();
    let (mut owner, other) = (runtime.attach().unwrap(), runtime.attach().unwrap());
    let alias = owner.alias(AliasMode::ExplicitUnalias);
    other.send(&alias, 1_i64);
    other.send(&alias, 2_i64);
    assert!(!other.unalias(&alias), "only its owner can");
    assert!(owner.unalias(&alias));
    assert!(!owner.unalias(&alias));
    other.send(&alias, 3_i64);
    assert_eq!(next(&mut owner), Term::from(1));
    assert_eq!(next(&mut owner), Term::from(2));
    nothing(&mut owner);
}

#[test]
fn a_reply_alias_ends_with_its_first_message() {
    let runtime = runtime();
    let mut owner = runtime.attach().unwrap();
    let alias = owner.alias(AliasMode::Reply);
    owner.send(&alias, 1_i64);
    owner.send(&alias, 2_i64);
    assert_eq!(next(&mut owner), Term::from(1));
    nothing(&mut owner);
    assert!(!owner.unalias(&alias));
}

#[test]
fn a_plain_reference_and_a_made_up_one_are_no_address() {
    let runtime = runtime();
    let mut process = runtime.attach().unwrap();
    let alias = process.alias(AliasMode::ExplicitUnalias);
    process.send(process.make_ref(), 1_i64);
    let mut words = alias.words().to_vec();
    words[0] ^= 1;
    process.send(Reference::new("rust@host".into_atom(), 1, &words).unwrap(), 2_i64);
    process.send(Reference::new("rust@host".into_atom(), 7, alias.words()).unwrap(), 3_i64);
    nothing(&mut process);
}

#[test]
fn a_reply_takes_the_monitor_of_its_alias_away() {
    let runtime = runtime();
    let (mut client, server) = (runtime.attach().unwrap(), runtime.attach().unwrap());
    let alias =
        client.monitor_with(server.pid(), MonitorOptions::new().alias(AliasMode::ReplyDemonitor));
    server.send(&alias, "reply".into_atom());
    server.send(&alias, "late".into_atom());
    drop(server);
    assert_eq!(next(&mut client), atom("reply"));
    nothing(&mut client);
    assert!(!client.demonitor(&alias));
}

#[test]
fn a_monitor_of_oneself_makes_no_alias() {
    let runtime = runtime();
    let (mut owner, other) = (runtime.attach().unwrap(), runtime.attach().unwrap());
    owner.register("me").unwrap();
    let options = || MonitorOptions::new().alias(AliasMode::ExplicitUnalias);
    for reference in
        [owner.monitor_with(owner.pid(), options()), owner.monitor_with("me", options())]
    {
        other.send(&reference, 1_i64);
        assert!(!owner.unalias(&reference));
    }
    nothing(&mut owner);
}

#[test]
fn demonitor_ends_the_alias_unless_it_is_to_stay() {
    let runtime = runtime();
    let (mut client, server) = (runtime.attach().unwrap(), runtime.attach().unwrap());
    for (mode, stays) in [
        (AliasMode::ExplicitUnalias, true),
        (AliasMode::Demonitor, false),
        (AliasMode::ReplyDemonitor, false),
    ] {
        let alias = client.monitor_with(server.pid(), MonitorOptions::new().alias(mode));
        assert!(client.demonitor(&alias));
        server.send(&alias, 1_i64);
        if stays {
            assert_eq!(next(&mut client), Term::from(1));
        }
        nothing(&mut client);
    }
}

#[test]
fn an_alias_reaches_its_process_from_another_node_while_it_is_active() {
    let nodes = TwoNodes::new();
    let (mut a, b) = nodes.attach();
    let alias = a.alias(AliasMode::ExplicitUnalias);
    b.send(&alias, term!({from, 'b}));
    nodes.settle();
    assert_eq!(next(&mut a), term!({from, 'b}));
    b.send(&alias, 2_i64);
    a.unalias(&alias);
    nodes.settle();
    nothing(&mut a);
}

#[test]
fn a_reply_through_an_alias_demonitors_on_the_other_node() {
    let nodes = TwoNodes::new();
    let (mut a, b) = nodes.attach();
    let alias = a.monitor_with(b.pid(), MonitorOptions::new().alias(AliasMode::ReplyDemonitor));
    nodes.settle();
    b.send(&alias, "reply".into_atom());
    nodes.settle();
    drop(b);
    assert!(nodes.under_way_to_a().is_empty());
    assert_eq!(next(&mut a), atom("reply"));
    nothing(&mut a);
}

// Priority messages, OTP 28.

#[test]
fn priority_messages_through_a_priority_alias_go_ahead_in_their_own_order() {
    let runtime = runtime();
    let (mut owner, sender) = (runtime.attach().unwrap(), runtime.attach().unwrap());
    let urgent = owner.priority_alias(AliasMode::ExplicitUnalias);
    let plain = owner.alias(AliasMode::ExplicitUnalias);
    sender.send(owner.pid(), 1_i64);
    sender.send_priority(&plain, 2_i64);
    sender.send(&urgent, 3_i64);
    sender.send_priority(&urgent, 4_i64);
    sender.send_priority(owner.pid(), 5_i64);
    sender.send_priority(&urgent, 6_i64);
    for expected in [4, 6, 1, 2, 3, 5] {
        assert_eq!(next(&mut owner), Term::from(expected));
    }
}

#[tokio::test]
async fn priority_messages_go_ahead_of_those_passed_over_and_are_looked_at_while_waiting() {
    let runtime = runtime();
    let (mut owner, sender) = (runtime.attach().unwrap(), runtime.attach().unwrap());
    let urgent = owner.priority_alias(AliasMode::ExplicitUnalias);
    for number in 1..=3_i64 {
        sender.send(owner.pid(), number);
    }
    let wanted = term!({it, 'is});
    let found = owner
        .receive_match(|term| (*term == wanted).then_some(()))
        .timeout(std::time::Duration::ZERO)
        .await;
    assert_eq!(found, Ok(None));
    sender.send_priority(&urgent, 10_i64);
    sender.send_priority(&urgent, wanted.clone());
    owner.receive_match(|term| (*term == wanted).then_some(())).await.unwrap();
    for expected in [10, 1, 2, 3] {
        assert_eq!(next(&mut owner), Term::from(expected));
    }
}

#[test]
fn a_priority_exit_through_a_priority_alias_goes_ahead_where_exits_are_trapped() {
    let nodes = TwoNodes::new();
    let (mut a, b) = nodes.attach();
    a.trap_exit(true);
    let urgent = a.priority_alias(AliasMode::ExplicitUnalias);
    let plain = a.alias(AliasMode::ExplicitUnalias);
    b.send(a.pid(), 1_i64);
    b.exit_priority(&plain, Reason::new(atom("second")));
    b.exit_priority(&urgent, Reason::new(atom("first")));
    nodes.settle();
    let from = b.pid();
    assert_eq!(next(&mut a), term!({'EXIT, from, 'first}));
    assert_eq!(next(&mut a), Term::from(1));
    assert_eq!(next(&mut a), term!({'EXIT, from, 'second}));
    a.unalias(&urgent);
    b.exit_priority(&urgent, Reason::new(atom("gone")));
    nodes.settle();
    nothing(&mut a);
}

#[test]
fn a_thread_sees_priority_messages_first() {
    let runtime = runtime();
    let mut me = runtime.attach().unwrap();
    let parent = me.pid();
    let thread = runtime
        .spawn_thread(move |mut process: Process| {
            let alias = process.priority_alias(AliasMode::ExplicitUnalias);
            process.send(&parent, alias);
            let go: Term = process.receive_blocking()?;
            assert!(go.is_atom("first"), "{go}");
            for _ in 0..4 {
                let message: Term = process.receive_blocking()?;
                process.send(&parent, message);
            }
            Ok::<(), Reason>(())
        })
        .unwrap();
    let alias: Reference = me.receive_blocking().unwrap();
    let wait = std::time::Duration::from_millis(50);
    std::thread::sleep(wait);
    me.send(&thread, "first".into_atom());
    // While it is busy with the first, both kinds wait.
    me.send(&thread, 1_i64);
    me.send(&thread, 2_i64);
    me.send_priority(&alias, 3_i64);
    me.send(&thread, 4_i64);
    let mut got: Vec<Term> = (0..4).map(|_| me.receive_blocking().unwrap()).collect();
    // How far it had come is its own affair; that it passed at least the last is not.
    let three = got.iter().position(|term| *term == Term::from(3)).unwrap();
    let four = got.iter().position(|term| *term == Term::from(4)).unwrap();
    assert!(three < four);
    got.remove(three);
    assert_eq!(got, [1, 2, 4].map(Term::from));
}
