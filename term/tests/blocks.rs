//! Blocks of memory that are used again: never with what an earlier message left in them, never more than the bound, on any thread.
#![allow(clippy::unwrap_used, reason = "a test may stop where it is wrong")]

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use allocation_counter::measure;
use bytes::Bytes;
use term::{Atom, Encoded, Term, term};

/// A tuple of integers and a text that differ by seed, of about so many bytes.
fn message(seed: u8, length: usize) -> Vec<u8> {
    let mut bytes =
        vec![131, 104, 5, 97, seed, 119, 3, b'a' + seed % 26, b'b', b'c', 107, 0, 2, seed, seed];
    bytes.extend_from_slice(&[108, 0, 0, 0, 1, 98, 1, seed, 0, 0, 106, 109]);
    bytes.extend_from_slice(&(length as u32).to_be_bytes());
    bytes.extend(std::iter::repeat_n(seed, length));
    bytes
}

/// That it is the one of this seed, by a copy that was decoded on a thread of its own and by its bytes.
fn check(term: &Term, seed: u8, length: usize) {
    assert_eq!(term.encode_to_vec(), message(seed, length));
    let tuple = term.as_tuple().unwrap();
    assert_eq!(tuple.get(0).unwrap().as_i64(), Some(i64::from(seed)));
    assert_eq!(tuple.get(4).unwrap().as_bytes().unwrap(), vec![seed; length]);
    assert_eq!(tuple.get(2).unwrap().as_list().unwrap().len(), 2);
}

#[test]
fn a_block_that_is_used_again_shows_nothing_of_the_message_before() {
    let mut held: Vec<(Term, u8, usize)> = Vec::new();
    for round in 0..if cfg!(miri) { 60 } else { 3000usize } {
        let (seed, length) = (round as u8, [0, 5, 17, 40, 90, 200, 300, 700, 5000][round % 9]);
        let term = Term::decode(message(seed, length)).unwrap();
        check(&term, seed, length);
        // Refused in the middle, with nodes already written.
        let bytes = message(seed, length);
        assert!(Term::decode(bytes[..bytes.len() - 1].to_vec()).is_err() || length == 0);
        assert!(Term::decode(vec![131, 104, 3, 97, 1, 106]).is_err());
        held.push((term, seed, length));
        // Some are dropped at once, some later and out of order, and clones count.
        if round % 3 != 0 {
            let (term, seed, length) = held.swap_remove((round * 7) % held.len());
            let copy = term.clone();
            drop(term);
            check(&copy, seed, length);
        }
        if held.len() > 50 {
            held.drain(..25).for_each(|(term, seed, length)| check(&term, seed, length));
        }
    }
    held.iter().for_each(|(term, seed, length)| check(term, *seed, *length));
}

#[test]
fn whether_a_message_goes_out_as_it_came_does_not_depend_on_what_its_block_held_before() {
    // Bytes that look like the mark of something half done, then lists and strings in every place.
    let junk = Term::from(Bytes::from(vec![0x14; 100]));
    for filler in [20u8, 0x14, 0xff, 0, 1] {
        drop(Term::decode([&[131, 104, 1, 109, 0, 0, 0, 90][..], &[filler; 90]].concat()).unwrap());
        let nested = term!({[1, [2, 3000], "text"], [[], ['a]], {b, ['c]}});
        let bytes = nested.encode_to_vec();
        let decoded = Term::decode(bytes.clone()).unwrap();
        assert_eq!(decoded.encode_to_vec(), bytes);
        assert_eq!(Encoded::from_term(&decoded).bytes()[..], bytes[1..]);
        // The tail of a list that is a list is written as one list.
        let tailed = vec![131, 108, 0, 0, 0, 1, 119, 1, b'a', 108, 0, 0, 0, 1, 119, 1, b'b', 106];
        let decoded = Term::decode(tailed).unwrap();
        assert_eq!(decoded.encode_to_vec(), term!(['a, 'b]).encode_to_vec());
    }
    drop(junk);
}

#[test]
fn a_small_message_holds_on_to_no_buffer_it_came_in() {
    let frame = Bytes::from(message(7, 100));
    let payload = Encoded::new(frame.slice(1..), None);
    let term = payload.decode().unwrap();
    drop(payload);
    assert!(frame.is_unique());
    check(&term, 7, 100);
    // A large one shares it.
    let frame = Bytes::from(message(7, 1000));
    let payload = Encoded::new(frame.slice(1..), None);
    let term = payload.decode().unwrap();
    drop(payload);
    assert!(!frame.is_unique());
    drop(term);
    assert!(frame.is_unique(), "a block in stock held on to its bytes");
}

#[test]
fn a_block_in_stock_holds_on_to_no_table_of_atoms() {
    let atoms: Arc<[Atom]> = [Atom::from_static("ok")].into();
    let payload = Encoded::new(Bytes::from_static(&[104, 2, 82, 0, 97, 1]), Some(atoms.clone()));
    for _ in 0..3 {
        let term = payload.decode().unwrap();
        assert_eq!(term, term!({ok, 1}));
        drop(term);
        // This, and the payload's.
        assert_eq!(Arc::strong_count(&atoms), 2);
    }
}

#[test]
fn from_the_second_on_a_small_message_takes_no_allocation() {
    for length in [0, 60, 200, 400] {
        let payload = Encoded::new(Bytes::from(message(1, length)).slice(1..), None);
        (0..3).for_each(|_| drop(payload.decode().unwrap()));
        assert_eq!(measure(|| drop(payload.decode().unwrap())).count_total, 0, "{length}");
        // Two at once, as a server has that keeps one.
        (0..3).for_each(|_| drop((payload.decode().unwrap(), payload.decode().unwrap())));
        let both = || drop((payload.decode().unwrap(), payload.decode().unwrap()));
        assert_eq!(measure(both).count_total, 0, "{length}");
    }
}

