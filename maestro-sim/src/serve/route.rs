//! Where Services of a served cluster are answered: its pods have no network, but a program beside
//! it does.

use std::str::FromStr;

/// Where the webhooks behind one Service are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// The Service's namespace.
    pub namespace: String,
    /// The Service's name.
    pub name: String,
    /// Which of its ports; none for all.
    pub port: Option<u16>,
    /// The address that is dialled, `HOST:PORT`.
    pub to: String,
}

/// What is wrong with a route as text.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{why}; NAMESPACE/NAME[:PORT]=HOST:PORT is wanted, such as default/webhook=127.0.0.1:9443")]
pub struct RouteError {
    why: String,
}

fn wrong<T>(why: impl Into<String>) -> Result<T, RouteError> {
    Err(RouteError { why: why.into() })
}

fn port(text: &str) -> Result<u16, RouteError> {
    match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => wrong(format!("`{text}` is no port")),
    }
}

impl FromStr for Route {
    type Err = RouteError;

    /// Reads `NAMESPACE/NAME[:PORT]=HOST:PORT`.
    fn from_str(text: &str) -> Result<Self, RouteError> {
        let Some((service, to)) = text.split_once('=') else {
            return wrong("it does not say where the Service is answered");
        };
        let Some((namespace, rest)) = service.split_once('/') else {
            return wrong(format!("`{service}` has no namespace"));
        };
        let (name, own) = match rest.split_once(':') {
            Some((name, text)) => (name, Some(port(text)?)),
            None => (rest, None),
        };
        for (what, text) in [("namespace", namespace), ("name", name)] {
            let is_label = |c: char| c == '-' || c.is_ascii_lowercase() || c.is_ascii_digit();
            if text.is_empty() || !text.chars().all(is_label) {
                return wrong(format!("`{text}` is no {what} of a Service"));
            }
        }
        let Some((host, there)) = to.rsplit_once(':').filter(|(host, _)| !host.is_empty()) else {
            return wrong(format!("`{to}` is no host with a port"));
        };
        if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
            return wrong(format!("`{host}` wants brackets around it"));
        }
        port(there)?;
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        Ok(Self { namespace, name, port: own, to: to.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_read_or_refused_with_a_reason() {
        for (text, expected) in [
            ("a/b=127.0.0.1:9443", Ok(("a", "b", None, "127.0.0.1:9443"))),
            ("a/b:443=localhost:1", Ok(("a", "b", Some(443), "localhost:1"))),
            ("a/b=[::1]:9443", Ok(("a", "b", None, "[::1]:9443"))),
            ("a/b", Err("it does not say where")),
            ("b=localhost:1", Err("`b` has no namespace")),
            ("/b=localhost:1", Err("`` is no namespace")),
            ("a/B=localhost:1", Err("`B` is no name")),
            ("a/b:x=localhost:1", Err("`x` is no port")),
            ("a/b=localhost", Err("`localhost` is no host with a port")),
            ("a/b=:1", Err("`:1` is no host with a port")),
            ("a/b=::1:1", Err("`::1` wants brackets")),
            ("a/b=localhost:0", Err("`0` is no port")),
        ] {
            match (text.parse::<Route>(), expected) {
                (Ok(Route { namespace, name, port, to }), Ok(expected)) => {
                    assert_eq!((&*namespace, &*name, port, &*to), expected, "{text}");
                }
                (Err(error), Err(expected)) => {
                    let told = error.to_string();
                    assert!(told.starts_with(expected), "{text}: {told}");
                    assert!(told.contains("NAMESPACE/NAME"), "{told}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
