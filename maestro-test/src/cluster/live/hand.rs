//! Requests of the simulator's kind, made to an API server over HTTP.

use http::Method;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http_body_util::BodyExt as _;
use kube::client::Body;
use maestro_sim::api::{PatchType, Request, Status, Verb};
use maestro_sim::json::Value;

use super::writers::Writers;

/// A way to the API server on which nothing goes wrong.
#[derive(Clone)]
pub struct Hand {
    client: kube::Client,
    writers: Writers,
}

impl Hand {
    /// Asks through this client; what is written is noted.
    pub const fn new(client: kube::Client, writers: Writers) -> Self {
        Self { client, writers }
    }

    /// Makes a request: the code and the body of its answer.
    ///
    /// # Errors
    /// What the server answers; 503 when it cannot be reached.
    pub async fn send(&self, request: &Request) -> Result<(u16, Value), Box<Status>> {
        let away = |why: String| Box::new(Status::new(503, "ServiceUnavailable", why));
        let http = to_http(request).map_err(|error| away(error.to_string()))?;
        let answer = self.client.send(http).await.map_err(|error| away(error.to_string()))?;
        let code = answer.status().as_u16();
        let body = answer.into_body().collect().await.map_err(|error| away(error.to_string()))?;
        let body = serde_json::from_slice(&body.to_bytes()).unwrap_or(Value::Null);
        if code >= 400 {
            return Err(Box::new(Status::from_value(code, &body)));
        }
        if request.verb.writes() {
            self.writers.wrote(&request.user_agent, code, &body);
        }
        Ok((code, body))
    }
}

/// The path of what a request is about.
pub fn path(request: &Request) -> String {
    let resource = &request.resource;
    let mut path = match &*resource.group {
        "" => format!("/api/{}", request.version),
        group => format!("/apis/{group}/{}", request.version),
    };
    let mut push = |segment: &str| {
        path.push('/');
        path.push_str(segment);
    };
    if !request.namespace.is_empty() {
        push("namespaces");
        push(&request.namespace);
    }
    push(&resource.resource);
    for segment in [request.name.as_str(), &request.subresource] {
        if !segment.is_empty() {
            push(segment);
        }
    }
    path
}

fn to_http(request: &Request) -> Result<http::Request<Body>, http::Error> {
    let (method, media) = match (request.verb, request.patch) {
        (Verb::Get | Verb::List | Verb::Watch, _) => (Method::GET, "application/json"),
        (Verb::Create, _) => (Method::POST, "application/json"),
        (Verb::Update, _) => (Method::PUT, "application/json"),
        (Verb::Delete | Verb::DeleteCollection, _) => (Method::DELETE, "application/json"),
        (Verb::Patch, Some(PatchType::Json)) => (Method::PATCH, "application/json-patch+json"),
        (Verb::Patch, Some(PatchType::Strategic)) => {
            (Method::PATCH, "application/strategic-merge-patch+json")
        }
        (Verb::Patch, Some(PatchType::Apply)) => (Method::PATCH, "application/apply-patch+yaml"),
        (Verb::Patch, Some(PatchType::Merge) | None) => {
            (Method::PATCH, "application/merge-patch+json")
        }
    };
    let mut query = Vec::new();
    if let Some(manager) = &request.options.field_manager {
        query.push(format!("fieldManager={manager}"));
    }
    if let Some(force) = request.options.force {
        query.push(format!("force={force}"));
    }
    if request.options.dry_run {
        query.push("dryRun=All".to_owned());
    }
    let body = match &request.body {
        Value::Null => Vec::new(),
        body => body.to_string().into_bytes(),
    };
    http::Request::builder()
        .method(method)
        .uri(format!("{}?{}", path(request), query.join("&")))
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, media)
        .header(USER_AGENT, &*request.user_agent)
        .body(Body::from(body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use maestro_sim::object::GroupResource;

    #[test]
    fn a_request_becomes_its_path() {
        let pods = GroupResource::new("", "pods");
        let sets = GroupResource::new("apps", "statefulsets");
        let nodes = GroupResource::new("", "nodes");
        let ask =
            |verb, resource, namespace, name| Request::new("user", verb, resource, namespace, name);
        let scale =
            Request { subresource: "scale".into(), ..ask(Verb::Patch, sets, "default", "zk") };
        for (request, method, expected) in [
            (
                ask(Verb::Get, pods.clone(), "default", "a"),
                "GET",
                "/api/v1/namespaces/default/pods/a?",
            ),
            (ask(Verb::Create, pods, "default", ""), "POST", "/api/v1/namespaces/default/pods?"),
            (ask(Verb::Delete, nodes, "", "node-1"), "DELETE", "/api/v1/nodes/node-1?"),
            (scale, "PATCH", "/apis/apps/v1/namespaces/default/statefulsets/zk/scale?"),
        ] {
            let http = to_http(&request).unwrap();
            assert_eq!(
                (http.method().as_str(), http.uri().to_string().as_str()),
                (method, expected)
            );
        }
    }
}
