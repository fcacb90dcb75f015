//! What parses prints, and parses again as the same term; what decodes prints.
#![no_main]

use libfuzzer_sys::fuzz_target;
use term::Term;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(term) = Term::decode([&[131], bytes].concat()) {
        let _ = term.to_string();
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(term) = text.parse::<Term>() {
        // In `fun m:f/1` the emulator prints the bytes of names beyond ASCII one by one, and so do we: that reads back as another name.
        if text.contains("fun") && (!text.is_ascii() || text.contains('\\')) {
            let _ = term.to_string();
            return;
        }
        assert_eq!(term.to_string().parse::<Term>().as_ref(), Ok(&term));
    }
});
