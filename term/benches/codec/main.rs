//! Decoding, encoding and cloning against eetf, erltf, libei and the BEAM: one process, rounds of all interleaved, medians.
//!
//! `cargo bench -p term --bench codec` prints three tables. A number after `--` is how many rounds (31 unless told), other words are
//! the messages to measure (`a b c e`; all unless told); with CODEC_RUST_ONLY set, libei and the BEAM sit out.
#![allow(clippy::unwrap_used, reason = "a bench may stop where it is wrong")]

mod built;
mod messages;
mod peers;
mod typed;

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Result;
use term::{Cursor, Term};

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
    for (name, typed) in ["serde", "serde, owned"].into_iter().zip(typed::readers(message)) {
        all.push((name, typed));
    }
    all.push(("eetf", Box::new(|| look(eetf::Term::decode(&message.bytes[..])))));
    all.push(("erltf", Box::new(|| look(erltf::decode(&message.bytes)))));
    all
}

/// `term` was received, `part` is the same as a part of a larger one, so that its own bytes cannot be passed on; `built` was made by `term!`,
/// and `term! each time` is made every time anew; `serde` is a value of Rust types.
fn encoders(message: &Message) -> Vec<Candidate<'_>> {
    let term = Term::decode(message.bytes.clone()).unwrap();
    let larger = Term::decode([&[131, 104, 1], &message.bytes[1..]].concat()).unwrap();
    let part = larger.element(0).unwrap().to_term();
    let mut all = vec![("term", encode(message, move |out| term.encode_into(out)))];
    all.push(("part", encode(message, move |out| part.encode_into(out))));
    if let Some(build) = built::builder(message) {
        let built = build();
        all.push(("built", encode(message, move |out| built.encode_into(out))));
        all.push(("term! each time", encode(message, move |out| build().encode_into(out))));
    }
    all.extend(typed::writer(message).map(|writer| ("serde", writer)));
    let theirs = eetf::Term::decode(&message.bytes[..]).unwrap();
    let mut buffer = Vec::with_capacity(2 * message.bytes.len());
    all.push((
        "eetf",
        Box::new(move || {
            buffer.clear();
            let _ = theirs.encode(&mut buffer);
            black_box(&buffer);
        }),
    ));
    let erltf = erltf::decode(&message.bytes).unwrap();
    all.push(("erltf", Box::new(move || look(erltf::encode(&erltf)))));
    all
}

/// Writes 131 and the term into a buffer that is used again.
fn encode<'a>(message: &Message, mut write: impl FnMut(&mut Vec<u8>) + 'a) -> Run<'a> {
    let mut buffer = Vec::with_capacity(2 * message.bytes.len());
    Box::new(move || {
        buffer.clear();
        buffer.push(131);
        write(&mut buffer);
        black_box(&buffer);
    })
}

fn others(message: &Message) -> Vec<Candidate<'_>> {
    let term = Term::decode(message.bytes.clone()).unwrap();
    let other = term.clone();
    vec![
        ("clone", Box::new(move || look(term.clone()))),
        ("pieces", Box::new(move || look(other.encode_pieces()))),
    ]
}

/// What is run.
type Run<'a> = Box<dyn FnMut() + 'a>;
