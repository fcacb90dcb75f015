//! Group leaders of a program's own: what BEAM code prints that was started here, as text, and what it reads.

use std::future::{Future, ready};

use mailbox::{SpawnError, SpawnOptions};
use term::Pid;

use crate::node::Node;
use crate::service::group_leader;

/// What a group leader does with what is printed, and has for who reads (the guide "The Erlang I/O Protocol").
///
/// Requests come one after the other: whoever prints waits until the text is taken. A device that only takes text has one method
/// to write; who reads from it is at the end of the file, and who asks for its size is told that it has none.
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use node::{IoDevice, IoError, Node};
///
/// /// Sends on what is printed.
/// struct Lines(tokio::sync::mpsc::UnboundedSender<String>);
///
/// impl IoDevice for Lines {
///     async fn put_chars(&mut self, text: String) -> Result<(), IoError> {
///         self.0.send(text).map_err(|_| IoError::Terminated)
///     }
/// }
///
/// # let cookie = node::Cookie::new("doc").unwrap();
/// # let node = Node::builder("io@localhost").cookie(cookie).build()?;
/// let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
/// let leader = node.spawn_group_leader(Lines(tell))?;
/// // node.erpc("a@host", "io", "format", ("~p~n", [1])).group_leader(leader).await? prints here.
/// # drop((leader, told.try_recv()));
/// # Ok(())
/// # }
/// ```
pub trait IoDevice: Send + 'static {
    /// Text was printed: `io:put_chars/2`, `io:format/3` and the like, formatted.
    ///
    /// # Errors
    /// What the one who prints is told.
    fn put_chars(&mut self, text: String) -> impl Future<Output = Result<(), IoError>> + Send;

    /// The next line of input with its `\n`, and `None` at the end of the file, which is the default.
    ///
    /// # Errors
    /// What the one who reads is told.
    fn get_line(
        &mut self,
        prompt: String,
    ) -> impl Future<Output = Result<Option<String>, IoError>> + Send {
        let _ = prompt;
        ready(Ok(None))
    }

    /// Characters on a line, `io:columns/1`; `None`, the default, if it has no such size (`enotsup`).
    fn columns(&self) -> Option<u32> {
        None
    }

    /// Lines, `io:rows/1`.
    fn rows(&self) -> Option<u32> {
        None
    }
}

/// What is wrong with a request, or with the device: `{error, Reason}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IoError {
    /// `terminated`: there is no device any longer.
    #[error("the device is gone (terminated)")]
    Terminated,
    /// `enospc`: there is no room for more.
    #[error("there is no room for more (enospc)")]
    NoSpace,
    /// `enotsup`: this device does no such thing.
    #[error("this device does no such thing (enotsup)")]
    NotSupported,
    /// `eio`: it failed.
    #[error("input or output failed (eio)")]
    Failed,
}

impl IoError {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Terminated => "terminated",
            Self::NoSpace => "enospc",
            Self::NotSupported => "enotsup",
            Self::Failed => "eio",
        }
    }
}

impl Node {
    /// Starts a process that can be a group leader: it answers I/O requests with what `device` does.
    ///
    /// Give its pid to [`RemoteCall::group_leader`](crate::RemoteCall::group_leader), [`SpawnOptions::group_leader`] or
    /// [`RemoteSpawn::group_leader`](crate::RemoteSpawn::group_leader), or to BEAM code in place of `user`:
    /// `io:format(Pid, "~p~n", [x])`. It lives until it is told to [exit](mailbox::Process::exit), or the node stops.
    ///
    /// # Errors
    /// If there are no pids left.
    pub fn spawn_group_leader(&self, device: impl IoDevice) -> Result<Pid, SpawnError> {
        let started = self
            .spawn_with(SpawnOptions::new(), move |process| group_leader::run(process, device))?;
        Ok(started.pid)
    }
}
