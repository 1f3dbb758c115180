//! What calls of functions cost at the most, and how large their values can be.
//!
//! Source: `k8s.io/apiserver/pkg/cel/library/cost.go`; `checker/cost.go`, `ext/lists.go` and
//! `ext/sets.go` of `github.com/google/cel-go`.

use kube_cel::cel::common::ast::LiteralValue;

use super::estimate::{Estimator, Operand, traversal};
use super::range::{LIST, PATTERN, Range, STRUCT, TEXT, UNKNOWN, quotient};
use crate::structural::cel::typed::{Kind, Node, What};

/// The length of a pattern that stands for those of all formats.
const FORMAT_PATTERN: f64 = 128.0;
/// The longest name of a format.
const FORMAT: u64 = 64;
/// What a check of authorization costs.
pub(super) const CHECK: u64 = 350_000;

/// A call by one of the overloads that it may mean.
pub(super) struct Asked<'a> {
    pub(super) node: &'a Node,
    pub(super) function: &'a str,
    pub(super) overload: &'a str,
    pub(super) target: Option<&'a Operand<'a>>,
    pub(super) operands: &'a [Operand<'a>],
    pub(super) costs: &'a [Range],
}

/// A cost, and the size of the value if it is known.
type Answer = (Range, Option<Range>);

const ONE: Range = Range::just(1);

/// The cost of a call with that of its operands, and the size of its value.
pub(super) fn estimate(at: &mut Estimator<'_>, asked: &Asked<'_>) -> Answer {
    let sum = asked.costs.iter().fold(Range::default(), |sum, cost| sum.plus(*cost));
    let own = of_lists(at, asked)
        .or_else(|| of_server(at, asked))
        .or_else(|| of_texts(at, asked))
        .or_else(|| of_language(at, asked));
    match own {
        Some((cost, size)) if !counts_operands(asked.overload) => (cost.plus(sum), size),
        Some(whole) => whole,
        None => (ONE.plus(sum), None),
    }
}

/// Whether a call's cost is that of its operands in a way of its own.
fn counts_operands(overload: &str) -> bool {
    matches!(overload, "logical_or" | "logical_and" | "conditional")
}

fn size(at: &Estimator<'_>, operand: &Operand<'_>) -> Range {
    operand.size.or_else(|| at.declared(&operand.path)).unwrap_or(UNKNOWN)
}

/// A whole number that is written there.
fn number(operand: &Operand<'_>) -> Option<u64> {
    match &operand.node.what {
        What::Literal(LiteralValue::Int(number)) => {
            Some(u64::try_from(*number.inner()).unwrap_or(0))
        }
        _ => None,
    }
}

/// A call that makes a list.
fn making(size: Range, factor: f64) -> Answer {
    (size.scaled(factor).plus(ONE).plus(Range::just(LIST)), Some(size))
}

/// The libraries of lists and sets of the language.
#[allow(clippy::cast_precision_loss)]
fn of_lists(at: &Estimator<'_>, asked: &Asked<'_>) -> Option<Answer> {
    let (id, operands) = (asked.overload, asked.operands);
    let target = asked.target.map(|target| size(at, target));
    let quadratic = |size: Range, of: &str| {
        let texts = of.starts_with("string") || of.starts_with("bytes");
        making(size.times(size), if texts { 2.0 + TEXT } else { 2.0 })
    };
    Some(match (id, operands) {
        ("list_slice", [from, to]) => {
            let end = number(to).unwrap_or(target?.max);
            making(Range::just(end.wrapping_sub(number(from).unwrap_or(0))), 1.0)
        }
        ("lists_range", [most]) => making(Range::just(number(most).unwrap_or(u64::MAX)), 1.0),
        ("list_reverse", []) => making(target?, 1.0),
        ("list_flatten", []) => making(target?, 1.0),
        ("list_flatten_int", [depth]) => making(target?, number(depth).unwrap_or(u64::MAX) as f64),
        ("list_distinct", []) => making(target?.times(target?), 2.0),
        ("list_sets_contains_list" | "list_sets_intersects_list", [left, right]) => {
            (size(at, left).times(size(at, right)).scaled(1.0).plus(ONE), None)
        }
        ("list_sets_equivalent_list", [left, right]) => {
            (size(at, left).times(size(at, right)).scaled(2.0).plus(ONE), None)
        }
        _ => {
            let of = id.strip_prefix("list_")?;
            match (of.strip_suffix("_sort"), of.strip_suffix("_sortByAssociatedKeys")) {
                (Some(of), _) => quadratic(target?, of),
                (_, Some(of)) => quadratic(size(at, operands.first()?), of),
                _ => return None,
            }
        }
    })
}

