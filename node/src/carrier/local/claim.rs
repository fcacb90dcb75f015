//! Whose a name is, among sockets in a directory: two nodes of one name that start at once must not both have it.
//!
//! The socket is bound under a name of its own and moved to the node's name, which replaces what a killed node left there in
//! one step. Between the look whether somebody answers there and the move nobody else may do the same: that is what `.NAME`
//! is for, a hard link to the socket of whoever is at it. A link is made by one or fails; and whether its owner still lives,
//! it tells itself, by answering or not. `local_dist.erl` does the same, step by step.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::time::sleep;

/// What is done under a claim takes microseconds; who holds it for longer than all of these is stopped, or is no node.
const ATTEMPTS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(10);

/// A socket that is its node's own, until it is dropped.
#[derive(Debug)]
pub(super) struct Claimed {
    path: PathBuf,
    inode: (u64, u64),
}

impl Claimed {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        // Somebody who took our place, as after a lost directory, keeps it.
        if fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.inode)
        {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A path that goes when it is dropped.
struct Passing(PathBuf);

impl Drop for Passing {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Listens at `path`, whose file name is the node's name.
pub(super) async fn listen(path: PathBuf) -> io::Result<(UnixListener, Claimed)> {
    let (own, claim) = (path_beside(&path, &format!(".{:08x}", random()?)), claim_of(&path));
    let listener = UnixListener::bind(&own)?;
    let own = Passing(own);
    fs::set_permissions(&own.0, Permissions::from_mode(0o600))?;
    let found = fs::symlink_metadata(&own.0)?;
    let inode = (found.dev(), found.ino());
    let claim = take(&own.0, claim, &path).await?;
    is_free(&path).await?;
    fs::rename(&own.0, &path)?;
    drop(claim);
    Ok((listener, Claimed { path, inode }))
}

fn claim_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path_beside(path, &format!(".{name}"))
}

fn path_beside(path: &Path, name: &str) -> PathBuf {
    path.with_file_name(name)
}

fn random() -> io::Result<u32> {
    getrandom::u32().map_err(io::Error::other)
}

/// Waits until nobody else is about to take the name.
async fn take(own: &Path, claim: PathBuf, path: &Path) -> io::Result<Passing> {
    for _ in 0..ATTEMPTS {
        match fs::hard_link(own, &claim) {
            Ok(()) => return Ok(Passing(claim)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        match UnixStream::connect(&claim).await {
            // Killed in those microseconds. Its link is removed by everybody who sees it, and then made by one.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                let _ = fs::remove_file(&claim);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Ok(_) | Err(_) => sleep(PAUSE).await,
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AlreadyExists,
        format!(
            "the name is taken: another node has been about to listen on {} for {} s. Stop that node, or remove {}",
            path.display(),
            (PAUSE * ATTEMPTS).as_secs(),
            claim.display()
        ),
    ))
}

/// Whether nobody answers there.
async fn is_free(path: &Path) -> io::Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    let refuse = |why: String| Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
    if !found.file_type().is_socket() {
        return refuse(format!("{} is in the way, and it is no socket: remove it", path.display()));
    }
    match UnixStream::connect(path).await {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
            ) =>
        {
            Ok(())
        }
        // So many callers wait there that there is no room for one more: somebody is there, and busy.
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        Ok(_) | Err(_) => refuse(format!(
            "the name is taken: another node answers on {}. Choose another name, or stop that node",
            path.display()
        )),
    }
}
