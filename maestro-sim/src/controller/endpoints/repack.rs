//! Subsets of Endpoints in their canonical layout: every address once, and ports that the same
//! addresses serve together.
//!
//! Source: `pkg/api/v1/endpoints/util.go`, `RepackSubsets`.

use std::collections::BTreeMap;

use crate::controller::{hash, shape};
use crate::json::{Map, Value};

/// An address: itself, and the uid of what it is the address of.
type Who = (String, String);

/// A port as Go's map of ports has it. An application protocol is a pointer there, so that two
/// ports with one are the same only if they come from the same place.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Port {
    name: String,
    number: i64,
    protocol: String,
    app: Option<(String, usize)>,
}

impl Port {
    fn new(port: &Value, place: usize) -> Self {
        let app = port.get("appProtocol").and_then(Value::as_str);
        Self {
            name: shape::text(port, &["name"]).to_owned(),
            number: port.get("port").and_then(Value::as_i64).unwrap_or(0),
            protocol: shape::text(port, &["protocol"]).to_owned(),
            app: app.map(|app| (app.to_owned(), place)),
        }
    }

    /// What the ports of a subset are ordered by: the hash of Go's dump of one.
    fn hash(&self) -> u128 {
        let Self { name, number, protocol, app } = self;
        let app = app.as_ref().map_or("<nil>", |(app, _)| app);
        hash::fnv128(&format!(
            "(v1.EndpointPort){{Name:(string){name} Port:(int32){number} \
             Protocol:(v1.Protocol){protocol} AppProtocol:(*string){app}}}"
        ))
    }
}

/// Who serves a port, and whether each is ready.
#[derive(Debug, Default)]
struct Served {
    /// As it was written; `None` for those who serve no port.
    port: Option<Value>,
    by: BTreeMap<Who, bool>,
}

/// Addresses on their way into subsets.
#[derive(Debug, Default)]
pub struct Repack {
    addresses: BTreeMap<Who, Value>,
    served: BTreeMap<Option<Port>, Served>,
}

impl Repack {
    /// Adds an address that serves these ports, or none. `place` says where the ports come from.
    /// Whoever is not ready somewhere on a port is not ready on it.
    pub fn add(&mut self, address: &Value, ready: bool, ports: &[Value], place: usize) {
        let text = |path: &[&str]| shape::text(address, path).to_owned();
        let who = (text(&["ip"]), text(&["targetRef", "uid"]));
        self.addresses.entry(who.clone()).or_insert_with(|| address.clone());
        let none = ports.is_empty().then_some(None);
        for port in ports.iter().map(Some).chain(none) {
            let served = self.served.entry(port.map(|port| Port::new(port, place))).or_default();
            served.port = port.cloned();
            *served.by.entry(who.clone()).or_insert(true) &= ready;
        }
    }

    /// The subsets, each an `EndpointSubset`.
    pub fn subsets(self) -> Vec<Value> {
        let mut together: BTreeMap<BTreeMap<Who, bool>, Vec<(u128, Value)>> = BTreeMap::new();
        for (port, served) in self.served {
            let ports = together.entry(served.by).or_default();
            ports.extend(port.map(|port| port.hash()).zip(served.port));
        }
        let of = |by: &BTreeMap<Who, bool>, wanted: bool| {
            let all = by.iter().filter(|(_, ready)| **ready == wanted);
            all.filter_map(|(who, _)| self.addresses.get(who).cloned()).collect()
        };
        let subset = |(by, mut ports): (BTreeMap<Who, bool>, Vec<(u128, Value)>)| {
            ports.sort_by_key(|(hash, _)| *hash);
            let mut subset = Map::new();
            let mut put = |field: &str, list: Vec<Value>| {
                if !list.is_empty() {
                    subset.insert(field, list.into());
                }
            };
            put("addresses", of(&by, true));
            put("notReadyAddresses", of(&by, false));
            put("ports", ports.into_iter().map(|(_, port)| port).collect());
            Value::Object(subset)
        };
        together.into_iter().map(subset).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;

    #[test]
    fn ports_stand_in_the_order_of_their_dumps_hashes() {
        // The sums are those of Go's own dump of these ports.
        let port = |port: Value| Port::new(&port, 0).hash();
        let http = port(json!({"name": "http", "port": 80, "protocol": "TCP"}));
        assert_eq!(format!("{http:032x}"), "754b003f50f133a539c60d18cfb30a55");
        let app = port(json!({"port": 1, "protocol": "UDP", "appProtocol": "http2"}));
        assert_eq!(format!("{app:032x}"), "1282de0802e49f280e6698871a17418f");
    }

    #[test]
    fn subsets_are_repacked() {
        let (a, b) = (json!({"ip": "1.1.1.1"}), json!({"ip": "1.1.1.2"}));
        let (x, y) = (json!({"port": 1, "protocol": "TCP"}), json!({"port": 2, "protocol": "TCP"}));
        let mut repack = Repack::default();
        repack.add(&a, true, std::slice::from_ref(&x), 0);
        repack.add(&a, false, std::slice::from_ref(&y), 1);
        repack.add(&b, true, std::slice::from_ref(&y), 2);
        repack.add(&a, true, std::slice::from_ref(&y), 3);
        repack.add(&b, true, &[], 4);
        let subsets = json!([
            {"addresses": [a], "ports": [x]},
            {"addresses": [b], "notReadyAddresses": [a], "ports": [y]},
            {"addresses": [b]},
        ]);
        let mut found = repack.subsets();
        found.sort_by_cached_key(|subset| std::cmp::Reverse(subset.to_string()));
        let mut wanted = subsets.as_array().cloned().unwrap_or_default().to_vec();
        wanted.sort_by_cached_key(|subset| std::cmp::Reverse(subset.to_string()));
        assert_eq!(found, wanted);
    }
}
