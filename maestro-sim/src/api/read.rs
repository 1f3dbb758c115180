//! GET and LIST: selectors, limits and continue tokens.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::api::registry::Served;
use crate::api::registry::selectable::{self, Lookup};
use crate::api::server::{Handled, Response, Server};
use crate::api::watch::found_late;
use crate::api::{Options, Request, Status, query};
use crate::go_json;
use crate::json::{Value, json};
use crate::object::{Key, Object};
use crate::selector::{FieldSelector, LabelSelector};

/// A listed collection: pointers to the stored objects and what stands around them.
#[derive(Debug)]
pub struct List {
    /// `apiVersion` of the list and its items.
    pub api_version: String,
    /// Kind of the list, for example `PodList`.
    pub kind: String,
    /// Whether each item names its type, as custom resources do and built-in ones do not.
    pub typed_items: bool,
    /// The objects in key order.
    pub items: Vec<Arc<Object>>,
    /// Resource version of the list.
    pub resource_version: u64,
    /// Token for the next page.
    pub continue_token: Option<String>,
    /// Objects after this page, when no selector hides some.
    pub remaining: Option<usize>,
}

impl List {
    /// `metadata` of the list (`ListMeta`).
    pub fn metadata(&self) -> Value {
        let mut meta = self.place();
        if self.typed_items && self.continue_token.is_none() {
            // Lists of custom objects always say where they continue.
            meta["continue"] = "".into();
        }
        meta
    }

    /// The same of another form of the list, such as a Table, whatever its items are.
    pub(super) fn place(&self) -> Value {
        let mut meta = json!({});
        if self.resource_version > 0 {
            meta["resourceVersion"] = self.resource_version.to_string().into();
        }
        if let Some(token) = &self.continue_token {
            meta["continue"] = token.as_str().into();
        }
        if let Some(remaining) = self.remaining {
            meta["remainingItemCount"] = remaining.into();
        }
        meta
    }
}

/// Both selectors of a list or watch, compiled once.
#[derive(Clone, Debug)]
pub struct Filter {
    namespace: String,
    name: Option<String>,
    labels: Option<LabelSelector>,
    fields: Option<FieldSelector>,
    /// How a field of a stored object is read.
    lookup: Lookup,
}

impl Filter {
    /// Compiles a request's selectors.
    ///
    /// # Errors
    /// 400 with the parser's words.
    pub fn new(served: &Served, request: &Request) -> Result<Self, Box<Status>> {
        let bad = |e: String| Box::new(Status::bad_request(e));
        let text = |s: &Option<String>| s.clone().filter(|s| !s.is_empty());
        let labels = text(&request.options.label_selector)
            .map(|s| LabelSelector::parse(&s).map_err(|e| bad(e.to_string())))
            .transpose()?;
        let fields = text(&request.options.field_selector)
            .map(|s| FieldSelector::parse(&s).map_err(|e| bad(e.to_string())))
            .transpose()?;
        if let Some(field) =
            fields.as_ref().and_then(|f| f.unsupported(|path| served.selects_field(path)))
        {
            return Err(bad(selectable::refusal(served, field)));
        }
        let fields = fields.map(|fields| served.stored_fields(fields));
        let name = (!request.name.is_empty()).then(|| request.name.clone());
        let name = name
            .or_else(|| fields.as_ref().and_then(|f| f.exact("metadata.name")).map(str::to_owned));
        let namespace = request.namespace.clone();
        Ok(Self { namespace, name, labels, fields, lookup: selectable::lookup(served.stored()) })
    }

    /// Whether an object passes.
    pub fn matches(&self, object: &Object) -> bool {
        (self.namespace.is_empty() || object.namespace() == self.namespace)
            && self.name.as_ref().is_none_or(|name| object.name() == name)
            && self.labels.as_ref().is_none_or(|l| l.matches(object.labels()))
            && self
                .fields
                .as_ref()
                .is_none_or(|f| f.matches(|path| (self.lookup)(object.value(), path)))
    }

    /// Whether nothing but the namespace filters.
    pub fn is_plain(&self) -> bool {
        self.name.is_none() && self.labels.is_none() && self.fields.is_none()
    }

    /// The same without what selects by the content of objects.
    pub(super) fn of_any(&self) -> Self {
        Self { labels: None, fields: None, ..self.clone() }
    }

    fn single(&self) -> Option<Key> {
        let name = self.name.as_ref()?;
        Some(Key::new(&self.namespace, name))
    }
}

impl Server {
    pub(super) fn read(&mut self, served: &Served, request: &Request) -> Handled {
        let version = request.options.resource_version.as_deref();
        self.not_too_new(version).map_err(found_late)?;
        let object = self.existing(served, request)?;
        Ok(Response::Object { code: 200, object })
    }

