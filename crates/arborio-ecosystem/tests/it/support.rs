//! A router, a server in the background, and a client that blocks.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use arborio::{EventLoop, Handle, Pool, StopError, net::TcpListener};
use arborio_ecosystem::server::serve;
use axum::{Router, body::Bytes, extract::Path, routing::get, routing::post};

/// Nothing here takes that long, unless it hangs.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(60);

/// Greets, and sends back what it gets.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/square/{n}", get(square))
        .route("/echo", post(|body: Bytes| async { body }))
}

async fn square(Path(n): Path<u64>) -> String {
    (n * n).to_string()
}

/// A loop or a pool of two workers, in the background.
pub(crate) enum Runtime {
    Loop(EventLoop),
    Pool(Pool),
}

impl Runtime {
    /// One of each kind, whose tasks have `grace` at the end.
    pub(crate) fn both(grace: Duration) -> [Self; 2] {
        let one = EventLoop::builder().grace(grace).start().unwrap();
        let pool = Pool::builder().workers(2).grace(grace).start().unwrap();
        [Self::Loop(one), Self::Pool(pool)]
    }

    pub(crate) fn handle(&self) -> &Handle {
        match self {
            Self::Loop(one) => one.handle(),
            Self::Pool(pool) => pool.handle(),
        }
    }

    pub(crate) fn stop_and_join(self, grace: Duration) -> Result<(), StopError> {
        match self {
            Self::Loop(one) => one.stop_and_join(grace),
            Self::Pool(pool) => pool.stop_and_join(grace),
        }
    }

    /// Serves `router` in the background. Where it listens.
    pub(crate) fn serve(&self, router: Router) -> SocketAddr {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let listener = TcpListener::try_from(listener).unwrap();
        drop(self.handle().spawn(serve(listener, router)));
        address
    }
}

/// A connection whose every read is bounded in time.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

/// The head and the body of an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(FOR_EVER)).unwrap();
        let stream = BufReader::new(stream);
        Self { stream }
    }

    pub(crate) fn ask(&mut self, path: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: here\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
    }

    pub(crate) fn answer(&mut self) -> Answer {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.stream.read_line(&mut head).unwrap(), 0, "{head}");
        }
        let head = head.to_lowercase();
        let (_, length) = head.split_once("content-length: ").unwrap();
        let length = length.lines().next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        let body = String::from_utf8(body).unwrap();
        Answer { head, body }
    }

    /// What comes until the server closes; nothing if it resets the connection.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        if let Err(error) = self.stream.read_to_end(&mut rest) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
        rest
    }
}
