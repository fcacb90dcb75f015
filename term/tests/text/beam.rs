//! Live BEAMs of three releases, and Elixir: each runs a module that is sent to it as source, and answers in lines.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use term::{Term, View};

/// A release that may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beam {
    /// `erl` on the path: OTP 25 or 26.
    Host,
    /// In a root of its own: `CNODE_OTP27`.
    Otp27,
    /// Likewise: `CNODE_OTP29`.
    Otp29,
}

impl Beam {
    /// All releases that are installed; says so loudly if one is not.
    pub(crate) fn installed() -> Vec<Self> {
        [Self::Host, Self::Otp27, Self::Otp29]
            .into_iter()
            .filter(|beam| beam.is_installed())
            .collect()
    }

    pub(crate) fn is_installed(self) -> bool {
        let found = match self.root() {
            None => Command::new("erl")
                .arg("-version")
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success()),
            Some(root) => {
                root.join("usr/bin/erl").exists() || root.join("usr/local/bin/erl").exists()
            }
        };
        if !found {
            eprintln!("SKIPPED: {self:?} is not installed, nothing was compared with it");
        }
        found
    }

    fn root(self) -> Option<PathBuf> {
        let (variable, default) = match self {
            Self::Host => return None,
            Self::Otp27 => ("CNODE_OTP27", "/var/cache/cnode/otp27"),
            Self::Otp29 => ("CNODE_OTP29", "/var/cache/cnode/otp29"),
        };
        Some(std::env::var_os(variable).map_or_else(|| default.into(), PathBuf::from))
    }

    /// Runs `call` (`text_peer:print(1, 10)`) where `text_peer` is `text_peer.erl`; the terms it answered with.
    pub(crate) fn run(self, call: &str) -> Result<Vec<Term>> {
        // The module comes in by standard input, since a root of its own sees no file of ours.
        let load = format!(
            "{{ok, Source}} = (fun Read(Lines) -> case io:get_line('') of eof -> {{ok, lists:append(lists:reverse(Lines))}}; \
             Line -> Read([Line | Lines]) end end)([]), \
             Forms = (fun Form(Text, At) -> case erl_scan:tokens([], Text, At) of {{done, {{ok, Tokens, Next}}, Rest}} -> \
             {{ok, F}} = erl_parse:parse_form(Tokens), [F | Form(Rest, Next)]; _ -> [] end end)(Source, 1), \
             {{ok, text_peer, Code}} = compile:forms(Forms, [nowarn_export_all]), {{module, text_peer}} = code:load_binary(text_peer, \"text_peer\", Code), {call}."
        );
        let mut command = match self.root() {
            None => Command::new("erl"),
            Some(root) => {
                let mut command = Command::new("chroot");
                command.arg(root).arg("erl");
                command
            }
        };
        command.env("ERL_CRASH_DUMP_BYTES", "0");
        command.args(["-noshell", "-kernel", "standard_io_encoding", "unicode", "-eval", &load]);
        answers(command, include_str!("text_peer.erl")).with_context(|| format!("{self:?}: {call}"))
    }
}

/// Whether there is an `elixir`.
pub(crate) fn elixir_is_installed() -> bool {
    let found = Command::new("elixir")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        eprintln!("SKIPPED: elixir is not installed, nothing was compared with it");
    }
    found
}

/// Runs an Elixir script, which finds `text_peer` loaded; the terms it answered with.
pub(crate) fn elixir(script: &str) -> Result<Vec<Term>> {
    let load = "
        source = IO.read(:stdio, :eof) |> String.to_charlist()
        forms = fn forms, text, line ->
          case :erl_scan.tokens([], text, line) do
            {:done, {:ok, tokens, next}, rest} ->
              {:ok, form} = :erl_parse.parse_form(tokens)
              [form | forms.(forms, rest, next)]
            _ -> []
          end
        end
        {:ok, :text_peer, code} = :compile.forms(forms.(forms, source, 1))
        {:module, :text_peer} = :code.load_binary(:text_peer, 'text_peer', code)
        out = fn term -> IO.puts(Base.encode64(:erlang.term_to_binary(term))) end
    ";
    let mut command = Command::new("elixir");
    command
        .env("ERL_CRASH_DUMP_BYTES", "0")
        .args(["-e", &format!("{load}\n{script}\nIO.puts(\"done\")")]);
    answers(command, include_str!("text_peer.erl")).context("elixir")
}

fn answers(mut command: Command, input: &str) -> Result<Vec<Term>> {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    child.stdin.take().context("no standard input")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut lines: Vec<&str> = text.lines().collect();
    ensure!(
        lines.pop() == Some("done"),
        "it failed: {} {text}",
        String::from_utf8_lossy(&output.stderr)
    );
    let decode = |line: &str| Ok(Term::decode(base64(line).with_context(|| line.to_owned())?)?);
    lines.into_iter().map(decode).collect()
}

fn base64(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for character in text.bytes() {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => break,
            other => bail!("not base64: {}", char::from(other)),
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Ok(bytes)
}

/// The parts of a tuple.
pub(crate) fn parts(term: &Term) -> Vec<Term> {
    match term.view() {
        View::Tuple(tuple) => tuple.iter().map(term::TermRef::to_term).collect(),
        _ => panic!("no tuple: {}", term.kind_name()),
    }
}

/// The binaries of a list, as text.
pub(crate) fn texts(term: &Term) -> Vec<String> {
    match term.view() {
        View::List(list) => {
            list.iter().map(|text| String::from_utf8(binary(&text.to_term())).unwrap()).collect()
        }
        _ => panic!("no list: {}", term.kind_name()),
    }
}

pub(crate) fn binary(term: &Term) -> Vec<u8> {
    match term.view() {
        View::Binary(bytes) => bytes.to_vec(),
        _ => panic!("no binary: {}", term.kind_name()),
    }
}