    pub(super) fn list(&mut self, served: &Served, request: &Request) -> Handled {
        let options = &request.options;
        query::check_list(options, false)?;
        let token = options.continue_token.as_deref().filter(|t| !t.is_empty());
        let asked = self.not_too_new(options.resource_version.as_deref()).map_err(unreadable)?;
        let start =
            token.map(|t| parse_token(t, options.resource_version.as_deref(), &request.namespace));
        let start = start.transpose()?;
        // Continued without the state that it began in.
        let anew = start.as_ref().is_some_and(|(version, _)| version.is_none());
        let filter = Filter::new(served, request)?;
        let from = start.as_ref().map(|(_, key)| key.clone());
        let began = start.as_ref().and_then(|(version, _)| *version);
        let exact = began.or(exact(options, asked).filter(|_| !anew));
        let resource_version = exact.unwrap_or(self.store.version());
        let limit = if options.limit == 0 { usize::MAX } else { options.limit };
        let former = exact.filter(|version| *version < self.store.version());
        // What a webhook converts is selected by what it is then.
        let converts = served.converter().is_some() && !filter.is_plain();
        let (mut matched, rest) = if converts {
            let every = filter.of_any();
            let all = match former {
                Some(version) => self.matched_at(served, &every, from.as_ref(), version)?,
                None => self.matched(served, &every, from.as_ref(), usize::MAX).0,
            };
            let all = self.shown_all(served, all, Some(&filter))?;
            let rest = all.len().saturating_sub(limit);
            (all, rest)
        } else if let Some(version) = former {
            let all = self.matched_at(served, &filter, from.as_ref(), version)?;
            let rest = all.len().saturating_sub(limit);
            (all, rest)
        } else {
            self.matched(served, &filter, from.as_ref(), limit)
        };
        let more = rest > 0;
        matched.truncate(limit);
        let last = matched.last().filter(|_| more);
        Ok(Response::List(List {
            api_version: served.api_version().to_owned(),
            kind: served.list_kind.clone(),
            typed_items: served.is_custom(),
            continue_token: last
                .map(|o| make_token(Some(resource_version), o.key(), &request.namespace)),
            remaining: (more && filter.is_plain()).then_some(rest),
            items: matched,
            resource_version,
        }))
    }

    /// The first that match, and how many more there are; of what a selector hides, whether there
    /// are more.
    fn matched(
        &self,
        served: &Served,
        filter: &Filter,
        from: Option<&Key>,
        limit: usize,
    ) -> (Vec<Arc<Object>>, usize) {
        let Some(table) = self.store.find(served.stored()) else { return (Vec::new(), 0) };
        let in_one_place = !served.namespaced || !filter.namespace.is_empty();
        if let (Some(key), true, None) = (filter.single(), in_one_place, from) {
            let found = table.objects.get(&key).filter(|o| filter.matches(o));
            return (found.cloned().into_iter().collect(), 0);
        }
        let everything = (Bound::Unbounded, Bound::Unbounded);
        let (floor, ceiling) = match &*filter.namespace {
            "" => everything,
            // No namespace has a name between one and the same with a zero.
            name => (
                Bound::Included(Key::new(name, "")),
                Bound::Excluded(Key::new(&format!("{name}\u{0}"), "")),
            ),
        };
        let floor = from.cloned().map_or(floor, Bound::Excluded);
        let mut all = table.objects.range((floor, ceiling));
        let hit =
            |(_, object): (&Key, &Arc<Object>)| filter.matches(object).then(|| Arc::clone(object));
        let found: Vec<Arc<Object>> = all.by_ref().filter_map(hit).take(limit).collect();
        let ends = |key: Option<&Key>| {
            key.is_none_or(|key| filter.namespace.is_empty() || *key.namespace == *filter.namespace)
        };
        let whole = from.is_none()
            && ends(table.objects.keys().next())
            && ends(table.objects.keys().next_back());
        let rest = match filter.is_plain() {
            // What is there need not be counted.
            true if whole => table.objects.len() - found.len(),
            true => all.count(),
            false => usize::from(all.filter_map(hit).next().is_some()),
        };
        (found, rest)
    }

    /// What matched at a former version: later events are undone.
    fn matched_at(
        &self,
        served: &Served,
        filter: &Filter,
        from: Option<&Key>,
        version: u64,
    ) -> Result<Vec<Arc<Object>>, Box<Status>> {
        let Some(table) = self.store.find(served.stored()) else { return Ok(Vec::new()) };
        let known = version >= self.store.oldest();
        let Some(later) = known.then(|| table.since(version)).flatten() else {
            return Err(forgotten(from, &filter.namespace));
        };
        let mut former: BTreeMap<&Key, Option<&Arc<Object>>> = BTreeMap::new();
        for event in later {
            // The first event of an object after the version tells what it was then.
            former.entry(event.object.key()).or_insert(event.old.as_ref());
        }
        let mut all: BTreeMap<&Key, &Arc<Object>> = table.objects.iter().collect();
        for (key, object) in former {
            match object {
                Some(object) => all.insert(key, object),
                None => all.remove(key),
            };
        }
        let after = |key: &Key| from.is_none_or(|from| key > from);
        let found = all.into_iter().filter(|(key, object)| after(key) && filter.matches(object));
        Ok(found.map(|(_, object)| Arc::clone(object)).collect())
    }

