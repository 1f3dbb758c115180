//! The expressions of policies and webhooks, over what they may see of an admission.
//!
//! Source: <https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#validation-expression>,
//! `k8s.io/apiserver/pkg/admission/plugin/cel`.

use std::cell::{OnceCell, RefCell};
use std::sync::{Arc, LazyLock};

use kube_cel::cel::Value as CelValue;
use kube_cel::cel::objects::{Key, Map};

use super::authorizer;
use super::call::Call;
use super::meter::{CONDITIONS, Meter, POLICY, POOR, Values};
use super::mutation::misplaced;
use crate::api::scale::scale_of;
use crate::json::{Name, Value};
use crate::object::Object;
use crate::store::Store;
use crate::structural::Cache;
use crate::structural::cel::cost::Plan;
use crate::structural::cel::{Lists, base, compile};

/// The name of `authorizer.requestResource`.
const REQUEST_RESOURCE: &str = "authorizer_requestResource";

/// Whether an object with expressions asks what somebody may do.
pub(super) fn asks_authorizer(holder: &Value) -> bool {
    match holder {
        Value::String(text) => text.contains("authorizer"),
        Value::Array(items) => items.iter().any(asks_authorizer),
        Value::Object(fields) => fields.values().any(asks_authorizer),
        _ => false,
    }
}

/// All that an expression may name.
const NAMES: [&str; 8] = [
    "object",
    "oldObject",
    "request",
    "namespaceObject",
    "params",
    "authorizer",
    REQUEST_RESOURCE,
    "variables",
];

/// An expression made ready, or why it cannot be read. Nobody selects fields of what is no map, so
/// `authorizer.requestResource` is a name of its own.
fn plan(expression: &str) -> Arc<Result<Arc<Plan>, String>> {
    static PLANS: LazyLock<Cache<Result<Arc<Plan>, String>>> = LazyLock::new(Cache::default);
    PLANS.get(expression, |expression| {
        let source = expression.replace("authorizer.requestResource", REQUEST_RESOURCE);
        let forms = &compile(&source).forms;
        let forms = forms.as_ref().map_err(Clone::clone)?;
        Ok(Arc::new(Plan::of_names(forms.expanded(), &NAMES)))
    })
}

/// What expressions see, and what they may cost.
pub(super) struct Scope {
    values: Values,
    /// The size of all values together, once it was asked for.
    size: OnceCell<u64>,
    meter: RefCell<Meter>,
    /// The expressions of the variables, by their names.
    made: Vec<(String, String)>,
    variables: Vec<(Key, CelValue)>,
    /// The variables that could not be made, and why: whoever needs one fails.
    broken: Vec<(String, String)>,
}

/// A JSON tree as an expression sees it, with no more types than JSON has.
pub(super) fn to_cel(value: &Value) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(flag) => CelValue::Bool(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => CelValue::Int(whole),
            None => CelValue::Float(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => CelValue::String(Arc::new(text.to_string())),
        Value::Array(items) => CelValue::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Object(fields) => {
            let key = |name: &Name| Key::String(Arc::new(name.to_string()));
            let fields = fields.iter().map(|(name, field)| (key(name), to_cel(field)));
            CelValue::Map(Map { map: Arc::new(fields.collect()) })
        }
    }
}

