//! Macros that the engine's parser leaves as calls, written out as a real server's compiler does
//! it: `optMap` and `optFlatMap`, those over two variables (`all`, `exists`, `existsOne`,
//! `transformList`, `transformMap`, `transformMapEntry`), and `sortBy`.
//!
//! Source: `cel/library.go`, `ext/comprehensions.go` and `ext/lists.go` of
//! `github.com/google/cel-go`.

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, ListExpr, LiteralValue, MapExpr,
};

/// What a macro keeps from item to item.
const KEPT: &str = "@result";
/// The variable of a loop that binds a name and does nothing else.
const UNUSED: &str = "#unused";
/// What `sortBy` sorts.
const SORTED: &str = "@__sortBy_input__";

/// An expression in the forms that its readers want: most are the same.
pub(crate) struct Forms {
    written: IdedExpr,
    expanded: Option<IdedExpr>,
}

impl Forms {
    /// Expands the macros of an expression, or says which cannot be and why.
    pub(super) fn of(written: &IdedExpr) -> Result<Self, Misused> {
        let (mut whole, mut found, mut wrong) = (written.clone(), false, None);
        rewrite(&mut whole, &mut |part| match expand(part) {
            None => {}
            Some(Ok(mut expanded)) => {
                found = true;
                // What nobody wrote stands where the macro does.
                rewrite(&mut expanded, &mut |new| {
                    if new.id == 0 {
                        new.id = part.id;
                    }
                });
                *part = expanded;
            }
            Some(Err(misused)) => wrong = wrong.take().or(Some(misused)),
        });
        if let Some(misused) = wrong {
            return Err(misused);
        }
        Ok(Self { written: written.clone(), expanded: found.then_some(whole) })
    }

    /// The expression as somebody wrote it.
    pub(crate) fn written(&self) -> &IdedExpr {
        &self.written
    }

    /// The expression that is meant, with every macro expanded.
    pub(crate) fn expanded(&self) -> &IdedExpr {
        self.expanded.as_ref().unwrap_or(&self.written)
    }
}

/// Why a macro cannot be expanded.
#[derive(Debug, PartialEq)]
pub(super) struct Misused {
    /// The number of the part that is wrong.
    pub(super) part: u64,
    pub(super) why: String,
}

/// Changes an expression and all its parts, the innermost first.
pub(crate) fn rewrite(tree: &mut IdedExpr, change: &mut dyn FnMut(&mut IdedExpr)) {
    match &mut tree.expr {
        Expr::Select(select) => rewrite(&mut select.operand, change),
        Expr::Call(call) => {
            call.target.iter_mut().for_each(|target| rewrite(target, change));
            call.args.iter_mut().for_each(|arg| rewrite(arg, change));
        }
        Expr::List(list) => list.elements.iter_mut().for_each(|item| rewrite(item, change)),
        Expr::Map(MapExpr { entries }) => rewrite_entries(entries, change),
        Expr::Struct(object) => rewrite_entries(&mut object.entries, change),
        Expr::Comprehension(fold) => {
            for part in [
                &mut fold.iter_range,
                &mut fold.accu_init,
                &mut fold.loop_cond,
                &mut fold.loop_step,
                &mut fold.result,
            ] {
                rewrite(part, change);
            }
        }
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
    }
    change(tree);
}

fn rewrite_entries(
    entries: &mut [kube_cel::cel::common::ast::IdedEntryExpr],
    change: &mut dyn FnMut(&mut IdedExpr),
) {
    for entry in entries {
        match &mut entry.expr {
            EntryExpr::MapEntry(pair) => {
                rewrite(&mut pair.key, change);
                rewrite(&mut pair.value, change);
            }
            EntryExpr::StructField(field) => rewrite(&mut field.value, change),
        }
    }
}

/// What a call stands for if it is one of the macros.
fn expand(part: &IdedExpr) -> Option<Result<IdedExpr, Misused>> {
    let Expr::Call(CallExpr { func_name, target: Some(target), args }) = &part.expr else {
        return None;
    };
    let target = target.as_ref();
    Some(match (func_name.as_str(), args.as_slice()) {
        ("optMap", [name, value]) => optional(target, func_name, name, |name, inner| {
            call("optional.of", vec![bind(name, inner, value.clone())])
        }),
        ("optFlatMap", [name, value]) => {
            optional(target, func_name, name, |name, inner| bind(name, inner, value.clone()))
        }
        ("sortBy", [name, key]) => sort(target, name, key),
        ("all" | "exists" | "existsOne" | "exists_one", [first, second, test]) => {
            pair(first, second).map(|names| quantifier(func_name, target, names, test))
        }
        ("transformList" | "transformMap" | "transformMapEntry", [first, second, rest @ ..])
            if matches!(rest.len(), 1 | 2) =>
        {
            pair(first, second).map(|names| transform(func_name, target, names, rest))
        }
        _ => return None,
    })
}

fn optional(
    target: &IdedExpr,
    function: &str,
    name: &IdedExpr,
    some: impl FnOnce(&str, IdedExpr) -> IdedExpr,
) -> Result<IdedExpr, Misused> {
    let Expr::Ident(own) = &name.expr else {
        let why = format!("{function}() variable name must be a simple identifier");
        return Err(Misused { part: name.id, why });
    };
    let inner = method(target.clone(), "value", Vec::new());
    let there = method(target.clone(), "hasValue", Vec::new());
    Ok(call("_?_:_", vec![there, some(own, inner), call("optional.none", Vec::new())]))
}

