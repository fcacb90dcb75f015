//! The two halves of a Unix socket, each of which waits for what concerns it alone.
//!
//! A TCP socket tells of room to write only when a write has found none. A Unix socket tells of it whenever its peer has read
//! anything: `tokio::net::UnixStream`, which waits for both, is woken once more for each message that the peer takes in. So
//! the reading half asks for what can be read and nothing else, and the writing half asks when it has to.

use std::io::{self, IoSlice, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Blocking;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::AsyncWrite;
use tokio::net::UnixStream;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::runtime::Handle;

/// What of it is read, and what is written.
///
/// What waits for one kind of readiness only are tokio's ends of pipes; to read and to write is the same for both.
pub(super) fn split(stream: UnixStream) -> io::Result<(Receiver, Writer)> {
    let stream = stream.into_std()?;
    let socket = stream.try_clone()?;
    let reader = Receiver::from_owned_fd_unchecked(OwnedFd::from(stream))?;
    Ok((reader, Writer { socket: Some(socket), room: None, runtime: Handle::current() }))
}

/// The writing half. The peer sees the end when it is dropped.
#[derive(Debug)]
pub(super) struct Writer {
    /// Written to at once; a descriptor of its own, as one cannot be waited for twice.
    socket: Option<Blocking>,
    /// The same in its place, while a write that has found no room waits for it.
    room: Option<Sender>,
    /// Whoever writes need not be one of its tasks.
    runtime: Handle,
}

impl Writer {
    fn poll_with(
        &mut self,
        cx: &mut Context<'_>,
        at_once: impl Fn(&Blocking) -> io::Result<usize>,
        when_there_is_room: impl Fn(Pin<&mut Sender>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        while let Some(socket) = &self.socket {
            match at_once(socket) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.ask_for_room()?,
                done => return Poll::Ready(done),
            }
        }
        let Some(room) = &mut self.room else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let done = ready!(when_there_is_room(Pin::new(room), cx));
        if let Some(room) = self.room.take() {
            self.socket = Some(room.into_nonblocking_fd()?.into());
        }
        Poll::Ready(done)
    }

    fn ask_for_room(&mut self) -> io::Result<()> {
        if let Some(socket) = self.socket.take() {
            let _context = self.runtime.enter();
            self.room = Some(Sender::from_owned_fd_unchecked(socket.into())?);
        }
        Ok(())
    }

    fn end(&self) -> io::Result<()> {
        let ended = match (&self.socket, &self.room) {
            (Some(socket), _) => SockRef::from(socket).shutdown(Shutdown::Write),
            (None, Some(room)) => SockRef::from(room).shutdown(Shutdown::Write),
            (None, None) => Ok(()),
        };
        match ended {
            // Who is gone needs not be told.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            done => done,
        }
    }
}

impl AsyncWrite for Writer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_with(cx, |mut socket| socket.write(bytes), |room, cx| room.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_with(
            cx,
            |mut socket| socket.write_vectored(slices),
            |room, cx| room.poll_write_vectored(cx, slices),
        )
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.end())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// Far more than the kernel keeps, so that each side has to wait for the other again and again.
    const MUCH: usize = 16 << 20;

    fn bytes() -> Vec<u8> {
        (0..MUCH).map(|at| (at % 251) as u8).collect()
    }

    #[tokio::test]
    async fn what_does_not_fit_is_waited_for_and_all_arrives_in_order_both_ways_at_once()
    -> io::Result<()> {
        let (near, far) = UnixStream::pair()?;
        let (mut near, mut far) = (split(near)?, split(far)?);
        let write = async |writer: &mut Writer| {
            writer.write_all(&bytes()).await?;
            writer.shutdown().await
        };
        let read = async |reader: &mut Receiver| {
            let mut got = Vec::new();
            reader.read_to_end(&mut got).await.map(|_| got)
        };
        let (there, back, got_there, got_back) = tokio::join!(
            write(&mut near.1),
            write(&mut far.1),
            read(&mut far.0),
            read(&mut near.0)
        );
        there?;
        back?;
        assert!(got_there? == bytes() && got_back? == bytes());
        assert!(near.1.room.is_none() && near.1.socket.is_some(), "it still waits for room");
        Ok(())
    }

    #[tokio::test]
    async fn a_writer_that_is_dropped_ends_the_stream_and_a_reader_that_is_gone_is_an_error()
    -> io::Result<()> {
        let (near, far) = UnixStream::pair()?;
        let ((_near_reader, writer), (mut reader, mut far_writer)) = (split(near)?, split(far)?);
        drop(writer);
        assert_eq!(reader.read(&mut [0; 8]).await?, 0);
        far_writer.write_all(b"still heard").await?;
        drop(_near_reader);
        let error = far_writer.write_all(b"not any more").await.unwrap_err();
        assert!(
            matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset),
            "{error}"
        );
        Ok(())
    }

    /// As the thread that writes in the place of a task which does not get to run.
    #[test]
    fn a_thread_that_is_none_of_the_runtimes_may_find_no_room() -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut reader, mut writer) = {
            let _context = runtime.enter();
            let (near, far) = UnixStream::pair()?;
            (split(near)?.0, split(far)?.1)
        };
        let bytes = bytes();
        let written = std::thread::scope(|scope| {
            let full = scope.spawn(|| {
                let mut written = 0;
                let mut cx = Context::from_waker(std::task::Waker::noop());
                while let Some(rest) = bytes.get(written..)
                    && let Poll::Ready(done) = Pin::new(&mut writer).poll_write(&mut cx, rest)
                {
                    written += done?;
                }
                io::Result::Ok(written)
            });
            full.join().unwrap()
        })?;
        assert!(written > 0 && written < MUCH, "{written}");
        runtime.block_on(async {
            let rest = bytes.get(written..).unwrap_or_default();
            let mut got = vec![0; MUCH];
            let (sent, read) = tokio::join!(writer.write_all(rest), reader.read_exact(&mut got));
            sent?;
            read?;
            assert!(got == bytes);
            Ok(())
        })
    }
}
