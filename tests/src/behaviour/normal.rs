//! What may differ between two clusters that behave alike: what is drawn, counted or timed.
//!
//! Objects whose names are drawn are alike but for their names, so they are compared as a set.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use maestro_sim::json::{Map, Value, json};
use maestro_sim::object::Object;
use regex::{Captures, Regex};

use crate::behaviour::case::Case;
use crate::behaviour::log::Change;
use crate::behaviour::side::Told;

static UID: LazyLock<Regex> =
    LazyLock::new(|| regex("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"));
static TIME: LazyLock<Regex> = LazyLock::new(|| regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"));
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| regex(r"\b\d+\.\d+\.\d+\.\d+\b"));
static NODE: LazyLock<Regex> = LazyLock::new(|| regex(r"\bnode-\d\b"));
static ZONE: LazyLock<Regex> = LazyLock::new(|| regex(r"\bzone-\d\b"));
static MINUTE: LazyLock<Regex> = LazyLock::new(|| regex(r"-\d{8}\b"));
static CONTAINER: LazyLock<Regex> = LazyLock::new(|| regex("containerd://[0-9a-f]+"));
static TOKEN_VOLUME: LazyLock<Regex> = LazyLock::new(|| regex("kube-api-access-[a-z0-9]{5}"));
static CERTIFICATE: LazyLock<Regex> = LazyLock::new(|| regex("(?s)-----BEGIN CERT.*-----\n?"));

/// Lists whose order says nothing: it follows names, addresses or the clock.
const UNORDERED: [&str; 7] = [
    "addresses",
    "conditions",
    "endpoints",
    "finalizers",
    "notReadyAddresses",
    "subsets",
    "taints",
];

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant of this file")
}

/// What became of a case, as it is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// What is said of each object, and of each step's answer, by `Kind name`. Objects with drawn
    /// names share one.
    pub told: BTreeMap<String, Vec<String>>,
    /// How often objects of each kind were written.
    pub writes: BTreeMap<String, usize>,
}

/// One object through its life.
#[derive(Default)]
struct Life<'a> {
    states: BTreeMap<String, String>,
    transitions: Vec<(String, String)>,
    // Whether anything changed since it was first seen, apart from its content.
    moved: bool,
    last: Option<&'a Change>,
}

/// Makes the picture of a case.
pub fn picture(case: &Case, told: &Told) -> Picture {
    let names = Names::new(case, &told.changes);
    let mut picture = Picture::default();
    let mut lives: BTreeMap<&str, Life<'_>> = BTreeMap::new();
    for change in &told.changes {
        let kind = change.object.text(&["kind"]);
        if kind != "Node" {
            *picture.writes.entry(kind.to_owned()).or_default() += 1;
        }
        lives.entry(change.object.uid()).or_default().see(change);
    }
    for life in lives.into_values() {
        let Some(last) = life.last else { continue };
        let object = &last.object;
        if object.text(&["kind"]) == "Node" && !life.moved {
            continue;
        }
        let id = format!("{} {}", object.text(&["kind"]), names.text(object.name()));
        let mut transitions = life.transitions;
        if object.text(&["kind"]) == "Pod" {
            // Kubelets, the same on both sides, write several at once as the clock has it.
            transitions.sort_by(|a, b| a.0.cmp(&b.0));
        }
        let shown = transitions.iter().map(|(kind, state)| format!("{kind}={state}\n"));
        let mut text: String = shown.collect();
        text.push_str(&match last.gone {
            true => "gone".to_owned(),
            false => {
                let mut value = object.value().clone();
                names.value(&mut value, object.text(&["kind"]) == "Node");
                serde_json::to_string_pretty(&value).unwrap_or_default()
            }
        });
        picture.told.entry(id).or_default().push(names.text(&text));
    }
    for (index, answer) in told.answers.iter().enumerate() {
        picture.told.insert(format!("Step {index:02}"), vec![names.text(answer)]);
    }
    picture.told.values_mut().for_each(|all| all.sort());
    picture
}

impl<'a> Life<'a> {
    fn see(&mut self, change: &'a Change) {
        let first = self.last.is_none();
        // Nodes were there before the case began.
        let told = !first || change.object.text(&["kind"]) != "Node";
        let wanted =
            |of: &Change| ["taints", "unschedulable"].map(|f| of.object.value()["spec"][f].clone());
        self.moved |= match self.last {
            Some(last) => wanted(last) != wanted(change),
            None => wanted(change) != [Value::Null, Value::Null],
        };
        self.last = Some(change);
        if change.gone {
            return;
        }
        for (kind, state) in states(&change.object) {
            if self.states.get(&kind) != Some(&state) {
                if told {
                    self.moved = true;
                    self.transitions.push((kind.clone(), state.clone()));
                }
                self.states.insert(kind, state);
            }
        }
    }
}

