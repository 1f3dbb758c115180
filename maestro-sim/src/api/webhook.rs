//! Who answers for webhooks, those of admission and those that convert custom objects.
//!
//! Inside a simulation a webhook is a closure, registered for the URL or the service that its
//! configuration names, or, where that is asked for, one that allows everything. Nothing else can
//! be called from there: [`Server::handle`] waits for nothing. What lies between the server and a
//! webhook may go wrong ([`Webhooks::trouble`]); how long the server would have waited for it is
//! told beside the answer ([`Webhooks::waited`]).
//!
//! A shell that can reach others says so ([`Webhooks::outside`]). A request that needs an answer is
//! then refused before anything is changed, the shell takes what is [`Webhooks::asked`], sends it,
//! hands the answers in, and has the request handled once more. The cluster's own controllers have
//! no such shell: what they need is asked beside them ([`Webhooks::take_waiting`]), and their next
//! try finds the answer ([`Webhooks::keep`]).
//!
//! [`Server::handle`]: crate::api::server::Server::handle

mod place;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use crate::json::{Value, json};
use crate::object::text;
use place::Place;

/// From an `AdmissionReview` (admission.k8s.io/v1) or a `ConversionReview` (apiextensions.k8s.io)
/// with a request to one with a response, or what a connection says that failed.
pub type Handler = Box<dyn FnMut(&Value) -> Result<Value, String> + Send>;

/// A review that somebody else has to answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Asked {
    /// Where it is to be sent, with its timeout.
    pub url: String,
    /// Where a connection is made, `HOST:PORT`, if not where the URL says. The certificate is to
    /// be that of the URL's host all the same.
    pub dial: Option<String>,
    /// The certificates (PEM) that are trusted, empty for those of the system.
    pub authorities: Vec<u8>,
    /// Seconds that the answer may take.
    pub timeout_secs: u64,
    /// The `AdmissionReview` or `ConversionReview`.
    pub review: Value,
    /// Whether uids, times and names in what is reviewed are drawn for this request, and will be
    /// drawn anew when it is handled once more.
    drawn: bool,
    /// What of it is the same then.
    likeness: OnceLock<String>,
}

/// An answer, or what a connection says that failed.
pub type Answer = Result<Value, String>;

/// What goes wrong between the API server and a webhook.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// Nobody listens: connections are refused at once.
    Refused,
    /// Nothing answers until the webhook's own `timeoutSeconds` have passed.
    Silent,
    /// It answers each review with 500 Internal Server Error.
    Erring,
}

/// What answers webhooks, and what they have been asked.
#[derive(Default)]
pub struct Webhooks {
    handlers: BTreeMap<String, Handler>,
    /// Where Services are answered, by namespace, name and port; without one, on every port.
    routes: BTreeMap<(String, String, Option<u64>), String>,
    /// The troubles by their numbers, each with the configuration that it strikes; none for all.
    troubles: BTreeMap<u64, (Option<String>, Trouble)>,
    next_trouble: u64,
    /// How long the request being handled would have waited for webhooks that are asked in turn,
    /// and for those that are asked at once.
    waited: (Duration, Duration),
    /// Whether webhooks that no closure answers allow everything, as far as anybody is there.
    pub obliging: bool,
    /// Whether a shell sends what no closure answers.
    pub outside: bool,
    /// What the shell of the request being handled has learnt; none where it has none.
    handed: Option<Vec<(Asked, Answer)>>,
    asked: Vec<Asked>,
    waiting: Vec<Asked>,
    kept: Vec<(Asked, Answer, Duration)>,
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handlers: Vec<&String> = self.handlers.keys().collect();
        f.debug_struct("Webhooks")
            .field("handlers", &handlers)
            .field("troubles", &self.troubles)
            .finish()
    }
}

/// How one review came out.
pub(super) enum Outcome {
    /// It was answered, or the connection failed.
    Told(Result<Value, String>),
    /// A shell has to ask.
    Later,
}

/// One webhook as it is to be reached.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    /// The name of the configuration, or of the definition, that holds it.
    pub configuration: &'a str,
    /// Where it is.
    pub place: &'a Place,
    /// Whether somebody is there, as far as a simulation knows: behind a Service, a ready pod.
    pub is_there: bool,
    /// Whether it is asked after those before it; otherwise at once with its like.
    pub in_turn: bool,
}

