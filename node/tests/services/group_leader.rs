//! A Rust process as the group leader of BEAM code.

use std::collections::VecDeque;

use anyhow::{Context as _, Result, ensure};
use node::{Atom, IoDevice, IoError, Node, Pid, RemoteError, Term, term};
use tests::scene::Scene;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::cluster::{SOON, beam, on_every_release, rust};

/// Keeps what is printed; has some lines to read.
struct Device {
    printed: UnboundedSender<String>,
    lines: VecDeque<&'static str>,
}

impl IoDevice for Device {
    async fn put_chars(&mut self, text: String) -> Result<(), IoError> {
        self.printed.send(text).map_err(|_| IoError::Terminated)
    }

    async fn get_line(&mut self, prompt: String) -> Result<Option<String>, IoError> {
        if prompt == "fail" {
            return Err(IoError::Failed);
        }
        Ok(self.lines.pop_front().map(str::to_owned))
    }

    fn columns(&self) -> Option<u32> {
        Some(132)
    }
}

fn leader(node: &Node, lines: &[&'static str]) -> Result<(Pid, UnboundedReceiver<String>)> {
    let (printed, told) = unbounded_channel();
    let lines = lines.iter().copied().collect();
    Ok((node.spawn_group_leader(Device { printed, lines })?, told))
}

async fn next(told: &mut UnboundedReceiver<String>) -> Result<String> {
    timeout(SOON, told.recv()).await?.context("the device is gone")
}

on_every_release!(what_beam_code_prints_reaches_a_rust_leader, prints);

async fn prints(mut scene: Scene) -> Result<()> {
    let there = beam(&mut scene, "printer")?;
    let node = rust(&scene, "rust@localhost").await?;
    let (leader, mut told) = leader(&node, &[])?;
    let call = |module: &'static str, function: &'static str, arguments: Term| {
        node.erpc::<Term>(&there, module, function, arguments).group_leader(leader.clone())
    };
    // By a call, with a leader of its own.
    assert_eq!(call("io", "format", term!(["~p ~ts~n", [{a, 1}, "größer ∀"]])).await?, term!('ok));
    assert_eq!(next(&mut told).await?, "{a,1} größer ∀\n");
    assert_eq!(call("io", "put_chars", term!(["bytes and ∀"])).await?, term!('ok));
    assert_eq!(next(&mut told).await?, "bytes and ∀");
    assert_eq!(call("io", "put_chars", term!([[97, [0x2200], "b"]])).await?, term!('ok));
    assert_eq!(next(&mut told).await?, "a∀b");
    assert_eq!(call("io", "write", term!([{"x", [1]}])).await?, term!('ok));
    assert_eq!(next(&mut told).await?, "{<<120>>,[1]}");
    assert_eq!(call("io", "nl", Term::NIL).await?, term!('ok));
    assert_eq!(next(&mut told).await?, "\n");
    ensure!(call("erlang", "display_string", term!([[104]])).await.is_ok());
    // By a process that was started.
    let started = node.spawn_at(&there, "io", "format", ("from ~w~n", vec![term!('afar)]));
    ensure!(started.group_leader(leader.clone()).await?.pid.node() == &there);
    assert_eq!(next(&mut told).await?, "from afar\n");
    // As a device that is named.
    let named = term!([leader.clone(), "~s", [[0xE4]]]);
    assert_eq!(node.erpc::<Term>(&there, "io", "format", named).await?, term!('ok));
    assert_eq!(next(&mut told).await?, "ä");
    // What cannot be formatted is the caller's mistake.
    let bad = call("io", "format", term!(["~p", []])).await;
    ensure!(matches!(bad, Err(RemoteError::Raised { .. })), "{bad:?}");
    Ok(())
}

on_every_release!(what_beam_code_reads_is_a_rust_leaders, reads);

async fn reads(mut scene: Scene) -> Result<()> {
    let there = beam(&mut scene, "reader")?;
    let node = rust(&scene, "rust@localhost").await?;
    let (leader, _told) = leader(&node, &["first\n", "se∀cond\n", "third\n"])?;
    let call = |function: &'static str, arguments: Term| {
        node.erpc::<Term>(&there, "io", function, arguments).group_leader(leader.clone())
    };
    let text = |text: &str| text.chars().map(|c| Term::from(u32::from(c))).collect::<Term>();
    assert_eq!(call("get_line", term!([""])).await?, text("first\n"));
    assert_eq!(call("get_chars", term!(["", 4])).await?, text("se∀c"));
    assert_eq!(call("get_line", term!([""])).await?, text("ond\n"));
    assert_eq!(call("get_chars", term!(["", 4])).await?, text("thir"));
    assert_eq!(call("get_line", term!(["fail"])).await?, text("d\n"));
    assert_eq!(call("get_line", term!(["fail"])).await?, term!({error, 'eio}));
    assert_eq!(call("get_line", term!([""])).await?, term!('eof));
    assert_eq!(call("read", term!([""])).await?, term!('eof));
    assert_eq!(call("columns", Term::NIL).await?, term!({ok, 132}));
    assert_eq!(call("rows", Term::NIL).await?, term!({error, 'enotsup}));
    let options = call("getopts", Term::NIL).await?;
    ensure!(options.to_string().contains("{encoding,unicode}"), "{options}");
    assert_eq!(call("setopts", term!([[{ binary, true }]])).await?, term!({error, 'enotsup}));
    Ok(())
}

on_every_release!(formats_are_the_beams, formats);

/// What `io_lib:format/2` makes there, and what our leader makes of the same.
async fn formats(mut scene: Scene) -> Result<()> {
    let there = beam(&mut scene, "formatter")?;
    let node = rust(&scene, "rust@localhost").await?;
    let (leader, mut told) = leader(&node, &[])?;
    let long: Term = (0..40).map(|i| term!({key, i, "a binary of some length"})).collect();
    let nested = term!({record, {record, {record, long.clone()}}, #{ key => long.clone() }});
    let cases = [
        ("~p", term!([long.clone()])),
        ("here: ~p and ~p~n", term!([nested.clone(), nested.clone()])),
        ("a line\n\tb ~p", term!([nested.clone()])),
        ("~60p|~0p|~w", term!([nested.clone(), nested.clone(), nested.clone()])),
        ("~30.5p", term!([nested.clone()])),
        ("~tp ~tw ~p", term!([atom("größe"), atom("∀"), atom("∀")])),
        ("~tp", term!(["größer"])),
        (
            "[~10s|~-10s|~.3s|~10.3s|~-10.3s|~3s]",
            term!(["abc", "abc", "abcdef", "abcdef", "abcdef", "abcdef"]),
        ),
        ("[~10.5s|~-10.5s|~5.5s|~.5s|~*s]", term!(["abc", "abc", "abc", "abc", 6, "abc"])),
        ("[~10..0s|~-10..*s]", term!(["abc", 43, "abc"])),
        ("~ts|~s", term!(["größer ∀", [0xE4, 0xF6]])),
        ("~10w|~-10w|~2w", term!(['abc, 'abc, 'abc])),
        ("~b ~B ~.16b ~.16B ~.16# ~.16+ ~10..0b", term!([42, (-42), 255, 255, 255, 255, 42])),
        ("~x ~X", term!([10, [48, 120], (-10), [48, 120]])),
        ("~c~3c~5.2c~-5.2c|", term!([97, 98, 99, 100])),
        ("~f ~.2f ~10.3f ~e ~.3e", term!([1.5, 2.345, 3.0, 1.5, 12345.678])),
        (
            "~g ~.3g ~g ~g ~.2g ~.1g ~.3g ~g",
            term!([1.5, 0.001, 123456.0, 0.25, 25.0, 0.5, (-999.9), 9999.5]),
        ),
        ("~~ ~n~2n ~i.", term!(['ignored])),
    ];
    for (format, arguments) in cases {
        let given = (format, arguments.clone());
        let theirs = node.erpc::<Vec<Term>>(&there, "io_lib", "format", given.clone()).await?;
        let flat =
            node.erpc::<String>(&there, "unicode", "characters_to_binary", (theirs,)).await?;
        let printed = node.erpc::<Term>(&there, "io", "format", given).group_leader(leader.clone());
        assert_eq!(printed.await?, term!('ok), "{format}");
        assert_eq!(next(&mut told).await?, flat, "{format} {arguments}");
    }
    for (format, arguments) in [
        ("~p", term!([])),
        ("~z", term!([1])),
        ("~s", term!([{ 1 }])),
        ("~3.5s", term!(["abc"])),
        ("x", term!([1])),
        ("~x", term!([1, "0x"])),
        ("~.1e", term!([1.0])),
        ("~.0f", term!([1.0])),
        ("~p", term!([1, 2])),
    ] {
        let given = (format, arguments);
        let theirs = node.erpc::<Term>(&there, "io_lib", "format", given.clone()).await;
        ensure!(theirs.is_err(), "{format} is fine there: {theirs:?}");
        let ours =
            node.erpc::<Term>(&there, "io", "format", given).group_leader(leader.clone()).await;
        ensure!(ours.is_err(), "{format} is fine here: {ours:?}");
    }
    Ok(())
}

fn atom(name: &'static str) -> Atom {
    Atom::from_static(name)
}
