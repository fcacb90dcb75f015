//! Calls and casts, as `gen_server` makes them: `process.call(to, request).timeout(..).await`.

use std::borrow::BorrowMut;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use term::{Atom, EncodeError, IntoAtom, Reference};

use crate::call_error::CallError;
use crate::ids::Place;
use crate::outbound::BoxFuture;
use crate::payload::Payload;
use crate::process::Process;
use crate::receive::{Answer, block_on};
use crate::runtime::Runtime;
use crate::signal::Dest;

/// How long a call waits unless told otherwise: `gen_server`'s 5 s.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

impl Process {
    /// Calls a process (`gen_server:call/3`): sends the request, and waits for its reply as a `T`, 5 s unless
    /// [told otherwise](CallFuture::timeout).
    ///
    /// `to` is a pid, a name, or `(name, node)`. What waits in the mailbox stays there in its order, and is not looked at.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # async fn ask(mut process: mailbox::Process) -> mailbox::Exit {
    /// let n: i64 = process.call(("counter", "a@host"), ("add", 2)).timeout(Duration::from_secs(1)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`CallError`], from the future.
    ///
    /// # Cancellation
    /// Dropping the future gives the call up: the monitor and the alias that the reply needs are taken away, so that a late
    /// reply is never seen.
    pub fn call<T: DeserializeOwned + 'static>(
        &mut self,
        to: impl Into<Dest>,
        request: impl Serialize + 'static,
    ) -> CallFuture<&mut Self, T> {
        CallFuture::new(Ok(self), to.into(), Payload::new(request))
    }

    /// Casts a request (`gen_server:cast/2`): sends it, and waits for nothing.
    ///
    /// A request that cannot be a term ends the process, as in [`send`](Self::send).
    pub fn cast(&self, to: impl Into<Dest>, request: impl Serialize + 'static) {
        if let Some(request) = self.payload(request) {
            self.send_payload(to.into(), Payload::cast(request));
        }
    }

    /// Casts a request to the processes of one name on many nodes (`gen_server:abcast/3`).
    pub fn abcast<N: IntoAtom>(
        &self,
        nodes: impl IntoIterator<Item = N>,
        name: impl IntoAtom,
        request: impl Serialize + 'static,
    ) {
        let Some(request) = self.payload(request) else { return };
        let name = name.into_atom();
        for node in nodes {
            self.send_payload((name.clone(), node.into_atom()), Payload::cast(request.clone()));
        }
    }
}

impl Runtime {
    /// Calls a process from outside any: see [`Process::call`].
    ///
    /// # Errors
    /// [`CallError`], from the future.
    pub fn call<T: DeserializeOwned + 'static>(
        &self,
        to: impl Into<Dest>,
        request: impl Serialize + 'static,
    ) -> CallFuture<Process, T> {
        CallFuture::new(self.attach().map_err(CallError::from), to.into(), Payload::new(request))
    }

    /// Casts a request from outside any process: see [`Process::cast`].
    ///
    /// # Errors
    /// If the request cannot be a term.
    pub fn cast(
        &self,
        to: impl Into<Dest>,
        request: impl Serialize + 'static,
    ) -> Result<(), EncodeError> {
        self.send_payload(to, Payload::cast(Payload::new(request)?));
        Ok(())
    }
}

/// A call under way; see [`Process::call`]. Nothing is sent before it is first polled.
#[must_use = "a call does nothing until it is awaited"]
pub struct CallFuture<P: BorrowMut<Process>, T> {
    /// Nobody only where the stage is an error.
    process: Option<P>,
    timeout: Option<Duration>,
    stage: Stage,
    reply: PhantomData<fn() -> T>,
}

enum Stage {
    Refused(CallError),
    New(Dest, Payload),
    /// Until the connection takes more: the back-pressure that a BEAM's caller feels as well.
    Room(Dest, Payload, BoxFuture<()>),
    /// The request is on its way.
    Sent(Sent),
    Over,
}

/// A request that has been sent, and where and until when its answer may be.
struct Sent {
    tag: Reference,
    node: Option<Atom>,
    at: usize,
    /// `None`: not waited for yet.
    deadline: Option<Option<Instant>>,
}

