//! CEL over one object: what `await` waits for.

use std::sync::{Arc, LazyLock};

use kube_cel::KubeCelExt;
use kube_cel::cel::extractors::This;
use kube_cel::cel::objects::Key;
use kube_cel::cel::{Context, ExecutionError, Program, Value as Cel};
use maestro_sim::json::Value;

use super::suggest::nearest;

/// The functions over objects that scenarios have besides those of CEL and Kubernetes.
pub const HELPERS: [&str; 3] = ["ready", "condition", "observed"];

/// A compiled expression over `self`.
#[derive(Clone)]
pub struct Condition {
    source: Arc<str>,
    program: Arc<Program>,
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Condition").field(&self.source).finish()
    }
}

impl Condition {
    /// Compiles an expression. The error says what is wrong and, where it can, what would be
    /// right.
    pub fn compile(source: &str) -> Result<Self, (String, String)> {
        let program = Program::compile(source).map_err(|errors| {
            let at = errors.errors.first();
            let column = at.map_or(1, |e| e.pos.1 + 1);
            let what = at.map_or_else(|| errors.to_string(), |e| first_line(&e.msg));
            let message = format!("the CEL expression breaks off at its column {column}: {what}");
            (message, "write for example: self.ready() or self.status.readyReplicas == 3".into())
        })?;
        for variable in program.references().variables() {
            // `self` is what the expression is about; other names come from CEL's own macros.
            if variable != "self" && !program_binds(source, variable) {
                let help = match nearest(variable, ["self"]) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "the object is `self`; strings stand in quotes".to_owned(),
                };
                return Err((format!("the CEL expression has no variable `{variable}`"), help));
            }
        }
        Ok(Self { source: source.into(), program: Arc::new(program) })
    }

    /// The expression as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether an object satisfies it. A missing field is not an error but "not yet".
    pub fn holds(&self, object: &Value) -> Result<bool, String> {
        let mut context = base().new_inner_scope();
        context.add_variable_from_value("self", to_cel(object));
        match self.program.execute(&context) {
            Ok(Cel::Bool(holds)) => Ok(holds),
            Ok(other) => Err(format!("`{}` gives {other:?}, not a bool", self.source)),
            Err(ExecutionError::NoSuchKey(_)) => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// An object as Kubernetes shows it to CEL: every whole number is an int. The library's own
/// conversion makes unsigned ones of them, which compare with no literal.
#[expect(clippy::disallowed_types, reason = "it is the type that cel takes a map from")]
fn to_cel(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(flag) => Cel::Bool(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Cel::Int(whole),
            None => Cel::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Cel::String(Arc::new(text.to_string())),
        Value::Array(items) => Cel::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, field)| (name.to_string(), to_cel(field)));
            Cel::from(fields.collect::<std::collections::HashMap<String, Cel>>())
        }
    }
}

/// Whether a macro of the expression (`exists`, `all`, `map`, `filter`) binds this name.
fn program_binds(source: &str, variable: &str) -> bool {
    ["exists(", "exists_one(", "all(", "map(", "filter("]
        .iter()
        .flat_map(|word| source.split(word).skip(1))
        .any(|rest| rest.trim_start().split(',').next().is_some_and(|n| n.trim() == variable))
        || variable.starts_with('@')
        || variable.starts_with("__")
}

/// The first line of the parser's message without its list of tokens.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or("");
    let line = line.split(" expecting ").next().unwrap_or(line);
    line.trim_start_matches("Syntax error: ").replace("'<EOF>'", "the end")
}

/// The functions, made once: there are hundreds of them.
fn base() -> &'static Context<'static> {
    static BASE: LazyLock<Context<'static>> = LazyLock::new(|| {
        let mut context = Context::default().with_all();
        context.add_function("ready", |This(object): This<Cel>| ready(&object));
        context.add_function("condition", |This(object): This<Cel>, name: Arc<String>| {
            condition(&object, &name)
        });
        context.add_function("observed", |This(object): This<Cel>| observed(&object));
        context
    });
    &BASE
}

