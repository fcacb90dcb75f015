//! Unix sockets, for nodes on one machine: no port, no epmd, and whoever may open the socket is who the directory lets in.
//!
//! A node listens on the socket `DIR/NAME`, where NAME is its whole name (`rust@myhost`), so that both sides find each other
//! by their names alone. The BEAM's side is `local_dist.erl`, in this crate's folder `erlang`: `-proto_dist local`; the
//! [guide](super::guide) says how to use it in a shell, a release and with Mix.
//!
//! The directory belongs to the user that runs the node and is open to nobody else (mode 0700); it is made if absent. The
//! socket has mode 0600. A socket that nobody answers on, left behind by a node that was killed, is replaced.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use socket2::SockRef;
use tokio::net::{UnixListener, UnixStream};

use super::{Address, Carrier, Channel, Incoming, Listener, Promise};

/// The directory, for both sides, when nothing else is said; `erl` takes it from the environment too.
pub const DIRECTORY_VARIABLE: &str = "LOCAL_DIST_DIR";

/// The directory in the user's home when [`DIRECTORY_VARIABLE`] is not set: beside the cookie, which the two sides share too.
const IN_HOME: &str = ".erlang.dist";

/// Bytes in the path of a socket: `sun_path` has 108 with its end on Linux, 104 elsewhere.
const LONGEST_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// The kernel's buffers: a Unix socket has 208 KiB by default and does not adapt them; a write of a fragment and its
/// neighbours must not be cut into two.
const BUFFER: usize = 512 * 1024;

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
            own_directory(&self.directory)?;
            make_room(&path).await?;
            let listener = UnixListener::bind(&path)?;
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            let inode = fs::metadata(&path)?.ino();
            Ok(Box::new(LocalDoor { listener, path, inode }) as Box<dyn Listener>)
        })
    }

    fn connect<'a>(&'a self, node: &'a str, to: &'a Address) -> Promise<'a, io::Result<Channel>> {
        Box::pin(async move {
            let Address::Path(path) = to else {
                let why = format!("a Unix socket cannot lead to {to}");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
            };
            let stream = UnixStream::connect(path).await.map_err(|error| match error.kind() {
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

/// Makes the directory, or makes sure that it is ours alone: whoever can write there can be any node.
fn own_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let found = fs::metadata(directory)?;
    let mode = found.mode() & 0o777;
    let refuse = |why: String| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    let shown = directory.display();
    if mode & 0o077 != 0 {
        return refuse(format!(
            "the directory {shown} is open to others (mode {mode:03o}): `chmod 700 {shown}`"
        ));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return refuse(format!(
            "the directory {shown} belongs to another user: run both nodes as the same one"
        ));
    }
    Ok(())
}

/// Removes a socket that nobody answers on.
async fn make_room(path: &Path) -> io::Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    let refuse = |why: String| Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
    if !found.file_type().is_socket() {
        return refuse(format!("{} is in the way, and it is no socket: remove it", path.display()));
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(_) => refuse(format!(
            "the name is taken: another node answers on {}. Choose another name, or stop that node",
            path.display()
        )),
        Err(error) => Err(error),
    }
}

fn channel(stream: UnixStream, peer: Address) -> io::Result<Channel> {
    let socket = SockRef::from(&stream);
    socket.set_send_buffer_size(BUFFER)?;
    socket.set_recv_buffer_size(BUFFER)?;
    let (reader, writer) = stream.into_split();
    Ok(Channel { reader: Box::new(reader), writer: Box::new(writer), peer, identity: Vec::new() })
}

#[derive(Debug)]
struct LocalDoor {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl Listener for LocalDoor {
    fn address(&self) -> Address {
        Address::Path(self.path.clone())
    }

    fn accept(&mut self) -> Promise<'_, io::Result<Incoming>> {
        Box::pin(async move {
            let (stream, _) = self.listener.accept().await?;
            let peer = Address::Path(self.path.clone());
            Ok(Incoming {
                peer: peer.clone(),
                channel: Box::pin(async move { channel(stream, peer) }),
            })
        })
    }
}

impl Drop for LocalDoor {
    fn drop(&mut self) {
        // Somebody who took our place, as after a lost directory, keeps it.
        if fs::metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
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
        assert!(refused(&deep).await.contains("107") || cfg!(not(target_os = "linux")));
    }
}