/// What an expression made, as JSON; none for what JSON has no form of.
pub(super) fn to_json(value: &CelValue) -> Option<Value> {
    Some(match value {
        CelValue::Null => Value::Null,
        CelValue::Bool(flag) => (*flag).into(),
        CelValue::Int(whole) => (*whole).into(),
        CelValue::UInt(whole) => (*whole).into(),
        CelValue::Float(number) => crate::json::Number::from_f64(*number)?.into(),
        CelValue::String(text) => text.as_str().into(),
        CelValue::List(items) => items.iter().map(to_json).collect::<Option<Vec<Value>>>()?.into(),
        CelValue::Map(map) => {
            let entry = |(key, value): (&Key, &CelValue)| Some((key.to_string(), to_json(value)?));
            Value::Object(map.map.iter().map(entry).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

impl Scope {
    /// What a call shows in a version, its namespace with it.
    pub(super) fn new(call: &Call<'_>, version: &str, namespace: Option<&Value>) -> Self {
        let mut scope = Self {
            values: Values::default(),
            size: OnceCell::new(),
            meter: RefCell::default(),
            made: Vec::new(),
            variables: Vec::new(),
            broken: Vec::new(),
        };
        let object = |value: Option<&Value>| {
            let shown = value.map(|value| shown(call, value, version));
            shown.as_ref().map_or(CelValue::Null, to_cel)
        };
        scope.set("object", object(call.new));
        scope.set("oldObject", object(call.old));
        scope.set("request", to_cel(&Value::Object(call.describe(version))));
        scope.set("namespaceObject", namespace.map_or(CelValue::Null, to_cel));
        scope.set("params", CelValue::Null);
        scope
    }

    fn set(&mut self, name: &'static str, value: CelValue) {
        let values = Arc::make_mut(&mut self.values);
        values.retain(|(own, _)| *own != name);
        values.push((name, value));
        self.size = OnceCell::new();
    }

    /// Begins to count what expressions cost anew.
    pub(super) fn spend(&self, budget: u64) {
        self.meter.replace(Meter::with(budget));
    }

    /// Whether expressions wanted more than they may cost.
    pub(super) fn is_poor(&self) -> bool {
        self.meter.borrow().is_poor()
    }

    /// Charges an expression and the variables that it is the first to need.
    ///
    /// # Errors
    /// When it costs too much.
    pub(super) fn charge(&self, expression: &str) -> Result<(), String> {
        let mut meter = self.meter.borrow_mut();
        for (name, made) in &self.made {
            let needed = expression.contains(&format!("variables.{name}"));
            if needed && meter.first(name) {
                drop(meter);
                // One that costs too much by itself has no value.
                let paid = self.charge(made);
                meter = self.meter.borrow_mut();
                if meter.is_poor() {
                    return Err(POOR.to_owned());
                }
                paid.map_err(|why| {
                    format!("composited variable {name:?} fails to evaluate: {why}")
                })?;
            }
        }
        let plan = plan(expression);
        let Ok(plan) = plan.as_ref() else { return Ok(()) };
        let size = || {
            let all = self.values.iter().map(|(_, value)| weight(value));
            *self.size.get_or_init(|| all.sum())
        };
        meter.charge(plan, &self.values, size).map_err(str::to_owned)
    }

    /// Binds `authorizer`, if an expression asks for it: what the roles say is copied for that.
    pub(super) fn with_authorizer(&mut self, call: &Call<'_>, store: &Store, asks: bool) {
        if asks {
            let [own, here] = authorizer::of(call, store);
            self.set("authorizer", own);
            self.set(REQUEST_RESOURCE, here);
        }
    }

    /// Binds `params`.
    pub(super) fn with_params(&mut self, params: Option<&Value>) {
        self.set("params", params.map_or(CelValue::Null, to_cel));
    }

    /// Makes one of a policy's variables out of those before it.
    pub(super) fn add_variable(&mut self, name: &str, expression: &str) {
        self.made.push((name.to_owned(), expression.to_owned()));
        match self.eval(expression) {
            Ok(value) => {
                self.variables.push((Key::String(Arc::new(name.to_owned())), value));
                let all = self.variables.iter().cloned().collect();
                self.set("variables", CelValue::Map(Map { map: Arc::new(all) }));
            }
            Err(why) => self.broken.push((name.to_owned(), why)),
        }
    }

    /// Binds `object` anew.
    pub(super) fn with_object(&mut self, object: &Value) {
        self.set("object", to_cel(object));
    }

    /// The value of an expression that makes objects.
    pub(super) fn made(&self, expression: &str) -> Result<CelValue, String> {
        let compiled = compile(expression);
        let forms = compiled.forms.as_ref().map_err(Clone::clone)?;
        if let Some(why) = misplaced(forms.written(), None) {
            return Err(why);
        }
        self.charge(expression)
            .and_then(|()| self.eval(expression))
            .map_err(|why| format!("expression '{expression}' resulted in error: {why}"))
    }

    fn eval(&self, expression: &str) -> Result<CelValue, String> {
        let plan = plan(expression);
        let plan = plan.as_ref().as_ref().map_err(Clone::clone)?;
        plan.value(base(), &self.values, &Lists::default()).map_err(|why| {
            let missing = |name: &str| expression.contains(&format!("variables.{name}"));
            match self.broken.iter().find(|(name, _)| missing(name)) {
                Some((name, why)) => {
                    format!("composited variable {name:?} fails to evaluate: {why}")
                }
                None => why,
            }
        })
    }

    /// The value of an expression that was charged already, if it does not cost too much.
    pub(super) fn paid(&self, expression: &str) -> Option<CelValue> {
        let before = self.meter.take();
        self.spend(POLICY);
        let value = self.charge(expression).and_then(|()| self.eval(expression)).ok();
        self.meter.replace(before);
        value
    }

    /// The value of an expression, or why it has none, in the server's words.
    pub(super) fn value(&self, expression: &str) -> Result<CelValue, String> {
        self.charge(expression).and_then(|()| self.eval(expression)).map_err(|why| {
            match self.is_poor() {
                true => why,
                false => format!("expression '{expression}' resulted in error: {why}"),
            }
        })
    }
}

/// A bound of the letters, items and entries in a value.
fn weight(value: &CelValue) -> u64 {
    match value {
        CelValue::String(text) => text.len() as u64 + 1,
        CelValue::List(items) => items.iter().map(weight).sum::<u64>() + 1,
        CelValue::Map(map) => {
            let key = |key: &Key| match key {
                Key::String(name) => name.len() as u64,
                _ => 1,
            };
            map.map.iter().map(|(name, value)| key(name) + weight(value)).sum::<u64>() + 1
        }
        _ => 1,
    }
}

/// An object as it is shown in a version of its kind.
pub(super) fn shown(call: &Call<'_>, value: &Value, version: &str) -> Value {
    if let Some(paths) = call.scale() {
        return scale_of(call.served, &Object::new(value.clone()), paths);
    }
    let mut value = value.clone();
    if let Some(fields) = value.as_object_mut() {
        let api_version = match &*call.served.resource.group {
            "" => version.to_owned(),
            group => format!("{group}/{version}"),
        };
        fields.insert("apiVersion", api_version.into());
        fields.insert("kind", call.served.kind.as_str().into());
    }
    value
}

/// Whether all match conditions hold.
///
/// # Errors
/// When none is false and one cannot be evaluated, why.
pub(super) fn conditions(scope: &Scope, conditions: &[Value]) -> Result<bool, String> {
    let mut errors = Vec::new();
    scope.spend(CONDITIONS);
    for condition in conditions {
        let expression = condition.get("expression").and_then(Value::as_str).unwrap_or("");
        match scope.value(expression) {
            Ok(CelValue::Bool(true)) => {}
            Ok(_) => return Ok(false),
            Err(why) if scope.is_poor() => return Err(why),
            Err(why) => errors.push(why),
        }
    }
    match errors.as_slice() {
        [] => Ok(true),
        [one] => Err(one.clone()),
        many => Err(format!("[{}]", many.join(", "))),
    }
}
