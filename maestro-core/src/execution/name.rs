//! Names of executions: the same wish always gives the same name, so that creating an execution
//! twice (after a crash, from two replicas, from a stale cache) is a no-op.

use std::collections::BTreeMap;

use serde_json::Value;

/// The longest name a label value may carry, which is what an execution's name must fit in.
const LONGEST: usize = 63;

/// What makes one run different from another.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The instance's name.
    pub instance: &'a str,
    /// The instance's UID.
    pub uid: &'a str,
    /// The plan.
    pub plan: &'a str,
    /// The generation covered.
    pub generation: i64,
    /// The place among the instance's runs.
    pub sequence: i64,
    /// The Framework's version.
    pub version: &'a str,
    /// The parameters of the run.
    pub parameters: &'a BTreeMap<String, Value>,
}

/// The execution's name: instance, plan, generation and a hash of everything.
#[must_use]
pub fn execution_name(identity: &Identity<'_>) -> String {
    let mut hash = Fnv::new();
    for part in [identity.uid, identity.plan, identity.version] {
        hash.write(part.as_bytes());
    }
    hash.write(&identity.generation.to_be_bytes());
    hash.write(&identity.sequence.to_be_bytes());
    for (name, value) in identity.parameters {
        hash.write(name.as_bytes());
        hash.write(value.to_string().as_bytes());
    }
    let tail = format!("-{}-{:08x}", identity.generation, hash.finish() as u32);
    let head = format!("{}-{}", identity.instance, identity.plan);
    shorten(&head, LONGEST.saturating_sub(tail.len())) + &tail
}

/// The name of a task's Job in one attempt: the base cut so that execution, step and attempt fit.
#[must_use]
pub fn job_name(base: &str, execution_uid: &str, place: &str, attempt: u32) -> String {
    let mut hash = Fnv::new();
    hash.write(execution_uid.as_bytes());
    hash.write(place.as_bytes());
    let tail = format!("-{:08x}-{attempt}", hash.finish() as u32);
    shorten(base, LONGEST.saturating_sub(tail.len())) + &tail
}

/// A short stable hash of any JSON, for telling two renderings apart.
#[must_use]
pub fn fingerprint(value: &Value) -> u64 {
    let mut hash = Fnv::new();
    hash.write(value.to_string().as_bytes());
    hash.finish()
}

fn shorten(text: &str, longest: usize) -> String {
    text.chars().take(longest).collect::<String>().trim_end_matches(['-', '.']).to_owned()
}

/// FNV-1a, 64 bits: names need spread, not secrecy, and the same value on every platform.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&[0xff]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(instance: &str, generation: i64, sequence: i64) -> String {
        let parameters = BTreeMap::from([("nodes".to_owned(), Value::from(3))]);
        execution_name(&Identity {
            instance,
            uid: "u",
            plan: "deploy",
            generation,
            sequence,
            version: "1.0.0",
            parameters: &parameters,
        })
    }

    #[test]
    fn the_same_wish_has_the_same_name_and_another_has_another() {
        assert_eq!(name("main", 1, 1), name("main", 1, 1));
        assert_ne!(name("main", 1, 1), name("main", 1, 2));
        assert!(name("main", 2, 1).starts_with("main-deploy-2-"));
    }

    #[test]
    fn long_names_fit_a_label() {
        let long = "x".repeat(200);
        assert!(name(&long, 1, 1).len() <= LONGEST);
        assert!(job_name(&long, "uid", "a/b/c", 12).len() <= LONGEST);
    }
}
