//! Texts are read, or refused, as `erl_scan` and `erl_parse:parse_term/1` do it on every release.

use term::text::{self, Release};
use term::{Term, View};

use crate::beam::{Beam, binary, parts};

fn release(beam: Beam) -> Release {
    match beam {
        Beam::Host => Release::Otp25,
        Beam::Otp27 => Release::Otp27,
        Beam::Otp29 => Release::Otp29,
    }
}

/// Whether a text reads here as there: the same term, or refused by both. Terms are compared by their bytes, which shows
/// more than equality does.
fn compare(beam: Beam, text: &str, answer: &Term, syntax: Option<Release>) {
    let ours = syntax.map_or_else(|| text::parse(text), |release| text::parse_as(text, release));
    let theirs = match answer.view() {
        View::Tuple(tuple) => Some(Term::decode(binary(&tuple.get(1).unwrap().to_term())).unwrap()),
        _ => None,
    };
    let printed = ours.as_ref().map(|term| term.format().ordered().to_string());
    match (&ours, &theirs) {
        (Ok(ours), Some(theirs)) => {
            assert_eq!(ours, theirs, "{beam:?} {syntax:?}: {text:?}");
            // The canonical encoding as well, whichever order a release keeps its maps in.
            if !printed.is_ok_and(|printed| printed.contains("#{")) {
                assert_eq!(ours.encode_to_vec(), theirs.encode_to_vec(), "{beam:?}: {text:?}");
            }
        }
        (Err(_), None) => {}
        _ => {
            panic!("{beam:?} {syntax:?}: {text:?}\n--- read\n{printed:?}\n--- expected\n{theirs:?}")
        }
    }
}

/// Asks a release how these texts read.
fn ask(beam: Beam, texts: &[&str]) -> Vec<Term> {
    let list: Vec<String> = texts
        .iter()
        .map(|text| {
            format!(
                "<<{}>>",
                text.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(",")
            )
        })
        .collect();
    // Not all at once: the length of an argument is limited.
    list.chunks(150)
        .flat_map(|some| beam.run(&format!("text_peer:parse([{}])", some.join(","))).unwrap())
        .collect()
}

#[test]
fn texts_chosen_to_be_nasty_read_as_on_each_release() {
    let texts: Vec<&str> = include_str!("nasty.txt").split("\n====\n").collect();
    assert!(texts.len() > 300);
    for beam in Beam::installed() {
        for (text, answer) in texts.iter().zip(ask(beam, &texts)) {
            compare(beam, text, &answer, Some(release(beam)));
        }
    }
}

#[test]
fn whatever_some_release_accepts_is_accepted_and_the_newest_meaning_counts() {
    let texts: Vec<&str> = include_str!("nasty.txt").split("\n====\n").collect();
    let mut answers: Vec<Option<(Beam, Term)>> = vec![None; texts.len()];
    for beam in Beam::installed() {
        for (place, answer) in answers.iter_mut().zip(ask(beam, &texts)) {
            if place.is_none() || answer.as_tuple().is_some() {
                *place = Some((beam, answer));
            }
        }
    }
    for (text, answer) in texts.iter().zip(answers) {
        let (beam, answer) = answer.unwrap();
        compare(beam, text, &answer, None);
    }
}

#[test]
fn printed_terms_with_a_random_change_read_as_on_each_release() {
    for beam in Beam::installed() {
        let cases = beam.run("text_peer:scanned(5, 6000)").unwrap();
        let mut accepted = 0;
        for case in &cases {
            let parts = parts(case);
            let text = String::from_utf8(binary(&parts[0])).unwrap();
            compare(beam, &text, &parts[1], Some(release(beam)));
            accepted += usize::from(parts[1].as_tuple().is_some());
        }
        assert!(
            accepted > 1000 && accepted < cases.len() - 1000,
            "{accepted} accepted: the test says too little"
        );
    }
}

#[test]
fn segments_of_binaries_are_built_as_on_each_release() {
    for beam in Beam::installed() {
        let cases = beam.run("text_peer:segments(6, 4000)").unwrap();
        let mut accepted = 0;
        for case in &cases {
            let parts = parts(case);
            let text = String::from_utf8(binary(&parts[0])).unwrap();
            compare(beam, &text, &parts[1], Some(release(beam)));
            accepted += usize::from(parts[1].as_tuple().is_some());
        }
        assert!(accepted > 500, "{accepted} accepted: the test says too little");
    }
}

#[test]
fn what_is_printed_reads_back() {
    for beam in Beam::installed() {
        for case in beam.run("text_peer:print(7, 2000)").unwrap() {
            let term = Term::decode(binary(&parts(&case)[0])).unwrap();
            let printed = term.format().unicode().release(Release::Otp27).to_string();
            // Identifiers have no text to read, and the names of funs are only printed right in ASCII.
            if ["#Pid", "#Ref", "#Port", "fun "].iter().any(|cannot| printed.contains(cannot)) {
                continue;
            }
            assert_eq!(text::parse(&printed).as_ref(), Ok(&term), "{printed}");
            let pretty = term.format().width(40).to_string();
            assert_eq!(text::parse(&pretty).as_ref(), Ok(&term), "{pretty}");
        }
    }
}
