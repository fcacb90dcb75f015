//! Unix sockets, for nodes on one machine: no port, no epmd, and whoever may open the socket is who the directory lets in.
//!
//! A node listens on the socket `DIR/NAME`, where NAME is its whole name (`rust@myhost`), so that both sides find each other
//! by their names alone. The BEAM's side is `local_dist.erl`, in this crate's folder `erlang`: `-proto_dist local`; the
//! [guide](super::guide) says how to use it in a shell, a release and with Mix.
//!
//! The directory belongs to the user that runs the node and is open to nobody else (mode 0700); it is made if absent. The
//! socket has mode 0600. A socket that nobody answers on, left behind by a node that was killed, is replaced.

mod claim;
mod halves;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::sleep;

use claim::Claimed;

use super::{Address, Carrier, Channel, Incoming, Listener, Promise};

/// The directory, for both sides, when nothing else is said; `erl` takes it from the environment too.
pub const DIRECTORY_VARIABLE: &str = "LOCAL_DIST_DIR";

/// The directory in the user's home when [`DIRECTORY_VARIABLE`] is not set: beside the cookie, which the two sides share too.
const IN_HOME: &str = ".erlang.dist";

/// Bytes in the path of a socket: `sun_path` has 108 with its end on Linux, 104 elsewhere; one goes to the dot before a name
/// that is being taken.
const LONGEST_PATH: usize = if cfg!(target_os = "linux") { 106 } else { 102 };

/// The kernel's buffers: a Unix socket has 208 KiB by default and does not adapt them; a write of a fragment and its
/// neighbours must not be cut into two.
const BUFFER: usize = 512 * 1024;

/// How long a caller waits when a listener's backlog is full; a BEAM's holds 128. The deadline of the whole attempt ends it.
const AGAIN: Duration = Duration::from_millis(10);

/// Unix sockets in a directory.
#[derive(Debug, Clone)]
pub struct Local {
    directory: PathBuf,
}

impl Local {
    /// Sockets in this directory, which is made when the node listens.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Sockets in the directory that `-proto_dist local` uses as well: `LOCAL_DIST_DIR`, else `~/.erlang.dist`.
    ///
    /// # Errors
    /// When neither that variable nor `HOME` is set.
    pub fn in_default_directory() -> io::Result<Self> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        if let Some(directory) = set(DIRECTORY_VARIABLE) {
            return Ok(Self::new(directory));
        }
        let home = set("HOME").ok_or_else(|| {
            let why =
                format!("no directory for sockets: neither {DIRECTORY_VARIABLE} nor HOME is set");
            io::Error::new(io::ErrorKind::NotFound, why)
        })?;
        Ok(Self::new(Path::new(&home).join(IN_HOME)))
    }

    /// Where `node` listens.
    fn path(&self, node: &str) -> io::Result<PathBuf> {
        if node.is_empty() || node.contains(['/', '\0']) || node.starts_with('.') {
            let why = format!("`{node}` cannot be the name of a file");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let path = self.directory.join(node);
        let length = path.as_os_str().len();
        if length > LONGEST_PATH {
            let why = format!(
                "the socket {} has a path of {length} bytes, and the system takes {LONGEST_PATH}: choose a shorter \
                 directory with {DIRECTORY_VARIABLE} or --local, the same for both sides",
                path.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        Ok(path)
    }
}

impl Carrier for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn listen<'a>(&'a self, node: &'a str) -> Promise<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let path = self.path(node)?;
            make_directory(&self.directory)?;
            is_ours_alone(&self.directory)?;
            let (listener, claimed) = claim::listen(path).await?;
            Ok(Box::new(LocalDoor { listener, claimed }) as Box<dyn Listener>)
        })
    }

    fn connect<'a>(&'a self, node: &'a str, to: &'a Address) -> Promise<'a, io::Result<Channel>> {
        Box::pin(async move {
            let Address::Path(path) = to else {
                let why = format!("a Unix socket cannot lead to {to}");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
            };
            // Whoever could put a socket there could be any node.
            is_ours_alone(path.parent().unwrap_or_else(|| Path::new(".")))?;
            let stream = loop {
                match UnixStream::connect(path).await {
                    // No room in the backlog, where TCP would try again by itself.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(AGAIN).await,
                    done => break done,
                }
            };
            let stream = stream.map_err(|error| match error.kind() {
                io::ErrorKind::ConnectionRefused => io::Error::new(
                    error.kind(),
                    format!("{node} has left its socket behind and is gone"),
                ),
                _ => error,
            })?;
            channel(stream, to.clone())
        })
    }

    /// A node that has no socket may be elsewhere: another carrier is asked.
    fn locate(&self, node: &str) -> Option<Address> {
        let path = self.path(node).ok()?;
        let is_socket = fs::metadata(&path).ok()?.file_type().is_socket();
        is_socket.then_some(Address::Path(path))
    }

    fn reaches(&self, address: &Address) -> bool {
        matches!(address, Address::Path(_))
    }

    fn is_private(&self) -> bool {
        true
    }
}

