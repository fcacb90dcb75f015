//! Terms print as Elixir's `inspect/2` prints them.

use term::text::Charlists;
use term::{Atom, Term};

use crate::beam::{binary, elixir, elixir_is_installed, parts, texts};
use crate::print::same;

/// Compares the forms that `show` made; how many terms there were.
fn compare(cases: &[Term]) -> usize {
    let local = Atom::new("nonode@nohost").unwrap();
    for case in cases {
        let parts = parts(case);
        let term = Term::decode(binary(&parts[0])).unwrap();
        // The installed Elixir is 1.14, which still writes charlists in single quotes.
        let inspect = term.inspect().charlists(Charlists::Quotes).local(&local);
        let printed = [
            inspect.to_string(),
            inspect.limit(None).printable_limit(None).to_string(),
            inspect
                .limit(Some(5))
                .printable_limit(Some(10))
                .charlists(Charlists::Lists)
                .to_string(),
            inspect.limit(Some(0)).to_string(),
        ];
        let expected = texts(&parts[1]);
        assert_eq!(printed.len(), expected.len());
        for (number, (printed, expected)) in printed.iter().zip(&expected).enumerate() {
            same(printed, expected, || format!("form {number} of {:?}", binary(&parts[0])));
        }
    }
    cases.len()
}

fn cases(script: &str) -> Vec<Term> {
    elixir(&format!("{}\n{script}", include_str!("show.exs"))).unwrap()
}

#[test]
fn random_terms_print_as_inspect_prints_them() {
    if elixir_is_installed() {
        let cases = cases("Enum.each(:text_peer.terms(4, 3000), show)");
        assert_eq!(compare(&cases), 3000);
    }
}

#[test]
fn nasty_terms_print_as_inspect_prints_them() {
    if elixir_is_installed() {
        let cases = cases("Enum.each(:text_peer.nasties(), show)");
        assert!(compare(&cases) > 100);
    }
}

#[test]
fn atoms_print_as_values_keys_and_functions_of_elixir() {
    if elixir_is_installed() {
        let cases = cases(include_str!("words.exs"));
        assert!(compare(&cases) > 2000);
    }
}

#[test]
fn structs_strings_and_limits_print_as_inspect_prints_them() {
    if elixir_is_installed() {
        let cases = cases(include_str!("values.exs"));
        assert!(compare(&cases) > 80);
    }
}
