//! The words for receiving: the next message, the first that matches, with a time-out, awaited or blocking.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use term::{Reference, Term};

use crate::error::Reason;
use crate::mailbox::{Found, Look};
use crate::payload::{Payload, ReadError};
use crate::process::Process;
use crate::queue::{Incoming, Message};
use crate::received::Received;

/// Waits for the next message; see [`Process::receive`].
#[derive(Debug)]
#[must_use = "a receive does nothing until it is awaited"]
pub struct Receive<'a, T> {
    process: &'a mut Process,
    as_type: PhantomData<fn() -> T>,
}

/// Waits for the next message until a deadline; see [`Process::receive_timeout`].
#[derive(Debug)]
#[must_use = "a receive does nothing until it is awaited"]
pub struct ReceiveTimeout<'a, T> {
    process: &'a mut Process,
    deadline: Option<Instant>,
    as_type: PhantomData<fn() -> T>,
}

/// Waits for the first message that matches; see [`Process::receive_match`].
#[derive(Debug)]
#[must_use = "a receive does nothing until it is awaited"]
pub struct ReceiveMatch<'a, F> {
    process: &'a mut Process,
    deadline: Option<Instant>,
    at: usize,
    matches: F,
}

/// Waits for what a request is answered; see [`Process::answer`].
#[derive(Debug)]
#[must_use = "a receive does nothing until it is awaited"]
pub struct AwaitAnswer<'a> {
    process: &'a mut Process,
    deadline: Option<Instant>,
    at: usize,
    tag: &'a Reference,
}

/// What came for a reference.
#[derive(Debug)]
pub enum Answer {
    /// `{Tag, Reply}` or `{[alias | Tag], Reply}`: the reply.
    Reply(Payload),
    /// The monitor of that reference says that its process is gone: the exit reason.
    Down(Term),
}

impl Process {
    /// Takes the next message, as a `T`: straight from its bytes if it has come from another node.
    ///
    /// A `T` is whatever serde makes of the term, [`Term`], [`Payload`], or [`Received`], which tells messages from exit
    /// signals and the rest. As any other type, an exit signal is `{'EXIT', From, Reason}` and so on, as in Erlang.
    ///
    /// A message whose bytes are no term at all is dropped, and the connection that it came over is told.
    ///
    /// # Errors
    /// The exit reason `{bad_message, Text}` if the message is no `T`: it is gone, and `?` ends the process; the reason
    /// of its end if the process is to end or has ended.
    ///
    /// # Cancellation
    /// Dropping the future before it is ready loses no message.
    #[inline]
    pub fn receive<T: DeserializeOwned + 'static>(&mut self) -> Receive<'_, T> {
        Receive { process: self, as_type: PhantomData }
    }

