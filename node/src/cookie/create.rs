//! Making a cookie file as OTP makes it, but at one blow.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Letters in a new cookie, as OTP makes it: log2(26^20) is 94 bits.
const NEW_LETTERS: usize = 20;

/// Makes a cookie file; false when somebody else did so first.
///
/// It is written under another name and linked into place, so that nobody ever reads half a cookie and nobody's
/// cookie is overwritten.
pub(super) fn create(file: &Path) -> io::Result<bool> {
    let cookie = random_letters::<NEW_LETTERS>()?;
    let suffix = random_letters::<8>()?;
    let mut draft = file.as_os_str().to_owned();
    draft.push(".");
    draft.push(String::from_utf8_lossy(suffix.as_slice()).as_ref());
    let draft = PathBuf::from(draft);
    let written =
        write_new(&draft, cookie.as_slice()).and_then(|()| match fs::hard_link(&draft, file) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            // A file system without hard links: then the name itself, which at least overwrites nobody's.
            Err(_) => match write_new(file, cookie.as_slice()) {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
                Err(error) => Err(error),
            },
        });
    // What cannot be removed again is a file that only its owner can read.
    let _ = fs::remove_file(&draft);
    written
}

pub(super) fn write_new(file: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o400);
    }
    let mut opened = options.open(file)?;
    opened.write_all(content)?;
    opened.sync_all()
}

/// Capital letters, each of the 26 as likely as any other, from the operating system's randomness.
fn random_letters<const N: usize>() -> io::Result<Zeroizing<Vec<u8>>> {
    let mut letters = Zeroizing::new(Vec::with_capacity(N));
    let mut bytes = Zeroizing::new([0_u8; 64]);
    while letters.len() < N {
        getrandom::fill(bytes.as_mut_slice()).map_err(io::Error::other)?;
        // 234 is nine times 26: bytes from there on would favour the first letters.
        let fair = bytes.iter().filter(|byte| **byte < 234).map(|byte| b'A' + byte % 26);
        let missing = N - letters.len();
        letters.extend(fair.take(missing));
    }
    Ok(letters)
}
