//! The cells of the built-in kinds.

use super::words::{containers, int_at, labels, list_at, or, selector, since, subjects, text_at};
use super::{Moment, pod, recipes};
use crate::builtin::field::text;
use crate::json::Value;
use crate::object::GroupResource;

/// One cell's recipe.
pub(super) enum Cell {
    /// Text at a place, or other words.
    Text(&'static str, &'static str),
    /// A number at a place, or 0.
    Int(&'static str),
    /// What stands at a place, or a flag.
    Flag(&'static str, bool),
    /// What stands at a place, or words.
    Any(&'static str, &'static str),
    /// How many entries two places hold.
    Count(&'static str, &'static str),
    /// Two numbers.
    Share(&'static str, &'static str),
    /// A map of labels.
    Labels(&'static str),
    /// A label selector, or words for one that selects everything.
    Selector(&'static str, &'static str),
    /// Names and images of the containers at a place.
    Names(&'static str),
    Images(&'static str),
    /// A list of texts joined with commas, or words.
    Joined(&'static str, &'static str),
    /// How long ago a time at a place was, or words.
    Since(&'static str, &'static str),
    /// A kind and a name.
    Reference(&'static str),
    /// The subjects of a kind.
    Subjects(&'static str),
    /// Whatever takes more to find out.
    Of(fn(&Value, Moment) -> Value),
}

use Cell::{
    Any, Count, Flag, Images, Int, Joined, Labels, Names, Of, Reference, Selector, Share, Since,
    Subjects, Text,
};

impl Cell {
    fn of(&self, object: &Value, now: Moment) -> Value {
        let there = |place: &str| object.pointer(place).filter(|value| !value.is_null());
        let entries = |place: &str| match there(place).filter(|_| !place.is_empty()) {
            Some(Value::Object(map)) => map.len(),
            Some(Value::Array(list)) => list.len(),
            _ => 0,
        };
        match *self {
            Text(place, other) => or(text_at(object, place), other).into(),
            Int(place) => int_at(object, place).into(),
            Flag(place, other) => there(place).cloned().unwrap_or_else(|| other.into()),
            Any(place, other) => there(place).cloned().unwrap_or_else(|| other.into()),
            Count(one, other) => (entries(one) + entries(other)).into(),
            Share(part, whole) => {
                format!("{}/{}", int_at(object, part), int_at(object, whole)).into()
            }
            Labels(place) => labels(object, place).into(),
            Selector(place, other) => match selector(there(place)) {
                Some(told) => or(&told, other).into(),
                None => "<error>".into(),
            },
            Names(place) => containers(object, place, "name"),
            Images(place) => containers(object, place, "image"),
            Joined(place, other) => {
                let each: Vec<&str> =
                    list_at(object, place).iter().filter_map(Value::as_str).collect();
                or(&each.join(","), other).into()
            }
            Since(place, other) => match text_at(object, place) {
                "" => other.into(),
                time => since(time, now).into(),
            },
            Reference(place) => {
                let value = there(place).unwrap_or(&Value::Null);
                format!("{}/{}", text(value, "kind"), text(value, "name")).into()
            }
            Subjects(kind) => subjects(object, kind),
            Of(find) => find(object, now),
        }
    }
}

pub(super) fn of(resource: &GroupResource, object: &Value, now: Moment) -> Vec<Value> {
    if (&*resource.group, &*resource.resource) == ("", "pods") {
        return pod::cells(object, now);
    }
    let recipe = match &*resource.group {
        "" => recipes::core(&resource.resource),
        "apps" | "batch" | "autoscaling" | "policy" => recipes::workloads(&resource.resource),
        _ => recipes::others(&resource.resource),
    };
    recipe.iter().map(|cell| cell.of(object, now)).collect()
}
