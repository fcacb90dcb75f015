//! Control messages: what one node tells another, 1 to 37, in one table (erl_dist_protocol, "Protocol between
//! Connected Nodes"; the checks are those of erts' `erts_net_message`).
//!
//! The table below is all there is to an operation: its number, OTP's name, whether a payload follows, its fields in the
//! order of the tuple. Reading and writing follow from it. Operation 37 has a shape of its own and a file section to itself.

use term::{Atom, Cursor, DecodeError, Encoder, Pid, Reference, Term};
use thiserror::Error;

/// A control message cannot be read: erts closes the connection, and so do we.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ControlError {
    /// Not a tuple that begins with an operation.
    #[error("a control message is a tuple that begins with its operation: {0}")]
    NotAnOperation(DecodeError),
    /// An operation that no node sends.
    #[error("unknown operation {0}")]
    Unknown(u64),
    /// An operation that was replaced before OTP 26, whose nodes close the connection on it.
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

/// One element of a control message.
trait Field: Sized {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, FieldError>;
    fn write(&self, encoder: &mut Encoder<'_>);
}

impl Field for Pid {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, FieldError> {
        Ok(cursor.pid()?)
    }

    fn write(&self, encoder: &mut Encoder<'_>) {
        encoder.pid(self);
    }
}

impl Field for Atom {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, FieldError> {
        Ok(cursor.atom()?)
    }

    fn write(&self, encoder: &mut Encoder<'_>) {
        encoder.atom(self);
    }
}

impl Field for Reference {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, FieldError> {
        Ok(cursor.reference()?)
    }

    fn write(&self, encoder: &mut Encoder<'_>) {
        encoder.reference(self);
    }
}

impl Field for Term {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, FieldError> {
        Ok(cursor.term()?)
    }

    fn write(&self, encoder: &mut Encoder<'_>) {
        encoder.term(self);
    }
}

/// Where the cookie stood long ago: written as the empty atom, read as anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unused;

impl Field for Unused {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, FieldError> {
        cursor.skip_term()?;
        Ok(Self)
    }

    fn write(&self, encoder: &mut Encoder<'_>) {
        encoder.atom(&Atom::from_static(""));
    }
}

/// A pid, or a registered name of the node that the message goes to or comes from (in a spawn reply: an error).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessOrName {
    /// A pid.
    Process(Pid),
    /// A name.
    Name(Atom),
}

impl Field for ProcessOrName {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, FieldError> {
        if cursor.is_pid() {
            Ok(Self::Process(cursor.pid()?))
        } else if cursor.is_atom() {
            Ok(Self::Name(cursor.atom()?))
        } else {
            cursor.skip_term()?;
            Err(FieldError::Neither("a pid nor an atom"))
        }
    }

    fn write(&self, encoder: &mut Encoder<'_>) {
        match self {
            Self::Process(pid) => encoder.pid(pid),
            Self::Name(name) => encoder.atom(name),
        }
    }
}

/// Names an unlink among those between two processes: 1 to 2^64-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UnlinkId(std::num::NonZeroU64);

impl UnlinkId {
    /// `None` for 0.
    #[must_use]
    pub fn new(id: u64) -> Option<Self> {
        std::num::NonZeroU64::new(id).map(Self)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl Field for UnlinkId {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, FieldError> {
        Self::new(cursor.integer_u64()?).ok_or(FieldError::Range)
    }

    fn write(&self, encoder: &mut Encoder<'_>) {
        encoder.unsigned(self.get());
    }
}

/// Module, function and number of arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mfa {
    /// The module.
    pub module: Atom,
    /// The function.
    pub function: Atom,
    /// How many arguments it takes.
    pub arity: u32,
}

impl Field for Mfa {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, FieldError> {
        if cursor.tuple_header()? != 3 {
            return Err(FieldError::Range);
        }
        let (module, function) = (cursor.atom()?, cursor.atom()?);
        let arity = u32::try_from(cursor.integer_i64()?).map_err(|_| FieldError::Range)?;
        Ok(Self { module, function, arity })
    }

