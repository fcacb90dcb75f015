//! Containers whose size is known at their end: begun with room for it, and closed in the form Erlang gives what they hold.

use crate::encoder::Encoder;
use crate::tag::*;

/// Begins a tuple; where it begins, for [`close_tuple`].
#[inline]
pub(crate) fn open_tuple(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(&[SMALL_TUPLE_EXT, 0]);
    out.len() - 2
}

/// Ends a tuple of `arity` elements.
///
/// # Panics
/// If there are 2^32 or more.
#[inline]
pub(crate) fn close_tuple(out: &mut Vec<u8>, at: usize, arity: usize) {
    if let Ok(arity) = u8::try_from(arity)
        && let Some(place) = out.get_mut(at + 1)
    {
        *place = arity;
    } else {
        let mut head = Vec::with_capacity(5);
        Encoder::new(&mut head).counted(LARGE_TUPLE_EXT, arity);
        out.splice(at..at + 2, head);
    }
}

/// Begins a list; where it begins, for [`close_list`] and [`close_counted`].
#[inline]
pub(crate) fn open_list(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(&[LIST_EXT, 0, 0, 0, 0]);
    out.len() - 5
}

/// Ends a proper list of `length` elements: `[]` where there are none, and a string, as the BEAM writes it, where all are bytes.
#[inline]
pub(crate) fn close_list(out: &mut Vec<u8>, at: usize, length: usize) {
    if length == 0 {
        out.truncate(at);
    } else if out.get(at + 5) != Some(&SMALL_INTEGER_EXT) || !close_string(out, at, length) {
        close_counted(out, at, length);
    } else {
        return;
    }
    out.push(NIL_EXT);
}

/// Turns a list of bytes into a string, unless it is none.
fn close_string(out: &mut Vec<u8>, at: usize, length: usize) -> bool {
    let body = out.get(at + 5..).unwrap_or_default();
    let Ok(short) = u16::try_from(length) else { return false };
    // The first two bytes are a small integer if the first one says so; then the next element begins at the third, and so on.
    let bytes = body.as_chunks::<2>().0;
    if body.len() != 2 * length || bytes.iter().any(|[tag, _]| *tag != SMALL_INTEGER_EXT) {
        return false;
    }
    for index in 0..length {
        if let Some(&byte) = out.get(at + 6 + 2 * index)
            && let Some(place) = out.get_mut(at + 3 + index)
        {
            *place = byte;
        }
    }
    out.truncate(at + 3 + length);
    let [high, low] = short.to_be_bytes();
    if let Some(head) = out.get_mut(at..at + 3) {
        head.copy_from_slice(&[STRING_EXT, high, low]);
    }
    true
}

/// Puts a count of 32 bits behind the tag at `at`.
///
/// # Panics
/// If it has more.
#[inline]
pub(crate) fn close_counted(out: &mut [u8], at: usize, count: usize) {
    let count32 = u32::try_from(count);
    assert!(count32.is_ok(), "the external term format counts to 2^32 - 1");
    if let Some(place) = out.get_mut(at + 1..at + 5) {
        place.copy_from_slice(&count32.unwrap_or_default().to_be_bytes());
    }
}
