//! Names and numbers: which bytes are one, and what they mean.

use crate::atom::MAX_ATOM_CHARACTERS;
use crate::error::{DecodeError, DecodeErrorKind};
use crate::node::{Kind, Node};

/// Whether the `length` bytes of a name at `from`, which are there, are ASCII. Names are short: in line, a word at a time.
#[inline(always)]
pub(crate) fn short_ascii(input: &[u8], from: usize, length: usize) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let rest = input.get(from..).unwrap_or_default();
    if length < 8 {
        // What follows the name is shifted out.
        return match rest.first_chunk::<8>() {
            Some(word) => ((u64::from_le_bytes(*word) << 1) << (63 - 8 * length)) & HIGH == 0,
            None => rest.get(..length).is_some_and(<[u8]>::is_ascii),
        };
    }
    let Some(name) = rest.get(..length) else { return false };
    match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(first), Some(last)) if length <= 16 => {
            (u64::from_le_bytes(*first) | u64::from_le_bytes(*last)) & HIGH == 0
        }
        _ => long_ascii(name),
    }
}

/// Whether a name of up to 32 bytes is ASCII, as [`short_ascii`] says it of any; of others, and of some in the first eight bytes, it
/// only says no. Without a call, and as quick where the message ends with the name.
#[inline(always)]
pub(crate) fn certainly_ascii(input: &[u8], from: usize, length: usize) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let word = |at: usize| {
        input.get(at..).and_then(<[u8]>::first_chunk).map_or(HIGH, |word| u64::from_le_bytes(*word))
    };
    let Some(last) = (from + length).checked_sub(8) else { return false };
    // What is before a name of under eight bytes is shifted out.
    let seen = match length {
        0..8 => return ((word(last) & HIGH) >> 1) >> (63 - 8 * length) == 0,
        8..=16 => word(from) | word(last),
        17..=32 => word(from) | word(from + 8) | word(last - 8) | word(last),
        _ => HIGH,
    };
    seen & HIGH == 0
}

/// A count or a number of four bytes.
#[inline(always)]
pub(crate) fn word(input: &[u8], at: usize) -> Option<u32> {
    input.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}

/// Apart, because a loop in line takes registers from the one around it.
#[inline(never)]
fn long_ascii(name: &[u8]) -> bool {
    name.is_ascii()
}

/// Checks that a name is UTF-8 of at most 255 characters.
#[inline(always)]
pub(crate) fn check_atom(name: &[u8], from: usize) -> Result<(), DecodeError> {
    if name.is_ascii() {
        return if name.len() <= MAX_ATOM_CHARACTERS {
            Ok(())
        } else {
            Err(DecodeErrorKind::AtomTooLong.at(from))
        };
    }
    match std::str::from_utf8(name) {
        Err(_) => Err(DecodeErrorKind::AtomNotUtf8.at(from)),
        Ok(name)
            if name.len() > MAX_ATOM_CHARACTERS && name.chars().count() > MAX_ATOM_CHARACTERS =>
        {
            Err(DecodeErrorKind::AtomTooLong.at(from))
        }
        Ok(_) => Ok(()),
    }
}

/// An integer of any number of digits, as the one kind it is.
pub(crate) fn big_node(digits: &[u8], negative: bool, from: u32) -> Node {
    let length = digits.iter().rposition(|&digit| digit != 0).map_or(0, |last| last + 1);
    let digits = digits.get(..length).unwrap_or_default();
    if length <= 8 {
        let magnitude =
            digits.iter().rev().fold(0u64, |value, &digit| (value << 8) | u64::from(digit));
        let value = if negative {
            0i64.checked_sub_unsigned(magnitude)
        } else {
            i64::try_from(magnitude).ok()
        };
        if let Some(value) = value {
            return Node::int(value);
        }
    }
    Node::with_extra(Kind::Big, u8::from(negative), from, length as u64)
}

/// `FLOAT_EXT`: `%.20e` in 31 bytes, filled up with zeros.
pub(crate) fn parse_old_float(text: &[u8; 31]) -> Option<f64> {
    let length = text.iter().position(|&byte| byte == 0)?;
    // OTP takes a comma for the point, as some locales have it.
    let text = std::str::from_utf8(text.get(..length)?).ok()?.replace(',', ".");
    let mantissa = text.split(['e', 'E']).next()?.trim_start_matches(['-', '+']);
    let (whole, fraction) = mantissa.split_once('.')?;
    if whole.is_empty() || fraction.is_empty() {
        return None;
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::{certainly_ascii, short_ascii};

    #[test]
    fn every_length_and_place_of_a_byte_that_is_not_ascii_is_seen_in_a_name() {
        for length in 0..40 {
            // With bytes after the name, which are not its, and without.
            for after in [0, 1, 7, 8, 9] {
                let mut bytes = vec![b'a'; 3 + length + after];
                bytes[..3].fill(0xff);
                bytes[3 + length..].fill(0xff);
                assert!(short_ascii(&bytes, 3, length), "{length} bytes and {after}");
                let certain = (8..=35).contains(&(3 + length)) && length <= 32;
                assert_eq!(certainly_ascii(&bytes, 3, length), certain, "{length} and {after}");
                for place in 3..3 + length {
                    bytes[place] = 0x80;
                    assert!(!short_ascii(&bytes, 3, length), "{length} bytes, wrong at {place}");
                    assert!(!certainly_ascii(&bytes, 3, length), "{length}, wrong at {place}");
                    bytes[place] = 0x7f;
                }
            }
        }
    }
}
