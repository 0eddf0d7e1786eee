//! hyper's client and server, and axum's router, in tasks of one loop or of a pool.

use std::{io, net::SocketAddr};

use arborio::{
    Pool, Scope,
    hyper::{SpawnOn, Stream, Timer},
    net::{TcpListener, TcpStream},
    run, scope,
};
use arborio_ecosystem::server::{serve, serve_http2};
use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use hyper::{
    Request,
    client::conn::{http1, http2},
};

use crate::support::router;

/// Two hundred requests over ten connections.
async fn clients_of_one_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    scope(async |s: &Scope<io::Error>| {
        let server = s.spawn(serve(listener, router()));
        let clients: Vec<_> = (0..10)
            .map(|n| s.spawn(ask_for_squares(address, n)))
            .collect();
        for client in clients {
            client.await?;
        }
        server.cancel();
        Ok(())
    })
    .await
    .unwrap();
}

async fn ask_for_squares(address: SocketAddr, number: u64) -> io::Result<()> {
    let stream = TcpStream::connect(address).await?;
    let (mut requests, connection) = http1::handshake(Stream::new(stream)).await.unwrap();
    let connection = arborio::spawn(connection);
    for n in 0..20 {
        let path = format!("/square/{}", number * 100 + n);
        let request = Request::get(path).body(Body::empty()).unwrap();
        // The connection, on another worker, may not have seen to the answer before.
        requests.ready().await.unwrap();
        let answer = requests.send_request(request).await.unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let square = (number * 100 + n).pow(2).to_string();
        assert_eq!(body, square);
    }
    drop(requests);
    connection.await.unwrap().unwrap();
    Ok(())
}

#[test]
fn a_router_answers_hypers_clients_on_a_loop() {
    run(clients_of_one_server());
}

#[test]
fn a_router_answers_hypers_clients_on_a_pool() {
    Pool::builder().workers(2).run(clients_of_one_server());
}

#[test]
fn a_body_of_a_megabyte_goes_there_and_back() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = arborio::spawn(serve(listener, router()));
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut requests, connection) = http1::handshake(Stream::new(stream)).await.unwrap();
        let connection = arborio::spawn(connection);
        let sent: Bytes = (0..1 << 20).map(|n| (n % 251) as u8).collect();
        let request = Request::post("/echo")
            .body(Body::from(sent.clone()))
            .unwrap();
        let answer = requests.send_request(request).await.unwrap();
        let back = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(back == sent);
        drop(requests);
        connection.await.unwrap().unwrap();
        server.cancel();
    });
}

/// A hundred requests at a time over one connection: each is a task on the server.
async fn requests_over_http2() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    scope(async |s: &Scope<io::Error>| {
        let server = s.spawn(serve_http2(listener, router()));
        let stream = Stream::new(TcpStream::connect(address).await?);
        let mut builder = http2::Builder::new(SpawnOn::new(s));
        let (requests, connection) = builder.timer(Timer).handshake(stream).await.unwrap();
        let connection = s.spawn(async move { drop(connection.await) });
        let answers = (0..100_u64).map(|n| {
            let mut requests = requests.clone();
            async move {
                let uri = format!("http://here/square/{n}");
                let request = Request::get(uri).body(Body::empty()).unwrap();
                let answer = requests.send_request(request).await.unwrap();
                answer.into_body().collect().await.unwrap().to_bytes()
            }
        });
        for (n, body) in arborio::join(answers.collect::<Vec<_>>())
            .await
            .into_iter()
            .enumerate()
        {
            assert_eq!(body, (n * n).to_string());
        }
        drop(requests);
        connection.await?;
        server.cancel();
        Ok(())
    })
    .await
    .unwrap();
}

#[test]
fn requests_over_http2_are_tasks_of_the_servers_scope_on_a_loop() {
    run(requests_over_http2());
}

#[test]
fn requests_over_http2_are_tasks_of_the_servers_scope_on_a_pool() {
    Pool::builder().workers(2).run(requests_over_http2());
}
