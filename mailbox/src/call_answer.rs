//! Waiting for what a call is answered: its reply, or its monitor's `DOWN`, wherever in the mailbox.

use std::task::{Context, Poll};
use std::time::Instant;

use term::{Reference, Term};

use crate::call_parts::{reply_in_bytes, reply_in_term};
use crate::error::Reason;
use crate::mailbox::{Found, Look};
use crate::payload::Payload;
use crate::process::Process;
use crate::queue::{Message, System};
use crate::receive::Answer;

/// An answer found.
#[derive(Debug)]
pub(crate) struct Answered<K> {
    /// What the request's tag is known as.
    pub(crate) key: K,
    pub(crate) answer: Answer,
    /// It came through the request's alias for certain, which took the monitor away.
    pub(crate) through_alias: bool,
}

impl Process {
    /// Waits for the first answer to any request that `wanted` knows by its tag, from the `at`th message on; `None` at the
    /// deadline.
    pub(crate) fn poll_answer<K>(
        &mut self,
        cx: &mut Context<'_>,
        deadline: Option<Instant>,
        at: &mut usize,
        wanted: &mut impl FnMut(&Reference) -> Option<K>,
    ) -> Poll<Result<Option<Answered<K>>, Reason>> {
        let mut token = None;
        let mut look = |message: &mut Message| look_for_answer(message, wanted, &mut token);
        match self.mailbox.poll_select(cx, deadline, at, &mut look) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Found::It(answer)) => {
                self.set_token(token);
                Poll::Ready(Ok(Some(answer)))
            }
            Poll::Ready(Found::TimedOut) => Poll::Ready(Ok(None)),
            Poll::Ready(Found::Doomed) => Poll::Ready(Err(self.why())),
        }
    }

    /// The same among what is in the mailbox now.
    pub(crate) fn answer_now<K>(
        &mut self,
        wanted: &mut impl FnMut(&Reference) -> Option<K>,
    ) -> Option<Answered<K>> {
        self.mailbox
            .select_now(&mut |message: &mut Message| look_for_answer(message, wanted, &mut None))
    }

    /// From which message on the answer to a request may be.
    pub(crate) fn answer_start(&self, tag: &Reference) -> usize {
        if !self.mailbox.has_marks() {
            return 0;
        }
        self.runtime().ids().ref_number(tag).map_or(0, |number| self.mailbox.start_of(number))
    }
}

/// What is no term is left for who reads it. The answer's trace token, if it has one, goes to `token`.
pub(crate) fn look_for_answer<K>(
    message: &mut Message,
    wanted: &mut impl FnMut(&Reference) -> Option<K>,
    token: &mut Option<Term>,
) -> Look<Answered<K>> {
    let payload = match message {
        Message::User(payload) => payload,
        Message::Traced(traced) => {
            let (payload, its_token) = &mut **traced;
            let look = look_for_reply(payload, wanted);
            if matches!(look, Look::Take(_)) {
                *token = Some(its_token.clone());
            }
            return look;
        }
        Message::System(system) => {
            let System::Down { reference, reason, .. } = &**system else { return Look::Leave };
            let Some(key) = wanted(reference) else { return Look::Leave };
            *token = system.token();
            return Look::Take(Answered {
                key,
                answer: Answer::Down(reason.clone()),
                through_alias: true,
            });
        }
        Message::Wake => return Look::Discard,
    };
    look_for_reply(payload, wanted)
}

fn look_for_reply<K>(
    payload: &mut Payload,
    wanted: &mut impl FnMut(&Reference) -> Option<K>,
) -> Look<Answered<K>> {
    if let Some(tag) = payload.reply_tag() {
        let Some(key) = wanted(tag) else { return Look::Leave };
        return match take(payload).into_reply() {
            Ok(reply) => Look::Take(Answered {
                key,
                answer: Answer::Reply(reply.value),
                through_alias: true,
            }),
            Err(_) => Look::Discard,
        };
    }
    if let Some(term) = payload.as_term() {
        return match reply_in_term(term)
            .and_then(|(tag, reply)| Some((wanted(&tag)?, reply.to_term())))
        {
            Some((key, reply)) => found(key, Payload::from(reply)),
            None => Look::Leave,
        };
    }
    match payload
        .as_encoded()
        .and_then(reply_in_bytes)
        .and_then(|(tag, part)| Some((wanted(&tag)?, part)))
    {
        Some((key, part)) => found(key, take(payload).narrow(part)),
        None => Look::Leave,
    }
}

fn found<K>(key: K, reply: Payload) -> Look<Answered<K>> {
    Look::Take(Answered { key, answer: Answer::Reply(reply), through_alias: false })
}

fn take(payload: &mut Payload) -> Payload {
    std::mem::replace(payload, Payload::from(Term::NIL))
}
