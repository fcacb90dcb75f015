//! A live node that sends back what it is sent, and an epmd of its own that knows it.

use std::time::Duration;

use anyhow::{Context, Result};
use tests::epmd;
use tests::group::Group;
use tests::otp::Otp;

pub const NAME: &str = "host@127.0.0.1";
pub const COOKIE: &str = "livehost";

/// `{From, nodes}` is answered with `{nodes, nodes(hidden), node(From)}`, `{From, Term}` with `{echo, Term}`.
const ECHO: &str = "register(echo, self()), io:put_chars(\"up\\n\"), \
    F = fun G() -> receive {From, nodes} -> From ! {nodes, nodes(hidden), node(From)}, G(); \
    {From, Term} -> From ! {echo, Term}, G() end end, F().";

pub struct Live {
    pub epmd_port: u16,
    pub node: Group,
    _epmd: Group,
}

impl Live {
    pub fn start(otp: &Otp) -> Result<Self> {
        Self::start_with(otp, &[])
    }

    /// With arguments of its own.
    pub fn start_with(otp: &Otp, arguments: &[&str]) -> Result<Self> {
        let epmd_port = epmd::free_port()?;
        let epmd = epmd::start(otp, epmd_port)?;
        let mut command = otp.command("erl");
        command
            .args(["-start_epmd", "false", "-name", NAME, "-setcookie", COOKIE])
            .args(arguments)
            .args(["-noshell", "-noinput", "-eval", ECHO])
            .env("ERL_EPMD_PORT", epmd_port.to_string())
            .env("ERL_CRASH_DUMP_SECONDS", "0")
            .env_remove("ERL_FLAGS");
        let node = Group::start("erl", command)?;
        let up = node
            .log()
            .wait_for(0, Duration::from_secs(30), |line| (line.text == "up").then_some(()));
        up.with_context(|| format!("OTP {} is not up:\n{}", otp.release(), node.log().tail(20)))?;
        Ok(Self { epmd_port, node, _epmd: epmd })
    }
}

/// The host's release, 27 and 29, as far as they are here.
pub fn releases() -> Result<Vec<&'static Otp>> {
    let mut all = vec![Otp::host()?];
    all.extend([27, 29].into_iter().filter_map(Otp::rooted));
    Ok(all)
}