    fn write(&self, encoder: &mut Encoder<'_>) {
        encoder.tuple_header(3);
        encoder.atom(&self.module);
        encoder.atom(&self.function);
        encoder.integer(i64::from(self.arity));
    }
}

/// The options of a spawn request: a proper list, its elements as they came.
#[derive(Debug, Clone, PartialEq)]
pub struct Options(pub Term);

impl Field for Options {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, FieldError> {
        let term = cursor.term()?;
        let proper = term.as_list().is_some_and(|list| list.tail().is_none());
        if proper { Ok(Self(term)) } else { Err(FieldError::NotAList) }
    }

    fn write(&self, encoder: &mut Encoder<'_>) {
        encoder.term(&self.0);
    }
}

/// What a spawn reply says about the new process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpawnFlags(u32);

impl SpawnFlags {
    const LINK: u32 = 1;
    const MONITOR: u32 = 2;

    /// Whether a link, and whether a monitor was set up.
    #[must_use]
    pub fn new(linked: bool, monitored: bool) -> Self {
        Self(u32::from(linked) * Self::LINK + u32::from(monitored) * Self::MONITOR)
    }

    /// A link was set up.
    #[must_use]
    pub fn linked(self) -> bool {
        self.0 & Self::LINK != 0
    }

    /// A monitor was set up.
    #[must_use]
    pub fn monitored(self) -> bool {
        self.0 & Self::MONITOR != 0
    }
}

impl Field for SpawnFlags {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, FieldError> {
        // erts takes 27 bits, what fits a small integer everywhere.
        match u32::try_from(cursor.integer_i64()?) {
            Ok(flags) if flags < 1 << 27 => Ok(Self(flags)),
            _ => Err(FieldError::Range),
        }
    }

    fn write(&self, encoder: &mut Encoder<'_>) {
        encoder.integer(i64::from(self.0));
    }
}

/// Operation 37: `{37, Flags, From, To}` or `{37, Flags, From, To, Token}`.
#[derive(Debug, Clone, PartialEq)]
pub struct AltactSigSend {
    /// Ahead of ordinary signals (bit 1).
    pub priority: bool,
    /// An exit signal of `exit/2`, its reason in the payload; else a message (bit 16).
    pub exit: bool,
    /// Who sends it.
    pub from: Pid,
    /// Where it goes (bits 4 and 8).
    pub to: AltactTo,
    /// A trace token (bit 2).
    pub token: Option<Term>,
}

/// Where a signal of operation 37 goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AltactTo {
    /// A process.
    Process(Pid),
    /// Whoever made this alias.
    Alias(Reference),
    /// A registered name.
    Name(Atom),
}

impl AltactSigSend {
    const PRIO: u8 = 1;
    const TOKEN: u8 = 2;
    const ALIAS: u8 = 4;
    const NAME: u8 = 8;
    const EXIT: u8 = 16;
    const OPERATION: &'static str = "ALTACT_SIG_SEND";

    fn read(cursor: &mut Cursor<'_>, size: usize) -> Result<Self, ControlError> {
        let at =
            |field| move |error| ControlError::Field { operation: Self::OPERATION, field, error };
        // "The tuple might be extended with more elements in the future": only too few are wrong.
        if size < 4 {
            return Err(ControlError::Size { operation: Self::OPERATION, size });
        }
        let flags = read_flag_bits(cursor).map_err(at("flags"))?;
        let from = Pid::read(cursor).map_err(at("from"))?;
        let to = match (flags & Self::ALIAS != 0, flags & Self::NAME != 0) {
            (true, true) => return Err(at("flags")(FieldError::Flags)),
            (true, false) => Reference::read(cursor).map(AltactTo::Alias),
            (false, true) => Atom::read(cursor).map(AltactTo::Name),
            (false, false) => Pid::read(cursor).map(AltactTo::Process),
        }
        .map_err(at("to"))?;
        let mut read = 4;
        let mut token = None;
        if flags & Self::TOKEN != 0 {
            if size < 5 {
                return Err(ControlError::Size { operation: Self::OPERATION, size });
            }
            token = Some(Term::read(cursor).map_err(at("token"))?);
            read = 5;
        }
        for _ in read..size {
            cursor.skip_term().map_err(|error| at("extension")(error.into()))?;
        }
        Ok(Self {
            priority: flags & Self::PRIO != 0,
            exit: flags & Self::EXIT != 0,
            from,
            to,
            token,
        })
    }

