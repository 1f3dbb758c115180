//! Trees against those of `serde_json`, and what is shared.

use proptest::prelude::*;

use super::*;

/// Trees of every sort, with names that share their first bytes and some that are empty.
fn trees() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        "[a-z]{0,20}|é\u{0}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let names = prop_oneof!["[ab]{0,3}", "resource[A-C]{0,4}", "a\u{0}{0,2}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((names, inner), 0..6).prop_map(|all| all.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(tree in trees()) {
        let text = tree.to_string();
        let theirs: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&theirs.to_string(), &text, "names in the order of their bytes");
        prop_assert_eq!(&text.parse::<Value>().unwrap(), &tree);
        prop_assert_eq!(&Value::from(&theirs), &tree);
        prop_assert_eq!(tree.into_serde(), theirs);
    }

    #[test]
    fn a_change_is_seen_by_one_alone(tree in trees(), name in "[ab]{0,2}") {
        let before = tree.to_string();
        let mut changed = tree.clone();
        if let Value::Object(map) = &mut changed {
            map.insert(name.as_str(), 1.into());
            prop_assert_eq!(map.remove(&name), Some(1.into()));
            prop_assert!(!map.contains_key(&name));
        }
        if let Value::Array(list) = &mut changed {
            list.iter_mut().for_each(|item| drop(item.take()));
            list.push(true.into());
        }
        prop_assert_eq!(tree.to_string(), before);
    }

    #[test]
    fn names_are_in_the_order_of_their_bytes(a in "\\PC{0,12}", b in "[a\u{0}]{0,10}", c in any::<String>()) {
        for (one, other) in [(&a, &b), (&b, &c), (&a, &c), (&a, &a)] {
            let (left, right) = (Name::from(one), Name::from(other));
            prop_assert_eq!(left.cmp(&right), one.as_bytes().cmp(other.as_bytes()));
            prop_assert_eq!(left == right, one == other);
            prop_assert_eq!(order(one, other), one.as_bytes().cmp(other.as_bytes()));
        }
    }

    #[test]
    fn merge_patches_do_as_the_library_does(live in trees(), patch in trees()) {
        let mut theirs = live.clone().into_serde();
        json_patch::merge(&mut theirs, &patch.clone().into_serde());
        let mut ours = live;
        merge(&mut ours, &patch);
        prop_assert_eq!(ours.into_serde(), theirs);
    }

    #[test]
    fn pointers_find_what_the_library_finds(tree in trees(), pointer in "(/(a|b|aa|resource|~0|~1|0|1|01|[+]1)){0,4}|a") {
        let theirs = tree.clone().into_serde();
        let found = tree.pointer(&pointer).cloned().map(Value::into_serde);
        prop_assert_eq!(found.as_ref(), theirs.pointer(&pointer));
        let mut tree = tree;
        let found = tree.pointer_mut(&pointer).cloned().map(Value::into_serde);
        prop_assert_eq!(found.as_ref(), theirs.pointer(&pointer));
    }
}

#[test]
fn of_two_fields_with_one_name_the_later_counts() {
    let tree: Value = r#"{"b": 1, "a": 2, "b": {"c": 3}}"#.parse().unwrap();
    assert_eq!(tree, json!({"a": 2, "b": {"c": 3}}));
    let map: Map = [("b", 1), ("a", 2), ("b", 3), ("a", 4)].into_iter().collect();
    assert_eq!(map, Map::from([("a", 4), ("b", 3)]));
}

#[test]
fn a_tree_is_shared_but_for_the_way_to_a_change() {
    let old = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "x"}]}});
    let mut new = old.clone();
    new["metadata"]["labels"]["a"] = "c".into();
    assert!(new["spec"].is_same(&old["spec"]));
    assert!(!new["metadata"].is_same(&old["metadata"]));
    assert_eq!(old["metadata"]["labels"]["a"], "b");
    let mut patched = old.clone();
    merge(&mut patched, &json!({"metadata": {"labels": {"d": "e"}}, "spec": {}}));
    assert!(patched["spec"].is_same(&old["spec"]));
}

#[test]
fn what_is_kept_is_asked_about_once() {
    let old = json!({"a": 1, "b": 2, "c": 3, "d": 4, "list": [1, 2, 3, 4]});
    for wanted in ["", "a", "b", "d", "ac", "abcd"] {
        let mut new = old.clone();
        let (mut asked, mut number) = (Vec::new(), 0);
        new.as_object_mut().unwrap().retain(|name, _| {
            asked.push(name.to_string());
            !wanted.contains(name.as_str())
        });
        new["list"].as_array_mut().unwrap().retain(|value| {
            number += 1;
            assert_eq!(value, number);
            number % 2 == 1 || wanted.is_empty()
        });
        assert_eq!(asked, ["a", "b", "c", "d", "list"]);
        let list = if wanted.is_empty() { json!([1, 2, 3, 4]) } else { json!([1, 3]) };
        let mut left: Map = ["a", "b", "c", "d"].into_iter().zip([1, 2, 3, 4]).collect();
        wanted.chars().for_each(|name| drop(left.remove(&name.to_string())));
        left.insert("list", list);
        assert_eq!(new, Value::Object(left));
        assert_eq!(new["list"].is_same(&old["list"]), wanted.is_empty());
    }
}

#[test]
fn parts_that_are_not_there_are_null_and_can_be_set() {
    let mut tree = json!({"list": [1]});
    assert!(tree["no"]["such"]["field"].is_null() && tree["list"][7].is_null());
    tree["a"]["b"] = 1.into();
    tree["list"][0] = 2.into();
    assert_eq!(tree, json!({"a": {"b": 1}, "list": [2]}));
    assert_eq!(tree.get_mut("c"), None);
}

#[test]
fn trees_are_written_as_they_look() {
    let (name, list, none) = ("key", vec!["x".to_owned()], None::<i64>);
    let tree = json!({
        (name): {"deep": [null, true, {"n": -1}, [], {}], "sum": 1 + 2},
        "list": list, "none": none, "text": format!("{name}s"),
    });
    let text = r#"{"key":{"deep":[null,true,{"n":-1},[],{}],"sum":3},"list":["x"],"none":null,"text":"keys"}"#;
    assert_eq!(tree.to_string(), text);
    assert_eq!(format!("{:#}", json!({"a": [1]})), "{\n  \"a\": [\n    1\n  ]\n}");
    assert_eq!(tree["list"].as_array().map(|list| list.len()), Some(1));
}

#[test]
fn long_names_are_in_memory_once() {
    for (name, once) in [("terminationMessagePath", true), (&*"x".repeat(65), false)] {
        let read: Value = serde_json::from_str(&format!("{{\"{name}\": 1}}")).unwrap();
        let made = json!({name: 2});
        let [one, other] = [&read, &made].map(|tree| {
            let first = tree.as_object().and_then(|map| map.keys().next());
            first.map(|name| name.as_str().as_ptr())
        });
        assert_eq!(one == other, once, "{name}");
    }
}
