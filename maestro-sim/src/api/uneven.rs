//! Amounts that are equal and yet differ in the eyes of the real server's bookkeeping.
//!
//! Lists and maps that are owned as a whole are compared as Go structs there, and an amount's
//! struct remembers how it was written: whoever writes 1024Mi over 1Gi in such a list owns it
//! from then on.
//! Source: `listReflect.EqualsUsing` of `sigs.k8s.io/structured-merge-diff/value`.

use crate::api::registry::Served;
use crate::fields::shape::{Form, Ty};
use crate::json::Value;
use crate::structural::Step;

/// The live tree with what differs unseen made visibly different, if there is any such thing.
pub(super) fn marked(
    served: &Served,
    old: &Value,
    new: &Value,
    uneven: &[Vec<Step>],
) -> Option<Value> {
    let mut marked = None;
    for steps in uneven {
        let Some(depth) = whole(served, new, steps) else { continue };
        let tree = marked.get_or_insert_with(|| old.clone());
        let place = steps[..depth].iter().try_fold(tree, |value, step| match step {
            Step::Name(name) => value.get_mut(name.as_str()),
            Step::Index(index) => value.get_mut(index),
        });
        if let Some(place) = place {
            // No list or map is equal to a text.
            *place = "".into();
        }
    }
    marked
}

/// How many steps lead to the list or map that is owned as a whole and holds the end of the path.
fn whole(served: &Served, tree: &Value, steps: &[Step]) -> Option<usize> {
    let mut ty = Ty::root(served.schema());
    let mut here = tree;
    for (depth, step) in steps.iter().enumerate() {
        if let Form::Leaf = ty.form(Some(here)) {
            return Some(depth);
        }
        (ty, here) = match step {
            Step::Name(name) => (ty.child(name), here.get(name.as_str())?),
            Step::Index(index) => (ty.item(), here.get(index)?),
        };
    }
    None
}
