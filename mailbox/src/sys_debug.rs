//! What `sys` has a server note of its events: the log of the latest, statistics, and the trace, which goes to `tracing`.

use std::collections::VecDeque;

use term::{Atom, Term, TermRef, term};
use time::OffsetDateTime;

use crate::call_parts::Parts;
use crate::payload::Payload;
use crate::process::Process;
use crate::server_report::Shown;

/// How many events the log keeps unless told otherwise: `sys`'s 10.
const LOGGED: usize = 10;

/// The most that it keeps, whatever is asked for.
const MOST_LOGGED: usize = 1000;

/// Bytes that they hold at most, the oldest going first: whoever turns the log on may send large messages too.
const MOST_HELD: usize = 16 << 20;

/// What is noted; nothing, unless `sys` has asked.
#[derive(Debug, Default)]
pub(crate) struct Debug(Option<Box<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    trace: bool,
    log: Option<Log>,
    statistics: Option<Statistics>,
}

#[derive(Debug)]
struct Log {
    events: VecDeque<Term>,
    most: usize,
    held: usize,
}

#[derive(Debug)]
struct Statistics {
    since: OffsetDateTime,
    messages_in: u64,
    messages_out: u64,
}

/// Something that a server does.
#[derive(Debug)]
pub(crate) enum Event {
    /// It has taken a message.
    In(Term),
    /// It has replied to `{Pid, Tag}`.
    Out { reply: Term, to: Term, state: Term },
    /// It has done with a message without a reply.
    NoReply { state: Term },
    /// It goes on with what it told itself to.
    Continue(Term),
}

impl Debug {
    /// Whether anything is to be noted: events are only made up then.
    #[inline]
    pub(crate) const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Notes an event of this server.
    #[cold]
    pub(crate) fn note(&mut self, process: &Process, event: Event) {
        let Some(noted) = &mut self.0 else { return };
        if noted.trace {
            tracing::info!("{}", event.text(&name_of(process)));
        }
        if let Some(statistics) = &mut noted.statistics {
            statistics.messages_in += u64::from(matches!(event, Event::In(_)));
            statistics.messages_out += u64::from(matches!(event, Event::Out { .. }));
        }
        if let Some(log) = &mut noted.log {
            log.note(event.into_term());
        }
    }

    /// Notes a message that has come, unless it is one of `sys` itself.
    #[inline]
    pub(crate) fn note_message(&mut self, process: &Process, payload: &Payload) {
        if self.is_on()
            && !Parts::is_system(payload)
            && let Ok(message) = payload.clone().into_term()
        {
            self.note(process, Event::In(message));
        }
    }

