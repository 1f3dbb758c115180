//! That nothing depends on what goes: decisions by what is left are those by the whole history.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::{prop_assert, prop_assert_eq, proptest};
use serde_json::json;

use super::*;
use crate::execution::choose::{Decision, Desired, Fired, baseline, decide, first_version};
use crate::execution::{Cause, Moment, PlanExecutionSpec, PlanExecutionStatus, Schedule};
use crate::framework::FrameworkSpec;

fn framework() -> FrameworkSpec {
    let names = ["deploy", "update", "upgrade", "resize", "rollback", "recover", "backup"];
    let plans: BTreeMap<&str, Value> =
        names.iter().map(|name| (*name, json!({"phases": []}))).collect();
    serde_json::from_value(json!({
        "names": {"kind": "Z", "plural": "zs"}, "version": "2.0.0", "plans": plans,
        "parameters": [{"name": "nodes", "type": "integer", "onChange": "resize"},
                       {"name": "memory", "type": "integer"}],
        "triggers": [{"plan": "recover", "when": "true"}],
    }))
    .expect("a framework")
}

fn at(minute: usize) -> Moment {
    let seconds = i64::try_from(minute * 60).unwrap_or_default();
    Moment::new(jiff::Timestamp::from_second(seconds).expect("a time"))
}

