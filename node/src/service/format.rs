//! `io_lib:format/2`, for what a group leader is given unformatted: characters out of control sequences and arguments.

use std::fmt::Write;

use term::text::Format;
use term::{Elements, TermRef, View};

use crate::config::MAX_FRAME;

/// The most characters that one control sequence pads to: a peer's `~999999999c` must not be our memory.
const WIDEST: usize = 64 * 1024;

/// The most bytes of all that is formatted, padding and indentation included: as much as a peer can send us at once. A few bytes of
/// a format ask for [`WIDEST`] each, and there can be many of them.
const LONGEST: usize = MAX_FRAME;

/// How the bytes of binaries are meant (`io_protocol`, "Encoding").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Latin1,
    Unicode,
}

/// The characters of character data: code points, binaries, and lists of those, nested. `None` if it is none.
pub(super) fn characters(data: TermRef<'_>, encoding: Encoding) -> Option<String> {
    let mut out = String::new();
    let mut open: Vec<(Elements<'_>, Option<TermRef<'_>>)> = Vec::new();
    let mut next = Some(data);
    loop {
        match next {
            Some(part) => match part.view() {
                View::Integer(code) => out.push(character(code)?),
                View::Binary(bytes) => match encoding {
                    Encoding::Unicode => out.push_str(std::str::from_utf8(bytes).ok()?),
                    Encoding::Latin1 => out.extend(bytes.iter().map(|byte| char::from(*byte))),
                },
                View::List(list) => open.push((list.iter(), None)),
                View::ImproperList(list, tail) => open.push((list.iter(), Some(tail))),
                _ => return None,
            },
            None if open.is_empty() => return Some(out),
            None => {}
        }
        next = None;
        while next.is_none()
            && let Some((elements, tail)) = open.last_mut()
        {
            next = elements.next().or_else(|| tail.take());
            if next.is_none() {
                open.pop();
            }
        }
        if next.is_none() {
            return Some(out);
        }
    }
}

fn character(code: i64) -> Option<char> {
    u32::try_from(code).ok().and_then(char::from_u32)
}

/// One `~F.P.PadModC` (the manual page of `io`, `fwrite/3`).
#[derive(Debug, Default)]
struct Sequence {
    width: Option<i64>,
    precision: Option<usize>,
    pad: Option<char>,
    /// `t`.
    unicode: bool,
    /// `l`: lists are no text.
    lists_are_lists: bool,
    /// `k`: maps by the order of their keys.
    ordered: bool,
}

/// What `io_lib:format(Format, Arguments)` makes; `None` where that would fail with `badarg`, or be longer than [`LONGEST`].
pub(super) fn format(format: TermRef<'_>, arguments: TermRef<'_>) -> Option<String> {
    let format = match format.as_atom() {
        Some(atom) => atom.to_string(),
        None => characters(format, Encoding::Unicode)?,
    };
    let arguments = arguments.as_list()?;
    let mut arguments = arguments.iter();
    let mut characters = format.chars().peekable();
    let mut out = String::new();
    let mut reach = Reach::default();
    while let Some(character) = characters.next() {
        if character != '~' {
            out.push(character);
            continue;
        }
        let sequence = Sequence::parse(&mut characters, &mut arguments)?;
        sequence.write(characters.next()?, &mut arguments, &mut out, &mut reach)?;
        if out.len() > LONGEST {
            return None;
        }
    }
    arguments.next().is_none().then_some(out)
}

impl Sequence {
    fn parse(
        text: &mut std::iter::Peekable<std::str::Chars<'_>>,
        arguments: &mut Elements<'_>,
    ) -> Option<Self> {
        let mut sequence = Self::default();
        let left = text.next_if_eq(&'-').is_some();
        if let Some(width) = number(text, arguments)? {
            sequence.width = Some(if left { -width } else { width });
        }
        if text.next_if_eq(&'.').is_some() {
            sequence.precision = match number(text, arguments)? {
                Some(precision) => Some(usize::try_from(precision).ok()?),
                None => None,
            };
            if text.next_if_eq(&'.').is_some() {
                sequence.pad = match text.next()? {
                    '*' => Some(character(arguments.next()?.as_i64()?)?),
                    pad => Some(pad),
                };
            }
        }
        while let Some(modifier) = text.next_if(|c| matches!(c, 't' | 'l' | 'k' | 'K')) {
            sequence.unicode |= modifier == 't';
            sequence.lists_are_lists |= modifier == 'l';
            sequence.ordered |= modifier == 'k';
            if modifier == 'K' {
                // Maps in an order by a fun, which cannot be run here, or by one of two words.
                sequence.ordered |= arguments.next()?.is_atom("ordered");
            }
        }
        Some(sequence)
    }

