//! Whom a webhook's configuration trusts: the authorities of its `caBundle`, and, as Go does, each
//! certificate in it itself, whoever signed it. envtest gives webhooks nothing but their own.
//!
//! Source: `crypto/x509` of Go, `Certificate.Verify`.

use std::io;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    crypto,
};

use super::certificate;
use super::since_epoch;
use crate::time::rfc3339;

/// What is said of a certificate that nobody vouches for.
const UNKNOWN: &str = "x509: certificate signed by unknown authority";

/// An error of a handshake, as a real server's clients tell it where they do otherwise.
pub(super) fn told(error: &io::Error) -> String {
    let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(inner) if *inner == unknown => format!("tls: failed to verify certificate: {UNKNOWN}"),
        _ => error.to_string(),
    }
}

/// A connector that trusts some certificates (PEM).
pub(super) fn connector(trusted: &[u8]) -> Result<TlsConnector, String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let mut roots = RootCertStore::empty();
    let mut themselves = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(trusted) {
        let certificate = certificate.map_err(|e| told(&e))?;
        roots.add(certificate.clone()).map_err(|e| told(&e))?;
        themselves.push(certificate);
    }
    if roots.is_empty() {
        // Nobody else's authorities are known to this program.
        return Err(UNKNOWN.into());
    }
    let provider = Arc::new(crypto::ring::default_provider());
    let authorities = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone());
    let authorities = authorities.build().map_err(|e| told(&e))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| told(&e))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusted { authorities, themselves }))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[derive(Debug)]
struct Trusted {
    authorities: Arc<WebPkiServerVerifier>,
    themselves: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Trusted {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !self.themselves.iter().any(|trusted| trusted == own) {
            return self.authorities.verify_server_cert(own, above, name, ocsp, now);
        }
        verify_server_name(&ParsedCertificate::try_from(own)?, name)?;
        match certificate::holds_at(own, &now_text()) {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(CertificateError::Expired.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

/// The present second as certificates write it.
fn now_text() -> String {
    rfc3339(since_epoch()).replace(['-', ':', 'T'], "")
}
