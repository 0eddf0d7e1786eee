//! Waiting for members of a group: all, the first, the next, so many, those that fail.

use std::{future::pending, pin::pin};

use arborio::{
    TaskGroup,
    cancel::move_on_after,
    group::Member,
    spawn, spawn_local,
    time::{clock, sleep},
    yield_now,
};

use crate::{
    scopes::simulated,
    support::{Log, ms, poll_once, secs},
};

type Outcome = Result<&'static str, &'static str>;

/// A member that ends so many seconds from now.
fn after<T: Send + Sync + 'static>(group: &TaskGroup<T>, seconds: u64, value: T) -> Member<T> {
    group.spawn(async move {
        sleep(secs(seconds)).await;
        value
    })
}

#[test]
fn s15_an_empty_group_is_waited_for_by_one_poll() {
    let group = TaskGroup::<()>::new();
    assert!(poll_once(&mut pin!(group.wait_all())).is_ready());
    assert!(poll_once(&mut pin!(group.wait_first())).is_ready());
    assert!(poll_once(&mut pin!(group.wait_next())).is_ready());
    assert!(poll_once(&mut pin!(group.wait_first_n(0))).is_ready());
    assert!(poll_once(&mut pin!(group.wait_first_n(1))).is_ready());
}

#[test]
fn s15_wait_all_sees_late_additions() {
    simulated(async {
        let group = TaskGroup::new();
        after(&group, 2, ());
        let late = group.clone();
        drop(spawn(async move {
            sleep(secs(1)).await;
            after(&late, 3, ());
        }));
        group.wait_all().await;
        assert_eq!(clock(), secs(4));
    });
}

#[test]
fn s15_waiting_for_all_can_be_timed_out_and_the_members_go_on() {
    simulated(async {
        let group = TaskGroup::new();
        after(&group, 2, ());
        assert!(move_on_after(secs(1), group.wait_all()).await.is_none());
        assert!(group.has_pending());
        group.wait_all().await;
        assert_eq!(clock(), secs(2));
    });
}

#[test]
fn s16_the_first_may_be_done_and_the_next_is_not() {
    simulated(async {
        let group = TaskGroup::new();
        let a = after(&group, 0, "a");
        group.wait_all().await;
        let b = after(&group, 2, "b");
        assert_eq!(group.wait_first().await, Some(a));
        assert_eq!(clock(), secs(0));
        assert_eq!(group.wait_next().await, Some(b));
        assert_eq!(clock(), secs(2));
        assert_eq!(group.wait_next().await, None);
    });
}

#[test]
fn s16_the_next_is_counted_from_the_call() {
    simulated(async {
        let group = TaskGroup::new();
        let one = after(&group, 1, 1);
        after(&group, 2, 2);
        let next = group.wait_next();
        sleep(ms(1500)).await;
        assert_eq!(next.await, Some(one));
    });
}

#[test]
fn s16_nobody_waits_for_the_first_of_an_empty_group() {
    simulated(async {
        let group = TaskGroup::<()>::new();
        assert_eq!(group.wait_first().await, None);
        assert_eq!(group.wait_next().await, None);
        assert_eq!(group.pop_first().await, None);
        assert_eq!(group.pop_next().await, None);
        assert!(group.exhaust().next().await.is_none());
    });
}

#[test]
fn s16_one_who_looks_and_one_who_pops_get_the_same_member_and_it_is_gone() {
    for poppers_first in [false, true] {
        simulated(async move {
            let group = TaskGroup::new();
            let member = after(&group, 1, ());
            let (look, pop) = (group.wait_first(), group.pop_first());
            let (look, pop) = if poppers_first {
                let pop = spawn(pop);
                (spawn(look), pop)
            } else {
                (spawn(look), spawn(pop))
            };
            assert_eq!(look.await.unwrap(), Some(member.clone()));
            assert_eq!(pop.await.unwrap(), Some(member));
            assert!(!group.has_done());
            assert_eq!(group.wait_first().await, None);
        });
    }
}

