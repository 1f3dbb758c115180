//! Label selectors: the query-string form and the `metav1.LabelSelector` form, compiled alike.

use std::fmt;

use super::SelectorError;
use super::lex::{Token, tokens};
use super::validate::{key_problem, value_problem};
use crate::json::{Map, Name, Value};

/// How a requirement compares a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// The label exists with one of the values.
    In,
    /// The label is absent or has none of the values.
    NotIn,
    /// The label exists.
    Exists,
    /// The label does not exist.
    DoesNotExist,
    /// The label is an integer above the one value.
    Gt,
    /// The label is an integer below the one value.
    Lt,
}

/// One comparison; a selector is the conjunction of its requirements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
    /// How `In` and `NotIn` were written, kept for printing: `=` rather than `in`.
    exact: bool,
}

impl Requirement {
    fn new(
        key: String,
        operator: Operator,
        values: Vec<String>,
        exact: bool,
    ) -> Result<Self, SelectorError> {
        let invalid = |field: &str, value: &dyn fmt::Debug, why: &str| {
            Err(SelectorError::new(format!("{field}: Invalid value: {value:?}: {why}")))
        };
        if let Some(why) = key_problem(&key) {
            return invalid("key", &key, &why);
        }
        let count_problem = match operator {
            Operator::In | Operator::NotIn if values.is_empty() => {
                Some("for 'in', 'notin' operators, values set can't be empty")
            }
            Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
                Some("values set must be empty for exists and does not exist")
            }
            Operator::Gt | Operator::Lt if values.len() != 1 => {
                Some("for 'Gt', 'Lt' operators, exactly one value is required")
            }
            _ => None,
        };
        if let Some(why) = count_problem {
            return invalid("values", &values, why);
        }
        for (index, value) in values.iter().enumerate() {
            if matches!(operator, Operator::Gt | Operator::Lt) && value.parse::<i64>().is_err() {
                let why = "for 'Gt', 'Lt' operators, the value must be an integer";
                return invalid(&format!("values[{index}]"), value, why);
            }
            if let Some(why) = value_problem(value) {
                return invalid(&format!("values[{index}][{key}]"), value, &why);
            }
        }
        Ok(Self { key, operator, values, exact })
    }

    /// The label's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The comparison.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The values compared with, in the order written.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// Whether a label of this value (none: no such label) satisfies the requirement.
    fn accepts(&self, value: Option<&str>) -> bool {
        let listed = |value: &str| self.values.iter().any(|v| v == value);
        let compare = |wanted: fn(&i64, &i64) -> bool| {
            let bound = self.values.first().and_then(|v| v.parse::<i64>().ok());
            let actual = value.and_then(|v| v.parse::<i64>().ok());
            actual.zip(bound).is_some_and(|(actual, bound)| wanted(&actual, &bound))
        };
        match self.operator {
            Operator::In => value.is_some_and(listed),
            Operator::NotIn => !value.is_some_and(listed),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt => compare(i64::gt),
            Operator::Lt => compare(i64::lt),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, values, .. } = self;
        let first = values.first().map_or("", String::as_str);
        match self.operator {
            Operator::In if self.exact => write!(f, "{key}={first}"),
            Operator::NotIn if self.exact => write!(f, "{key}!={first}"),
            Operator::In | Operator::NotIn => {
                let word = if self.operator == Operator::In { "in" } else { "notin" };
                let mut sorted = values.clone();
                sorted.sort();
                write!(f, "{key} {word} ({})", sorted.join(","))
            }
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::Gt => write!(f, "{key}>{first}"),
            Operator::Lt => write!(f, "{key}<{first}"),
        }
    }
}

/// A compiled label selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
    /// A null `metav1.LabelSelector` selects nothing, an empty one everything.
    nothing: bool,
}

impl LabelSelector {
    /// Selects every object.
    pub const fn everything() -> Self {
        Self { requirements: Vec::new(), nothing: false }
    }

