//! A certificate that is made for the moment, and both sides that know it.

use std::sync::Arc;

use futures_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{ClientConfig, RootCertStore, ServerConfig, pki_types::PrivatePkcs8KeyDer},
};

/// The two sides of connections to `localhost`, whose certificate nobody but this client trusts.
///
/// # Panics
/// If the libraries below refuse: there is no input that could be wrong.
///
/// # Examples
/// ```
/// use arborio::net::TcpListener;
/// let (acceptor, connector) = arborio_ecosystem::tls::both_sides();
/// let secret = arborio::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let stream = arborio::net::TcpStream::connect(listener.local_addr()?).await?;
///     let (accepted, _) = listener.accept().await?;
///     let name = "localhost".try_into().unwrap();
///     let sides = arborio::join((acceptor.accept(accepted), connector.connect(name, stream)));
///     let (server, client) = sides.await;
///     std::io::Result::Ok(server.is_ok() && client.is_ok())
/// });
/// assert!(secret?);
/// # std::io::Result::Ok(())
/// ```
pub fn both_sides() -> (TlsAcceptor, TlsConnector) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a valid name");
    let certificate = made.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.into())
        .expect("the key is that of the certificate");
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    let client = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (
        TlsAcceptor::from(Arc::new(server)),
        TlsConnector::from(Arc::new(client)),
    )
}
