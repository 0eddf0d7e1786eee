//! The child of a fork: it gets errors instead of waiting for threads that it does not have, and
//! takes nothing from its parent.

use std::{
    error::Error,
    future::pending,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    time::Instant,
};

use arborio::{
    EventLoop, Forked, Interrupt, Pool, RunError, StopError, WaitError,
    blocking::BlockingPool,
    net::{UnixListener, UnixStream},
    run, spawn, spawn_blocking,
    time::sleep,
    yield_now,
};
use futures_lite::future::block_on;

use crate::support::{Gate, connected, in_own_process, ms, secs};

/// Forks. True in the child, which is to [`leave`], and is ended if it has not after 20 s. The parent goes on then, and
/// fails if the child did not leave well.
pub(crate) fn is_child_of_fork() -> bool {
    // SAFETY: the child has this one thread. It uses memory, which the C library keeps usable
    // across a fork, and leaves by `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: asks for a signal that ends the process.
        unsafe { libc::alarm(20) };
        return true;
    }
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!((waited, status), (child, 0), "the child has failed");
    false
}

/// Ends the child of a fork.
pub(crate) fn leave(well: bool) -> ! {
    // SAFETY: ends this process without running destructors.
    unsafe { libc::_exit(i32::from(!well)) }
}

/// Forks, and runs `body` in the child: the parent goes on when it has ended, and fails if it did.
fn in_child(body: impl FnOnce()) {
    if is_child_of_fork() {
        leave(catch_unwind(AssertUnwindSafe(body)).is_ok());
    }
}

/// It takes less time than anything that waits: graces, and what gives up.
#[track_caller]
fn at_once<R>(body: impl FnOnce() -> R) -> R {
    let start = Instant::now();
    let result = body();
    let took = start.elapsed();
    assert!(took < ms(300), "it took {took:?}");
    result
}

/// Whether `error` says that this is the child of a fork.
fn says_forked(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inside| inside.is::<Forked>())
}

/// Whether a job has ended because of the fork.
fn has_no_thread<T>(outcome: Result<T, Interrupt>) -> bool {
    matches!(outcome, Err(Interrupt::NoThread(error)) if says_forked(&error))
}

#[test]
fn r22_a_child_is_told_that_a_loop_in_the_background_is_its_parents() {
    let name = "forks::r22_a_child_is_told_that_a_loop_in_the_background_is_its_parents";
    in_own_process(name, || {
        let event_loop = EventLoop::builder().start().unwrap();
        let handle = event_loop.handle().clone();
        let gate = Gate::default();
        let passing = gate.clone();
        let mut task = handle.spawn(async move {
            passing.passed().await;
            5
        });
        let shared = handle.spawn(pending::<u8>());
        let ran = handle.run(async { 1 }); // by now the others have begun
        assert_eq!(ran.unwrap(), 1);
        let mut owner = Some(event_loop);
        in_child(|| {
            at_once(|| {
                let mut sent = handle.spawn(async { 1 });
                assert!(matches!(sent.try_take(), Some(Err(Interrupt::Stopped))));
                let sent = handle.spawn_with(|| async { 1 });
                assert!(matches!(block_on(sent), Err(Interrupt::Stopped)));
                let ran = handle.run(async { 1 });
                assert!(matches!(
                    ran,
                    Err(WaitError::Interrupted(Interrupt::Stopped))
                ));
                let waited = task.wait();
                let stopped = WaitError::Interrupted(Interrupt::Stopped).to_string();
                assert_eq!(waited.unwrap_err().to_string(), stopped);
                let awaited = block_on(async { (&shared).await });
                assert!(matches!(awaited, Err(Interrupt::Stopped)));
                assert!(matches!(block_on(shared), Err(Interrupt::Stopped)));
                assert!(handle.is_closed() && handle.is_stopping());
                handle.stop();
                gate.open(); // wakes the parent's task, as far as this process knows
                let end = owner.take().unwrap().stop_and_join(secs(1));
                assert!(matches!(end, Err(StopError::Forked)), "{end:?}");
            });
        });
        in_child(|| at_once(|| drop(owner.take())));
        in_child(|| assert!(!at_once(|| owner.take().unwrap().detach()).is_here()));

        // The parent has lost nothing, and nothing was done in its name.
        assert!(!task.is_finished() && !handle.is_stopping());
        gate.open();
        assert_eq!(task.wait().unwrap(), 5);
        assert_eq!(handle.run(async { 2 }).unwrap(), 2);
        owner.take().unwrap().stop_and_join(secs(1)).unwrap();
    });
}

