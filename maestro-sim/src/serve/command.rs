//! The command line of kube-apiserver, and the API server that it asks for.
//!
//! Source:
//! <https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/>.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::flags::{FlagError, Flags, wrong};
use super::{Given, Options, Parts, Users, UsersError};
use crate::api::settings::{Authorizer, Plugins, Settings, Switched};
use crate::facts::{Version, facts};

/// The files in `--cert-dir` that hold what the server shows.
const SERVING: [&str; 2] = ["apiserver.crt", "apiserver.key"];

/// Where it listens when nothing else is said.
const PORT: u16 = 6443;

/// Why there is no such API server.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// A flag or its value is wrong.
    #[error("{0}")]
    Flag(#[from] FlagError),
    /// The file of tokens cannot be read.
    #[error("{0}")]
    Users(#[from] UsersError),
}

/// An API server that a command line asks for.
pub struct Asked {
    /// What is served.
    pub options: Options,
    /// What it asks for besides, and is not simulated: a line each.
    pub missing: Vec<String>,
}

/// Reads what an API server is asked to be.
///
/// # Errors
/// When a value cannot be what it should, or a file cannot be read.
pub fn api_server(flags: &Flags) -> Result<Asked, CommandError> {
    let mut missing: Vec<String> =
        flags.unheeded().iter().map(|name| format!("--{name}")).collect();
    let version = version(flags)?;
    missing.extend(other_kinds(flags, version));
    missing.extend(flags.list("feature-gates").map(|gate| format!("--feature-gates={gate}")));
    let mut settings = settings(flags, &mut missing)?;
    settings.authorizers = authorizers(flags)?;
    let open = settings.authorizers.contains(&Authorizer::AlwaysAllow);
    let users = match flags.text("token-auth-file") {
        Some(path) => Users::from_file(Path::new(path))?,
        None => Users::default(),
    };
    let address = flags.read("bind-address")?.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let port = flags.read("secure-port")?.unwrap_or(PORT);
    let options = Options {
        version,
        // Two servers of one suite draw different UIDs.
        seed: fastrand::u64(..),
        users,
        settings,
        given: Some(given(flags)),
        // A server that allows everything to everybody allows it to nobody unknown.
        anonymous: flags.is_on("anonymous-auth", true)? && !open,
        ..Options::new(SocketAddr::new(address, port), Parts::ApiServer)
    };
    Ok(Asked { options, missing })
}

/// The version to be, as `kube=1.36`; without, the newest.
fn version(flags: &Flags) -> Result<Version, FlagError> {
    let name = "emulated-version";
    let wanted = flags.list(name).filter_map(|text| match text.split_once('=') {
        Some(("kube", version)) => Some(version),
        Some(_) => None,
        None => Some(text),
    });
    let Some(wanted) = wanted.last() else { return Ok(Version::default()) };
    let bare = wanted.trim_start_matches('v');
    bare.parse().map_err(|why| wrong(name, wanted, why))
}

/// What `--runtime-config` asks for otherwise than it is.
fn other_kinds(flags: &Flags, version: Version) -> Vec<String> {
    let is_served = |place: &str| {
        facts().resources.iter().any(|entry| {
            let text = |field: &str| entry.get(field).and_then(|v| v.as_str()).unwrap_or("");
            let (group, in_version, resource) = (text("group"), text("version"), text("resource"));
            let whole = format!("{group}/{in_version}");
            let here = whole == place || format!("{whole}/{resource}") == place;
            here && version.serves(group, in_version, resource)
        })
    };
    let asked = flags.list("runtime-config").filter(|text| {
        let (place, value) = text.split_once('=').unwrap_or((text, "true"));
        let place = if place == "v1" || place == "api/v1" { "/v1" } else { place };
        is_served(place) != (value != "false")
    });
    asked.map(|text| format!("--runtime-config={text}")).collect()
}

fn settings(flags: &Flags, missing: &mut Vec<String>) -> Result<Settings, FlagError> {
    let usual = Settings::default();
    let mut plugins = Plugins::usual();
    for (name, on) in [("enable-admission-plugins", true), ("disable-admission-plugins", false)] {
        for plugin in flags.list(name) {
            match plugins.switch(plugin, on) {
                Switched::Done => {}
                Switched::Unsimulated => missing.push(format!("--{name}={plugin}")),
                Switched::Unknown => {
                    return Err(wrong(name, plugin, "there is no such plugin"));
                }
            }
        }
    }
    let issuer = flags.list("service-account-issuer").next().map(str::to_owned);
    let issuer = issuer.unwrap_or(usual.issuer);
    let mut audiences: Vec<String> = flags.list("api-audiences").map(str::to_owned).collect();
    if audiences.is_empty() {
        audiences.push(issuer.clone());
    }
    let name = "service-cluster-ip-range";
    let mut ranges = flags.list(name);
    let services = match ranges.next() {
        Some(text) => text.parse().map_err(|why| wrong(name, text, why))?,
        None => usual.services,
    };
    missing.extend(ranges.map(|second| format!("--{name}={second}")));
    let node_ports = ports(flags)?.unwrap_or(usual.node_ports);
    Ok(Settings {
        plugins,
        authorizers: usual.authorizers,
        issuer,
        audiences,
        services,
        node_ports,
    })
}

/// Node ports, as `30000-32767` or, by their number, `30000+100`.
fn ports(flags: &Flags) -> Result<Option<RangeInclusive<u16>>, FlagError> {
    let name = "service-node-port-range";
    let Some(text) = flags.text(name) else { return Ok(None) };
    let number = |text: &str| text.trim().parse::<u16>().ok();
    let range = match (text.split_once('-'), text.split_once('+')) {
        (Some((first, last)), _) => number(first).zip(number(last)),
        (None, Some((first, more))) => number(first)
            .zip(number(more))
            .and_then(|(first, more)| Some((first, first.checked_add(more)?))),
        (None, None) => number(text).map(|only| (only, only)),
    };
    match range.filter(|(first, last)| *first > 0 && first <= last) {
        Some((first, last)) => Ok(Some(first..=last)),
        None => Err(wrong(name, text, "it is no range of ports, such as 30000-32767")),
    }
}

/// Who is asked what somebody may do; kube-apiserver itself allows everything when nothing is said.
fn authorizers(flags: &Flags) -> Result<Vec<Authorizer>, FlagError> {
    let name = "authorization-mode";
    let mut found = Vec::new();
    for mode in flags.list(name) {
        found.push(match mode {
            "Node" => Authorizer::Node,
            "RBAC" => Authorizer::Rbac,
            "AlwaysAllow" => Authorizer::AlwaysAllow,
            "AlwaysDeny" => Authorizer::AlwaysDeny,
            "ABAC" | "Webhook" => {
                return Err(FlagError::Refused(format!("{name}={mode}")));
            }
            _ => return Err(wrong(name, mode, "there is no such mode")),
        });
    }
    if found.is_empty() {
        found.push(Authorizer::AlwaysAllow);
    }
    Ok(found)
}

fn given(flags: &Flags) -> Given {
    let path = |name: &str| flags.text(name).map(PathBuf::from);
    let named = path("tls-cert-file").zip(path("tls-private-key-file"));
    let found = || {
        let folder = path("cert-dir")?;
        let [certificate, key] = SERVING.map(|name| folder.join(name));
        (certificate.is_file() && key.is_file()).then_some((certificate, key))
    };
    Given {
        serving: named.or_else(found),
        clients: path("client-ca-file"),
        tokens: path("service-account-signing-key-file"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::flags::Program;
    use super::*;
    use crate::api::settings::Plugin;

    fn asked(line: &str) -> Result<Asked, CommandError> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        api_server(&Program::ApiServer.parse(&arguments)?)
    }

    #[test]
    fn an_api_server_is_what_its_flags_say() {
        let line = "--bind-address=127.0.0.1 --secure-port 7 --authorization-mode=Node,RBAC \
            --disable-admission-plugins=ServiceAccount,TaintNodesByCondition \
            --enable-admission-plugins=NodeRestriction,AlwaysPullImages \
            --service-cluster-ip-range=10.0.0.0/24 --service-node-port-range=30000+9 \
            --service-account-issuer=https://a/ --emulated-version=kube=1.36 \
            --feature-gates=A=true --runtime-config=apps/v1=true,api/all=true --audit-log-path=a";
        let Asked { options, missing } = asked(line).expect("right flags");
        assert_eq!(options.listen.to_string(), "127.0.0.1:7");
        assert!(options.anonymous);
        assert_eq!(options.version, Version::V1_36);
        let settings = options.settings;
        assert!(!settings.plugins.has(Plugin::ServiceAccount));
        assert!(!settings.plugins.has(Plugin::TaintNodesByCondition));
        assert!(settings.plugins.has(Plugin::NodeRestriction));
        assert_eq!(settings.authorizers, [Authorizer::Node, Authorizer::Rbac]);
        assert_eq!(settings.services.to_string(), "10.0.0.0/24");
        assert_eq!(settings.node_ports, 30000..=30009);
        assert_eq!(settings.audiences, ["https://a/"]);
        assert_eq!(
            missing,
            [
                "--audit-log-path",
                "--runtime-config=api/all=true",
                "--feature-gates=A=true",
                "--enable-admission-plugins=AlwaysPullImages",
            ]
        );
    }

    #[test]
    fn a_server_that_allows_everything_allows_it_to_those_it_knows() {
        let options = asked("--secure-port=7").expect("right flags").options;
        assert_eq!(options.settings.authorizers, [Authorizer::AlwaysAllow]);
        assert!(!options.anonymous);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (line, told) in [
            ("--authorization-mode=Webhook", "--authorization-mode=Webhook is not simulated"),
            ("--authorization-mode=Some", "there is no such mode"),
            ("--enable-admission-plugins=Some", "there is no such plugin"),
            ("--service-cluster-ip-range=a", "it is no range"),
            ("--service-node-port-range=9-1", "it is no range of ports"),
            ("--secure-port=a", "invalid digit"),
            ("--emulated-version=1.2", "known are 1.34"),
            ("--anonymous-auth=perhaps", "ParseBool"),
            ("--token-auth-file=/nowhere", "cannot read /nowhere"),
        ] {
            let error = asked(line).err().expect(line).to_string();
            assert!(error.contains(told), "{line}: {error}");
        }
    }
}