    fn write(&self, encoder: &mut Encoder<'_>) {
        let mut flags = 0;
        for (set, bit) in [
            (self.priority, Self::PRIO),
            (self.token.is_some(), Self::TOKEN),
            (matches!(self.to, AltactTo::Alias(_)), Self::ALIAS),
            (matches!(self.to, AltactTo::Name(_)), Self::NAME),
            (self.exit, Self::EXIT),
        ] {
            flags |= if set { bit } else { 0 };
        }
        encoder.tuple_header(if self.token.is_some() { 5 } else { 4 });
        encoder.integer(37);
        encoder.integer(i64::from(flags));
        self.from.write(encoder);
        match &self.to {
            AltactTo::Process(pid) => encoder.pid(pid),
            AltactTo::Alias(alias) => encoder.reference(alias),
            AltactTo::Name(name) => encoder.atom(name),
        }
        if let Some(token) = &self.token {
            encoder.term(token);
        }
    }
}

/// The lowest byte of an integer that is not negative, however large: later releases may define more bits.
fn read_flag_bits(cursor: &mut Cursor<'_>) -> Result<u8, FieldError> {
    match cursor.integer_u64() {
        Ok(flags) => return Ok((flags & 0xff) as u8),
        Err(error) if !cursor.is_integer() => return Err(error.into()),
        Err(_) => {}
    }
    // SMALL_BIG_EXT: 110, a length of 1 byte, the sign, digits from the lowest; LARGE_BIG_EXT: a length of 4 bytes.
    match *cursor.skip_term()? {
        [110, _, 0, low, ..] | [111, _, _, _, _, 0, low, ..] => Ok(low),
        _ => Err(FieldError::Range),
    }
}

#[cfg(test)]
mod tests {
    //! The bytes were made by `term_to_binary/1`, without the leading 131; most operations are also met in recordings of
    //! live nodes, in `proto::recordings`.

    use super::*;

    const A: &str = "5877036140680000000A0000000000000007"; // <a@h 10.0>, creation 7
    const B: &str = "5877036240680000000B0000000100000008"; // <b@h 11.1>, creation 8
    const REF: &str = "5A0003770361406800000007000000010000000200000003";
    const TOKEN: &str =
        "680561016802770362696777056C6162656C61035877036140680000000A00000000000000076100";