#[test]
fn r22_a_child_has_loops_and_pools_of_its_own() {
    let name = "forks::r22_a_child_has_loops_and_pools_of_its_own";
    in_own_process(name, || {
        let default = EventLoop::get_or_create().unwrap();
        assert_eq!(default.run(spawn_blocking(|| 1)).unwrap().unwrap(), 1);
        run(async { drop(connected().await.unwrap()) });
        let everything = || {
            let sum = run(async {
                sleep(ms(1)).await;
                let (one, other) = connected().await.unwrap();
                one.write_all(b"abc").await.unwrap();
                let count = other.read(&mut [0; 8]).await.unwrap();
                count + spawn_blocking(|| 4).await.unwrap()
            });
            assert_eq!(sum, 7);
            let handle = EventLoop::get_or_create().unwrap();
            assert_eq!(handle.run(async { 3 }).unwrap(), 3);
            let pool = Pool::builder().workers(2);
            let slept = pool.run(async { spawn(sleep(ms(1))).await });
            slept.unwrap();
            // Outside of loops: the reactor in the background.
            block_on(async { drop(connected().await.unwrap()) });
        };
        in_child(|| {
            assert_ne!(EventLoop::get_or_create().unwrap(), default);
            everything();
            in_child(everything);
        });
        assert_eq!(EventLoop::get_or_create().unwrap(), default);
        everything();
    });
}

#[test]
fn r22_a_child_is_told_that_a_blocking_pool_is_its_parents() {
    let name = "forks::r22_a_child_is_told_that_a_blocking_pool_is_its_parents";
    in_own_process(name, || {
        let pool = BlockingPool::builder().grace(secs(5)).build();
        let (go_on, gate) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel();
        let mut job = Some(pool.spawn(move || {
            begun.send(()).unwrap();
            let _ = gate.recv();
            6
        }));
        has_begun.recv().unwrap();
        let mut idle = pool.spawn(|| ());
        idle.wait().unwrap();
        let mut ended = Some(pool.spawn(|| 7));
        while !ended.as_ref().unwrap().is_finished() {
            std::thread::yield_now();
        }
        let mut pool = Some(pool);
        in_child(|| {
            at_once(|| {
                let pool = pool.take().unwrap();
                assert!(has_no_thread(block_on(pool.spawn(|| 1))));
                let failed = pool.spawn(|| 1).wait().unwrap_err();
                let inside = failed.source().and_then(|error| error.source());
                assert!(inside.is_some(), "{failed:?}");
                let mut job = job.take().unwrap();
                assert!(!job.cancel());
                assert!(job.wait_timeout(secs(5)).is_err());
                assert!(ended.take().unwrap().wait().is_err());
                assert_eq!((pool.threads(), pool.idle_threads()), (0, 0));
                let end = pool.stop_and_join(secs(5));
                assert!(matches!(end, Err(StopError::Forked)), "{end:?}");
                drop(pool);
            });
        });
        in_child(|| at_once(|| drop((job.take(), pool.take(), ended.take()))));

        drop(go_on);
        assert_eq!(job.unwrap().wait().unwrap(), 6);
        assert_eq!(ended.unwrap().wait().unwrap(), 7);
        assert_eq!(pool.unwrap().spawn(|| 8).wait().unwrap(), 8);
    });
}

