//! A child in a process group of its own: output kept, every wait with a deadline, the whole group killed on drop.

use std::io::Write as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::janitor;
use crate::log::{Log, Stream};

/// A running (or ended) child and everything it started.
#[derive(Debug)]
pub struct Group {
    name: String,
    child: Child,
    log: Log,
    ended: Option<ExitStatus>,
}

impl Group {
    /// Starts `command` with its input and output piped.
    pub fn start(name: impl Into<String>, mut command: Command) -> Result<Self> {
        let name = name.into();
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child =
            command.spawn().with_context(|| format!("cannot start {name}: {command:?}"))?;
        janitor::watch(child.id());
        let log = Log::default();
        if let Some(out) = child.stdout.take() {
            log.collect(Stream::Out, out);
        }
        if let Some(err) = child.stderr.take() {
            log.collect(Stream::Err, err);
        }
        Ok(Self { name, child, log, ended: None })
    }

    /// What this child is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id, which is also its group's.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Writes one line to its standard input.
    pub fn say(&mut self, line: &str) -> Result<()> {
        let stdin = self.child.stdin.as_mut().context("standard input is closed")?;
        stdin.write_all(format!("{line}\n").as_bytes())?;
        Ok(stdin.flush()?)
    }

    fn pid(&self) -> Result<Pid> {
        i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .context("a process id out of range")
    }

    /// Sends a signal to the child itself, not to its group, as an operator does. Nothing happens when it has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.has_ended()?.is_none() {
            kill_process(self.pid()?, signal)
                .with_context(|| format!("cannot signal {}", self.name))?;
        }
        Ok(())
    }

    /// Kills the whole group, as the kernel does when memory runs out.
    pub fn kill(&mut self) -> Result<()> {
        if self.has_ended()?.is_none() {
            kill_process_group(self.pid()?, Signal::KILL)
                .with_context(|| format!("cannot kill {}", self.name))?;
        }
        self.wait(Duration::from_secs(5)).map(|_| ())
    }

    /// How it ended, if it has.
    pub fn has_ended(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
        }
        Ok(self.ended)
    }

    /// Waits for its end; the exit code, or 128 and the signal's number as a shell has it.
    pub fn wait(&mut self, within: Duration) -> Result<i32> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.has_ended()? {
                self.log.wait_until_closed(Duration::from_millis(500));
                return Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)));
            }
            if Instant::now() > deadline {
                bail!("{} has not ended within {within:?}", self.name);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Its resident memory in bytes, as the kernel counts it.
    pub fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .context("no VmRSS: the process has ended")?;
        let kib: u64 = line.split_whitespace().nth(1).context("an odd VmRSS line")?.parse()?;
        Ok(kib * 1024)
    }

    /// How many descriptors it holds.
    pub fn descriptors(&self) -> Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Ok(pid) = self.pid() {
            // The group may be gone already; the child is reaped either way.
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.child.wait();
        janitor::forget(self.child.id());
    }
}
