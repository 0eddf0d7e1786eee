//! Timers and tasks, without a socket: a loop here, in the background, and a pool.

use std::{
    sync::{Arc, mpsc::channel},
    thread,
    time::Duration,
};

use arborio::{
    EventLoop, Handle, spawn,
    sync::oneshot,
    time::{interval, sleep},
    yield_now,
};

use super::{Done, LIMIT, hear, limited, on_a_loop, on_a_pool};
use crate::notes::check;

/// Sleeps of less and more than a millisecond, and a wake from another thread while the loop sleeps.
pub(super) fn timers() {
    on_a_loop(async {
        sleep(Duration::from_micros(300)).await;
        sleep(Duration::from_millis(2)).await;
        let mut ticks = interval(Duration::from_millis(1));
        for _ in 0..3 {
            ticks.tick().await;
        }
        woken_from_outside().await
    });
}

/// Is woken by a plain thread, while a timer keeps the loop in its wait for events.
async fn woken_from_outside() -> Done {
    let handle = Handle::current().ok_or("no loop runs here")?;
    let (tell, told) = oneshot::channel();
    let thread = thread::Builder::new().spawn(move || {
        let task = handle.spawn(async move { tell.send(7).is_ok() });
        drop(task);
    })?;
    let number = told.await?;
    assert_eq!(number, 7);
    check_thread(thread.join());
    Ok(())
}

/// A panic was noted as it happened.
fn check_thread<T>(ended: thread::Result<T>) {
    drop(ended);
}

/// A loop with a thread of its own.
pub(super) fn background() {
    let Some(event_loop) = check(EventLoop::builder().observer(hear).start()) else {
        return;
    };
    let handle = event_loop.handle();
    check(handle.run(limited(async {
        sleep(Duration::from_millis(1)).await;
        spawn(sleep(Duration::from_micros(100))).await?;
        woken_from_outside().await
    })));
    let mut idle = handle.spawn(std::future::pending::<()>());
    check(event_loop.stop_and_join(LIMIT));
    if idle.wait().is_ok() {
        crate::notes::write("what never ends has ended");
    }
}

/// Tasks on two workers, that sleep and wake each other.
pub(super) fn pool() {
    on_a_pool(async {
        let tasks: Vec<_> = (0..20_u64)
            .map(|n| {
                spawn(async move {
                    for _ in 0..n % 4 {
                        yield_now().await;
                    }
                    sleep(Duration::from_micros(200 * n)).await;
                    n
                })
            })
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await?;
        }
        assert_eq!(sum, 190);
        woken_from_outside().await
    });
}

/// A task blocks its worker until another one has run that was spawned there.
pub(super) fn rescue() {
    on_a_pool(async {
        let (tell, told) = channel();
        let told = Arc::new(std::sync::Mutex::new(told));
        let hog = spawn(async move {
            let helper = spawn(async move { tell.send(()).is_ok() });
            let heard = told.lock().unwrap().recv_timeout(LIMIT / 2).is_ok();
            helper.await.map(|sent| sent && heard)
        });
        if hog.await?? {
            Ok(())
        } else {
            Err("a task in a long poll kept another one".into())
        }
    });
}
