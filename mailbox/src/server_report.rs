//! What the log says of servers and supervisors that end, and of children.

use std::fmt::{self, Write};

use term::{Atom, Term};

use crate::error::Reason;
use crate::process::Process;

/// So much of a reason goes into a log line: enough for what it says, and little of the data it may hold.
const SHOWN: usize = 500;

/// "Generic server terminating": said of every end but those that were ordered.
pub(crate) fn terminating(process: &Process, module: &Atom, reason: &Reason) {
    if !is_ordered(&reason.to_term()) {
        let reason = Shown(&reason.to_term()).to_string();
        tracing::error!(process = %process.pid(), server = %module, %reason, "the server terminates");
    }
}

/// `normal`, `shutdown` or `{shutdown, _}`.
pub(crate) fn is_ordered(reason: &Term) -> bool {
    let tagged = |reason: &Term| {
        let tuple = reason.as_tuple()?;
        (tuple.len() == 2 && tuple.get(0)?.is_atom("shutdown")).then_some(())
    };
    reason.is_atom("normal") || reason.is_atom("shutdown") || tagged(reason).is_some()
}

/// A term as text, no longer than a log line should be.
pub(crate) struct Shown<'a>(pub(crate) &'a Term);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Short(String::new());
        let cut = write!(text, "{}", self.0).is_err();
        f.write_str(&text.0)?;
        if cut { f.write_str("...") } else { Ok(()) }
    }
}

/// Takes no more than fits, and then ends the writing.
struct Short(String);

impl Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let left = SHOWN.saturating_sub(self.0.len());
        if text.len() <= left {
            self.0.push_str(text);
            return Ok(());
        }
        let end = (0..=left).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        self.0.push_str(text.get(..end).unwrap_or_default());
        Err(fmt::Error)
    }
}
