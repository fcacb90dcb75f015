//! Where a part lies in the bytes of a message that is written as we would write it: from there it goes on without being written anew.
//!
//! Nodes say where they begin; where a container ends, its last child does. No recursion: one step a level.

use crate::node::{Kind, Node};
use crate::order::Context;

/// From where to where the part lies, 131 not counted; `None` where it is not known, or where to write it anew is as simple.
///
/// Only for messages of which every byte is as we would write it: the lengths of heads are those of our forms.
pub(crate) fn of(context: Context<'_>, part: Node) -> Option<(usize, usize)> {
    // What was made of a part (the rest of a list) begins nowhere.
    let from = match part.kind() {
        Kind::Tuple | Kind::List => part.high() as usize,
        Kind::Map if part.count() > 0 => start(context, part)?,
        _ => return None,
    };
    let to = end(context, part)?;
    (0 < from && from < to).then_some((from, to))
}

/// Where a term begins: a map where its first key does, without the head.
fn start(context: Context<'_>, mut node: Node) -> Option<usize> {
    let mut heads = 0;
    loop {
        let from = node.a() as usize;
        let at = match node.kind() {
            Kind::Map if node.count() > 0 => {
                heads += 5;
                node = context.nodes.get(node.first()).copied()?;
                continue;
            }
            Kind::Map => node.first(),
            Kind::Tuple | Kind::List | Kind::Export | Kind::Record => node.high() as usize,
            Kind::Int | Kind::Float | Kind::Nil | Kind::Pid | Kind::Port | Kind::Reference => from,
            Kind::Atom => from.checked_sub(if node.small() > 255 { 3 } else { 2 })?,
            Kind::Big | Kind::String => from.checked_sub(3)?,
            Kind::Binary => from.checked_sub(5)?,
            // Never as we would write it.
            Kind::AtomLatin1 | Kind::AtomCached | Kind::Bits | Kind::Fun => return None,
            Kind::Local | Kind::Pending => return None,
        };
        return at.checked_sub(heads);
    }
}

/// Where a term ends.
fn end(context: Context<'_>, mut node: Node) -> Option<usize> {
    loop {
        let from = node.a() as usize;
        let last = match node.kind() {
            Kind::Tuple if node.count() == 0 => return Some(node.high() as usize + 2),
            Kind::Map if node.count() == 0 => return Some(node.first() + 5),
            Kind::Tuple => node.first() + node.count() - 1,
            Kind::List => node.first() + node.count(),
            Kind::Map => node.first() + 2 * node.count() - 1,
            Kind::Export => node.first() + 2,
            Kind::Record => node.first() + 1 + 2 * node.count(),
            Kind::Int => return Some(from + integer(node.b as i64)),
            Kind::Float => return Some(from + 9),
            Kind::Nil => return Some(from + 1),
            Kind::Atom => return Some(from + node.small()),
            Kind::Big | Kind::Binary | Kind::String | Kind::Pid | Kind::Port | Kind::Reference => {
                return Some(from + node.b as u32 as usize);
            }
            Kind::AtomLatin1 | Kind::AtomCached | Kind::Bits | Kind::Fun => return None,
            Kind::Local | Kind::Pending => return None,
        };
        node = context.nodes.get(last).copied()?;
    }
}

/// How many bytes we write an integer in.
const fn integer(value: i64) -> usize {
    match value {
        0..=255 => 2,
        -0x8000_0000..=0x7fff_ffff => 5,
        _ => 3 + (64 - value.unsigned_abs().leading_zeros() as usize).div_ceil(8),
    }
}

#[cfg(test)]
mod tests {
    use crate::{Atom, Encoder, Pid, Port, Reference, Term, TermRef, View};

