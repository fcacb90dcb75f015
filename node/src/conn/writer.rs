//! Queue to socket: everything gathered since the last write leaves in one.
//!
//! The writer is a task. Woken by a sender it runs next on the sender's worker, once the sender waits: by then the sender has
//! said all that it had to say. If the sender computes on instead, the task is stuck behind it, and [`Pen::nudge`] does from
//! another thread what the task would have done.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::AsyncWrite;

use super::batch::{Batch, Place};
use super::connection::{Connection, PANICKED};
use super::events::DownReason;
use super::outbox::Taken;

/// Writes until the connection ends.
pub(crate) async fn run(connection: Arc<Connection>, pen: Arc<Pen>) {
    let _ends = connection.ends_here();
    if let Err(error) = poll_fn(|cx| pen.poll(cx, &connection)).await {
        connection.close(DownReason::ConnectionClosed(error.to_string()));
    }
    // The peer sees the end at once; there is nobody to tell if it fails.
    let _ = poll_fn(|cx| pen.lock().socket.as_mut().poll_shutdown(cx)).await;
}

/// The socket, and how far what was taken from the queue has been written: all that whoever writes has to know.
pub(crate) struct Pen(Mutex<Hand>);

struct Hand {
    socket: Pin<Box<dyn AsyncWrite + Send + Unpin>>,
    batch: Batch,
    place: Place,
    messages: u64,
    /// The task's, as it was last polled.
    waker: Option<Waker>,
}

impl Pen {
    pub(crate) fn new(socket: Box<dyn AsyncWrite + Send + Unpin>) -> Self {
        let (batch, place) = (Batch::default(), Place::default());
        Self(Mutex::new(Hand { socket: Pin::new(socket), batch, place, messages: 0, waker: None }))
    }

    fn poll(&self, cx: &mut Context<'_>, connection: &Connection) -> Poll<io::Result<()>> {
        let mut hand = self.lock();
        match &mut hand.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        hand.poll(cx, connection)
    }

    /// Writes what can be written at once, in the place of a task that does not get to run; the task goes on from there.
    pub(crate) fn nudge(&self, connection: &Connection) {
        let Ok(mut hand) = self.0.try_lock() else { return };
        let Some(waker) = hand.waker.clone() else { return };
        // With the task's own waker: whatever is waited for, it is the task that is woken. And with its runtime around it; as there, a
        // panic is the end of this connection and of nothing else.
        let _context = connection.enter();
        let mut cx = Context::from_waker(&waker);
        let why = match catch_unwind(AssertUnwindSafe(|| hand.poll(&mut cx, connection))) {
            Ok(Poll::Ready(Err(error))) => error.to_string(),
            Ok(_) => return,
            Err(_) => PANICKED.to_owned(),
        };
        connection.close(DownReason::ConnectionClosed(why));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Hand> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hand {
    fn poll(&mut self, cx: &mut Context<'_>, connection: &Connection) -> Poll<io::Result<()>> {
        loop {
            if self.batch.is_empty() {
                match ready!(connection.outbox.poll_take(&mut self.batch, cx.waker())) {
                    Taken::Batch { messages } => self.messages = messages,
                    Taken::End => return Poll::Ready(Ok(())),
                }
            }
            ready!(self.batch.poll_write(&mut self.place, self.socket.as_mut(), cx))?;
            // A carrier that buffers (TLS) sends when told.
            ready!(self.socket.as_mut().poll_flush(cx))?;
            let bytes = self.batch.len();
            connection.traffic.sent(self.messages, u64::try_from(bytes).unwrap_or(u64::MAX));
            self.batch.clear();
            self.place = Place::default();
            connection.outbox.written();
        }
    }
}

impl fmt::Debug for Pen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pen")
    }
}
