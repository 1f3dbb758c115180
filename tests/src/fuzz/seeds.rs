//! First inputs, made from what the tree has: the conformance sequences, fixtures and scenarios.

use std::path::{Path, PathBuf};

use maestro_sim::json::Value;

use super::message::{BETWEEN, Message};
use super::server::Server;
use crate::conformance::case::{Names, Sequence};
use crate::conformance::corpus;

/// Inputs of one target by name, each named by what it is made of.
pub type Seeds = Vec<(&'static str, String, Vec<u8>)>;

/// The seeds of one in `every` sequences, of those about custom kinds, and of all files.
///
/// # Errors
/// When the sequences or files cannot be read.
pub fn all(root: &Path, every: usize) -> Result<Seeds, String> {
    let mut seeds = Seeds::new();
    for (index, sequence) in corpus::all()?.iter().enumerate() {
        if index % every == 0 || sequence.name.starts_with("custom-") {
            of_sequence(sequence, &mut seeds);
        }
    }
    for file in yaml_files(&root.join("scenarios"))? {
        seeds.push(("scenario", stem(&file), read(&file)?));
    }
    for file in yaml_files(&root.join("fixtures"))? {
        if file.ends_with("framework.yaml") {
            let name = file.parent().map(stem).unwrap_or_default();
            seeds.push(("framework", name, framework(&file)?));
        } else {
            expressions(&stem(&file), &read(&file)?, &mut seeds);
        }
    }
    Ok(seeds)
}

/// What a sequence asks of a server that has the known objects, as the targets read it.
fn of_sequence(sequence: &Sequence, seeds: &mut Seeds) {
    let place = Sequence { name: "fuzz".into(), requests: Vec::new() };
    let mut names = Names::new(&place);
    let mut server = Server::new();
    let mut together = Vec::new();
    for (index, step) in sequence.requests.iter().enumerate() {
        let Ok(question) = step.question(&names) else { continue };
        let mut message = Message::new(&question.method, &question.path, question.body.clone());
        let media = question.headers.iter().find(|(name, _)| name == "content-type");
        let media = media.map_or("", |(_, media)| media.as_str());
        message.headers = question.headers.clone();
        message.headers.retain(|(name, value)| name != "user-agent" || value != "conformance/1");
        let told = server.send(&message);
        names.keep(&step.keep, Some(told.value));
        let name = format!("{}-{index}", sequence.name);
        if let Some((target, message)) = single(&message, media) {
            seeds.push((target, name.clone(), message.to_bytes()));
            seeds.extend(in_yaml(&name, &message));
        }
        selectors(&name, &message, seeds);
        definitions(&name, &message, seeds);
        together.push(message.to_bytes());
    }
    for (index, few) in together.chunks(4).enumerate() {
        seeds.push(("request", format!("{}-{index}", sequence.name), few.join(BETWEEN)));
    }
}

/// A message as a target of bodies reads it.
fn single(message: &Message, media: &str) -> Option<(&'static str, Message)> {
    let mut message = message.clone();
    message.headers.retain(|(name, _)| name != "content-type");
    if message.body.is_empty() {
        return None;
    }
    let patch = ["json", "merge", "strategic", "apply"];
    let patch = patch.into_iter().find(|word| super::bodies::media(word) == Some(media));
    Some(match (media, patch) {
        (_, Some(word)) => ("patch", Message { method: word.into(), ..message }),
        ("application/json", _) => ("json_body", message),
        ("application/yaml", _) => ("yaml_body", message),
        (maestro_sim::protobuf::MEDIA_TYPE, _) => ("protobuf_body", message),
        _ => return None,
    })
}

/// What is created, with its body as people would write it.
fn in_yaml(name: &str, message: &Message) -> Option<(&'static str, String, Vec<u8>)> {
    let body: Value = serde_json::from_slice(&message.body).ok()?;
    let is_object = body.is_object() && matches!(message.method.as_str(), "POST" | "PUT");
    let text = is_object.then(|| serde_yaml::to_string(&body).ok())??;
    let message = Message { body: text.into(), ..message.clone() };
    Some(("yaml_body", name.to_owned(), message.to_bytes()))
}

fn selectors(name: &str, message: &Message, seeds: &mut Seeds) {
    let query = message.path.split_once('?').map_or("", |(_, query)| query);
    let find = |wanted: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == wanted).map_or("", |(_, value)| value).to_owned()
    };
    let (labels, fields) = (find("labelSelector"), find("fieldSelector"));
    let body: Value = serde_json::from_slice(&message.body).unwrap_or_default();
    let structured = ["/spec/selector", "/spec/namespaceSelector"];
    let structured = structured.iter().find_map(|pointer| body.pointer(pointer));
    if labels.is_empty() && fields.is_empty() && structured.is_none() {
        return;
    }
    let structured = structured.map(Value::to_string).unwrap_or_default();
    let input = format!("{labels}\n===\n{fields}\n===\n{structured}");
    seeds.push(("selector", name.to_owned(), input.into_bytes()));
}

fn definitions(name: &str, message: &Message, seeds: &mut Seeds) {
    let body: Value = serde_json::from_slice(&message.body).unwrap_or_default();
    if let Some(schema) = body.pointer("/spec/versions/0/schema/openAPIV3Schema") {
        let input = format!("{schema}\n===\n{{\"spec\":{{}}}}\n===\n{{\"spec\":{{\"a\":1}}}}");
        seeds.push(("definition", name.to_owned(), input.into_bytes()));
    }
    rules(name, &body, seeds);
}

/// Every rule and expression in a body.
fn rules(name: &str, value: &Value, seeds: &mut Seeds) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if let ("rule" | "expression" | "messageExpression", Value::String(text)) =
                    (key.as_str(), value)
                {
                    let name = format!("{name}-{}", seeds.len());
                    seeds.push(("expression", name, text.as_bytes().to_vec()));
                }
                rules(name, value, seeds);
            }
        }
        Value::Array(list) => list.iter().for_each(|item| rules(name, item, seeds)),
        _ => {}
    }
}

/// The expressions of a template.
fn expressions(name: &str, text: &[u8], seeds: &mut Seeds) {
    let text = String::from_utf8_lossy(text);
    for (index, piece) in text.split("${").skip(1).enumerate() {
        let expression = piece.split('}').next().unwrap_or("");
        let input = expression.as_bytes().to_vec();
        seeds.push(("expression", format!("{name}-{index}"), input));
    }
}

/// A Framework in one file, with its templates in it.
fn framework(file: &Path) -> Result<Vec<u8>, String> {
    let mut manifest: Value = serde_yaml::from_slice(&read(file)?).map_err(|e| e.to_string())?;
    let folder = file.with_file_name("templates");
    for template in yaml_files(&folder).unwrap_or_default() {
        let text = String::from_utf8_lossy(&read(&template)?).into_owned();
        let name = template.file_name().and_then(|n| n.to_str()).unwrap_or("").to_owned();
        manifest["spec"]["templates"][name] = text.into();
    }
    serde_yaml::to_string(&manifest).map(String::into_bytes).map_err(|e| e.to_string())
}

fn stem(file: &Path) -> String {
    file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))
}

fn yaml_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut found = Vec::new();
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        match path.is_dir() {
            true => found.extend(yaml_files(&path)?),
            false if path.extension().is_some_and(|e| e == "yaml") => found.push(path),
            false => {}
        }
    }
    found.sort();
    Ok(found)
}
