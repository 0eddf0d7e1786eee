//! `Scope::set_deadline` abroad against the polls of the scope.

use std::{future::pending, time::Duration};

use arborio_scope::{Scope, current_effective_deadline, scope};
use arborio_timers::Instant;

use crate::{
    scenery::{Word, drive, hold, turns},
    world::{Count, assert_gone, model},
};

/// A deadline that has passed when it is set ends the scope, whenever it comes.
#[test]
fn a_deadline_set_abroad_against_the_polls_of_the_scope() {
    model(
        "a_deadline_set_abroad_against_the_polls_of_the_scope",
        2,
        |world| {
            let count = Count::default();
            let ended: Result<(), ()> = drive(world, async {
                scope(async |s: &Scope<()>| {
                    s.spawn(hold(count.value().at_home()));
                    let handle = s.clone();
                    let past = Instant::now();
                    world.spawn(move |_| handle.set_deadline(Some(past)));
                    turns(1).await;
                    pending().await
                })
                .await
            });
            assert_eq!(ended, Err(()));
            assert_gone(&count);
        },
    );
}

/// The second change finds the scope waiting again, although the first one took its waker.
#[test]
fn a_deadline_set_twice_abroad_against_the_polls_of_the_scope() {
    model(
        "a_deadline_set_twice_abroad_against_the_polls_of_the_scope",
        2,
        |world| {
            let ended: Result<(), ()> = drive(world, async {
                scope(async |s: &Scope<()>| {
                    let handle = s.clone();
                    let past = Instant::now();
                    world.spawn(move |abroad| {
                        handle.set_deadline(Some(past + Duration::from_secs(5)));
                        abroad.step();
                        handle.set_deadline(Some(past));
                    });
                    pending().await
                })
                .await
            });
            assert_eq!(ended, Err(()));
        },
    );
}

/// The body has ended already: the scope waits for a child only.
#[test]
fn a_deadline_set_abroad_against_the_end_of_the_body() {
    model(
        "a_deadline_set_abroad_against_the_end_of_the_body",
        3,
        |world| {
            let count = Count::default();
            let ended: Result<(), ()> = drive(world, async {
                scope(async |s: &Scope<()>| {
                    s.spawn(hold(count.value().at_home()));
                    let handle = s.clone();
                    let past = Instant::now();
                    world.spawn(move |_| handle.set_deadline(Some(past)));
                    Ok(())
                })
                .await
            });
            assert_eq!(ended, Err(()), "it ran out of time");
            assert_gone(&count);
        },
    );
}

/// A deadline is taken away and another one set, by two threads: the one that is left
/// counts, and whoever asks inside sees one of those that were set.
#[test]
fn two_threads_move_a_deadline() {
    model("two_threads_move_a_deadline", 1, |world| {
        let later = Instant::now() + Duration::from_secs(5);
        let ended: Result<(), ()> = drive(world, async {
            let first = Instant::now() + Duration::from_secs(9);
            let scope = Scope::<()>::builder().deadline(first);
            scope
                .run(async |s| {
                    let (one, two) = (s.clone(), s.clone());
                    world.spawn(move |_| one.set_deadline(None));
                    world.spawn(move |_| two.set_deadline(Some(later)));
                    let seen = current_effective_deadline();
                    assert!([None, Some(first), Some(later)].contains(&seen));
                    turns(1).await;
                    Ok(())
                })
                .await
        });
        assert_eq!(ended, Ok(()));
    });
}

/// Whoever ends by a deadline sees what was written before it was set.
#[test]
fn c14_what_is_written_before_a_deadline_is_set_is_seen_by_the_end() {
    model(
        "what_is_written_before_a_deadline_is_set_is_seen_by_the_end",
        2,
        |world| {
            let word = Word::default();
            let ended: Result<(), ()> = drive(world, async {
                scope(async |s: &Scope<()>| {
                    let (handle, written) = (s.clone(), word.clone());
                    let past = Instant::now();
                    world.spawn(move |_| {
                        written.write();
                        handle.set_deadline(Some(past));
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