/// The answer of a webhook that allows everything, and changes nothing but the version.
fn allowed(review: &Value) -> Value {
    if review["kind"] == "ConversionReview" {
        let request = &review["request"];
        let mut objects = request["objects"].clone();
        for object in objects.as_array_mut().into_iter().flatten() {
            object["apiVersion"] = request["desiredAPIVersion"].clone();
        }
        return json!({"apiVersion": review["apiVersion"], "kind": "ConversionReview",
                      "response": {"uid": request["uid"], "result": {"status": "Success"},
                                   "convertedObjects": objects}});
    }
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
           "response": {"uid": review["request"]["uid"], "allowed": true}})
}

/// The address of a webhook without its query.
fn plain(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
}

impl Webhooks {
    /// Answers a webhook by a closure: for a URL such as `https://hooks.example/validate`, or for
    /// a service as `https://NAME.NAMESPACE.svc:PORT/PATH`.
    pub fn answer(&mut self, url: &str, handler: Handler) {
        self.handlers.insert(url.to_owned(), handler);
    }

    /// Says where a Service of the cluster is answered, `HOST:PORT`; on one of its ports or on all.
    pub fn route(&mut self, namespace: &str, name: &str, port: Option<u16>, to: &str) {
        let service = (namespace.to_owned(), name.to_owned(), port.map(u64::from));
        self.routes.insert(service, to.to_owned());
    }

    /// Where a Service is answered, as far as somebody said so.
    fn routed(&self, namespace: &str, name: &str, port: u64) -> Option<&str> {
        let of = |port| self.routes.get(&(namespace.to_owned(), name.to_owned(), port));
        of(Some(port)).or_else(|| of(None)).map(String::as_str)
    }

    /// Something goes wrong with the webhooks of a configuration (validating or mutating) of this
    /// name, or of all of them; the number heals it. The latest trouble counts.
    pub fn trouble(&mut self, configuration: Option<&str>, trouble: Trouble) -> u64 {
        let number = self.next_trouble;
        self.next_trouble += 1;
        self.troubles.insert(number, (configuration.map(str::to_owned), trouble));
        number
    }

    /// One trouble is over.
    pub fn heal(&mut self, number: u64) {
        self.troubles.remove(&number);
    }

    /// How long the request that was handled last would have waited for silent webhooks. Its
    /// sender gets the answer so much later; what was let pass is stored before that.
    pub fn waited(&self) -> Duration {
        self.waited.0 + self.waited.1
    }

    /// A new request is handled.
    pub(super) fn begin(&mut self) {
        self.waited = (Duration::ZERO, Duration::ZERO);
    }

    /// What is wrong with the way to a webhook, if something is.
    fn wrong_with(&self, configuration: &str) -> Option<Trouble> {
        let struck = |of: &Option<String>| of.as_ref().is_none_or(|name| name == configuration);
        let mut latest = self.troubles.values().rev();
        latest.find(|(of, _)| struck(of)).map(|(_, trouble)| *trouble)
    }

    /// Says that the request handled next has a shell, and what it has learnt so far.
    pub fn hand_in(&mut self, answers: Vec<(Asked, Answer)>) {
        self.handed = Some(answers);
        self.asked.clear();
    }

    /// Takes the reviews for which the request just handled was left; its shell is gone then.
    pub fn asked(&mut self) -> Vec<Asked> {
        self.handed = None;
        std::mem::take(&mut self.asked)
    }

    /// Takes what clients without a shell wait for.
    pub fn take_waiting(&mut self) -> Vec<Asked> {
        std::mem::take(&mut self.waiting)
    }

    /// Keeps an answer for clients without a shell, until a time of the world.
    pub fn keep(&mut self, asked: Asked, answer: Answer, until: Duration) {
        self.kept.push((asked, answer, until));
    }

