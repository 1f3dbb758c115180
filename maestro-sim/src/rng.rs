//! Seeded random streams: one for each part of the cluster, so that drawing more in one part
//! never shifts another.

use std::ops::RangeInclusive;
use std::time::Duration;

use ahash::RandomState;
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng as _, SeedableRng};

/// A stream of numbers fixed by a seed and a name.
#[derive(Clone, Debug)]
pub struct Stream(Pcg64Mcg);

impl Stream {
    /// The stream called `name` of the simulation with this seed.
    pub fn new(seed: u64, name: &str) -> Self {
        Self(Pcg64Mcg::seed_from_u64(seed.rotate_left(17) ^ fnv(name.as_bytes())))
    }

    /// 64 random bits.
    pub fn word(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `0..bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.word()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// True with the given probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        let bits = u32::try_from(self.word() >> 32).unwrap_or(0);
        f64::from(bits) < probability * 4_294_967_296.0
    }

    /// A duration in the range, in whole milliseconds.
    pub fn duration(&mut self, range: &RangeInclusive<Duration>) -> Duration {
        let low = u64::try_from(range.start().as_millis()).unwrap_or(u64::MAX);
        let high = u64::try_from(range.end().as_millis()).unwrap_or(u64::MAX);
        let span = high.saturating_sub(low).saturating_add(1);
        Duration::from_millis(low.saturating_add(self.below(span)))
    }

    /// A UUID, version 4 in form, as `metadata.uid`.
    pub fn uuid(&mut self) -> String {
        let (a, b) = (self.word(), self.word());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            (b >> 48) & 0x3fff | 0x8000,
            b & 0xffff_ffff_ffff
        )
    }

    /// `length` letters of the alphabet that Kubernetes uses for generated names
    /// (`k8s.io/apimachinery/pkg/util/rand`).
    pub fn suffix(&mut self, length: usize) -> String {
        const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
        let pick = |n: u64| usize::try_from(n).ok().and_then(|i| LETTERS.get(i)).copied();
        (0..length).filter_map(|_| pick(self.below(27)).map(char::from)).collect()
    }
}

/// Hashes for tables that are asked and never walked, the same in every process.
pub(crate) const fn hasher() -> RandomState {
    RandomState::with_seeds(1, 2, 3, 4)
}

/// FNV-1a, 64 bits: stable across platforms and releases.
pub fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
