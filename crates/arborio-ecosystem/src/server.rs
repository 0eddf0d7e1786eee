//! An HTTP server: hyper's connections as tasks of a scope, and axum's router as what answers.

use std::{io, time::Duration};

use arborio::{
    Scope,
    hyper::{SpawnOn, Stream, Timer, graceful},
    net::TcpListener,
};
use axum::Router;
use futures_rustls::TlsAcceptor;
use hyper::{
    Request,
    body::Incoming,
    rt::{Read, Write},
    server::conn::{http1, http2},
    service::service_fn,
};
use tower_service::Service;

/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(30);

/// How long the requests that were begun have, once the server is asked to end; less if whoever asks gives less.
const GRACE: Duration = Duration::from_secs(30);

/// Serves HTTP/1.1 until it is asked to end. Then nobody is accepted any more, idle connections are
/// closed, and the others answer the request that they have begun, within the grace.
///
/// # Errors
/// What `accept` says; a connection that fails ends alone.
///
/// # Cancel safety
/// Dropping it ends the connections as a request does: the scope around waits for them.
///
/// # Examples
/// ```
/// use arborio::net::{TcpListener, TcpStream};
/// use arborio_ecosystem::server::serve;
/// use axum::{Router, routing::get};
/// let answer = arborio::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let router = Router::new().route("/", get(|| async { "hello" }));
///     let server = arborio::spawn(serve(listener, router));
///     client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
///     let mut answer = Vec::new();
///     futures_lite::AsyncReadExt::read_to_end(&mut &client, &mut answer).await?;
///     server.cancel();
///     std::io::Result::Ok(String::from_utf8(answer).unwrap())
/// })?;
/// assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("hello"));
/// # std::io::Result::Ok(())
/// ```
pub async fn serve(listener: TcpListener, router: Router) -> io::Result<()> {
    let server = Scope::<io::Error>::builder().name("server").grace(GRACE);
    let accept = async |s: &Scope<io::Error>| {
        loop {
            let (stream, _peer) = listener.accept().await?;
            let connection = answer(Stream::new(stream), router.clone());
            s.task().name("connection").spawn(connection);
        }
    };
    server.run(accept).await
}

/// As [`serve`], over TLS. A client whose handshake fails is the only one to know.
///
/// # Errors
/// As [`serve`].
///
/// # Cancel safety
/// As [`serve`].
pub async fn serve_tls(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    router: Router,
) -> io::Result<()> {
    let server = Scope::<io::Error>::builder().name("server").grace(GRACE);
    let accept = async |s: &Scope<io::Error>| {
        loop {
            let (stream, _peer) = listener.accept().await?;
            let (acceptor, router) = (acceptor.clone(), router.clone());
            s.task().name("connection").spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    answer(Stream::new(stream), router).await;
                }
            });
        }
    };
    server.run(accept).await
}

/// As [`serve`], in HTTP/2 without TLS; each request is a task of the same scope.
///
/// # Errors
/// As [`serve`].
///
/// # Cancel safety
/// As [`serve`].
pub async fn serve_http2(listener: TcpListener, router: Router) -> io::Result<()> {
    let server = Scope::<io::Error>::builder().name("server").grace(GRACE);
    let accept = async |s: &Scope<io::Error>| {
        loop {
            let (stream, _peer) = listener.accept().await?;
            let (spawn_on, router) = (SpawnOn::new(s), router.clone());
            s.task().name("connection").spawn(async move {
                let answer =
                    service_fn(move |request: Request<Incoming>| router.clone().call(request));
                let connection = http2::Builder::new(spawn_on)
                    .timer(Timer)
                    .serve_connection(Stream::new(stream), answer);
                let _ = graceful(connection, |connection| connection.graceful_shutdown()).await;
            });
        }
    };
    server.run(accept).await
}

/// Answers the requests of one HTTP/1.1 connection, until it ends or is asked to.
///
/// # Cancel safety
/// Dropping it drops the connection.
pub async fn answer<IO>(io: IO, router: Router)
where
    IO: Read + Write + Unpin + Send + 'static,
{
    let answer = service_fn(move |request: Request<Incoming>| router.clone().call(request));
    let connection = http1::Builder::new()
        .timer(Timer)
        .header_read_timeout(HEAD)
        .serve_connection(io, answer);
    // An error is the client's: it has gone, or speaks something else.
    let _ = graceful(connection, |connection| connection.graceful_shutdown()).await;
}
