//! Against live nodes of OTP 25, 27 and 29: the same bytes, the same refusals, the same order.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop where it is wrong"
)]

mod beam;

use std::cmp::Ordering;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use beam::{Beam, Dice, mutate};
use term::text::Release;
use term::{Term, order};

#[test]
fn what_a_node_writes_is_decoded_and_written_again_byte_for_byte() {
    for mut beam in Beam::all() {
        for bytes in beam.random(42, 3000) {
            let term = Term::decode(bytes.clone())
                .unwrap_or_else(|error| panic!("{}: {error}: {bytes:?}", beam.release));
            // A whole message goes out as it came; a part of one is written anew. Both must be right.
            assert!(term.encode_to_vec() == bytes, "OTP {}: {bytes:?}", beam.release);
            let ours = written_as_a_part(&bytes);
            let differs = ours
                .iter()
                .zip(&bytes)
                .position(|(ours, theirs)| ours != theirs)
                .unwrap_or(ours.len());
            let near = differs.saturating_sub(20)..;
            assert!(
                ours == bytes,
                "OTP {} at byte {differs}:\n{:?}\n{:?}",
                beam.release,
                &ours[near.clone()],
                &bytes[near]
            );
        }
    }
}

#[test]
fn every_truncation_of_what_a_node_writes_is_refused_by_every_reader() {
    for mut beam in Beam::all() {
        let mut terms = beam.random(23, 200);
        terms.extend(beam.compress(9, &terms));
        let mut cuts = 0;
        for bytes in terms.iter().filter(|bytes| bytes.len() < 600) {
            for cut in 0..bytes.len() {
                let part = &bytes[..cut];
                assert!(Term::decode(part.to_vec()).is_err(), "{cut} of {bytes:?}");
                let typed: Result<serde::de::IgnoredAny, _> = term::from_bytes_owned(part);
                assert!(typed.is_err(), "{cut} of {bytes:?}");
                cuts += 1;
            }
        }
        assert!(cuts > 5_000, "OTP {}: {cuts} truncations", beam.release);
    }
}

#[test]
fn compressed_terms_are_read_from_a_node_and_by_a_node() {
    for mut beam in Beam::all() {
        // Compressible ones among them: OTP leaves a term as it is where compression does not pay.
        let mut terms = beam.random(17, 400);
        terms.extend((1..40u8).map(|n| Term::from(vec![n; 50 * usize::from(n)]).encode_to_vec()));
        for level in [1, 6, 9] {
            let theirs = beam.compress(level, &terms);
            assert!(theirs.iter().filter(|bytes| bytes[1] == 80).count() > 50);
            let mut ours = Vec::new();
            for (plain, compressed) in terms.iter().zip(&theirs) {
                let term = Term::decode(plain.clone()).unwrap();
                assert_eq!(Term::decode(compressed.clone()).as_ref(), Ok(&term), "{plain:?}");
                ours.push(term.encode_compressed(level));
            }
            assert!(ours.iter().filter(|bytes| bytes[1] == 80).count() > 50);
            for (plain, read) in terms.iter().zip(beam.read(&ours)) {
                let read = read.map(|bytes| Term::decode(bytes).unwrap());
                let term = Term::decode(plain.clone()).unwrap();
                assert_eq!(read, Some(term), "OTP {}: {plain:?}", beam.release);
            }
        }
    }
}

