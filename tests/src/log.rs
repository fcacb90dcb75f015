//! A child's output by lines, kept in the order it came, waited for with a deadline.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// One line, without its end.
#[derive(Debug, Clone)]
pub struct Line {
    /// Where it was written.
    pub stream: Stream,
    /// What was written; bytes that are no UTF-8 are replaced.
    pub text: String,
}

#[derive(Debug, Default)]
struct Kept {
    lines: Vec<Line>,
    open: usize,
}

/// Everything a child has written so far. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<(Mutex<Kept>, Condvar)>);

impl Log {
    /// Reads `from` to its end on a thread of its own.
    pub(crate) fn collect(&self, stream: Stream, from: impl Read + Send + 'static) {
        self.kept().open += 1;
        let log = self.clone();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(from);
            let mut bytes = Vec::new();
            while matches!(reader.read_until(b'\n', &mut bytes), Ok(1..)) {
                let text =
                    String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned();
                log.kept().lines.push(Line { stream, text });
                log.0.1.notify_all();
                bytes.clear();
            }
            log.kept().open -= 1;
            log.0.1.notify_all();
        });
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lines so far.
    pub fn lines(&self) -> Vec<Line> {
        self.kept().lines.clone()
    }

    /// The lines of one stream so far.
    pub fn of(&self, stream: Stream) -> Vec<String> {
        self.kept()
            .lines
            .iter()
            .filter(|line| line.stream == stream)
            .map(|line| line.text.clone())
            .collect()
    }

    /// Waits for the first line at or after `from` that `wanted` takes; `None` when the deadline passes or the output ended.
    /// Returns the index after that line, to go on from.
    pub fn wait_for<T>(
        &self,
        mut from: usize,
        within: Duration,
        mut wanted: impl FnMut(&Line) -> Option<T>,
    ) -> Option<(usize, T)> {
        let deadline = Instant::now() + within;
        let mut kept = self.kept();
        loop {
            while let Some(line) = kept.lines.get(from) {
                from += 1;
                if let Some(value) = wanted(line) {
                    return Some((from, value));
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || kept.open == 0 {
                return None;
            }
            kept = self.0.1.wait_timeout(kept, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until both streams are closed, so that nothing written last is missed.
    pub(crate) fn wait_until_closed(&self, within: Duration) {
        self.wait_for(usize::MAX, within, |_| None::<()>);
    }

    /// The last `most` lines, to be shown when a test fails.
    pub fn tail(&self, most: usize) -> String {
        let kept = self.kept();
        let skipped = kept.lines.len().saturating_sub(most);
        let mut text =
            if skipped > 0 { format!("  ... {skipped} lines before\n") } else { String::new() };
        for line in kept.lines.iter().skip(skipped) {
            let mark = if line.stream == Stream::Err { "!" } else { " " };
            // A suite that echoes 5 MB must not print it all.
            let shown: String = line.text.chars().take(600).collect();
            text.push_str(&format!("  {mark} {shown}\n"));
        }
        text
    }
}
