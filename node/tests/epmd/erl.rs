//! Erlang nodes and our server, each a process of its own on a private port, ended with the test.

use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use tests::epmd;
use tests::group::Group;
use tests::otp::Otp;

/// What a node prints when it is up.
const READY: &str = "up";
/// Starting an `erl` on a busy machine.
pub(crate) const SLOW: Duration = Duration::from_secs(30);

/// Every release found here: the host's, and the roots that `.ci/setup` makes.
pub(crate) fn releases() -> Vec<&'static Otp> {
    let mut all = vec![Otp::host().unwrap()];
    all.extend([27, 29].into_iter().filter_map(Otp::rooted));
    all
}

/// A program of a release, on the test's epmd port.
pub(crate) fn program(otp: &Otp, name: &str, epmd_port: u16) -> Command {
    let mut command = otp.command(name);
    command
        .env("ERL_EPMD_PORT", epmd_port.to_string())
        .env_remove("ERL_FLAGS")
        .env("ERL_CRASH_DUMP_SECONDS", "0");
    command
}

fn erl(otp: &Otp, epmd_port: u16, flags: &[&str], code: &str) -> Command {
    let mut command = program(otp, "erl", epmd_port);
    // Never the release's own epmd: a test that needs one starts it, and ends it.
    command.args(["-start_epmd", "false", "-noshell", "-noinput", "-setcookie", "epmdtests"]);
    command.args(flags).args(["-eval", code]);
    command
}

/// Starts a node that stays, and waits until it is up.
pub(crate) fn start(otp: &Otp, epmd_port: u16, flags: &[&str]) -> Group {
    let code = format!("io:put_chars(\"{READY}\\n\"), receive stop -> ok end.");
    let group = Group::start(flags.join(" "), erl(otp, epmd_port, flags, &code)).unwrap();
    let up = group.log().wait_for(0, SLOW, |line| (line.text == READY).then_some(()));
    assert!(up.is_some(), "OTP {} {flags:?} is not up:\n{}", otp.release(), group.log().tail(20));
    group
}

/// What a node with these flags prints when it evaluates `code`, and its exit code.
pub(crate) fn eval(otp: &Otp, epmd_port: u16, flags: &[&str], code: &str) -> (String, i32) {
    let code = format!("io:format(\"~0p~n\", [begin {code} end]), halt().");
    output(erl(otp, epmd_port, flags, &code))
}

/// Everything that a program writes, and its exit code.
pub(crate) fn output(command: Command) -> (String, i32) {
    let mut group = Group::start(format!("{command:?}"), command).unwrap();
    let code = group.wait(SLOW).unwrap();
    let lines: Vec<String> = group.log().lines().into_iter().map(|line| line.text).collect();
    (lines.join("\n"), code)
}

/// Starts `cnode epmd` on a free port.
pub(crate) fn serve(flags: &[&str]) -> (Group, u16) {
    let port = epmd::free_port().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cnode"));
    command.args(["epmd", "--port", &port.to_string()]).args(flags).env("RUST_LOG", "cnode=debug");
    (ready(Group::start("cnode epmd", command).unwrap()), port)
}

pub(crate) fn ready(group: Group) -> Group {
    let up =
        group.log().wait_for(0, SLOW, |line| line.text.starts_with("ready epmd").then_some(()));
    assert!(up.is_some(), "cnode epmd is not up:\n{}", group.log().tail(20));
    group
}

/// The names at an epmd, sorted.
pub(crate) fn names(port: u16) -> Vec<String> {
    let mut names: Vec<String> =
        epmd::names(port).unwrap().into_iter().map(|(name, _)| name).collect();
    names.sort();
    names
}

/// Polls until `done`, which has `within` to become true.
pub(crate) fn eventually(what: &str, within: Duration, mut done: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < within, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
    start.elapsed()
}

pub(crate) fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}
