//! ValidatingAdmissionPolicies and their bindings.
//!
//! Source: <https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/>,
//! KEP-3488, `k8s.io/apiserver/pkg/admission/plugin/policy/validating`.

use std::sync::Arc;

use kube_cel::cel::Value as CelValue;

use super::call::Call;
use super::expression::{Scope, asks_authorizer, conditions};
use super::meter::{POLICY, POOR};
use crate::api::server::Server;
use crate::api::settings::Plugin;
use crate::api::{Cause, Status};
use crate::controller::labels::Labels;
use crate::json::{Value, json};
use crate::object::{GroupResource, Key, Object};

const GROUP: &str = "admissionregistration.k8s.io";
const POLICIES: GroupResource = GroupResource::new(GROUP, "validatingadmissionpolicies");
const BINDINGS: GroupResource = GroupResource::new(GROUP, "validatingadmissionpolicybindings");
const NAMESPACES: GroupResource = GroupResource::new("", "namespaces");

/// One refusal by a policy.
struct Denial {
    policy: String,
    binding: String,
    reason: &'static str,
    message: String,
}

impl Denial {
    fn status(&self, call: &Call<'_>) -> Box<Status> {
        let with = match self.binding.as_str() {
            "" => String::new(),
            binding => format!(" with binding '{binding}'"),
        };
        let why = format!(
            "ValidatingAdmissionPolicy '{}'{with} denied request: {}",
            self.policy, self.message
        );
        let mut status = Status::forbidden(&call.served.resource, call.told_name(), &why);
        status = status.with_causes(&[Cause::new("", "", why)]);
        status.reason = self.reason;
        status.code = match self.reason {
            "Forbidden" => 403,
            "Unauthorized" => 401,
            "RequestEntityTooLarge" => 413,
            _ => 422,
        };
        Box::new(status)
    }
}

/// The reasons that a validation may give.
fn reason(validation: &Value) -> &'static str {
    match validation.get("reason").and_then(Value::as_str) {
        Some("Forbidden") => "Forbidden",
        Some("Unauthorized") => "Unauthorized",
        Some("RequestEntityTooLarge") => "RequestEntityTooLarge",
        _ => "Invalid",
    }
}

/// One line of text, if an expression made one.
fn line(value: &CelValue) -> Option<String> {
    let CelValue::String(text) = value else { return None };
    let text = text.trim();
    (!text.is_empty() && !text.contains('\n')).then(|| text.to_owned())
}

/// What a failed validation says.
fn message(scope: &Scope, validation: &Value) -> String {
    let text = |field: &str| validation.get(field).and_then(Value::as_str).unwrap_or("").trim();
    let made = match text("messageExpression") {
        "" => None,
        expression => scope.paid(expression).as_ref().and_then(line),
    };
    made.unwrap_or_else(|| match text("message") {
        "" => format!("failed expression: {}", text("expression")),
        message => message.to_owned(),
    })
}

/// What a policy says of a call with one of its parameters: messages of refusals with reasons.
fn judge(scope: &mut Scope, policy: &Object) -> Vec<(&'static str, String)> {
    let fails = policy.text(&["spec", "failurePolicy"]) != "Ignore";
    let on_error = |why: String| if fails { vec![("Invalid", why)] } else { Vec::new() };
    match conditions(scope, policy.items(&["spec", "matchConditions"])) {
        Ok(true) => {}
        Ok(false) => return Vec::new(),
        Err(why) => return on_error(why),
    }
    let text = |value: &Value, field: &str| {
        value.get(field).and_then(Value::as_str).unwrap_or("").to_owned()
    };
    for variable in policy.items(&["spec", "variables"]) {
        scope.add_variable(&text(variable, "name"), &text(variable, "expression"));
    }
    let validations = policy.items(&["spec", "validations"]);
    scope.spend(POLICY);
    let values: Vec<Result<CelValue, String>> =
        validations.iter().map(|one| scope.value(&text(one, "expression"))).collect();
    if scope.is_poor() {
        return on_error(POOR.to_owned());
    }
    for validation in validations {
        // Of each, whether it is needed or not; one that costs too much by itself is no message.
        let expression = text(validation, "messageExpression");
        if !expression.is_empty() && scope.charge(&expression).is_err() && scope.is_poor() {
            break;
        }
    }
    let mut found = Vec::new();
    for (validation, value) in validations.iter().zip(values) {
        match value {
            Err(why) => found.extend(on_error(why)),
            _ if scope.is_poor() => {
                found.extend(on_error(format!("failed messageExpression: {POOR}")));
            }
            Ok(CelValue::Bool(true)) => {}
            Ok(_) => found.push((reason(validation), message(scope, validation))),
        }
    }
    scope.spend(POLICY);
    for annotation in policy.items(&["spec", "auditAnnotations"]) {
        // Nobody keeps an audit log here; what cannot be made refuses all the same.
        if let Err(why) = scope.value(&text(annotation, "valueExpression")) {
            found.extend(on_error(why));
        }
    }
    found
}

