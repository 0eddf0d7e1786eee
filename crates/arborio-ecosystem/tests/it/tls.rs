//! The same server behind rustls.

use arborio::{
    Pool,
    hyper::Stream,
    net::{TcpListener, TcpStream},
    run, spawn,
};
use arborio_ecosystem::{server::serve_tls, tls::both_sides};
use axum::body::Body;
use http_body_util::BodyExt;
use hyper::{Request, client::conn::http1};

use crate::support::router;

async fn a_request_over_tls() {
    let (acceptor, connector) = both_sides();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = spawn(serve_tls(listener, acceptor, router()));
    let stream = TcpStream::connect(address).await.unwrap();
    let stream = connector.connect("localhost".try_into().unwrap(), stream);
    let stream = Stream::new(stream.await.unwrap());
    let (mut requests, connection) = http1::handshake(stream).await.unwrap();
    let connection = spawn(connection);
    for _ in 0..3 {
        let request = Request::get("/square/12").body(Body::empty()).unwrap();
        // The connection, on another worker, may not have seen to the answer before.
        requests.ready().await.unwrap();
        let answer = requests.send_request(request).await.unwrap();
        assert_eq!(
            answer.into_body().collect().await.unwrap().to_bytes(),
            "144"
        );
    }
    drop(requests);
    connection.await.unwrap().unwrap();
    server.cancel();
}

#[test]
fn the_server_answers_over_tls_on_a_loop() {
    run(a_request_over_tls());
}

#[test]
fn the_server_answers_over_tls_on_a_pool() {
    Pool::builder().workers(2).run(a_request_over_tls());
}

#[test]
fn a_client_that_does_not_trust_the_server_ends_alone() {
    run(async {
        let (acceptor, trusting) = both_sides();
        let (_, other) = both_sides();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = spawn(serve_tls(listener, acceptor, router()));
        for (connector, is_trusting) in [(other, false), (trusting, true)] {
            let stream = TcpStream::connect(address).await.unwrap();
            let name = "localhost".try_into().unwrap();
            assert_eq!(connector.connect(name, stream).await.is_ok(), is_trusting);
        }
        assert!(!server.is_finished());
        server.cancel();
    });
}