/// The conditions of an object, and its phase.
fn states(object: &Object) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for condition in object.items(&["status", "conditions"]) {
        let text = |name: &str| condition.get(name).and_then(Value::as_str).unwrap_or("");
        let reason = match text("reason") {
            "" => String::new(),
            reason => format!("/{reason}"),
        };
        all.insert(text("type").to_owned(), format!("{}{reason}", text("status")));
    }
    let phase = object.text(&["status", "phase"]);
    if !phase.is_empty() {
        all.insert("phase".to_owned(), phase.to_owned());
    }
    if object.is_deleting() {
        all.insert("deleting".to_owned(), "yes".to_owned());
    }
    all
}

/// What one cluster drew during a case.
struct Names {
    uids: BTreeMap<String, String>,
    // The longest first, since names hold others.
    drawn: Vec<(String, String)>,
    // Whether the scheduler may choose among nodes as it likes.
    any_node: bool,
}

impl Names {
    fn new(case: &Case, changes: &[Change]) -> Self {
        let mut drawn: BTreeMap<String, String> = BTreeMap::new();
        // *Hashes of templates*: by the order in which the objects of one owner appear.
        let mut hashes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for Change { object, .. } in changes {
            let Some((owner, hash)) = hash(object) else { continue };
            let known = hashes.entry(owner.clone()).or_default();
            if known.insert(hash.clone()) {
                let shown = format!("<hash {}>", known.len());
                drawn.insert(object.name().to_owned(), format!("{owner}-{shown}"));
                drawn.entry(hash).or_insert(shown);
            }
        }
        for Change { object, .. } in changes {
            let base = object.text(&["metadata", "generateName"]);
            if !base.is_empty() && object.name().len() == base.len() + 5 {
                let known = drawn.iter().find(|(name, _)| base == format!("{name}-"));
                let shown = known.map_or_else(|| base.to_owned(), |(_, shown)| format!("{shown}-"));
                drawn.insert(object.name().to_owned(), format!("{shown}<drawn>"));
            }
        }
        let mut drawn: Vec<_> = drawn.into_iter().collect();
        drawn.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        let mut names =
            Self { uids: BTreeMap::new(), drawn, any_node: !case.alone || case.any_node };
        for Change { object, .. } in changes {
            let shown = format!("<uid of {} {}>", object.text(&["kind"]), object.name());
            let shown = names.text(&shown);
            names.uids.insert(object.uid().to_owned(), shown);
        }
        names
    }

    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, shown) in &self.drawn {
            if text.contains(name) {
                text = text.replace(name, shown);
            }
        }
        let text = UID.replace_all(&text, |found: &Captures<'_>| {
            self.uids.get(&found[0]).cloned().unwrap_or_else(|| "<uid>".to_owned())
        });
        let text = TIME.replace_all(&text, "<time>");
        let text = ADDRESS.replace_all(&text, "<address>");
        let text = MINUTE.replace_all(&text, "-<minute>");
        let text = CONTAINER.replace_all(&text, "<container>");
        let text = TOKEN_VOLUME.replace_all(&text, "kube-api-access-<drawn>");
        let mut text = CERTIFICATE.replace_all(&text, "<certificate>").into_owned();
        if self.any_node {
            text = NODE.replace_all(&text, "<node>").into_owned();
            text = ZONE.replace_all(&text, "<zone>").into_owned();
        }
        text
    }

    /// Removes what is counted and orders what has no order.
    fn value(&self, value: &mut Value, is_node: bool) {
        if is_node {
            let shown = ["taints", "unschedulable"].map(|name| value["spec"][name].clone());
            *value = json!({"taints": shown[0], "unschedulable": shown[1]});
        }
        if let Some(Value::Object(meta)) = value.get_mut("metadata") {
            meta.remove("managedFields");
        }
        self.order(value);
    }

    fn order(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text).into(),
            Value::Array(list) => list.iter_mut().for_each(|item| self.order(item)),
            Value::Object(map) => self.map(map),
            _ => {}
        }
    }

    fn map(&self, map: &mut Map) {
        map.remove("resourceVersion");
        // How often the slices of a Service are written depends on what falls into one pass.
        if map.get("kind").is_some_and(|kind| kind == "EndpointSlice" || kind == "Endpoints")
            && let Some(Value::Object(meta)) = map.get_mut("metadata")
        {
            meta.remove("generation");
            // As does which of them tells of a change.
            meta.remove("annotations");
        }
        for (name, field) in map.iter_mut() {
            self.order(field);
            match (name.as_str(), field) {
                (name, Value::Array(list)) if UNORDERED.contains(&name) => {
                    list.sort_by_cached_key(Value::to_string);
                }
                ("nodePort", field) => *field = "<port>".into(),
                _ => {}
            }
        }
    }
}

/// The owner and the hash of a ReplicaSet or ControllerRevision that is named for both.
fn hash(object: &Object) -> Option<(String, String)> {
    let owned = object.controller().is_some();
    let revision = object.text(&["kind"]) == "ControllerRevision";
    if !revision && (object.text(&["kind"]) != "ReplicaSet" || !owned) {
        return None;
    }
    let (owner, hash) = object.name().rsplit_once('-')?;
    (revision || object.label("pod-template-hash") == Some(hash))
        .then(|| (owner.to_owned(), hash.to_owned()))
}
