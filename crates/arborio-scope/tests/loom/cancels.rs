//! `Scope::cancel` abroad against what the scope does on its loop.

use std::future::pending;

use arborio_scope::{Scope, catch_cancel, scope};

use crate::{
    scenery::{Word, counted, drive, hold, turns},
    world::{Count, World, assert_gone, model},
};

/// Cancels `s` on another thread.
fn cancel_abroad(world: &World, s: &Scope<()>) {
    let handle = s.clone();
    world.spawn(move |_| handle.cancel());
}

/// A child that is spawned while the request comes is dropped with the others, or never
/// runs: its captures are dropped at home, and its handle says why.
#[test]
fn c03_cancel_abroad_against_a_spawn() {
    model("cancel_abroad_against_a_spawn", 2, |world| {
        let count = Count::default();
        let ended: Result<(), ()> = drive(world, async {
            scope(async |s: &Scope<()>| {
                cancel_abroad(world, s);
                turns(1).await;
                let value = count.value().at_home();
                let child = s.spawn(hold(value));
                let outcome = child.outcome().await;
                assert!(outcome.is_err(), "it never ends by itself");
                pending().await
            })
            .await
        });
        assert_eq!(ended, Err(()));
        assert_gone(&count);
    });
}

/// A child answers the request by spawning another one, which is joined, or refused.
#[test]
fn c03_c11_a_spawn_of_a_child_that_was_asked_abroad() {
    model("a_spawn_of_a_child_that_was_asked_abroad", 2, |world| {
        let count = Count::default();
        let values = count.clone();
        let ended: Result<(), ()> = drive(world, async {
            scope(async |s: &Scope<()>| {
                let (handle, values) = (s.clone(), values.clone());
                s.spawn(async move {
                    if catch_cancel(pending::<()>()).await.is_err() {
                        let value = values.value().at_home();
                        let refused = handle.spawn(hold(value)).outcome().await;
                        assert!(refused.is_err(), "the scope is closed");
                    }
                });
                cancel_abroad(world, s);
                pending().await
            })
            .await
        });
        assert_eq!(ended, Err(()));
        assert_gone(&count);
    });
}

/// The last child ends while the request comes: the scope ends once, with its value,
/// and nobody polls what is around it more often than something happens.
#[test]
fn c07_the_last_child_ends_while_another_thread_cancels() {
    model(
        "the_last_child_ends_while_another_thread_cancels",
        2,
        |world| {
            let count = Count::default();
            let main = async {
                let ended = scope(async |s: &Scope<()>| {
                    let value = count.value().at_home();
                    s.spawn(async move {
                        turns(1).await;
                        value.touch();
                    });
                    cancel_abroad(world, s);
                    Ok(7)
                });
                let (ended, polls) = counted(ended);
                assert_eq!(ended.await, Ok(7), "the body has given its value");
                assert!(polls.get() <= 3, "begin, request, end");
                turns(2).await; // whoever comes late finds nothing
                assert!(polls.get() <= 3);
            };
            drive(world, main);
            assert_gone(&count);
        },
    );
}

/// The same with a body that is still running: its value, or the request.
#[test]
fn c07_the_body_ends_while_another_thread_cancels() {
    model("the_body_ends_while_another_thread_cancels", 2, |world| {
        let main = async {
            let ended = scope(async |s: &Scope<()>| {
                cancel_abroad(world, s);
                turns(1).await;
                Ok(7)
            });
            assert!(matches!(ended.await, Ok(7) | Err(())));
        };
        drive(world, main);
    });
}

/// Checks in its drop that what was written before the request is there.
struct Witness(Word);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.assert_written();
    }
}

/// What was written before the request is there for a body and a child that are dropped
/// because of it, although the body is polled for another reason and sees the request
/// before its wake has come.
#[test]
fn c14_what_is_written_before_a_cancel_is_seen_after_it() {
    model(
        "what_is_written_before_a_cancel_is_seen_after_it",
        2,
        |world| {
            let word = Word::default();
            let ended: Result<(), ()> = drive(world, async {
                scope(async |s: &Scope<()>| {
                    let _witness = Witness(word.clone());
                    let witness = Witness(word.clone());
                    s.spawn(async move {
                        let _witness = witness;
                        pending::<()>().await;
                    });
                    let (handle, word) = (s.clone(), word.clone());
                    world.spawn(move |_| {
                        word.write();
                        handle.cancel();
                    });
                    turns(2).await;
                    pending().await
                })
                .await
            });
            assert_eq!(ended, Err(()));
            word.assert_written();
        },
    );
}

/// The same for whoever asks whether there is a request.
#[test]
fn c14_is_cancelling_shows_what_was_written_before_the_cancel() {
    model(
        "is_cancelling_shows_what_was_written_before_the_cancel",
        3,
        |world| {
            let ended: Result<(), ()> = drive(world, async {
                scope(async |s: &Scope<()>| {
                    let word = Word::default();
                    let (handle, written) = (s.clone(), word.clone());
                    world.spawn(move |_| {
                        written.write();
                        handle.cancel();
                    });
                    if s.is_cancelling() {
                        word.assert_written();
                    }
                    Ok(())
                })
                .await
            });
            assert_eq!(ended, Ok(()));
        },
    );
}

/// A child is cancelled by the body while its scope is cancelled abroad: whichever comes
/// first is its reason, and it ends once.
#[test]
fn c03_a_child_is_cancelled_while_another_thread_cancels_its_scope() {
    model(
        "a_child_is_cancelled_while_another_thread_cancels_its_scope",
        1,
        |world| {
            let count = Count::default();
            let ended: Result<(), ()> = drive(world, async {
                scope(async |s: &Scope<()>| {
                    let child = s.spawn(hold(count.value().at_home()));
                    cancel_abroad(world, s);
                    turns(1).await;
                    child.cancel();
                    assert!(child.outcome().await.is_err());
                    pending().await
                })
                .await
            });
            assert_eq!(ended, Err(()));
            assert_gone(&count);
        },
    );
}
