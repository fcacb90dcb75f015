//! The options that every example node takes, and what they make of `erl`'s habits.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use node::admission::Network;
use node::carrier::{Local, Tcp, TcpOptions, Tls, TlsOptions};
use node::discovery::FixedPort;
use node::{Builder, Cookie, EpmdMode, Flags, Node, NodeName};

/// A node of an Erlang cluster, written in Rust.
#[derive(Debug, Parser)]
#[command(disable_version_flag = true, args_override_self = true)]
pub struct Options {
    /// Short node name, as `erl -sname` takes it
    #[arg(long, value_name = "NAME[@HOST]", default_value = "rust")]
    sname: String,
    /// Long node name, as `erl -name` takes it; HOST may be an IP address
    #[arg(long, value_name = "NAME@HOST", conflicts_with = "sname")]
    name: Option<String>,
    /// The cookie [default: that of ~/.erlang.cookie, made as OTP makes it if absent]
    #[arg(long, alias = "setcookie", value_name = "COOKIE", hide_env_values = true)]
    cookie: Option<String>,
    /// Which epmd makes this node known
    #[arg(long, value_name = "MODE", value_enum, default_value_t)]
    epmd: Epmd,
    /// Port of epmd [default: ERL_EPMD_PORT, else 4369]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    epmd_port: Option<u16>,
    /// Lowest port to listen on, as inet_dist_listen_min [default: any port]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port_min: Option<u16>,
    /// Highest port to listen on, as inet_dist_listen_max [default: the lowest]
    #[arg(long, value_name = "PORT", requires = "port_min", value_parser = clap::value_parser!(u16).range(1..))]
    port_max: Option<u16>,
    /// Address to listen on, as inet_dist_use_interface; an IPv6 address makes this an IPv6 node [default: all of IPv4]
    #[arg(long, value_name = "IP")]
    interface: Option<IpAddr>,
    /// Join as a visible node; without it the node is hidden
    #[arg(long)]
    visible: bool,
    /// As net_ticktime: a silent peer is taken for gone after it, give or take a quarter [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    ticktime: Option<u32>,
    /// Certificate chain (PEM) to speak TLS with, as `-proto_dist inet_tls`; both sides must show one, and files that change
    /// are read again
    #[arg(long, value_name = "FILE", requires = "tls_key", requires = "tls_ca")]
    tls_cert: Option<PathBuf>,
    /// Private key (PEM) of the certificate
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Authorities (PEM) that peers' certificates must come from
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_ca: Option<PathBuf>,
    /// TLS as a file of OTP's says: what `erl` takes as -ssl_dist_optfile
    #[arg(long, value_name = "FILE", conflicts_with = "tls_cert")]
    tls_optfile: Option<PathBuf>,
    /// Listen on a Unix socket too, for a BEAM with `-proto_dist local` [default DIR: LOCAL_DIST_DIR, else ~/.erlang.dist]
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    local: Option<Option<PathBuf>>,
    /// Neither listen on a network nor dial over one: Unix sockets only
    #[arg(long, requires = "local")]
    no_network: bool,
    /// One port for every node, ours included, in place of epmd: as -erl_epmd_port
    #[arg(long, value_name = "PORT", conflicts_with = "port_min", value_parser = clap::value_parser!(u16).range(1..))]
    erl_epmd_port: Option<u16>,
    /// Where a node listens, so that epmd is not asked for it; may be repeated
    #[arg(long, value_name = "NODE=IP:PORT", value_parser = peer)]
    peer: Vec<(String, SocketAddr)>,
    /// Connect with this node, or with all nodes of this host, and with no others; may be repeated
    #[arg(long, value_name = "NODE|HOST")]
    allow: Vec<String>,
    /// Listen to callers from this network, 10.1.0.0/16 for example, and to no others; may be repeated
    #[arg(long, value_name = "NETWORK")]
    allow_network: Vec<Network>,
    /// A file with the cookie: on the command line everybody on this machine can see it
    #[arg(long, value_name = "FILE", conflicts_with = "cookie")]
    cookie_file: Option<PathBuf>,
    /// Largest frame or reassembled message taken from a peer [default: 128 MiB]
    #[arg(long, value_name = "BYTES")]
    max_frame: Option<usize>,
    /// Capability flags not to offer, by their names in OTP; without FRAGMENTS large binaries come in faster, and small
    /// messages wait for them
    #[arg(long, value_name = "FLAG", value_delimiter = ',', value_parser = flag)]
    without: Vec<Flags>,
}