    /// The same, or `None` if nothing comes for that long.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn receive_timeout<T: DeserializeOwned + 'static>(
        &mut self,
        timeout: Duration,
    ) -> ReceiveTimeout<'_, T> {
        ReceiveTimeout {
            process: self,
            deadline: Instant::now().checked_add(timeout),
            as_type: PhantomData,
        }
    }

    /// Takes the first message that `matches` makes something of, and leaves those before it in their order.
    ///
    /// What has been looked at is not looked at again while waiting.
    ///
    /// # Errors
    /// If the process is to end or has ended.
    pub fn receive_match<R, F: FnMut(&Term) -> Option<R>>(
        &mut self,
        matches: F,
    ) -> ReceiveMatch<'_, F> {
        ReceiveMatch { process: self, deadline: None, at: 0, matches }
    }

    /// The next message, if there is one now.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn try_receive<T: DeserializeOwned + 'static>(&mut self) -> Result<Option<T>, Reason> {
        while let Some(mut message) = self.mailbox.next_now() {
            if let Some(read) = self.read(&mut message) {
                return read.map(Some);
            }
        }
        if self.is_exiting() { Err(self.why()) } else { Ok(None) }
    }

    /// [`receive`](Self::receive), blocking the thread: for a process that is one.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn receive_blocking<T: DeserializeOwned + 'static>(&mut self) -> Result<T, Reason> {
        match self.next_blocking(None)? {
            Some(value) => Ok(value),
            None => Err(self.why()),
        }
    }

    /// [`receive_timeout`](Self::receive_timeout), blocking the thread.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn receive_blocking_timeout<T: DeserializeOwned + 'static>(
        &mut self,
        timeout: Duration,
    ) -> Result<Option<T>, Reason> {
        self.next_blocking(Some(Instant::now().checked_add(timeout)).flatten())
    }

    /// [`receive_match`](Self::receive_match), blocking the thread; `None` if nothing matches for that long.
    ///
    /// # Errors
    /// As [`receive_match`](Self::receive_match).
    pub fn receive_match_blocking<R, F: FnMut(&Term) -> Option<R> + Unpin>(
        &mut self,
        timeout: Option<Duration>,
        matches: F,
    ) -> Result<Option<R>, Reason> {
        let receive = self.receive_match(matches);
        block_on(match timeout {
            Some(timeout) => receive.timeout(timeout),
            None => receive.no_timeout(),
        })
    }

    /// Waits for what [`request`](Self::request) is answered, or for its monitor's `DOWN`; `None` at the deadline.
    ///
    /// Messages that were there before the request was made are not looked at.
    ///
    /// # Errors
    /// If the process is to end or has ended.
    pub fn answer<'a>(
        &'a mut self,
        tag: &'a Reference,
        deadline: Option<Instant>,
    ) -> AwaitAnswer<'a> {
        let at = self.answer_start(tag);
        AwaitAnswer { process: self, deadline, at, tag }
    }

    /// [`answer`](Self::answer), blocking the thread.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    pub fn answer_blocking(
        &mut self,
        tag: &Reference,
        deadline: Option<Instant>,
    ) -> Result<Option<Answer>, Reason> {
        block_on(self.answer(tag, deadline))
    }

    /// The channel behind the mailbox, for `crossbeam_channel::select!`; what comes out of it is read by
    /// [`take`](Self::take). `None` unless the process is a thread, or a task that was started with one.
    ///
    /// Messages that a selective receive has passed over are not in it: [`try_receive`](Self::try_receive) has those first.
    ///
    /// ```
    /// use crossbeam_channel::{select, unbounded};
    /// use mailbox::{Process, Reason, Runtime};
    /// # use term::{IntoAtom, Pid, term};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let runtime = Runtime::new("rust@host".into_atom(), 1);
    /// let (jobs, todo) = unbounded::<i64>();
    /// // Adds up what comes from the rest of the program, and tells whoever asks by message.
    /// let adder = runtime.spawn_thread(move |mut process: Process| {
    ///     let Some(mailbox) = process.channel().cloned() else { return Ok(()) };
    ///     let mut sum = 0;
    ///     loop {
    ///         select! {
    ///             recv(todo) -> job => match job {
    ///                 Ok(job) => sum += job,
    ///                 Err(_) => return Ok::<(), Reason>(()),
    ///             },
    ///             recv(mailbox) -> incoming => {
    ///                 if let Some(from) = process.take::<Pid>(incoming?)? {
    ///                     process.send(from, sum);
    ///                 }
    ///             }
    ///         }
    ///     }
    /// })?;
    ///
    /// jobs.send(20)?;
    /// jobs.send(22)?;
    /// # while !jobs.is_empty() { std::thread::yield_now() }
    /// let mut me = runtime.attach()?;
    /// let mut sum = 0;
    /// // The two channels have no order between them.
    /// while sum < 42 {
    ///     me.send(&adder, me.pid());
    ///     sum = me.receive_blocking().unwrap();
    /// }
    /// assert_eq!(sum, 42);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn channel(&self) -> Option<&crossbeam_channel::Receiver<Incoming>> {
        self.mailbox.cell().channel().map(crate::queue::Channel::receiver)
    }

    /// What came out of the [`channel`](Self::channel): `None` if it only told the process to look at its state, and it may go on.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn take<T: DeserializeOwned + 'static>(
        &mut self,
        incoming: Incoming,
    ) -> Result<Option<T>, Reason> {
        let mut message = match self.mailbox.cell().channel() {
            Some(channel) => channel.open(incoming),
            None => incoming.0,
        };
        if self.mailbox.is_abandoned(&mut message) {
            return Ok(None);
        }
        if self.is_exiting() {
            return Err(self.why());
        }
        // Urgent messages are told by a wake, and go first.
        match message {
            Message::Wake => self
                .mailbox
                .take_before_channel()
                .and_then(|mut message| self.read(&mut message))
                .transpose(),
            mut message => self.read(&mut message).transpose(),
        }
    }

    fn next_blocking<T: DeserializeOwned + 'static>(
        &mut self,
        deadline: Option<Instant>,
    ) -> Result<Option<T>, Reason> {
        if self.channel().is_none() {
            return block_on(ReceiveTimeout { process: self, deadline, as_type: PhantomData });
        }
        loop {
            if let Some(value) = self.try_receive()? {
                return Ok(Some(value));
            }
            let Some(channel) = self.channel() else { return Ok(None) };
            let incoming = match deadline {
                Some(deadline) => channel.recv_deadline(deadline).ok(),
                None => channel.recv().ok(),
            };
            let Some(incoming) = incoming else { return Ok(None) };
            if let Some(value) = self.take(incoming)? {
                return Ok(Some(value));
            }
        }
    }

    /// `None` for a message that is none at all.
    #[inline(always)]
    pub(crate) fn read<T: DeserializeOwned + 'static>(
        &mut self,
        message: &mut Message,
    ) -> Option<Result<T, Reason>> {
        let payload = match message {
            Message::User(payload) => {
                self.set_token(None);
                payload
            }
            other => return self.read_other(other),
        };
        match Received::read_out(payload) {
            Ok(value) => Some(Ok(value)),
            Err(error) => self.unread(error).map(Err),
        }
    }

    #[cold]
    fn read_other<T: DeserializeOwned + 'static>(
        &mut self,
        message: &mut Message,
    ) -> Option<Result<T, Reason>> {
        match std::mem::replace(message, Message::Wake) {
            Message::Traced(traced) => {
                let (mut payload, token) = *traced;
                self.set_token(Some(token));
                match Received::read_out(&mut payload) {
                    Ok(value) => Some(Ok(value)),
                    Err(error) => self.unread(error).map(Err),
                }
            }
            Message::System(system) => {
                self.set_token(system.token());
                Some(Received::from(*system).read_as())
            }
            Message::User(_) | Message::Wake => None,
        }
    }

    #[cold]
    fn unread(&self, error: ReadError) -> Option<Reason> {
        match error {
            ReadError::Undecodable(error) => {
                self.undecodable(&error);
                None
            }
            mismatch @ ReadError::Mismatch(_) => {
                Some(Reason::text("bad_message", &mismatch.to_string()))
            }
        }
    }

    pub(crate) fn undecodable(&self, error: &term::DecodeError) {
        self.runtime().counters().undecodable();
        tracing::warn!(process = %self.pid(), %error, "a message that is no term was dropped");
    }
}

