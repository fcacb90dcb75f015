//! A thread of its own, so that computing user code costs no connection.
//!
//! A task that computes keeps its worker, and with it whatever that worker was to run next; if all workers compute, nothing reads,
//! writes or ticks, and after `net_ticktime` every peer takes this node for dead. This thread writes what has been waiting
//! for [`PATIENCE`], and ticks where the connection's own task did not. It never reads: what comes in waits in the kernel.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::writer::Pen;
use crate::proto::tick::{Ticker, Verdict};

/// How long what was sent may wait for its task: long beside the microseconds it takes when all is well, short beside what
/// anybody waiting for an answer notices. The thread looks this often when traffic begins, and where its help was needed.
const PATIENCE: Duration = Duration::from_millis(10);

/// While there is traffic and nothing waits, it looks more and more seldom, down to this: on one core each look holds up an echo,
/// and one in four hundred is among those that a p99 shows.
const MOST_PATIENCE: Duration = Duration::from_millis(80);

/// How long it sleeps when there is no connection; one that comes wakes it.
const IDLE: Duration = Duration::from_secs(3_600);

/// Rounds without traffic after which it goes to sleep.
const QUIET_ROUNDS: u32 = 3;

/// The thread, as others see it: one for all nodes of the process, as it has next to nothing to do.
#[derive(Debug)]
struct Lookout {
    shared: Arc<Shared>,
    thread: thread::Thread,
}

/// Started with the first connection. Without it (the system may have no thread left) a connection works as well, as long as
/// user code does not compute on all workers.
static LOOKOUT: OnceLock<Option<Lookout>> = OnceLock::new();

#[derive(Debug, Default)]
struct Shared {
    /// The thread looks around; who sends need not wake it.
    awake: AtomicBool,
    watched: Mutex<Vec<Watched>>,
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

/// What one look at everybody showed.
#[derive(Debug, Default)]
struct Round {
    /// Something went on.
    busy: bool,
    /// Something had been waiting since the look before.
    helped: bool,
}

/// Looks after a connection until it is gone.
pub(crate) fn watch(
    connection: &Arc<Connection>,
    pen: &Arc<Pen>,
    ticktime: Duration,
    intensity: u32,
) {
    let Some(lookout) = LOOKOUT.get_or_init(Lookout::start) else { return };
    // Half a quarter behind the connection's own task: what that one has done needs no doing.
    let lag = ticktime / intensity.max(1) / 2;
    let hidden = connection.peer.is_hidden();
    let watched = Watched {
        connection: Arc::downgrade(connection),
        pen: Arc::downgrade(pen),
        ticker: Ticker::new(ticktime, intensity, hidden, Instant::now() + lag),
        written: 0,
        pending: false,
    };
    lookout.shared.watched().push(watched);
    alert();
}

/// Something was sent to a writer that slept. Nearly always the thread looks around already, and this costs a look at a flag.
#[inline]
pub(crate) fn alert() {
    if let Some(Some(lookout)) = LOOKOUT.get()
        && !lookout.shared.awake.load(Ordering::Relaxed)
    {
        lookout.shared.awake.store(true, Ordering::SeqCst);
        lookout.thread.unpark();
    }
}

impl Lookout {
    fn start() -> Option<Self> {
        let shared = Arc::new(Shared::default());
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
}

impl Shared {
    fn run(&self) -> ! {
        let (mut quiet, mut patience) = (0, PATIENCE);
        loop {
            if quiet == QUIET_ROUNDS {
                self.sleep();
                (quiet, patience) = (0, PATIENCE);
                continue;
            }
            thread::park_timeout(patience);
            let round = self.look();
            quiet = if round.busy { 0 } else { quiet + 1 };
            patience = if round.helped { PATIENCE } else { (2 * patience).min(MOST_PATIENCE) };
        }
    }

    /// Until a sender wakes us, or a tick is due.
    fn sleep(&self) {
        self.awake.store(false, Ordering::SeqCst);
        // What was sent before its sender could know is found by one more look.
        if !self.look().busy {
            thread::park_timeout(self.until_next_tick());
        }
        self.awake.store(true, Ordering::SeqCst);
    }

    /// Looks after everybody.
    fn look(&self) -> Round {
        let now = Instant::now();
        let mut round = Round::default();
        self.watched().retain_mut(|watched| {
            match (watched.connection.upgrade(), watched.pen.upgrade()) {
                (Some(connection), Some(pen)) if !connection.is_closing() => {
                    watched.look(now, &connection, &pen, &mut round);
                    true
                }
                _ => false,
            }
        });
        round
    }

    fn until_next_tick(&self) -> Duration {
        let next = self.watched().iter().map(|watched| watched.ticker.deadline()).min();
        next.map_or(IDLE, |next| next.saturating_duration_since(Instant::now()))
    }

    fn watched(&self) -> std::sync::MutexGuard<'_, Vec<Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn look(&mut self, now: Instant, connection: &Connection, pen: &Pen, round: &mut Round) {
        let seen = connection.seen();
        let (pending, written) = (seen.pending, seen.written);
        // That nothing was read says nothing here, where nothing reads: the connection's own task judges that.
        let mut ticked = false;
        if matches!(self.ticker.tick(now, seen), Verdict::SendTick | Verdict::PeerSilent) {
            connection.outbox.tick();
            ticked = true;
        }
        let idle = written == self.written;
        if pending && self.pending && idle {
            pen.nudge(connection);
            round.helped = true;
        }
        (self.written, self.pending) = (written, pending || ticked);
        round.busy |= pending || ticked || !idle;
    }
}