/// Native records (tag 67), right and wrong, which OTP 29 has and older releases do not.
fn native_records() -> Vec<Vec<u8>> {
    let atom = |name: &str| [&[119, name.len() as u8][..], name.as_bytes()].concat();
    let record = |flags: u8, count: u32, parts: &[Vec<u8>]| {
        [&[131, 67][..], &count.to_be_bytes(), &[flags], &parts.concat()].concat()
    };
    let (m, r, f, g) = (atom("m"), atom("r"), atom("f"), atom("g"));
    let one = vec![97, 1];
    let inner = record(1, 1, &[m.clone(), r.clone(), f.clone(), one.clone()])[1..].to_vec();
    let mut all = Vec::new();
    for flags in [0, 1, 2, 3, 128, 255] {
        all.push(record(flags, 0, &[m.clone(), r.clone()]));
        all.push(record(flags, 1, &[m.clone(), r.clone(), f.clone(), one.clone()]));
    }
    let two = [m.clone(), r.clone(), f.clone(), g.clone(), one.clone(), inner];
    all.push(record(0, 2, &two));
    all.push(record(1, 2, &[m.clone(), r.clone(), g.clone(), f.clone(), one.clone(), vec![106]]));
    // A field twice, names that are no atoms, a claim beyond the end.
    all.push(record(0, 2, &[m.clone(), r.clone(), f.clone(), f.clone(), one.clone(), one.clone()]));
    all.push(record(0, 1, &[m.clone(), r.clone(), one.clone(), one.clone()]));
    all.push(record(0, 1, &[one.clone(), r.clone(), f.clone(), one.clone()]));
    all.push(record(0, u32::MAX, &[m, r, f, one]));
    all
}

/// Mutations a batch: a node answers them in a second or two, and a batch that fails is small enough to look through.
const BATCH: usize = 20_000;

/// One batch a release, unless CNODE_MUTATIONS says how many mutations to go through on each: a million take some minutes.
#[test]
fn bytes_are_taken_refused_and_printed_as_by_a_node() {
    let wanted = std::env::var("CNODE_MUTATIONS").ok().and_then(|number| number.parse().ok());
    let batches = wanted.unwrap_or(BATCH).div_ceil(BATCH);
    let (mut accepted, mut printed) = (0, 0);
    for mut beam in Beam::all() {
        for batch in 0..batches {
            let mut dice = Dice(7 + batch as u64);
            let mut seeds: Vec<_> = beam
                .random(1 + batch as u32, 400)
                .into_iter()
                .filter(|bytes| bytes.len() < 600)
                .chain(odd_inputs())
                .collect();
            let mut inputs = if batch == 0 { odd_inputs() } else { Vec::new() };
            if beam.release >= 29 {
                seeds.extend(native_records());
                inputs.extend(native_records());
            }
            for _ in 0..BATCH {
                inputs.push(mutate(&seeds[dice.below(seeds.len())], &mut dice));
            }
            inputs.retain(|input| !kills_nodes(input));
            let same = taken_alike(&mut beam, &inputs);
            accepted += same.len();
            printed += printed_alike(&mut beam, &same);
        }
        eprintln!("OTP {}: {batches} batches of {BATCH}", beam.release);
    }
    assert!(accepted > BATCH / 4 && printed > BATCH / 40, "{accepted} accepted, {printed} printed");
}

/// What a node takes we take, and write as it does; what it refuses we refuse. Those that both take.
fn taken_alike(beam: &mut Beam, inputs: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let (mut same, mut wrong) = (Vec::new(), Vec::new());
    for (input, theirs) in inputs.iter().zip(beam.read(inputs)) {
        let ours = Term::decode(input.clone());
        match (&ours, theirs) {
            (Ok(ours), Some(theirs))
                if ours.encode_to_vec() == theirs && written_as_a_part(input) == theirs =>
            {
                same.push(theirs);
            }
            (Ok(ours), Some(theirs))
                if Term::decode(theirs.clone()).as_ref() == Ok(ours) && has_map(&theirs) => {}
            (Err(_), None) => {}
            (Ok(ours), Some(theirs))
                if has_port(&theirs) && Term::decode(theirs.clone()).as_ref() == Ok(ours) => {}
            (_, theirs) if known_difference(input, &ours, theirs.as_deref(), beam.release) => {}
            (_, theirs) => wrong.push(format!(
                "{input:?}\n  ours {ours:?} {:?}\n  OTP {theirs:?}",
                ours.as_ref().map(Term::encode_to_vec)
            )),
        }
    }
    assert!(
        wrong.is_empty(),
        "OTP {}: {} differ\n{}",
        beam.release,
        wrong.len(),
        wrong[..wrong.len().min(25)].join("\n")
    );
    same
}

