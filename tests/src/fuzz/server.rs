//! One small API server with known objects, and what must hold of every request to it.
//!
//! What is checked: nothing panics; every answer is a document whose code its `Status` repeats; a
//! refused request, a read and a dry run leave the store as it was; what a write answered is what
//! is read back, in protobuf too; and writing the same once more changes nothing.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use maestro_sim::api::authorization::enter::enter;
use maestro_sim::api::http::{self as api, Routed};
use maestro_sim::api::{Request, openapi};
use maestro_sim::body::Body;
use maestro_sim::boot;
use maestro_sim::json::Value;
use maestro_sim::object::Object;
use maestro_sim::protobuf::answer::{answer, recoded};
use maestro_sim::protobuf::{self, media};
use maestro_sim::trace::TraceLevel;
use maestro_sim::world::World;

use super::message::Message;

const KNOWN: &str = include_str!("known.yaml");

/// The most bytes of a refusal beyond what it quotes of the request, and how often it may quote
/// that: of an expression a hundred mistakes are told, each with its line, in a message and in a
/// cause.
const LONGEST_REFUSAL: usize = 256 << 10;
const MOST_QUOTED: usize = 250;

/// The requests that make the known objects, read once.
fn known() -> &'static [Message] {
    static KNOWN_OBJECTS: LazyLock<Vec<Message>> = LazyLock::new(|| {
        let known: Vec<Value> = serde_yaml::from_str(KNOWN).expect("known.yaml");
        let post = |one: &Value| {
            let path = one["at"].as_str().expect("a path");
            Message::new("POST", path, one["object"].to_string())
        };
        known.iter().map(post).collect()
    });
    &KNOWN_OBJECTS
}

/// What one request came to.
pub(super) struct Told {
    pub(super) code: u16,
    pub(super) value: Value,
}

impl Told {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.code)
    }

    fn version(&self) -> Option<&str> {
        self.value.pointer("/metadata/resourceVersion")?.as_str().filter(|text| !text.is_empty())
    }
}

/// Everything that is stored, by identity: an object that was not written is the same one.
type State = Vec<Arc<Object>>;

/// Where a server keeps what stands for itself.
const KEPT: [&str; 4] = [
    "/api/v1/endpoints",
    "/apis/discovery.k8s.io/v1/endpointslices",
    "/apis/networking.k8s.io/v1/servicecidrs",
    "/apis/networking.k8s.io/v1/ipaddresses",
];

/// A server and whether it still is as it was made.
pub(super) struct Server {
    world: World,
    touched: bool,
}

impl Server {
    pub(super) fn new() -> Self {
        let mut world = World::new(1, TraceLevel::Digest);
        boot::bootstrap(&mut world);
        let mut server = Self { world, touched: false };
        // What the server keeps about itself comes, unseen, when somebody first asks.
        for path in KEPT {
            let told = server.send(&Message::new("GET", path, ""));
            assert!(told.is_success(), "{path}: {}", told.value);
        }
        for message in known() {
            let told = server.send(message);
            assert!(told.is_success(), "{message:?}: {}", told.value);
        }
        server
    }

    /// Runs `act` with a server as new. One that nobody wrote to is kept for the next.
    pub(super) fn with(act: impl FnOnce(&mut Self)) {
        thread_local! {
            static SPARE: std::cell::RefCell<Option<Server>> = const { std::cell::RefCell::new(None) };
        }
        let mut server = SPARE.take().unwrap_or_else(Self::new);
        act(&mut server);
        if !server.touched {
            SPARE.set(Some(server));
        }
    }

    fn state(&self) -> (u64, State) {
        let store = &self.world.server.store;
        // The bootstrap roles come, unseen, when somebody first asks: they were always there.
        let was_there = |object: &&Arc<Object>| object.resource_version() == 1;
        let mut state = State::new();
        for table in store.tables() {
            let roles = table.resource.group == "rbac.authorization.k8s.io";
            let all = table.objects.values().filter(|object| !(roles && was_there(object)));
            state.extend(all.cloned());
        }
        (store.version(), state)
    }

    /// Sends a request and reads its answer, whatever it is.
    pub(super) fn send(&mut self, message: &Message) -> Told {
        let nothing = Told { code: 0, value: Value::Null };
        let Some(request) = message.to_http() else { return nothing };
        let (parts, ()) = request.into_parts();
        let mut wire = media::wanted(&parts.headers);
        let response = match enter(&mut self.world.server, &parts) {
            Err(status) => api::refusal(&status),
            Ok(user) => match openapi::answer(&self.world.server, parts.uri.path(), &parts.headers)
            {
                Some(response) => recoded(wire, response),
                None => match api::route(&self.world.server.registry, &parts, &message.body) {
                    Routed::Answer(response) => recoded(wire, response),
                    Routed::Request(request) => {
                        let handled = self.world.direct(Request { user, ..*request });
                        if handled.is_err() {
                            wire = media::wanted_of_errors(&parts.headers);
                        }
                        answer(wire, handled)
                    }
                },
            },
        };
        let code = response.status().as_u16();
        let body = whole(response.into_body());
        let value = match body.starts_with(b"k8s\0") {
            true => protobuf::decode(&body, ("", "")).expect("what is answered can be decoded"),
            false => serde_json::from_slice(&body).unwrap_or_default(),
        };
        if code >= 400 {
            let most = LONGEST_REFUSAL + MOST_QUOTED * message.body.len();
            assert!(body.len() < most, "a refusal of {} bytes", body.len());
        }
        Told { code, value }
    }

