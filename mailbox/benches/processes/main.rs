//! What processes cost, beside plain tokio tasks, other actor libraries and the BEAM's own processes.
//!
//!     cargo bench -p mailbox --features compare
//!     cargo bench -p mailbox -- mailbox tokio          only these
//!     cargo bench -p mailbox -- rounds=3 workers=1
//!
//! Each figure is the median of five rounds; in a round every contender runs every measure, so that a machine that slows
//! down slows all of them. Contenders run in processes of their own. `beam` needs an `erl` on the path.

mod contender;
mod plain_tokio;
mod processes_of_ours;
#[cfg(feature = "compare")]
mod with_kameo;
#[cfg(feature = "compare")]
mod with_ractor;

use std::collections::BTreeMap;
use std::env;
use std::process::{Command, Stdio};

use contender::{MEASURES, Settings};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> =
        env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let settings = Settings::from_arguments(&arguments);
    if let Some(one) = arguments.iter().find_map(|argument| argument.strip_prefix("run=")) {
        for (measure, value) in run(one, &settings)? {
            println!("{measure} {value}");
        }
        return Ok(());
    }
    let wanted: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|argument| !argument.contains('=')).collect();
    let contenders: Vec<&str> = contenders()
        .into_iter()
        .filter(|name| wanted.is_empty() || wanted.contains(name))
        .collect();

    let mut results: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
    for round in 1..=settings.rounds {
        for contender in &contenders {
            eprintln!("round {round} of {}: {contender}", settings.rounds);
            for (measure, value) in in_its_own_process(contender, &settings, &arguments)? {
                results.entry((contender, measure)).or_default().push(value);
            }
        }
    }
    report(&contenders, &mut results);
    Ok(())
}

fn contenders() -> Vec<&'static str> {
    let mut all = vec!["mailbox", "tokio"];
    if cfg!(feature = "compare") {
        all.extend(["ractor", "kameo"]);
    }
    if Command::new("erl")
        .arg("-version")
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
    {
        all.push("beam");
    }
    all
}

fn run(contender: &str, settings: &Settings) -> anyhow::Result<Vec<(&'static str, f64)>> {
    match contender {
        "mailbox" => Ok(processes_of_ours::run(settings)),
        "tokio" => Ok(plain_tokio::run(settings)),
        #[cfg(feature = "compare")]
        "ractor" => Ok(with_ractor::run(settings)),
        #[cfg(feature = "compare")]
        "kameo" => Ok(with_kameo::run(settings)),
        other => anyhow::bail!("no contender is called {other}"),
    }
}

fn in_its_own_process(
    contender: &str,
    settings: &Settings,
    arguments: &[String],
) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let output = if contender == "beam" {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/processes/processes.erl");
        let main = format!(
            "{{ok, processes, Code}} = compile:file({source:?}, [binary]), code:load_binary(processes, [], Code), processes:main()"
        );
        let schedulers = format!("{0}:{0}", settings.workers);
        Command::new("erl")
            .args(["+S", &schedulers, "+P", "2000000", "-noshell", "-eval", &main])
            .output()?
    } else {
        let settings = arguments.iter().filter(|argument| argument.contains('='));
        Command::new(env::current_exe()?).arg(format!("run={contender}")).args(settings).output()?
    };
    anyhow::ensure!(
        output.status.success(),
        "{contender}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout)?;
    let mut values = Vec::new();
    for line in text.lines() {
        if let Some((measure, value)) = line.split_once(' ')
            && let Some((known, _)) = MEASURES.iter().find(|(known, _)| *known == measure)
        {
            values.push((*known, value.trim().parse()?));
        }
    }
    Ok(values)
}

fn report(contenders: &[&str], results: &mut BTreeMap<(&str, &str), Vec<f64>>) {
    let mut median = |contender: &str, measure: &str| {
        let values = results.iter_mut().find(|((c, m), _)| *c == contender && *m == measure)?.1;
        values.sort_by(f64::total_cmp);
        Some((values[values.len() / 2], values[0], values[values.len() - 1]))
    };
    for (measure, unit) in MEASURES {
        println!("\n{measure}, {unit}");
        let ours = median("mailbox", measure);
        for contender in contenders {
            let Some((middle, least, most)) = median(contender, measure) else { continue };
            let ratio = ours.map_or(String::new(), |(ours, ..)| {
                format!("  mailbox is {:.2} of it", ours / middle)
            });
            println!("  {contender:8} {middle:>9.1} ({least:.1}-{most:.1}){ratio}");
        }
    }
}
