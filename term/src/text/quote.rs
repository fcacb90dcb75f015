//! Characters: which are printable, which atoms need quotes, how either is escaped in Erlang source.

use std::fmt::{self, Write};

use super::style::{Encoding, Release};
use crate::atom::AtomRef;

/// `io_lib:printable_latin1_list/1`, one character of it.
pub(super) const fn printable_latin1(code: u32) -> bool {
    matches!(code, 32..=126 | 160..=255 | 8..=13 | 27)
}

/// `io_lib:printable_unicode_list/1`, one character of it.
pub(super) const fn printable_unicode(code: u32) -> bool {
    matches!(code, 32..=126 | 160..=0xd7ff | 0xe000..=0xfffd | 0x1_0000..=0x10_ffff | 8..=13 | 27)
}

/// An atom as `io_lib:write_atom/1` (or `write_atom_as_latin1/1`) writes it.
pub(super) fn write_atom(
    out: &mut (impl Write + ?Sized),
    atom: AtomRef<'_>,
    encoding: Encoding,
    release: Release,
) -> fmt::Result {
    if is_bare(atom, release) {
        return write_bare(out, atom);
    }
    write_quoted(out, atom.chars(), '\'', encoding)
}

/// The characters in quotes.
pub(super) fn write_quoted(
    out: &mut (impl Write + ?Sized),
    characters: impl Iterator<Item = char>,
    quote: char,
    encoding: Encoding,
) -> fmt::Result {
    out.write_char(quote)?;
    for character in characters {
        match character {
            _ if character == quote || character == '\\' => {
                out.write_char('\\')?;
                out.write_char(character)?;
            }
            '\u{100}'.. if encoding == Encoding::Latin1 => {
                write!(out, "\\x{{{:X}}}", u32::from(character))?
            }
            ' '..='~' | '\u{a0}'.. => out.write_char(character)?,
            _ => write_control(out, character)?,
        }
    }
    out.write_char(quote)
}

fn write_control(out: &mut (impl Write + ?Sized), character: char) -> fmt::Result {
    let letter = match character {
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\u{b}' => 'v',
        '\u{8}' => 'b',
        '\u{c}' => 'f',
        '\u{1b}' => 'e',
        '\u{7f}' => 'd',
        _ => return write!(out, "\\{:03o}", u32::from(character)),
    };
    out.write_char('\\')?;
    out.write_char(letter)
}

fn write_bare(out: &mut (impl Write + ?Sized), atom: AtomRef<'_>) -> fmt::Result {
    match atom.utf8_bytes().map(std::str::from_utf8) {
        Some(Ok(name)) => out.write_str(name),
        _ => atom.chars().try_for_each(|character| out.write_char(character)),
    }
}

/// Whether Erlang source spells this atom without quotes.
fn is_bare(atom: AtomRef<'_>, release: Release) -> bool {
    let mut characters = atom.chars();
    characters.next().is_some_and(starts_atom)
        && characters.all(continues_name)
        && !is_reserved(&atom.as_str(), release)
}

/// A letter that begins an atom.
pub(super) const fn starts_atom(character: char) -> bool {
    matches!(character, 'a'..='z' | 'ß'..='ö' | 'ø'..='ÿ')
}

/// A letter or `_` that begins a variable.
pub(super) const fn starts_variable(character: char) -> bool {
    matches!(character, 'A'..='Z' | '_' | 'À'..='Ö' | 'Ø'..='Þ')
}

/// What an atom or a variable goes on with.
pub(super) const fn continues_name(character: char) -> bool {
    starts_atom(character) || starts_variable(character) || matches!(character, '0'..='9' | '@')
}

/// `erl_scan:reserved_word/1`. OTP 27 added `maybe` and `else`.
pub(super) fn is_reserved(name: &str, release: Release) -> bool {
    const RESERVED: [&str; 27] = [
        "after", "and", "andalso", "band", "begin", "bnot", "bor", "bsl", "bsr", "bxor", "case",
        "catch", "cond", "div", "end", "fun", "if", "let", "not", "of", "or", "orelse", "receive",
        "rem", "try", "when", "xor",
    ];
    RESERVED.contains(&name) || (release != Release::Otp25 && matches!(name, "maybe" | "else"))
}

/// An atom inside `fun M:F/A` or `#Fun<...>`. The emulator prints these, by rules of its own: it knows no reserved words, quotes
/// `@`, and hands out UTF-8, which every `io_lib` up to OTP 29 takes for Latin-1: `fun é:f/1` prints as `fun Ã©:f/1`.
pub(super) fn write_emulator_atom(
    out: &mut (impl Write + ?Sized),
    atom: AtomRef<'_>,
) -> fmt::Result {
    let mut characters = atom.chars();
    let plain = |c: char| c != '@' && continues_name(c);
    let bare = characters.next().is_some_and(starts_atom) && characters.all(plain);
    if !bare {
        out.write_char('\'')?;
    }
    for character in atom.chars() {
        match character {
            '\'' | '\\' => {
                out.write_char('\\')?;
                out.write_char(character)?;
            }
            '\u{1b}' => out.write_str("\\033")?,
            '\0'..='\u{1f}' | '\u{80}'..='\u{9f}' => write_control(out, character)?,
            _ => {
                let mut utf8 = [0; 4];
                let bytes = character.encode_utf8(&mut utf8).bytes();
                bytes.map(char::from).try_for_each(|byte| out.write_char(byte))?;
            }
        }
    }
    if bare { Ok(()) } else { out.write_char('\'') }
}