#[test]
fn s16_each_member_goes_to_one_who_pops_first_come_first_served() {
    simulated(async {
        let group = TaskGroup::new();
        for number in 0..5 {
            after(&group, 1, number);
        }
        let log = Log::new();
        for place in 0..7 {
            let (popping, log) = (group.pop_first(), log.clone());
            drop(spawn_local(async move {
                let member = popping.await;
                log.add((place, member.map(|m| m.into_outcome().unwrap().unwrap())));
            }));
        }
        sleep(secs(2)).await;
        let served = (0..5).map(|number| (number, Some(number)));
        let expected: Vec<_> = served.chain([(5, None), (6, None)]).collect();
        assert_eq!(log.take(), expected);
        assert!(group.is_empty());
    });
}

#[test]
fn s16_of_those_who_pop_different_members_the_oldest_gets_one_that_suits_all() {
    simulated(async {
        let group = TaskGroup::<Outcome>::new();
        let bad = after(&group, 1, Err("bad"));
        let good = after(&group, 2, Ok("good"));
        let either = spawn(group.pop_error_or_cancelled());
        let error = spawn(group.pop_error());
        let any = spawn(group.pop_first());
        let next = group.pop_next();
        assert_eq!(next.await, Some(bad), "it came into line with its call");
        assert_eq!(any.await.unwrap(), Some(good));
        assert_eq!(either.await.unwrap(), None);
        assert_eq!(error.await.unwrap(), None);
        let worse = after(&group, 1, Err("worse"));
        let either = spawn(group.pop_error_or_cancelled());
        let any = spawn(group.pop_first());
        assert_eq!(either.await.unwrap(), Some(worse));
        assert_eq!(any.await.unwrap(), None);
    });
}

#[test]
fn s16_a_member_whose_popper_is_dropped_unpolled_goes_to_the_next_or_back_in_its_place() {
    simulated(async {
        let group = TaskGroup::new();
        let (one, two) = (after(&group, 1, 1), after(&group, 2, 2));
        let mut given = Box::pin(group.pop_first());
        assert!(poll_once(&mut given).is_pending());
        let heir = spawn(group.pop_first());
        sleep(ms(1500)).await;
        assert!(!group.has_done() && group.len() == 1);
        drop(given); // it was given the first member
        assert_eq!(heir.await.unwrap(), Some(one));

        let mut given = Box::pin(group.pop_first());
        assert!(poll_once(&mut given).is_pending());
        let three = after(&group, 3, 3);
        let mut look = Box::pin(group.wait_next());
        sleep(ms(4000)).await;
        assert!(!group.has_pending());
        assert_eq!((&mut look).await, Some(two.clone()));
        assert!(group.iter().eq([three.clone()]));
        drop(given);
        assert!(group.iter().eq([two, three]), "in the order of their ends");
    });
}

#[test]
fn s17_so_many_are_waited_for() {
    simulated(async {
        let group = TaskGroup::new();
        for seconds in 0..3 {
            after(&group, seconds, ());
        }
        assert_eq!(group.wait_first_n(2).await, Ok(2));
        assert_eq!(clock(), secs(1));
        assert_eq!(group.wait_first_n(1).await, Ok(2), "more have ended");
        let exhausted = group.wait_first_n(5).await.unwrap_err();
        assert_eq!((exhausted.done, exhausted.wanted), (3, 5));
        assert_eq!(clock(), secs(2));
    });
}

#[test]
fn s17_ends_are_counted_though_members_are_popped_and_late_ones_count() {
    simulated(async {
        let group = TaskGroup::new();
        after(&group, 1, ());
        after(&group, 2, ());
        let three = spawn(group.wait_first_n(3));
        yield_now().await;
        assert!(group.pop_first().await.is_some());
        after(&group, 3, ());
        assert_eq!(three.await.unwrap(), Ok(3));
        assert_eq!(clock(), secs(4));
    });
}

