//! CEL rules of a schema (`x-kubernetes-validations`), each compiled once in a process.
//!
//! Source: <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules>.

mod convert;
pub(crate) mod cost;
mod depth;
mod interpret;
mod lists;
pub(crate) mod macros;
mod policies;
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

pub(crate) use cost::Structs;
pub(crate) use interpret::pattern;
pub(crate) use lists::Lists;
pub(crate) use macros::Forms;
pub(crate) use policies::Seen;
pub(super) use run::check;
pub(crate) use typed::Kind;

/// The most letters of an expression, and the most mistakes that are told of one: each is told
/// with the line that it is in.
///
/// Source: the options of `github.com/google/cel-go/parser`.
const LONGEST: usize = 100_000;
const MOST_ERRORS: usize = 100;
/// How deep the parts of an expression may be in each other (`maxRecursionDepth`).
const DEEPEST: usize = 250;

/// An expression, or why it is none.
pub(crate) struct Compiled {
    pub(crate) forms: Result<Forms, String>,
    pub(crate) uses_old: bool,
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
        if depth::depth(source) > DEEPEST {
            let why = "ERROR: <input>:-1:0: max recursion depth exceeded".to_owned();
            return Compiled { forms: Err(why), uses_old: false };
        }
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
            Forms::of(&tree).map_err(|wrong| {
                let at = types::places(source, &tree).get(&wrong.part).copied().unwrap_or_default();
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

fn evaluate(tree: &IdedExpr, scope: &Context) -> Result<CelValue, String> {
    match catch_unwind(AssertUnwindSafe(|| scope.resolve(tree))) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(words(&error)),
        Err(_) => Err("the expression cannot be evaluated".to_owned()),
    }
}
