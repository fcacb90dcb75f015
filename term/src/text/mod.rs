//! Text: how terms print and what is read back.

use std::fmt;

use crate::term::{Term, TermRef};

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.root(), f)
    }
}

/// Its kind only, until the printer lands.
impl fmt::Display for TermRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_atom() {
            Some(atom) => fmt::Display::fmt(&atom, f),
            None => write!(f, "#{}", self.kind_name()),
        }
    }
}
