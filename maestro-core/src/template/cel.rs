//! CEL behind a small door: compile once, evaluate many times, at a bounded cost.

use super::convert;
use super::guard::{self, References};
use super::recall;
use super::thresholds::{Threshold, thresholds};
use super::wanted::{self, Wanted};
use super::words::words;
use kube_cel::KubeCelExt;
use kube_cel::cel::parser::Parser;
use kube_cel::cel::{Context, IdedExpr, Value as CelValue};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;
use std::time::Duration;

/// The longest expression, in bytes.
pub const MAX_SOURCE_BYTES: usize = 4096;

/// Why an expression cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CompileError {
    /// Line in the expression, from 1.
    pub line: usize,
    /// Column in the expression, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    /// The interpreter gave up: a missing key, a type mismatch, the cost limit.
    #[error("{message} in `{expression}`")]
    Failed {
        /// The whole expression.
        expression: String,
        /// What happened.
        message: String,
    },
    /// It has a value of another type than was asked for.
    #[error("`{expression}` must give {wanted}, not {got}")]
    Type {
        /// The whole expression.
        expression: String,
        /// The type that its place asks for.
        wanted: &'static str,
        /// What it gave.
        got: String,
    },
}

pub(super) fn base() -> &'static Context<'static> {
    static BASE: LazyLock<Context<'static>> = LazyLock::new(|| {
        let mut context = Context::default().with_all();
        guard::register(&mut context);
        context
    });
    &BASE
}

/// The variables that an expression sees. Making one is cheap; its functions are shared, and of
/// its variables only what an expression asks for is converted.
pub struct Scope<'a> {
    context: RefCell<Context<'static>>,
    variables: RefCell<BTreeMap<&'static str, Variable<'a>>>,
}

/// A variable of which only what was asked for is converted.
struct Variable<'a> {
    value: Loan<'a>,
    converted: Option<Wanted>,
}

enum Loan<'a> {
    Own(Value),
    One(&'a Value),
    Many(Vec<&'a Value>),
    Known(Vec<&'a Value>, Facts<'a>),
}

/// What is known of objects besides what they say themselves.
pub struct Facts<'a> {
    /// The fields under which expressions find it.
    pub names: &'static [&'static str],
    /// The fact of this name about an object, if there is one. It is asked only for what an
    /// expression looks at.
    pub of: Box<Ask<'a>>,
}

/// From an object and the name of a fact to the fact, if there is one.
pub type Ask<'a> = dyn Fn(&Value, &str) -> Option<Fact> + 'a;

/// Something known of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A string.
    Text(String),
    /// A truth.
    Truth(bool),
    /// A whole number.
    Number(i64),
    /// A duration, which JSON has no word for.
    Duration(Duration),
}

impl Default for Scope<'_> {
    fn default() -> Self {
        let context = RefCell::new(base().new_inner_scope());
        Self { context, variables: RefCell::default() }
    }
}

impl<'a> Scope<'a> {
    /// A scope without variables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) -> &mut Self {
        self.put(name, Loan::Own(value.into()))
    }

    /// Sets a variable to what somebody else keeps.
    pub fn lend(&mut self, name: &'static str, value: &'a Value) -> &mut Self {
        self.put(name, Loan::One(value))
    }

    /// The same for a list.
    pub fn lend_all(&mut self, name: &'static str, values: Vec<&'a Value>) -> &mut Self {
        self.put(name, Loan::Many(values))
    }

    /// The same for a list of which more is known than it says.
    pub fn lend_known(
        &mut self,
        name: &'static str,
        values: Vec<&'a Value>,
        facts: Facts<'a>,
    ) -> &mut Self {
        self.put(name, Loan::Known(values, facts))
    }

    fn put(&mut self, name: &'static str, value: Loan<'a>) -> &mut Self {
        self.variables.get_mut().insert(name, Variable { value, converted: None });
        self
    }

    /// The same as [`Scope::set`], for building in one breath.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.set(name, value);
        self
    }

    /// The parts of a variable that were converted so far.
    #[cfg(test)]
    pub(super) fn converted(&self, name: &str) -> Option<String> {
        Some(self.variables.borrow().get(name)?.converted.as_ref()?.to_string())
    }

    /// Everything that is wanted of the variables, written down: whoever wants the same and gets
    /// the same text sees the same.
    pub(super) fn seen(
        &self,
        all: &BTreeMap<String, Wanted>,
        thresholds: Option<&[Threshold]>,
    ) -> Vec<u8> {
        let variables = self.variables.borrow();
        let everything = Wanted::everything();
        let mut out = Vec::new();
        for (name, wanted) in all {
            let Some(variable) = variables.get(name.as_str()) else { continue };
            out.extend_from_slice(name.as_bytes());
            let each = match wanted.is_all() {
                true => &everything,
                false => wanted.items().unwrap_or(&everything),
            };
            match &variable.value {
                Loan::Own(value) => recall::print(value, wanted, &mut out),
                Loan::One(value) => recall::print(value, wanted, &mut out),
                Loan::Many(values) => recall::list(values.iter().copied(), each, &mut out),
                Loan::Known(values, facts) => {
                    recall::known(values, facts, each, thresholds, &mut out);
                }
            }
        }
        out
    }

    /// Converts what is asked for and was not before.
    fn fetch(&self, all: &BTreeMap<String, Wanted>) {
        let mut variables = self.variables.borrow_mut();
        for (name, wanted) in all {
            let Some(variable) = variables.get_mut(name.as_str()) else { continue };
            if variable.converted.as_ref().is_some_and(|converted| converted.covers(wanted)) {
                continue;
            }
            let converted = variable.converted.get_or_insert_default();
            converted.join(wanted);
            let value = match &variable.value {
                Loan::Own(value) => convert::part(value, converted),
                Loan::One(value) => convert::part(value, converted),
                Loan::Many(values) => convert::list_part(values, converted),
                Loan::Known(values, facts) => convert::known_part(values, facts, converted),
            };
            self.context.borrow_mut().add_variable_from_value(name, value);
        }
    }
}

