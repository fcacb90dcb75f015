//! What every contender is asked for, and with which numbers.

use std::fs;
use std::time::Instant;

/// Names and units of the measures, in the order they are reported.
pub(crate) const MEASURES: &[(&str, &str)] = &[
    ("spawn", "ns from spawn to exit with one message between"),
    ("pair", "ns a round trip, one pair"),
    ("pairs", "ns a round trip, 64 pairs at once"),
    ("ring", "ns a hop in a ring of 10,000"),
    ("fan_in", "million messages a second from 8 senders to one"),
    ("fan_in_channel", "million messages a second, the receiver with a crossbeam channel"),
    ("call", "ns a call (with monitor and alias where there are any)"),
    ("idle", "bytes a process that has never received"),
    ("idle_after", "bytes a process that has received one message"),
];

pub(crate) struct Settings {
    pub(crate) rounds: usize,
    pub(crate) workers: usize,
    /// Divides the repetitions: for a quick look.
    pub(crate) quick: usize,
    /// Only this measure.
    pub(crate) only: Option<String>,
}

impl Settings {
    pub(crate) fn from_arguments(arguments: &[String]) -> Self {
        let find = |name: &str| arguments.iter().find_map(|argument| argument.strip_prefix(name));
        let number = |name: &str, default| {
            find(name).and_then(|value| value.parse().ok()).unwrap_or(default)
        };
        Self {
            rounds: number("rounds=", 5),
            workers: number("workers=", 2),
            quick: number("quick=", 1),
            only: find("only=").map(str::to_owned),
        }
    }

    pub(crate) fn wants(&self, measure: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.split(',').any(|one| one == measure))
    }

    pub(crate) fn runtime(&self) -> tokio::runtime::Runtime {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(self.workers).enable_all().build().expect("a tokio runtime")
    }

    pub(crate) fn spawns(&self) -> usize {
        400_000 / self.quick
    }
    pub(crate) fn round_trips(&self) -> usize {
        400_000 / self.quick
    }
    pub(crate) fn round_trips_of_each_pair(&self) -> usize {
        10_000 / self.quick
    }
    pub(crate) fn hops(&self) -> usize {
        2_000_000 / self.quick
    }
    pub(crate) fn messages_of_each_sender(&self) -> usize {
        500_000 / self.quick
    }
    pub(crate) fn calls(&self) -> usize {
        400_000 / self.quick
    }
    pub(crate) fn idle(&self) -> usize {
        1_000_000 / self.quick
    }
}

/// Processes alive at once in the spawn measure.
pub(crate) const BATCH: usize = 1_000;
pub(crate) const PAIRS: usize = 64;
pub(crate) const RING: usize = 10_000;
pub(crate) const SENDERS: usize = 8;

/// Nanoseconds since `start` for each of `times`.
pub(crate) fn each(start: Instant, times: usize) -> f64 {
    start.elapsed().as_nanos() as f64 / times as f64
}

/// Millions a second since `start`.
pub(crate) fn millions(start: Instant, times: usize) -> f64 {
    times as f64 / start.elapsed().as_micros() as f64
}

/// The resident set, in bytes.
pub(crate) fn resident() -> f64 {
    let pages = fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|line| line.split(' ').nth(1)?.parse::<f64>().ok());
    pages.unwrap_or(f64::NAN) * 4096.0
}