/// `self.ready()`: the status speaks of this generation and says that the object is up. Which
/// field says so depends on the kind, as in kstatus.
fn ready(object: &Cel) -> bool {
    let int = |path: &[&str]| path_int(object, path);
    let kind = text(get(object, &["kind"]));
    if !observed(object) {
        return false;
    }
    let wanted = int(&["spec", "replicas"]).unwrap_or(1);
    let status = |field: &str| int(&["status", field]).unwrap_or(0);
    match kind.as_str() {
        "StatefulSet" => status("readyReplicas") == wanted && status("updatedReplicas") == wanted,
        "Deployment" => {
            status("availableReplicas") == wanted
                && status("updatedReplicas") == wanted
                && status("replicas") == wanted
        }
        "ReplicaSet" => status("readyReplicas") == wanted,
        "DaemonSet" => status("numberReady") == status("desiredNumberScheduled"),
        "Job" => condition(object, "Complete"),
        "PersistentVolumeClaim" => text(get(object, &["status", "phase"])) == "Bound",
        _ => condition(object, "Ready") || condition(object, "Available"),
    }
}

/// `self.condition('Ready')`: that condition is True.
fn condition(object: &Cel, name: &str) -> bool {
    let Some(Cel::List(conditions)) = get(object, &["status", "conditions"]) else { return false };
    conditions
        .iter()
        .any(|c| text(get(c, &["type"])) == name && text(get(c, &["status"])) == "True")
}

/// `self.observed()`: the status speaks of the present generation. True for kinds that do not
/// record it.
fn observed(object: &Cel) -> bool {
    let Some(seen) = path_int(object, &["status", "observedGeneration"]) else {
        // A kind that counts generations and has no status yet was not seen by its controller.
        return get(object, &["status"]).is_some();
    };
    seen >= path_int(object, &["metadata", "generation"]).unwrap_or(0)
}

fn get<'a>(value: &'a Cel, path: &[&str]) -> Option<&'a Cel> {
    path.iter().try_fold(value, |value, field| match value {
        Cel::Map(map) => map.map.get(&Key::from(*field)),
        _ => None,
    })
}

fn text(value: Option<&Cel>) -> String {
    match value {
        Some(Cel::String(text)) => text.to_string(),
        _ => String::new(),
    }
}

fn path_int(value: &Cel, path: &[&str]) -> Option<i64> {
    match get(value, path)? {
        Cel::Int(number) => Some(*number),
        Cel::UInt(number) => i64::try_from(*number).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Condition;
    use maestro_sim::json::{Value, json};

    fn check(expression: &str, object: &Value) -> Result<bool, String> {
        Condition::compile(expression).map_err(|e| format!("{} / {}", e.0, e.1))?.holds(object)
    }

    #[test]
    fn helpers_read_status_as_kubernetes_writes_it() {
        let zk = json!({"kind": "ZooKeeper", "metadata": {"generation": 2},
            "status": {"observedGeneration": 2, "nodes": 3,
                       "conditions": [{"type": "Ready", "status": "True"}]}});
        assert_eq!(check("self.ready()", &zk), Ok(true));
        assert_eq!(check("self.condition('Degraded')", &zk), Ok(false));
        assert_eq!(check("self.ready() && self.status.nodes == 3", &zk), Ok(true));
        assert_eq!(check("self.status.conditions.exists(c, c.type == 'Ready')", &zk), Ok(true));
        let older = json!({"kind": "ZooKeeper", "metadata": {"generation": 3},
            "status": {"observedGeneration": 2,
                       "conditions": [{"type": "Ready", "status": "True"}]}});
        assert_eq!(check("self.ready()", &older), Ok(false), "an older generation's Ready");
        assert_eq!(check("self.status.absent == 1", &zk), Ok(false), "not there yet");
        let set = json!({"kind": "StatefulSet", "spec": {"replicas": 3}, "metadata": {},
            "status": {"readyReplicas": 3, "updatedReplicas": 2}});
        assert_eq!(check("self.ready()", &set), Ok(false), "an old pod is still there");
    }

    #[test]
    fn wrong_expressions_say_what_would_be_right() {
        assert!(check("self.ready( ", &json!({})).unwrap_err().contains("breaks off"));
        assert!(check("slef.ready()", &json!({})).unwrap_err().contains("did you mean `self`"));
        assert!(check("self.x + 1", &json!({"x": 1})).unwrap_err().contains("not a bool"));
    }
}
