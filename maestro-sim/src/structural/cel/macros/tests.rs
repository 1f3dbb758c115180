//! What macros come to, and how they are refused.

use crate::structural::cel::cost::Plan;
use crate::structural::cel::lists::Lists;
use crate::structural::cel::{base, compile};
use kube_cel::cel::Value;

/// An expression is true, or it has the error that is given.
fn check(source: &str, expected: Result<(), &str>) {
    let compiled = compile(source);
    let found = match &compiled.forms {
        Ok(forms) => Plan::of_names(forms.expanded(), &[]).value(base(), &[], &Lists::default()),
        Err(why) => Err(why.clone()),
    };
    match expected {
        Ok(()) => assert_eq!(found, Ok(Value::Bool(true)), "{source}"),
        Err(expected) => assert_eq!(found, Err(expected.to_owned()), "{source}"),
    }
}

#[test]
fn macros_come_to_what_they_say() {
    let all = [
        "['a', 'b'].all(i, x, i < 2 && x < 'c')",
        "!['a', 'b'].all(i, x, i == 0)",
        "['a', 'b'].exists(i, x, i == 1 && x == 'b')",
        "!['a', 'b'].exists(i, x, i == 1 && x == 'a')",
        "['a', 'a'].existsOne(i, x, i == 1 && x == 'a')",
        "!['a', 'a'].exists_one(i, x, x == 'a')",
        "{'a': 1, 'b': 2}.all(k, v, k < 'c' && v > 0)",
        "['a', 'b'].transformList(i, x, string(i) + x) == ['0a', '1b']",
        "['a', 'b'].transformList(i, x, i > 0, x) == ['b']",
        "{'b': 2, 'a': 1}.transformList(k, v, k) == ['a', 'b']",
        "['a', 'b'].transformMap(i, x, x + 'z') == {0: 'az', 1: 'bz'}",
        "{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v * 2) == {'b': 4}",
        "['a', 'b'].transformMapEntry(i, x, {x: i}) == {'a': 0, 'b': 1}",
        "['a', 'b'].transformMapEntry(i, x, i > 0, {x: i}) == {'b': 1}",
        // A loop in a loop, with names that hide those outside.
        "[[1, 2], [3]].all(i, x, x.all(i, y, y > i))",
        "[[1, 2], [3]].all(i, x, x.exists(j, y, j <= i && y > i))",
        "[{'n': 2, 'x': 'a'}, {'n': 1, 'x': 'b'}].sortBy(e, e.n).map(e, e.x) == ['b', 'a']",
        "['ccc', 'a', 'bb'].sortBy(x, x.size()) == ['a', 'bb', 'ccc']",
        "[].sortBy(x, x) == []",
        "[3, 1, 2].sortBy(x, -x).sortBy(x, x) == [1, 2, 3]",
        "optional.of(2).optMap(x, x * 2).value() == 4",
        "!optional.none().optMap(x, x * 2).hasValue()",
        "optional.of([1]).optFlatMap(x, x[?0]).orValue(0) == 1",
        "optional.of([1]).optFlatMap(x, x[?1]).orValue(0) == 0",
        "{'a': 'b'}[?'a'].optMap(x, x + 'c').orValue('') == 'bc'",
        "{'a': 'b'}.?c.orValue('d') == 'd'",
        "{'a': {'b': 1}}.?a.?b.orValue(0) == 1",
        "{'a': {'b': 1}}.?a.?c.orValue(0) == 0",
        "{'a': {'b': 1}}.?x.?c.orValue(0) == 0",
        "{'a': {'b': 1}}.?a.b.orValue(0) == 1",
        "{'a': {'b': 1}}.?x.b.orValue(0) == 0",
        "{'a': {'b': 1}}.?x.b.hasValue() == false",
        "has({'a': {'b': 1}}.?a.b)",
        "!has({'a': {'b': 1}}.?a.c)",
        "!has({'a': {'b': 1}}.?x.c)",
        "{'a': [1]}.?a[0].orValue(0) == 1",
        "{'a': [1]}.?x[0].orValue(5) == 5",
        "{?'a': {'b': 1}.?b, ?'c': {'b': 1}.?c} == {'a': 1}",
        "[?{'b': 1}.?b, ?{'b': 1}.?c] == [1]",
        "{'a': 1}.?b.or({'a': 1}.?a).value() == 1",
        "{'a': 1}.?b == optional.none()",
        "{'a': 1}.?a == optional.of(1)",
        "optional.of({'a': 1}).?a.orValue(0) == 1",
        "optional.of({'a': 1}).a.orValue(0) == 1",
        "optional.of({'a': 1}).?b.orValue(0) == 0",
        "optional.of({'a': 1})[?'a'].orValue(0) == 1",
        "optional.of([1])[0].orValue(0) == 1",
        "optional.none().?a.orValue(0) == 0",
        "[{'a': 1}.?a].map(o, o.orValue(0)) == [1]",
        "[{'a': 1}.?b].map(o, o.orValue(0)) == [0]",
        "[{'a': 1}.?a][0].hasValue()",
        "optional.of(optional.of(1)).value().value() == 1",
        "optional.of({'a': optional.of(1)}).?a.value().value() == 1",
        "optional.ofNonZeroValue(0) == optional.none()",
        "optional.ofNonZeroValue('').hasValue() == false",
        "optional.unwrap([optional.of(1), optional.none()]) == [1]",
        "[optional.of(1), optional.none()].unwrapOpt() == [1]",
        "(true ? {'a': 1}.?a : optional.none()).hasValue()",
        "optional.none() == optional.none()",
        "optional.of(1) != optional.none()",
        "optional.of(1) in [optional.of(1)]",
        "type({'a': 1}.?a) == optional_type",
        "[1, 2].first().hasValue() && [].last() == optional.none()",
        "{'a': 1}.?b.optFlatMap(x, optional.of(x)) == optional.none()",
        "dyn({'a': 1}.?a).value() == 1",
        "{'a': {'b': 1}}.?a.optMap(x, x.?b).value().value() == 1",
        "{'a': 'b'}.?c.optMap(x, x + 'c').orValue('d') == 'd'",
    ];
    for source in all {
        check(source, Ok(()));
    }
}

