//! `schema`: the JSON schema of scenario files.

use std::io::Write as _;

use crate::exit::Exit;

/// Prints it.
pub fn run() -> Exit {
    let text = serde_json::to_string_pretty(&crate::scenario::schema());
    match text.map(|text| writeln!(std::io::stdout(), "{text}")) {
        Ok(Ok(())) => Exit::Passed,
        _ => Exit::Harness,
    }
}
