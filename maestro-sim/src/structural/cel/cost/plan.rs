//! An expression made ready to be charged: what it costs at the most over values of a size, and
//! what it costs over some values.
//!
//! Most objects are small, and to know that they cost little is enough.

use std::sync::{Arc, OnceLock};

use kube_cel::cel::{Context, IdedExpr, Value as CelValue};

use super::declared::Structs;
use super::estimate::Estimator;
use crate::json::Value;
use crate::schema::{self, Schema};
use crate::structural::cel::interpret::{Halt, Interpreter};
use crate::structural::cel::lists::Lists;
use crate::structural::cel::typed::{Kind, Node, typed};

/// The sizes of values for which the most is kept.
const SIZES: [u64; 6] = [32, 256, 2_048, 16_384, 131_072, 4_194_304];

#[derive(Debug)]
pub(crate) struct Plan {
    tree: Node,
    most: [u64; SIZES.len()],
}

impl Plan {
    /// Of an expression over a value with a schema and what was there before.
    pub(crate) fn of_rule(expression: &IdedExpr, schema: &Schema, optional_old: bool) -> Self {
        let mut structs = Structs::new();
        let own = kind(schema, "self", &mut structs);
        let old = if optional_old { Kind::optional(own.clone()) } else { own.clone() };
        let names = [("self", own), ("oldSelf", old)];
        Self::of(expression, &names, &structs)
    }

    /// Of an expression over values of which no types are known.
    pub(crate) fn of_names(expression: &IdedExpr, names: &[&'static str]) -> Self {
        let names: Vec<(&str, Kind)> = names.iter().map(|name| (*name, Kind::Dyn)).collect();
        Self::of(expression, &names, &Structs::new())
    }

    fn of(expression: &IdedExpr, names: &[(&str, Kind)], structs: &Structs) -> Self {
        let tree = typed(expression, names, structs);
        let most = SIZES.map(|size| {
            let known = |path: &[String]| {
                let first = path.first()?;
                names.iter().any(|(name, _)| name == first).then_some(size)
            };
            Estimator::new(&known, true).cost(&tree).max
        });
        Self { tree, most }
    }

    /// The most that it costs over values of a size, which is asked for if it matters.
    pub(crate) fn most(&self, size: impl FnOnce() -> u64) -> u64 {
        let [.., largest] = self.most;
        if largest <= 1_000 {
            return largest;
        }
        let size = size();
        let fits = SIZES.iter().zip(self.most).find(|(of, _)| size <= **of);
        fits.map_or(u64::MAX, |(_, most)| most)
    }

    /// Its value over some values, or why it has none.
    pub(crate) fn value<'c>(
        &'c self,
        base: &'c Context<'c>,
        variables: &[(&str, CelValue)],
        lists: &'c Lists,
    ) -> Result<CelValue, String> {
        Interpreter::new(base, variables, lists, u64::MAX).answer(&self.tree)
    }

    /// What it costs over some values, and whether the limit ended it.
    pub(crate) fn cost<'c>(
        &'c self,
        base: &'c Context<'c>,
        variables: &[(&str, CelValue)],
        lists: &'c Lists,
        limit: u64,
    ) -> (u64, bool) {
        let mut interpreter = Interpreter::new(base, variables, lists, limit);
        let over = matches!(interpreter.value(&self.tree), Err(Halt::Over));
        (interpreter.cost, over)
    }
}

/// A bound of the letters, items and fields in a value, each of them and all together.
pub(crate) fn weight(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.len() as u64 + 1,
        Value::Array(items) => items.iter().map(weight).sum::<u64>() + 1,
        Value::Object(fields) => {
            fields.iter().map(|(name, field)| name.len() as u64 + weight(field)).sum::<u64>() + 1
        }
        _ => 1,
    }
}

/// The type of the values of a schema; what it says nothing of is known when it is seen.
fn kind(schema: &Schema, name: &str, structs: &mut Structs) -> Kind {
    let format = schema.format();
    let below = |child: &Option<Arc<Schema>>, part: &str, structs: &mut Structs| {
        child.as_ref().map_or(Kind::Dyn, |child| kind(child, &format!("{name}.{part}"), structs))
    };
    match schema.kind {
        schema::Kind::Object if schema.additional.is_some() => {
            let values = below(&schema.additional, "@elem", structs);
            Kind::map(Kind::scalar("string"), values)
        }
        schema::Kind::Object => {
            let fields = schema.properties.iter().map(|(field, child)| {
                let field = crate::structural::cel::convert::escape(field);
                let kind = kind(child, &format!("{name}.{field}"), structs);
                (field, kind)
            });
            let fields = fields.collect();
            structs.insert(name.to_owned(), fields);
            Kind::Struct(name.into())
        }
        schema::Kind::Array => Kind::list(below(&schema.items, "@idx", structs)),
        schema::Kind::String => Kind::scalar(match format {
            Some("byte") => "bytes",
            Some("duration") => "google.protobuf.Duration",
            Some("date" | "date-time") => "google.protobuf.Timestamp",
            _ => "string",
        }),
        schema::Kind::Integer => Kind::scalar("int"),
        schema::Kind::Number => Kind::scalar("double"),
        schema::Kind::Boolean => Kind::scalar("bool"),
        schema::Kind::IntOrString | schema::Kind::Any => Kind::Dyn,
    }
}

/// Plans that are made when they are first asked for, beside the rule that they are of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slot(OnceLock<Arc<Plan>>);

/// Rules are the same without the plans that are made of them.
impl PartialEq for Slot {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Slot {
    pub(crate) fn get(&self, make: impl FnOnce() -> Plan) -> &Arc<Plan> {
        self.0.get_or_init(|| Arc::new(make()))
    }
}
