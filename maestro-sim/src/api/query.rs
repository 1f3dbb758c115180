//! The query of a request: which options it holds, and what is wrong with them.
//!
//! Source: the conversions of `k8s.io/apimachinery/pkg/runtime` and the validation of options in
//! `pkg/apis/meta/v1/validation` and `pkg/apis/meta/internalversion/validation`.

use http::Method;

use crate::api::http::percent_decode;
use crate::api::{Cause, Options, Status, pod_output};

/// The most bytes of a field manager's name.
const LONGEST_MANAGER: usize = 128;

/// What the query says, and whether it asks to watch.
pub(super) fn options(method: &Method, query: &str) -> Result<(Options, bool), Box<Status>> {
    let mut options = Options::default();
    let mut watch = false;
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decode(value, true).into_owned();
        match name {
            "watch" => watch = is_on(&value),
            // Options of writes mean nothing to who reads.
            "dryRun" | "fieldManager" if method == Method::GET => {}
            "dryRun" => {
                if value != "All" {
                    return Err(dry_run(method, &value));
                }
                options.dry_run = true;
            }
            "fieldManager" => {
                check_manager(method, &value)?;
                options.field_manager = Some(value);
            }
            "force" => options.force = Some(is_on(&value)),
            "fieldValidation" => options.field_validation = Some(value),
            "labelSelector" => options.label_selector = Some(value),
            "fieldSelector" => options.field_selector = Some(value),
            "limit" => options.limit = usize::try_from(number(&value)?).unwrap_or(0),
            "continue" => options.continue_token = Some(value),
            "resourceVersion" => options.resource_version = Some(value),
            "resourceVersionMatch" => options.resource_version_match = Some(value),
            "timeoutSeconds" => {
                options.timeout_seconds = u64::try_from(number(&value)?).ok();
            }
            "allowWatchBookmarks" => options.allow_watch_bookmarks = is_on(&value),
            "sendInitialEvents" => options.send_initial_events = Some(is_on(&value)),
            other => pod_output::LogOptions::read(&mut options.log, other, &value),
        }
    }
    Ok((options, watch))
}

/// What is wrong with the time that a client gives a request, before anything else is looked at.
/// Nobody's is read who watches, which is meant to last.
///
/// Source: `k8s.io/apiserver/pkg/endpoints/filters/request_deadline.go`.
pub(super) fn check_timeout(query: &str) -> Result<(), Box<Status>> {
    if !query.contains("timeout=") || value(query, "watch").is_some_and(|watch| is_on(&watch)) {
        return Ok(());
    }
    let timeout = value(query, "timeout").filter(|timeout| !timeout.is_empty());
    timeout.map_or(Ok(()), |timeout| check_duration(&timeout)).map_err(|why| {
        let message = format!("invalid timeout specified in the request URL - {why}");
        Box::new(Status::bad_request(message))
    })
}

/// Whether a text is a duration, in the words of Go's `time.ParseDuration`.
fn check_duration(text: &str) -> Result<(), String> {
    let wrong = || format!("time: invalid duration {text:?}");
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return Ok(());
    }
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut nanoseconds = 0.0;
    while !rest.is_empty() {
        let number = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
        let whole = &rest[..rest.len() - number.len()];
        let after = number.strip_prefix('.').unwrap_or(number);
        let unit = after.trim_start_matches(|letter: char| letter.is_ascii_digit());
        if whole.is_empty() && (after.len() == number.len() || unit.len() == after.len()) {
            return Err(wrong());
        }
        let end = unit.find(|letter: char| letter == '.' || letter.is_ascii_digit());
        let (unit, left) = unit.split_at(end.unwrap_or(unit.len()));
        let size = match unit {
            "" => return Err(format!("time: missing unit in duration {text:?}")),
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 6e10,
            "h" => 3.6e12,
            other => return Err(format!("time: unknown unit {other:?} in duration {text:?}")),
        };
        nanoseconds += whole.parse::<f64>().unwrap_or(0.0) * size;
        rest = left;
    }
    if nanoseconds > i64::MAX as f64 { Err(wrong()) } else { Ok(()) }
}

