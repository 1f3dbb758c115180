//! The `authorizer` of expressions: what the requester, or a service account, may do.
//!
//! Source: <https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-authorizer-library>.

use std::sync::Arc;

use kube_cel::cel::extractors::This;
use kube_cel::cel::objects::Opaque;
use kube_cel::cel::{Context, ExecutionError, Value as CelValue};

use super::call::Call;
use crate::api::authorization::resolve::{book, decide};
use crate::api::authorization::{Attributes, Decision};
use crate::api::identity::Identity;
use crate::store::Store;

/// Somebody, and what is to be known of them.
#[derive(Clone)]
struct Check {
    roles: Arc<Store>,
    user: Identity,
    asked: Attributes,
    told: Option<Decision>,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Check").field("user", &self.user).field("asked", &self.asked).finish()
    }
}

impl PartialEq for Check {
    fn eq(&self, other: &Self) -> bool {
        self.user == other.user && self.asked == other.asked && self.told == other.told
    }
}

impl Eq for Check {}

impl Opaque for Check {
    fn runtime_type_name(&self) -> &str {
        match self.told {
            Some(_) => "kubernetes.authorization.Decision",
            None => "kubernetes.authorization.Authorizer",
        }
    }
}

type Made = Result<CelValue, ExecutionError>;

/// What a function is called on, changed.
fn changed(this: CelValue, change: impl FnOnce(&mut Check)) -> Made {
    let mut check = seen(&this)?.clone();
    change(&mut check);
    Ok(CelValue::Opaque(Arc::new(check)))
}

fn seen(this: &CelValue) -> Result<&Check, ExecutionError> {
    let found = match this {
        CelValue::Opaque(opaque) => opaque.downcast_ref::<Check>(),
        _ => None,
    };
    found.ok_or(ExecutionError::NoSuchOverload)
}

fn decision(this: &CelValue) -> Result<&Decision, ExecutionError> {
    seen(this)?.told.as_ref().ok_or(ExecutionError::NoSuchOverload)
}

fn check(This(this): This<CelValue>, verb: Arc<String>) -> Made {
    changed(this, |check| {
        check.asked.verb.clone_from(&verb);
        check.told = Some(match check.user.is_master() {
            true => Decision { allowed: true, reason: String::new() },
            false => decide(&check.roles, &check.user, &check.asked),
        });
    })
}

/// Adds the functions of the library.
pub(crate) fn register(context: &mut Context<'_>) {
    type Text = Arc<String>;
    context.add_function("path", |This(this): This<CelValue>, path: Text| -> Made {
        changed(this, |check| check.asked.path = Some(path.to_string()))
    });
    context.add_function("group", |This(this): This<CelValue>, group: Text| -> Made {
        changed(this, |check| check.asked.group.clone_from(&group))
    });
    context.add_function("resource", |This(this): This<CelValue>, resource: Text| -> Made {
        changed(this, |check| check.asked.resource.clone_from(&resource))
    });
    context.add_function("subresource", |This(this): This<CelValue>, name: Text| -> Made {
        changed(this, |check| check.asked.subresource.clone_from(&name))
    });
    context.add_function("namespace", |This(this): This<CelValue>, name: Text| -> Made {
        changed(this, |check| check.asked.namespace.clone_from(&name))
    });
    context.add_function("name", |This(this): This<CelValue>, name: Text| -> Made {
        changed(this, |check| check.asked.name.clone_from(&name))
    });
    let account = |This(this): This<CelValue>, namespace: Text, name: Text| -> Made {
        changed(this, |check| check.user = Identity::service_account(&namespace, &name))
    };
    context.add_function("serviceAccount", account);
    context.add_function("check", check);
    context.add_function("allowed", |This(this): This<CelValue>| -> Made {
        Ok(CelValue::Bool(decision(&this)?.allowed))
    });
    context.add_function("reason", |This(this): This<CelValue>| -> Made {
        Ok(CelValue::String(Arc::new(decision(&this)?.reason.clone())))
    });
    context.add_function("errored", |This(this): This<CelValue>| -> Made {
        decision(&this).map(|_| CelValue::Bool(false))
    });
    context.add_function("error", |This(this): This<CelValue>| -> Made {
        decision(&this).map(|_| CelValue::String(Arc::default()))
    });
}

/// The `authorizer` of a call, and its `requestResource`.
pub(super) fn of(call: &Call<'_>, store: &Store) -> [CelValue; 2] {
    let own = Check {
        roles: Arc::new(book(store)),
        user: call.user(),
        asked: Attributes::default(),
        told: None,
    };
    let asked = Attributes {
        group: call.served.resource.group.to_string(),
        resource: call.served.resource.resource.to_string(),
        subresource: call.request.subresource.to_string(),
        namespace: call.namespace().to_owned(),
        name: call.name().to_owned(),
        ..Attributes::default()
    };
    let here = Check { asked, ..own.clone() };
    [CelValue::Opaque(Arc::new(own)), CelValue::Opaque(Arc::new(here))]
}
