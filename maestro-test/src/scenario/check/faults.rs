//! What the types of a fault cannot say: references, ranges, and fields that its kind reads.

use std::time::Duration;

use super::{one_of, percent, pods, words};
use crate::scenario::Spec;
use crate::scenario::fault::{self, Fault, FaultKind, OperatorCrash};
use crate::scenario::problem::Problem;
use crate::scenario::text::{At, Place};

/// Collects what is wrong with one fault.
pub fn check(fault: &Fault, spec: &Spec, steps: &[&str], problems: &mut Vec<Problem>) {
    let Some((word, kind)) = fault.kind() else {
        let place = fault.after.as_ref().map(|a| a.place).unwrap_or_default();
        problems.push(
            Problem::new(place, "a fault does nothing", "this")
                .help(format!("give it one of {}", fault::KINDS.join(", "))),
        );
        return;
    };
    let place = fault_place(fault, kind);
    let given = words(&fault.kinds());
    one_of(&At { value: word.to_owned(), place }, "fault", "does", &given, &fault::KINDS, problems);
    if let Some(after) = &fault.after
        && !steps.contains(&after.as_str())
    {
        problems.push(Problem::unknown(after.place, "step", after, steps));
    }
    if fault.every.is_some() && fault.at.is_some() {
        problems.push(
            Problem::new(place, format!("fault `{word}` has both `every` and `at`"), "this")
                .help("`every` strikes again and again, `at` once; keep one"),
        );
    }
    if fault.every.is_some_and(|every| every.low < Duration::from_millis(1)) {
        problems.push(
            Problem::new(place, format!("fault `{word}` would strike without end"), "this")
                .help("`every` is at least 1ms"),
        );
    }
    if fault.lasts.is_some() && !kind.lasts() {
        problems.push(
            Problem::new(place, format!("fault `{word}` is over at once"), "so `for` is idle")
                .help("remove `for`; `every` strikes again and again"),
        );
    }
    parameters(kind, spec, place, problems);
}

fn parameters(kind: FaultKind<'_>, spec: &Spec, place: Place, problems: &mut Vec<Problem>) {
    match kind {
        FaultKind::PodKill(fault) => pods(fault, place, problems),
        FaultKind::ContainerKill(fault) => {
            pods(fault, place, problems);
            if fault.grace_period.is_some() {
                problems.push(
                    Problem::new(place, "a killed container is given no grace", "this")
                        .help("remove `gracePeriod`, or write pod-kill"),
                );
            }
        }
        FaultKind::Partition(partition) => ends(&partition.between, spec, problems),
        FaultKind::OperatorCrash(crash) => replica(crash, spec, problems),
        FaultKind::LeaderLoss if replicas(spec) < 2 => problems.push(
            Problem::new(place, "a single replica holds no lease to lose", "this")
                .help("write operator: {maestro: {replicas: 2}}"),
        ),
        FaultKind::NodeDown(down) => {
            if let Some(node) = &down.node {
                a_node(node, spec, problems);
            }
        }
        FaultKind::SlowRollout(slow) if slow.factor.low == 0 => problems.push(
            Problem::new(slow.factor.place, "a factor of 0 would make it instant", "this")
                .help("write 1 or more"),
        ),
        FaultKind::LostReply(share) => {
            percent(share.percent.place, share.percent.value, problems);
        }
        FaultKind::ApiError(error) => {
            percent(error.percent.place, error.percent.value, problems);
            if ![409, 410, 429, 500, 503, 504].contains(&error.code.value) {
                problems.push(
                    Problem::new(
                        error.code.place,
                        format!("{} is no error that can be injected", error.code.value),
                        "this",
                    )
                    .help("write 409, 410, 429, 500, 503 or 504"),
                );
            }
            let known = ["get", "list", "watch", "create", "update", "patch", "delete"];
            for verb in error.verbs.iter().filter(|v| !known.contains(&v.as_str())) {
                problems.push(Problem::unknown(verb.place, "verb", verb, &known));
            }
        }
        _ => {}
    }
}

/// Where to point for a fault as a whole: the first of its values that knows its place.
fn fault_place(fault: &Fault, kind: FaultKind<'_>) -> Place {
    let of_kind = match kind {
        FaultKind::Partition(p) => p.between.first().map(|end| end.place),
        FaultKind::SlowRollout(slow) => Some(slow.factor.place),
        FaultKind::LostReply(share) => Some(share.percent.place),
        FaultKind::LeaderLoss => fault.leader_loss.as_ref().map(|at| at.place),
        FaultKind::WatchDrop => fault.watch_drop.as_ref().map(|at| at.place),
        FaultKind::WatchGap => fault.watch_gap.as_ref().map(|at| at.place),
        FaultKind::ApiError(error) => Some(error.code.place),
        FaultKind::PodKill(pods) | FaultKind::ContainerKill(pods) => {
            pods.value.as_ref().map(|v| v.place)
        }
        _ => None,
    };
    let known = of_kind.filter(|place| place.line > 0);
    known.or_else(|| fault.after.as_ref().map(|a| a.place)).unwrap_or_default()
}

fn replicas(spec: &Spec) -> u32 {
    spec.operator.maestro.as_ref().map_or(1, |maestro| maestro.replicas.value)
}

fn nodes(spec: &Spec) -> Vec<String> {
    (1..=spec.cluster.nodes.value).map(|number| format!("node-{number}")).collect()
}

fn a_node(node: &At<String>, spec: &Spec, problems: &mut Vec<Problem>) {
    let known = nodes(spec);
    if !known.contains(node) {
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        problems.push(Problem::unknown(node.place, "node", node, &known));
    }
}

fn replica(crash: &OperatorCrash, spec: &Spec, problems: &mut Vec<Problem>) {
    let all = replicas(spec);
    if let Some(replica) = crash.replica.as_ref().filter(|replica| replica.value >= all) {
        let message = format!("the operator has no replica {}", replica.value);
        let help = format!("its replicas are 0 to {}", all.saturating_sub(1));
        problems.push(Problem::new(replica.place, message, "this").help(help));
    }
}

fn ends(between: &[At<String>], spec: &Spec, problems: &mut Vec<Problem>) {
    let place = between.first().map(|end| end.place).unwrap_or_default();
    let mut known: Vec<String> =
        ["apiserver", "operator", "controllers", "nodes"].map(str::to_owned).into();
    known.extend((0..replicas(spec)).map(|index| format!("operator/{index}")));
    known.extend(nodes(spec));
    for end in between {
        if !known.contains(end) {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            problems.push(Problem::unknown(end.place, "end of a partition", end, &known));
            return;
        }
    }
    if between.len() != 2 {
        problems.push(
            Problem::new(place, format!("a partition has two ends, not {}", between.len()), "")
                .help("write between: [operator, apiserver]"),
        );
    } else if between.iter().filter(|end| end.as_str() == "apiserver").count() != 1 {
        problems.push(
            Problem::new(place, "one end of a partition is the API server", "this")
                .help("everything talks through it: write between: [operator, apiserver]"),
        );
    }
}