fn flag(name: &str) -> anyhow::Result<Flags> {
    Flags::from_name(name).with_context(|| format!("no flag is called {name}"))
}

/// The words of `--epmd`.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Epmd {
    /// The one that answers; where none does, one that this process serves
    #[default]
    Auto,
    /// One that somebody else runs
    External,
    /// One that this process serves
    Embedded,
    /// None: peers must know the port
    None,
}

impl Options {
    /// The node they describe, not listening yet. What they do not mention is as `erl` has it.
    ///
    /// # Errors
    /// Says which option cannot be followed, and why.
    pub fn node(&self) -> anyhow::Result<Node> {
        let name = match &self.name {
            Some(name) => NodeName::long(name)?,
            None => NodeName::short(&self.sname)?,
        };
        let mut node =
            Node::builder(name.alive()).name(name).visible(self.visible).epmd(self.epmd.into());
        if let Some(cookie) = &self.cookie {
            node = node.cookie(Cookie::new(cookie).context("--cookie")?);
        }
        if let Some(file) = &self.cookie_file {
            node = node.cookie(Cookie::from_file(file)?);
        }
        if let Some(port) = self.epmd_port {
            node = node.epmd_port(port);
        }
        if let Some(low) = self.port_min {
            // As OTP reads its pair of settings: a lowest port alone is the only one.
            node = node.ports(low..=self.port_max.unwrap_or(low));
        }
        if let Some(interface) = self.interface {
            node = node.interface(interface);
        }
        if let Some(seconds) = self.ticktime {
            node = node.ticktime(Duration::from_secs(seconds.into()));
        }
        if let Some(bytes) = self.max_frame {
            node = node.max_frame(bytes);
        }
        for flag in &self.without {
            node = node.without(*flag);
        }
        if let Some(port) = self.erl_epmd_port {
            node = node.discovery(FixedPort(port));
        }
        for (peer, address) in &self.peer {
            node = node.peer_at(peer, *address);
        }
        for name in &self.allow {
            node = node.allow(name);
        }
        for network in &self.allow_network {
            node = node.allow_network(*network);
        }
        self.carriers(node)?.build().map_err(Into::into)
    }

    /// Unix sockets before the network: they are for who is near.
    fn carriers(&self, mut node: Builder) -> anyhow::Result<Builder> {
        match &self.local {
            None => {}
            Some(Some(directory)) => node = node.carrier(Local::new(directory)),
            Some(None) => node = node.carrier(Local::in_default_directory()?),
        }
        if self.no_network {
            return Ok(node);
        }
        let tcp = self.tcp();
        Ok(match self.tls()? {
            Some(tls) => node.carrier(Tls::new(tcp, tls)?),
            None => node.carrier(Tcp::new(tcp)),
        })
    }

    fn tcp(&self) -> TcpOptions {
        let mut tcp = TcpOptions::default();
        if let Some(interface) = self.interface {
            tcp.interface = interface;
        }
        if let Some(low) = self.port_min {
            tcp.ports = low..=self.port_max.unwrap_or(low);
        }
        if let Some(port) = self.erl_epmd_port {
            tcp.ports = port..=port;
        }
        tcp
    }

    fn tls(&self) -> anyhow::Result<Option<TlsOptions>> {
        if let Some(file) = &self.tls_optfile {
            return Ok(Some(TlsOptions::from_optfile(file)?));
        }
        let files = (&self.tls_cert, &self.tls_key, &self.tls_ca);
        let (Some(cert), Some(key), Some(ca)) = files else { return Ok(None) };
        Ok(Some(TlsOptions::mutual(cert, key, ca)))
    }
}

/// `NODE=IP:PORT`.
fn peer(text: &str) -> Result<(String, SocketAddr), String> {
    let fault = || format!("`{text}` is not NODE=IP:PORT, as in shop@two=192.0.2.7:9100");
    let (node, address) = text.rsplit_once('=').ok_or_else(fault)?;
    Ok((node.to_owned(), address.parse().map_err(|_| fault())?))
}

