//! The steps on a node that only notes them, and fails as it is told to.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::{Node, STEPS, config, kubeconfig, run};

#[derive(Default)]
struct Fake {
    /// A word of a command, and how many times it fails.
    fails: Mutex<BTreeMap<&'static str, u32>>,
    asked: Mutex<Vec<String>>,
}

impl Node for Fake {
    async fn exec(&self, command: &[&str]) -> Result<String, String> {
        let line = command.last().copied().unwrap_or_default();
        self.asked.lock().expect("a lock").push(line.to_owned());
        let mut fails = self.fails.lock().expect("a lock");
        match { fails.iter_mut() }.find(|(word, left)| line.contains(**word) && **left > 0) {
            Some((word, left)) => {
                *left -= 1;
                Err(format!("{word} is not ready"))
            }
            None => Ok(String::new()),
        }
    }
}

/// What became of it, and how many commands there were.
fn made(fails: &[(&'static str, u32)]) -> (Result<(), String>, Vec<String>) {
    let fake = Fake { fails: Mutex::new(fails.iter().copied().collect()), ..Fake::default() };
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
    let result = runtime.block_on(run(&fake));
    (result, fake.asked.into_inner().expect("a lock"))
}

#[test]
fn what_takes_a_while_is_tried_again_and_what_fails_is_named() {
    let all = STEPS.len();
    let check = |fails: &[(&'static str, u32)], why: Option<&str>, commands: usize| {
        let (result, asked) = made(fails);
        assert_eq!(result.as_ref().err().map(String::as_str), why, "{fails:?}");
        assert_eq!(asked.len(), commands, "{asked:#?}");
    };
    check(&[], None, all);
    check(&[("multi-user", 3), ("default-storage", 2)], None, all + 5);
    check(&[("kubeadm init", 1)], Some("kind: the control plane: kubeadm init is not ready"), 3);
    check(&[("multi-user", 1000)], Some("kind: the node's services: multi-user is not ready"), 121);
    check(&[("ctr", 1)], Some("kind: the operator's image: ctr is not ready"), all - 1);
}

#[test]
fn everything_is_filled_in() {
    let (_, asked) = made(&[]);
    for line in asked {
        assert!(!line.replace("@VERSION@", "").contains('@'), "{line}");
    }
    assert_eq!(config().matches("@VERSION@").count(), 1);
    assert_eq!(config().matches("\nkind: ").count(), 4);
}

#[test]
fn a_kubeconfig_leads_to_the_mapped_port() {
    let known = "clusters:\n- cluster:\n    server: https://maestro-kind:6443\n  name: a\n";
    let outside = "clusters:\n- cluster:\n    server: https://127.0.0.1:41\n  name: a\n";
    assert_eq!(kubeconfig(known, 41).as_deref(), Ok(outside));
    assert!(kubeconfig("clusters: []\n", 41).is_err());
}
