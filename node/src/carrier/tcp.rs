//! TCP, as `inet_tcp_dist` and `inet6_tcp_dist`: IPv4 or IPv6, a port range, an interface, socket options.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::AsyncWrite;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

#[cfg(target_os = "linux")]
use super::flood;
#[cfg(target_os = "linux")]
use super::low_water::LowWater;
use super::{Address, Carrier, Channel, Incoming, Listener, Promise};

/// How many callers wait in the kernel until they are accepted. OTP asks for 128, and 2,000 callers at once then waited
/// 11 s for retransmissions of their SYN; the kernel caps this at `net.core.somaxconn` (4,096 by default).
const BACKLOG: i32 = 4_096;

/// How much written and yet unsent data the kernel keeps. What is in there cannot be overtaken by a small message;
/// 128 KiB is two fragments of OTP's size, and enough for the full rate of a network; over the loopback it becomes more (`low_water`).
const NOT_SENT_LOW_WATER: u32 = 128 * 1024;

/// How often a flood is looked at: a BEAM that does nothing else sends some hundred messages in that time, which together cost half
/// of what they do one by one. With 100 us there is little to gain, and nobody is to wait for much longer.
const GATHER: Duration = Duration::from_micros(200);

/// The longest that a message may be made to wait so.
#[cfg(target_os = "linux")]
const MOST_GATHER: Duration = Duration::from_millis(10);

/// Plain TCP.
#[derive(Debug, Clone, Default)]
pub struct Tcp {
    options: TcpOptions,
}

/// What can be set about TCP.
#[derive(Debug, Clone)]
pub struct TcpOptions {
    /// The address to listen on, as `inet_dist_use_interface`. Its family is the node's family.
    pub interface: IpAddr,
    /// The ports to try, lowest first, as `inet_dist_listen_min` and `inet_dist_listen_max`; `0..=0` takes any free one.
    pub ports: RangeInclusive<u16>,
    /// Sends small messages at once instead of gathering them (`TCP_NODELAY`), as `dist_nodelay`. The connection gathers
    /// by itself what is sent together, so leave it on.
    pub nodelay: bool,
    /// Idle time after which the kernel asks whether the peer is still there; `None` leaves it to the ticks.
    pub keepalive: Option<Duration>,
    /// The kernel's send buffer in bytes; `None` lets it adapt.
    pub send_buffer: Option<usize>,
    /// The kernel's receive buffer in bytes; `None` lets it adapt.
    pub receive_buffer: Option<usize>,
    /// Written and yet unsent bytes the kernel keeps (`TCP_NOTSENT_LOWAT`, on Linux): the lower, the sooner a small
    /// message overtakes a large one. On a plain TCP channel that takes more than so many in half a millisecond, they are as many as it
    /// takes in that time, up to 1 MiB. `None` leaves it at the system's setting.
    pub not_sent_low_water: Option<u32>,
    /// How often we look at a flood of small messages, instead of being woken for each (`SO_RCVLOWAT`, on Linux from 4.18 on). It is a flood
    /// when 64 reads come within so short a time that four fall into this one, and nothing is sent meanwhile: so an answer never
    /// waits, and what comes in a flood does for this time, twice at most. A node spends half the processor time on it, and so does
    /// the BEAM that sends it. Over plain TCP only. From 0, which is as `None` and reads every message as it comes, to 10 ms; more
    /// is taken for that, as nobody looks at such a connection in between.
    pub gather: Option<Duration>,
    /// How many callers wait until they are accepted.
    pub backlog: i32,
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self {
            interface: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            ports: 0..=0,
            nodelay: true,
            keepalive: None,
            send_buffer: None,
            receive_buffer: None,
            not_sent_low_water: Some(NOT_SENT_LOW_WATER),
            gather: Some(GATHER),
            backlog: BACKLOG,
        }
    }
}

impl TcpOptions {
    /// All interfaces of IPv6 instead of IPv4, as `-proto_dist inet6_tcp`.
    #[must_use]
    pub fn v6() -> Self {
        Self { interface: IpAddr::V6(Ipv6Addr::UNSPECIFIED), ..Self::default() }
    }
}

impl Tcp {
    /// TCP with these options.
    #[must_use]
    pub fn new(options: TcpOptions) -> Self {
        Self { options }
    }
}

