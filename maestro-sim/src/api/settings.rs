//! What whoever starts an API server decides: its admission plugins, its authorizers, its pools of
//! addresses and ports, and who its tokens are from.
//!
//! Source:
//! <https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/>.

use std::ops::RangeInclusive;

pub use super::addresses::pool::Range;

/// An admission plugin that can be switched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plugin {
    /// Approvers may approve for the signer.
    CertificateApproval,
    /// Ingresses that name no class get the default one.
    DefaultIngressClass,
    /// Claims that name no class get the default one.
    DefaultStorageClass,
    /// Pods stay five minutes on a lost node.
    DefaultTolerationSeconds,
    /// LimitRanges hold.
    LimitRanger,
    /// MutatingAdmissionPolicies hold.
    MutatingAdmissionPolicy,
    /// Mutating webhooks are asked.
    MutatingAdmissionWebhook,
    /// What is written lies in a namespace that is there and stays.
    NamespaceLifecycle,
    /// Nodes write what is theirs.
    NodeRestriction,
    /// Pod Security Standards hold.
    PodSecurity,
    /// Pods carry labels of their nodes.
    PodTopologyLabels,
    /// Priority classes hold.
    Priority,
    /// ResourceQuotas hold.
    ResourceQuota,
    /// Runtime classes hold.
    RuntimeClass,
    /// Pods run as an account that exists.
    ServiceAccount,
    /// Volumes and claims stay while they are used.
    StorageObjectInUseProtection,
    /// New nodes are not ready.
    TaintNodesByCondition,
    /// ValidatingAdmissionPolicies hold.
    ValidatingAdmissionPolicy,
    /// Validating webhooks are asked.
    ValidatingAdmissionWebhook,
}

/// Those that can be switched, by their names; each is on unless it is [`Plugin::NodeRestriction`].
const PLUGINS: [(&str, Plugin); 19] = [
    ("CertificateApproval", Plugin::CertificateApproval),
    ("DefaultIngressClass", Plugin::DefaultIngressClass),
    ("DefaultStorageClass", Plugin::DefaultStorageClass),
    ("DefaultTolerationSeconds", Plugin::DefaultTolerationSeconds),
    ("LimitRanger", Plugin::LimitRanger),
    ("MutatingAdmissionPolicy", Plugin::MutatingAdmissionPolicy),
    ("MutatingAdmissionWebhook", Plugin::MutatingAdmissionWebhook),
    ("NamespaceLifecycle", Plugin::NamespaceLifecycle),
    ("NodeRestriction", Plugin::NodeRestriction),
    ("PodSecurity", Plugin::PodSecurity),
    ("PodTopologyLabels", Plugin::PodTopologyLabels),
    ("Priority", Plugin::Priority),
    ("ResourceQuota", Plugin::ResourceQuota),
    ("RuntimeClass", Plugin::RuntimeClass),
    ("ServiceAccount", Plugin::ServiceAccount),
    ("StorageObjectInUseProtection", Plugin::StorageObjectInUseProtection),
    ("TaintNodesByCondition", Plugin::TaintNodesByCondition),
    ("ValidatingAdmissionPolicy", Plugin::ValidatingAdmissionPolicy),
    ("ValidatingAdmissionWebhook", Plugin::ValidatingAdmissionWebhook),
];

/// The others that a server has on: what they do is always done.
const FIXED: [&str; 6] = [
    "CertificateSigning",
    "CertificateSubjectRestriction",
    "ClusterTrustBundleAttest",
    "NodeDeclaredFeatureValidator",
    "PersistentVolumeClaimResize",
    "PodResizeValidator",
];

