//! Descriptors of others, and signals.

use std::{
    future::pending,
    io::{Read, Write},
};

use arborio::{
    CtrlC, EventLoop, RunError,
    net::Async,
    signal::{Signal, signal},
};
use rustix::process::{Signal as Raw, getpid, kill_process};

use super::{hear, limited, on_a_loop};
use crate::notes::{check, write};

/// A pipe that is watched from both ends, and filled. Nobody waits for its end: a close may be what fails.
pub(super) fn pipe() {
    on_a_loop(async {
        let (reader, writer) = std::io::pipe()?;
        let (reader, writer) = (Async::new(reader)?, Async::new(writer)?);
        let text = vec![1; 1 << 20];
        let sending = async {
            let mut sent = 0;
            while sent < text.len() {
                sent += writer
                    .write_with(|mut pipe| pipe.write(&text[sent..]))
                    .await?;
            }
            std::io::Result::Ok(sent)
        };
        let receiving = async {
            let (mut buffer, mut count) = (vec![0; 32 << 10], 0);
            while count < text.len() {
                count += reader.read_with(|mut pipe| pipe.read(&mut buffer)).await?;
            }
            std::io::Result::Ok(count)
        };
        let (sent, count) = futures_lite::future::try_zip(sending, receiving).await?;
        assert_eq!(sent, count);
        Ok(())
    });
}

/// A listener that hears of a signal.
pub(super) fn signals() {
    on_a_loop(async {
        let mut reloads = signal(Signal::USER1)?;
        kill_process(getpid(), Raw::USR1)?;
        reloads.recv().await?;
        Ok(())
    });
}

/// A loop that ends with Ctrl-C.
pub(super) fn ctrl_c() {
    let builder = EventLoop::builder().ctrl_c(CtrlC::Cancel).observer(hear);
    let ended = builder.try_run(limited(async {
        kill_process(getpid(), Raw::INT)?;
        pending().await
    }));
    match ended {
        Err(RunError::Stopped) => {}
        Err(other) => drop(check(Err::<(), _>(other))),
        Ok(()) => write("main has ended, and not by Ctrl-C"),
    }
}
