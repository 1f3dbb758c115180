//! A fake API server of one page: enough of the verbs to see the order of an operator's writes,
//! and one Framework with one instance. What a real server and its controllers do is proved
//! elsewhere.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Body, Frame};
use serde_json::{Value, json};
use tokio::sync::broadcast;

/// The body of an answer.
pub type FakeBody = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

/// Objects by path, and the log of requests.
struct Server {
    objects: BTreeMap<String, Value>,
    version: u64,
    log: Vec<String>,
    events: broadcast::Sender<(String, Value)>,
}

/// The server, shared.
#[derive(Clone)]
pub struct Fake(Arc<Mutex<Server>>);

/// `/apis/g/v/namespaces/n/plural/name/sub` as (collection, namespace, name, subresource).
fn parse(path: &str) -> (String, Option<String>, Option<String>, Option<String>) {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let base = if parts[0] == "api" { 2 } else { 3 };
    let mut rest = &parts[base..];
    let mut namespace = None;
    if rest[0] == "namespaces" && rest.len() > 2 {
        namespace = Some(rest[1].to_owned());
        rest = &rest[2..];
    }
    let collection = format!("{}/{}", parts[..base].join("/"), rest[0]);
    let text = |at: usize| rest.get(at).map(|text| (*text).to_owned());
    (collection, namespace, text(1), text(2))
}

fn merge(old: &mut Value, new: &Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, value) in new {
                if value.is_null() {
                    old.remove(name);
                } else {
                    merge(old.entry(name.clone()).or_insert(Value::Null), value);
                }
            }
        }
        (old, new) => *old = new.clone(),
    }
}

impl Server {
    /// Stores an object; writes that change nothing are none.
    fn put(&mut self, path: &str, mut object: Value) -> Value {
        let old = self.objects.get(path).cloned();
        if let Some(old) = &old {
            object["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
            object["metadata"]["uid"] = old["metadata"]["uid"].clone();
            if *old == object {
                return object;
            }
        }
        self.version += 1;
        let fresh = old.is_none();
        if fresh {
            object["metadata"]["uid"] = json!(format!("uid-{}", self.version));
            object["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
            object["metadata"]["generation"] = json!(1);
        } else if old.is_some_and(|old| old["spec"] != object["spec"]) {
            let generation = object["metadata"]["generation"].as_i64().unwrap_or(1);
            object["metadata"]["generation"] = json!(generation + 1);
        }
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.become_well(&mut object);
        let dying = object["metadata"]["deletionTimestamp"].is_string();
        let held = object["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
        let collection = path.rsplit_once('/').map_or("", |(head, _)| head);
        let (collection, ..) = parse(collection);
        if dying && !held {
            self.objects.remove(path);
            let _ = self.events.send((collection, json!({"type": "DELETED", "object": object})));
        } else {
            self.objects.insert(path.to_owned(), object.clone());
            let word = if fresh { "ADDED" } else { "MODIFIED" };
            let _ = self.events.send((collection, json!({"type": word, "object": object})));
        }
        object
    }

    /// Controllers of the fake are done at once.
    fn become_well(&self, object: &mut Value) {
        let generation = object["metadata"]["generation"].clone();
        match object["kind"].as_str().unwrap_or_default() {
            "CustomResourceDefinition" => {
                object["status"] =
                    json!({"conditions": [{"type": "Established", "status": "True"}]});
            }
            "StatefulSet" => {
                let wanted = object["spec"]["replicas"].clone();
                object["status"] = json!({"observedGeneration": generation, "replicas": wanted,
                    "readyReplicas": wanted, "updatedReplicas": wanted});
            }
            "Job" => {
                object["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
            }
            "Service" => object["spec"]["clusterIP"] = json!("10.0.0.1"),
            _ => {}
        }
    }

    fn answer(&mut self, method: &str, uri: &http::Uri, body: &Value) -> (u16, Value) {
        let path = uri.path().to_owned();
        let (collection, namespace, name, sub) = parse(&path);
        let own = sub.as_ref().map_or(path.clone(), |sub| {
            path.strip_suffix(&format!("/{sub}")).unwrap_or(&path).to_owned()
        });
        let error = |code: u16, reason: &str| {
            (
                code,
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                          "message": reason, "reason": reason, "code": code}),
            )
        };
        match (method, name) {
            ("GET", None) => {
                let all = self.objects.iter().filter(|(path, _)| {
                    let (other, space, ..) = parse(path);
                    other == collection && (namespace.is_none() || space == namespace)
                });
                let items: Vec<_> = all.map(|(_, object)| object.clone()).collect();
                (
                    200,
                    json!({"kind": "List", "apiVersion": "v1", "items": items,
                             "metadata": {"resourceVersion": self.version.to_string()}}),
                )
            }
            ("GET", Some(_)) => match self.objects.get(&own) {
                Some(object) => (200, object.clone()),
                None => error(404, "NotFound"),
            },
            ("POST", _) => {
                let name = body["metadata"]["name"].as_str().unwrap_or_default();
                let path = format!("{path}/{name}");
                if self.objects.contains_key(&path) {
                    return error(409, "AlreadyExists");
                }
                let mut object = body.clone();
                if let Some(namespace) = namespace {
                    object["metadata"]["namespace"] = json!(namespace);
                }
                (201, self.put(&path, object))
            }
            ("PUT" | "PATCH", Some(_)) => {
                let old = self.objects.get(&own).cloned();
                let given = &body["metadata"]["resourceVersion"];
                match &old {
                    Some(old)
                        if given.is_string() && *given != old["metadata"]["resourceVersion"] =>
                    {
                        return error(409, "Conflict");
                    }
                    None if method == "PUT" => return error(404, "NotFound"),
                    _ => {}
                }
                let mut object = old.unwrap_or(Value::Null);
                if sub.as_deref() == Some("status") {
                    if method == "PUT" {
                        object["status"] = body["status"].clone();
                    } else {
                        merge(&mut object["status"], &body["status"]);
                    }
                } else if method == "PUT" {
                    object = body.clone();
                } else {
                    merge(&mut object, body);
                }
                (200, self.put(&own, object))
            }
            ("DELETE", Some(_)) => match self.objects.get(&own).cloned() {
                None => error(404, "NotFound"),
                Some(mut object) => {
                    object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
                    (200, self.put(&own, object))
                }
            },
            _ => error(405, "MethodNotAllowed"),
        }
    }
}

impl Fake {
    /// A server without objects.
    pub fn new() -> Self {
        let (events, _) = broadcast::channel(4096);
        let objects = BTreeMap::new();
        Self(Arc::new(Mutex::new(Server { objects, version: 1, log: Vec::new(), events })))
    }

    /// A client for it, in process.
    pub fn client(&self) -> kube::Client {
        let fake = self.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let fake = fake.clone();
            async move { Ok::<_, Infallible>(fake.serve(request).await) }
        });
        kube::Client::new(service, "default")
    }

