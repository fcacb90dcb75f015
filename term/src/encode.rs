//! Nodes to bytes, in the forms OTP 26 and later write. No recursion; nothing allocated but for nesting deeper than eight containers at once.

use bytes::Bytes;

use crate::encoder::Encoder;
use crate::node::{Kind, Node};
use crate::order::{Chain, Context, Link, fixed_part, mask};
use crate::tag::*;
use crate::term::TermRef;

/// Longest list of bytes that goes out as `STRING_EXT`, whose length has 16 bits.
const MAX_STRING: usize = u16::MAX as usize;

/// What is to be gone on with when the part being written is done.
#[derive(Clone, Copy)]
enum Frame {
    /// The nodes from `at` to `end`.
    Run { at: usize, end: usize },
    /// The rest of a list of several pieces.
    List { chain: Chain },
    /// The size of a closure, counted from here, is put here.
    Size { at: usize },
}

/// What follows the part just written.
enum Next {
    /// Nothing: it was a leaf.
    Leaf,
    /// So many children from this node on.
    Children(usize, usize),
    /// The elements of a list of several pieces.
    Pieces(Chain),
    /// So many children of a closure from this node on, whose size stands at this place.
    Closure(usize, usize, usize),
}

/// Frames of up to eight levels in place; more on the heap.
struct Stack {
    near: [Frame; 8],
    length: usize,
    far: Vec<Frame>,
}

impl Stack {
    const fn new() -> Self {
        Self { near: [Frame::Size { at: 0 }; 8], length: 0, far: Vec::new() }
    }

    #[inline]
    fn push(&mut self, frame: Frame) {
        match self.near.get_mut(self.length) {
            Some(place) => *place = frame,
            None => self.far.push(frame),
        }
        self.length += 1;
    }

    #[inline]
    fn pop(&mut self) -> Option<Frame> {
        self.length = self.length.checked_sub(1)?;
        match self.near.get(self.length) {
            Some(frame) => Some(*frame),
            None => self.far.pop(),
        }
    }
}

