//! Atoms as Elixir writes them: `:ok`, `true`, `Foo.Bar`, `:"with space"`, as keys `ok:`, as functions `Foo.bar`.

use std::fmt::{self, Write};

use crate::atom::AtomRef;

/// How Elixir's own words see an atom (`Macro.inspect_atom/2`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// `Elixir.Foo`.
    Alias,
    /// `foo`, `foo?`.
    Identifier,
    /// `+`, `<>`, `and`.
    Operator,
    /// `::`, an operator that needs quotes as an atom.
    QuotedOperator,
    /// `{}`, `Foo`, `foo@bar`: an atom without quotes, but no function name.
    NotCallable,
    Other,
}

/// As a value: `:foo`.
pub(super) fn write_literal(out: &mut (impl Write + ?Sized), atom: AtomRef<'_>) -> fmt::Result {
    let name = atom.as_str();
    if matches!(&*name, "nil" | "true" | "false") {
        return out.write_str(&name);
    }
    match classify(&name) {
        Class::Alias => match name.strip_prefix("Elixir.") {
            Some(rest) if rest != "Elixir" && !rest.starts_with("Elixir.") => out.write_str(rest),
            _ => out.write_str(&name),
        },
        Class::QuotedOperator | Class::Other => {
            out.write_char(':')?;
            write_quoted(out, &name)
        }
        _ => write!(out, ":{name}"),
    }
}

/// As a key: `foo:`.
pub(super) fn write_key(out: &mut (impl Write + ?Sized), atom: AtomRef<'_>) -> fmt::Result {
    let name = atom.as_str();
    match classify(&name) {
        Class::Alias => write!(out, "\"{name}\"")?,
        Class::QuotedOperator | Class::Other => write_quoted(out, &name)?,
        _ => out.write_str(&name)?,
    }
    out.write_char(':')
}

/// As a function after its module: `foo`.
pub(super) fn write_function(out: &mut (impl Write + ?Sized), atom: AtomRef<'_>) -> fmt::Result {
    let name = atom.as_str();
    match classify(&name) {
        Class::Identifier | Class::Operator | Class::QuotedOperator => out.write_str(&name),
        Class::NotCallable | Class::Alias => write!(out, "\"{name}\""),
        Class::Other => write_quoted(out, &name),
    }
}

fn write_quoted(out: &mut (impl Write + ?Sized), name: &str) -> fmt::Result {
    out.write_char('"')?;
    escape(out, name.as_bytes(), '"', None)?;
    out.write_char('"')
}

/// The content of a quoted text, at most `limit` characters of it; whether anything was left.
pub(super) fn escape(
    out: &mut (impl Write + ?Sized),
    mut bytes: &[u8],
    quote: char,
    limit: Option<usize>,
) -> Result<bool, fmt::Error> {
    let mut left = limit;
    while !bytes.is_empty() {
        match &mut left {
            Some(0) => return Ok(true),
            Some(left) => *left -= 1,
            None => {}
        }
        if let Some(rest) = bytes.strip_prefix(b"#{") {
            out.write_str("\\#{")?;
            bytes = rest;
            continue;
        }
        let (character, rest) = first_character(bytes);
        bytes = rest;
        match character {
            Ok(character) if character == quote => {
                out.write_char('\\')?;
                out.write_char(character)?;
            }
            Ok(character) => escape_character(out, character)?,
            Err(byte) => write!(out, "\\x{byte:02X}")?,
        }
    }
    Ok(false)
}

/// The character that some bytes begin with, or the byte if it begins none.
pub(super) fn first_character(bytes: &[u8]) -> (Result<char, u8>, &[u8]) {
    let Some((&byte, after)) = bytes.split_first() else { return (Err(0), bytes) };
    if byte.is_ascii() {
        return (Ok(char::from(byte)), after);
    }
    for length in 2..=4 {
        if let Some((head, rest)) = bytes.split_at_checked(length)
            && let Ok(text) = std::str::from_utf8(head)
            && let Some(character) = text.chars().next()
        {
            return (Ok(character), rest);
        }
    }
    (Err(byte), after)
}

fn escape_character(out: &mut (impl Write + ?Sized), character: char) -> fmt::Result {
    let letter = match character {
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\u{7f}' => 'd',
        '\u{1b}' => 'e',
        '\u{c}' => 'f',
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\u{b}' => 'v',
        '\\' => '\\',
        '\0' => '0',
        '\u{feff}' => return out.write_str("\\uFEFF"),
        ' '..='~' | '\u{a0}'..='\u{fffd}' | '\u{10000}'.. => return out.write_char(character),
        '\u{1}'..='\u{ff}' => return write!(out, "\\x{:02X}", u32::from(character)),
        _ => return write!(out, "\\x{{{:04X}}}", u32::from(character)),
    };
    out.write_char('\\')?;
    out.write_char(letter)
}

