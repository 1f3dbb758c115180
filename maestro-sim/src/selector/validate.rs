//! The syntax of label keys and values, as selectors are told of it.

use crate::builtin::text;

/// What is wrong with a label key (an optional DNS prefix, a slash, a name), if anything.
pub(crate) fn key_problem(key: &str) -> Option<String> {
    told(&text::key(key))
}

/// What is wrong with a label value, if anything.
pub(crate) fn value_problem(value: &str) -> Option<String> {
    told(&text::label_value(value))
}

fn told(problems: &text::Problems) -> Option<String> {
    (!problems.is_empty()).then(|| problems.join("; "))
}
