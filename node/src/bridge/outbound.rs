//! How a signal is said to a peer: which operation, and what goes behind it. The form is the newest that both ends know,
//! as erts chooses it; what a peer cannot be told at all is withheld in sight.

use mailbox::{Dest, Payload, Signal, SpawnReply, SpawnRequest, Target};
use term::{Atom, DecodeError, Pid, Reference, Term};

use crate::proto::control::{
    AltactSigSend, AltactTo, Control, Mfa, Options, ProcessOrName, SpawnFlags, UnlinkId, Unused,
};
use crate::proto::flags::Flags;
use crate::proto::send::Content;

/// What becomes of a signal for a peer.
#[derive(Debug)]
pub enum Outgoing {
    /// Send this.
    Message(Control, Option<Content>),
    /// Send nothing: the peer does not know such signals.
    Withheld(Withheld),
    /// Send nothing, and deliver this here in the peer's name.
    Answer(Signal),
    /// Send nothing: what was to be passed on is bytes that are no term.
    Undecodable(DecodeError),
}

/// Why a peer is not told of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Withheld {
    /// It offers no DIST_MONITOR and DIST_MONITOR_NAME: a monitor fires when the connection ends, and not before.
    #[error("the peer knows no monitors")]
    Monitor,
    /// It offers no ALIAS, so it made none: the message would reach nobody.
    #[error("the peer knows no aliases")]
    Alias,
    /// It offers no ALTACT_SIG, and no other form has an exit signal for an alias.
    #[error("the peer knows no exit signals to aliases")]
    ExitToAlias,
    /// `exit/2` to a name: there is no such signal.
    #[error("exit signals go to processes and aliases")]
    ExitToName,
    /// An unlink of id 0: there is none.
    #[error("unlink ids begin at 1")]
    UnlinkId,
}

/// The operation for `signal` on a connection with these flags in common.
///
/// `nobody` stands where the form wants a sender and the signal has none: a pid of this node that no process has.
#[must_use]
pub fn outbound(signal: Signal, flags: Flags, nobody: &Pid) -> Outgoing {
    match signal {
        Signal::Message { from, to, payload, token, priority } => {
            let token = token.filter(|token| {
                flags.contains(Flags::BIG_SEQTRACE_LABELS) || has_small_label(token)
            });
            let from = from.unwrap_or_else(|| nobody.clone());
            match message(from, to, token, priority, flags) {
                Ok(control) => with_payload(control, payload),
                Err(why) => Outgoing::Withheld(why),
            }
        }
        Signal::Link { from, to } => alone(Control::Link { from, to }),
        Signal::Unlink { from, to, id } => unlink(id, |id| Control::UnlinkId { id, from, to }),
        Signal::UnlinkAck { from, to, id } => {
            unlink(id, |id| Control::UnlinkIdAck { id, from, to })
        }
        Signal::Exit { from, to, reason, token } => exit(from, to, reason, token, flags),
        Signal::Exit2 { from, to, reason, token, priority } => {
            exit2(from, to, reason, token, priority, flags)
        }
        Signal::Monitor { from, to, reference } => {
            monitor(flags, || alone(Control::MonitorP { from, to: process_or_name(to), reference }))
        }
        Signal::Demonitor { from, to, reference } => monitor(flags, || {
            alone(Control::DemonitorP { from, to: process_or_name(to), reference })
        }),
        Signal::Down { from, to, reference, reason } => {
            monitor(flags, || down(from, to, reference, reason, flags))
        }
        Signal::GroupLeader { to, leader } => alone(Control::GroupLeader { leader, to }),
        Signal::SpawnRequest(request) => spawn_request(*request, flags),
        Signal::SpawnReply(reply) => spawn_reply(*reply),
    }
}

fn message(
    from: Pid,
    to: Dest,
    token: Option<Term>,
    priority: bool,
    flags: Flags,
) -> Result<Control, Withheld> {
    let to_alias = matches!(to, Dest::Alias(_));
    // As erts: since OTP 28 all that is priority or goes to an alias has one form.
    if flags.contains(Flags::ALTACT_SIG) && (priority || (to_alias && flags.contains(Flags::ALIAS)))
    {
        let to = match to {
            Dest::Pid(pid) => AltactTo::Process(pid),
            Dest::Alias(alias) => AltactTo::Alias(alias),
            Dest::Name(name) | Dest::Remote { name, node: _ } => AltactTo::Name(name),
        };
        return Ok(Control::AltactSigSend(AltactSigSend {
            priority,
            exit: false,
            from,
            to,
            token,
        }));
    }
    Ok(match (to, token) {
        (Dest::Alias(_), _) if !flags.contains(Flags::ALIAS) => return Err(Withheld::Alias),
        (Dest::Alias(alias), None) => Control::AliasSend { from, alias },
        (Dest::Alias(alias), Some(token)) => Control::AliasSendTt { from, alias, token },
        (Dest::Name(to) | Dest::Remote { name: to, node: _ }, None) => {
            Control::RegSend { from, unused: Unused, to }
        }
        (Dest::Name(to) | Dest::Remote { name: to, node: _ }, Some(token)) => {
            Control::RegSendTt { from, unused: Unused, to, token }
        }
        (Dest::Pid(to), None) if flags.contains(Flags::SEND_SENDER) => {
            Control::SendSender { from, to }
        }
        (Dest::Pid(to), Some(token)) if flags.contains(Flags::SEND_SENDER) => {
            Control::SendSenderTt { from, to, token }
        }
        (Dest::Pid(to), None) => Control::Send { unused: Unused, to },
        (Dest::Pid(to), Some(token)) => Control::SendTt { unused: Unused, to, token },
    })
}

