//! What certificates say: whom a client's is of, and from when until when one holds. The common
//! name of a client's subject is a user, each organization one of the groups.
//!
//! Source:
//! <https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates>,
//! RFC 5280, `k8s.io/apiserver/pkg/authentication/request/x509`.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::api::identity::{AUTHENTICATED, Identity};

/// The tags of DER (X.690) that are looked for.
const INTEGER: u8 = 0x02;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const UTC_TIME: u8 = 0x17;
const VERSION: u8 = 0xa0;
/// `id-at-commonName`, 2.5.4.3.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
/// `id-at-organizationName`, 2.5.4.10.
const ORGANIZATION: [u8; 3] = [0x55, 0x04, 0x0a];

/// What is left of some DER.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next element: its tag and what is in it.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // The length of a certificate has no more than four bytes.
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (inner, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, inner))
    }

    /// What is in the next element, if that has this tag.
    fn take(&mut self, wanted: u8) -> Option<&'a [u8]> {
        self.next().and_then(|(tag, inner)| (tag == wanted).then_some(inner))
    }
}

/// What is signed of a certificate, after its issuer: how long it holds, its subject and the rest.
fn signed(certificate: &[u8]) -> Option<Reader<'_>> {
    let mut signed = Reader(Reader(Reader(certificate).take(SEQUENCE)?).take(SEQUENCE)?);
    if signed.0.first() == Some(&VERSION) {
        signed.next()?;
    }
    signed.take(INTEGER)?; // Its serial number,
    for _ in ["how it is signed", "its issuer"] {
        signed.take(SEQUENCE)?;
    }
    Some(signed)
}

/// Whether a certificate (DER) holds at a time, which is written as `20260101000000Z`.
pub(super) fn holds_at(certificate: &[u8], now: &str) -> bool {
    let mut times = Reader(signed(certificate).and_then(|mut s| s.take(SEQUENCE)).unwrap_or(&[]));
    let mut time = || {
        let (tag, text) = times.next()?;
        let text = std::str::from_utf8(text).ok()?;
        // A year of two digits is one of from 1950 to 2049.
        let century = if text.as_bytes().first()? < &b'5' { "20" } else { "19" };
        Some(if tag == UTC_TIME { format!("{century}{text}") } else { text.to_owned() })
    };
    matches!((time(), time()), (Some(first), Some(last)) if *first <= *now && *now <= *last)
}

/// Calls with each attribute of a certificate's subject, in order: its type and its text.
fn subject<'a>(certificate: &'a [u8], mut each: impl FnMut(&'a [u8], &'a str)) -> Option<()> {
    let mut signed = signed(certificate)?;
    signed.take(SEQUENCE)?;
    let mut names = Reader(signed.take(SEQUENCE)?);
    while !names.0.is_empty() {
        let mut set = Reader(names.take(SET)?);
        while !set.0.is_empty() {
            let mut pair = Reader(set.take(SEQUENCE)?);
            let (kind, (_, value)) = (pair.take(OBJECT)?, pair.next()?);
            each(kind, std::str::from_utf8(value).ok()?);
        }
    }
    Some(())
}

/// The user of a certificate (DER) that somebody vouches for; none where it names nobody.
pub(super) fn identity(certificate: &[u8]) -> Option<Arc<Identity>> {
    let mut identity = Identity::default();
    subject(certificate, |kind, value| match kind {
        kind if kind == COMMON_NAME => identity.name = value.to_owned(),
        kind if kind == ORGANIZATION => identity.groups.push(value.to_owned()),
        _ => {}
    })?;
    if identity.name.is_empty() {
        return None;
    }
    identity.groups.push(AUTHENTICATED.into());
    let digest = Sha256::digest(certificate);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let credential = vec![format!("X509SHA256={digest}")];
    identity.extra.insert("authentication.kubernetes.io/credential-id".into(), credential);
    Some(Arc::new(identity))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn certificate(names: &[(DnType, &str)]) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, name) in names {
            params.distinguished_name.push(kind.clone(), *name);
        }
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").der().to_vec()
    }

    #[test]
    fn subjects_are_users() {
        let found = certificate(&[
            (DnType::OrganizationName, "dev"),
            (DnType::CountryName, "EU"),
            (DnType::CommonName, "alice"),
        ]);
        let identity = identity(&found).expect("it names somebody");
        assert_eq!(identity.name, "alice");
        assert_eq!(identity.groups, ["dev", AUTHENTICATED]);
        let credential = &identity.extra["authentication.kubernetes.io/credential-id"][0];
        assert_eq!(credential.len(), "X509SHA256=".len() + 64);
    }

    #[test]
    fn certificates_hold_for_a_time() {
        let mut params = CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2100, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let found = params.self_signed(&key).expect("a certificate");
        for (now, holds) in [
            ("20251231235959Z", false),
            ("20260101000000Z", true),
            ("20991231235959Z", true),
            ("21000101000001Z", false),
        ] {
            assert_eq!(holds_at(found.der(), now), holds, "{now}");
        }
        assert!(!holds_at(&[], "20260101000000Z"));
    }

    #[test]
    fn what_names_nobody_is_nobody() {
        assert!(identity(&certificate(&[(DnType::OrganizationName, "dev")])).is_none());
        let whole = certificate(&[(DnType::CommonName, "alice")]);
        assert!(identity(&whole).is_some());
        for length in 0..whole.len() {
            // It may end anywhere after its subject, which no signature would allow.
            let _ = identity(&whole[..length]);
        }
        assert!(identity(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]).is_none());
    }
}
