//! Bodies and answers in YAML, as `sigs.k8s.io/yaml` reads and writes them.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::json::{Name, Value};

mod read;
mod scalar;

/// The first YAML document of a text, as a tree, and what strict readers are told of keys that
/// stand twice, in the order in which their values end.
///
/// # Errors
/// In the words of Go, as far as its parser and libyaml are one.
pub(super) fn read(text: &[u8]) -> Result<(Value, Vec<String>), String> {
    let document = || serde_yaml::Deserializer::from_slice(text).next();
    let Some(first) = document() else { return Ok(Default::default()) };
    // Go parses all of it before it makes anything of it.
    IgnoredAny::deserialize(first).map_err(|error| told(text, &error))?;
    match (tree(text), document()) {
        (Ok(read), _) => Ok(read),
        (Err(read::Failed::Told(why)), _) => Err(why),
        (Err(read::Failed::Unread), Some(first)) => {
            let value = Value::deserialize(first).map_err(|error| told(text, &error))?;
            Ok((value, Vec::new()))
        }
        (Err(read::Failed::Unread), None) => Ok(Default::default()),
    }
}

/// What strict readers are told of keys that stand twice in a text that was read as JSON.
pub(super) fn twice(text: &[u8]) -> Vec<String> {
    tree(text).map_or_else(|_| Vec::new(), |(_, twice)| twice)
}

fn tree(text: &[u8]) -> Result<(Value, Vec<String>), read::Failed> {
    read::first(std::str::from_utf8(text).map_err(|_| read::Failed::Unread)?)
}

/// What the scanner misses, which tells of it in the same words as the parser.
const BY_SCANNER: &[&str] = &[
    "did not find expected comment or line break",
    "did not find expected whitespace",
    "did not find expected whitespace or line break",
    "did not find expected digit or '.' character",
    "did not find expected alphabetic or numeric character",
    "did not find expected hexdecimal number",
    "did not find expected tag URI",
    "did not find expected '!'",
];

fn told(text: &[u8], error: &serde_yaml::Error) -> String {
    let why = error.to_string();
    if why.starts_with("unknown anchor") {
        let alias = error.location().and_then(|place| text.get(place.index()..)).unwrap_or(b"");
        let name =
            alias.iter().skip(1).take_while(|b| b.is_ascii_alphanumeric() || b"_-".contains(b));
        let name: String = name.copied().map(char::from).collect();
        return format!("yaml: unknown anchor '{name}' referenced");
    }
    if let Some((problem, _)) = why.split_once(" at position ") {
        return format!("yaml: {problem}");
    }
    let Some((problem, place)) = why.split_once(" at line ") else { return format!("yaml: {why}") };
    let line: Option<usize> = place.split([' ', ',']).next().and_then(|n| n.parse().ok());
    // Go counts the lines of what its parser misses from none, those of its scanner from one, and
    // does not name the first.
    let by_parser = problem.starts_with("did not find expected") && !BY_SCANNER.contains(&problem);
    match line {
        None => format!("yaml: {why}"),
        Some(1) => format!("yaml: {problem}"),
        Some(line) => format!("yaml: line {}: {problem}", line - usize::from(by_parser)),
    }
}

/// How deep stands what a field holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Layout {
    /// Fields two spaces deeper, items as deep as the name of their list, texts of several lines as
    /// they are: `sigs.k8s.io/yaml`.
    Flat,
    /// Everything at the next four spaces, texts on one line: `go.yaml.in/yaml/v3`.
    Deep,
}

/// A tree as a YAML document.
pub(crate) fn write(value: &Value, layout: Layout) -> String {
    block(value, 0, layout)
}

fn block(value: &Value, indent: usize, layout: Layout) -> String {
    let margin = " ".repeat(indent);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let line = |(name, value): (&Name, &Value)| {
                let filled = match value {
                    Value::Object(inner) => !inner.is_empty(),
                    Value::Array(items) => !items.is_empty(),
                    _ => false,
                };
                let deeper = match layout {
                    Layout::Flat if filled && value.is_array() => indent,
                    Layout::Flat => indent + 2,
                    Layout::Deep => (indent / 4 + 1) * 4,
                };
                let apart = if filled { '\n' } else { ' ' };
                format!("{margin}{}:{apart}{}", scalar(name), block(value, deeper, layout))
            };
            fields.iter().map(line).collect()
        }
        Value::Array(items) if !items.is_empty() => {
            let line = |item: &Value| {
                let text = block(item, indent + 2, layout);
                let nested = item.is_object() || item.is_array();
                let text = if nested { text.trim_start_matches(' ') } else { &text };
                format!("{margin}- {text}")
            };
            items.iter().map(line).collect()
        }
        Value::String(text) => {
            let as_it_is = if layout == Layout::Flat { literal(text, indent) } else { None };
            as_it_is.unwrap_or_else(|| scalar(text) + "\n")
        }
        other => format!("{other}\n"),
    }
}

