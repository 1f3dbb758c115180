//! Mutating and validating webhooks: whom to ask, what they are told, what becomes of the answers.
//!
//! Source: <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/>,
//! `k8s.io/apiserver/pkg/admission/plugin/webhook`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::call::{Call, Operation};
use super::expression::{Scope, asks_authorizer, conditions, shown};
use crate::api::conversion::Unconverted;
use crate::api::registry::Served;
use crate::api::server::Server;
use crate::api::settings::Plugin;
use crate::api::webhook::{Asked, Outcome, Way};
use crate::api::{Cause, Request, Status};
use crate::json::{Value, json};
use crate::object::{GroupResource, Object, at, map_at, text};
use crate::patch;
use crate::structural;

const GROUP: &str = "admissionregistration.k8s.io";
const MUTATING: GroupResource = GroupResource::new(GROUP, "mutatingwebhookconfigurations");
const VALIDATING: GroupResource = GroupResource::new(GROUP, "validatingwebhookconfigurations");

/// One webhook of a configuration.
#[derive(Clone, Copy)]
struct Hook<'a> {
    /// The name of its configuration.
    configuration: &'a str,
    value: &'a Value,
}

/// The webhooks of a configuration.
fn hooks_of(configuration: &Object) -> impl Iterator<Item = Hook<'_>> {
    let name = configuration.name();
    let all = configuration.items(&["webhooks"]).iter();
    all.map(move |value| Hook { configuration: name, value })
}

/// A reason of a webhook's own. There are few in a program's life.
fn interned(reason: &str) -> &'static str {
    static KNOWN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    const MOST: usize = 1000;
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    match known.get(reason) {
        Some(reason) => reason,
        None if known.len() >= MOST => "",
        None => {
            let leaked: &'static str = Box::leak(reason.to_owned().into_boxed_str());
            known.insert(leaked);
            leaked
        }
    }
}

/// What a webhook's `no` answers.
fn refusal(hook: &str, result: Option<&Value>) -> Box<Status> {
    let null = Value::Null;
    let result = result.unwrap_or(&null);
    let code = result.get("code").and_then(Value::as_u64).unwrap_or(0);
    let code = u16::try_from(code).unwrap_or(0).max(400);
    let head = format!("admission webhook {hook:?} denied the request");
    let (message, reason) = (text(result, &["message"]), text(result, &["reason"]));
    let message = match (message, reason) {
        ("", "") => format!("{head} without explanation"),
        ("", reason) => format!("{head}: {reason}"),
        (message, _) => format!("{head}: {message}"),
    };
    let mut status = Status::new(code, interned(reason), message);
    if let Some(details) = result.get("details").and_then(Value::as_object) {
        status.details = details.clone();
    }
    Box::new(status)
}

/// 500 for what goes wrong on the way.
fn internal(why: &str) -> Box<Status> {
    let message = format!("Internal error occurred: {why}");
    let status = Status::new(500, "InternalError", message);
    Box::new(status.with_causes(&[Cause::new("", "", why)]))
}

/// What of an answer is not what it must be.
fn invalid(review: &Value, answer: &Value, mutating: bool) -> Option<String> {
    let Some(response) = answer.get("response").filter(|r| r.is_object()) else {
        return Some("webhook response was absent".into());
    };
    let (wanted, found) = (text(review, &["request", "uid"]), text(response, &["uid"]));
    if wanted != found {
        return Some(format!("expected response.uid={wanted:?}, got {found:?}"));
    }
    let (version, kind) = (text(answer, &["apiVersion"]), text(answer, &["kind"]));
    if (version, kind) != ("admission.k8s.io/v1", "AdmissionReview") {
        let slash = if version.contains('/') { "" } else { "/" };
        return Some(format!(
            "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got \
             {slash}{version}, Kind={kind}"
        ));
    }
    let has = |field: &str| !text(response, &[field]).is_empty();
    let told = match (mutating, has("patch"), has("patchType")) {
        (true, true, false) => "webhook returned response.patch but not response.patchType",
        (true, false, true) => "webhook returned response.patchType but not response.patch",
        (false, true, _) => "validating webhook may not return response.patch",
        (false, _, true) => "validating webhook may not return response.patchType",
        _ => return None,
    };
    Some(told.into())
}

/// Whether a call about an object of one version is told in another, to which a webhook converts.
fn is_converted(call: &Call<'_>, version: &str) -> bool {
    call.scale().is_none() && call.served.converter().is_some() && version != call.served.version
}

/// An object that cannot be converted is the server's own trouble, and where objects are changed it
/// says so twice.
fn on_the_way(why: Unconverted, mutating: bool) -> Box<Status> {
    match why {
        Unconverted::Later => why.into(),
        Unconverted::Failed(status) if mutating => {
            internal(&format!("Internal error occurred: {}", status.message))
        }
        Unconverted::Failed(status) => internal(&status.message),
    }
}

