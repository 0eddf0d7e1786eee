//! Failures that several threads bring at once: each error ends up in one place.

use std::{future::pending, sync::atomic::Ordering::Relaxed};

use arborio_scope::{Scope, ScopeNote};
use arborio_task::Interrupt;

use crate::{
    scenery::{drive, hearing, hold, turns},
    world::{Count, assert_gone, model},
};

/// An error that says where it came from.
#[derive(Debug, PartialEq, Eq)]
enum Fault {
    Left,
    Right,
    Interrupted,
}

impl From<Interrupt> for Fault {
    fn from(_: Interrupt) -> Self {
        Self::Interrupted
    }
}

fn is_later(note: &ScopeNote) -> bool {
    matches!(note, ScopeNote::LaterError(_))
}

/// Two errors: one is the scope's, and of the other the observer is told.
#[test]
fn two_threads_fail_a_scope_at_once() {
    model("two_threads_fail_a_scope_at_once", 1, |world| {
        let count = Count::default();
        let (observer, told) = hearing(is_later);
        let ended: Result<(), Fault> = drive(world, async {
            let scope = Scope::<Fault>::builder().observer(observer);
            scope
                .run(async |s| {
                    s.spawn(hold(count.value().at_home()));
                    for fault in [Fault::Left, Fault::Right] {
                        let handle = s.clone();
                        world.spawn(move |_| handle.cancel_with(fault));
                    }
                    pending().await
                })
                .await
        });
        assert!(matches!(ended, Err(Fault::Left | Fault::Right)));
        // Who comes after the end has to tell it, too.
        world.join_all();
        assert_eq!(told.load(Relaxed), 1, "the other error is told once");
        assert_gone(&count);
    });
}

/// A request and an error: the error is what the scope gives, unless the scope has ended
/// before it came; then it is told.
#[test]
fn an_error_and_a_request_of_two_threads() {
    model("an_error_and_a_request_of_two_threads", 1, |world| {
        let count = Count::default();
        let (observer, told) = hearing(is_later);
        let ended: Result<(), Fault> = drive(world, async {
            let scope = Scope::<Fault>::builder().observer(observer);
            scope
                .run(async |s| {
                    s.spawn(hold(count.value().at_home()));
                    let (first, second) = (s.clone(), s.clone());
                    world.spawn(move |_| first.cancel());
                    world.spawn(move |_| second.cancel_with(Fault::Left));
                    pending().await
                })
                .await
        });
        world.join_all();
        match ended.unwrap_err() {
            Fault::Left => assert_eq!(told.load(Relaxed), 0, "it is in one place"),
            Fault::Interrupted => assert_eq!(told.load(Relaxed), 1, "it was late"),
            Fault::Right => unreachable!("nobody says so"),
        }
        assert_gone(&count);
    });
}

/// An error from abroad against the scope's end: in the result, or told.
#[test]
fn an_error_from_abroad_against_the_end() {
    model("an_error_from_abroad_against_the_end", 3, |world| {
        let (observer, told) = hearing(is_later);
        let ended: Result<u8, Fault> = drive(world, async {
            let scope = Scope::<Fault>::builder().observer(observer);
            scope
                .run(async |s| {
                    let handle = s.clone();
                    world.spawn(move |_| handle.cancel_with(Fault::Left));
                    s.spawn(turns(1));
                    Ok(1)
                })
                .await
        });
        world.join_all();
        match ended {
            Err(fault) => assert_eq!((fault, told.load(Relaxed)), (Fault::Left, 0)),
            Ok(_) => assert_eq!(told.load(Relaxed), 1, "it was late"),
        }
    });
}

/// The error of a child whose handle is awaited abroad, against that await's end: taken
/// there, or the scope's, and never both.
#[test]
fn an_error_of_a_child_whose_handle_is_dropped_abroad() {
    model(
        "an_error_of_a_child_whose_handle_is_dropped_abroad",
        2,
        |world| {
            let (observer, told) = hearing(is_later);
            let ended: Result<(), Fault> = drive(world, async {
                let scope = Scope::<Fault>::builder().observer(observer);
                scope
                    .run(async |s| {
                        let child = s.task().observed(true).spawn(async {
                            turns(1).await;
                            Err::<(), _>(Fault::Left)
                        });
                        world.spawn(move |_| drop(child));
                        Ok(())
                    })
                    .await
            });
            world.join_all();
            assert_eq!(ended, Err(Fault::Left), "nobody has taken it");
            assert_eq!(told.load(Relaxed), 0);
        },
    );
}

/// The same with an await that may take it.
#[test]
fn an_error_of_a_child_that_is_awaited_abroad() {
    model("an_error_of_a_child_that_is_awaited_abroad", 2, |world| {
        let taken = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let ended: Result<(), Fault> = drive(world, async {
            let scope = Scope::<Fault>::builder();
            scope
                .run(async |s| {
                    let child = s.spawn(async {
                        turns(1).await;
                        Err::<(), _>(Fault::Left)
                    });
                    let taken = taken.clone();
                    world.spawn(move |abroad| match abroad.block_on(child) {
                        Err(Fault::Left) => _ = taken.fetch_add(1, Relaxed),
                        Err(Fault::Interrupted) => {}
                        other => panic!("{other:?}"),
                    });
                    Ok(())
                })
                .await
        });
        world.join_all();
        let bubbled = usize::from(ended == Err(Fault::Left));
        assert_eq!(taken.load(Relaxed) + bubbled, 1, "in one place: {ended:?}");
    });
}
