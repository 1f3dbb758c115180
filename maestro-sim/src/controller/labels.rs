//! Compiled `metav1.LabelSelector` values.

use crate::json::{Map, Value};

/// One demand on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Demand {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

/// A selector ready to be matched. One that was absent matches nothing, an empty one everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    demands: Option<Vec<Demand>>,
}

impl Labels {
    /// Compiles a `LabelSelector`. An unknown operator makes the selector match nothing, which is
    /// what a controller does with a selector it cannot parse.
    pub fn of(selector: Option<&Value>) -> Self {
        let Some(selector) = selector.filter(|s| s.is_object()) else { return Self::default() };
        let mut demands = equalities(selector.get("matchLabels"));
        let list = selector.get("matchExpressions").and_then(Value::as_array);
        for expression in list.into_iter().flatten() {
            let Some(demand) = expression_of(expression) else { return Self::default() };
            demands.push(demand);
        }
        Self { demands: Some(demands) }
    }

    /// Compiles a plain map of labels, such as a Service's `spec.selector`; empty matches nothing.
    pub fn of_map(map: Option<&Value>) -> Self {
        let demands = equalities(map);
        Self { demands: (!demands.is_empty()).then_some(demands) }
    }

    /// Whether it was written without any demand (and so matches everything).
    pub fn is_empty(&self) -> bool {
        self.demands.as_ref().is_some_and(Vec::is_empty)
    }

    /// Whether labels satisfy every demand.
    pub fn matches(&self, labels: Option<&Map>) -> bool {
        let value = |key: &str| labels.and_then(|l| l.get(key)).and_then(Value::as_str);
        let Some(demands) = &self.demands else { return false };
        demands.iter().all(|demand| match demand {
            Demand::In(key, wanted) => value(key).is_some_and(|v| wanted.iter().any(|w| w == v)),
            Demand::NotIn(key, not) => !value(key).is_some_and(|v| not.iter().any(|w| w == v)),
            Demand::Exists(key) => value(key).is_some(),
            Demand::Absent(key) => value(key).is_none(),
        })
    }

    /// One `label`, `value` pair that every matching object carries, for index look-ups.
    pub fn certain(&self) -> Option<(&str, &str)> {
        self.demands.as_ref()?.iter().find_map(|demand| match demand {
            Demand::In(key, values) => match values.as_slice() {
                [one] => Some((key.as_str(), one.as_str())),
                _ => None,
            },
            _ => None,
        })
    }
}

fn equalities(map: Option<&Value>) -> Vec<Demand> {
    let pairs = map.and_then(Value::as_object).into_iter().flatten();
    pairs
        .filter_map(|(key, value)| {
            Some(Demand::In(key.to_string(), vec![value.as_str()?.to_owned()]))
        })
        .collect()
}

fn expression_of(expression: &Value) -> Option<Demand> {
    let key = expression.get("key")?.as_str()?.to_owned();
    let values = expression.get("values").and_then(Value::as_array);
    let values: Vec<String> =
        values.into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect();
    match expression.get("operator")?.as_str()? {
        "In" => Some(Demand::In(key, values)),
        "NotIn" => Some(Demand::NotIn(key, values)),
        "Exists" => Some(Demand::Exists(key)),
        "DoesNotExist" => Some(Demand::Absent(key)),
        _ => None,
    }
}
