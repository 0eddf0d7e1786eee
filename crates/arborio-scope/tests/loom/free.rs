//! Free scopes whose owner, or whose handle, is on another thread.

use std::{
    future::{Future, IntoFuture, pending},
    sync::atomic::Ordering::Relaxed,
};

use arborio_scope::{FreeScope, Scope, ScopeNote};

use crate::{
    scenery::{drive, hearing, hold, turns},
    world::{Count, assert_gone, model},
};

/// It ends although finalizing and the last end cross.
#[test]
fn finalize_abroad_against_the_end_of_the_last_child() {
    model(
        "finalize_abroad_against_the_end_of_the_last_child",
        2,
        |world| {
            let ended: Result<(), ()> = drive(world, async {
                let scope = Scope::<()>::new();
                scope.spawn(turns(1));
                let handle = Scope::clone(&scope);
                world.spawn(move |_| handle.finalize());
                scope.await
            });
            assert_eq!(ended, Ok(()));
        },
    );
}

/// Two handles finalize, and the third one cancels: it ends once, in one way.
#[test]
fn finalize_abroad_against_a_cancel_abroad() {
    model("finalize_abroad_against_a_cancel_abroad", 1, |world| {
        let count = Count::default();
        let ended: Result<(), ()> = drive(world, async {
            let scope = Scope::<()>::new();
            let value = count.value().at_home();
            scope.spawn(async move {
                turns(1).await;
                value.touch();
            });
            let (first, second) = (Scope::clone(&scope), Scope::clone(&scope));
            world.spawn(move |_| first.finalize());
            world.spawn(move |_| second.cancel());
            scope.await
        });
        assert!(matches!(ended, Ok(()) | Err(())));
        assert_gone(&count);
    });
}

/// An owner that is dropped abroad finalizes: the child goes on to its end.
#[test]
fn an_owner_dropped_abroad_against_the_end_of_the_last_child() {
    model(
        "an_owner_dropped_abroad_against_the_end_of_the_last_child",
        2,
        |world| {
            let count = Count::default();
            let (send, receive) = std::sync::mpsc::channel();
            drive(world, async {
                let scope = Scope::<()>::new();
                let value = count.value().at_home();
                scope.spawn(async move {
                    turns(1).await;
                    value.touch();
                    send.send(()).unwrap();
                });
                world.spawn(move |_| drop(scope));
            });
            receive.try_recv().expect("it was not asked to end");
            assert_gone(&count);
        },
    );
}

/// An await that is dropped abroad cancels: the child ends, or is dropped at home.
#[test]
fn an_owning_await_dropped_abroad_against_the_end_of_the_last_child() {
    model(
        "an_owning_await_dropped_abroad_against_the_end_of_the_last_child",
        2,
        |world| {
            let count = Count::default();
            drive(world, async {
                let scope = Scope::<()>::new();
                scope.spawn(hold(count.value().at_home()));
                scope.spawn(turns(1));
                let end = scope.into_future();
                world.spawn(move |_| drop(end));
            });
            assert_gone(&count);
        },
    );
}

/// Lets `leave` take the owner away on another thread, while a child of the scope fails.
/// How often the observer was told that nobody has the error.
fn told_of_an_error(
    world: &crate::world::World,
    leave: impl FnOnce(&crate::world::Abroad, FreeScope<()>) -> bool + Send + 'static,
) {
    let (observer, told) = hearing(|note| matches!(note, ScopeNote::Unclaimed(_)));
    let (send, receive) = std::sync::mpsc::channel();
    drive(world, async {
        let scope = Scope::<()>::builder().observer(observer).open();
        scope.spawn(async { Err::<(), ()>(()) });
        world.spawn(move |abroad| send.send(leave(abroad, scope)).unwrap());
    });
    world.join_all();
    let taken = usize::from(receive.recv().unwrap());
    assert_eq!(taken + told.load(Relaxed), 1, "the error is in one place");
}

/// The scope fails while its owner is dropped abroad: the observer is told once.
#[test]
fn an_error_of_a_free_scope_against_the_drop_of_its_owner_abroad() {
    model(
        "an_error_of_a_free_scope_against_the_drop_of_its_owner_abroad",
        2,
        |world| {
            told_of_an_error(world, |_, scope| {
                drop(scope);
                false
            });
        },
    );
}

/// The same while the await that owns it is dropped before it was polled.
#[test]
fn an_error_of_a_free_scope_against_the_drop_of_its_await_abroad() {
    model(
        "an_error_of_a_free_scope_against_the_drop_of_its_await_abroad",
        2,
        |world| {
            told_of_an_error(world, |_, scope| {
                drop(scope.into_future());
                false
            });
        },
    );
}

/// The same with one poll, which may have taken it.
#[test]
fn an_error_of_a_free_scope_against_one_poll_abroad() {
    model(
        "an_error_of_a_free_scope_against_one_poll_abroad",
        1,
        |world| {
            told_of_an_error(world, |abroad, scope| {
                abroad.poll_once(scope.into_future()).is_some()
            });
        },
    );
}

/// Whoever waits abroad is woken.
#[test]
fn the_end_of_a_free_scope_that_is_awaited_abroad() {
    model(
        "the_end_of_a_free_scope_that_is_awaited_abroad",
        1,
        |world| {
            drive(world, async {
                let scope = Scope::<()>::new();
                scope.spawn(turns(1));
                world.spawn(move |abroad| {
                    scope.finalize();
                    assert_eq!(abroad.block_on(scope.into_future()), Ok(()));
                });
            });
        },
    );
}

/// The loop ends while the owner is still on its way: nothing is left behind.
#[test]
fn an_owner_dropped_abroad_against_the_end_of_the_loop() {
    model(
        "an_owner_dropped_abroad_against_the_end_of_the_loop",
        2,
        |world| {
            let count = Count::default();
            let main = async {
                let scope = Scope::<()>::new();
                scope.spawn(hold(count.value().at_home()));
                world.spawn(move |_| drop(scope));
                pending::<()>().await;
            };
            let (_, outcome) = world.tasks().run_main(main, |running| {
                world.glance(running);
                world.glance(running);
            });
            assert!(outcome.is_err(), "main had not ended");
            assert_gone(&count);
        },
    );
}

/// Checks that what crosses threads here may do so.
#[allow(dead_code, reason = "compiling it is the check")]
fn assert_send(scope: FreeScope<()>) -> impl Future<Output = Result<(), ()>> + Send {
    scope.into_future()
}
