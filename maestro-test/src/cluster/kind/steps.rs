//! How a container of kind's image becomes a cluster: commands in it, in order, as data.
//!
//! Source: kind's own actions, `pkg/cluster/internal/create/actions`, and its configuration of
//! kubeadm, `pkg/cluster/internal/kubeadm/config.go` (<https://github.com/kubernetes-sigs/kind>).

use std::future::Future;
use std::time::Duration;

use maestro_core::manifests;

/// The node's name.
pub const NAME: &str = "maestro-kind";
/// Where kubeadm's configuration stands.
pub const CONFIG: &str = "/kind/maestro-kubeadm.yaml";
/// Where the operator's manifests stand.
pub const MANIFESTS: &str = "/kind/maestro-manifests.json";
/// Where the operator's image stands.
pub const ARCHIVE: &str = "/kind/maestro-operator.tar";
/// Between two tries of what may take a while.
const AGAIN: Duration = Duration::from_secs(1);
/// The network of pods, which the manifest of the CNI leaves open.
const PODS: &str = "10.244.0.0/16";

/// Where commands are carried out.
pub trait Node {
    /// Runs a command to its end: what it printed.
    ///
    /// # Errors
    /// With how it ended and what it printed.
    fn exec(&self, command: &[&str]) -> impl Future<Output = Result<String, String>>;
}

/// One step.
struct Step {
    /// What it is for, as a failure says it.
    what: &'static str,
    /// A line for a shell.
    line: &'static str,
    /// How long it is tried again when it fails, in seconds.
    patience: u64,
}

const fn step(what: &'static str, patience: u64, line: &'static str) -> Step {
    Step { what, line, patience }
}

/// All of them. A word in capitals between `@` is filled in.
const STEPS: [Step; 9] = [
    step("the node's services", 120, "systemctl is-active multi-user.target"),
    step("kubeadm's configuration", 0, "sed -i \"s/@VERSION@/$(cat /kind/version)/\" @CONFIG@"),
    step(
        "the control plane",
        0,
        "kubeadm init --config=@CONFIG@ --skip-token-print --skip-phases=preflight",
    ),
    step(
        "the network of pods",
        60,
        "sed 's#{{ *\\.PodSubnet *}}#@PODS@#g' /kind/manifests/default-cni.yaml | \
         kubectl apply -f -",
    ),
    step("the storage", 60, "kubectl apply -f /kind/manifests/default-storage.yaml"),
    step(
        "the taint of the control plane",
        60,
        "kubectl taint nodes --all node-role.kubernetes.io/control-plane-",
    ),
    step(
        "a node that is ready",
        0,
        "kubectl wait --for=condition=Ready nodes --all --timeout=300s",
    ),
    step(
        "the operator's image",
        0,
        "ctr --namespace=k8s.io images import --all-platforms --snapshotter=overlayfs @ARCHIVE@",
    ),
    step(
        "the operator",
        60,
        "kubectl apply --server-side -f @MANIFESTS@ && kubectl --namespace @NAMESPACE@ \
         rollout status deployment/@OPERATOR@ --timeout=300s",
    ),
];

/// What is filled in.
const WORDS: [(&str, &str); 6] = [
    ("@CONFIG@", CONFIG),
    ("@PODS@", PODS),
    ("@ARCHIVE@", ARCHIVE),
    ("@MANIFESTS@", MANIFESTS),
    ("@NAMESPACE@", manifests::NAMESPACE),
    ("@OPERATOR@", manifests::NAME),
];

/// Makes a cluster of a node.
///
/// # Errors
/// With the step that failed and what it printed.
pub async fn run(node: &impl Node) -> Result<(), String> {
    for step in &STEPS {
        let line =
            WORDS.iter().fold(step.line.to_owned(), |line, (word, by)| line.replace(word, by));
        let line = format!("export KUBECONFIG=/etc/kubernetes/admin.conf; {line}");
        let end = tokio::time::Instant::now() + Duration::from_secs(step.patience);
        while let Err(why) = node.exec(&["sh", "-c", &line]).await {
            if tokio::time::Instant::now() >= end {
                return Err(format!("kind: {}: {why}", step.what));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
    Ok(())
}

/// kubeadm's configuration, but for the version, which the image itself knows.
pub fn config() -> String {
    format!(
        "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n\
         kubernetesVersion: '@VERSION@'\nclusterName: {NAME}\n\
         apiServer: {{certSANs: [localhost, 127.0.0.1]}}\n\
         networking: {{podSubnet: {PODS}, serviceSubnet: 10.96.0.0/16}}\n\
         ---\napiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n\
         nodeRegistration:\n  name: {NAME}\n  criSocket: unix:///run/containerd/containerd.sock\n\
         ---\napiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n\
         cgroupDriver: systemd\ncgroupRoot: /kubelet\nfailSwapOn: false\n\
         imageGCHighThresholdPercent: 100\n\
         evictionHard: {{nodefs.available: 0%, nodefs.inodesFree: 0%, imagefs.available: 0%}}\n\
         ---\napiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n\
         conntrack: {{maxPerCore: 0}}\n"
    )
}

/// The administrator's kubeconfig, for a client outside: its server is the mapped port.
///
/// # Errors
/// When it names no server.
pub fn kubeconfig(known: &str, port: u16) -> Result<String, String> {
    let mut named = false;
    let lines = known.lines().map(|line| match line.split_once("server:") {
        Some((before, _)) => {
            named = true;
            format!("{before}server: https://127.0.0.1:{port}\n")
        }
        None => format!("{line}\n"),
    });
    let text: String = lines.collect();
    named.then_some(text).ok_or_else(|| "kubeadm's kubeconfig names no server".to_owned())
}

#[cfg(test)]
mod tests;