impl<T: DeserializeOwned + 'static> Future for Receive<'_, T> {
    type Output = Result<T, Reason>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut message = Message::Wake;
            match self.process.mailbox.poll_into(cx, None, &mut message) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Found::It(())) => {
                    if let Some(read) = self.process.read(&mut message) {
                        return Poll::Ready(read);
                    }
                }
                Poll::Ready(Found::TimedOut | Found::Doomed) => {
                    return Poll::Ready(Err(self.process.why()));
                }
            }
        }
    }
}

impl<T: DeserializeOwned + 'static> Future for ReceiveTimeout<'_, T> {
    type Output = Result<Option<T>, Reason>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let deadline = self.deadline;
            let mut message = Message::Wake;
            match self.process.mailbox.poll_into(cx, deadline, &mut message) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Found::It(())) => {
                    if let Some(read) = self.process.read(&mut message) {
                        return Poll::Ready(read.map(Some));
                    }
                }
                Poll::Ready(Found::TimedOut) => return Poll::Ready(Ok(None)),
                Poll::Ready(Found::Doomed) => return Poll::Ready(Err(self.process.why())),
            }
        }
    }
}

/// A [`ReceiveMatch`] that says `None` at its deadline.
#[derive(Debug)]
#[must_use = "a receive does nothing until it is awaited"]
pub struct ReceiveMatchTimeout<'a, F>(ReceiveMatch<'a, F>);

