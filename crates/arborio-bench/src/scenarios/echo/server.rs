//! The server process: one echo loop per connection, in every runtime's own words.

use std::future::Future;
use std::io::BufRead;
use std::net::{TcpListener, TcpStream};

use compio::buf::BufResult;
use compio::io::{AsyncRead as _, AsyncWriteExt as _};
use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _};
use monoio::io::{AsyncReadRent as _, AsyncWriteRentExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::control::Stat;
use super::raw_loop;
use crate::contestants::{Arborio, Compio, CompioUring, Monoio, MonoioUring, Smol, Tokio};
use crate::runtime::Runtime;
use crate::{machine, measure, memory};

/// Serves as `server bytes plain|count core` say, until standard input ends.
pub(super) fn main(arguments: &[String]) -> Result<(), String> {
    let [server, bytes, counting, core] = arguments else {
        return Err(
            "a server is told its name, a buffer size, whether to count and a core".to_owned(),
        );
    };
    let bytes = bytes
        .parse()
        .map_err(|error: std::num::ParseIntError| format!("{bytes:?}: {error}"))?;
    if counting == "count" {
        memory::count();
    }
    let core: usize = core
        .parse()
        .map_err(|error: std::num::ParseIntError| format!("{core:?}: {error}"))?;
    machine::pin_to(&[core]);
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    // Accepted sockets inherit it: a system call per connection less, for everyone.
    rustix::net::sockopt::set_tcp_nodelay(&listener, true).map_err(|error| error.to_string())?;
    // The standard library lets 128 connections wait; the rest would come back after a second.
    rustix::net::listen(&listener, 4096).map_err(|error| error.to_string())?;
    println!(
        "{}",
        listener.local_addr().map_err(|error| error.to_string())?
    );
    std::thread::spawn(answer_questions);
    match server.as_str() {
        "arborio" => serve::<Arborio>(listener, bytes),
        "floor" => raw_loop::serve(&listener, bytes),
        "tokio" => serve::<Tokio>(listener, bytes),
        "smol" => serve::<Smol>(listener, bytes),
        "monoio" => serve::<Monoio>(listener, bytes),
        "monoio-uring" => serve::<MonoioUring>(listener, bytes),
        "compio" => serve::<Compio>(listener, bytes),
        "compio-uring" => serve::<CompioUring>(listener, bytes),
        other => return Err(format!("no server is called {other}")),
    }
    Ok(())
}

/// Every line of standard input is a question; its end is the end of the process.
fn answer_questions() {
    for _ in std::io::stdin().lock().lines() {
        let stat = Stat {
            cpu: measure::cpu_time(),
            live_bytes: memory::live(),
        };
        println!("{}", stat.line());
    }
    std::process::exit(0);
}

/// A contestant with sockets.
trait Sockets: Runtime {
    type Listener: 'static;
    type Stream: 'static;

    /// Adopts a blocking listener.
    fn adopt(listener: TcpListener) -> Self::Listener;

    async fn accept(listener: &Self::Listener) -> Self::Stream;

    /// Echoes until the peer closes, or fails, as a peer that is killed does.
    fn echo(stream: Self::Stream, bytes: usize) -> impl Future<Output = ()> + 'static;
}

fn serve<S: Sockets>(listener: TcpListener, bytes: usize) {
    S::run(async move {
        let listener = S::adopt(listener);
        loop {
            let stream = S::accept(&listener).await;
            S::detach(S::echo(stream, bytes));
        }
    })
}

fn non_blocking(listener: TcpListener) -> TcpListener {
    listener.set_nonblocking(true).expect("a socket");
    listener
}

impl Sockets for Arborio {
    type Listener = arborio::net::TcpListener;
    type Stream = arborio::net::TcpStream;

    fn adopt(listener: TcpListener) -> Self::Listener {
        listener.try_into().expect("a listener")
    }

    async fn accept(listener: &Self::Listener) -> Self::Stream {
        listener.accept().await.expect("a connection").0
    }

    async fn echo(stream: Self::Stream, bytes: usize) {
        let mut buffer = vec![0; bytes];
        while let Ok(came @ 1..) = stream.read(&mut buffer).await {
            if stream.write_all(&buffer[..came]).await.is_err() {
                break;
            }
        }
    }
}

impl Sockets for Tokio {
    type Listener = tokio::net::TcpListener;
    type Stream = tokio::net::TcpStream;

    fn adopt(listener: TcpListener) -> Self::Listener {
        Self::Listener::from_std(non_blocking(listener)).expect("a listener")
    }

    async fn accept(listener: &Self::Listener) -> Self::Stream {
        listener.accept().await.expect("a connection").0
    }

    async fn echo(mut stream: Self::Stream, bytes: usize) {
        let mut buffer = vec![0; bytes];
        while let Ok(came @ 1..) = stream.read(&mut buffer).await {
            if stream.write_all(&buffer[..came]).await.is_err() {
                break;
            }
        }
    }
}

impl Sockets for Smol {
    type Listener = smol::Async<TcpListener>;
    type Stream = smol::Async<TcpStream>;

    fn adopt(listener: TcpListener) -> Self::Listener {
        smol::Async::new(listener).expect("a listener")
    }

    async fn accept(listener: &Self::Listener) -> Self::Stream {
        listener.accept().await.expect("a connection").0
    }

    async fn echo(mut stream: Self::Stream, bytes: usize) {
        let mut buffer = vec![0; bytes];
        while let Ok(came @ 1..) = stream.read(&mut buffer).await {
            if stream.write_all(&buffer[..came]).await.is_err() {
                break;
            }
        }
    }
}

/// monoio takes the buffer and gives it back; its length is then what was read.
macro_rules! monoio_sockets {
    ($contestant:ty, $adopted:expr) => {
        impl Sockets for $contestant {
            type Listener = monoio::net::TcpListener;
            type Stream = monoio::net::TcpStream;

            fn adopt(listener: TcpListener) -> Self::Listener {
                Self::Listener::from_std($adopted(listener)).expect("a listener")
            }

            async fn accept(listener: &Self::Listener) -> Self::Stream {
                listener.accept().await.expect("a connection").0
            }

            async fn echo(mut stream: Self::Stream, bytes: usize) {
                let mut buffer = Vec::with_capacity(bytes);
                loop {
                    let (came, given_back) = stream.read(buffer).await;
                    if !matches!(came, Ok(1..)) {
                        break;
                    }
                    let (written, given_back) = stream.write_all(given_back).await;
                    if written.is_err() {
                        break;
                    }
                    buffer = given_back;
                }
            }
        }
    };
}

monoio_sockets!(Monoio, non_blocking);
// A non-blocking socket would make io_uring return at once instead of waiting.
monoio_sockets!(MonoioUring, std::convert::identity);

/// compio likewise; a buffer that is not cleared would be read into behind its contents.
macro_rules! compio_sockets {
    ($contestant:ty) => {
        impl Sockets for $contestant {
            type Listener = compio::net::TcpListener;
            type Stream = compio::net::TcpStream;

            fn adopt(listener: TcpListener) -> Self::Listener {
                Self::Listener::from_std(listener).expect("a listener")
            }

            async fn accept(listener: &Self::Listener) -> Self::Stream {
                listener.accept().await.expect("a connection").0
            }

            async fn echo(mut stream: Self::Stream, bytes: usize) {
                let mut buffer = Vec::with_capacity(bytes);
                loop {
                    buffer.clear();
                    let BufResult(came, given_back) = stream.read(buffer).await;
                    if !matches!(came, Ok(1..)) {
                        break;
                    }
                    let BufResult(written, given_back) = stream.write_all(given_back).await;
                    if written.is_err() {
                        break;
                    }
                    buffer = given_back;
                }
            }
        }
    };
}

compio_sockets!(Compio);
compio_sockets!(CompioUring);
