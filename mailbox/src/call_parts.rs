//! The messages of `gen` taken apart: calls, casts, replies and system messages, as terms or as bytes.
//!
//! Bytes stay bytes: a request goes straight from the frame it came in into the server's own type.

use std::ops::Range;

use term::{Atom, Cursor, DecodeError, Encoded, Pid, Reference, Term, TermRef, Tuple};

use crate::payload::{Payload, alias_of_tag};

/// Who asks, and what the reply has to carry: the `From` of `handle_call/3`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CallFrom {
    pub(crate) pid: Pid,
    pub(crate) tag: Tag,
}

/// The tag of a call, echoed as it came.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Tag {
    /// `[alias | Reference]`: the reply goes to the alias.
    Alias(Reference),
    /// `[[alias | Reference] | _]`: likewise.
    InAlias(Reference, Term),
    /// Anything else: the reply goes to the pid.
    Other(Term),
}

/// A message as a `gen` process sees it.
#[derive(Debug)]
pub(crate) enum Parts {
    /// `{'$gen_call', From, Request}`.
    Call(CallFrom, Payload),
    /// `{'$gen_cast', Request}`.
    Cast(Payload),
    /// `{system, From, Request}`.
    System(CallFrom, Payload),
    /// Anything else.
    Info(Payload),
}

impl Parts {
    #[inline]
    pub(crate) fn of(payload: Payload) -> Self {
        let payload = match payload.into_call() {
            Ok(call) => {
                let from = CallFrom { pid: call.from(), tag: Tag::Alias(call.tag) };
                return Self::Call(from, call.request);
            }
            Err(payload) => payload,
        };
        let payload = match payload.into_cast() {
            Ok(request) => return Self::Cast(request),
            Err(payload) => payload,
        };
        if let Some(term) = payload.as_term() {
            return Self::of_term(term).unwrap_or(Self::Info(payload));
        }
        match payload.as_encoded().map(parts_of_bytes) {
            Some(Ok(Some((kind, from, part)))) => Self::new(kind, from, payload.narrow(part)),
            // What is no term shows when it is read.
            _ => Self::Info(payload),
        }
    }

    /// Whether it is a [`Parts::System`], without taking it apart.
    pub(crate) fn is_system(payload: &Payload) -> bool {
        match (payload.as_term(), payload.as_encoded()) {
            (Some(term), _) => matches!(Self::of_term(term), Some(Self::System(..))),
            (None, Some(encoded)) => {
                matches!(parts_of_bytes(encoded), Ok(Some((Kind::System, ..))))
            }
            (None, None) => false,
        }
    }

    fn of_term(term: &Term) -> Option<Self> {
        let tuple = term.as_tuple()?;
        let tag = tuple.get(0)?.as_atom()?;
        let kind = Kind::of(&tag.as_str(), tuple.len())?;
        let from = match kind {
            Kind::Cast => None,
            Kind::Call | Kind::System => Some(CallFrom::of_term(tuple.get(1)?)?),
        };
        let request = tuple.get(tuple.len() - 1)?.to_term();
        Some(Self::new(kind, from, Payload::from(request)))
    }

