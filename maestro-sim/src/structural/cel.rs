//! CEL rules of a schema (`x-kubernetes-validations`), each compiled once in a process.
//!
//! Source: <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules>.

mod convert;
pub(crate) mod cost;
mod interpret;
mod lists;
pub(crate) mod macros;
mod run;
mod typed;
pub(crate) mod types;
mod values;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use kube_cel::KubeCelExt;
use kube_cel::cel::parser::Parser;
use kube_cel::cel::{Context, ExecutionError, IdedExpr, Value as CelValue};

use super::cache::Cache;
use crate::api::admission::authorizer;

pub(crate) use lists::Lists;
pub(crate) use macros::Forms;
pub(super) use run::check;

/// The most letters of an expression, and the most mistakes that are told of one: each is told
/// with the line that it is in.
///
/// Source: the options of `github.com/google/cel-go/parser`.
const LONGEST: usize = 100_000;
const MOST_ERRORS: usize = 100;

/// An expression, or why it is none.
pub(crate) struct Compiled {
    pub(crate) forms: Result<Forms, String>,
    uses_old: bool,
}

pub(crate) fn base() -> &'static Context<'static> {
    static BASE: LazyLock<Context<'static>> = LazyLock::new(|| {
        let mut context = Context::default().with_all();
        authorizer::register(&mut context);
        context
    });
    &BASE
}

pub(crate) fn compile(source: &str) -> Arc<Compiled> {
    static RULES: LazyLock<Cache<Compiled>> = LazyLock::new(Cache::default);
    RULES.get(source, |source| {
        let parser = Parser::new().enable_optional_syntax(true).max_recursion_depth(64);
        // The parser gives up on some texts by panicking; a user's rule must not end the server.
        if source.chars().count() > LONGEST {
            let size = source.chars().count();
            let why =
                format!("expression code point size exceeds limit: size: {size}, limit {LONGEST}");
            return Compiled { forms: Err(why), uses_old: false };
        }
        let tree = match catch_unwind(AssertUnwindSafe(|| parser.parse(source))) {
            Ok(Ok(tree)) => Ok(tree),
            Ok(Err(mut errors)) => {
                errors.errors.truncate(MOST_ERRORS);
                Err(errors.to_string())
            }
            Err(_) => Err("the expression cannot be parsed".to_owned()),
        };
        let uses_old = tree.as_ref().is_ok_and(|t| t.references().variables().contains(&"oldSelf"));
        let forms = tree.and_then(|tree| {
            Forms::of(tree).map_err(|wrong| {
                let at = operand(source, &wrong.function, wrong.operand).unwrap_or_default();
                types::placed(source, at, &wrong.why)
            })
        });
        Compiled { forms, uses_old }
    })
}

/// Why a rule's expression does not compile, if it does not.
pub fn compile_problem(source: &str) -> Option<String> {
    compile(source).forms.as_ref().err().cloned()
}

/// The first name in an expression that is neither known nor its own, as a compiler tells it; or
/// why it cannot be read at all.
pub(crate) fn undeclared(source: &str, known: &[&str]) -> Option<String> {
    const BUILT_IN: [&str; 20] = [
        "bool",
        "bytes",
        "double",
        "duration",
        "int",
        "list",
        "map",
        "null_type",
        "string",
        "timestamp",
        "type",
        "uint",
        "math",
        "optional",
        "sets",
        "lists",
        "strings",
        "ip",
        "cidr",
        "format",
    ];
    let compiled = compile(source);
    let tree = match &compiled.forms {
        Ok(forms) => forms.written(),
        // Pointed at as cel-go does it.
        Err(why) => return Some(why.replace("\n|", "\n |")),
    };
    let references = tree.references();
    let mut unknown: Vec<(usize, &str)> = references
        .variables()
        .into_iter()
        .filter(|name| !known.contains(name) && !BUILT_IN.contains(name))
        .filter(|name| !name.starts_with('@') && !is_bound(source, name))
        .filter_map(|name| Some((word(source, name)?, name)))
        .collect();
    unknown.sort_unstable();
    let (at, name) = unknown.first()?;
    let what = format!("undeclared reference to '{name}' (in container '')");
    Some(types::placed(source, *at, &what))
}

/// Where an operand of the first call of a method begins.
fn operand(source: &str, function: &str, index: usize) -> Option<usize> {
    let open = source.find(&format!(".{function}("))? + function.len() + 2;
    let commas = source[open..].match_indices(',').map(|(at, _)| open + at + 1);
    let from = std::iter::once(open).chain(commas).nth(index)?;
    let from = from + source[from..].find(|c: char| !c.is_whitespace())?;
    // A field stands where its dot does.
    let ends = |c: char| !c.is_alphanumeric() && c != '_' && c != '.';
    let whole = &source[from..from + source[from..].find(ends).unwrap_or(source.len() - from)];
    Some(from + whole.rfind('.').unwrap_or(0))
}

/// Where a name stands as a word of its own, not as a field.
fn word(source: &str, name: &str) -> Option<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    source.match_indices(name).map(|(at, _)| at).find(|at| {
        let before = source[..*at].chars().next_back();
        let after = source[at + name.len()..].chars().next();
        !before.is_some_and(|c| is_part(c) || c == '.') && !after.is_some_and(is_part)
    })
}

/// Whether a macro such as `all` or `map` binds a name.
fn is_bound(source: &str, name: &str) -> bool {
    let bare: String = source.chars().filter(|c| !c.is_whitespace()).collect();
    bare.contains(&format!("({name},")) || bare.contains(&format!(",{name},"))
}

/// Why an expression has no value. What the engine says of operands that it has no operator for
/// prints them, maps in an order of their own; the real one says the same of all.
fn words(error: &ExecutionError) -> String {
    use ExecutionError as E;
    match error {
        E::UnsupportedTargetType { .. }
        | E::NotSupportedAsMethod { .. }
        | E::UnsupportedKeyType(_)
        | E::ValuesNotComparable(..)
        | E::UnsupportedUnaryOperator(..)
        | E::UnsupportedBinaryOperator(..)
        | E::UnsupportedMapIndex(_)
        | E::UnsupportedListIndex(_)
        | E::UnsupportedIndex(..)
        | E::NoSuchOverload => "no such overload".to_owned(),
        other => other.to_string(),
    }
}

pub(crate) fn evaluate(tree: &IdedExpr, scope: &Context) -> Result<CelValue, String> {
    match catch_unwind(AssertUnwindSafe(|| scope.resolve(tree))) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(words(&error)),
        Err(_) => Err("the expression cannot be evaluated".to_owned()),
    }
}
