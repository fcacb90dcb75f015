//! Whether a peer wants to renegotiate. A BEAM does with TLS 1.2 after 2^28 records of its own, and waits for it; rustls answers
//! that it will not, and tells nobody. So the kinds of the records, which are not encrypted, are looked at as they come in.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::complaint::Complaint;

/// `ContentType.handshake` (RFC 5246, 6.2.1). TLS 1.3 shows it only before the handshake is done.
const HANDSHAKE: u8 = 22;

/// Kind, version and length of a record.
const HEADER: usize = 5;

/// A socket below TLS.
#[derive(Debug)]
pub(super) struct Watched<Socket> {
    socket: Socket,
    is_open: bool,
    header: [u8; HEADER],
    /// How much of the header has come.
    come: usize,
    /// Bytes of the record that are still to come.
    left: usize,
}

impl<Socket> Watched<Socket> {
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket, is_open: false, header: [0; HEADER], come: 0, left: 0 }
    }

    /// The handshake is done: another one would be too many.
    pub(super) fn opened(&mut self) {
        self.is_open = true;
    }

    /// Whether a handshake begins in these bytes, the next of the stream, once there should be none.
    fn begins_anew(&mut self, bytes: &[u8]) -> bool {
        let mut bytes = bytes;
        loop {
            let passed = self.left.min(bytes.len());
            self.left -= passed;
            let Some((first, rest)) = bytes.get(passed..).and_then(<[u8]>::split_first) else {
                return false;
            };
            bytes = rest;
            if let Some(place) = self.header.get_mut(self.come) {
                *place = *first;
            }
            self.come += 1;
            if self.come == HEADER {
                let [kind, _, _, high, low] = self.header;
                (self.come, self.left) = (0, usize::from(u16::from_be_bytes([high, low])));
                if self.is_open && kind == HANDSHAKE {
                    return true;
                }
            }
        }
    }
}

impl<Socket: AsyncRead + Unpin> AsyncRead for Watched<Socket> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        if self.begins_anew(buffer.filled().get(before..).unwrap_or_default()) {
            let why = Complaint::Renegotiation;
            tracing::warn!(target: "cnode::conn", %why, "a TLS connection ends");
            return Poll::Ready(Err(io::Error::other(why)));
        }
        Poll::Ready(Ok(()))
    }
}

impl<Socket: AsyncWrite + Unpin> AsyncWrite for Watched<Socket> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_is_seen_once_the_first_is_done_however_the_bytes_come() {
        let record = |kind: u8, length: u8| {
            [&[kind, 3, 3, 0, length][..], &vec![22; length.into()]].concat()
        };
        let before = [record(22, 9), record(20, 1), record(23, 200), record(23, 0)].concat();
        for step in 1..20 {
            let mut watched = Watched::new(());
            assert!(before.chunks(step).all(|bytes| !watched.begins_anew(bytes)));
            watched.opened();
            let after = [record(23, 30), record(21, 2)].concat();
            assert!(after.chunks(step).all(|bytes| !watched.begins_anew(bytes)));
            assert!(record(22, 4).chunks(step).any(|bytes| watched.begins_anew(bytes)));
        }
    }
}
