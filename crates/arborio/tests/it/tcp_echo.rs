//! The echo server of the first hour: a banner, a prompt, and clients that do
//! not behave.

use std::{io, net::SocketAddr, rc::Rc};

use arborio::{
    Task,
    net::{TcpListener, TcpStream},
    run, spawn, spawn_local,
    time::Duration,
};

use crate::support::{Log, read_to_end};

const BANNER: &[u8] = b"Welcome to the server pal, feel free to send me something!\n-> ";

/// Greets, answers each message, and ends with the client.
async fn serve_one(stream: TcpStream) -> io::Result<u32> {
    stream.write_all(BANNER).await?;
    let (mut answered, mut buffer) = (0, [0; 1024]);
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(answered);
        }
        stream.write_all(b"Got: ").await?;
        stream.write_all(&buffer[..count]).await?;
        stream.write_all(b"\n-> ").await?;
        answered += 1;
    }
}

/// Serves everybody for as long as it is not aborted; notes how each ended.
async fn serve(listener: TcpListener, log: Log<Result<u32, io::ErrorKind>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let log = log.clone();
        drop(spawn_local(async move {
            log.add(serve_one(stream).await.map_err(|error| error.kind()));
        }));
    }
}

/// A server on a free port.
async fn server() -> (SocketAddr, Task<()>, Log<Result<u32, io::ErrorKind>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, log) = (listener.local_addr().unwrap(), Log::new());
    (address, spawn_local(serve(listener, log.clone())), log)
}

/// Reads as many bytes as `expected` has, and compares.
async fn expect(stream: &TcpStream, expected: &[u8]) {
    let mut read = vec![0; expected.len()];
    stream.read_exact(&mut read).await.unwrap();
    assert_eq!(
        String::from_utf8_lossy(&read),
        String::from_utf8_lossy(expected)
    );
}

/// Ten messages and their answers, byte by byte, and then the end.
async fn polite_client(address: SocketAddr, number: u32) {
    let stream = TcpStream::connect(address).await.unwrap();
    expect(&stream, BANNER).await;
    for message in 0..10 {
        let text = format!("client {number} says {message}");
        stream.write_all(text.as_bytes()).await.unwrap();
        expect(&stream, format!("Got: {text}\n-> ").as_bytes()).await;
    }
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&stream).await.unwrap(), b"");
}

#[test]
fn g12_two_hundred_clients_get_their_bytes_back_whatever_others_do() {
    run(async {
        let (address, server, log) = server().await;
        let clients: Vec<_> = (0..200)
            .map(|number| spawn(polite_client(address, number)))
            .collect();
        let resetting = spawn(async move {
            let stream = TcpStream::connect(address).await.unwrap();
            expect(&stream, BANNER).await;
            stream.write_all(b"half a mess").await.unwrap();
            stream.set_linger(Some(Duration::ZERO)).unwrap();
        });
        let half_closing = spawn(async move {
            let stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"the end").await.unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let all = read_to_end(&stream).await.unwrap();
            assert_eq!(all, [BANNER, b"Got: the end\n-> "].concat());
        });
        resetting.await.unwrap();
        half_closing.await.unwrap();
        for client in clients {
            client.await.unwrap();
        }
        // The client that reset is noticed by its handler alone.
        while log.len() < 202 {
            arborio::task::skip_poll_cycle().await;
        }
        let ends = log.take();
        let polite = ends.iter().filter(|end| **end == Ok(10)).count();
        assert_eq!((ends.len(), polite), (202, 200));
        assert!(ends.contains(&Ok(1)), "the one that closed its half");
        assert!(!server.is_finished());
        server.abort();
    });
}

#[test]
fn g12_a_client_that_says_nothing_does_not_hold_the_others_up() {
    run(async {
        let (address, server, _log) = server().await;
        let silent = TcpStream::connect(address).await.unwrap();
        polite_client(address, 1).await;
        expect(&silent, BANNER).await;
        polite_client(address, 2).await;
        drop(silent);
        server.abort();
    });
}

#[test]
fn g12_two_tasks_share_a_socket_one_reads_and_one_writes() {
    run(async {
        let (address, server, _log) = server().await;
        let stream = Rc::new(TcpStream::connect(address).await.unwrap());
        let reader = Rc::clone(&stream);
        let reading = spawn_local(async move { read_to_end(&reader).await.unwrap() });
        for _ in 0..100 {
            stream.write_all(b"x").await.unwrap();
            arborio::task::skip_poll_cycle().await;
        }
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let answers = reading.await.unwrap();
        let letters = answers[BANNER.len()..].iter().filter(|byte| **byte == b'x');
        assert_eq!(letters.count(), 100);
        server.abort();
    });
}

#[test]
fn g12_the_halves_of_a_socket_live_in_different_tasks() {
    run(async {
        let (address, server, _log) = server().await;
        let stream = TcpStream::connect(address).await.unwrap();
        let (reader, writer) = stream.into_split();
        let reading = spawn(async move {
            let mut banner = vec![0; BANNER.len()];
            reader.read_exact(&mut banner).await.unwrap();
            let mut answer = [0; 12];
            reader.read_exact(&mut answer).await.unwrap();
            (answer, reader)
        });
        writer.write_all(b"half").await.unwrap();
        let (answer, reader) = reading.await.unwrap();
        assert_eq!(&answer, b"Got: half\n->");
        drop(reader.reunite(writer).unwrap());
        server.abort();
    });
}
