//! Templates: structured YAML with `${CEL}` in its scalars and keys, compiled once.
//!
//! A scalar that is exactly one `${…}` takes the type of its value; `null` removes the key (or
//! the list item). Otherwise it is a string. There is no text pasting, so no indentation can go
//! wrong and no value can break out of its place.

pub mod cache;
mod cel;
mod convert;
mod guard;
mod recall;
mod text;
mod thresholds;
mod variables;
mod wanted;
mod words;

pub use cel::{Ask, CompileError, EvaluateError, Expression, Fact, Facts, MAX_SOURCE_BYTES, Scope};
pub use recall::Recall;
pub use text::Text;
pub use thresholds::{CLOCKS, Threshold};
pub use variables::{CONDITION_VARIABLES, POD_FACTS, Run, TEMPLATE_VARIABLES, scope};

use crate::yaml::{Node, Reader};
use serde_json::{Map, Value};
use serde_saphyr::{Location, Spanned};
use std::collections::BTreeMap;

/// A mistake in a template, at its place in the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{template}:{line}:{column}: {message}")]
pub struct TemplateError {
    /// The template's name.
    pub template: String,
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// What is wrong.
    pub message: String,
}

/// A compiled template.
#[derive(Debug)]
pub struct Template {
    name: String,
    documents: Vec<Part>,
}

/// A node with its expressions compiled; a constant subtree is one value.
#[derive(Debug)]
enum Part {
    Constant(Value),
    Text(Text, Place),
    List(Vec<Part>),
    Map(Vec<(Key, Part)>),
}

#[derive(Debug)]
enum Key {
    Constant(String),
    Text(Text, Place),
}

#[derive(Debug, Clone, Copy)]
struct Place {
    line: u64,
    column: u64,
}

impl Place {
    fn of(location: Location) -> Self {
        Self { line: location.line(), column: location.column() }
    }

    fn error(self, template: &str, message: impl ToString) -> TemplateError {
        TemplateError {
            template: template.to_owned(),
            line: self.line,
            column: self.column,
            message: message.to_string(),
        }
    }
}

impl Template {
    /// Compiles a multi-document template.
    ///
    /// # Errors
    /// The first mistake in the YAML or in an expression.
    pub fn compile(name: &str, source: &str) -> Result<Self, TemplateError> {
        let reader = Reader { unbounded: false, ..Reader::kubernetes() };
        let nodes = reader.trees(source).map_err(|error| {
            let place = error.place;
            let place = Place { line: place.line.max(1), column: place.column.max(1) };
            place.error(name, &error.mistake)
        })?;
        let compiler = Compiler { name, source };
        let documents = nodes.into_iter().map(|node| compiler.part(node));
        let documents = documents.collect::<Result<_, _>>()?;
        Ok(Self { name: name.to_owned(), documents })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Every expression in it, in the order written.
    #[must_use]
    pub fn expressions(&self) -> Vec<&Expression> {
        self.placed_expressions().into_iter().map(|(_, _, expression)| expression).collect()
    }

    /// Every expression in it with its line and column, in the order written.
    #[must_use]
    pub fn placed_expressions(&self) -> Vec<(u64, u64, &Expression)> {
        let mut found = Vec::new();
        self.documents.iter().for_each(|document| document.collect(&mut found));
        found
    }

    /// The documents, in the order written; those that are null are left out.
    ///
    /// # Errors
    /// The first expression without a value, at its place.
    pub fn render(&self, scope: &Scope<'_>) -> Result<Vec<Value>, TemplateError> {
        let mut objects = Vec::with_capacity(self.documents.len());
        for document in &self.documents {
            let object = document.render(&self.name, scope)?;
            objects.extend(object.filter(|object| !object.is_null()));
        }
        Ok(objects)
    }
}

struct Compiler<'a> {
    name: &'a str,
    source: &'a str,
}

impl Compiler<'_> {
    fn part(&self, node: Spanned<Node>) -> Result<Part, TemplateError> {
        let place = Place::of(node.referenced);
        Ok(match node.value {
            Node::Plain(value) => Part::Constant(value),
            Node::Text(text) => match self.text(&text, place)? {
                compiled if compiled.constant().is_some() => {
                    Part::Constant(compiled.constant().unwrap_or_default().into())
                }
                compiled => Part::Text(compiled, place),
            },
            Node::List(items) => {
                let items = items.into_iter().map(|item| self.part(item));
                fold_list(items.collect::<Result<_, _>>()?)
            }
            Node::Map(entries) => {
                let entries = entries.into_iter().map(|(key, value)| {
                    let place = Place::of(key.referenced);
                    let text = self.text(&key.value, place)?;
                    let key = match text.constant() {
                        Some(key) => Key::Constant(key.to_owned()),
                        None => Key::Text(text, place),
                    };
                    Ok((key, self.part(value)?))
                });
                fold_map(entries.collect::<Result<_, TemplateError>>()?)
            }
        })
    }

    fn text(&self, text: &str, place: Place) -> Result<Text, TemplateError> {
        Text::parse(text).map_err(|error| {
            let before = text.get(..error.offset).unwrap_or(text);
            self.locate(place, before).error(self.name, error.message)
        })
    }

    /// The place in the file of what follows `before` in a scalar that begins at `place`. A
    /// scalar of one line is the file's own text but for its opening quote.
    fn locate(&self, place: Place, before: &str) -> Place {
        let line = usize::try_from(place.line).ok().and_then(|n| n.checked_sub(1));
        let line = line.and_then(|n| self.source.lines().nth(n)).unwrap_or_default();
        let start = usize::try_from(place.column).unwrap_or(1).saturating_sub(1);
        let first = line.chars().nth(start);
        if matches!(first, Some('|' | '>')) {
            let lines = before.matches('\n').count() as u64;
            return Place { line: place.line + 1 + lines, column: 1 };
        }
        let quote = u64::from(matches!(first, Some('"' | '\'')));
        Place { line: place.line, column: place.column + quote + before.chars().count() as u64 }
    }
}

