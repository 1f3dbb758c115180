//! Everything compiled once per process: the same text always compiles to the same thing, so
//! instances, plans and whole simulations share it.

use super::{CompileError, Expression, Template, TemplateError, Text};
use regex::Regex;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Entries after which a cache starts anew. A hundred Frameworks have fewer; more come only from
/// ever new texts, which must not fill the memory.
const CAPACITY: usize = 4096;

struct Cache<T> {
    entries: Mutex<BTreeMap<String, Arc<T>>>,
}

impl<T> Cache<T> {
    const fn new() -> Self {
        Self { entries: Mutex::new(BTreeMap::new()) }
    }

    fn get<E>(&self, key: &str, make: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        let lock = || self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = lock().get(key) {
            return Ok(found.clone());
        }
        // Compiling takes a while, so it happens outside the lock; a second one is harmless.
        let made = Arc::new(make()?);
        let mut entries = lock();
        if entries.len() >= CAPACITY {
            entries.clear();
        }
        entries.insert(key.to_owned(), made.clone());
        Ok(made)
    }
}

static EXPRESSIONS: Cache<Expression> = Cache::new();
static TEMPLATES: Cache<Template> = Cache::new();
static TEXTS: Cache<Text> = Cache::new();
static PATTERNS: Cache<Regex> = Cache::new();

/// [`Expression::compile`], once per process and text.
///
/// # Errors
/// As [`Expression::compile`].
pub fn expression(source: &str) -> Result<Arc<Expression>, CompileError> {
    EXPRESSIONS.get(source, || Expression::compile(source))
}

/// [`Template::compile`], once per process, name and text.
///
/// # Errors
/// As [`Template::compile`].
pub fn template(name: &str, source: &str) -> Result<Arc<Template>, TemplateError> {
    TEMPLATES.get(&format!("{name}\n{source}"), || Template::compile(name, source))
}

/// [`Text::compile`], once per process and text.
///
/// # Errors
/// As [`Text::compile`].
pub fn text(source: &str) -> Result<Arc<Text>, CompileError> {
    TEXTS.get(source, || Text::compile(source))
}

/// [`Regex::new`], once per process and text.
///
/// # Errors
/// As [`Regex::new`].
pub fn pattern(source: &str) -> Result<Arc<Regex>, regex::Error> {
    PATTERNS.get(source, || Regex::new(source))
}
