//! Cascading deletion under each policy.

use crate::controller::kinds::{CONFIG_MAPS, SECRETS};
use crate::controller::testing::World;
use crate::json::{Value, json};
use crate::object::{GroupResource, Object};

fn owned_by(owner: Option<&Object>, name: &str, blocks: bool) -> Value {
    let owners: Vec<Value> = owner
        .iter()
        .map(|o| {
            json!({
                "apiVersion": "v1", "kind": "ConfigMap", "name": o.name(), "uid": o.uid(),
                "blockOwnerDeletion": blocks,
            })
        })
        .collect();
    json!({"metadata": {"name": name, "namespace": "default", "ownerReferences": owners}})
}

/// A config map with two secrets, one of them held by a finalizer of its own.
fn check(policy: &str, blocks: bool, owners: &[&str], dependents: &[&str]) -> World {
    let mut world = World::new();
    let owner = world.create(&CONFIG_MAPS, owned_by(None, "owner", blocks));
    let mut held = owned_by(Some(&owner), "held", blocks);
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    world.create(&SECRETS, held);
    world.create(&SECRETS, owned_by(Some(&owner), "free", blocks));
    world.settle();
    world.delete(&CONFIG_MAPS, "owner", policy);
    world.settle();
    let names = |world: &World, of: &GroupResource| world.names(of);
    assert_eq!(names(&world, &CONFIG_MAPS), owners, "{policy} {blocks}");
    assert_eq!(names(&world, &SECRETS), dependents, "{policy} {blocks}");
    world
}

#[test]
fn policies() {
    check("Background", true, &[], &["held"]);
    check("Foreground", false, &[], &["held"]);
    check("Orphan", true, &[], &["free", "held"]);
    let mut world = check("Foreground", true, &["owner"], &["held"]);
    world.patch(&SECRETS, "held", json!({"metadata": {"finalizers": null}}));
    world.settle();
    assert!(world.names(&CONFIG_MAPS).is_empty() && world.names(&SECRETS).is_empty());
}

#[test]
fn references_that_lead_nowhere() {
    let mut world = World::new();
    let owner = world.create(&CONFIG_MAPS, owned_by(None, "owner", true));
    let mut elsewhere = owned_by(Some(&owner), "elsewhere", true);
    elsewhere["metadata"]["namespace"] = "other".into();
    world.create(&SECRETS, elsewhere);
    let mut two = owned_by(Some(&owner), "two-owners", true);
    let mut gone = two["metadata"]["ownerReferences"][0].clone();
    gone["uid"] = "uid-of-nobody".into();
    two["metadata"]["ownerReferences"].as_array_mut().expect("a list").push(gone);
    world.create(&SECRETS, two);
    world.settle();
    // An owner in another namespace counts as absent; a dangling reference beside a solid one
    // is dropped.
    assert_eq!(world.names(&SECRETS), ["two-owners"]);
    let left = world.get(&SECRETS, "two-owners").expect("it is there");
    assert_eq!(left.owners().len(), 1);
}
