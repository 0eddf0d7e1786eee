//! Polls that take long are told of by name.

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, channel},
    },
    thread,
    time::Duration,
};

use arborio::{
    EventLoop, Pool,
    options::{Report, SlowPoll},
    time::sleep,
    yield_now,
};

use crate::meeting::Meeting;

/// An observer, and what it is told of slow polls.
fn ears() -> (impl Fn(&Report<'_>) + Send + Sync, Receiver<SlowPoll>) {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let observer = move |report: &Report<'_>| {
        if let Report::SlowPoll(poll) = *report {
            let _ = tell.lock().unwrap().send(poll.clone());
        }
    };
    (observer, told)
}

/// The task does not return before it was told of: if nobody tells, the test fails.
fn block(told: &Receiver<SlowPoll>) -> SlowPoll {
    told.recv_timeout(Duration::from_secs(20))
        .expect("nobody was told")
}

#[test]
fn a06_a_task_that_holds_its_loop_is_told_of_by_name() {
    let (observer, told) = ears();
    let limit = Duration::from_millis(20);
    let builder = EventLoop::builder().slow_poll(limit).observer(observer);
    let poll = builder.run(async move {
        let hog = arborio::task().name("hog");
        hog.spawn(async move { block(&told) }).await.unwrap()
    });
    assert!(poll.held >= limit);
    // Where the system does not help nobody knows which task it was.
    if let Some(task) = &poll.task {
        assert_eq!(task.name.as_deref(), Some("hog"));
        assert!(task.spawned_at.file().ends_with("watchdog.rs"));
        assert!(poll.to_string().starts_with("task `hog` "));
    }
}

#[test]
fn a06_a_task_that_holds_a_worker_is_told_of_by_name() {
    let (observer, told) = ears();
    let builder = Pool::builder()
        .workers(2)
        .slow_poll(Duration::from_millis(20))
        .observer(observer);
    let poll = builder.run(async move {
        let both = Arc::new(Meeting::new(2));
        let meets = Arc::clone(&both);
        let hog = arborio::task().name("hog").spawn(async move {
            both.wait();
            block(&told)
        });
        let other = arborio::spawn(async move { meets.wait() }); // so that one of the two is on each worker
        other.await.unwrap();
        hog.await.unwrap()
    });
    assert!(
        poll.task
            .is_none_or(|task| task.name.as_deref() == Some("hog"))
    );
}

#[test]
fn a06_tasks_that_return_are_not_told_of_however_busy_their_loop_is() {
    let (observer, told) = ears();
    let builder = EventLoop::builder()
        .slow_poll(Duration::from_secs(5))
        .observer(observer);
    builder.run(async {
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_millis(30) {
            yield_now().await;
        }
        sleep(Duration::from_millis(2)).await;
    });
    assert!(told.try_recv().is_err());
}

/// Returns when the watchdog has told of a loop of another thread: it has looked at all of them twice by then.
fn until_it_has_looked() {
    let other = thread::spawn(|| {
        let (observer, told) = ears();
        let builder = EventLoop::builder()
            .slow_poll(Duration::from_millis(5))
            .observer(observer);
        builder.run(async move { block(&told) });
    });
    other.join().unwrap();
}

#[test]
fn a06_each_poll_is_told_of_once() {
    let (observer, told) = ears();
    let builder = EventLoop::builder()
        .slow_poll(Duration::from_millis(5))
        .observer(observer);
    let more = builder.run(async move {
        block(&told);
        until_it_has_looked(); // the same poll goes on
        told.try_recv().is_ok()
    });
    assert!(!more);
}

#[test]
fn a06_a_threshold_beyond_all_time_is_never_and_keeps_nobody_else_from_being_told_of() {
    let builder = EventLoop::builder().slow_poll(Duration::MAX);
    builder.run(async { until_it_has_looked() });
}
