//! A thread of its own, so that computing user code costs no connection.
//!
//! A task that computes keeps its worker, and with it whatever that worker was to run next; if all workers compute, nothing reads,
//! writes or ticks, and after `net_ticktime` every peer takes this node for dead. This thread writes what has been waiting
//! for [`PATIENCE`], and ticks where the connection's own task did not. It never reads: what comes in waits in the kernel.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::writer::Pen;
use crate::proto::tick::{Ticker, Verdict};

/// How long what was sent may wait for its task: long beside the microseconds it takes when all is well, short beside what
/// anybody waiting for an answer notices. While there is traffic, the thread looks this often.
const PATIENCE: Duration = Duration::from_millis(10);

/// Rounds without traffic after which it goes to sleep.
const QUIET_ROUNDS: u32 = 3;

/// The thread, as others see it; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Lookout {
    shared: Arc<Shared>,
    thread: thread::Thread,
}

#[derive(Debug)]
struct Shared {
    /// The thread looks around; who sends need not wake it.
    awake: AtomicBool,
    stopped: AtomicBool,
    watched: Mutex<Vec<Watched>>,
    ticktime: Duration,
    intensity: u32,
}

#[derive(Debug)]
struct Watched {
    connection: Weak<Connection>,
    pen: Weak<Pen>,
    ticker: Ticker,
    /// What had been written at the last look, and whether something waited then.
    written: u64,
    pending: bool,
}

impl Lookout {
    /// Starts the thread. Without one (the system may have none left) a connection works as well, as long as user code does
    /// not compute on all workers.
    pub(crate) fn start(ticktime: Duration, intensity: u32) -> Option<Self> {
        let shared = Arc::new(Shared {
            awake: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            watched: Mutex::default(),
            ticktime,
            intensity,
        });
        let of_thread = shared.clone();
        let started = thread::Builder::new()
            .name("node-lookout".to_owned())
            .stack_size(128 * 1024)
            .spawn(move || of_thread.run());
        match started {
            Ok(handle) => Some(Self { shared, thread: handle.thread().clone() }),
            Err(error) => {
                tracing::warn!(target: "cnode::conn", %error, "no thread to look after busy workers");
                None
            }
        }
    }

    /// Looks after a connection until it is gone.
    pub(crate) fn watch(&self, connection: &Arc<Connection>, pen: &Arc<Pen>) {
        let Shared { ticktime, intensity, .. } = *self.shared;
        // Half a quarter behind the connection's own task: what that one has done needs no doing.
        let lag = ticktime / intensity.max(1) / 2;
        let ticker =
            Ticker::new(ticktime, intensity, connection.peer.is_hidden(), Instant::now() + lag);
        let watched = Watched {
            connection: Arc::downgrade(connection),
            pen: Arc::downgrade(pen),
            ticker,
            written: 0,
            pending: false,
        };
        self.shared.watched().push(watched);
        self.alert();
    }

    /// Something was sent to a writer that slept.
    #[inline]
    pub(crate) fn alert(&self) {
        if !self.shared.awake.load(Ordering::Relaxed) {
            self.shared.awake.store(true, Ordering::SeqCst);
            self.thread.unpark();
        }
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Shared {
    fn run(&self) {
        let mut quiet = 0;
        while !self.stopped.load(Ordering::SeqCst) {
            if quiet < QUIET_ROUNDS {
                thread::park_timeout(PATIENCE);
            } else {
                self.sleep();
                quiet = 0;
                continue;
            }
            quiet = if self.look() { 0 } else { quiet + 1 };
        }
    }

    /// Until a sender wakes us, or a tick is due.
    fn sleep(&self) {
        self.awake.store(false, Ordering::SeqCst);
        // What was sent before its sender could know is found by one more look.
        if !self.look() {
            thread::park_timeout(self.until_next_tick());
        }
        self.awake.store(true, Ordering::SeqCst);
    }

    /// Looks after everybody; whether anything went on.
    fn look(&self) -> bool {
        let now = Instant::now();
        let mut busy = false;
        self.watched().retain_mut(|watched| {
            match (watched.connection.upgrade(), watched.pen.upgrade()) {
                (Some(connection), Some(pen)) if !connection.is_closing() => {
                    busy |= watched.look(now, &connection, &pen);
                    true
                }
                _ => false,
            }
        });
        busy
    }

    fn until_next_tick(&self) -> Duration {
        let next = self.watched().iter().map(|watched| watched.ticker.deadline()).min();
        next.map_or(self.ticktime, |next| next.saturating_duration_since(Instant::now()))
    }

    fn watched(&self) -> std::sync::MutexGuard<'_, Vec<Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn look(&mut self, now: Instant, connection: &Connection, pen: &Pen) -> bool {
        let seen = connection.seen();
        let (pending, written) = (seen.pending, seen.written);
        // That nothing was read says nothing here, where nothing reads: the connection's own task judges that.
        let mut ticked = false;
        if self.ticker.tick(now, seen) == Verdict::SendTick {
            connection.outbox.tick();
            ticked = true;
        }
        let idle = written == self.written;
        if pending && self.pending && idle {
            pen.nudge(connection);
        }
        (self.written, self.pending) = (written, pending || ticked);
        pending || ticked || !idle
    }
}
