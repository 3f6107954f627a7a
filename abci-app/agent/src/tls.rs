//! Mutual TLS without a certificate authority: each side knows the SHA-256 of the other's public key (the DER of its
//! SubjectPublicKeyInfo) from the chain. Names, dates and issuers in certificates mean nothing here.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use geodesic_challenge::Hash;
use geodesic_client::files;
use rcgen::{CertificateParams, KeyPair};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ParsedCertificate};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// File of the certificate in the agent's folder.
pub const CERT_FILE: &str = "tls_cert.pem";
/// File of its private key.
pub const KEY_FILE: &str = "tls_key.pem";

/// Both sides are agents, so the newest version will do.
const TLS: &[&SupportedProtocolVersion] = &[&TLS13];

fn failed(e: impl fmt::Display) -> Error {
    Error::Tls(e.to_string())
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo: what is registered on chain.
///
/// # Errors
/// A malformed certificate.
pub fn certificate_hash(certificate: &CertificateDer<'_>) -> Result<Hash, rustls::Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    Ok(Sha256::digest(parsed.subject_public_key_info()).into())
}

/// This agent's certificate and key.
pub struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    hash: Hash,
}

impl Identity {
    /// Makes an ECDSA P-256 key and a certificate that it signs itself, and writes both into a folder (mode 0600).
    ///
    /// # Errors
    /// [`Error::Files`] also if there is a key already, [`Error::Tls`].
    pub fn create(dir: &Path) -> Result<Self> {
        let key = KeyPair::generate().map_err(failed)?;
        let params = CertificateParams::new(vec!["geodesic-agent".to_owned()]).map_err(failed)?;
        let certificate = params.self_signed(&key).map_err(failed)?;
        let key_path = dir.join(KEY_FILE);
        if key_path.exists() {
            return Err(files::Error::Exists(key_path).into());
        }
        // The key last: a certificate without it is what a crash left, and is replaced.
        files::write_private(&dir.join(CERT_FILE), certificate.pem().as_bytes())?;
        files::write_private_new(&key_path, Zeroizing::new(key.serialize_pem()).as_bytes())?;
        Self::load(dir)
    }

    /// The certificate and key in a folder.
    ///
    /// # Errors
    /// [`Error::Files`] if the key cannot be read or is open to others, [`Error::Tls`] if either is malformed.
    pub fn load(dir: &Path) -> Result<Self> {
        let key = files::read_private(&dir.join(KEY_FILE))?;
        let key = PrivateKeyDer::from_pem_slice(&key).map_err(failed)?;
        let certificate = files::read_private(&dir.join(CERT_FILE))?;
        let certificate = CertificateDer::from_pem_slice(&certificate).map_err(failed)?;
        let hash = certificate_hash(&certificate).map_err(failed)?;
        Ok(Self { certificate, key, hash })
    }

