//! The roles and bindings of a fresh cluster, as a running API server holds them.
//!
//! `facts/roles-1.37.txt` is made by the `derive-roles` command, and so are the tables of what
//! differs in older versions. A cluster pays for them when
//! somebody first asks for a role, or who may do what: they were always there, so that no watch
//! tells of them. Source:
//! <https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings>.

use super::GROUP;
use super::resolve::CLUSTER_ROLES;
use crate::api::server::Server;
use crate::controller::labels::Labels;
use crate::facts::Version;
use crate::json::{Map, Value, json};
use crate::object::{GroupResource, Object, map_at};
use crate::rng::Stream;

const TABLE: &str = include_str!("../../facts/roles-1.37.txt");
/// The controller that fills in the rules of roles that gather others'.
pub const AGGREGATOR: &str = "clusterrole-aggregation-controller";

/// Whether a server holds the bootstrap roles.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Roles {
    /// It has none, or holds them already.
    #[default]
    Settled,
    /// Nobody has asked for them yet.
    Waiting {
        /// The seed of their UIDs.
        seed: u64,
        /// Whether a controller manager runs, which fills in what is gathered.
        managed: bool,
    },
}

/// One line of the table: kind, namespace, name, and the rest as JSON.
type Line = (&'static str, &'static str, &'static str, &'static str);

fn parsed(line: &'static str) -> Option<Line> {
    let (kind, rest) = line.split_once(' ')?;
    let (place, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let (namespace, name) = place.split_once('/')?;
    Some((kind, namespace, name, rest))
}

/// The lines of a version: the newest one's, but for those that are others there, or none.
fn lines(version: Version) -> impl Iterator<Item = Line> {
    let difference = version.roles();
    let absent: Vec<Line> =
        difference.lines().filter_map(|line| parsed(line.strip_prefix("- ")?)).collect();
    let other: Vec<Line> =
        difference.lines().filter(|line| !line.starts_with('-')).filter_map(parsed).collect();
    let same = |a: &Line, b: &Line| (a.0, a.1, a.2) == (b.0, b.1, b.2);
    TABLE.lines().filter_map(parsed).filter_map(move |line| {
        let is_absent = absent.iter().any(|known| same(known, &line));
        let of_version = other.iter().find(|known| same(known, &line)).copied();
        (!is_absent).then(|| of_version.unwrap_or(line))
    })
}

/// The names of the bootstrap roles that gather others' rules, or give theirs to such.
pub fn gathering() -> impl Iterator<Item = &'static str> {
    let takes_part = |rest: &str| rest.contains("aggregat");
    lines(Version::default())
        .filter(move |line| line.0 == "ClusterRole" && takes_part(line.3))
        .map(|line| line.2)
}

/// The rules that a role with an aggregation rule gathers of others, in the order of their names.
///
/// Source: `k8s.io/kubernetes/pkg/controller/clusterroleaggregation`.
pub fn gathered<'r>(role: &Object, all: &[&'r Object]) -> Vec<&'r Value> {
    let mut rules: Vec<&Value> = Vec::new();
    for selector in role.items(&["aggregationRule", "clusterRoleSelectors"]) {
        let selector = Labels::of(Some(selector));
        let mut chosen: Vec<&&Object> =
            all.iter().filter(|one| selector.matches(one.labels())).collect();
        chosen.sort_by_key(|one| one.name());
        for other in chosen.into_iter().filter(|other| other.name() != role.name()) {
            for rule in other.items(&["rules"]) {
                if !rules.contains(&rule) {
                    rules.push(rule);
                }
            }
        }
    }
    rules
}

/// One object of the table, but for what the server writes into it.
fn object(kind: &str, namespace: &str, name: &str, rest: &str) -> Value {
    let parsed = serde_json::from_str::<Value>(rest);
    let mut object = parsed.unwrap_or_else(|_| Value::Object(Map::new()));
    let mut labels = json!({"kubernetes.io/bootstrapping": "rbac-defaults"});
    let fields = map_at(&mut object, &[]);
    if let Some(Value::Object(more)) = fields.remove("labels") {
        map_at(&mut labels, &[]).extend(more);
    }
    fields.insert("apiVersion", format!("{GROUP}/v1").into());
    fields.insert("kind", kind.into());
    let mut meta = json!({"name": name, "labels": labels,
        "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"}});
    if !namespace.is_empty() {
        meta["namespace"] = namespace.into();
    }
    fields.insert("metadata", meta);
    object
}

impl Server {
    /// From now on the server has the bootstrap roles. `managed` says whether a controller manager
    /// runs beside it.
    pub fn expect_roles(&mut self, seed: u64, managed: bool) {
        self.roles = Roles::Waiting { seed, managed };
    }

    /// Puts the bootstrap roles into the store, if nobody has asked for them before.
    pub(crate) fn hold_roles(&mut self) {
        let Roles::Waiting { seed, managed } = std::mem::take(&mut self.roles) else { return };
        let mut uids = Stream::new(seed, "bootstrap-roles");
        for (kind, namespace, name, rest) in lines(self.registry.version()) {
            let plural = format!("{}s", kind.to_ascii_lowercase());
            let resource = GroupResource::owned(GROUP, &plural);
            let Some(served) = self.registry.find(&resource, "v1") else { continue };
            let value = object(kind, namespace, name, rest);
            self.hold(&served, value, uids.uuid(), (std::time::Duration::ZERO, 1));
        }
        if managed {
            self.fill_gathering();
        }
    }

    /// Does what the controller did long ago. Some gather what others gathered: again and again,
    /// until nothing more is found.
    fn fill_gathering(&mut self) {
        loop {
            let Some(table) = self.store.find(&CLUSTER_ROLES) else { return };
            let all: Vec<&Object> = table.objects.values().map(AsRef::as_ref).collect();
            let news = all.iter().filter(|role| role.at(&["aggregationRule"]).is_some());
            let news: Vec<Value> = news
                .filter_map(|role| {
                    let rules = json!(gathered(role, &all));
                    (role.at(&["rules"]) != Some(&rules)).then(|| {
                        let mut value = role.value().clone();
                        map_at(&mut value, &[]).insert("rules", rules);
                        value
                    })
                })
                .collect();
            if news.is_empty() {
                return;
            }
            for value in news {
                self.store.hold(&CLUSTER_ROLES, value);
            }
        }
    }
}
