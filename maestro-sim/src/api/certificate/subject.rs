//! Who a request for a certificate says to be.
//!
//! Sources: RFC 2986 (PKCS #10), RFC 5280; `ParseCSR` of `pkg/apis/certificates`,
//! `plugin/pkg/admission/certificates/subjectrestriction`.

use std::borrow::Cow;

use crate::builtin::decode_base64;

/// What is said of a request that is none.
const NO_PEM: &str = "PEM block type must be CERTIFICATE REQUEST";
const COMMON_NAME: [u8; 3] = [0x55, 4, 3];
const ORGANIZATION: [u8; 3] = [0x55, 4, 10];
/// Tags of DER: a sequence, a set, and text in two bytes a letter.
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const WIDE: u8 = 0x1e;

/// The names of a subject.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Subject {
    /// Its common name; of several the last.
    pub name: String,
    /// Its organizations, which are the groups of a user.
    pub organizations: Vec<String>,
}

/// One value of DER, taken off the front: its tag and what it holds.
fn take<'d>(der: &mut &'d [u8]) -> Option<(u8, &'d [u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, mut rest) = rest.split_first()?;
    let mut length = usize::from(*first);
    if length >= 0x80 {
        let (digits, later) = rest.split_at_checked(length - 0x80).filter(|(d, _)| d.len() <= 4)?;
        length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
        rest = later;
    }
    let (held, later) = rest.split_at_checked(length)?;
    *der = later;
    Some((*tag, held))
}

/// The same where it must be of a sort.
fn open<'d>(der: &mut &'d [u8], tag: u8) -> Option<&'d [u8]> {
    take(der).filter(|(found, _)| *found == tag).map(|(_, held)| held)
}

fn text(tag: u8, held: &[u8]) -> Cow<'_, str> {
    if tag != WIDE {
        return String::from_utf8_lossy(held);
    }
    let letters: Vec<u16> =
        held.chunks_exact(2).map(|pair| u16::from(pair[0]) << 8 | u16::from(pair[1])).collect();
    String::from_utf16_lossy(&letters).into()
}

fn names(mut der: &[u8]) -> Option<Subject> {
    let mut request = open(&mut der, SEQUENCE)?;
    let mut info = open(&mut request, SEQUENCE)?;
    take(&mut info)?;
    let mut sets = open(&mut info, SEQUENCE)?;
    let mut subject = Subject::default();
    while !sets.is_empty() {
        let mut set = open(&mut sets, SET)?;
        while !set.is_empty() {
            let mut pair = open(&mut set, SEQUENCE)?;
            let (_, kind) = take(&mut pair)?;
            let (tag, held) = take(&mut pair)?;
            let value = text(tag, held).into_owned();
            if *kind == COMMON_NAME {
                subject.name = value;
            } else if *kind == ORGANIZATION {
                subject.organizations.push(value);
            }
        }
    }
    Some(subject)
}

/// The subject of a request as objects hold it, in PEM and Base64.
///
/// # Errors
/// With what is said of a request that cannot be read.
pub fn subject(request: &str) -> Result<Subject, &'static str> {
    let pem = decode_base64(request);
    let pem = String::from_utf8_lossy(&pem);
    let body = pem.split_once("-----BEGIN CERTIFICATE REQUEST-----").ok_or(NO_PEM)?.1;
    let body = body.split_once("-----END CERTIFICATE REQUEST-----").ok_or(NO_PEM)?.0;
    names(&decode_base64(body)).ok_or("x509: malformed certificate request")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_off_der() {
        let pair = |kind: [u8; 3], tag: u8, value: &[u8]| {
            let value = wrap(tag, value);
            wrap(SET, &wrap(SEQUENCE, &[wrap(6, &kind), value].concat()))
        };
        let long = "x".repeat(300);
        let sets = [
            pair(ORGANIZATION, 0x0c, b"system:nodes"),
            pair(ORGANIZATION, 0x13, long.as_bytes()),
            pair([0x55, 4, 6], 0x13, b"DE"),
            pair(COMMON_NAME, WIDE, &[0, b'n', 0, b'1']),
        ];
        let info = wrap(SEQUENCE, &[wrap(2, &[0]), wrap(SEQUENCE, &sets.concat())].concat());
        let der = wrap(SEQUENCE, &info);
        let organizations = vec!["system:nodes".to_owned(), long];
        assert_eq!(names(&der), Some(Subject { name: "n1".to_owned(), organizations }));
        for end in 0..der.len() {
            assert_eq!(names(&der[..end]), None, "{end}");
        }
    }

    fn wrap(tag: u8, held: &[u8]) -> Vec<u8> {
        let length = match u8::try_from(held.len()) {
            Ok(short) if short < 0x80 => vec![short],
            _ => [&[0x82][..], &u16::try_from(held.len()).unwrap().to_be_bytes()].concat(),
        };
        [&[tag][..], &length, held].concat()
    }
}