impl Carrier for Tcp {
    fn name(&self) -> &'static str {
        "tcp"
    }

    fn listen<'a>(&'a self, _node: &'a str) -> Promise<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener = bind(&self.options)?;
            Ok(Box::new(TcpDoor { listener, options: self.options.clone() }) as Box<dyn Listener>)
        })
    }

    fn connect<'a>(&'a self, _node: &'a str, to: &'a Address) -> Promise<'a, io::Result<Channel>> {
        Box::pin(
            async move { Ok(channel(dial(to, &self.options).await?, to.clone(), &self.options)) },
        )
    }

    fn reaches(&self, address: &Address) -> bool {
        matches!(address, Address::Socket(_))
    }
}

/// Tries the range from its low end, as `inet_tcp_dist:do_listen/4` does.
pub(super) fn bind(options: &TcpOptions) -> io::Result<TcpListener> {
    for port in options.ports.clone() {
        match bind_to(SocketAddr::new(options.interface, port), options) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            done => return done,
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        format!(
            "no free port from {} to {} on {}",
            options.ports.start(),
            options.ports.end(),
            options.interface
        ),
    ))
}

fn bind_to(address: SocketAddr, options: &TcpOptions) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    buffer_sizes(&SockRef::from(&socket), options)?;
    socket.bind(&address.into())?;
    socket.listen(options.backlog)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

/// Connects, with every option set.
pub(super) async fn dial(to: &Address, options: &TcpOptions) -> io::Result<TcpStream> {
    let Address::Socket(to) = to else {
        let why = format!("TCP cannot connect to {to}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    };
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    buffer_sizes(&SockRef::from(&socket), options)?;
    let stream = socket.connect(*to).await?;
    tune(&stream, options)?;
    Ok(stream)
}

/// Buffer sizes count for the window only when they are set before the connection is made.
fn buffer_sizes(socket: &SockRef<'_>, options: &TcpOptions) -> io::Result<()> {
    if let Some(bytes) = options.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    Ok(())
}

/// Sets what can be set on an open connection.
pub(super) fn tune(stream: &TcpStream, options: &TcpOptions) -> io::Result<()> {
    stream.set_nodelay(options.nodelay)?;
    let socket = SockRef::from(&stream);
    if let Some(idle) = options.keepalive {
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))?;
    }
    #[cfg(target_os = "linux")]
    if let Some(bytes) = options.not_sent_low_water {
        socket.set_tcp_notsent_lowat(bytes)?;
    }
    Ok(())
}

fn channel(stream: TcpStream, peer: Address, options: &TcpOptions) -> Channel {
    let (reader, writer) = stream.into_split();
    let writer: Box<dyn AsyncWrite + Send + Unpin> = match options.not_sent_low_water {
        #[cfg(target_os = "linux")]
        Some(least) => Box::new(LowWater::new(writer, least)),
        _ => Box::new(writer),
    };
    let identity = Vec::new();
    match options.gather {
        #[cfg(target_os = "linux")]
        Some(stride) if !stride.is_zero() && flood::is_known() => {
            let (reader, writer) = flood::halves(reader, writer, stride.min(MOST_GATHER));
            Channel { reader: Box::new(reader), writer: Box::new(writer), peer, identity }
        }
        _ => Channel { reader: Box::new(reader), writer, peer, identity },
    }
}

#[derive(Debug)]
struct TcpDoor {
    listener: TcpListener,
    options: TcpOptions,
}

impl Listener for TcpDoor {
    fn address(&self) -> Address {
        match self.listener.local_addr() {
            Ok(address) => Address::Socket(address),
            Err(_) => Address::Socket(SocketAddr::new(self.options.interface, 0)),
        }
    }