/// The first value of one option.
pub(super) fn value(query: &str, wanted: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .find(|(name, _)| *name == wanted)
        .map(|(_, value)| percent_decode(value, true).into_owned())
}

/// Whether an option is on: everything but `false` and `0` turns it on.
pub(super) fn is_on(value: &str) -> bool {
    !value.eq_ignore_ascii_case("false") && value != "0"
}

fn number(text: &str) -> Result<i64, Box<Status>> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| {
        let message = format!("strconv.ParseInt: parsing {text:?}: invalid syntax");
        Box::new(Status::bad_request(message))
    })
}

fn refused(method: &Method, cause: Cause) -> Box<Status> {
    let kind = match *method {
        Method::POST => "CreateOptions",
        Method::PUT => "UpdateOptions",
        Method::PATCH => "PatchOptions",
        _ => "DeleteOptions",
    };
    Box::new(Status::invalid("meta.k8s.io", kind, "", &[cause]))
}

fn dry_run(method: &Method, value: &str) -> Box<Status> {
    let message = format!("Unsupported value: [{value:?}]: supported values: \"All\"");
    refused(method, Cause::new("FieldValueNotSupported", "dryRun", message))
}

/// A manager's name is short and can be printed.
fn check_manager(method: &Method, name: &str) -> Result<(), Box<Status>> {
    if name.len() > LONGEST_MANAGER {
        let message = format!("Too long: may not be more than {LONGEST_MANAGER} bytes");
        return Err(refused(method, Cause::new("FieldValueTooLong", "fieldManager", message)));
    }
    match name.char_indices().find(|(_, letter)| letter.is_control()) {
        None => Ok(()),
        Some((at, letter)) => {
            let code = u32::from(letter);
            let message = format!(
                "Invalid value: {name:?}: invalid character U+{code:04X} (at position {at})"
            );
            Err(refused(method, Cause::new("FieldValueInvalid", "fieldManager", message)))
        }
    }
}

/// What is wrong with the options of a list or a watch.
pub(super) fn check_list(options: &Options, watch: bool) -> Result<(), Box<Status>> {
    const FIELD: &str = "resourceVersionMatch";
    let mut causes = Vec::new();
    let mut forbid = |field: &str, detail: &str| {
        causes.push(Cause::new("FieldValueForbidden", field, format!("Forbidden: {detail}")));
    };
    let version = options.resource_version.as_deref().unwrap_or("");
    let matching = options.resource_version_match.as_deref().unwrap_or("");
    let continued = options.continue_token.as_deref().is_some_and(|token| !token.is_empty());
    let initial = options.send_initial_events.is_some();
    let both = "resourceVersionMatch is forbidden when continue is provided";
    if watch && initial && matching != "NotOlderThan" {
        forbid(FIELD, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    }
    if watch && !matching.is_empty() && !initial {
        let detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is \
                      provided";
        forbid(FIELD, detail);
    }
    if !watch && !matching.is_empty() && version.is_empty() {
        forbid(FIELD, "resourceVersionMatch is forbidden unless resourceVersion is provided");
    }
    if continued && (watch || !matching.is_empty()) {
        forbid(FIELD, both);
    }
    if !watch && matching == "Exact" && version == "0" {
        forbid(FIELD, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
    }
    if !watch && initial {
        forbid("sendInitialEvents", "sendInitialEvents is forbidden for list");
    }
    let (known, shown) = match watch {
        true => (matching == "NotOlderThan", "\"NotOlderThan\""),
        false => {
            (matches!(matching, "Exact" | "NotOlderThan"), "\"Exact\", \"NotOlderThan\", \"\"")
        }
    };
    if !matching.is_empty() && !known {
        let message = format!("Unsupported value: {matching:?}: supported values: {shown}");
        causes.push(Cause::new("FieldValueNotSupported", FIELD, message));
    }
    if causes.is_empty() {
        return Ok(());
    }
    Err(Box::new(Status::invalid("meta.k8s.io", "ListOptions", "", &causes)))
}
