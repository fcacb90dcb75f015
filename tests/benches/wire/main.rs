//! What the wire costs: a real `erl` drives our `puppet`, a BEAM node, a C node and the `erl_dist` crate.
//!
//!     cargo bench -p tests --bench wire --features compare
//!     cargo bench -p tests --bench wire -- only=round_trip,sink_small
//!     cargo bench -p tests --bench wire -- cnode beam rounds=5
//!     cargo bench -p tests --bench wire -- cnode beam others=/tmp/puppet_before only=source_list
//!     cargo bench -p tests --bench wire -- over=tcp,tls,tls13,local only=round_trip,sink_1m,source_1m
//!
//! In a round every contender runs every task, so that a machine that slows down slows all of them; a figure is the median
//! of three rounds, and what counts is its ratio to the BEAM node's of the same run. Needs Linux (`/proc`, `taskset`), an
//! `erl` and for the C node `cc` and erl_interface. `whole` is our puppet without FRAGMENTS; `others` names other builds of it, four at most. `over` names carriers, one table each, all in the same rounds: the driver
//! and the node it drives, a BEAM or ours, talk over that; the C node and `erl_dist` have TCP alone.

mod contender;
mod measures;
#[cfg(feature = "compare")]
mod with_erl_dist;

use std::collections::{BTreeMap, BTreeSet};
use std::env;

use anyhow::{Context as _, Result, ensure};
use contender::{Contender, Outcome, Place};
use measures::{Measure, START, TASKS, Task};
use tests::carrier::Carrier;
use tests::otp::Otp;

/// What all rounds came to over one carrier.
#[derive(Default)]
struct Results {
    /// A figure of each round.
    figures: BTreeMap<(Contender, String), Vec<f64>>,
    /// Tasks that came to nothing in some round: their figures count no longer.
    failed: BTreeSet<(Contender, &'static str)>,
}

/// What the nodes can talk over, as `over=` names it.
const CARRIERS: [(&str, Carrier); 4] = [
    ("tcp", Carrier::Tcp),
    ("tls", Carrier::Tls),
    ("tls13", Carrier::Tls13),
    ("local", Carrier::Local),
];

fn main() -> Result<()> {
    let arguments: Vec<String> =
        env::args().skip(1).filter(|argument| argument != "--bench").collect();
    #[cfg(feature = "compare")]
    if let Some((first, rest)) = arguments.split_first()
        && first == "run=erl_dist"
    {
        return with_erl_dist::run(rest);
    }
    let setting = |name: &str| arguments.iter().find_map(|argument| argument.strip_prefix(name));
    let rounds: usize = setting("rounds=").map_or(Ok(3), str::parse)?;
    let tasks = wanted_tasks(setting("only="))?;
    let named: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|argument| !argument.contains('=')).collect();
    let others: Vec<&str> =
        setting("others=").map(|paths| paths.split(',').collect()).unwrap_or_default();
    ensure!(others.len() <= Contender::OTHERS.len(), "too many other builds: {others:?}");
    for name in &named {
        ensure!(
            Contender::ALL.iter().any(|contender| contender.name() == *name),
            "no contender is called {name}: {:?}",
            Contender::ALL.map(Contender::name)
        );
    }

    let epmd_port = tests::epmd::free_port()?;
    let _epmd = tests::epmd::start(Otp::host()?, epmd_port)?;
    let mut stages = Vec::new();
    for name in setting("over=").unwrap_or("tcp").split(',') {
        let known = CARRIERS.iter().find(|(known, _)| *known == name);
        let (name, carrier) = known.with_context(|| format!("no carrier is called {name}"))?;
        let mut place = Place::new(epmd_port, *carrier, &others)?;
        let contenders: Vec<Contender> = Contender::ALL
            .into_iter()
            .filter(|contender| named.is_empty() || named.contains(&contender.name()))
            .filter(|&contender| place.has(contender))
            .chain(Contender::OTHERS.into_iter().take(others.len()))
            .collect();
        stages.push((*name, place, contenders, Results::default()));
    }
    for round in 1..=rounds {
        for (carrier, place, contenders, results) in &mut stages {
            for &contender in contenders.iter() {
                eprintln!("round {round} of {rounds}: {} over {carrier}", contender.name());
                for pinned in [true, false] {
                    run(place, contender, pinned, &tasks, results)?;
                }
            }
        }
    }
    for (carrier, _, contenders, results) in &stages {
        println!("\nover {carrier}");
        report(contenders, &tasks, results);
    }
    let failed: BTreeSet<_> = stages.iter().flat_map(|(.., results)| &results.failed).collect();
    println!(
        "\nMedians, in brackets their ratio to beam's. `whole`: cnode without FRAGMENTS, with an aim of its own where there are two."
    );
    let ours = failed
        .iter()
        .any(|(contender, _)| matches!(contender, Contender::Cnode | Contender::Whole));
    ensure!(!ours, "our own node failed: {failed:?}");
    Ok(())
}

