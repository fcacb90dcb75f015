//! Commands about processes: spawn, exit, links, monitors, aliases, names, group leaders.

use node::{AliasMode, Dest, MonitorOptions, Pid, Process, Reason, Term, term};
use term::TermRef;

use crate::command::{
    Answer, BADARG, Command, Outcome, Stop, atom, boolean, dest, is, pid, reference,
};
use crate::puppet::{Puppet, Strings, puppet};

pub(crate) fn run(
    process: &mut Process,
    strings: &Strings,
    from: &Term,
    command: &Command,
) -> Outcome {
    match command.words() {
        ("self", []) => is(process.pid()),
        ("spawn", []) => is(process.spawn(another(strings, from))),
        ("spawn_link", []) => is(process.spawn_link(another(strings, from))),
        ("spawn_monitor", []) => is(process.spawn_monitor(another(strings, from))),

        ("exit", [reason]) => Err(Stop::Exit(Reason::new(reason))),
        ("panic", [text]) => panic!("{}", words(text)?),
        ("exit", [to, reason]) => {
            process.exit(&pid(to)?, Reason::new(reason));
            is(true)
        }

        ("link", [to]) => {
            process.link(&pid(to)?);
            is(true)
        }
        ("link", [to, options]) => {
            for option in options.as_list().ok_or(BADARG)? {
                option.is_atom("priority").then_some(()).ok_or(BADARG)?;
            }
            process.link_priority(&pid(to)?);
            is(true)
        }
        ("links", []) => is(process.links()),
        ("unlink", [to]) => {
            process.unlink(&pid(to)?);
            is(true)
        }
        ("trap_exit", [on]) => is(process.trap_exit(boolean(on)?)),

        ("monitor", [to]) => monitor(process, to, &Term::NIL),
        ("monitor", [to, options]) => monitor(process, to, options),
        ("demonitor", [monitor, options]) => demonitor(process, monitor, options),

        ("alias", []) => is(process.alias(AliasMode::ExplicitUnalias)),
        ("alias", [options]) => alias(process, options),
        ("unalias", [alias]) => is(process.unalias(&reference(alias)?)),

        ("register", [name, who]) => register(process, name, who),
        ("unregister", [name]) => match atom(name).map(|name| process.unregister(name)) {
            Ok(Ok(())) => is(true),
            _ => is(term!({error, 'badarg})),
        },
        ("whereis", [name]) => match process.runtime().whereis(atom(name)?) {
            Some(pid) => is(pid),
            None => is(term!('undefined)),
        },
        ("registered", []) => is(process.runtime().registered()),

        ("group_leader", []) => is(process.group_leader()),
        ("group_leader", [leader, of]) => group_leader(process, pid(leader)?, &pid(of)?),

        _ => Ok(Answer::Unknown),
    }
}

/// UTF-8 text in a binary, or a charlist.
fn words(text: &Term) -> Result<String, Stop> {
    text.as_str().map(str::to_owned).or_else(|| text.as_charlist()).ok_or(BADARG)
}

/// A puppet that belongs to who asked for it.
fn another(strings: &Strings, owner: &Term) -> impl FnOnce(Process) -> Puppet + Send + 'static {
    let (node, owner) = (strings.node.clone(), Dest::try_from(owner).ok());
    move |process| puppet(process, node, owner)
}

/// The options of `erlang:monitor/3`, `priority` of OTP 28 among them.
fn monitor(process: &Process, to: &Term, options: &Term) -> Outcome {
    let to = dest(to)?;
    if matches!(to, Dest::Alias(_)) {
        return Err(BADARG);
    }
    is(process.monitor_with(to, monitor_options(options)?))
}

pub(crate) fn monitor_options(options: &Term) -> Result<MonitorOptions, Stop> {
    let mut chosen = MonitorOptions::new();
    for option in options.as_list().ok_or(BADARG)? {
        let pair = (option.element(0), option.element(1), option.element(2));
        chosen = match pair {
            (Some(key), Some(value), None) if key.is_atom("tag") => chosen.tag(value.to_term()),
            (Some(key), Some(value), None) if key.is_atom("alias") => {
                chosen.alias(alias_mode(value)?)
            }
            _ if option.is_atom("priority") => chosen.priority(),
            _ => return Err(BADARG),
        };
    }
    Ok(chosen)
}

fn alias_mode(word: TermRef<'_>) -> Result<AliasMode, Stop> {
    match word.as_atom() {
        Some(word) if word == *"explicit_unalias" => Ok(AliasMode::ExplicitUnalias),
        Some(word) if word == *"demonitor" => Ok(AliasMode::Demonitor),
        Some(word) if word == *"reply_demonitor" => Ok(AliasMode::ReplyDemonitor),
        _ => Err(BADARG),
    }
}

/// Without `info` the answer is `true`; with it, whether the monitor was there, which `flush` turns round where it was not.
fn demonitor(process: &mut Process, monitor: &Term, options: &Term) -> Outcome {
    let monitor = reference(monitor)?;
    // Another node's can be no monitor of ours.
    if monitor.node() != process.runtime().node() {
        return Err(BADARG);
    }
    let (mut flush, mut info) = (false, false);
    for option in options.as_list().ok_or(BADARG)? {
        match option.as_atom() {
            Some(word) if word == *"flush" => flush = true,
            Some(word) if word == *"info" => info = true,
            _ => return Err(BADARG),
        }
    }
    let removed =
        if flush { process.demonitor_flush(&monitor) } else { process.demonitor(&monitor) };
    is(removed || !info)
}

/// The options of `erlang:alias/1`, `priority` of OTP 28 among them.
fn alias(process: &Process, options: &Term) -> Outcome {
    let (mut mode, mut priority) = (AliasMode::ExplicitUnalias, false);
    for option in options.as_list().ok_or(BADARG)? {
        match option.as_atom() {
            Some(word) if word == *"explicit_unalias" => mode = AliasMode::ExplicitUnalias,
            Some(word) if word == *"reply" => mode = AliasMode::Reply,
            Some(word) if word == *"priority" => priority = true,
            _ => return Err(BADARG),
        }
    }
    is(if priority { process.priority_alias(mode) } else { process.alias(mode) })
}

fn register(process: &Process, name: &Term, who: &Term) -> Outcome {
    let (Ok(name), Ok(who)) = (atom(name), pid(who)) else { return is(term!({error, 'badarg})) };
    match process.runtime().register(name, &who) {
        Ok(()) => is(true),
        Err(_) => is(term!({error, 'badarg})),
    }
}

fn group_leader(process: &Process, leader: Pid, of: &Pid) -> Outcome {
    // As the BIF: a process of this node must be alive; of another node nobody asks.
    if of.node() == process.runtime().node() && !process.runtime().is_alive(of) {
        return Err(BADARG);
    }
    process.set_group_leader(leader, of);
    is(true)
}
