//! What expressions of policies and webhooks see, and of which types it is.
//!
//! Source: `BuildRequestType` and `BuildNamespaceType` of
//! `k8s.io/apiserver/pkg/admission/plugin/cel/compile.go`.

use std::collections::BTreeMap;

use super::compile;
use super::cost::{Declared, Structs};
use super::typed::Kind;
use super::types::{self, Checked};
use crate::json::Value;

/// The types of objects that expressions see: the name of each, and its fields by their types.
const TYPES: [(&str, &[(&str, &str)]); 9] = [
    (
        "kubernetes.GroupVersionKind",
        &[("group", "string"), ("version", "string"), ("kind", "string")],
    ),
    (
        "kubernetes.GroupVersionResource",
        &[("group", "string"), ("version", "string"), ("resource", "string")],
    ),
    (
        "kubernetes.UserInfo",
        &[
            ("username", "string"),
            ("uid", "string"),
            ("groups", "list(string)"),
            ("extra", "map(string,list(string))"),
        ],
    ),
    (
        "kubernetes.AdmissionRequest",
        &[
            ("kind", "kubernetes.GroupVersionKind"),
            ("resource", "kubernetes.GroupVersionResource"),
            ("subResource", "string"),
            ("requestKind", "kubernetes.GroupVersionKind"),
            ("requestResource", "kubernetes.GroupVersionResource"),
            ("requestSubResource", "string"),
            ("name", "string"),
            ("namespace", "string"),
            ("operation", "string"),
            ("userInfo", "kubernetes.UserInfo"),
            ("dryRun", "bool"),
            ("options", "dyn"),
        ],
    ),
    (
        "kubernetes.NamespaceMetadata",
        &[
            ("name", "string"),
            ("generateName", "string"),
            ("namespace", "string"),
            ("labels", "map(string,string)"),
            ("annotations", "map(string,string)"),
            ("UID", "string"),
            ("creationTimestamp", "google.protobuf.Timestamp"),
            ("deletionGracePeriodSeconds", "int"),
            ("deletionTimestamp", "google.protobuf.Timestamp"),
            ("generation", "int"),
            ("resourceVersion", "string"),
            ("finalizers", "list(string)"),
        ],
    ),
    ("kubernetes.NamespaceSpec", &[("finalizers", "list(string)")]),
    (
        "kubernetes.NamespaceCondition",
        &[
            ("status", "string"),
            ("type", "string"),
            ("lastTransitionTime", "google.protobuf.Timestamp"),
            ("message", "string"),
            ("reason", "string"),
        ],
    ),
    (
        "kubernetes.NamespaceStatus",
        &[("conditions", "list(kubernetes.NamespaceCondition)"), ("phase", "string")],
    ),
    (
        "kubernetes.Namespace",
        &[
            ("metadata", "kubernetes.NamespaceMetadata"),
            ("spec", "kubernetes.NamespaceSpec"),
            ("status", "kubernetes.NamespaceStatus"),
        ],
    ),
];

/// The type that holds the variables of a policy.
const VARIABLES: &str = "kubernetes.variables";

/// What an expression sees.
pub(crate) struct Seen {
    names: Vec<(&'static str, Kind)>,
    structs: Structs,
}

impl Seen {
    /// What conditions of a match see: those of a webhook, or of a policy that may have parameters.
    pub(crate) fn by_conditions(parameters: bool) -> Self {
        let fields = |fields: &[(&str, &str)]| {
            let field = |(name, kind): &(&str, &str)| ((*name).to_owned(), Kind::parse(kind));
            fields.iter().map(field).collect::<BTreeMap<_, _>>()
        };
        let structs = TYPES.iter().map(|(name, own)| ((*name).to_owned(), fields(own)));
        let names = vec![
            ("object", Kind::Dyn),
            ("oldObject", Kind::Dyn),
            ("request", Kind::Struct("kubernetes.AdmissionRequest".into())),
            ("authorizer", Kind::Struct("kubernetes.authorization.Authorizer".into())),
            (
                "authorizer.requestResource",
                Kind::Struct("kubernetes.authorization.ResourceCheck".into()),
            ),
            ("namespaceObject", Kind::Struct("kubernetes.Namespace".into())),
        ];
        let mut seen = Self { names, structs: structs.collect() };
        seen.names.extend(parameters.then_some(("params", Kind::Dyn)));
        seen
    }

    /// What all other expressions of a policy see before it has variables.
    pub(crate) fn by_policies(parameters: bool) -> Self {
        let mut seen = Self::by_conditions(parameters);
        seen.names.push(("variables", Kind::Struct(VARIABLES.into())));
        seen.structs.insert(VARIABLES.to_owned(), BTreeMap::new());
        seen
    }

    /// The same where objects are of one schema.
    pub(crate) fn with_objects(mut self, schema: &Value) -> Self {
        let declared = Declared::of(schema, false);
        let kind = declared.map_or(Kind::Dyn, |own| own.name("object", &mut self.structs));
        for (name, own) in &mut self.names {
            if matches!(*name, "object" | "oldObject") {
                own.clone_from(&kind);
            }
        }
        self
    }

    /// One variable more, of the type that an expression has.
    pub(crate) fn add_variable(&mut self, name: &str, kind: Kind) {
        self.structs.entry(VARIABLES.to_owned()).or_default().insert(name.to_owned(), kind);
    }

    /// What is wrong with an expression for the types of what it sees.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn checked(&self, source: &str) -> Result<Checked, String> {
        let compiled = compile(source);
        let forms = compiled.forms.as_ref().map_err(Clone::clone)?;
        Ok(types::check(source, forms, &self.names, &self.structs))
    }

    /// The type of an expression's value, which has to be one of some, if any are named.
    ///
    /// # Errors
    /// When it can never be evaluated, or is of another type.
    pub(crate) fn check(&self, source: &str, wanted: &[&str]) -> Result<Kind, String> {
        // Pointed at as cel-go does it.
        let failed = |why: &str| format!("compilation failed: {}", why.replace("\n|", "\n |"));
        let checked = self.checked(source).map_err(|why| failed(&why))?;
        if !checked.errors.is_empty() {
            return Err(failed(&checked.errors.join("\n")));
        }
        let kind = checked.kind;
        if wanted.is_empty() || wanted.iter().any(|name| kind == Kind::parse(name)) {
            return Ok(kind);
        }
        let got = if kind == Kind::Null { "null_type".to_owned() } else { kind.shown() };
        Err(match wanted {
            [one] => format!("must evaluate to {one} but got {got}"),
            many => format!("must evaluate to one of [{}] but got {got}", many.join(" ")),
        })
    }
}