    fn write(
        &self,
        control: char,
        arguments: &mut Elements<'_>,
        out: &mut String,
        reach: &mut Reach,
    ) -> Option<()> {
        match control {
            '~' => out.push('~'),
            'n' => out.extend(std::iter::repeat_n('\n', self.repeats(1)?)),
            'i' => drop(arguments.next()?),
            'c' => {
                let one = character(arguments.next()?.as_i64()?)?;
                let times = self.precision.map_or_else(|| self.repeats(1), Some)?.min(WIDEST);
                self.pad_to(&one.to_string().repeat(times), out);
            }
            's' => {
                let argument = arguments.next()?;
                let encoding = if self.unicode { Encoding::Unicode } else { Encoding::Latin1 };
                let text = match argument.as_atom() {
                    Some(atom) => atom.to_string(),
                    None => characters(argument, encoding)?,
                };
                self.text(&text, out)?;
            }
            'w' => self.pad_to(&self.printed(arguments.next()?).raw().to_string(), out),
            'p' => self.pretty(arguments.next()?, out, reach)?,
            // With a depth, below which dots stand for the rest. Here all is shown: a depth is a wish for brevity.
            'W' => {
                let shown = self.printed(arguments.next()?).raw().to_string();
                arguments.next()?.as_i64()?;
                self.pad_to(&shown, out);
            }
            'P' => {
                let shown = arguments.next()?;
                arguments.next()?.as_i64()?;
                self.pretty(shown, out, reach)?;
            }
            'b' | 'B' | '+' | '#' | 'x' | 'X' => self.integer(control, arguments, out)?,
            'f' | 'e' | 'g' => {
                let argument = arguments.next()?;
                let value =
                    argument.as_f64().or_else(|| argument.as_i64().map(|whole| whole as f64))?;
                let digits = self.precision.unwrap_or(6).min(253);
                let shown = match control {
                    'f' if digits >= 1 => format!("{value:.digits$}"),
                    'e' if digits >= 2 => exponent(value, digits),
                    'g' if digits >= 1 => general(value, digits),
                    _ => return None,
                };
                self.pad_to(&shown, out);
            }
            _ => return None,
        }
        Some(())
    }

    fn integer(&self, control: char, arguments: &mut Elements<'_>, out: &mut String) -> Option<()> {
        let value = arguments.next()?.as_big_integer()?;
        let base = u32::try_from(self.precision.unwrap_or(10))
            .ok()
            .filter(|base| (2..=36).contains(base))?;
        let prefix = match control {
            'x' | 'X' => match arguments.next()? {
                prefix if prefix.as_atom().is_some() => prefix.as_atom()?.to_string(),
                prefix => characters(prefix.as_list().map(|_| prefix)?, Encoding::Unicode)?,
            },
            '+' | '#' => format!("{base}#"),
            _ => String::new(),
        };
        let digits = value.to_str_radix(base);
        let digits =
            if matches!(control, 'B' | 'X' | '#') { digits.to_uppercase() } else { digits };
        let (sign, digits) =
            digits.strip_prefix('-').map_or(("", digits.as_str()), |digits| ("-", digits));
        self.pad_to(&format!("{sign}{prefix}{digits}"), out);
        Some(())
    }

    fn printed<'a>(&self, term: TermRef<'a>) -> Format<'a> {
        // One more than is taken, so that what is cut is refused.
        let printed = term.format().limit(LONGEST + 1);
        let printed = if self.unicode { printed.unicode() } else { printed };
        if self.ordered { printed.ordered() } else { printed }
    }

    /// `~p`: lines of the field's width, beginning where the text so far ends, or in the column that the precision says.
    fn pretty(&self, term: TermRef<'_>, out: &mut String, reach: &mut Reach) -> Option<()> {
        let width = usize::try_from(self.width.unwrap_or(80)).ok()?.min(WIDEST);
        let column = self.precision.unwrap_or_else(|| reach.column(out) + 1).min(WIDEST);
        // Nothing but `l` makes text of lists into lists, and of binaries too, which is as near as we come.
        let printed = self.printed(term);
        let printed = if self.lists_are_lists { printed.raw() } else { printed };
        let text = printed.width(width).column(column).to_string();
        out.push_str(&text);
        Some(())
    }

    /// `~s`: cut to the precision and filled up to it, then filled up to the width.
    fn text(&self, text: &str, out: &mut String) -> Option<()> {
        let width = match self.width {
            Some(width) => Some(usize::try_from(width.unsigned_abs()).ok()?),
            None => None,
        };
        let left = self.width.is_some_and(|width| width < 0);
        let Some(field) = self.precision.or(width) else {
            out.push_str(text);
            return Some(());
        };
        let whole = width.unwrap_or(field);
        if whole < field {
            return None;
        }
        let (field, whole) = (field.min(WIDEST), whole.min(WIDEST));
        let shown: String = text.chars().take(field).collect();
        let padding = |count| std::iter::repeat_n(self.pad.unwrap_or(' '), count);
        let missing = field - shown.chars().count();
        // What the precision leaves free is filled after the text, except where it is the whole field.
        let (before, after) = match (left || self.width.is_none(), whole > field) {
            (true, _) => (0, missing + whole - field),
            (false, true) => (whole - field, missing),
            (false, false) => (missing, 0),
        };
        out.extend(padding(before));
        out.push_str(&shown);
        out.extend(padding(after));
        Some(())
    }

    fn repeats(&self, default: usize) -> Option<usize> {
        let times =
            self.width.map_or(Ok(default), |width| usize::try_from(width.unsigned_abs())).ok()?;
        Some(times.min(WIDEST))
    }

    /// A field: filled up to its width, on the left unless that is negative; text too long for it shows as asterisks.
    fn pad_to(&self, text: &str, out: &mut String) {
        let Some(width) = self.width else { return out.push_str(text) };
        let wide = usize::try_from(width.unsigned_abs()).unwrap_or(WIDEST).min(WIDEST);
        let length = text.chars().count();
        if length > wide {
            return out.extend(std::iter::repeat_n('*', wide));
        }
        let padding = std::iter::repeat_n(self.pad.unwrap_or(' '), wide - length);
        if width < 0 {
            out.push_str(text);
            out.extend(padding);
        } else {
            out.extend(padding);
            out.push_str(text);
        }
    }
}

