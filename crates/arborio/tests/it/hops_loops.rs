//! S12: a part of a task runs on another loop, and its awaiter goes on where it was.

use std::{
    future::{pending, poll_fn},
    pin::Pin,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::channel,
    },
    thread,
};

use arborio::{
    AnyScope, Handle, Interrupt, Scope,
    cancel::{catch_cancel, finally},
    run, scope, spawn,
    task::{ResumeOn, resume_on},
    time::{sleep, timeout},
    yield_now,
};

use crate::{
    background::start,
    support::{DropProbe, FOR_EVER, Log, ms, poll_once, secs, without_hanging},
};

#[test]
fn s12_a_part_runs_on_another_loop_and_its_awaiter_goes_on_where_it_was() {
    without_hanging(|| {
        let (first, second) = (start(), start());
        let theirs = second.handle().clone();
        let ids = first.handle().run(async move {
            let before = thread::current().id();
            let there = resume_on(&theirs, async {
                sleep(ms(1)).await;
                let spawned = spawn(async { thread::current().id() });
                assert_eq!(spawned.await.unwrap(), thread::current().id());
                thread::current().id()
            });
            [before, there.await.unwrap(), thread::current().id()]
        });
        let there = second.handle().run(async { thread::current().id() });
        let ids = ids.unwrap();
        assert_eq!(ids[0], ids[2]);
        assert_eq!(ids[1], there.unwrap());
        assert_ne!(ids[0], ids[1]);
    });
}

#[test]
fn s12_nothing_is_sent_to_the_other_loop_before_the_first_poll() {
    let event_loop = start();
    let (probe, ends) = DropProbe::new();
    let hop = resume_on(event_loop.handle(), async move { drop(probe) });
    drop::<ResumeOn<_>>(hop);
    assert_eq!(*ends.lock().unwrap(), [thread::current().id()]);
}

#[test]
fn s12_a_request_reaches_the_part_on_the_other_loop_and_then_goes_on() {
    let log = Log::new();
    let lines = log.clone();
    without_hanging(move || {
        let event_loop = start();
        run(async {
            let there = resume_on(event_loop.handle(), async { thread::current().id() });
            let there = there.await.unwrap();
            let (started, running) = channel();
            let (inside, outside) = (lines.clone(), lines.clone());
            let hop = resume_on(event_loop.handle(), async move {
                started.send(()).unwrap();
                let request = catch_cancel(pending::<()>()).await;
                sleep(ms(1)).await;
                assert_eq!(thread::current().id(), there);
                inside.add(1);
                drop(request);
                pending::<()>().await;
            });
            let task = spawn(async move {
                finally(hop, move || async move {
                    assert_ne!(thread::current().id(), there);
                    outside.add(2);
                })
                .await
            });
            yield_now().await;
            running.recv().unwrap();
            task.cancel();
            assert!(matches!(task.await, Err(Interrupt::Cancelled(_))));
        });
    });
    assert_eq!(log.take(), [1, 2]);
}

#[test]
fn s12_a_value_of_the_part_wins_over_the_request() {
    without_hanging(|| {
        let event_loop = start();
        run(async {
            let (started, running) = channel();
            let mut hop = resume_on(event_loop.handle(), async move {
                started.send(()).unwrap();
                let request = catch_cancel(pending::<()>()).await;
                sleep(ms(1)).await;
                drop(request);
                "a value"
            });
            assert!(poll_once(&mut hop).is_pending());
            running.recv().unwrap();
            assert_eq!(timeout(ms(1), hop).await.unwrap().unwrap(), "a value");
        });
    });
}

#[test]
fn s12_a_request_is_passed_on_once_however_often_the_hop_is_polled() {
    without_hanging(|| {
        let event_loop = start();
        run(async {
            let (started, running) = channel();
            let mut hop = resume_on(event_loop.handle(), async move {
                started.send(()).unwrap();
                let request = catch_cancel(pending::<()>()).await;
                request.unwrap_err().swallow();
                catch_cancel(sleep(ms(5))).await.is_ok()
            });
            let task = spawn(poll_fn(move |cx| {
                cx.waker().wake_by_ref();
                Pin::new(&mut hop).poll(cx)
            }));
            yield_now().await;
            running.recv().unwrap();
            task.cancel();
            assert!(task.await.unwrap().unwrap(), "it was asked twice");
        });
    });
}

#[test]
fn s12_a_part_that_is_dropped_is_dropped_on_its_loop() {
    without_hanging(|| {
        let event_loop = start();
        run(async {
            let there = resume_on(event_loop.handle(), async { thread::current().id() });
            let there = there.await.unwrap();
            let ((probe, ends), (started, running)) = (DropProbe::new(), channel());
            let mut hop = resume_on(event_loop.handle(), async move {
                let _probe = probe;
                started.send(()).unwrap();
                sleep(FOR_EVER).await;
            });
            assert!(poll_once(&mut hop).is_pending());
            running.recv().unwrap();
            drop(hop);
            while ends.lock().unwrap().is_empty() {
                yield_now().await;
            }
            assert_eq!(*ends.lock().unwrap(), [there]);
        });
    });
}

#[cfg(panic = "unwind")]
#[test]
fn s12_a_panic_of_the_part_goes_on_in_who_awaits_and_its_loop_lives() {
    without_hanging(|| {
        let event_loop = start();
        run(async {
            let hop = resume_on(event_loop.handle(), async { panic!("on another loop") });
            let ended = arborio::task().observed(true).spawn(hop).await;
            let Err(Interrupt::Panicked(payload)) = ended.map(Result::<(), _>::unwrap) else {
                panic!("no panic")
            };
            assert_eq!(payload.message(), "on another loop");
            assert_eq!(
                resume_on(event_loop.handle(), async { 1 }).await.unwrap(),
                1
            );
        });
        event_loop.stop_and_join(secs(10)).unwrap();
    });
}

#[test]
fn s12_s05_a_loop_that_has_ended_or_ends_is_an_error_of_the_part() {
    without_hanging(|| {
        let event_loop = start();
        let handle = event_loop.handle().clone();
        run(async {
            let (started, running) = channel();
            let mut hop = resume_on(&handle, async move {
                started.send(()).unwrap();
                pending::<()>().await;
            });
            assert!(poll_once(&mut hop).is_pending());
            running.recv().unwrap();
            event_loop.detach().stop();
            assert!(matches!(hop.await, Err(Interrupt::Stopped)));
            let late = resume_on(&handle, async { 1 });
            assert!(matches!(late.await, Err(Interrupt::Stopped)));
        });
    });
}

#[test]
fn s12_t16_the_part_has_no_scope_and_its_awaiter_has_the_same_as_before() {
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    let ended = without_hanging(|| {
        let event_loop = start();
        let handle: Handle = event_loop.handle().clone();
        run(scope(async |s: &Scope<Interrupt>| {
            resume_on(&handle, async {
                SEEN.fetch_add(usize::from(AnyScope::current().is_none()), Ordering::SeqCst);
            })
            .await?;
            assert_eq!(AnyScope::current(), Some(s.erase()));
            Ok(())
        }))
    });
    ended.unwrap();
    assert_eq!(SEEN.load(Ordering::SeqCst), 1);
}
