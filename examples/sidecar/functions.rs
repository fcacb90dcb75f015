//! Functions that BEAM nodes call: `rpc:call(Rust, math, add, [1, 2])`, `erpc:call/4`, `spawn/4`.

use std::time::Duration;

use node::{Atom, Exception, ExportError, IntoAtom as _, Node, Term, term};
use num_bigint::BigInt;

pub(crate) fn export(node: &Node) -> Result<(), ExportError> {
    node.export("math", "add", add)?;
    node.export("math", "fail", |reason: Term| Err::<(), _>(Exception::Error(reason)))?;
    node.export("text", "upcase", |text: String| text.to_uppercase())?;
    node.export("slow", "sleep", sleep)
}

/// Integers of any size and floats, as Erlang's `+`.
fn add(a: Term, b: Term) -> Result<Term, Exception> {
    if let (Some(a), Some(b)) = (a.as_big_integer(), b.as_big_integer()) {
        return Ok(Term::from(a + b));
    }
    let (a, b) = (number(&a)?, number(&b)?);
    Some(a + b).filter(|sum| sum.is_finite()).map(Term::from).ok_or_else(badarith)
}

fn number(term: &Term) -> Result<f64, Exception> {
    let whole = |integer: BigInt| integer.to_string().parse::<f64>().ok();
    let number = term.as_f64().or_else(|| term.as_big_integer().and_then(whole));
    number.filter(|number| number.is_finite()).ok_or_else(badarith)
}

fn badarith() -> Exception {
    Exception::Error(term!('badarith))
}

/// As `timer:sleep/1`: milliseconds, of which 64 bits are for ever, or `infinity`.
async fn sleep(time: Term) -> Result<Atom, Exception> {
    let is_longer = |ms: BigInt| ms > BigInt::from(u64::MAX);
    match time.as_u64() {
        Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
        None if time.is_atom("infinity") || time.as_big_integer().is_some_and(is_longer) => {
            std::future::pending().await
        }
        None => return Err(Exception::Error(term!('timeout_value))),
    }
    Ok("ok".into_atom())
}
