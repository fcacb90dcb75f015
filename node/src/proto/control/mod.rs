//! Control messages: what one node tells another, 1 to 37, in one table (erl_dist_protocol, "Protocol between
//! Connected Nodes"; the checks are those of erts' `erts_net_message`).
//!
//! The table below is all there is to an operation: its number, OTP's name, whether a payload follows, its fields in the
//! order of the tuple. Reading and writing follow from it. Operation 37 has a shape of its own, in
//! `altact`; the kinds of fields are in `field`.

mod altact;
mod field;

#[cfg(test)]
mod tests;

use term::{Atom, Cursor, DecodeError, DecodeErrorKind, Encoder, Pid, Reference, Term};
use thiserror::Error;

pub use altact::{AltactSigSend, AltactTo};
use field::Field;
pub use field::{Mfa, Options, ProcessOrName, SpawnFlags, UnlinkId, Unused};

/// A control message cannot be read: erts closes the connection, and so do we, but for [`ControlError::Obsolete`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ControlError {
    /// Not a tuple that begins with an operation.
    #[error("a control message is a tuple that begins with its operation: {0}")]
    NotAnOperation(DecodeError),
    /// An operation that no node sends.
    #[error("unknown operation {0}")]
    Unknown(u64),
    /// An operation that was replaced before OTP 26. Nothing hangs on it: it is refused in the log and passed over.
    #[error("operation {operation} ({name}) is obsolete: {instead}")]
    Obsolete {
        /// The number.
        operation: u64,
        /// Its name.
        name: &'static str,
        /// What took its place.
        instead: &'static str,
    },
    /// A tuple of the wrong size.
    #[error("operation {operation} with a tuple of {size} elements")]
    Size {
        /// OTP's name.
        operation: &'static str,
        /// Elements in the tuple, the operation included.
        size: usize,
    },
    /// A field that is not what it must be.
    #[error("operation {operation}, {field}: {error}")]
    Field {
        /// OTP's name.
        operation: &'static str,
        /// The field's name in [`Control`].
        field: &'static str,
        /// What is wrong.
        error: FieldError,
    },
}

impl ControlError {
    /// Whether it may be right, and only its end is missing.
    #[must_use]
    pub fn is_cut_short(&self) -> bool {
        let (Self::NotAnOperation(error) | Self::Field { error: FieldError::Term(error), .. }) =
            self
        else {
            return false;
        };
        error.kind == DecodeErrorKind::Truncated
    }
}

/// A field is not what it must be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FieldError {
    /// Not a term, or of another kind.
    #[error(transparent)]
    Term(#[from] DecodeError),
    /// Neither of the two kinds it may have.
    #[error("neither {0}")]
    Neither(&'static str),
    /// An integer out of its range.
    #[error("out of range")]
    Range,
    /// Options that are not a proper list.
    #[error("not a proper list")]
    NotAList,
    /// Two flag bits that exclude each other.
    #[error("flag bits that exclude each other")]
    Flags,
}

/// A row of the table, for those who ask about an operation by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// First element of the tuple.
    pub number: u8,
    /// OTP's name.
    pub name: &'static str,
    /// Whether a second term follows the control message.
    pub payload: bool,
    /// The fields after the operation.
    pub fields: &'static [&'static str],
}