#[test]
fn deep_expressions_come_to_an_end() {
    let chains =
        [" + 1", ".a", "[0]", ".map(x, x)", " in 1", " ? 1 : 1", " && true", " == 1", ".?a"];
    let nests = ["(", "[", "!", "-", "{1: ", "f(", "1 + (", "true ? (", "x.all(y, "];
    let chained = chains.iter().map(|part| format!("[1]{}", part.repeat(90_000 / part.len())));
    let nested = nests.iter().map(|part| part.repeat(90_000 / part.len()) + "1");
    for source in chained.chain(nested) {
        let compiled = compile(&source);
        if let Ok(forms) = &compiled.forms {
            let _ = Plan::of_names(forms.expanded(), &[]).value(base(), &[], &Lists::default());
        }
    }
}

#[test]
fn misused_macros_say_why() {
    let at = |column: usize, why: &str, source: &str| {
        let dots = ".".repeat(column - 1);
        format!("ERROR: <input>:1:{column}: {why}\n | {source}\n | {dots}^")
    };
    for (source, column, why) in [
        ("[1].all(i, i, true)", 12, "duplicate variable name: i"),
        ("[1].all(i.j, x, true)", 10, "argument must be a simple name"),
        ("[1].transformList(i, 1, x)", 22, "argument must be a simple name"),
        ("[1].sortBy(x.y, 1)", 13, "argument is not an identifier"),
        ("optional.of(1).optMap(x.y, 1)", 24, "optMap() variable name must be a simple identifier"),
    ] {
        check(source, Err(&at(column, why, source)));
    }
    check(
        "['a', 'a'].transformMapEntry(i, x, {x: i}) == {}",
        Err("insert failed: key a already exists"),
    );
}
