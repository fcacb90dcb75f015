//! The terms that most messages are made of, as far as nothing about them is unusual: the quick way, beside `reader`, which can do all.
//!
//! It refuses nothing and makes no room. What is not plainly right is left to the other, which begins that term anew. So there is one way out,
//! and what a leaf needs (the bytes, where they are read, the cells of its container) is few enough to stay in registers.

use crate::identifier::today_if;
use crate::map;
use crate::node::{Kind, Node};
use crate::tag::*;

use super::leaf::{certainly_ascii, word};
use super::run::State;

/// Decodes until the end, or up to a term for others; whether it is the end.
#[inline(never)]
pub(super) fn common(state: &mut State, input: &[u8], nodes: &mut [Node]) -> bool {
    let (mut pos, slots) = (state.pos, nodes.len());
    'container: loop {
        let end = state.end;
        let mut cells = nodes[state.slot..end].iter_mut();
        while let Some(cell) = cells.next() {
            let at = pos;
            let found = 'one: {
                let Some(&tag) = input.get(at) else { break 'one None };
                Some(match tag {
                    SMALL_ATOM_UTF8_EXT => {
                        let Some(&length) = input.get(at + 1) else { break 'one None };
                        let (from, length) = (at + 2, usize::from(length));
                        if from + length > input.len() || !certainly_ascii(input, from, length) {
                            break 'one None;
                        }
                        pos = from + length;
                        Found::Leaf(Node::atom(Kind::Atom, from, length))
                    }
                    SMALL_INTEGER_EXT => {
                        let Some(&value) = input.get(at + 1) else { break 'one None };
                        pos = at + 2;
                        Found::Leaf(Node::int_at(i64::from(value), at))
                    }
                    INTEGER_EXT => {
                        let Some(value) = word(input, at + 1) else { break 'one None };
                        if value <= 255 {
                            state.plain = false;
                        }
                        pos = at + 5;
                        Found::Leaf(Node::int_at(i64::from(value as i32), at))
                    }
                    NIL_EXT => {
                        pos = at + 1;
                        Found::Leaf(Node::new(Kind::Nil, at as u32, 0))
                    }
                    BINARY_EXT => {
                        let Some(length) = word(input, at + 1) else { break 'one None };
                        let (from, length) = (at + 5, length as usize);
                        if length > input.len() - from {
                            break 'one None;
                        }
                        pos = from + length;
                        Found::Leaf(Node::new(Kind::Binary, from as u32, length as u64))
                    }
                    NEW_FLOAT_EXT => {
                        let Some(bits) = input.get(at + 1..).and_then(<[u8]>::first_chunk) else {
                            break 'one None;
                        };
                        let bits = u64::from_be_bytes(*bits);
                        if !f64::from_bits(bits).is_finite() {
                            break 'one None;
                        }
                        pos = at + 9;
                        Found::Leaf(Node::new(Kind::Float, at as u32, bits))
                    }
                    NEW_PID_EXT => {
                        let Some(end) = today_if(input, at, 1, 12, certainly_ascii) else {
                            break 'one None;
                        };
                        pos = end;
                        Found::Leaf(Node::new(Kind::Pid, at as u32, (end - at) as u64))
                    }
                    NEWER_REFERENCE_EXT => {
                        let words = input.get(at + 2).copied().unwrap_or_default();
                        let tail = 4 + 4 * usize::from(words);
                        let Some(end) = today_if(input, at, 3, tail, certainly_ascii) else {
                            break 'one None;
                        };
                        pos = end;
                        Found::Leaf(Node::new(Kind::Reference, at as u32, (end - at) as u64))
                    }
                    ATOM_CACHE_REF => {
                        let Some(&index) = input.get(at + 1) else { break 'one None };
                        if usize::from(index) >= state.atoms {
                            break 'one None;
                        }
                        state.plain = false;
                        pos = at + 2;
                        Found::Leaf(Node::new(Kind::AtomCached, u32::from(index), 0))
                    }
                    STRING_EXT => {
                        let Some(&[high, low]) = input.get(at + 1..at + 3) else { break 'one None };
                        let (from, length) = (at + 3, usize::from(u16::from_be_bytes([high, low])));
                        let tail = state.in_list() && cells.len() == 0;
                        if length == 0 || tail || length > input.len() - from {
                            break 'one None;
                        }
                        pos = from + length;
                        Found::Leaf(Node::new(Kind::String, from as u32, length as u64))
                    }
                    SMALL_TUPLE_EXT => {
                        let Some(&arity) = input.get(at + 1) else { break 'one None };
                        let node = Node::new(Kind::Tuple, u32::from(arity), (at as u64) << 32);
                        if arity == 0 {
                            pos = at + 2;
                            Found::Leaf(node)
                        } else {
                            Found::Container(node, usize::from(arity), at + 2)
                        }
                    }
                    LIST_EXT => {
                        let Some(length) = word(input, at + 1) else { break 'one None };
                        let tail = state.in_list() && cells.len() == 0;
                        // It may be one that is written as a string.
                        if length == 0 || tail || input.get(at + 5) == Some(&SMALL_INTEGER_EXT) {
                            break 'one None;
                        }
                        let node = Node::new(Kind::List, length, (at as u64) << 32);
                        Found::Container(node, length as usize + 1, at + 5)
                    }
                    MAP_EXT => {
                        let Some(pairs) = word(input, at + 1) else { break 'one None };
                        if pairs == 0 {
                            pos = at + 5;
                            Found::Leaf(Node::new(Kind::Map, 0, map::EMPTY | at as u64))
                        } else {
                            let node = Node::new(Kind::Map, pairs, 0);
                            Found::Container(node, 2 * pairs as usize, at + 5)
                        }
                    }
                    _ => break 'one None,
                })
            };
            match found {
                Some(Found::Leaf(node)) => *cell = node,
                Some(Found::Container(node, children, after))
                    if children <= input.len() - after && children <= state.left(slots) =>
                {
                    state.slot = end - cells.len() - 1;
                    state.open(nodes, node, children);
                    pos = after;
                    continue 'container;
                }
                _ => {
                    state.slot = end - cells.len() - 1;
                    state.pos = pos;
                    return false;
                }
            }
        }
        state.slot = end;
        if !state.resume(nodes) {
            state.pos = pos;
            return true;
        }
    }
}

enum Found {
    Leaf(Node),
    /// How many children follow, and where.
    Container(Node, usize, usize),
}

#[cfg(test)]
mod tests {
    use super::super::room::Room;
    use super::*;
    use crate::Atom;

    type Outcome = Option<(Vec<[u64; 2]>, usize, bool, u32)>;

    /// What comes of it, with the quick way and without.
    fn decoded(input: &[u8], atoms: &[Atom], quick: bool) -> Outcome {
        let mut room = Room::new(&mut []);
        let mut state = State::new(0, atoms.len());
        loop {
            if quick {
                if common(&mut state, input, room.nodes()) {
                    break;
                }
            } else if state.slot == state.end {
                if state.resume(room.nodes()) {
                    continue;
                }
                break;
            }
            state.step(input, atoms, &mut room).ok()?;
        }
        let nodes = bytemuck::cast_slice(&room.nodes()[..state.length]).to_vec();
        Some((nodes, state.pos, state.plain, state.maps))
    }

    #[test]
    fn the_quick_way_and_the_one_for_everything_agree_on_whatever_comes() {
        let atoms = [Atom::from_static("a"), Atom::from_static("b")];
        let mut message = vec![104, 15, 119, 2, b'o', b'k', 97, 1, 98, 0, 0, 1, 1, 106, 82, 1];
        message.extend_from_slice(b"\x6d\0\0\0\x03abc\x6b\0\x02xy\x46\x3f\xf8\0\0\0\0\0\0");
        message.extend_from_slice(b"\x58\x77\x0dnonode@nohost\0\0\0\x55\0\0\0\0\0\0\0\0");
        message.extend_from_slice(b"\x5a\0\x02\x77\x03a@b\0\0\0\0\0\0\0\x01\0\0\0\x02");
        message.extend_from_slice(b"\x6c\0\0\0\x02\x77\x14a_name_of_20_letters\x68\0\x6b\0\x01z");
        message.extend_from_slice(b"\x74\0\0\0\x01\x77\x01k\x6c\0\0\0\x01\x61\x07\x6a");
        message.extend_from_slice(b"\x6c\0\0\0\x01\x6a\x6c\0\0\0\x01\x52\0\x6a");
        message.extend_from_slice(b"\x6e\x05\0\x01\x02\x03\x04\x05\x74\0\0\0\0");
        let whole = decoded(&message, &atoms, true);
        assert!(
            whole
                .as_ref()
                .is_some_and(|(nodes, pos, ..)| nodes.len() > 15 && *pos == message.len())
        );
        let mut random = 1u64;
        for _ in 0..30_000 {
            let mut changed = message.clone();
            for _ in 0..=random >> 62 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = (random >> 33) as usize % changed.len();
                let tags = [104, 119, 97, 98, 106, 82, 109, 107, 70, 88, 90, 108, 116, 110, 0, 255];
                changed[at] = match random >> 60 & 3 {
                    0 => tags[(random >> 20 & 15) as usize],
                    1 => changed[at].wrapping_add(1),
                    _ => (random >> 12) as u8,
                };
            }
            changed.truncate(changed.len() - (random >> 50 & 7) as usize);
            assert_eq!(
                decoded(&changed, &atoms, true),
                decoded(&changed, &atoms, false),
                "{changed:?}"
            );
        }
    }
}