impl From<Epmd> for EpmdMode {
    fn from(epmd: Epmd) -> Self {
        match epmd {
            Epmd::Auto => Self::Auto,
            Epmd::External => Self::External,
            Epmd::Embedded => Self::Embedded,
            Epmd::None => Self::None,
        }
    }
}

/// A complaint of clap's as one line: its first paragraph, without the usage text below.
pub(crate) fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let words: Vec<&str> =
        text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
    let line = words.join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(options: &[&str]) -> anyhow::Result<Node> {
        let words = ["rust", "--cookie", "secret"].iter().chain(options);
        Options::try_parse_from(words).map_err(|error| anyhow::anyhow!(one_line(&error)))?.node()
    }

    #[test]
    fn without_a_name_the_node_is_called_rust_and_has_a_short_name() {
        let node = node(&[]).unwrap();
        assert_eq!(node.name().alive(), "rust");
        assert!(!node.name().host().contains('.'));
    }

    #[test]
    fn a_long_name_may_have_an_ip_address_for_a_host() {
        assert_eq!(node(&["--name", "a@127.0.0.1"]).unwrap().name().as_str(), "a@127.0.0.1");
    }

    #[test]
    fn of_an_option_given_twice_the_last_counts() {
        assert_eq!(node(&["--sname", "a@b", "--sname", "c@d"]).unwrap().name().as_str(), "c@d");
    }

    #[test]
    fn all_options_go_together() {
        let words = "--sname a@b --setcookie other --epmd none --epmd-port 7000 --port-min 9100 --port-max 9105 \
                     --interface ::1 --visible --ticktime 8 --max-frame 300000000 \
                     --without FRAGMENTS,ALIAS";
        assert!(node(&words.split_whitespace().collect::<Vec<_>>()).is_ok());
    }

    #[test]
    fn what_cannot_be_followed_is_refused_by_name_in_one_line() {
        for (options, named) in [
            (&["--nosuch"][..], "--nosuch"),
            (&["--nosuch", "1"], "--nosuch"),
            (&["stray"], "stray"),
            (&["--epmd", "perhaps"], "external"),
            (&["--epmd-port", "0"], "--epmd-port"),
            (&["--port-max", "9100"], "--port-min"),
            (&["--port-min", "9200", "--port-max", "9100"], "--port-min"),
            (&["--ticktime", "0"], "--ticktime"),
            (&["--interface", "here"], "--interface"),
            (&["--max-frame", "17"], "--max-frame"),
            (&["--without", "NOTHING"], "NOTHING"),
            (&["--without", "UTF8_ATOMS"], "UTF8_ATOMS"),
            (&["--sname", "a@b.c"], "a@b.c"),
            (&["--sname", "a", "--name", "a@b.c"], "--name"),
            (&["--cookie"], "--cookie"),
            (&["--cookie", ""], "--cookie"),
            (&["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--tls-ca", "ca.pem"], "ca.pem"),
            (&["--tls-cert", "cert.pem"], "--tls-key"),
            (&["--tls-key", "key.pem"], "--tls-cert"),
            (&["--tls-optfile", "no/such/file"], "no/such/file"),
            (&["--no-network"], "--local"),
            (&["--peer", "a@b"], "NODE=IP:PORT"),
            (&["--peer", "a@b=c:1"], "NODE=IP:PORT"),
            (&["--allow-network", "10.0.0.0/64"], "10.1.0.0/16"),
            (&["--erl-epmd-port", "1", "--port-min", "2"], "--erl-epmd-port"),
            (&["--cookie-file", "no/such/file"], "--cookie-file"),
        ] {
            let text = format!("{:#}", node(options).unwrap_err());
            assert!(text.contains(named) && !text.contains('\n'), "{options:?}: {text}");
        }
    }
    #[test]
    fn a_cookie_file_that_is_not_there_is_said() {
        let options = Options::try_parse_from(["rust", "--cookie-file", "no/such/file"]).unwrap();
        let text = format!("{:#}", options.node().unwrap_err());
        assert!(text.contains("no/such/file") && !text.contains('\n'), "{text}");
    }
}
