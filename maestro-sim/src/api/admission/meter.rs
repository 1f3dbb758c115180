//! What the expressions of a policy may cost together, and what they did.
//!
//! Most cost so little that their bounds together stay below what they may; they are counted only
//! once that is no longer so. Source: `k8s.io/apiserver/pkg/admission/plugin/cel/activation.go`.

use std::sync::Arc;

use kube_cel::cel::Value as CelValue;

use crate::structural::cel::cost::{CALL_LIMIT, Plan};
use crate::structural::cel::{Lists, base};

/// What all expressions of a policy may cost together, and the conditions of its match.
///
/// Source: `k8s.io/apiserver/pkg/apis/cel`.
pub(super) const POLICY: u64 = crate::structural::cel::cost::BUDGET;
pub(super) const CONDITIONS: u64 = 2_500_000;

/// What is said where they cost more.
pub(super) const POOR: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";
/// What is said of one that costs more than one may.
pub(super) const OVER: &str = "operation cancelled: actual cost limit exceeded";

/// The values that an expression sees, by their names.
pub(super) type Values = Arc<Vec<(&'static str, CelValue)>>;

#[derive(Default)]
pub(super) struct Meter {
    budget: u64,
    spent: u64,
    /// What was let pass uncounted, and the most that it can have cost.
    passed: Vec<(u64, Arc<Plan>, Values)>,
    /// The variables that were paid for.
    paid: Vec<String>,
    poor: bool,
}

impl Meter {
    /// Begins anew.
    pub(super) fn with(budget: u64) -> Self {
        Self { budget, ..Self::default() }
    }

    /// Whether more was wanted than may be spent.
    pub(super) fn is_poor(&self) -> bool {
        self.poor
    }

    /// Whether a variable is yet to be paid for, which it is from now on.
    pub(super) fn first(&mut self, variable: &str) -> bool {
        let first = !self.paid.iter().any(|paid| paid == variable);
        if first {
            self.paid.push(variable.to_owned());
        }
        first
    }

    /// Charges an expression over values of a size.
    ///
    /// # Errors
    /// When it costs too much by itself or with all before it.
    pub(super) fn charge(
        &mut self,
        plan: &Arc<Plan>,
        values: &Values,
        size: impl FnOnce() -> u64,
    ) -> Result<(), &'static str> {
        if self.poor {
            return Err(POOR);
        }
        let most = plan.most(size);
        let before: u64 = self.passed.iter().map(|(most, ..)| most).sum();
        if most <= CALL_LIMIT && self.spent + before + most <= self.budget {
            self.passed.push((most, Arc::clone(plan), Arc::clone(values)));
            return Ok(());
        }
        // Without a schema no list is a set or a map.
        let none = Lists::default();
        for (_, plan, values) in std::mem::take(&mut self.passed) {
            self.spent += plan.cost(base(), &values, &none, CALL_LIMIT).0;
        }
        let (cost, over) = plan.cost(base(), values, &none, CALL_LIMIT);
        self.spent = self.spent.saturating_add(cost);
        self.poor = self.spent > self.budget;
        match (self.poor, over) {
            (true, _) => Err(POOR),
            (_, true) => Err(OVER),
            _ => Ok(()),
        }
    }
}
