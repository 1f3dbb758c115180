//! From YAML text to the document's types, with the reader's errors put into a person's words.

use maestro_core::yaml::{Error, Mistake, Reader};

use super::problem::Problem;
use super::text::Place;
use super::{API_VERSION, Document};

/// Reads the one document of a scenario file.
pub fn document(text: &str) -> Result<Document, Problem> {
    let reader = Reader { strict_booleans: true, ..Reader::default() };
    reader.read(text).map_err(|error| problem(text, &error))
}

fn problem(text: &str, error: &Error) -> Problem {
    let mut place = error.place;
    if place.line == 0 {
        // Without a place the message would not say that the file's text is meant.
        place = Place { line: 1, column: 1, offset: 0, length: 0 };
    }
    match &*error.mistake {
        Mistake::UnknownField { field, expected } => {
            let place = Place { length: field.len(), ..place };
            Problem::unknown(place, "field", field, expected)
        }
        Mistake::UnknownVariant { variant, expected } => {
            let place = Place { length: variant.len(), ..place };
            Problem::unknown(place, "word", variant, expected)
        }
        Mistake::MissingField(field) => {
            Problem::new(place, format!("field `{field}` is missing"), "in this")
                .help(format!("add `{field}:{}`", example(field)))
        }
        Mistake::Type { unexpected, expected } => {
            let message = format!("{unexpected} stands where {} belongs", plain(expected));
            Problem::new(place, message, "of another type").help(type_help(expected))
        }
        Mistake::Scalar(kind) => {
            let message = format!("`{}` is no {kind}", marked(text, place));
            Problem::new(place, message, "of another type")
        }
        Mistake::Duplicate(key) => {
            Problem::new(place, format!("field `{key}` is given twice"), "the second")
                .help("keep one of the two")
        }
        Mistake::ManyDocuments => {
            Problem::new(place, "a scenario file holds one document", "a second begins here")
                .help("put the second scenario into a file of its own")
        }
        Mistake::Empty => Problem::new(place, "the file is empty", "")
            .help(format!("begin with `apiVersion: {API_VERSION}` and `kind: Scenario`")),
        Mistake::NoMapping => {
            Problem::new(place, "a mapping of fields belongs here", "of another type")
                .help("write {field: value}")
        }
        Mistake::NoList => {
            Problem::new(place, "a list belongs here", "of another type").help("write [one, two]")
        }
        Mistake::Message(message) => {
            let (message, help) = message.split_once("; ").unwrap_or((message, ""));
            let first = message.lines().next().unwrap_or("");
            Problem::new(place, first, "this").help(help)
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
