//! The versions of Kubernetes that can be simulated, and what the older ones lack.
//!
//! `facts/1.34.txt` and its like are made by the `derive-facts` command, of a kube-apiserver that
//! acts as one of that version (`--emulated-version`, KEP-4330): what it does not serve, and which
//! of its features are off. Fields of features that are off are taken out of what is written,
//! see `api::disabled`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

/// A version of Kubernetes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub enum Version {
    /// 1.34.
    V1_34,
    /// 1.35.
    V1_35,
    /// 1.36.
    V1_36,
    /// 1.37, the newest.
    #[default]
    V1_37,
}

/// What differs from the newest version.
#[derive(Debug, Default)]
struct Difference {
    /// `GROUP/VERSION/RESOURCE` of what is not served.
    absent: BTreeSet<&'static str>,
    /// The features that are off, and on in the newest.
    off: BTreeSet<&'static str>,
    /// The features that are on, and off in the newest.
    on: BTreeSet<&'static str>,
}

/// The version that a text should have been.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("Kubernetes `{0}` is not simulated; known are {known}", known = Version::names().join(", "))]
pub struct UnknownVersion(pub String);

impl Version {
    /// Every version, the oldest first.
    pub const ALL: [Self; 4] = [Self::V1_34, Self::V1_35, Self::V1_36, Self::V1_37];

    /// The names of all, the oldest first.
    pub fn names() -> Vec<&'static str> {
        Self::ALL.map(Self::name).to_vec()
    }

    /// As people write it: `1.34`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1_34 => "1.34",
            Self::V1_35 => "1.35",
            Self::V1_36 => "1.36",
            Self::V1_37 => "1.37",
        }
    }

    /// The minor version: `34`.
    pub const fn minor(self) -> u32 {
        match self {
            Self::V1_34 => 34,
            Self::V1_35 => 35,
            Self::V1_36 => 36,
            Self::V1_37 => 37,
        }
    }

    /// As servers and nodes say it: `v1.37.2` is what the tables were made of; of the older ones
    /// no patch release was.
    pub const fn git(self) -> &'static str {
        match self {
            Self::V1_34 => "v1.34.0",
            Self::V1_35 => "v1.35.0",
            Self::V1_36 => "v1.36.0",
            Self::V1_37 => "v1.37.2",
        }
    }

    /// The version before, if there is a table of it.
    pub fn before(self) -> Option<Self> {
        Self::ALL.into_iter().rev().find(|other| *other < self)
    }

    const fn table(self) -> &'static str {
        match self {
            Self::V1_34 => include_str!("1.34.txt"),
            Self::V1_35 => include_str!("1.35.txt"),
            Self::V1_36 => include_str!("1.36.txt"),
            Self::V1_37 => "",
        }
    }

    /// What the bootstrap roles differ in, as `derive-roles` writes it.
    pub(crate) const fn roles(self) -> &'static str {
        match self {
            Self::V1_34 => include_str!("roles-1.34.txt"),
            Self::V1_35 => include_str!("roles-1.35.txt"),
            Self::V1_36 => include_str!("roles-1.36.txt"),
            Self::V1_37 => "",
        }
    }

    fn difference(self) -> &'static Difference {
        static READ: [OnceLock<Difference>; 4] = [const { OnceLock::new() }; 4];
        READ[self as usize].get_or_init(|| {
            let mut difference = Difference::default();
            for line in self.table().lines() {
                match line.split_once(' ') {
                    Some(("-", place)) => difference.absent.insert(place),
                    Some(("off", name)) => difference.off.insert(name),
                    Some(("on", name)) => difference.on.insert(name),
                    _ => false,
                };
            }
            difference
        })
    }

    /// Whether it serves a built-in collection, which the newest does.
    pub(crate) fn serves(self, group: &str, version: &str, resource: &str) -> bool {
        let absent = &self.difference().absent;
        absent.is_empty() || !absent.contains(format!("{group}/{version}/{resource}").as_str())
    }

    /// Whether a feature is on that is on in the newest version, or was once.
    pub fn has(self, feature: &str) -> bool {
        let difference = self.difference();
        let newest = || !Self::ALL.iter().any(|other| other.difference().on.contains(feature));
        difference.on.contains(feature) || (newest() && !difference.off.contains(feature))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Version {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        let found = Self::ALL.into_iter().find(|version| version.name() == text);
        found.ok_or_else(|| UnknownVersion(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::facts;

    #[test]
    fn what_is_absent_is_there_later() {
        let text = |entry: &crate::json::Value, field: &str| {
            entry[field].as_str().unwrap_or_default().to_owned()
        };
        let served: BTreeSet<String> = facts()
            .resources
            .iter()
            .map(|r| format!("{}/{}/{}", text(r, "group"), text(r, "version"), text(r, "resource")))
            .collect();
        for version in Version::ALL {
            assert_eq!(version.name().parse(), Ok(version));
            assert!(version.git().starts_with(&format!("v{version}.")));
            let absent = &version.difference().absent;
            assert!(absent.iter().all(|place| served.contains(*place)), "{version}: {absent:?}");
        }
        let counts = Version::ALL.map(|version| version.difference().absent.len());
        assert_eq!(counts, [6, 6, 4, 0]);
        assert!("1.33".parse::<Version>().is_err_and(|e| e.to_string().contains("1.34, 1.35")));
    }

    #[test]
    fn features_come_and_go() {
        let check = |feature: &str, expected: [bool; 4]| {
            assert_eq!(Version::ALL.map(|version| version.has(feature)), expected, "{feature}");
        };
        check("EnvFiles", [false, true, true, true]);
        check("HPAScaleToZero", [false, false, false, true]);
        check("ChangeContainerStatusOnKubeletRestart", [true, false, false, false]);
        check("SidecarContainers", [true; 4]);
    }
}