#[test]
fn s18_the_first_error_is_waited_for_and_others_are_no_errors() {
    simulated(async {
        let group = TaskGroup::<Outcome>::new();
        after(&group, 1, Ok("one"));
        let bad = after(&group, 2, Err("two"));
        after(&group, 3, Ok("three"));
        assert_eq!(group.wait_error().await, Some(bad.clone()));
        assert_eq!(clock(), secs(2));
        group.wait_all().await;
        assert_eq!(
            group.wait_error().await,
            Some(bad.clone()),
            "it is still there"
        );
        assert_eq!(group.pop_error().await, Some(bad));
        assert_eq!(group.wait_error().await, None);
        assert_eq!(group.len(), 2);
    });
}

#[test]
fn s18_nobody_has_failed_when_all_are_well() {
    simulated(async {
        let group = TaskGroup::<Outcome>::new();
        assert_eq!(group.wait_error().await, None);
        after(&group, 3, Ok("well"));
        assert_eq!(group.wait_error().await, None);
        assert_eq!(clock(), secs(3));
    });
}

#[cfg(panic = "unwind")]
#[test]
fn s18_a_panic_is_an_error_and_a_cancellation_counts_only_if_it_is_asked_for() {
    simulated(async {
        let group = TaskGroup::<Outcome>::new();
        let cancelled = group.spawn(pending());
        let panicked = group.spawn(async {
            sleep(secs(2)).await;
            panic!("no luck");
        });
        let error = spawn(group.wait_error());
        let either = spawn(group.wait_error_or_cancelled());
        sleep(secs(1)).await;
        cancelled.cancel();
        assert_eq!(either.await.unwrap(), Some(cancelled.clone()));
        assert_eq!(clock(), secs(1));
        assert_eq!(error.await.unwrap(), Some(panicked.clone()));
        assert_eq!(clock(), secs(2));
        assert_eq!(group.pop_error_or_cancelled().await, Some(cancelled));
        assert_eq!(group.pop_error_or_cancelled().await, Some(panicked));
        assert_eq!(group.pop_error_or_cancelled().await, None);
    });
}

#[test]
fn s18_members_that_ended_before_anybody_asked_are_told_apart_and_keep_their_order() {
    simulated(async {
        let group = TaskGroup::<Outcome>::new();
        let members = [Ok("a"), Err("b"), Ok("c"), Err("d")].map(|end| after(&group, 1, end));
        group.wait_all().await;
        assert_eq!(group.wait_error().await, Some(members[1].clone()));
        assert!(group.iter().eq(members.clone()));
        let order = [group.pop_first().await, group.pop_error().await];
        assert_eq!(order, [Some(members[0].clone()), Some(members[1].clone())]);
        assert_eq!(group.pop_first().await, Some(members[2].clone()));
        assert_eq!(group.pop_error().await, Some(members[3].clone()));
    });
}

#[test]
fn waiters_are_woken_in_the_order_in_which_they_came_whatever_they_wait_for() {
    simulated(async {
        let group = TaskGroup::<Outcome>::new();
        let log = Log::new();
        let mut place = 0;
        let mut note = |waiting: std::pin::Pin<Box<dyn Future<Output = ()>>>| {
            let (log, number) = (log.clone(), place);
            place += 1;
            drop(spawn_local(async move {
                waiting.await;
                log.add(number);
            }));
        };
        after(&group, 1, Err("no"));
        let (g, h) = (group.clone(), group.clone());
        note(Box::pin(group.wait_all()));
        note(Box::pin(async move { drop(g.pop_error().await) }));
        let first = group.wait_first();
        note(Box::pin(async move { drop(first.await) }));
        let next = async move { drop(h.wait_next().await) };
        note(Box::pin(next));
        let error = group.wait_error();
        note(Box::pin(async move { drop(error.await) }));
        let count = group.wait_first_n(1);
        note(Box::pin(async move { assert!(count.await.is_ok()) }));
        let first = group.wait_first();
        note(Box::pin(async move { drop(first.await) }));
        sleep(secs(2)).await;
        assert_eq!(log.take(), [0, 1, 2, 3, 4, 5, 6]);
    });
}