macro_rules! control {
    (@payload payload) => { true };
    (@payload -) => { false };
    ($($(#[$doc:meta])* $number:literal $name:ident $payload:tt $variant:ident { $($field:ident: $type:ty),* $(,)? })*) => {
        /// A control message.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs, reason = "fields are named as in the guide's description of the operation")]
        pub enum Control {
            $($(#[$doc])* $variant { $($field: $type),* },)*
            /// 37: a message or an exit signal in alternative form; since OTP 28 all that is priority or goes to an alias.
            AltactSigSend(AltactSigSend),
        }

        /// All operations that are read and written, in order.
        pub const OPERATIONS: &[Operation] = &[
            $(Operation {
                number: $number,
                name: stringify!($name),
                payload: control!(@payload $payload),
                fields: &[$(stringify!($field)),*],
            },)*
            Operation { number: 37, name: "ALTACT_SIG_SEND", payload: true, fields: &["flags", "from", "to", "token"] },
        ];

        impl Control {
            /// Reads the control message that the cursor stands at.
            ///
            /// # Errors
            /// When it is none of [`OPERATIONS`] or not of its shape: the connection is to be closed.
            pub fn decode(cursor: &mut Cursor<'_>) -> Result<Self, ControlError> {
                let size = cursor.tuple_header().map_err(ControlError::NotAnOperation)?;
                if size == 0 {
                    return Err(ControlError::Size { operation: "none", size });
                }
                let number = cursor.integer_u64().map_err(ControlError::NotAnOperation)?;
                match number {
                    $($number => {
                        const FIELDS: &[&str] = &[$(stringify!($field)),*];
                        if size != FIELDS.len() + 1 {
                            return Err(ControlError::Size { operation: stringify!($name), size });
                        }
                        Ok(Self::$variant {
                            $($field: <$type as Field>::read(cursor).map_err(|error| ControlError::Field {
                                operation: stringify!($name),
                                field: stringify!($field),
                                error,
                            })?,)*
                        })
                    })*
                    37 => AltactSigSend::read(cursor, size).map(Self::AltactSigSend),
                    _ => Err(refused(number)),
                }
            }

            /// Appends the control message, every atom spelled out.
            pub fn encode(&self, out: &mut Vec<u8>) {
                let mut encoder = Encoder::new(out);
                match self {
                    $(Self::$variant { $($field),* } => {
                        const FIELDS: &[&str] = &[$(stringify!($field)),*];
                        encoder.tuple_header(FIELDS.len() + 1);
                        encoder.integer($number);
                        $($field.write(&mut encoder);)*
                    })*
                    Self::AltactSigSend(signal) => signal.write(&mut encoder),
                }
            }

            /// Its row of the table.
            #[must_use]
            pub fn operation(&self) -> &'static Operation {
                let number = match self {
                    $(Self::$variant { .. } => $number,)*
                    Self::AltactSigSend(_) => 37,
                };
                operation(number).unwrap_or(&OPERATIONS[0])
            }
        }
    };
}

control! {
    /// 1: `from` links itself to `to`.
    1 LINK - Link { from: Pid, to: Pid }
    /// 2: a message, its sender unnamed.
    2 SEND payload Send { unused: Unused, to: Pid }
    /// 3: `from` ended and was linked to `to`.
    3 EXIT - Exit { from: Pid, to: Pid, reason: Term }
    /// 6: a message to a registered name.
    6 REG_SEND payload RegSend { from: Pid, unused: Unused, to: Atom }
    /// 7: `to` gets a group leader.
    7 GROUP_LEADER - GroupLeader { leader: Pid, to: Pid }
    /// 8: `from` called `exit/2`.
    8 EXIT2 - Exit2 { from: Pid, to: Pid, reason: Term }
    /// 12: [`Control::Send`] with a trace token.
    12 SEND_TT payload SendTt { unused: Unused, to: Pid, token: Term }
    /// 13: [`Control::Exit`] with a trace token.
    13 EXIT_TT - ExitTt { from: Pid, to: Pid, token: Term, reason: Term }
    /// 16: [`Control::RegSend`] with a trace token.
    16 REG_SEND_TT payload RegSendTt { from: Pid, unused: Unused, to: Atom, token: Term }
    /// 18: [`Control::Exit2`] with a trace token.
    18 EXIT2_TT - Exit2Tt { from: Pid, to: Pid, token: Term, reason: Term }
    /// 19: `from` monitors `to`.
    19 MONITOR_P - MonitorP { from: Pid, to: ProcessOrName, reference: Reference }
    /// 20: `from` does so no longer.
    20 DEMONITOR_P - DemonitorP { from: Pid, to: ProcessOrName, reference: Reference }
    /// 21: what `to` monitored has ended.
    21 MONITOR_P_EXIT - MonitorPExit { from: ProcessOrName, to: Pid, reference: Reference, reason: Term }
    /// 22: a message that names its sender.
    22 SEND_SENDER payload SendSender { from: Pid, to: Pid }
    /// 23: [`Control::SendSender`] with a trace token.
    23 SEND_SENDER_TT payload SendSenderTt { from: Pid, to: Pid, token: Term }
    /// 24: [`Control::Exit`], the reason behind it.
    24 PAYLOAD_EXIT payload PayloadExit { from: Pid, to: Pid }
    /// 25: [`Control::ExitTt`], the reason behind it.
    25 PAYLOAD_EXIT_TT payload PayloadExitTt { from: Pid, to: Pid, token: Term }
    /// 26: [`Control::Exit2`], the reason behind it.
    26 PAYLOAD_EXIT2 payload PayloadExit2 { from: Pid, to: Pid }
    /// 27: [`Control::Exit2Tt`], the reason behind it.
    27 PAYLOAD_EXIT2_TT payload PayloadExit2Tt { from: Pid, to: Pid, token: Term }
    /// 28: [`Control::MonitorPExit`], the reason behind it.
    28 PAYLOAD_MONITOR_P_EXIT payload PayloadMonitorPExit { from: ProcessOrName, to: Pid, reference: Reference }
    /// 29: start a process; its argument list follows.
    29 SPAWN_REQUEST payload SpawnRequest { id: Reference, from: Pid, leader: Pid, mfa: Mfa, options: Options }
    /// 30: [`Control::SpawnRequest`] with a trace token.
    30 SPAWN_REQUEST_TT payload SpawnRequestTt {
        id: Reference, from: Pid, leader: Pid, mfa: Mfa, options: Options, token: Term,
    }
    /// 31: the answer to a spawn request.
    31 SPAWN_REPLY - SpawnReply { id: Reference, to: Pid, flags: SpawnFlags, result: ProcessOrName }
    /// 32: [`Control::SpawnReply`] with a trace token.
    32 SPAWN_REPLY_TT - SpawnReplyTt { id: Reference, to: Pid, flags: SpawnFlags, result: ProcessOrName, token: Term }
    /// 33: a message to an alias.
    33 ALIAS_SEND payload AliasSend { from: Pid, alias: Reference }
    /// 34: [`Control::AliasSend`] with a trace token.
    34 ALIAS_SEND_TT payload AliasSendTt { from: Pid, alias: Reference, token: Term }
    /// 35: `from` takes its link to `to` away.
    35 UNLINK_ID - UnlinkId { id: UnlinkId, from: Pid, to: Pid }
    /// 36: `from` has seen the [`Control::UnlinkId`] of this id.
    36 UNLINK_ID_ACK - UnlinkIdAck { id: UnlinkId, from: Pid, to: Pid }
}

/// The row of an operation that is read and written.
#[must_use]
pub fn operation(number: u8) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.number == number)
}

fn refused(number: u64) -> ControlError {
    let (name, instead) = match number {
        4 => ("UNLINK", "UNLINK_ID (35) took its place, and every node since OTP 26 requires that"),
        5 => ("NODE_LINK", "no node has sent it for decades"),
        _ => return ControlError::Unknown(number),
    };
    ControlError::Obsolete { operation: number, name, instead }
}
