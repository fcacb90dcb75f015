//! Whether a child is started again: by its restart type, and by how often that has happened. Pure decisions.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use term::Term;

use crate::child::Restart;
use crate::server_report::is_ordered;

/// Whether a child of this type that ended with this reason is started again.
pub(crate) fn restarts(restart: Restart, reason: &Term) -> bool {
    match restart {
        Restart::Permanent => true,
        Restart::Transient => !is_ordered(reason),
        Restart::Temporary => false,
    }
}

/// How many restarts there may be within a time, and those there were.
#[derive(Clone, Debug)]
pub(crate) struct Intensity {
    restarts: u32,
    period: Duration,
    seen: VecDeque<Instant>,
}

impl Intensity {
    /// Once in 5 s, as `supervisor` has it.
    pub(crate) const DEFAULT: Self = Self::new(1, Duration::from_secs(5));

    pub(crate) const fn new(restarts: u32, period: Duration) -> Self {
        Self { restarts, period, seen: VecDeque::new() }
    }

    pub(crate) const fn restarts(&self) -> u32 {
        self.restarts
    }

    pub(crate) const fn period(&self) -> Duration {
        self.period
    }

    /// Counts a restart; whether it is still one of those that may be.
    pub(crate) fn allows(&mut self, now: Instant) -> bool {
        while self
            .seen
            .front()
            .is_some_and(|&seen| now.saturating_duration_since(seen) > self.period)
        {
            self.seen.pop_front();
        }
        // No more are kept than it takes to know that there are too many.
        if self.seen.len() > self.restarts as usize {
            self.seen.pop_front();
        }
        self.seen.push_back(now);
        self.seen.len() <= self.restarts as usize
    }
}

#[cfg(test)]
mod tests {
    use term::term;

    use super::*;

    #[test]
    fn the_restart_type_and_the_reason_decide() {
        let reasons = [
            (term!('normal), false),
            (term!('shutdown), false),
            (term!({shutdown, {any, 1}}), false),
            (term!({shutdown, 1, 2}), true),
            (term!('killed), true),
            (term!({crash, 'requested}), true),
        ];
        for (reason, is_failure) in reasons {
            assert!(restarts(Restart::Permanent, &reason), "{reason}");
            assert_eq!(restarts(Restart::Transient, &reason), is_failure, "{reason}");
            assert!(!restarts(Restart::Temporary, &reason), "{reason}");
        }
    }

    #[test]
    fn as_many_restarts_as_the_intensity_says_are_allowed_within_the_period() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut intensity = Intensity::new(2, Duration::from_secs(5));
        assert!(intensity.allows(at(0)));
        assert!(intensity.allows(at(1)));
        assert!(!intensity.allows(at(5)));
        // Those at 0 and 1 are past.
        let mut intensity = Intensity::new(2, Duration::from_secs(5));
        for seconds in [0, 1, 6, 7, 12, 13] {
            assert!(intensity.allows(at(seconds)), "{seconds}");
        }
        assert!(!intensity.allows(at(17)));
    }

    #[test]
    fn an_intensity_of_none_allows_none() {
        assert!(!Intensity::new(0, Duration::from_secs(5)).allows(Instant::now()));
    }

    #[test]
    fn the_default_is_one_in_five_seconds() {
        let mut intensity = Intensity::DEFAULT;
        let start = Instant::now();
        assert!(intensity.allows(start));
        assert!(!intensity.allows(start + Duration::from_millis(4_900)));
        let mut intensity = Intensity::DEFAULT;
        assert!(intensity.allows(start));
        assert!(intensity.allows(start + Duration::from_millis(5_100)));
    }
}
