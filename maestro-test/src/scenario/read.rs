//! From YAML text to the document's types, with the reader's errors put into a person's words.

use serde_saphyr::Error;

use super::problem::Problem;
use super::text::Place;
use super::{API_VERSION, Document};

/// Reads the one document of a scenario file.
pub fn document(text: &str) -> Result<Document, Problem> {
    let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| problem(text, &error))
}

fn problem(text: &str, error: &Error) -> Problem {
    let error = error.without_snippet();
    let mut place = error.location().map(Place::from).unwrap_or_default();
    if place.line == 0 {
        // Without a place the message would not say that the file's text is meant.
        place = Place { line: 1, column: 1, offset: 0, length: 0 };
    }
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            let place = Place { length: field.len(), ..place };
            Problem::unknown(place, "field", field, expected)
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            let place = Place { length: variant.len(), ..place };
            Problem::unknown(place, "word", variant, expected)
        }
        Error::SerdeMissingField { field, .. } => {
            Problem::new(place, format!("field `{field}` is missing"), "in this")
                .help(format!("add `{field}:{}`", example(field)))
        }
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            let message = format!("{unexpected} stands where {} belongs", plain(expected));
            Problem::new(place, message, "of another type").help(type_help(expected))
        }
        Error::InvalidScalar { ty, .. } => {
            let message = format!("`{}` is no {}", marked(text, place), plain_scalar(ty));
            Problem::new(place, message, "of another type")
        }
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("?");
            Problem::new(place, format!("field `{key}` is given twice"), "the second")
                .help("keep one of the two")
        }
        Error::MultipleDocuments { .. } => {
            Problem::new(place, "a scenario file holds one document", "a second begins here")
                .help("put the second scenario into a file of its own")
        }
        Error::Eof { .. } => Problem::new(place, "the file is empty", "")
            .help(format!("begin with `apiVersion: {API_VERSION}` and `kind: Scenario`")),
        Error::Message { msg, .. } => {
            let (message, help) = msg.split_once("; ").unwrap_or((msg, ""));
            Problem::new(place, message, "this").help(help)
        }
        Error::Unexpected { expected, .. } => {
            let (message, help) = match *expected {
                "mapping start" => ("a mapping of fields belongs here", "write {field: value}"),
                "sequence start" => ("a list belongs here", "write [one, two]"),
                other => (other, ""),
            };
            Problem::new(place, message, "of another type").help(help)
        }
        other => {
            let message = other.to_string();
            let first = message.lines().next().unwrap_or("");
            // The place is said once, in front.
            let first = first.split(" at line ").next().unwrap_or(first);
            Problem::new(place, first, "here")
        }
    }
}

fn marked(text: &str, place: Place) -> &str {
    text.get(place.offset..place.offset + place.length).unwrap_or("this")
}

/// Serde's names of types in a YAML author's words.
fn plain(expected: &str) -> String {
    match expected {
        "struct Document" | "struct Spec" | "a map" => "a mapping of fields".into(),
        "a sequence" => "a list".into(),
        other if other.starts_with("struct ") => "a mapping of fields".into(),
        other => other.into(),
    }
}

fn plain_scalar(ty: &str) -> &str {
    match ty {
        "u8" | "u16" | "u32" | "u64" | "usize" => "whole number in range",
        "i8" | "i16" | "i32" | "i64" => "whole number",
        "bool" => "true or false",
        other => other,
    }
}

fn type_help(expected: &str) -> &'static str {
    match expected {
        "a sequence" => "write [one, two], or one `- item` a line",
        "a string" => "put it into quotes",
        other if other.starts_with("struct ") => "write {field: value}, or one `field:` a line",
        _ => "",
    }
}

fn example(field: &str) -> &'static str {
    match field {
        "apiVersion" => " test.maestro.dev/v1alpha1",
        "kind" => " Scenario",
        "name" => " ...",
        "steps" => " [{name: install, apply: [app.yaml]}]",
        "selector" => " {app: zookeeper}",
        "within" => " 15m",
        _ => " ...",
    }
}
