//! Children that are spawned and joined, as in the first programs of a newcomer.

use arborio::{
    Interrupt, spawn,
    time::{clock, sleep},
    yield_now,
};

use crate::support::{Log, ms, secs, simulated};

#[test]
fn g06_children_begin_when_their_parent_suspends_and_are_not_tied_to_it() {
    let log = Log::new();
    let outer = log.clone();
    simulated().run(async move {
        let parent = spawn(async move {
            for name in ["first", "second"] {
                let log = log.clone();
                drop(spawn(async move {
                    log.add(name);
                    sleep(secs(1)).await;
                    log.add("done");
                }));
            }
            log.add("spawned");
        });
        parent.await.unwrap();
    });
    let lines = ["spawned", "first", "second", "done", "done"];
    assert_eq!(outer.take(), lines);
}

#[test]
fn g07_two_children_that_are_joined_take_as_long_as_the_longer_one() {
    let (sum, took) = simulated().run(async {
        let child = |seconds| {
            spawn(async move {
                sleep(secs(seconds)).await;
                seconds
            })
        };
        let (one, two) = (child(1), child(2));
        (one.await.unwrap() + two.await.unwrap(), clock())
    });
    assert_eq!((sum, took), (3, secs(2)));
}

#[test]
fn g07_a_child_that_has_ended_is_joined_at_once_and_by_any_number() {
    simulated().run(async {
        let child = spawn(async { 7 });
        let both = async { ((&child).await.unwrap(), (&child).await.unwrap()) };
        assert_eq!(both.await, (7, 7));
        let neighbour = spawn(async {});
        assert_eq!(child.await.unwrap(), 7);
        assert!(!neighbour.is_finished(), "nobody else had a turn");
        assert_eq!(clock(), ms(0));
    });
}

#[cfg(panic = "unwind")]
#[test]
fn g07_the_panic_of_a_child_is_for_whoever_joins_it() {
    simulated().run(async {
        let child = spawn(async {
            yield_now().await;
            panic!("oh");
        });
        let joined: Result<(), _> = child.await;
        let Err(Interrupt::Panicked(payload)) = joined else {
            panic!("{joined:?}");
        };
        assert_eq!(payload.message(), "oh");
    });
}
