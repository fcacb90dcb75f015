//! The bytes were made by `term_to_binary/1`, without the leading 131; most operations are also met in recordings of
//! live nodes, in `proto::recordings`.

use super::*;

const A: &str = "5877036140680000000A0000000000000007"; // <a@h 10.0>, creation 7
const B: &str = "5877036240680000000B0000000100000008"; // <b@h 11.1>, creation 8
const REF: &str = "5A0003770361406800000007000000010000000200000003";
const TOKEN: &str =
    "680561016802770362696777056C6162656C61035877036140680000000A00000000000000076100";

fn bytes(parts: &[&str]) -> Vec<u8> {
    let text = parts.concat();
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn decode(parts: &[&str]) -> Result<Control, ControlError> {
    let bytes = bytes(parts);
    let mut cursor = Cursor::new(&bytes, &[]);
    let control = Control::decode(&mut cursor)?;
    assert!(cursor.is_empty(), "{control:?} leaves {:?}", cursor.remaining());
    Ok(control)
}

#[test]
fn forms_that_no_live_node_sends_today_read_and_write_as_the_beam_spells_them() {
    for parts in [
        &["6804610C7700", B, TOKEN][..],
        &["68056112", A, B, TOKEN, "680277036279656101"],
        &["6804611B", A, B, TOKEN],
        &["68066120", REF, B, "6103", A, TOKEN],
        &["68066120", REF, B, "6100", "77066E6F74737570", TOKEN],
        &["68046123", "6E0800FFFFFFFFFFFFFFFF", A, B],
    ] {
        let control = decode(parts).unwrap();
        let mut out = Vec::new();
        control.encode(&mut out);
        assert_eq!(out, bytes(parts), "{control:?}");
    }
}

#[test]
fn flag_bits_and_elements_of_the_future_are_passed_over_in_operation_37() {
    // Flags 2^100 + 5, and 2^70 + 10 with a token and two elements more.
    let Ok(Control::AltactSigSend(signal)) =
        decode(&["68046125", "6E0D0005000000000000000000000010", A, REF])
    else {
        panic!()
    };
    assert!(signal.priority && !signal.exit && matches!(signal.to, AltactTo::Alias(_)));
    let Ok(Control::AltactSigSend(signal)) = decode(&[
        "68076125",
        "6E09000A0000000000000040",
        A,
        "77046E616D65",
        TOKEN,
        "7706667574757265",
        "6B000101",
    ]) else {
        panic!()
    };
    assert!(
        !signal.priority
            && signal.token.is_some()
            && signal.to == AltactTo::Name(Atom::from_static("name"))
    );
}

#[test]
fn a_wrong_shape_is_an_error_that_names_operation_and_field() {
    for (parts, said) in [
        (&["68036101", A, "77046E616D65"][..], "LINK, to"),
        (&["68026101", A], "LINK with a tuple of 2"),
        (&["68046101", A, B, B], "LINK with a tuple of 4"),
        (&["68046113", A, REF, REF], "MONITOR_P, to: neither"),
        (&["68046123", "6100", A, B], "UNLINK_ID, id: out of range"),
        (&["68046123", "6E0900000000000000000001", A, B], "UNLINK_ID, id"),
        (&["68046123", "62FFFFFFFF", A, B], "UNLINK_ID, id"),
        (&["68046125", "62FFFFFFFF", A, B], "ALTACT_SIG_SEND, flags"),
        (&["68046125", "610C", A, REF], "flag bits that exclude each other"),
        (&["68046125", "6102", A, B], "ALTACT_SIG_SEND with a tuple of 4"),
        (&["68046125", "7700", A, B], "ALTACT_SIG_SEND, flags"),
        (&["6805611F", REF, B, "6208000000", A], "SPAWN_REPLY, flags: out of range"),
        (
            &["6806611D", REF, A, A, "680377016D77016662FFFFFFFF", "6A"],
            "SPAWN_REQUEST, mfa: out of range",
        ),
        (
            &["6806611D", REF, A, A, "680377016D7701666101", "6C00000001770161770162"],
            "options: not a proper list",
        ),
        (&["6806611D", REF, A, A, "680277016D770166", "6A"], "SPAWN_REQUEST, mfa"),
        (&["680361045877036140680000000A0000000000000007", B], "operation 4 (UNLINK) is obsolete"),
        (&["68016105"], "operation 5 (NODE_LINK) is obsolete"),
        (&["68036126", A, B], "unknown operation 38"),
        (&["6803620FFFFFFF", A, B], "unknown operation 268435455"),
        (&["6800"], "none with a tuple of 0"),
        (&["6A"], "a tuple that begins with its operation"),
        (&["6803770161", A, B], "a tuple that begins with its operation"),
        (&["680362FFFFFFFF", A, B], "a tuple that begins with its operation"),
        (&["69FFFFFFFF6101"], "a tuple that begins with its operation"),
        (&[""], "a tuple that begins with its operation"),
    ] {
        let error = decode(parts).unwrap_err();
        assert!(error.to_string().contains(said), "{error} does not say `{said}`");
    }
}

#[test]
fn every_number_from_1_to_37_is_an_operation_or_refused_by_name_or_never_was_one() {
    let listed: Vec<u8> = OPERATIONS.iter().map(|operation| operation.number).collect();
    // Never assigned, or gone since before the oldest release that can connect (erl_dist_protocol).
    let never = [9, 10, 11, 14, 15, 17];
    for number in 1..=37u8 {
        let error = decode(&[&format!("680161{number:02X}")]).unwrap_err();
        match error {
            ControlError::Size { .. } => assert!(listed.contains(&number), "{number}"),
            ControlError::Obsolete { .. } => assert!([4, 5].contains(&number), "{number}"),
            ControlError::Unknown(_) => assert!(never.contains(&number), "{number}"),
            other => panic!("{number}: {other}"),
        }
    }
    assert!(listed.is_sorted());
}

#[test]
fn every_cut_of_a_control_message_is_an_error() {
    let whole = bytes(&["68056112", A, B, TOKEN, "680277036279656101"]);
    for cut in 0..whole.len() {
        assert!(Control::decode(&mut Cursor::new(&whole[..cut], &[])).is_err());
    }
}
