//! Depth costs no stack, length has a cap, and a text asks for no more memory than it is worth.

use std::fmt::Write;

use term::text::{self, ParseErrorKind};
use term::{Term, term};

/// What a thread with little stack makes of it.
fn on_a_small_stack<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(256 * 1024).spawn(run).unwrap().join().unwrap()
}

/// Output that only counts.
#[derive(Default)]
struct Counted(usize);

impl Write for Counted {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

const DEEP: usize = 1_000_000;

#[test]
fn a_million_levels_are_read_and_printed_on_256_kib_of_stack() {
    for (open, inside, close) in [
        ("[", "x", "]"),
        ("#{a => ", "x", "}"),
        ("#{", "x", " => b}"),
        ("[a|", "x", "]"),
        ("{tag,", "(x)", "}"),
    ] {
        let text = open.repeat(DEEP) + inside + &close.repeat(DEEP);
        on_a_small_stack(move || {
            let term = text::parse(&text).unwrap();
            let printed = term.to_string();
            assert!(printed.len() >= 2 * DEEP);
            let mut elixir = Counted::default();
            write!(elixir, "{}", term.inspect().limit(None)).unwrap();
            assert!(elixir.0 >= 2 * DEEP);
            // Once is enough for what takes seconds without optimisation.
            if open == "{tag," {
                assert_eq!(text::parse(&printed).unwrap(), term);
            }
        });
    }
    let parentheses = "(".repeat(DEEP) + "x" + &")".repeat(DEEP);
    assert_eq!(
        on_a_small_stack(move || text::parse(&parentheses)).map(|term| term.to_string()),
        Ok("x".into())
    );
}

#[test]
fn a_million_levels_are_laid_out_in_lines_on_256_kib_of_stack() {
    // Cut off, since the indentation alone grows with the square of the depth.
    for (open, close) in [("[", "]"), ("{tag,", "}"), ("#{a => ", "}")] {
        let text = open.repeat(DEEP) + "x" + &close.repeat(DEEP);
        let printed = on_a_small_stack(move || {
            text::parse(&text).unwrap().format().width(80).limit(100_000).to_string()
        });
        assert_eq!(printed.chars().count(), 100_000);
        assert!(printed.ends_with("..."));
    }
}

#[test]
fn nested_binaries_and_signs_cost_no_stack_either() {
    let binaries = "<<".repeat(DEEP) + "1" + "/integer>>" + &"/binary>>".repeat(DEEP - 1);
    let error = on_a_small_stack(move || text::parse(&binaries));
    assert_eq!(error.map(|term| term.to_string()), Ok("<<1>>".into()));
    let signs = "-".repeat(DEEP) + "1";
    assert!(on_a_small_stack(move || text::parse(&signs)).is_err());
    let open = "[".repeat(DEEP);
    assert!(on_a_small_stack(move || text::parse(&open)).is_err());
}

#[test]
fn the_cap_counts_characters_and_ends_in_dots() {
    let term = term!({ok, ["abcdef", 1, 2.5]});
    let whole = term.to_string();
    for limit in 0..whole.len() + 5 {
        let cut = term.format().limit(limit).to_string();
        if limit >= whole.len() {
            assert_eq!(cut, whole);
        } else {
            let kept = limit.saturating_sub(3);
            assert_eq!(cut, whole[..kept].to_owned() + &"..."[..limit - kept], "{limit}");
        }
        assert_eq!(format!("{term:.limit$}"), cut);
    }
    let wide = Term::charlist(&"é".repeat(1000));
    assert_eq!(wide.format().limit(10).to_string(), "\"éééééé...");
    assert_eq!(wide.inspect().max_characters(10).to_string(), "[233, 2...");
}

#[test]
fn a_long_output_is_not_made_to_be_cut() {
    // 64 MiB of text, of which a log wants 100 characters.
    let term = Term::from(bytes::Bytes::from(vec![b'x'; 64 << 20]));
    let list: Term = [term.clone(), term.clone(), term].into_iter().collect::<Vec<_>>().into();
    let start = std::time::Instant::now();
    assert_eq!(list.format().raw().limit(20).to_string(), "[<<120,120,120,12...");
    assert!(start.elapsed().as_secs() < 5);
}

#[test]
fn a_text_cannot_ask_for_more_memory_than_it_is_worth() {
    assert!(text::parse("<<0:8000000>>").is_ok());
    for greedy in [
        "<<0:99999999999>>",
        "<<0:80000000>>",
        "<<\"abc\":9999999>>",
        "<<1.0:64/float,0:18446744073709551615>>",
    ] {
        let error = text::parse(greedy).unwrap_err();
        assert!(matches!(error.kind, ParseErrorKind::BadSegment(_)), "{greedy}: {error}");
    }
    let many = format!("[{}1]", "<<0:8000000>>,".repeat(1000));
    assert!(text::parse(&many).is_err());
    let digits = "9".repeat(2_000_000);
    assert!(matches!(text::parse(&digits).unwrap_err().kind, ParseErrorKind::TooLarge(_)));
}

#[test]
fn errors_say_where_and_what() {
    for (text, message) in [
        ("", "line 1, column 1: expected a term, found the end of the text"),
        ("{a,\n b c}", "line 2, column 4: expected `,` or `}`, found `c`"),
        ("[é, X]", "line 1, column 5: a variable, which no term contains"),
        ("\"abc", "line 1, column 1: a string is not closed"),
        ("'a\\x{d800}'", "line 1, column 3: no escape sequence of Erlang's"),
        ("[1, €]", "line 1, column 5: illegal character '€'"),
        ("16#xyz", "line 1, column 1: no number: no digit of its base follows the base"),
        ("1.0e999", "line 1, column 1: no number: a float is at most 1.7976931348623157e308"),
        (
            "<<1:3/foo>>",
            "line 1, column 7: no segment of a binary: a type is integer, float, binary, bytes, bitstring, bits, \
                         utf8, utf16, utf32, signed, unsigned, big, little, native or unit:N",
        ),
        ("#{a => 1, b := 2}", "line 1, column 13: expected `=>`, found `:`"),
        ("a. b", "line 1, column 4: expected the end of the text, found `b`"),
        ("- -1", "line 1, column 3: a second sign, which no term contains"),
        ("<0.1.2>", "line 1, column 1: expected a term, found `<`"),
        ("fun f/1", "line 1, column 6: expected `:`, found `/`"),
    ] {
        assert_eq!(text::parse(text).unwrap_err().to_string(), message, "{text}");
    }
    let long = "a".repeat(256);
    assert!(matches!(text::parse(&long).unwrap_err().kind, ParseErrorKind::AtomTooLong));
}

#[test]
fn an_integer_of_more_than_64_kib_prints_in_base_16_and_reads_back() {
    let text = format!("-16#{}", "F".repeat(2 * 65 * 1024));
    let term = text::parse(&text).unwrap();
    assert_eq!(term.to_string(), text);
    assert_eq!(term.inspect().to_string(), text);
}
