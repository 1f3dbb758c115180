//! What is refused though its types fit: literals that can be no value, lists and maps of mixed
//! types, and formats over what they have no clauses for.
//!
//! Source: `cel/validator.go` and `ext/formatting.go` of `github.com/google/cel-go`.

use kube_cel::cel::common::ast::LiteralValue;

use super::planning;
use crate::structural::cel::interpret::{letters, misfit, pattern};
use crate::structural::cel::typed::{Call, Kind, Node, What};

/// What is wrong, by the number of the part that is.
pub(super) fn mistakes(tree: &Node) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    part(tree, false, &mut all);
    all
}

fn part(node: &Node, in_format: bool, out: &mut Vec<(u64, String)>) {
    match &node.what {
        What::Literal(_) | What::Name(_) => {}
        What::Field(operand, ..) => part(operand, in_format, out),
        What::Call(call) => {
            literal(node, call, out);
            format(node, call, out);
            let in_format = in_format || call.function == "format";
            call.target.iter().for_each(|target| part(target, in_format, out));
            call.operands.iter().for_each(|operand| part(operand, in_format, out));
        }
        What::List(items, optional) => {
            if !in_format {
                let kinds = items.iter().enumerate().map(|(index, item)| {
                    (inner(&item.kind, optional.contains(&index)), item.written)
                });
                mixed(kinds, true, out);
            }
            items.iter().for_each(|item| part(item, in_format, out));
        }
        What::Map(entries) => {
            if !in_format {
                mixed(entries.iter().map(|(key, ..)| (&key.kind, key.written)), false, out);
                let values = entries
                    .iter()
                    .map(|(_, value, optional)| (inner(&value.kind, *optional), value.written));
                mixed(values, false, out);
            }
            for (key, value, _) in entries {
                part(key, in_format, out);
                part(value, in_format, out);
            }
        }
        What::Made(fields) => fields.iter().for_each(|(_, value, _)| part(value, in_format, out)),
        What::Fold(fold) => {
            for one in [&fold.range, &fold.first, &fold.condition, &fold.step, &fold.result] {
                part(one, in_format, out);
            }
        }
    }
}

/// The type of what may be absent.
fn inner(kind: &Kind, optional: bool) -> &Kind {
    match kind.parts("optional_type") {
        Some([inner, ..]) if optional => inner,
        _ => kind,
    }
}

/// Says which are of another type than the first: the first of them, or each.
fn mixed<'k>(
    kinds: impl IntoIterator<Item = (&'k Kind, u64)>,
    once: bool,
    out: &mut Vec<(u64, String)>,
) {
    let mut kinds = kinds.into_iter();
    let Some((first, _)) = kinds.next() else { return };
    for (kind, written) in kinds.filter(|(kind, _)| *kind != first) {
        let (want, got) = (first.shown(), kind.shown());
        out.push((written, format!("expected type '{want}' but found '{got}'")));
        if once {
            return;
        }
    }
}

/// The literal of a function that reads it.
fn literal(node: &Node, call: &Call, out: &mut Vec<(u64, String)>) {
    let Some(first) = call.operands.first() else { return };
    let What::Literal(LiteralValue::String(text)) = &first.what else { return };
    let holds = match call.function.as_str() {
        "matches" => pattern(text.inner()).is_ok(),
        "duration" | "timestamp" => planning::value(node).is_ok(),
        _ => true,
    };
    if !holds {
        out.push((first.written, format!("invalid {} argument", call.function)));
    }
}

/// A format that is written out over values that are.
fn format(node: &Node, call: &Call, out: &mut Vec<(u64, String)>) {
    let ("format", Some(target), [list]) =
        (call.function.as_str(), &call.target, call.operands.as_slice())
    else {
        return;
    };
    let (What::Literal(LiteralValue::String(text)), What::List(items, _)) =
        (&target.what, &list.what)
    else {
        return;
    };
    let letters = match letters(text.inner()) {
        Ok(letters) => letters,
        Err(why) => return out.push((node.written, why)),
    };
    for (index, letter) in letters.iter().enumerate() {
        let Some(item) = items.get(index) else {
            return out.push((node.written, format!("index {index} out of range")));
        };
        let kind = item.kind.shown();
        if kind != "dyn"
            && let Some(why) = misfit(*letter, &kind)
        {
            return out.push((item.written, format!("error during formatting: {why}")));
        }
    }
    if items.len() > letters.len() {
        let what = "too many arguments supplied to string.format";
        let count = format!("(expected {}, got {})", letters.len(), items.len());
        out.push((node.written, format!("{what} {count}")));
    }
}
