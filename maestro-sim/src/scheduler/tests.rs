//! Placement as a table: nodes, pods that run, a pod; the node it gets or why it gets none.

use std::sync::Arc;

use super::cluster::Cluster;
use super::pick::{filter, pick};
use super::pod::PodInfo;
use super::preempt::preempt;
use super::{Sight, volumes};
use crate::controller::{View, kinds};
use crate::facts::Version;
use crate::json::{Value, json};
use crate::object::{GroupResource, Key, Object};

/// `nodes`, `pods` (with their node) and others as YAML; then what becomes of `pod`.
fn check(world: &str, pod: &str) -> String {
    let world: Value = serde_yaml::from_str(world).unwrap_or_default();
    let (mut cluster, mut view) = (Cluster::default(), View::default());
    for node in items(&world, "nodes") {
        let node = Arc::new(Object::new(node_object(&node)));
        cluster.see_node(node.name(), Some(&node));
    }
    for (list, resource) in [
        ("claims", volumes::CLAIMS),
        ("volumes", volumes::VOLUMES),
        ("classes", volumes::CLASSES),
        ("namespaces", kinds::NAMESPACES.clone()),
        ("services", kinds::SERVICES.clone()),
        ("sets", kinds::STATEFUL_SETS.clone()),
        ("budgets", kinds::BUDGETS.clone()),
    ] {
        for value in items(&world, list) {
            put(&mut view, &resource, value);
        }
    }
    for value in items(&world, "pods") {
        let pod = Arc::new(Object::new(pod_object(value)));
        let node = pod.text(&["spec", "nodeName"]).to_owned();
        cluster.place(Arc::new(PodInfo::new(pod)), &node);
    }
    let pod = pod_object(serde_yaml::from_str(pod).unwrap_or_default());
    let pod = PodInfo::new(Arc::new(Object::new(pod)));
    let sight = Sight { pod: &pod, cluster: &cluster, view: &view, version: Version::default() };
    match pick(&sight, &mut |_| 0) {
        Ok(node) => {
            let fit = cluster.nodes().filter(|n| filter(&sight, n).is_ok());
            format!("{node} of {}", fit.map(|n| n.name()).collect::<Vec<_>>().join(","))
        }
        Err(unfit) => match preempt(&sight, &unfit) {
            Ok(found) => {
                let gone: Vec<&str> = found.victims.iter().map(|v| v.object.name()).collect();
                format!("{} after evicting {}", found.node, gone.join(","))
            }
            Err(why) => unfit.told(&why),
        },
    }
}

fn items(world: &Value, list: &str) -> Vec<Value> {
    world.get(list).and_then(Value::as_array).cloned().unwrap_or_default().into_vec()
}

fn put(view: &mut View, resource: &GroupResource, value: Value) {
    let object = Arc::new(Object::new(value));
    let key: Key = object.key().clone();
    view.apply(resource, &key, Some(object));
}

/// `{name, labels, cpu, taints, unschedulable, images}` to a Node.
fn node_object(short: &Value) -> Value {
    let name = short["name"].as_str().unwrap_or("");
    let mut labels = json!({"kubernetes.io/hostname": name});
    if let (Some(all), Some(more)) = (labels.as_object_mut(), short["labels"].as_object()) {
        all.extend(more.clone());
    }
    let cpu = short.get("cpu").cloned().unwrap_or(json!("4"));
    json!({
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": short["taints"], "unschedulable": short["unschedulable"]},
        "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "3"},
                   "images": short["images"]},
    })
}

/// `{name, namespace, labels, owner, node, cpu, priority, spec}` to a Pod, in namespace `x` unless
/// it says otherwise.
fn pod_object(short: Value) -> Value {
    let mut spec = short.get("spec").cloned().unwrap_or(json!({}));
    if let Some(map) = spec.as_object_mut() {
        map.entry("containers").or_insert(json!([
            {"name": "c", "image": "i", "resources": {"requests": {"cpu": short["cpu"]}}}
        ]));
        map.insert("nodeName", short["node"].clone());
        map.insert("priority", short["priority"].clone());
    }
    json!({
        "metadata": {"name": short["name"], "uid": short["name"], "labels": short["labels"],
                     "namespace": short.get("namespace").cloned().unwrap_or(json!("x")),
                     "ownerReferences": short.get("owner").map(|owner| json!([owner]))},
        "spec": spec,
    })
}

const THREE: &str = "nodes: [{name: a}, {name: b}, {name: c}]";

