//! What a real server finds out when it makes a program of an expression: what is known without
//! any value is evaluated then.
//!
//! Source: `interpreter/decorators.go` of `github.com/google/cel-go`.

use kube_cel::cel::common::ast::LiteralValue;

use crate::structural::cel::interpret::{Halt, Interpreter};
use crate::structural::cel::typed::{Node, What};
use crate::structural::cel::{Lists, base};

/// Why what is known beforehand has no value, if it has none.
pub(super) fn broken(tree: &Node) -> Option<String> {
    let lists = Lists::default();
    let mut interpreter = Interpreter::new(base(), &[], &lists, u64::MAX);
    first_broken(tree, &mut |node| match interpreter.value(node) {
        Err(Halt::Error(why)) => Some(why),
        _ => None,
    })
}

/// What a check says of the first part that it says something of, of all that is known beforehand.
fn first_broken<'n>(
    node: &'n Node,
    check: &mut dyn FnMut(&'n Node) -> Option<String>,
) -> Option<String> {
    if node.fixed {
        return check(node);
    }
    match &node.what {
        What::Literal(_) | What::Name(_) => None,
        What::Field(operand, ..) => first_broken(operand, check),
        What::Call(call) => {
            let parts = call.target.as_deref().into_iter().chain(&call.operands);
            let pattern = match (call.function.as_str(), call.operands.first()) {
                ("find" | "findAll", Some(pattern)) => pattern_problem(pattern),
                _ => None,
            };
            pattern.or_else(|| parts.into_iter().find_map(|part| first_broken(part, check)))
        }
        What::List(items, _) => items.iter().find_map(|item| first_broken(item, check)),
        What::Map(entries) => entries.iter().find_map(|(key, value, _)| {
            first_broken(key, check).or_else(|| first_broken(value, check))
        }),
        What::Made(fields) => fields.iter().find_map(|(_, value, _)| first_broken(value, check)),
        What::Fold(fold) => [&fold.range, &fold.first, &fold.condition, &fold.step, &fold.result]
            .into_iter()
            .find_map(|part| first_broken(part, check)),
    }
}

/// Why a pattern that is written out is none.
fn pattern_problem(pattern: &Node) -> Option<String> {
    let What::Literal(LiteralValue::String(text)) = &pattern.what else { return None };
    let why = regex::Regex::new(text.inner()).err()?.to_string();
    Some(match why.contains("unclosed group") {
        true => format!("error parsing regexp: missing closing ): `{}`", text.inner()),
        false => format!("error parsing regexp: {why}"),
    })
}
