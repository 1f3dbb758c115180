//! Who a client is: by its certificate, or by its token.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::api::identity::{AUTHENTICATED, Identity, MASTERS};

/// Somebody who may make requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user's name, such as `kubernetes-admin`.
    pub name: String,
    /// The UID, empty for none.
    pub uid: String,
    /// The groups it belongs to, such as `system:masters`.
    pub groups: Vec<String>,
}

impl User {
    /// As the API server knows it: everybody who is known is authenticated, too.
    pub(super) fn identity(&self) -> Arc<Identity> {
        let mut groups = self.groups.clone();
        groups.push(AUTHENTICATED.into());
        let (name, uid) = (self.name.clone(), self.uid.clone());
        Arc::new(Identity { name, uid, groups, ..Identity::default() })
    }

    /// The one that every cluster has.
    pub(super) fn admin() -> Self {
        Self { name: "kubernetes-admin".into(), uid: String::new(), groups: vec![MASTERS.into()] }
    }
}

/// Everybody who may make requests.
#[derive(Clone, Debug, Default)]
pub struct Users {
    by_token: BTreeMap<String, User>,
    by_certificate: BTreeMap<Vec<u8>, User>,
    /// Whether who proves nothing is let in as nobody in particular.
    pub(super) anonymous: bool,
}

/// Why a file of tokens cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line is not what it should be.
    #[error("{}:{line}: {message}; a line is `token,user,uid,\"group1,group2\"`, groups may be left out", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: &'static str,
    },
}

impl Users {
    /// Reads a file of static tokens, as kube-apiserver's `--token-auth-file` does: a line each
    /// of token, user, UID and, in quotes when they are several, groups.
    /// <https://kubernetes.io/docs/reference/access-authn-authz/authentication/#static-token-file>
    ///
    /// # Errors
    /// With the file and the line that cannot be read.
    pub fn from_file(path: &Path) -> Result<Self, UsersError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| UsersError::Read { path: path.to_owned(), source })?;
        let mut users = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (token, user) = read(line).map_err(|message| UsersError::Line {
                path: path.to_owned(),
                line: index + 1,
                message,
            })?;
            users.by_token.insert(token, user);
        }
        Ok(users)
    }

    /// Lets a user in with a token.
    pub fn add_token(&mut self, token: &str, user: User) {
        self.by_token.insert(token.to_owned(), user);
    }

    /// Lets a user in with a certificate (DER) that the cluster's authority signed.
    pub(super) fn admit(&mut self, certificate: &[u8], user: User) {
        self.by_certificate.insert(certificate.to_owned(), user);
    }

    /// The user with this certificate.
    pub(super) fn of_certificate(&self, certificate: &[u8]) -> Option<&User> {
        self.by_certificate.get(certificate)
    }

    /// The user of an `Authorization` header.
    pub(super) fn of_header(&self, header: &str) -> Option<&User> {
        let (scheme, token) = header.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| self.of_token(token.trim()))?
    }

    /// The user with this token.
    pub(super) fn of_token(&self, token: &str) -> Option<&User> {
        self.by_token.get(token)
    }
}

/// One line of a file of tokens.
fn read(line: &str) -> Result<(String, User), &'static str> {
    let mut fields = line.splitn(4, ',').map(str::trim);
    let mut next = || fields.next().filter(|field| !field.is_empty());
    let token = next().ok_or("the token is missing")?;
    let name = next().ok_or("the user is missing")?;
    // It may be empty, as in kube-apiserver; its column may not be missing.
    let uid = fields.next().ok_or("the UID is missing")?.to_owned();
    let groups = fields.next().unwrap_or("").trim_matches('"');
    let groups = groups.split(',').map(str::trim).filter(|group| !group.is_empty());
    let groups = groups.map(str::to_owned).collect();
    Ok((token.to_owned(), User { name: name.to_owned(), uid, groups }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_tokens() {
        let check = |line: &str, expected: Result<(&str, &str, &[&str]), &str>| {
            let found = read(line);
            let found = found.as_ref().map(|(token, user)| {
                let groups: Vec<&str> = user.groups.iter().map(String::as_str).collect();
                (token.as_str(), user.name.as_str(), groups)
            });
            let expected = expected.map(|(token, name, groups)| (token, name, groups.to_vec()));
            assert_eq!(found.map_err(|why| *why), expected, "{line}");
        };
        check("t, alice, 1", Ok(("t", "alice", &[])));
        check("t,alice,1,dev", Ok(("t", "alice", &["dev"])));
        check("t,alice,1,\"dev, ops\"", Ok(("t", "alice", &["dev", "ops"])));
        check("t,alice,,\"system:masters\"", Ok(("t", "alice", &["system:masters"])));
        check("t,alice,", Ok(("t", "alice", &[])));
        check("t,alice", Err("the UID is missing"));
        check(",alice,1", Err("the token is missing"));
    }

    #[test]
    fn headers() {
        let mut users = Users::default();
        users.add_token("secret", User::admin());
        for (header, known) in [
            ("Bearer secret", true),
            ("bearer  secret ", true),
            ("Bearer other", false),
            ("Basic secret", false),
            ("secret", false),
        ] {
            assert_eq!(users.of_header(header).is_some(), known, "{header}");
        }
    }
}
