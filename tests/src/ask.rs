//! What a running suite may ask the scene to do: start, signal and watch nodes, stop and start epmd, disturb
//! the network.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;

use crate::node::Program;
use crate::scene::Scene;

const WAIT: Duration = Duration::from_secs(15);

/// Does one thing; words are separated by tabs. The answer is one line.
pub(crate) fn answer(scene: &mut Scene, question: &str) -> Result<String> {
    let words: Vec<&str> = question.split('\t').collect();
    match words[..] {
        ["start", program, id, ref arguments @ ..] => {
            let program = program_named(program)?;
            let ready = match scene.try_node(id, program, arguments)? {
                Ok(ready) => ready,
                Err((code, said)) => return Ok(format!("ended {code} {}", said.join(" | "))),
            };
            Ok(format!(
                "ready {} {} {} {}",
                ready.name,
                ready.port,
                ready.epmd,
                scene.node(id)?.id()
            ))
        }
        ["beam", id, name, cookie, ref flags @ ..] => {
            scene.start_beam(id, name, cookie, flags).map(|()| String::new())
        }
        ["signal", id, signal] => {
            scene.node(id)?.signal(signal_named(signal)?).map(|()| String::new())
        }
        ["wait", id] => Ok(scene.node(id)?.wait(WAIT)?.to_string()),
        ["kill", id] => scene.kill(id).map(|()| String::new()),
        // The text is looked for in everything the node has written, whatever its case.
        ["log", id, text] => {
            let log = scene.node(id)?.log().clone();
            let wanted = text.to_lowercase();
            let found = log.wait_for(0, Duration::from_secs(5), |line| {
                line.text.to_lowercase().contains(&wanted).then(|| line.text.clone())
            });
            Ok(found.with_context(|| format!("{id} has written no line with {text:?}"))?.1)
        }
        ["proxy", id, "open"] => Ok(scene.proxy(id)?.port().to_string()),
        ["proxy", id, "register", name] => {
            let epmd_port = scene.epmd_port();
            scene.proxy(id)?.register(epmd_port, name).map(|()| String::new())
        }
        ["proxy", id, ref words @ ..] => scene.proxy(id)?.obey(words).map(|()| String::new()),
        ["epmd", "stop"] => {
            scene.stop_epmd();
            Ok(String::new())
        }
        ["epmd", "start"] => scene.start_epmd().map(|()| String::new()),
        _ => bail!("no such question: {question:?}"),
    }
}

fn program_named(name: &str) -> Result<Program> {
    match name {
        "sidecar" => Ok(Program::Sidecar),
        "puppet" => Ok(Program::Puppet),
        _ => bail!("no such program: {name}"),
    }
}

fn signal_named(name: &str) -> Result<Signal> {
    match name {
        "TERM" => Ok(Signal::TERM),
        "INT" => Ok(Signal::INT),
        "KILL" => Ok(Signal::KILL),
        "STOP" => Ok(Signal::STOP),
        "CONT" => Ok(Signal::CONT),
        _ => bail!("no such signal: {name}"),
    }
}
