//! What is measured, in which unit, and what we aim at beside a BEAM node in the same run.

/// What the ratio to the BEAM node's figure is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Aim {
    /// At most.
    Most(f64),
    /// At least.
    Least(f64),
    /// Shown, and judged by nothing: the driver limits it, or it explains another row.
    Shown,
}

/// One figure.
pub(crate) struct Measure {
    /// As the driver prints it.
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) what: &'static str,
    pub(crate) aim: Aim,
    /// What a node without fragments is to reach, where that is another matter.
    pub(crate) aim_whole: Option<Aim>,
}

/// A run of the driver, and the figures that come of it.
pub(crate) struct Task {
    /// As the driver knows it.
    pub(crate) name: &'static str,
    /// Driver and node on one core: waking an idle core costs more than the whole round trip.
    pub(crate) pinned: bool,
    pub(crate) gives: &'static [Measure],
}

const fn measure(name: &'static str, unit: &'static str, aim: Aim, what: &'static str) -> Measure {
    Measure { name, unit, what, aim, aim_whole: None }
}

const fn whole(measure: Measure, aim: Aim) -> Measure {
    Measure { aim_whole: Some(aim), ..measure }
}

use Aim::{Least, Most, Shown};

/// How long from its start until a node says that it is ready; measured where it is started.
pub(crate) const START: Measure = measure("start", "ms", Most(0.1), "start to ready");

/// In the order they are run and reported.
pub(crate) const TASKS: &[Task] = &[
    Task {
        name: "round_trip",
        pinned: true,
        gives: &[
            measure("rtt_p50", "us", Most(0.85), "echo round trip, p50, one core"),
            measure("rtt_p99", "us", Most(0.7), "echo round trip, p99, one core"),
        ],
    },
    Task {
        name: "echo_64",
        pinned: true,
        gives: &[
            measure("echo_64", "k/s", Least(1.15), "echo, 64 outstanding, one core"),
            measure("echo_64_cpu", "us", Shown, "node CPU an echo, 64 outstanding"),
        ],
    },
    Task {
        name: "echo_1000",
        pinned: true,
        gives: &[
            measure("echo_1000", "k/s", Least(1.4), "echo, 1,000 outstanding, one core"),
            measure("echo_1000_cpu", "us", Shown, "node CPU an echo, 1,000 outstanding"),
        ],
    },
    Task {
        name: "memory",
        pinned: false,
        gives: &[
            measure("rss_idle", "MiB", Most(0.2), "resident memory, idle"),
            measure("rss_16m", "MiB", Most(0.5), "peak of it at 16 MiB messages"),
            measure("rss_after", "MiB", Most(0.2), "1.5 s after them"),
        ],
    },
    Task {
        name: "sink_small",
        pinned: false,
        gives: &[
            measure("sink_small_cpu", "us", Most(0.8), "small in, node CPU each"),
            measure("sink_small", "k/s", Shown, "small in, rate"),
        ],
    },
    Task {
        name: "source_small",
        pinned: false,
        gives: &[
            measure("source_small_cpu", "us", Most(0.25), "small out, node CPU each"),
            measure("source_small", "k/s", Least(2.2), "small out, rate"),
        ],
    },
    Task {
        name: "source_map",
        pinned: false,
        gives: &[
            measure("source_map", "MB/s", Least(1.1), "map of 20 out"),
            measure("source_map_cpu", "s/GB", Shown, "map of 20 out, node CPU"),
        ],
    },
    Task {
        name: "source_list",
        pinned: false,
        gives: &[
            measure("source_list", "MB/s", Least(1.3), "list of 1,000 tuples out"),
            measure("source_list_cpu", "s/GB", Shown, "list of 1,000 tuples out, node CPU"),
        ],
    },
    Task {
        name: "sink_map",
        pinned: false,
        gives: &[
            measure("sink_map_cpu", "s/GB", Most(0.8), "map of 20 in, node CPU"),
            measure("sink_map", "MB/s", Shown, "map of 20 in"),
        ],
    },
    Task {
        name: "sink_list",
        pinned: false,
        gives: &[
            measure("sink_list_cpu", "s/GB", Most(0.9), "list of 1,000 tuples in, node CPU"),
            measure("sink_list", "MB/s", Shown, "list of 1,000 tuples in"),
        ],
    },
    Task {
        name: "sink_1m",
        pinned: false,
        gives: &[
            whole(measure("sink_1m_cpu", "s/GB", Most(0.9), "1 MiB in, node CPU"), Most(0.6)),
            measure("sink_1m", "MB/s", Shown, "1 MiB in"),
        ],
    },
    Task {
        name: "sink_16m",
        pinned: false,
        gives: &[
            whole(measure("sink_16m_cpu", "s/GB", Most(0.7), "16 MiB in, node CPU"), Most(0.5)),
            measure("sink_16m", "MB/s", Shown, "16 MiB in"),
        ],
    },
    Task {
        name: "source_1m",
        pinned: false,
        gives: &[
            measure("source_1m", "MB/s", Least(1.5), "1 MiB out"),
            measure("source_1m_cpu", "s/GB", Shown, "1 MiB out, node CPU"),
        ],
    },
    Task {
        name: "source_16m",
        pinned: false,
        gives: &[
            measure("source_16m", "MB/s", Least(1.5), "16 MiB out"),
            measure("source_16m_cpu", "s/GB", Shown, "16 MiB out, node CPU"),
        ],
    },
    Task {
        name: "beside_in",
        pinned: false,
        gives: &[measure("beside_in", "ms", Most(0.5), "longest small echo beside 64 MiB in")],
    },
    Task {
        name: "beside_out",
        pinned: false,
        gives: &[measure("beside_out", "ms", Most(1.0), "longest small echo beside 64 MiB out")],
    },
];

impl Aim {
    /// How it is written, and whether `ratio` meets it.
    pub(crate) fn judge(self, ratio: f64) -> (String, &'static str) {
        let verdict = |met: bool| if met { "met" } else { "MISSED" };
        match self {
            Most(most) => (format!("<= {most}"), verdict(ratio <= most)),
            Least(least) => (format!(">= {least}"), verdict(ratio >= least)),
            Shown => (String::new(), ""),
        }
    }
}
