//! The file with which clients find the cluster and are known to it.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::tls::Tls;

/// A kubeconfig for the administrator of a cluster at this address.
pub(super) fn text(address: SocketAddr, tls: &Tls) -> Option<String> {
    let admin = tls.admin()?;
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let server = SocketAddr::new(host, address.port());
    let [authority, certificate, key] =
        [tls.authority_pem(), &admin.certificate_pem, &admin.key_pem]
            .map(|pem| BASE64_STANDARD.encode(pem));
    Some(format!(
        "apiVersion: v1\n\
         kind: Config\n\
         clusters:\n\
         - name: maestro-sim\n  \
           cluster:\n    \
             server: https://{server}\n    \
             certificate-authority-data: {authority}\n\
         users:\n\
         - name: kubernetes-admin\n  \
           user:\n    \
             client-certificate-data: {certificate}\n    \
             client-key-data: {key}\n\
         contexts:\n\
         - name: maestro-sim\n  \
           context: {{cluster: maestro-sim, user: kubernetes-admin}}\n\
         current-context: maestro-sim\n"
    ))
}

/// Writes a file that holds a key.
pub(super) fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}
