//! The forms of names, keys and numbers in text, with the words for what does not fit.
//!
//! Source: `k8s.io/apimachinery/pkg/util/validation` and `pkg/api/validate/content`.

use std::borrow::Cow;

/// What is wrong with a text: nothing, most of the time, and then nothing is allocated.
pub(crate) type Problems = Vec<Cow<'static, str>>;

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric \
    characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  \
    or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or \
    '-', start with an alphabetic character, and end with an alphanumeric character (e.g. \
    'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or '.', and must start and end with an alphanumeric character (e.g. \
    'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const SEARCH_PATH: &str = "a lowercase RFC 1123 subdomain must consist of lower case \
    alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric \
    character (e.g. 'example.com', regex used for validation is \
    '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')";
const WILDCARD: &str = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid \
    DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end \
    with an alphanumeric character (e.g. '*.example.com', regex used for validation is \
    '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const KEY_NAME: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and \
    must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or \
    '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const KEY: &str = "a valid label key must consist of alphanumeric characters, '-', '_' or '.', \
    and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or \
    '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an \
    optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric \
    characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. \
    'MyValue',  or 'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const ENV_NAME: &str = "a valid environment variable name must consist only of printable ASCII \
    characters other than '='";

fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.bytes().all(|b| inner(b) || b == b'-')
        && text.bytes().next().is_some_and(inner)
        && text.bytes().next_back().is_some_and(inner)
}

pub(crate) fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

fn is_key_name(text: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    edge(text.bytes().next())
        && edge(text.bytes().next_back())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// Names are counted in characters and keys in bytes, in words at least.
fn longer(text: &str, most: usize, unit: &str, out: &mut Problems) {
    if text.len() > most {
        out.push(format!("must be no more than {most} {unit}").into());
    }
}

/// An RFC 1123 label.
pub(crate) fn label(text: &str) -> Problems {
    let mut out = Problems::new();
    longer(text, 63, "characters", &mut out);
    if !is_label(text) {
        out.push(if is_subdomain(text) { "must not contain dots" } else { LABEL }.into());
    }
    out
}

/// An RFC 1035 label, as Services have.
pub(crate) fn label_1035(text: &str) -> Problems {
    let mut out = Problems::new();
    longer(text, 63, "characters", &mut out);
    if !is_label(text) || !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        out.push(LABEL_1035.into());
    }
    out
}

/// An RFC 1123 subdomain: labels and dots.
pub(crate) fn subdomain(text: &str) -> Problems {
    let mut out = Problems::new();
    longer(text, 253, "characters", &mut out);
    if !is_subdomain(text) {
        out.push(SUBDOMAIN.into());
    }
    out
}

/// Where names are looked for: as a subdomain, and with underscores.
pub(crate) fn search_path(text: &str) -> Problems {
    let mut out = Problems::new();
    longer(text, 253, "characters", &mut out);
    let is = |part: &str| {
        let part = part.strip_prefix('_').unwrap_or(part);
        let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        edge(part.bytes().next())
            && edge(part.bytes().next_back())
            && part.bytes().all(|b| edge(Some(b)) || matches!(b, b'-' | b'_'))
    };
    if !text.split('.').all(is) {
        out.push(SEARCH_PATH.into());
    }
    out
}

/// A subdomain of which the first label is left open.
pub(crate) fn wildcard(text: &str) -> Problems {
    let mut out = Problems::new();
    longer(text, 253, "characters", &mut out);
    if !text.strip_prefix("*.").is_some_and(is_subdomain) {
        out.push(WILDCARD.into());
    }
    out
}

/// What can be one segment of a path.
pub(crate) fn segment(text: &str) -> Problems {
    let mut out = Problems::new();
    if text == "." || text == ".." {
        out.push(format!("may not be '{text}'").into());
        return out;
    }
    for bad in ['/', '%'] {
        if text.contains(bad) {
            out.push(format!("may not contain '{bad}'").into());
        }
    }
    out
}

/// A label's key, or anything else of that form: an optional prefix, a slash, a name.
pub(crate) fn key(text: &str) -> Problems {
    let mut out = Problems::new();
    let name = match text.split_once('/') {
        None => text,
        Some((_, rest)) if rest.contains('/') => {
            out.push(KEY.into());
            return out;
        }
        Some((prefix, name)) => {
            if prefix.is_empty() {
                out.push("prefix part must be non-empty".into());
            } else {
                let told = subdomain(prefix).into_iter();
                out.extend(told.map(|problem| Cow::from(format!("prefix part {problem}"))));
            }
            name
        }
    };
    if name.is_empty() {
        out.push("name part must be non-empty".into());
    } else if name.len() > 63 {
        out.push("name part must be no more than 63 bytes".into());
    }
    if !is_key_name(name) {
        out.push(KEY_NAME.into());
    }
    out
}

/// A label's value.
pub(crate) fn label_value(text: &str) -> Problems {
    let mut out = Problems::new();
    longer(text, 63, "bytes", &mut out);
    if !text.is_empty() && !is_key_name(text) {
        out.push(LABEL_VALUE.into());
    }
    out
}

/// The name of a container's port (RFC 6335).
pub(crate) fn port_name(text: &str) -> Problems {
    let mut out = Problems::new();
    longer(text, 15, "characters", &mut out);
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if text.is_empty() || !text.bytes().all(fits) {
        out.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".into());
    }
    if !text.bytes().any(|b| b.is_ascii_lowercase()) {
        out.push("must contain at least one letter (a-z)".into());
    }
    if text.contains("--") {
        out.push("must not contain consecutive hyphens".into());
    }
    if text.starts_with('-') || text.ends_with('-') {
        out.push("must not begin or end with a hyphen".into());
    }
    out
}

/// The name of an environment variable, as servers since 1.34 take it.
pub(crate) fn env_name(text: &str) -> Problems {
    let mut out = Problems::new();
    if text.is_empty() {
        out.push("environment variable name must be non-empty".into());
    } else if !text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'=') {
        out.push(ENV_NAME.into());
    }
    out
}

