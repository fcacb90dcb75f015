//! Text: what is read prints and reads back; what is decoded prints in every form. Nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use term::Term;
use term::text::{self, Charlists, Release};

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        for release in [Release::Otp25, Release::Otp27, Release::Otp29] {
            let _ = text::parse_as(text, release);
        }
        if let Ok(term) = text::parse(text) {
            let printed = term.format().unicode().release(Release::Otp27).to_string();
            // The names of funs print as the emulator prints them, which does not read back beyond plain letters.
            if !printed.contains("fun ") {
                assert_eq!(text::parse(&printed).as_ref(), Ok(&term), "{printed}");
                assert_eq!(
                    text::parse(&term.format().width(30).to_string()).as_ref(),
                    Ok(&term),
                    "{printed}"
                );
            }
            print(&term);
        }
    }
    if let Ok(term) = Term::decode(data.to_vec()) {
        print(&term);
    }
});

fn print(term: &Term) {
    let whole = term.to_string();
    let length = whole.chars().count();
    let limit = length / 2;
    assert_eq!(term.format().limit(limit).to_string().chars().count(), limit);
    for width in [1, 10, 80] {
        // Where no line is broken it is the same text; where one is, the same but for space.
        let lines = term.format().width(width).column(3).to_string();
        let bare = |text: &str| {
            text.chars().filter(|character| !character.is_whitespace()).collect::<String>()
        };
        assert_eq!(bare(&lines), bare(&whole));
    }
    let _ = term.format().raw().printable_unicode().ordered().to_string();
    for charlists in [Charlists::Sigil, Charlists::Quotes, Charlists::Lists] {
        let _ = term.inspect().charlists(charlists).limit(Some(length % 7)).to_string();
    }
}
