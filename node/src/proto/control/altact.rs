//! Operation 37, ALTACT_SIG_SEND (OTP 28): one shape for messages and exit signals to pids, names and aliases, priority or not.

use term::{Atom, Cursor, Encoder, Pid, Reference, Term};

use super::field::Field;
use super::{ControlError, FieldError};

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

    pub(super) fn read(cursor: &mut Cursor<'_>, size: usize) -> Result<Self, ControlError> {
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

    pub(super) fn write(&self, encoder: &mut Encoder<'_>) {
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
