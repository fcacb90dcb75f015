//! Against eetf, where eetf is sound: what both take is the same term.
#![no_main]

use libfuzzer_sys::fuzz_target;
use term::Term;

fuzz_target!(|bytes: &[u8]| {
    // Left out: compressed terms (80), cache references and headers (82, 68), FLOAT_EXT (99), Latin-1 atoms (100, 115), closures (112, 117),
    // bit strings (77) and everything that claims more than it has, over which eetf errs, panics or aborts.
    if bytes.len() > 512
        || bytes.iter().any(|byte| matches!(byte, 68 | 77 | 80 | 82 | 99 | 100 | 112 | 115 | 117))
    {
        return;
    }
    // To eetf's maps `0.0` and `-0.0` are one key.
    if bytes.windows(9).any(|part| part == [70, 128, 0, 0, 0, 0, 0, 0, 0]) {
        return;
    }
    let bytes = [&[131], bytes].concat();
    let Ok(ours) = Term::decode(bytes.clone()) else { return };
    let Ok(theirs) = eetf::Term::decode(&bytes[..]) else { return };
    if let Ok(theirs) = Term::try_from(&theirs) {
        assert_eq!(ours, theirs);
    }
});
