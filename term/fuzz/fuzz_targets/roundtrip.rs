//! What is read is written and read again as the same term; so are its parts, its compressed form and its pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use term::{Encoded, Term};

fuzz_target!(|bytes: &[u8]| {
    let Ok(term) = Term::decode([&[131], bytes].concat()) else { return };
    let written = term.encode_to_vec();
    assert_eq!(Term::decode(written.clone()).as_ref(), Ok(&term));
    assert_eq!(term.encode_pieces().concat(), written[1..]);
    // LOCAL_EXT may stand right after the version only.
    if bytes.first() == Some(&121) {
        return;
    }
    assert_eq!(Encoded::from_term(&term).decode().as_ref(), Ok(&term));
    // As a part it is written anew.
    let larger = Term::decode([&[131, 104, 1], &written[1..]].concat()).unwrap();
    let part = larger.element(0).unwrap().to_term();
    assert_eq!(part, term);
    assert_eq!(part.encode_to_vec(), written);
});
