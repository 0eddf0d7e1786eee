//! hyper's time limits on a simulated clock.

use arborio::{
    EventLoop,
    hyper::Stream,
    net::UnixStream,
    spawn,
    time::{Clock, Duration, clock},
};
use arborio_ecosystem::server::answer;
use futures_lite::AsyncReadExt;

use crate::support::router;

#[test]
fn a_client_that_never_ends_its_request_is_closed_after_thirty_simulated_seconds() {
    let builder = EventLoop::builder()
        .clock(Clock::simulated())
        .io_holds_clock(false);
    let passed = builder.run(async {
        let (server, mut client) = UnixStream::pair().unwrap();
        let server = spawn(answer(Stream::new(server), router()));
        client.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        server.await.unwrap();
        clock()
    });
    assert_eq!(passed, Duration::from_secs(30));
}

#[test]
fn a_request_moves_the_limit_of_the_next_one() {
    let builder = EventLoop::builder()
        .clock(Clock::simulated())
        .io_holds_clock(false);
    let passed = builder.run(async {
        let (server, mut client) = UnixStream::pair().unwrap();
        let server = spawn(answer(Stream::new(server), router()));
        arborio::time::sleep(Duration::from_secs(10)).await;
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        assert!(rest.ends_with(b"hello"));
        server.await.unwrap();
        clock()
    });
    assert_eq!(passed, Duration::from_secs(40));
}
