//! What a kubelet makes of a container that an earlier one started.

use super::steps::running;
use super::{Container, Exit, Running, Stage};
use crate::json::Value;
use crate::kubelet::pod::Pass;
use crate::kubelet::probe::Forecast;
use crate::kubelet::resize::Resources;
use crate::kubelet::spec::ContainerSpec;
use crate::kubelet::state::parse;

/// Reads a container back from its status.
pub fn adopt(status: &Value) -> Container {
    let restarts = status.get("restartCount").and_then(Value::as_u64).unwrap_or(0);
    let restarts = u32::try_from(restarts).unwrap_or(u32::MAX);
    let time = |v: &Value, field: &str| v.get(field)?.as_str().and_then(parse);
    let exit = |v: Option<&Value>, run| {
        let v = v?.get("terminated")?;
        let code = v.get("exitCode")?.as_i64().and_then(|c| i32::try_from(c).ok())?;
        let (started, finished) = (time(v, "startedAt")?, time(v, "finishedAt")?);
        Some(Exit { started, finished, code, run })
    };
    let previous = restarts.saturating_sub(1);
    let state = status.get("state");
    let resources = Resources::adopt(status);
    let mut container = Container { restarts, resources, ..Container::default() };
    container.last = exit(status.get("lastState"), previous);
    if let Some(over) = exit(state, restarts) {
        container.before = container.last.replace(over);
        container.stage = Stage::Exited { restart: None };
    } else if let Some(since) = state.and_then(|s| time(s.get("running")?, "startedAt")) {
        let flag = |name: &str| status.get(name).and_then(Value::as_bool) == Some(true);
        let forecast = Forecast {
            able: flag("ready").then_some(since),
            started: flag("started").then_some(since),
            ready: flag("ready").then_some(since),
            death: None,
        };
        let (end, asked) = (None, None);
        container.stage = Stage::Running(Running { since, forecast, end, asked, resizes: false });
    }
    container
}

/// Goes on with a container that an earlier kubelet started: what is to come is known again, and
/// one that ended meanwhile is started again where its policy says so.
pub fn resume(container: &mut Container, pass: &Pass<'_>, spec: &ContainerSpec<'_>) {
    match &container.stage {
        Stage::Running(run) => {
            let ready = run.forecast.ready.is_some();
            let mut stage = running(container.restarts, pass, spec, run.since);
            if let Stage::Running(Running { asked: Some(asked), .. }) = &mut stage {
                asked.ready = ready;
                asked.next = asked.next.max(pass.now);
            }
            container.stage = stage;
        }
        Stage::Exited { restart: None } => {
            let last = container.last.as_ref();
            let again = last.filter(|exit| spec.policy.restarts(exit.code));
            container.stage = Stage::Exited { restart: again.map(|exit| exit.finished) };
        }
        _ => {}
    }
}
