//! Reading a Framework that a person wrote: one file, or a directory with `framework.yaml`,
//! `templates/` and other manifests. Every mistake names the file, the line and the column.

use crate::framework::{FrameworkSpec, GROUP, VERSION};
use crate::lint::Problem;
use crate::yaml::{Place, Reader};
use miette::{Diagnostic, NamedSource, SourceSpan};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A Framework as loaded.
#[derive(Debug)]
pub struct Package {
    /// `metadata.name`.
    pub name: String,
    /// The spec, with the files of `templates/` in it.
    pub spec: FrameworkSpec,
    /// Documents of the other files beside `framework.yaml`, in the order of file names.
    pub manifests: Vec<Value>,
    file: PathBuf,
    source: String,
    template_files: BTreeMap<String, PathBuf>,
}

/// Why a Framework cannot be loaded.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("{}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A file says something that is not allowed.
    #[error("{file}:{line}:{column}: {message}")]
    Content {
        /// The file.
        file: String,
        /// Line, from 1.
        line: u64,
        /// Column, from 1.
        column: u64,
        /// What is wrong.
        message: String,
        /// The file's text.
        #[source_code]
        source_code: NamedSource<String>,
        /// The place.
        #[label("here")]
        at: SourceSpan,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Manifest {
    #[serde(deserialize_with = "crate::yaml::placed")]
    api_version: (String, Place),
    #[serde(deserialize_with = "crate::yaml::placed")]
    kind: (String, Place),
    metadata: Metadata,
    spec: FrameworkSpec,
}

/// Names and whatever else metadata may hold; only the name matters here.
#[derive(Deserialize)]
struct Metadata {
    name: String,
}

/// Loads `path`: a directory, or a `framework.yaml` that stands alone.
///
/// # Errors
/// The first file that cannot be read, or the first mistake in one.
pub fn load(path: &Path) -> Result<Package, LoadError> {
    if !path.is_dir() {
        return load_file(path);
    }
    let mut package = load_file(&path.join("framework.yaml"))?;
    let folder = path.join("templates");
    if folder.is_dir() {
        add_templates(&mut package, &folder, "")?;
    }
    for file in entries(path)? {
        let yaml = matches!(file.extension().and_then(|e| e.to_str()), Some("yaml" | "yml"));
        if yaml && file.is_file() && !file.ends_with("framework.yaml") {
            package.manifests.extend(documents(&file)?);
        }
    }
    Ok(package)
}

/// Every document of a YAML file, as JSON; empty ones are left out.
///
/// # Errors
/// A file that cannot be read or is not YAML.
pub fn documents(file: &Path) -> Result<Vec<Value>, LoadError> {
    let source = read(file)?;
    let documents = Reader::kubernetes().trees(&source).map_err(|e| yaml(file, &source, &e))?;
    let documents = documents.into_iter().map(|document| document.value.into_value());
    Ok(documents.filter(|document| !document.is_null()).collect())
}

fn load_file(file: &Path) -> Result<Package, LoadError> {
    parse(file, read(file)?)
}

/// A Framework from the text of one manifest, as if it stood alone at `file`.
///
/// # Errors
/// The first mistake in the text.
pub fn parse(file: &Path, source: String) -> Result<Package, LoadError> {
    let manifest: Manifest =
        Reader::kubernetes().read(&source).map_err(|error| yaml(file, &source, &error))?;
    let expected = format!("{GROUP}/{VERSION}");
    let wrong = |(found, place): &(String, Place), expected: &str| {
        content(file, &source, *place, format!("{found:?} must be {expected:?}"))
    };
    if manifest.api_version.0 != expected {
        return Err(wrong(&manifest.api_version, &expected));
    }
    if manifest.kind.0 != "Framework" {
        return Err(wrong(&manifest.kind, "Framework"));
    }
    Ok(Package {
        name: manifest.metadata.name,
        spec: manifest.spec,
        manifests: Vec::new(),
        file: file.to_owned(),
        source,
        template_files: BTreeMap::new(),
    })
}

fn add_templates(package: &mut Package, folder: &Path, prefix: &str) -> Result<(), LoadError> {
    for file in entries(folder)? {
        let Some(name) = file.file_name().and_then(|name| name.to_str()) else { continue };
        let name = format!("{prefix}{name}");
        if file.is_dir() {
            add_templates(package, &file, &format!("{name}/"))?;
            continue;
        }
        let source = read(&file)?;
        if package.spec.templates.contains_key(&name) {
            let message = format!("template {name:?} is also written in framework.yaml");
            return Err(content(&file, &source, Place::default(), message));
        }
        package.spec.templates.insert(name.clone(), source);
        package.template_files.insert(name, file);
    }
    Ok(())
}

/// The visible entries of a directory, sorted.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let fail = |error: std::io::Error| LoadError::Read {
        path: folder.to_owned(),
        reason: error.to_string(),
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        if !hidden {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read(file: &Path) -> Result<String, LoadError> {
    std::fs::read_to_string(file)
        .map_err(|error| LoadError::Read { path: file.to_owned(), reason: error.to_string() })
}

fn yaml(file: &Path, source: &str, error: &crate::yaml::Error) -> LoadError {
    content(file, source, error.place, error.mistake.to_string())
}

fn content(file: &Path, source: &str, place: Place, message: String) -> LoadError {
    at(file, source, place.line.max(1), place.column.max(1), message)
}

fn at(file: &Path, source: &str, line: u64, column: u64, message: String) -> LoadError {
    let lines = usize::try_from(line).unwrap_or(1).saturating_sub(1);
    let start: usize = source.split_inclusive('\n').take(lines).map(str::len).sum();
    let columns = usize::try_from(column).unwrap_or(1).saturating_sub(1);
    let text = source.get(start..).unwrap_or_default();
    let offset: usize = text.chars().take(columns).map(char::len_utf8).sum();
    let name = file.display().to_string();
    LoadError::Content {
        file: name.clone(),
        line,
        column,
        message,
        source_code: NamedSource::new(name, source.to_owned()),
        at: SourceSpan::from(((start + offset).min(source.len()), 0)),
    }
}

impl Package {
    /// A problem of the spec, at its place in the files.
    #[must_use]
    pub fn locate(&self, problem: &Problem) -> LoadError {
        let template = problem.path.strip_prefix("templates[").and_then(|p| p.strip_suffix(']'));
        if let Some(name) = template
            && let Some(file) = self.template_files.get(name)
        {
            let source = self.spec.templates.get(name).map_or("", String::as_str);
            let (line, column) = problem.at.unwrap_or((1, 1));
            return at(file, source, line, column, problem.message.clone());
        }
        let (line, column) = self.place(&problem.path);
        let message = format!("{}: {}", problem.path, problem.message);
        match problem.at {
            // The text of a template written in place begins on the line after its key.
            Some((inner, _)) => at(&self.file, &self.source, line + inner, 1, message),
            None => at(&self.file, &self.source, line, column, message),
        }
    }

    /// Line and column of a field path under `spec`, or of the nearest part of it that exists.
    fn place(&self, path: &str) -> (u64, u64) {
        let Ok(mut node) = Reader::kubernetes().tree(&self.source) else { return (1, 1) };
        let mut place = (1, 1);
        let path = format!("spec.{path}");
        for segment in segments(&path) {
            let Some((found, next)) = crate::yaml::child(node.value, segment) else { break };
            place = (found.line().max(1), found.column().max(1));
            node = next;
        }
        place
    }
}

/// `plans.deploy.phases[0]` in its parts.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_u32;
    path.split(move |c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        (c == '.' && depth == 0) || (c == '[' && depth == 1) || (c == ']' && depth == 0)
    })
    .filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_parts() {
        let parts: Vec<_> = segments("spec.plans.a.phases[0].steps[1].x").collect();
        assert_eq!(parts, ["spec", "plans", "a", "phases", "0", "steps", "1", "x"]);
        assert_eq!(segments("templates[a.b.yaml]").collect::<Vec<_>>(), ["templates", "a.b.yaml"]);
    }

    const HEAD: &str = "apiVersion: maestro.dev/v1alpha1\nkind: Framework\nmetadata: {name: x}\n";

    #[test]
    fn names_the_place() {
        let folder = tempfile::tempdir().expect("a directory");
        let file = folder.path().join("framework.yaml");
        let check = |text: &str, expected: &str| {
            std::fs::write(&file, text).expect("a file");
            let message = match load(folder.path()) {
                Err(error) => error.to_string(),
                Ok(package) => {
                    let problem = crate::lint::validate(&package.spec).into_iter().next();
                    problem.map_or_else(String::new, |p| package.locate(&p).to_string())
                }
            };
            assert!(message.contains(expected), "wanted {expected}, got {message}");
        };
        check("kind: [", "framework.yaml:1");
        check(&HEAD.replace("Framework", "Frame"), "framework.yaml:");
        let spec = "spec:\n  names: {kind: Db, plural: dbs}\n  version: 1.0.0\n";
        check(&format!("{HEAD}{spec}  wrong: 1\n"), "framework.yaml:7:3: unknown field");
        let plans = "  plans:\n    deploy:\n      phases:\n        - name: a\n          \
                     steps:\n            - {name: b, tasks: [c]}\n";
        check(&format!("{HEAD}{spec}{plans}"), "framework.yaml:12:33: plans.deploy.phases[0].st");
        check(
            &format!("{HEAD}{spec}  tasks: {{w: {{wait: {{for: 5x}}}}}}\n"),
            "unknown unit \"x\"",
        );
        std::fs::create_dir(folder.path().join("templates")).expect("a directory");
        std::fs::write(folder.path().join("templates/t.yaml"), "a: 1\nb: ${x}\n").expect("a file");
        check(&format!("{HEAD}{spec}"), "t.yaml:2:4: there is no variable \"x\"");
    }
}
