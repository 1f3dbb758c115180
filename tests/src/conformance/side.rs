//! Who answers: the real server over TLS, or the simulated one in process.

use std::future::Future;
use std::time::Duration;

use http_body_util::Full;
use maestro_sim::json::{Value, json};
use tower_service::Service as _;

use maestro_sim::boot;
use maestro_sim::facts::Version;
use maestro_sim::service::Service;
use maestro_sim::sim::{self, Cluster};
use maestro_sim::trace::TraceLevel;

use crate::conformance::case::{Names, Sequence, Step};
use crate::conformance::hooks;
use crate::wire::{Answer, Connection, Endpoint, Question};
use maestro_test::cluster::control_plane::ControlPlane;
use maestro_test::cluster::control_plane::programs::Programs;

/// The answers to one sequence, in order.
pub type Answers = Vec<Answer>;

/// One server that can be asked.
trait Side {
    fn ask(&mut self, question: &Question) -> impl Future<Output = Result<Answer, String>>;
}

impl Side for Connection {
    /// A changed definition takes the real server a moment as well, in which it asks to be asked
    /// again; every client does, and only what it says then is an answer.
    async fn ask(&mut self, question: &Question) -> Result<Answer, String> {
        let mut answer = Self::ask(self, question).await.map_err(|e| e.to_string())?;
        for _ in 0..POLLS {
            let body = String::from_utf8_lossy(&answer.body);
            if answer.code != 429 || !body.contains("storage is (re)initializing") {
                break;
            }
            tokio::time::sleep(POLL).await;
            answer = Self::ask(self, question).await.map_err(|e| e.to_string())?;
        }
        Ok(answer)
    }
}

impl Side for Service {
    async fn ask(&mut self, question: &Question) -> Result<Answer, String> {
        let request = question.to_http().map_err(|e| e.to_string())?;
        let answer: http::Response<_> =
            self.call(request.map(|body: Full<_>| body)).await.map_err(|e| e.to_string())?;
        Answer::read(answer, question.quiet).await
    }
}

/// What every sequence finds: a namespace of its own with the account that its pods run as.
fn setting() -> Vec<Step> {
    let meta = json!({"name": "$NS"});
    let account = json!({"metadata": {"name": "default"}});
    vec![
        Step::new("POST /api/v1/namespaces", json!({"metadata": meta})),
        Step::new("POST serviceaccounts", account),
    ]
}

/// How often, and how long, one asks whether a new kind is served.
const POLL: Duration = Duration::from_millis(50);
const POLLS: u32 = 200;

/// A new definition takes the real server a moment: waits until its kind is served, so that the
/// next request finds the same on both sides.
async fn settle(side: &mut impl Side, question: &Question, answer: &Answer) -> Result<(), String> {
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    if question.method != "POST" || question.path != definitions || answer.code != 201 {
        return Ok(());
    }
    let crd = answer.documents().into_iter().next().unwrap_or_default();
    let text = |pointer: &str| crd.pointer(pointer).and_then(Value::as_str).unwrap_or("");
    let version = text("/spec/versions/0/name");
    let (group, plural) = (text("/spec/group"), text("/spec/names/plural"));
    let served = Question::get(&format!("/apis/{group}/{version}/{plural}"));
    for _ in 0..POLLS {
        if side.ask(&served).await?.code == 200 {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
    Err(format!("{group}/{version} {plural} is not served after {:?}", POLL * POLLS))
}

async fn run(side: &mut impl Side, sequence: &Sequence) -> Result<Answers, String> {
    let mut names = Names::new(sequence);
    let mut answers = Vec::new();
    let own = setting();
    for (index, step) in own.iter().chain(&sequence.requests).enumerate() {
        let told = |e: String| format!("{}: {}: {e}", sequence.name, step.ask);
        let question = step.question(&names).map_err(told)?;
        let answer = side.ask(&question).await.map_err(told)?;
        names.keep(&step.keep, answer.documents().into_iter().next());
        settle(side, &question, &answer).await.map_err(told)?;
        // Even no time at all is a moment of virtual time, and thousands of them are seconds: then
        // who wrote first would be told by where in the corpus a sequence stands.
        if step.pause > 0 {
            tokio::time::sleep(Duration::from_millis(step.pause)).await;
        }
        if index >= own.len() {
            answers.push(answer);
        } else if answer.code != 201 {
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(told(format!("the setting is refused: {body}")));
        }
    }
    Ok(answers)
}

async fn run_all(side: &mut impl Side, sequences: &[Sequence]) -> Result<Vec<Answers>, String> {
    let mut all = Vec::new();
    for sequence in sequences {
        all.push(run(side, sequence).await?);
    }
    Ok(all)
}

/// What the real server answers.
///
/// # Errors
/// When it cannot be started, or an exchange breaks off.
pub fn real(
    programs: &Programs,
    version: Version,
    sequences: &[Sequence],
) -> Result<Vec<Answers>, String> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let plane = ControlPlane::start_as(programs, version).await.map_err(|e| e.to_string())?;
        let mut connection =
            Connection::open(&Endpoint::of(&plane)?).await.map_err(|e| e.to_string())?;
        run_all(&mut connection, sequences).await
    })
}

/// What the simulated server answers.
///
/// # Errors
/// When the simulation ends with a panic, or an exchange breaks off.
pub fn simulated(version: Version, sequences: &[Sequence]) -> Result<Vec<Answers>, String> {
    let options = sim::Options { seed: 1, trace: TraceLevel::Digest };
    sim::run(&options, |cluster: Cluster| async move {
        // The server alone: no controller touches what the sequences make.
        let link = cluster.with(|world| {
            boot::be(world, version);
            boot::bootstrap(world);
            hooks::register(&mut world.server.webhooks);
            world.links.add("conformance")
        });
        let mut service = cluster.service(link);
        run_all(&mut service, sequences).await
    })?
}