/// What differs between runs; their order makes the rest.
#[derive(Clone, Debug)]
struct Drawn {
    kind: (&'static str, Option<Cause>),
    version: &'static str,
    nodes: u32,
    memory: u32,
    state: State,
    rollback: bool,
    retry: bool,
    edited: bool,
}

/// Runs of which so many in about ten complete.
fn runs(complete: u32) -> impl Strategy<Value = Drawn> {
    let kinds = vec![
        ("deploy", Some(Cause::Created)),
        ("update", Some(Cause::ParametersChanged)),
        ("resize", Some(Cause::ParametersChanged)),
        ("upgrade", Some(Cause::VersionChanged)),
        ("rollback", Some(Cause::RolledBack)),
        ("recover", Some(Cause::Triggered)),
        ("update", Some(Cause::Triggered)),
        ("backup", Some(Cause::Triggered)),
        ("backup", None),
    ];
    let state = prop_oneof![
        complete => Just(State::Complete),
        6 => Just(State::Failed),
        1 => Just(State::Superseded),
        1 => Just(State::Cancelled),
    ];
    let version = select(vec!["1.0.0", "2.0.0"]);
    let flags = (any::<bool>(), 0..9_u32, any::<bool>());
    (select(kinds), version, 3..5_u32, 1..3_u32, state, flags).prop_map(
        |(kind, version, nodes, memory, state, (rollback, retry, edited))| Drawn {
            kind,
            version,
            nodes,
            memory,
            state,
            rollback,
            retry: retry == 0,
            edited,
        },
    )
}

fn parameters(nodes: u32, memory: u32) -> BTreeMap<String, Value> {
    BTreeMap::from([("nodes".to_owned(), json!(nodes)), ("memory".to_owned(), json!(memory))])
}

fn history(drawn: &[Drawn], last: State) -> Vec<PlanExecution> {
    let mut generation = 1;
    let mut all = Vec::new();
    for (index, one) in drawn.iter().enumerate() {
        generation += i64::from(one.edited);
        let (plan, cause) = one.kind;
        let manual = cause.is_none();
        let spec = PlanExecutionSpec {
            plan: plan.to_owned(),
            cause,
            framework_version: Some(one.version.to_owned()),
            generation: if manual { 0 } else { generation },
            sequence: if manual { 0 } else { i64::try_from(index).unwrap_or_default() + 1 },
            parameters: parameters(one.nodes, one.memory),
            scheduled_for: (plan == "backup" && !manual).then(|| at(index * 10)),
            retry: one.retry.then(|| "again".to_owned()),
            ..PlanExecutionSpec::default()
        };
        let mut run = PlanExecution::new(&format!("run-{index:03}"), spec);
        let is_last = index + 1 == drawn.len();
        let state = if is_last { last } else { one.state };
        run.status = Some(PlanExecutionStatus {
            state,
            rollback: one.rollback && state == State::Failed,
            finished_at: state.is_terminal().then(|| at(index * 10 + 5)),
            ..PlanExecutionStatus::default()
        });
        all.push(run);
    }
    all
}

/// A decision by names instead of places.
fn said(spec: &FrameworkSpec, desired: &Desired, history: &[PlanExecution]) -> String {
    let name = |at: usize| history[at].metadata.name.clone().unwrap_or_default();
    match decide(spec, desired, history) {
        Decision::Continue(at) => format!("continue {}", name(at)),
        Decision::Supersede(at, why) => format!("supersede {}: {why}", name(at)),
        other => format!("{other:?}"),
    }
}

fn pruned(history: &[PlanExecution], limit: u32) -> Vec<PlanExecution> {
    let surplus = surplus(history, limit);
    let stays = |(at, _): &(usize, &PlanExecution)| !surplus.contains(at);
    history.iter().enumerate().filter(stays).map(|(_, run)| run.clone()).collect()
}

/// The last finished run of a plan, as a trigger's rest and the status look for it.
fn last_of(history: &[PlanExecution], plan: &str) -> Option<Moment> {
    let runs = history.iter().filter(|run| run.spec.plan == plan);
    runs.filter_map(|run| run.status.as_ref()?.finished_at).max()
}

proptest! {
    #[test]
    fn nothing_depends_on_what_goes(
        drawn in (0..5_u32).prop_flat_map(|complete| vec(runs(complete), 0..40)),
        last in select(vec![State::Complete, State::Failed, State::Running, State::Pending]),
        limit in 0..4_u32,
        (version, nodes, memory) in (select(vec!["1.0.0", "2.0.0"]), 3..5_u32, 1..3_u32),
        (newer, deleting, suspended) in (0..3_i64, any::<bool>(), any::<bool>()),
        fires in any::<bool>(),
        now in 0..500_usize,
    ) {
        let whole = history(&drawn, last);
        let left = pruned(&whole, limit);
        let spec = framework();
        let generation = whole.iter().map(|run| run.spec.generation).max().unwrap_or(1);
        let desired = Desired {
            generation: generation + newer,
            version: version.to_owned(),
            parameters: parameters(nodes, memory),
            deleting,
            suspended,
            fired: fires.then_some(Fired { trigger: 0, instant: None }).into_iter().collect(),
        };
        prop_assert_eq!(said(&spec, &desired, &left), said(&spec, &desired, &whole));
        prop_assert_eq!(baseline(&left), baseline(&whole));
        if baseline(&whole).is_none() {
            prop_assert_eq!(first_version(&left), first_version(&whole));
        }
        let schedule = Schedule::parse("*/10 * * * *").expect("a schedule");
        prop_assert_eq!(
            schedule.due("backup", &left, at(now)),
            schedule.due("backup", &whole, at(now))
        );
        for plan in spec.plans.keys() {
            prop_assert_eq!(last_of(&left, plan), last_of(&whole, plan));
        }
        // What a later look finds surplus is what this one found, and no more.
        prop_assert!(surplus(&left, limit).is_empty());
        let manual = |runs: &[PlanExecution]| runs.iter().filter(|run| run.is_manual()).count();
        prop_assert_eq!(manual(&left), manual(&whole));
    }

    #[test]
    fn however_long_a_history_what_is_left_is_bounded(
        drawn in vec(runs(4), 300..400),
        limit in 0..12_u32,
    ) {
        let mut drawn = drawn;
        drawn.retain(|one| one.kind.1.is_some() && !one.retry);
        let left = pruned(&history(&drawn, State::Complete), limit);
        // Three of each of seven plans, what of two versions and four sets of parameters was
        // tried, and the four that say what the instance runs.
        let most = usize::try_from(limit).unwrap_or(0) + 3 * 7 + 2 * 4 + 4;
        prop_assert!(left.len() <= most, "{} are left", left.len());
    }
}

#[test]
fn the_last_so_many_stay() {
    let one = Drawn {
        kind: ("update", Some(Cause::ParametersChanged)),
        version: "1.0.0",
        nodes: 3,
        memory: 1,
        state: State::Complete,
        rollback: false,
        retry: false,
        edited: true,
    };
    let whole = history(&vec![one; 20], State::Complete);
    // The first says since when the instance has been at its version.
    for (limit, expected) in [(0, 18), (1, 18), (5, 14), (10, 9), (19, 0), (100, 0)] {
        let surplus = surplus(&whole, limit);
        assert_eq!(surplus, (1..=expected).collect::<Vec<_>>(), "{limit}");
    }
}
