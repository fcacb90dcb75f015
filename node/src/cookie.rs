//! The cookie: the secret that the nodes of a cluster share, found where OTP's `auth` finds it.
//!
//! `$HOME/.erlang.cookie`, else `.erlang.cookie` in the user's configuration directory for `erlang`
//! (`$XDG_CONFIG_HOME/erlang`, or `$HOME/.config/erlang`), else made in `$HOME` as OTP makes it, so that nodes
//! started by the same user on the same machine find one another.
//!
//! A cookie never shows: not in `Debug`, not in an error, not in a log; its memory is wiped when it is dropped.

mod create;

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

/// Most characters in a cookie: it is an atom.
pub const MAX_CHARS: usize = 255;
/// Most bytes read of a cookie file: a cookie, and the line ends and blanks that may follow it. A longer file is
/// something else.
const MAX_FILE: u64 = 1024;
/// How often, and with what pause, we look again at a file that was made this very moment and is not finished:
/// OTP creates it readable by all and empty, then writes it, then closes it to others. Half a second in all.
const FRESH_TRIES: u32 = 10;
const FRESH_PAUSE: Duration = Duration::from_millis(50);
/// Younger than this, a file may be one that another node is making.
const FRESH: Duration = Duration::from_secs(2);

const FILE_NAME: &str = ".erlang.cookie";

/// A cookie, as the bytes that go into the handshake's digest.
#[derive(Clone)]
pub struct Cookie(Zeroizing<Box<[u8]>>);

/// Why there is no cookie to be had, and what to do about it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CookieError {
    /// No characters, or none but blanks at the end of a file.
    #[error("the cookie {} is empty: write one or more printable characters, or delete the file and let a new one be made", place(.file.as_deref()))]
    Empty {
        /// The file, when it came from one.
        file: Option<PathBuf>,
    },
    /// More characters than an atom has.
    #[error("the cookie {} is longer than {MAX_CHARS} characters", place(.file.as_deref()))]
    TooLong {
        /// The file, when it came from one.
        file: Option<PathBuf>,
    },
    /// A character that a cookie cannot have: in a file anything that is not printable ASCII or follows the first
    /// line, in an argument anything beyond Latin-1.
    #[error(
        "the cookie {} has a character that no cookie has: one line of printable ASCII is what OTP takes",
        place(.file.as_deref())
    )]
    BadCharacter {
        /// The file, when it came from one.
        file: Option<PathBuf>,
    },
    /// Not a regular file.
    #[error("cookie file {} is not a regular file: remove it, or give the cookie with --cookie", .file.display())]
    NotAFile {
        /// Where it is.
        file: PathBuf,
    },
    /// Somebody besides the owner may read or write it.
    #[error(
        "cookie file {0} must be accessible by its owner only, and its mode is {mode:03o}: `chmod 400 {0}`",
        .file.display()
    )]
    TooOpen {
        /// Where it is.
        file: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It could not be read.
    #[error("cannot read cookie file {}: {error}. It must belong to the user that runs this node", .file.display())]
    Unreadable {
        /// Where it is.
        file: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// There was none, and a new one could not be made.
    #[error("there is no cookie file, and {} cannot be made: {error}. Give the cookie with --cookie", .file.display())]
    NotMade {
        /// Where it would be.
        file: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// `HOME` is not set, nor is `XDG_CONFIG_HOME`.
    #[error(
        "no home for a cookie file: neither HOME nor XDG_CONFIG_HOME is set. Set HOME, or give the cookie with \
         --cookie"
    )]
    NoHome,
}

fn place(file: Option<&Path>) -> String {
    file.map_or_else(|| "that was given".to_owned(), |file| format!("in {}", file.display()))
}

/// Which cookie is used, for the log: never the cookie itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CookieSource {
    /// It stood in this file.
    File(PathBuf),
    /// There was none, and this file was made.
    Created(PathBuf),
}

impl fmt::Display for CookieSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "from {}", path.display()),
            Self::Created(path) => write!(f, "new, in {}", path.display()),
        }
    }
}