/// Where the bytes go: into one buffer, or large binaries beside it by reference.
pub(crate) trait Sink {
    /// The buffer for everything small.
    fn buffer(&mut self) -> &mut Vec<u8>;
    /// A binary's content, or a whole term.
    fn content(&mut self, term: TermRef<'_>, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    #[inline(always)]
    fn buffer(&mut self) -> &mut Vec<u8> {
        self
    }

    #[inline(always)]
    fn content(&mut self, _term: TermRef<'_>, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Output in pieces, large binaries among them by reference.
#[derive(Default)]
pub(crate) struct Pieces {
    buffer: Vec<u8>,
    pieces: Vec<Bytes>,
}

/// Binaries from this size on go out by reference: copying less costs less than one more piece of vectored output (`research`: a page or two).
const BY_REFERENCE: usize = 64 * 1024;

impl Sink for Pieces {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn content(&mut self, term: TermRef<'_>, bytes: &[u8]) {
        match term.shared {
            Some(shared) if bytes.len() >= BY_REFERENCE => {
                let head = std::mem::take(&mut self.buffer);
                if !head.is_empty() {
                    self.pieces.push(head.into());
                }
                self.pieces.push(shared.slice(bytes));
            }
            _ => self.buffer.extend_from_slice(bytes),
        }
    }
}

impl Pieces {
    pub(crate) fn finish(mut self) -> Vec<Bytes> {
        if !self.buffer.is_empty() {
            self.pieces.push(self.buffer.into());
        }
        self.pieces
    }
}

/// Writes a term, without 131, to the end of `out`.
pub(crate) fn term(root: TermRef<'_>, out: &mut impl Sink) {
    if let Some(wire) = root.wire() {
        out.content(root, wire);
        return;
    }
    walk(root, out);
}

/// Writes part after part. The children in hand are no frame: only who waits for them is, and only if it has more.
fn walk(root: TermRef<'_>, out: &mut impl Sink) {
    let context = root.context();
    let mut stack = Stack::new();
    let mut node = root.node;
    let (mut at, mut end) = (0, 0);
    loop {
        let next = one(root, context, node, out);
        if !matches!(next, Next::Leaf) && at < end {
            stack.push(Frame::Run { at, end });
        }
        match next {
            Next::Leaf => {}
            Next::Children(first, count) => (at, end) = (first, first + count),
            Next::Pieces(chain) => {
                end = at;
                stack.push(Frame::List { chain });
            }
            Next::Closure(first, count, size) => {
                stack.push(Frame::Size { at: size });
                (at, end) = (first, first + count);
            }
        }
        if at == end {
            match waiting(context, &mut stack, out) {
                Some(Waiting::Run(from, to)) => (at, end) = (from, to),
                Some(Waiting::One(element)) => {
                    node = element;
                    continue;
                }
                None => return,
            }
        }
        node = context.at(at);
        at += 1;
    }
}

/// What is gone on with.
enum Waiting {
    Run(usize, usize),
    One(Node),
}

/// What has waited longest for the part that is done.
#[inline]
fn waiting(context: Context<'_>, stack: &mut Stack, out: &mut impl Sink) -> Option<Waiting> {
    loop {
        match stack.pop()? {
            Frame::Run { at, end } => return Some(Waiting::Run(at, end)),
            Frame::List { mut chain } => match chain.next(context) {
                Link::Element(element) => {
                    stack.push(Frame::List { chain });
                    return Some(Waiting::One(element));
                }
                Link::Tail(tail) => return Some(Waiting::One(tail)),
                Link::End => out.buffer().push(NIL_EXT),
            },
            Frame::Size { at } => {
                let buffer = out.buffer();
                let size = (buffer.len() - at) as u32;
                if let Some(place) = buffer.get_mut(at..at + 4) {
                    place.copy_from_slice(&size.to_be_bytes());
                }
            }
        }
    }
}

/// Writes a leaf, or the head of a container.
#[inline(always)]
fn one(root: TermRef<'_>, context: Context<'_>, node: Node, out: &mut impl Sink) -> Next {
    match node.kind() {
        Kind::Int => Encoder::new(out.buffer()).integer(node.b as i64),
        Kind::Atom => Encoder::new(out.buffer()).atom_utf8(node.span(context.bytes)),
        Kind::Nil => out.buffer().push(NIL_EXT),
        Kind::Binary => {
            let bytes = node.span(context.bytes);
            Encoder::new(out.buffer()).counted(BINARY_EXT, bytes.len());
            out.content(root, bytes);
        }
        Kind::Tuple => {
            Encoder::new(out.buffer()).tuple_header(node.count());
            return children(node.first(), node.count());
        }
        Kind::Float => {
            let [a, b, c, d, e, f, g, h] = node.b.to_be_bytes();
            out.buffer().extend_from_slice(&[NEW_FLOAT_EXT, a, b, c, d, e, f, g, h]);
        }
        Kind::List => return list(context, node, out.buffer()),
        Kind::Map => {
            Encoder::new(out.buffer()).map_header(node.count());
            return children(node.first(), 2 * node.count());
        }
        Kind::Pid | Kind::Reference | Kind::Port => identifier(context, node, out.buffer()),
        _ => return rare(context, node, out.buffer()),
    }
    Next::Leaf
}

#[inline(always)]
const fn children(first: usize, count: usize) -> Next {
    if count == 0 { Next::Leaf } else { Next::Children(first, count) }
}

#[inline(never)]
fn rare(context: Context<'_>, node: Node, out: &mut Vec<u8>) -> Next {
    let mut encoder = Encoder::new(out);
    match node.kind() {
        Kind::AtomCached | Kind::AtomLatin1 => {
            if let Some(atom) = context.atom(node) {
                encoder.atom_ref(atom);
            }
        }
        Kind::Big => encoder.magnitude(node.extra() != 0, node.span(context.bytes)),
        Kind::String => encoder.byte_list(node.span(context.bytes)),
        Kind::Bits => {
            let bytes = node.span(context.bytes);
            encoder.counted(BIT_BINARY_EXT, bytes.len());
            out.push(node.extra());
            if let Some((last, whole)) = bytes.split_last() {
                out.extend_from_slice(whole);
                out.push(last & mask(node.extra()));
            }
        }
        Kind::Local => encoder.raw(node.span(context.bytes)),
        Kind::Export => {
            out.push(EXPORT_EXT);
            return children(node.first(), 3);
        }
        Kind::Fun => {
            out.push(NEW_FUN_EXT);
            let size = out.len();
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(fixed_part(context, node));
            out.extend_from_slice(&(node.a().saturating_sub(4)).to_be_bytes());
            return Next::Closure(node.first(), node.count(), size);
        }
        Kind::Record => {
            encoder.counted(NATIVE_RECORD_EXT, node.count());
            out.push(node.extra());
            return children(node.first(), 2 + 2 * node.count());
        }
        _ => {}
    }
    Next::Leaf
}

/// A list of bytes goes out as a string if it is short enough, as the BEAM does it.
fn list(context: Context<'_>, node: Node, out: &mut Vec<u8>) -> Next {
    let (first, count) = (node.first(), node.count());
    let tail = context.at(first + count);
    if matches!(tail.kind(), Kind::List | Kind::String) {
        return pieces(context, Chain::new(node), out);
    }
    let elements = context.nodes.get(first..first + count).unwrap_or_default();
    if tail.kind() == Kind::Nil
        && let Ok(length) = u16::try_from(count)
        && elements.iter().all(|element| is_byte(*element))
    {
        out.push(STRING_EXT);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend(elements.iter().map(|element| element.b as u8));
        return Next::Leaf;
    }
    Encoder::new(out).list_header(count);
    Next::Children(first, count + 1)
}

/// The same for a list whose tail is a list, as which it goes out in one piece.
#[cold]
fn pieces(context: Context<'_>, chain: Chain, out: &mut Vec<u8>) -> Next {
    let (mut rest, mut length, mut bytes) = (chain, 0, true);
    let proper = loop {
        match rest.next(context) {
            Link::Element(element) => {
                length += 1;
                bytes &= is_byte(element);
            }
            Link::Tail(_) => break false,
            Link::End => break true,
        }
    };
    if bytes && proper && length <= MAX_STRING {
        out.push(STRING_EXT);
        out.extend_from_slice(&(length as u16).to_be_bytes());
        let mut rest = chain;
        while let Link::Element(element) = rest.next(context) {
            out.push(element.b as u8);
        }
        return Next::Leaf;
    }
    Encoder::new(out).list_header(length);
    Next::Pieces(chain)
}

/// Whether a part is an integer of one byte.
const fn is_byte(node: Node) -> bool {
    matches!(node.kind(), Kind::Int) && node.b <= 255
}

/// An identifier goes out as it came if it is in today's form with its own atom; otherwise it is written anew.
fn identifier(context: Context<'_>, node: Node, out: &mut Vec<u8>) {
    let bytes = node.span(context.bytes);
    let today = matches!(
        bytes,
        [NEW_PID_EXT | V4_PORT_EXT | NEW_PORT_EXT, SMALL_ATOM_UTF8_EXT, ..]
            | [NEWER_REFERENCE_EXT, _, _, SMALL_ATOM_UTF8_EXT, ..]
    );
    if today {
        out.extend_from_slice(bytes);
        return;
    }
    let Some(parts) = context.identifier(node) else { return };
    let mut encoder = Encoder::new(out);
    match node.kind() {
        Kind::Pid => {
            encoder.raw(&[NEW_PID_EXT]);
            encoder.atom_ref(parts.node);
            encoder.words(&[parts.id as u32, parts.serial, parts.creation]);
        }
        Kind::Port => encoder.port(&parts.port()),
        _ => {
            encoder.raw(&[NEWER_REFERENCE_EXT]);
            encoder.raw(&((parts.words.len() / 4) as u16).to_be_bytes());
            encoder.atom_ref(parts.node);
            encoder.words(&[parts.creation]);
            encoder.raw(parts.words);
        }
    }
}
