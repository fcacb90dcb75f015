//! Timers: one thread that sleeps until the next is due, for messages to be sent and receivers to be woken.
//!
//! A thread rather than tokio's clock, so that processes on threads, and programs without tokio's timers, have them too.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::BuildHasherDefault;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use term::{Atom, Pid, Reference, Term};

use crate::cell::Stage;
use crate::few::{Few, Spread};
use crate::ids::{Number, RefNumber};
use crate::payload::Payload;
use crate::runtime::{Inner as RuntimeInner, Runtime};
use crate::signal::Dest;
use crate::trace;

/// How far away a timer may be set: a hundred years, beyond which `Instant` need not reach.
const FARTHEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The timers that end with one process, by the number of their references.
#[derive(Debug, Default)]
pub(crate) struct Timers(Few<()>);

impl Timers {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn take(&mut self) -> impl Iterator<Item = RefNumber> + use<> {
        self.0.take().into_iter().map(|(number, ())| number)
    }
}

/// What a timer does when it is due.
enum Action {
    /// Sends a message, in nobody's name.
    Send { to: Dest, owner: Option<Number>, payload: Payload },
    /// Makes a process look at its deadline.
    Wake(Number),
}

/// All timers of a runtime.
pub(crate) struct Clock(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    due: BTreeMap<(Instant, RefNumber), Action>,
    when: HashMap<RefNumber, Instant, BuildHasherDefault<Spread>>,
    running: bool,
    stopped: bool,
}

impl Default for Clock {
    fn default() -> Self {
        Self(Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new() }))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({} timers)", self.len())
    }
}

impl Clock {
    pub(crate) fn len(&self) -> usize {
        self.0.lock().when.len()
    }

    /// Takes a timer away; how long it still had.
    pub(crate) fn cancel(&self, number: RefNumber) -> Option<Duration> {
        let mut queue = self.0.lock();
        let due = queue.when.remove(&number)?;
        let action = queue.due.remove(&(due, number));
        drop(queue);
        drop(action);
        Some(due.saturating_duration_since(Instant::now()))
    }

    /// How long a timer still has.
    pub(crate) fn left(&self, number: RefNumber) -> Option<Duration> {
        let due = *self.0.lock().when.get(&number)?;
        Some(due.saturating_duration_since(Instant::now()))
    }

    fn set(&self, runtime: &Runtime, number: RefNumber, due: Instant, action: Action) {
        let mut queue = self.0.lock();
        let next = queue.due.first_key_value().map(|((next, _), _)| *next);
        queue.when.insert(number, due);
        queue.due.insert((due, number), action);
        if !queue.running {
            queue.running = true;
            self.0.start(runtime.downgrade());
        } else if next.is_none_or(|next| due < next) {
            self.0.changed.notify_one();
        }
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.0.lock().stopped = true;
        self.0.changed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(self: &Arc<Self>, runtime: Weak<RuntimeInner>) {
        let shared = Arc::clone(self);
        let started = thread::Builder::new()
            .name("mailbox-timers".to_owned())
            .spawn(move || shared.run(&runtime));
        if let Err(error) = started {
            // Without threads nothing here works; the next timer tries again.
            tracing::error!(%error, "the timer thread could not be started");
            self.lock().running = false;
        }
    }

    fn run(&self, runtime: &Weak<RuntimeInner>) {
        let mut queue = self.lock();
        while !queue.stopped {
            let now = Instant::now();
            match queue.due.first_key_value().map(|((due, _), _)| *due) {
                None => queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(due) if due > now => {
                    let (again, _) = self
                        .changed
                        .wait_timeout(queue, due - now)
                        .unwrap_or_else(PoisonError::into_inner);
                    queue = again;
                }
                Some(_) => {
                    let Some(((_, number), action)) = queue.due.pop_first() else { continue };
                    queue.when.remove(&number);
                    drop(queue);
                    match runtime.upgrade() {
                        Some(inner) => act(&Runtime::from_inner(inner), number, action),
                        None => return,
                    }
                    queue = self.lock();
                }
            }
        }
    }
}

fn act(runtime: &Runtime, number: RefNumber, action: Action) {
    match action {
        Action::Wake(process) => {
            runtime.table().with(process, |cell| cell.nudge(&mut cell.lock()));
        }
        Action::Send { to, owner, payload } => {
            if let Some(owner) = owner {
                runtime.table().with(owner, |cell| {
                    if let Some(relations) = cell.lock().known_relations_mut() {
                        relations.timers.0.remove(number);
                    }
                });
            }
            runtime.route_payload(None, to, payload, Some(trace::nobodys()));
        }
    }
}

impl Runtime {
    /// `erlang:send_after/3`: sends `payload` to `to` in `after`, unless cancelled. A timer whose destination is a local
    /// process ends with it.
    pub(crate) fn set_timer(&self, after: Duration, to: Dest, payload: Payload) -> Reference {
        let (number, reference) = self.ids().make_ref();
        self.arm_timer(number, after, to, payload);
        reference
    }