    /// Sends a review.
    pub(super) fn send(&mut self, asked: Asked, way: Way<'_>, now: Duration) -> Outcome {
        let failed = |why: &str| Outcome::Told(Err(format!("Post {:?}: {why}", asked.url)));
        let url = plain(&asked.url);
        match self.wrong_with(way.configuration) {
            Some(Trouble::Refused) => {
                let host = url.split("//").nth(1).unwrap_or("").split('/').next().unwrap_or("");
                return failed(&format!("dial tcp {host}: connect: connection refused"));
            }
            Some(Trouble::Silent) => {
                let time = Duration::from_secs(asked.timeout_secs);
                match way.in_turn {
                    true => self.waited.0 += time,
                    false => self.waited.1 = self.waited.1.max(time),
                }
                // Converters are clients whose own patience ends.
                return failed(match asked.review["kind"] == "ConversionReview" {
                    true => {
                        "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
                    }
                    false => "context deadline exceeded",
                });
            }
            // `NewGenericServerResponse` of k8s.io/apimachinery/pkg/api/errors.
            Some(Trouble::Erring) => {
                let why = "an error on the server (\"Internal Server Error\") has prevented the \
                           request from succeeding";
                return Outcome::Told(Err(why.into()));
            }
            None => {}
        }
        if let Some(handler) = self.handlers.get_mut(url) {
            return match handler(&asked.review) {
                Ok(answer) => Outcome::Told(Ok(answer)),
                Err(why) => failed(&why),
            };
        }
        if self.obliging && way.is_there {
            return Outcome::Told(Ok(allowed(&asked.review)));
        }
        if !self.outside || !way.place.is_reachable {
            return failed(&way.place.unreachable);
        }
        let told = |answer: Answer| {
            Outcome::Told(answer.map_err(|why| format!("Post {:?}: {why}", asked.url)))
        };
        if let Some(handed) = &self.handed {
            let known = handed.iter().find(|(known, _)| known.is_alike(&asked));
            return match known {
                Some((known, answer)) => told(asked.answered(known, answer)),
                None => {
                    self.asked.push(asked);
                    Outcome::Later
                }
            };
        }
        self.kept.retain(|(_, _, until)| *until > now);
        let kept = self.kept.iter().find(|(known, ..)| known.is_alike(&asked));
        if let Some((known, answer, _)) = kept {
            return told(asked.answered(known, answer));
        }
        if !self.waiting.iter().any(|known| known.is_alike(&asked)) {
            self.waiting.push(asked);
        }
        Outcome::Later
    }
}

impl Asked {
    /// A review to be sent; `drawn` says whether what it shows is drawn for its request.
    pub(super) fn new(
        place: &Place,
        authorities: Vec<u8>,
        timeout_secs: u64,
        review: Value,
        drawn: bool,
    ) -> Self {
        let (url, dial) = (place.url.clone(), place.dial.clone());
        Self { url, dial, authorities, timeout_secs, review, drawn, likeness: OnceLock::new() }
    }

    /// Whether two reviews ask the same of the same webhook, but for what is drawn anew when a
    /// request is handled once more.
    fn is_alike(&self, other: &Self) -> bool {
        self.url == other.url && self.likeness() == other.likeness()
    }

    fn likeness(&self) -> &str {
        self.likeness.get_or_init(|| {
            let mut review = self.review.clone();
            let request = &mut review["request"];
            request["uid"] = Value::Null;
            // A Job's selector and labels hold its uid, too.
            let own = text(&request["object"], &["metadata", "uid"]);
            let own = if self.drawn { own.to_owned() } else { String::new() };
            if let Some(objects) = request.get_mut("objects").and_then(Value::as_array_mut) {
                objects.iter_mut().for_each(|object| forget(object, self.drawn));
            } else if self.drawn {
                if request["object"]["metadata"].get("generateName").is_some() {
                    request["name"] = Value::Null;
                }
                forget(&mut request["object"], true);
            }
            if request["kind"]["kind"] == "Service"
                && let Some(spec) = request["object"]["spec"].as_object_mut()
            {
                for field in ["clusterIP", "clusterIPs", "ports", "healthCheckNodePort"] {
                    spec.remove(field);
                }
            }
            let told = review.to_string();
            without_suffixes(&if own.is_empty() { told } else { told.replace(&own, "") })
        })
    }

    /// An answer to a review that was alike, as one to this.
    fn answered(&self, known: &Self, answer: &Answer) -> Answer {
        let mut answer = answer.clone()?;
        let response = &mut answer["response"];
        if response["uid"].is_string() && response["uid"] == known.review["request"]["uid"] {
            response["uid"] = self.review["request"]["uid"].clone();
        }
        let objects = |asked: &Self| asked.review["request"]["objects"].clone();
        let (before, now) = (objects(known), objects(self));
        let converted = response.get_mut("convertedObjects").and_then(Value::as_array_mut);
        for (index, object) in converted.into_iter().flatten().enumerate() {
            for field in ["uid", "name"] {
                let of = |all: &Value| all[index]["metadata"][field].clone();
                let meta = object.get_mut("metadata").and_then(Value::as_object_mut);
                if let Some(told) = meta.and_then(|meta| meta.get_mut(field))
                    && *told == of(&before)
                {
                    *told = of(&now);
                }
            }
        }
        Ok(answer)
    }
}

/// Takes out of an object what is another when its request is handled once more: when its fields
/// were written, and, if it is a new one, what was drawn for it.
fn forget(object: &mut Value, drawn: bool) {
    let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    meta.remove("managedFields");
    if drawn {
        meta.remove("uid");
        meta.remove("creationTimestamp");
        if meta.contains_key("generateName") {
            meta.remove("name");
        }
    }
}