    /// Selects no object.
    pub const fn nothing() -> Self {
        Self { requirements: Vec::new(), nothing: true }
    }

    /// Parses the query-string form, such as `a=b,c!=d,e in (x,y),f notin (z),g,!h`.
    ///
    /// # Errors
    /// The text a real server answers with 400.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut requirements = Parser { tokens: tokens(text), at: 0 }.selector()?;
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Self { requirements, nothing: false })
    }

    /// Compiles a `metav1.LabelSelector` (`matchLabels`, `matchExpressions`). Null selects
    /// nothing, `{}` everything.
    ///
    /// # Errors
    /// The text a real server answers with.
    pub fn from_value(value: &Value) -> Result<Self, SelectorError> {
        let Some(map) = value.as_object() else { return Ok(Self::nothing()) };
        let mut requirements = Vec::new();
        let labels = map.get("matchLabels").and_then(Value::as_object);
        for (key, value) in labels.into_iter().flatten() {
            let value = value.as_str().unwrap_or_default().to_owned();
            requirements.push(Requirement::new(key.to_string(), Operator::In, vec![value], true)?);
        }
        let expressions = map.get("matchExpressions").and_then(Value::as_array);
        for expression in expressions.into_iter().flatten() {
            requirements.push(Self::expression(expression)?);
        }
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Self { requirements, nothing: false })
    }

    /// Compiles a plain map of labels, as in a Service's or ReplicationController's selector.
    ///
    /// # Errors
    /// The text a real server answers with for a malformed key or value.
    pub fn from_labels(labels: &Map) -> Result<Self, SelectorError> {
        let requirement = |(key, value): (&Name, &Value)| {
            let value = value.as_str().unwrap_or_default().to_owned();
            Requirement::new(key.to_string(), Operator::In, vec![value], true)
        };
        let requirements = labels.iter().map(requirement).collect::<Result<_, _>>()?;
        Ok(Self { requirements, nothing: false })
    }

    fn expression(value: &Value) -> Result<Requirement, SelectorError> {
        let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
        let operator = match text("operator") {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            "Gt" => Operator::Gt,
            "Lt" => Operator::Lt,
            other => {
                let message = format!("{other:?} is not a valid label selector operator");
                return Err(SelectorError::new(message));
            }
        };
        let values = value.get("values").and_then(Value::as_array);
        let values = values.into_iter().flatten().filter_map(Value::as_str);
        let values = values.map(str::to_owned).collect();
        Requirement::new(text("key").to_owned(), operator, values, false)
    }

    /// Whether an object with these labels (none: no labels at all) is selected.
    pub fn matches(&self, labels: Option<&Map>) -> bool {
        !self.nothing
            && self.requirements.iter().all(|requirement| {
                let value = labels.and_then(|l| l.get(&requirement.key));
                requirement.accepts(value.and_then(Value::as_str))
            })
    }

    /// Whether the object's `metadata.labels` are selected.
    pub fn matches_object(&self, object: &Value) -> bool {
        let labels = object.get("metadata").and_then(|m| m.get("labels"));
        self.matches(labels.and_then(Value::as_object))
    }

    /// Whether every object is selected.
    pub fn is_everything(&self) -> bool {
        !self.nothing && self.requirements.is_empty()
    }

    /// Whether no object can be selected.
    pub fn is_nothing(&self) -> bool {
        self.nothing
    }

    /// The conjunction, sorted by key.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// The one value this label must have, when the selector says so: an index can answer it.
    pub fn exact(&self, key: &str) -> Option<&str> {
        let mut found = self.requirements.iter().filter(|r| r.key == key);
        let requirement = found.find(|r| r.operator == Operator::In && r.values.len() == 1)?;
        requirement.values.first().map(String::as_str)
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{requirement}")?;
        }
        Ok(())
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn selector(&mut self) -> Result<Vec<Requirement>, SelectorError> {
        let mut requirements = Vec::new();
        while *self.peek() != Token::End {
            if !self.peek().is("!") && !matches!(self.peek(), Token::Identifier(_)) {
                return Err(found(self.peek(), "!, identifier, or 'end of string'"));
            }
            let requirement = self.requirement().map_err(|error| {
                SelectorError::new(format!("unable to parse requirement: {error}"))
            })?;
            requirements.push(requirement);
            match self.next() {
                Token::End => break,
                comma if comma.is(",") => {
                    let after = self.peek();
                    if !after.is("!") && !matches!(after, Token::Identifier(_)) {
                        return Err(found(after, "identifier after ','"));
                    }
                }
                other => return Err(found(&other, "',' or 'end of string'")),
            }
        }
        Ok(requirements)
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let negated = self.peek().is("!");
        if negated {
            self.next();
        }
        let key = match self.next() {
            Token::Identifier(key) => key,
            other => return Err(found(&other, "identifier")),
        };
        if let Some(why) = key_problem(&key) {
            let why = format!("<nil>: Invalid value: {key:?}: {why}");
            return Err(SelectorError::new(why));
        }
        if negated {
            return Requirement::new(key, Operator::DoesNotExist, Vec::new(), false);
        }
        if *self.peek() == Token::End || self.peek().is(",") {
            return Requirement::new(key, Operator::Exists, Vec::new(), false);
        }
        match self.next() {
            t if t.is("=") || t.is("==") => {
                Requirement::new(key, Operator::In, vec![self.exact_value()?], true)
            }
            t if t.is("!=") => {
                Requirement::new(key, Operator::NotIn, vec![self.exact_value()?], true)
            }
            t if t.is(">") => Requirement::new(key, Operator::Gt, vec![self.exact_value()?], true),
            t if t.is("<") => Requirement::new(key, Operator::Lt, vec![self.exact_value()?], true),
            t if t.is_word("in") => Requirement::new(key, Operator::In, self.values()?, false),
            t if t.is_word("notin") => {
                Requirement::new(key, Operator::NotIn, self.values()?, false)
            }
            other => Err(found(&other, "in, notin, =, ==, !=, gt, lt")),
        }
    }

    /// The value after `=`; nothing at all means the empty string.
    fn exact_value(&mut self) -> Result<String, SelectorError> {
        if *self.peek() == Token::End || self.peek().is(",") {
            return Ok(String::new());
        }
        match self.next() {
            Token::Identifier(value) => Ok(value),
            other => Err(found(&other, "identifier")),
        }
    }

    /// The parenthesised list after `in` and `notin`; an omitted item is the empty string.
    fn values(&mut self) -> Result<Vec<String>, SelectorError> {
        let open = self.next();
        if !open.is("(") {
            return Err(SelectorError::new(format!("found '{}' expected: '('", open.text())));
        }
        let mut values = Vec::new();
        loop {
            match self.next() {
                Token::Identifier(value) => {
                    values.push(value);
                    match self.next() {
                        t if t.is(",") => {
                            if self.peek().is(")") {
                                values.push(String::new());
                            }
                        }
                        t if t.is(")") => return Ok(values),
                        other => return Err(found(&other, "',' or ')'")),
                    }
                }
                t if t.is(",") => values.push(String::new()),
                t if t.is(")") => {
                    if values.is_empty() {
                        values.push(String::new());
                    }
                    return Ok(values);
                }
                other => return Err(found(&other, "',', ')' or identifier")),
            }
        }
    }
}

