//! Metrics: what the operator counts, in Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Counters by name and labels.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    leading: AtomicBool,
    counters: Mutex<BTreeMap<(&'static str, String), u64>>,
}

/// Every counter, with its help text and the name of its label.
const COUNTERS: &[(&str, &str, &str)] = &[
    ("maestro_reconciles_total", "Reconciles of instances, by kind.", "kind"),
    ("maestro_reconcile_errors_total", "Reconciles that ended in an error, by kind.", "kind"),
    ("maestro_effects_total", "Writes that plans sent, by action.", "action"),
    ("maestro_journal_writes_total", "Writes of journals, by plan.", "plan"),
    ("maestro_plans_finished_total", "Plan executions that ended, by state.", "state"),
    ("maestro_drift_repairs_total", "Objects applied again between plans, by kind.", "kind"),
];

impl Metrics {
    /// Adds one to a counter.
    pub(super) fn count(&self, name: &'static str, label: &str) {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        *counters.entry((name, label.to_owned())).or_insert(0) += 1;
    }

    /// Says whether this replica leads.
    pub(super) fn lead(&self, leading: bool) {
        self.leading.store(leading, Ordering::Relaxed);
    }

    /// Everything, in Prometheus' text format.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let leading = u8::from(self.leading.load(Ordering::Relaxed));
        text.push_str("# HELP maestro_leading Whether this replica leads.\n");
        text.push_str("# TYPE maestro_leading gauge\n");
        // Writing to a String cannot fail.
        let _ = writeln!(text, "maestro_leading {leading}");
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, help, label) in COUNTERS {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
            for ((_, value), count) in counters.iter().filter(|((counter, _), _)| counter == name) {
                let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                let _ = writeln!(text, "{name}{{{label}=\"{value}\"}} {count}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_named_labelled_and_in_order() {
        let metrics = Metrics::default();
        metrics.lead(true);
        metrics.count("maestro_effects_total", "apply");
        metrics.count("maestro_effects_total", "apply");
        let text = metrics.text();
        assert!(text.contains("maestro_leading 1\n"), "{text}");
        assert!(text.contains("maestro_effects_total{action=\"apply\"} 2\n"), "{text}");
    }
}
