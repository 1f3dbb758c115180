//! JSON Web Tokens (RFC 7519), signed by HMAC-SHA-256 with a secret of the cluster's own.
//!
//! A real server signs with a private key, which others can check by its public half; here nobody
//! but the server itself reads a token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::json::Value;

/// The bytes of a block of SHA-256.
const BLOCK: usize = 64;
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// What tokens are signed with.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// The secret that some bytes stand for: those of a seed in a simulation, those of a private
    /// key in a cluster that is served.
    pub fn new(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// HMAC (RFC 2104).
    fn mac(&self, message: &[u8]) -> [u8; 32] {
        let mut key = [0; BLOCK];
        key[..self.0.len()].copy_from_slice(&self.0);
        let round = |pad: u8, message: &[u8]| {
            let mut hash = Sha256::new();
            hash.update(key.map(|byte| byte ^ pad));
            hash.update(message);
            <[u8; 32]>::from(hash.finalize())
        };
        round(0x5c, &round(0x36, message))
    }

    /// A token with these claims.
    pub(super) fn sign(&self, claims: &Value) -> String {
        let head = URL_SAFE_NO_PAD.encode(HEADER);
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let mac = URL_SAFE_NO_PAD.encode(self.mac(signed.as_bytes()));
        format!("{signed}.{mac}")
    }

    /// The claims of a token; an empty error for what is none.
    pub(super) fn verify(&self, token: &str) -> Result<Value, String> {
        let none = |_| String::new();
        let (signed, mac) = token.rsplit_once('.').ok_or_else(String::new)?;
        let (_, claims) = signed.split_once('.').ok_or_else(String::new)?;
        let claims = URL_SAFE_NO_PAD.decode(claims).map_err(none)?;
        let claims = serde_json::from_slice(&claims).map_err(|_| String::new())?;
        let own = self.mac(signed.as_bytes());
        let given = URL_SAFE_NO_PAD.decode(mac).unwrap_or_default();
        // All of it is looked at, so that no time tells how much was right.
        let differ = own.iter().zip(&given).fold(0, |found, (a, b)| found | (a ^ b));
        if given.len() != own.len() || differ != 0 {
            return Err("go-jose/go-jose: error in cryptographic primitive".into());
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use crate::json::json;

    use super::*;

    #[test]
    fn what_was_signed_is_known_again() {
        let secret = Secret::new(b"a");
        let token = secret.sign(&json!({"iss": "x"}));
        assert_eq!(secret.verify(&token), Ok(json!({"iss": "x"})));
        assert!(Secret::new(b"b").verify(&token).is_err());
        assert!(secret.verify(&token[..token.len() - 4]).is_err());
        for none in ["", "a", "a.b", "a.b.c"] {
            assert_eq!(secret.verify(none), Err(String::new()), "{none}");
        }
    }

    #[test]
    fn the_mac_is_that_of_the_rfc() {
        // RFC 4231, test case 1, whose key is shorter than a hash: padded alike.
        let mut key = [0; 32];
        key[..20].copy_from_slice(&[0x0b; 20]);
        let mac = Secret(key).mac(b"Hi There");
        assert_eq!(mac[..4], [0xb0, 0x34, 0x4c, 0x61]);
    }
}