/// The others that it has, and off: what they do is never done.
const ABSENT: [&str; 14] = [
    "AlwaysAdmit",
    "AlwaysDeny",
    "AlwaysPullImages",
    "DenyServiceExternalIPs",
    "EventRateLimit",
    "ExtendedResourceToleration",
    "ImagePolicyWebhook",
    "LimitPodHardAntiAffinityTopology",
    "NamespaceAutoProvision",
    "NamespaceExists",
    "OwnerReferencesPermissionEnforcement",
    "PodGroupProtection",
    "PodNodeSelector",
    "PodTolerationRestriction",
];

/// What became of a plugin that was to be switched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Switched {
    /// It is as was wanted.
    Done,
    /// There is such a plugin, and it cannot be had so.
    Unsimulated,
    /// There is no such plugin.
    Unknown,
}

/// The admission plugins that are on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plugins(u32);

impl Plugins {
    /// Those that kube-apiserver has on by itself.
    pub fn usual() -> Self {
        let all = PLUGINS.iter().fold(0, |all, (_, plugin)| all | 1 << *plugin as u32);
        Self(all & !(1 << Plugin::NodeRestriction as u32))
    }

    /// Whether one is on.
    pub const fn has(self, plugin: Plugin) -> bool {
        self.0 & 1 << plugin as u32 != 0
    }

    /// Switches one, by its name.
    pub fn switch(&mut self, name: &str, on: bool) -> Switched {
        if let Some((_, plugin)) = PLUGINS.iter().find(|(known, _)| *known == name) {
            let bit = 1 << *plugin as u32;
            self.0 = if on { self.0 | bit } else { self.0 & !bit };
            return Switched::Done;
        }
        match (FIXED.contains(&name), ABSENT.contains(&name)) {
            (true, _) if on => Switched::Done,
            (_, true) if !on => Switched::Done,
            (false, false) => Switched::Unknown,
            _ => Switched::Unsimulated,
        }
    }
}

/// Who decides what somebody may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Authorizer {
    /// Nodes may do what the pods on them need.
    Node,
    /// The roles in the cluster say.
    Rbac,
    /// Everybody may do everything.
    AlwaysAllow,
    /// Nobody may do anything.
    AlwaysDeny,
}

/// How an API server is set up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The admission plugins.
    pub plugins: Plugins,
    /// Who is asked what somebody may do, one after another, until one allows it.
    pub authorizers: Vec<Authorizer>,
    /// Who gives out the tokens of service accounts.
    pub issuer: String,
    /// Whom they are for when nothing else is said.
    pub audiences: Vec<String>,
    /// Out of which Services get their addresses; the first is the `kubernetes` Service's.
    pub services: Range,
    /// Out of which they get their node ports.
    pub node_ports: RangeInclusive<u16>,
}

/// The issuer of a cluster that says nothing else.
const ISSUER: &str = "https://kubernetes.default.svc";

impl Default for Settings {
    /// As clusters are commonly set up: nodes are kept to what is theirs.
    fn default() -> Self {
        let mut plugins = Plugins::usual();
        plugins.switch("NodeRestriction", true);
        Self {
            plugins,
            authorizers: vec![Authorizer::Node, Authorizer::Rbac],
            issuer: ISSUER.to_owned(),
            audiences: vec![ISSUER.to_owned()],
            services: Range::USUAL,
            node_ports: 30000..=32767,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_are_switched_by_name() {
        let mut plugins = Plugins::usual();
        for (name, on, expected) in [
            ("ServiceAccount", false, Switched::Done),
            ("NodeRestriction", true, Switched::Done),
            ("CertificateSigning", true, Switched::Done),
            ("CertificateSigning", false, Switched::Unsimulated),
            ("AlwaysPullImages", true, Switched::Unsimulated),
            ("AlwaysPullImages", false, Switched::Done),
            ("Nothing", true, Switched::Unknown),
        ] {
            assert_eq!(plugins.switch(name, on), expected, "{name}");
        }
        assert!(plugins.has(Plugin::NodeRestriction) && plugins.has(Plugin::Priority));
        assert!(!plugins.has(Plugin::ServiceAccount));
    }
}