/// Prints as a node does, but for identifiers and closures, which are numbered by the node that prints, and maps, which have no order of their
/// own; how many were compared.
fn printed_alike(beam: &mut Beam, terms: &[Vec<u8>]) -> usize {
    let release = match beam.release {
        25 | 26 => Release::Otp25,
        27 | 28 => Release::Otp27,
        _ => Release::Otp29,
    };
    let (mut shown, mut ours) = (Vec::new(), Vec::new());
    for bytes in terms.iter().filter(|bytes| bytes[1] != 121) {
        let term = Term::decode(bytes.clone()).unwrap();
        let text = term.format().release(release).to_string();
        if !text.contains('#') {
            shown.push(bytes.clone());
            ours.push(text);
        }
    }
    for ((bytes, ours), theirs) in shown.iter().zip(ours).zip(beam.show(&shown)) {
        assert!(ours == theirs, "OTP {}: {bytes:?}\n  ours {ours}\n  OTP  {theirs}", beam.release);
    }
    shown.len()
}

/// What comes out when the term is a part of a larger message, so that its bytes are not simply passed on.
fn written_as_a_part(bytes: &[u8]) -> Vec<u8> {
    let larger = Term::decode([&[131, 104, 1], &bytes[1..]].concat());
    // A compressed term, or one for a certain node, can be no part.
    larger.map_or_else(
        |_| Term::decode(bytes.to_vec()).unwrap().encode_to_vec(),
        |larger| larger.element(0).unwrap().to_term().encode_to_vec(),
    )
}

/// What a node may die of: a reference of no words (OTP reads past its end, and takes it, refuses it or dies), closures
/// with other things in the places of their numbers and their pid (OTP 25 does not look, and dies), an export of arity 256 (OTP 27).
fn kills_nodes(input: &[u8]) -> bool {
    input.contains(&112)
        || (input.contains(&113) && input.contains(&98))
        || input.windows(3).any(|part| matches!(part, [90 | 114, 0, 0]))
}

/// A node writes the pairs of a map in an order of its own.
fn has_map(bytes: &[u8]) -> bool {
    bytes.contains(&116)
}

/// OTP 25 writes a port in the short form where it fits, later ones in the long form always; we send one back as it came.
fn has_port(bytes: &[u8]) -> bool {
    bytes.contains(&120) || bytes.contains(&89)
}

/// What we do otherwise on purpose.
fn known_difference(
    input: &[u8],
    ours: &Result<Term, term::DecodeError>,
    theirs: Option<&[u8]>,
    release: u32,
) -> bool {
    match (ours, theirs) {
        // LOCAL_EXT is carried unread; only the node that wrote it can tell whether it is right.
        (Ok(_), None) => {
            input.get(1) == Some(&121)
                || (release < 27 && zeros_as_keys(input))
                || (release < 29 && input.contains(&67))
                // A node knows which pids it can have itself.
                || input.windows(13).any(|part| part == b"nonode@nohost")
        }
        // Two tags that OTP keeps for itself: a place in the atom table of the running node.
        (Err(_), Some(_)) => {
            // OTP 25 takes an empty bit string that says it is none.
            let empty = release == 25 && input.windows(6).any(|part| part == [77, 0, 0, 0, 0, 0]);
            empty || input.contains(&73) || input.contains(&75)
        }
        _ => false,
    }
}

/// `0.0` and `-0.0` are two keys since OTP 27.
fn zeros_as_keys(input: &[u8]) -> bool {
    let zero = |sign: u8| [70, sign, 0, 0, 0, 0, 0, 0, 0];
    [0, 128].iter().all(|&sign| input.windows(9).any(|part| part == zero(sign)))
}

