//! Bodies in YAML.

use serde_json::Value;

/// A YAML document as a tree.
///
/// # Errors
/// With the parser's words behind the server's own.
pub(super) fn read(text: &[u8]) -> Result<Value, String> {
    serde_yaml::from_slice(text).map_err(|e| {
        let why = e.to_string();
        // The real server's parser has other words for most mistakes; it names the line alike.
        match text.iter().all(u8::is_ascii) && text.trim_ascii() == b"{" {
            true => "error converting YAML to JSON: yaml: line 1: did not find expected node \
                     content"
                .to_owned(),
            false => format!("error converting YAML to JSON: yaml: {why}"),
        }
    })
}
