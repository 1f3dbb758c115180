//! Addresses and networks, and which of them fit where.
//!
//! Source: `pkg/util/validation/ip.go` of `k8s.io/apimachinery`, and KEP-4858, which made the older
//! fields stricter.

use std::net::IpAddr;

use super::field::{self, Path};
use crate::api::Cause;
use crate::facts::Version;

const NO_ADDRESS: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const NO_NETWORK: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
const MAPPED: &str = "must not be an IPv4-mapped IPv6 address";

/// Whether a text is an address, however it is written.
pub(super) fn is_address(text: &str) -> bool {
    loose(text).is_some()
}

/// An address in which numbers may begin with zeros, as servers have always read them.
pub(crate) fn loose(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let plain = |number: &str| match number.trim_start_matches('0') {
        "" if !number.is_empty() => "0".to_owned(),
        rest => rest.to_owned(),
    };
    let numbers: Vec<String> = text.split('.').map(plain).collect();
    numbers.join(".").parse().ok().filter(IpAddr::is_ipv4)
}

fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some())
}

/// An address in a field that is older than the strict rules.
pub(super) fn legacy(version: Version, text: &str, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let strict = version.has("StrictIPCIDRValidation");
    let detail = match (loose(text), text.parse::<IpAddr>()) {
        (None, _) => NO_ADDRESS,
        (_, Err(_)) if strict => "must not have leading 0s",
        (_, Ok(address)) if strict && is_mapped(address) => MAPPED,
        _ => return,
    };
    causes.push(field::invalid(path, &text.into(), detail));
}

/// An address in a field that takes every form of it without zeros in front.
pub(super) fn plain(text: &str, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if text.parse::<IpAddr>().is_err() {
        causes.push(field::invalid(path, &text.into(), NO_ADDRESS));
    }
}

/// An address in a field that takes no other form of it than the canonical one.
pub(super) fn canonical(text: &str, path: &Path<'_>, causes: &mut Vec<Cause>) {
    if let Some(detail) = problem(text) {
        causes.push(field::invalid(path, &text.into(), &detail));
    }
}

/// Why a text is not the canonical form of an address.
pub(super) fn problem(text: &str) -> Option<String> {
    Some(match (loose(text), text.parse::<IpAddr>()) {
        (None, _) => NO_ADDRESS.to_owned(),
        (_, Err(_)) => "must not have leading 0s".to_owned(),
        (_, Ok(address)) if is_mapped(address) => MAPPED.to_owned(),
        (_, Ok(address)) if address.to_string() != text => {
            format!("must be in canonical form (\"{address}\")")
        }
        _ => return None,
    })
}