fn make_directory(directory: &Path) -> io::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|error| {
        let why = format!(
            "the directory {} cannot be made ({error}): make it, or name another with {DIRECTORY_VARIABLE} or --local, \
             the same for both sides",
            directory.display()
        );
        io::Error::new(error.kind(), why)
    })
}

/// Makes sure that nobody else can come in: whoever can write there can be any node.
fn is_ours_alone(directory: &Path) -> io::Result<()> {
    let found = fs::metadata(directory)?;
    let mode = found.mode() & 0o777;
    let refuse = |why: String| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    let shown = directory.display();
    let us = rustix::process::geteuid().as_raw();
    if found.uid() != us {
        return refuse(format!(
            "the directory {shown} belongs to user {}, and this node runs as {us}: run both nodes as the same user",
            found.uid()
        ));
    }
    if mode & 0o077 != 0 {
        return refuse(format!(
            "the directory {shown} is open to others (mode {mode:03o}): `chmod 700 {shown}`"
        ));
    }
    Ok(())
}

fn channel(stream: UnixStream, peer: Address) -> io::Result<Channel> {
    let socket = SockRef::from(&stream);
    socket.set_send_buffer_size(BUFFER)?;
    socket.set_recv_buffer_size(BUFFER)?;
    let (reader, writer) = halves::split(stream)?;
    Ok(Channel { reader: Box::new(reader), writer: Box::new(writer), peer, identity: Vec::new() })
}

#[derive(Debug)]
struct LocalDoor {
    listener: UnixListener,
    /// Dropped after the listener: who finds the name free must not find somebody behind it.
    claimed: Claimed,
}

impl Listener for LocalDoor {
    fn address(&self) -> Address {
        Address::Path(self.claimed.path().to_owned())
    }