    /// Answers one request.
    pub async fn serve<B>(&self, request: Request<B>) -> Response<FakeBody>
    where
        B: Body<Error: std::fmt::Debug>,
    {
        let (head, body) = request.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        tokio::time::sleep(Duration::from_millis(5)).await;
        let mut server = self.0.lock().expect("the server");
        let watches = head.uri.query().is_some_and(|query| query.contains("watch=true"));
        let line = format!("{} {}", head.method, head.uri.path());
        if watches {
            server.log.push(format!("WATCH {}", head.uri.path()));
            let (collection, ..) = parse(head.uri.path());
            let since = head.uri.query().and_then(|query| {
                query.split('&').find_map(|pair| pair.strip_prefix("resourceVersion="))
            });
            let since: u64 = since.and_then(|text| text.parse().ok()).unwrap_or(0);
            let missed: Vec<Value> = server
                .objects
                .iter()
                .filter(|(path, object)| {
                    let version = object["metadata"]["resourceVersion"].as_str();
                    parse(path).0 == collection
                        && version.and_then(|text| text.parse::<u64>().ok()) > Some(since)
                })
                .map(|(_, object)| json!({"type": "MODIFIED", "object": object}))
                .collect();
            let live = stream::unfold(server.events.subscribe(), |mut events| async move {
                let event = events.recv().await.ok()?;
                Some((event, events))
            });
            let live = live.filter_map(move |(other, event)| {
                std::future::ready((other == collection).then_some(event))
            });
            let frames = stream::iter(missed)
                .chain(live)
                .map(|event| Ok::<_, Infallible>(Frame::data(Bytes::from(format!("{event}\n")))));
            return Response::new(StreamBody::new(frames).boxed_unsync());
        }
        server.log.push(line);
        let (code, answer) = server.answer(head.method.as_str(), &head.uri, &body);
        let body = http_body_util::Full::new(Bytes::from(answer.to_string()));
        Response::builder().status(code).body(body.boxed_unsync()).expect("a response")
    }

