//! What expressions cost: at the most, told from what a schema declares, and when they run.
//!
//! A server refuses definitions whose rules could cost too much, and gives up objects whose rules
//! do. Both are counted in the same units, by other rules.
//!
//! Exact are the estimates and the costs of all that `costs.txt` has: the language, its macros, and
//! the libraries of the server. Costs are not exact where short cuts depend on the order of a map,
//! and in policies where the type of an operand would decide between overloads.

mod calls;
pub(super) mod charge;
mod declared;
mod estimate;
mod plan;
pub(super) mod range;

use kube_cel::cel::IdedExpr;

pub(crate) use declared::{Declared, REQUEST};
pub(crate) use plan::{Plan, Slot, weight};

use super::typed::{Kind, typed};
pub(crate) use declared::Structs;
use estimate::Estimator;

/// The most that one expression may cost by its estimate, and all of a schema together.
///
/// Source: `k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation`.
pub(crate) const EXPRESSION_LIMIT: u64 = 10_000_000;
pub(crate) const SCHEMA_LIMIT: u64 = 100_000_000;

/// The most that one expression may cost when it runs, and all that a request runs for an object.
///
/// Source: `k8s.io/apiserver/pkg/apis/cel`.
pub(crate) const CALL_LIMIT: u64 = 1_000_000;
pub(crate) const BUDGET: u64 = 10_000_000;

/// Functions of the server's libraries that cost next to nothing.
const NOMINAL: [&str; 38] = [
    "allowed",
    "add",
    "asApproximateFloat",
    "asInteger",
    "compareTo",
    "error",
    "errored",
    "family",
    "format.named",
    "getEscapedPath",
    "getHost",
    "getHostname",
    "getPort",
    "getQuery",
    "getScheme",
    "group",
    "isGlobalUnicast",
    "isGreaterThan",
    "isInteger",
    "isLessThan",
    "isLinkLocalMulticast",
    "isLinkLocalUnicast",
    "isLoopback",
    "isUnspecified",
    "major",
    "masked",
    "minor",
    "name",
    "namespace",
    "patch",
    "path",
    "prefixLength",
    "reason",
    "resource",
    "serviceAccount",
    "sign",
    "sub",
    "subresource",
];

/// The most that a rule over a declared value can cost each time.
pub(crate) fn estimate(expression: &IdedExpr, own: &Declared, optional_old: bool) -> u64 {
    let mut structs = Structs::new();
    let kind = own.name("self", &mut structs);
    let old = if optional_old { Kind::optional(kind.clone()) } else { kind.clone() };
    let tree = typed(expression, &[("self", kind), ("oldSelf", old)], &structs);
    let sizes = |path: &[String]| own.at(path.get(1..)?);
    Estimator::new(&sizes, false).cost(&tree).max
}

#[cfg(test)]
mod tests;
