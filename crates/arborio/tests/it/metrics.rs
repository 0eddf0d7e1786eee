//! What `Handle::metrics` says.

use std::{future::pending, sync::Arc};

use arborio::{
    Handle, Scope, metrics::WorkerMetrics, net::TcpListener, run, scope, spawn, spawn_blocking,
    sync::Event, time::Duration, time::sleep, yield_now,
};

/// The figures of this loop, as of a turn that has just begun.
async fn figures() -> WorkerMetrics {
    arborio::task::skip_poll_cycle().await;
    let metrics = Handle::current().unwrap().metrics();
    assert_eq!(metrics.workers.len(), 1);
    metrics.total()
}

#[test]
fn tasks_are_counted_wherever_they_hang_and_until_they_have_ended() {
    run(async {
        assert_eq!(figures().await.tasks, 1, "main");
        let idle: Vec<_> = (0..3).map(|_| spawn(pending::<()>())).collect();
        let daemon = arborio::task().awaited(false).spawn(pending::<()>());
        assert_eq!(figures().await.tasks, 5);
        let ended = scope(async |s: &Scope<()>| {
            s.spawn(pending::<()>());
            scope(async |inner: &Scope<()>| {
                inner.spawn(pending::<()>());
                inner.task().awaited(false).spawn(pending::<()>());
                assert_eq!(figures().await.tasks, 8);
                Err::<(), ()>(())
            })
            .await
        });
        assert!(ended.await.is_err());
        assert_eq!(figures().await.tasks, 5);
        for task in idle {
            task.abort();
        }
        daemon.abort();
        assert_eq!(figures().await.tasks, 1);
    });
}

#[test]
fn polls_and_turns_are_counted() {
    run(async {
        let before = figures().await;
        for _ in 0..1000 {
            yield_now().await;
        }
        let after = figures().await;
        assert!(after.turns > before.turns);
        let polls = after.polls - before.polls;
        assert!((1000..1010).contains(&polls), "{polls}");
    });
}

#[test]
fn timers_and_sockets_are_those_of_the_last_turn() {
    run(async {
        let naps: Vec<_> = (0..4).map(|_| spawn(sleep(Duration::MAX / 2))).collect();
        let long = spawn(sleep(Duration::from_secs(3600)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let accepting = spawn(async move { listener.accept().await.map(drop) });
        yield_now().await;
        let seen = figures().await;
        assert_eq!((seen.timers, seen.descriptors), (5, 1), "{seen:?}");
        for nap in naps.into_iter().chain([long]) {
            nap.abort();
        }
        accepting.abort();
        let seen = figures().await;
        assert_eq!((seen.timers, seen.descriptors), (0, 0), "{seen:?}");
    });
}

#[test]
fn threads_for_jobs_are_busy_or_idle() {
    run(async {
        let gate = Arc::new(Event::new());
        let waits = Arc::clone(&gate);
        let job = spawn_blocking(move || arborio::run(async move { waits.wait().await }));
        let busy = Handle::current().unwrap().metrics();
        assert!(busy.blocking_threads > busy.blocking_idle, "{busy:?}");
        gate.set();
        job.await.unwrap();
    });
}
