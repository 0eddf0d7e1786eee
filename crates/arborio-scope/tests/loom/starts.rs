//! `Ready::tell` on another thread against the polls, and the drop, of who waits for it.

use std::{future::poll_fn, pin::pin, sync::mpsc, task::Poll};

use arborio_scope::{Ready, Scope, scope};

use crate::{
    scenery::{drive, turns},
    world::{Count, Sign, Value, assert_gone, model, waiting_for},
};

/// Whoever waits gets the value, once, also if the task ends meanwhile.
#[test]
fn a_start_told_abroad_against_the_polls_of_who_waits() {
    model(
        "a_start_told_abroad_against_the_polls_of_who_waits",
        2,
        |world| {
            let count = Count::default();
            drive(world, async {
                let ended = scope(async |s: &Scope<()>| {
                    let (send, receive) = mpsc::channel();
                    let said = Sign::default();
                    let heard = said.clone();
                    let started = s.start(async move |ready: Ready<Value>| {
                        waiting_for([heard], |waker| send.send((ready, waker.clone())).unwrap())
                            .await;
                        Ok(())
                    });
                    let mut started = pin!(started);
                    poll_fn(|cx| {
                        assert!(started.as_mut().poll(cx).is_pending());
                        Poll::Ready(())
                    })
                    .await;
                    turns(1).await;
                    let (ready, waker) = receive.recv().unwrap();
                    let values = count.clone();
                    world.spawn(move |abroad| {
                        ready.tell(values.value());
                        abroad.step();
                        said.give();
                        waker.wake();
                    });
                    started.await.map(|value| value.touch())
                });
                assert_eq!(ended.await, Ok(()));
            });
            assert_gone(&count);
        },
    );
}

/// The task goes on: nothing but `tell` wakes whoever waits.
#[test]
fn a_start_told_abroad_by_a_task_that_goes_on() {
    model("a_start_told_abroad_by_a_task_that_goes_on", 3, |world| {
        let count = Count::default();
        drive(world, async {
            let ended = scope(async |s: &Scope<()>| {
                let (send, receive) = mpsc::channel();
                let started = s.start(async move |ready: Ready<Value>| {
                    send.send(ready).unwrap();
                    std::future::pending::<Result<(), ()>>().await
                });
                turns(1).await;
                let ready = receive.recv().unwrap();
                let values = count.clone();
                world.spawn(move |_| ready.tell(values.value()));
                started.await.map(|value| value.touch())?;
                s.cancel();
                Ok(())
            });
            assert_eq!(ended.await, Ok(()));
        });
        assert_gone(&count);
    });
}

/// Whoever waited is gone when the task says that it is ready: the value is dropped once,
/// and the task is asked to end.
#[test]
fn a_start_told_abroad_against_the_drop_of_who_waits() {
    model(
        "a_start_told_abroad_against_the_drop_of_who_waits",
        2,
        |world| {
            let count = Count::default();
            drive(world, async {
                let ended = scope(async |s: &Scope<()>| {
                    let (send, receive) = mpsc::channel();
                    {
                        let started = s.start(async move |ready: Ready<Value>| {
                            send.send(ready).unwrap();
                            std::future::pending::<Result<(), ()>>().await
                        });
                        let mut started = pin!(started);
                        poll_fn(|cx| {
                            assert!(started.as_mut().poll(cx).is_pending());
                            Poll::Ready(())
                        })
                        .await;
                        turns(1).await;
                        let ready = receive.recv().unwrap();
                        let values = count.clone();
                        world.spawn(move |_| ready.tell(values.value()));
                        let _ =
                            poll_fn(|cx| Poll::Ready(started.as_mut().poll(cx).is_ready())).await;
                    }
                    s.cancel();
                    Ok(())
                });
                assert_eq!(ended.await, Ok(()));
            });
            world.join_all();
            assert_gone(&count);
        },
    );
}
