//! The cluster's own certificate authority, its server's certificate and its administrator's; or
//! those that others made, as envtest does.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{self, CryptoProvider};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime,
};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    self, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
};

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

/// Files that others made for the server, as envtest does.
#[derive(Clone, Default, Debug)]
pub struct Given {
    /// Its certificate with those above it, and its key, both PEM; without, it makes its own.
    pub serving: Option<(PathBuf, PathBuf)>,
    /// The authorities (PEM) whose certificates clients may show; none for none.
    pub clients: Option<PathBuf>,
    /// The key with which the tokens of service accounts are signed.
    pub tokens: Option<PathBuf>,
}

/// The administrator that every cluster has which makes its own certificates.
pub(super) struct Admin {
    pub(super) certificate: Vec<u8>,
    pub(super) certificate_pem: String,
    pub(super) key_pem: String,
}

/// Everything of TLS; what is made is made anew each time, and never written but into a kubeconfig.
pub(super) struct Tls {
    authority: String,
    authority_der: CertificateDer<'static>,
    admin: Option<Admin>,
    token_key: Vec<u8>,
    acceptor: TlsAcceptor,
    clients: Arc<Clients>,
}

/// What a server shows.
struct Serving {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    /// What clients trust to know it by, as PEM.
    authority: String,
}

type Failure = Box<dyn std::error::Error>;

impl Tls {
    /// Certificates for a server at this address.
    pub(super) fn new(address: IpAddr) -> Result<Self, Error> {
        let make = || -> Result<Self, Failure> {
            let authority = own_authority()?;
            let admin_key = KeyPair::generate()?;
            let admin = client(&User::admin()).signed_by(&admin_key, &authority)?;
            let admin = Admin {
                certificate: admin.der().to_vec(),
                certificate_pem: admin.pem(),
                key_pem: admin_key.serialize_pem(),
            };
            let token_key = admin.key_pem.clone().into_bytes();
            let clients = Clients::of(vec![authority.der().clone()])?;
            Self::with(own(address, &authority)?, clients, token_key, Some(admin))
        };
        make().map_err(|error| Error::Certificates(error.to_string()))
    }

    /// Those that others made.
    pub(super) fn given(given: &Given, address: IpAddr) -> Result<Self, Error> {
        let serving = match &given.serving {
            Some((certificate, key)) => {
                let chain = certificates(certificate)?;
                let authority = text(certificate)?;
                let key = PrivateKeyDer::from_pem_slice(text(key)?.as_bytes())
                    .map_err(|error| unusable(key, error))?;
                Serving { chain, key, authority }
            }
            None => own_authority()
                .and_then(|authority| own(address, &authority))
                .map_err(|error| Error::Certificates(error.to_string()))?,
        };
        let clients = match &given.clients {
            Some(path) => {
                Clients::of(certificates(path)?).map_err(|error| unusable(path, error))?
            }
            None => Clients::nobody(),
        };
        let token_key = match &given.tokens {
            Some(path) => text(path)?.into_bytes(),
            None => serving.key.secret_der().to_vec(),
        };
        Self::with(serving, clients, token_key, None)
            .map_err(|error| Error::Certificates(error.to_string()))
    }

    fn with(
        serving: Serving,
        clients: Clients,
        token_key: Vec<u8>,
        admin: Option<Admin>,
    ) -> Result<Self, Failure> {
        let Serving { chain, key, authority } = serving;
        let authority_der = chain.last().cloned().ok_or("there is no certificate")?;
        let clients = Arc::new(clients);
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(clients.clone())
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { authority, authority_der, admin, token_key, acceptor, clients })
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// Who vouches for clients.
    pub(super) fn clients(&self) -> Arc<Clients> {
        self.clients.clone()
    }

    pub(super) fn authority_der(&self) -> &[u8] {
        &self.authority_der
    }

    pub(super) fn authority_pem(&self) -> &str {
        &self.authority
    }

    pub(super) fn token_key(&self) -> &[u8] {
        &self.token_key
    }

    pub(super) fn admin(&self) -> Option<&Admin> {
        self.admin.as_ref()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(crypto::ring::default_provider())
}

fn unusable(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::Given { path: path.to_owned(), why: why.to_string() }
}

fn text(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|error| unusable(path, error))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = text(path)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match read {
        Ok(found) if found.is_empty() => Err(unusable(path, "it holds no certificate")),
        read => read.map_err(|error| unusable(path, error)),
    }
}

fn own_authority() -> Result<CertifiedIssuer<'static, KeyPair>, Failure> {
    Ok(CertifiedIssuer::self_signed(authority(), KeyPair::generate()?)?)
}

/// A certificate of an authority's for a server at this address.
fn own(address: IpAddr, authority: &CertifiedIssuer<'static, KeyPair>) -> Result<Serving, Failure> {
    let key = KeyPair::generate()?;
    let certificate = server(address)?.signed_by(&key, authority)?;
    Ok(Serving {
        chain: vec![certificate.der().clone(), authority.der().clone()],
        key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        authority: authority.pem(),
    })
}

/// Who vouches for the certificates of clients. A handshake takes any: whoever shows one for which
/// nobody vouches is told so by an answer, and may have a token.
#[derive(Debug)]
pub(super) struct Clients {
    provider: Arc<CryptoProvider>,
    authority: Option<Arc<dyn ClientCertVerifier>>,
}

impl Clients {
    fn of(authorities: Vec<CertificateDer<'static>>) -> Result<Self, Failure> {
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority)?;
        }
        let authority =
            WebPkiClientVerifier::builder_with_provider(roots.into(), provider()).build()?;
        Ok(Self { provider: provider(), authority: Some(authority) })
    }

    fn nobody() -> Self {
        Self { provider: provider(), authority: None }
    }

    /// Whether the first certificate of a chain is a client's that holds now.
    pub(super) fn vouches(&self, chain: &[CertificateDer<'_>]) -> bool {
        let verify = |authority: &Arc<dyn ClientCertVerifier>| {
            let (own, above) = chain.split_first()?;
            authority.verify_client_cert(own, above, UnixTime::now()).ok()
        };
        self.authority.as_ref().and_then(verify).is_some()
    }
}

impl ClientCertVerifier for Clients {
    fn offer_client_auth(&self) -> bool {
        self.authority.is_some()
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.authority.as_ref().map_or(&[], |authority| authority.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
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
