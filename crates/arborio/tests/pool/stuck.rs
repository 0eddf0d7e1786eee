//! A worker whose task does not return: others look after its sockets and its timers.
//!
//! The task that blocks is `main`, which stays with the first worker. It blocks until what it waits for has happened, so a
//! pool that leaves it to that worker fails after [`LIMIT`], on any machine.

use std::{
    io::{self, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, channel},
    },
    thread,
    time::Duration,
};

use arborio::{
    Pool,
    net::UnixStream,
    spawn,
    time::{sleep, timeout},
    yield_now,
};

/// How long `main` blocks for what never comes.
const LIMIT: Duration = Duration::from_secs(20);

fn pool<F: Future>(main: F) -> F::Output {
    Pool::builder().workers(2).run(main)
}

/// Blocks its worker until `number` times something has come.
fn block_until(number: usize, came: &Receiver<()>) {
    for done in 0..number {
        let next = came.recv_timeout(LIMIT);
        assert!(next.is_ok(), "{done} of {number} came while this blocked");
    }
}

/// A socket of the reactor of the calling worker, whose task echoes, and the other end of it.
fn echo() -> io::Result<std::os::unix::net::UnixStream> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    let ours = UnixStream::try_from(ours)?;
    spawn(async move {
        let mut byte = [0];
        while ours.read(&mut byte).await? == 1 {
            ours.write_all(&byte).await?;
        }
        io::Result::Ok(())
    })
    .detach();
    Ok(theirs)
}

/// Sends bytes and waits for their echoes, on a thread of its own.
fn ask(mut socket: std::os::unix::net::UnixStream) -> Receiver<()> {
    let (tell, told) = channel();
    thread::spawn(move || {
        for byte in 0..20 {
            let mut echoed = [0];
            socket.write_all(&[byte]).unwrap();
            socket.read_exact(&mut echoed).unwrap();
            assert_eq!(echoed, [byte]);
            tell.send(()).unwrap();
        }
    });
    told
}

/// A task that is always ready, on a worker that is not the caller's.
async fn keep_the_other_worker_busy() -> Arc<AtomicBool> {
    let over = Arc::new(AtomicBool::new(false));
    let (tell, told) = channel();
    let (seen, here) = (Arc::clone(&over), thread::current().id());
    spawn(async move {
        let mut told = false;
        while !seen.load(Ordering::Relaxed) {
            if !told && thread::current().id() != here {
                told = true;
                tell.send(()).unwrap();
            }
            yield_now().await;
        }
    })
    .detach();
    yield_now().await;
    block_until(1, &told); // it is ready behind this poll, and goes elsewhere
    over
}

#[test]
fn x19_the_sockets_of_a_worker_that_is_stuck_are_served() {
    pool(async {
        let socket = echo().unwrap();
        yield_now().await; // the echo waits
        block_until(20, &ask(socket));
    });
}

#[test]
fn x19_a_worker_that_is_never_idle_serves_the_sockets_of_one_that_is_stuck() {
    pool(async {
        let socket = echo().unwrap();
        let over = keep_the_other_worker_busy().await;
        block_until(20, &ask(socket));
        over.store(true, Ordering::Relaxed);
    });
}

/// Tasks that sleep, some of them with the timers of the calling worker, and what each says in the end.
async fn sleepers(number: usize) -> Receiver<()> {
    let (tell, told) = channel();
    let (arm, armed) = channel();
    for _ in 0..number {
        let (tell, arm) = (tell.clone(), arm.clone());
        spawn(async move {
            arm.send(thread::current().id()).unwrap();
            sleep(Duration::from_millis(30)).await;
            tell.send(()).unwrap();
        })
        .detach();
    }
    let mut threads = Vec::new();
    while threads.len() < number {
        yield_now().await;
        threads.extend(armed.try_iter());
    }
    let here = thread::current().id();
    assert!(
        threads.contains(&here),
        "the first one is polled where it was spawned"
    );
    told
}

#[test]
fn x19_the_timers_of_a_worker_that_is_stuck_fire() {
    pool(async {
        let told = sleepers(16).await;
        block_until(16, &told);
    });
}

#[test]
fn x19_a_worker_that_is_never_idle_fires_the_timers_of_one_that_is_stuck() {
    pool(async {
        let over = keep_the_other_worker_busy().await;
        let told = sleepers(16).await;
        block_until(16, &told);
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn x19_what_was_served_by_another_worker_goes_on_where_it_belongs() {
    pool(async {
        for _ in 0..3 {
            let socket = echo().unwrap();
            yield_now().await;
            let told = ask(socket);
            block_until(10, &told);
            for _ in 0..10 {
                // Not stuck any more: its own worker serves it again.
                let next = timeout(LIMIT, async {
                    while told.try_recv().is_err() {
                        yield_now().await;
                    }
                });
                next.await.unwrap();
            }
        }
    });
}