/// The libraries that the server adds.
fn of_server(at: &Estimator<'_>, asked: &Asked<'_>) -> Option<Answer> {
    let (id, operands) = (asked.overload, asked.operands);
    let first = || operands.first().map(|operand| size(at, operand));
    let cost = |cost: Range| Some((cost, None));
    match asked.function {
        "check" => cost(Range::just(CHECK)),
        "fieldSelector" | "labelSelector" if operands.len() == 1 => {
            let requirements = first()?.scaled(0.5).scaled((LIST + STRUCT) as f64);
            cost(Range::just(LIST).plus(traversal(first()?)).plus(requirements))
        }
        "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" | "includes" => {
            let target = asked.target?;
            let count = size(at, target);
            let Some(items) = items(target) else {
                let includes = asked.function == "includes";
                return cost(if includes { count.times(ONE) } else { traversal(count) });
            };
            let mut each = ONE;
            if matches!(items.0.name(), "string" | "bytes") {
                each = each.plus(traversal(at.declared(&items.1).unwrap_or(UNKNOWN)));
            }
            cost(count.times(each))
        }
        "url" | "jsonpatch.escapeKey" if operands.len() == 1 => {
            Some((traversal(first()?), first()))
        }
        "cidr" | "isIP" | "isCIDR" => cost(traversal(first()?)),
        "ip" if id == "cidr_ip" => cost(ONE),
        "ip" => cost(traversal(first()?)),
        "ip.isCanonical" => cost(first()?.scaled(2.0 * TEXT)),
        "containsIP" | "containsCIDR" => {
            let address = Range::of(4, 16);
            let mut sum = traversal(address.plus(address));
            if asked.function == "containsCIDR" {
                sum = sum.plus(traversal(address)).plus(ONE);
            }
            if matches!(id, "cidr_contains_ip_string" | "cidr_contains_cidr_string") {
                sum = sum.plus(traversal(first()?));
            }
            cost(sum)
        }
        "quantity" | "isQuantity" | "semver" | "isSemver" => cost(traversal(first()?)),
        "validate" => cost(traversal(first()?).scaled(FORMAT_PATTERN * PATTERN)),
        name if super::NOMINAL.contains(&name) => cost(ONE),
        "_==_" => equality(operands),
        _ => None,
    }
}

