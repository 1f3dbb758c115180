//! WATCH: where a cursor starts, and what an event looks like through its filter.

use std::sync::Arc;

use crate::api::conversion::Unconverted;
use crate::api::form::Shape;
use crate::api::read::{Filter, too_large};
use crate::api::registry::Served;
use crate::api::server::{Handled, Response, Server};
use crate::api::{Request, Status, query};
use crate::object::Object;
use crate::store::{Event, EventType, TableId};

/// A watch that has been accepted.
#[derive(Debug)]
pub struct WatchStart {
    /// Objects to send first as ADDED.
    pub initial: Vec<Arc<Object>>,
    /// Whether a bookmark annotated `k8s.io/initial-events-end` follows the initial objects.
    pub initial_end: bool,
    /// The log to follow.
    pub table: TableId,
    /// The position to follow from.
    pub position: u64,
    /// What it selects.
    pub filter: Filter,
    /// Whether bookmarks are wanted.
    pub bookmarks: bool,
    /// `apiVersion` and kind of the objects, for bookmarks.
    pub type_meta: (String, String),
    /// Resource version of the initial state.
    pub resource_version: u64,
    /// Seconds after which the server ends it.
    pub timeout_seconds: u64,
    /// Set when the asked resource version is compacted: the one event that is sent.
    pub expired: Option<Box<Status>>,
    /// The form in which objects are sent.
    pub(crate) shape: Shape,
    /// The version that was asked for, when what is stored has to be converted.
    pub(crate) version: Option<Arc<Served>>,
}

impl Server {
    pub(super) fn watch(&mut self, served: &Served, request: &Request) -> Handled {
        let options = &request.options;
        let version = options.resource_version.as_deref().unwrap_or("");
        let asked = self.not_too_new(Some(version)).map_err(found_late)?;
        query::check_list(options, true)?;
        let initial_events = options.send_initial_events;
        let filter = Filter::new(served, request)?;
        let table = self.store.table_id(served.stored());
        let from_start = initial_events.unwrap_or(version.is_empty() || version == "0");
        let resource_version = self.store.version();
        let (position, mut expired) = if from_start || version.is_empty() || version == "0" {
            (self.store.table(table).end(), None)
        } else {
            match self.store.table(table).position_after(asked) {
                Ok(position) => (position, None),
                Err(oldest) => (0, Some(Box::new(too_old(asked, oldest)))),
            }
        };
        let mut initial = Vec::new();
        if from_start {
            // What a webhook converts is selected by what it is then.
            let converts = served.converter().is_some() && !filter.is_plain();
            let every = converts.then(|| filter.of_any());
            let first = every.as_ref().unwrap_or(&filter);
            let objects = self.store.table(table).objects.values();
            initial.extend(objects.filter(|o| first.matches(o)).cloned());
            if served.converter().is_some() {
                match self.shown_all(served, initial, Some(&filter)) {
                    Ok(shown) => initial = shown,
                    Err(Unconverted::Later) => return Err(Unconverted::Later.into()),
                    Err(Unconverted::Failed(_)) => {
                        initial = Vec::new();
                        expired = Some(Box::new(self.stuck()));
                    }
                }
            }
        }
        let expired = match self.can_follow(served, table, position, &filter) {
            Ok(()) => expired,
            Err(Unconverted::Later) => return Err(Unconverted::Later.into()),
            Err(Unconverted::Failed(_)) => Some(Box::new(self.stuck())),
        };
        let random = 1800 + self.names.below(1800);
        Ok(Response::Watch(WatchStart {
            initial,
            initial_end: initial_events == Some(true) && options.allow_watch_bookmarks,
            table,
            position,
            filter,
            bookmarks: options.allow_watch_bookmarks,
            type_meta: (served.api_version().to_owned(), served.kind.clone()),
            resource_version,
            timeout_seconds: options.timeout_seconds.filter(|s| *s > 0).unwrap_or(random),
            expired,
            shape: Shape::Whole,
            version: None,
        }))
    }
}

/// Who finds out late that it cannot read a version has no better answer than 500.
pub(super) fn found_late(mut status: Box<Status>) -> Box<Status> {
    if status.code == 400 {
        (status.code, status.reason) = (500, "");
    }
    status
}

/// 410 for a watch from a compacted version.
pub fn too_old(asked: u64, oldest: u64) -> Status {
    Status::expired(format!("too old resource version: {asked} ({oldest})"))
}

/// An event as a watch with a filter sees it: entering a selector is ADDED, leaving it DELETED
/// with the old content at the new resource version.
pub fn seen(event: &Event, filter: &Filter) -> Option<(EventType, Arc<Object>)> {
    let before = event.old.as_ref().is_some_and(|old| filter.matches(old));
    let now = event.kind != EventType::Deleted && filter.matches(&event.object);
    match (before, now) {
        (false, true) => Some((EventType::Added, Arc::clone(&event.object))),
        (true, true) => Some((EventType::Modified, Arc::clone(&event.object))),
        (true, false) if event.kind == EventType::Deleted => {
            Some((EventType::Deleted, Arc::clone(&event.object)))
        }
        (true, false) => event.old.as_ref().map(|old| (EventType::Deleted, restamped(old, event))),
        (false, false) => None,
    }
}

impl Server {
    /// What a watch is told whose objects cannot be converted: in vain it waited for the server's
    /// cache of them.
    fn stuck(&self) -> Status {
        let version = self.store.version();
        too_large(version, version.saturating_sub(1))
    }

    /// Refuses a watch that would end at once, as its webhook cannot convert what happened since.
    fn can_follow(
        &mut self,
        served: &Served,
        table: TableId,
        mut position: u64,
        filter: &Filter,
    ) -> Result<(), Unconverted> {
        if served.converter().is_none() {
            return Ok(());
        }
        while let Some(event) = self.store.table(table).event(position).cloned() {
            self.seen_in(Some(served), &event, filter)?;
            position += 1;
        }
        Ok(())
    }

    /// What [`seen`] finds, in a version to which what is stored may have to be converted.
    pub(crate) fn seen_in(
        &mut self,
        served: Option<&Served>,
        event: &Event,
        filter: &Filter,
    ) -> Result<Option<(EventType, Arc<Object>)>, Unconverted> {
        let Some(served) = served else { return Ok(seen(event, filter)) };
        if served.converter().is_none() || filter.is_plain() {
            let found = seen(event, filter);
            let shown = found.map(|(kind, object)| Ok((kind, self.shown(served, &object)?)));
            return shown.transpose();
        }
        let place = filter.of_any();
        if !place.matches(&event.object) {
            return Ok(None);
        }
        let object = self.shown(served, &event.object)?;
        let old = event.old.as_ref().map(|old| self.shown(served, old)).transpose()?;
        Ok(seen(&Event { object, old, ..*event }, filter))
    }
}

fn restamped(old: &Object, event: &Event) -> Arc<Object> {
    let mut value = old.value().clone();
    let version = event.object.resource_version().to_string();
    crate::object::map_at(&mut value, &["metadata"]).insert("resourceVersion", version.into());
    Arc::new(Object::new(value))
}
