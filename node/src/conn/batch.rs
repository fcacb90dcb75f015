//! Bytes on their way to the socket: many small messages in one buffer, large pieces beside it, written together.
//!
//! A large binary is not copied: it stays where its sender had it and is inserted between the buffer's bytes by position.

use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;

/// Pieces shorter than this are copied into the buffer: a slice of its own costs the kernel about as much.
const COPIED: usize = 4 * 1024;

/// Slices given to one `writev`; the kernel's own limit is 1,024, and few batches have more than a handful.
const SLICES: usize = 64;

/// What a buffer may keep of its capacity between batches, so that one burst does not hold memory for ever.
const KEPT: usize = 256 * 1024;

/// Bytes in order: `buffer`, with `inserts` at their positions.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    buffer: Vec<u8>,
    inserts: Vec<Insert>,
    inserted: usize,
}

#[derive(Debug)]
struct Insert {
    /// How many bytes of the buffer come before it.
    at: usize,
    bytes: Bytes,
}

impl Batch {
    /// The buffer, for those who encode straight into it.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Appends bytes that are already there.
    pub(crate) fn insert(&mut self, bytes: Bytes) {
        if bytes.len() < COPIED {
            self.buffer.extend_from_slice(&bytes);
        } else {
            self.inserted += bytes.len();
            self.inserts.push(Insert { at: self.buffer.len(), bytes });
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.buffer.len() + self.inserted
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.inserts.is_empty()
    }

    /// Empties it for the next use, and gives back what a burst needed.
    pub(crate) fn clear(&mut self) {
        self.buffer.clear();
        self.buffer.shrink_to(KEPT);
        self.inserts.clear();
        self.inserted = 0;
    }

    /// Appends all of `other`, which is empty then.
    pub(crate) fn append(&mut self, other: &mut Self) {
        let shift = self.buffer.len();
        self.buffer.append(&mut other.buffer);
        self.inserts.extend(
            other.inserts.drain(..).map(|insert| Insert { at: insert.at + shift, ..insert }),
        );
        self.inserted += mem::take(&mut other.inserted);
    }

    /// Writes from `place` on, in as few calls as the kernel allows; ready when everything is written.
    pub(crate) fn poll_write(
        &self,
        place: &mut Place,
        mut socket: Pin<&mut (dyn AsyncWrite + Send)>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_written(*place) {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = self.slices(*place, &mut slices);
            let written = match slices.get(..filled) {
                Some([one]) => ready!(socket.as_mut().poll_write(cx, one))?,
                Some(many) => ready!(socket.as_mut().poll_write_vectored(cx, many))?,
                None => 0,
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *place = self.advance(*place, written);
        }
        Poll::Ready(Ok(()))
    }

    fn is_written(&self, place: Place) -> bool {
        place.buffer == self.buffer.len() && place.insert == self.inserts.len()
    }

    /// What comes from `place` on, as many slices as there is room for.
    fn slices<'a>(&'a self, place: Place, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        let mut pieces = self.pieces(place);
        for (slot, piece) in slices.iter_mut().zip(&mut pieces) {
            *slot = IoSlice::new(piece);
            filled += 1;
        }
        filled
    }

    fn pieces(&self, place: Place) -> impl Iterator<Item = &[u8]> {
        let mut buffer = place.buffer;
        let mut within = place.within;
        let inserts = self.inserts.get(place.insert..).unwrap_or_default();
        let middle = inserts.iter().flat_map(move |insert| {
            let before = self.buffer.get(buffer..insert.at).unwrap_or_default();
            buffer = insert.at;
            let piece = insert.bytes.get(within..).unwrap_or_default();
            within = 0;
            [before, piece]
        });
        let tail = self.inserts.last().map_or(place.buffer, |last| last.at.max(place.buffer));
        let rest = self.buffer.get(tail..).unwrap_or_default();
        middle.chain([rest]).filter(|piece| !piece.is_empty())
    }

    fn advance(&self, mut place: Place, mut written: usize) -> Place {
        while let Some(insert) = self.inserts.get(place.insert) {
            let before = insert.at - place.buffer;
            if written < before {
                place.buffer += written;
                return place;
            }
            place.buffer = insert.at;
            written -= before;
            let left = insert.bytes.len() - place.within;
            if written < left {
                place.within += written;
                return place;
            }
            written -= left;
            place.insert += 1;
            place.within = 0;
        }
        place.buffer = (place.buffer + written).min(self.buffer.len());
        place
    }
}

/// How far a batch has been written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place {
    /// Bytes of the buffer.
    buffer: usize,
    /// Whole inserts.
    insert: usize,
    /// Bytes of the insert after those.
    within: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::future::poll_fn;

    /// A socket that takes as many bytes at a time as its script says.
    struct Stingy {
        takes: Vec<usize>,
        call: usize,
        got: Vec<u8>,
    }

    impl Stingy {
        fn take(&mut self, slices: &[IoSlice<'_>]) -> usize {
            let room = self.takes.get(self.call % self.takes.len()).copied().unwrap_or(1);
            self.call += 1;
            let before = self.got.len();
            for slice in slices {
                let left = room - (self.got.len() - before);
                self.got.extend_from_slice(slice.get(..left.min(slice.len())).unwrap_or_default());
            }
            self.got.len() - before
        }
    }

    impl AsyncWrite for Stingy {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(self.take(&[IoSlice::new(bytes)])))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(self.take(slices)))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    async fn write_all(batch: &Batch, socket: &mut Stingy) -> io::Result<()> {
        let mut place = Place::default();
        poll_fn(|cx| {
            let socket: Pin<&mut Stingy> = Pin::new(&mut *socket);
            batch.poll_write(&mut place, socket, cx)
        })
        .await
    }

    proptest! {
        #[test]
        fn everything_is_written_once_and_in_order_whatever_the_socket_takes(
            pieces in prop::collection::vec((any::<bool>(), 0_usize..3 * COPIED), 0..20),
            takes in prop::collection::vec(1_usize..3 * COPIED, 1..20),
        ) {
            let (mut batch, mut expected) = (Batch::default(), Vec::new());
            for (index, (inserted, length)) in pieces.into_iter().enumerate() {
                let piece = vec![index as u8; length];
                expected.extend_from_slice(&piece);
                let mut next = Batch::default();
                if inserted { next.insert(piece.into()) } else { next.buffer().extend_from_slice(&piece) }
                batch.append(&mut next);
                prop_assert!(next.is_empty());
            }
            prop_assert_eq!(batch.len(), expected.len());
            let mut socket = Stingy { takes, call: 0, got: Vec::new() };
            let runtime = tokio::runtime::Builder::new_current_thread().build()?;
            runtime.block_on(write_all(&batch, &mut socket))?;
            prop_assert_eq!(socket.got, expected);
        }
    }

    #[tokio::test]
    async fn a_batch_that_fits_is_one_write() -> io::Result<()> {
        let mut batch = Batch::default();
        for message in 0..1_000_u32 {
            batch.buffer().extend_from_slice(&message.to_be_bytes());
        }
        batch.insert(vec![7; 100_000].into());
        batch.buffer().extend_from_slice(b"end");
        let mut socket = Stingy { takes: vec![usize::MAX], call: 0, got: Vec::new() };
        write_all(&batch, &mut socket).await?;
        assert_eq!((socket.call, socket.got.len()), (1, 4_000 + 100_000 + 3));
        Ok(())
    }
}
