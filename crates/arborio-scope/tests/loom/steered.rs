//! `CancelScope` steered from other threads against the begin, the polls and the end of
//! its run.

use std::{future::pending, time::Duration};

use arborio_scope::CancelScope;
use arborio_task::ReasonKind;
use arborio_timers::Instant;

use crate::{
    scenery::{Word, drive, turns},
    world::{Count, assert_gone, model},
};

/// A request that comes before, while or after the run begins ends it.
#[test]
fn c03_a_cancel_scope_cancelled_abroad_against_the_begin_of_its_run() {
    model(
        "a_cancel_scope_cancelled_abroad_against_the_begin_of_its_run",
        3,
        |world| {
            let count = Count::default();
            drive(world, async {
                let scope = CancelScope::new();
                let outside = scope.clone();
                world.spawn(move |_| assert!(outside.cancel(), "it cannot have ended"));
                let value = count.value().at_home();
                let inside = async {
                    value.touch();
                    pending::<()>().await;
                    drop(value);
                };
                let ended = scope.run(inside).await;
                assert_eq!(ended.unwrap_err().kind(), ReasonKind::Cancel);
                assert!(scope.is_cancelled());
            });
            assert_gone(&count);
        },
    );
}

/// The request and the end cross: whoever asked is told whether it came in time, and
/// the reason tells the same story.
#[test]
fn c07_a_cancel_scope_cancelled_abroad_against_the_end_of_its_run() {
    model(
        "a_cancel_scope_cancelled_abroad_against_the_end_of_its_run",
        3,
        |world| {
            let scope = CancelScope::new();
            let outside = scope.clone();
            let (send, receive) = std::sync::mpsc::channel();
            let cancelled = drive(world, async {
                world.spawn(move |_| send.send(outside.cancel()).unwrap());
                scope.run(turns(1)).await.is_err()
            });
            world.join_all();
            let in_time = receive.recv().unwrap();
            assert!(in_time || !cancelled, "nobody has asked");
            assert_eq!(scope.is_cancelled(), cancelled);
            assert_eq!(scope.reason().is_some(), cancelled);
            assert!(!scope.cancel(), "it has ended");
        },
    );
}

/// Two requests: the first reason stays, and the run ends once.
#[test]
fn two_threads_cancel_a_cancel_scope_at_once() {
    model("two_threads_cancel_a_cancel_scope_at_once", 2, |world| {
        drive(world, async {
            let scope = CancelScope::new();
            for kind in [ReasonKind::Stop, ReasonKind::Abort] {
                let outside = scope.clone();
                world.spawn(move |_| {
                    let reason = arborio_task::Reason::new(kind);
                    outside.cancel_with(reason);
                    let first = outside.reason().expect("there is one").kind();
                    assert!([ReasonKind::Stop, ReasonKind::Abort].contains(&first));
                });
            }
            let ended = scope.run(pending::<()>()).await;
            let kind = ended.unwrap_err().kind();
            assert_eq!(scope.reason().unwrap().kind(), kind);
        });
    });
}

/// A limit that is over when it is set abroad ends the run; one far away that replaces
/// it may save it.
#[test]
fn a_limit_set_abroad_against_the_polls_of_the_run() {
    model(
        "a_limit_set_abroad_against_the_polls_of_the_run",
        3,
        |world| {
            drive(world, async {
                let scope = CancelScope::new();
                scope.set_timeout(Some(Duration::from_secs(9)));
                let outside = scope.clone();
                let past = Instant::now();
                world.spawn(move |_| assert!(outside.set_deadline(Some(past))));
                let ended = scope
                    .run(async {
                        turns(1).await;
                        pending::<()>().await;
                    })
                    .await;
                assert_eq!(ended.unwrap_err().kind(), ReasonKind::Deadline);
            });
        },
    );
}

/// What was written before the request is there for whoever is ended by it.
#[test]
fn c14_what_is_written_before_a_cancel_scope_is_cancelled_is_seen_after_it() {
    model(
        "what_is_written_before_a_cancel_scope_is_cancelled_is_seen_after_it",
        3,
        |world| {
            drive(world, async {
                let scope = CancelScope::new();
                let (outside, word) = (scope.clone(), Word::default());
                let written = word.clone();
                world.spawn(move |_| {
                    written.write();
                    outside.cancel();
                });
                let ended = scope
                    .run(async {
                        turns(1).await;
                        pending::<()>().await;
                    })
                    .await;
                assert!(ended.is_err());
                word.assert_written();
            });
        },
    );
}
