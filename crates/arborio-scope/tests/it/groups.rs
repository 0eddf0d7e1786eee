//! Groups: who is in them, who is told of an end, and in which order.

use std::{
    future::{pending, poll_fn, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use arborio_executor::{spawn_local, yield_now};
use arborio_scope::{ApplyTimeout, Member, TaskGroup};
use arborio_task::{Interrupt, ReasonKind};
use arborio_timers::sleep;
use futures_util::StreamExt;

use crate::support::{Log, ms, run};

/// The value of a member that has ended with one.
#[track_caller]
fn value<T: Copy>(member: &Member<T>) -> T {
    *member.outcome().unwrap().as_ref().unwrap()
}

/// A member that ends after so many milliseconds, with their number.
fn nap(group: &TaskGroup<u64>, millis: u64) -> Member<u64> {
    group.spawn(async move {
        sleep(ms(millis)).await;
        millis
    })
}

/// The values of those who have ended, as the group has them.
fn values(group: &TaskGroup<u64>) -> Vec<u64> {
    let ended = group.iter().filter(Member::is_finished);
    ended.map(|member| value(&member)).collect()
}

/// Polls once, with a waker that does nothing.
fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_group_knows_how_many_are_there_and_how_many_have_ended() {
    run(async {
        let group = TaskGroup::default();
        assert!(group.is_empty() && !group.has_done() && !group.has_pending());
        let [long, short] = [20, 10].map(|millis| nap(&group, millis));
        assert_eq!(group.len(), 2);
        assert!(group.has_pending() && !group.has_done() && !group.is_empty());
        short.wait().await;
        assert!(group.has_pending() && group.has_done());
        assert!(
            group.iter().eq([short.clone(), long.clone()]),
            "who has ended comes first"
        );
        assert!((&group).into_iter().eq([short.clone(), long.clone()]));
        assert!(short != long && short == short.clone());
        group.wait_all().await;
        assert!(!group.has_pending() && group.has_done());
        assert_eq!((group.len(), values(&group)), (2, vec![10, 20]));
        assert_eq!(group.pop_done(), Some(short));
        assert_eq!(group.pop_done(), Some(long));
        assert_eq!(group.pop_done(), None);
        assert!(group.is_empty());
    });
}

#[test]
fn the_first_is_one_that_has_ended_and_the_next_is_not() {
    run(async {
        let group = TaskGroup::new();
        let members = [10, 30, 20].map(|millis| nap(&group, millis));
        assert_eq!(group.wait_first().await.as_ref(), Some(&members[0]));
        assert_eq!(group.wait_first().await.as_ref(), Some(&members[0]));
        let next = group.wait_next();
        assert_eq!(group.len(), 3);
        assert_eq!(next.await.as_ref(), Some(&members[2]));
        assert_eq!(group.pop_next().await.as_ref(), Some(&members[1]));
        assert_eq!(values(&group), [10, 20]);
        assert!(group.wait_next().await.is_none() && group.pop_next().await.is_none());
        assert_eq!(group.pop_first().await.as_ref(), Some(&members[0]));
        assert_eq!(group.pop_first().await.as_ref(), Some(&members[2]));
        assert!(group.pop_first().await.is_none() && group.wait_first().await.is_none());
    });
}

#[test]
fn one_end_answers_all_who_look_and_the_oldest_of_those_who_pop() {
    run(async {
        let (group, log) = (TaskGroup::new(), Log::default());
        let waits = |what, takes_out: bool| {
            let (group, log) = (group.clone(), log.clone());
            spawn_local(async move {
                let member = match takes_out {
                    true => group.pop_first().await,
                    false => group.wait_first().await,
                };
                assert_eq!(member.map(|member| value(&member)), Some(5));
                log.note(what);
            })
        };
        let first = nap(&group, 5);
        let waiters = [
            waits("a looks", false),
            waits("b pops", true),
            waits("c looks", false),
        ];
        yield_now().await;
        let late = group.pop_first();
        first.wait().await;
        for waiter in waiters {
            waiter.await.unwrap();
        }
        assert_eq!(log.take(), ["a looks", "b pops", "c looks"]);
        assert!(late.await.is_none(), "there was one, and b has it");
    });
}

#[test]
fn what_a_dropped_waiter_was_given_is_in_the_group_as_before() {
    run(async {
        let group = TaskGroup::new();
        let [first, second] = [10, 20].map(|millis| nap(&group, millis));
        let mut given = Box::pin(group.pop_first());
        assert!(poll_once(&mut given).is_pending());
        group.wait_all().await;
        assert_eq!(values(&group), [20], "the first one is taken out");
        drop(given);
        assert_eq!(values(&group), [10, 20]);
        assert_eq!(group.pop_done(), Some(first));
        // Put back while somebody else waits: it is the other one's.
        let third = nap(&group, 5);
        assert_eq!(group.pop_done(), Some(second));
        let mut given = Box::pin(group.pop_next());
        assert!(poll_once(&mut given).is_pending());
        let fourth = nap(&group, 50);
        third.wait().await;
        let other = spawn_local(group.pop_first());
        yield_now().await;
        drop(given);
        assert_eq!(other.await.unwrap(), Some(third));
        assert_eq!(group.wait_first().await, Some(fourth));
    });
}

#[test]
fn a_count_is_reached_or_nobody_is_left() {
    run(async {
        let group = TaskGroup::new();
        for millis in [10, 20, 30] {
            nap(&group, millis);
        }
        assert_eq!(group.wait_first_n(0).await, Ok(0));
        assert_eq!(group.wait_first_n(2).await, Ok(2));
        assert_eq!(values(&group), [10, 20]);
        let (three, five) = (group.wait_first_n(3), spawn_local(group.wait_first_n(5)));
        yield_now().await;
        assert_eq!(three.await, Ok(3));
        let exhausted = five.await.unwrap().unwrap_err();
        assert_eq!((exhausted.done, exhausted.wanted), (3, 5));
        assert_eq!(group.wait_first_n(1).await, Ok(3), "more had ended before");
        // Who is taken out counts for those who wait already, and not for those who come.
        nap(&group, 10);
        let four = spawn_local(group.wait_first_n(4));
        yield_now().await;
        assert!(group.pop_done().is_some());
        assert_eq!(four.await.unwrap(), Ok(4));
        assert_eq!(group.wait_first_n(4).await.unwrap_err().done, 3);
    });
}

#[test]
fn counts_are_reached_each_at_its_own_time() {
    run(async {
        let (group, log) = (TaskGroup::new(), Log::default());
        for millis in [10, 20, 30] {
            nap(&group, millis);
        }
        let waits = [(3, "three"), (1, "one"), (2, "two")].map(|(count, what)| {
            let (group, log) = (group.clone(), log.clone());
            spawn_local(async move {
                assert_eq!(group.wait_first_n(count).await, Ok(count));
                log.note(what);
            })
        });
        sleep(ms(15)).await;
        assert_eq!(log.take(), ["one"]);
        group.wait_all().await;
        for waiter in waits {
            waiter.await.unwrap();
        }
        assert_eq!(log.take(), ["two", "three"]);
    });
}

#[cfg(panic = "unwind")]
#[test]
fn errors_panics_and_requests_are_told_apart_also_later() {
    run(async {
        let group = TaskGroup::<Result<u8, &str>>::new();
        let cancelled = group.spawn(pending());
        assert!(cancelled.cancel());
        let fine = group.spawn(ready(Ok(1)));
        let panics = group.spawn(async { panic!("as it is told") });
        let wrong = group.spawn(ready(Err("no")));
        group.wait_all().await;
        // Nobody has asked who failed until now.
        assert_eq!(group.wait_error().await.as_ref(), Some(&panics));
        let bad = group.wait_error_or_cancelled().await;
        assert!(bad == Some(panics.clone()) || bad == Some(cancelled.clone()));
        assert_eq!(group.pop_error().await, Some(panics));
        assert_eq!(group.pop_error().await, Some(wrong));
        assert!(group.pop_error().await.is_none() && group.wait_error().await.is_none());
        assert_eq!(group.pop_error_or_cancelled().await, Some(cancelled));
        assert!(group.pop_error_or_cancelled().await.is_none());
        assert!(group.iter().eq([fine]));
        // And of those who come now, it is known at once.
        let late = group.spawn(async {
            sleep(ms(5)).await;
            Err("late")
        });
        let good = group.spawn(ready(Ok(2)));
        assert_eq!(group.wait_error().await, Some(late));
        assert!(good.is_finished());
    });
}

#[test]
fn a_request_reaches_all_who_are_pending_and_counts_them() {
    run(async {
        let group = TaskGroup::new();
        let fine = nap(&group, 1);
        fine.wait().await;
        let (asked, added) = (
            group.spawn(pending()),
            group.add(spawn_local(pending::<u64>())),
        );
        assert_eq!(group.cancel_all(), 2);
        group.wait_all().await;
        assert_eq!(group.cancel_pending(), 0);
        for member in [&asked, &added] {
            let Err(Interrupt::Cancelled(reason)) = member.outcome().unwrap() else {
                panic!("{member:?}");
            };
            assert_eq!(reason.kind(), ReasonKind::Cancel);
            assert!(!member.cancel() && !member.apply_timeout(ms(1)));
        }
        assert_eq!((value(&fine), group.len()), (1, 3));
    });
}

#[test]
fn members_may_be_aborted_and_limited_whoever_has_spawned_them() {
    run(async {
        let group = TaskGroup::<()>::new();
        let own = || group.spawn(pending());
        let added = || group.add(spawn_local(pending::<()>()));
        for member in [own(), added()] {
            member.abort();
            let Err(Interrupt::Cancelled(reason)) = member.wait().await else {
                panic!("{member:?}");
            };
            assert_eq!(reason.kind(), ReasonKind::Abort);
            member.abort(); // changes nothing
        }
        for member in [own(), added()] {
            assert!(member.apply_timeout(ms(5)));
            assert!(matches!(member.wait().await, Err(Interrupt::TimedOut)));
        }
    });
}

#[test]
fn who_is_added_is_a_member_once_and_may_have_ended() {
    run(async {
        let (one, two) = (TaskGroup::new(), TaskGroup::new());
        let member = nap(&one, 10);
        assert_eq!(one.add(member.clone()), member);
        assert_eq!(two.add(member.clone()), member);
        assert_eq!((one.len(), two.len()), (1, 1));
        let waiter = spawn_local(two.wait_next());
        yield_now().await;
        assert_eq!(waiter.await.unwrap().as_ref(), Some(&member));
        assert_eq!(two.pop_done().as_ref(), Some(&member));
        assert!(two.is_empty() && one.len() == 1);
        assert_eq!(
            two.add(member.clone()),
            member,
            "it was popped, and comes again"
        );
        assert!(two.has_done() && !two.has_pending());
        let task = spawn_local(async { 7_u64 });
        yield_now().await;
        let ended = one.add(task);
        assert!(ended.is_finished() && value(&ended) == 7);
        assert_eq!(values(&one), [10, 7]);
    });
}

#[test]
fn the_last_handle_has_the_outcome() {
    run(async {
        let group = TaskGroup::new();
        let member = nap(&group, 5);
        let member = member.into_outcome().unwrap_err();
        let waiting = member.clone();
        let waiter = spawn_local(async move { *waiting.wait().await.as_ref().unwrap() });
        group.wait_all().await;
        assert_eq!(waiter.await.unwrap(), 5);
        let member = member.into_outcome().unwrap_err();
        drop(group.pop_done());
        assert_eq!(member.into_outcome().unwrap().unwrap(), 5);
    });
}

#[test]
fn a_stream_gives_all_as_they_end_and_those_who_come_meanwhile() {
    run(async {
        let group = TaskGroup::new();
        for millis in [20, 10] {
            nap(&group, millis);
        }
        let mut ended = group.exhaust();
        assert_eq!(ended.next().await.map(|member| value(&member)), Some(10));
        nap(&group, 5);
        let rest = StreamExt::map(ended, |member| value(&member));
        assert_eq!(rest.collect::<Vec<_>>().await, [5, 20]);
        assert!(group.is_empty());
        nap(&group, 1).wait().await;
        nap(&group, 9);
        let done = group.exhaust_done().map(|member| value(&member));
        assert_eq!(done.collect::<Vec<_>>(), [1]);
        assert_eq!(group.len(), 1);
    });
}

#[test]
fn members_are_asked_when_the_body_fails_or_is_dropped_and_else_they_are_not() {
    run(async {
        let group = TaskGroup::new();
        let member = nap(&group, 10);
        let fine = group.cancel_on_error(async |_| Ok::<_, ()>(4)).await;
        assert_eq!(fine, Ok(4));
        assert_eq!(*member.wait().await.as_ref().unwrap(), 10);
        let member = nap(&group, 10);
        let failed = group.cancel_on_error(async |_| Err::<(), _>("no")).await;
        assert_eq!(failed, Err("no"));
        assert!(member.wait().await.is_err());
        let member = nap(&group, 10);
        let mut dropped =
            Box::pin(group.cancel_on_error(async |_| pending::<Result<(), ()>>().await));
        assert!(
            poll_fn(|cx| Poll::Ready(dropped.as_mut().poll(cx)))
                .await
                .is_pending()
        );
        drop(dropped);
        assert!(member.wait().await.is_err());
    });
}

#[test]
fn who_waits_no_more_is_not_answered() {
    run(async {
        let group = TaskGroup::new();
        let [first, second] = [10, 20].map(|millis| nap(&group, millis));
        let mut pops = Box::pin(group.pop_first());
        let mut counts = Box::pin(group.wait_first_n(1));
        let mut waits = Box::pin(first.wait());
        assert!(poll_once(&mut pops).is_pending());
        assert!(poll_once(&mut counts).is_pending());
        assert!(poll_once(&mut waits).is_pending());
        assert!(
            poll_once(&mut pops).is_pending(),
            "it changes its waker, not its place"
        );
        drop((pops, counts, waits));
        assert_eq!(group.pop_next().await, Some(first));
        assert_eq!(group.pop_next().await, Some(second));
        assert!(group.is_empty());
    });
}