#[test]
fn resources() {
    assert_eq!(check(THREE, "{name: p, cpu: 1}"), "a of a,b,c");
    assert_eq!(
        check("nodes: [{name: a}, {name: b}]\npods: [{name: q, node: a, cpu: 2}]", "{cpu: 1}"),
        "b of a,b"
    );
    assert_eq!(
        check(THREE, "{name: p, cpu: 5}"),
        "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available: \
         3 Preemption is not helpful for scheduling."
    );
    let init = "{spec: {containers: [{name: c, resources: {requests: {cpu: 1}}}],
                 initContainers: [{name: i, resources: {requests: {cpu: 5}}}]}}";
    assert!(check(THREE, init).contains("3 Insufficient cpu"));
    let sidecar = "{spec: {containers: [{name: c, resources: {requests: {cpu: 3}}}],
      initContainers: [{name: s, restartPolicy: Always, resources: {requests: {cpu: 2}}}]}}";
    assert!(check(THREE, sidecar).contains("3 Insufficient cpu"));
    let full = "nodes: [{name: a}]\npods: [{name: q, node: a}, {name: r, node: a}, \
                {name: s, node: a}]";
    assert_eq!(
        check(full, "{name: p}"),
        "0/1 nodes are available: 1 Too many pods. preemption: 0/1 nodes are available: \
         1 No preemption victims found for incoming pod."
    );
    assert_eq!(
        check("{}", "{name: p}"),
        "no nodes available to schedule pods preemption: 0/0 nodes are available: ."
    );
}

#[test]
fn nodes_that_refuse() {
    let world = "nodes:
      - {name: a, taints: [{key: k, value: v, effect: NoSchedule}]}
      - {name: b, unschedulable: true}
      - {name: c, cpu: 1}";
    assert_eq!(
        check(world, "{name: p, cpu: 2}"),
        "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s), \
         1 node(s) were unschedulable. preemption: 0/3 nodes are available: \
         3 Preemption is not helpful for scheduling."
    );
    let tolerant = "{cpu: 2, spec: {tolerations: [{key: k, operator: Exists}]}}";
    assert_eq!(check(world, tolerant), "a of a");
    let selecting = "{spec: {nodeSelector: {disk: ssd}}}";
    assert!(check(world, selecting).contains("didn't match Pod's node affinity/selector"));
    let port = "containers: [{name: c, ports: [{hostPort: 80}]}]";
    let taken = format!("nodes: [{{name: a}}]\npods: [{{name: q, node: a, spec: {{{port}}}}}]");
    assert!(
        check(&taken, &format!("{{spec: {{{port}}}}}"))
            .contains("1 node(s) didn't have free ports for the requested pod ports")
    );
}

#[test]
fn affinity() {
    let world = "nodes: [{name: a, labels: {zone: '1'}}, {name: b, labels: {zone: '1'}},
      {name: c, labels: {zone: '2'}}]
pods: [{name: q, node: a, labels: {app: db}}]";
    let term = "[{topologyKey: zone, labelSelector: {matchLabels: {app: db}}}]";
    let rule = |kind: &str| {
        format!(
            "{{labels: {{app: db}}, spec: {{affinity: {{{kind}: \
             {{requiredDuringSchedulingIgnoredDuringExecution: {term}}}}}}}}}"
        )
    };
    assert_eq!(check(world, &rule("podAffinity")), "b of a,b");
    assert_eq!(check(world, &rule("podAntiAffinity")), "c of c");
    assert_eq!(check(&world.replace("app: db", "app: x"), &rule("podAffinity")), "b of a,b,c");
    let existing = world.replace(
        "labels: {app: db}}]",
        &format!(
            "labels: {{app: q}}, spec: {{affinity: {{podAntiAffinity: \
         {{requiredDuringSchedulingIgnoredDuringExecution: {term}}}}}}}}}]"
        ),
    );
    assert_eq!(check(&existing, "{labels: {app: db}}"), "c of c");
    let preferred = "{spec: {affinity: {nodeAffinity: \
      {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 5, preference: \
      {matchExpressions: [{key: zone, operator: In, values: ['2']}]}}]}}}}";
    assert_eq!(check(world, preferred), "c of a,b,c");
}

#[test]
fn spread() {
    let world = "nodes: [{name: a}, {name: b}, {name: c, taints: [{key: k, effect: NoSchedule}]}]
pods: [{name: q, node: a, labels: {app: w}}, {name: r, node: b, labels: {app: w}}]";
    let pod = |when: &str| {
        format!(
            "{{labels: {{app: w}}, spec: {{topologySpreadConstraints: [{{maxSkew: 1, topologyKey: \
             kubernetes.io/hostname, whenUnsatisfiable: {when}, \
             labelSelector: {{matchLabels: {{app: w}}}}}}]}}}}"
        )
    };
    assert_eq!(
        check(world, &pod("DoNotSchedule")),
        "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 node(s) didn't match pod \
         topology spread constraints. preemption: 0/3 nodes are available: 1 Preemption is not \
         helpful for scheduling, 2 No preemption victims found for incoming pod."
    );
    assert_eq!(check(world, &pod("ScheduleAnyway")), "a of a,b");
}

