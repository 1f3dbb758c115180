//! All that is asked: the sequences written by hand, those for every kind and for every field, and
//! generated ones, of built-in and of custom kinds.

mod custom;
mod generated;
mod kinds;
mod leaves;
mod protobuf;
mod written;

use std::ops::Range;

use crate::conformance::case::Sequence;

/// Every sequence, in a fixed order.
///
/// # Errors
/// When a file of the corpus is not written as it should be; names the file and the place.
pub fn all() -> Result<Vec<Sequence>, String> {
    let mut all = written::sequences()?;
    all.extend(kinds::sequences()?);
    all.extend(protobuf::sequences()?);
    all.extend(leaves::sequences()?);
    all.extend(generated::sequences(generated::SEEDS)?);
    all.extend(custom::sequences(custom::SEEDS));
    let mut names = std::collections::BTreeSet::new();
    match all.iter().find(|sequence| !names.insert(sequence.name.as_str())) {
        Some(twice) => Err(format!("two sequences are called {}", twice.name)),
        None => Ok(all),
    }
}

/// Generated sequences of other seeds than those that every run asks.
///
/// # Errors
/// As [`all`].
pub fn further(seeds: Range<u64>) -> Result<Vec<Sequence>, String> {
    let mut all = generated::sequences(seeds.clone())?;
    all.extend(custom::sequences(seeds));
    Ok(all)
}

/// A shorter corpus: what was written by hand, every kind, and one of ten generated sequences.
///
/// # Errors
/// As [`all`].
pub fn some() -> Result<Vec<Sequence>, String> {
    let made = generated::sequences(generated::SEEDS)?.into_iter().chain(leaves::sequences()?);
    let made = made.chain(custom::sequences(custom::SEEDS));
    let generated: std::collections::BTreeMap<String, usize> =
        made.map(|sequence| sequence.name).enumerate().map(|(index, name)| (name, index)).collect();
    let mut some = all()?;
    some.retain(|sequence| generated.get(&sequence.name).is_none_or(|index| index % 10 == 0));
    Ok(some)
}