fn fold_list(items: Vec<Part>) -> Part {
    if items.iter().any(|item| !matches!(item, Part::Constant(_))) {
        return Part::List(items);
    }
    let values = items.into_iter().filter_map(|item| match item {
        Part::Constant(value) => Some(value),
        _ => None,
    });
    Part::Constant(Value::Array(values.collect()))
}

fn fold_map(entries: Vec<(Key, Part)>) -> Part {
    let constant =
        |(key, part): &(Key, Part)| matches!((key, part), (Key::Constant(_), Part::Constant(_)));
    if !entries.iter().all(constant) {
        return Part::Map(entries);
    }
    let fields = entries.into_iter().filter_map(|entry| match entry {
        (Key::Constant(key), Part::Constant(value)) => Some((key, value)),
        _ => None,
    });
    Part::Constant(Value::Object(fields.collect()))
}

impl Part {
    /// The value; `None` where an expression gave null. A null that is written out stays, since
    /// a merge patch deletes with it.
    fn render(&self, template: &str, scope: &Scope<'_>) -> Result<Option<Value>, TemplateError> {
        Ok(Some(match self {
            Self::Constant(value) => value.clone(),
            Self::Text(text, place) => {
                return text.render(scope).map_err(|error| place.error(template, error));
            }
            Self::List(items) => {
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    values.extend(item.render(template, scope)?);
                }
                Value::Array(values)
            }
            Self::Map(entries) => {
                let mut fields = Map::new();
                for (key, part) in entries {
                    let Some(value) = part.render(template, scope)? else { continue };
                    fields.insert(key.render(template, scope)?, value);
                }
                Value::Object(fields)
            }
        }))
    }

    fn collect<'a>(&'a self, found: &mut Vec<(u64, u64, &'a Expression)>) {
        let mut add = |text: &'a Text, place: &Place| {
            found.extend(
                text.expressions().map(|expression| (place.line, place.column, expression)),
            );
        };
        match self {
            Self::Constant(_) => {}
            Self::Text(text, place) => add(text, place),
            Self::List(items) => items.iter().for_each(|item| item.collect(found)),
            Self::Map(entries) => {
                for (key, part) in entries {
                    if let Key::Text(text, place) = key {
                        found.extend(text.expressions().map(|e| (place.line, place.column, e)));
                    }
                    part.collect(found);
                }
            }
        }
    }
}

impl Key {
    fn render(&self, template: &str, scope: &Scope<'_>) -> Result<String, TemplateError> {
        match self {
            Self::Constant(key) => Ok(key.clone()),
            Self::Text(text, place) => {
                text.render_text(scope).map_err(|error| place.error(template, error))
            }
        }
    }
}

/// The compiled templates of one Framework, by name.
#[derive(Debug, Default)]
pub struct Templates {
    templates: BTreeMap<String, Template>,
}

impl FromIterator<Template> for Templates {
    fn from_iter<I: IntoIterator<Item = Template>>(templates: I) -> Self {
        let named = templates.into_iter().map(|template| (template.name.clone(), template));
        Self { templates: named.collect() }
    }
}

impl Templates {
    /// Compiles all of them.
    ///
    /// # Errors
    /// Every template's first mistake.
    pub fn compile(sources: &BTreeMap<String, String>) -> Result<Self, Vec<TemplateError>> {
        let (mut templates, mut errors) = (BTreeMap::new(), Vec::new());
        for (name, source) in sources {
            match Template::compile(name, source) {
                Ok(template) => drop(templates.insert(name.clone(), template)),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(Self { templates }) } else { Err(errors) }
    }

    /// The template of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Template> {
        self.templates.get(name)
    }

    /// Renders the templates named, in that order.
    ///
    /// # Errors
    /// The first template that is missing or cannot be rendered.
    pub fn render<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
        scope: &Scope<'_>,
    ) -> Result<Vec<Value>, TemplateError> {
        let mut objects = Vec::new();
        for name in names {
            let template = self.get(name).ok_or_else(|| {
                Place { line: 1, column: 1 }.error(name, "there is no such template")
            })?;
            objects.extend(template.render(scope)?);
        }
        Ok(objects)
    }
}

#[cfg(test)]
mod tests;
