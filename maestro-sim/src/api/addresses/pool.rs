//! The cluster's pools: which addresses and node ports Services hold, and out of which ranges.
//!
//! Source: `pkg/registry/core/service/ipallocator` and `portallocator`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::object::Object;

/// Node ports.
pub const PORTS: std::ops::RangeInclusive<u16> = 30000..=32767;

/// A network out of which Services get addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    first: u32,
    last: u32,
}

impl Range {
    /// The cluster's own, 10.96.0.0/12.
    pub const OWN: Self = Self { first: 10 << 24 | 96 << 16, last: 10 << 24 | 111 << 16 | 0xffff };

    /// Reads a network of IPv4.
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let first = u32::from(address.parse::<Ipv4Addr>().ok()?);
        let bits: u32 = bits.parse().ok().filter(|bits| *bits <= 32)?;
        Some(Self { first, last: first | u32::MAX.checked_shr(bits).unwrap_or(0) })
    }

    /// The network's own address.
    pub fn network(self) -> String {
        text(self.first)
    }

    /// Whether a Service may have the address: neither the network's own, nor that of all in it.
    pub fn holds(self, address: &str) -> bool {
        number(address).is_some_and(|number| self.first < number && number < self.last)
    }
}

/// The networks of a ServiceCIDR that Services may have addresses of now: it is ready as long as
/// nobody says otherwise.
pub fn ranges_of(range: &Object) -> impl Iterator<Item = Range> {
    let not_ready = range.items(&["status", "conditions"]).iter().any(|condition| {
        condition.get("type").is_some_and(|kind| kind == "Ready")
            && condition.get("status").is_none_or(|status| status != "True")
    });
    let all = if not_ready || range.is_deleting() { &[] } else { range.items(&["spec", "cidrs"]) };
    all.iter().filter_map(|cidr| Range::parse(cidr.as_str()?))
}

fn text(address: u32) -> String {
    Ipv4Addr::from(address).to_string()
}

fn number(address: &str) -> Option<u32> {
    address.parse::<Ipv4Addr>().ok().map(u32::from)
}

/// The cluster IPs and node ports in use.
#[derive(Debug, Default)]
pub struct Addresses {
    /// Each address, and the version of the IPAddress that stands for it; 0 while none does.
    taken: BTreeMap<u32, u64>,
    next: u32,
    ports: BTreeSet<u16>,
    next_port: u16,
}

impl Addresses {
    /// An address of the first of some ranges that has one.
    pub fn allocate(&mut self, ranges: &[Range]) -> Option<String> {
        for range in ranges {
            // Few ranges are there beside the cluster's own: they need no cursor.
            let own = *range == Range::OWN;
            // The first address is the `kubernetes` Service's.
            let from = if own { self.next.max(range.first + 1) } else { range.first };
            let later = from.saturating_add(1)..range.last;
            let mut all = later.chain(range.first.saturating_add(2)..range.last);
            if let Some(address) = all.find(|address| !self.taken.contains_key(address)) {
                self.taken.insert(address, 0);
                if own {
                    self.next = address;
                }
                return Some(text(address));
            }
        }
        None
    }

    /// Frees an address.
    pub fn release(&mut self, address: &str) {
        if let Some(number) = number(address) {
            self.taken.remove(&number);
        }
    }

    /// Takes an address that was asked for, or says why it cannot be had.
    pub fn claim(&mut self, address: &str, ranges: &[Range], dry: bool) -> Result<(), String> {
        let in_range = ranges.iter().any(|range| range.holds(address));
        let number = number(address).filter(|_| in_range);
        if dry {
            let told = format!(
                "the provided IP ({address}) is not in the valid range. The range of valid IPs is \
                 10.96.0.0/12"
            );
            return number.map(drop).ok_or(told);
        }
        let Some(number) = number else {
            return Err("the provided network does not match the current range".to_owned());
        };
        if self.taken.contains_key(&number) {
            return Err("provided IP is already allocated".to_owned());
        }
        self.taken.insert(number, 0);
        Ok(())
    }

    /// The version of an address's IPAddress: 0 if it is taken and has none.
    pub fn version(&self, address: &str) -> Option<u64> {
        self.taken.get(&number(address)?).copied()
    }

    /// Says that an IPAddress stands for an address from a version on.
    pub fn note(&mut self, address: &str, version: u64) {
        if let Some(number) = number(address) {
            self.taken.insert(number, version);
        }
    }

    /// A node port that is free; `None` when none is.
    pub fn allocate_port(&mut self) -> Option<u16> {
        for _ in PORTS {
            let next = self.next_port.max(*PORTS.start());
            self.next_port = if next == *PORTS.end() { *PORTS.start() } else { next + 1 };
            if self.ports.insert(next) {
                return Some(next);
            }
        }
        None
    }

    /// Takes a node port that was asked for, or says why it cannot be had.
    pub fn claim_port(&mut self, port: i64, dry: bool) -> Result<(), String> {
        let Some(port) = u16::try_from(port).ok().filter(|port| PORTS.contains(port)) else {
            return Err(format!(
                "provided port is not in the valid range. The range of valid ports is {}-{}",
                PORTS.start(),
                PORTS.end()
            ));
        };
        let free = if dry { !self.ports.contains(&port) } else { self.ports.insert(port) };
        if free { Ok(()) } else { Err("provided port is already allocated".to_owned()) }
    }

    /// Frees a node port.
    pub fn release_port(&mut self, port: u16) {
        self.ports.remove(&port);
    }
}