/// How far the last line of a text reaches that grows; a tab reaches the next multiple of eight. Each part of it is looked at once, as
/// there may be very many `~p` in one line.
#[derive(Debug, Default)]
struct Reach {
    seen: usize,
    column: usize,
}

impl Reach {
    fn column(&mut self, text: &str) -> usize {
        for c in text.get(self.seen..).unwrap_or_default().chars() {
            self.column = match c {
                '\n' => 0,
                '\t' => (self.column + 8) / 8 * 8,
                _ => self.column + 1,
            };
        }
        self.seen = text.len();
        self.column
    }
}

/// Digits, or `*` for the next argument; nothing is `None` in `Some`.
fn number(
    text: &mut std::iter::Peekable<std::str::Chars<'_>>,
    arguments: &mut Elements<'_>,
) -> Option<Option<i64>> {
    if text.next_if_eq(&'*').is_some() {
        return Some(Some(arguments.next()?.as_i64()?));
    }
    let mut value: Option<i64> = None;
    while let Some(digit) = text.next_if(char::is_ascii_digit) {
        let digit = i64::from(digit.to_digit(10)?);
        value = Some(value.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
    }
    Some(value)
}

/// As `~f` for what is from 0.1 up to 10,000 and fits so many digits in all, else as `~e`.
fn general(value: f64, digits: usize) -> String {
    let size = value.abs();
    let before = [1.0, 10.0, 100.0, 1_000.0, 10_000.0].iter().position(|limit| size < *limit);
    match before {
        Some(before) if size >= 0.1 && (before < digits || digits == 1 && before == 0) => {
            let decimals = digits - before;
            format!("{value:.decimals$}")
        }
        _ => exponent(value, digits.max(2)),
    }
}

/// `1.50000e+0`: as many digits in all as asked for.
fn exponent(value: f64, digits: usize) -> String {
    let decimals = digits.saturating_sub(1);
    let plain = format!("{value:.decimals$e}");
    let (mantissa, exponent) = plain.split_once('e').unwrap_or((&plain, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    let mut out = String::from(mantissa);
    // Writing to a string does not fail.
    let _ = write!(out, "e{sign}{digits}");
    out
}

#[cfg(test)]
mod tests {
    use term::{Term, term};

    use super::*;

    fn formatted(text: &str, arguments: Term) -> Option<String> {
        format(Term::from(text).root(), arguments.root())
    }

    #[test]
    fn a_short_format_does_not_make_a_text_beyond_all_bounds() {
        assert_eq!(formatted(&"~3n".repeat(1_000), term!([])).map(|text| text.len()), Some(3_000));
        assert_eq!(formatted(&"~65536n".repeat(100_000), term!([])), None);
    }

    #[test]
    fn a_text_reaches_as_far_as_its_last_line_however_it_has_grown() {
        let (mut text, mut reach) = (String::new(), Reach::default());
        for (more, column) in
            [("", 0), ("ab", 2), ("\t", 8), ("é", 9), ("x\ny", 1), ("\n", 0), ("z", 1)]
        {
            text.push_str(more);
            assert_eq!(reach.column(&text), column, "{text:?}");
            assert_eq!(Reach::default().column(&text), column, "{text:?}");
        }
    }

    #[test]
    fn a_column_beyond_all_bounds_is_no_more_than_the_widest() {
        let wide = term!([[{one, 'two}, {three, 'four}]]);
        let lines = formatted("~9.9223372036854775807p", wide).unwrap();
        assert!(lines.contains('\n') && lines.len() < 4 * WIDEST, "{}", lines.len());
    }
}
