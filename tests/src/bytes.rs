//! External-format bytes written by hand for hostile peers (erl_ext_dist), right or wrong as the test wants them.

/// An atom (SMALL_ATOM_UTF8_EXT).
pub fn atom(name: &str) -> Vec<u8> {
    let mut bytes = vec![119, name.len() as u8];
    bytes.extend_from_slice(name.as_bytes());
    bytes
}

/// A small or 32-bit integer.
pub fn integer(value: i32) -> Vec<u8> {
    match u8::try_from(value) {
        Ok(small) => vec![97, small],
        Err(_) => [&[98][..], &value.to_be_bytes()].concat(),
    }
}

/// A tuple of fewer than 256 elements.
pub fn tuple(elements: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![104, elements.len() as u8];
    bytes.extend(elements.concat());
    bytes
}

/// A binary.
pub fn binary(content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![109];
    bytes.extend_from_slice(&(content.len() as u32).to_be_bytes());
    bytes.extend_from_slice(content);
    bytes
}

/// A pid (NEW_PID_EXT).
pub fn pid(node: &str, id: u32, serial: u32, creation: u32) -> Vec<u8> {
    let mut bytes = vec![88];
    bytes.extend(atom(node));
    for word in [id, serial, creation] {
        bytes.extend_from_slice(&word.to_be_bytes());
    }
    bytes
}

/// A reference of three words (NEWER_REFERENCE_EXT).
pub fn reference(node: &str, creation: u32, words: [u32; 3]) -> Vec<u8> {
    let mut bytes = vec![90, 0, 3];
    bytes.extend(atom(node));
    bytes.extend_from_slice(&creation.to_be_bytes());
    for word in words {
        bytes.extend_from_slice(&word.to_be_bytes());
    }
    bytes
}

/// The empty list.
pub fn nil() -> Vec<u8> {
    vec![106]
}
