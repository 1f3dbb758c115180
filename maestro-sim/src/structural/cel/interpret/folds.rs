//! Loops over lists and maps, which macros stand for, and what they keep from item to item.

use std::sync::Arc;

use kube_cel::cel::Value;

use super::{Halt, Interpreter, Outcome, Slot, operators, unfit};
use crate::structural::cel::typed::{Fold, Node, What};
use crate::structural::cel::values::{entries, key_value};

impl<'c> Interpreter<'c> {
    pub(super) fn fold(&mut self, fold: &'c Fold) -> Outcome {
        let kept = self.variables.len();
        if fold.is_bind() {
            self.variables.push((Arc::clone(&fold.kept), Slot::Later(&fold.first)));
            let value = self.value(&fold.result);
            self.variables.truncate(kept);
            return value;
        }
        // Each item, or each index or key with its value.
        let items: Vec<(Value, Option<Value>)> = match self.value(&fold.range)? {
            Value::List(items) if fold.second.is_none() => {
                Arc::unwrap_or_clone(items).into_iter().map(|item| (item, None)).collect()
            }
            Value::List(items) => {
                let items = Arc::unwrap_or_clone(items);
                (0..).zip(items).map(|(at, item)| (Value::Int(at), Some(item))).collect()
            }
            Value::Map(map) => {
                let entries = entries(&map).into_iter();
                entries.map(|(key, value)| (key_value(key), Some(value.clone()))).collect()
            }
            other => {
                let kind = go_type(&other);
                return Err(Halt::Error(format!("got '{kind}', expected iterable type")));
            }
        };
        let first = self.value(&fold.first)?;
        self.variables.push((Arc::clone(&fold.kept), Slot::Known(Ok(first))));
        let value = self.steps(fold, items, kept);
        self.variables.truncate(kept);
        value
    }

    fn steps(
        &mut self,
        fold: &'c Fold,
        items: Vec<(Value, Option<Value>)>,
        kept: usize,
    ) -> Outcome {
        for (item, second) in items {
            self.variables.push((Arc::clone(&fold.item), Slot::Known(Ok(item))));
            if let (Some(name), Some(second)) = (&fold.second, second) {
                self.variables.push((Arc::clone(name), Slot::Known(Ok(second))));
            }
            let goes_on = match self.value(&fold.condition) {
                Err(Halt::Over) => return Err(Halt::Over),
                Ok(Value::Bool(goes_on)) => goes_on,
                _ => true,
            };
            if !goes_on {
                self.variables.truncate(kept + 1);
                break;
            }
            let step = self.value(&fold.step);
            if matches!(step, Err(Halt::Over)) {
                return step;
            }
            self.variables.truncate(kept);
            self.variables.push((Arc::clone(&fold.kept), Slot::Known(step)));
        }
        self.value(&fold.result)
    }

    /// What a macro keeps: whatever comes of the step takes its place.
    fn taken(&mut self, kept: &'c Node) -> Outcome {
        self.spend(1)?;
        let What::Name(name) = &kept.what else { return Err(unfit()) };
        let own = self.variables.iter_mut().rev().find(|(own, _)| own == name);
        match own {
            Some((_, Slot::Known(value))) => std::mem::replace(value, Err(unfit())),
            _ => Err(unfit()),
        }
    }

    /// One more item for a list, or one more for a number, that a macro keeps.
    pub(super) fn append(&mut self, kept: &'c Node, right: &'c Node) -> Outcome {
        let own = self.taken(kept);
        let right = self.value(right)?;
        self.spend(1)?;
        match (own?, right) {
            (Value::List(mut all), Value::List(more)) => {
                Arc::make_mut(&mut all).extend(more.iter().cloned());
                Ok(Value::List(all))
            }
            (left, right) => Ok(operators::add(&left, &right, self.lists)?),
        }
    }

    /// One more entry for a map that a macro keeps, or those of another map.
    pub(super) fn insert(&mut self, kept: &'c Node, added: &'c [Node]) -> Outcome {
        let own = self.taken(kept);
        let mut values = Vec::with_capacity(added.len());
        for part in added {
            values.push(self.value(part)?);
        }
        self.spend(1)?;
        let Value::Map(mut map) = own? else { return Err(unfit()) };
        match values.as_slice() {
            [key, value] => operators::insert(&mut map, key, value.clone())?,
            [Value::Map(more)] => {
                for (key, value) in entries(more) {
                    operators::insert(&mut map, &key_value(key), value.clone())?;
                }
            }
            _ => return Err(unfit()),
        }
        Ok(Value::Map(map))
    }
}

/// The type of a value in the server's language.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Int(_) => "types.Int",
        Value::UInt(_) => "types.Uint",
        Value::Float(_) => "types.Double",
        Value::String(_) => "types.String",
        Value::Bytes(_) => "types.Bytes",
        Value::Bool(_) => "types.Bool",
        Value::Null => "types.Null",
        Value::Duration(_) => "types.Duration",
        Value::Timestamp(_) => "types.Timestamp",
        _ => "*types.Optional",
    }
}
