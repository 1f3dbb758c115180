//! Rules, bootstrap roles and gathered roles, without a server beside them to compare with.

use std::sync::Arc;

use super::*;
use crate::boot::{self, ClusterSpec};
use crate::json::{Value, json};
use crate::sim::{self, Cluster};
use crate::trace::TraceLevel;

fn asked(text: &str) -> Attributes {
    let mut parts = text.split(' ').map(str::to_owned);
    let mut next = || parts.next().unwrap_or_default();
    let verb = next();
    let what = next();
    if what.starts_with('/') {
        return Attributes { verb, path: Some(what), ..Attributes::default() };
    }
    let (resource, group) = what.split_once('.').unwrap_or((&what, ""));
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    Attributes {
        verb,
        group: group.into(),
        resource: resource.into(),
        subresource: subresource.into(),
        name: next(),
        ..Attributes::default()
    }
}

#[test]
fn what_rules_allow() {
    let check = |rule: &Value, text: &str, expected: bool| {
        assert_eq!(rules::allows(rule, &asked(text)), expected, "{rule} {text}");
    };
    let pods = json!({"apiGroups": [""], "resources": ["pods", "*/scale"], "verbs": ["get"]});
    check(&pods, "get pods", true);
    check(&pods, "list pods", false);
    check(&pods, "get pods/log", false);
    check(&pods, "get things/scale", true);
    check(&pods, "get pods.apps", false);
    check(&pods, "get /pods", false);
    let named = json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"],
        "resourceNames": ["a"]});
    check(&named, "get pods a", true);
    check(&named, "get pods b", false);
    check(&named, "create pods", false);
    let paths = json!({"nonResourceURLs": ["/x/*", "/y"], "verbs": ["get"]});
    check(&paths, "get /x/z", true);
    check(&paths, "get /x", false);
    check(&paths, "get /y/z", false);
}

#[test]
fn names_in_field_selectors() {
    for (selector, expected) in [
        ("metadata.name=a", Some("a")),
        ("spec.x=y, metadata.name==a", Some("a")),
        ("metadata.name!=a", None),
        ("metadata.name=a/b", None),
        ("metadata.name=", None),
    ] {
        assert_eq!(exact_name(selector), expected, "{selector}");
    }
}

fn roles_of(managed: bool, name: &'static str, before: Vec<Value>) -> Arc<crate::object::Object> {
    let options = sim::Options { seed: 1, trace: TraceLevel::Digest };
    sim::run(&options, move |cluster: Cluster| async move {
        cluster.with(|world| {
            match managed {
                true => drop(boot::cluster(world, &ClusterSpec { nodes: 0, workloads: vec![] })),
                false => boot::bootstrap(world),
            }
            for body in before {
                let roles = GroupResource::new(GROUP, "clusterroles");
                let request = Request::new("test", Verb::Create, roles, "", "");
                world.direct(Request { body, ..request }).expect("created");
            }
        });
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        cluster.with(|world| {
            world.server.hold_roles();
            let roles = GroupResource::new(GROUP, "clusterroles");
            world.server.store.named(&roles, "", name).cloned().expect("a role")
        })
    })
    .expect("the run ends")
}

#[test]
fn a_fresh_cluster_pays_for_no_roles() {
    let mut server = Server::new(1);
    server.expect_roles(1, false);
    let roles = GroupResource::new(GROUP, "clusterroles");
    assert!(server.store.find(&roles).is_none());
    server.hold_roles();
    assert_eq!(server.store.find(&roles).map(|table| table.objects.len()), Some(73));
    assert_eq!(server.store.version(), 0, "nobody is told");
}

#[test]
fn gathered_rules() {
    let count = |role: &crate::object::Object| role.items(&["rules"]).len();
    assert_eq!(count(&roles_of(false, "admin", Vec::new())), 0);
    let admin = count(&roles_of(true, "admin", Vec::new()));
    let view = count(&roles_of(true, "view", Vec::new()));
    assert!(admin > view && view > 10, "{admin} {view}");
    let more = json!({"metadata": {"name": "more",
            "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
        "rules": [{"apiGroups": ["maestro.example"], "resources": ["*"], "verbs": ["get"]}]});
    let own = json!({"metadata": {"name": "own"}, "rules": [], "aggregationRule":
        {"clusterRoleSelectors": [{"matchLabels":
            {"rbac.authorization.k8s.io/aggregate-to-view": "true"}}]}});
    let made = vec![more, own];
    assert_eq!(count(&roles_of(true, "view", made.clone())), view + 1);
    assert_eq!(count(&roles_of(true, "admin", made.clone())), admin + 1);
    assert_eq!(count(&roles_of(true, "own", made)), view + 1);
}

#[test]
fn a_client_of_a_simulation_may_be_somebody() {
    use tower_service::Service as _;
    let options = sim::Options { seed: 1, trace: TraceLevel::Digest };
    let codes = sim::run(&options, |cluster: Cluster| async move {
        let link = cluster.with(|world| {
            boot::bootstrap(world);
            world.links.add("operator")
        });
        let account = Identity::service_account("default", "operator");
        let mut codes = Vec::new();
        for user in [None, Some(Identity::admin()), Some(account)] {
            let service = cluster.service(link);
            let mut service = match user {
                Some(user) => service.as_user(user),
                None => service,
            };
            for path in ["/api/v1/nodes", "/version"] {
                let request = http::Request::get(path).body(http_body_util::Empty::new());
                let answer = service.call(request.expect("a request")).await.expect("an answer");
                codes.push(answer.status().as_u16());
            }
        }
        codes
    });
    assert_eq!(codes.expect("the run ends"), [200, 200, 200, 200, 403, 200]);
}
