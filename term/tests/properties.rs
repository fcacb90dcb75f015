//! Properties of terms that proptest makes: what is written reads back, order is an order, hash follows equality.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop where it is wrong"
)]

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use num_bigint::BigInt;
use proptest::prelude::*;
use term::{Atom, Cursor, Encoded, Pid, Port, Reference, Term, TermRef, View};

fn terms() -> impl Strategy<Value = Term> {
    let node = || Atom::from_static("a@b");
    let leaf = prop_oneof![
        any::<i64>().prop_map(Term::from),
        (-300i64..300).prop_map(Term::from),
        any::<[u8; 20]>().prop_map(|digits| Term::from(BigInt::from_signed_bytes_le(&digits))),
        any::<f64>().prop_filter("finite", |float| float.is_finite()).prop_map(Term::from),
        "\\PC{0,20}".prop_map(|name| Term::from(Atom::new(name).unwrap())),
        "\\PC{0,20}".prop_map(Term::from),
        "\\PC{0,20}".prop_map(|text| Term::charlist(&text)),
        (proptest::collection::vec(any::<u8>(), 1..8), 0usize..8).prop_map(|(bytes, off)| {
            let bits = bytes.len() * 8 - off;
            Term::bit_string(bytes, bits).unwrap()
        }),
        (any::<u32>(), any::<u32>(), any::<u32>()).prop_map(move |(id, serial, creation)| {
            Term::from(Pid::new(node(), id, serial, creation))
        }),
        (any::<u64>(), any::<u32>()).prop_map(move |(id, creation)| Term::from(Port::new(
            node(),
            id,
            creation
        ))),
        proptest::collection::vec(any::<u32>(), 1..6)
            .prop_map(move |words| Term::from(Reference::new(node(), 1, &words).unwrap())),
        Just(Term::NIL),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Term::from),
            proptest::collection::vec(inner.clone(), 0..8)
                .prop_map(|elements| Term::tuple(&elements)),
            proptest::collection::vec((inner.clone(), inner.clone()), 0..40).prop_map(Term::map),
            (proptest::collection::vec(inner.clone(), 1..4), inner)
                .prop_map(|(elements, tail)| Term::improper_list(&elements, &tail)),
        ]
    })
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

fn hash(term: &Term) -> u64 {
    let mut hasher = DefaultHasher::new();
    term.hash(&mut hasher);
    hasher.finish()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back(term in terms()) {
        let bytes = term.encode_to_vec();
        let again = Term::decode(bytes.clone()).unwrap();
        prop_assert_eq!(&again, &term);
        prop_assert_eq!(hash(&again), hash(&term));
        prop_assert_eq!(Cursor::new(&bytes[1..], &[]).skip_term().unwrap().len(), bytes.len() - 1);
        prop_assert_eq!(term::from_bytes::<Term>(&bytes).unwrap(), term.clone());
        prop_assert_eq!(Encoded::from_term(&term).decode().unwrap(), term.clone());
        prop_assert_eq!(Term::decode(term.encode_compressed(6)).unwrap(), term.clone());
        prop_assert_eq!(term.encode_pieces().concat(), bytes[1..].to_vec());
    }

    #[test]
    fn parts_are_terms_of_their_own(elements in proptest::collection::vec(terms(), 1..6)) {
        let tuple = Term::decode(Term::tuple(&elements).encode_to_vec()).unwrap();
        for (part, element) in tuple.as_tuple().unwrap().iter().zip(&elements) {
            prop_assert_eq!(part, element.root());
            prop_assert_eq!(part.to_term().encode_to_vec(), element.encode_to_vec());
            prop_assert_eq!(hash(&part.to_term()), hash(element));
        }
    }

    #[test]
    fn parts_go_out_as_they_came_as_if_they_were_written_anew(term in terms()) {
        let bytes = term.encode_to_vec();
        let came = Term::decode([&[131, 104, 2, 97, 1], &bytes[1..]].concat()).unwrap();
        // Nothing goes out as it came where one integer has the long form.
        let anew = Term::decode([&[131, 104, 2, 98, 0, 0, 0, 1], &bytes[1..]].concat()).unwrap();
        let mut pairs = vec![(came.element(1).unwrap(), anew.element(1).unwrap())];
        while let Some((a, b)) = pairs.pop() {
            prop_assert_eq!(a.to_term().encode_to_vec(), b.to_term().encode_to_vec());
            prop_assert_eq!(Encoded::from_term(&a.to_term()).decode().unwrap(), b.to_term());
            pairs.extend(parts(a).into_iter().zip(parts(b)));
        }
    }

    #[test]
    fn the_order_is_total_and_agrees_with_equality(a in terms(), b in terms(), c in terms()) {
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a == b, a.cmp(&b).is_eq());
        let mut sorted = [a, b, c];
        sorted.sort();
        prop_assert!(sorted[0] <= sorted[1] && sorted[1] <= sorted[2] && sorted[0] <= sorted[2]);
    }

    #[test]
    fn maps_find_every_key_they_have(pairs in proptest::collection::vec((terms(), 0i64..9), 0..45)) {
        let map = Term::decode(Term::map(pairs.iter().map(|(key, value)| (key.clone(), Term::from(*value)))).encode_to_vec()).unwrap();
        let map = map.as_map().unwrap();
        for (key, _) in &pairs {
            let last = pairs.iter().rev().find(|(other, _)| other == key).map(|(_, value)| *value);
            prop_assert_eq!(map.get_term(key.root()).and_then(|value| value.as_i64()), last);
        }
        prop_assert!(map.get("no such key in here").is_none());
        let sorted: Vec<Term> = map.iter_sorted().map(|(key, _)| key.to_term()).collect();
        prop_assert!(sorted.windows(2).all(|pair| term::order::compare_as_keys(&pair[0], &pair[1]).is_lt()));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Term::decode([&[131], &bytes[..]].concat());
        let _ = Cursor::new(&bytes, &[]).skip_term();
        let _ = term::from_bytes::<Vec<(String, i64)>>(&bytes);
    }
}
