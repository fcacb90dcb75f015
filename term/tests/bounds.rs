//! Hostile and extreme input: depth, claims, cuts, changed bytes. Nothing panics, nothing uses the stack in proportion to the input.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop where it is wrong"
)]

mod beam;

use std::cmp::Ordering;

use beam::{Dice, mutate};
use term::transcode::AtomForm;
use term::{Cursor, DecodeErrorKind, Encoded, Limits, Term, match_term, order, term};

const DEEP: usize = 1_000_000;

/// Runs `test` with a stack of 256 KiB.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(256 << 10).spawn(test).unwrap();
    assert!(thread.join().is_ok());
}

/// A million levels of: lists, tuples, tails, maps, tuples with something after the deep part.
fn deep_terms() -> Vec<(&'static str, Vec<u8>)> {
    let wrap = |before: &[u8], core: &[u8], after: &[u8]| {
        let mut bytes = vec![131];
        (0..DEEP).for_each(|_| bytes.extend_from_slice(before));
        bytes.extend_from_slice(core);
        (0..DEEP).for_each(|_| bytes.extend_from_slice(after));
        bytes
    };
    vec![
        ("lists", wrap(&[108, 0, 0, 0, 1], &[106], &[106])),
        ("tuples", wrap(&[104, 1], &[97, 1], &[])),
        ("tails", wrap(&[108, 0, 0, 0, 1, 97, 1], &[106], &[])),
        ("maps in values", wrap(&[116, 0, 0, 0, 1, 97, 1], &[106], &[])),
        ("tuples that go on", wrap(&[104, 2], &[97, 1], &[97, 2])),
        ("empty list headers", wrap(&[108, 0, 0, 0, 0], &[97, 1], &[])),
    ]
}

#[test]
fn a_million_levels_are_decoded_encoded_compared_hashed_printed_cloned_and_dropped_on_256_kib_of_stack()
 {
    on_a_small_stack(|| {
        for (name, bytes) in deep_terms() {
            let term =
                Term::decode(bytes.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
            let again = Term::decode(term.encode_to_vec()).unwrap();
            assert_eq!(term, again, "{name}");
            assert!(order::equal(&term, &again), "{name}");
            let mut hasher = std::collections::hash_map::DefaultHasher::new();
            std::hash::Hash::hash(&term, &mut hasher);
            assert!(!term.to_string().is_empty(), "{name}");
            let payload = Encoded::from_term(&term);
            assert_eq!(
                payload.cursor().skip_term().unwrap().len(),
                payload.bytes().len(),
                "{name}"
            );
            assert_eq!(payload.decode().unwrap().clone(), term, "{name}");
            if let Some(part) = term.element(0) {
                drop(part.to_term());
            }
            let ignored: Result<serde::de::IgnoredAny, _> = term::from_bytes(&bytes);
            assert!(ignored.is_ok(), "{name}");
        }
    });
}

/// Those again, and closures in the variables of closures, records in records.
fn deep_terms_of_all_kinds() -> Vec<(&'static str, Vec<u8>)> {
    let closure = [
        &[112, 0, 0, 0, 56, 1][..],
        &[9; 16],
        &[0, 0, 0, 4, 0, 0, 0, 1, 119, 1, b'm', 97, 5, 97, 6, 88, 119, 3, b'a', b'@', b'b'],
        &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3],
    ]
    .concat();
    let record = vec![67, 0, 0, 0, 1, 1, 119, 1, b'm', 119, 1, b'r', 119, 1, b'f'];
    let mut all = deep_terms();
    // The others are leaves or very like these.
    all.retain(|(name, _)| ["lists", "maps in values"].contains(name));
    for (name, level) in [("closures", closure), ("records", record)] {
        // Enough for any recursion to overflow, and a tenth of the time.
        all.push((name, [&[131][..], &level.repeat(DEEP / 10), &[106]].concat()));
    }
    all
}