/// A text of several lines as they are, where nothing of it would be lost so.
fn literal(text: &str, indent: usize) -> Option<String> {
    let printed = |c: char| c == '\n' || !c.is_control();
    let body = text.strip_suffix('\n').unwrap_or(text);
    let lost = body.is_empty() || body.starts_with([' ', '\n']) || body.ends_with('\n');
    if !body.contains('\n') && body == text || lost || !text.chars().all(printed) {
        return None;
    }
    let margin = " ".repeat(indent);
    let mark = if body == text { "|-" } else { "|" };
    let lines = body.split('\n').map(|line| match line {
        "" => "\n".to_owned(),
        line => format!("{margin}{line}\n"),
    });
    Some(format!("{mark}\n{}", lines.collect::<String>()))
}

/// A text as it is where no reader of YAML 1.1 could take it for something else, else in quotes.
fn scalar(text: &str) -> String {
    let words = ["", "true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let printed = text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    let counted = text.starts_with(|c: char| c.is_ascii_digit() || "+.~".contains(c));
    if words.contains(&text.to_ascii_lowercase().as_str()) || !printed || counted {
        return Value::from(text).to_string();
    }
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && ![": ", " #"].iter().any(|mark| text.contains(mark))
        && !text.ends_with([':', ' ']);
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;

    #[track_caller]
    fn check(value: &Value, text: &str) {
        assert_eq!(write(value, Layout::Flat), text);
        assert_eq!(&read(text.as_bytes()).expect("YAML").0, value);
    }

    #[test]
    fn trees_are_written_as_go_writes_them() {
        check(
            &json!({"a": {"b": [{"c": 1, "d": []}, [2, "x"]], "e": {}}}),
            "\
a:
  b:
  - c: 1
    d: []
  - - 2
    - x
  e: {}
",
        );
        check(
            &json!({"y": "y", "n": "28", "t": null, "s": " lead", "c": "a: b", "q": "it's"}),
            "\
c: 'a: b'
\"n\": \"28\"
q: it's
s: ' lead'
t: null
\"y\": \"y\"
",
        );
        check(
            &json!({"x": "one\ntwo\n", "z": ["one\n\ntwo"]}),
            "\
x: |
  one
  two
z:
- |-
  one

  two
",
        );
        check(
            &json!({"odd": "\u{1}\n", "blank": "\n", "lead": "  a\nb", "ends": "a\n\n"}),
            "\
blank: \"\\n\"
ends: \"a\\n\\n\"
lead: \"  a\\nb\"
odd: \"\\u0001\\n\"
",
        );
        check(&json!([]), "[]\n");
    }

    #[test]
    fn documents_within_documents_are_deeper() {
        let value = json!({"a": {"b": [{"c": 1, "d": ["x"]}], "e": {}}, "f": "g\nh\n"});
        let text = "a:\n    b:\n        - c: 1\n          d:\n            - x\n    e: {}\n\
                    f: \"g\\nh\\n\"\n";
        assert_eq!(write(&value, Layout::Deep), text);
    }

    #[test]
    fn aliases_are_bounded() {
        // Each line ten times the one before.
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..40 {
            let items = vec![format!("*a{}", n - 1); 10].join(", ");
            text += &format!("a{n}: &a{n} [{items}]\n");
        }
        let why = "yaml: document contains excessive aliasing";
        assert_eq!(read(text.as_bytes()), Err(why.to_owned()));
        // What is told of keys does not grow with the aliases to them.
        let twice_each =
            "a: &a {b: 1, b: 2, b: 3, b: 4}\nl: [".to_owned() + &"*a, ".repeat(60) + "]";
        assert_eq!(twice(twice_each.as_bytes()).len(), 100);
    }

    #[test]
    fn mistakes_are_told_as_go_tells_them() {
        let told = |text: &str| read(text.as_bytes()).expect_err(text);
        assert_eq!(told("a: 1\nb: [}"), "yaml: line 1: did not find expected node content");
        assert_eq!(told("{"), "yaml: line 1: did not find expected node content");
    }
}
