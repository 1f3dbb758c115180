//! Where a webhook is: at a URL, or behind a Service, whose pods nobody outside of the simulation
//! can reach.
//!
//! Whoever serves a cluster may say where a Service is answered ([`Webhooks::route`]). Of others,
//! those are dialled that lead out of the cluster: a Service of type ExternalName, and one without
//! a selector at an address of its EndpointSlices or Endpoints.
//!
//! Source: `ResolveEndpoint` and `ResolveCluster` of `k8s.io/apiserver/pkg/util/proxy`.
//!
//! [`Webhooks::route`]: super::Webhooks::route

use crate::api::server::Server;
use crate::json::Value;
use crate::object::{GroupResource, Object, at, text};

const SERVICES: GroupResource = GroupResource::new("", "services");
const ENDPOINTS: GroupResource = GroupResource::new("", "endpoints");
const SLICES: GroupResource = GroupResource::new("discovery.k8s.io", "endpointslices");
/// The label of a slice that says whose it is.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Where one webhook is.
pub(in crate::api) struct Place {
    /// Where its reviews are sent, with their timeout.
    pub url: String,
    /// What a connection says that finds nobody there.
    pub unreachable: String,
    /// Where a connection is made, `HOST:PORT`, if not where the URL says.
    pub dial: Option<String>,
    /// Whether a shell that can reach others can reach it.
    pub is_reachable: bool,
}

/// An address as it is dialled.
fn dialled(host: &str, port: u64) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A path as clients of a real server ask for it: no part of it is empty, and it ends with one.
///
/// Source: `path.Join` of Go, which `k8s.io/client-go/rest` makes its paths with.
fn cleaned(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    format!("/{}", parts.join("/"))
}

impl Server {
    /// Where the webhook of a `clientConfig` is, which lets it answer for so many seconds.
    pub(in crate::api) fn whereabouts(&self, hook: &Value, seconds: u64) -> Place {
        let config = hook.get("clientConfig").unwrap_or(&Value::Null);
        let query = format!("?timeout={seconds}s");
        let url = text(config, &["url"]);
        if !url.is_empty() {
            let (scheme, rest) = url.split_once("//").unwrap_or(("", url));
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let path = cleaned(path);
            let port = if host.contains(':') { "" } else { ":443" };
            return Place {
                url: format!("{scheme}//{host}{path}{query}"),
                unreachable: format!("dial tcp {host}{port}: connect: connection refused"),
                dial: None,
                is_reachable: true,
            };
        }
        let of = |field: &str| text(config, &["service", field]);
        let (name, namespace, path) = (of("name"), of("namespace"), of("path"));
        let port = at(config, &["service", "port"]).and_then(Value::as_u64).unwrap_or(443);
        let path = cleaned(path);
        let (dial, unreachable) = match self.resolve(namespace, name, port) {
            Ok(dial) => (Some(dial), String::new()),
            Err(why) => (None, why),
        };
        Place {
            url: format!("https://{name}.{namespace}.svc:{port}{path}{query}"),
            unreachable,
            is_reachable: dial.is_some(),
            dial,
        }
    }

    /// Where the port of a Service leads to outside of the cluster, or why nowhere.
    fn resolve(&self, namespace: &str, name: &str, port: u64) -> Result<String, String> {
        if let Some(to) = self.webhooks.routed(namespace, name, port) {
            return Ok(to.to_owned());
        }
        let Some(service) = self.peek(&SERVICES, namespace, name) else {
            return Err(format!("service {name:?} not found"));
        };
        if service.text(&["spec", "type"]) == "ExternalName" {
            return Ok(dialled(service.text(&["spec", "externalName"]), port));
        }
        let ports = service.items(&["spec", "ports"]).iter();
        let Some(found) = ports.into_iter().find(|known| known["port"].as_u64() == Some(port))
        else {
            return Err(format!("no service port {port} found for service {name:?}"));
        };
        let nobody = || format!("no endpoints available for service {name:?}");
        let selects = service.at(&["spec", "selector"]).and_then(Value::as_object);
        if selects.is_some_and(|selector| !selector.is_empty()) {
            // Behind it are pods of the simulation.
            return Err(nobody());
        }
        let port_name = text(found, &["name"]);
        let dial = self.in_slices(namespace, name, port_name);
        dial.or_else(|| self.in_endpoints(namespace, name, port_name)).ok_or_else(nobody)
    }

    /// The first ready address in the slices of a Service.
    fn in_slices(&self, namespace: &str, name: &str, port_name: &str) -> Option<String> {
        let slices = self.store.find(&SLICES)?.objects.values();
        let own = |slice: &&std::sync::Arc<Object>| {
            slice.namespace() == namespace && slice.label(SERVICE_NAME) == Some(name)
        };
        slices.filter(own).find_map(|slice| {
            let ready = |endpoint: &&Value| {
                at(endpoint, &["conditions", "ready"]) != Some(&Value::Bool(false))
            };
            let endpoint = slice.items(&["endpoints"]).iter().find(ready)?;
            let host = endpoint["addresses"].as_array()?.first()?.as_str()?;
            Some(dialled(host, port_called(slice.items(&["ports"]), port_name)?))
        })
    }