impl Cookie {
    /// A cookie given as an argument, as `erl -setcookie` takes it.
    ///
    /// # Errors
    /// When it is empty, longer than an atom, or beyond Latin-1: the digest is made of one byte a character.
    pub fn new(cookie: &str) -> Result<Self, CookieError> {
        if cookie.is_empty() {
            return Err(CookieError::Empty { file: None });
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(cookie.len()));
        for c in cookie.chars() {
            bytes.push(u8::try_from(c).map_err(|_| CookieError::BadCharacter { file: None })?);
        }
        if bytes.len() > MAX_CHARS {
            return Err(CookieError::TooLong { file: None });
        }
        Ok(Self::from_bytes(&bytes))
    }

    /// The cookie of the user who runs this program, as OTP finds or makes it.
    ///
    /// Reads and perhaps writes a file: call it at start. It waits up to half a second for a file that another node
    /// is making at the same time.
    ///
    /// # Errors
    /// When the file cannot be read or made, or others may read it.
    pub fn find() -> Result<(Self, CookieSource), CookieError> {
        let variable =
            |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self::find_in(variable("HOME").as_deref(), variable("XDG_CONFIG_HOME").as_deref())
    }

    /// As [`Cookie::find`], for the given directories in place of `$HOME` and `$XDG_CONFIG_HOME`.
    ///
    /// # Errors
    /// As [`Cookie::find`].
    pub fn find_in(
        home: Option<&Path>,
        config_home: Option<&Path>,
    ) -> Result<(Self, CookieSource), CookieError> {
        // `auth:read_cookie/0`: home first, the configuration directory second, a new one at home.
        let at_home = home.map(|home| home.join(FILE_NAME));
        let in_config =
            config_directory(home, config_home).map(|config| config.join("erlang").join(FILE_NAME));
        let places = || at_home.iter().chain(&in_config);
        for file in places() {
            if let Some(cookie) = Self::read_if_there(file)? {
                return Ok((cookie, CookieSource::File(file.clone())));
            }
        }
        let file = places().next().ok_or(CookieError::NoHome)?;
        let made = create::create(file)
            .map_err(|error| CookieError::NotMade { file: file.clone(), error })?;
        let cookie = Self::from_file(file)?;
        let file = file.clone();
        Ok((cookie, if made { CookieSource::Created(file) } else { CookieSource::File(file) }))
    }

    /// The cookie in a file, by OTP's rules: a regular file, closed to group and others, one line of printable ASCII.
    ///
    /// # Errors
    /// When it is not there, or one of these rules is broken.
    pub fn from_file(file: &Path) -> Result<Self, CookieError> {
        Self::read_if_there(file)?.ok_or_else(|| CookieError::Unreadable {
            file: file.to_owned(),
            error: io::ErrorKind::NotFound.into(),
        })
    }

    /// `None` when there is no such file.
    fn read_if_there(file: &Path) -> Result<Option<Self>, CookieError> {
        for _ in 0..FRESH_TRIES {
            match Self::read_once(file) {
                Err(CookieError::Empty { .. } | CookieError::TooOpen { .. }) if is_fresh(file) => {
                    thread::sleep(FRESH_PAUSE);
                }
                other => return other,
            }
        }
        Self::read_once(file)
    }

    fn read_once(file: &Path) -> Result<Option<Self>, CookieError> {
        let unreadable = |error| CookieError::Unreadable { file: file.to_owned(), error };
        // Before opening it: opening a pipe that stands there would wait.
        match fs::metadata(file) {
            Ok(metadata) => check_metadata(file, &metadata)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        }
        let opened = match File::open(file) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        // And of what was opened: it may have been exchanged in between.
        check_metadata(file, &opened.metadata().map_err(unreadable)?)?;
        let mut content = Zeroizing::new(Vec::with_capacity(MAX_FILE as usize + 1));
        opened.take(MAX_FILE + 1).read_to_end(&mut content).map_err(unreadable)?;
        if content.len() as u64 > MAX_FILE {
            return Err(CookieError::TooLong { file: Some(file.to_owned()) });
        }
        Self::from_content(&content, file).map(Some)
    }