    fn accept(&mut self) -> Promise<'_, io::Result<Incoming>> {
        Box::pin(async move {
            let (stream, _) = self.listener.accept().await?;
            let peer = self.address();
            Ok(Incoming {
                peer: peer.clone(),
                channel: Box::pin(async move { channel(stream, peer) }),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NODE: &str = "rust@here";

    fn directory() -> (tempfile::TempDir, Local) {
        let home = tempfile::tempdir().unwrap();
        let local = Local::new(home.path().join("dist"));
        (home, local)
    }

    async fn refused(local: &Local) -> String {
        match local.listen(NODE).await {
            Ok(_) => panic!("it listens"),
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test]
    async fn the_socket_is_for_its_user_alone_and_goes_with_its_listener() {
        let (home, local) = directory();
        let door = local.listen(NODE).await.unwrap();
        let path = home.path().join("dist").join(NODE);
        assert_eq!(door.address(), Address::Path(path.clone()));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(home.path().join("dist")).unwrap().mode() & 0o777, 0o700);
        assert_eq!(local.locate(NODE), Some(Address::Path(path.clone())));
        drop(door);
        assert!(!path.exists());
        assert_eq!(local.locate(NODE), None);
    }

    #[tokio::test]
    async fn a_name_that_answers_is_taken_and_a_socket_left_behind_is_replaced() {
        let (home, local) = directory();
        let door = local.listen(NODE).await.unwrap();
        assert!(refused(&local).await.contains("taken"));
        // Killed: the socket stays, and nobody answers.
        let path = home.path().join("dist").join(NODE);
        fs::hard_link(&path, home.path().join("kept")).unwrap();
        drop(door);
        fs::rename(home.path().join("kept"), &path).unwrap();
        let error = local.connect(NODE, &Address::Path(path)).await.unwrap_err().to_string();
        assert!(error.contains(NODE), "{error}");
        assert!(local.listen(NODE).await.is_ok());
    }

    #[tokio::test]
    async fn a_directory_that_others_can_open_is_refused_with_what_to_do() {
        let (home, local) = directory();
        let dist = home.path().join("dist");
        fs::create_dir(&dist).unwrap();
        for mode in [0o755, 0o710, 0o701, 0o777] {
            fs::set_permissions(&dist, Permissions::from_mode(mode)).unwrap();
            let why = refused(&local).await;
            assert!(why.contains("chmod 700"), "{mode:o}: {why}");
        }
        fs::set_permissions(&dist, Permissions::from_mode(0o700)).unwrap();
        assert!(local.listen(NODE).await.is_ok());
        // A caller looks too.
        let door = local.listen(NODE).await.unwrap();
        fs::set_permissions(&dist, Permissions::from_mode(0o750)).unwrap();
        let why = local.connect(NODE, &door.address()).await.unwrap_err().to_string();
        assert!(why.contains("chmod 700"), "{why}");
    }

    #[tokio::test]
    async fn a_directory_that_cannot_be_made_is_said_by_its_path() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), "").unwrap();
        let why = refused(&Local::new(home.path().join("file/dist"))).await;
        assert!(why.contains("file/dist") && why.contains(DIRECTORY_VARIABLE), "{why}");
    }

    /// Threads, so that they are at it at the same time.
    #[test]
    fn of_nodes_of_one_name_that_start_at_once_one_gets_it_also_where_a_killed_one_left_a_socket() {
        let (home, local) = directory();
        let path = home.path().join("dist").join(NODE);
        make_directory(&home.path().join("dist")).unwrap();
        for round in 0..50 {
            if round % 2 == 0 {
                drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
            }
            let listening: Vec<_> = std::thread::scope(|scope| {
                let contenders: Vec<_> = (0..8)
                    .map(|_| {
                        scope.spawn(|| {
                            let mut builder = tokio::runtime::Builder::new_current_thread();
                            let runtime = builder.enable_all().build().unwrap();
                            (runtime.block_on(local.listen(NODE)), runtime)
                        })
                    })
                    .collect();
                contenders.into_iter().map(|contender| contender.join().unwrap()).collect()
            });
            let (winners, losers): (Vec<_>, Vec<_>) =
                listening.into_iter().partition(|(listening, _)| listening.is_ok());
            assert_eq!(winners.len(), 1, "round {round}");
            for (loser, _) in losers {
                let why = loser.err().unwrap().to_string();
                assert!(why.contains("taken"), "{why}");
            }
            assert!(std::os::unix::net::UnixStream::connect(&path).is_ok());
            drop(winners);
            let left: Vec<_> = fs::read_dir(home.path().join("dist")).unwrap().collect();
            assert!(left.is_empty(), "round {round}: {left:?}");
        }
    }

    #[tokio::test]
    async fn a_claim_left_by_a_node_killed_in_the_middle_is_nobodys() {
        let (home, local) = directory();
        let dist = home.path().join("dist");
        make_directory(&dist).unwrap();
        drop(std::os::unix::net::UnixListener::bind(dist.join(format!(".{NODE}"))).unwrap());
        assert!(local.listen(NODE).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_no_socket_is_not_removed() {
        let (home, local) = directory();
        drop(local.listen(NODE).await.unwrap());
        let path = home.path().join("dist").join(NODE);
        fs::write(&path, "precious").unwrap();
        assert!(refused(&local).await.contains("no socket"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        assert_eq!(local.locate(NODE), None);
    }

    #[tokio::test]
    async fn names_that_lead_out_of_the_directory_and_paths_that_are_too_long_are_refused() {
        let (home, local) = directory();
        for name in ["a@../../etc", "..", "a@b/c", ""] {
            assert!(local.listen(name).await.is_err(), "{name}");
            assert_eq!(local.locate(name), None);
        }
        let deep = Local::new(home.path().join("d".repeat(120)));
        assert!(refused(&deep).await.contains("106") || cfg!(not(target_os = "linux")));
    }
}
