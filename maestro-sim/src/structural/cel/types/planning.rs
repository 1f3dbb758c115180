//! What a real server finds out when it makes a program of an expression: what is known without
//! any value is evaluated then.
//!
//! Source: `interpreter/decorators.go` of `github.com/google/cel-go`.

use kube_cel::cel::common::ast::LiteralValue;

use crate::structural::cel::interpret::{Answer, Interpreter, pattern};
use crate::structural::cel::typed::{Node, What};
use crate::structural::cel::{Lists, base};

/// Why what is known beforehand has no value, if it has none.
pub(super) fn broken(tree: &Node) -> Option<String> {
    if tree.fixed {
        return value(tree).err();
    }
    match &tree.what {
        What::Literal(_) | What::Name(_) => None,
        What::Field(operand, ..) => broken(operand),
        What::Call(call) => {
            let parts = call.target.as_deref().into_iter().chain(&call.operands);
            let written = match (call.function.as_str(), call.operands.first().map(|o| &o.what)) {
                ("find" | "findAll", Some(What::Literal(LiteralValue::String(text)))) => {
                    pattern(text.inner()).err()
                }
                _ => None,
            };
            written.or_else(|| parts.into_iter().find_map(broken))
        }
        What::List(items, _) => items.iter().find_map(broken),
        What::Map(entries) => {
            entries.iter().find_map(|(key, value, _)| broken(key).or_else(|| broken(value)))
        }
        What::Made(fields) => fields.iter().find_map(|(_, value, _)| broken(value)),
        What::Fold(fold) => [&fold.range, &fold.first, &fold.condition, &fold.step, &fold.result]
            .into_iter()
            .find_map(broken),
    }
}

/// The value of what is known beforehand.
///
/// # Errors
/// When it has none, why.
pub(super) fn value(node: &Node) -> Answer {
    let lists = Lists::default();
    Interpreter::new(base(), &[], &lists, u64::MAX).answer(node)
}
