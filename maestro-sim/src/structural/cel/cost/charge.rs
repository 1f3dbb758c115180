//! What calls cost when they run, by the values of their operands.
//!
//! Source: `k8s.io/apiserver/pkg/cel/library/cost.go`; `interpreter/runtimecost.go`,
//! `ext/lists.go` and `ext/sets.go` of `github.com/google/cel-go`.

use kube_cel::cel::Value;
use kube_cel::cel::objects::Key;

use super::calls::{CHECK, compares_texts};
use super::range::{LIST, PATTERN, STRUCT, TEXT, scaled};
use crate::structural::cel::compile;
use crate::structural::cel::interpret::Interpreter;
use crate::structural::cel::typed::{Call, Node, What};
use crate::structural::cel::values::{is_optional, present};

/// The cost of a call whose operands and whose value are known, where they have any.
pub(in crate::structural::cel) fn call(
    interpreter: &Interpreter<'_>,
    call: &Call,
    parts: &[&Node],
    operands: &[Option<Value>],
    result: Option<&Value>,
) -> u64 {
    let asked = Asked { interpreter, call, parts, operands, result };
    let id = call.single();
    asked.of_lists(id).or_else(|| asked.of_server(id)).unwrap_or_else(|| asked.of_language(id))
}

struct Asked<'a> {
    interpreter: &'a Interpreter<'a>,
    call: &'a Call,
    parts: &'a [&'a Node],
    operands: &'a [Option<Value>],
    result: Option<&'a Value>,
}

fn text(size: u64) -> u64 {
    scaled(size, TEXT)
}

