//! `/metrics`: what the API server counts of itself, in the text form of Prometheus.
//!
//! The names are those of kube-apiserver 1.37, of which only what a store in memory can tell is
//! there: how many objects of each resource it holds, how many events they made, and what it is.
//!
//! Source: <https://kubernetes.io/docs/reference/instrumentation/metrics/>,
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>.

use std::fmt::{Display, Write as _};

use http::header::{CONTENT_TYPE, HeaderValue};

use crate::api::server::Server;
use crate::body::Body;
use crate::store::Table;

/// The answer to `/metrics`; `None` for any other path.
pub fn answer(server: &Server, path: &str) -> Option<http::Response<Body>> {
    (path == "/metrics").then(|| {
        let mut answer = http::Response::new(Body::full(text(server)));
        let form = HeaderValue::from_static(
            "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
        );
        answer.headers_mut().insert(CONTENT_TYPE, form);
        answer
    })
}

/// One kind of number, with the labels of each.
struct Family<'a> {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    samples: Vec<(Vec<(&'static str, &'a str)>, usize)>,
}

impl Display for Family<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, help, kind, samples } = self;
        writeln!(f, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
        for (labels, value) in samples {
            let labels: Vec<String> =
                labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
            writeln!(f, "{name}{{{}}} {value}", labels.join(","))?;
        }
        Ok(())
    }
}

fn text(server: &Server) -> String {
    let version = server.registry.version();
    let (git, minor) = (version.git().to_string(), version.minor().to_string());
    let tables = server.store.tables();
    let of_each = |count: fn(&Table) -> usize| {
        let of = tables.iter().map(|table| &table.resource);
        let labels = of.map(|of| vec![("group", &*of.group), ("resource", &*of.resource)]);
        labels.zip(tables.iter().map(count)).collect()
    };
    let families = [
        Family {
            name: "apiserver_resource_objects",
            help: "[ALPHA] Number of stored objects split by kind.",
            kind: "gauge",
            samples: of_each(|table| table.objects.len()),
        },
        Family {
            name: "apiserver_storage_events_received_total",
            help: "[BETA] Number of events of the store split by kind.",
            kind: "counter",
            samples: of_each(|table| usize::try_from(table.end()).unwrap_or(usize::MAX)),
        },
        Family {
            name: "kubernetes_build_info",
            help: "[ALPHA] A metric with a constant '1' value labeled by major, minor, git version \
                   and platform from which Kubernetes was built.",
            kind: "gauge",
            samples: vec![(
                vec![
                    ("git_version", &git),
                    ("major", "1"),
                    ("minor", &minor),
                    ("platform", "linux/amd64"),
                ],
                1,
            )],
        },
    ];
    let mut text = String::new();
    for family in &families {
        let _ = write!(text, "{family}");
    }
    text
}
