//! The kinds of fields that control messages have: how each is read, checked and written.

use term::{Atom, Cursor, Encoder, Pid, Reference, Term};

use super::FieldError;

/// One element of a control message.
pub(super) trait Field: Sized {
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
        // An atom since time immemorial.
        if cursor.is_atom() {
            cursor.atom_ref()?;
        } else {
            cursor.skip_term()?;
        }
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
