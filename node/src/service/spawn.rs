//! Spawn requests of other nodes (erl_dist_protocol, SPAWN_REQUEST): exported functions, by themselves and through `erpc`.

use std::sync::Arc;

use mailbox::{Exit, Process, Reason, SpawnRequest, SpawnService, Start};
use term::{Atom, Encoded, Term, TermRef, term};

use super::apply::Call;
use crate::export::Exports;

/// Starts exported functions, and nothing else.
pub(crate) struct ExportedFunctions(pub(crate) Arc<Exports>);

impl SpawnService for ExportedFunctions {
    fn start(&self, request: &SpawnRequest) -> Result<Start, Atom> {
        if !options_are_known(&request.options) {
            return Err(Atom::from_static("badopt"));
        }
        let exports = Arc::clone(&self.0);
        let (module, function) = (request.module.clone(), request.function.clone());
        let (arguments, token) = (request.arguments.clone(), request.token.clone());
        Ok(Box::new(move |mut process| {
            process.set_token(token);
            Box::pin(run(exports, process, module, function, arguments))
        }))
    }

    fn ends_unwatched(&self, request: &SpawnRequest) -> bool {
        is_erpc(&request.module) && request.function.as_str() == "execute_call"
    }
}

async fn run(
    exports: Arc<Exports>,
    process: Process,
    module: Atom,
    function: Atom,
    arguments: Encoded,
) -> Exit {
    // Here and not where the request came in: large arguments hold no other message up.
    let arguments = arguments.decode().ok();
    let Some(arguments) = arguments.as_ref().and_then(|list| list.as_list()) else {
        return Err(Reason::new(term!('badarg)));
    };
    let call = Call {
        module,
        function,
        arguments: arguments.iter().map(|argument| argument.to_term()).collect(),
    };
    if is_erpc(&call.module) {
        match (call.function.as_str(), call.arguments.as_slice()) {
            ("execute_call", [result, m, f, a]) => {
                if let Some(inner) = Call::of_terms(m, f, a) {
                    let ended = inner.run(&exports, process).await;
                    return Err(Reason::new(ended.into_erpc(result)));
                }
                let stack = term!([{erlang, 'apply, [m, f, a], []}]);
                return Err(Reason::new((
                    result,
                    Atom::from_static("error"),
                    term!('badarg),
                    stack,
                )));
            }
            ("execute_call" | "execute_cast", [m, f, a]) => {
                let Some(inner) = Call::of_terms(m, f, a) else {
                    return Err(Reason::new(term!('badarg)));
                };
                return inner.run(&exports, process).await.into_exit();
            }
            _ => {}
        }
    }
    call.run(&exports, process).await.into_exit()
}

fn is_erpc(module: &Atom) -> bool {
    module.as_str() == "erpc"
}

/// What `spawn_opt/5` takes. Those that size a heap or set a priority mean nothing here, and are no mistake if they are well formed.
fn options_are_known(options: &Term) -> bool {
    let Some(options) = options.as_list() else { return false };
    options.iter().all(is_known)
}

fn is_known(option: TermRef<'_>) -> bool {
    if let Some(name) = option.as_atom() {
        return name == *"link" || name == *"monitor";
    }
    let Some(pair) = option.as_tuple().filter(|tuple| tuple.len() == 2) else { return false };
    let (Some(name), Some(value)) = (pair.get(0).and_then(|name| name.as_atom()), pair.get(1))
    else {
        return false;
    };
    let is_one_of = |words: &[&str]| words.iter().any(|word| value.is_atom(word));
    match &*name.as_str() {
        "monitor" => value.as_list().is_some(),
        "priority" => is_one_of(&["low", "normal", "high", "max"]),
        "fullsweep_after" | "min_heap_size" | "min_bin_vheap_size" | "scheduler" => {
            is_size(Some(value))
        }
        "max_heap_size" => is_size(Some(value)) || limits_a_heap(value),
        "message_queue_data" => is_one_of(&["on_heap", "off_heap"]),
        "async_dist" => value.as_bool().is_some(),
        _ => false,
    }
}

fn is_size(value: Option<TermRef<'_>>) -> bool {
    value.and_then(|value| value.as_i64()).is_some_and(|size| size >= 0)
}

/// `#{size, kill, error_logger, include_shared_binaries}`, all but the first as one likes.
fn limits_a_heap(value: TermRef<'_>) -> bool {
    let Some(limits) = value.as_map() else { return false };
    let is_flag = |key| limits.get(key).is_none_or(|flag: TermRef<'_>| flag.as_bool().is_some());
    is_size(limits.get("size"))
        && ["kill", "error_logger", "include_shared_binaries"].into_iter().all(is_flag)
}
