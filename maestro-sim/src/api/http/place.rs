//! Paths: what of the API they name, and whether there is such a path.

use ::http::request::Parts;

use super::percent_decode;
use crate::api::registry::Served;
use crate::api::{Status, Verb};

/// The most segments that a path of the API has, and one more by which a longer one is known.
const MOST_SEGMENTS: usize = 10;

/// Whether a path has a `%` that begins no escape, which nobody but the HTTP server sees.
pub fn is_malformed(path: &str) -> bool {
    let escapes = |rest: &str| {
        rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    path.contains('%') && path.split('%').skip(1).any(|rest| !escapes(rest))
}

/// Calls with the segments of a request's path, decoded, and at most [`MOST_SEGMENTS`] of them.
pub(super) fn segmented<T>(parts: &Parts, act: impl FnOnce(&[&str]) -> T) -> T {
    let path = percent_decode(parts.uri.path(), false);
    let mut segments = [""; MOST_SEGMENTS];
    let mut count = 0;
    for (place, segment) in segments.iter_mut().zip(path.trim_matches('/').split('/')) {
        *place = segment;
        count += 1;
    }
    act(&segments[..count])
}

/// What a path names.
#[derive(Default)]
pub(super) struct Place<'a> {
    pub(super) group: &'a str,
    pub(super) version: &'a str,
    pub(super) namespace: &'a str,
    pub(super) resource: &'a str,
    pub(super) name: &'a str,
    pub(super) subresource: &'a str,
    /// Whether the path itself asks to watch, as of old.
    pub(super) watch: bool,
}

impl<'a> Place<'a> {
    /// Whether there is such a path for what is served.
    pub(super) fn is_of(&self, served: &Served) -> bool {
        const OF_ONE: [Verb; 4] = [Verb::Get, Verb::Update, Verb::Patch, Verb::Delete];
        let in_namespace = !self.namespace.is_empty();
        let scoped = match served.namespaced {
            true => in_namespace || self.name.is_empty(),
            false => !in_namespace,
        };
        let known = match self.subresource {
            "" => self.name.is_empty() || OF_ONE.iter().any(|verb| served.serves(*verb, "")),
            subresource => served.is_custom() || served.has_subresource(subresource),
        };
        scoped && known
    }

    /// A name is one segment of a path.
    ///
    /// Source: `IsValidPathSegmentName` of `k8s.io/apimachinery/pkg/api/validation/path`.
    pub(super) fn check_name(&self) -> Result<(), Box<Status>> {
        let name = self.name;
        let wrong = match name {
            "." | ".." => Some(format!("may not be '{name}'")),
            _ if name.contains('%') => Some("may not contain '%'".to_owned()),
            _ => None,
        };
        wrong.map_or(Ok(()), |why| {
            let message = format!("Name parameter invalid: {name:?}: {why}");
            Err(Box::new(Status::bad_request(message)))
        })
    }

    /// Whether it is a collection over all namespaces, which can be read and no more.
    pub(super) fn is_of_all_namespaces(&self, served: &Served) -> bool {
        served.namespaced && self.namespace.is_empty() && self.name.is_empty()
    }

    pub(super) fn find(segments: &[&'a str]) -> Option<Self> {
        let (group, version, rest) = match segments {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (watch, rest) = match rest {
            ["watch", rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let here = Self { group, version, watch, ..Self::default() };
        // `namespaces/NAME/status` and `/finalize` are the namespace's own.
        let (namespace, rest) = match rest {
            ["namespaces", _, "status" | "finalize"] if group.is_empty() => ("", rest),
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            rest => ("", rest),
        };
        let here = Self { namespace, ..here };
        match rest {
            [resource] => Some(Self { resource, ..here }),
            [resource, name] => Some(Self { resource, name, ..here }),
            [resource, name, subresource] => Some(Self { resource, name, subresource, ..here }),
            _ => None,
        }
    }
}
