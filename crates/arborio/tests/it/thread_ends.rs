//! Destructors of thread-locals that use the runtime after the loop of their thread has ended: each
//! gets a value or an error, and none of them is the end of the process.

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, mpsc},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use arborio::{
    EventLoop, Handle, Interrupt, Pool, Task, WaitError, is_running,
    net::TcpStream,
    run, scope, spawn, spawn_blocking, spawn_local,
    sync::{Mutex, mpsc as channel},
    task_local,
    time::{Sleep, sleep},
    try_spawn,
};

use crate::support::{connected, ms, secs, without_hanging};

/// Runs a closure when it is dropped.
struct AtTheEnd<K>(Option<(K, fn(K))>);

impl<K> Drop for AtTheEnd<K> {
    fn drop(&mut self) {
        if let Some((kept, end)) = self.0.take() {
            end(kept);
        }
    }
}

/// What is done at the very end.
type LastAct = Box<dyn FnOnce()>;

thread_local! {
    static LAST: RefCell<Option<AtTheEnd<LastAct>>> = const { RefCell::new(None) };
}

/// Runs a loop on a new thread, in which `make` makes something, and gives that to `end` while the
/// thread-locals of the thread are destroyed: once in one that was there before those of the loop,
/// once in one that came after them. Fails if `end` fails.
fn at_the_end_of_a_thread<K: 'static>(
    make: impl AsyncFn() -> K + Send + Copy + 'static,
    end: fn(K),
) {
    without_hanging(move || {
        for loop_comes_first in [true, false] {
            let (sender, receiver) = mpsc::channel();
            let thread = thread::spawn(move || {
                if !loop_comes_first {
                    LAST.with(|_| ()); // its destructor is registered
                    LAST.set(Some(AtTheEnd(None)));
                }
                let kept = run(async { make().await });
                let body: Box<dyn FnOnce()> = Box::new(move || {
                    assert!(!is_running());
                    end(kept);
                });
                let told: Box<dyn FnOnce()> = Box::new(move || {
                    // A panic that leaves a destructor of a thread-local ends the process.
                    let ended = catch_unwind(AssertUnwindSafe(body));
                    sender
                        .send(ended.map_err(arborio::task::Payload::new))
                        .unwrap();
                });
                LAST.set(Some(AtTheEnd(Some((told, |told| told())))));
            });
            thread.join().unwrap();
            let ended = receiver.recv().expect("the destructor has run");
            if let Err(payload) = ended {
                panic!("loop first: {loop_comes_first}: {}", payload.message());
            }
        }
    });
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// An executor without thread-locals of its own.
fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

#[cfg(panic = "unwind")]
#[test]
fn spawning_is_an_error() {
    at_the_end_of_a_thread(
        async || (),
        |()| {
            assert!(try_spawn(async {}).is_err());
            assert!(arborio::try_spawn_local(async {}).is_err());
            // It says that there is no loop, as anywhere else.
            assert!(catch_unwind(|| drop(spawn(async {}))).is_err());
            assert!(Handle::current().is_none());
        },
    );
}

#[test]
fn a_handle_of_the_loop_that_has_ended_gives_tasks_that_have_stopped() {
    at_the_end_of_a_thread(
        async || Handle::current().unwrap(),
        |handle| {
            assert!(handle.is_closed());
            assert!(matches!(
                block_on(handle.spawn(async {})),
                Err(Interrupt::Stopped)
            ));
            let ran = handle.run(async {});
            assert!(matches!(
                ran,
                Err(WaitError::Interrupted(Interrupt::Stopped))
            ));
            handle.stop();
        },
    );
}

#[test]
fn tasks_of_the_loop_that_has_ended_give_their_outcome() {
    let make = async || {
        let waits = arborio::task().awaited(false);
        let ended = spawn_local(async { String::from("done") });
        arborio::yield_now().await;
        (
            ended,
            waits.spawn_local(std::future::pending::<()>()),
            spawn(async { 5 }),
        )
    };
    at_the_end_of_a_thread(
        make,
        |(ended, mut waits, five): (Task<String>, Task<()>, Task<i32>)| {
            assert_eq!(block_on(ended).unwrap(), "done");
            assert!(waits.is_finished() && waits.wait().is_err());
            five.cancel();
            five.abort();
            drop(five);
        },
    );
}

#[test]
fn sleeps_are_dropped_and_counted() {
    let make = async || {
        let mut armed = Box::pin(sleep(secs(3600)));
        let armed_now = arborio::time::timeout(ms(0), armed.as_mut()).await;
        assert!(armed_now.is_err());
        (armed, sleep(ms(1)))
    };
    at_the_end_of_a_thread(make, |(armed, soon): (std::pin::Pin<Box<Sleep>>, Sleep)| {
        drop(armed);
        block_on(soon);
        block_on(sleep(ms(1)));
        let late = block_on(arborio::time::timeout(ms(1), std::future::pending::<()>()));
        assert!(late.is_err());
    });
}

#[test]
fn sockets_go_on() {
    let make = async || connected().await.unwrap();
    at_the_end_of_a_thread(make, |(one, other): (TcpStream, TcpStream)| {
        block_on(async {
            one.write_all(b"abc").await.unwrap();
            assert_eq!(other.read(&mut [0; 8]).await.unwrap(), 3);
            drop(one);
            assert_eq!(other.read(&mut [0; 8]).await.unwrap(), 0);
            drop(connected().await.unwrap());
        });
    });
}

#[test]
fn loops_pools_and_jobs_run() {
    at_the_end_of_a_thread(
        async || spawn_blocking(|| 1),
        |mut job| {
            assert_eq!(job.wait().unwrap(), 1);
            assert_eq!(spawn_blocking(|| 2).wait().unwrap(), 2);
            let event_loop = EventLoop::builder().start().unwrap();
            assert_eq!(event_loop.handle().run(async { 3 }).unwrap(), 3);
            drop(event_loop);
            let pool = Pool::builder().workers(2);
            assert_eq!(pool.run(async { spawn(async { 4 }).await.unwrap() }), 4);
            let nested = run(async {
                sleep(ms(1)).await;
                spawn(async { 5 }).await.unwrap()
            });
            assert_eq!(nested, 5);
        },
    );
}

#[test]
fn scopes_locks_channels_and_locals_work() {
    task_local! { static NUMBER: u32; }
    let make = async || {
        let (sender, receiver) = channel::channel::<u32>(1);
        (Arc::new(Mutex::new(1)), sender, receiver)
    };
    at_the_end_of_a_thread(make, |(mutex, sender, mut receiver)| {
        assert!(NUMBER.try_with(|_| ()).is_err());
        block_on(async {
            let guard = mutex.lock().await;
            sender.send(*guard).await.unwrap();
            assert_eq!(receiver.recv().await, Some(1));
            let sum = scope(async |s: &arborio::Scope<()>| {
                let child = s.spawn(async { Ok(2) });
                child.await
            });
            assert_eq!(sum.await, Ok(2));
            assert_eq!(arborio::join((async { 1 }, async { 2 })).await, (1, 2));
        });
    });
}
