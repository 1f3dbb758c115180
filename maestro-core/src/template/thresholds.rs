//! When the value of an expression can change although nothing happens.
//!
//! `p.failedFor > duration('5m')` becomes true five minutes after the pod failed. Where a clock is
//! only asked whether it is there or compared with a literal, those moments are known from the
//! text alone, and nobody has to try the expression at one moment after the other.

use crate::framework::GoDuration;
use kube_cel::cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr};
use std::time::Duration;

/// Fields of pods that grow with time.
pub const CLOCKS: [&str; 2] = ["failedFor", "stuckFor"];

/// The smallest step of a clock that is told apart.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// The readings of a clock from which an expression may have another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// Which clock, of [`CLOCKS`].
    pub clock: &'static str,
    /// Its reading.
    pub reading: Duration,
}

/// Every threshold of an expression; `None` when it does something else with a clock, so that only
/// trying can tell.
pub(super) fn thresholds(tree: &IdedExpr) -> Option<Vec<Threshold>> {
    let mut found = Vec::new();
    walk(tree, &mut found)?;
    found.sort_by_key(|one| (one.clock, one.reading));
    found.dedup();
    Some(found)
}

fn clock(name: &str) -> Option<&'static str> {
    CLOCKS.into_iter().find(|clock| *clock == name)
}

/// The clock that an expression reads, if it does nothing else with it.
fn reading(tree: &IdedExpr) -> Option<(&'static str, &IdedExpr)> {
    match &tree.expr {
        Expr::Select(SelectExpr { operand, field, test: false }) => Some((clock(field)?, operand)),
        _ => None,
    }
}

/// The duration that an expression says literally.
fn literal(tree: &IdedExpr) -> Option<Duration> {
    let Expr::Call(CallExpr { func_name, target: None, args }) = &tree.expr else { return None };
    let [IdedExpr { expr: Expr::Literal(LiteralValue::String(text)), .. }] = args.as_slice() else {
        return None;
    };
    let duration = text.inner().parse::<GoDuration>().ok()?;
    (func_name == "duration").then_some(duration.0)
}

/// A clock, what it is read of, what it is compared with, and whether it stands on the left.
fn comparison(args: &[IdedExpr]) -> Option<(&'static str, &IdedExpr, Duration, bool)> {
    let [left, right] = args else { return None };
    if let (Some((clock, operand)), Some(limit)) = (reading(left), literal(right)) {
        return Some((clock, operand, limit, true));
    }
    let ((clock, operand), limit) = (reading(right)?, literal(left)?);
    Some((clock, operand, limit, false))
}

fn walk(tree: &IdedExpr, found: &mut Vec<Threshold>) -> Option<()> {
    match &tree.expr {
        Expr::Call(call) => {
            if let Some((clock, operand, limit, on_left)) = comparison(&call.args) {
                let (at, after) = match (call.func_name.as_str(), on_left) {
                    ("_>=_", true) | ("_<_", true) | ("_<=_", false) | ("_>_", false) => {
                        (true, false)
                    }
                    ("_>_", true) | ("_<=_", true) | ("_<_", false) | ("_>=_", false) => {
                        (false, true)
                    }
                    ("_==_" | "_!=_", _) => (true, true),
                    _ => return None,
                };
                found.extend(at.then_some(Threshold { clock, reading: limit }));
                found.extend(after.then_some(Threshold { clock, reading: limit + TICK }));
                return walk(operand, found);
            }
            call.target.iter().try_for_each(|target| walk(target, found))?;
            call.args.iter().try_for_each(|argument| walk(argument, found))
        }
        Expr::Select(SelectExpr { operand, field, test }) => {
            if let Some(clock) = clock(field) {
                // Whether it is there changes when it begins to run.
                found.push(Threshold { clock, reading: Duration::ZERO });
                test.then_some(())?;
            }
            walk(operand, found)
        }
        Expr::Comprehension(all) => {
            let parts =
                [&all.iter_range, &all.accu_init, &all.loop_cond, &all.loop_step, &all.result];
            parts.into_iter().try_for_each(|part| walk(part, found))
        }
        Expr::List(list) => list.elements.iter().try_for_each(|element| walk(element, found)),
        Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) => {
                walk(&entry.key, found)?;
                walk(&entry.value, found)
            }
            EntryExpr::StructField(field) => walk(&field.value, found),
        }),
        // A clock that is asked for by its name, as in `p['failedFor']`.
        Expr::Literal(LiteralValue::String(text)) => clock(text.inner()).is_none().then_some(()),
        Expr::Struct(_) => None,
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => Some(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Expression;

    #[test]
    fn the_moments_of_a_comparison_with_a_literal_are_known() {
        let check = |source: &str, expected: Option<&[(&str, u64)]>| {
            let expression = Expression::compile(source).expect("it compiles");
            let found = expression.thresholds().map(|all| {
                let plain = |one: &super::Threshold| {
                    (one.clock, u64::try_from(one.reading.as_millis()).unwrap_or(u64::MAX))
                };
                all.iter().map(plain).collect::<Vec<_>>()
            });
            assert_eq!(found.as_deref(), expected, "{source}");
        };
        check("pods.exists(p, p.ready)", Some(&[]));
        check("pods.exists(p, has(p.stuckFor))", Some(&[("stuckFor", 0)]));
        check(
            "pods.all(p, has(p.failedFor) && p.failedFor > duration('5m'))",
            Some(&[("failedFor", 0), ("failedFor", 300_001)]),
        );
        check("pods[0].failedFor >= duration('1s')", Some(&[("failedFor", 1000)]));
        check("duration('1s') > pods[0].failedFor", Some(&[("failedFor", 1000)]));
        check("duration('1s') < pods[0].failedFor", Some(&[("failedFor", 1001)]));
        check(
            "pods[0].stuckFor == duration('2s')",
            Some(&[("stuckFor", 2000), ("stuckFor", 2001)]),
        );
        check("pods[0].failedFor > duration(params.limit)", None);
        check("pods[0].failedFor + duration('1m') > duration('5m')", None);
        check("pods.map(p, p.failedFor)", None);
        check("pods[0]['failedFor'] > duration('5m')", None);
        check("pods[0].?failedFor.orValue(duration('0s')) > duration('5m')", None);
    }
}
