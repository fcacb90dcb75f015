//! Requests whose answers are waited for later: one by one, or whichever comes first (`gen_server:send_request/2`).

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use term::{Atom, Reference};

use crate::abandoned::Abandoned;
use crate::call::{CallFuture, check, other_node};
use crate::call_error::CallError;
use crate::cell::Cell;
use crate::payload::Payload;
use crate::process::Process;
use crate::receive::block_on;
use crate::signal::Dest;

/// A request that was sent; its reply is a `T`.
///
/// Dropped unanswered it is given up: its monitor and alias go, so that a reply to come is never seen, nor is one that has come by
/// then, though it counts in [`mailbox_len`](Process::mailbox_len) until the next receive; [`Process::abandon`] throws it away at once.
#[must_use = "a request that is dropped is given up"]
pub struct Pending<T> {
    sent: Option<Result<Sent, CallError>>,
    reply: PhantomData<fn() -> T>,
}

struct Sent {
    tag: Reference,
    node: Option<Atom>,
    cell: Arc<Cell>,
    abandoned: Arc<Abandoned>,
}

impl Process {
    /// Sends a request as [`call`](Self::call) does, and waits for nothing: [`response`](Self::response) and
    /// [`Requests`] do that. What is wrong with it is told there.
    pub fn send_request<T: DeserializeOwned + 'static>(
        &mut self,
        to: impl Into<Dest>,
        request: impl Serialize + 'static,
    ) -> Pending<T> {
        self.send_request_payload(to.into(), Payload::new(request).map_err(CallError::from))
    }

    pub(crate) fn send_request_payload<T>(
        &mut self,
        to: Dest,
        request: Result<Payload, CallError>,
    ) -> Pending<T> {
        let sent = check(self, &to).and(request).map(|request| {
            let node = other_node(self, &to);
            let (cell, abandoned) = (Arc::clone(self.cell()), self.mailbox.abandoned());
            Sent { tag: self.request(to, request), node, cell, abandoned }
        });
        Pending { sent: Some(sent), reply: PhantomData }
    }

    /// Waits for the response to a request, 5 s unless [told otherwise](CallFuture::timeout); then, or when the future is
    /// dropped, the request is given up (`gen_server:receive_response/2`).
    pub fn response<T: DeserializeOwned + 'static>(
        &mut self,
        mut pending: Pending<T>,
    ) -> CallFuture<&mut Self, T> {
        match pending.sent.take() {
            Some(Ok(sent)) => CallFuture::sent(self, sent.tag.clone(), sent.node),
            Some(Err(error)) => CallFuture::refused(self, error),
            None => CallFuture::refused(self, answered_before()),
        }
    }

    /// Waits for the response that long, and keeps the request if none has come: `None` (`gen_server:wait_response/2`).
    ///
    /// # Errors
    /// [`CallError`]; the request is over then.
    pub async fn wait_response<T: DeserializeOwned + 'static>(
        &mut self,
        pending: &mut Pending<T>,
        timeout: Duration,
    ) -> Result<Option<T>, CallError> {
        let (tag, node) = match pending.sent.take() {
            Some(Ok(sent)) => {
                let parts = (sent.tag.clone(), sent.node.clone());
                pending.sent = Some(Ok(sent));
                parts
            }
            Some(Err(error)) => return Err(error),
            None => return Err(answered_before()),
        };
        let deadline = Instant::now().checked_add(timeout);
        let mut at = self.answer_start(&tag);
        let mut wanted = |theirs: &Reference| (*theirs == tag).then_some(());
        let answered = poll_fn(|cx| self.poll_answer(cx, deadline, &mut at, &mut wanted)).await;
        let Some(answered) = answered.map_err(CallError::Exiting)? else { return Ok(None) };
        pending.sent = None;
        self.answered_call(&tag, answered.through_alias);
        let reply = self.reply_of(answered.answer, node.as_ref())?;
        Ok(Some(reply.read()?))
    }

    /// Gives a request up, and throws its answer away if that has come.
    pub fn abandon<T>(&mut self, mut pending: Pending<T>) {
        if let Some(Ok(sent)) = pending.sent.take() {
            self.give_up(&sent.tag);
        }
    }
}

fn answered_before() -> CallError {
    CallError::Refused("the request was answered before".to_owned())
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        if let Some(Ok(sent)) = &self.sent {
            // While the monitor stands nothing has come, and both go in one step.
            if !sent.cell.demonitor(&sent.tag) {
                sent.cell.unalias(&sent.tag);
                sent.abandoned.add(sent.tag.clone());
            }
        }
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sent {
            Some(Ok(sent)) => write!(f, "Pending({})", sent.tag),
            Some(Err(error)) => write!(f, "Pending({error})"),
            None => f.write_str("Pending(answered)"),
        }
    }
}

