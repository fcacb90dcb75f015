//! Names and cookies beside those of `erl`: what it takes we take, what it refuses we refuse, on every release found here.

#![allow(clippy::unwrap_used, reason = "what a helper here cannot do is a failed test")]
#![cfg(unix)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use node::cookie::{Cookie, CookieSource};
use node::name::NodeName;
use tests::epmd;
use tests::group::Group;
use tests::otp::Otp;

fn releases() -> Vec<&'static Otp> {
    let mut all = vec![Otp::host().unwrap()];
    all.extend([27, 29].into_iter().filter_map(Otp::rooted));
    all
}

/// What `erl` prints for `code` in this home, or `None` when it does not get so far. No epmd runs, and none is started:
/// with `-dist_listen false` a node has a name and a cookie all the same.
fn erl(otp: &Otp, home: &Path, flags: &[&str], code: &str) -> Option<String> {
    let mut command = otp.command("erl");
    command
        .args(["-start_epmd", "false", "-dist_listen", "false", "-noshell", "-noinput"])
        .args(flags)
        .args(["-eval", &format!("io:format(\"answer ~ts~n\", [{code}]), halt().")])
        .env("HOME", otp.inside(home).unwrap())
        .env("ERL_CRASH_DUMP_SECONDS", "0")
        .env("ERL_EPMD_PORT", epmd::free_port().unwrap().to_string())
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("ERL_FLAGS");
    let mut group = Group::start("erl", command).unwrap();
    group.wait(Duration::from_secs(30)).unwrap();
    let lines = group.log().lines();
    lines.iter().find_map(|line| line.text.strip_prefix("answer ").map(str::to_owned))
}

fn erls_cookie(otp: &Otp, home: &Path) -> Option<String> {
    erl(otp, home, &["-sname", "cookies"], "atom_to_list(erlang:get_cookie())")
}

fn write(file: &Path, content: &[u8], mode: u32) {
    fs::write(file, content).unwrap();
    fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
    // Old enough not to be taken for one that is being made.
    let old = SystemTime::now() - Duration::from_secs(3_600);
    fs::File::open(file).unwrap().set_modified(old).unwrap();
}

#[test]
fn a_cookie_that_we_make_is_the_one_that_erl_uses_and_the_other_way_round() {
    for otp in releases() {
        let home = otp.directory().unwrap();
        let (ours, source) = Cookie::find_in(Some(home.path()), None).unwrap();
        assert_eq!(source, CookieSource::Created(home.path().join(".erlang.cookie")));
        assert!(Cookie::new(&erls_cookie(otp, home.path()).unwrap()).unwrap() == ours);

        let home = otp.directory().unwrap();
        let theirs = erls_cookie(otp, home.path()).unwrap();
        let (ours, source) = Cookie::find_in(Some(home.path()), None).unwrap();
        assert!(matches!(source, CookieSource::File(_)), "{source:?}");
        assert!(Cookie::new(&theirs).unwrap() == ours);
    }
}

#[test]
fn cookie_files_are_read_and_refused_as_erl_does() {
    let files: [(&[u8], u32); 16] = [
        (b"PLAIN", 0o400),
        (b"LINE\n", 0o600),
        (b"DOS\r\n", 0o400),
        (b"inner blank ", 0o400),
        (b"trailing \n \n\r\n", 0o400),
        (b"~!@#$%^&*()_+{}|:\"<>?'\\", 0o400),
        (b"two\nlines", 0o400),
        (b"\nlate", 0o400),
        (b"tab\tbed", 0o400),
        (b"caf\xc3\xa9", 0o400),
        (b"nul\0", 0o400),
        (b"\n", 0o400),
        (b"GROUP", 0o440),
        (b"OTHERS", 0o404),
        (b"WORLD", 0o644),
        (b"RUNNABLE", 0o500),
    ];
    for otp in releases() {
        for (content, mode) in files {
            let home = otp.directory().unwrap();
            write(&home.path().join(".erlang.cookie"), content, mode);
            let theirs = erls_cookie(otp, home.path()).map(|cookie| Cookie::new(&cookie).unwrap());
            let ours = Cookie::find_in(Some(home.path()), None).map(|(cookie, _)| cookie);
            let text = String::from_utf8_lossy(content);
            assert!(
                ours.as_ref().ok() == theirs.as_ref(),
                "{text:?} {mode:o}: {ours:?} {theirs:?}"
            );
        }
    }
}

#[test]
fn the_configuration_directory_is_looked_in_after_home_as_erl_does() {
    for otp in releases() {
        let home = otp.directory().unwrap();
        let directory = home.path().join(".config/erlang");
        fs::create_dir_all(&directory).unwrap();
        write(&directory.join(".erlang.cookie"), b"CONFIGURED", 0o400);
        let agree = |expected: &str| {
            assert_eq!(erls_cookie(otp, home.path()).unwrap(), expected);
            let (ours, _) = Cookie::find_in(Some(home.path()), None).unwrap();
            assert!(ours == Cookie::new(expected).unwrap(), "not {expected}");
        };
        agree("CONFIGURED");
        write(&home.path().join(".erlang.cookie"), b"ATHOME", 0o400);
        agree("ATHOME");
    }
}

#[test]
fn names_are_completed_taken_and_refused_as_erl_does() {
    let names = [
        ("-sname", "a"),
        ("-sname", "a@"),
        ("-sname", "a@b"),
        ("-sname", "a@b.c"),
        ("-sname", "a@127.0.0.1"),
        ("-sname", "a_B-9"),
        ("-sname", "a.b"),
        ("-sname", "a b"),
        ("-sname", "@b"),
        ("-sname", "a@b@c"),
        ("-sname", "a@b c"),
        ("-name", "a"),
        ("-name", "a@b"),
        ("-name", "a@b.c"),
        ("-name", "a@192.0.2.7"),
        ("-name", "a@::1"),
        ("-name", "a@b@c.d"),
        ("-name", "a!@b.c"),
    ];
    let home = tempfile::tempdir().unwrap();
    let otp = Otp::host().unwrap();
    for (flag, name) in names {
        // A node that cannot have its name may run on without one.
        let theirs =
            erl(otp, home.path(), &[flag, name, "-setcookie", "x"], "atom_to_list(node())")
                .filter(|name| name != "nonode@nohost");
        let ours = if flag == "-sname" { NodeName::short(name) } else { NodeName::long(name) };
        assert_eq!(
            ours.as_ref().ok().map(NodeName::as_str),
            theirs.as_deref(),
            "{flag} {name}: {ours:?}"
        );
    }
}