    /// Hash of the certificate's key.
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// Settings of a server that takes only clients whose keys are in `peers`.
    ///
    /// # Errors
    /// [`Error::Tls`] if certificate and key do not belong together.
    pub fn server(&self, peers: Pins) -> Result<Arc<ServerConfig>> {
        let verifier = Arc::new(Verifier::new(peers));
        let config = ServerConfig::builder_with_provider(provider()).with_protocol_versions(TLS);
        let config = config.map_err(failed)?.with_client_cert_verifier(verifier);
        let mut config =
            config.with_single_cert(vec![self.certificate.clone()], self.key.clone_key()).map_err(failed)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        // A resumed session would not be checked against the registrations of the day.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// Settings of a client of the server with this key.
    ///
    /// # Errors
    /// [`Error::Tls`] if certificate and key do not belong together.
    pub fn client(&self, server: Hash) -> Result<Arc<ClientConfig>> {
        let verifier = Arc::new(Verifier::new(Pins::new([server])));
        let config = ClientConfig::builder_with_provider(provider()).with_protocol_versions(TLS);
        let config = config.map_err(failed)?.dangerous().with_custom_certificate_verifier(verifier);
        let chain = vec![self.certificate.clone()];
        let mut config = config.with_client_auth_cert(chain, self.key.clone_key()).map_err(failed)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Key hashes that are accepted; clones share the set, which changes with the chain's registrations.
#[derive(Clone, Default)]
pub struct Pins(Arc<RwLock<BTreeSet<Hash>>>);

impl Pins {
    /// A set of hashes.
    pub fn new(hashes: impl IntoIterator<Item = Hash>) -> Self {
        let pins = Self::default();
        pins.replace(hashes.into_iter().collect());
        pins
    }

    /// Replaces the set. Connections that stand are not cut.
    pub fn replace(&self, hashes: BTreeSet<Hash>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = hashes;
    }

    /// Whether a hash is in the set now.
    pub fn contains(&self, hash: &Hash) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(hash)
    }
}

/// Accepts certificates of pinned keys, for either side.
struct Verifier {
    pins: Pins,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

impl Verifier {
    fn new(pins: Pins) -> Self {
        Self { pins, provider: provider() }
    }

    fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        let hash = certificate_hash(certificate)?;
        if self.pins.contains(&hash) {
            return Ok(());
        }
        tracing::debug!(key = hex::encode(hash), "certificate of an unknown key refused");
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    // Both sides prove that they hold the key by a signature over the handshake.
    fn tls12(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, dss, &self.provider.signature_verification_algorithms)
    }

    fn tls13(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, dss, &self.provider.signature_verification_algorithms)
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(end_entity).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.tls12(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.tls13(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(end_entity).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.tls12(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.tls13(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::PublicKeyData;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    fn identity() -> Identity {
        let dir = tempfile::tempdir().unwrap();
        let made = Identity::create(dir.path()).unwrap();
        assert!(Identity::create(dir.path()).is_err(), "an identity is not replaced");
        assert_eq!(Identity::load(dir.path()).unwrap().hash(), made.hash());
        made
    }

    #[test]
    fn an_identity_is_private_and_a_crash_does_not_spoil_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (key, certificate) = (dir.path().join(KEY_FILE), dir.path().join(CERT_FILE));
        std::fs::write(&certificate, "left by a crash").unwrap();
        Identity::create(dir.path()).unwrap();
        for file in [&key, &certificate] {
            assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        for mode in [0o640, 0o604, 0o660] {
            std::fs::set_permissions(&key, PermissionsExt::from_mode(mode)).unwrap();
            assert!(Identity::load(dir.path()).is_err(), "{mode:o}");
        }
    }

    #[test]
    fn the_hash_is_of_the_public_key_and_the_key_fits_its_certificate() {
        let (a, b) = (identity(), identity());
        let spki = KeyPair::try_from(a.key.secret_der()).unwrap().subject_public_key_info();
        assert_eq!(a.hash(), <[u8; 32]>::from(Sha256::digest(spki)));
        let mixed = Identity { certificate: a.certificate, key: b.key, hash: a.hash };
        assert!(mixed.server(Pins::default()).is_err());
        assert!(mixed.client([0; 32]).is_err());
    }

    /// Whether a byte gets from the client to the server and back.
    async fn talk(server: Arc<ServerConfig>, client: Arc<ClientConfig>) -> bool {
        let (a, b) = duplex(1 << 16);
        let serve = async {
            let mut stream = TlsAcceptor::from(server).accept(a).await?;
            let byte = stream.read_u8().await?;
            stream.write_u8(byte).await?;
            stream.flush().await
        };
        let call = async {
            let name = ServerName::try_from("unused.example").unwrap();
            let mut stream = TlsConnector::from(client).connect(name, b).await?;
            stream.write_u8(7).await?;
            stream.flush().await?;
            stream.read_u8().await
        };
        let (served, called) = tokio::join!(serve, call);
        served.is_ok() && called.is_ok_and(|byte| byte == 7)
    }

    #[tokio::test]
    async fn only_pinned_keys_talk_to_each_other() {
        let (a, b, c) = (identity(), identity(), identity());
        let server = |pins: &[&Identity]| a.server(Pins::new(pins.iter().map(|i| i.hash()))).unwrap();
        for (name, server, client, want) in [
            ("both pinned", server(&[&b]), b.client(a.hash()).unwrap(), true),
            ("the server does not know the client", server(&[&b]), c.client(a.hash()).unwrap(), false),
            ("the client expects another server", server(&[&b]), b.client(c.hash()).unwrap(), false),
            ("nobody is registered", server(&[]), b.client(a.hash()).unwrap(), false),
        ] {
            assert_eq!(talk(server, client).await, want, "{name}");
        }
    }

    #[tokio::test]
    async fn a_client_without_a_certificate_is_refused() {
        let (a, b) = (identity(), identity());
        let verifier = Arc::new(Verifier::new(Pins::new([a.hash()])));
        let anonymous = ClientConfig::builder_with_provider(provider()).with_protocol_versions(TLS).unwrap();
        let anonymous =
            anonymous.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        let server = a.server(Pins::new([b.hash()])).unwrap();
        assert!(!talk(server, Arc::new(anonymous)).await);
    }

    #[tokio::test]
    async fn a_copied_certificate_without_its_key_is_refused() {
        let (a, b, thief) = (identity(), identity(), identity());
        // The public certificate of b with the thief's key: rustls would notice the mismatch, so it is forced.
        let provider = provider();
        let key = provider.key_provider.load_private_key(thief.key.clone_key()).unwrap();
        let forged = rustls::sign::CertifiedKey::new(vec![b.certificate.clone()], key);
        let resolver = Arc::new(rustls::sign::SingleCertAndKey::from(forged));
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(TLS).unwrap();
        let verifier = Arc::new(Verifier::new(Pins::new([a.hash()])));
        let config =
            config.dangerous().with_custom_certificate_verifier(verifier).with_client_cert_resolver(resolver);
        assert!(!talk(a.server(Pins::new([b.hash()])).unwrap(), Arc::new(config)).await);
    }

    #[tokio::test]
    async fn registrations_count_at_once() {
        let (a, b) = (identity(), identity());
        let pins = Pins::default();
        let (server, client) = (a.server(pins.clone()).unwrap(), b.client(a.hash()).unwrap());
        assert!(!talk(server.clone(), client.clone()).await);
        pins.replace([b.hash()].into());
        assert!(talk(server.clone(), client.clone()).await);
        pins.replace(BTreeSet::new());
        assert!(!talk(server, client).await);
    }
}