    /// Sends a request and checks what must hold.
    pub(super) fn ask(&mut self, message: &Message) -> Told {
        let (version, before) = self.state();
        let told = self.send(message);
        let (newer, after) = self.state();
        let shown = || format!("{message:?}\nanswered {} {}", told.code, told.value);
        assert!((200..600).contains(&told.code) || told.code == 0, "{}", shown());
        if told.code >= 400 && told.value["kind"] == "Status" {
            assert_eq!(told.value["code"], told.code, "{}", shown());
        }
        let same = version == newer
            && before.len() == after.len()
            && before.iter().zip(&after).all(|(old, new)| Arc::ptr_eq(old, new));
        self.touched |= !same;
        let reads = matches!(message.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        if !told.is_success() || reads || message.has_option("dryRun=All") {
            assert!(same, "the store was changed by {}", shown());
        }
        let writes = matches!(message.method.as_str(), "POST" | "PUT" | "PATCH");
        let plain = !["accept", "impersonate-user", "authorization", "user-agent"]
            .iter()
            .any(|name| message.has_header(name));
        if told.is_success() && writes && plain && !same {
            self.check_written(message, &told);
        }
        told
    }

    /// What was written is there, in either encoding, and writing it again changes nothing.
    fn check_written(&mut self, message: &Message, told: &Told) {
        let Some(version) = told.version() else { return };
        let name = told.value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("");
        let place = message.place();
        let one = match message.method.as_str() {
            "POST" => format!("{}/{name}", place.trim_end_matches('/')),
            _ => place.to_owned(),
        };
        let read = self.send(&Message::new("GET", &one, ""));
        let shown = || format!("{message:?}\nanswered {}\nreads {}", told.value, read.value);
        if read.code == 404 {
            // The last finalizer went, and the object with it; or nothing can be read there.
            return;
        }
        if read.value["kind"] != told.value["kind"] {
            return;
        }
        // The server itself says of a definition, right after, that its names are accepted.
        if read.value["kind"] != "CustomResourceDefinition" {
            same(&told.value, &read.value, "what is read back is something else", &shown);
            assert_eq!(read.version(), Some(version), "{}", shown());
        }
        let binary = Message::new("GET", &one, "").header("accept", protobuf::MEDIA_TYPE);
        let binary = self.send(&binary);
        if binary.code == 200 {
            let plain = without_claim_types(read.value.clone());
            let binary = without_claim_types(binary.value);
            same(&plain, &binary, "in protobuf it is something else", &shown);
        }
        self.check_repeated(&one, &read.value);
    }

    /// Putting what is there changes nothing, nor does a patch that says what is.
    fn check_repeated(&mut self, one: &str, object: &Value) {
        let put = Message::new("PUT", one, object.to_string());
        // Where what is stored lacks what every reader fills in, the first write stores that.
        let first = self.send(&put);
        if !first.is_success() || first.version().is_none() {
            return;
        }
        let put = Message::new("PUT", one, first.value.to_string());
        let merge =
            Message::new("PATCH", one, "{}").header("content-type", "application/merge-patch+json");
        let json =
            Message::new("PATCH", one, "[]").header("content-type", "application/json-patch+json");
        for again in [put, merge, json] {
            let told = self.send(&again);
            if told.is_success() {
                let shown = || format!("{again:?}\nfrom {}\nto {}", first.value, told.value);
                same(&first.value, &told.value, "it changed", &shown);
            }
        }
    }
}

/// The templates of claims in a StatefulSet say their kind in JSON; protobuf has no room for that.
fn without_claim_types(mut object: Value) -> Value {
    let claims = object.pointer_mut("/spec/volumeClaimTemplates").and_then(Value::as_array_mut);
    for claim in claims.into_iter().flatten().filter_map(Value::as_object_mut) {
        claim.remove("apiVersion");
        claim.remove("kind");
    }
    object
}

/// Two documents are equal, or else the first place where they differ is named.
fn same(first: &Value, second: &Value, told: &str, shown: &dyn Fn() -> String) {
    if first != second {
        let place = difference(first, second, String::new());
        panic!("{told}: {}\n{}", place.unwrap_or_default(), shown());
    }
}

/// The first place where two documents differ, and what stands there.
fn difference(first: &Value, second: &Value, at: String) -> Option<String> {
    let nothing = Value::Null;
    match (first, second) {
        (Value::Object(a), Value::Object(b)) => a.keys().chain(b.keys()).find_map(|key| {
            let (a, b) = (a.get(key), b.get(key));
            let absent = a.is_none() != b.is_none();
            let (a, b) = (a.unwrap_or(&nothing), b.unwrap_or(&nothing));
            let at = format!("{at}/{key}");
            if absent { Some(format!("{at}: {a} and {b}")) } else { difference(a, b, at) }
        }),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(index, (a, b))| difference(a, b, format!("{at}/{index}")))
        }
        _ => (first != second).then(|| format!("{at}: {first} and {second}")),
    }
}

/// A body that is there already; a watch has none.
fn whole(body: Body) -> Bytes {
    match body {
        Body::Chunks(chunks) => chunks.into_iter().flatten().collect(),
        Body::Watch(_) => Bytes::new(),
    }
}
