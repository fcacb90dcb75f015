//! epmd's messages, as the server and as the client reads them: whatever is read can be written, and reads the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use node::proto::epmd::{Alive2Response, NamesResponse, PortResponse, Request};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Some(request)) = Request::parse(bytes)
        // Refused whatever it names, so the name is kept for the log only.
        && !matches!(request, Request::Stop { .. })
        && let Ok(written) = request.encode()
    {
        assert_eq!(Request::parse(&written), Ok(Some(request)));
    }
    if let Ok(Some(response)) = PortResponse::parse(bytes)
        && let Ok(written) = response.encode()
    {
        assert_eq!(PortResponse::parse(&written), Ok(Some(response)));
    }
    if let Ok(Some(response)) = Alive2Response::parse(bytes) {
        assert!(!response.encode(6).is_empty());
    }
    if let Ok(response) = NamesResponse::decode(bytes) {
        assert_eq!(NamesResponse::decode(&response.encode()), Ok(response));
    }
});