/// A label, and what became of its request.
pub type Response<L, T> = (L, Result<T, CallError>);

/// Requests under way, each with a label of the program's; their responses come in any order
/// (`gen_server:reqids_new/0` and its like).
///
/// ```no_run
/// # use mailbox::{CallError, Process, Requests};
/// # async fn ask(process: &mut Process) -> Result<(), CallError> {
/// let mut requests = Requests::new();
/// for node in ["a@host", "b@host"] {
///     requests.add(node, process.send_request::<i64>(("counter", node), "get"));
/// }
/// while let Some((node, count)) = requests.next(process).await? {
///     println!("{node}: {count:?}");
/// }
/// # Ok(())
/// # }
/// ```
pub struct Requests<L, T> {
    waiting: HashMap<Reference, (L, Pending<T>)>,
    failed: VecDeque<(L, CallError)>,
}

impl<L, T: DeserializeOwned + 'static> Requests<L, T> {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self { waiting: HashMap::new(), failed: VecDeque::new() }
    }

    /// Takes a request in.
    pub fn add(&mut self, label: L, mut pending: Pending<T>) {
        match &pending.sent {
            Some(Ok(sent)) => {
                self.waiting.insert(sent.tag.clone(), (label, pending));
            }
            _ => {
                let error =
                    pending.sent.take().and_then(Result::err).unwrap_or_else(answered_before);
                self.failed.push_back((label, error));
            }
        }
    }

    /// How many have no response yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len() + self.failed.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits for the next response, of whichever request, however long it takes; `None` if there is no request left.
    ///
    /// # Errors
    /// If the process itself is to end. What became of a request is beside its label.
    ///
    /// # Cancellation
    /// Dropping the future before it is ready loses nothing.
    pub async fn next(
        &mut self,
        process: &mut Process,
    ) -> Result<Option<Response<L, T>>, CallError> {
        self.next_until(process, None).await
    }

    /// The same, with [`CallError::TimedOut`] if none comes for that long; the requests stay.
    ///
    /// # Errors
    /// So, and as [`next`](Self::next).
    pub async fn next_timeout(
        &mut self,
        process: &mut Process,
        timeout: Duration,
    ) -> Result<Option<Response<L, T>>, CallError> {
        self.next_until(process, Instant::now().checked_add(timeout)).await
    }

    /// [`next`](Self::next), blocking the thread.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn next_blocking(
        &mut self,
        process: &mut Process,
    ) -> Result<Option<Response<L, T>>, CallError> {
        block_on(self.next(process))
    }

    pub(crate) async fn next_until(
        &mut self,
        process: &mut Process,
        deadline: Option<Instant>,
    ) -> Result<Option<Response<L, T>>, CallError> {
        if let Some((label, error)) = self.failed.pop_front() {
            return Ok(Some((label, Err(error))));
        }
        let Some(mut at) = self.waiting.keys().map(|tag| process.answer_start(tag)).min() else {
            return Ok(None);
        };
        let waiting = &self.waiting;
        let mut wanted = |theirs: &Reference| waiting.contains_key(theirs).then(|| theirs.clone());
        let answered = poll_fn(|cx| {
            let answered = ready!(process.poll_answer(cx, deadline, &mut at, &mut wanted));
            Poll::Ready(answered.map_err(CallError::Exiting))
        });
        let Some(answered) = answered.await? else { return Err(CallError::TimedOut) };
        let Some((label, mut pending)) = self.waiting.remove(&answered.key) else {
            return Ok(None);
        };
        process.answered_call(&answered.key, answered.through_alias);
        let node = pending.sent.take().and_then(Result::ok).and_then(|sent| sent.node);
        let reply =
            process.reply_of(answered.answer, node.as_ref()).and_then(|reply| Ok(reply.read()?));
        Ok(Some((label, reply)))
    }

    /// Gives all up, with what has come of them; their labels, in no order.
    pub(crate) fn abandon(mut self, process: &mut Process) -> Vec<L> {
        let failed = std::mem::take(&mut self.failed).into_iter().map(|(label, _)| label);
        let mut labels: Vec<L> = failed.collect();
        for (_, (label, pending)) in self.waiting.drain() {
            process.abandon(pending);
            labels.push(label);
        }
        labels
    }
}

impl<L, T: DeserializeOwned + 'static> Default for Requests<L, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<L, T> fmt::Debug for Requests<L, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Requests({})", self.waiting.len() + self.failed.len())
    }
}
