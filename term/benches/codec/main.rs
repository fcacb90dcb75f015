//! Decoding, encoding and cloning against eetf, erltf, libei and the BEAM: one process, rounds of all interleaved, medians.
//!
//! `cargo bench -p term --bench codec` prints three tables. A number after `--` is how many rounds (31 unless told), other words are
//! the messages to measure (`a b c e`; all unless told); with CODEC_RUST_ONLY set, libei and the BEAM sit out.
#![allow(clippy::unwrap_used, reason = "a bench may stop where it is wrong")]

mod messages;
mod peers;

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Deserialize;
use term::{Cursor, Encoded, Pid, Term};

use messages::Message;
use peers::Peer;

/// How long one measurement should take: long against the clock's grain, short against a neighbour's interruptions.
const SAMPLE: Duration = Duration::from_micros(1500);

fn main() -> Result<()> {
    // eetf and erltf decode by recursion, which depth 10,000 takes beyond the 8 MiB of a main thread.
    let thread = std::thread::Builder::new().stack_size(256 << 20).spawn(measure)?;
    thread.join().map_err(|_| anyhow::anyhow!("the measuring thread panicked"))?
}

fn measure() -> Result<()> {
    // As in a program that has run for a while: glibc gives memory back to the system, and fetches it anew, by what it has seen freed so far.
    drop(black_box(vec![1u8; 16 << 20]));
    let rounds = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(31);
    let mut peers =
        if std::env::var_os("CODEC_RUST_ONLY").is_some() { Vec::new() } else { Peer::all() };
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-') && word.parse::<usize>().is_err())
        .collect();
    let mut messages = messages::all();
    messages
        .retain(|message| wanted.is_empty() || wanted.iter().any(|one| one == message.letter()));
    println!("## Decode, ns (times the walk)\n");
    table(&messages, rounds, &mut peers, 'd', decoders)?;
    println!("\n## Encode into a reused buffer, ns (times ours)\n");
    // Those that sat out once get another chance.
    let mut peers = if peers.is_empty() { peers } else { Peer::all() };
    table(&messages, rounds, &mut peers, 'e', encoders)?;
    println!("\n## Clone and vectored output, ns\n");
    table(&messages, rounds, &mut Vec::new(), 'c', others)?;
    Ok(())
}

/// Something to be timed.
type Candidate<'a> = (&'static str, Run<'a>);

/// Measures all candidates on all messages, in turns.
fn table(
    messages: &[Message],
    rounds: usize,
    peers: &mut Vec<Peer>,
    verb: char,
    candidates: for<'a> fn(&'a Message) -> Vec<Candidate<'a>>,
) -> Result<()> {
    for message in messages {
        let mut candidates = candidates(message);
        let mut repeats: Vec<u64> = candidates.iter_mut().map(|(_, run)| calibrate(run)).collect();
        let mut samples: Vec<Vec<f64>> = vec![Vec::new(); candidates.len() + peers.len()];
        // A peer that cannot take a message sits out from there on, and says so.
        let mut once = Vec::new();
        peers.retain_mut(|peer| {
            match peer.load(&message.bytes).and_then(|()| peer.time(verb, 3)) {
                Ok(time) => {
                    once.push(time);
                    true
                }
                Err(error) => {
                    eprintln!("*** {} sits out from here: {error:#}", message.name);
                    false
                }
            }
        });
        repeats.extend(once.iter().map(|once| (SAMPLE.as_nanos() as f64 / once).max(1.0) as u64));
        samples.truncate(candidates.len() + peers.len());
        for _ in 0..rounds {
            for (at, (_, run)) in candidates.iter_mut().enumerate() {
                let begin = Instant::now();
                (0..repeats[at]).for_each(|_| run());
                samples[at].push(begin.elapsed().as_nanos() as f64 / repeats[at] as f64);
            }
            for (number, peer) in peers.iter_mut().enumerate() {
                let at = candidates.len() + number;
                samples[at].push(peer.time(verb, repeats[at])?);
            }
        }
        // Ratios are medians of the ratios of each round, so that a slow moment of the machine cancels out.
        let ratio = |at: usize| {
            median(samples[at].iter().zip(&samples[0]).map(|(this, base)| this / base).collect())
        };
        print!("{:28} {:>8} B", message.name, message.bytes.len());
        let names =
            candidates.iter().map(|(name, _)| *name).chain(peers.iter().map(|peer| peer.name));
        for (at, name) in names.enumerate() {
            print!(" | {name} {:.0} ({:.2})", median(samples[at].clone()), ratio(at));
        }
        println!();
    }
    Ok(())
}

