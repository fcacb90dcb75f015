//! A gate on a real connection.

use std::future::poll_fn;
use std::net::Ipv4Addr;

use nix::sys::socket::getsockopt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Longer than any test: this timer does not ring.
const NEVER: Duration = Duration::from_secs(3_600);

struct Ends {
    reader: FloodReader,
    writer: FloodWriter<OwnedWriteHalf>,
    peer: TcpStream,
}

/// Both ends of a connection, on ours a flood under way, and the gate closed.
async fn in_a_flood(stride: Duration) -> io::Result<Ends> {
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let (peer, ours) = tokio::join!(TcpStream::connect(door.local_addr()?), door.accept());
    let (peer, (reader, writer)) = (peer?, ours?.0.into_split());
    peer.set_nodelay(true)?;
    let (mut reader, writer) = halves(reader, writer, stride);
    // 1,000 bytes in no time at all.
    let now = Instant::now();
    (0..1_000).for_each(|_| reader.judge.has_read(1, || now));
    assert!(reader.judge.is_flood());
    reader.begins();
    let mut ends = Ends { reader, writer, peer };
    assert!(ends.passes().await?.is_none());
    Ok(ends)
}

impl Ends {
    /// What can be read without waiting.
    async fn passes(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut space = [0; 100];
        let mut buffer = ReadBuf::new(&mut space);
        let poll = poll_fn(|cx| Poll::Ready(Pin::new(&mut self.reader).poll_read(cx, &mut buffer)));
        Ok(match poll.await {
            Poll::Ready(read) => read.map(|()| Some(buffer.filled().to_vec()))?,
            Poll::Pending => None,
        })
    }

    /// The peer sends this, and it lies in our kernel.
    async fn sends(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.peer.write_all(bytes).await?;
        while rustix::io::ioctl_fionread(self.reader.half.as_ref())? < bytes.len() as u64 {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut space = [0; 100];
        let read = self.reader.read(&mut space).await?;
        Ok(space[..read].to_vec())
    }

    fn mark(&self) -> io::Result<i32> {
        Ok(getsockopt(self.reader.half.as_ref(), ReceiveLowWater)?)
    }
}

#[tokio::test]
async fn what_comes_in_a_flood_lies_in_the_kernel_until_the_timer_rings() -> io::Result<()> {
    let mut ends = in_a_flood(NEVER).await?;
    assert_eq!(ends.mark()?, KEPT);
    ends.sends(b"kept").await?;
    for _ in 0..100 {
        assert_eq!(ends.passes().await?, None);
        tokio::task::yield_now().await;
    }
    let mut ends = in_a_flood(Duration::from_micros(200)).await?;
    ends.sends(b"passes").await?;
    assert_eq!(ends.read().await?, b"passes");
    Ok(())
}

#[tokio::test]
async fn when_nothing_more_comes_the_flood_is_over_and_a_single_byte_passes() -> io::Result<()> {
    let mut ends = in_a_flood(Duration::from_micros(200)).await?;
    while ends.reader.gate.is_some() {
        assert_eq!(ends.passes().await?, None);
        tokio::task::yield_now().await;
    }
    assert_eq!(ends.mark()?, 1);
    ends.sends(b"1").await?;
    assert_eq!(ends.read().await?, b"1");
    Ok(())
}

#[tokio::test]
async fn an_answer_opens_the_gate_for_what_lies_there_already() -> io::Result<()> {
    let mut ends = in_a_flood(NEVER).await?;
    ends.sends(b"a question").await?;
    let (reader, writer) = (&mut ends.reader, &mut ends.writer);
    let mut space = [0; 100];
    let (read, wrote) = tokio::join!(reader.read(&mut space), async {
        tokio::task::yield_now().await;
        writer.write_all(b"an answer").await
    });
    wrote?;
    assert_eq!(space[..read?], *b"a question");
    assert!(ends.reader.gate.is_none());
    assert_eq!(ends.mark()?, 1);
    Ok(())
}

#[tokio::test]
async fn as_much_as_the_kernel_keeps_passes_and_so_does_the_end() -> io::Result<()> {
    let mut ends = in_a_flood(NEVER).await?;
    let much = vec![7; KEPT as usize];
    ends.sends(&much).await?;
    let mut read = 0;
    while read < much.len() {
        read += ends.read().await?.len();
    }
    // The gate has closed again.
    assert_eq!((ends.passes().await?, ends.mark()?), (None, KEPT));
    ends.sends(b"last words").await?;
    assert_eq!(ends.passes().await?, None);
    ends.peer.shutdown().await?;
    assert_eq!(ends.read().await?, b"last words");
    assert_eq!(ends.read().await?, b"");
    Ok(())
}

/// Whatever the machine makes of it, flood or not: every byte, once, in order.
#[tokio::test]
async fn a_flood_with_pauses_and_answers_arrives_whole() -> io::Result<()> {
    const MESSAGES: u32 = 100_000;
    let Ends { mut reader, mut writer, peer } = in_a_flood(Duration::from_micros(200)).await?;
    let peer = peer.into_std()?;
    peer.set_nonblocking(false)?;
    let sender = std::thread::spawn(move || {
        use std::io::{Read, Write};
        for number in 0..MESSAGES {
            (&peer).write_all(&number.to_be_bytes())?;
            if number % 10_000 == 9_999 {
                (&peer).read_exact(&mut [0])?;
            }
        }
        io::Result::Ok(())
    });
    for number in 0..MESSAGES {
        assert_eq!(reader.read_u32().await?, number);
        if number % 10_000 == 9_999 {
            writer.write_all(&[0]).await?;
        }
    }
    sender.join().map_err(|_| io::Error::other("the sender panicked"))??;
    assert_eq!(reader.read(&mut [0]).await?, 0);
    Ok(())
}
