//! Field selectors: `metadata.name=x,status.phase!=Running`.

use std::borrow::Cow;
use std::fmt;

use super::SelectorError;
use crate::json::Value;

/// One comparison of a field with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldRequirement {
    /// Dotted path, as `metadata.name`.
    pub field: String,
    /// The text compared with.
    pub value: String,
    /// True for `=` and `==`, false for `!=`.
    pub equal: bool,
}

/// A compiled field selector: the conjunction of its requirements.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldSelector {
    requirements: Vec<FieldRequirement>,
}

impl FieldSelector {
    /// Selects every object.
    pub const fn everything() -> Self {
        Self { requirements: Vec::new() }
    }

    /// Parses the query-string form. A backslash escapes a comma, an equals sign or itself.
    ///
    /// # Errors
    /// The text a real server answers with 400.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut terms = split_terms(text);
        terms.sort_unstable();
        let mut requirements = Vec::new();
        for term in terms.into_iter().filter(|term| !term.is_empty()) {
            let Some((field, equal, value)) = split_term(term) else {
                let message = format!("invalid selector: '{text}'; can't understand '{term}'");
                return Err(SelectorError::new(message));
            };
            let value = unescape(value)?;
            requirements.push(FieldRequirement { field: field.to_owned(), value, equal });
        }
        Ok(Self { requirements })
    }

    /// The comparisons, sorted by how they were written.
    pub fn requirements(&self) -> &[FieldRequirement] {
        &self.requirements
    }

    /// The same selector of fields that are called otherwise; what has no other name keeps its own.
    #[must_use]
    pub fn renamed(mut self, name: impl Fn(&str) -> Option<String>) -> Self {
        for requirement in &mut self.requirements {
            if let Some(other) = name(&requirement.field) {
                requirement.field = other;
            }
        }
        self
    }

    /// Whether every object is selected.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// The first field that is not supported.
    pub fn unsupported(&self, supported: impl Fn(&str) -> bool) -> Option<&str> {
        let mut fields = self.requirements.iter().map(|r| r.field.as_str());
        fields.find(|field| !supported(field))
    }

    /// The one value this field must have, when the selector says so: an index can answer it.
    pub fn exact(&self, field: &str) -> Option<&str> {
        let found = self.requirements.iter().find(|r| r.equal && r.field == field)?;
        Some(&found.value)
    }

    /// Whether an object is selected whose fields `lookup` reads; a missing field is empty.
    pub fn matches<'a>(&self, lookup: impl Fn(&str) -> Option<Cow<'a, str>>) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = lookup(&requirement.field);
            (value.as_deref().unwrap_or_default() == requirement.value) == requirement.equal
        })
    }

    /// Whether an object is selected, reading each field by its dotted path in the tree.
    pub fn matches_object(&self, object: &Value) -> bool {
        self.matches(|path| at(object, path))
    }
}

/// The text of the field at a dotted path of a tree; none where there is no scalar.
pub fn at<'a>(object: &'a Value, path: &str) -> Option<Cow<'a, str>> {
    let value = path.split('.').try_fold(object, |value, step| value.get(step))?;
    match value {
        Value::String(text) => Some(Cow::Borrowed(text.as_str())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
        scalar => Some(Cow::Owned(scalar.to_string())),
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let operator = if requirement.equal { "=" } else { "!=" };
            write!(f, "{comma}{}{operator}{}", requirement.field, escape(&requirement.value))?;
        }
        Ok(())
    }
}

/// Splits at commas that no backslash escapes.
fn split_terms(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (index, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                terms.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms
}

/// Field, whether equality is asked for, and the still escaped value.
fn split_term(term: &str) -> Option<(&str, bool, &str)> {
    for (index, _) in term.char_indices() {
        let rest = &term[index..];
        for (operator, equal) in [("!=", false), ("==", true), ("=", true)] {
            if let Some(value) = rest.strip_prefix(operator) {
                return Some((&term[..index], equal, value));
            }
        }
    }
    None
}

fn unescape(value: &str) -> Result<String, SelectorError> {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                other => {
                    let sequence: String = ['\\'].into_iter().chain(other).collect();
                    let message =
                        format!("invalid field selector: invalid escape sequence: {sequence}");
                    return Err(SelectorError::new(message));
                }
            },
            ',' | '=' => {
                let message =
                    format!("invalid field selector: unescaped character in value: {}", c as u32);
                return Err(SelectorError::new(message));
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '\\' | ',' | '=') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(selector: &str, object: &str, expected: Result<bool, &str>) {
        let object: Value = serde_yaml::from_str(object).unwrap();
        let actual = FieldSelector::parse(selector).map(|s| s.matches_object(&object));
        assert_eq!(actual.map_err(|e| e.message), expected.map_err(str::to_owned), "{selector}");
    }

    #[test]
    fn fields() {
        let pod = "{metadata: {name: a}, spec: {hostNetwork: true}, status: {phase: Running}}";
        check("", pod, Ok(true));
        check("metadata.name=a", pod, Ok(true));
        check("metadata.name==a,status.phase!=Pending", pod, Ok(true));
        check("status.phase!=Running", pod, Ok(false));
        check("spec.nodeName=", pod, Ok(true));
        check("spec.hostNetwork=true", pod, Ok(true));
        check(r"metadata.name=a\,b", "{metadata: {name: 'a,b'}}", Ok(true));
        check(r"metadata.name=a\=b", "{metadata: {name: a=b}}", Ok(true));
    }

    #[test]
    fn errors() {
        check("name", "{}", Err("invalid selector: 'name'; can't understand 'name'"));
        check(r"a=\x", "{}", Err(r"invalid field selector: invalid escape sequence: \x"));
        let selector = FieldSelector::parse("spec.x=1").unwrap();
        assert_eq!(selector.unsupported(|f| f == "metadata.name"), Some("spec.x"));
        assert_eq!(selector.exact("spec.x"), Some("1"));
        assert_eq!(FieldSelector::parse(r"b=\,,a!=1").unwrap().to_string(), r"a!=1,b=\,");
    }
}
