//! Cipher suites: which come first, and their names, those of `ssl:cipher_suites(all, V, openssl)` and the IANA's.

use rustls::SupportedCipherSuite;
use rustls::crypto::ring::{ALL_CIPHER_SUITES, cipher_suite as suite};

/// All that rustls has, the preferred first.
///
/// A key of AES-GCM is good for 2^24 records (RFC 8446, 5.5). TLS 1.3 then takes a new one. TLS 1.2 cannot, and rustls ends the
/// connection: with small messages after minutes. So what has no such bound comes first there.
pub(super) fn preferred() -> Vec<SupportedCipherSuite> {
    let mut all = ALL_CIPHER_SUITES.to_vec();
    all.sort_by_key(wears_out);
    all
}

fn wears_out(suite: &SupportedCipherSuite) -> bool {
    match suite {
        SupportedCipherSuite::Tls12(suite) => suite.common.confidentiality_limit < u64::MAX,
        SupportedCipherSuite::Tls13(_) => false,
    }
}

/// The suite of this name; `None` for one that rustls does not have, which are all without forward secrecy or without an
/// authenticated cipher.
pub(super) fn named(name: &str) -> Option<SupportedCipherSuite> {
    Some(match name {
        "TLS_AES_256_GCM_SHA384" => suite::TLS13_AES_256_GCM_SHA384,
        "TLS_AES_128_GCM_SHA256" => suite::TLS13_AES_128_GCM_SHA256,
        "TLS_CHACHA20_POLY1305_SHA256" => suite::TLS13_CHACHA20_POLY1305_SHA256,
        "ECDHE-ECDSA-AES256-GCM-SHA384" | "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" => {
            suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
        }
        "ECDHE-ECDSA-AES128-GCM-SHA256" | "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" => {
            suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        }
        "ECDHE-ECDSA-CHACHA20-POLY1305" | "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" => {
            suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
        }
        "ECDHE-RSA-AES256-GCM-SHA384" | "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" => {
            suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
        }
        "ECDHE-RSA-AES128-GCM-SHA256" | "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" => {
            suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        }
        "ECDHE-RSA-CHACHA20-POLY1305" | "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" => {
            suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_connections_comes_last_and_is_there() {
        let names: Vec<_> =
            preferred().iter().map(|suite| format!("{:?}", suite.suite())).collect();
        let at = |name: &str| names.iter().position(|one| one == name).unwrap();
        assert_eq!((names.len(), at("TLS13_AES_256_GCM_SHA384")), (9, 0));
        for kind in ["ECDSA", "RSA"] {
            let lasting = at(&format!("TLS_ECDHE_{kind}_WITH_CHACHA20_POLY1305_SHA256"));
            assert!(lasting < at("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"), "{names:?}");
            assert!(lasting < at("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"), "{names:?}");
        }
    }
}