#[test]
fn a_million_levels_pass_through_every_other_operation_on_256_kib_of_stack() {
    on_a_small_stack(|| {
        for (name, bytes) in deep_terms_of_all_kinds() {
            let term =
                Term::decode(bytes.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
            // Another that differs in its innermost part alone, where there is one.
            let mut other = bytes.clone();
            if let Some(core) = other.iter().rposition(|&byte| byte == 1 || byte == 106) {
                other[core] = if other[core] == 1 { 2 } else { 104 };
                other.splice(core + 1..core + 1, (other[core] == 104).then_some(0));
            }
            if let Ok(other) = Term::decode(other) {
                assert_ne!(term.cmp(&other), Ordering::Equal, "{name}");
                assert_ne!(order::compare(&term, &other), Ordering::Equal, "{name}");
            }
            // Out: by pieces, as a part of a larger one, as a key, through serde. Compared as bytes, which takes less time than as terms.
            let written = term.encode_to_vec();
            assert!(term.encode_pieces().concat() == written[1..], "{name}");
            let larger = Term::tuple(&[term.clone(), 1.into()]);
            assert!(larger.element(0).unwrap().to_term().encode_to_vec() == written, "{name}");
            let map = Term::map([(term.clone(), 1.into())]);
            let found = map.as_map().unwrap().get_term(term.root());
            assert_eq!(found.and_then(|one| one.as_i64()), Some(1), "{name}");
            assert!(term::to_bytes(&term).unwrap() == written, "{name}");
            // In: as a term, a payload or bytes inside a type; with and without an atom cache.
            assert!(term::from_bytes::<Term>(&written).unwrap().encode_to_vec() == written);
            assert!(term::from_bytes::<Encoded>(&written).unwrap().bytes() == &written[1..]);
            let raw: term::serde::Raw<'_> = term::from_bytes(&written).unwrap();
            assert_eq!(raw.bytes().len(), written.len() - 1, "{name}");
            let mut cached = Vec::new();
            term::transcode::transcode(&written[1..], &[], &mut cached, |_| AtomForm::CacheRef(0))
                .unwrap();
            let payload = Encoded::new(cached.into(), Some(["m".parse().unwrap()].into()));
            assert!(!payload.to_bytes_without_cache_refs().unwrap().is_empty(), "{name}");
            assert!(payload.decode().is_ok(), "{name}");
            assert!(payload.deserialize::<Vec<Vec<String>>>().is_err(), "{name}");
            // Looked at: in a pattern, as what it is not, as Elixir prints it, cut short in a log.
            assert!(
                match_term!(term, {
                    [_first | rest] => rest != term,
                    {a, _} => false,
                    other => other.kind_name() != "list",
                }),
                "{name}"
            );
            let _ = (term.as_iodata(), term.as_charlist(), term.held());
            assert!(!term.inspect().to_string().is_empty(), "{name}");
            // What a closure holds is not printed.
            assert!(name == "closures" || format!("{payload:?}").len() > 100, "{name}");
            assert!(name == "closures" || format!("{term:.100}").len() == 100, "{name}");
            #[cfg(feature = "eetf")]
            assert!(eetf::Term::try_from(&term).is_err(), "{name}");
        }
    });
}

#[cfg(feature = "eetf")]
#[test]
fn what_is_brought_to_eetf_is_no_deeper_than_its_recursion_survives_on_256_kib_of_stack() {
    on_a_small_stack(|| {
        for (before, after) in [
            (&[108, 0, 0, 0, 1][..], &[106][..]),
            (&[104, 1], &[]),
            (&[116, 0, 0, 0, 1, 97, 1], &[]),
        ] {
            let nested = |depth: usize| {
                let bytes =
                    [&[131][..], &before.repeat(depth), &[106], &after.repeat(depth)].concat();
                eetf::Term::try_from(Term::decode(bytes).unwrap())
            };
            let deepest = (1..2000).take_while(|&depth| nested(depth).is_ok()).last().unwrap();
            let theirs = nested(deepest).unwrap();
            assert_eq!(theirs.clone(), theirs);
            assert!(!theirs.to_string().is_empty());
            assert!(Term::try_from(theirs).is_ok());
            assert!(matches!(nested(deepest + 1), Err(term::eetf::EetfError::TooDeep(_))));
        }
    });
}

#[test]
fn maps_as_keys_of_maps_a_hundred_thousand_deep_are_bounded_too() {
    on_a_small_stack(|| {
        let depth = 100_000;
        let mut bytes = vec![131];
        (0..depth).for_each(|_| bytes.extend_from_slice(&[116, 0, 0, 0, 1]));
        bytes.push(106);
        (0..depth).for_each(|_| bytes.extend_from_slice(&[97, 1]));
        let term = Term::decode(bytes.clone()).unwrap();
        assert_eq!(term.encode_to_vec(), bytes);
        assert_eq!(term, term.clone());
    });
}

#[test]
fn a_type_that_contains_itself_is_followed_no_deeper_than_the_limit() {
    #[derive(serde::Deserialize)]
    struct Nested(#[allow(dead_code, reason = "only read")] Vec<Self>);
    let mut bytes = vec![131];
    (0..DEEP).for_each(|_| bytes.extend_from_slice(&[108, 0, 0, 0, 1]));
    bytes.push(106);
    (0..DEEP).for_each(|_| bytes.push(106));
    let error = term::from_bytes::<Nested>(&bytes).err().map(|error| error.message().to_owned());
    assert_eq!(error.as_deref(), Some("nested deeper than the limit for types"));
}

#[test]
fn counts_larger_than_the_bytes_left_are_refused_before_anything_is_reserved() {
    for tag in [105u8, 108, 109, 111, 116, 77] {
        for count in [u32::MAX, 100_000_000, 20] {
            let bytes = [&[131, tag][..], &count.to_be_bytes(), &[97, 1, 97, 2]].concat();
            let error = Term::decode(bytes.clone()).unwrap_err();
            assert!(
                matches!(error.kind, DecodeErrorKind::Truncated | DecodeErrorKind::BadBits(_)),
                "{tag} {error}"
            );
            assert!(Cursor::new(&bytes[1..], &[]).skip_term().is_err());
        }
    }
    // A closure that claims 2^32 - 1 free variables.
    let mut fun = vec![131, 112, 0, 0, 0, 60, 0];
    fun.extend_from_slice(&[0; 20]);
    fun.extend_from_slice(&u32::MAX.to_be_bytes());
    fun.extend_from_slice(&[
        119, 1, b'm', 97, 0, 97, 0, 88, 119, 1, b'n', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,
    ]);
    assert!(Term::decode(fun).is_err());
}

#[test]
fn every_truncation_of_a_term_with_all_tags_is_refused() {
    let whole = everything();
    let term = Term::decode(whole.clone()).unwrap();
    assert_eq!(term.encode_to_vec(), whole);
    for length in 0..whole.len() {
        assert!(Term::decode(whole[..length].to_vec()).is_err(), "{length}");
        assert!(Cursor::new(&whole[1..length.max(1)], &[]).skip_term().is_err(), "{length}");
        assert!(term::from_bytes::<serde::de::IgnoredAny>(&whole[..length]).is_err(), "{length}");
    }
}

#[test]
fn changed_bytes_never_panic_and_what_is_accepted_survives_a_round_trip() {
    let whole = everything();
    let mut dice = Dice(11);
    for _ in 0..60_000 {
        let bytes = mutate(&whole, &mut dice);
        let decoded = Term::decode(bytes.clone());
        let walked = Cursor::new(bytes.get(1..).unwrap_or_default(), &[]).skip_term().is_ok();
        if let Ok(term) = decoded {
            assert!(walked || bytes[1] == 121, "{bytes:?}");
            let written = term.encode_to_vec();
            assert_eq!(Term::decode(written), Ok(term), "{bytes:?}");
        }
        let _ = term::from_bytes::<Vec<(String, i64)>>(&bytes);
    }
}

#[test]
fn a_compressed_term_is_bounded_exact_and_only_for_binary_to_term() {
    let term = term!([(vec!["again and again"; 500]), 'end]);
    let small = term.encode_compressed(6);
    assert!(small.len() < 200 && small[1] == 80);
    assert_eq!(Term::decode(small.clone()).unwrap(), term);
    assert_eq!(
        Term::decode_used([&small[..], &[1, 2, 3]].concat(), &Limits::DEFAULT).unwrap().1,
        small.len()
    );
    for cut in 0..small.len() {
        assert!(Term::decode(small[..cut].to_vec()).is_err(), "{cut}");
    }
    let limits = Limits { max_inflated: 1000, ..Limits::DEFAULT };
    assert!(matches!(
        Term::decode_with(small.clone(), &limits).unwrap_err().kind,
        DecodeErrorKind::InflatedTooLarge { .. }
    ));
    for declared in [0u32, 1, 7, 100_000, u32::MAX] {
        let mut wrong = small.clone();
        wrong[2..6].copy_from_slice(&declared.to_be_bytes());
        assert!(Term::decode(wrong).is_err(), "{declared}");
    }
    let payload = Encoded::new(small[1..].to_vec().into(), None);
    assert_eq!(payload.decode().unwrap_err().kind, DecodeErrorKind::UnknownTag(80));
}

/// A tuple with every tag that we write.
fn everything() -> Vec<u8> {
    let node = [119, 3, b'a', b'@', b'b'];
    let parts: Vec<Vec<u8>> = vec![
        vec![97, 1],
        vec![98, 255, 0, 0, 0],
        vec![110, 5, 0, 1, 2, 3, 4, 5],
        [&[111, 0, 0, 1, 0, 1][..], &[7; 256]].concat(),
        vec![70, 63, 248, 0, 0, 0, 0, 0, 0],
        vec![119, 2, b'o', b'k'],
        [&[118, 1, 2][..], "é".repeat(129).as_bytes()].concat(),
        vec![109, 0, 0, 0, 3, 1, 2, 3],
        vec![77, 0, 0, 0, 2, 3, 1, 0x20],
        vec![107, 0, 2, 1, 2],
        vec![108, 0, 0, 0, 2, 97, 1, 119, 1, b'a', 106],
        vec![108, 0, 0, 0, 1, 97, 1, 119, 1, b'a'],
        vec![106],
        vec![104, 0],
        vec![116, 0, 0, 0, 2, 119, 1, b'b', 97, 1, 119, 1, b'a', 104, 1, 97, 2],
        [&[88][..], &node, &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]].concat(),
        [&[120][..], &node, &[0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3]].concat(),
        [&[89][..], &node, &[0, 0, 0, 2, 0, 0, 0, 3]].concat(),
        [&[90, 0, 2][..], &node, &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]].concat(),
        vec![113, 119, 1, b'm', 119, 1, b'f', 97, 3],
        [
            &[112, 0, 0, 0, 56, 1][..],
            &[9; 16],
            &[0, 0, 0, 4, 0, 0, 0, 1, 119, 1, b'm', 97, 5, 97, 6, 88],
            &node,
            &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 97, 9],
        ]
        .concat(),
        vec![67, 0, 0, 0, 1, 1, 119, 1, b'm', 119, 1, b'r', 119, 1, b'f', 97, 1],
    ];
    [vec![131, 104, parts.len() as u8], parts.concat()].concat()
}

/// Two binaries that together are longer than 32 bits can say, of pages that nobody touches.
#[cfg(target_pointer_width = "64")]
#[test]
fn what_is_longer_than_places_can_say_is_refused_and_not_cut() {
    const HALF: u32 = 1 << 31;
    let second = 3 + 5 + HALF as usize;
    let mut bytes = vec![0; second + 5 + HALF as usize];
    bytes[..4].copy_from_slice(&[131, 104, 2, 109]);
    bytes[4..8].copy_from_slice(&HALF.to_be_bytes());
    bytes[second] = 109;
    bytes[second + 1..second + 5].copy_from_slice(&HALF.to_be_bytes());
    // A small one before it, so that there is a block to be written anew.
    for _ in 0..3 {
        drop(Term::decode(vec![131, 104, 1, 97, 1]));
    }
    let refused = Term::decode(bytes).err().map(|error| error.kind);
    assert_eq!(refused, Some(DecodeErrorKind::TooLarge));
}
