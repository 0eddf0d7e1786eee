//! A pipe between two futures, under an executor of ten lines that has never
//! heard of this crate: the background reactor wakes it.
//!
//! Run with `cargo run -p arborio-reactor --example pipe_under_any_executor`.

use std::{
    io::{self, Read, Write},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake},
    thread::{self, Thread},
};

use arborio_reactor::Async;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

fn main() -> io::Result<()> {
    let (reader, writer) = io::pipe()?;
    let (reader, writer) = (Async::new(reader)?, Async::new(writer)?);
    let reading = thread::spawn(move || {
        block_on(async {
            let mut line = [0; 64];
            let count = reader.read_with(|mut pipe| pipe.read(&mut line)).await?;
            io::Result::Ok(String::from_utf8_lossy(&line[..count]).into_owned())
        })
    });
    block_on(writer.write_with(|mut pipe| pipe.write(b"through the pipe")))?;
    let line = reading.join().expect("the reader does not panic")?;
    assert_eq!(line, "through the pipe");
    println!("{line}");
    Ok(())
}

// prints:
// through the pipe
