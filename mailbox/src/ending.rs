//! What happens when the code of a process has stopped, for whatever reason.
//!
//! The order is OTP's (`erts_continue_exit_process`): what others can see of the process goes first, its name and its
//! place in the table; only then are links and monitors told, so that whoever hears of the end finds nothing left.

use std::sync::Arc;

use term::{Pid, Term};

use crate::cell::{Cell, Relations};
use crate::error::Reason;
use crate::signal::{Signal, Target};

/// Ends the process; a second call does nothing.
pub(crate) fn end(cell: &Arc<Cell>, reason: Reason) {
    let Some(remains) = cell.close(reason) else { return };
    let runtime = cell.runtime();
    if let Some(name) = remains.relations.as_ref().and_then(|relations| relations.name.as_ref()) {
        runtime.names().forget(name, cell.number());
    }
    runtime.table().remove(cell.number());
    if let Some(channel) = cell.channel() {
        while channel.pop().is_some() {}
    }
    if let Some(relations) = remains.relations {
        tell(cell, *relations, &remains.reason.to_term());
    }
}

fn tell(cell: &Arc<Cell>, mut relations: Relations, reason: &Term) {
    let runtime = cell.runtime();
    for timer in relations.timers.take() {
        runtime.timers().cancel(timer);
    }
    // The pid costs a clone of the node's name; most processes have nobody to tell elsewhere.
    let me = std::cell::LazyCell::new(|| cell.pid());
    tell_links(cell, &mut relations, &me, reason);
    for (number, ended) in relations.monitors.take() {
        cell.tell_demonitored(number, ended);
    }
    tell_watchers(cell, &mut relations, &me, reason);
    if relations.monitors_nodes {
        runtime.nodes_board().subscribe(cell.number(), false);
    }
    for connection in &relations.connections {
        connection.forget(cell.number());
    }
}

fn tell_links(
    cell: &Arc<Cell>,
    relations: &mut Relations,
    me: &impl std::ops::Deref<Target = Pid>,
    reason: &Term,
) {
    let runtime = cell.runtime();
    for other in relations.links.take_local() {
        runtime.table().with(other, |linked| {
            linked.linked_ended(cell.number(), reason.clone(), relations.last_token.clone());
        });
    }
    for (to, connection) in relations.links.take_remote() {
        let (from, token) = ((**me).clone(), relations.last_token.clone());
        let exit = Signal::Exit { from, to, reason: reason.clone(), token };
        runtime.outbound_send_over(&connection, exit);
    }
}

fn tell_watchers(
    cell: &Arc<Cell>,
    relations: &mut Relations,
    me: &impl std::ops::Deref<Target = Pid>,
    reason: &Term,
) {
    let runtime = cell.runtime();
    for (number, watcher) in relations.watchers.take_local() {
        runtime.table().with(watcher, |watcher| watcher.down(number, reason.clone(), None));
    }
    for (reference, watcher) in relations.watchers.take_remote() {
        let from = match watcher.by {
            Target::Name(name) => {
                watcher.connection.named_monitor_over(&reference);
                Target::Name(name)
            }
            Target::Pid(_) => Target::Pid((**me).clone()),
        };
        let down = Signal::Down { from, to: watcher.from, reference, reason: reason.clone() };
        runtime.outbound_send_over(&watcher.connection, down);
    }
}
