//! Defaults from a schema, and the nulls they replace.

use crate::json::Value;
use crate::schema::Schema;

/// Fills absent fields that have a default, at every level, and drops nulls where null is not a
/// value (a null with a default becomes the default).
pub fn default(schema: &Schema, value: &mut Value) {
    // A tree that needs nothing stays shared.
    if lacks(schema, value) {
        fill(schema, value, true);
    }
}

/// The same for what came of an applied configuration, which may hold nulls: those stay that have
/// no default, to be told by whoever validates it.
pub fn default_applied(schema: &Schema, value: &mut Value) {
    if lacks(schema, value) {
        fill(schema, value, false);
    }
}

/// Whether a field with a default is absent, or a null may have to go.
fn lacks(schema: &Schema, value: &Value) -> bool {
    match value {
        Value::Object(map) => {
            let absent =
                |(name, child): (&_, &Schema)| child.default.is_some() && !map.contains_key(name);
            let fields = schema.properties.iter();
            fields.map(|(name, child)| (&**name, &**child)).any(absent)
                || map.iter().any(|(name, field)| {
                    schema.field(name).is_some_and(|child| {
                        (field.is_null() && !child.nullable) || lacks(child, field)
                    })
                })
        }
        Value::Array(list) => {
            let items = schema.items.as_ref();
            items.is_some_and(|items| {
                let fills = items.default.is_some() && !items.nullable;
                list.iter().any(|item| (item.is_null() && fills) || lacks(items, item))
            })
        }
        _ => false,
    }
}

fn fill(schema: &Schema, value: &mut Value, drops: bool) {
    if let Value::Object(map) = value {
        for (name, child) in &schema.properties {
            let null = match map.get(name.as_ref()) {
                None => false,
                Some(Value::Null) if !child.nullable => true,
                Some(_) => continue,
            };
            match &child.default {
                Some(value) => {
                    map.insert(name.to_string(), value.clone());
                }
                None if null && drops => {
                    map.remove(name.as_ref());
                }
                None => {}
            }
        }
        if let Some(child) = &schema.additional
            && !child.nullable
            && !child.undeclared
            && map.values().any(Value::is_null)
        {
            let known = &schema.properties;
            match &child.default {
                Some(value) => map
                    .iter_mut()
                    .filter(|(name, v)| v.is_null() && !known.contains_key(name.as_str()))
                    .for_each(|(_, v)| *v = value.clone()),
                None if !drops => {}
                None => map.retain(|name, v| !v.is_null() || known.contains_key(name.as_str())),
            }
        }
    }
    if let (Value::Array(list), Some(items)) = (&mut *value, &schema.items)
        && let Some(default) = items.default.as_ref().filter(|_| !items.nullable)
    {
        list.iter_mut().filter(|item| item.is_null()).for_each(|item| *item = default.clone());
    }
    below(schema, value, &|schema, value| fill(schema, value, drops));
}

/// Does to every child of a tree what was done to it.
fn below(schema: &Schema, value: &mut Value, act: &dyn Fn(&Schema, &mut Value)) {
    match value {
        Value::Object(map) => {
            for (name, field) in map.iter_mut() {
                if let Some(child) = schema.field(name) {
                    act(child, field);
                }
            }
        }
        Value::Array(list) => {
            if let Some(items) = &schema.items {
                list.iter_mut().for_each(|item| act(items, item));
            }
        }
        _ => {}
    }
}

/// Drops nulls where null is not a value and no default takes its place, at every level.
pub fn drop_nulls(schema: &Schema, value: &mut Value) {
    if let Value::Object(map) = value {
        let drops = |name: &str, value: &Value| {
            let child = schema.field(name);
            value.is_null()
                && child.is_some_and(|c| !c.nullable && !c.undeclared && c.default.is_none())
        };
        if map.iter().any(|(name, value)| drops(name, value)) {
            map.retain(|name, value| !drops(name, value));
        }
    }
    below(schema, value, &drop_nulls);
}

#[cfg(test)]
mod tests {
    use crate::json::Value;

    #[track_caller]
    fn check(schema: &str, before: &str, after: &str) {
        let schema: Value = serde_yaml::from_str(schema).unwrap();
        let mut value: Value = serde_yaml::from_str(before).unwrap();
        super::default(&crate::schema::parse::parse(&schema), &mut value);
        assert_eq!(value, serde_yaml::from_str::<Value>(after).unwrap());
    }

    #[test]
    fn defaults_reach_every_level() {
        let schema = "
type: object
properties:
  a: {type: object, default: {}, properties: {n: {type: integer, default: 3}}}
  l: {type: array, items: {type: object, properties: {x: {type: string, default: y}}}}
  m: {type: object, additionalProperties: {type: object, properties: {z: {default: true}}}}
  n: {type: string, nullable: true, default: d}
  p: {type: string}
  q: {type: object, additionalProperties: {type: string}}
";
        check(schema, "{}", "{a: {n: 3}, n: d}");
        check(
            schema,
            "{a: {n: 4}, l: [{}, {x: v}], m: {k: {}}, n: null, p: null, q: {a: null, b: c}}",
            "{a: {n: 4}, l: [{x: y}, {x: v}], m: {k: {z: true}}, n: null, q: {b: c}}",
        );
        check(schema, "{a: null}", "{a: {n: 3}, n: d}");
    }
}