impl Server {
    /// An object as a webhook of admission wants to see it.
    fn shown_to(
        &mut self,
        call: &Call<'_>,
        value: &Value,
        version: &str,
        mutating: bool,
    ) -> Result<Value, Box<Status>> {
        if !is_converted(call, version) {
            return Ok(shown(call, value, version));
        }
        let to = format!("{}/{version}", call.served.resource.group);
        self.viewed(call.served, value, &to).map_err(|why| on_the_way(why, mutating))
    }

    fn hooks(&self, resource: &GroupResource) -> Vec<Arc<Object>> {
        let plugin = match *resource == MUTATING {
            true => Plugin::MutatingAdmissionWebhook,
            false => Plugin::ValidatingAdmissionWebhook,
        };
        if !self.plugin(plugin) {
            return Vec::new();
        }
        let table = self.store.find(resource).filter(|table| !table.objects.is_empty());
        table.map(|table| table.objects.values().map(Arc::clone).collect()).unwrap_or_default()
    }

    /// Asks one webhook; its response, or none where its failure is to be ignored.
    fn ask(
        &mut self,
        Hook { configuration, value: hook }: Hook<'_>,
        call: &Call<'_>,
        version: &str,
        mutating: bool,
    ) -> Result<Option<Value>, Box<Status>> {
        let name = text(hook, &["name"]);
        let harmless = matches!(text(hook, &["sideEffects"]), "None" | "NoneOnDryRun");
        if call.request.options.dry_run && !harmless {
            let message = format!("admission webhook {name:?} does not support dry run");
            return Err(Box::new(Status::bad_request(message)));
        }
        let seconds = hook.get("timeoutSeconds").and_then(Value::as_u64).unwrap_or(10);
        let place = self.whereabouts(hook, seconds);
        let new = call.new.map(|new| self.shown_to(call, new, version, mutating)).transpose()?;
        let old = call.old.map(|old| self.shown_to(call, old, version, mutating)).transpose()?;
        let mut request = json!({"uid": self.review_uids.uuid()});
        if let Some(fields) = request.as_object_mut() {
            fields.extend(call.describe(version));
            fields.insert("object", new.unwrap_or_default());
            fields.insert("oldObject", old.unwrap_or_default());
        }
        let review = json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
                            "request": request});
        let bundle = text(hook, &["clientConfig", "caBundle"]);
        let authorities = STANDARD.decode(bundle).unwrap_or_default();
        let drawn = call.operation == Operation::Create;
        let asked = Asked::new(&place, authorities, seconds, review, drawn);
        let review = asked.review.clone();
        let way = Way {
            configuration,
            place: &place,
            is_there: self.webhooks.obliging && self.is_there(hook),
            in_turn: mutating,
        };
        let answer = match self.webhooks.send(asked, way, self.now) {
            // The request is handled again when the answer is there.
            Outcome::Later => return Err(internal("a webhook is still to be asked")),
            Outcome::Told(answer) => answer,
        };
        let answer =
            answer.map_err(|why| format!("failed to call webhook: {why}")).and_then(|answer| {
                match invalid(&review, &answer, mutating) {
                    None => Ok(answer),
                    Some(why) => Err(format!("received invalid webhook response: {why}")),
                }
            });
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(_) if text(hook, &["failurePolicy"]) == "Ignore" => return Ok(None),
            Err(why) => return Err(internal(&format!("failed calling webhook {name:?}: {why}"))),
        };
        let response = answer["response"].take();
        let warnings = response.get("warnings").and_then(Value::as_array).into_iter().flatten();
        if call.request.options.warn {
            let warnings = warnings.filter_map(Value::as_str).map(str::to_owned);
            self.warnings.extend(warnings);
        }
        if response.get("allowed") != Some(&Value::Bool(true)) {
            return Err(refusal(name, response.get("status")));
        }
        Ok(Some(response))
    }

    /// The version in which a webhook wants to be asked of a call, if it does.
    fn concerns(&mut self, hook: &Value, call: &Call<'_>) -> Result<Option<String>, Box<Status>> {
        let Some(version) = self.version_for(hook, "rules", call) else { return Ok(None) };
        let wanted = hook.get("matchConditions").and_then(Value::as_array);
        let wanted = wanted.map_or(&[][..], |list| list.as_slice());
        if wanted.is_empty() {
            return Ok(Some(version));
        }
        let mut scope = Scope::new(call, &version, self.namespace_of(call).as_ref());
        let asks = wanted.iter().any(asks_authorizer);
        scope.with_authorizer(call, self.roles_for(asks), asks);
        match conditions(&scope, wanted) {
            Ok(true) => Ok(Some(version)),
            Ok(false) => Ok(None),
            Err(_) if text(hook, &["failurePolicy"]) == "Ignore" => Ok(None),
            Err(why) => {
                let name = call.name();
                Err(Box::new(Status::forbidden(&call.served.resource, name, &why)))
            }
        }
    }

    /// Asks every validating webhook that a call concerns.
    pub(super) fn ask_validating(&mut self, call: &Call<'_>) -> Result<(), Box<Status>> {
        for configuration in self.hooks(&VALIDATING) {
            for hook in hooks_of(&configuration) {
                if let Some(version) = self.concerns(hook.value, call)? {
                    self.ask(hook, call, &version, false)?;
                }
            }
        }
        Ok(())
    }

    /// Has every mutating webhook that a deletion concerns look at it.
    pub(super) fn ask_of_deletion(&mut self, call: &Call<'_>) -> Result<(), Box<Status>> {
        for configuration in self.hooks(&MUTATING) {
            for hook in hooks_of(&configuration) {
                if let Some(version) = self.concerns(hook.value, call)? {
                    let response = self.ask(hook, call, &version, true)?;
                    let patched = response.is_some_and(|r| !text(&r, &["patch"]).is_empty());
                    if patched {
                        let why = format!(
                            "admission webhook {:?} attempted to modify the object, which is not \
                             supported for this operation",
                            text(hook.value, &["name"])
                        );
                        return Err(internal(&why));
                    }
                }
            }
        }
        Ok(())
    }

    /// Lets mutating webhooks change a proposed object; `again` runs the server's own plugins once
    /// more after something was changed.
    pub(in crate::api) fn mutate(
        &mut self,
        served: &Served,
        request: &Request,
        old: Option<&Value>,
        body: &mut Value,
        again: impl FnOnce(&mut Self, &mut Value) -> Result<(), Box<Status>>,
    ) -> Result<(), Box<Status>> {
        // Those called that want to see later changes, policies by their bindings.
        let mut policies = BTreeSet::new();
        let by_policies = (None, &mut policies);
        let mut changed = self.change_by_policies(served, request, old, body, by_policies)?;
        let configurations = self.hooks(&MUTATING);
        let hooks: Vec<Hook<'_>> = configurations.iter().flat_map(|c| hooks_of(c)).collect();
        let (mut called, mut due) = (BTreeSet::new(), BTreeSet::new());
        let mut by_hooks = false;
        for (index, hook) in hooks.iter().enumerate() {
            let Some(news) = self.change(*hook, served, request, old, body)? else { continue };
            if news {
                by_hooks = true;
                due.append(&mut called);
            }
            if text(hook.value, &["reinvocationPolicy"]) == "IfNeeded" {
                called.insert(index);
            }
        }
        changed |= by_hooks;
        if !changed {
            return Ok(());
        }
        let before = body.clone();
        again(self, body)?;
        if *body != before || by_hooks {
            let again = (Some(&policies.clone()), &mut policies);
            by_hooks = self.change_by_policies(served, request, old, body, again)?;
        }
        if *body != before || by_hooks {
            due.append(&mut called);
        }
        for index in due {
            self.change(hooks[index], served, request, old, body)?;
        }
        Ok(())
    }

    /// Asks one mutating webhook: whether it changed something, none where it was not asked.
    fn change(
        &mut self,
        asked: Hook<'_>,
        served: &Served,
        request: &Request,
        old: Option<&Value>,
        body: &mut Value,
    ) -> Result<Option<bool>, Box<Status>> {
        let (hook, sent) = (asked.value, body.clone());
        let Some(call) = Call::of(served, request, old, Some(&sent)) else { return Ok(None) };
        let Some(version) = self.concerns(hook, &call)? else { return Ok(None) };
        let Some(response) = self.ask(asked, &call, &version, true)? else {
            return Ok(Some(false));
        };
        let name = text(hook, &["name"]);
        let encoded = text(&response, &["patch"]);
        if encoded.is_empty() {
            return Ok(Some(false));
        }
        let kind = text(&response, &["patchType"]);
        let decoded = STANDARD.decode(encoded).ok();
        let decoded = decoded.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        let failed = |why: String| match text(hook, &["failurePolicy"]) {
            "Ignore" => Ok(Some(false)),
            _ => Err(internal(&format!("failed calling webhook {name:?}: {why}"))),
        };
        let Some(patch) = decoded.filter(Value::is_array) else {
            return failed("received undecodable patch in webhook response".into());
        };
        if kind != "JSONPatch" {
            return failed(format!("unsupported patch type {kind:?}"));
        }
        let seen = self.shown_to(&call, &sent, &version, true)?;
        let mut patched = patch::json(&seen, &patch).map_err(|e| internal(&e.to_string()))?;
        if is_converted(&call, &version) {
            if let Some(other) = self.registry.find(&served.resource, &version) {
                structural::default(other.schema(), &mut patched);
            }
            let own = served.api_version();
            patched = self.viewed(served, &patched, own).map_err(|why| on_the_way(why, true))?;
        }
        if let Some(paths) = call.scale() {
            let replicas = at(&patched, &["spec", "replicas"]).cloned().unwrap_or(0.into());
            let path: Vec<&str> = paths.spec.iter().map(String::as_str).collect();
            if let Some((last, parents)) = path.split_last() {
                map_at(body, parents).insert(*last, replicas);
            }
            return Ok(Some(*body != sent));
        }
        if let (Some(fields), Some(own)) = (patched.as_object_mut(), sent.as_object()) {
            for field in ["apiVersion", "kind"] {
                match own.get(field) {
                    Some(value) => fields.insert(field, value.clone()),
                    None => fields.remove(field),
                };
            }
        }
        served.complete(&mut patched, None);
        let news = patched != sent;
        *body = patched;
        Ok(Some(news))
    }
}
