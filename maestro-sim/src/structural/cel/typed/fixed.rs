//! What is known of an expression before anything is evaluated, and its parts as the engine
//! evaluates them one by one.
//!
//! Source: `interpreter/decorators.go` of `github.com/google/cel-go`.

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{CallExpr, Expr};

use super::{Kind, Node, What};

/// Whether the value of a part is known before anything is evaluated.
pub(super) fn is_fixed(kind: &Kind, what: &What) -> bool {
    let all = |mut parts: std::slice::Iter<'_, Node>| parts.all(|part| part.fixed);
    match what {
        What::Literal(_) => true,
        What::Name(_) => kind.name() == "type",
        What::List(items, _) => all(items.iter()),
        What::Map(entries) => entries.iter().all(|(key, value, _)| key.fixed && value.fixed),
        What::Call(call) => match (call.function.as_str(), call.operands.as_slice()) {
            ("@in", [_, list]) => {
                call.is_membership() && matches!(&list.what, What::List(i, _) if i.is_empty())
            }
            (name, [one]) => call.target.is_none() && CONVERSIONS.contains(&name) && one.fixed,
            _ => false,
        },
        What::Field(..) | What::Fold(_) | What::Made(_) => false,
    }
}

const CONVERSIONS: [&str; 10] =
    ["bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint"];

/// A call as the engine evaluates it over the values of its operands.
pub(super) fn leaf(expression: &IdedExpr, what: &What) -> IdedExpr {
    let place = |index: usize| IdedExpr { id: 0, expr: Expr::Ident(format!("_{index}")) };
    let (Expr::Call(call), What::Call(typed)) = (&expression.expr, what) else {
        return IdedExpr::default();
    };
    let first = usize::from(typed.target.is_some());
    let target = match &typed.target {
        Some(_) => Some(Box::new(place(0))),
        // A part of the function's name.
        None => call.target.clone(),
    };
    let args = (0..call.args.len()).map(|index| place(first + index)).collect();
    let func_name = call.func_name.clone();
    IdedExpr { id: 0, expr: Expr::Call(CallExpr { func_name, target, args }) }
}
