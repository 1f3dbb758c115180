//! The types of names and of what is written out.

use std::sync::Arc;

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{Expr, LiteralValue};

use super::Kind;

/// Types that everything else is made of.
const SIMPLE: [&str; 12] = [
    "bool",
    "bytes",
    "double",
    "dyn",
    "int",
    "list",
    "map",
    "null_type",
    "optional_type",
    "string",
    "type",
    "uint",
];

/// Whether a name is that of a type.
pub(super) fn is_type(name: &str) -> bool {
    SIMPLE.contains(&name) || TYPES.contains(&name)
}

/// Types whose names have dots.
const TYPES: [&str; 8] = [
    "google.protobuf.Duration",
    "google.protobuf.Timestamp",
    "kubernetes.NamedFormat",
    "kubernetes.Quantity",
    "kubernetes.Semver",
    "kubernetes.URL",
    "net.CIDR",
    "net.IP",
];

/// A name that is written with dots: of a type, or of a variable.
pub(super) fn dotted(expression: &IdedExpr, known: &[(Arc<str>, Kind)]) -> Option<String> {
    let mut parts = Vec::new();
    let mut part = expression;
    while let Expr::Select(select) = &part.expr {
        parts.push(select.field.as_str());
        part = &select.operand;
    }
    let Expr::Ident(first) = &part.expr else { return None };
    let is_known = |name: &str| known.iter().any(|(own, _)| own.as_ref() == name);
    let variable = is_known(first);
    parts.push(first);
    parts.reverse();
    let name = parts.join(".");
    (is_known(&name) || !variable && TYPES.contains(&name.as_str())).then_some(name)
}

/// The type of what may be there, and whether it may be not.
pub(super) fn value(kind: &Kind) -> (Kind, bool) {
    match kind.parts("optional_type").and_then(<[Kind]>::first) {
        Some(inner) => (inner.clone(), true),
        None => (kind.clone(), false),
    }
}

pub(super) fn literal_kind(literal: &LiteralValue) -> Kind {
    match literal {
        LiteralValue::Boolean(_) => Kind::scalar("bool"),
        LiteralValue::Bytes(_) => Kind::scalar("bytes"),
        LiteralValue::Double(_) => Kind::scalar("double"),
        LiteralValue::Int(_) => Kind::scalar("int"),
        LiteralValue::UInt(_) => Kind::scalar("uint"),
        LiteralValue::String(_) => Kind::scalar("string"),
        LiteralValue::Null => Kind::Null,
    }
}