fn found(token: &Token, expected: &str) -> SelectorError {
    SelectorError::new(format!("found '{}', expected: {expected}", token.text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A selector (a string, or a `metav1.LabelSelector` in braces) against labels in YAML.
    #[track_caller]
    fn check(selector: &str, labels: &str, expected: Result<bool, &str>) {
        let parsed = if selector.starts_with('{') {
            LabelSelector::from_value(&serde_yaml::from_str(selector).unwrap())
        } else {
            LabelSelector::parse(selector)
        };
        let labels: Value = serde_yaml::from_str(labels).unwrap();
        let actual = parsed.map(|s| s.matches(labels.as_object()));
        assert_eq!(actual.map_err(|e| e.message), expected.map_err(str::to_owned), "{selector}");
    }

    #[test]
    fn strings() {
        check("", "{}", Ok(true));
        check("a=b", "{a: b}", Ok(true));
        check("a==b", "{a: b}", Ok(true));
        check("a=b", "{a: c}", Ok(false));
        check("a!=b", "{}", Ok(true));
        check("a!=b", "{a: b}", Ok(false));
        check(" a = b , c != d ", "{a: b}", Ok(true));
        check("e in (x,y)", "{e: y}", Ok(true));
        check("e in (x,y)", "{}", Ok(false));
        check("e notin (x, y)", "{}", Ok(true));
        check("e notin (x, y)", "{e: x}", Ok(false));
        check("g,!h", "{g: ''}", Ok(true));
        check("g,!h", "{g: '', h: ''}", Ok(false));
        check("a=", "{a: ''}", Ok(true));
        check("in=in", "{in: in}", Ok(true));
        check("a in (,b)", "{a: ''}", Ok(true));
        check("n>5", "{n: '10'}", Ok(true));
        check("n<5", "{n: '10'}", Ok(false));
        check("n<5", "{n: ten}", Ok(false));
        check("app.kubernetes.io/name=x", "{app.kubernetes.io/name: x}", Ok(true));
        check("a in ()", "{a: ''}", Ok(true));
        check("a in ()", "{a: b}", Ok(false));
    }

    #[test]
    fn string_errors() {
        check("a=b,", "{}", Err("found '', expected: identifier after ','"));
        check(",a", "{}", Err("found ',', expected: !, identifier, or 'end of string'"));
        check("a=b c", "{}", Err("found 'c', expected: ',' or 'end of string'"));
        let operator = "in, notin, =, ==, !=, gt, lt";
        let message = format!("unable to parse requirement: found 'b', expected: {operator}");
        check("a b", "{}", Err(&message));
        check("a in b", "{}", Err("unable to parse requirement: found 'b' expected: '('"));
        check(
            "a>x",
            "{}",
            Err("unable to parse requirement: values[0]: Invalid value: \"x\": \
                 for 'Gt', 'Lt' operators, the value must be an integer"),
        );
        assert!(LabelSelector::parse("a=b_").is_err());
        assert!(LabelSelector::parse("-a=b").is_err());
        assert!(LabelSelector::parse("a/b/c=d").is_err());
        assert!(LabelSelector::parse("A.b/c=d").is_err());
    }

    #[test]
    fn values() {
        check("{}", "{a: b}", Ok(true));
        check("{matchLabels: {a: b}}", "{a: b, c: d}", Ok(true));
        check("{matchLabels: {a: b}}", "{c: d}", Ok(false));
        let both = "{matchLabels: {a: b}, matchExpressions: [{key: t, operator: In, values: [x]}]}";
        check(both, "{a: b, t: x}", Ok(true));
        check(both, "{a: b}", Ok(false));
        check("{matchExpressions: [{key: t, operator: NotIn, values: [x]}]}", "{}", Ok(true));
        check("{matchExpressions: [{key: t, operator: Exists}]}", "{}", Ok(false));
        check("{matchExpressions: [{key: t, operator: DoesNotExist}]}", "{}", Ok(true));
        check(
            "{matchExpressions: [{key: t, operator: Near}]}",
            "{}",
            Err("\"Near\" is not a valid label selector operator"),
        );
        let nothing = LabelSelector::from_value(&Value::Null).unwrap();
        assert!(!nothing.matches(None) && nothing.is_nothing());
    }

    #[test]
    fn printing_round_trips() {
        let text = "a=b,c!=d,e in (x,y),f notin (z),g,!h,n>5";
        let selector = LabelSelector::parse(text).unwrap();
        assert_eq!(selector.to_string(), text);
        assert_eq!(selector.exact("a"), Some("b"));
        assert_eq!(selector.exact("e"), None);
    }
}
