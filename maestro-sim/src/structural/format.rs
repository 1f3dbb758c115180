//! The string formats that the server checks; formats it does not know are not checked.
//!
//! Source: the "format" list in the Kubernetes documentation of structural schemas and
//! `k8s.io/kube-openapi/pkg/validation/strfmt`.

use super::cache;
use crate::builtin::text as form;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether `text` has the form that `format` names.
pub(super) fn accepts(format: &str, text: &str) -> bool {
    match format {
        "k8s-short-name" => form::label(text).is_empty(),
        "k8s-long-name" => form::subdomain(text).is_empty(),
        "date-time" | "datetime" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => is_cidr(text),
        "mac" => is_mac(text),
        "uuid" | "uuid3" | "uuid4" | "uuid5" => is_uuid(format, text),
        "byte" => is_base64(text),
        "duration" => is_duration(text),
        "email" => text
            .split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && is_hostname(host)),
        "hostname" => is_hostname(text),
        "uri" => is_request_uri(text),
        "hexcolor" => text
            .strip_prefix('#')
            .is_some_and(|h| matches!(h.len(), 3 | 6) && h.bytes().all(|b| b.is_ascii_hexdigit())),
        _ => true,
    }
}

/// Whether a text is a URI with a scheme, or an absolute path, as Go's `url.ParseRequestURI` reads
/// it: whatever is not rooted after its scheme is opaque.
fn is_request_uri(text: &str) -> bool {
    let scheme = text.split_once(':').filter(|(scheme, _)| is_scheme(scheme));
    let rest = scheme.map_or(text, |(_, rest)| rest);
    let is_rooted = rest.starts_with('/');
    let path = rest.split('?').next().unwrap_or_default();
    let escapes = path.split('%').skip(1).all(|escape| {
        escape.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    !text.bytes().any(|byte| byte < b' ' || byte == 0x7f)
        && if is_rooted { escapes } else { scheme.is_some() }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// Whether a server knows a format of texts, with hyphens or without.
///
/// Source: `k8s.io/apiextensions-apiserver/pkg/apiserver/validation/formats.go`.
pub(crate) fn is_known(format: &str) -> bool {
    const KNOWN: [&str; 26] = [
        "bsonobjectid",
        "byte",
        "cidr",
        "creditcard",
        "date",
        "datetime",
        "duration",
        "email",
        "hexcolor",
        "hostname",
        "ipv4",
        "ipv6",
        "isbn",
        "isbn10",
        "isbn13",
        "k8slongname",
        "k8sshortname",
        "mac",
        "password",
        "rgbcolor",
        "ssn",
        "uri",
        "uuid",
        "uuid3",
        "uuid4",
        "uuid5",
    ];
    KNOWN.contains(&&*format.replace('-', ""))
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let Ok(bits) = bits.parse::<u8>() else { return false };
    (address.parse::<Ipv4Addr>().is_ok() && bits <= 32)
        || (address.parse::<Ipv6Addr>().is_ok() && bits <= 128)
}

fn is_mac(text: &str) -> bool {
    let parts = text.split([':', '-']);
    parts.clone().count() == 6
        && parts.into_iter().all(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_uuid(format: &str, text: &str) -> bool {
    let hex: Vec<u8> = text.bytes().filter(|b| *b != b'-').collect();
    let version = format.strip_prefix("uuid").unwrap_or("");
    hex.len() == 32
        && hex.iter().all(u8::is_ascii_hexdigit)
        && (version.is_empty() || hex.get(12) == version.as_bytes().first())
}

/// Standard base64 with padding, as `Secret.data` has it.
pub(crate) fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - body.len() <= 2
        && body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
}

/// A duration of Go's, or anything in which a number has a unit of time, which may be a word.
fn is_duration(text: &str) -> bool {
    const SHORT: [&str; 11] = ["ns", "us", "µs", "ms", "s", "m", "h", "hr", "d", "w", "wk"];
    const WORDS: [&str; 8] = ["nano", "micro", "milli", "sec", "min", "hour", "day", "week"];
    let is_unit = |unit: &str| {
        let unit = unit.to_lowercase();
        SHORT.contains(&unit.as_str()) || WORDS.iter().any(|word| unit.starts_with(word))
    };
    let parts = cache::compiled(r"(\d+)\s*([A-Za-zµ]+)");
    let Ok(parts) = parts.as_ref() else { return false };
    let found = || parts.captures_iter(text).map(|found| found.extract::<2>().1);
    is_go_duration(text)
        || (found().all(|[number, _]| number.parse::<i64>().is_ok())
            && found().any(|[_, unit]| is_unit(unit)))
}

/// Go's duration syntax: `1h30m`, `-1.5s`, `0`.
fn is_go_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (digits, tail) = rest.split_at(number);
        if !digits.bytes().any(|b| b.is_ascii_digit()) || digits.matches('.').count() > 1 {
            return false;
        }
        let units = ["ns", "us", "µs", "μs", "ms", "s", "m", "h"];
        let Some(tail) = units.iter().find_map(|u| tail.strip_prefix(u)) else { return false };
        rest = tail;
    }
    true
}

fn is_hostname(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && text.trim_end_matches('.').split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
}

#[cfg(test)]
mod tests {
    use super::accepts;

    #[track_caller]
    fn check(format: &str, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(accepts(format, text), "{text:?} is {format}");
        }
        for text in bad {
            assert!(!accepts(format, text), "{text:?} is not {format}");
        }
    }

    #[test]
    fn formats() {
        check("date-time", &["2024-01-01T00:00:00Z", "2024-01-01T00:00:00.5+02:00"], &["x", ""]);
        check("date", &["2024-02-29"], &["2023-02-29", "2024-1-1"]);
        check("ipv4", &["10.0.0.1"], &["10.0.0", "::1"]);
        check("cidr", &["10.0.0.0/8", "fd00::/64"], &["10.0.0.0", "10.0.0.0/33"]);
        let durations = ["1h30m", "0", "-1.5s", "10ms", "1d", "2 weeks", "1..5s"];
        check("duration", &durations, &["", "1", "h", "1 x", "99999999999999999999 days"]);
        check("uri", &["https://a/b", "/a", "a:b"], &["", "a", "a b", "/%zz", "a\n:b"]);
        check("byte", &["", "YQ==", "YWI="], &["a", "a===", "%%%%"]);
        check("uuid", &["123e4567-e89b-12d3-a456-426614174000"], &["123", ""]);
        check("unheard-of", &["anything"], &[]);
    }
}