#[test]
fn the_usual_spread_counts_what_services_and_controllers_select() {
    let world = "nodes: [{name: a}, {name: b, cpu: 3}]
pods: [{name: q, node: a, labels: {app: w, rev: '1'}}, {name: r, node: b}]
services: [{metadata: {name: s, namespace: x}, spec: {selector: {app: w}}},
  {metadata: {name: t, namespace: y}, spec: {selector: {app: v}}},
  {metadata: {name: u, namespace: x}, spec: {}}]
sets: [{metadata: {name: set, namespace: x}, spec: {selector: {matchLabels: {app: w}}}}]";
    // Without a rival of its kind a pod goes where more is left.
    assert_eq!(check(world, "{labels: {app: v}}"), "a of a,b");
    assert_eq!(check(world, "{labels: {app: w, rev: '2'}}"), "b of a,b");
    let bare = world.replace("services:", "ignored:");
    assert_eq!(check(&bare, "{labels: {app: w, rev: '2'}}"), "a of a,b");
    let owned = |kind: &str| {
        format!(
            "{{labels: {{app: w, rev: '2'}}, owner: {{apiVersion: apps/v1, kind: {kind}, \
             name: set, controller: true}}}}"
        )
    };
    assert_eq!(check(&bare, &owned("StatefulSet")), "b of a,b");
    assert_eq!(check(&bare, &owned("DaemonSet")), "a of a,b");
}

#[test]
fn images_draw_pods() {
    let world = "nodes: [{name: a}, {name: b, images: [{names: ['r/i:1', 'r/i@x'], \
                 sizeBytes: SIZE}]}, {name: c}]
pods: [{name: q, node: b, spec: {containers: [{name: c, resources: {requests: \
                 {cpu: 200m, memory: 256Mi}}}]}}]";
    let pod = |image: &str| format!("{{spec: {{containers: [{{name: c, image: '{image}'}}]}}}}");
    let big = world.replace("SIZE", "1500000000");
    assert_eq!(check(&big, &pod("r/i:1")), "b of a,b,c");
    assert_eq!(check(&big, &pod("r/i")), "a of a,b,c");
    assert_eq!(check(&world.replace("SIZE", "20000000"), &pod("r/i:1")), "a of a,b,c");
    assert_eq!(check(&big.replace("r/i:1", "r/i:latest"), &pod("r/i")), "b of a,b,c");
}

#[test]
fn affinity_across_namespaces() {
    let world = "nodes: [{name: a}, {name: b}]
namespaces: [{metadata: {name: y, labels: {team: red}}}, {metadata: {name: z}}]
pods: [{name: q, namespace: y, node: a, labels: {app: db}}]";
    let pod = |more: &str| {
        format!(
            "{{spec: {{affinity: {{podAntiAffinity: {{requiredDuringSchedulingIgnoredDuring\
             Execution: [{{topologyKey: kubernetes.io/hostname, labelSelector: {{matchLabels: \
             {{app: db}}}}{more}}}]}}}}}}}}"
        )
    };
    assert_eq!(check(world, &pod("")), "b of a,b");
    for (more, expected) in [
        (", namespaces: [y]", "b of b"),
        (", namespaces: [x, z]", "b of a,b"),
        (", namespaceSelector: {}", "b of b"),
        (", namespaceSelector: {matchLabels: {team: red}}", "b of b"),
        (", namespaceSelector: {matchLabels: {team: blue}}", "b of a,b"),
        (", namespaces: [y], namespaceSelector: {matchLabels: {team: blue}}", "b of b"),
    ] {
        assert_eq!(check(world, &pod(more)), expected, "{more}");
    }
}

#[test]
fn storage() {
    let world = "nodes: [{name: a, labels: {zone: '1'}}, {name: b, labels: {zone: '2'}}]
claims:
- {metadata: {name: bound, namespace: x}, spec: {volumeName: v}, status: {phase: Bound}}
- {metadata: {name: later, namespace: x}, spec: {storageClassName: wait}}
- {metadata: {name: now, namespace: x}, spec: {storageClassName: now}}
volumes: [{metadata: {name: v}, spec: {nodeAffinity: {required: {nodeSelectorTerms: \
  [{matchExpressions: [{key: zone, operator: In, values: ['2']}]}]}}}}]
classes:
- {metadata: {name: wait}, provisioner: p, volumeBindingMode: WaitForFirstConsumer}
- {metadata: {name: now}, provisioner: p, volumeBindingMode: Immediate}";
    let pod = |claim: &str| {
        format!(
            "{{spec: {{volumes: [{{name: d, persistentVolumeClaim: {{claimName: {claim}}}}}]}}}}"
        )
    };
    assert_eq!(check(world, &pod("bound")), "b of b");
    assert_eq!(check(world, &pod("later")), "a of a,b");
    assert!(check(world, &pod("now")).contains("pod has unbound immediate PersistentVolumeClaims"));
    assert!(check(world, &pod("none")).contains("persistentvolumeclaim \"none\" not found"));
}