/// The equality of values of the server's own types.
fn equality(operands: &[Operand<'_>]) -> Option<Answer> {
    let [left, right] = operands else { return None };
    if left.node.kind != right.node.kind {
        return None;
    }
    let cost = match left.node.kind.name() {
        "net.IP" | "net.CIDR" => ONE,
        "kubernetes.Quantity" | "kubernetes.Semver" => ONE,
        name if name.starts_with("kubernetes.authorization.") => ONE,
        "kubernetes.NamedFormat" => traversal(Range::of(1, FORMAT)),
        "kubernetes.URL" => traversal(Range::of(1, right.size.map_or(1, |size| size.max))),
        _ => return None,
    };
    Some((cost, None))
}

/// The type of a list's items, and where they come from.
fn items(list: &Operand<'_>) -> Option<(Kind, super::estimate::Path)> {
    let items = match &list.node.kind {
        Kind::Made(_, parts) => parts.first()?.clone(),
        _ => return None,
    };
    let path = if list.path.is_empty() { list.path.clone() } else { list.path.copied("@items") };
    Some((items, path))
}

/// Functions of texts.
fn of_texts(at: &Estimator<'_>, asked: &Asked<'_>) -> Option<Answer> {
    let operands = asked.operands;
    let target = size(at, asked.target?);
    match (asked.function, operands) {
        ("lowerAscii" | "upperAscii" | "substring" | "trim", _) => {
            Some((traversal(target), Some(target)))
        }
        ("replace", [from, to, ..]) => {
            let size = replaced(target, size(at, from), size(at, to));
            Some((target.scaled(2.0 * TEXT), Some(size)))
        }
        ("split", _) => {
            let most = operands.get(1).and_then(|limit| match &limit.node.what {
                // What is negative means all, but is counted as if it were very large.
                #[allow(clippy::cast_sign_loss)]
                What::Literal(LiteralValue::Int(limit)) => Some(*limit.inner() as u64),
                _ => None,
            });
            let size = Range::of(0, most.unwrap_or(target.max));
            Some((target.scaled(2.0 * TEXT), Some(size)))
        }
        ("join", _) => {
            let list = asked.target?;
            let mut size = match items(list) {
                Some((_, path)) => target.times(at.declared(&path).unwrap_or(UNKNOWN)),
                None => Range::default(),
            };
            if let Some(separator) = operands.first() {
                let count = Range::of(target.min.saturating_sub(1), target.max.saturating_sub(1));
                size = size.plus(self::size(at, separator).times(count));
            }
            Some((traversal(size), Some(size)))
        }
        ("find" | "findAll", [pattern, ..]) => {
            let text = traversal(target.plus(ONE));
            let cost = text.times(size(at, pattern).scaled(PATTERN));
            Some((cost, Some(Range::of(0, target.max))))
        }
        _ => None,
    }
}

/// The size of a text in which each `from` became `to`.
fn replaced(text: Range, from: Range, to: Range) -> Range {
    let (mut count, mut kept) = (Range::default(), Range::default());
    if from.min == 0 {
        count.max = text.max.saturating_add(1);
        kept.max = text.max;
    } else if to.max <= from.min {
        kept.max = text.max;
    } else {
        count.max = quotient(text.max, from.min);
    }
    if from.max == 0 {
        count.min = text.min.saturating_add(1);
        kept.min = text.min;
    } else if from.max <= to.min {
        kept.min = text.min;
    } else {
        count.min = quotient(text.min, from.max);
    }
    count.times(to).plus(kept)
}

/// What the language itself has.
fn of_language(at: &mut Estimator<'_>, asked: &Asked<'_>) -> Option<Answer> {
    let (operands, costs) = (asked.operands, asked.costs);
    let known = |operand: &Operand<'_>| operand.size.unwrap_or(UNKNOWN);
    let cost = |cost: Range| Some((cost, None));
    let sized = |cost: Range, size: Range| Some((cost, Some(size)));
    match (asked.overload, operands, asked.target) {
        ("string_format", _, Some(text)) => cost(traversal(known(text))),
        ("string_to_bytes", [one], _) => {
            let size = known(one);
            sized(traversal(size), Range::of(size.min, size.max.wrapping_mul(4)))
        }
        ("bytes_to_string", [one], _) => {
            let size = known(one);
            sized(traversal(size), Range::of(size.min / 4, size.max))
        }
        ("strings_quote", [one], _) => {
            let size = known(one);
            let most = size.max.wrapping_mul(2).wrapping_add(2);
            sized(traversal(size), Range::of(size.min + 2, most))
        }
        ("starts_with_string" | "ends_with_string", [one], _) => cost(traversal(known(one))),
        ("in_list", [_, list], _) => cost(known(list).scaled(1.0)),
        ("matches", [text, pattern], None) | ("matches_string", [pattern], Some(text)) => {
            let text = traversal(known(text).plus(ONE));
            cost(text.times(known(pattern).scaled(PATTERN)))
        }
        ("contains_string", [part], Some(text)) => {
            cost(traversal(known(text)).times(traversal(known(part))))
        }
        ("logical_or" | "logical_and", ..) => {
            let (left, right) = (costs.first()?, costs.get(1)?);
            cost(Range::of(left.min, left.plus(*right).max))
        }
        ("conditional", [_, yes, no], _) => {
            let size = known(yes).union(known(no));
            let entry = at.entry(yes.node).zip(at.entry(no.node)).map(|(a, b)| a.union(b));
            at.keep_entry(asked.node, entry);
            sized(costs.first()?.plus(costs.get(1)?.union(*costs.get(2)?)), size)
        }
        ("add_string" | "add_bytes" | "add_list", [left, right], _) => {
            let size = known(left).plus(known(right));
            let entry = at.entry(left.node).zip(at.entry(right.node)).map(|(a, b)| a.union(b));
            at.keep_entry(asked.node, entry);
            sized(if asked.overload == "add_list" { ONE } else { traversal(size) }, size)
        }
        (id, [left, right], _) if compares_texts(id) => {
            let least = known(left).max.min(known(right).max);
            cost(traversal(Range::of(u64::from(least > 0), least)))
        }
        _ => None,
    }
}

/// Whether a call goes over two texts, lists or maps until they differ.
pub(super) fn compares_texts(overload: &str) -> bool {
    let Some((order, kind)) = overload.rsplit_once('_') else { return overload == "equals" };
    let ordered = matches!(order, "less" | "less_equals" | "greater" | "greater_equals");
    overload == "not_equals" || ordered && matches!(kind, "string" | "bytes")
}
