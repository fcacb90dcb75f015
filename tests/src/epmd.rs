//! Private epmd daemons, and epmd's requests made by hand (erl_dist_protocol, "EPMD Protocol").

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::group::Group;
use crate::otp::Otp;

/// A port below the range the kernel hands out by itself, so that nothing takes it between our look and its use.
pub fn free_port() -> Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let base = std::process::id().wrapping_mul(61);
    for _ in 0..2000 {
        let offset = base.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        let port = 20_000 + u16::try_from(offset)?;
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between 20000 and 32000")
}

/// Starts a release's own epmd on `port` and waits until it answers.
pub fn start(otp: &Otp, port: u16) -> Result<Group> {
    let mut command = otp.command("epmd");
    command.args(["-port", &port.to_string()]);
    let group = Group::start("epmd", command)?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while names(port).is_err() {
        ensure!(Instant::now() < deadline, "epmd does not answer on port {port}");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(group)
}

fn connect(port: u16) -> Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    Ok(stream)
}

/// Sends one request (its 2-byte length is added) on a connection of its own and reads to the end.
pub fn ask(port: u16, request: &[u8]) -> Result<Vec<u8>> {
    let mut stream = connect(port)?;
    stream.write_all(&framed(request)?)?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).context("epmd did not close after its reply")?;
    Ok(reply)
}

/// A request behind its 2-byte length.
pub fn framed(request: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = u16::try_from(request.len())?.to_be_bytes().to_vec();
    bytes.extend_from_slice(request);
    Ok(bytes)
}

/// NAMES_REQ: the registered names with their ports.
pub fn names(port: u16) -> Result<Vec<(String, u16)>> {
    let reply = ask(port, b"n")?;
    ensure!(
        reply.get(..4) == Some(&u32::from(port).to_be_bytes()),
        "not epmd's own port in front: {reply:?}"
    );
    let text = String::from_utf8(reply[4..].to_vec())?;
    let mut found = Vec::new();
    for line in text.lines() {
        // "name NAME at port PORT"
        let words: Vec<&str> = line.split(' ').collect();
        let ["name", name, "at", "port", port] = words[..] else {
            bail!("an odd line of names: {line:?}")
        };
        found.push((name.to_owned(), port.parse()?));
    }
    Ok(found)
}

/// What PORT2_RESP tells about a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The port of its listener.
    pub port: u16,
    /// 77 for an ordinary node, 72 for a hidden one.
    pub kind: u8,
    /// Highest and lowest distribution version.
    pub versions: (u16, u16),
    /// The name as registered.
    pub name: String,
}

/// PORT_PLEASE2_REQ; `None` where the name is not registered.
pub fn look_up(port: u16, name: &str) -> Result<Option<Found>> {
    let mut request = vec![b'z'];
    request.extend_from_slice(name.as_bytes());
    let reply = ask(port, &request)?;
    match reply[..] {
        [119, result] if result != 0 => Ok(None),
        [119, 0, p1, p2, kind, 0, h1, h2, l1, l2, n1, n2, ref rest @ ..] => {
            let length = usize::from(u16::from_be_bytes([n1, n2]));
            let name = rest.get(..length).context("a name shorter than its length")?;
            Ok(Some(Found {
                port: u16::from_be_bytes([p1, p2]),
                kind,
                versions: (u16::from_be_bytes([h1, h2]), u16::from_be_bytes([l1, l2])),
                name: String::from_utf8(name.to_vec())?,
            }))
        }
        _ => bail!("not a PORT2_RESP: {reply:?}"),
    }
}

/// A registration, held by its open connection.
#[derive(Debug)]
pub struct Registered {
    /// Closing it ends the registration.
    pub stream: TcpStream,
    /// The creation epmd gave.
    pub creation: u32,
}

/// The bytes of an ALIVE2_REQ, without its length.
pub fn alive2(name: &[u8], listener: u16) -> Result<Vec<u8>> {
    let mut request = vec![b'x'];
    request.extend_from_slice(&listener.to_be_bytes());
    request.extend_from_slice(&[72, 0, 0, 6, 0, 5]); // hidden, TCP, highest 6, lowest 5
    request.extend_from_slice(&u16::try_from(name.len())?.to_be_bytes());
    request.extend_from_slice(name);
    request.extend_from_slice(&[0, 0]);
    Ok(request)
}

/// ALIVE2_REQ; an error where epmd refuses.
pub fn register(port: u16, name: &[u8], listener: u16) -> Result<Registered> {
    let mut stream = connect(port)?;
    stream.write_all(&framed(&alive2(name, listener)?)?)?;
    let mut reply = [0; 6];
    stream.read_exact(&mut reply[..2]).context("no reply to ALIVE2_REQ")?;
    ensure!(
        reply[1] == 0,
        "epmd refuses the name {:?}: {:?}",
        String::from_utf8_lossy(name),
        &reply[..2]
    );
    ensure!(reply[0] == 118, "not the reply with a 32-bit creation: {:?}", &reply[..2]);
    stream.read_exact(&mut reply[2..]).context("a short ALIVE2_X_RESP")?;
    Ok(Registered {
        stream,
        creation: u32::from_be_bytes([reply[2], reply[3], reply[4], reply[5]]),
    })
}

/// Waits until `name` is registered (or gone).
pub fn wait_for(port: u16, name: &str, there: bool, within: Duration) -> Result<()> {
    let deadline = Instant::now() + within;
    loop {
        let known = names(port).map(|names| names.iter().any(|(known, _)| known == name));
        if known.as_ref().is_ok_and(|&known| known == there) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!(
                "{name} should be {} at epmd {port} within {within:?}: {known:?}",
                if there { "registered" } else { "gone" }
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
