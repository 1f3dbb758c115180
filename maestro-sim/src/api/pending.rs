//! Interfaces of the parts that land next.
#![allow(missing_docs)]
pub mod managed {
    use crate::schema::Schema;
    use serde_json::Value;
    pub struct Write<'a> {
        pub schema: &'a Schema,
        pub typed: bool,
        pub manager: &'a str,
        pub api_version: &'a str,
        pub subresource: &'a str,
        pub reset: &'a [&'a str],
        pub now: &'a str,
    }
    pub fn reset_fields(_: bool, _: bool, _: &str) -> &'static [&'static str] {
        &[]
    }
    pub fn update(_: &Write<'_>, _: Option<&Value>, _: &mut Value) {}
    pub struct Conflict {
        pub message: String,
        pub field: String,
        pub manager: String,
    }
    #[derive(Debug, thiserror::Error)]
    pub enum ApplyError {
        #[error("x")]
        Conflicts(Vec<Conflict>),
        #[error("{0}")]
        BadRequest(String),
        #[error("{0}")]
        Invalid(String),
    }
    impl std::fmt::Debug for Conflict {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Ok(())
        }
    }
    impl ApplyError {
        pub fn code(&self) -> u16 {
            409
        }
    }
    pub fn apply(
        _: &Write<'_>,
        _: Option<&Value>,
        a: &Value,
        _: bool,
    ) -> Result<Value, ApplyError> {
        Ok(a.clone())
    }
}
pub fn strategic(
    l: &serde_json::Value,
    p: &serde_json::Value,
) -> Result<serde_json::Value, crate::patch::PatchError> {
    let mut v = l.clone();
    crate::patch::merge(&mut v, p);
    Ok(v)
}
