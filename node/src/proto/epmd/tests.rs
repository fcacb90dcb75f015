//! The bytes were recorded between `erl` and `epmd` of OTP 25, 27 and 29, which agree in everything but port and creation.

use super::*;

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn rec(port: u16) -> Registration {
    Registration::new("rec", port, NodeType::Normal).unwrap()
}

#[test]
fn a_registration_is_written_byte_for_byte_as_erl_writes_it() {
    for (recorded, port) in [
        ("001078852b4d000006000500037265630000", 34091),
        ("00107885db4d000006000500037265630000", 34267),
        ("001078a9cf4d000006000500037265630000", 43471),
    ] {
        assert_eq!(Request::Alive2(rec(port)).encode().unwrap(), hex(recorded));
        assert_eq!(Request::parse(&hex(recorded)), Ok(Some(Request::Alive2(rec(port)))));
    }
}

#[test]
fn epmds_answer_to_a_registration_is_read_and_written() {
    let recorded = hex("76006b03d578");
    let answer = Alive2Response::Registered { creation: 0x6b03_d578 };
    assert_eq!(Alive2Response::parse(&recorded), Ok(Some(answer)));
    assert_eq!(answer.encode(6), recorded);
}

#[test]
fn lookups_and_their_answers_are_those_between_erl_and_epmd() {
    let ask = Request::PortPlease2 { name: "rec".into() };
    assert_eq!(ask.encode().unwrap(), hex("00047a726563"));
    assert_eq!(
        Request::parse(&hex("00077a6e6f626f6479")),
        Ok(Some(Request::PortPlease2 { name: "nobody".into() }))
    );
    let recorded = hex("7700852b4d000006000500037265630000");
    let answer = PortResponse::Found(rec(34091));
    assert_eq!(PortResponse::parse(&recorded), Ok(Some(answer.clone())));
    assert_eq!(answer.encode().unwrap(), recorded);
    assert_eq!(PortResponse::parse(&hex("7701")), Ok(Some(PortResponse::NotFound { result: 1 })));
    assert_eq!(PortResponse::NotFound { result: 1 }.encode().unwrap(), hex("7701"));
}

#[test]
fn the_names_listing_is_that_of_epmd() {
    let recorded = hex("0000372d6e616d652072656320617420706f72742033343039310a");
    let answer = NamesResponse {
        epmd_port: 14125,
        entries: vec![NameEntry { name: "rec".into(), port: 34091 }],
    };
    assert_eq!(NamesResponse::decode(&recorded), Ok(answer.clone()));
    assert_eq!(answer.encode(), recorded);
    assert_eq!(Request::parse(&hex("00016e")), Ok(Some(Request::Names)));
}

#[test]
fn dump_kill_and_stop_are_recognised_so_that_they_can_be_refused() {
    assert_eq!(Request::parse(&hex("000164")), Ok(Some(Request::Dump)));
    assert_eq!(Request::parse(&hex("00016b")), Ok(Some(Request::Kill)));
    assert_eq!(Request::parse(b"\0\x04srec"), Ok(Some(Request::Stop { name: "rec".into() })));
}

#[test]
fn every_message_asks_for_more_at_each_of_its_prefixes() {
    let request = hex("001078852b4d000006000500037265630000");
    let found = hex("7700852b4d000006000500037265630000");
    let alive = hex("76006b03d578");
    for cut in 0..request.len() {
        assert_eq!(Request::parse(&request[..cut]), Ok(None));
    }
    for cut in 0..found.len() {
        assert_eq!(PortResponse::parse(&found[..cut]), Ok(None));
    }
    for cut in 0..alive.len() {
        assert_eq!(Alive2Response::parse(&alive[..cut]), Ok(None));
    }
}

#[test]
fn a_node_of_version_5_gets_the_short_answer_with_a_creation_of_1_to_3() {
    for creation in 0..9 {
        let bytes = Alive2Response::Registered { creation }.encode(5);
        assert_eq!(bytes.len(), 4);
        let Ok(Some(Alive2Response::Registered { creation })) = Alive2Response::parse(&bytes)
        else {
            panic!("not an answer: {bytes:?}");
        };
        assert!((1..=3).contains(&creation));
    }
}

#[test]
fn names_no_node_has_are_refused_in_registrations_and_lookups() {
    for (name, fault) in [
        (&b""[..], NameFault::Empty),
        (b"a\nname b at port 1", NameFault::Control),
        (b"a\0b", NameFault::Control),
        (b"a@b", NameFault::At),
        (b"\xff", NameFault::NotUtf8),
        (&[b'a'; 256][..], NameFault::TooLong),
    ] {
        let mut body = vec![PORT_PLEASE2_REQ];
        body.extend_from_slice(name);
        assert_eq!(Request::decode(&body), Err(EpmdError::BadName(fault)), "{name:?}");
        let mut body = vec![ALIVE2_REQ, 1, 1, 77, 0, 0, 6, 0, 5];
        write_16(&mut body, name);
        write_16(&mut body, b"");
        assert_eq!(Request::decode(&body), Err(EpmdError::BadName(fault)), "{name:?}");
    }
}

#[test]
fn lengths_that_cannot_be_are_refused_at_once() {
    assert_eq!(Request::parse(&[0, 0]), Err(EpmdError::RequestLength(0)));
    assert_eq!(Request::parse(&[4, 0]), Err(EpmdError::RequestLength(1024)));
    assert_eq!(Request::parse(b"\0\x01nn"), Err(EpmdError::Trailing(1)));
    assert_eq!(
        Request::decode(&[120, 1, 1, 77, 0, 0, 6, 0, 5, 0, 9, b'a', 0, 0]),
        Err(EpmdError::Truncated("ALIVE2_REQ"))
    );
    assert_eq!(
        PortResponse::parse(&[119, 0, 1, 1, 77, 0, 0, 6, 0, 5, 255, 255]),
        Err(EpmdError::BadName(NameFault::TooLong))
    );
}
