//! Any bytes, every way to read them: the walk, the term, types. Nothing may panic, and what the term takes the walk takes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use term::{Cursor, Term};

fuzz_target!(|bytes: &[u8]| {
    let bytes = [&[131], bytes].concat();
    let walked = Cursor::new(&bytes[1..], &[]).skip_term().is_ok();
    let decoded = Term::decode(bytes.clone()).is_ok();
    let other_forms = matches!(bytes.get(1), Some(80 | 121));
    assert!(walked || !decoded || other_forms);
    let _ = term::from_bytes::<Vec<(String, i64)>>(&bytes);
    let _ = term::from_bytes::<std::collections::BTreeMap<term::Atom, Term>>(&bytes);
});
