//! `logger_proxy`: log events of BEAM code whose group leader is here, which no handler there takes; they become `tracing` events.
//!
//! The BEAM sends the events of a process to the node of its group leader (`logger.erl`), and its own default handler passes them
//! over (`logger_filters:remote_gl/2`): without this the crash of what a Rust program starts over there would be told nowhere.

use mailbox::{Exit, Process, Received};
use term::{AtomRef, Term, TermRef};

use super::format::{self, Encoding};

/// The most characters of one event: what a peer reports must not be our log. Some twenty screens.
const LONGEST: usize = 32 * 1024;

pub(crate) async fn run(mut process: Process) -> Exit {
    loop {
        let Received::Message(message) = process.receive().await? else { continue };
        let Ok(message) = message.into_term() else { continue };
        if let Some((level, text, meta)) = event(&message) {
            log(level, &text, meta);
        }
    }
}

/// `{log, Level, Format, Arguments, Meta}` or `{log, Level, StringOrReport, Meta}`.
fn event(message: &Term) -> Option<(AtomRef<'_>, String, TermRef<'_>)> {
    let parts: Vec<TermRef<'_>> = message.as_tuple()?.iter().collect();
    let (level, text, meta) = match parts.as_slice() {
        [word, level, format, arguments, meta] if word.is_atom("log") => {
            // As OTP's formatter has it when the two do not fit together.
            let text = format::format(*format, *arguments).unwrap_or_else(|| {
                format!("FORMAT ERROR: {format:.LONGEST$} - {arguments:.LONGEST$}")
            });
            (level, text, meta)
        }
        [word, level, told, meta] if word.is_atom("log") => {
            let string = format::characters(*told, Encoding::Unicode);
            (level, string.unwrap_or_else(|| format!("{told:.LONGEST$}")), meta)
        }
        _ => return None,
    };
    let text = match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", text.get(..end)?),
        None => text,
    };
    Some((level.as_atom()?, text, *meta))
}

/// The target is one of this library's own: `Node::logger` does not send these back.
fn log(level: AtomRef<'_>, text: &str, meta: TermRef<'_>) {
    let pid = meta.as_map().and_then(|meta| meta.get("pid")).and_then(|pid| pid.as_pid());
    let process = pid.as_ref().map(tracing::field::display);
    let node = pid.as_ref().map(|pid| tracing::field::display(pid.node()));
    match &*level.as_str() {
        "emergency" | "alert" | "critical" | "error" => {
            tracing::error!(target: "cnode::log", node, process, "{text}");
        }
        "warning" => tracing::warn!(target: "cnode::log", node, process, "{text}"),
        "notice" | "info" => tracing::info!(target: "cnode::log", node, process, "{text}"),
        _ => tracing::debug!(target: "cnode::log", node, process, "{text}"),
    }
}