    fn accept(&mut self) -> Promise<'_, io::Result<Incoming>> {
        Box::pin(async move {
            let (stream, peer) = self.listener.accept().await?;
            let (options, peer) = (self.options.clone(), Address::Socket(peer));
            Ok(Incoming {
                peer: peer.clone(),
                channel: Box::pin(async move {
                    tune(&stream, &options)?;
                    Ok(channel(stream, peer, &options))
                }),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn loopback(ports: RangeInclusive<u16>) -> Tcp {
        Tcp::new(TcpOptions {
            interface: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ports,
            ..TcpOptions::default()
        })
    }

    async fn carries_bytes_both_ways(tcp: Tcp) -> io::Result<()> {
        let mut listener = tcp.listen("a@localhost").await?;
        let address = listener.address();
        let (near, far) = tokio::join!(tcp.connect("a@localhost", &address), listener.accept());
        let (mut near, mut far) = (near?, far?.channel.await?);
        near.writer.write_all(b"there").await?;
        far.writer.write_all(b"back").await?;
        near.writer.shutdown().await?;
        let mut received = Vec::new();
        far.reader.read_to_end(&mut received).await?;
        assert_eq!(received, b"there");
        far.writer.shutdown().await?;
        received.clear();
        near.reader.read_to_end(&mut received).await?;
        assert_eq!(received, b"back");
        Ok(())
    }

    #[tokio::test]
    async fn a_channel_carries_bytes_both_ways_and_shows_the_end() -> io::Result<()> {
        carries_bytes_both_ways(loopback(0..=0)).await
    }

    #[tokio::test]
    async fn an_ipv6_interface_makes_an_ipv6_listener() -> io::Result<()> {
        carries_bytes_both_ways(Tcp::new(TcpOptions {
            interface: IpAddr::V6(Ipv6Addr::LOCALHOST),
            ..TcpOptions::default()
        }))
        .await
    }

    #[tokio::test]
    async fn the_lowest_free_port_of_the_range_is_taken_and_an_exhausted_range_is_said()
    -> io::Result<()> {
        let first = loopback(0..=0).listen("a@localhost").await?;
        let Some(port) = first.address().port() else { return Err(io::ErrorKind::Other.into()) };
        let Err(error) = loopback(port..=port).listen("b@localhost").await else {
            return Err(io::Error::other("a taken port was given out twice"));
        };
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&port.to_string()), "{error}");
        Ok(())
    }

    /// What the kernel says of a dialled and of an accepted connection. It doubles the buffers' sizes for its own needs.
    #[tokio::test]
    async fn options_are_what_the_sockets_have_on_both_ends() -> io::Result<()> {
        for (nodelay, keepalive, buffer) in
            [(true, Some(Duration::from_secs(77)), 40_000), (false, None, 60_000)]
        {
            let options = TcpOptions {
                interface: Ipv4Addr::LOCALHOST.into(),
                nodelay,
                keepalive,
                send_buffer: Some(buffer),
                receive_buffer: Some(buffer + 1_000),
                not_sent_low_water: Some(33_000),
                ..TcpOptions::default()
            };
            let door = TcpDoor { listener: bind(&options)?, options: options.clone() };
            let address = door.address();
            let (dialled, accepted) =
                tokio::join!(dial(&address, &options), door.listener.accept());
            let (dialled, accepted) = (dialled?, accepted?.0);
            tune(&accepted, &options)?;
            for socket in [SockRef::from(&dialled), SockRef::from(&accepted)] {
                assert_eq!(socket.tcp_nodelay()?, nodelay);
                assert_eq!(socket.keepalive()?, keepalive.is_some());
                if let Some(idle) = keepalive {
                    assert_eq!(socket.tcp_keepalive_time()?, idle);
                }
                let grown = if cfg!(target_os = "linux") { 2 } else { 1 };
                assert_eq!(socket.send_buffer_size()?, grown * buffer);
                assert_eq!(socket.recv_buffer_size()?, grown * (buffer + 1_000));
                #[cfg(target_os = "linux")]
                assert_eq!(socket.tcp_notsent_lowat()?, 33_000);
            }
        }
        Ok(())
    }

    #[tokio::test]
    async fn without_a_word_small_messages_are_not_held_back_and_the_ticks_do_without_keepalive()
    -> io::Result<()> {
        let door =
            TcpDoor { listener: bind(&TcpOptions::default())?, options: TcpOptions::default() };
        let Some(port) = door.address().port() else { return Err(io::ErrorKind::Other.into()) };
        let to = Address::Socket((Ipv4Addr::LOCALHOST, port).into());
        let dialled = dial(&to, &TcpOptions::default()).await?;
        let socket = SockRef::from(&dialled);
        assert!(socket.tcp_nodelay()? && !socket.keepalive()?);
        Ok(())
    }
}
