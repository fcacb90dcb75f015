//! What messages keep that nobody reads: themselves, and not the buffers that they came in. A file of its own, as it looks at the
//! memory of its whole program.
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use node::{Cookie, EpmdMode, Exit, Flags, Node, Process};
use support::memory::Memory;
use support::peer;
use term::{IntoAtom, Pid, Term, term};
use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};

const SOON: Duration = Duration::from_secs(60);

/// The mailboxes may keep so much of one peer.
const UNREAD: usize = 64 << 20;

/// Messages that nobody reads, and so many after each of them that somebody does: a read buffer full.
const ROUNDS: usize = 2_000;
const READ: usize = 125;

fn resident() -> Result<usize> {
    let pages: usize = fs::read_to_string("/proc/self/statm")?
        .split_whitespace()
        .nth(1)
        .context("no resident pages")?
        .parse()?;
    Ok(pages * 4096)
}

/// REG_SEND in a pass-through frame, behind its length.
fn message(from: &Pid, to: &'static str, body: &Term) -> Result<Vec<u8>> {
    let mut frame = vec![112];
    frame.extend_from_slice(&term!({6, from, '_, (to.into_atom())}).encode_to_vec());
    frame.extend_from_slice(&body.encode_to_vec());
    Ok([&u32::try_from(frame.len())?.to_be_bytes(), frame.as_slice()].concat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_messages_that_nobody_reads_do_not_keep_the_buffers_they_came_in() -> Result<()> {
    let memory = Memory::default();
    let node = Node::builder("here@here").cookie(Cookie::new("secret")?).epmd(EpmdMode::None);
    let node = node.unread_limit(UNREAD).carrier(memory.clone()).build()?;
    node.spawn_named("reads", async |mut process: Process| -> Exit {
        loop {
            process.receive::<Term>().await?;
        }
    })?;
    node.spawn_named("does_not", async |process: Process| -> Exit {
        std::future::pending::<()>().await;
        drop(process);
        Ok(())
    })?;
    node.listen().await?;
    let flags = Flags::offered() - Flags::DIST_HDR_ATOM_CACHE - Flags::FRAGMENTS;
    let mut peer =
        peer::connect(&memory, &peer::at(&node)?, "here@here", "peer@here", flags).await?;
    let me = Pid::new("peer@here".into_atom(), 1, 0, 77);
    let mut round = message(&me, "does_not", &Term::from(1))?;
    let read = message(&me, "reads", &Term::from(Bytes::from(vec![7; 2_000])))?;
    (0..READ).for_each(|_| round.extend_from_slice(&read));
    let before = resident()?;
    for _ in 0..ROUNDS {
        peer.channel.writer.write_all(&round).await?;
    }
    let all = u64::try_from(ROUNDS * (1 + READ))?;
    let come = async {
        while node.connections().first().is_none_or(|one| one.traffic.messages_in < all) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, come).await?;
    let kept = resident()?.saturating_sub(before);
    // With its buffer each would keep up to 256 KiB.
    ensure!(kept < 2 * UNREAD, "{ROUNDS} messages of one byte keep {} MiB", kept >> 20);
    Ok(())
}
