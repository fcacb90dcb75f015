//! A hash that agrees with `=:=`: one for all spellings of a list, an atom, an identifier; the same for a map in any order.

use std::hash::Hasher;

use crate::map::{self, KeyOrder};
use crate::node::{Kind, Node};
use crate::order::{Chain, Context, Link, fixed_part, mask, rank};

enum Frame {
    Run { at: usize, left: usize },
    List(Chain),
    Map { map: Node, order: Box<KeyOrder>, next: usize },
}

pub(crate) fn node<H: Hasher>(context: Context<'_>, root: Node, state: &mut H) {
    let mut stack: Vec<Frame> = Vec::new();
    let mut node = root;
    loop {
        if let Some(frame) = one(context, node, state) {
            stack.push(frame);
        }
        loop {
            let Some(frame) = stack.last_mut() else { return };
            let next = match frame {
                Frame::Run { left: 0, .. } => None,
                Frame::Run { at, left } => {
                    *left -= 1;
                    *at += 1;
                    let (child, last) = (context.at(*at - 1), *left == 0);
                    if last {
                        stack.pop();
                    }
                    node = child;
                    break;
                }
                Frame::List(chain) => match chain.next(context) {
                    Link::Element(element) => Some(element),
                    Link::Tail(tail) => {
                        stack.pop();
                        state.write_u8(1);
                        node = tail;
                        break;
                    }
                    Link::End => {
                        state.write_u8(0);
                        None
                    }
                },
                Frame::Map { map, order, next } => {
                    let position = order.position(context, *next / 2);
                    *next += 1;
                    if *next > 2 * map.count() {
                        None
                    } else if *next % 2 == 1 {
                        Some(map::key_at(context, *map, position))
                    } else {
                        Some(map::value_at(context, *map, position))
                    }
                }
            };
            match next {
                Some(child) => {
                    node = child;
                    break;
                }
                None => {
                    stack.pop();
                }
            }
        }
    }
}

/// Hashes a leaf, or the head of a container whose parts are to follow.
fn one<H: Hasher>(context: Context<'_>, node: Node, state: &mut H) -> Option<Frame> {
    state.write_u8(rank(node.kind()));
    match node.kind() {
        Kind::Int => state.write_u64(node.b),
        Kind::Float => {
            state.write_u8(1);
            state.write_u64(node.b);
        }
        Kind::Big => {
            state.write_u8(node.extra());
            bytes(node.span(context.bytes), state);
        }
        Kind::Nil | Kind::Pending => {}
        Kind::Atom | Kind::AtomCached | Kind::AtomLatin1 => {
            if let Some(atom) = context.atom(node) {
                std::hash::Hash::hash(&atom, state);
            }
        }
        Kind::Binary | Kind::Local => bytes(node.span(context.bytes), state),
        Kind::Bits => {
            let all = node.span(context.bytes);
            if let Some((last, whole)) = all.split_last() {
                bytes(whole, state);
                state.write(&[last & mask(node.extra()), node.extra()]);
            }
        }
        Kind::Pid | Kind::Port | Kind::Reference => {
            if let Some(parts) = context.identifier(node) {
                std::hash::Hash::hash(&parts.node, state);
                state.write_u32(parts.creation);
                if node.kind() == Kind::Reference {
                    std::hash::Hash::hash(&parts.reference_words(), state);
                } else {
                    state.write_u64(parts.id);
                    state.write_u32(parts.serial);
                }
            }
        }
        Kind::String | Kind::List => return Some(Frame::List(Chain::new(node))),
        Kind::Tuple => {
            state.write_u32(node.a());
            return Some(Frame::Run { at: node.first(), left: node.count() });
        }
        Kind::Map => {
            state.write_u32(node.a());
            return Some(Frame::Map {
                map: node,
                order: Box::new(KeyOrder::of(context, node)),
                next: 0,
            });
        }
        Kind::Export => return Some(Frame::Run { at: node.first(), left: 3 }),
        Kind::Fun => {
            state.write_u32(node.a());
            state.write(fixed_part(context, node));
            for part in 0..3 {
                one(context, context.at(node.first() + part), state);
            }
            return Some(Frame::Run { at: node.first() + 4, left: node.count().saturating_sub(4) });
        }
        Kind::Record => {
            state.write_u32(node.a());
            state.write_u8(node.extra());
            return Some(Frame::Run { at: node.first(), left: 2 + 2 * node.count() });
        }
    }
    None
}

fn bytes<H: Hasher>(bytes: &[u8], state: &mut H) {
    state.write_usize(bytes.len());
    state.write(bytes);
}