    /// Does what `{debug, What}` asks for; the reply.
    pub(crate) fn command(&mut self, what: TermRef<'_>) -> Term {
        if what.is_atom("no_debug") {
            self.0 = None;
            return term!('ok);
        }
        let reply = self.obey(what).unwrap_or_else(|| term!('unknown_debug));
        if self.0.as_ref().is_some_and(|noted| noted.is_nothing()) {
            self.0 = None;
        }
        reply
    }

    /// `{What, How}`. None for what is not done here: functions to be run are Erlang's, and files are not written because somebody
    /// elsewhere says so.
    fn obey(&mut self, what: TermRef<'_>) -> Option<Term> {
        let tuple = what.as_tuple().filter(|tuple| tuple.len() == 2)?;
        let (name, how) = (tuple.get(0)?.as_atom()?, tuple.get(1)?);
        let is_off = how.is_atom("false");
        match &*name.as_str() {
            "trace" if is_off || how.is_atom("true") => self.noted().trace = !is_off,
            "log" if how.is_atom("get") => return Some(term!({ok, (self.logged())})),
            "log" if how.is_atom("print") => self.print_log(),
            "log" if is_off => self.noted().log = None,
            "log" => {
                let most = log_size(how)?;
                // One that is on stays as it is.
                self.noted().log.get_or_insert_with(|| Log::new(most));
            }
            "statistics" if how.is_atom("get") => return Some(term!({ok, (self.statistics())})),
            "statistics" if how.is_atom("true") => {
                self.noted().statistics.get_or_insert_with(Statistics::new);
            }
            "statistics" if is_off => self.noted().statistics = None,
            "log_to_file" if is_off => {}
            "log_to_file" => return Some(term!({error, 'open_file})),
            // Nothing can be installed, and to remove what is not there is no error.
            "remove" => {}
            _ => return None,
        }
        Some(term!('ok))
    }

    fn noted(&mut self) -> &mut Noted {
        self.0.get_or_insert_default()
    }

    /// The events of the log, the oldest first.
    pub(crate) fn logged(&self) -> Term {
        let log = self.0.as_ref().and_then(|noted| noted.log.as_ref());
        log.map_or(Term::NIL, |log| log.events.iter().cloned().collect())
    }

    fn print_log(&self) {
        for event in
            self.0.iter().filter_map(|noted| noted.log.as_ref()).flat_map(|log| &log.events)
        {
            tracing::info!("*DBG* {}", Shown(event));
        }
    }

    fn statistics(&self) -> Term {
        match self.0.as_ref().and_then(|noted| noted.statistics.as_ref()) {
            Some(statistics) => statistics.term(),
            None => term!('no_statistics),
        }
    }

    /// What is on, as `sys:get_status/1` shows it.
    pub(crate) fn options(&self) -> Term {
        let mut options = Vec::new();
        if let Some(noted) = &self.0 {
            if noted.trace {
                options.push(term!({trace, true}));
            }
            if let Some(log) = &noted.log {
                options.push(term!({log, {(log.most as u64), (self.logged())}}));
            }
            if let Some(statistics) = &noted.statistics {
                options.push(term!({statistics, (statistics.term())}));
            }
        }
        options.into_iter().collect()
    }
}

impl Noted {
    const fn is_nothing(&self) -> bool {
        !self.trace && self.log.is_none() && self.statistics.is_none()
    }
}

/// `true`, or `{true, N}`.
fn log_size(how: TermRef<'_>) -> Option<usize> {
    if how.is_atom("true") {
        return Some(LOGGED);
    }
    let tuple = how.as_tuple().filter(|tuple| tuple.len() == 2)?;
    tuple.get(0)?.is_atom("true").then_some(())?;
    let most = tuple.get(1)?.to_term();
    // Any integer from 1 on, however large.
    (most.as_big_integer().is_some() && most >= Term::from(1)).then_some(())?;
    Some(
        most.as_u64()
            .and_then(|most| usize::try_from(most).ok())
            .unwrap_or(MOST_LOGGED)
            .min(MOST_LOGGED),
    )
}

impl Log {
    const fn new(most: usize) -> Self {
        Self { events: VecDeque::new(), most, held: 0 }
    }

    fn note(&mut self, event: Term) {
        self.held = self.held.saturating_add(event.held());
        self.events.push_back(event);
        while (self.events.len() > self.most || self.held > MOST_HELD)
            && let Some(oldest) = self.events.pop_front()
        {
            self.held = self.held.saturating_sub(oldest.held());
        }
    }
}

impl Statistics {
    fn new() -> Self {
        Self { since: OffsetDateTime::now_utc(), messages_in: 0, messages_out: 0 }
    }

    /// As `sys:statistics/2` gives them. Times are UTC, as a Rust program knows no other; reductions there are none.
    fn term(&self) -> Term {
        term!([{start_time, (date_and_time(self.since))},
               {current_time, (date_and_time(OffsetDateTime::now_utc()))},
               {messages_in, self.messages_in},
               {messages_out, self.messages_out}])
    }
}

impl Event {
    /// `sys`'s `system_event()`.
    fn into_term(self) -> Term {
        match self {
            Self::In(message) => Term::from((Atom::from_static("in"), message)),
            Self::Out { reply, to, state } => term!({out, reply, to, state}),
            Self::NoReply { state } => term!({noreply, state}),
            Self::Continue(what) => Term::from((Atom::from_static("continue"), what)),
        }
    }

    /// As `gen_server` prints it, with terms no longer than in other lines of the log.
    fn text(&self, name: &Term) -> String {
        match self {
            Self::In(message) => match asked(message) {
                Some((kind, what, Some(from))) => {
                    format!("*DBG* {name} got {kind} {} from {from}", Shown(&what))
                }
                Some((kind, what, None)) => format!("*DBG* {name} got {kind} {}", Shown(&what)),
                None => format!("*DBG* {name} got {}", Shown(message)),
            },
            Self::Out { reply, to, state } => {
                let to = to.as_tuple().and_then(|to| Some(to.get(0)?.to_term()));
                let to = to.unwrap_or(Term::NIL);
                let (reply, state) = (Shown(reply), Shown(state));
                format!("*DBG* {name} sent {reply} to {to}, new state {state}")
            }
            Self::NoReply { state } => format!("*DBG* {name} new state {}", Shown(state)),
            Self::Continue(what) => format!("*DBG* {name} continue {}", Shown(what)),
        }
    }
}

/// The name of a server, as `sys` shows it: the one it is registered by, else its pid.
fn name_of(process: &Process) -> Term {
    process.registered_name().map_or_else(|| Term::from(process.pid()), Term::from)
}

/// What is called for or cast, and who calls.
fn asked(message: &Term) -> Option<(&'static str, Term, Option<Term>)> {
    let tuple = message.as_tuple()?;
    let tag = tuple.get(0)?;
    if tag.is_atom("$gen_call") && tuple.len() == 3 {
        let from = tuple.get(1)?.as_tuple()?.get(0)?;
        return Some(("call", tuple.get(2)?.to_term(), Some(from.to_term())));
    }
    if tag.is_atom("$gen_cast") && tuple.len() == 2 {
        return Some(("cast", tuple.get(1)?.to_term(), None));
    }
    None
}

/// `{{Year, Month, Day}, {Hour, Minute, Second}}`.
fn date_and_time(time: OffsetDateTime) -> Term {
    let (year, month, day) = time.to_calendar_date();
    let date = (i64::from(year), i64::from(u8::from(month)), i64::from(day));
    let (hour, minute, second) = time.to_hms();
    let time = (i64::from(hour), i64::from(minute), i64::from(second));
    Term::from((Term::from(date), Term::from(time)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_bounded_in_events_and_in_bytes() {
        let mut log = Log::new(3);
        for number in 0..5 {
            log.note(Term::from(vec![number, 1000]));
        }
        let kept: Vec<Term> = log.events.iter().cloned().collect();
        assert_eq!(kept, [2, 3, 4].map(|number| Term::from(vec![number, 1000])));
        for _ in 0..3 {
            log.note(Term::from("x".repeat(MOST_HELD / 2 - 1000)));
        }
        assert!(log.held <= MOST_HELD && log.events.len() == 2, "{} bytes", log.held);
        log.note(Term::from("small"));
        assert_eq!(log.events.len(), 3);
    }
}