    fn arm_timer(&self, number: RefNumber, after: Duration, to: Dest, payload: Payload) {
        let to = match to {
            // A name means whoever has it when the timer is due.
            Dest::Remote { name, node } if node == *self.ids().node() => Dest::Name(name),
            to => to,
        };
        let owner = match &to {
            Dest::Pid(pid) => self.local_number(pid),
            _ => None,
        };
        let due = Instant::now() + after.min(FARTHEST);
        self.timers().set(self, number, due, Action::Send { to, owner, payload });
        if let Some(owner) = owner {
            let alive = self.table().get(owner).is_some_and(|cell| {
                let mut state = cell.lock();
                let alive = state.stage() != Stage::Closed;
                if alive {
                    state.relations_mut().timers.0.insert(number, ());
                }
                alive
            });
            if !alive {
                self.timers().cancel(number);
            } else if self.timers().left(number).is_none() {
                // It fired in between.
                self.forget_timer(owner, number);
            }
        }
    }

    /// `erlang:start_timer/3`: sends `{timeout, Timer, message}` to `to` later.
    pub fn start_timer(&self, after: Duration, to: impl Into<Dest>, message: Term) -> Reference {
        let (number, reference) = self.ids().make_ref();
        let timeout = Term::from((Atom::from_static("timeout"), reference.clone(), message));
        self.arm_timer(number, after, to.into(), Payload::from(timeout));
        reference
    }

    /// `erlang:cancel_timer/1`: how long it still had, if it had not fired.
    pub fn cancel_timer(&self, timer: &Reference) -> Option<Duration> {
        let number = self.ids().ref_number(timer)?;
        let mut queue = self.timers().0.lock();
        let due = queue.when.remove(&number)?;
        let action = queue.due.remove(&(due, number));
        drop(queue);
        if let Some(Action::Send { owner: Some(owner), .. }) = &action {
            self.forget_timer(*owner, number);
        }
        Some(due.saturating_duration_since(Instant::now()))
    }

    /// `erlang:read_timer/1`.
    #[must_use]
    pub fn read_timer(&self, timer: &Reference) -> Option<Duration> {
        self.timers().left(self.ids().ref_number(timer)?)
    }

    fn forget_timer(&self, owner: Number, number: RefNumber) {
        self.table().with(owner, |cell| {
            if let Some(relations) = cell.lock().known_relations_mut() {
                relations.timers.0.remove(number);
            }
        });
    }

    /// Makes `process` look at its deadline when that has come; cancelled by the number given back.
    pub(crate) fn wake_at(&self, process: Number, due: Instant) -> RefNumber {
        let (number, _) = self.ids().make_ref();
        self.timers().set(self, number, due, Action::Wake(process));
        number
    }

    /// The number of a local process's pid.
    pub(crate) fn local_number(&self, pid: &Pid) -> Option<Number> {
        match self.ids().place(pid) {
            crate::ids::Place::Here(number) => Some(number),
            _ => None,
        }
    }
}
