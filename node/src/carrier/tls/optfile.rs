//! TLS options from the file that a BEAM takes as `-ssl_dist_optfile` (the guide "Using TLS for Erlang Distribution").

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustls::SupportedCipherSuite;
use term::{List, Term, TermRef, text};
use thiserror::Error;

use super::ciphers;
use super::options::{HostCheck, TlsOptions, TlsSide, Version};

/// Why a file of TLS options is not taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OptfileError {
    /// It cannot be read.
    #[error("cannot read the TLS options {}: {error}", .file.display())]
    Unreadable {
        /// Where it is.
        file: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// It is no Erlang term.
    #[error("the TLS options {} are no Erlang term with a dot behind it: {why}", .file.display())]
    NoTerm {
        /// Where it is.
        file: PathBuf,
        /// Where, and what; not what stands there, which may be a password.
        why: String,
    },
    /// It is a term of another kind.
    #[error("the TLS options {} must be `[{{server, [Option]}}, {{client, [Option]}}].`: {why}", .file.display())]
    Shape {
        /// Where it is.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// An option that would not be followed.
    #[error(
        "the {part} option `{option}` in {} is not known to this node: without it the file can be shared with a BEAM",
        .file.display()
    )]
    Unknown {
        /// Where it is.
        file: PathBuf,
        /// `server` or `client`.
        part: String,
        /// Its name.
        option: String,
    },
    /// An option with a value that cannot be followed.
    #[error("the {part} option `{option}` in {}: {why}", .file.display())]
    Value {
        /// Where it is.
        file: PathBuf,
        /// `server` or `client`.
        part: String,
        /// Its name.
        option: String,
        /// What can be.
        why: String,
    },
}

/// Reads the file.
pub(super) fn read(file: &Path) -> Result<TlsOptions, OptfileError> {
    let text = fs::read_to_string(file)
        .map_err(|error| OptfileError::Unreadable { file: file.to_owned(), error })?;
    parse(file, &text)
}

fn parse(file: &Path, text: &str) -> Result<TlsOptions, OptfileError> {
    let shape = |why: String| OptfileError::Shape { file: file.to_owned(), why };
    let term = text::parse(text).map_err(|error| OptfileError::NoTerm {
        file: file.to_owned(),
        why: without_quoting(&error),
    })?;
    let parts = term.as_list().ok_or_else(|| shape("it is no list".to_owned()))?;
    let mut options = TlsOptions { server: None, client: None };
    for (number, part) in parts.into_iter().enumerate() {
        let no_part = || shape(format!("part {} of it is neither", number + 1));
        let (name, value) = pair(part).ok_or_else(no_part)?;
        let list = value.as_list().ok_or_else(|| shape(format!("{name} has no list")))?;
        // As `proplists`: of two the first counts.
        let place = match name.as_str() {
            "server" => &mut options.server,
            "client" => &mut options.client,
            _ => return Err(shape(format!("{name} is neither server nor client"))),
        };
        let side = Part { file, name: &name }.side(list)?;
        place.get_or_insert(side);
    }
    Ok(options)
}

/// What is wrong where, without the words that stand there.
fn without_quoting(error: &text::ParseError) -> String {
    match &error.kind {
        text::ParseErrorKind::Unexpected { expected, .. } => {
            format!("line {}, column {}: expected {expected}", error.line, error.column)
        }
        _ => error.to_string(),
    }
}

/// `{Name, Value}`, or `Name` for `{Name, true}`.
fn pair(term: TermRef<'_>) -> Option<(String, Term)> {
    if let Some(name) = term.as_atom() {
        return Some((name.as_str().into_owned(), Term::from(true)));
    }
    let tuple = term.as_tuple()?;
    match (tuple.len(), tuple.get(0)?.as_atom(), tuple.get(1)) {
        (2, Some(name), Some(value)) => Some((name.as_str().into_owned(), value.to_term())),
        _ => None,
    }
}

/// One part being read, for its complaints.
struct Part<'a> {
    file: &'a Path,
    name: &'a str,
}

