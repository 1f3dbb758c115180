//! What is wrong with a scenario file: place, message and what would be right.

use std::fmt;
use std::path::{Path, PathBuf};

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};

use super::suggest::nearest;
use super::text::Place;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// Under the marked text.
    pub label: String,
    /// What would be right; may be empty.
    pub help: String,
}

impl Problem {
    /// A problem at a place.
    pub fn new(place: Place, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self { place, message: message.into(), label: label.into(), help: String::new() }
    }

    /// Adds what would be right.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// A word that is none of the known ones.
    pub fn unknown(place: Place, what: &str, word: &str, known: &[&str]) -> Self {
        let help = match nearest(word, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => format!("no {what} is allowed here"),
            None => format!("known here: {}", known.join(", ")),
        };
        Self::new(place, format!("unknown {what} `{word}`"), "not known here").help(help)
    }
}

/// A scenario file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub struct ScenarioError {
    /// The file.
    pub path: PathBuf,
    /// Its text; empty when it could not be read.
    pub source_text: String,
    /// What is wrong with it, at least one thing.
    pub problems: Vec<Problem>,
}

impl ScenarioError {
    /// Problems of one file.
    pub fn new(path: &Path, source_text: &str, mut problems: Vec<Problem>) -> Self {
        for problem in &mut problems {
            problem.place = problem.place.within(source_text);
        }
        Self { path: path.to_owned(), source_text: source_text.to_owned(), problems }
    }

    /// The whole report with the lines concerned, for a person; `color` for a terminal.
    pub fn render(&self, color: bool) -> String {
        let theme =
            if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(100);
        let mut out = String::new();
        for problem in &self.problems {
            let report = Labelled::new(self, problem);
            if handler.render_report(&mut out, &report).is_err() {
                out.push_str(&problem.message);
            }
        }
        out
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:", self.path.display())?;
            if problem.place.line > 0 {
                write!(f, "{}:{}:", problem.place.line, problem.place.column)?;
            }
            write!(f, " {}", problem.message)?;
            if !problem.help.is_empty() {
                write!(f, " ({})", problem.help)?;
            }
        }
        Ok(())
    }
}

/// One problem as miette wants it.
#[derive(Debug)]
struct Labelled {
    message: String,
    help: String,
    source: Option<NamedSource<String>>,
    label: Option<LabeledSpan>,
}

impl Labelled {
    fn new(error: &ScenarioError, problem: &Problem) -> Self {
        let name = error.path.display().to_string();
        if problem.place.line == 0 {
            let message = format!("{name}: {}", problem.message);
            return Self { message, help: problem.help.clone(), source: None, label: None };
        }
        let text = &error.source_text;
        let offset = problem.place.offset.min(text.len());
        let rest = text.get(offset..).unwrap_or("");
        let line_end = rest.find('\n').unwrap_or(rest.len());
        let length = problem.place.length.min(line_end);
        let label = LabeledSpan::new(Some(problem.label.clone()), offset, length);
        Self {
            message: problem.message.clone(),
            help: problem.help.clone(),
            source: Some(NamedSource::new(name, text.clone())),
            label: Some(label),
        }
    }
}

impl fmt::Display for Labelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Labelled {}

impl miette::Diagnostic for Labelled {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (!self.help.is_empty()).then(|| Box::new(&self.help) as Box<dyn fmt::Display>)
    }
    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source.as_ref().map(|s| s as &dyn miette::SourceCode)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = self.label.clone()?;
        Some(Box::new(std::iter::once(label)))
    }
}
