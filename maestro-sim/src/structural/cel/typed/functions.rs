//! The functions that expressions may call, and the overloads of each.
//!
//! The table is what `go run ./overloads` in `ci/control-plane/kubernetes` prints.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::Kind;

/// One form of a function, for operands of some types.
#[derive(Debug)]
pub(crate) struct Overload {
    /// What it is called, alone among all of all functions.
    pub(crate) id: &'static str,
    /// Whether it is called on a value.
    pub(crate) method: bool,
    pub(crate) result: Kind,
    /// The value that it is called on first, if it is.
    pub(crate) operands: Vec<Kind>,
}

/// The overloads of a function, in the order in which they are tried.
pub(crate) fn overloads(function: &str) -> Option<&'static [Overload]> {
    static TABLE: LazyLock<BTreeMap<&'static str, Vec<Overload>>> = LazyLock::new(|| {
        let mut table: BTreeMap<&'static str, Vec<Overload>> = BTreeMap::new();
        for line in include_str!("functions.txt").lines() {
            let mut words = line.split(' ');
            if let (Some(name), Some(style), Some(id), Some(result)) =
                (words.next(), words.next(), words.next(), words.next())
            {
                let operands = words.map(Kind::parse).collect();
                let result = Kind::parse(result);
                let one = Overload { id, method: style == ".", result, operands };
                table.entry(name).or_default().push(one);
            }
        }
        table
    });
    TABLE.get(function).map(Vec::as_slice)
}
