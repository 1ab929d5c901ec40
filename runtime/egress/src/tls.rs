//! The certificate authorities that outgoing connections trust: Mozilla's, which are built in, and
//! those of this machine. As everywhere, `SSL_CERT_FILE` and `SSL_CERT_DIR` replace the latter.

use rustls::{ClientConfig, RootCertStore};
use std::sync::{Arc, OnceLock};

/// The trusted authorities, read once.
pub fn roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    Arc::clone(ROOTS.get_or_init(|| Arc::new(load())))
}

/// TLS with these authorities, for any protocol.
pub fn client_config() -> ClientConfig {
    // Has no effect if the program has already installed its provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    ClientConfig::builder().with_root_certificates(roots()).with_no_client_auth()
}

/// The same for HTTP.
pub(crate) fn http_config() -> ClientConfig {
    let mut config = client_config();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

fn load() -> RootCertStore {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "certificates cannot be read: check SSL_CERT_FILE and SSL_CERT_DIR");
    }
    roots.add_parsable_certificates(found.certs);
    roots
}
