//! The short hash of a pod template, as it stands in names and labels.
//!
//! Kubernetes hashes Go's dump of the struct, which nothing outside Go can reproduce; this is the
//! same FNV-1a of 32 bits and the same safe alphabet over the template's canonical JSON (fields in
//! byte order). Equal templates give equal hashes, as there; the letters differ from a real
//! cluster's.

use crate::json::Value;

/// The alphabet of `k8s.io/apimachinery/pkg/util/rand`: no vowels, no look-alikes.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// The hash of a template, changed by `collision_count` when that is set.
pub fn of(template: &Value, collision_count: Option<i64>) -> String {
    let mut state = Fnv::new();
    feed(&mut state, template);
    if let Some(count) = collision_count {
        state.write(&count.to_le_bytes());
    }
    let decimal = state.0.to_string();
    decimal.bytes().map(|digit| char::from(ALPHABET[usize::from(digit) % 27])).collect()
}

/// The FNV-1a of 128 bits of a text.
pub fn fnv128(text: &str) -> u128 {
    text.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |state, byte| {
        (state ^ u128::from(byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b)
    })
}

struct Fnv(u32);

impl Fnv {
    const fn new() -> Self {
        Self(0x811c_9dc5)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    }
}

/// Walks a tree with its maps in byte order; null fields count as absent.
fn feed(state: &mut Fnv, value: &Value) {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().filter(|(_, v)| !v.is_null()).collect();
            fields.sort_by_key(|(name, _)| *name);
            state.write(b"{");
            for (name, value) in fields {
                state.write(name.as_bytes());
                state.write(b":");
                feed(state, value);
            }
            state.write(b"}");
        }
        Value::Array(items) => {
            state.write(b"[");
            items.iter().for_each(|item| feed(state, item));
            state.write(b"]");
        }
        scalar => {
            state.write(scalar.to_string().as_bytes());
            state.write(b",");
        }
    }
}