    /// `auth:check_cookie/2`: printable characters, blanks among them and at the end included; from the first other
    /// one on only line ends and blanks.
    fn from_content(content: &[u8], file: &Path) -> Result<Self, CookieError> {
        let file = || Some(file.to_owned());
        let end = content.iter().position(|b| !matches!(b, b' '..=b'~')).unwrap_or(content.len());
        let (cookie, rest) = content.split_at(end);
        if !rest.iter().all(|b| matches!(b, b'\n' | b'\r' | b' ')) {
            return Err(CookieError::BadCharacter { file: file() });
        }
        match cookie.len() {
            0 => Err(CookieError::Empty { file: file() }),
            1..=MAX_CHARS => Ok(Self::from_bytes(cookie)),
            _ => Err(CookieError::TooLong { file: file() }),
        }
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes that the handshake's digest is made of, and nothing else is.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Takes the same time wherever two cookies differ.
impl PartialEq for Cookie {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Cookie {}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie(..)")
    }
}

/// What OTP's `filename:basedir(user_config, ..)` takes for the configuration directory.
fn config_directory(home: Option<&Path>, config_home: Option<&Path>) -> Option<PathBuf> {
    if cfg!(target_os = "macos") {
        return home.map(|home| home.join("Library/Application Support"));
    }
    config_home.map(Path::to_owned).or_else(|| home.map(|home| home.join(".config")))
}

fn check_metadata(file: &Path, metadata: &Metadata) -> Result<(), CookieError> {
    if !metadata.is_file() {
        return Err(CookieError::NotAFile { file: file.to_owned() });
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(CookieError::TooOpen { file: file.to_owned(), mode });
        }
    }
    Ok(())
}

