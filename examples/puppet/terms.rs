//! Commands about terms: bytes, text, order.

use std::cmp::Ordering;

use node::{Atom, Term, term};
use term::{View, order};

use crate::command::{Answer, BADARG, Command, Outcome, is};

/// zlib's own choice, which `compressed` without a level asks for.
const LEVEL: u8 = 6;

pub(crate) fn run(command: &Command, node: &Atom) -> Outcome {
    match command.words() {
        ("encode", [term]) => is(binary(term.encode_to_vec())),
        ("encode_compressed", [term]) => is(binary(term.encode_compressed(LEVEL))),
        ("decode", [bytes]) => match bytes.as_binary().map(Term::decode) {
            // LOCAL_EXT: bytes for the node that made them. Every other node refuses them (erl_ext_dist), in messages too.
            Some(Ok(term)) if matches!(term.view(), View::Opaque(_)) => {
                is(term!({error, "a term that only the node that wrote it can read"}))
            }
            Some(Ok(term)) => is(term!({ok, term})),
            Some(Err(error)) => is(term!({error, error.to_string()})),
            None => is(term!({error, "not a binary"})),
        },
        ("format", [term]) => is(term.format().local(node).to_string()),
        ("parse", [text]) => {
            // UTF-8 in a binary, or a charlist.
            let words = match (text.as_bytes(), text.as_charlist()) {
                (Some(bytes), _) => match std::str::from_utf8(bytes) {
                    Ok(words) => words.to_owned(),
                    Err(error) => return is(term!({error, error.to_string()})),
                },
                (None, Some(words)) => words,
                (None, None) => return Err(BADARG),
            };
            match words.parse::<Term>() {
                Ok(term) => is(term!({ok, term})),
                Err(error) => is(term!({error, error.to_string()})),
            }
        }
        ("compare", [a, b]) => is(match order::compare(a, b) {
            Ordering::Less => term!('lt),
            Ordering::Equal => term!('eq),
            Ordering::Greater => term!('gt),
        }),
        ("equal", [a, b]) => is(a == b),
        _ => Ok(Answer::Unknown),
    }
}

fn binary(bytes: Vec<u8>) -> Term {
    Term::from(bytes::Bytes::from(bytes))
}
