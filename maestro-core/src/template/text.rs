//! A scalar with `${…}` in it: split once, rendered many times.

use super::cel::{CompileError, EvaluateError, Expression, Scope};
use serde_json::Value;

/// A string in which `${expression}` may stand; `$${` is a literal `${`.
#[derive(Debug)]
pub struct Text {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Literal(String),
    Expression(Box<Expression>),
}

/// A mistake in a scalar, at a byte of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TextError {
    pub offset: usize,
    pub message: String,
}

impl Text {
    /// Compiles the expressions in `source`.
    ///
    /// # Errors
    /// The first mistake; its column counts from the beginning of the line of `source`.
    pub fn compile(source: &str) -> Result<Self, CompileError> {
        Self::parse(source).map_err(|error| {
            let before = source.get(..error.offset).unwrap_or(source);
            let line_start = before.rfind('\n').map_or(0, |at| at + 1);
            CompileError {
                line: before.matches('\n').count() + 1,
                column: before[line_start..].chars().count() + 1,
                message: error.message,
            }
        })
    }

    pub(super) fn parse(source: &str) -> Result<Self, TextError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut at = 0;
        while let Some(found) = source[at..].find("${") {
            let start = at + found;
            if source[..start].ends_with('$') && start > at {
                literal.push_str(&source[at..start - 1]);
                literal.push_str("${");
                at = start + 2;
                continue;
            }
            literal.push_str(&source[at..start]);
            let body = start + 2;
            let length = closing_brace(&source[body..]).ok_or_else(|| TextError {
                offset: start,
                message: "`${` is never closed; write `$${` for a literal `${`".to_owned(),
            })?;
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            let code = &source[body..body + length];
            let expression = Expression::compile(code).map_err(|error| TextError {
                offset: body + offset_of(code, error.line, error.column),
                message: format!("{error} in `{code}`"),
            })?;
            parts.push(Part::Expression(Box::new(expression)));
            at = body + length + 1;
        }
        literal.push_str(&source[at..]);
        if !literal.is_empty() || parts.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self { parts })
    }

    /// The literal text, where there is no expression in it.
    pub(super) fn constant(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Its expressions, in the order written.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expression(expression) => Some(&**expression),
            Part::Literal(_) => None,
        })
    }

    /// The value: an expression alone keeps its type (`None` for null), a mixture is a string.
    ///
    /// # Errors
    /// Whatever its expressions fail with.
    pub fn render(&self, scope: &Scope<'_>) -> Result<Option<Value>, EvaluateError> {
        match self.parts.as_slice() {
            [Part::Expression(expression)] => expression.evaluate(scope),
            _ => self.render_text(scope).map(|text| Some(Value::String(text))),
        }
    }

    /// The value as a string.
    ///
    /// # Errors
    /// Whatever its expressions fail with.
    pub fn render_text(&self, scope: &Scope<'_>) -> Result<String, EvaluateError> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Expression(expression) => text.push_str(&expression.text(scope)?),
            }
        }
        Ok(text)
    }
}

fn offset_of(code: &str, line: usize, column: usize) -> usize {
    let before: usize = code.split_inclusive('\n').take(line - 1).map(str::len).sum();
    (before + column - 1).min(code.len())
}

/// Where the brace is that closes the expression, past nested braces and CEL strings.
fn closing_brace(code: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote: Option<char> = None;
    let mut escaped = false;
    for (at, character) in code.char_indices() {
        match (quote, character) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), character) if character == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(at),
            (None, '}') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}
