//! An echo server with a prompt.
//!
//! `echo_server PORT` serves on 127.0.0.1:PORT until it is killed (try
//! `nc 127.0.0.1 PORT`), or, with `ARBORIO_DEMO_STOP_ON_EOF=1`, until its
//! standard input ends. Without a port it chooses one, drives itself with two
//! clients, and ends.
//!
//! `--workers N` serves on a pool of N workers instead of one event loop, and
//! `--spin MICROSECONDS` computes for so long before each answer.

use std::{env, hint, io, time::Duration};

use arborio::{
    EventLoop, Pool,
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    options::Leftover,
    spawn,
    stdio::stdin,
    task,
};
use rustix::time::{ClockId, clock_gettime};

const WELCOME: &[u8] = b"Welcome to the server pal, feel free to send me something!\n";
const PROMPT: &[u8] = b"-> ";

/// What the command line says.
#[derive(Clone, Copy, Default)]
struct Options {
    port: Option<u16>,
    workers: usize,
    spin: Duration,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, Box<dyn std::error::Error>> {
        let mut options = Self::default();
        while let Some(word) = words.next() {
            let mut number = || words.next().ok_or(format!("{word} what?"));
            match word.as_str() {
                "--workers" => options.workers = number()?.parse()?,
                "--spin" => options.spin = Duration::from_micros(number()?.parse()?),
                port => options.port = Some(port.parse()?),
            }
        }
        Ok(options)
    }
}

/// Keeps a processor busy. Time in which this thread is off the processor
/// does not count: it is the same work however many threads want to run.
fn compute(how_long: Duration) {
    let used = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default();
    let start = used();
    while !how_long.is_zero() && used() - start < how_long {
        (0..100).for_each(|_| hint::spin_loop());
    }
}

/// Talks with one client until its end of input.
async fn converse(stream: TcpStream, spin: Duration) -> io::Result<()> {
    stream.write_all(&[WELCOME, PROMPT].concat()).await?;
    let mut chunk = [0; 512];
    let mut answer = Vec::new();
    loop {
        let length = stream.read(&mut chunk).await?;
        if length == 0 {
            return Ok(());
        }
        compute(spin);
        answer.clear();
        answer.extend_from_slice(b"Got: ");
        answer.extend_from_slice(&chunk[..length]);
        answer.extend_from_slice(PROMPT);
        stream.write_all(&answer).await?;
    }
}

/// Gives every client a task of its own.
async fn serve(listener: TcpListener, spin: Duration) -> io::Result<()> {
    loop {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let conversation = async move {
            if let Err(error) = converse(stream, spin).await {
                eprintln!("{peer}: {error}"); // the other clients do not care
            }
        };
        drop(task().awaited(false).spawn(conversation));
    }
}

/// Ends when standard input does.
async fn end_of_input() -> io::Result<()> {
    let mut ignored = [0; 64];
    while stdin().read(&mut ignored).await? > 0 {}
    Ok(())
}

/// A client that prints what it is told.
async fn chat(port: u16, name: &'static str) -> io::Result<()> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut heard = vec![0; WELCOME.len() + PROMPT.len()];
    stream.read_exact(&mut heard).await?;
    stream.write_all(name.as_bytes()).await?;
    let mut answer = vec![0; "Got: ".len() + name.len() + PROMPT.len()];
    stream.read_exact(&mut answer).await?;
    heard.extend(answer);
    println!("{}", String::from_utf8_lossy(&heard));
    Ok(())
}

async fn serve_for_ever(port: u16, spin: Duration) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on {}", listener.local_addr()?);
    if env::var_os("ARBORIO_DEMO_STOP_ON_EOF").is_none() {
        return serve(listener, spin).await;
    }
    let serving = spawn(serve(listener, spin));
    end_of_input().await?;
    serving.abort();
    Ok(())
}

async fn serve_myself(spin: Duration) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let serving = spawn(serve(listener, spin));
    chat(port, "anna").await?;
    chat(port, "ben").await?;
    serving.abort();
    Ok(())
}

async fn serve_as(options: Options) -> io::Result<()> {
    match options.port {
        Some(port) => serve_for_ever(port, options.spin).await,
        None => serve_myself(options.spin).await,
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse(env::args().skip(1))?;
    let event_loop = EventLoop::builder().leftover(Leftover::Cancel);
    let pool = Pool::builder().leftover(Leftover::Cancel);
    match options.workers {
        0 => event_loop.run(serve_as(options))?,
        workers => pool.workers(workers).run(serve_as(options))?,
    }
    Ok(())
}

// takes: 0s..1s
// prints:
// Welcome to the server pal, feel free to send me something!
// -> Got: anna->
// Welcome to the server pal, feel free to send me something!
// -> Got: ben->
