//! "Did you mean": the known word nearest to a wrong one.

/// The nearest of `known` within a third of the word's length (at least one, at most three
/// edits); ties go to the earlier.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (wrong.chars().count() / 3).clamp(1, 3);
    let close = known.into_iter().map(|word| (distance(wrong, word), word));
    close.filter(|(edits, _)| *edits <= limit).min_by_key(|(edits, _)| *edits).map(|(_, w)| w)
}

/// Edits (insert, delete, replace, swap of neighbours) between two words, case ignored.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().flat_map(char::to_lowercase).collect();
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).collect();
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let cell = |row: &Vec<usize>, at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
            let above = rows.get(i).map_or(usize::MAX / 2, |r| cell(r, j + 1));
            let corner = rows.get(i).map_or(usize::MAX / 2, |r| cell(r, j));
            let mut best = (corner + usize::from(from != to)).min(above + 1).min(cell(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(to) && b.get(j - 1) == Some(from);
            if swapped && let Some(earlier) = rows.get(i - 1) {
                best = best.min(cell(earlier, j - 1) + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn typing_slips_are_found_and_other_words_are_not() {
        let known = ["pod-kill", "partition", "slow-rollout"];
        assert_eq!(nearest("pod-kil", known), Some("pod-kill"));
        assert_eq!(nearest("parititon", known), Some("partition"));
        assert_eq!(nearest("Slow-rollout", known), Some("slow-rollout"));
        assert_eq!(nearest("earthquake", known), None);
    }
}
