//! What the scheduler reads off a pod, once.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::json::{Map, Value};
use crate::object::{Key, Object, at};
use crate::quantity::Quantity;
use crate::scheduler::in_use;

/// Amounts by resource name.
pub type Amounts = BTreeMap<String, Quantity>;

/// A host port: its protocol, address and number.
pub type Port = (String, String, i64);

/// What a container without a request is taken to use when nodes are compared: 100m cpu and
/// 200 MB (`pkg/scheduler/util/pod_resources.go`).
const USUAL: [(&str, Quantity); 2] =
    [("cpu", Quantity::milli(100)), ("memory", Quantity::units(200 * 1024 * 1024))];

/// Cpu in thousandths and memory in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct CpuMemory {
    cpu: i64,
    memory: i64,
}

impl CpuMemory {
    /// What a list of resources holds of both.
    pub fn of(amounts: &Amounts) -> Self {
        let of = |name| amounts.get(name).copied().unwrap_or_default();
        Self { cpu: of("cpu").milli_value(), memory: of("memory").value() }
    }

    /// Cpu, then memory.
    pub const fn each(self) -> [i64; 2] {
        [self.cpu, self.memory]
    }

    /// The sum of both.
    pub const fn plus(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_add(other.cpu),
            memory: self.memory.saturating_add(other.memory),
        }
    }

    /// The difference.
    pub const fn minus(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(other.cpu),
            memory: self.memory.saturating_sub(other.memory),
        }
    }
}

/// A pod as the scheduler sees it.
#[derive(Clone, Debug)]
pub struct PodInfo {
    /// The object.
    pub object: Arc<Object>,
    /// What it asks for, init containers and overhead counted in.
    pub requests: Amounts,
    /// What it asks for of cpu and memory.
    pub asked: CpuMemory,
    /// The same with the usual needs of containers that do not say; nodes are compared by that.
    pub usual: CpuMemory,
    /// `spec.priority`.
    pub priority: i64,
    /// Host ports.
    pub ports: Vec<Port>,
}

impl PodInfo {
    /// Reads a pod.
    pub fn new(object: Arc<Object>) -> Self {
        let requests = requests(object.value());
        let asked = CpuMemory::of(&requests);
        let usual = CpuMemory::of(&requests_or(object.value(), &USUAL));
        let priority = object.int(&["spec", "priority"]).unwrap_or(0);
        let ports = ports(object.value());
        Self { object, requests, asked, usual, priority, ports }
    }

    /// Whether it asks for less of something than it did before, so that there is room for others.
    pub fn takes_less_than(&self, before: &Self) -> bool {
        let now = |name: &str| self.requests.get(name).copied().unwrap_or_default();
        before.requests.iter().any(|(name, amount)| now(name) < *amount)
    }

    /// Namespace and name.
    pub fn key(&self) -> &Key {
        self.object.key()
    }

    /// The pod's labels.
    pub fn labels(&self) -> Option<&Map> {
        self.object.labels()
    }

    /// The elements of an array at a path.
    pub fn items(&self, path: &[&str]) -> &[Value] {
        self.object.items(path)
    }
}

/// Reads a list of resources; malformed amounts count as absent (the API server refuses them).
pub fn amounts(list: Option<&Value>) -> Amounts {
    let entries = list.and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.to_string(), quantity(value)?))).collect()
}

fn quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

/// Adds amounts to amounts.
pub fn add(to: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let sum = to.entry(name.clone()).or_default();
        *sum = *sum + *amount;
    }
}

/// Raises each amount to another where that is more.
pub fn raise(to: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        let most = to.entry(name.clone()).or_default();
        *most = (*most).max(*amount);
    }
}

/// The containers together, or the neediest moment of initialisation if that is more; sidecars
/// count from their start on (KEP-753). `of` reads one container.
pub fn together(pod: &Value, of: impl Fn(&Value) -> Amounts) -> Amounts {
    let list = |name| at(pod, &["spec", name]).and_then(Value::as_array).into_iter().flatten();
    let mut total = Amounts::new();
    for container in list("containers") {
        add(&mut total, &of(container));
    }
    let (mut sidecars, mut peak) = (Amounts::new(), Amounts::new());
    for container in list("initContainers") {
        let own = of(container);
        if container.get("restartPolicy").is_some_and(|policy| policy == "Always") {
            add(&mut total, &own);
            add(&mut sidecars, &own);
            raise(&mut peak, &sidecars);
        } else {
            let mut moment = sidecars.clone();
            add(&mut moment, &own);
            raise(&mut peak, &moment);
        }
    }
    raise(&mut total, &peak);
    total
}

/// What the containers ask for together, or take while they are resized, plus overhead.
pub fn requests(pod: &Value) -> Amounts {
    requests_or(pod, &[])
}

/// The same, where a container that does not ask for a resource is taken to ask for that much.
fn requests_or(pod: &Value, usual: &[(&str, Quantity)]) -> Amounts {
    let complete = |mut wanted: Amounts| {
        for (name, amount) in usual {
            wanted.entry((*name).to_owned()).or_insert(*amount);
        }
        wanted
    };
    let resized = in_use::of_containers(pod, "requests", complete);
    let mut total = resized.unwrap_or_else(|| {
        together(pod, |container| {
            let mut wanted = amounts(at(container, &["resources", "limits"]));
            wanted.extend(amounts(at(container, &["resources", "requests"])));
            complete(wanted)
        })
    });
    // Requests of the pod as a whole replace those of its containers (KEP-2837).
    total.extend(amounts(at(pod, &["spec", "resources", "requests"])));
    add(&mut total, &amounts(at(pod, &["spec", "overhead"])));
    total
}

/// The host ports of all containers.
pub fn ports(pod: &Value) -> Vec<Port> {
    let lists = ["containers", "initContainers"].into_iter();
    let containers = lists.filter_map(|list| at(pod, &["spec", list])?.as_array()).flatten();
    let ports = containers.filter_map(|c| c.get("ports")?.as_array()).flatten();
    ports
        .filter_map(|port| {
            let number = port.get("hostPort")?.as_i64().filter(|n| *n > 0)?;
            let text = |field: &str, default: &str| {
                let text = port.get(field).and_then(Value::as_str).filter(|t| !t.is_empty());
                text.unwrap_or(default).to_owned()
            };
            Some((text("protocol", "TCP"), text("hostIP", "0.0.0.0"), number))
        })
        .collect()
}
