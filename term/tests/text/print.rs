//! Terms print as `io_lib:format` prints them, on every release.

use term::text::Release;
use term::{Atom, Term};

use crate::beam::{Beam, binary, parts, texts};

fn release(beam: Beam) -> Release {
    match beam {
        Beam::Host => Release::Otp25,
        Beam::Otp27 => Release::Otp27,
        Beam::Otp29 => Release::Otp29,
    }
}

/// Fails with the neighbourhood of the first difference.
pub(crate) fn same(printed: &str, expected: &str, what: impl FnOnce() -> String) {
    if printed != expected {
        let at = printed
            .char_indices()
            .zip(expected.chars())
            .find(|((_, a), b)| a != b)
            .map_or(0, |((at, _), _)| at);
        // Counted in characters from here on.
        let at = printed.get(..at).map_or(0, |before| before.chars().count());
        let cut =
            |text: &str| text.chars().skip(at.saturating_sub(400)).take(600).collect::<String>();
        panic!(
            "\n--- printed\n{}\n--- expected\n{}\n---\nat {at} of {}",
            cut(printed),
            cut(expected),
            what()
        );
    }
}

/// Compares every control sequence for the cases that a peer made; how many there were.
fn compare(beam: Beam, cases: &[Term]) -> usize {
    // A node that is not alive.
    let local = Atom::new("nonode@nohost").unwrap();
    for case in cases {
        let parts = parts(case);
        let term = Term::decode(binary(&parts[0])).unwrap();
        let expected = texts(&parts[1]);
        let format = term.format().release(release(beam)).local(&local);
        let printed: Vec<String> = if let [_, _, width, column] = &parts[..] {
            let format = format
                .width(width.as_i64().unwrap() as usize)
                .column(column.as_i64().unwrap() as usize);
            vec![format.to_string(), format.unicode().to_string()]
        } else {
            vec![
                format.to_string(),
                format.unicode().to_string(),
                format.raw().to_string(),
                format.raw().unicode().to_string(),
                format.width(80).to_string(),
            ]
        };
        for (number, (printed, expected)) in printed.iter().zip(&expected).enumerate() {
            let what = || format!("{beam:?}, form {number}, of {:?}", binary(&parts[0]));
            same(printed, expected, what);
        }
    }
    cases.len()
}

#[test]
fn random_terms_print_as_on_each_release() {
    for beam in Beam::installed() {
        let cases = beam.run("text_peer:print(1, 3000)").unwrap();
        assert_eq!(compare(beam, &cases), 3000);
    }
}

#[test]
fn terms_chosen_to_be_nasty_print_as_on_each_release() {
    for beam in Beam::installed() {
        assert!(compare(beam, &beam.run("text_peer:nasty()").unwrap()) > 100);
    }
}

#[test]
fn atoms_are_quoted_and_escaped_as_on_each_release() {
    for beam in Beam::installed() {
        assert!(compare(beam, &beam.run("text_peer:words()").unwrap()) > 1000);
    }
}

#[test]
fn terms_are_laid_out_in_lines_as_on_each_release() {
    for beam in Beam::installed() {
        let cases = beam.run("text_peer:wide(2, 3000)").unwrap();
        assert_eq!(compare(beam, &cases), 3000);
    }
}

#[test]
fn native_records_print_as_on_otp_29() {
    if Beam::Otp29.is_installed() {
        let cases = Beam::Otp29.run("text_peer:native()").unwrap();
        assert!(compare(Beam::Otp29, &cases) > 50);
    }
}

#[test]
fn floats_print_with_the_digits_of_each_release() {
    for beam in Beam::installed() {
        for case in beam.run("text_peer:floats(3, 20000)").unwrap() {
            let parts = parts(&case);
            assert_eq!(
                parts[0].to_string(),
                String::from_utf8(binary(&parts[1])).unwrap(),
                "{beam:?}"
            );
        }
    }
}

#[test]
fn maps_print_in_the_order_of_their_keys_as_on_each_release_that_can() {
    let local = Atom::new("nonode@nohost").unwrap();
    for beam in Beam::installed().into_iter().filter(|beam| *beam != Beam::Host) {
        for case in beam.run("text_peer:ordered(8, 1500)").unwrap() {
            let parts = parts(&case);
            let term = Term::decode(binary(&parts[0])).unwrap();
            let printed = term.format().release(release(beam)).local(&local).ordered().to_string();
            let expected = String::from_utf8(binary(&parts[1])).unwrap();
            same(&printed, &expected, || format!("{beam:?}"));
        }
    }
}