    /// Writes an object, as a person would.
    pub fn apply(&self, path: &str, object: Value) {
        self.0.lock().expect("the server").put(path, object);
    }

    /// An object; null if there is none.
    pub fn get(&self, path: &str) -> Value {
        self.0.lock().expect("the server").objects.get(path).cloned().unwrap_or_default()
    }

    /// Deletes an object, as a person would.
    pub fn delete(&self, path: &str) {
        let uri: http::Uri = path.parse().expect("a path");
        self.0.lock().expect("the server").answer("DELETE", &uri, &Value::Null);
    }

    /// Waits for writes until something holds.
    pub async fn until(&self, longest: Duration, holds: impl Fn() -> bool) {
        let mut events = self.0.lock().expect("the server").events.subscribe();
        let waited = tokio::time::timeout(longest, async {
            while !holds() {
                // What was missed is looked at all the same.
                let _ = events.recv().await;
            }
        });
        waited.await.expect("what is waited for does not come");
    }

    /// The log since it was last taken, leases and events aside.
    pub fn log(&self) -> Vec<String> {
        let log = std::mem::take(&mut self.0.lock().expect("the server").log);
        log.into_iter().filter(|line| !line.contains("leases")).collect()
    }
}

/// A Framework with a Service, a StatefulSet and a Job.
pub fn framework() -> Value {
    json!({"apiVersion": "maestro.dev/v1alpha1", "kind": "Framework",
    "metadata": {"name": "zookeeper"},
    "spec": {
        "names": {"kind": "ZooKeeper", "plural": "zookeepers"},
        "version": "1.0.0",
        "parameters": [
            {"name": "nodes", "type": "integer", "default": 3, "onChange": "resize"}],
        "scale": {"parameter": "nodes", "selector": "app.kubernetes.io/instance=${name}"},
        "connection": "name + ':2181'",
        "templates": {
            "service.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: '${name}'}\nspec: {ports: [{port: 2181}]}\n",
            "set.yaml": "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: '${name}'}\nspec: {replicas: '${params.nodes}', template: {metadata: {}, spec: {containers: []}}}\n",
            "smoke.yaml": "apiVersion: batch/v1\nkind: Job\nmetadata: {name: '${name}-smoke'}\nspec: {template: {spec: {containers: []}}}\n",
        },
        "tasks": {"network": {"apply": ["service.yaml"]}, "servers": {"apply": ["set.yaml"]},
                  "smoke": {"job": {"template": "smoke.yaml"}}},
        "plans": {
            "deploy": {"phases": [{"name": "ensemble", "steps": [
                {"name": "network", "tasks": ["network"]},
                {"name": "servers", "tasks": ["servers"], "timeout": "15m"},
                {"name": "check", "tasks": ["smoke"]}]}]},
            "resize": {"phases": [{"name": "ensemble", "steps": [
                {"name": "servers", "tasks": ["servers"]}]}]},
            "cleanup": {"phases": [{"name": "all", "steps": [
                {"name": "wait", "tasks": []}]}]},
        },
    }})
}

pub const FRAMEWORK: &str = "/apis/maestro.dev/v1alpha1/frameworks/zookeeper";
pub const MAIN: &str = "/apis/packages.maestro.dev/v1alpha1/namespaces/default/zookeepers/main";
pub const SET: &str = "/apis/apps/v1/namespaces/default/statefulsets/main";

/// Its instance.
pub fn instance(nodes: i64) -> Value {
    json!({"apiVersion": "packages.maestro.dev/v1alpha1", "kind": "ZooKeeper",
           "metadata": {"name": "main", "namespace": "default"}, "spec": {"nodes": nodes}})
}

/// Status and reason of a condition.
pub fn condition(object: &Value, kind: &str) -> String {
    let all = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = all.iter().find(|one| one["type"] == kind).cloned().unwrap_or_default();
    format!("{} {}", found["status"], found["reason"]).replace('"', "")
}