#[test]
fn what_a_thread_keeps_of_dropped_messages_is_bounded() {
    // On a thread of its own, whose stock is empty at first.
    let kept = thread::spawn(|| {
        let payloads: Vec<Encoded> = [0, 60, 200, 400]
            .map(|length| Encoded::new(Bytes::from(message(1, length)).slice(1..), None))
            .into();
        let work = || {
            let (rounds, terms) = if cfg!(miri) { (2, 20) } else { (5, 1000) };
            for _ in 0..rounds {
                let terms: Vec<Term> = (0..terms)
                    .flat_map(|_| payloads.iter().map(|payload| payload.decode().unwrap()))
                    .collect();
                drop(terms);
            }
        };
        measure(work).bytes_current
    });
    let kept = kept.join().unwrap();
    // Blocks of 16 bytes a cell and about 100 before, and the scratch of 4 KiB.
    assert!((0..=20 * 1024).contains(&kept), "{kept}");
}

#[test]
fn messages_that_are_all_kept_take_no_more_memory_than_they_need() {
    let payload = Encoded::new(Bytes::from(message(1, 3)).slice(1..), None);
    let bytes = payload.bytes().len();
    drop(payload.decode().unwrap());
    let mut terms = Vec::with_capacity(1000);
    let info = measure(|| terms.extend((0..1000).map(|_| payload.decode().unwrap())));
    let nodes = 9;
    let most = 1000 * (112 + 16 * nodes + bytes.next_multiple_of(16) as i64);
    assert!(info.bytes_current <= most + 8192, "{} of {most}", info.bytes_current);
    assert!(info.count_total <= 1001, "{}", info.count_total);
}

#[test]
fn terms_outlive_their_threads_and_are_dropped_by_others() {
    let (send, receive) = mpsc::sync_channel::<(Term, u8, usize)>(64);
    let receive = Arc::new(std::sync::Mutex::new(receive));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let receive = receive.clone();
            thread::spawn(move || {
                let mut last = None;
                while let Ok((term, seed, length)) = { receive.lock().unwrap().recv() } {
                    check(&term, seed, length);
                    // Mixed with messages of its own, in the blocks of others.
                    let own = Term::decode(message(seed.wrapping_add(1), 30)).unwrap();
                    check(&own, seed.wrapping_add(1), 30);
                    last = Some((term, seed, length));
                }
                last
            })
        })
        .collect();
    let writers: Vec<_> = (0..3u8)
        .map(|writer| {
            let send = send.clone();
            thread::spawn(move || {
                for round in 0..if cfg!(miri) { 20 } else { 2000usize } {
                    let (seed, length) =
                        ((round as u8) ^ (writer << 6), [0, 30, 100, 400][round % 4]);
                    let term = Term::decode(message(seed, length)).unwrap();
                    send.send((term.clone(), seed, length)).unwrap();
                    // Whoever is last drops it.
                    check(&term, seed, length);
                }
            })
        })
        .collect();
    drop(send);
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    for reader in readers {
        if let Some((term, seed, length)) = reader.join().unwrap() {
            check(&term, seed, length);
        }
    }
}

#[test]
fn while_a_thread_ends_its_messages_are_still_read_and_dropped() {
    static DONE: AtomicUsize = AtomicUsize::new(0);
    /// Lives as long as the thread's own variables do, and works when it goes.
    struct Late(Vec<Term>);
    impl Drop for Late {
        fn drop(&mut self) {
            for (seed, length) in [(1, 0), (2, 100), (3, 400), (4, 5000)] {
                let term = Term::decode(message(seed, length)).unwrap();
                check(&term, seed, length);
                self.0.push(term);
            }
            // More nodes than a block in stock has, and more than the scratch has.
            for count in [100, 300] {
                let list = Term::decode(Term::from_iter(0..count).encode_to_vec()).unwrap();
                assert_eq!(list.as_list().unwrap().len(), count as usize);
            }
            self.0.clear();
            DONE.fetch_add(1, Ordering::Relaxed);
        }
    }
    thread_local! {
        static BEFORE: RefCell<Late> = const { RefCell::new(Late(Vec::new())) };
        static AFTER: RefCell<Late> = const { RefCell::new(Late(Vec::new())) };
    }
    thread::spawn(|| {
        // Made before the first message and after it: one of them goes later than what the thread keeps.
        BEFORE.with_borrow_mut(|late| late.0.clear());
        let term = Term::decode(message(9, 20)).unwrap();
        AFTER.with_borrow_mut(|late| late.0.push(term.clone()));
        BEFORE.with_borrow_mut(|late| late.0.push(term));
    })
    .join()
    .unwrap();
    assert_eq!(DONE.load(Ordering::Relaxed), 2);
}

#[test]
fn a_buffer_whose_owner_decodes_when_it_goes_is_let_go() {
    struct Owner(Vec<u8>);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    static DONE: AtomicUsize = AtomicUsize::new(0);
    impl Drop for Owner {
        fn drop(&mut self) {
            let term = Term::decode(message(3, 300)).unwrap();
            check(&term, 3, 300);
            DONE.fetch_add(1, Ordering::Relaxed);
        }
    }
    for _ in 0..10 {
        let term = Term::decode(Bytes::from_owner(Owner(message(5, 350)))).unwrap();
        check(&term, 5, 350);
    }
    assert_eq!(DONE.load(Ordering::Relaxed), 10);
}