#[test]
fn terms_compare_and_hash_as_a_node_compares_them() {
    for mut beam in Beam::all() {
        let mut dice = Dice(3);
        let mut terms = beam.random(5, 1200);
        terms.extend(numbers());
        terms.retain(|bytes| bytes.len() < 400);
        let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for _ in 0..8_000 {
            pairs.push((
                terms[dice.below(terms.len())].clone(),
                terms[dice.below(terms.len())].clone(),
            ));
        }
        for a in numbers() {
            pairs.extend(numbers().into_iter().map(|b| (a.clone(), b)));
        }
        // Terms that differ in little.
        let mut near: Vec<Vec<u8>> = Vec::new();
        for _ in 0..8_000 {
            let original = terms[dice.below(terms.len())].clone();
            let changed = mutate(&original, &mut dice);
            if !kills_nodes(&changed) {
                near.extend([changed, original]);
            }
        }
        let accepted = beam.read(&near);
        for pair in accepted.chunks(2) {
            if let [Some(a), Some(b)] = pair {
                pairs.push((a.clone(), b.clone()));
            }
        }
        for (pair, [same, equal, less, exact]) in pairs.iter().zip(beam.compare(&pairs)) {
            let (a, b) =
                (Term::decode(pair.0.clone()).unwrap(), Term::decode(pair.1.clone()).unwrap());
            let context = format!("OTP {}: {a} and {b}: {pair:?}", beam.release);
            // Before OTP 27 the two zeros were the same term.
            let zeros = beam.release < 27
                && [&a, &b].iter().any(|term| term.encode_to_vec().contains(&128));
            assert_eq!(a.cmp(&b) == Ordering::Equal, a == b, "Ord and Eq {context}");
            assert_eq!(a.cmp(&b), b.cmp(&a).reverse(), "Ord both ways {context}");
            if !zeros {
                assert_eq!(a == b, same == 1, "=:= {context}");
                assert_eq!(
                    order::compare_as_keys(&a, &b),
                    [Ordering::Less, Ordering::Equal, Ordering::Greater][usize::from(exact)],
                    "keys {context}"
                );
            }
            assert_eq!(order::equal(&a, &b), equal == 1, "== {context}");
            assert_eq!(order::compare(&a, &b) == Ordering::Less, less == 1, "< {context}");
            if a == b {
                assert_eq!(hash(&a), hash(&b), "hash {context}");
            }
        }
    }
}

fn hash(term: &Term) -> u64 {
    let mut hasher = DefaultHasher::new();
    term.hash(&mut hasher);
    hasher.finish()
}

/// Numbers around every border between kinds of numbers.
fn numbers() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for bit in [0, 1, 7, 8, 31, 32, 52, 53, 54, 59, 62, 63, 64, 65, 100, 1000] {
        let power = num_bigint::BigInt::from(1) << bit;
        for near in [-1, 0, 1] {
            let value = &power + near;
            all.push(Term::big_integer(&value).encode_to_vec());
            all.push(Term::big_integer(&-value).encode_to_vec());
        }
        let float = 2f64.powi(bit);
        for float in
            [float, float.next_up(), float.next_down(), -float, -float.next_up(), float + 0.5]
        {
            all.push(Term::from(float).encode_to_vec());
        }
    }
    all.push(Term::from(0.0).encode_to_vec());
    all
}

