//! What whoever starts an API server decides: its admission plugins, its authorizers, its pools of
//! addresses and ports, and who its tokens are from.
//!
//! Source:
//! <https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/>.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

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

/// A range of IPv4 addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    base: u32,
    size: u32,
}

impl Range {
    /// The first address.
    pub fn base(self) -> Ipv4Addr {
        Ipv4Addr::from(self.base)
    }

    /// How many addresses there are.
    pub const fn size(self) -> u32 {
        self.size
    }

    /// The address at an offset.
    pub fn at(self, offset: u32) -> Ipv4Addr {
        Ipv4Addr::from(self.base.saturating_add(offset))
    }

    /// Where an address lies in it.
    pub fn offset(self, address: Ipv4Addr) -> Option<u32> {
        u32::from(address).checked_sub(self.base).filter(|offset| *offset < self.size)
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.base(), 32 - self.size.trailing_zeros())
    }
}

/// Why a text is no range of addresses for Services.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct RangeError(&'static str);

impl std::str::FromStr for Range {
    type Err = RangeError;

    /// Reads `10.0.0.0/24`. Services need a few addresses, and a server takes a million at most.
    fn from_str(text: &str) -> Result<Self, RangeError> {
        let read = text.split_once('/').and_then(|(address, bits)| {
            Some((address.parse::<Ipv4Addr>().ok()?, bits.parse::<u32>().ok()?))
        });
        match read {
            Some((address, bits @ 12..=29)) => {
                let size = 1 << (32 - bits);
                Ok(Self { base: u32::from(address) & !(size - 1), size })
            }
            Some(_) => Err(RangeError("a range of Services has from 12 to 29 fixed bits")),
            None => Err(RangeError("it is no range of IPv4 addresses, such as 10.0.0.0/24")),
        }
    }
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
    /// The port on which the server itself is served.
    pub port: u16,
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
            services: Range { base: 10 << 24 | 96 << 16, size: 1 << 20 },
            node_ports: 30000..=32767,
            port: 6443,
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

    #[test]
    fn ranges_are_read() {
        let range: Range = "10.0.0.7/24".parse().expect("a range");
        assert_eq!(range.to_string(), "10.0.0.0/24");
        assert_eq!(range.at(1).to_string(), "10.0.0.1");
        assert_eq!(range.offset(Ipv4Addr::new(10, 0, 0, 255)), Some(255));
        assert_eq!(range.offset(Ipv4Addr::new(10, 0, 1, 0)), None);
        assert_eq!(Settings::default().services.to_string(), "10.96.0.0/12");
        for none in ["", "10.0.0.0", "10.0.0.0/8", "10.0.0.0/30", "fd00::/64", "a/24"] {
            assert!(none.parse::<Range>().is_err(), "{none}");
        }
    }
}