    fn new(kind: Kind, from: Option<CallFrom>, request: Payload) -> Self {
        match (kind, from) {
            (Kind::Call, Some(from)) => Self::Call(from, request),
            (Kind::System, Some(from)) => Self::System(from, request),
            _ => Self::Cast(request),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Call,
    Cast,
    System,
}

impl Kind {
    fn of(tag: &str, arity: usize) -> Option<Self> {
        match (tag, arity) {
            ("$gen_call", 3) => Some(Self::Call),
            ("$gen_cast", 2) => Some(Self::Cast),
            ("system", 3) => Some(Self::System),
            _ => None,
        }
    }
}

impl CallFrom {
    /// `{Pid, Tag}`.
    pub(crate) fn of_term(term: TermRef<'_>) -> Option<Self> {
        let tuple: Tuple<'_> = term.as_tuple().filter(|tuple| tuple.len() == 2)?;
        Some(Self { pid: tuple.get(0)?.as_pid()?, tag: Tag::of_term(tuple.get(1)?) })
    }

    fn of_bytes(cursor: &mut Cursor<'_>) -> Result<Option<Self>, DecodeError> {
        let mut ahead = cursor.clone();
        cursor.skip_term()?;
        if !ahead.is_tuple() || ahead.tuple_header()? != 2 || !ahead.is_pid() {
            return Ok(None);
        }
        let pid = ahead.pid()?;
        let tag = match alias_in_bytes(&mut ahead.clone())? {
            Some(alias) => Tag::Alias(alias),
            None => Tag::of_term(ahead.term()?.root()),
        };
        Ok(Some(Self { pid, tag }))
    }
}

impl Tag {
    fn of_term(tag: TermRef<'_>) -> Self {
        if let Some(alias) = alias_of_tag(tag) {
            return Self::Alias(alias);
        }
        let term = tag.to_term();
        match first_of_list(tag).and_then(alias_of_tag) {
            Some(alias) => Self::InAlias(alias, term),
            None => Self::Other(term),
        }
    }

    pub(crate) fn to_term(&self) -> Term {
        match self {
            Self::Alias(alias) => {
                Term::improper_list(&[Term::from(Atom::from_static("alias"))], &Term::from(alias))
            }
            Self::InAlias(_, term) | Self::Other(term) => term.clone(),
        }
    }
}

/// The head of a list, proper or not.
fn first_of_list(term: TermRef<'_>) -> Option<TermRef<'_>> {
    match term.view() {
        term::View::List(list) | term::View::ImproperList(list, _) => list.iter().next(),
        _ => None,
    }
}

/// What a message is, from whom, and where its request lies.
type Found = (Kind, Option<CallFrom>, Range<usize>);

fn parts_of_bytes(encoded: &Encoded) -> Result<Option<Found>, DecodeError> {
    let mut cursor = encoded.cursor();
    if !cursor.is_tuple() {
        return Ok(None);
    }
    let arity = cursor.tuple_header()?;
    if !cursor.is_atom() {
        return Ok(None);
    }
    let Some(kind) = Kind::of(&cursor.atom_ref()?.as_str(), arity) else { return Ok(None) };
    let from = match kind {
        Kind::Cast => None,
        Kind::Call | Kind::System => match CallFrom::of_bytes(&mut cursor)? {
            Some(from) => Some(from),
            None => return Ok(None),
        },
    };
    Ok(last_element(&mut cursor)?.map(|part| (kind, from, part)))
}

/// Where the element that begins here lies, if nothing comes after it.
fn last_element(cursor: &mut Cursor<'_>) -> Result<Option<Range<usize>>, DecodeError> {
    let start = cursor.position();
    cursor.skip_term()?;
    Ok(cursor.is_empty().then(|| start..cursor.position()))
}

/// The reference in `[alias | Reference]`.
fn alias_in_bytes(cursor: &mut Cursor<'_>) -> Result<Option<Reference>, DecodeError> {
    // What is written as a string has no alias in it.
    if !cursor.is_list() || cursor.list_header().ok() != Some(1) || !cursor.is_atom() {
        return Ok(None);
    }
    if cursor.atom_ref()? != *"alias" || !cursor.is_reference() {
        return Ok(None);
    }
    cursor.reference().map(Some)
}

/// The tag of `{Tag, Reply}` or `{[alias | Tag], Reply}`, and where in the bytes the reply is.
pub(crate) fn reply_in_bytes(encoded: &Encoded) -> Option<(Reference, Range<usize>)> {
    let mut cursor = encoded.cursor();
    if !cursor.is_tuple() || cursor.tuple_header().ok()? != 2 {
        return None;
    }
    let tag = if cursor.is_reference() {
        cursor.reference().ok()?
    } else {
        alias_in_bytes(&mut cursor).ok()??
    };
    let part = last_element(&mut cursor).ok()??;
    Some((tag, part))
}

/// The same in a term.
pub(crate) fn reply_in_term(term: &Term) -> Option<(Reference, TermRef<'_>)> {
    let tuple = term.as_tuple().filter(|tuple| tuple.len() == 2)?;
    let (first, reply) = (tuple.get(0)?, tuple.get(1)?);
    let tag = first.as_reference().or_else(|| alias_of_tag(first))?;
    Some((tag, reply))
}
