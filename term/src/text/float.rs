//! Floats as the BEAM prints them: the fewest digits that read back as the same float, in the shorter of two notations.
//!
//! `float_to_list(F, [short])`, which `~w`, `~p` and Elixir share, is the same on OTP 25, 27 and 29.

use std::fmt::{self, Write};

/// From 2^53 on not every whole number is a float, so the digits before the point would claim too much.
const LAST_EXACT: f64 = 9_007_199_254_740_992.0;

/// Writes `1.0`, `0.001`, `1.0e10`, `-5.0e-324`.
pub(super) fn write(out: &mut (impl Write + ?Sized), value: f64) -> fmt::Result {
    if value.is_sign_negative() {
        out.write_char('-')?;
    }
    let value = value.abs();
    if value == 0.0 {
        return out.write_str("0.0");
    }
    let Some((digits, exponent)) = shortest(value) else { return write!(out, "{value}") };
    let count = digits.len() as i32;
    // The point stands after this many digits; zero or less means zeros before the first.
    let point = exponent + 1;
    let digits = digits.as_str();
    if point > 0 && point < count && value < LAST_EXACT {
        let (whole, fraction) = digits.split_at(point as usize);
        return write!(out, "{whole}.{fraction}");
    }
    let dot_cost = if count == 1 { 2 } else { 1 };
    let scientific_cost = exponent.to_string().len() as i32 + 1 + dot_cost;
    if point <= 0 && 2 - point <= scientific_cost {
        let zeros = (-point) as usize;
        return write!(out, "0.{:0<zeros$}{digits}", "");
    }
    if point >= count && point - count + 2 <= scientific_cost && value < LAST_EXACT {
        let zeros = (point - count) as usize;
        return write!(out, "{digits}{:0<zeros$}.0", "");
    }
    let (first, rest) = digits.split_at(1);
    write!(out, "{first}.{}e{exponent}", if rest.is_empty() { "0" } else { rest })
}

/// As Elixir's `inspect/1`: whole numbers below 10^16 in full, everything else as the BEAM.
pub(super) fn write_elixir(out: &mut (impl Write + ?Sized), value: f64) -> fmt::Result {
    if (1.0..1.0e16).contains(&value.abs()) && value.trunc() == value {
        return write!(out, "{}.0", value as i64);
    }
    write(out, value)
}

/// The shortest digits without the point, and the power of ten of the first.
fn shortest(value: f64) -> Option<(String, i32)> {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e')?;
    let digits = mantissa.replace('.', "");
    let exponent = exponent.parse().ok()?;
    let digits = even(value, &digits, exponent).unwrap_or(digits);
    Some((digits, exponent))
}

/// No float has more significant digits than this in full.
const MOST_DIGITS: usize = 767;

/// Where two shortest numbers are equally near, Rust may take either, the BEAM takes the one whose last digit is even.
fn even(value: f64, digits: &str, exponent: i32) -> Option<String> {
    let odd = digits.bytes().last()? % 2 == 1;
    let more = |count: usize| format!("{value:.count$e}");
    if !odd || !more(digits.len()).split('e').next()?.ends_with('5') {
        return None;
    }
    let all = more(MOST_DIGITS).split('e').next()?.replace('.', "");
    let (head, rest) = all.split_at_checked(digits.len())?;
    if rest.trim_end_matches('0') != "5" {
        return None;
    }
    let below: u64 = head.parse().ok()?;
    let nearest = (below + below % 2).to_string();
    let same =
        format!("{nearest}e{}", i64::from(exponent) + 1 - digits.len() as i64).parse() == Ok(value);
    (same && nearest.len() == digits.len()).then_some(nearest)
}
