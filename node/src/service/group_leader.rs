//! A group leader: answers I/O requests with what its device does; the node's own writes to standard error.
//!
//! The requests are those of the guide "The Erlang I/O Protocol".

use std::io::Write;

use mailbox::{Exit, Process, Received};
use term::{Atom, Pid, Term, TermRef, term};

use super::format::{self, Encoding};
use super::question;
use crate::io::{IoDevice, IoError};

/// The most that one request may ask to read, in characters: what a peer announces must not be our memory.
const MOST_READ: usize = 1024 * 1024;

/// The device of the node's own leader, `user`. There is no input: whoever asks for a line gets `eof`.
pub(crate) struct StandardError;

impl IoDevice for StandardError {
    async fn put_chars(&mut self, text: String) -> Result<(), IoError> {
        // A standard error that nobody reads is no reason to fail the process that prints.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
        Ok(())
    }
}

pub(crate) async fn run(mut process: Process, device: impl IoDevice) -> Exit {
    let mut leader = Leader { device, read: String::new() };
    loop {
        let Received::Message(message) = process.receive().await? else { continue };
        let Ok(message) = message.into_term() else { continue };
        if let Some((from, reply_as, request)) = request(&message) {
            let reply = leader.answer(request).await;
            process
                .send(from, Term::from((Atom::from_static("io_reply"), reply_as.to_term(), reply)));
        } else if let Some((caller, _)) = question::asked(&process, &message) {
            // A group leader is no gen_server; who takes it for one is told, and not left to a time-out.
            caller.reply(term!({ error, 'notsup }));
        }
    }
}

/// `{io_request, From, ReplyAs, Request}`.
fn request(message: &Term) -> Option<(Pid, TermRef<'_>, TermRef<'_>)> {
    let tuple = message.as_tuple().filter(|tuple| tuple.len() == 4)?;
    if !tuple.get(0)?.is_atom("io_request") {
        return None;
    }
    Some((tuple.get(1)?.as_pid()?, tuple.get(2)?, tuple.get(3)?))
}

struct Leader<D> {
    device: D,
    /// What was read of a line and not yet asked for.
    read: String,
}

impl<D: IoDevice> Leader<D> {
    async fn answer(&mut self, request: TermRef<'_>) -> Term {
        let Some(several) = several(request) else { return self.one(request).await };
        let Some(several) = several else { return failed("request") };
        // The first that fails ends the list, and its answer is the answer to all.
        let mut reply = atom("ok");
        for request in several {
            reply = self.one(request).await;
            if reply.element(0).is_some_and(|word| word.is_atom("error")) {
                break;
            }
        }
        reply
    }

    async fn one(&mut self, request: TermRef<'_>) -> Term {
        if request.is_atom("getopts") {
            return term!([{ binary, false }, { echo, false }, { encoding, 'unicode }]);
        }
        let Some(tuple) = request.as_tuple() else { return failed("request") };
        let parts: Vec<TermRef<'_>> = tuple.iter().collect();
        let Some((word, arguments)) = parts.split_first() else { return failed("request") };
        let word = word.as_atom().map(|word| word.to_string()).unwrap_or_default();
        match (word.as_str(), arguments) {
            ("put_chars", [encoding, data]) => match encoding_named(*encoding) {
                Some(encoding) => self.print(format::characters(*data, encoding)).await,
                None => failed("put_chars"),
            },
            // The form of before there were encodings.
            ("put_chars", [data]) => self.print(format::characters(*data, Encoding::Latin1)).await,
            ("put_chars", [encoding, module, function, arguments])
                if encoding_named(*encoding).is_some() =>
            {
                self.print(applied(*module, *function, *arguments)).await
            }
            ("put_chars", [module, function, arguments]) => {
                self.print(applied(*module, *function, *arguments)).await
            }
            ("get_line", [prompt]) => self.get_line(*prompt).await,
            ("get_line", [encoding, prompt]) if encoding_named(*encoding).is_some() => {
                self.get_line(*prompt).await
            }
            ("get_chars", [prompt, count]) => self.get_chars(*prompt, *count).await,
            ("get_chars", [encoding, prompt, count]) if encoding_named(*encoding).is_some() => {
                self.get_chars(*prompt, *count).await
            }
            // It names a function that takes the input apart, which is not here. At the end of the file none is needed.
            ("get_until", [.., prompt, _, _, _]) => match self.filled(*prompt, 1).await {
                Ok(()) if self.read.is_empty() => atom("eof"),
                Ok(()) => failed("enotsup"),
                Err(error) => failed(error.word()),
            },
            ("get_geometry", [which]) => {
                let size = if which.is_atom("columns") {
                    self.device.columns()
                } else if which.is_atom("rows") {
                    self.device.rows()
                } else {
                    None
                };
                size.map_or_else(|| failed("enotsup"), Term::from)
            }
            ("get_password" | "setopts", _) => failed("enotsup"),
            _ => failed("request"),
        }
    }

    async fn print(&mut self, text: Option<String>) -> Term {
        let Some(text) = text else { return failed("put_chars") };
        match self.device.put_chars(text).await {
            Ok(()) => atom("ok"),
            Err(error) => failed(error.word()),
        }
    }

    async fn get_line(&mut self, prompt: TermRef<'_>) -> Term {
        match self.filled(prompt, 1).await {
            Ok(()) => {
                let line = self.read.find('\n').map_or(self.read.len(), |end| end + 1);
                self.take(line)
            }
            Err(error) => failed(error.word()),
        }
    }

    async fn get_chars(&mut self, prompt: TermRef<'_>, count: TermRef<'_>) -> Term {
        let count = count.as_i64().and_then(|count| usize::try_from(count).ok());
        let Some(count) = count.filter(|count| (1..=MOST_READ).contains(count)) else {
            return failed("get_chars");
        };
        match self.filled(prompt, count).await {
            Ok(()) => {
                let end = self.read.char_indices().nth(count).map_or(self.read.len(), |(at, _)| at);
                self.take(end)
            }
            Err(error) => failed(error.word()),
        }
    }

    /// Reads lines until there are so many characters, or no more lines.
    async fn filled(&mut self, prompt: TermRef<'_>, count: usize) -> Result<(), IoError> {
        while self.read.chars().take(count).count() < count {
            let prompt = match prompt.as_atom() {
                Some(prompt) => prompt.to_string(),
                None => format::characters(prompt, Encoding::Unicode).unwrap_or_default(),
            };
            match self.device.get_line(prompt).await? {
                Some(line) if !line.is_empty() => self.read.push_str(&line),
                _ => break,
            }
        }
        Ok(())
    }

    /// So many bytes of what was read, as a list, since `binary` is off; `eof` if there are none.
    fn take(&mut self, bytes: usize) -> Term {
        if bytes == 0 {
            return atom("eof");
        }
        self.read.drain(..bytes).map(|c| Term::from(u32::from(c))).collect()
    }
}

/// The requests of `{requests, List}`; `None` in `Some` if it is no list.
#[expect(clippy::option_option, reason = "one of them: another request; the other: a bad one")]
fn several(request: TermRef<'_>) -> Option<Option<Vec<TermRef<'_>>>> {
    let pair = request.as_tuple().filter(|pair| pair.len() == 2)?;
    if !pair.get(0)?.is_atom("requests") {
        return None;
    }
    Some(pair.get(1)?.as_list().map(|list| list.iter().collect()))
}

fn encoding_named(name: TermRef<'_>) -> Option<Encoding> {
    if name.is_atom("unicode") {
        Some(Encoding::Unicode)
    } else if name.is_atom("latin1") {
        Some(Encoding::Latin1)
    } else {
        None
    }
}

/// The functions that are asked for in practice: `io:format` and `io:write` leave their work to the group leader.
fn applied(module: TermRef<'_>, function: TermRef<'_>, arguments: TermRef<'_>) -> Option<String> {
    let arguments: Vec<TermRef<'_>> = arguments.as_list()?.iter().collect();
    if !module.is_atom("io_lib") {
        return None;
    }
    match arguments.as_slice() {
        [format, values] if function.is_atom("format") || function.is_atom("fwrite") => {
            format::format(*format, *values)
        }
        [term] if function.is_atom("write") => Some(term.format().raw().to_string()),
        _ => None,
    }
}

/// `{error, Word}`.
fn failed(word: &'static str) -> Term {
    Term::from((atom("error"), atom(word)))
}

fn atom(name: &'static str) -> Term {
    Term::from(Atom::from_static(name))
}