    /// The first ready address in the Endpoints of a Service.
    fn in_endpoints(&self, namespace: &str, name: &str, port_name: &str) -> Option<String> {
        let endpoints = self.peek(&ENDPOINTS, namespace, name)?;
        endpoints.items(&["subsets"]).iter().find_map(|subset| {
            let host = subset["addresses"].as_array()?.first()?["ip"].as_str()?;
            let ports = subset["ports"].as_array()?;
            Some(dialled(host, port_called(ports, port_name)?))
        })
    }

    /// Whether somebody is where a webhook is said to be: a ready pod behind its Service. Of what
    /// a URL leads to, a cluster knows nothing.
    pub(in crate::api) fn is_there(&self, hook: &Value) -> bool {
        let config = hook.get("clientConfig").unwrap_or(&Value::Null);
        let of = |field: &str| text(config, &["service", field]);
        !text(config, &["url"]).is_empty()
            || self.peek(&ENDPOINTS, of("namespace"), of("name")).is_some_and(|endpoints| {
                let ready = |subset: &Value| at(subset, &["addresses"]).is_some();
                endpoints.items(&["subsets"]).iter().any(ready)
            })
    }
}

/// The port of this name, which the only port of a Service need not have.
fn port_called(ports: &[Value], name: &str) -> Option<u64> {
    ports.iter().find(|port| text(port, &["name"]) == name)?["port"].as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Request, Verb};
    use crate::json::json;

    fn create(server: &mut Server, group: &str, resource: &str, body: Value) {
        let id = GroupResource::owned(group, resource);
        let namespace = if resource == "namespaces" { "" } else { "default" };
        let request = Request::new("test", Verb::Create, id, namespace, "");
        server.handle(Request { body, ..request }).expect("it is created");
    }

    #[test]
    fn paths_are_cleaned() {
        let server = Server::new(1);
        for (url, path, expected) in [
            ("https://a:1", "", "https://a:1/?timeout=5s"),
            ("https://a:1/", "", "https://a:1/?timeout=5s"),
            ("https://a:1//b", "", "https://a:1/b?timeout=5s"),
            ("https://a/b//../c/./d/", "", "https://a/c/d?timeout=5s"),
            ("", "", "https://n.s.svc:443/?timeout=5s"),
            ("", "//b/", "https://n.s.svc:443/b?timeout=5s"),
        ] {
            let service = json!({"namespace": "s", "name": "n", "path": path});
            let config = match url {
                "" => json!({"service": service}),
                url => json!({"url": url}),
            };
            let place = server.whereabouts(&json!({"clientConfig": config}), 5);
            assert_eq!(place.url, expected, "{url}{path}");
        }
    }

    #[test]
    fn services_that_lead_out_of_the_cluster_are_dialled() {
        let mut server = Server::new(1);
        create(&mut server, "", "namespaces", json!({"metadata": {"name": "default"}}));
        let service = |name: &str, spec: Value| json!({"metadata": {"name": name}, "spec": spec});
        let ports = json!([{"name": "web", "port": 443}, {"name": "other", "port": 80}]);
        for (name, spec) in [
            ("pods", json!({"ports": ports, "selector": {"a": "b"}})),
            ("none", json!({"ports": ports})),
            ("slices", json!({"ports": ports})),
            ("endpoints", json!({"ports": ports})),
            ("away", json!({"type": "ExternalName", "externalName": "hook.example"})),
        ] {
            create(&mut server, "", "services", service(name, spec));
        }
        let slice = json!({"metadata": {"name": "s", "labels": {SERVICE_NAME: "slices"}},
            "addressType": "IPv6", "ports": [{"name": "web", "port": 8443}],
            "endpoints": [{"addresses": ["fd00::1"], "conditions": {"ready": false}},
                          {"addresses": ["fd00::2"]}]});
        create(&mut server, "discovery.k8s.io", "endpointslices", slice);
        let endpoints = json!({"metadata": {"name": "endpoints"}, "subsets": [
            {"addresses": [{"ip": "192.0.2.7"}], "ports": [{"name": "web", "port": 9443}]}]});
        create(&mut server, "", "endpoints", endpoints);
        server.webhooks.route("default", "routed", None, "127.0.0.1:1");
        server.webhooks.route("default", "routed", Some(80), "127.0.0.1:2");
        for (name, port, expected) in [
            ("absent", 443, Err("service \"absent\" not found")),
            ("pods", 443, Err("no endpoints available for service \"pods\"")),
            ("none", 443, Err("no endpoints available for service \"none\"")),
            ("none", 444, Err("no service port 444 found for service \"none\"")),
            ("slices", 443, Ok("[fd00::2]:8443")),
            ("slices", 80, Err("no endpoints available for service \"slices\"")),
            ("endpoints", 443, Ok("192.0.2.7:9443")),
            ("away", 8443, Ok("hook.example:8443")),
            ("routed", 443, Ok("127.0.0.1:1")),
            ("routed", 80, Ok("127.0.0.1:2")),
        ] {
            let service = json!({"namespace": "default", "name": name, "port": port});
            let place = server.whereabouts(&json!({"clientConfig": {"service": service}}), 5);
            let found = match (&place.dial, place.is_reachable) {
                (Some(dial), true) => Ok(dial.as_str()),
                _ => Err(place.unreachable.as_str()),
            };
            assert_eq!(found, expected, "{name}:{port}");
            assert_eq!(place.url, format!("https://{name}.default.svc:{port}/?timeout=5s"));
        }
    }
}