/// Inputs by hand: tags that OTP no longer writes, forms at their borders, what must be refused.
fn odd_inputs() -> Vec<Vec<u8>> {
    let node: &[u8] = &[119, 3, b'a', b'@', b'b'];
    let old_node: &[u8] = &[100, 0, 3, b'a', b'@', b'b'];
    let words =
        |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let old_float = |text: &str| {
        let mut bytes = vec![99];
        bytes.extend_from_slice(text.as_bytes());
        bytes.resize(32, 0);
        bytes
    };
    let mut all: Vec<Vec<u8>> = vec![
        vec![],
        vec![106],
        vec![107, 0, 0],
        vec![107, 0, 1, 7],
        vec![108, 0, 0, 0, 0],
        vec![108, 0, 0, 0, 0, 106],
        vec![108, 0, 0, 0, 0, 97, 1],
        vec![104, 2, 108, 0, 0, 0, 0, 97, 1, 97, 2],
        vec![108, 0, 0, 0, 1, 97, 1, 108, 0, 0, 0, 1, 97, 2, 106],
        vec![108, 0, 0, 0, 1, 97, 1, 107, 0, 1, 2],
        vec![108, 0, 0, 0, 1, 119, 1, b'a', 107, 0, 1, 2],
        vec![108, 0, 0, 0, 1, 97, 1, 97, 2],
        vec![108, 255, 255, 255, 255, 106],
        vec![105, 255, 255, 255, 255],
        vec![105, 0, 0, 0, 1, 97, 1],
        vec![109, 255, 255, 255, 255],
        vec![110, 1, 0, 5],
        vec![110, 0, 0],
        vec![110, 0, 1],
        vec![110, 1, 1, 0],
        vec![110, 1, 2, 5],
        vec![110, 8, 0, 255, 255, 255, 255, 255, 255, 255, 255],
        vec![110, 8, 1, 0, 0, 0, 0, 0, 0, 0, 128],
        vec![110, 8, 1, 1, 0, 0, 0, 0, 0, 0, 128],
        vec![110, 9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        vec![110, 9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1],
        vec![111, 0, 0, 0, 2, 1, 1, 0],
        vec![111, 0, 0, 0, 0, 0],
        vec![111, 255, 255, 255, 255, 0],
        vec![70, 127, 240, 0, 0, 0, 0, 0, 0],
        vec![70, 255, 240, 0, 0, 0, 0, 0, 0],
        vec![70, 127, 248, 0, 0, 0, 0, 0, 1],
        vec![70, 128, 0, 0, 0, 0, 0, 0, 0],
        old_float("1.10000000000000008882e+00"),
        old_float("-1.10000000000000008882e+00"),
        old_float("1.79769313486231570815e+308"),
        old_float("1.80000000000000000000e+308"),
        old_float("2.20000000000000000000e-308"),
        old_float("4.94065645841246544177e-324"),
        old_float("0.00000000000000000000e+00"),
        old_float("-0.0e+00"),
        old_float("1"),
        old_float("1.5"),
        old_float("1e5"),
        old_float(".5"),
        old_float("5."),
        old_float("inf"),
        old_float("nan"),
        old_float(" 1.5"),
        old_float("+1.5"),
        old_float("1.5x"),
        old_float("1,5"),
        old_float("1.5e"),
        old_float("1.5e+"),
        old_float("1.5E3"),
        old_float("1.5\u{0}garbage"),
        old_float(""),
        vec![77, 0, 0, 0, 0, 0],
        vec![77, 0, 0, 0, 0, 8],
        vec![77, 0, 0, 0, 0, 3],
        vec![77, 0, 0, 0, 1, 0, 255],
        vec![77, 0, 0, 0, 1, 3, 255],
        vec![77, 0, 0, 0, 1, 8, 255],
        vec![77, 0, 0, 0, 1, 9, 255],
        vec![100, 0, 1, 0xe9],
        vec![100, 0, 2, 0xc3, 0xa9],
        vec![115, 1, 0xe9],
        vec![115, 0],
        vec![100, 1, 0],
        vec![118, 0, 2, 0xc3, 0xa9],
        vec![118, 0, 1, 0xe9],
        vec![119, 2, 0xc0, 0x80],
        vec![119, 3, 0xed, 0xa0, 0x80],
        vec![119, 4, 0xf4, 0x90, 0x80, 0x80],
        vec![119, 3, 0xef, 0xbf, 0xbf],
        vec![119, 1, 0],
        vec![82, 0],
        vec![116, 0, 0, 0, 2, 97, 1, 97, 1, 97, 1, 97, 2],
        vec![116, 0, 0, 0, 2, 97, 1, 97, 1, 98, 0, 0, 0, 1, 97, 2],
        vec![116, 0, 0, 0, 2, 97, 1, 97, 1, 70, 63, 240, 0, 0, 0, 0, 0, 0, 97, 2],
        vec![116, 0, 0, 0, 2, 106, 97, 1, 107, 0, 0, 97, 2],
        vec![116, 0, 0, 0, 2, 107, 0, 1, 1, 97, 1, 108, 0, 0, 0, 1, 97, 1, 106, 97, 2],
        vec![
            116, 0, 0, 0, 2, 70, 0, 0, 0, 0, 0, 0, 0, 0, 97, 1, 70, 128, 0, 0, 0, 0, 0, 0, 0, 97, 2,
        ],
        vec![113, 119, 1, b'm', 119, 1, b'f', 97, 3],
        vec![113, 119, 1, b'm', 119, 1, b'f', 97, 255],
        vec![113, 119, 1, b'm', 119, 1, b'f', 98, 0, 0, 0, 3],
        vec![113, 119, 1, b'm', 97, 1, 97, 3],
        vec![117, 0, 0, 0, 0],
        vec![121, 0],
        vec![121, 1, 2, 3, 4, 5, 6, 7, 8, 97, 1],
        vec![131, 97, 1],
        vec![97],
        vec![97, 1, 2, 3],
        vec![98, 0, 0, 0],
    ];
    for at in [255usize, 256] {
        let mut atom = vec![118];
        atom.extend_from_slice(&(at as u16 * 2).to_be_bytes());
        atom.extend("é".repeat(at).bytes());
        all.push(atom);
        let mut atom = vec![118];
        atom.extend_from_slice(&(at as u16).to_be_bytes());
        atom.extend(vec![b'a'; at]);
        all.push(atom);
    }
    for node in
        [node, old_node, &[97, 1], &[119, 0], &[115, 3, 0xe9, b'@', b'b'], &[119, 2, b'a', b'b']]
    {
        for creation in [0u8, 1, 3, 4, 255] {
            all.push([&[103], node, &words(&[5, 6]), &[creation]].concat());
            all.push([&[102], node, &words(&[5]), &[creation]].concat());
            all.push([&[101], node, &words(&[5]), &[creation]].concat());
            all.push([&[114, 0, 3], node, &[creation], &words(&[5, 6, 7])].concat());
        }
        for creation in [0, 1, 4, u32::MAX] {
            for number in [
                0,
                5,
                0x7fff,
                0x8000,
                0x1fff,
                0x2000,
                0x3ffff,
                0x40000,
                0xfff_ffff,
                0x1000_0000,
                u32::MAX,
            ] {
                all.push([&[88], node, &words(&[number, 6, creation])].concat());
                all.push([&[88], node, &words(&[6, number, creation])].concat());
                all.push([&[103], node, &words(&[number, 6]), &[1]].concat());
                all.push([&[103], node, &words(&[6, number]), &[1]].concat());
                all.push([&[89], node, &words(&[number, creation])].concat());
                all.push([&[102], node, &words(&[number]), &[1]].concat());
                all.push([&[120], node, &words(&[0, number, creation])].concat());
                all.push([&[120], node, &words(&[number, 6, creation])].concat());
                all.push([&[101], node, &words(&[number]), &[1]].concat());
                for count in 0..7u8 {
                    let ids = vec![number; usize::from(count)];
                    all.push([&[90, 0, count], node, &words(&[creation]), &words(&ids)].concat());
                    all.push([&[114, 0, count], node, &[1], &words(&ids)].concat());
                }
            }
        }
    }
    all.into_iter().map(|bytes| [vec![131], bytes].concat()).collect()
}
