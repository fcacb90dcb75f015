//! What reading and writing allocate: counted by the allocator of this test binary, for the messages of the benchmark among others.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop where it is wrong"
)]

// The benchmark's own messages and types, so that what is measured is what is counted.
#[path = "../../benches/codec/built.rs"]
mod built;
#[path = "../../benches/codec/messages.rs"]
mod messages;
#[path = "../../benches/codec/typed.rs"]
mod typed;

use allocation_counter::measure;
use term::{Term, term};

/// How many allocations `work` makes, and how many bytes it holds at most. A moved allocation counts in both places at once, the strictest way to see it.
fn measured<T>(work: impl FnOnce() -> T) -> (T, u64, u64) {
    let mut value = None;
    let info = measure(|| value = Some(work()));
    (value.unwrap(), info.count_total, info.bytes_max)
}

fn within_bounds(name: &str, wire: Vec<u8>) {
    let length = wire.len() as u64;
    let bytes = bytes::Bytes::from(wire);
    // The scratch of a thread is made once.
    drop(Term::decode(vec![131, 104, 1, 97, 1]));
    let (term, count, peak) = measured(|| Term::decode(bytes));
    assert!(
        peak <= 16 * length + 4096,
        "{name}: {peak} bytes at once for {length} on the wire, {count} allocations"
    );
    assert!(count <= 5, "{name}: {count} allocations");
    drop(term);
}

#[test]
fn decoding_holds_at_most_16_bytes_per_byte_of_the_wire_and_4_kib() {
    let repeat = |head: &[u8], part: &[u8], count: usize, tail: &[u8]| {
        let mut bytes = vec![131];
        bytes.extend_from_slice(head);
        bytes.extend_from_slice(&(count as u32).to_be_bytes());
        (0..count).for_each(|_| bytes.extend_from_slice(part));
        bytes.extend_from_slice(tail);
        bytes
    };
    for count in [1, 10, 250, 257, 300, 1000, 10_000, 300_000] {
        within_bounds("a list of []", repeat(&[108], &[106], count, &[106]));
        within_bounds("a tuple of {}", repeat(&[105], &[104, 0], count, &[]));
        within_bounds("a list of small integers", repeat(&[108], &[97, 1], count, &[106]));
        within_bounds(
            "a list of one-element tuples",
            repeat(&[108], &[104, 1, 106], count, &[106]),
        );
        within_bounds(
            "a list of binaries",
            repeat(&[108], &[109, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9], count, &[106]),
        );
        within_bounds("a list of empty maps", repeat(&[108], &[116, 0, 0, 0, 0], count, &[106]));
        // Sparse first, dense later, so that the guess from the first part is wrong; and the other way round.
        let binaries = [&[109, 0, 0, 4, 0][..], &[7; 1024]].concat();
        let sparse: Vec<u8> = (0..300).flat_map(|_| binaries.clone()).collect();
        let mut bytes = vec![131, 105];
        bytes.extend_from_slice(&(300 + count as u32).to_be_bytes());
        bytes.extend_from_slice(&sparse);
        bytes.extend(std::iter::repeat_n(106, count));
        within_bounds("binaries, then []", bytes);
        // As deep as it is long.
        let mut deep = vec![131];
        (0..count).for_each(|_| deep.extend_from_slice(&[104, 2]));
        deep.push(106);
        deep.extend(std::iter::repeat_n(106, count));
        within_bounds("tuples in tuples", deep);
        // Keys out of order, which takes an index.
        let mut map = vec![131, 116];
        map.extend_from_slice(&(count as u32).to_be_bytes());
        for key in (0..count as u32).rev() {
            map.push(98);
            map.extend_from_slice(&key.to_be_bytes());
            map.push(106);
        }
        within_bounds("a map in descending order", map);
        let mut keys = vec![131, 116];
        keys.extend_from_slice(&(count.min(200) as u32).to_be_bytes());
        for key in (0..count.min(200) as u8).rev() {
            keys.extend_from_slice(&[97, key, 106]);
        }
        within_bounds("a dense map in descending order", keys);
    }
}

