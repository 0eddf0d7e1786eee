//! Sockets under `futures-executor`: where no Arborio loop runs, the reactor has a thread of its own.
//!
//! Run with `cargo run -p arborio-net --example echo_under_futures_executor`.

use std::{io, thread};

use arborio_net::{TcpListener, TcpStream};
use futures_executor::block_on;

/// Sends back what comes until there is no more, and gives the number of bytes.
async fn echo(stream: TcpStream) -> io::Result<usize> {
    let (mut bytes, mut total) = ([0; 1024], 0);
    loop {
        let count = stream.read(&mut bytes).await?;
        if count == 0 {
            return Ok(total);
        }
        stream.write_all(&bytes[..count]).await?;
        total += count;
    }
}

fn main() -> io::Result<()> {
    let listener = block_on(TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    let server = thread::spawn(move || {
        block_on(async {
            let (stream, _peer) = listener.accept().await?;
            echo(stream).await
        })
    });
    let answer = block_on(async {
        let stream = TcpStream::connect(address).await?;
        stream.write_all(b"hello from another executor").await?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let (mut answer, mut bytes) = (Vec::new(), [0; 8]);
        loop {
            match stream.read(&mut bytes).await? {
                0 => return io::Result::Ok(answer),
                count => answer.extend_from_slice(&bytes[..count]),
            }
        }
    })?;
    let echoed = server.join().expect("the server does not panic")?;
    assert_eq!(answer, b"hello from another executor");
    assert_eq!(echoed, answer.len());
    println!("{echoed} bytes came back");
    Ok(())
}

// prints:
// 27 bytes came back
