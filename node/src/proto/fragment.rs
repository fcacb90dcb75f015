//! Reassembly of fragmented messages, and how large ones are cut (erl_dist_protocol, "Distribution header ... fragments").
//!
//! Fragments of a message come in order, their numbers falling to 1, and may have those of other messages and whole messages
//! between them. Memory is bounded by what has arrived: the number of fragments that a peer announces is a number to
//! count down from and nothing else.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use term::{Atom, Encoded};
use thiserror::Error;

use super::control::Control;
use super::frame::DEFAULT_MAX_FRAME;
use super::spare::Spares;

/// Bytes of a message in each of its fragments, as in erts; what we send over a fast channel may have more.
pub const FRAGMENT_SIZE: usize = 64 << 10;

/// Most messages of one peer under way at a time: a BEAM has as many as it has processes that send something large to
/// us at the same time.
pub const MAX_SEQUENCES: usize = 16 << 10;

/// Fragments that do not fit together, or too much of them: the connection is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FragmentError {
    /// A message of no fragments.
    #[error("a message of 0 fragments")]
    None,
    /// A message begins under a sequence number that is in use.
    #[error("fragment sequence {0:#x} begins twice")]
    Duplicate(u64),
    /// A fragment of a message that did not begin.
    #[error("a fragment of sequence {0:#x}, which did not begin")]
    Unknown(u64),
    /// Not the number that is due.
    #[error("fragment {found} of sequence {sequence:#x}, where {expected} is due")]
    Order {
        /// The sequence.
        sequence: u64,
        /// The number that came.
        found: u64,
        /// The number that was due.
        expected: u64,
    },
    /// More messages under way than [`Bounds::sequences`].
    #[error("more than {0} fragmented messages under way")]
    TooMany(usize),
    /// A message grew over [`Bounds::message`].
    #[error("a fragmented message of more than {0} bytes (see the max-frame option)")]
    MessageTooLong(usize),
    /// All messages under way grew over [`Bounds::total`].
    #[error("fragmented messages under way hold more than {0} bytes")]
    TotalTooLong(usize),
}

/// What a peer may have under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Most messages at a time.
    pub sequences: usize,
    /// Most bytes in a message.
    pub message: usize,
    /// Most bytes in all of them.
    pub total: usize,
}

impl Bounds {
    /// Bounds for a largest message of `message` bytes: twice that for all that are under way, so that one of the largest
    /// does not stop the others.
    #[must_use]
    pub fn for_message(message: usize) -> Self {
        Self { sequences: MAX_SEQUENCES, message, total: message.saturating_mul(2) }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self::for_message(DEFAULT_MAX_FRAME)
    }
}

/// The messages under way from one peer.
#[derive(Debug)]
pub struct Reassembly {
    bounds: Bounds,
    total: usize,
    sequences: HashMap<u64, Sequence>,
    spares: Spares,
}

#[derive(Debug)]
struct Sequence {
    /// The number of the fragment that is due.
    due: u64,
    /// `None` where it was not whole in the first fragment: it begins the payload.
    control: Option<Control>,
    atoms: Option<Arc<[Atom]>>,
    payload: BytesMut,
}

impl Reassembly {
    /// Nothing under way.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, total: 0, sequences: HashMap::new(), spares: Spares::default() }
    }

    /// Bytes held for messages under way.
    #[must_use]
    pub fn held(&self) -> usize {
        self.total
    }

    /// Some time has passed.
    pub(super) fn grow_old(&mut self) {
        self.spares.grow_old();
    }

    pub(super) fn has_spares(&self) -> bool {
        !self.spares.is_empty()
    }

    /// Messages under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.sequences.len()
    }

    /// Takes the first of `fragments` fragments, from which the control message has been read; `payload` is the rest of it, or
    /// all of it where the control message is not whole yet. Gives the message back if that was all.
    ///
    /// # Errors
    /// When the sequence is in use or a bound is reached.
    pub fn first(
        &mut self,
        sequence: u64,
        fragments: u64,
        control: Option<Control>,
        atoms: Option<Arc<[Atom]>>,
        payload: Bytes,
    ) -> Result<Option<(Option<Control>, Encoded)>, FragmentError> {
        let due = fragments.checked_sub(1).ok_or(FragmentError::None)?;
        let open = self.sequences.len();
        self.bounds.check(payload.len(), self.total.saturating_add(payload.len()))?;
        match self.sequences.entry(sequence) {
            Entry::Occupied(_) => Err(FragmentError::Duplicate(sequence)),
            Entry::Vacant(_) if due == 0 => Ok(Some((control, Encoded::new(payload, atoms)))),
            Entry::Vacant(_) if open >= self.bounds.sequences => {
                Err(FragmentError::TooMany(self.bounds.sequences))
            }
            Entry::Vacant(place) => {
                self.total += payload.len();
                let fragments = usize::try_from(fragments).unwrap_or(usize::MAX);
                let mut whole = self.spares.take(payload.len().saturating_mul(fragments));
                whole.extend_from_slice(&payload);
                place.insert(Sequence { due, control, atoms, payload: whole });
                Ok(None)
            }
        }
    }

    /// Takes another fragment. Gives the message back if it was the last.
    ///
    /// # Errors
    /// When it is not the one that is due, or a bound is reached.
    pub fn continuation(
        &mut self,
        sequence: u64,
        fragment: u64,
        part: &[u8],
    ) -> Result<Option<(Option<Control>, Encoded)>, FragmentError> {
        let Entry::Occupied(mut place) = self.sequences.entry(sequence) else {
            return Err(FragmentError::Unknown(sequence));
        };
        let open = place.get_mut();
        // Numbers fall to 1 one by one, so `due` is never 0 here, and neither is a number that equals it.
        if fragment != open.due {
            return Err(FragmentError::Order { sequence, found: fragment, expected: open.due });
        }
        let (length, total) =
            (open.payload.len().saturating_add(part.len()), self.total.saturating_add(part.len()));
        self.bounds.check(length, total)?;
        open.payload.extend_from_slice(part);
        open.due -= 1;
        self.total = total;
        if open.due > 0 {
            return Ok(None);
        }
        let done = place.remove();
        self.total = self.total.saturating_sub(done.payload.len());
        Ok(Some((done.control, Encoded::new(self.spares.freeze(done.payload), done.atoms))))
    }
}

