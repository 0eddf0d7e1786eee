//! Scopes on the event loop of `arborio-executor` alone: no reactor, no facade; and under an executor
//! that is not Arborio's.
//!
//! Run with `cargo run -p arborio-scope --example scopes_on_a_bare_loop`.

use std::{
    cell::Cell,
    future::pending,
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use arborio_executor::{LoopOptions, Notify, Park, Passed, Tasks, Wait, drive, yield_now};
use arborio_scope::{Scope, finally, gather, scope};

/// Wakes the thread of the loop.
struct Unpark(thread::Thread);

impl Notify for Unpark {
    fn notify(&self) {
        self.0.unpark();
    }
}

/// Sleeps until another thread wakes it.
struct ThreadPark;

impl Park for ThreadPark {
    fn pass(&mut self, wait: Wait) -> Passed {
        if wait != Wait::Never {
            thread::park();
        }
        Passed::Looked
    }
}

fn run<F: Future>(main: F) -> F::Output {
    let tasks = Tasks::new(Arc::new(Unpark(thread::current())));
    let ended = drive(
        tasks,
        &mut ThreadPark,
        LoopOptions::default(),
        &|_| {},
        main,
    );
    ended.expect("nobody stops it")
}

/// Two tasks: one fails, and the other one cleans up before the scope gives the error.
async fn fails(cleanups: &Arc<AtomicU32>) -> io::Result<()> {
    scope(async |s: &Scope<io::Error>| {
        let count = Arc::clone(cleanups);
        s.spawn(finally(pending::<()>(), async move || {
            yield_now().await;
            count.fetch_add(1, Ordering::Relaxed);
        }));
        yield_now().await;
        s.spawn(async { Err::<(), _>(io::Error::other("out of flour")) });
        pending().await
    })
    .await
}

fn main() {
    let cleanups = Arc::new(AtomicU32::new(0));
    let borrowed = Cell::new(0); // `main` of a loop may borrow
    let squares = run(async {
        let failed = fails(&cleanups).await.expect_err("one task fails");
        assert_eq!(failed.to_string(), "out of flour");
        borrowed.set(cleanups.load(Ordering::Relaxed));
        gather((1..=4).map(async |number: u32| number * number)).await
    });
    assert_eq!(squares.expect("nobody is cancelled"), [1, 4, 9, 16]);
    assert_eq!(borrowed.get(), 1);
    println!("on a bare loop: one cleanup, then the error");

    let sum = futures_lite::future::block_on(scope(async |s: &Scope<io::Error>| {
        let (one, two) = (s.spawn(async { Ok(1) }), s.spawn(async { Ok(2) }));
        Ok(one.await? + two.await?)
    }));
    assert_eq!(sum.expect("no task fails"), 3);
    println!("under another executor: the scope polls its tasks itself");
}

// prints:
// on a bare loop: one cleanup, then the error
// under another executor: the scope polls its tasks itself
