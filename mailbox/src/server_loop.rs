//! The loop of a server: which callback a message goes to, and what the process does then.

use std::future::poll_fn;
use std::time::{Duration, Instant};

use serde::Serialize;
use term::{Atom, Pid, Reference, Term, term};

use crate::call_parts::{CallFrom, Parts};
use crate::caller::Caller;
use crate::error::{Exit, Reason};
use crate::mailbox::Found;
use crate::payload::{Payload, ReadError};
use crate::process::Process;
use crate::queue::{Message, System as Signal};
use crate::received::Received;
use crate::server::{Next, Reply, Server};
use crate::server_report::terminating;
use crate::sys::{self, Flow, System};
use crate::sys_debug::{Debug, Event};

/// A server and its process.
pub(crate) struct Loop<S> {
    pub(crate) server: S,
    pub(crate) process: Process,
    pub(crate) parent: Option<Pid>,
    pub(crate) debug: Debug,
}

/// What the server is to do, and for whom there is a reply once `terminate` has run.
struct Step {
    next: Next,
    last: Option<Box<Last>>,
}

/// A reply that waits until `terminate` has run.
struct Last {
    back: Back,
    value: Payload,
}

/// The way back to a caller, while the server has given the [`Caller`] away.
enum Back {
    Alias(Reference),
    Caller(Caller),
}

impl From<Next> for Step {
    fn from(next: Next) -> Self {
        Self { next, last: None }
    }
}

impl Back {
    #[inline]
    fn of(caller: &Caller) -> Self {
        match caller.alias() {
            Some(alias) => Self::Alias(alias.clone()),
            None => Self::Caller(caller.clone()),
        }
    }

    #[inline]
    fn reply(self, process: &Process, value: Payload) {
        match self {
            Self::Alias(tag) => process.reply(tag, value),
            Self::Caller(caller) => caller.reply_payload(value),
        }
    }
}

impl<S: Server> Loop<S> {
    pub(crate) async fn run(mut self, first: Next) -> Exit {
        let mut step = Step::from(first);
        loop {
            step = match step.next {
                Next::Wait => self.next_message(None).await?,
                Next::WaitFor(time) => self.next_message(Some(time)).await?,
                Next::Continue(what) => {
                    if self.debug.is_on() {
                        self.debug.note(&self.process, Event::Continue(what.clone()));
                    }
                    let next = self.server.continue_(what, &mut self.process).await;
                    self.done(next)
                }
                Next::Exit(reason) => return self.terminate(reason, step.last).await,
            };
        }
    }