impl Asked<'_> {
    /// The size of an operand; one for what has none.
    fn size(&self, index: usize) -> u64 {
        let Some(Some(value)) = self.operands.get(index) else { return 1 };
        let asked = |source: &str| {
            let leaf = compile(source);
            let leaf = leaf.forms.as_ref().ok()?.written();
            let value = self.interpreter.applied(leaf, &[value]).ok()?;
            if let Value::Int(number) = value { u64::try_from(number).ok() } else { None }
        };
        match self.parts.get(index).map_or("", |part| part.kind.name()) {
            "net.IP" => asked("_0.family()").map_or(4, |family| if family == 6 { 16 } else { 4 }),
            "net.CIDR" => asked("_0.prefixLength()").map_or(1, |bits| bits.div_ceil(8)),
            _ => size(value),
        }
    }

    fn pattern(&self, of: u64, pattern: u64) -> u64 {
        text(of.saturating_add(1)).saturating_mul(scaled(pattern, PATTERN))
    }

    /// The libraries of lists and sets of the language.
    #[allow(clippy::cast_precision_loss, clippy::cast_sign_loss, clippy::cast_possible_truncation)]
    fn of_lists(&self, id: &str) -> Option<u64> {
        let making = |size: u64, factor: f64| {
            ((size as f64 * factor) as u64).saturating_add(1).saturating_add(LIST)
        };
        let compared = |index: usize| {
            let texts = match self.operands.get(index) {
                Some(Some(Value::List(items))) => items.first(),
                _ => None,
            };
            let texts = matches!(texts, Some(Value::String(_) | Value::Bytes(_)));
            let size = self.size(index);
            making(size.saturating_mul(size), if texts { 2.0 + TEXT } else { 2.0 })
        };
        let pairs = |factor: f64| ((self.size(0) * self.size(1)) as f64 * factor) as u64 + 1;
        Some(match id {
            "list_slice" | "lists_range" | "list_reverse" => {
                making(self.result.map_or(1, size), 1.0)
            }
            "list_flatten" => making(self.size(0), 1.0),
            "list_flatten_int" => match self.operands.get(1) {
                Some(Some(Value::Int(depth))) if *depth >= 0 => making(self.size(0), *depth as f64),
                _ => making(self.size(0), 1.0),
            },
            "list_distinct" => compared(0),
            "list_sets_contains_list" | "list_sets_intersects_list" => pairs(1.0),
            "list_sets_equivalent_list" => pairs(2.0),
            _ if id.starts_with("list_") && id.ends_with("_sort") => compared(0),
            _ if id.starts_with("list_") && id.ends_with("_sortByAssociatedKeys") => compared(1),
            _ => return None,
        })
    }

    /// The libraries that the server adds.
    fn of_server(&self, id: &str) -> Option<u64> {
        let twice = |size: u64| scaled(size, 2.0 * TEXT);
        Some(match self.call.function.as_str() {
            "check" => CHECK,
            "fieldSelector" | "labelSelector" if self.operands.len() >= 2 => {
                let size = self.size(1);
                LIST + text(size) + scaled(scaled(size, 0.5), (LIST + STRUCT) as f64)
            }
            "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" | "includes" => {
                self.operands.first().map_or(0, |one| one.as_ref().map_or(1, traversal))
            }
            "url"
            | "lowerAscii"
            | "upperAscii"
            | "substring"
            | "trim"
            | "jsonpatch.escapeKey"
            | "cidr"
            | "isIP"
            | "isCIDR"
            | "quantity"
            | "isQuantity"
            | "semver"
            | "isSemver" => text(self.size(0)),
            "replace" | "split" | "ip.isCanonical" => twice(self.size(0)),
            "join" => twice(self.result.map_or(1, size)),
            "find" | "findAll" => self.pattern(self.size(0), self.size(1)),
            "ip" if id == "cidr_ip" => 1,
            "ip" => text(self.size(0)),
            "containsIP" | "containsCIDR" => {
                let whole = self.size(0);
                let mut cost = text(whole + whole);
                if self.call.function == "containsCIDR" {
                    cost += text(whole) + 1;
                }
                if matches!(id, "cidr_contains_ip_string" | "cidr_contains_cidr_string") {
                    cost += text(self.size(1));
                }
                cost
            }
            "validate" => self.pattern(self.size(1), format_pattern(self.parts.first()?)),
            name if super::NOMINAL.contains(&name) => 1,
            "_==_" => match self.parts.first()?.kind.name() {
                "net.IP" | "net.CIDR" => 1,
                name if name.starts_with("kubernetes.") => 1,
                _ => return None,
            },
            _ => return None,
        })
    }

    /// What the language itself has.
    fn of_language(&self, id: &str) -> u64 {
        match id {
            "starts_with_string" | "ends_with_string" => text(self.deep(1)),
            "string_to_bytes" | "bytes_to_string" | "strings_quote" | "string_format" => {
                text(self.deep(0))
            }
            "in_list" => self.deep(1),
            "add_string" | "add_bytes" => text(self.deep(0) + self.deep(1)),
            "matches" | "matches_string" => self.pattern(self.deep(0), self.deep(1)),
            "contains_string" => text(self.deep(0)).saturating_mul(text(self.deep(1))),
            _ if compares_texts(id) => text(self.deep(0).min(self.deep(1))),
            _ => 1,
        }
    }

    /// The size of an operand, or of what an optional one has.
    fn deep(&self, index: usize) -> u64 {
        match self.operands.get(index) {
            Some(Some(value)) if is_optional(value) => {
                present(value).flatten().map_or(1, |inner| size(&inner))
            }
            _ => self.size(index),
        }
    }
}

fn size(value: &Value) -> u64 {
    let size = match value {
        Value::String(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(items) => items.len(),
        Value::Map(map) => map.map.len(),
        _ => 1,
    };
    size as u64
}

/// The cost of going over a value and all in it.
fn traversal(value: &Value) -> u64 {
    match value {
        Value::String(text) => (text.len() / 10) as u64,
        Value::Bytes(bytes) => (bytes.len() / 10) as u64,
        Value::List(items) => items.iter().map(traversal).sum(),
        Value::Map(map) => {
            let key = |key: &Key| match key {
                Key::String(text) => (text.len() / 10) as u64,
                _ => 1,
            };
            map.map.iter().map(|(name, value)| key(name) + traversal(value)).sum()
        }
        _ => 1,
    }
}

/// The length of the pattern that stands for that of a format, by what makes the format.
fn format_pattern(format: &Node) -> u64 {
    let name = match &format.what {
        What::Call(call) => call.function.strip_prefix("format.").unwrap_or(""),
        _ => "",
    };
    match name {
        "uri" => 1103,
        "byte" => 84,
        "date" | "datetime" => 71,
        "uuid" => 70,
        "dns1123Subdomain" | "dns1123SubdomainPrefix" | "qualifiedName" => 60,
        "labelValue" => 40,
        _ => 30,
    }
}