/// A compiled expression.
#[derive(Debug)]
pub struct Expression {
    source: String,
    tree: IdedExpr,
    references: References,
    wanted: BTreeMap<String, Wanted>,
    thresholds: Option<Vec<Threshold>>,
}

impl Expression {
    /// Compiles `source`.
    ///
    /// # Errors
    /// The first mistake, with its place: syntax, length, nesting, an unknown function.
    pub fn compile(source: &str) -> Result<Self, CompileError> {
        let fail = |message: String| CompileError { line: 1, column: 1, message };
        if source.len() > MAX_SOURCE_BYTES {
            let length = source.len();
            return Err(fail(format!(
                "{length} bytes; an expression has at most {MAX_SOURCE_BYTES}"
            )));
        }
        let parser = Parser::new().enable_optional_syntax(true).max_recursion_depth(64);
        // The parser is generated code; a panic in it must not become one of ours.
        let mut tree = match catch_unwind(AssertUnwindSafe(|| parser.parse(source))) {
            Ok(Ok(tree)) => tree,
            Ok(Err(errors)) => {
                let first = errors.errors.first();
                let place = first.map_or((1, 1), |error| error.pos);
                return Err(CompileError {
                    line: usize::try_from(place.0).unwrap_or(1).max(1),
                    column: usize::try_from(place.1).unwrap_or(1).max(1),
                    message: first.map_or_else(|| "not CEL".to_owned(), |e| e.msg.clone()),
                });
            }
            Err(_) => return Err(fail("the parser gave up on it".to_owned())),
        };
        let wanted = wanted::wanted(&tree);
        let thresholds = thresholds(&tree);
        let mut references = References::default();
        guard::rewrite(&mut tree, &mut references);
        if let Some(message) = references.unsupported.take() {
            return Err(fail(message));
        }
        let is_operator = |name: &str| name.starts_with(['_', '@', '!', '-']);
        if let Some(name) = references
            .functions
            .iter()
            .find(|name| !is_operator(name) && !guard::is_registered(name))
        {
            return Err(fail(format!("unknown function {name:?}")));
        }
        Ok(Self { source: source.to_owned(), tree, references, wanted, thresholds })
    }

    /// What was compiled.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The free variables that it refers to, sorted.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.references.variables.iter().map(String::as_str)
    }

    /// The fields that it selects of `variable`, sorted: `params.nodes` gives `nodes`.
    pub fn fields_of<'a>(&'a self, variable: &'a str) -> impl Iterator<Item = &'a str> {
        self.references
            .fields
            .iter()
            .filter(move |(owner, _)| owner == variable)
            .map(|(_, field)| field.as_str())
    }

    /// What it looks at of each variable.
    pub(super) fn wanted(&self) -> &BTreeMap<String, Wanted> {
        &self.wanted
    }

    /// The readings of the pods' clocks from which it may have another value; `None` when only
    /// trying can tell.
    #[must_use]
    pub fn thresholds(&self) -> Option<&[Threshold]> {
        self.thresholds.as_deref()
    }

    fn fail(&self, message: impl ToString) -> EvaluateError {
        let message = message.to_string().replace("Error executing function 'evaluation': ", "");
        EvaluateError::Failed { expression: self.source.clone(), message }
    }

    pub(super) fn cel(&self, scope: &Scope<'_>) -> Result<CelValue, EvaluateError> {
        guard::refill();
        scope.fetch(&self.wanted);
        let context = scope.context.borrow();
        let run = || CelValue::resolve(&self.tree, &context);
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.fail(shorten(words(&error)))),
            Err(_) => Err(self.fail("the interpreter gave up")),
        }
    }

    /// Its value as JSON; `None` for `null` and for an empty optional.
    ///
    /// # Errors
    /// See [`EvaluateError`].
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Option<Value>, EvaluateError> {
        convert::to_json(&self.cel(scope)?).map_err(|message| self.fail(message))
    }

    /// Its value as part of a longer string.
    ///
    /// # Errors
    /// See [`EvaluateError`].
    pub fn text(&self, scope: &Scope<'_>) -> Result<String, EvaluateError> {
        convert::to_text(&self.cel(scope)?).map_err(|message| self.fail(message))
    }

    /// Its value, which must be a `bool`.
    ///
    /// # Errors
    /// See [`EvaluateError`].
    pub fn truth(&self, scope: &Scope<'_>) -> Result<bool, EvaluateError> {
        match self.cel(scope)? {
            CelValue::Bool(truth) => Ok(truth),
            other => Err(self.mismatch("true or false", &other)),
        }
    }

    /// Its value, which must be an `int`.
    ///
    /// # Errors
    /// See [`EvaluateError`].
    pub fn integer(&self, scope: &Scope<'_>) -> Result<i64, EvaluateError> {
        match self.cel(scope)? {
            CelValue::Int(number) => Ok(number),
            other => Err(self.mismatch("a whole number", &other)),
        }
    }

    fn mismatch(&self, wanted: &'static str, got: &CelValue) -> EvaluateError {
        EvaluateError::Type {
            expression: self.source.clone(),
            wanted,
            got: got.type_of().to_string(),
        }
    }
}

/// The interpreter prints whole operands; a message for a person needs no megabyte of them.
fn shorten(message: String) -> String {
    match message.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    }
}