impl Part<'_> {
    fn side(&self, options: List<'_>) -> Result<TlsSide, OptfileError> {
        let is_server = self.name == "server";
        // What OTP 26 and later take when nothing is said.
        let mut side =
            TlsSide { verify: !is_server, fail_if_no_peer_cert: false, ..TlsSide::default() };
        let mut seen: Vec<String> = Vec::new();
        for (number, option) in options.into_iter().enumerate() {
            let Some((name, value)) = pair(option) else {
                let number = (number + 1).to_string();
                return Err(self.value(&number, "neither `Name` nor `{Name, Value}`"));
            };
            let again = seen.contains(&name);
            // Looked at all the same: what is wrong in it is said.
            let mut overridden = side.clone();
            self.take(if again { &mut overridden } else { &mut side }, &name, &value)?;
            seen.push(name);
        }
        Ok(side)
    }

    fn take(&self, side: &mut TlsSide, name: &str, value: &Term) -> Result<(), OptfileError> {
        let is_server = self.name == "server";
        match name {
            "certfile" => side.cert = Some(self.path(name, value)?),
            "keyfile" => side.key = Some(self.path(name, value)?),
            "cacertfile" => side.ca = Some(self.path(name, value)?),
            "certs_keys" => self.certs_keys(side, value)?,
            "verify" => {
                side.verify = match value.as_atom() {
                    Some(atom) if atom == "verify_peer" => true,
                    Some(atom) if atom == "verify_none" => false,
                    _ => return Err(self.value(name, "verify_peer or verify_none")),
                }
            }
            "fail_if_no_peer_cert" if is_server => {
                side.fail_if_no_peer_cert = self.boolean(name, value)?
            }
            "depth" => {
                side.depth = value
                    .as_i64()
                    .and_then(|depth| usize::try_from(depth).ok())
                    .ok_or_else(|| self.value(name, "an integer, 0 or more"))?
            }
            "versions" => side.versions = self.versions(name, value)?,
            "ciphers" => side.ciphers = Some(self.ciphers(name, value)?),
            "honor_cipher_order" if is_server => {
                side.honor_cipher_order = self.boolean(name, value)?
            }
            "server_name_indication" if !is_server => {
                side.host = match value.as_atom() {
                    Some(atom) if atom == "disable" => HostCheck::Off,
                    _ => HostCheck::Name(self.string(name, value, "disable or a host name")?),
                }
            }
            // What they ask for is so here, or is nothing that could be otherwise.
            "reuse_sessions"
            | "secure_renegotiate"
            | "client_renegotiation"
            | "hibernate_after"
            | "log_level"
            | "honor_ecc_order" => {}
            "ktls" if value.as_bool() == Some(false) => {}
            _ => return Err(self.unknown(name)),
        }
        Ok(())
    }

    /// `[#{certfile => F, keyfile => F}]`: several are for servers of several kinds of keys.
    fn certs_keys(&self, side: &mut TlsSide, value: &Term) -> Result<(), OptfileError> {
        let name = "certs_keys";
        let fault = || self.value(name, "one map of certfile and keyfile in a list");
        let entries: Vec<_> = value.as_list().ok_or_else(fault)?.into_iter().collect();
        let [entry] = entries[..] else { return Err(fault()) };
        for (key, value) in entry.as_map().ok_or_else(fault)?.iter() {
            let path = Some(self.path(name, &value.to_term())?);
            match key.as_atom() {
                Some(key) if key == "certfile" => side.cert = path,
                Some(key) if key == "keyfile" => side.key = path,
                _ => return Err(fault()),
            }
        }
        Ok(())
    }

    fn versions(&self, name: &str, value: &Term) -> Result<Vec<Version>, OptfileError> {
        let fault =
            || self.value(name, "a list of 'tlsv1.2' and 'tlsv1.3', as older versions are broken");
        let version = |term: TermRef<'_>| match term.as_atom() {
            Some(atom) if atom == "tlsv1.2" => Ok(Version::Tls12),
            Some(atom) if atom == "tlsv1.3" => Ok(Version::Tls13),
            _ => Err(fault()),
        };
        let versions: Vec<_> = value
            .as_list()
            .ok_or_else(fault)?
            .into_iter()
            .map(version)
            .collect::<Result<_, _>>()?;
        if versions.is_empty() { Err(fault()) } else { Ok(versions) }
    }

    /// A list of names, or one text of names with colons between.
    fn ciphers(&self, name: &str, value: &Term) -> Result<Vec<SupportedCipherSuite>, OptfileError> {
        let why = "a list of cipher names as `ssl:cipher_suites(all, V, openssl)` gives them";
        let names: Vec<String> = match value.as_list() {
            Some(list) if list.iter().all(|name| name.as_list().is_some()) => list
                .iter()
                .map(|one| self.string(name, &one.to_term(), why))
                .collect::<Result<_, _>>()?,
            _ => self.string(name, value, why)?.split(':').map(str::to_owned).collect(),
        };
        let known = |one: &String| {
            let why = format!(
                "{one} is no cipher this node has; OTP and this node share the ECDHE-*-GCM and CHACHA20 ones"
            );
            ciphers::named(one).ok_or_else(|| self.value(name, &why))
        };
        names.iter().map(known).collect()
    }

    fn path(&self, name: &str, value: &Term) -> Result<PathBuf, OptfileError> {
        self.string(name, value, "a file name in double quotes").map(PathBuf::from)
    }

    /// A charlist or a binary.
    fn string(&self, name: &str, value: &Term, why: &str) -> Result<String, OptfileError> {
        let from_list = |list: List<'_>| -> Option<String> {
            let character = |term: TermRef<'_>| char::from_u32(u32::try_from(term.as_i64()?).ok()?);
            list.iter().map(character).collect()
        };
        let text = match value.as_str() {
            Some(text) => Some(text.to_owned()),
            None => value.as_list().and_then(from_list),
        };
        text.filter(|text| !text.is_empty()).ok_or_else(|| self.value(name, why))
    }

    fn boolean(&self, name: &str, value: &Term) -> Result<bool, OptfileError> {
        value.as_bool().ok_or_else(|| self.value(name, "true or false"))
    }

    fn unknown(&self, option: &str) -> OptfileError {
        OptfileError::Unknown {
            file: self.file.to_owned(),
            part: self.name.to_owned(),
            option: option.to_owned(),
        }
    }

    fn value(&self, option: &str, why: &str) -> OptfileError {
        OptfileError::Value {
            file: self.file.to_owned(),
            part: self.name.to_owned(),
            option: option.to_owned(),
            why: why.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<TlsOptions, OptfileError> {
        parse(Path::new("dist.conf"), text)
    }

    /// The example of OTP's guide, with what people add to it.
    const USUAL: &str = r#"
        %% The two parts of a node.
        [{server,
          [{certfile, "/home/me/ssl/erlserver.pem"}, {keyfile, "/home/me/ssl/key.pem"},
           {cacertfile, "/home/me/ssl/ca.pem"}, {verify, verify_peer}, {fail_if_no_peer_cert, true},
           {secure_renegotiate, true}, {versions, ['tlsv1.2', 'tlsv1.3']}]},
         {client,
          [{certfile, <<"/home/me/ssl/client.pem">>}, {depth, 2}, {reuse_sessions, false},
           {ciphers, ["ECDHE-RSA-AES256-GCM-SHA384", "TLS_AES_256_GCM_SHA384"]}, {certfile, "/second"}]}].
    "#;

    #[test]
    fn the_usual_file_is_read_as_it_is() {
        let options = read(USUAL).unwrap();
        let (server, client) = (options.server.unwrap(), options.client.unwrap());
        assert_eq!(server.cert.unwrap(), Path::new("/home/me/ssl/erlserver.pem"));
        assert_eq!(server.ca.unwrap(), Path::new("/home/me/ssl/ca.pem"));
        assert!(server.verify && server.fail_if_no_peer_cert);
        assert_eq!(client.cert.unwrap(), Path::new("/home/me/ssl/client.pem"));
        assert_eq!((client.depth, client.ciphers.unwrap().len()), (2, 2));
    }

    #[test]
    fn what_is_not_said_is_as_otp_26_has_it() {
        let options = read("[{server, [{certfile, \"c\"}]}, {client, []}].").unwrap();
        let (server, client) = (options.server.unwrap(), options.client.unwrap());
        assert!(!server.verify && !server.fail_if_no_peer_cert && client.verify);
        assert_eq!(client.host, HostCheck::Node);
        assert!(read("[].").unwrap().server.is_none());
    }

    #[test]
    fn the_name_to_check_is_the_nodes_host_or_another_or_none() {
        for (value, check) in [
            ("disable", HostCheck::Off),
            ("\"cluster.example\"", HostCheck::Name("cluster.example".to_owned())),
        ] {
            let options =
                read(&format!("[{{client, [{{server_name_indication, {value}}}]}}].")).unwrap();
            assert_eq!(options.client.unwrap().host, check);
        }
    }

    #[test]
    fn every_option_that_would_not_be_followed_is_refused_by_name() {
        for (option, named) in [
            ("{nosuch, 1}", "nosuch"),
            ("{password, \"secret\"}", "password"),
            ("{crl_check, true}", "crl_check"),
            ("{verify_fun, {m, f, []}}", "verify_fun"),
            ("{dhfile, \"dh.pem\"}", "dhfile"),
            ("{ktls, true}", "ktls"),
            ("{versions, ['tlsv1.1']}", "versions"),
            ("{versions, []}", "versions"),
            ("{verify, maybe}", "verify"),
            ("{ciphers, [\"AES128-SHA\"]}", "AES128-SHA"),
            ("{certfile, 1}", "certfile"),
            ("{depth, -1}", "depth"),
            ("{certs_keys, []}", "certs_keys"),
            ("{server_name_indication, disable}", "server_name_indication"),
            // What it may hold is not shown.
            ("{1, 2}", "option `1`"),
            ("{password, \"secret\", 3}", "option `1`"),
            ("{password 1 \"secret\"}", "line 1, column"),
        ] {
            let text = read(&format!("[{{server, [{option}]}}].")).unwrap_err().to_string();
            assert!(text.contains(named) && text.contains("dist.conf"), "{option}: {text}");
            assert!(!text.contains("secret") && !text.contains('\n'), "{text}");
        }
    }

    #[test]
    fn what_is_no_such_file_is_said() {
        for text in
            ["", "[", "{server, []}.", "[{neither, []}].", "[{server, 1}].", "[server].", "[] []."]
        {
            assert!(read(text).unwrap_err().to_string().contains("dist.conf"), "{text}");
        }
    }
}
