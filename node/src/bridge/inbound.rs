//! What a message from a peer means. Every operation has its signal; there is no default.
//!
//! Whether the peer may say so (its pids, our pids) is for the router to judge, who knows the connection.

use std::sync::Arc;

use mailbox::{Dest, Origin, Payload, Signal, SpawnReply, SpawnRequest, Target};
use term::{Atom, DecodeError, Encoded, Pid, Reference, Term};
use thiserror::Error;

use crate::proto::control::{
    AltactSigSend, AltactTo, Control, Mfa, Options, ProcessOrName, SpawnFlags,
};
use crate::proto::receive::Message;

/// The reason of an exit signal is bytes that are no term: the connection is to be closed, as erts does.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the reason of an exit signal is no term: {0}")]
pub struct BadReason(#[from] pub DecodeError);

/// The signal that a message stands for.
///
/// A message's content is not looked at; `origin` is told when its receiver finds that it is no term.
///
/// # Errors
/// When an exit signal's reason is no term.
pub fn inbound<O: Origin>(message: Message, origin: &Arc<O>) -> Result<Signal, BadReason> {
    let Message { control, payload } = message;
    let content = Content { encoded: payload, origin };
    Ok(match control {
        Control::Link { from, to } => Signal::Link { from, to },
        Control::Send { unused: _, to } => content.message(None, Dest::Pid(to), None, false),
        Control::SendTt { unused: _, to, token } => {
            content.message(None, Dest::Pid(to), Some(token), false)
        }
        Control::SendSender { from, to } => content.message(Some(from), Dest::Pid(to), None, false),
        Control::SendSenderTt { from, to, token } => {
            content.message(Some(from), Dest::Pid(to), Some(token), false)
        }
        Control::RegSend { from, unused: _, to } => {
            content.message(Some(from), Dest::Name(to), None, false)
        }
        Control::RegSendTt { from, unused: _, to, token } => {
            content.message(Some(from), Dest::Name(to), Some(token), false)
        }
        Control::AliasSend { from, alias } => {
            content.message(Some(from), Dest::Alias(alias), None, false)
        }
        Control::AliasSendTt { from, alias, token } => {
            content.message(Some(from), Dest::Alias(alias), Some(token), false)
        }
        Control::AltactSigSend(AltactSigSend { priority, exit, from, to, token }) => {
            let to = match to {
                AltactTo::Process(pid) => Dest::Pid(pid),
                AltactTo::Alias(alias) => Dest::Alias(alias),
                AltactTo::Name(name) => Dest::Name(name),
            };
            if exit {
                Signal::Exit2 { from, to, reason: content.reason()?, token, priority }
            } else {
                content.message(Some(from), to, token, priority)
            }
        }
        Control::Exit { from, to, reason } => Signal::Exit { from, to, reason, token: None },
        Control::ExitTt { from, to, token, reason } => {
            Signal::Exit { from, to, reason, token: Some(token) }
        }
        Control::PayloadExit { from, to } => {
            Signal::Exit { from, to, reason: content.reason()?, token: None }
        }
        Control::PayloadExitTt { from, to, token } => {
            Signal::Exit { from, to, reason: content.reason()?, token: Some(token) }
        }
        Control::Exit2 { from, to, reason } => exit2(from, to, reason, None),
        Control::Exit2Tt { from, to, token, reason } => exit2(from, to, reason, Some(token)),
        Control::PayloadExit2 { from, to } => exit2(from, to, content.reason()?, None),
        Control::PayloadExit2Tt { from, to, token } => {
            exit2(from, to, content.reason()?, Some(token))
        }
        Control::GroupLeader { leader, to } => Signal::GroupLeader { to, leader },
        Control::MonitorP { from, to, reference } => {
            Signal::Monitor { from, to: target(to), reference }
        }
        Control::DemonitorP { from, to, reference } => {
            Signal::Demonitor { from, to: target(to), reference }
        }
        Control::MonitorPExit { from, to, reference, reason } => {
            Signal::Down { from: target(from), to, reference, reason }
        }
        Control::PayloadMonitorPExit { from, to, reference } => {
            Signal::Down { from: target(from), to, reference, reason: content.reason()? }
        }
        Control::UnlinkId { id, from, to } => Signal::Unlink { from, to, id: id.get() },
        Control::UnlinkIdAck { id, from, to } => Signal::UnlinkAck { from, to, id: id.get() },
        Control::SpawnRequest { id, from, leader, mfa, options } => {
            content.spawn_request(id, from, leader, mfa, options, None)
        }
        Control::SpawnRequestTt { id, from, leader, mfa, options, token } => {
            content.spawn_request(id, from, leader, mfa, options, Some(token))
        }
        Control::SpawnReply { id, to, flags, result } => spawn_reply(id, to, flags, result, None),
        Control::SpawnReplyTt { id, to, flags, result, token } => {
            spawn_reply(id, to, flags, result, Some(token))
        }
    })
}

/// What came behind a control message.
struct Content<'a, O> {
    encoded: Option<Encoded>,
    origin: &'a Arc<O>,
}

impl<O: Origin> Content<'_, O> {
    fn message(self, from: Option<Pid>, to: Dest, token: Option<Term>, priority: bool) -> Signal {
        let origin = Arc::clone(self.origin);
        Signal::Message {
            from,
            to,
            payload: Payload::received(self.encoded(), origin),
            token,
            priority,
        }
    }

    fn reason(self) -> Result<Term, BadReason> {
        Ok(self.encoded().decode()?)
    }

    fn spawn_request(
        self,
        id: Reference,
        from: Pid,
        group_leader: Pid,
        mfa: Mfa,
        options: Options,
        token: Option<Term>,
    ) -> Signal {
        let (Mfa { module, function, arity }, Options(options)) = (mfa, options);
        let arguments = self.encoded();
        let request = SpawnRequest {
            id,
            from,
            group_leader,
            module,
            function,
            arity,
            options,
            arguments,
            token,
        };
        Signal::SpawnRequest(Box::new(request))
    }

    /// Receiving refuses operations without the payload they need; should one come here, its payload is no term.
    fn encoded(self) -> Encoded {
        self.encoded.unwrap_or_else(|| Encoded::new(bytes::Bytes::new(), None))
    }
}

fn exit2(from: Pid, to: Pid, reason: Term, token: Option<Term>) -> Signal {
    Signal::Exit2 { from, to: Dest::Pid(to), reason, token, priority: false }
}

fn target(target: ProcessOrName) -> Target {
    match target {
        ProcessOrName::Process(pid) => Target::Pid(pid),
        ProcessOrName::Name(name) => Target::Name(name),
    }
}

fn spawn_reply(
    id: Reference,
    to: Pid,
    flags: SpawnFlags,
    result: ProcessOrName,
    token: Option<Term>,
) -> Signal {
    let result: Result<Pid, Atom> = match result {
        ProcessOrName::Process(pid) => Ok(pid),
        ProcessOrName::Name(error) => Err(error),
    };
    let (linked, monitored) = (flags.linked(), flags.monitored());
    Signal::SpawnReply(Box::new(SpawnReply { id, to, linked, monitored, result, token }))
}
