//! The node's group leader: answers I/O requests, and writes what it is given to standard error.
//!
//! The requests are those of the guide "The Erlang I/O Protocol". There is no input: whoever asks for a line gets `eof`.

use std::io::Write;

use mailbox::{Exit, Process, Received};
use term::{Atom, Pid, Term, TermRef, term};

use super::format::{self, Encoding};
use super::question;

pub(crate) async fn run(mut process: Process) -> Exit {
    loop {
        let Received::Message(message) = process.receive().await? else { continue };
        let Ok(message) = message.into_term() else { continue };
        if let Some((from, reply_as, request)) = request(&message) {
            let reply = answer(request);
            process
                .send(from, Term::from((Atom::from_static("io_reply"), reply_as.to_term(), reply)));
        } else if let Some((caller, _)) = question::asked(&process, &message) {
            // `user` is no gen_server; who takes it for one is told, and not left to a time-out.
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

fn answer(request: TermRef<'_>) -> Term {
    match one(request) {
        Answer::Done(reply) => reply,
        Answer::Several(requests) => {
            // The first that fails ends the list, and its answer is the answer to all.
            let mut reply = atom("ok");
            for request in requests {
                reply = match one(request) {
                    Answer::Done(reply) => reply,
                    Answer::Several(_) => failed("request"),
                };
                if reply
                    .as_tuple()
                    .is_some_and(|tuple| tuple.get(0).is_some_and(|word| word.is_atom("error")))
                {
                    break;
                }
            }
            reply
        }
    }
}

enum Answer<'a> {
    Done(Term),
    Several(Vec<TermRef<'a>>),
}

fn one(request: TermRef<'_>) -> Answer<'_> {
    if request.is_atom("getopts") {
        return Answer::Done(term!([{ binary, false }, { echo, false }, { encoding, 'unicode }]));
    }
    let Some(tuple) = request.as_tuple() else { return Answer::Done(failed("request")) };
    let parts: Vec<TermRef<'_>> = tuple.iter().collect();
    let Some((Some(word), arguments)) =
        parts.split_first().map(|(word, rest)| (word.as_atom(), rest))
    else {
        return Answer::Done(failed("request"));
    };
    Answer::Done(match (word.to_string().as_str(), arguments) {
        ("requests", [list]) => match list.as_list() {
            Some(list) => return Answer::Several(list.iter().collect()),
            None => failed("request"),
        },
        ("put_chars", [encoding, data]) => match encoding_named(*encoding) {
            Some(encoding) => print(format::characters(*data, encoding)),
            None => failed("put_chars"),
        },
        // The form of before there were encodings.
        ("put_chars", [data]) => print(format::characters(*data, Encoding::Latin1)),
        ("put_chars", [encoding, module, function, arguments])
            if encoding_named(*encoding).is_some() =>
        {
            print(applied(*module, *function, *arguments))
        }
        ("put_chars", [module, function, arguments]) => {
            print(applied(*module, *function, *arguments))
        }
        ("get_until" | "get_chars" | "get_line" | "get_password", _) => atom("eof"),
        ("get_geometry", _) => term!({ error, 'enotsup }),
        ("setopts", _) => term!({ error, 'enotsup }),
        _ => failed("request"),
    })
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

/// The one function that is asked for in practice: `io:format` leaves its work to the group leader.
fn applied(module: TermRef<'_>, function: TermRef<'_>, arguments: TermRef<'_>) -> Option<String> {
    let arguments: Vec<TermRef<'_>> = arguments.as_list()?.iter().collect();
    match arguments.as_slice() {
        [format, values]
            if module.is_atom("io_lib")
                && (function.is_atom("format") || function.is_atom("fwrite")) =>
        {
            format::format(*format, *values)
        }
        _ => None,
    }
}

fn print(text: Option<String>) -> Term {
    let Some(text) = text else { return failed("put_chars") };
    // A standard error that nobody reads is no reason to fail the process that prints.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
    atom("ok")
}

/// `{error, Word}`.
fn failed(word: &'static str) -> Term {
    Term::from((atom("error"), atom(word)))
}

fn atom(name: &'static str) -> Term {
    Term::from(Atom::from_static(name))
}
