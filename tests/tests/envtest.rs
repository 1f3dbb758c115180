//! What stands in for the programs of controller-runtime's envtest answers as they do, started with
//! the same flags and the same certificates.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use maestro_tests::envtest::{Plane, ask};
use regex::Regex;
use serde_json::Value;

/// Who asks.
#[derive(Clone, Copy)]
enum As {
    Nobody,
    Admin,
    User,
    /// Of whom the server was not told.
    Stranger,
}
use As::{Admin, Nobody, Stranger, User};

const REVIEW: &str = r#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#;
const PATH: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const ROLE: &str = r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding",
    "metadata":{"name":"bob"},"subjects":[{"kind":"User","name":"bob",
    "apiGroup":"rbac.authorization.k8s.io"}],
    "roleRef":{"kind":"ClusterRole","name":"cluster-admin","apiGroup":"rbac.authorization.k8s.io"}}"#;
const POD: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"pod"},
    "spec":{"containers":[{"name":"a","image":"a"}]}}"#;
const NODE_PORT: &str = r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"outside"},
    "spec":{"clusterIP":"10.0.0.77","ports":[{"port":80}]}}"#;
const ELSEWHERE: &str = r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"elsewhere"},
    "spec":{"clusterIP":"10.96.0.77","ports":[{"port":80}]}}"#;
const ACCOUNT: &str =
    r#"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"account"}}"#;
const TOKEN: &str = r#"{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}"#;
const CLAIM: &str = r#"{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"claim"},
    "spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}"#;
const NAMESPACE: &str = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"gone"}}"#;
const NODE: &str = r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"node"}}"#;

/// What is asked of both, in order.
const ASKED: [(As, &str, &str, &str); 30] = [
    (Nobody, "GET", "/healthz", ""),
    (Nobody, "GET", "/readyz", ""),
    (Nobody, "GET", "/livez/ping", ""),
    (Nobody, "GET", "/api", ""),
    (Nobody, "GET", "/api/v1/namespaces/default", ""),
    (Nobody, "POST", PATH, REVIEW),
    (Stranger, "GET", "/healthz", ""),
    (Stranger, "GET", "/api/v1/namespaces/default", ""),
    (Admin, "POST", PATH, REVIEW),
    (User, "POST", PATH, REVIEW),
    (User, "GET", "/api", ""),
    (User, "POST", "/api/v1/namespaces/default/pods", POD),
    (Admin, "POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", ROLE),
    (User, "POST", "/api/v1/namespaces/default/pods", POD),
    (User, "GET", "/api/v1/nodes", ""),
    (Admin, "GET", "/api/v1/namespaces/default", ""),
    (Admin, "GET", "/api/v1/namespaces/default/services/kubernetes", ""),
    (Admin, "POST", "/api/v1/namespaces/default/services", NODE_PORT),
    (Admin, "POST", "/api/v1/namespaces/default/services", ELSEWHERE),
    (Admin, "POST", "/api/v1/namespaces/default/serviceaccounts", ACCOUNT),
    (Admin, "POST", "/api/v1/namespaces/default/serviceaccounts/account/token", TOKEN),
    (Admin, "GET", "/api/v1/serviceaccounts", ""),
    (Admin, "GET", "/apis/storage.k8s.io/v1/storageclasses", ""),
    (Admin, "POST", "/api/v1/namespaces/default/persistentvolumeclaims", CLAIM),
    (Admin, "POST", "/api/v1/nodes", NODE),
    (Admin, "POST", "/api/v1/namespaces", NAMESPACE),
    (Admin, "DELETE", "/api/v1/namespaces/gone", ""),
    (Admin, "POST", "/api/v1/namespaces/gone/pods", POD),
    (Admin, "GET", "/api/v1/namespaces/gone", ""),
    (Admin, "GET", "/apis/apps/v1/replicasets", ""),
];

/// What a token says of itself.
fn claims(token: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// An answer without what two clusters never have in common.
fn plain(text: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    if let Some(claims) = value["status"]["token"].as_str().and_then(claims) {
        value["status"]["token"] = claims;
    }
    value["metadata"].as_object_mut().map(|meta| meta.remove("managedFields"));
    // The addresses of a machine, which a simulated server has not.
    value.as_object_mut().map(|fields| fields.remove("serverAddressByClientCIDRs"));
    let mut text = serde_json::to_string_pretty(&value).expect("JSON");
    for (pattern, by) in [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
        (r#""resourceVersion": "\d+""#, "VERSION"),
        (r"X509SHA256=[0-9a-f]{64}", "CERTIFICATE"),
        (r#""targetPort": \d+"#, "PORT"),
        (r"https://127\.0\.0\.1:\d+/", "SERVER"),
        (r"\b1[78]\d{8}\b", "SECONDS"),
    ] {
        text = Regex::new(pattern).expect("a pattern").replace_all(&text, by).into_owned();
    }
    text
}

async fn answers(plane: &Plane) -> Vec<String> {
    let nobody = plane.client(None);
    let admin = plane.client(Some(("admin", &["system:masters"])));
    let user = plane.client(Some(("bob", &["dev"])));
    let stranger = plane.stranger("admin", &["system:masters"]);
    let mut all = Vec::new();
    for (who, method, path, body) in ASKED {
        let (client, name) = match who {
            Nobody => (&nobody, "nobody"),
            Admin => (&admin, "admin"),
            User => (&user, "user"),
            Stranger => (&stranger, "stranger"),
        };
        let (code, text) = ask(client, method, path, body).await;
        all.push(format!("{name} {method} {path}\n{code} {}\n", plain(&text)));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_programs_of_envtest_are_stood_in_for() {
    let more = ["--enable-admission-plugins=TaintNodesByCondition", "--v=1"];
    let simulated = Plane::simulated(&more).await;
    let found = answers(&simulated).await;
    // What holds of them whatever a real one says.
    for (index, code) in [(0, "200"), (3, "403"), (6, "401"), (8, "201"), (11, "403"), (13, "201")]
    {
        let answer = &found[index];
        assert!(answer.contains(&format!("\n{code} ")), "{answer}");
    }
    let real = match Plane::real(&more).await {
        Ok(real) => real,
        Err(why) => {
            println!("SKIPPED envtest: {why}");
            return;
        }
    };
    let wanted = answers(&real).await;
    println!(
        "envtest: {} answers, started in {:?}, real {:?}",
        wanted.len(),
        simulated.start,
        real.start
    );
    let (wanted, found) = (wanted.join("\n"), found.join("\n"));
    let diff = similar::TextDiff::from_lines(&wanted, &found);
    let diff = diff.unified_diff().context_radius(6).header("real", "simulated").to_string();
    assert!(wanted == found, "{diff}");
}
