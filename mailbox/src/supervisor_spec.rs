//! Child specifications in Erlang's words, as `supervisor:start_child/2` sends them: checked as `supervisor` does, and refused as
//! by a BEAM node that has none of the functions they name.

use term::{Atom, Term, TermRef, term};

use crate::supervisor::AutoShutdown;

/// A specification that is right, in the fields of `supervisor`'s `child` record.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) id: Term,
    module: Term,
    function: Term,
    arguments: Term,
    restart: Term,
    significant: bool,
    shutdown: Term,
    kind: Term,
    modules: Term,
}

impl Spec {
    /// Reads `#{id => ..., start => ...}`, or the old tuple of six.
    ///
    /// # Errors
    /// What is wrong, in the words of `supervisor` and in its order.
    pub(crate) fn of(spec: &Term, auto_shutdown: AutoShutdown) -> Result<Self, Term> {
        let field = |key: &str, place: usize| match (spec.as_map(), spec.as_tuple()) {
            (Some(map), _) => map.get(key),
            (None, Some(old)) if old.len() == 6 => old.get(place),
            (None, _) => None,
        };
        if spec.as_map().is_none() && spec.as_tuple().is_none_or(|old| old.len() != 6) {
            return Err(term!({invalid_child_spec, spec}));
        }
        let id = field("id", 0).ok_or_else(|| term!('missing_id))?;
        let start = field("start", 1).ok_or_else(|| term!('missing_start))?;
        let (module, function, arguments) =
            called(start).ok_or_else(|| wrong("invalid_mfa", start))?;
        let restart =
            word(field("restart", 2), "permanent", &["permanent", "temporary", "transient"])
                .map_err(|word| wrong("invalid_restart_type", word))?;
        let old = spec.as_map().is_none();
        let significant = if old { None } else { field("significant", usize::MAX) };
        let significant = check_significant(significant, &restart, auto_shutdown)?;
        let kind = word(field("type", 4), "worker", &["supervisor", "worker"])
            .map_err(|word| wrong("invalid_child_type", word))?;
        let shutdown = match field("shutdown", 3) {
            Some(time) if is_shutdown(time) => time.to_term(),
            Some(time) => return Err(wrong("invalid_shutdown", time)),
            None if kind == term!('worker) => Term::from(5000),
            None => term!('infinity),
        };
        let modules = match field("modules", 5) {
            Some(modules) => check_modules(modules)?,
            None => term!([module]),
        };
        let id = id.to_term();
        Ok(Self { id, module, function, arguments, restart, significant, shutdown, kind, modules })
    }

    /// What becomes of it here: `{error, {{'EXIT', {undef, _}}, Child}}`.
    pub(crate) fn refusal(&self) -> Term {
        let Self { id, module, function, arguments, restart, shutdown, kind, modules, .. } = self;
        let stack = Term::from((module, function, arguments, Term::NIL));
        let start = Term::from((module, function, arguments));
        let significant = self.significant;
        let child =
            term!({child, 'undefined, id, start, restart, significant, shutdown, kind, modules});
        let exit = Term::from((Atom::from_static("EXIT"), term!({undef, [stack]})));
        Term::from((exit, child))
    }
}

fn wrong(what: &'static str, value: TermRef<'_>) -> Term {
    Term::from((Atom::from_static(what), value.to_term()))
}

/// `{Module, Function, Arguments}`
fn called(start: TermRef<'_>) -> Option<(Term, Term, Term)> {
    let tuple = start.as_tuple().filter(|tuple| tuple.len() == 3)?;
    let (module, function, arguments) = (tuple.get(0)?, tuple.get(1)?, tuple.get(2)?);
    module.as_atom()?;
    function.as_atom()?;
    arguments.as_list()?;
    Some((module.to_term(), function.to_term(), arguments.to_term()))
}

/// One of these words; the first of none given. The value that is none of them is the error.
fn word<'a>(
    value: Option<TermRef<'a>>,
    default: &'static str,
    words: &[&str],
) -> Result<Term, TermRef<'a>> {
    match value {
        None => Ok(Term::from(Atom::from_static(default))),
        Some(value) if words.iter().any(|word| value.is_atom(word)) => Ok(value.to_term()),
        Some(value) => Err(value),
    }
}

fn check_significant(
    value: Option<TermRef<'_>>,
    restart: &Term,
    auto_shutdown: AutoShutdown,
) -> Result<bool, Term> {
    let Some(value) = value else { return Ok(false) };
    match value.as_bool() {
        Some(true) if auto_shutdown == AutoShutdown::Never => {
            Err(term!({bad_combination, [{auto_shutdown, 'never}, {significant, true}]}))
        }
        Some(true) if *restart == term!('permanent) => {
            Err(term!({bad_combination, [{restart, 'permanent}, {significant, true}]}))
        }
        Some(significant) => Ok(significant),
        None => Err(wrong("invalid_significant", value)),
    }
}

fn is_shutdown(time: TermRef<'_>) -> bool {
    time.is_atom("infinity")
        || time.is_atom("brutal_kill")
        || time.to_term() >= Term::from(0) && time.as_big_integer().is_some()
}

fn check_modules(modules: TermRef<'_>) -> Result<Term, Term> {
    if modules.is_atom("dynamic") {
        return Ok(modules.to_term());
    }
    let list = modules.as_list().ok_or_else(|| wrong("invalid_modules", modules))?;
    match list.iter().find(|module| module.as_atom().is_none()) {
        Some(module) => Err(wrong("invalid_module", module)),
        None => Ok(modules.to_term()),
    }
}
