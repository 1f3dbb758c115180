//! The documents of discovery that are older than the aggregated one, their fields in the order in
//! which a real server writes them: scripts look for `"name":"pods","singularName":"pod"` in the
//! text.
//!
//! Source: `k8s.io/apimachinery/pkg/apis/meta/v1` (`APIResourceList`, `APIGroup`, `APIGroupList`,
//! `APIVersions`) and `k8s.io/apimachinery/pkg/version` (`Info`).

use serde::Serialize;

use crate::json::Value;

/// `APIVersions`: what `/api` answers.
#[derive(Serialize)]
pub(super) struct Versions {
    pub kind: &'static str,
    pub versions: [&'static str; 1],
}

/// `APIGroupList`: what `/apis` answers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupList<'a> {
    pub kind: &'static str,
    pub api_version: &'static str,
    pub groups: Vec<Group<'a>>,
}

/// `APIGroup`: an entry of that list, and a document of its own, which alone says its kind.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Group<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<&'static str>,
    pub name: &'a str,
    pub versions: Vec<GroupVersion<'a>>,
    pub preferred_version: Option<GroupVersion<'a>>,
}

/// `GroupVersionForDiscovery`.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupVersion<'a> {
    pub group_version: String,
    pub version: &'a str,
}

/// `APIResourceList`: the resources of one version of one group.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourceList<'a> {
    pub kind: &'static str,
    /// The core's document is older than versions of documents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<&'static str>,
    pub group_version: String,
    pub resources: Vec<Resource<'a>>,
}

/// `APIResource`: a resource or a subresource.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resource<'a> {
    pub name: String,
    pub singular_name: &'a str,
    pub namespaced: bool,
    /// Of the subresource's kind, where it is another than the resource's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<&'a str>,
    pub kind: &'a str,
    pub verbs: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub short_names: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub categories: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_version_hash: Option<String>,
}

/// `version.Info`: what `/version` answers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Info {
    pub major: &'static str,
    pub minor: String,
    pub emulation_major: &'static str,
    pub emulation_minor: String,
    pub min_compatibility_major: &'static str,
    pub min_compatibility_minor: String,
    pub git_version: String,
    pub git_commit: &'static str,
    pub git_tree_state: &'static str,
    pub build_date: &'static str,
    pub go_version: &'static str,
    pub compiler: &'static str,
    pub platform: &'static str,
}

/// `RootPaths`: what `/` answers.
#[derive(Serialize)]
pub(super) struct RootPaths {
    pub paths: Vec<String>,
}
