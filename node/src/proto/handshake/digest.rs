//! The proof of the cookie: MD5 of the cookie followed by the challenge in decimal, compared in constant time.

use std::fmt;

use md5::{Digest as _, Md5};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Answer to a challenge. Two are compared only by [`Digest::proves`].
#[derive(Clone, Copy)]
pub struct Digest([u8; 16]);

impl Digest {
    /// The answer of whoever knows `cookie` to `challenge` (erl_dist_protocol, "Semantics of gen_digest").
    #[must_use]
    pub fn new(cookie: &[u8], challenge: u32) -> Self {
        let mut hash = Md5::new();
        hash.update(cookie);
        hash.update(challenge.to_string().as_bytes());
        Self(hash.finalize().into())
    }

    /// A digest as it travels.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes that travel.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Whether this is the digest of `cookie` and `challenge`, in time that does not depend on where they differ.
    #[must_use]
    pub fn proves(&self, cookie: &[u8], challenge: u32) -> bool {
        self.0.ct_eq(&Self::new(cookie, challenge).0).into()
    }
}

/// Says nothing: a digest and its challenge allow a cookie to be guessed off line.
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

/// The cookie while a handshake lasts; wiped when that ends.
#[derive(Clone)]
pub(super) struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub(super) fn new(cookie: &[u8]) -> Self {
        Self(Zeroizing::new(cookie.to_vec()))
    }

    pub(super) fn answer(&self, challenge: u32) -> Digest {
        Digest::new(&self.0, challenge)
    }

    pub(super) fn is_proved_by(&self, digest: &Digest, challenge: u32) -> bool {
        digest.proves(&self.0, challenge)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
