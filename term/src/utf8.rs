//! Bytes as text. Names and short texts are ASCII nearly always: that is found out in line, where the library's call was a quarter of the
//! time of typed reading.

use std::str::{Utf8Error, from_utf8};

/// Longest text that is looked at here: beyond it a call costs nothing beside the work.
const SHORT: usize = 64;

/// The bytes as text.
///
/// # Errors
/// Where they are no UTF-8.
#[inline(always)]
pub(crate) fn text(bytes: &[u8]) -> Result<&str, Utf8Error> {
    if bytes.len() > SHORT || !is_ascii(bytes) {
        return from_utf8(bytes);
    }
    Ok(ascii(bytes))
}

/// The `length` bytes at `from` as text, if that is plain: up to 16 ASCII bytes, not at the very beginning. Of others it says nothing.
/// Little code, so that whoever calls is still small enough to be in line itself, where positions stay in registers.
#[inline(always)]
pub(crate) fn plain_text(input: &[u8], from: usize, length: usize) -> Option<&str> {
    const HIGH: u128 = 0x8080_8080_8080_8080_8080_8080_8080_8080;
    if length > 16 {
        return None;
    }
    let before = input.get(..from + length)?;
    let seen = u128::from_le_bytes(*before.last_chunk()?) & HIGH;
    // What is before the text is shifted out; before an empty one, that is all.
    if seen.checked_shr(128 - 8 * length as u32).unwrap_or(0) != 0 {
        return None;
    }
    before.get(from..).map(ascii)
}

/// Bytes that were looked at.
#[inline(always)]
#[allow(
    unsafe_code,
    reason = "typed reading of 1,000 records takes 0.8 of the time or less: `cargo bench -p term --bench codec -- e`"
)]
fn ascii(bytes: &[u8]) -> &str {
    debug_assert!(bytes.is_ascii());
    // SAFETY: both callers have found the highest bit of every byte clear: each is a code point of its own, below 128, and such
    // bytes are UTF-8 in any number and order. Miri runs over the tests of this file (`.ci/run`).
    unsafe { std::str::from_utf8_unchecked(bytes) }
}

/// Whether no byte has its highest bit set: words that overlap at the end, so that no byte is left over.
#[inline(always)]
fn is_ascii(bytes: &[u8]) -> bool {
    if let Some(last) = bytes.last_chunk::<8>() {
        let words = bytes.as_chunks::<8>().0.iter();
        return words
            .fold(u64::from_ne_bytes(*last), |seen, word| seen | u64::from_ne_bytes(*word))
            & 0x8080_8080_8080_8080
            == 0;
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return (u32::from_ne_bytes(*first) | u32::from_ne_bytes(*last)) & 0x8080_8080 == 0;
    }
    bytes.iter().fold(0, |seen, byte| seen | byte) < 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it is read where it lies between other bytes, of which some are no text.
    fn read(bytes: &[u8]) -> Option<&str> {
        let found = text(bytes).ok();
        for after in [0, 9] {
            let between = [&[0xff; 16], bytes, &[0xff; 9][..after]].concat();
            let plain = bytes.is_ascii() && bytes.len() <= 16;
            assert_eq!(plain_text(&between, 16, bytes.len()), found.filter(|_| plain));
        }
        found
    }

    #[test]
    fn every_length_and_place_of_a_byte_that_is_not_ascii_reads_as_the_library_reads_it() {
        // Every length in words, then around the limit.
        for length in (0..=20).chain([31, 32, SHORT - 1, SHORT, SHORT + 1]) {
            let plain: Vec<u8> = (0..length).map(|at| b' ' + (at % 90) as u8).collect();
            assert_eq!(read(&plain), from_utf8(&plain).ok());
            for place in 0..length {
                for wrong in [0x80, 0xff] {
                    let mut bytes = plain.clone();
                    bytes[place] = wrong;
                    assert_eq!(read(&bytes), None, "{length} bytes, {wrong:#x} at {place}");
                }
                if place + 1 < length {
                    let mut bytes = plain.clone();
                    bytes[place..place + 2].copy_from_slice("ö".as_bytes());
                    assert_eq!(read(&bytes), from_utf8(&bytes).ok());
                    assert!(read(&bytes).is_some());
                }
            }
        }
    }

    #[test]
    fn nothing_is_said_of_text_beyond_the_end_or_at_the_beginning() {
        let bytes = [b'a'; 20];
        assert_eq!(plain_text(&bytes, 18, 3), None);
        assert_eq!(plain_text(&bytes, 21, 0), None);
        assert_eq!(plain_text(&bytes, 18, usize::MAX), None);
        assert_eq!(plain_text(&bytes, 20, 0), Some(""));
        assert_eq!(plain_text(&bytes, 17, 3), Some("aaa"));
        assert_eq!(plain_text(&bytes, 12, 3), None);
    }
}
