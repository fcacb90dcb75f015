//! A flood of small messages is read in gulps: while one comes in and nothing goes out, we look five thousand times a second, and are not
//! woken for every message.
//!
//! A BEAM writes each small message by itself. Who sleeps between them is woken for each, which costs both sides several times what the
//! message itself does. So for the time of a flood the kernel keeps what comes (`SO_RCVLOWAT`) until a timer rings; what the sender
//! has beyond that gathers on its side, in larger packets. A flood in which we answer is none: who waits for an answer sends
//! nothing more until it has it. And one that comes to less than two thirds once it has to wait is taken for a closed circle, in which
//! somebody waits for what we do with a message elsewhere: it is left alone for longer and longer.

mod judge;
#[cfg(test)]
mod tests;

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use nix::sys::socket::setsockopt;
use nix::{getsockopt_impl, setsockopt_impl, sockopt_impl};
use rustix::system::uname;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::tcp::OwnedReadHalf;

use judge::Judge;

/// What the kernel keeps at most: with more, waking costs nothing beside reading.
const KEPT: i32 = 32 * 1024;

sockopt_impl!(
    /// `SO_RCVLOWAT`: bytes that have to be there before somebody is woken to read; 1 unless set.
    ReceiveLowWater,
    Both,
    libc::SOL_SOCKET,
    libc::SO_RCVLOWAT,
    i32
);

/// Whether the system tells of what lies below a mark that is taken back: Linux does since 4.18.
pub(super) fn is_known() -> bool {
    static KNOWN: LazyLock<bool> = LazyLock::new(|| {
        let system = uname();
        let release = system.release().to_str().unwrap_or_default();
        let mut numbers = release.split('.').map(|number| number.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (4, 18)
    });
    *KNOWN
}

/// The two halves of a connection on which a flood is looked at once in a `stride`.
pub(super) fn halves<W>(
    reader: OwnedReadHalf,
    writer: W,
    stride: Duration,
) -> (FloodReader, FloodWriter<W>) {
    let answers = Arc::new(Answers::default());
    let judge = Judge::new(stride);
    let reader = FloodReader { half: reader, judge, answers: answers.clone(), gate: None };
    (reader, FloodWriter { half: writer, answers })
}

/// What goes out, as the reading half has to know it.
#[derive(Debug, Default)]
struct Answers {
    /// Something was written since the last look.
    any: AtomicBool,
    /// The reading half waits for its timer. Where this is seen too late, the flood ends a few strides later.
    waits: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Answers {
    fn wrote(&self) {
        self.any.store(true, Ordering::Release);
        if self.waits.load(Ordering::Acquire)
            && let Some(waker) = self.waker().take()
        {
            waker.wake();
        }
    }

    fn are_there(&self) -> bool {
        self.any.load(Ordering::Acquire) && self.any.swap(false, Ordering::AcqRel)
    }

    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads; in a flood, when the timer rings.
#[derive(Debug)]
pub(super) struct FloodReader {
    half: OwnedReadHalf,
    judge: Judge,
    answers: Arc<Answers>,
    /// In a flood.
    gate: Option<Gate>,
}

/// What the kernel has passes when it is open.
#[derive(Debug)]
struct Gate {
    timer: AsyncFd<OwnedFd>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Until the timer rings.
    Closed,
    /// It has rung: what is there passes, and what comes.
    Open,
    /// Something has: it closes behind that.
    Passed,
}

impl Gate {
    fn new(stride: Duration) -> io::Result<Self> {
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        let stride = Timespec::try_from(stride).map_err(io::Error::other)?;
        let each = Itimerspec { it_interval: stride, it_value: stride };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &each)?;
        #[allow(
            deprecated,
            reason = "in its place stands an unsafe one, for what may change its descriptor: this cannot"
        )]
        let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
        Ok(Self { timer, state: State::Passed })
    }

    fn poll_rings(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.timer.poll_read_ready(cx))?;
            // It goes on only when somebody has read how often it rang.
            let mut times = [0; size_of::<u64>()];
            let read = ready.try_io(|timer| Ok(rustix::io::read(timer.get_ref(), &mut times)?));
            if let Ok(read) = read {
                // That it has not rung again meanwhile we need not ask: if it has, we are told.
                ready.clear_ready();
                return Poll::Ready(read.map(|_| ()));
            }
        }
    }
}

impl FloodReader {
    fn has_read(&mut self, bytes: usize) {
        if self.answers.are_there() {
            self.judge.answered();
        } else {
            self.judge.has_read(bytes, Instant::now);
        }
        match (&mut self.gate, self.judge.is_flood()) {
            (Some(gate), true) => gate.state = State::Passed,
            (Some(_), false) => self.ends(),
            (None, true) => self.begins(),
            (None, false) => {}
        }
    }

    fn begins(&mut self) {
        match Gate::new(self.judge.stride()) {
            Ok(gate) => {
                self.gate = Some(gate);
                self.answers.waits.store(true, Ordering::Release);
            }
            // Without a descriptor for the timer we are woken for every message, as at any other time.
            Err(_) => self.judge.answered(),
        }
    }

    /// Nothing is there that passes.
    fn waits(&mut self, cx: &mut Context<'_>) {
        // Before the look at what was written: who writes after it finds the waker.
        self.answers.waker().get_or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
        if self.answers.are_there() {
            self.judge.answered();
        }
        while let Some(gate) = &mut self.gate
            && self.judge.is_flood()
        {
            if gate.state == State::Passed {
                gate.state = State::Closed;
                self.keeps(KEPT);
                continue;
            }
            match gate.poll_rings(cx) {
                Poll::Pending => return,
                Poll::Ready(Err(_)) => self.judge.answered(),
                Poll::Ready(Ok(())) => {
                    self.judge.strides();
                    if gate.state == State::Closed {
                        gate.state = State::Open;
                        self.keeps(1);
                    }
                }
            }
        }
        self.ends();
    }

    fn ends(&mut self) {
        self.gate = None;
        self.answers.waits.store(false, Ordering::Release);
        self.keeps(1);
    }

    /// The kernel keeps less than so many bytes. What it has and no longer keeps it tells of as if it came now; a system that knows no
    /// such thing keeps nothing.
    fn keeps(&self, bytes: i32) {
        let _ = setsockopt(self.half.as_ref(), ReceiveLowWater, &bytes);
    }
}

impl AsyncRead for FloodReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let poll = Pin::new(&mut self.half).poll_read(cx, buffer);
        match &poll {
            Poll::Ready(Ok(())) => self.has_read(buffer.filled().len() - before),
            Poll::Pending if self.gate.is_some() => self.waits(cx),
            _ => {}
        }
        poll
    }
}

/// Writes, and says so.
#[derive(Debug)]
pub(super) struct FloodWriter<W> {
    half: W,
    answers: Arc<Answers>,
}

impl<W> FloodWriter<W> {
    fn note(&self, poll: &Poll<io::Result<usize>>) {
        if matches!(poll, Poll::Ready(Ok(_))) {
            self.answers.wrote();
        }
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for FloodWriter<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.half).poll_write(cx, bytes);
        self.note(&poll);
        poll
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.half).poll_write_vectored(cx, slices);
        self.note(&poll);
        poll
    }

    fn is_write_vectored(&self) -> bool {
        self.half.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.half).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.half).poll_shutdown(cx)
    }
}