    async fn next_message(&mut self, time: Option<Duration>) -> Result<Step, Reason> {
        let deadline = time.and_then(|time| Instant::now().checked_add(time));
        let payload = loop {
            match poll_fn(|cx| self.process.mailbox.poll_next(cx, deadline)).await {
                Found::It(Message::User(payload)) => {
                    self.process.set_token(None);
                    break payload;
                }
                Found::It(Message::Traced(traced)) => {
                    self.process.set_token(Some(traced.1));
                    break traced.0;
                }
                Found::It(Message::System(signal)) => {
                    self.process.set_token(signal.token());
                    if self.debug.is_on() {
                        let message = Received::from((*signal).clone()).into_term_infallible();
                        self.debug.note(&self.process, Event::In(message));
                    }
                    return Ok(self.signal(*signal).await);
                }
                Found::It(Message::Wake) => {}
                Found::TimedOut => {
                    if self.debug.is_on() {
                        self.debug.note(&self.process, Event::In(term!('timeout)));
                    }
                    let next = self.server.timeout(&mut self.process).await;
                    return Ok(self.done(next));
                }
                Found::Doomed => return Err(self.process.why()),
            }
        };
        self.debug.note_message(&self.process, &payload);
        Ok(match Parts::of(payload) {
            Parts::Call(from, request) => self.call(from, request).await,
            Parts::Cast(request) => {
                let next = self.cast(request).await;
                self.done(next)
            }
            Parts::System(from, request) => self.system(from, request, time).await.into(),
            Parts::Info(info) => {
                let next = self.info(info).await;
                self.done(next)
            }
        })
    }

    /// The state as the events have it.
    fn noted_state(&self) -> Term {
        self.server.state().unwrap_or_else(|| term!('undefined))
    }

    /// A callback has returned without a reply.
    #[inline]
    fn done(&mut self, next: Next) -> Step {
        if self.debug.is_on() && !matches!(next, Next::Exit(_)) {
            let state = self.noted_state();
            self.debug.note(&self.process, Event::NoReply { state });
        }
        next.into()
    }

    #[inline]
    async fn call(&mut self, from: CallFrom, request: Payload) -> Step {
        let caller = Caller::new(from, &self.process);
        // For the event of the reply.
        let to = self.debug.is_on().then(|| caller.to_term());
        match request.read_or_back::<S::Call>() {
            Ok(call) => {
                let back = Back::of(&caller);
                let reply = self.server.call(call, caller, &mut self.process).await;
                self.reply(back, reply, to)
            }
            Err((ReadError::Mismatch(error), request)) => match request.into_term() {
                Ok(request) => {
                    let back = Back::of(&caller);
                    let reply = self.server.bad_call(request, caller, &error);
                    self.reply(back, reply, to)
                }
                Err(error) => self.undecodable(&error).into(),
            },
            Err((ReadError::Undecodable(error), _)) => self.undecodable(&error).into(),
        }
    }

    #[inline]
    fn reply<T: Serialize + 'static>(
        &mut self,
        back: Back,
        reply: Reply<T>,
        to: Option<Term>,
    ) -> Step {
        let (value, next) = match reply {
            Reply::Now(value) => (value, Next::Wait),
            Reply::NowThen(value, next) => (value, next),
            Reply::Later => return self.done(Next::Wait),
            Reply::LaterThen(next) => return self.done(next),
            Reply::Exit(reason) => return Next::Exit(reason).into(),
        };
        match (Payload::new(value), next) {
            // The reply comes when `terminate` has run.
            (Ok(value), Next::Exit(reason)) => {
                Step { next: Next::Exit(reason), last: Some(Box::new(Last { back, value })) }
            }
            (Ok(value), next) => {
                if let Some(to) = to {
                    // It is a term already, or was written by serde just now.
                    let reply = value.clone().into_term().unwrap_or_default();
                    let state = self.noted_state();
                    self.debug.note(&self.process, Event::Out { reply, to, state });
                }
                back.reply(&self.process, value);
                next.into()
            }
            // So that the caller is told.
            (Err(error), _) => {
                Next::Exit(Reason::text("bad_reply", &error.to_string()).into_term()).into()
            }
        }
    }

    async fn cast(&mut self, request: Payload) -> Next {
        match request.read_or_back::<S::Cast>() {
            Ok(cast) => self.server.cast(cast, &mut self.process).await,
            Err((ReadError::Mismatch(error), request)) => match request.into_term() {
                Ok(request) => self.server.bad_cast(request, &error),
                Err(error) => self.undecodable(&error),
            },
            Err((ReadError::Undecodable(error), _)) => self.undecodable(&error),
        }
    }

    async fn info(&mut self, info: Payload) -> Next {
        // Kept for the one case that needs it: infos are not the busy road.
        let copy = info.clone();
        match Received::read_payload::<S::Info>(info) {
            Ok(info) => self.server.info(info, &mut self.process).await,
            Err(ReadError::Mismatch(error)) => match copy.into_term() {
                Ok(info) => self.server.bad_info(info, &error),
                Err(error) => self.undecodable(&error),
            },
            Err(ReadError::Undecodable(error)) => self.undecodable(&error),
        }
    }

    async fn signal(&mut self, signal: Signal) -> Step {
        match signal {
            Signal::Exit { from, reason, .. } if self.parent.as_ref() == Some(&from) => {
                Next::Exit(reason).into()
            }
            signal => {
                let next = self.received(Received::from(signal)).await;
                self.done(next)
            }
        }
    }

    async fn received(&mut self, received: Received) -> Next {
        match received.clone().read_as::<S::Info>() {
            Ok(info) => self.server.info(info, &mut self.process).await,
            Err(error) => self
                .server
                .bad_info(received.into_term_infallible(), &serde::de::Error::custom(error)),
        }
    }

    async fn system(&mut self, from: CallFrom, request: Payload, time: Option<Duration>) -> Next {
        let caller = Caller::new(from, &self.process);
        let parent = self.parent.clone().unwrap_or_else(|| self.process.pid());
        match sys::handle(self, &parent, caller, request).await {
            // The time-out begins anew, as in `gen_server`.
            Flow::Go => time.map_or(Next::Wait, Next::WaitFor),
            Flow::Terminate(reason) => Next::Exit(reason),
        }
    }

    fn undecodable(&self, error: &term::DecodeError) -> Next {
        self.process.undecodable(error);
        Next::Wait
    }

    async fn terminate(&mut self, reason: Term, last: Option<Box<Last>>) -> Exit {
        let reason = Reason::new(reason);
        terminating(&self.process, &S::module(), &reason);
        self.server.terminate(&reason, &mut self.process).await;
        if let Some(last) = last {
            last.back.reply(&self.process, last.value);
        }
        Err(reason)
    }
}

impl<S: Server> System for Loop<S> {
    fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    fn module(&self) -> Atom {
        S::module()
    }

    fn state(&self) -> Option<Term> {
        self.server.state()
    }

    fn replace_state(&mut self, state: Term) -> Result<(), term::Error> {
        self.server.replace_state(state)
    }

    fn status(&self) -> Vec<Term> {
        Vec::new()
    }

    fn debug(&mut self) -> &mut Debug {
        &mut self.debug
    }
}
