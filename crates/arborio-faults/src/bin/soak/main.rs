//! A program that works for as long as somebody wants, in rounds, and rests between them.
//!
//! `cargo xtask soak` runs it. For each line of its standard input it goes through a round of as many milliseconds as its
//! argument says: an echo over TCP, sleeps, cancellations, jobs that block, names that are looked up, messages, and
//! tasks that panic, on a loop and on a pool at the same time, which live from the beginning to the end. A loop of its own comes
//! and goes with the round. When all of it has ended it prints one line, `rest`, what is alive on the heap and how often everything was
//! done, and does nothing until the next line: then somebody can look at what it holds. The line `sizes` is no round:
//! it asks of which sizes the blocks are. When its input ends it stops both, and ends itself.

mod heap;

use std::{
    error::Error,
    future::pending,
    io::{self, BufRead, Write},
    net::SocketAddr,
    panic::resume_unwind,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use arborio::{
    EventLoop, Handle, Interrupt, Pool, Scope,
    blocking::{BlockingPool, enter_executor},
    cancel::{finally, move_on_after},
    net::{TcpListener, TcpStream},
    scope, spawn, spawn_blocking,
    sync::mpsc,
    task,
    time::{Instant, interval, sleep, timeout},
    yield_now,
};

/// Clients of each echo, tasks that sleep, and tasks of each scope that is cancelled.
const CROWD: u64 = 8;

type Done = io::Result<()>;

/// How often each kind of work was done.
static DONE: [(&str, AtomicU64); 8] = [
    ("echoes", AtomicU64::new(0)),
    ("sleeps", AtomicU64::new(0)),
    ("cancels", AtomicU64::new(0)),
    ("jobs", AtomicU64::new(0)),
    ("lookups", AtomicU64::new(0)),
    ("messages", AtomicU64::new(0)),
    ("panics", AtomicU64::new(0)),
    ("loops", AtomicU64::new(0)),
];

const ECHOES: usize = 0;
const SLEEPS: usize = 1;
const CANCELS: usize = 2;
const JOBS: usize = 3;
const LOOKUPS: usize = 4;
const MESSAGES: usize = 5;
const PANICS: usize = 6;
const LOOPS: usize = 7;

/// How long everything has for its end.
const GRACE: Duration = Duration::from_secs(5);

/// Counts one more.
fn done(kind: usize) {
    // Relaxed: a figure; it is read when all who count have been waited for.
    DONE[kind].1.fetch_add(1, Ordering::Relaxed);
}

fn main() -> Result<(), Box<dyn Error>> {
    let milliseconds = std::env::args().nth(1).ok_or("how many milliseconds?")?;
    let length = Duration::from_millis(milliseconds.parse()?);
    let event_loop = EventLoop::builder().name("soak-loop").start()?;
    let pool = Pool::builder().name("soak-pool").workers(2).start()?;
    let jobs = BlockingPool::builder().name("soak-job").max_threads(2);
    let jobs = jobs.build();
    for line in io::stdin().lock().lines() {
        if line? == "sizes" {
            println!("sizes{}", heap::sizes());
            continue;
        }
        let round = |handle: &Handle| handle.run(round(&jobs, length));
        let ended = thread::scope(|threads| {
            let other = threads.spawn(|| round(event_loop.handle()));
            let ended = round(pool.handle());
            [ended, other.join().expect("a round does not panic")]
        });
        for ended in ended {
            ended??;
        }
        come_and_go()?;
        tell()?;
    }
    event_loop.stop_and_join(GRACE)?;
    pool.stop_and_join(GRACE)?;
    jobs.stop_and_join(GRACE)?;
    Ok(())
}

/// A loop that ends, with its thread.
fn come_and_go() -> Result<(), Box<dyn Error>> {
    let short = EventLoop::builder().name("soak-short").start()?;
    short.handle().run(async {
        let end = Instant::now() + Duration::from_millis(1);
        scope(async |s: &Scope<io::Error>| {
            s.spawn(echo(end));
            s.spawn(sleeps(end, 0));
            Ok(())
        })
        .await
    })??;
    short.stop_and_join(GRACE)?;
    done(LOOPS);
    Ok(())
}

/// Prints what was done since the beginning.
fn tell() -> io::Result<()> {
    let live = heap::at_rest();
    heap::trim();
    let mut line = format!("rest bytes={} blocks={}", live.bytes, live.blocks);
    for (name, count) in &DONE {
        line += &format!(" {name}={}", count.load(Ordering::Relaxed));
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// All kinds of work at once. When it returns nothing of it is left.
async fn round(jobs: &BlockingPool, length: Duration) -> Done {
    let end = Instant::now() + length;
    scope(async |s: &Scope<io::Error>| {
        s.spawn(echo(end));
        for number in 0..CROWD {
            s.spawn(sleeps(end, number));
        }
        s.spawn(cancels(end));
        s.spawn(looks_up(end));
        s.spawn(messages(end));
        s.spawn(panics(end));
        block(end, jobs).await
    })
    .await
}

/// A server, and clients that come and go.
async fn echo(end: Instant) -> Done {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    scope(async |s: &Scope<io::Error>| {
        s.task().awaited(false).spawn(serve(listener));
        for number in 0..CROWD {
            s.spawn(visit(address, end, number));
        }
        Ok(())
    })
    .await
}

/// Answers everybody until it is asked to end.
async fn serve(listener: TcpListener) -> Done {
    scope(async |s: &Scope<io::Error>| {
        loop {
            let (stream, _peer) = listener.accept().await?;
            s.spawn(async move {
                let mut buffer = [0; 4096];
                loop {
                    match stream.read(&mut buffer).await? {
                        0 => return Done::Ok(()),
                        count => stream.write_all(&buffer[..count]).await?,
                    }
                }
            });
        }
    })
    .await
}

/// Some words on each connection, of all lengths; every byte must come back.
async fn visit(address: SocketAddr, end: Instant, number: u64) -> Done {
    let mut length = number as usize;
    while Instant::now() < end {
        let stream = TcpStream::connect(address).await?;
        for _ in 0..CROWD {
            length = (length * 31 + 7) % 4000;
            let said: Vec<u8> = (0..=length).map(|byte| byte as u8).collect();
            let mut heard = vec![0; said.len()];
            timeout(Duration::from_secs(10), async {
                stream.write_all(&said).await?;
                stream.read_exact(&mut heard).await
            })
            .await??;
            if said != heard {
                return Err(io::Error::other("the echo is not what was said"));
            }
            done(ECHOES);
            sleep(Duration::from_millis(1)).await;
        }
    }
    Ok(())
}

/// Sleeps, ticks, and limits that are not reached.
async fn sleeps(end: Instant, number: u64) -> Done {
    let mut turn = number;
    while Instant::now() < end {
        turn = (turn * 31 + 7) % 4000;
        sleep(Duration::from_micros(turn)).await;
        let mut ticks = interval(Duration::from_micros(500 + turn));
        ticks.tick().await;
        timeout(Duration::from_secs(3600), yield_now()).await?;
        done(SLEEPS);
    }
    Ok(())
}

/// Scopes, tasks and waits that are ended early.
async fn cancels(end: Instant) -> Done {
    while Instant::now() < end {
        scope(async |s: &Scope<io::Error>| {
            for _ in 0..CROWD {
                s.spawn(finally(pending::<Done>(), async || yield_now().await));
            }
            yield_now().await;
            s.cancel();
            Ok(())
        })
        .await?;
        let task = spawn(pending::<()>());
        yield_now().await;
        task.abort();
        if !matches!(task.await, Err(Interrupt::Cancelled(_))) {
            return Err(io::Error::other("an aborted task ended otherwise"));
        }
        if move_on_after(Duration::from_millis(1), pending::<()>())
            .await
            .is_some()
        {
            return Err(io::Error::other("what never ends has ended"));
        }
        done(CANCELS);
    }
    Ok(())
}

/// Jobs that are awaited, a part of a task on another thread, and jobs that are given up.
async fn block(end: Instant, jobs: &BlockingPool) -> Done {
    while Instant::now() < end {
        let sum = spawn_blocking(|| (0..1000_u64).sum::<u64>()).await?;
        let moved = enter_executor(async move { sum + 1 }).await?;
        if moved != 499_501 {
            return Err(io::Error::other("a job gave another sum"));
        }
        drop(jobs.spawn(|| vec![0_u8; 1 << 16]));
        jobs.spawn(|| ()).await?;
        done(JOBS);
        sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// A name that every machine has, and a port at which nobody listens. Who answers, and what, is all the same.
async fn looks_up(end: Instant) -> Done {
    loop {
        let _ = TcpStream::connect(("localhost", 1)).await;
        done(LOOKUPS);
        if Instant::now() >= end {
            return Ok(());
        }
        sleep(Duration::from_millis(1)).await;
    }
}

/// A channel from one task to another, with less room than there are messages.
async fn messages(end: Instant) -> Done {
    while Instant::now() < end {
        let (sender, mut receiver) = mpsc::channel::<u64>(CROWD as usize / 2);
        let sends = async move {
            for number in 0..CROWD {
                sender.send(number).await.map_err(io::Error::other)?;
            }
            Done::Ok(())
        };
        scope(async |s: &Scope<io::Error>| {
            s.spawn(sends);
            for number in 0..CROWD {
                if receiver.recv().await != Some(number) {
                    return Err(io::Error::other("a message is lost"));
                }
            }
            Ok(())
        })
        .await?;
        done(MESSAGES);
        sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Tasks with names that panic, and somebody who sees it.
async fn panics(end: Instant) -> Done {
    let mut number = 0_u64;
    while Instant::now() < end {
        number += 1;
        let falls = task().name(format!("falls {number}")).observed(true);
        let fallen = falls.spawn(async move {
            yield_now().await;
            // It has no words on standard error.
            resume_unwind(Box::new(number));
        });
        if !matches!(fallen.await, Err(Interrupt::Panicked(_))) {
            return Err(io::Error::other("a panic was not told"));
        }
        done(PANICS);
        sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}
