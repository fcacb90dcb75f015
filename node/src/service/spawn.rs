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
                return Err(Reason::new((
                    result,
                    Atom::from_static("error"),
                    term!('badarg),
                    Term::NIL,
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

/// What `spawn_opt/5` takes. Those that size a heap or set a priority mean nothing here, and are no mistake.
fn options_are_known(options: &Term) -> bool {
    let Some(options) = options.as_list() else { return false };
    options.iter().all(is_known)
}

fn is_known(option: TermRef<'_>) -> bool {
    if let Some(name) = option.as_atom() {
        return name == *"link" || name == *"monitor";
    }
    let Some(pair) = option.as_tuple().filter(|tuple| tuple.len() == 2) else { return false };
    let Some(name) = pair.get(0).and_then(|name| name.as_atom()) else { return false };
    [
        "link",
        "monitor",
        "priority",
        "fullsweep_after",
        "min_heap_size",
        "min_bin_vheap_size",
        "max_heap_size",
        "message_queue_data",
        "async_dist",
    ]
    .iter()
    .any(|known| name == **known)
}
