//! Sets of completion indexes as text, `1,3-5,7`.

use std::collections::BTreeSet;

/// Reads the compressed form; parts that are malformed or beyond `limit` are skipped.
pub fn parse(text: &str, limit: i64) -> BTreeSet<i64> {
    let mut all = BTreeSet::new();
    for part in text.split(',').filter(|p| !p.is_empty()) {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(from), Ok(to)) = (from.parse::<i64>(), to.parse::<i64>()) {
            all.extend(from..=to.min(limit - 1));
        }
    }
    all
}

/// Writes the compressed form: two neighbours stay apart by a comma, three make a range.
pub fn format(all: &BTreeSet<i64>) -> String {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for index in all {
        match runs.last_mut() {
            Some((_, to)) if *to + 1 == *index => *to = *index,
            _ => runs.push((*index, *index)),
        }
    }
    let parts = runs.iter().map(|(from, to)| match to - from {
        0 => from.to_string(),
        1 => format!("{from},{to}"),
        _ => format!("{from}-{to}"),
    });
    parts.collect::<Vec<_>>().join(",")
}
