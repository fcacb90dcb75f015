//! Control messages: whatever is read can be written, and reads the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use node::proto::control::Control;
use term::Cursor;

fuzz_target!(|bytes: &[u8]| {
    let Ok(control) = Control::decode(&mut Cursor::new(bytes, &[])) else { return };
    let mut written = Vec::new();
    control.encode(&mut written);
    let mut cursor = Cursor::new(&written, &[]);
    let again = Control::decode(&mut cursor);
    assert_eq!(again.as_ref(), Ok(&control));
    assert!(cursor.is_empty());
});
