//! What stops in the middle: handshakes whose caller is gone, messages whose fragments give way to garbage. Nothing of it is
//! delivered, nothing stays behind, and the next who comes under the same name is served.

mod support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mailbox::Process;
use node::carrier::Prefix;
use node::proto::frame::{Deframer, Frame};
use node::proto::handshake::LocalNode;
use node::proto::handshake::initiator::{Initiator, Progress};
use node::{Cookie, DownReason, EpmdMode, Flags, Node, NodeEvent};
use support::memory::Memory;
use support::peer;
use term::{Atom, IntoAtom, Pid, Term, term};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const SOON: Duration = Duration::from_secs(20);

fn builder(name: &str) -> Result<node::Builder> {
    Ok(Node::builder(name).cookie(Cookie::new("secret")?).epmd(EpmdMode::None))
}

/// Shakes hands as `caller@localhost`, until so many bytes are written; then it is gone. `false` if that was the whole handshake.
async fn call_for(bytes: usize, to: SocketAddr, rudely: bool) -> Result<bool> {
    let mut stream = TcpStream::connect(to).await?;
    if rudely {
        // What was not read is thrown away with the connection, as with that of a process killed while it had to read.
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    }
    let mut left = bytes;
    let mut deframer = Deframer::handshake(Prefix::Two);
    let local =
        LocalNode { name: Atom::new("caller@localhost")?, creation: 77, flags: Flags::offered() };
    let (mut machine, first) =
        Initiator::new(&local, Atom::new("victim@localhost")?, b"secret", 4711);
    let mut say = Some(first);
    loop {
        if let Some(message) = say.take() {
            let frame = Prefix::Two.frame(&message)?;
            let part = frame.get(..left.min(frame.len())).unwrap_or_default();
            stream.write_all(part).await?;
            left -= part.len();
            if part.len() < frame.len() {
                return Ok(true);
            }
        }
        let heard = loop {
            if let Some(Frame::Message(heard)) = deframer.next_frame()? {
                break heard;
            }
            let read = timeout(SOON, stream.read_buf(&mut deframer.space())).await??;
            ensure!(read > 0, "the node hung up after {} bytes", bytes - left);
        };
        match machine.receive(&heard)? {
            Progress::Established { .. } => return Ok(false),
            // The one before, of the whole handshake, has just gone.
            Progress::Alive(_) => bail!("an earlier caller is still there"),
            Progress::Continue { message, machine: next } => (say, machine) = (message, next),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_is_gone_after_any_byte_of_its_handshake_leaves_nothing_behind() -> Result<()>
{
    let node = builder("victim@localhost")?.interface(IpAddr::V4(Ipv4Addr::LOCALHOST)).build()?;
    node.listen().await?;
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, node.port().context("no port")?));
    let mut events = node.events();
    let mut bytes = 0;
    while call_for(bytes, to, bytes % 2 == 0).await? {
        bytes += 1;
    }
    // A name of 16 bytes behind 17, a digest behind 7.
    assert_eq!(bytes, 33 + 23);
    // Only the last call, which was whole, was ever a connection.
    let (mut up, mut down) = (0, 0);
    while down == 0 {
        match timeout(SOON, events.next()).await?.context("no events")? {
            NodeEvent::Up { .. } => up += 1,
            NodeEvent::Down { .. } => down += 1,
            _ => {}
        }
    }
    assert_eq!((up, down), (1, 1));
    let began = Instant::now();
    while node.stats().connections > 0 {
        ensure!(began.elapsed() < SOON, "a connection is left");
        sleep(Duration::from_millis(5)).await;
    }
    // And the name is free.
    let friend = builder("caller@localhost")?.peer_at("victim@localhost", to).build()?;
    assert!(friend.connect(&Atom::new("victim@localhost")?).await);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_dialled_and_gone_after_any_byte_of_its_answers_is_no_connection() -> Result<()> {
    // "ok", and a challenge: what a node answers before it wants a digest.
    let mut answers = b"\x00\x03sok".to_vec();
    let mut challenge = vec![b'N'];
    challenge.extend_from_slice(&Flags::offered().bits().to_be_bytes());
    challenge.extend_from_slice(&[0, 0, 0, 7, 0, 0, 0, 1, 0, 16]);
    challenge.extend_from_slice(b"victim@localhost");
    answers.extend_from_slice(&Prefix::Two.frame(&challenge)?);
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let node =
        builder("caller@localhost")?.peer_at("victim@localhost", listener.local_addr()?).build()?;
    let victim = Atom::new("victim@localhost")?;
    for bytes in 0..answers.len() {
        let dialled = async {
            let (mut stream, _) = listener.accept().await?;
            if bytes % 2 == 0 {
                socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
            }
            stream.write_all(answers.get(..bytes).unwrap_or_default()).await
        };
        let (connected, dialled) =
            timeout(SOON, async { tokio::join!(node.connect(&victim), dialled) })
                .await
                .with_context(|| format!("gone after {bytes} bytes, and still waited for"))?;
        dialled?;
        ensure!(!connected, "connected after {bytes} bytes");
        assert_eq!(node.stats().connections, 0);
    }
    Ok(())
}

/// A frame with a fragment's header, without atoms (erl_ext_dist, "Distribution Header for fragmented messages").
fn fragment(first: bool, sequence: u64, number: u64, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![131, if first { 69 } else { 70 }];
    frame.extend_from_slice(&sequence.to_be_bytes());
    frame.extend_from_slice(&number.to_be_bytes());
    if first {
        frame.push(0);
    }
    frame.extend_from_slice(body);
    frame
}

async fn next(process: &mut Process) -> Result<Term> {
    timeout(SOON, process.receive()).await?.map_err(|reason| anyhow::anyhow!("{reason}"))
}

#[tokio::test]
async fn garbage_amid_fragments_ends_its_connection_and_delivers_nothing_of_them() -> Result<()> {
    let memory = Memory::default();
    let node = builder("victim@here")?.carrier(memory.clone()).build()?;
    let mut me = node.attach()?;
    node.register("me", &me.pid())?;
    node.listen().await?;
    let mut events = node.events();
    let from = Pid::new("bad@here".into_atom(), 1, 0, 77);
    let send = term!({ (6), from, (Atom::from_static("")), 'me });
    let control = send.encode_to_vec().split_off(1);
    let begin = |payload: &[u8]| [&control[..], payload].concat();
    // A binary of six bytes in three fragments; in place of one of the last two comes something else.
    let first = fragment(true, 1, 3, &begin(&[109, 0, 0, 0, 6, 1, 2]));
    let (second, third) = (fragment(false, 1, 2, &[3, 4]), fragment(false, 1, 1, &[5, 6]));
    let garbage: [(&str, Vec<u8>); 6] = [
        ("no header", vec![1, 2, 3, 4]),
        ("a header cut short", vec![131, 70, 0, 0]),
        ("a fragment of nobody's", fragment(false, 9, 2, &[3, 4])),
        ("the first once more", first.clone()),
        ("a message without its term", [&[131, 68, 0], &control[..]].concat()),
        ("a pass-through message", [&[112, 131], &control[..], &[131, 97, 1]].concat()),
    ];
    for (what, garbage) in &garbage {
        for before in [&[&first][..], &[&first, &second]] {
            let flags = Flags::offered() - Flags::DIST_HDR_ATOM_CACHE;
            let mut bad =
                peer::connect(&memory, &peer::at(&node)?, "victim@here", "bad@here", flags).await?;
            for frame in before {
                bad.send(frame).await?;
            }
            bad.send(garbage).await?;
            // Whatever of this still comes is too late.
            let _ = bad.send(&second).await;
            let _ = bad.send(&third).await;
            timeout(SOON, bad.ended())
                .await
                .with_context(|| format!("{what}: still connected"))??;
            loop {
                let event = timeout(SOON, events.next()).await?.context("no events")?;
                let NodeEvent::Down { reason, .. } = event else { continue };
                ensure!(matches!(reason, DownReason::Protocol(_)), "{what}: {reason}");
                break;
            }
        }
    }
    // The same without garbage arrives, and nothing has before it; a small message between them, sooner.
    let flags = Flags::offered() - Flags::DIST_HDR_ATOM_CACHE;
    let mut good =
        peer::connect(&memory, &peer::at(&node)?, "victim@here", "good@here", flags).await?;
    good.send(&first).await?;
    good.send(&second).await?;
    good.send(&[&[131, 68, 0], &control[..], &[97, 7]].concat()).await?;
    good.send(&third).await?;
    assert_eq!(next(&mut me).await?, Term::from(7));
    assert_eq!(next(&mut me).await?, Term::from(bytes::Bytes::from_static(&[1, 2, 3, 4, 5, 6])));
    Ok(())
}