impl<P: BorrowMut<Process>, T: DeserializeOwned + 'static> CallFuture<P, T> {
    fn new(process: Result<P, CallError>, to: Dest, request: Result<Payload, EncodeError>) -> Self {
        let (process, stage) = match (process, request) {
            (Ok(process), Ok(request)) => match check(process.borrow(), &to) {
                Ok(()) => (Some(process), Stage::New(to, request)),
                Err(error) => (Some(process), Stage::Refused(error)),
            },
            (Ok(process), Err(error)) => (Some(process), Stage::Refused(error.into())),
            (Err(error), _) => (None, Stage::Refused(error)),
        };
        Self { process, timeout: Some(CALL_TIMEOUT), stage, reply: PhantomData }
    }

    /// Waits for the answer to a request that was sent before.
    pub(crate) fn sent(process: P, tag: Reference, node: Option<Atom>) -> Self {
        let at = process.borrow().answer_start(&tag);
        let stage = Stage::Sent(Sent { tag, node, at, deadline: None });
        Self { process: Some(process), timeout: Some(CALL_TIMEOUT), stage, reply: PhantomData }
    }

    pub(crate) fn refused(process: P, error: CallError) -> Self {
        let stage = Stage::Refused(error);
        Self { process: Some(process), timeout: Some(CALL_TIMEOUT), stage, reply: PhantomData }
    }

    /// Waits no longer than this for the reply, from when the request is sent.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Waits for the reply however long it takes (`infinity`). The end of the other process, or of the connection to it, is still told at once.
    pub fn no_timeout(mut self) -> Self {
        self.timeout = None;
        self
    }

    /// Waits blocking the thread: for a process that is one.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn blocking(self) -> Result<T, CallError>
    where
        P: Unpin,
    {
        block_on(self)
    }

    /// Sends the request, if it is time.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        // Left so if what follows ends the call.
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        let Some(process) = self.process.as_mut().map(BorrowMut::borrow_mut) else {
            return Poll::Ready(Err(stage.error()));
        };
        let (to, request) = match stage {
            Stage::New(to, request) => match room(process, &to) {
                None => (to, request),
                Some(room) => {
                    self.stage = Stage::Room(to, request, room);
                    return self.poll_send(cx);
                }
            },
            Stage::Room(to, request, mut room) => {
                if room.as_mut().poll(cx).is_pending() {
                    self.stage = Stage::Room(to, request, room);
                    return Poll::Pending;
                }
                (to, request)
            }
            stage => return Poll::Ready(Err(stage.error())),
        };
        let node = other_node(process, &to);
        let tag = process.request(to, request);
        let at = process.answer_start(&tag);
        self.stage = Stage::Sent(Sent { tag, node, at, deadline: None });
        Poll::Ready(Ok(()))
    }

    fn poll_call(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, CallError>> {
        loop {
            if let (Stage::Sent(sent), Some(process)) = (&mut self.stage, self.process.as_mut()) {
                let timeout = self.timeout;
                let begin = || timeout.and_then(|timeout| Instant::now().checked_add(timeout));
                let deadline = *sent.deadline.get_or_insert_with(begin);
                let answer = ready!(process.borrow_mut().poll_call_answer(cx, sent, deadline));
                self.stage = Stage::Over;
                return Poll::Ready(answer.and_then(|reply| Ok(reply.read()?)));
            }
            ready!(self.poll_send(cx))?;
        }
    }
}

impl Stage {
    /// Why a call in this stage gets no further.
    fn error(self) -> CallError {
        match self {
            Self::Refused(error) => error,
            // Polled again after it was ready: as good as any answer, and none is to come.
            _ => CallError::TimedOut,
        }
    }
}

/// What is to be waited for before a request goes out; nothing on this node.
fn room(process: &Process, to: &Dest) -> Option<BoxFuture<()>> {
    match to {
        Dest::Name(_) => None,
        Dest::Pid(pid) if pid.node() == process.runtime().node() => None,
        to => process.room(to),
    }
}