impl<'a, F> ReceiveMatch<'a, F> {
    /// `None` if nothing matches for that long; nothing more than what is there now is waited for if it is zero.
    pub fn timeout(mut self, timeout: Duration) -> ReceiveMatchTimeout<'a, F> {
        self.deadline = Instant::now().checked_add(timeout);
        ReceiveMatchTimeout(self)
    }

    fn no_timeout(self) -> ReceiveMatchTimeout<'a, F> {
        ReceiveMatchTimeout(self)
    }

    fn poll_match<R>(&mut self, cx: &mut Context<'_>) -> Poll<Found<R>>
    where
        F: FnMut(&Term) -> Option<R>,
    {
        let Self { process, deadline, at, matches } = self;
        let mut undecodable = Vec::new();
        let mut token = None;
        let mut look = |message: &mut Message| match look_at_term(message, &mut undecodable) {
            Some(term) => match matches(&term) {
                Some(found) => {
                    token = token_of(message);
                    Look::Take(found)
                }
                None => Look::Leave,
            },
            None => Look::Discard,
        };
        let found = process.mailbox.poll_select(cx, *deadline, at, &mut look);
        for error in undecodable {
            process.undecodable(&error);
        }
        if matches!(found, Poll::Ready(Found::It(_))) {
            process.set_token(token);
        }
        found
    }
}

impl<R, F: FnMut(&Term) -> Option<R> + Unpin> Future for ReceiveMatch<'_, F> {
    type Output = Result<R, Reason>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.poll_match(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Found::It(found)) => Poll::Ready(Ok(found)),
            Poll::Ready(Found::TimedOut | Found::Doomed) => Poll::Ready(Err(self.process.why())),
        }
    }
}

impl<R, F: FnMut(&Term) -> Option<R> + Unpin> Future for ReceiveMatchTimeout<'_, F> {
    type Output = Result<Option<R>, Reason>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0.poll_match(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Found::It(found)) => Poll::Ready(Ok(Some(found))),
            Poll::Ready(Found::TimedOut) => Poll::Ready(Ok(None)),
            Poll::Ready(Found::Doomed) => Poll::Ready(Err(self.0.process.why())),
        }
    }
}

impl Future for AwaitAnswer<'_> {
    type Output = Result<Option<Answer>, Reason>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { process, deadline, at, tag } = &mut *self;
        let mut wanted = |theirs: &Reference| (theirs == *tag).then_some(());
        let found = process.poll_answer(cx, *deadline, at, &mut wanted);
        found.map_ok(|found| found.map(|found| found.answer))
    }
}

fn look_at_term(message: &mut Message, undecodable: &mut Vec<term::DecodeError>) -> Option<Term> {
    let payload = match message {
        Message::User(payload) => payload,
        Message::Traced(traced) => &mut traced.0,
        Message::System(system) => {
            return Some(Received::from((**system).clone()).into_term_infallible());
        }
        Message::Wake => return None,
    };
    match payload.term() {
        Ok(term) => Some(term.clone()),
        Err(error) => {
            undecodable.push(error);
            None
        }
    }
}

fn token_of(message: &Message) -> Option<Term> {
    match message {
        Message::Traced(traced) => Some(traced.1.clone()),
        Message::System(system) => system.token(),
        _ => None,
    }
}

/// Runs a future on this thread, which sleeps while it waits.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        thread::park();
    }
}
