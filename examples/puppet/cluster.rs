//! Commands about the cluster: nodes, connections, process groups, global names, counters.

use node::{Atom, Groups, IntoAtom as _, Nodes, Process, Reason, Term, term};

use crate::command::{Answer, Command, Outcome, Stop, atom, boolean, is, ok};
use crate::puppet::Strings;

pub(crate) async fn run(process: &mut Process, strings: &Strings, command: &Command) -> Outcome {
    let node = &strings.node;
    match command.words() {
        ("node", []) => is(process.runtime().node()),
        ("is_alive", []) => is(node.address().is_some()),
        ("nodes", []) => is(node.nodes(Nodes::Visible)),
        ("nodes", [which]) if which.is_atom("hidden") => is(node.nodes(Nodes::Hidden)),
        ("connect", [peer]) => is(node.connect(&peer_name(peer)?).await),
        ("disconnect", [peer]) => is(match atom(peer) {
            Ok(peer) => node.disconnect(&peer),
            Err(_) => false,
        }),
        ("ping", [peer]) => {
            is(if ping(process, peer_name(peer)?).await { term!('pong) } else { term!('pang) })
        }
        ("monitor_node", [peer, on]) => {
            process.monitor_node(atom(peer)?, boolean(on)?);
            is(true)
        }
        ("pg_join", [scope, group]) => {
            let joined = scope_of(strings, scope)?.join(group, &process.pid()).await;
            joined.map_err(Reason::from)?;
            ok()
        }
        ("pg_leave", [scope, group]) => {
            let left = scope_of(strings, scope)?.leave(group, &process.pid()).await;
            if left.map_err(Reason::from)? { ok() } else { is(term!('not_joined)) }
        }
        ("pg_members", [scope, group]) => {
            is(scope_of(strings, scope)?.members(group).await.map_err(Reason::from)?)
        }
        ("global_register", [name]) => {
            let registered = node.global().register(name, &process.pid()).await;
            is(if registered.map_err(Reason::from)? { term!('yes) } else { term!('no) })
        }
        ("global_unregister", [name]) => {
            node.global().unregister(name).await.map_err(Reason::from)?;
            ok()
        }
        ("global_whereis", [name]) => {
            match node.global().whereis(name).await.map_err(Reason::from)? {
                Some(pid) => is(pid),
                None => is(term!('undefined)),
            }
        }
        ("global_send", [name, message]) => {
            match node.global().send(name, message.clone()).await.map_err(Reason::from)? {
                Some(pid) => is(pid),
                None => is(term!({error, 'badarg})),
            }
        }
        ("stats", []) => is(stats(strings)),
        ("ties", []) => is(ties(process)),
        _ => Ok(Answer::Unknown),
    }
}

fn scope_of(strings: &Strings, scope: &Term) -> Result<Groups, Stop> {
    Ok(strings.node.pg_scope(atom(scope)?).map_err(Reason::from)?)
}

/// The functions of `net_kernel` and `net_adm` have a clause for atoms and no other.
fn peer_name(term: &Term) -> Result<Atom, Stop> {
    atom(term).map_err(|_| Stop::Error("function_clause"))
}

/// `net_adm:ping/1`: whether the peer's `net_kernel` says yes to who we are.
async fn ping(process: &mut Process, peer: Atom) -> bool {
    let asked = ("is_auth".into_atom(), process.runtime().node().clone());
    let answer = process.call::<Atom>(("net_kernel", peer), asked).await;
    answer.is_ok_and(|answer| answer.as_str() == "yes")
}

/// What the runtime has to remember of its processes, for those who look for leaks.
fn ties(process: &Process) -> Term {
    let (ties, stats) = (process.runtime().ties(), process.runtime().stats());
    term!(#{
        names => stats.names,
        timers => stats.timers,
        links => ties.links,
        monitors => ties.monitors,
        watchers => ties.watchers,
        aliases => ties.aliases,
        node_monitors => ties.node_monitors,
        spawn_requests => ties.spawn_requests,
        carried => ties.carried,
        carried_names => ties.carried_names
    })
}

fn stats(strings: &Strings) -> Term {
    let stats = strings.node.stats();
    let traffic = stats.traffic;
    term!(#{
        processes => stats.processes,
        connections => stats.connections,
        messages_in => traffic.messages_in,
        messages_out => traffic.messages_out,
        bytes_in => traffic.bytes_in,
        bytes_out => traffic.bytes_out
    })
}
