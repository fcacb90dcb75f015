//! The Erlang releases of this machine: the host's own, and roots made by `.ci/setup` and entered with chroot.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

/// One installed release.
#[derive(Debug)]
pub struct Otp {
    release: String,
    root: Option<PathBuf>,
}

/// How a program inside a root is started: as root by chroot, else in a user namespace where we are root.
fn enter(root: &Path) -> Command {
    if rustix::process::geteuid().is_root() {
        let mut command = Command::new("chroot");
        command.arg(root);
        return command;
    }
    let mut command = Command::new("unshare");
    command.arg("--map-root-user").arg("chroot").arg(root);
    command
}

/// Says something on standard error past the capture of the test runner, so that it is seen in a passing run.
pub fn loud(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}

impl Otp {
    fn probe(root: Option<PathBuf>) -> Option<Self> {
        let mut otp = Self { release: String::new(), root };
        let mut command = otp.command("erl");
        command.args([
            "-noshell",
            "-eval",
            "io:put_chars(erlang:system_info(otp_release)),halt().",
        ]);
        let output = command.stdin(Stdio::null()).output().ok()?;
        otp.release = String::from_utf8(output.stdout).ok()?;
        (output.status.success() && !otp.release.is_empty()).then_some(otp)
    }

    /// The `erl` on the path, whatever its release; required.
    pub fn host() -> Result<&'static Self> {
        static HOST: OnceLock<Option<Otp>> = OnceLock::new();
        HOST.get_or_init(|| Self::probe(None))
            .as_ref()
            .context("no working `erl` on the path; `.ci/setup` installs one on Debian and Ubuntu")
    }

    /// The release in `$CNODE_OTP_ROOTS/otp<release>` (default `/var/cache/cnode`); `None`, said loudly, where it is missing.
    pub fn rooted(release: u32) -> Option<&'static Self> {
        static ROOTED: [OnceLock<Option<Otp>>; 2] = [OnceLock::new(), OnceLock::new()];
        let slot = &ROOTED[usize::from(release != 27)];
        let found = slot.get_or_init(|| {
            let roots =
                std::env::var_os("CNODE_OTP_ROOTS").unwrap_or_else(|| "/var/cache/cnode".into());
            let root = Path::new(&roots).join(format!("otp{release}"));
            if root.join("usr/bin/erl").exists() { Self::probe(Some(root)) } else { None }
        });
        let found = found.as_ref().filter(|otp| otp.release == release.to_string());
        if found.is_none() {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            loud(&format!(
                "SKIPPED {test}: OTP {release} is not installed here (`.ci/setup` makes its root)"
            ));
        }
        found
    }

    /// The release number, `25` for example.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// The release as a number.
    pub fn number(&self) -> u32 {
        self.release.parse().unwrap_or(0)
    }

    /// A command that runs one of the release's own programs (`erl`, `erlc`, `epmd`).
    pub fn command(&self, program: &str) -> Command {
        match &self.root {
            None => Command::new(program),
            Some(root) => {
                let mut command = enter(root);
                command.arg(program);
                command
            }
        }
    }

    /// A new directory that the release's programs can see, removed when dropped.
    pub fn directory(&self) -> Result<TempDir> {
        let parent = match &self.root {
            None => std::env::temp_dir(),
            Some(root) => root.join("tmp"),
        };
        let made = tempfile::Builder::new().prefix("cnode-test-").tempdir_in(&parent);
        made.with_context(|| format!("cannot make a directory in {}", parent.display()))
    }

    /// The path under which the release's programs see `path`.
    pub fn inside(&self, path: &Path) -> Result<PathBuf> {
        let Some(root) = &self.root else { return Ok(path.to_owned()) };
        let Ok(rest) = path.strip_prefix(root) else {
            bail!("{} is outside {}", path.display(), root.display())
        };
        Ok(Path::new("/").join(rest))
    }
}

/// A module of tests: `function(otp, arguments..)` on the host's release, on 27 and on 29.
#[macro_export]
macro_rules! on_every_release {
    ($topic:ident, $function:ident($($argument:expr),*)) => {
        mod $topic {
            use $crate::otp::Otp;

            #[test]
            fn on_the_hosts_otp() -> anyhow::Result<()> {
                super::$function(Otp::host()?, $($argument),*);
                Ok(())
            }

            #[test]
            fn on_otp_27() {
                if let Some(otp) = Otp::rooted(27) {
                    super::$function(otp, $($argument),*);
                }
            }

            #[test]
            fn on_otp_29() {
                if let Some(otp) = Otp::rooted(29) {
                    super::$function(otp, $($argument),*);
                }
            }
        }
    };
}

/// The same over every carrier: TCP on every release found here, TLS 1.2 and Unix sockets on the host's, TLS 1.3 on 29.
/// The function takes the carrier before the release.
#[macro_export]
macro_rules! over_every_carrier {
    ($topic:ident, $function:ident($($argument:expr),*)) => {
        mod $topic {
            use $crate::carrier::Carrier;
            use $crate::otp::Otp;

            #[test]
            fn over_tcp_on_the_hosts_otp() -> anyhow::Result<()> {
                super::$function(Carrier::Tcp, Otp::host()?, $($argument),*);
                Ok(())
            }

            #[test]
            fn over_tcp_on_otp_27() {
                if let Some(otp) = Otp::rooted(27) {
                    super::$function(Carrier::Tcp, otp, $($argument),*);
                }
            }

            #[test]
            fn over_tcp_on_otp_29() {
                if let Some(otp) = Otp::rooted(29) {
                    super::$function(Carrier::Tcp, otp, $($argument),*);
                }
            }

            #[test]
            fn over_tls_on_the_hosts_otp() -> anyhow::Result<()> {
                super::$function(Carrier::Tls, Otp::host()?, $($argument),*);
                Ok(())
            }

            #[test]
            fn over_unix_sockets_on_the_hosts_otp() -> anyhow::Result<()> {
                super::$function(Carrier::Local, Otp::host()?, $($argument),*);
                Ok(())
            }

            #[test]
            fn over_tls_13_on_otp_29() {
                if let Some(otp) = Otp::rooted(29) {
                    super::$function(Carrier::Tls13, otp, $($argument),*);
                }
            }
        }
    };
}
