//! The cluster's own certificate authority, its server's certificate and its administrator's.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

use super::{Error, User};

/// Names under which pods and people reach an API server.
const NAMES: [&str; 5] = [
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];
/// Addresses under which they do: the loopback's, and the `kubernetes` Service's.
const ADDRESSES: [&str; 3] = ["127.0.0.1", "::1", "10.96.0.1"];

/// Everything of TLS; made anew each time, and never written but into a kubeconfig.
pub(super) struct Tls {
    authority: String,
    authority_der: CertificateDer<'static>,
    admin: CertificateDer<'static>,
    admin_pem: String,
    admin_key: String,
    acceptor: TlsAcceptor,
}

impl Tls {
    /// Certificates for a server at this address.
    pub(super) fn new(address: IpAddr) -> Result<Self, Error> {
        Self::make(address).map_err(|error| Error::Certificates(error.to_string()))
    }

    fn make(address: IpAddr) -> Result<Self, Box<dyn std::error::Error>> {
        let authority = CertifiedIssuer::self_signed(authority(), KeyPair::generate()?)?;
        let server_key = KeyPair::generate()?;
        let server = server(address)?.signed_by(&server_key, &authority)?;
        let admin_key = KeyPair::generate()?;
        let admin = client(&User::admin()).signed_by(&admin_key, &authority)?;
        let provider = Arc::new(crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone())?;
        let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
            // Whoever has no certificate may have a token.
            .allow_unauthenticated()
            .build()?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![server.der().clone(), authority.der().clone()], key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            authority: authority.pem(),
            authority_der: authority.der().clone(),
            admin: admin.der().clone(),
            admin_pem: admin.pem(),
            admin_key: admin_key.serialize_pem(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
        })
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    pub(super) fn authority_der(&self) -> &[u8] {
        &self.authority_der
    }

    pub(super) fn authority_pem(&self) -> &str {
        &self.authority
    }

    pub(super) fn admin_certificate(&self) -> &[u8] {
        &self.admin
    }

    pub(super) fn admin_certificate_pem(&self) -> &str {
        &self.admin_pem
    }

    pub(super) fn admin_key_pem(&self) -> &str {
        &self.admin_key
    }
}

fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "maestro-sim");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params
}

fn server(address: IpAddr) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
    params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    let fixed = ADDRESSES.iter().filter_map(|address| address.parse().ok());
    let own = (!address.is_unspecified()).then_some(address);
    params.subject_alt_names.extend(fixed.chain(own).map(SanType::IpAddress));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

/// A user's certificate: the name is the common name, groups are organizations.
/// <https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates>
fn client(user: &User) -> CertificateParams {
    let mut params = CertificateParams::default();
    for group in &user.groups {
        params.distinguished_name.push(DnType::OrganizationName, group.as_str());
    }
    params.distinguished_name.push(DnType::CommonName, user.name.as_str());
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}