fn calibrate(run: &mut dyn FnMut()) -> u64 {
    let mut repeats = 1;
    loop {
        let begin = Instant::now();
        (0..repeats).for_each(|_| run());
        let took = begin.elapsed();
        if took >= SAMPLE {
            return (repeats as f64 * SAMPLE.as_nanos() as f64 / took.as_nanos() as f64).max(1.0)
                as u64;
        }
        repeats *= 2;
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Has a result made, and drops it. It is looked at where it lies: to move it would cost as much as a small message does.
#[inline(always)]
fn look<T>(result: T) {
    black_box(&result);
}

/// The walk first: everything else is measured against it.
fn decoders(message: &Message) -> Vec<Candidate<'_>> {
    let mut all: Vec<Candidate<'_>> = vec![
        ("walk", Box::new(|| look(Cursor::new(&message.bytes[1..], &[]).skip_term()))),
        ("term", Box::new(|| look(message.payload.decode()))),
    ];
    if let Some(typed) = typed_reader(message) {
        all.push(("serde", typed));
    }
    all.push(("eetf", Box::new(|| look(eetf::Term::decode(&message.bytes[..])))));
    all.push(("erltf", Box::new(|| look(erltf::decode(&message.bytes)))));
    all
}

fn encoders(message: &Message) -> Vec<Candidate<'_>> {
    let term = Term::decode(message.bytes.clone()).unwrap();
    let theirs = eetf::Term::decode(&message.bytes[..]).unwrap();
    let erltf = erltf::decode(&message.bytes).unwrap();
    let mut buffer = Vec::with_capacity(2 * message.bytes.len());
    let mut their_buffer = Vec::with_capacity(2 * message.bytes.len());
    vec![
        (
            "term",
            Box::new(move || {
                buffer.clear();
                buffer.push(131);
                term.encode_into(&mut buffer);
                black_box(&buffer);
            }),
        ),
        (
            "eetf",
            Box::new(move || {
                their_buffer.clear();
                let _ = theirs.encode(&mut their_buffer);
                black_box(&their_buffer);
            }),
        ),
        ("erltf", Box::new(move || look(erltf::encode(&erltf)))),
    ]
}

fn others(message: &Message) -> Vec<Candidate<'_>> {
    let term = Term::decode(message.bytes.clone()).unwrap();
    let other = term.clone();
    vec![
        ("clone", Box::new(move || look(term.clone()))),
        ("pieces", Box::new(move || look(other.encode_pieces()))),
    ]
}

/// The types a program would read the everyday messages into.
fn typed_reader(message: &Message) -> Option<Run<'_>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    #[allow(dead_code, reason = "only read")]
    enum Request {
        Foo(i64),
        Add(i64),
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    #[allow(dead_code, reason = "only read")]
    enum Call {
        Call(Pid, Request),
        #[serde(rename = "$gen_call")]
        GenCall((Pid, Encoded), Request),
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only read")]
    struct Point<'a>(#[serde(borrow)] Name<'a>, i64, i64, i64, i64);

    /// An atom, borrowed.
    struct Name<'a>(&'a str);

    impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            term::serde::atom::deserialize(deserializer).map(Self)
        }
    }

    macro_rules! keys {
        ($($number:ident $text:ident $float:ident $atom:ident $tuple:ident)*) => {
            #[derive(Deserialize)]
            #[allow(dead_code, reason = "only read")]
            struct Keys<'a> {
                $($number: i64, $text: &'a str, $float: f64, #[serde(borrow)] $atom: Name<'a>, $tuple: Point<'a>,)*
            }
        };
    }
    keys! {
        key_00 key_01 key_02 key_03 key_04
        key_05 key_06 key_07 key_08 key_09
        key_10 key_11 key_12 key_13 key_14
        key_15 key_16 key_17 key_18 key_19
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only read")]
    struct User<'a>(#[serde(borrow)] Name<'a>, i64, &'a str, f64, bool, (Name<'a>, i64));

    /// As many as there are, without keeping them.
    struct Users;

    impl<'de> Deserialize<'de> for Users {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Users;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("users")
                }
                fn visit_seq<A: serde::de::SeqAccess<'de>>(
                    self,
                    mut users: A,
                ) -> Result<Users, A::Error> {
                    while let Some(user) = users.next_element::<User<'de>>()? {
                        black_box(user.0.0);
                    }
                    Ok(Users)
                }
            }
            deserializer.deserialize_seq(Visitor)
        }
    }

    fn read<'a, T: Deserialize<'a>>(payload: &'a Encoded) -> Run<'a> {
        assert!(payload.deserialize::<T>().is_ok(), "{:?}", payload.deserialize::<T>().err());
        Box::new(move || look(payload.deserialize::<T>()))
    }

    match message.letter() {
        "a" | "b" => Some(read::<Call>(&message.payload)),
        "c" => Some(read::<Keys<'_>>(&message.payload)),
        "e" => Some(read::<Users>(&message.payload)),
        _ => None,
    }
}

/// What is run.
type Run<'a> = Box<dyn FnMut() + 'a>;
