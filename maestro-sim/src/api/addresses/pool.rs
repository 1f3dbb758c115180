//! The cluster's pools: which addresses and node ports Services hold, and out of which ranges.
//!
//! Source: `pkg/registry/core/service/ipallocator` and `portallocator`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use crate::api::settings::Settings;
use crate::object::Object;

/// A network of IPv4 out of which Services get addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    first: u32,
    last: u32,
}

impl Range {
    /// That of a cluster that is told nothing else, 10.96.0.0/12.
    pub const USUAL: Self =
        Self { first: 10 << 24 | 96 << 16, last: 10 << 24 | 111 << 16 | 0xffff };

    /// Reads a network, and how many bits of it are fixed.
    fn read(text: &str) -> Option<(Self, u32)> {
        let (address, bits) = text.split_once('/')?;
        let address = u32::from(address.parse::<Ipv4Addr>().ok()?);
        let bits: u32 = bits.parse().ok().filter(|bits| *bits <= 32)?;
        let below = u32::MAX.checked_shr(bits).unwrap_or(0);
        Some((Self { first: address & !below, last: address | below }, bits))
    }

    /// The network's own address.
    pub fn network(self) -> String {
        text(self.first)
    }

    /// The first address of a Service in it: that of the server's own.
    pub fn first(self) -> String {
        text(self.first.saturating_add(1))
    }

    /// Whether a Service may have the address: neither the network's own, nor that of all in it.
    pub fn holds(self, address: &str) -> bool {
        number(address).is_some_and(|number| self.first < number && number < self.last)
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.network(), (self.first ^ self.last).leading_zeros())
    }
}

/// Why a text is no range that a server can be given.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct RangeError(&'static str);

impl std::str::FromStr for Range {
    type Err = RangeError;

    /// Reads `10.0.0.0/24`. Services need a few addresses, and a server takes a million at most.
    fn from_str(text: &str) -> Result<Self, RangeError> {
        match Self::read(text) {
            Some((range, 12..=29)) => Ok(range),
            Some(_) => Err(RangeError("a range of Services has from 12 to 29 fixed bits")),
            None => Err(RangeError("it is no range of IPv4 addresses, such as 10.0.0.0/24")),
        }
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
    all.iter().filter_map(|cidr| Some(Range::read(cidr.as_str()?)?.0))
}

fn text(address: u32) -> String {
    Ipv4Addr::from(address).to_string()
}

fn number(address: &str) -> Option<u32> {
    address.parse::<Ipv4Addr>().ok().map(u32::from)
}

/// The cluster IPs and node ports in use.
#[derive(Debug)]
pub struct Addresses {
    own: Range,
    node_ports: RangeInclusive<u16>,
    /// Each address, and the version of the IPAddress that stands for it; 0 while none does.
    taken: BTreeMap<u32, u64>,
    next: u32,
    ports: BTreeSet<u16>,
    next_port: u16,
}

impl Addresses {
    /// The pools that a server is set up with, all free.
    pub fn new(settings: &Settings) -> Self {
        Self {
            own: settings.services,
            node_ports: settings.node_ports.clone(),
            taken: BTreeMap::new(),
            next: 0,
            ports: BTreeSet::new(),
            next_port: 0,
        }
    }

    /// An address of the first of some ranges that has one.
    pub fn allocate(&mut self, ranges: &[Range]) -> Option<String> {
        for range in ranges {
            // Few ranges are there beside the cluster's own: they need no cursor.
            let own = *range == self.own;
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
                "the provided IP ({address}) is not in the valid range. The range of valid IPs is {}",
                self.own
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
        let (first, last) = (*self.node_ports.start(), *self.node_ports.end());
        for _ in first..=last {
            let next = self.next_port.max(first);
            self.next_port = if next == last { first } else { next + 1 };
            if self.ports.insert(next) {
                return Some(next);
            }
        }
        None
    }

    /// Takes a node port that was asked for, or says why it cannot be had.
    pub fn claim_port(&mut self, port: i64, dry: bool) -> Result<(), String> {
        let known = u16::try_from(port).ok().filter(|port| self.node_ports.contains(port));
        let Some(port) = known else {
            return Err(format!(
                "provided port is not in the valid range. The range of valid ports is {}-{}",
                self.node_ports.start(),
                self.node_ports.end()
            ));
        };
        let free = if dry { !self.ports.contains(&port) } else { self.ports.insert(port) };
        if free { Ok(()) } else { Err("provided port is already allocated".to_owned()) }
    }

    /// The first of the node ports.
    pub fn first_port(&self) -> u16 {
        *self.node_ports.start()
    }

    /// Frees a node port.
    pub fn release_port(&mut self, port: u16) {
        self.ports.remove(&port);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        let range: Range = "10.0.0.7/24".parse().expect("a range");
        assert_eq!(range.to_string(), "10.0.0.0/24");
        assert_eq!((range.network(), range.first()), ("10.0.0.0".into(), "10.0.0.1".into()));
        assert!(range.holds("10.0.0.254") && !range.holds("10.0.0.255"));
        assert_eq!(Settings::default().services.to_string(), "10.96.0.0/12");
        for none in ["", "10.0.0.0", "10.0.0.0/8", "10.0.0.0/30", "fd00::/64", "a/24"] {
            assert!(none.parse::<Range>().is_err(), "{none}");
        }
    }
}
