//! What the real server answered before, kept so that mending the simulated one need not ask anew.
//!
//! One JSON line a sequence. A sequence whose requests changed since is asked again.

use std::collections::BTreeMap;
use std::path::Path;

use maestro_sim::facts::Version;
use maestro_sim::json::{Value, json};

use crate::conformance::case::Sequence;
use crate::conformance::side::{self, Answers};
use crate::wire::Answer;
use maestro_test::cluster::control_plane::programs::Programs;

/// The answers to `sequences`, from the file where it has them and from the real server else;
/// the file has them all afterwards.
///
/// # Errors
/// When the server cannot be asked, or the file cannot be written.
pub fn real(
    file: &Path,
    programs: &Programs,
    version: Version,
    sequences: &[Sequence],
) -> Result<Vec<Answers>, String> {
    let mut known = read(file);
    let unknown = |s: &&Sequence| known.get(&s.name).is_none_or(|(asked, _)| *asked != text(s));
    let missing: Vec<Sequence> = sequences.iter().filter(unknown).cloned().collect();
    if !missing.is_empty() {
        let answers = side::real(programs, version, &missing)?;
        let asked = missing.iter().map(|s| (s.name.clone(), text(s)));
        known.extend(asked.zip(answers).map(|((name, text), answers)| (name, (text, answers))));
        write(file, &known)?;
    }
    let answers = |s: &Sequence| known.get(&s.name).map(|(_, answers)| answers.clone());
    Ok(sequences.iter().filter_map(answers).collect())
}

/// Sequences by name: what was asked, and the answers.
type Known = BTreeMap<String, (String, Answers)>;

fn text(sequence: &Sequence) -> String {
    format!("{:?}", sequence.requests)
}

fn read(file: &Path) -> Known {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| sequence(&serde_json::from_str(line).ok()?)).collect()
}

fn sequence(line: &Value) -> Option<(String, (String, Answers))> {
    let answers = line["answers"].as_array()?.iter().map(answer).collect::<Option<_>>()?;
    Some((line["name"].as_str()?.to_owned(), (line["asked"].as_str()?.to_owned(), answers)))
}

fn answer(value: &Value) -> Option<Answer> {
    let headers = maestro_sim::json::from_value(value["headers"].clone()).ok()?;
    let code = u16::try_from(value["code"].as_u64()?).ok()?;
    let body = maestro_sim::json::from_value::<Vec<u8>>(value["body"].clone());
    let body = body
        .or_else(|_| maestro_sim::json::from_value(value["body"].clone()).map(String::into_bytes));
    Some(Answer { code, headers, body: body.ok()?.into() })
}

fn write(file: &Path, known: &Known) -> Result<(), String> {
    let mut out = String::new();
    for (name, (asked, answers)) in known {
        let answers: Vec<Value> = answers
            .iter()
            .map(|a| {
                let body = match std::str::from_utf8(&a.body) {
                    Ok(text) => json!(text),
                    Err(_) => json!(a.body.as_ref()),
                };
                json!({"code": a.code, "headers": a.headers, "body": body})
            })
            .collect();
        let line = json!({"name": name, "asked": asked, "answers": answers});
        out.push_str(&format!("{line}\n"));
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    std::fs::write(file, out).map_err(|e| format!("{}: {e}", file.display()))
}