/// An address under which another machine can be reached.
pub(super) fn reachable(text: &str, path: &Path<'_>, causes: &mut Vec<Cause>) {
    let mut wrong = |detail: &str| causes.push(field::invalid(path, &text.into(), detail));
    let Some(address) = loose(text) else { return wrong("must be a valid IP address") };
    if address.is_unspecified() {
        wrong(&format!("may not be unspecified ({text})"));
    }
    if address.is_loopback() {
        wrong("may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    let (local, local_to_all) = match address {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(v6) => (v6.is_unicast_link_local(), v6.segments()[0] & 0xff0f == 0xff02),
    };
    if local {
        wrong("may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if local_to_all {
        wrong("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }
}

/// A network: its address, and how many bits of that count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Reads a network in which numbers may begin with zeros.
    pub(crate) fn loose(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let address = loose(address)?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let number = !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit());
        let bits = bits.parse().ok().filter(|bits| number && *bits <= all)?;
        Some(Self { address, bits })
    }

    fn is_strict(text: &str) -> bool {
        text.split_once('/').is_some_and(|(address, bits)| {
            address.parse::<IpAddr>().is_ok() && (bits == "0" || !bits.starts_with('0'))
        })
    }

    /// The address as a number, its first bits first.
    fn number(self) -> u128 {
        match self.address {
            IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
            IpAddr::V6(address) => address.to_bits(),
        }
    }

    fn masked(self, bits: u32) -> u128 {
        self.number().checked_shr(128 - bits).map_or(0, |number| number << (128 - bits))
    }

    fn shown(self, number: u128, bits: u32) -> String {
        match self.address {
            IpAddr::V4(_) => {
                let number = u32::try_from(number >> 96).unwrap_or_default();
                format!("{}/{bits}", std::net::Ipv4Addr::from_bits(number))
            }
            IpAddr::V6(_) => format!("{}/{bits}", std::net::Ipv6Addr::from_bits(number)),
        }
    }

    /// Its canonical form, without bits beyond its length.
    fn whole(self) -> String {
        self.shown(self.masked(self.bits), self.bits)
    }

    /// Whether another network is a part of this one, and not all of it.
    pub(super) fn has(self, part: Self) -> bool {
        self.address.is_ipv4() == part.address.is_ipv4()
            && part.bits > self.bits
            && part.masked(self.bits) == self.masked(self.bits)
    }

    /// Whether another network is this one or a part of it.
    pub(crate) fn covers(self, part: Self) -> bool {
        self.has(part)
            || (self.bits == part.bits && self.masked(self.bits) == part.masked(self.bits))
    }

    /// Whether an address is in it.
    pub(crate) fn holds(self, address: IpAddr) -> bool {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        self.covers(Self { address, bits })
    }

    /// Whether it is one of IPv4.
    pub(super) const fn is_v4(self) -> bool {
        self.address.is_ipv4()
    }
}

/// A network in a field that is older than the strict rules, where nothing is wrong with it.
pub(super) fn network(
    version: Version,
    text: &str,
    path: &Path<'_>,
    causes: &mut Vec<Cause>,
) -> Option<Network> {
    let strict = version.has("StrictIPCIDRValidation");
    let network = Network::loose(text);
    let detail = match network {
        None => NO_NETWORK,
        Some(_) if !strict => return network,
        Some(_) if !Network::is_strict(text) => "must not have leading 0s in IP or prefix length",
        Some(found) if is_mapped(found.address) => "must not have an IPv4-mapped IPv6 address",
        Some(found) if found.masked(found.bits) != found.number() => {
            "must not have bits set beyond the prefix length"
        }
        Some(_) => return network,
    };
    causes.push(field::invalid(path, &text.into(), detail));
    None
}

/// A network in a field that takes no other form of it than the canonical one.
pub(super) fn canonical_network(
    text: &str,
    path: &Path<'_>,
    causes: &mut Vec<Cause>,
) -> Option<Network> {
    let network = network(Version::default(), text, path, causes)?;
    if network.whole() != text {
        let detail = format!("must be in canonical form ({:?})", network.whole());
        causes.push(field::invalid(path, &text.into(), &detail));
    }
    Some(network)
}

/// What is said of an address that is not written as it should be.
pub(crate) fn odd_address(text: &str) -> Option<String> {
    let address = loose(text).filter(|_| text.parse::<IpAddr>().is_err())?;
    Some(format!("non-standard IP address {text:?} is invalid: use \"{address}\""))
}

/// What is said of a network that is not written as it should be, or is not one but an address.
pub(crate) fn odd_network(text: &str) -> Option<String> {
    let network = Network::loose(text)?;
    let whole = network.whole();
    if network.masked(network.bits) != network.number() {
        let one = network.shown(network.number(), if network.is_v4() { 32 } else { 128 });
        return Some(format!(
            "CIDR value {text:?} is ambiguous in this context (should be {whole:?} or {one:?}?)"
        ));
    }
    (!Network::is_strict(text))
        .then(|| format!("non-standard CIDR value {text:?} is invalid: use {whole:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_parts() {
        let check = |whole: &str, part: &str, has: bool| {
            let read = |text: &str| Network::loose(text).expect("a network");
            assert_eq!(read(whole).has(read(part)), has, "{whole} {part}");
        };
        check("10.0.0.0/8", "10.1.0.0/16", true);
        check("10.0.0.0/8", "10.0.0.0/8", false);
        check("10.0.0.0/8", "11.0.0.0/16", false);
        check("0.0.0.0/0", "1.0.0.0/8", true);
        check("::/0", "1.0.0.0/8", false);
        check("fd00::/8", "fd12::/127", true);
    }

    #[test]
    fn texts_that_are_no_networks() {
        for text in ["", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "::/129", "::/+1", "x/8"] {
            assert_eq!(Network::loose(text), None, "{text}");
        }
    }

    #[test]
    fn addresses_are_read_loosely_and_told_strictly() {
        let check = |text: &str, wrong: [usize; 3]| {
            let path = Path::Root;
            let count = |check: &dyn Fn(&mut Vec<Cause>)| {
                let mut causes = Vec::new();
                check(&mut causes);
                causes.len()
            };
            let found = [
                count(&|causes| legacy(Version::V1_37, text, &path, causes)),
                count(&|causes| legacy(Version::V1_34, text, &path, causes)),
                count(&|causes| canonical(text, &path, causes)),
            ];
            assert_eq!(found, wrong, "{text}");
        };
        check("10.1.2.3", [0, 0, 0]);
        check("010.1.2.03", [1, 0, 1]);
        check("::ffff:1.2.3.4", [1, 0, 1]);
        check("FD00::1", [0, 0, 1]);
        check("10.1.2", [1, 1, 1]);
        check("", [1, 1, 1]);
    }
}
