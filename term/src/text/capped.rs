//! Output that stops after so many characters, for logs.

use std::fmt::{self, Write};

/// What stands at the end of output that was cut.
const DOTS: &str = "...";

/// Passes on at most `room` characters, the last three of them `...` if there were more.
///
/// The three characters that may have to give way to the dots are held back until it is known.
pub(super) struct Capped<'a, W: Write + ?Sized> {
    out: &'a mut W,
    room: usize,
    held: String,
    cut: bool,
}

impl<'a, W: Write + ?Sized> Capped<'a, W> {
    pub(super) const fn new(out: &'a mut W, room: usize) -> Self {
        Self { out, room, held: String::new(), cut: false }
    }

    /// Runs a printer, which may have been stopped because the room was used up, and ends the output.
    pub(super) fn run(mut self, print: impl FnOnce(&mut Self) -> fmt::Result) -> fmt::Result {
        let printed = print(&mut self);
        if !self.cut {
            printed?;
        }
        self.out.write_str(&self.held)
    }

    /// `room` counts what neither went out nor is held.
    fn push(&mut self, character: char) -> fmt::Result {
        let dots = DOTS.len();
        if self.room == 0 {
            let held = self.held.chars().count();
            self.held.clear();
            self.held.push_str(DOTS.get(..held.min(dots)).unwrap_or_default());
            self.cut = true;
            return Err(fmt::Error);
        }
        self.room -= 1;
        self.held.push(character);
        if self.held.chars().nth(dots).is_some() {
            let first = self.held.remove(0);
            self.out.write_char(first)?;
        }
        Ok(())
    }
}

impl<W: Write + ?Sized> Write for Capped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Far from the end nothing needs to be held character by character.
        if text.len().saturating_add(DOTS.len()) <= self.room {
            self.out.write_str(&std::mem::take(&mut self.held))?;
            let mut tail = text.char_indices().rev();
            let from = tail.nth(DOTS.len() - 1).map_or(0, |(at, _)| at);
            let (head, tail) = text.split_at(from);
            self.out.write_str(head)?;
            self.held.push_str(tail);
            self.room -= text.chars().count();
            return Ok(());
        }
        text.chars().try_for_each(|character| self.push(character))
    }
}
