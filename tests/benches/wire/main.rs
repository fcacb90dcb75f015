//! What the wire costs: a real `erl` drives our `puppet`, a BEAM node, a C node and the `erl_dist` crate.
//!
//!     cargo bench -p tests --bench wire --features compare
//!     cargo bench -p tests --bench wire -- only=round_trip,sink_small
//!     cargo bench -p tests --bench wire -- cnode beam rounds=5
//!     cargo bench -p tests --bench wire -- over=tcp,tls,tls13,local only=round_trip,sink_1m,source_1m
//!
//! In a round every contender runs every task, so that a machine that slows down slows all of them; a figure is the median
//! of three rounds, and what counts is its ratio to the BEAM node's of the same run. Needs Linux (`/proc`, `taskset`), an
//! `erl` and for the C node `cc` and erl_interface. `whole` is our puppet without FRAGMENTS. `over` names carriers, one table each, all in the same rounds: the driver
//! and the node it drives, a BEAM or ours, talk over that; the C node and `erl_dist` have TCP alone.

mod contender;
mod measures;
#[cfg(feature = "compare")]
mod with_erl_dist;

use std::collections::BTreeMap;
use std::env;

use anyhow::{Context as _, Result, ensure};
use contender::{Contender, Place};
use measures::{Measure, START, TASKS, Task};
use tests::carrier::Carrier;
use tests::otp::Otp;

/// A figure of each round.
type Results = BTreeMap<(Contender, String), Vec<f64>>;

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
        let mut place = Place::new(epmd_port, *carrier)?;
        let contenders: Vec<Contender> = Contender::ALL
            .into_iter()
            .filter(|contender| named.is_empty() || named.contains(&contender.name()))
            .filter(|&contender| place.has(contender))
            .collect();
        stages.push((*name, place, contenders, Results::new()));
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
    println!(
        "\nMedians, in brackets their ratio to beam's. `whole`: cnode without FRAGMENTS, with an aim of its own where there are two."
    );
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
    let tasks: Vec<&str> =
        tasks.iter().filter(|task| task.pinned == pinned).map(|task| task.name).collect();
    if tasks.is_empty() {
        return Ok(());
    }
    let mut node = place.start(contender, pinned)?;
    let mut keep = |name: &str, value: f64| {
        results.entry((contender, name.to_owned())).or_default().push(value);
    };
    if !pinned {
        keep(START.name, node.start.as_secs_f64() * 1000.0);
    }
    for (name, value) in place.drive(contender, &mut node, pinned, &tasks)? {
        keep(&name, value);
    }
    node.stop()
}

fn report(contenders: &[Contender], tasks: &[&Task], results: &Results) {
    print!("{:36} {:>5}", "", "");
    for contender in contenders {
        print!(" {:>16}", contender.name());
    }
    println!("  aim");
    for measure in tasks.iter().flat_map(|task| task.gives).chain([&START]) {
        row(measure, contenders, results);
    }
}

fn row(measure: &Measure, contenders: &[Contender], results: &Results) {
    let figure = |contender| median(results.get(&(contender, measure.name.to_owned()))?);
    let beam = figure(Contender::Beam);
    print!("{:36} {:>5}", measure.what, measure.unit);
    for &contender in contenders {
        let cell = match (figure(contender), beam) {
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