/// What a call to `to` cannot be.
pub(crate) fn check(process: &Process, to: &Dest) -> Result<(), CallError> {
    let runtime = process.runtime();
    let me = process.cell().number();
    let itself = match to {
        Dest::Pid(pid) => matches!(runtime.ids().place(pid), Place::Here(number) if number == me),
        Dest::Name(name) => runtime.names().whereis(name) == Some(me),
        Dest::Remote { name, node } => {
            node == runtime.node() && runtime.names().whereis(name) == Some(me)
        }
        Dest::Alias(_) => {
            return Err(CallError::Refused(
                "an alias cannot be monitored, so it cannot be called".to_owned(),
            ));
        }
    };
    if itself { Err(CallError::CallingSelf) } else { Ok(()) }
}

/// The other node that a destination is on.
pub(crate) fn other_node(process: &Process, to: &Dest) -> Option<Atom> {
    let node = match to {
        Dest::Pid(pid) => pid.node(),
        Dest::Remote { node, .. } => node,
        Dest::Alias(alias) => alias.node(),
        Dest::Name(_) => return None,
    };
    (node != process.runtime().node()).then(|| node.clone())
}

impl Process {
    fn poll_call_answer(
        &mut self,
        cx: &mut Context<'_>,
        sent: &mut Sent,
        deadline: Option<Instant>,
    ) -> Poll<Result<Payload, CallError>> {
        let Sent { tag, node, at, .. } = sent;
        let mut wanted = |theirs: &Reference| (theirs == tag).then_some(());
        let answered = ready!(self.poll_answer(cx, deadline, at, &mut wanted));
        Poll::Ready(match answered {
            Ok(Some(answered)) => {
                self.answered_call(tag, answered.through_alias);
                self.reply_of(answered.answer, node.as_ref())
            }
            Ok(None) => match self.give_up(tag) {
                // It came just now.
                Some(Answer::Reply(reply)) => Ok(reply),
                _ => Err(CallError::TimedOut),
            },
            Err(reason) => Err(CallError::Exiting(reason)),
        })
    }

    /// Nothing is to come any more for a call that was answered.
    pub(crate) fn answered_call(&mut self, tag: &Reference, through_alias: bool) {
        // A reply through the alias has taken the monitor away; one to the pid, as simpler nodes send it, has not.
        if !through_alias {
            self.demonitor_flush(tag);
            self.unalias(tag);
        }
        self.answered(tag);
    }

    pub(crate) fn reply_of(
        &self,
        answer: Answer,
        node: Option<&Atom>,
    ) -> Result<Payload, CallError> {
        match answer {
            Answer::Reply(reply) => Ok(reply),
            Answer::Down(reason) => {
                Err(CallError::of_down(reason, node.unwrap_or_else(|| self.runtime().node())))
            }
        }
    }

    /// Takes monitor and alias of a request away; what has come for it by then.
    pub(crate) fn give_up(&mut self, tag: &Reference) -> Option<Answer> {
        let mut came = None;
        // While the monitor stands nothing has come through the alias, and both go in one step.
        if !self.demonitor(tag) {
            self.unalias(tag);
            let mut wanted = |theirs: &Reference| (theirs == tag).then_some(());
            while let Some(answered) = self.answer_now(&mut wanted) {
                came = Some(answered.answer);
            }
        }
        self.answered(tag);
        came
    }
}

impl<P: BorrowMut<Process> + Unpin, T: DeserializeOwned + 'static> Future for CallFuture<P, T> {
    type Output = Result<T, CallError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_call(cx)
    }
}

impl<P: BorrowMut<Process>, T> Drop for CallFuture<P, T> {
    fn drop(&mut self) {
        if let (Stage::Sent(sent), Some(process)) = (&self.stage, self.process.as_mut()) {
            process.borrow_mut().give_up(&sent.tag);
        }
    }
}

impl<P: BorrowMut<Process>, T> fmt::Debug for CallFuture<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.stage {
            Stage::Refused(_) | Stage::Over => "CallFuture(over)",
            Stage::New(..) | Stage::Room(..) => "CallFuture(not sent)",
            Stage::Sent(_) => "CallFuture(waiting)",
        })
    }
}
