//! What the interpreter's errors say. Its own words print whole operands, and those of maps in an
//! order that differs from run to run: here a map or a list is told by its type.

use kube_cel::cel::{ExecutionError, Value};

/// An error in words that are the same each time.
pub(super) fn words(error: &ExecutionError) -> String {
    use ExecutionError as E;
    match error {
        E::UnsupportedTargetType { target } => {
            format!("Invalid argument type: {}", operand(target))
        }
        E::NotSupportedAsMethod { method, target } => {
            format!("Method '{method}' not supported on type '{}'", operand(target))
        }
        E::UnsupportedKeyType(key) => format!("Unable to use value '{}' as a key", operand(key)),
        E::ValuesNotComparable(left, right) => {
            format!("{} can not be compared to {}", operand(left), operand(right))
        }
        E::UnsupportedUnaryOperator(operator, value) => {
            format!("Unsupported unary operator '{operator}': {}", operand(value))
        }
        E::UnsupportedBinaryOperator(operator, left, right) => format!(
            "Unsupported binary operator '{operator}': {}, {}",
            operand(left),
            operand(right)
        ),
        E::UnsupportedMapIndex(index) => {
            format!("Cannot use value as map index: {}", operand(index))
        }
        E::UnsupportedListIndex(index) => {
            format!("Cannot use value as list index: {}", operand(index))
        }
        E::UnsupportedIndex(index, value) => {
            format!("Cannot use value {} to index {}", operand(index), operand(value))
        }
        E::IndexOutOfBounds(index) => format!("Index out of bounds: {}", operand(index)),
        other => other.to_string(),
    }
}

fn operand(value: &Value) -> String {
    match value {
        Value::List(_) | Value::Map(_) | Value::Opaque(_) => format!("a {}", value.type_of()),
        scalar => format!("{scalar:?}"),
    }
}