fn is_fresh(file: &Path) -> bool {
    let age = || fs::metadata(file).ok()?.modified().ok()?.elapsed().ok();
    age().is_some_and(|age| age < FRESH)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::create::write_new;
    use super::*;

    fn file_with(content: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join(FILE_NAME);
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        File::open(&file).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        (home, file)
    }

    fn read(content: &[u8]) -> Result<Vec<u8>, CookieError> {
        let (_home, file) = file_with(content, 0o400);
        Cookie::from_file(&file).map(|cookie| cookie.bytes().to_vec())
    }

    #[test]
    fn a_cookie_file_is_one_line_of_printable_characters() {
        assert_eq!(read(b"ABC").unwrap(), b"ABC");
        assert_eq!(read(b"ABC\n").unwrap(), b"ABC");
        assert_eq!(read(b"ABC\r\n \n").unwrap(), b"ABC");
        assert_eq!(read(b"a b~ \n").unwrap(), b"a b~ ");
        for content in [&b"ABC\nD"[..], b"\xe4bc", b"A\tB", b"\0", b"\nABC"] {
            assert!(matches!(read(content), Err(CookieError::BadCharacter { .. })), "{content:?}");
        }
        for content in [&b""[..], b"\n", b"\r\n  "] {
            assert!(matches!(read(content), Err(CookieError::Empty { .. })), "{content:?}");
        }
        assert_eq!(read(&[b'A'; 255]).unwrap(), [b'A'; 255]);
        for length in [256, 1025, 100_000] {
            assert!(matches!(read(&vec![b'A'; length]), Err(CookieError::TooLong { .. })));
        }
    }

    #[test]
    fn a_cookie_file_that_others_may_read_or_write_is_refused() {
        for mode in [0o440, 0o404, 0o644, 0o420, 0o601] {
            let (_home, file) = file_with(b"ABC", mode);
            let error = Cookie::from_file(&file).unwrap_err();
            assert!(
                matches!(error, CookieError::TooOpen { mode: seen, .. } if seen == mode),
                "{error}"
            );
            assert!(error.to_string().contains("chmod 400"), "{error}");
        }
        for mode in [0o400, 0o600, 0o700] {
            let (_home, file) = file_with(b"ABC", mode);
            assert!(Cookie::from_file(&file).is_ok(), "{mode:o}");
        }
    }

    #[test]
    fn a_directory_or_a_pipe_in_the_files_place_is_refused() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(FILE_NAME)).unwrap();
        assert!(matches!(
            Cookie::find_in(Some(home.path()), None),
            Err(CookieError::NotAFile { .. })
        ));
        let home = tempfile::tempdir().unwrap();
        let pipe = home.path().join(FILE_NAME);
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(matches!(
            Cookie::find_in(Some(home.path()), None),
            Err(CookieError::NotAFile { .. })
        ));
    }

    #[test]
    fn home_comes_before_the_configuration_directory_and_that_before_a_new_one() {
        let (home, at_home) = file_with(b"HOME", 0o400);
        let config = tempfile::tempdir().unwrap();
        let in_config = config.path().join("erlang").join(FILE_NAME);
        fs::create_dir(config.path().join("erlang")).unwrap();
        write_new(&in_config, b"CONFIG").unwrap();

        let find = || Cookie::find_in(Some(home.path()), Some(config.path())).unwrap();
        let (cookie, source) = find();
        assert_eq!((cookie.bytes(), source), (&b"HOME"[..], CookieSource::File(at_home.clone())));
        fs::remove_file(&at_home).unwrap();
        let (cookie, source) = find();
        assert_eq!(
            (cookie.bytes(), source),
            (&b"CONFIG"[..], CookieSource::File(in_config.clone()))
        );
        fs::remove_file(&in_config).unwrap();
        let (made, source) = find();
        assert_eq!(source, CookieSource::Created(at_home.clone()));
        assert_eq!(find(), (made, CookieSource::File(at_home)));
    }

    #[test]
    fn without_xdg_config_home_the_configuration_directory_is_dot_config() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join(".config/erlang");
        fs::create_dir_all(&directory).unwrap();
        write_new(&directory.join(FILE_NAME), b"DOTCONFIG").unwrap();
        assert_eq!(Cookie::find_in(Some(home.path()), None).unwrap().0.bytes(), b"DOTCONFIG");
    }

    #[test]
    fn a_new_cookie_is_twenty_random_capital_letters_that_only_the_owner_reads() {
        let home = tempfile::tempdir().unwrap();
        let (cookie, _) = Cookie::find_in(Some(home.path()), None).unwrap();
        assert_eq!(cookie.bytes().len(), 20);
        assert!(cookie.bytes().iter().all(u8::is_ascii_uppercase));
        let file = home.path().join(FILE_NAME);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o400);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "the draft is gone");
        let other = tempfile::tempdir().unwrap();
        assert_ne!(Cookie::find_in(Some(other.path()), None).unwrap().0, cookie);
    }

    #[test]
    fn many_nodes_that_start_at_once_agree_on_one_new_cookie() {
        let home = tempfile::tempdir().unwrap();
        let found: Vec<Cookie> = thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|_| scope.spawn(|| Cookie::find_in(Some(home.path()), None).unwrap().0))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(found.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn a_file_that_erl_is_making_at_this_moment_is_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join(FILE_NAME);
        // The steps of `auth:create_cookie/1`.
        fs::write(&file, b"").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(120));
                fs::write(&file, b"FROMERL").unwrap();
                fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
            });
            assert_eq!(Cookie::find_in(Some(home.path()), None).unwrap().0.bytes(), b"FROMERL");
        });
    }

    #[test]
    fn no_home_says_so() {
        assert!(matches!(Cookie::find_in(None, None), Err(CookieError::NoHome)));
    }

    #[test]
    fn a_cookie_given_is_latin_1_and_no_longer_than_an_atom() {
        assert_eq!(Cookie::new("café").unwrap().bytes(), b"caf\xe9");
        assert!(matches!(Cookie::new(""), Err(CookieError::Empty { file: None })));
        assert!(matches!(Cookie::new("Ω"), Err(CookieError::BadCharacter { file: None })));
        assert!(Cookie::new(&"é".repeat(255)).is_ok());
        assert!(matches!(Cookie::new(&"é".repeat(256)), Err(CookieError::TooLong { file: None })));
    }

    #[test]
    fn a_cookie_does_not_show_in_debug_output_or_errors() {
        assert_eq!(format!("{:?}", Cookie::new("SECRET").unwrap()), "Cookie(..)");
        let error = read(b"SECRET\nMORE").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("SECRET"));
    }
}
