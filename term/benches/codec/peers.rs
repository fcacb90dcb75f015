//! Peers that are no Rust: libei and the BEAM, as children that time themselves.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};

/// The loop in Erlang: takes the file of a message, then times so many rounds of reading or writing it.
const BEAM: &str = r#"-module(codec_bench).
-export([run/0]).

run() ->
    loop(none, none).

loop(Bytes, Term) ->
    case string:lexemes(string:trim(io:get_line("")), " ") of
        ["m", Path] ->
            {ok, Message} = file:read_file(Path),
            loop(Message, binary_to_term(Message));
        [Verb, Count] ->
            N = list_to_integer(Count),
            Begin = erlang:monotonic_time(nanosecond),
            case Verb of "d" -> decode(Bytes, N, none); "e" -> encode(Term, N, none) end,
            io:format("~b~n", [erlang:monotonic_time(nanosecond) - Begin]),
            loop(Bytes, Term)
    end.

decode(_, 0, Last) -> Last;
decode(Bytes, N, _) -> decode(Bytes, N - 1, binary_to_term(Bytes)).

encode(_, 0, Last) -> Last;
encode(Term, N, _) -> encode(Term, N - 1, term_to_binary(Term)).
"#;

/// A child that answers how long rounds took.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// Those that can be had here; says which cannot.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for (name, start) in
            [("libei", Self::libei as fn() -> Result<Command>), ("BEAM", Self::beam)]
        {
            match start().and_then(|command| Self::start(name, command)) {
                Ok(peer) => all.push(peer),
                Err(error) => eprintln!("*** without {name}: {error:#}"),
            }
        }
        all
    }

    fn beam() -> Result<Command> {
        let folder = folder()?;
        std::fs::write(folder.join("codec_bench.erl"), BEAM)?;
        let compiled = Command::new("erlc")
            .arg("-o")
            .arg(&folder)
            .arg(folder.join("codec_bench.erl"))
            .status()
            .context("erlc")?;
        ensure!(compiled.success(), "erlc failed");
        let mut command = Command::new("erl");
        command.args(["-noshell", "+S", "1:1", "-pa"]).arg(folder).args([
            "-s",
            "codec_bench",
            "run",
        ]);
        Ok(command)
    }

    fn libei() -> Result<Command> {
        let folder = folder()?;
        let found = Command::new("erl")
            .args(["-noshell", "-eval", "io:put_chars(code:lib_dir(erl_interface)), halt()."])
            .output()
            .context("erl")?;
        let library = String::from_utf8(found.stdout)?;
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/codec/ei.c");
        let compiled = Command::new("cc")
            .args(["-O2", "-o"])
            .arg(folder.join("ei"))
            .arg(source)
            .args([
                format!("-I{library}/include"),
                format!("-L{library}/lib"),
                "-lei".into(),
                "-lpthread".into(),
            ])
            .status()
            .context("cc")?;
        ensure!(compiled.success(), "cc failed: is erlang-dev there?");
        Ok(Command::new(folder.join("ei")))
    }

    fn start(name: &'static str, mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().context("stdin")?;
        let output = BufReader::new(child.stdout.take().context("stdout")?);
        Ok(Self { name, child, input, output })
    }

    pub(crate) fn load(&mut self, message: &[u8]) -> Result<()> {
        let path = folder()?.join(self.name);
        std::fs::write(&path, message)?;
        writeln!(self.input, "m {}", path.display())?;
        Ok(self.input.flush()?)
    }

    /// Nanoseconds for one round, over `rounds` of them.
    pub(crate) fn time(&mut self, verb: char, rounds: u64) -> Result<f64> {
        writeln!(self.input, "{verb} {rounds}")?;
        self.input.flush()?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line
            .trim()
            .parse::<f64>()
            .with_context(|| format!("{} answered {line:?}", self.name))?
            / rounds as f64)
    }
}

/// Where programs and messages for the peers lie; removed with the last of them.
fn folder() -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("term-codec-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = folder().map(std::fs::remove_dir_all);
    }
}