#[test]
fn r22_a_child_takes_no_socket_and_no_file_from_its_parent() {
    let name = "forks::r22_a_child_takes_no_socket_and_no_file_from_its_parent";
    in_own_process(name, || {
        let path = std::env::temp_dir().join(format!("arborio-fork-{}", std::process::id()));
        let event_loop = EventLoop::builder().start().unwrap();
        let handle = event_loop.handle().clone();
        let (one, other, listener) = handle
            .run(async {
                let (one, other) = connected().await.unwrap();
                let listener = UnixListener::builder()
                    .remove_on_drop(true)
                    .bind(&path)
                    .unwrap();
                // Registered at the loop, and found to have nothing.
                let nothing = arborio::time::timeout(ms(1), one.read(&mut [0; 4])).await;
                assert!(nothing.is_err());
                (one, other, listener)
            })
            .unwrap();
        let (mut kept, mut one) = (Some((other, listener)), Some(one));
        in_child(|| {
            let stream = one.take().unwrap();
            let error = at_once(|| block_on(stream.read(&mut [0; 4]))).unwrap_err();
            assert!(says_forked(&error), "{error}");
            drop(stream);
            drop(kept.take());
        });
        // Still registered, still connected, and the file is still there.
        let (other, listener) = kept.unwrap();
        let count = handle.run(async {
            let reader = one.take().unwrap();
            let reading = arborio::spawn_local(async move { reader.read(&mut [0; 4]).await });
            sleep(ms(1)).await;
            other.write_all(b"xy").await.unwrap();
            let client = UnixStream::connect(&path).await.unwrap();
            drop((listener.accept().await.unwrap(), client));
            reading.await.unwrap().unwrap()
        });
        assert_eq!(count.unwrap(), 2);
        drop(listener);
        assert!(!path.exists(), "its own process removes it");
    });
}

/// A task that forks and, in the child, goes on as if nothing had happened.
async fn fork_and_go_on() -> bool {
    // SAFETY: as in `in_child`; who calls this lets the child leave by `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: asks for a signal that ends the process.
        unsafe { libc::alarm(20) };
        pending::<()>().await;
    }
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    (waited, status) == (child, 0)
}

/// What comes of a loop: the child leaves with 0 if its copy was stopped.
fn leave_if_child<T>(outcome: Result<T, RunError>) -> T {
    // Who has not forked has not been stopped.
    if let Err(RunError::Stopped) = outcome {
        leave(true);
    }
    outcome.unwrap()
}

#[test]
fn r22_the_copy_of_a_loop_in_the_child_ends() {
    let name = "forks::r22_the_copy_of_a_loop_in_the_child_ends";
    in_own_process(name, || {
        for with_socket in [false, true] {
            let builder = EventLoop::builder().observer(|_| ());
            let ended = builder.try_run(async {
                let sockets = match with_socket {
                    true => Some(connected().await.unwrap()),
                    false => None,
                };
                let ended = fork_and_go_on().await;
                if let Some((one, other)) = sockets {
                    other.write_all(b"x").await.unwrap();
                    assert_eq!(one.read(&mut [0; 4]).await.unwrap(), 1);
                }
                sleep(ms(1)).await;
                ended
            });
            assert!(leave_if_child(ended), "with a socket: {with_socket}");
        }
    });
}

#[test]
fn r22_the_copy_of_a_pool_in_the_child_ends() {
    let name = "forks::r22_the_copy_of_a_pool_in_the_child_ends";
    in_own_process(name, || {
        let builder = Pool::builder().workers(3).observer(|_| ());
        let ended = builder.try_run(async {
            let others: Vec<_> = (0..50).map(|_| spawn(sleep(ms(20)))).collect();
            for _ in 0..100 {
                yield_now().await;
            }
            let ended = fork_and_go_on().await;
            for other in others {
                other.await.unwrap();
            }
            ended
        });
        assert!(leave_if_child(ended));
    });
}