#[test]
fn a_message_of_up_to_4_kib_of_nodes_takes_one_allocation_and_a_clone_none() {
    let message = term!({call, [1, "two", 3.0], #{a => 1, b => {c, 'd}}}).encode_to_vec();
    let bytes = bytes::Bytes::from(message);
    let shared = bytes.clone();
    drop(Term::decode(shared.clone()));
    let (term, count, _) = measured(|| Term::decode(shared).unwrap());
    assert_eq!(count, 1);
    let (copy, count, _) = measured(|| term.clone());
    assert_eq!(count, 0);
    assert_eq!(copy, term);
    let mut out = Vec::with_capacity(4096);
    let ((), count, _) = measured(|| term.encode_into(&mut out));
    assert_eq!(count, 0);
}

type Run<'a> = Box<dyn FnMut() + 'a>;

fn look<T>(result: T) {
    std::hint::black_box(&result);
}

/// How many allocations the second run makes; the first may set up what a thread keeps.
fn allocations(mut run: impl FnMut()) -> u64 {
    run();
    measure(run).count_total
}

#[test]
fn the_everyday_messages_are_read_into_borrowed_types_without_an_allocation() {
    for message in messages::all() {
        let mut readers = typed::readers(&message).into_iter();
        let Some(borrowed) = readers.next() else { continue };
        assert_eq!(allocations(borrowed), 0, "{}", message.name);
        // An owned type has what its parts are made of, and nothing besides: a text each, and what is longer than an inline atom.
        let most = match message.letter() {
            "a" | "b" => 0,
            "c" => 4,
            _ => 1000,
        };
        assert_eq!(allocations(readers.next().unwrap()), most, "{}, owned", message.name);
    }
}

#[test]
fn messages_are_written_into_a_buffer_with_room_without_an_allocation() {
    for message in messages::all() {
        let mut buffer = Vec::with_capacity(2 * message.bytes.len());
        let mut encode = |term: &Term| {
            allocations(|| {
                buffer.clear();
                term.encode_into(&mut buffer);
            })
        };
        let received = Term::decode(message.bytes.clone()).unwrap();
        assert_eq!(encode(&received), 0, "{}", message.name);
        // A part of a larger message, which is written anew; what waits at depth 10,000 is the one thing that needs memory.
        let larger = Term::decode([&[131, 104, 1], &message.bytes[1..]].concat()).unwrap();
        let part = larger.element(0).unwrap().to_term();
        let anew = encode(&part);
        assert!(anew == 0 || message.letter() == "g", "{}: {anew}", message.name);
        if let Some(build) = built::builder(&message) {
            assert_eq!(encode(&build()), 0, "{}, by term!", message.name);
        }
        if let Some(writer) = typed::writer(&message) {
            assert_eq!(allocations(writer), 0, "{}, by serde", message.name);
        }
    }
}

#[test]
fn a_message_takes_one_allocation_and_a_large_one_at_most_three() {
    for message in messages::all() {
        drop(message.payload.decode());
        let (term, count, _) = measured(|| message.payload.decode().unwrap());
        let most = if term.held() < message.bytes.len() + 4096 { 1 } else { 3 };
        assert!(count <= most, "{}: {count}", message.name);
    }
}

#[test]
fn reading_borrowed_types_and_writing_into_a_buffer_takes_no_allocation() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Call<'a> {
        name: &'a str,
        #[serde(with = "serde_bytes_borrowed")]
        body: &'a [u8],
        count: u64,
        pair: (i64, f64),
    }
    mod serde_bytes_borrowed {
        pub(super) fn serialize<S: serde::Serializer>(
            bytes: &[u8],
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(bytes)
        }
        pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
            deserializer: D,
        ) -> Result<&'de [u8], D::Error> {
            serde::Deserialize::deserialize(deserializer)
        }
    }
    let call = Call { name: "sum", body: &[1, 2, 3], count: 7, pair: (-1, 0.5) };
    let mut out = Vec::with_capacity(4096);
    let ((), count, _) = measured(|| term::encode_into(&call, &mut out).unwrap());
    assert_eq!(count, 0);
    let bytes = [vec![131], out].concat();
    let (read, count, _) = measured(|| term::from_bytes::<Call<'_>>(&bytes).unwrap());
    assert_eq!(count, 0);
    assert_eq!((read.name, read.body, read.count), ("sum", &[1u8, 2, 3][..], 7));
}

#[test]
fn a_zip_bomb_is_refused_at_the_size_it_declares() {
    let zeros = Term::from(bytes::Bytes::from(vec![0; 4 << 20])).encode_compressed(9);
    assert!(zeros.len() < 10_000);
    let mut lying = zeros.clone();
    lying[2..6].copy_from_slice(&100u32.to_be_bytes());
    let (result, _, peak) = measured(|| Term::decode(lying));
    assert!(result.is_err());
    assert!(peak < 100_000, "{peak}");
    let limits = term::Limits { max_inflated: 1 << 20, ..term::Limits::DEFAULT };
    let (result, _, peak) = measured(|| Term::decode_with(zeros, &limits));
    assert!(result.is_err());
    assert!(peak < 100_000, "{peak}");
}
