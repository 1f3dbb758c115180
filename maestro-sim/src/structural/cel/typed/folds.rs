//! The types of loops, which macros stand for.

use std::sync::Arc;

use kube_cel::cel::common::ast::ComprehensionExpr;

use super::{Checker, Fold, Kind, What};

impl Checker<'_> {
    pub(super) fn fold(&mut self, fold: &ComprehensionExpr) -> (Kind, What) {
        let range = self.node(&fold.iter_range);
        let first = self.node(&fold.accu_init);
        let ranged = self.found.resolve(&range.kind, false);
        let (item, value) = match (ranged.parts("list"), ranged.parts("map")) {
            (Some([item, ..]), _) if fold.iter_var2.is_none() => (item.clone(), Kind::Dyn),
            (Some([item, ..]), _) => (Kind::scalar("int"), item.clone()),
            (_, Some([key, value, ..])) => (key.clone(), value.clone()),
            _ => {
                if !matches!(ranged, Kind::Dyn | Kind::Free(_)) {
                    let what = format!(
                        "expression of type '{}' cannot be range of a comprehension (must be \
                         list, map, or dynamic)",
                        self.shown(&ranged)
                    );
                    self.mistake(fold.iter_range.id, what);
                }
                self.found.assign(&[Kind::Dyn], &[ranged]);
                (Kind::Dyn, Kind::Dyn)
            }
        };
        let (item_name, kept) =
            (Arc::from(fold.iter_var.as_str()), Arc::from(fold.accu_var.as_str()));
        let known = self.names.len();
        self.names.push((Arc::clone(&kept), first.kind.clone()));
        self.names.push((Arc::clone(&item_name), item));
        let second = fold.iter_var2.as_deref().map(Arc::from);
        self.names.extend(second.clone().map(|second| (second, value)));
        let condition = self.node(&fold.loop_cond);
        let step = self.node(&fold.loop_step);
        self.found.assign(std::slice::from_ref(&first.kind), std::slice::from_ref(&step.kind));
        self.names.truncate(known + 1);
        let result = self.node(&fold.result);
        self.names.truncate(known);
        let kind = self.found.resolve(&result.kind, false);
        let item = item_name;
        let fold = Fold { range, item, second, kept, first, condition, step, result };
        (kind, What::Fold(Box::new(fold)))
    }
}