/// The key of a ConfigMap or Secret.
pub(crate) fn data_key(text: &str) -> Problems {
    let mut out = Problems::new();
    longer(text, 253, "characters", &mut out);
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if text.is_empty() || !text.bytes().all(fits) {
        let why = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' \
                   (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation \
                   is '[-._a-zA-Z0-9]+')";
        out.push(why.into());
    }
    match text {
        "." => out.push("must not be '.'".into()),
        ".." => out.push("must not be '..'".into()),
        _ if text.starts_with("..") => out.push("must not start with '..'".into()),
        _ => {}
    }
    out
}

/// What is said of a number out of its range.
pub(crate) fn range(least: i64, most: i64) -> String {
    format!("must be between {least} and {most}, inclusive")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(form: fn(&str) -> Problems, fits: &[&str], not: &[(&str, usize)]) {
        for text in fits {
            assert_eq!(form(text), Problems::new(), "{text:?}");
        }
        for (text, count) in not {
            assert_eq!(form(text).len(), *count, "{text:?}: {:?}", form(text));
        }
    }

    #[test]
    fn texts_that_fit_and_texts_that_do_not() {
        check(label, &["a", "a-1", "1"], &[("", 1), ("A", 1), ("a.b", 1), ("-a", 1)]);
        check(label_1035, &["a-1"], &[("1a", 1), ("a.b", 1)]);
        check(subdomain, &["a.b-c.1"], &[("a..b", 1), ("a_b", 1)]);
        check(wildcard, &["*.a.b"], &[("*", 1), ("*.", 1), ("*.*.a", 1), ("a.*.b", 1), ("a", 1)]);
        check(key, &["a", "A_b.c", "a.b/C"], &[("", 2), ("/a", 1), ("a/b/c", 1), ("-", 1)]);
        check(label_value, &["", "a_B"], &[("a/", 1), (&"a".repeat(64), 1)]);
        check(port_name, &["http-1"], &[("", 2), ("80", 1), ("a--b", 1), ("-a", 1)]);
        check(env_name, &["A", "a b", "1.2"], &[("", 1), ("a=b", 1), ("ä", 1)]);
        check(data_key, &["a.B_c"], &[("", 1), ("a b", 1), ("..", 1), ("..a", 1)]);
        check(segment, &["a b", "a:b"], &[("..", 1), ("a/b%c", 2)]);
    }
}
