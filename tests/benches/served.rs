//! Over TCP and TLS with one client, the same requests to `maestro-sim serve` and to kube-apiserver
//! with etcd (which does not wait for its disk): how many of each a second, and memory held.
//!
//! One run asks both, one kind of request after the other, and prints the ratios. Each side is
//! processes of its own. It needs the programs of `ci/control-plane/build`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use maestro_sim::json::{Value, json};
use maestro_sim::serve::{Options, Parts, Server, User, Users};
use maestro_test::cluster::control_plane::ControlPlane;
use maestro_test::cluster::control_plane::process::resident;
use maestro_test::cluster::control_plane::programs::Programs;
use maestro_tests::wire::{Connection, Endpoint, Question};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Objects that are created, read, changed and listed.
const OBJECTS: usize = 500;
/// Lists of all of them.
const LISTS: usize = 50;
const PLACE: &str = "/api/v1/namespaces/default/configmaps";

fn object(index: usize, round: usize) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("bench-{index}")},
           "data": {"round": round.to_string(), "text": "x".repeat(200)}})
}

fn question(method: &str, path: String, media: &str, body: &Value) -> Question {
    let headers = vec![("content-type".to_owned(), media.to_owned())];
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    Question { method: method.to_owned(), path, headers, body, quiet: None }
}

/// Requests of one kind.
struct Load {
    name: &'static str,
    questions: Vec<Question>,
}

fn loads() -> Vec<Load> {
    let json = "application/json";
    let each = |method: &'static str, query: &'static str, media: &'static str, round: usize| {
        (0..OBJECTS).map(move |index| {
            let body = if method == "GET" { Value::Null } else { object(index, round) };
            question(method, format!("{PLACE}/bench-{index}{query}"), media, &body)
        })
    };
    let create =
        (0..OBJECTS).map(|index| question("POST", PLACE.to_owned(), json, &object(index, 0)));
    let apply = "?fieldManager=bench&force=true";
    let list = || question("GET", format!("{PLACE}?limit=500"), json, &Value::Null);
    vec![
        Load { name: "create", questions: create.collect() },
        Load { name: "get", questions: each("GET", "", json, 0).collect() },
        Load { name: "list 500", questions: (0..LISTS).map(|_| list()).collect() },
        Load { name: "update", questions: each("PUT", "", json, 1).collect() },
        Load {
            name: "apply",
            questions: each("PATCH", apply, "application/apply-patch+yaml", 2).collect(),
        },
    ]
}

/// Requests a second of one kind.
async fn rate(connection: &mut Connection, load: &Load) -> f64 {
    let start = Instant::now();
    for question in &load.questions {
        let answer = connection.ask(question).await.expect("an answer");
        assert!(answer.code < 300, "{}: {} {:?}", load.name, answer.code, answer.body);
    }
    load.questions.len() as f64 / start.elapsed().as_secs_f64()
}

/// Events a second from a write to a watch that is open, writes included.
async fn watched(endpoint: &Endpoint, connection: &mut Connection) -> f64 {
    let mut watch = Connection::open(endpoint).await.expect("a connection");
    let path = format!("{PLACE}?watch=true&resourceVersion=0&timeoutSeconds=60");
    let mut body = watch.follow(&Question::get(&path)).await.expect("a watch").into_body();
    let mut seen = 0;
    while seen < OBJECTS {
        let frame = body.frame().await.expect("it goes on").expect("it is whole");
        seen += frame.data_ref().map_or(0, |data| data.iter().filter(|b| **b == b'\n').count());
    }
    let start = Instant::now();
    let mut seen = 0;
    for index in 0..OBJECTS {
        let path = format!("{PLACE}/bench-{index}");
        let put = question("PUT", path, "application/json", &object(index, 3));
        connection.ask(&put).await.expect("an answer");
        while seen <= index {
            let frame = body.frame().await.expect("it goes on").expect("it is whole");
            let data = frame.data_ref();
            seen += data.map_or(0, |data| data.iter().filter(|b| **b == b'\n').count());
        }
    }
    OBJECTS as f64 / start.elapsed().as_secs_f64()
}

/// The rates of all kinds, with names.
async fn measure(endpoint: &Endpoint) -> Vec<(&'static str, f64)> {
    let mut connection = Connection::open(endpoint).await.expect("a connection");
    let mut rates = Vec::new();
    for load in loads() {
        rates.push((load.name, rate(&mut connection, &load).await));
    }
    rates.push(("update, seen by a watch", watched(endpoint, &mut connection).await));
    rates
}

/// Set for the process that serves.
const SERVES: &str = "MAESTRO_BENCH_SERVES";
const TOKEN: &str = "bench";

/// Serves an API server alone until the input ends, and says where.
fn serve() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let mut users = Users::default();
    let groups = vec!["system:masters".into()];
    users.add_token(TOKEN, User { name: "bench".into(), uid: String::new(), groups });
    let listen = "127.0.0.1:0".parse().expect("an address");
    let options = Options { seed: 1, users, ..Options::new(listen, Parts::ApiServer) };
    let server = runtime.block_on(Server::bind(options)).expect("a free port");
    println!("{} {}", server.address().port(), BASE64.encode(server.authority()));
    std::io::stdout().flush().expect("it can be said");
    runtime.spawn(server.run(std::future::pending()));
    let mut rest = Vec::new();
    std::io::stdin().read_to_end(&mut rest).expect("it ends");
}

/// The process that serves, until this is dropped, and where it does.
struct Served(Child, Endpoint);

impl Served {
    fn start() -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        let command = command.env(SERVES, "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("it says where it serves");
        let (port, certificate) = line.trim().split_once(' ').expect("both are said");
        let certificate = BASE64.decode(certificate).expect("a certificate");
        let port = port.parse().expect("a port");
        Self(child, Endpoint::new(port, TOKEN, &certificate).expect("a certificate"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // An error means that it is gone already.
        let _ = self.0.wait();
    }
}

fn main() {
    if std::env::var_os(SERVES).is_some() {
        return serve();
    }
    let programs = match Programs::find() {
        Ok(programs) => programs,
        Err(why) => return println!("SKIPPED served: {why}"),
    };
    let client = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let client = client.expect("a runtime");
    let served = Served::start();
    let simulated = client.block_on(measure(&served.1));
    let held = resident(&served.0.id().to_string());
    drop(served);
    let plane = client.block_on(ControlPlane::start(&programs)).expect("it starts");
    // A server that has just started has more to do than to answer.
    client.block_on(async { tokio::time::sleep(Duration::from_secs(5)).await });
    let real = client.block_on(measure(&Endpoint::of(&plane).expect("a certificate")));
    println!("{:<26}{:>12}{:>12}{:>9}", "a second", "simulated", "real", "ratio");
    for ((name, simulated), (_, real)) in simulated.iter().zip(&real) {
        println!("{name:<26}{simulated:>12.0}{real:>12.0}{:>9.1}", simulated / real);
    }
    let mega = |bytes: u64| bytes as f64 / 1e6;
    let (held, theirs) = (mega(held), mega(plane.resident()));
    println!("{:<26}{held:>12.1}{theirs:>12.1}{:>9.3}", "MB held", held / theirs);
}
