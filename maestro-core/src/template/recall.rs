//! What expressions gave, remembered while nothing they look at changes.
//!
//! Conditions are asked whenever anything happens to any of an instance's objects, and hardly ever
//! has anything changed that they look at. To write down what they look at costs a fraction of
//! evaluating them; what is written down the same way gives the same.

use super::cache;
use super::cel::{Fact, Facts, Scope};
use super::thresholds::{TICK, Threshold};
use super::wanted::Wanted;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Expressions that look at more than so many bytes are evaluated each time.
const MOST_BYTES: usize = 64 * 1024;

/// The last value of each expression, and what it looked at.
#[derive(Debug, Default)]
pub struct Recall {
    known: Mutex<BTreeMap<String, Known>>,
}

#[derive(Debug)]
struct Known {
    seen: Vec<u8>,
    value: Result<Value, String>,
}

impl Recall {
    /// The value of an expression in a scope, null for none.
    ///
    /// # Errors
    /// Why it cannot be compiled or has no value.
    pub fn value(&self, scope: &Scope<'_>, text: &str) -> Result<Value, String> {
        let expression = cache::expression(text).map_err(|error| error.to_string())?;
        let seen = scope.seen(expression.wanted(), expression.thresholds());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(text)
            && known.seen == seen
        {
            return known.value.clone();
        }
        let value = expression.evaluate(scope).map_err(|error| error.to_string());
        let value = value.map(Option::unwrap_or_default);
        if seen.len() <= MOST_BYTES {
            known.insert(text.to_owned(), Known { seen, value: value.clone() });
        }
        value
    }
}

/// Writes down of a value what is wanted, as `convert::part` takes it.
pub(super) fn print(json: &Value, wanted: &Wanted, out: &mut Vec<u8>) {
    match json {
        _ if wanted.is_all() => whole(json, out),
        Value::Array(_) if wanted.is_presence() => out.push(b'L'),
        Value::Object(fields) if wanted.items().is_none() => {
            out.push(b'{');
            for (name, wanted) in wanted.fields() {
                if let Some(value) = fields.get(name) {
                    whole(name, out);
                    print(value, wanted, out);
                }
            }
            out.push(b'}');
        }
        Value::Array(items) if !wanted.has_fields() => match wanted.items() {
            Some(each) => list(items, each, out),
            None => whole(json, out),
        },
        _ => whole(json, out),
    }
}

/// The same of a list.
pub(super) fn list<'a>(
    items: impl IntoIterator<Item = &'a Value>,
    each: &Wanted,
    out: &mut Vec<u8>,
) {
    out.push(b'[');
    items.into_iter().for_each(|item| print(item, each, out));
    out.push(b']');
}

/// The same, with what is known of each item besides. A clock that is only compared with literals
/// is written down as what the comparisons say.
pub(super) fn known(
    items: &[&Value],
    facts: &Facts<'_>,
    each: &Wanted,
    thresholds: Option<&[Threshold]>,
    out: &mut Vec<u8>,
) {
    out.push(b'[');
    for item in items {
        print(item, each, out);
        for name in facts.names.iter().filter(|name| each.is_all() || each.field(name).is_some()) {
            match (facts.of)(item, name) {
                None => out.push(b'-'),
                Some(Fact::Text(text)) => whole(&text, out),
                Some(Fact::Truth(truth)) => whole(&truth, out),
                Some(Fact::Number(number)) => whole(&format!("n{number}"), out),
                Some(Fact::Duration(read)) => match thresholds {
                    Some(thresholds) => reached(read, name, thresholds, out),
                    None => whole(&format!("d{read:?}"), out),
                },
            }
        }
    }
    out.push(b']');
}

/// Which thresholds a clock has reached, and which it has passed by less than can be told apart.
fn reached(read: Duration, clock: &str, thresholds: &[Threshold], out: &mut Vec<u8>) {
    for one in thresholds.iter().filter(|one| one.clock == clock) {
        let (at, after) = (read >= one.reading, read + TICK > one.reading);
        out.push(b'0' + u8::from(at) + 2 * u8::from(after));
    }
    out.push(b',');
}

fn whole(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    // Writing JSON to memory cannot fail. The comma ends what has no end of its own.
    let _ = serde_json::to_writer(&mut *out, value);
    out.push(b',');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::template::POD_FACTS;

    /// What an expression gives of one pod and then of another, and whether it was evaluated anew.
    #[track_caller]
    fn check(text: &str, pods: [Value; 2], expected: [Value; 2], anew: bool) {
        let recall = Recall::default();
        let mut seen = Vec::new();
        for (pod, expected) in pods.iter().zip(expected) {
            let of = |pod: &Value, name: &str| match name {
                "ready" => Some(Fact::Truth(pod["ready"] == true)),
                "failedFor" => Some(Fact::Duration(Duration::from_micros(pod["f"].as_u64()?))),
                _ => None,
            };
            let facts = Facts { names: &POD_FACTS, of: Box::new(of) };
            let mut scope = Scope::new();
            scope.lend("self", pod).lend_known("pods", vec![pod], facts);
            assert_eq!(recall.value(&scope, text), Ok(expected), "{text}");
            let known = recall.known.lock().unwrap();
            seen.push(known[text].seen.clone());
        }
        assert_eq!(seen[0] != seen[1], anew, "{text}: {seen:?}");
    }

    #[test]
    fn only_what_is_looked_at_matters() {
        let a = json!({"spec": {"n": 1, "l": [{"x": 1}]}, "other": 1, "ready": true, "f": 1});
        let with = |path: &str, value: Value| {
            let mut other = a.clone();
            *other.pointer_mut(path).unwrap() = value;
            [a.clone(), other]
        };
        let (yes, no) = (json!(true), json!(false));
        check("self.spec.n == 1", with("/other", 2.into()), [yes.clone(), yes.clone()], false);
        check("self.spec.n == 1", with("/spec/n", 2.into()), [yes.clone(), no.clone()], true);
        check("self.spec.n == 1", with("/spec/n", "1".into()), [yes.clone(), no.clone()], true);
        check("has(self.spec.m)", with("/spec/n", 2.into()), [no.clone(), no.clone()], false);
        let each = "self.spec.l.all(i, i.x == 1)";
        check(each, with("/spec/l", json!([{"x": 2}])), [yes.clone(), no.clone()], true);
        check(each, with("/spec/l", json!([{"x": 1, "y": 2}])), [yes.clone(), yes.clone()], false);
        let ready = "pods.all(p, p.ready)";
        check(ready, with("/ready", false.into()), [yes.clone(), no.clone()], true);
        check(ready, with("/f", 7.into()), [yes.clone(), yes.clone()], false);
        let failed = "pods.exists(p, p.failedFor > duration('5s'))";
        check(failed, with("/f", 7.into()), [no.clone(), no.clone()], false);
        check(failed, with("/f", 5_000_000.into()), [no.clone(), no.clone()], false);
        check(failed, with("/f", 5_000_001.into()), [no.clone(), yes.clone()], true);
        check(failed, with("/f", 7_000_000.into()), [no, yes], true);
        let shown = "string(pods[0].failedFor)";
        check(shown, with("/f", 2_000_000.into()), ["1µs".into(), "2s".into()], true);
    }
}
