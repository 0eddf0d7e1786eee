//! An echo server with a prompt.
//!
//! `echo_server PORT` serves on 127.0.0.1:PORT until it is killed (try
//! `nc 127.0.0.1 PORT`), or, with `ARBORIO_DEMO_STOP_ON_EOF=1`, until its
//! standard input ends. Without a port it chooses one, drives itself with two
//! clients, and ends.

use std::{
    env,
    io::{self, Read},
};

use arborio::{
    EventLoop, Leftover,
    net::{Async, TcpListener, TcpStream},
    spawn, task,
};

const WELCOME: &[u8] = b"Welcome to the server pal, feel free to send me something!\n";
const PROMPT: &[u8] = b"-> ";

/// Talks with one client until its end of input.
async fn converse(stream: TcpStream) -> io::Result<()> {
    stream.write_all(&[WELCOME, PROMPT].concat()).await?;
    let mut chunk = [0; 512];
    let mut answer = Vec::new();
    loop {
        let length = stream.read(&mut chunk).await?;
        if length == 0 {
            return Ok(());
        }
        answer.clear();
        answer.extend_from_slice(b"Got: ");
        answer.extend_from_slice(&chunk[..length]);
        answer.extend_from_slice(PROMPT);
        stream.write_all(&answer).await?;
    }
}

/// Gives every client a task of its own.
async fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let conversation = async move {
            if let Err(error) = converse(stream).await {
                eprintln!("{peer}: {error}"); // the other clients do not care
            }
        };
        drop(task().awaited(false).spawn(conversation));
    }
}

/// Ends when standard input does.
async fn end_of_input() -> io::Result<()> {
    let input = Async::new(io::stdin())?;
    let mut ignored = [0; 64];
    while input
        .read_with(|stdin| stdin.lock().read(&mut ignored))
        .await?
        > 0
    {}
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

async fn serve_for_ever(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on {}", listener.local_addr()?);
    if env::var_os("ARBORIO_DEMO_STOP_ON_EOF").is_none() {
        return serve(listener).await;
    }
    let serving = spawn(serve(listener));
    end_of_input().await?;
    serving.abort();
    Ok(())
}

async fn serve_myself() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let serving = spawn(serve(listener));
    chat(port, "anna").await?;
    chat(port, "ben").await?;
    serving.abort();
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = env::args().nth(1).map(|port| port.parse()).transpose()?;
    let event_loop = EventLoop::builder().leftover(Leftover::Cancel);
    event_loop.run(async {
        match port {
            Some(port) => serve_for_ever(port).await,
            None => serve_myself().await,
        }
    })?;
    Ok(())
}

// takes: 0s..1s
// prints:
// Welcome to the server pal, feel free to send me something!
// -> Got: anna->
// Welcome to the server pal, feel free to send me something!
// -> Got: ben->