fn wanted_tasks(only: Option<&str>) -> Result<Vec<&'static Task>> {
    let Some(only) = only else { return Ok(TASKS.iter().collect()) };
    let find = |name| TASKS.iter().find(|task| task.name == name);
    for name in only.split(',') {
        let names: Vec<&str> = TASKS.iter().map(|task| task.name).collect();
        ensure!(find(name).is_some(), "no task is called {name}: {names:?}");
    }
    Ok(only.split(',').filter_map(find).collect())
}

fn run(
    place: &Place,
    contender: Contender,
    pinned: bool,
    tasks: &[&'static Task],
    results: &mut Results,
) -> Result<()> {
    let tasks: Vec<&Task> = tasks.iter().copied().filter(|task| task.pinned == pinned).collect();
    if tasks.is_empty() {
        return Ok(());
    }
    let mut node = place.start(contender, pinned)?;
    let names: Vec<&str> = tasks.iter().map(|task| task.name).collect();
    let Outcome { mut figures, failed } = place.drive(contender, &mut node, pinned, &names)?;
    if !pinned {
        figures.insert(START.name.to_owned(), node.start.as_secs_f64() * 1000.0);
    }
    for (name, value) in figures {
        results.figures.entry((contender, name)).or_default().push(value);
    }
    for (name, why) in failed {
        eprintln!("FAILED {}, {name}: {why}", contender.name());
        results
            .failed
            .extend(tasks.iter().find(|task| task.name == name).map(|task| (contender, task.name)));
    }
    node.stop()
}

fn report(contenders: &[Contender], tasks: &[&Task], results: &Results) {
    print!("{:36} {:>5}", "", "");
    for contender in contenders {
        print!(" {:>16}", contender.name());
    }
    println!("  aim");
    for task in tasks {
        for measure in task.gives {
            row(measure, contenders, results, |contender| {
                results.failed.contains(&(contender, task.name))
            });
        }
    }
    row(&START, contenders, results, |_| false);
}

fn row(
    measure: &Measure,
    contenders: &[Contender],
    results: &Results,
    has_failed: impl Fn(Contender) -> bool,
) {
    let figure = |contender| {
        let rounds = results.figures.get(&(contender, measure.name.to_owned()))?;
        if has_failed(contender) { None } else { median(rounds) }
    };
    let beam = figure(Contender::Beam);
    print!("{:36} {:>5}", measure.what, measure.unit);
    for &contender in contenders {
        let cell = match (figure(contender), beam) {
            (None, _) if has_failed(contender) => "failed".to_owned(),
            (None, _) => "-".to_owned(),
            (Some(value), Some(beam)) if contender != Contender::Beam => {
                format!("{value:.2} ({:.2})", value / beam)
            }
            (Some(value), _) => format!("{value:.2}"),
        };
        print!(" {cell:>16}");
    }
    let verdict = |contender, aim: measures::Aim| {
        figure(contender).zip(beam).map(|(value, beam)| aim.judge(value / beam))
    };
    if let Some((aim, met)) = verdict(Contender::Cnode, measure.aim) {
        print!("  {aim} {met}");
    }
    if let Some(aim) = measure.aim_whole
        && let Some((aim, met)) = verdict(Contender::Whole, aim)
    {
        print!("; whole {aim} {met}");
    }
    println!();
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}