fn exit(from: Pid, to: Pid, reason: Term, token: Option<Term>, flags: Flags) -> Outgoing {
    match (flags.contains(Flags::EXIT_PAYLOAD), token) {
        (true, None) => with_term(Control::PayloadExit { from, to }, reason),
        (true, Some(token)) => with_term(Control::PayloadExitTt { from, to, token }, reason),
        (false, None) => alone(Control::Exit { from, to, reason }),
        (false, Some(token)) => alone(Control::ExitTt { from, to, token, reason }),
    }
}

fn exit2(
    from: Pid,
    to: Dest,
    reason: Term,
    token: Option<Term>,
    priority: bool,
    flags: Flags,
) -> Outgoing {
    let altact = flags.contains(Flags::ALTACT_SIG);
    let to = match to {
        Dest::Alias(alias) if altact => AltactTo::Alias(alias),
        Dest::Pid(pid) if altact && priority => AltactTo::Process(pid),
        Dest::Pid(to) => {
            // A peer of before OTP 28 gets an ordinary one.
            return match (flags.contains(Flags::EXIT_PAYLOAD), token) {
                (true, None) => with_term(Control::PayloadExit2 { from, to }, reason),
                (true, Some(token)) => {
                    with_term(Control::PayloadExit2Tt { from, to, token }, reason)
                }
                (false, None) => alone(Control::Exit2 { from, to, reason }),
                (false, Some(token)) => alone(Control::Exit2Tt { from, to, token, reason }),
            };
        }
        Dest::Alias(_) => return Outgoing::Withheld(Withheld::ExitToAlias),
        Dest::Name(_) | Dest::Remote { .. } => return Outgoing::Withheld(Withheld::ExitToName),
    };
    with_term(
        Control::AltactSigSend(AltactSigSend { priority, exit: true, from, to, token }),
        reason,
    )
}

fn down(from: Target, to: Pid, reference: Reference, reason: Term, flags: Flags) -> Outgoing {
    let from = process_or_name(from);
    if flags.contains(Flags::EXIT_PAYLOAD) {
        with_term(Control::PayloadMonitorPExit { from, to, reference }, reason)
    } else {
        alone(Control::MonitorPExit { from, to, reference, reason })
    }
}

fn spawn_request(request: SpawnRequest, flags: Flags) -> Outgoing {
    let SpawnRequest {
        id,
        from,
        group_leader: leader,
        module,
        function,
        arity,
        options,
        arguments,
        token,
    } = request;
    if !flags.contains(Flags::SPAWN) {
        // As erts does for a node that cannot spawn.
        let result = Err(Atom::from_static("notsup"));
        let reply = SpawnReply { id, to: from, linked: false, monitored: false, result, token };
        return Outgoing::Answer(Signal::SpawnReply(Box::new(reply)));
    }
    let (mfa, options) = (Mfa { module, function, arity }, Options(options));
    let control = match token {
        None => Control::SpawnRequest { id, from, leader, mfa, options },
        Some(token) => Control::SpawnRequestTt { id, from, leader, mfa, options, token },
    };
    Outgoing::Message(control, Some(Content::Encoded(arguments)))
}

fn spawn_reply(reply: SpawnReply) -> Outgoing {
    let SpawnReply { id, to, linked, monitored, result, token } = reply;
    let flags = SpawnFlags::new(linked, monitored);
    let result = match result {
        Ok(pid) => ProcessOrName::Process(pid),
        Err(error) => ProcessOrName::Name(error),
    };
    alone(match token {
        None => Control::SpawnReply { id, to, flags, result },
        Some(token) => Control::SpawnReplyTt { id, to, flags, result, token },
    })
}

fn unlink(id: u64, control: impl FnOnce(UnlinkId) -> Control) -> Outgoing {
    match UnlinkId::new(id) {
        Some(id) => alone(control(id)),
        None => Outgoing::Withheld(Withheld::UnlinkId),
    }
}

fn monitor(flags: Flags, outgoing: impl FnOnce() -> Outgoing) -> Outgoing {
    if flags.has_monitors() { outgoing() } else { Outgoing::Withheld(Withheld::Monitor) }
}

fn process_or_name(target: Target) -> ProcessOrName {
    match target {
        Target::Pid(pid) => ProcessOrName::Process(pid),
        Target::Name(name) => ProcessOrName::Name(name),
    }
}

fn alone(control: Control) -> Outgoing {
    Outgoing::Message(control, None)
}

fn with_term(control: Control, term: Term) -> Outgoing {
    Outgoing::Message(control, Some(Content::Term(term)))
}

fn with_payload(control: Control, payload: Payload) -> Outgoing {
    // A term keeps its large binaries apart, which bytes of it do not.
    if let Some(term) = payload.as_term() {
        return with_term(control, term.clone());
    }
    match payload.into_encoded() {
        Ok(encoded) => Outgoing::Message(control, Some(Content::Encoded(encoded))),
        Err(error) => Outgoing::Undecodable(error),
    }
}

/// Whether the label of a trace token is an integer that is small on every emulator, the only kind that peers without
/// BIG_SEQTRACE_LABELS take.
fn has_small_label(token: &Term) -> bool {
    let label = token.as_tuple().and_then(|token| token.get(1)).and_then(|label| label.as_i64());
    label.is_some_and(|label| (-(1 << 27)..1 << 27).contains(&label))
}
