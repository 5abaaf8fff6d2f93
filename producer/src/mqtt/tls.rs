//! TLS towards an MQTT broker.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use platform::program::UsageError;
use rumqttc::TlsConfiguration;
use rumqttc::tokio_rustls::rustls::crypto::aws_lc_rs;
use rumqttc::tokio_rustls::rustls::pki_types::pem::PemObject;
use rumqttc::tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rumqttc::tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Whom to believe, and who we are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity<'a> {
    /// Certificates that broker's one must be signed by; none for those of the machine.
    pub(super) ca_file: Option<&'a PathBuf>,
    /// Our own certificate and its key, if the broker wants one.
    pub(super) client: Option<(&'a PathBuf, &'a PathBuf)>,
}

/// # Errors
/// [`UsageError`] naming the file that does not hold what it should.
pub(super) fn configuration(identity: Identity<'_>) -> Result<TlsConfiguration, UsageError> {
    let mut roots = RootCertStore::empty();
    match identity.ca_file {
        Some(file) => {
            for certificate in certificates(file)? {
                roots
                    .add(certificate)
                    .map_err(|error| wrong(file, &error.to_string()))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    // named, not the process's default: other crates bring other ones along
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider knows the usual versions of TLS")
        .with_root_certificates(roots);
    let config = match identity.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error.to_string()))?;
            builder
                .with_client_auth_cert(chain, secret)
                .map_err(|error| wrong(certificate, &error.to_string()))?
        }
    };
    Ok(TlsConfiguration::Rustls(Arc::new(config)))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, UsageError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let certificates: Vec<_> = read.map_err(|error| wrong(file, &error.to_string()))?;
    if certificates.is_empty() {
        return Err(wrong(file, "no certificate in it"));
    }
    Ok(certificates)
}

fn wrong(file: &Path, why: &str) -> UsageError {
    UsageError(format!("{}: {why}, wanted is PEM", file.display()))
}
