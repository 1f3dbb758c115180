//! `json!`: trees as they are written.

/// A [`Value`](crate::json::Value) in JSON's notation, with expressions as its values and, in
/// parentheses, as its names. Expressions are read, not consumed.
///
/// ```
/// let labels = maestro_sim::json!({"app": "zookeeper"});
/// let pod = maestro_sim::json!({"kind": "Pod", "metadata": {"labels": labels}, "spec": null});
/// assert_eq!(pod["metadata"]["labels"], labels);
/// ```
#[macro_export]
macro_rules! json {
    (@fields $map:ident) => {};
    (@fields $map:ident $name:tt : null $(, $($rest:tt)*)?) => {
        $map.insert($name, $crate::json::Value::Null);
        $crate::json!(@fields $map $($($rest)*)?);
    };
    (@fields $map:ident $name:tt : { $($fields:tt)* } $(, $($rest:tt)*)?) => {
        $map.insert($name, $crate::json!({ $($fields)* }));
        $crate::json!(@fields $map $($($rest)*)?);
    };
    (@fields $map:ident $name:tt : [ $($list:tt)* ] $(, $($rest:tt)*)?) => {
        $map.insert($name, $crate::json!([ $($list)* ]));
        $crate::json!(@fields $map $($($rest)*)?);
    };
    (@fields $map:ident $name:tt : $value:expr $(, $($rest:tt)*)?) => {
        $map.insert($name, $crate::json::ToValue::to_value(&$value));
        $crate::json!(@fields $map $($($rest)*)?);
    };
    (@list $list:ident) => {};
    (@list $list:ident null $(, $($rest:tt)*)?) => {
        $list.push($crate::json::Value::Null);
        $crate::json!(@list $list $($($rest)*)?);
    };
    (@list $list:ident { $($fields:tt)* } $(, $($rest:tt)*)?) => {
        $list.push($crate::json!({ $($fields)* }));
        $crate::json!(@list $list $($($rest)*)?);
    };
    (@list $list:ident [ $($inner:tt)* ] $(, $($rest:tt)*)?) => {
        $list.push($crate::json!([ $($inner)* ]));
        $crate::json!(@list $list $($($rest)*)?);
    };
    (@list $list:ident $value:expr $(, $($rest:tt)*)?) => {
        $list.push($crate::json::ToValue::to_value(&$value));
        $crate::json!(@list $list $($($rest)*)?);
    };
    (null) => {
        $crate::json::Value::Null
    };
    ({}) => {
        $crate::json::Value::Object($crate::json::Map::new())
    };
    ([]) => {
        $crate::json::Value::Array($crate::json::Array::new())
    };
    ({ $($fields:tt)+ }) => {{
        let mut map = $crate::json::Map::new();
        $crate::json!(@fields map $($fields)+);
        $crate::json::Value::Object(map)
    }};
    ([ $($items:tt)+ ]) => {{
        let mut list = $crate::json::Array::new();
        $crate::json!(@list list $($items)+);
        $crate::json::Value::Array(list)
    }};
    ($value:expr) => {
        $crate::json::ToValue::to_value(&$value)
    };
}