impl Server {
    /// Refuses what a policy in force denies, and warns where it only warns.
    pub(super) fn check_policies(&mut self, call: &Call<'_>) -> Result<(), Box<Status>> {
        if !self.plugin(Plugin::ValidatingAdmissionPolicy) {
            return Ok(());
        }
        let Some(table) = self.store.find(&BINDINGS).filter(|t| !t.objects.is_empty()) else {
            return Ok(());
        };
        let bindings: Vec<Arc<Object>> = table.objects.values().map(Arc::clone).collect();
        let mut denials = Vec::new();
        let mut warnings = Vec::new();
        let null = Value::Null;
        for binding in &bindings {
            let name = binding.text(&["spec", "policyName"]);
            let found = self.store.named(&POLICIES, "", name).map(Arc::clone);
            let Some(policy) = found else { continue };
            let constraints = policy.at(&["spec", "matchConstraints"]).unwrap_or(&null);
            let Some(version) = self.version_for(constraints, "resourceRules", call) else {
                continue;
            };
            let narrower = binding.at(&["spec", "matchResources"]).unwrap_or(&null);
            if self.version_for(narrower, "resourceRules", call).is_none() {
                continue;
            }
            let mut scope = Scope::new(call, &version, self.namespace_of(call).as_ref());
            let asks = asks_authorizer(policy.value());
            scope.with_authorizer(call, self.roles_for(asks), asks);
            let deny = |(reason, message): (&'static str, String)| Denial {
                policy: policy.name().to_owned(),
                binding: binding.name().to_owned(),
                reason,
                message,
            };
            let params = match self.params(&policy, binding, call) {
                Ok(params) => params,
                Err(why) => {
                    if policy.text(&["spec", "failurePolicy"]) != "Ignore" {
                        let why = format!("failed to configure binding: {why}");
                        denials.push(deny(("Invalid", why)));
                    }
                    continue;
                }
            };
            for param in params {
                scope.with_params(param.as_ref());
                for found in judge(&mut scope, &policy) {
                    let actions = binding.items(&["spec", "validationActions"]);
                    for action in actions.iter().filter_map(Value::as_str) {
                        match action {
                            "Deny" => denials.push(deny(found.clone())),
                            "Warn" => warnings.push(format!(
                                "Validation failed for ValidatingAdmissionPolicy '{}' with \
                                 binding '{}': {}",
                                policy.name(),
                                binding.name(),
                                found.1
                            )),
                            _ => {}
                        }
                    }
                }
            }
        }
        if call.request.options.warn {
            self.warnings.extend(warnings);
        }
        denials.first().map_or(Ok(()), |denial| Err(denial.status(call)))
    }

    /// The store, with the bootstrap roles in it if they are asked for.
    pub(super) fn roles_for(&mut self, asks: bool) -> &crate::store::Store {
        if asks {
            self.hold_roles();
        }
        &self.store
    }

    /// The `namespaceObject` of expressions; none for what lies in no namespace.
    pub(super) fn namespace_of(&self, call: &Call<'_>) -> Option<Value> {
        if call.is_namespace() || call.namespace().is_empty() {
            return None;
        }
        let found = self.peek(&NAMESPACES, "", call.namespace())?;
        let mut shown = json!({"apiVersion": "v1", "kind": "Namespace"});
        for field in ["metadata", "spec", "status"] {
            if let Some(value) = found.at(&[field]) {
                shown[field] = value.clone();
            }
        }
        if let Some(meta) = shown.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.remove("managedFields");
            meta.remove("ownerReferences");
        }
        Some(shown)
    }

    /// The objects that a binding gives its policy as `params`, each for one evaluation.
    pub(super) fn params(
        &self,
        policy: &Object,
        binding: &Object,
        call: &Call<'_>,
    ) -> Result<Vec<Option<Value>>, String> {
        let (Some(kind), Some(reference)) =
            (policy.at(&["spec", "paramKind"]), binding.at(&["spec", "paramRef"]))
        else {
            return Ok(vec![None]);
        };
        let text = |value: &Value, field: &str| {
            value.get(field).and_then(Value::as_str).unwrap_or("").to_owned()
        };
        let api_version = text(kind, "apiVersion");
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let Some(served) = self.registry.of_kind(group, &text(kind, "kind")) else {
            let shown = format!("{api_version}, Kind={}", text(kind, "kind"));
            return Err(format!("paramKind kind `{shown}` not known"));
        };
        let mut namespace = text(reference, "namespace");
        if !served.namespaced && !namespace.is_empty() {
            let why = "paramRef.namespace must not be provided for a cluster-scoped `paramKind`";
            return Err(why.into());
        }
        if served.namespaced && namespace.is_empty() {
            call.namespace().clone_into(&mut namespace);
            if namespace.is_empty() {
                let why = "cannot use namespaced paramRef in policy binding that matches \
                           cluster-scoped resources";
                return Err(why.into());
            }
        }
        let name = text(reference, "name");
        let found: Vec<Value> = match name.as_str() {
            "" => {
                let selector = Labels::of(reference.get("selector"));
                let table = self.store.find(served.stored()).into_iter();
                let all = table.flat_map(|table| table.objects.values());
                let here = all.filter(|o| o.namespace() == namespace || !served.namespaced);
                here.filter(|o| selector.matches(o.labels())).map(|o| o.value().clone()).collect()
            }
            name => {
                let key = Key::new(if served.namespaced { &namespace } else { "" }, name);
                let one = self.store.get(served.stored(), &key);
                one.map(|object| object.value().clone()).into_iter().collect()
            }
        };
        if found.is_empty() && text(reference, "parameterNotFoundAction") == "Deny" {
            let why = "no params found for policy binding with `Deny` parameterNotFoundAction";
            return Err(why.into());
        }
        Ok(found.into_iter().map(Some).collect())
    }
}