    /// Refuses a resource version from the future, as a server whose cache waited in vain.
    pub(super) fn not_too_new(&self, version: Option<&str>) -> Result<u64, Box<Status>> {
        let text = version.unwrap_or("");
        if text.is_empty() {
            return Ok(0);
        }
        let Ok(asked) = text.parse::<u64>() else {
            let message = format!(
                "resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \
                 \"{text}\": invalid syntax"
            );
            return Err(Box::new(Status::bad_request(message)));
        };
        let current = self.store.version();
        if asked <= current {
            return Ok(asked);
        }
        Err(Box::new(too_large(asked, current)))
    }
}

/// 504 for a version that the server's cache has not reached.
pub(super) fn too_large(asked: u64, current: u64) -> Status {
    let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
    let cause = crate::api::Cause::new("ResourceVersionTooLarge", "", "Too large resource version");
    Status::new(504, "Timeout", message).retry_after(1).with_causes(&[cause])
}

/// A list says more of a version that it cannot read.
fn unreadable(mut status: Box<Status>) -> Box<Status> {
    if status.code == 400 {
        status.message = format!("invalid resource version: {}", status.message);
    }
    status
}

/// The version that a list is to show exactly, if any: asked for by name or, as of old, by a limit.
fn exact(options: &Options, asked: u64) -> Option<u64> {
    let matching = options.resource_version_match.as_deref().unwrap_or("");
    let by_limit = matching.is_empty() && options.limit > 0;
    (asked > 0 && (matching == "Exact" || by_limit)).then_some(asked)
}

/// 410 for a state that is gone, with a token to go on in the present one if that helps.
fn forgotten(from: Option<&Key>, listed: &str) -> Box<Status> {
    let Some(last) = from else {
        return Box::new(Status::expired("The resourceVersion for the provided list is too old."));
    };
    let message = "The provided continue parameter is too old to display a consistent list \
                   result. You can start a new list without the continue parameter, or use the \
                   continue token in this response to retrieve the remainder of the results. \
                   Continuing with the provided token results in an inconsistent list - objects \
                   that were created, modified, or deleted between the time the first chunk was \
                   returned and now may show up in the list.";
    let mut status = Status::expired(message);
    status.continue_token = Some(make_token(None, last, listed));
    Box::new(status)
}

/// A token says where to go on below the collection that was listed, one namespace's or all.
/// Without a version it is in whatever state there is then.
fn make_token(version: Option<u64>, last: &Key, listed: &str) -> String {
    let start = match &*last.namespace {
        own if own == listed => format!("{}\u{0}", last.name),
        namespace => format!("{namespace}/{}\u{0}", last.name),
    };
    let version = version.map_or(Value::from(-1), Value::from);
    let token = json!({"v": "meta.k8s.io/v1", "rv": version, "start": start});
    base64url(token.to_string().as_bytes())
}

fn parse_token(
    token: &str,
    version: Option<&str>,
    listed: &str,
) -> Result<(Option<u64>, Key), Box<Status>> {
    if !matches!(version, None | Some("" | "0")) {
        let message = "specifying resource version is not allowed when using continue";
        return Err(Box::new(Status::bad_request(message)));
    }
    let bad = |why: &str| {
        let message = format!("invalid continue token: continue key is not valid: {why}");
        Box::new(Status::bad_request(message))
    };
    let decoded = unbase64url(token).ok_or_else(|| bad("illegal base64 data"))?;
    let value: Value = serde_json::from_slice(&decoded)
        .map_err(|e| bad(&go_json::syntax(&decoded).unwrap_or_else(|| e.to_string())))?;
    let encoded = value.get("v").and_then(Value::as_str).unwrap_or("");
    if encoded != "meta.k8s.io/v1" {
        return Err(bad(&format!("server does not recognize this encoded version {encoded}")));
    }
    let start = value.get("start").and_then(Value::as_str).unwrap_or("");
    let start = start.trim_end_matches('\u{0}');
    let (namespace, name) = match listed {
        "" => start.split_once('/').unwrap_or(("", start)),
        // Whatever the token says, it leads nowhere else.
        own => (own, start),
    };
    let version = match value.get("rv").and_then(Value::as_i64).unwrap_or(0) {
        0 => {
            return Err(bad("incorrect encoded start resourceVersion (version meta.k8s.io/v1)"));
        }
        version => u64::try_from(version).ok(),
    };
    Ok((version, Key::new(namespace, name)))
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64url without padding (RFC 4648 §5).
fn base64url(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for index in 0..=chunk.len() {
            let six = (word >> (18 - 6 * index)) & 63;
            out.push(char::from(ALPHABET[six as usize]));
        }
    }
    out
}

fn unbase64url(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut word, mut bits) = (0u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let six = ALPHABET.iter().position(|b| *b == byte)?;
        word = word << 6 | u32::try_from(six).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from((word >> bits) & 0xff).ok()?);
        }
    }
    Some(out)
}