    /// Containers that end, and maps that begin, with a term of every kind and length.
    fn message() -> Vec<u8> {
        let node = || Atom::from_static("a@b");
        let long = || Atom::new("ö".repeat(200)).unwrap();
        let reference = Reference::new(node(), 1, &[1, 2, 3]).unwrap();
        let integers = [0, 255, 256, -1, i64::from(i32::MAX), i64::from(i32::MIN)];
        let large =
            [1 << 31, -(1i64 << 31) - 1, (1 << 32) - 1, 1 << 32, 1 << 40, i64::MAX, i64::MIN];
        let mut last: Vec<Term> = integers.into_iter().chain(large).map(Term::from).collect();
        last.extend([
            Term::from(num_bigint::BigInt::from(u64::MAX)),
            Term::from(-num_bigint::BigInt::from(u128::MAX)),
            Term::from(1.5),
            Term::from(node()),
            Term::from(long()),
            Term::from("text"),
            Term::from(""),
            Term::charlist("bytes"),
            Term::charlist("αβγ"),
            Term::NIL,
            Term::from(Pid::new(node(), 1, 2, 3)),
            Term::from(Port::new(node(), 1, 2)),
            Term::from(reference),
            Term::tuple(&[]),
            Term::tuple(&vec![Term::from(1); 300]),
            Term::map([]),
            Term::improper_list(&[Term::from(1)], &Term::from(2)),
        ]);
        let mut export = vec![131, 113];
        let mut encoder = Encoder::new(&mut export);
        encoder.atom(&node());
        encoder.atom(&long());
        encoder.integer(3);
        last.push(Term::decode(export).unwrap());
        let mut record = vec![131, 67, 0, 0, 0, 1, 1];
        let mut encoder = Encoder::new(&mut record);
        (0..2).for_each(|_| encoder.atom(&node()));
        encoder.atom(&long());
        encoder.integer(3);
        last.push(Term::decode(record).unwrap());
        let mut all: Vec<Term> = Vec::new();
        for one in &last {
            let ends = [Term::from(7), one.clone()];
            all.push(Term::tuple(&ends));
            all.push(Term::improper_list(&ends[..1], one));
            all.push(ends.into_iter().collect());
            all.push(Term::map([(one.clone(), Term::from(7))]));
            // The first key is a map that begins with it.
            all.push(Term::map([(Term::map([(one.clone(), one.clone())]), one.clone())]));
            all.push(Term::tuple(&[Term::tuple(std::slice::from_ref(one))]));
        }
        let mut bytes = Vec::new();
        Term::tuple(&all).encode_into(&mut bytes);
        bytes
    }

    fn parts(whole: TermRef<'_>) -> Vec<TermRef<'_>> {
        match whole.view() {
            View::Tuple(tuple) => tuple.iter().collect(),
            View::List(list) => list.iter().collect(),
            View::ImproperList(list, tail) => list.iter().chain([tail]).collect(),
            View::Map(map) => map.iter().flat_map(|(key, value)| [key, value]).collect(),
            _ => Vec::new(),
        }
    }

    fn written(part: TermRef<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        crate::encode::term(part, &mut out);
        out
    }

    #[test]
    fn every_part_goes_out_from_where_it_lies_as_if_it_were_written_anew() {
        let bytes = message();
        let as_it_came = Term::decode([&[131, 104, 2, 97, 1], &bytes[..]].concat()).unwrap();
        // The same after a small integer in the long form: of this message nothing goes out as it came.
        let anew = Term::decode([&[131, 104, 2, 98, 0, 0, 0, 1], &bytes[..]].concat()).unwrap();
        assert!(as_it_came.root().wire().is_some() && anew.root().wire().is_none());
        let mut pairs = vec![(as_it_came.element(1).unwrap(), anew.element(1).unwrap())];
        let mut found = 0;
        while let Some((lies, other)) = pairs.pop() {
            assert_eq!(written(lies), written(other), "{lies}");
            assert!(other.wire().is_none());
            let within = parts(lies);
            // All containers are found; a string and an empty container are leaves.
            let leaf = within.is_empty() || lies.node.kind() == crate::node::Kind::String;
            assert!(leaf || lies.wire().is_some(), "{lies}");
            found += usize::from(lies.wire().is_some());
            pairs.extend(within.into_iter().zip(parts(other)));
        }
        assert!(found > 200, "{found}");
    }

    #[test]
    fn the_rest_of_a_list_is_written_anew() {
        // What stands three bytes before the rest looks like the head of a string.
        let term = crate::term!({1, [107, 0, 4, 0, 2, 107], [{107}, 0, {4}]});
        let received = Term::decode(term.encode_to_vec()).unwrap();
        for list in 1..3 {
            let (mut rest, mut expected) =
                (received.element(list).unwrap(), term.element(list).unwrap());
            while let (Some((_, a)), Some((_, b))) =
                (crate::__private::uncons(rest), crate::__private::uncons(expected))
            {
                let elements: Vec<Term> =
                    b.as_list().unwrap().iter().map(TermRef::to_term).collect();
                let anew = Term::from(elements);
                assert_eq!(written(a), anew.encode_to_vec()[1..], "{a}");
                (rest, expected) = (a, b);
            }
        }
    }
}