/// A text without what is drawn for the names of token volumes.
fn without_suffixes(text: &str) -> String {
    const VOLUME: &str = "kube-api-access-";
    let mut parts = text.split(VOLUME);
    let mut out = parts.next().unwrap_or("").to_owned();
    for part in parts {
        out.push_str(VOLUME);
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_alphanumeric()));
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::json::json;

    use super::*;

    fn place() -> Place {
        Place {
            url: "https://hooks.example/a?timeout=10s".into(),
            unreachable: "nobody is there".into(),
            dial: None,
            is_reachable: true,
        }
    }

    fn asked(uid: &str, object: Value) -> Asked {
        let request = json!({"uid": uid, "operation": "CREATE", "object": object});
        Asked::new(&place(), Vec::new(), 10, json!({"request": request}), true)
    }

    fn told(webhooks: &mut Webhooks, asked: Asked, now: u64) -> Option<Answer> {
        let now = Duration::from_secs(now);
        let way = Way { configuration: "hooks", place: &place(), is_there: true, in_turn: true };
        let post = format!("Post {:?}: ", asked.url);
        match webhooks.send(asked, way, now) {
            Outcome::Told(answer) => {
                Some(answer.map_err(|why| why.strip_prefix(&post).unwrap_or(&why).to_owned()))
            }
            Outcome::Later => None,
        }
    }

    #[test]
    fn closures_answer_and_may_be_down() {
        let mut webhooks = Webhooks::default();
        let one = || asked("1", json!({}));
        assert_eq!(told(&mut webhooks, one(), 0), Some(Err("nobody is there".into())));
        webhooks.answer("https://hooks.example/a", Box::new(|_| Ok(json!(1))));
        assert_eq!(told(&mut webhooks, one(), 0), Some(Ok(json!(1))));
        for (configuration, trouble, expected, waited) in [
            (Some("others"), Trouble::Refused, None, 0),
            (Some("hooks"), Trouble::Refused, Some("connect: connection refused"), 0),
            (None, Trouble::Silent, Some("context deadline exceeded"), 10),
            (None, Trouble::Erring, Some("Internal Server Error"), 0),
        ] {
            let number = webhooks.trouble(configuration, trouble);
            webhooks.begin();
            match (told(&mut webhooks, one(), 0), expected) {
                (Some(Ok(_)), None) => {}
                (Some(Err(why)), Some(expected)) => assert!(why.contains(expected), "{why}"),
                other => panic!("{trouble:?}: {other:?}"),
            }
            assert_eq!(webhooks.waited(), Duration::from_secs(waited), "{trouble:?}");
            webhooks.heal(number);
            assert_eq!(told(&mut webhooks, one(), 0), Some(Ok(json!(1))));
        }
    }

    #[test]
    fn one_that_obliges_allows_everything() {
        let mut webhooks = Webhooks { obliging: true, ..Webhooks::default() };
        let answer = told(&mut webhooks, asked("7", json!({})), 0);
        let answer = answer.expect("an answer").expect("a review");
        assert_eq!(answer["response"], json!({"uid": "7", "allowed": true}));
    }

    #[test]
    fn what_is_asked_outside_is_answered_at_the_next_try() {
        let mut webhooks = Webhooks { outside: true, ..Webhooks::default() };
        let drawn = |name: &str| json!({"metadata": {"generateName": "a-", "name": name}});
        let answer = Ok(json!({"response": {"uid": "1"}}));
        // A request with a shell.
        webhooks.hand_in(Vec::new());
        assert_eq!(told(&mut webhooks, asked("1", drawn("a-b")), 0), None);
        let first = webhooks.asked().pop().expect("it is to be asked");
        webhooks.hand_in(vec![(first, answer.clone())]);
        let again = told(&mut webhooks, asked("2", drawn("a-c")), 0);
        assert_eq!(again, Some(Ok(json!({"response": {"uid": "2"}}))));
        assert_eq!(webhooks.asked(), []);
        // One without.
        assert_eq!(told(&mut webhooks, asked("3", drawn("a-d")), 0), None);
        assert_eq!(told(&mut webhooks, asked("4", drawn("a-e")), 0), None);
        let waiting = webhooks.take_waiting();
        assert_eq!(waiting.len(), 1);
        webhooks.keep(waiting[0].clone(), answer, Duration::from_secs(5));
        assert!(told(&mut webhooks, asked("5", drawn("a-f")), 4).is_some());
        assert!(told(&mut webhooks, asked("6", drawn("a-g")), 5).is_none());
        let other = json!({"metadata": {"name": "other"}});
        assert!(told(&mut webhooks, asked("7", other), 4).is_none());
    }
}
