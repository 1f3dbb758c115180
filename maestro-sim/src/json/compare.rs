//! Comparing trees with plain values.

use super::{Text, Value};

impl PartialEq<str> for Value {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialEq<&str> for Value {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == Some(*other)
    }
}

impl PartialEq<String> for Value {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialEq<Text> for Value {
    fn eq(&self, other: &Text) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialEq<Value> for str {
    fn eq(&self, other: &Value) -> bool {
        other == self
    }
}

impl PartialEq<Value> for &str {
    fn eq(&self, other: &Value) -> bool {
        other == self
    }
}

impl PartialEq<Value> for String {
    fn eq(&self, other: &Value) -> bool {
        other == self
    }
}

impl PartialEq<bool> for Value {
    fn eq(&self, other: &bool) -> bool {
        self.as_bool() == Some(*other)
    }
}

macro_rules! numbers {
    ($($of:ty => $read:ident as $wide:ty),*) => {$(
        impl PartialEq<$of> for Value {
            fn eq(&self, other: &$of) -> bool {
                self.$read() == Some(*other as $wide)
            }
        }
    )*};
}

numbers!(i32 => as_i64 as i64, i64 => as_i64 as i64, u16 => as_u64 as u64, u32 => as_u64 as u64,
    u64 => as_u64 as u64, usize => as_u64 as u64, f64 => as_f64 as f64);

macro_rules! behind {
    ($($of:ty),*) => {$(
        impl PartialEq<$of> for &Value {
            fn eq(&self, other: &$of) -> bool {
                **self == *other
            }
        }
    )*};
}

behind!(bool, i32, i64, u16, u32, u64, usize, f64);