#[test]
fn preemption_takes_the_least_important() {
    let world = "nodes: [{name: a}, {name: b}]
pods:
- {name: low, node: a, cpu: 2, priority: 1}
- {name: lower, node: a, cpu: 2, priority: 0}
- {name: mid, node: b, cpu: 4, priority: 5}";
    assert_eq!(check(world, "{cpu: 2, priority: 9}"), "a after evicting lower");
    assert_eq!(check(world, "{cpu: 4, priority: 9}"), "a after evicting low,lower");
    assert!(check(world, "{cpu: 2}").contains("2 No preemption victims found"));
    let spared = format!(
        "{world}\nbudgets: [{{metadata: {{name: b, namespace: x}}, spec: {{selector: {{matchLabels: \
         {{app: w}}}}}}, status: {{disruptionsAllowed: 0}}}}]"
    );
    let lower = "{name: lower, node: a, cpu: 2, priority: 0";
    let spared = spared.replace(lower, &format!("{lower}, labels: {{app: w}}"));
    assert_eq!(check(&spared, "{cpu: 2, priority: 9}"), "a after evicting low");
    assert_eq!(check(&spared, "{cpu: 4, priority: 9}"), "b after evicting mid");
    let allowing = spared.replace("Allowed: 0", "Allowed: 1");
    assert_eq!(check(&allowing, "{cpu: 2, priority: 9}"), "a after evicting lower");
    let never = "{cpu: 2, priority: 9, spec: {preemptionPolicy: Never}}";
    assert!(check(world, never).contains("preemptionPolicy=Never"));
}

fn run(world: &mut crate::world::World, until: u64) {
    let until = std::time::Duration::from_secs(until);
    while let Some(at) = world.next().filter(|at| *at <= until) {
        world.advance(at);
    }
    world.advance(until);
}

/// A whole cluster of one world, at `now` seconds.
fn pods_at(world: &mut crate::world::World, now: u64) -> Vec<String> {
    run(world, now);
    let table = world.server.store.table_id(&GroupResource::new("", "pods"));
    let pods = world.server.store.table(table).objects.values();
    pods.map(|pod| {
        let mut conditions = pod.items(&["status", "conditions"]).iter();
        let ready = conditions.any(|c| c["type"] == "Ready" && c["status"] == "True");
        let placed = !pod.text(&["spec", "nodeName"]).is_empty();
        let mut conditions = pod.items(&["status", "conditions"]).iter();
        let scheduled = conditions.find(|c| c["type"] == "PodScheduled");
        let why = scheduled.and_then(|c| c["message"].as_str()).unwrap_or("");
        let why = why.split(" preemption").next().unwrap_or("");
        format!("{} placed={placed} ready={ready} {why}", pod.name())
    })
    .collect()
}

#[test]
fn a_cluster_brings_pods_up_and_lets_them_go() {
    use crate::api::{Request, Verb};
    let mut world = crate::world::World::new(3, crate::trace::TraceLevel::Digest);
    let spec = crate::boot::ClusterSpec { nodes: 3, workloads: Vec::new() };
    crate::boot::cluster(&mut world, &spec);
    run(&mut world, 5);
    let request = |verb, name: &str, body| Request {
        body,
        ..Request::new("test", verb, GroupResource::new("", "pods"), "default", name)
    };
    let pod = |name: &str, cpu: &str| {
        json!({"apiVersion": "v1", "kind": "Pod",
               "metadata": {"name": name, "namespace": "default"},
               "spec": {"containers": [{"name": "c", "image": "i:1",
                        "resources": {"requests": {"cpu": cpu}}}]}})
    };
    for (name, cpu) in [("fits", "1"), ("huge", "9")] {
        let created = world.direct(request(Verb::Create, "", pod(name, cpu)));
        assert!(created.is_ok(), "{created:?}");
    }
    let refused = "0/3 nodes are available: 3 Insufficient cpu.";
    let huge = format!("huge placed=false ready=false {refused}");
    let up = ["fits placed=true ready=true ".to_owned(), huge];
    assert_eq!(pods_at(&mut world, 30), up);
    let gone = world.direct(request(Verb::Delete, "fits", Value::Null));
    assert!(gone.is_ok(), "{gone:?}");
    assert_eq!(pods_at(&mut world, 60), up[1..]);
}