    fn bytes(parts: &[&str]) -> Vec<u8> {
        let text = parts.concat();
        (0..text.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
            .collect()
    }

    fn decode(parts: &[&str]) -> Result<Control, ControlError> {
        let bytes = bytes(parts);
        let mut cursor = Cursor::new(&bytes, &[]);
        let control = Control::decode(&mut cursor)?;
        assert!(cursor.is_empty(), "{control:?} leaves {:?}", cursor.remaining());
        Ok(control)
    }

    #[test]
    fn forms_that_no_live_node_sends_today_read_and_write_as_the_beam_spells_them() {
        for parts in [
            &["6804610C7700", B, TOKEN][..],
            &["68056112", A, B, TOKEN, "680277036279656101"],
            &["6804611B", A, B, TOKEN],
            &["68066120", REF, B, "6103", A, TOKEN],
            &["68066120", REF, B, "6100", "77066E6F74737570", TOKEN],
            &["68046123", "6E0800FFFFFFFFFFFFFFFF", A, B],
        ] {
            let control = decode(parts).unwrap();
            let mut out = Vec::new();
            control.encode(&mut out);
            assert_eq!(out, bytes(parts), "{control:?}");
        }
    }

    #[test]
    fn flag_bits_and_elements_of_the_future_are_passed_over_in_operation_37() {
        // Flags 2^100 + 5, and 2^70 + 10 with a token and two elements more.
        let Ok(Control::AltactSigSend(signal)) =
            decode(&["68046125", "6E0D0005000000000000000000000010", A, REF])
        else {
            panic!()
        };
        assert!(signal.priority && !signal.exit && matches!(signal.to, AltactTo::Alias(_)));
        let Ok(Control::AltactSigSend(signal)) = decode(&[
            "68076125",
            "6E09000A0000000000000040",
            A,
            "77046E616D65",
            TOKEN,
            "7706667574757265",
            "6B000101",
        ]) else {
            panic!()
        };
        assert!(
            !signal.priority
                && signal.token.is_some()
                && signal.to == AltactTo::Name(Atom::from_static("name"))
        );
    }

    #[test]
    fn a_wrong_shape_is_an_error_that_names_operation_and_field() {
        for (parts, said) in [
            (&["68036101", A, "77046E616D65"][..], "LINK, to"),
            (&["68026101", A], "LINK with a tuple of 2"),
            (&["68046101", A, B, B], "LINK with a tuple of 4"),
            (&["68046113", A, REF, REF], "MONITOR_P, to: neither"),
            (&["68046123", "6100", A, B], "UNLINK_ID, id: out of range"),
            (&["68046123", "6E0900000000000000000001", A, B], "UNLINK_ID, id"),
            (&["68046123", "62FFFFFFFF", A, B], "UNLINK_ID, id"),
            (&["68046125", "62FFFFFFFF", A, B], "ALTACT_SIG_SEND, flags"),
            (&["68046125", "610C", A, REF], "flag bits that exclude each other"),
            (&["68046125", "6102", A, B], "ALTACT_SIG_SEND with a tuple of 4"),
            (&["68046125", "7700", A, B], "ALTACT_SIG_SEND, flags"),
            (&["6805611F", REF, B, "6208000000", A], "SPAWN_REPLY, flags: out of range"),
            (
                &["6806611D", REF, A, A, "680377016D77016662FFFFFFFF", "6A"],
                "SPAWN_REQUEST, mfa: out of range",
            ),
            (
                &["6806611D", REF, A, A, "680377016D7701666101", "6C00000001770161770162"],
                "options: not a proper list",
            ),
            (&["6806611D", REF, A, A, "680277016D770166", "6A"], "SPAWN_REQUEST, mfa"),
            (
                &["680361045877036140680000000A0000000000000007", B],
                "operation 4 (UNLINK) is obsolete",
            ),
            (&["68016105"], "operation 5 (NODE_LINK) is obsolete"),
            (&["68036126", A, B], "unknown operation 38"),
            (&["6803620FFFFFFF", A, B], "unknown operation 268435455"),
            (&["6800"], "none with a tuple of 0"),
            (&["6A"], "a tuple that begins with its operation"),
            (&["6803770161", A, B], "a tuple that begins with its operation"),
            (&["680362FFFFFFFF", A, B], "a tuple that begins with its operation"),
            (&["69FFFFFFFF6101"], "a tuple that begins with its operation"),
            (&[""], "a tuple that begins with its operation"),
        ] {
            let error = decode(parts).unwrap_err();
            assert!(error.to_string().contains(said), "{error} does not say `{said}`");
        }
    }

    #[test]
    fn every_number_from_1_to_37_is_an_operation_or_refused_by_name_or_never_was_one() {
        let listed: Vec<u8> = OPERATIONS.iter().map(|operation| operation.number).collect();
        // Never assigned, or gone since before the oldest release that can connect (erl_dist_protocol).
        let never = [9, 10, 11, 14, 15, 17];
        for number in 1..=37u8 {
            let error = decode(&[&format!("680161{number:02X}")]).unwrap_err();
            match error {
                ControlError::Size { .. } => assert!(listed.contains(&number), "{number}"),
                ControlError::Obsolete { .. } => assert!([4, 5].contains(&number), "{number}"),
                ControlError::Unknown(_) => assert!(never.contains(&number), "{number}"),
                other => panic!("{number}: {other}"),
            }
        }
        assert!(listed.is_sorted());
    }

    #[test]
    fn every_cut_of_a_control_message_is_an_error() {
        let whole = bytes(&["68056112", A, B, TOKEN, "680277036279656101"]);
        for cut in 0..whole.len() {
            assert!(Control::decode(&mut Cursor::new(&whole[..cut], &[])).is_err());
        }
    }
}