fn sort(target: &IdedExpr, name: &IdedExpr, key: &IdedExpr) -> Result<IdedExpr, Misused> {
    let wrong = |part: &IdedExpr, why: &str| Err(Misused { part: part.id, why: why.to_owned() });
    if matches!(target.expr, Expr::Literal(_) | Expr::Map(_) | Expr::Struct(_)) {
        let why = "sortBy can only be applied to a list, identifier, comprehension, call or select \
                   expression";
        return wrong(target, why);
    }
    let Expr::Ident(own) = &name.expr else {
        return wrong(name, "argument is not an identifier");
    };
    let keys = fold(ComprehensionExpr {
        iter_range: ident(SORTED),
        iter_var: own.clone(),
        iter_var2: None,
        accu_var: KEPT.to_owned(),
        accu_init: list(Vec::new()),
        loop_cond: truth(true),
        loop_step: call("_+_", vec![ident(KEPT), list(vec![key.clone()])]),
        result: ident(KEPT),
    });
    let sorted = method(ident(SORTED), "@sortByAssociatedKeys", vec![keys]);
    Ok(bind(SORTED, target.clone(), sorted))
}

/// The names of two variables.
fn pair(first: &IdedExpr, second: &IdedExpr) -> Result<[String; 2], Misused> {
    let name = |part: &IdedExpr| match &part.expr {
        Expr::Ident(name) => Ok(name.clone()),
        _ => Err(Misused { part: part.id, why: "argument must be a simple name".to_owned() }),
    };
    let names = [name(first)?, name(second)?];
    let [own, other] = &names;
    if own == other {
        return Err(Misused { part: second.id, why: format!("duplicate variable name: {own}") });
    }
    Ok(names)
}

fn quantifier(function: &str, target: &IdedExpr, names: [String; 2], test: &IdedExpr) -> IdedExpr {
    let kept = || ident(KEPT);
    let goes_on = |part: IdedExpr| call("@not_strictly_false", vec![part]);
    let (first, condition, step, result) = match function {
        "all" => {
            let step = call("_&&_", vec![kept(), test.clone()]);
            (truth(true), goes_on(kept()), step, kept())
        }
        "exists" => {
            let step = call("_||_", vec![kept(), test.clone()]);
            (truth(false), goes_on(call("!_", vec![kept()])), step, kept())
        }
        _ => {
            let more = call("_+_", vec![kept(), number(1)]);
            let step = call("_?_:_", vec![test.clone(), more, kept()]);
            (number(0), truth(true), step, call("_==_", vec![kept(), number(1)]))
        }
    };
    over_two(target, names, first, condition, step, result)
}

fn transform(function: &str, target: &IdedExpr, names: [String; 2], rest: &[IdedExpr]) -> IdedExpr {
    let kept = || ident(KEPT);
    let (filter, value) = match rest {
        [filter, value] => (Some(filter), value.clone()),
        rest => (None, rest.first().cloned().unwrap_or_default()),
    };
    let [key, _] = &names;
    let (first, step) = match function {
        "transformList" => (list(Vec::new()), call("_+_", vec![kept(), list(vec![value])])),
        "transformMap" => (none_yet(), call("cel.@mapInsert", vec![kept(), ident(key), value])),
        _ => (none_yet(), call("cel.@mapInsert", vec![kept(), value])),
    };
    let step = match filter {
        Some(filter) => call("_?_:_", vec![filter.clone(), step, kept()]),
        None => step,
    };
    over_two(target, names, first, truth(true), step, kept())
}

fn over_two(
    target: &IdedExpr,
    [key, value]: [String; 2],
    first: IdedExpr,
    condition: IdedExpr,
    step: IdedExpr,
    result: IdedExpr,
) -> IdedExpr {
    fold(ComprehensionExpr {
        iter_range: target.clone(),
        iter_var: key,
        iter_var2: Some(value),
        accu_var: KEPT.to_owned(),
        accu_init: first,
        loop_cond: condition,
        loop_step: step,
        result,
    })
}

/// A value in which a name stands for another.
fn bind(name: &str, value: IdedExpr, body: IdedExpr) -> IdedExpr {
    fold(ComprehensionExpr {
        iter_range: list(Vec::new()),
        iter_var: UNUSED.to_owned(),
        iter_var2: None,
        accu_var: name.to_owned(),
        accu_init: value,
        loop_cond: truth(false),
        loop_step: ident(name),
        result: body,
    })
}

/// What stands nowhere in the source has no number of its own.
fn part(expr: Expr) -> IdedExpr {
    IdedExpr { id: 0, expr }
}

fn fold(fold: ComprehensionExpr) -> IdedExpr {
    part(Expr::Comprehension(Box::new(fold)))
}

fn ident(name: &str) -> IdedExpr {
    part(Expr::Ident(name.to_owned()))
}

fn truth(value: bool) -> IdedExpr {
    part(Expr::Literal(LiteralValue::Boolean(value.into())))
}

fn number(value: i64) -> IdedExpr {
    part(Expr::Literal(LiteralValue::Int(value.into())))
}

fn list(elements: Vec<IdedExpr>) -> IdedExpr {
    part(Expr::List(ListExpr::new(elements)))
}

/// A map without entries.
fn none_yet() -> IdedExpr {
    part(Expr::Map(MapExpr::default()))
}

fn call(function: &str, args: Vec<IdedExpr>) -> IdedExpr {
    part(Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args }))
}

fn method(target: IdedExpr, function: &str, args: Vec<IdedExpr>) -> IdedExpr {
    let target = Some(Box::new(target));
    part(Expr::Call(CallExpr { func_name: function.to_owned(), target, args }))
}

#[cfg(test)]
mod tests;
