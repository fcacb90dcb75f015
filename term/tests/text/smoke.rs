//! The checks of the fuzz target `text`, on changed texts and bytes that need no fuzzer.

use term::Term;
use term::text::{self, Charlists, Release};

/// Changes that are the same on every run.
struct Changes(u64);

impl Changes {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }

    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.next(3) {
            let at = self.next(bytes.len() + 1);
            match self.next(4) {
                0 => bytes.insert(at, other.get(self.next(other.len())).copied().unwrap_or(b'"')),
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 if at < bytes.len() => bytes[at] = self.next(256) as u8,
                _ => {
                    let from = self.next(other.len());
                    let to = (from + self.next(8)).min(other.len());
                    bytes.splice(at..at, other[from..to].iter().copied());
                }
            }
        }
    }
}

fn print(term: &Term) {
    let whole = term.to_string();
    let length = whole.chars().count();
    assert_eq!(term.format().limit(length / 2).to_string().chars().count(), length / 2);
    for width in [1, 10, 80] {
        let lines = term.format().width(width).column(3).to_string();
        let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        assert_eq!(bare(&lines), bare(&whole));
    }
    let _ = term.format().raw().printable_unicode().ordered().to_string();
    for charlists in [Charlists::Sigil, Charlists::Quotes, Charlists::Lists] {
        let _ = term.inspect().charlists(charlists).limit(Some(length % 7)).to_string();
    }
}

#[test]
fn changed_texts_are_read_or_refused_and_what_is_read_prints_and_reads_back() {
    let texts: Vec<&str> = include_str!("nasty.txt").split("\n====\n").collect();
    let mut changes = Changes(0x9e37_79b9_7f4a_7c15);
    let mut read = 0;
    for round in 0..40_000 {
        let mut bytes = texts[round % texts.len()].as_bytes().to_vec();
        let other = texts[changes.next(texts.len())].as_bytes();
        changes.change(&mut bytes, other);
        let text = String::from_utf8_lossy(&bytes);
        for release in [Release::Otp25, Release::Otp27, Release::Otp29] {
            let exact = text::parse_as(&text, release);
            // What one release accepts is accepted.
            assert!(exact.is_err() || text::parse(&text).is_ok(), "{release:?}: {text}");
        }
        let Ok(term) = text::parse(&text) else { continue };
        read += 1;
        let printed = term.format().unicode().release(Release::Otp27).to_string();
        if !printed.contains("fun ") {
            assert_eq!(text::parse(&printed).as_ref(), Ok(&term), "{printed}");
        }
        print(&term);
    }
    assert!(read > 4_000, "{read}");
}

#[test]
fn changed_bytes_that_still_decode_print_in_every_form() {
    let texts: Vec<&str> = include_str!("nasty.txt").split("\n====\n").collect();
    let terms: Vec<Vec<u8>> = texts
        .iter()
        .filter_map(|text| text::parse(text).ok())
        .map(|term| term.encode_to_vec())
        .collect();
    let mut changes = Changes(0x2545_f491_4f6c_dd1d);
    let mut decoded = 0;
    for round in 0..40_000 {
        let mut bytes = terms[round % terms.len()].clone();
        let other = terms[changes.next(terms.len())].clone();
        changes.change(&mut bytes, &other);
        if let Ok(term) = Term::decode(bytes) {
            decoded += 1;
            print(&term);
        }
    }
    assert!(decoded > 5_000, "{decoded}");
}