impl Bounds {
    fn check(&self, message: usize, total: usize) -> Result<(), FragmentError> {
        if message > self.message {
            Err(FragmentError::MessageTooLong(self.message))
        } else if total > self.total {
            Err(FragmentError::TotalTooLong(self.total))
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use term::Pid;

    use super::*;

    fn control() -> Control {
        let pid = Pid::new(Atom::from_static("a@h"), 1, 2, 3);
        Control::SendSender { from: pid.clone(), to: pid }
    }

    fn begin(
        reassembly: &mut Reassembly,
        sequence: u64,
        fragments: u64,
    ) -> Result<bool, FragmentError> {
        let done = reassembly.first(
            sequence,
            fragments,
            Some(control()),
            None,
            Bytes::from_static(b"first"),
        )?;
        Ok(done.is_some())
    }

    fn go_on(
        reassembly: &mut Reassembly,
        sequence: u64,
        fragment: u64,
    ) -> Result<bool, FragmentError> {
        Ok(reassembly.continuation(sequence, fragment, b"part")?.is_some())
    }

    #[test]
    fn messages_under_way_at_the_same_time_do_not_mix() {
        let mut reassembly = Reassembly::new(Bounds::default());
        assert_eq!(begin(&mut reassembly, 1, 3), Ok(false));
        assert_eq!(begin(&mut reassembly, 2, 2), Ok(false));
        assert_eq!(go_on(&mut reassembly, 1, 2), Ok(false));
        let (_, payload) = reassembly.continuation(2, 1, b"_two").unwrap().unwrap();
        assert_eq!(&payload.bytes()[..], b"first_two");
        let (_, payload) = reassembly.continuation(1, 1, b"_one").unwrap().unwrap();
        assert_eq!(&payload.bytes()[..], b"firstpart_one");
        assert_eq!((reassembly.held(), reassembly.under_way()), (0, 0));
    }

    #[test]
    fn numbers_that_are_not_due_are_refused() {
        let mut reassembly = Reassembly::new(Bounds::default());
        assert_eq!(begin(&mut reassembly, 1, 0), Err(FragmentError::None));
        assert_eq!(begin(&mut reassembly, 1, 3), Ok(false));
        assert_eq!(begin(&mut reassembly, 1, 3), Err(FragmentError::Duplicate(1)));
        for number in [0, 1, 3, 4, u64::MAX] {
            let error = FragmentError::Order { sequence: 1, found: number, expected: 2 };
            assert_eq!(go_on(&mut reassembly, 1, number), Err(error));
        }
        assert_eq!(go_on(&mut reassembly, 7, 2), Err(FragmentError::Unknown(7)));
        assert_eq!(go_on(&mut reassembly, 1, 2), Ok(false));
        assert_eq!(go_on(&mut reassembly, 1, 1), Ok(true));
        assert_eq!(go_on(&mut reassembly, 1, 0), Err(FragmentError::Unknown(1)));
    }

    #[test]
    fn a_number_of_fragments_costs_nothing_whatever_it_is() {
        let mut reassembly = Reassembly::new(Bounds::default());
        for (sequence, fragments) in [1 << 20, 1 << 26, 1 << 32, u64::MAX].into_iter().enumerate() {
            assert_eq!(begin(&mut reassembly, sequence as u64, fragments), Ok(false));
        }
        assert_eq!(reassembly.held(), 4 * b"first".len());
        let capacity: usize =
            reassembly.sequences.values().map(|sequence| sequence.payload.capacity()).sum();
        assert!(capacity < 1024);
        assert_eq!(go_on(&mut reassembly, 3, u64::MAX - 1), Ok(false));
    }

    #[test]
    fn bounds_hold_for_a_message_for_all_of_them_and_for_their_number() {
        let bounds = Bounds { sequences: 2, message: 8, total: 13 };
        let mut reassembly = Reassembly::new(bounds);
        assert_eq!(begin(&mut reassembly, 1, 9), Ok(false));
        assert_eq!(go_on(&mut reassembly, 1, 8), Err(FragmentError::MessageTooLong(8)));
        assert_eq!(begin(&mut reassembly, 2, 9), Ok(false));
        assert_eq!(begin(&mut reassembly, 3, 9), Err(FragmentError::TotalTooLong(13)));
        let mut reassembly = Reassembly::new(Bounds { total: 1000, ..bounds });
        assert_eq!(begin(&mut reassembly, 1, 9), Ok(false));
        assert_eq!(begin(&mut reassembly, 2, 9), Ok(false));
        assert_eq!(begin(&mut reassembly, 3, 9), Err(FragmentError::TooMany(2)));
        assert_eq!(
            begin(&mut reassembly, 3, 1),
            Ok(true),
            "a message in one fragment is under way for no time"
        );
    }
}
