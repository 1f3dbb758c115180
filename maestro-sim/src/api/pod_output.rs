//! What comes out of a pod's containers, and what goes into them: `log`, `exec`, `attach` and
//! `portforward`.
//!
//! The containers of a simulated cluster print nothing: their log is empty once they have started,
//! and before that it is what a kubelet says of a container that has not. Nothing can be run in
//! them, and nothing listens.
//!
//! Source: `LogLocation` and `streamLocation` of `k8s.io/kubernetes/pkg/registry/core/pod`,
//! `validateContainerLogStatus` of `k8s.io/kubernetes/pkg/kubelet`.

use crate::api::query::is_on;
use crate::api::registry::Served;
use crate::api::server::{Handled, Response, Server};
use crate::api::{Request, Status};
use crate::builtin::field::{self, Path, list, text};
use crate::json::Value;
use crate::object::{Object, at};

/// What of a pod's output is asked for (`PodLogOptions`, as far as it matters here).
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct LogOptions {
    /// The container, empty for a pod's only one.
    container: String,
    /// Whether it is the container before the last restart.
    previous: bool,
    /// How many lines, bytes and seconds, by the names of the options.
    amounts: Vec<(&'static str, String)>,
    /// Whether a time is named to begin at.
    since: bool,
    /// Whether a stream is named.
    stream: bool,
}

const AMOUNTS: [&str; 3] = ["limitBytes", "sinceSeconds", "tailLines"];

impl LogOptions {
    /// Reads an option of the query, if it says something of a pod's output.
    pub(super) fn read(asked: &mut Option<Box<Self>>, name: &str, value: &str) {
        let amount = AMOUNTS.into_iter().find(|known| *known == name);
        if amount.is_none() && !matches!(name, "container" | "previous" | "sinceTime" | "stream") {
            return;
        }
        let own = asked.get_or_insert_default();
        match (name, amount) {
            (_, Some(amount)) => own.amounts.push((amount, value.to_owned())),
            ("container", _) => value.clone_into(&mut own.container),
            ("previous", _) => own.previous = is_on(value),
            ("sinceTime", _) => own.since = true,
            _ => own.stream = true,
        }
    }

    /// Refuses what no log can be asked for.
    fn check(&self, name: &str) -> Result<(), Box<Status>> {
        let mut amounts = Vec::new();
        for (option, text) in &self.amounts {
            let wrong = |_| format!("strconv.ParseInt: parsing \"{text}\": invalid syntax");
            let number: i64 = text.parse().map_err(wrong).map_err(Status::bad_request)?;
            amounts.push((*option, number));
        }
        let mut causes = Vec::new();
        let root = Path::Root;
        let amount = |wanted: &str| amounts.iter().find(|(name, _)| *name == wanted).copied();
        if let Some((option, lines)) = amount("tailLines").filter(|(_, lines)| *lines < 0) {
            let detail = "must be greater than or equal to 0";
            causes.push(field::invalid(&root.field(option), &lines.into(), detail));
        }
        if self.since && amount("sinceSeconds").is_some() {
            let detail = "at most one of `sinceTime` or `sinceSeconds` may be specified";
            // The whole is called so.
            causes.push(field::forbidden(&"[]", detail));
        }
        for wanted in ["limitBytes", "sinceSeconds"] {
            let both = wanted == "sinceSeconds" && self.since;
            if let Some((option, number)) = amount(wanted).filter(|(_, n)| *n < 1 && !both) {
                let detail = "must be greater than 0";
                causes.push(field::invalid(&root.field(option), &number.into(), detail));
            }
        }
        if self.stream {
            causes.push(field::forbidden(&root.field("stream"), "may not be specified"));
        }
        match causes.is_empty() {
            true => Ok(()),
            false => Err(Box::new(Status::invalid("", "PodLogOptions", name, &causes))),
        }
    }
}

impl Server {
    /// Answers whoever wants to read a container's output.
    pub(super) fn log(&mut self, served: &Served, request: &Request) -> Handled {
        let none = LogOptions::default();
        let asked = request.options.log.as_deref().unwrap_or(&none);
        asked.check(&request.name)?;
        let pod = self.existing(served, request)?;
        let container = container(&pod, &asked.container)?;
        if pod.text(&["spec", "nodeName"]).is_empty() {
            return Ok(Response::Text { code: 204, text: String::new() });
        }
        match missing(&pod, &container, asked.previous) {
            Some(why) => Err(Box::new(Status::bad_request(why))),
            None => Ok(Response::Text { code: 200, text: String::new() }),
        }
    }

    /// Answers whoever wants to run something in a container, or to talk to it.
    pub(super) fn connect(&mut self, served: &Served, request: &Request) -> Handled {
        let pod = self.existing(served, request)?;
        if request.subresource != "portforward" {
            let asked = request.options.log.as_deref();
            container(&pod, asked.map_or("", |asked| &asked.container))?;
        }
        if pod.text(&["spec", "nodeName"]).is_empty() {
            let message = format!("pod {} does not have a host assigned", request.name);
            return Err(Box::new(Status::bad_request(message)));
        }
        let message =
            "error dialing backend: nothing runs in the containers of a simulated cluster";
        Err(Box::new(Status::new(500, "InternalError", message)))
    }
}

const LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// The container that is meant.
fn container(pod: &Object, asked: &str) -> Result<String, Box<Status>> {
    let spec = pod.at(&["spec"]).unwrap_or(&Value::Null);
    let all = || LISTS.iter().flat_map(|kind| list(spec, kind)).map(|one| text(one, "name"));
    let name = pod.name();
    let message = match (asked, list(spec, "containers")) {
        ("", [only]) => return Ok(text(only, "name").to_owned()),
        ("", []) => format!("a container name must be specified for pod {name}"),
        ("", _) => {
            let all: Vec<&str> = all().collect();
            let all = all.join(" ");
            format!("a container name must be specified for pod {name}, choose one of: [{all}]")
        }
        (asked, _) if all().any(|one| one == asked) => return Ok(asked.to_owned()),
        (asked, _) => format!("container {asked} is not valid for pod {name}"),
    };
    Err(Box::new(Status::bad_request(message)))
}

/// Why a container has no output to read, if it has none.
fn missing(pod: &Object, container: &str, previous: bool) -> Option<String> {
    let name = pod.name();
    let whose = format!("container \"{container}\" in pod \"{name}\"");
    let lists = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
    let all = lists.iter().flat_map(|kind| pod.items(&["status", kind]));
    let Some(status) = all.into_iter().find(|status| text(status, "name") == container) else {
        return Some(format!("{whose} is not available"));
    };
    let ended = at(status, &["lastState", "terminated"]).is_some();
    if previous {
        let none = || format!("previous terminated {whose} not found");
        return (!ended).then(none);
    }
    let state = |kind: &str| at(status, &["state", kind]);
    if state("running").is_some() || state("terminated").is_some() || ended {
        return None;
    }
    let Some(waiting) = state("waiting") else {
        return Some(format!("{whose} is waiting to start - no logs yet"));
    };
    let why = match text(waiting, "reason") {
        "ErrImagePull" => "image can't be pulled",
        "ImagePullBackOff" => "trying and failing to pull image",
        other => other,
    };
    Some(format!("{whose} is waiting to start: {why}"))
}