fn classify(name: &str) -> Class {
    const NOT_CALLABLE: [&str; 9] = ["%", "%{}", "{}", "<<>>", "...", "..", ".", "..//", "->"];
    const QUOTED: [&str; 4] = ["::", "^^^", "~~~", "<|>"];
    const OPERATORS: [&str; 44] = [
        "&", "!", "^", "not", "+", "-", "@", "<-", "\\\\", "when", "|", "=", "||", "|||", "or",
        "&&", "&&&", "and", "==", "!=", "=~", "===", "!==", "<", "<=", ">=", ">", "|>", "<<<",
        ">>>", "<~", "~>", "<<~", "~>>", "<~>", "in", "++", "--", "<>", "+++", "---", "*", "/",
        "**",
    ];
    if NOT_CALLABLE.contains(&name) {
        return Class::NotCallable;
    }
    if QUOTED.contains(&name) {
        return Class::QuotedOperator;
    }
    if OPERATORS.contains(&name) {
        return Class::Operator;
    }
    if is_alias(name) { Class::Alias } else { identifier(name) }
}

/// `Elixir`, `Elixir.Foo`, `Elixir.Foo.Bar_1`.
fn is_alias(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("Elixir") else { return false };
    let mut parts = rest.split('.');
    let piece = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_uppercase())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    parts.next() == Some("") && parts.all(piece)
}

/// What Elixir's tokenizer makes of a name.
///
/// Beyond ASCII it has Unicode's tables of letters that identifiers may have, of scripts that may be mixed, and of normal
/// form C. We know the letters of the scripts below, one code point each; any other makes quotes, which read back as the same atom.
fn identifier(name: &str) -> Class {
    let body = name.strip_suffix(['!', '?']).unwrap_or(name);
    let mut scripts = 0;
    for (at, character) in body.char_indices() {
        scripts |= match character {
            'a'..='z' | 'A'..='Z' => LATIN,
            '_' => 0,
            '0'..='9' | '@' | '·' if at > 0 => 0,
            _ => match letter(character) {
                Some(script) => script,
                None => return Class::Other,
            },
        };
    }
    let mixed = scripts.count_ones() > 1
        && scripts & !(LATIN | HAN | KANA) != 0
        && scripts & !(LATIN | HAN | HANGUL) != 0;
    let Some(first) = body.chars().next() else { return Class::Other };
    if mixed {
        return Class::Other;
    }
    if first.is_uppercase() || body.contains('@') { Class::NotCallable } else { Class::Identifier }
}

const LATIN: u8 = 1;
const GREEK: u8 = 2;
const CYRILLIC: u8 = 4;
const HAN: u8 = 8;
const KANA: u8 = 16;
const HANGUL: u8 = 32;

/// The script of a letter beyond ASCII that an identifier may have. (Compatibility forms such as `ĳ` or `ﬁ` it may not.)
const fn letter(character: char) -> Option<u8> {
    Some(match character {
        'À'..='Ö' | 'Ø'..='ö' | 'ø'..='ı' | 'Ĵ'..='ľ' | 'Ł'..='ň' | 'Ŋ'..='ž' => LATIN,
        'Ə'
        | 'ə'
        | 'Ơ'
        | 'ơ'
        | 'Ư'
        | 'ư'
        | 'Ǎ'..='ǜ'
        | 'Ǟ'..='ǣ'
        | 'Ǧ'..='ǰ'
        | 'Ǵ'
        | 'ǵ'
        | 'Ǹ'..='ț' => LATIN,
        'Ȟ' | 'ȟ' | 'Ȧ'..='ȳ' | 'Ḁ'..='ẙ' | 'ẞ' | 'Ạ'..='ỹ' => LATIN,
        // Stands for the micro sign as well, and so with any script.
        'μ' => 0,
        'Ά' | 'Έ'..='Ί' | 'Ό' | 'Ύ'..='Ρ' | 'Σ'..='ώ' => GREEK,
        'Ѐ'..='џ' | 'Ҋ'..='ӿ' | 'Ԑ'..='ԩ' | 'Ԯ' | 'ԯ' => CYRILLIC,
        '々'..='〇' | '㐀'..='䶿' | '一'..='鿿' => HAN,
        'ぁ'..='ゖ' | 'ゝ' | 'ゞ' | 'ァ'..='ヺ' | 'ー'..='ヾ' => KANA,
        '가'..='힣' => HANGUL,
        _ => return None,
    })
}
