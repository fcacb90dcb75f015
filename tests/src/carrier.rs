//! What the nodes of a scene talk over: options for the node under test, flags for the BEAM, certificates made on the spot.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType,
    date_time_ymd,
};

/// The carriers that every suite runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Carrier {
    /// TCP.
    #[default]
    Tcp,
    /// TLS 1.2, as between BEAMs that are told no version; both sides show a certificate.
    Tls,
    /// TLS 1.3.
    Tls13,
    /// Unix sockets.
    Local,
    /// TCP over IPv6.
    Tcp6,
    /// TLS 1.2 over IPv6.
    Tls6,
}

impl Carrier {
    /// Makes what it needs in `directory`, which the BEAM sees as `inside`.
    pub fn prepare(self, directory: &Path, inside: &Path) -> Result<()> {
        match self {
            Self::Tcp | Self::Tcp6 | Self::Local => Ok(()),
            Self::Tls | Self::Tls13 | Self::Tls6 => {
                let authority = Authority::new("the authority of a scene")?;
                fs::write(directory.join("ca.pem"), authority.pem())?;
                authority.issue(
                    directory,
                    "node",
                    &Holder::of(&["localhost", "127.0.0.1", "127.0.0.2", "::1"]),
                )?;
                let version = if self == Self::Tls13 { "tlsv1.3" } else { "tlsv1.2" };
                fs::write(directory.join("tls.conf"), optfile(inside, "node", version))?;
                Ok(())
            }
        }
    }

    /// For the node under test.
    pub fn options(self, directory: &Path) -> Vec<String> {
        let file = |name: &str| directory.join(name).display().to_string();
        let tls = || {
            let files = [file("node.pem"), file("node.key"), file("ca.pem")];
            let words = ["--tls-cert", "--tls-key", "--tls-ca"];
            words.into_iter().zip(files).flat_map(|(word, file)| [word.to_owned(), file])
        };
        let v6 = ["--interface", "::1"].map(str::to_owned);
        match self {
            Self::Tcp => Vec::new(),
            Self::Tcp6 => v6.to_vec(),
            Self::Tls | Self::Tls13 => tls().collect(),
            Self::Tls6 => tls().chain(v6).collect(),
            Self::Local => vec!["--local".to_owned(), file("dist"), "--no-network".to_owned()],
        }
    }

    /// For `erl`.
    pub fn flags(self, inside: &Path) -> Vec<String> {
        let file = |name: &str| inside.join(name).display().to_string();
        let carried = |by: &str, more: &[&str]| {
            [&["-proto_dist", by], more].concat().into_iter().map(str::to_owned).collect()
        };
        let optfile = file("tls.conf");
        match self {
            Self::Tcp => Vec::new(),
            Self::Tcp6 => carried("inet6_tcp", &[]),
            Self::Tls | Self::Tls13 => carried("inet_tls", &["-ssl_dist_optfile", &optfile]),
            Self::Tls6 => carried("inet6_tls", &["-ssl_dist_optfile", &optfile]),
            Self::Local => carried("local", &["-no_epmd", "-local_dist_dir", &file("dist")]),
        }
    }
}

/// An option file of OTP's guide: both sides prove themselves.
pub fn optfile(inside: &Path, certificate: &str, version: &str) -> String {
    let file = |name: &str| inside.join(name).display().to_string();
    let (cert, key) = (file(&format!("{certificate}.pem")), file(&format!("{certificate}.key")));
    let common = format!(
        "{{certfile, \"{cert}\"}}, {{keyfile, \"{key}\"}}, {{cacertfile, \"{}\"}}, {{verify, verify_peer}}, \
         {{versions, ['{version}']}}",
        file("ca.pem")
    );
    format!("[{{server, [{common}, {{fail_if_no_peer_cert, true}}]}},\n {{client, [{common}]}}].\n")
}

/// An authority that signs certificates.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What is in a certificate.
#[derive(Debug)]
pub struct Holder<'a> {
    /// The subjectAltNames: host names and IP addresses.
    pub names: &'a [&'a str],
    /// The common name.
    pub common: &'a str,
    /// Valid from and to: years.
    pub years: (i32, i32),
}

impl<'a> Holder<'a> {
    /// With these names, valid now.
    pub fn of(names: &'a [&'a str]) -> Self {
        Self { names, common: "a node", years: (2000, 2099) }
    }
}

impl Authority {
    /// A new one.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    /// Its own certificate.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Signs a certificate and writes it as `NAME.pem`, its key as `NAME.key`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn issue(&self, directory: &Path, name: &str, holder: &Holder<'_>) -> Result<()> {
        let names: Vec<String> = holder.names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        // OTP looks for a node's host among the DNS names, also when it is an address.
        for name in holder.names.iter().filter(|name| name.parse::<IpAddr>().is_ok()) {
            params.subject_alt_names.push(SanType::DnsName((*name).try_into()?));
        }
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, holder.common);
        params.not_before = date_time_ymd(holder.years.0, 1, 1);
        params.not_after = date_time_ymd(holder.years.1, 1, 1);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.0)?;
        let write = |suffix: &str, text: String| {
            let path = directory.join(format!("{name}.{suffix}"));
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        write("pem", certificate.pem())?;
        write("key", key.serialize_pem())
    }
}
