//! Groups that collect: who is a member, how members end, and that a group raises nothing.

use std::{future::pending, rc::Rc};

use arborio::{
    Interrupt, Scope, TaskGroup,
    cancel::{ApplyTimeout, ReasonKind, catch_cancel, finally, move_on_after},
    group::Member,
    scope, spawn,
    time::{Instant, clock, sleep},
    yield_now,
};

use crate::{
    scopes::simulated,
    support::{DropProbe, Log, ms, secs},
};

/// Says `word` after so many seconds.
async fn say(log: Log<(&'static str, u64)>, word: &'static str, after: u64) {
    sleep(secs(after)).await;
    log.add((word, clock().as_secs()));
}

fn gave<T: Clone>(member: &Member<T>) -> T {
    member.outcome().unwrap().clone().unwrap()
}

#[test]
fn s13_the_members_of_a_group_overlap_and_all_are_waited_for() {
    simulated(async {
        let log = Log::new();
        let group = TaskGroup::new();
        group.spawn(say(log.clone(), "hello", 1));
        group.spawn(say(log.clone(), "world", 2));
        group.wait_all().await;
        assert_eq!(log.take(), [("hello", 1), ("world", 2)]);
        assert_eq!(clock(), secs(2));
    });
}

#[test]
fn s13_one_task_and_two_tasks_take_as_long_as_the_longest() {
    simulated(async {
        let log = Log::new();
        spawn_local(say(log.clone(), "hello", 1)).await;
        assert_eq!((log.take(), clock()), (vec![("hello", 1)], secs(1)));
        let hello = arborio::spawn_local(say(log.clone(), "hello", 1));
        let world = arborio::spawn_local(say(log.clone(), "world", 2));
        hello.await.unwrap();
        world.await.unwrap();
        assert_eq!(log.take(), [("hello", 2), ("world", 3)]);
    });
}

async fn spawn_local(future: impl Future<Output = ()> + 'static) {
    arborio::spawn_local(future).await.unwrap();
}

#[test]
fn s13_a_member_that_is_cancelled_before_it_starts_says_nothing_and_raises_nothing() {
    simulated(async {
        let log = Log::new();
        let group = TaskGroup::new();
        let hello = group.spawn(say(log.clone(), "hello", 1));
        assert!(hello.cancel());
        group.spawn(say(log.clone(), "world", 2));
        group.wait_all().await;
        assert_eq!(log.take(), [("world", 2)]);
        assert!(matches!(
            hello.outcome(),
            Some(Err(Interrupt::Cancelled(_)))
        ));
    });
}

#[cfg(panic = "unwind")]
#[test]
fn s13_an_error_and_a_panic_of_members_wait_in_their_handles() {
    simulated(async {
        let group = TaskGroup::new();
        let failed = group.spawn(async { Err::<u8, _>("no") });
        let panicked = group.spawn(async { panic!("no luck") });
        group.wait_all().await;
        assert_eq!(gave(&failed), Err("no"));
        let Some(Err(Interrupt::Panicked(payload))) = panicked.outcome() else {
            panic!("the panic is lost");
        };
        assert_eq!(payload.message(), "no luck");
        yield_now().await;
    });
}

#[cfg(panic = "unwind")]
#[test]
fn s13_a_member_that_fails_ends_neither_its_scope_nor_its_siblings() {
    simulated(async {
        let ended = scope(async |s: &Scope<()>| {
            let group = TaskGroup::<Result<(), &str>>::new();
            let sibling = s.spawn(sleep(secs(3)));
            group.spawn(async { Err("no") });
            group.spawn(async { panic!("no luck") });
            group.wait_all().await;
            drop(group);
            sibling.await?;
            Ok("fine")
        });
        assert_eq!(ended.await, Ok("fine"));
    });
}

#[test]
fn s13_members_hang_on_the_scope_where_the_group_was_made() {
    simulated(async {
        let log = Log::new();
        let noted = log.clone();
        scope(async |_: &Scope<()>| {
            let group = TaskGroup::new();
            group.spawn(async move {
                let name = Scope::<()>::current().is_some();
                sleep(secs(2)).await;
                noted.add(name);
            });
            Ok(())
        })
        .await
        .unwrap();
        assert_eq!(clock(), secs(2), "the scope has waited");
        assert_eq!(log.take(), [true]);
    });
}

#[test]
fn s13_a_scope_that_ends_asks_the_members_of_its_groups() {
    simulated(async {
        let log = Log::new();
        let noted = log.clone();
        let mut kept = None;
        let ended = Scope::<()>::builder().timeout(secs(1)).run(async |_| {
            let group = TaskGroup::new();
            let cleanup = async move || noted.add("cleaned up");
            kept = Some(group.spawn(finally(pending::<()>(), cleanup)));
            pending::<Result<(), ()>>().await
        });
        assert_eq!(ended.await, Err(()));
        assert_eq!(log.take(), ["cleaned up"]);
        yield_now().await;
        assert!(kept.unwrap().outcome().unwrap().is_err());
    });
}

#[test]
fn s13_what_is_spawned_in_a_group_whose_scope_is_over_ends_closed() {
    simulated(async {
        let mut kept = None;
        let body = async |_: &Scope<()>| {
            kept = Some(TaskGroup::new());
            Ok(())
        };
        scope(body).await.unwrap();
        let group = kept.unwrap();
        let (probe, ends) = DropProbe::new();
        let member = group.spawn(async move { drop(probe) });
        assert!(matches!(member.outcome(), Some(Err(Interrupt::Closed))));
        assert_eq!(ends.lock().unwrap().len(), 1);
        group.wait_all().await;
        assert_eq!(group.wait_first().await, Some(member));
    });
}

#[cfg(panic = "unwind")]
#[test]
fn s13_dropping_a_group_neither_waits_nor_ends_its_members() {
    let log = Log::new();
    let noted = log.clone();
    simulated(async move {
        let group = TaskGroup::new();
        group.spawn(say(noted.clone(), "hello", 1));
        group.spawn(async {
            sleep(secs(2)).await;
            panic!("nobody looks, and nothing ends");
        });
        drop(group);
        noted.add(("dropped", clock().as_secs()));
    });
    assert_eq!(log.take(), [("dropped", 0), ("hello", 1)]);
}

#[test]
fn s13_members_use_the_group_and_spawn_in_it() {
    simulated(async {
        let group = TaskGroup::new();
        let inner = group.clone();
        group.spawn(async move {
            sleep(secs(1)).await;
            let deeper = inner.clone();
            inner.spawn(async move {
                sleep(secs(1)).await;
                assert_eq!(deeper.len(), 2);
            });
        });
        group.wait_all().await;
        assert_eq!(clock(), secs(2));
        assert!(group.iter().all(|member| member.outcome().unwrap().is_ok()));
    });
}

#[test]
fn s13_members_need_not_be_send_and_handles_of_sendable_ones_are() {
    fn assert_send<T: Send>(_: &T) {}
    simulated(async {
        let group = TaskGroup::new();
        group.spawn_local(async { Rc::new(5) });
        assert_eq!(*gave(&group.wait_first().await.unwrap()), 5);
        let sendable = TaskGroup::<String>::new();
        assert_send(&sendable);
        assert_send(&sendable.wait_all());
        assert_send(&sendable.spawn(async { String::new() }));
    });
}

#[test]
fn s14_any_future_is_added_a_sleep_too() {
    simulated(async {
        let log = Log::new();
        let group = TaskGroup::new();
        group.spawn(say(log.clone(), "hello", 1));
        let nap = group.add(sleep(secs(2)));
        group.wait_all().await;
        log.add(("world", clock().as_secs()));
        assert_eq!(log.take(), [("hello", 1), ("world", 2)]);
        assert!(nap.is_finished());
    });
}

#[test]
fn s14_a_task_is_added_and_cancelled_through_the_group() {
    simulated(async {
        let group = TaskGroup::<u8>::new();
        let value = group.add(spawn(async {
            sleep(secs(1)).await;
            7
        }));
        let cleanup = async || sleep(secs(2)).await;
        let stuck = group.add(spawn(finally(pending(), cleanup)));
        assert_eq!(group.wait_next().await, Some(value.clone()));
        assert_eq!((gave(&value), clock()), (7, secs(1)));
        assert!(stuck.cancel());
        group.wait_all().await;
        assert!(matches!(
            stuck.outcome(),
            Some(Err(Interrupt::Cancelled(_)))
        ));
        assert_eq!(clock(), secs(3));
    });
}

#[test]
fn s14_a_task_that_has_ended_counts_at_once_and_tells_those_who_wait() {
    simulated(async {
        let group = TaskGroup::<u8>::new();
        group.spawn(pending());
        let task = spawn(async { 3 });
        (&task).await.unwrap();
        let first = group.wait_first();
        let waiting = spawn(async move { gave(&first.await.unwrap()) });
        yield_now().await;
        assert!(group.add(task).is_finished());
        assert!(group.has_done());
        assert_eq!(waiting.await.unwrap(), 3);
        group.cancel_all();
    });
}

#[cfg(panic = "unwind")]
#[test]
fn s14_a_panic_of_a_task_that_was_added_waits_in_its_handle() {
    simulated(async {
        let group = TaskGroup::<()>::new();
        let member = group.add(spawn(async {
            sleep(secs(1)).await;
            panic!("no luck");
        }));
        group.wait_all().await;
        assert!(matches!(
            member.outcome(),
            Some(Err(Interrupt::Panicked(_)))
        ));
    });
}

#[test]
fn s14_a_member_that_is_added_twice_counts_once_and_may_be_in_two_groups() {
    simulated(async {
        let (one, two) = (TaskGroup::new(), TaskGroup::new());
        let member = one.spawn(sleep(secs(1)));
        one.add(member.clone());
        two.add(member.clone());
        two.add(member.clone());
        assert_eq!((one.len(), two.len()), (1, 1));
        assert!(two.wait_first_n(2).await.is_err());
        assert_eq!(one.wait_first_n(1).await, Ok(1));
        one.add(member.clone());
        assert_eq!(one.pop_first().await, Some(member.clone()));
        assert_eq!((one.len(), two.len()), (0, 1));
        one.add(member.clone());
        assert_eq!(one.pop_done(), Some(member));
    });
}

#[test]
fn s19_members_are_listed_done_ones_first() {
    simulated(async {
        let group = TaskGroup::new();
        let slow = group.spawn(sleep(secs(3)));
        let later = group.spawn(sleep(secs(2)));
        let first = group.spawn(sleep(secs(1)));
        assert!(!group.has_done() && group.has_pending());
        assert_eq!(group.wait_first_n(2).await, Ok(2));
        let listed: Vec<_> = (&group).into_iter().collect();
        assert!(listed == [first.clone(), later.clone(), slow.clone()]);
        assert!(group.exhaust_done().eq([first, later]));
        assert!(!group.has_done() && group.has_pending());
        group.wait_all().await;
        assert_eq!(group.pop_done(), Some(slow));
        assert!(group.is_empty() && !group.has_pending());
    });
}

#[test]
fn s19_a_stream_gives_members_in_the_order_of_their_ends_and_late_ones_too() {
    simulated(async {
        let group = TaskGroup::new();
        for millis in [30, 10, 20] {
            group.spawn(async move {
                sleep(ms(millis)).await;
                millis
            });
        }
        let mut ended = group.exhaust();
        let mut order = Vec::new();
        while let Some(member) = ended.next().await {
            let millis = member.into_outcome().unwrap().unwrap();
            if millis == 20 {
                group.spawn(async {
                    sleep(ms(5)).await;
                    25
                });
            }
            order.push(millis);
        }
        assert_eq!(order, [10, 20, 25, 30]);
        assert!(group.is_empty());
    });
}

#[test]
fn s19_members_that_end_in_one_cycle_come_in_the_order_in_which_they_ended() {
    simulated(async {
        let group = TaskGroup::new();
        for number in 0..100 {
            group.spawn(async move { number });
        }
        let mut ended = group.exhaust();
        for number in 0..100 {
            assert_eq!(gave(&ended.next().await.unwrap()), number);
        }
        assert!(ended.next().await.is_none());
    });
}

#[test]
fn s19_a_stream_that_is_dropped_leaves_the_members_alone() {
    simulated(async {
        let group = TaskGroup::new();
        for seconds in 1..=3 {
            group.spawn(sleep(secs(seconds)));
        }
        let mut ended = group.exhaust();
        ended.next().await.unwrap();
        assert!(move_on_after(ms(1), ended.next()).await.is_none());
        drop(ended);
        group.wait_all().await;
        assert_eq!(clock(), secs(3));
        assert_eq!(group.len(), 2);
    });
}

#[test]
fn s20_those_who_are_pending_are_asked_and_may_clean_up_or_refuse() {
    simulated(async {
        let group = TaskGroup::new();
        let done = group.spawn(async { "done" });
        let refuses = group.spawn(async {
            match catch_cancel(pending()).await {
                Ok(never) => never,
                Err(request) => {
                    request.swallow();
                    "refused"
                }
            }
        });
        let cleans = group.spawn(finally(pending(), async || sleep(secs(1)).await));
        yield_now().await;
        yield_now().await;
        assert_eq!(group.cancel_all(), 2);
        group.wait_all().await;
        assert_eq!((gave(&done), gave(&refuses)), ("done", "refused"));
        assert!(cleans.outcome().unwrap().is_err());
        assert_eq!(clock(), secs(1));
        assert_eq!(group.cancel_pending(), 0);
    });
}

/// A member that notes that it was asked to end.
fn noting(group: &TaskGroup<()>, log: &Log<&'static str>) {
    let log = log.clone();
    group.spawn(finally(pending(), async move || log.add("asked")));
}

#[cfg(panic = "unwind")]
#[test]
fn s20_members_are_asked_if_the_body_fails_panics_or_is_dropped_and_only_then() {
    simulated(async {
        let (group, log) = (TaskGroup::new(), Log::new());
        noting(&group, &log);
        yield_now().await;
        let fine = group.cancel_on_error(async |_| Ok::<_, ()>(1)).await;
        yield_now().await;
        assert_eq!((fine, log.len()), (Ok(1), 0));

        let failed = group.cancel_on_error(async |_| Err::<(), _>("no")).await;
        group.wait_all().await;
        assert_eq!((failed, log.take()), (Err("no"), vec!["asked"]));

        noting(&group, &log);
        let in_it = group.clone();
        let task = arborio::spawn_local(async move {
            let body = async |_: &TaskGroup<()>| -> Result<(), ()> { panic!("no luck") };
            in_it.cancel_on_error(body).await
        });
        assert!(matches!(task.await, Err(Interrupt::Panicked(_))));
        group.wait_all().await;
        assert_eq!(log.take(), ["asked"]);

        noting(&group, &log);
        let body = group.cancel_on_error(async |_| pending::<Result<(), ()>>().await);
        assert!(move_on_after(ms(1), body).await.is_none());
        group.wait_all().await;
        assert_eq!(log.take(), ["asked"]);
    });
}

#[test]
fn a_member_is_awaited_by_many_and_its_output_taken_by_its_last_handle() {
    simulated(async {
        let group = TaskGroup::new();
        let member = group.spawn(async {
            sleep(secs(1)).await;
            String::from("once")
        });
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                let member = member.clone();
                spawn(async move { member.wait().await.as_ref().unwrap().len() })
            })
            .collect();
        assert!(move_on_after(ms(1), member.wait()).await.is_none());
        for waiter in waiters {
            assert_eq!(waiter.await.unwrap(), 4);
        }
        assert_eq!(group.pop_done(), Some(member.clone()));
        let refused = member.clone().into_outcome().unwrap_err();
        assert!(refused.is_finished(), "there is another handle");
        drop(refused);
        assert_eq!(member.into_outcome().unwrap().unwrap(), "once");
    });
}

#[test]
fn a_member_that_has_not_ended_keeps_its_outcome_for_later() {
    simulated(async {
        let group = TaskGroup::new();
        let member = group.spawn(async { "later" });
        let member = member.into_outcome().unwrap_err();
        assert!(!member.is_finished());
        group.wait_all().await;
        drop(group);
        assert_eq!(member.into_outcome().unwrap().unwrap(), "later");
    });
}

/// Why a member was cancelled.
fn why<T>(member: &Member<T>) -> ReasonKind {
    match member.outcome() {
        Some(Err(Interrupt::Cancelled(reason))) => reason.kind(),
        _ => panic!("it was not cancelled"),
    }
}

#[test]
fn members_are_aborted_whatever_they_do_and_their_destructors_find_them() {
    simulated(async {
        let (group, log) = (TaskGroup::<()>::new(), Log::new());
        let unstarted = group.spawn(pending());
        unstarted.abort();
        let noted = log.clone();
        let cleanup = async move || noted.add("never cleans up");
        let spawned = group.spawn(finally(pending(), cleanup.clone()));
        let added = group.add(spawn(finally(pending(), cleanup)));
        let again = group.clone();
        let meddles = group.spawn(async move {
            let _meddler = OnDrop(move || again.iter().for_each(|member| member.abort()));
            pending().await
        });
        yield_now().await;
        meddles.abort();
        group.wait_all().await;
        for member in [&unstarted, &spawned, &added, &meddles] {
            assert_eq!(why(member), ReasonKind::Abort);
        }
        assert_eq!(log.len(), 0);
        assert_eq!(clock(), secs(0));
        spawned.abort();
        assert!(!spawned.cancel(), "it has ended");
    });
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn s27_members_are_given_a_limited_time() {
    simulated(async {
        let group = TaskGroup::<()>::new();
        let spawned = group.spawn(pending());
        let added = group.add(spawn(pending()));
        assert!(spawned.apply_timeout(secs(2)) && added.apply_timeout(secs(1)));
        assert_eq!(group.wait_first().await, Some(added.clone()));
        assert_eq!(clock(), secs(1));
        group.wait_all().await;
        assert_eq!(clock(), secs(2));
        for member in [spawned, added] {
            assert!(matches!(member.outcome(), Some(Err(Interrupt::TimedOut))));
            assert!(!member.apply_timeout(secs(1)));
        }
    });
}

#[test]
fn the_outcome_of_a_member_that_the_end_of_the_loop_ended_is_stopped() {
    let mut kept = None;
    let start = Instant::now();
    arborio::EventLoop::builder()
        .leftover(arborio::options::Leftover::Cancel)
        .run(async {
            let group = TaskGroup::<()>::new();
            let started = group.spawn(pending());
            let added = group.add(spawn(pending()));
            yield_now().await;
            let fresh = group.spawn(pending());
            kept = Some((group.clone(), started, added, fresh));
        });
    let (group, started, added, fresh) = kept.unwrap();
    for member in [&started, &added, &fresh] {
        assert!(matches!(member.outcome(), Some(Err(Interrupt::Stopped))));
    }
    assert!(!group.has_pending());
    assert!(start.elapsed() < secs(10));
}

#[test]
fn t17_members_in_a_scope_under_another_executor_say_why_they_ended() {
    let ended = futures_lite::future::block_on(scope(async |s: &Scope<()>| {
        let group = TaskGroup::new();
        let value = group.spawn(async { 7 });
        let cancelled = group.spawn(pending());
        assert_eq!(group.wait_first().await, Some(value.clone()));
        assert!(cancelled.cancel());
        group.wait_all().await;
        assert_eq!(gave(&value), 7);
        assert_eq!(why(&cancelled), ReasonKind::Cancel);
        assert_eq!(
            arborio::gather([1, 2].map(async |number| number))
                .await
                .unwrap(),
            [1, 2]
        );
        let left = group.spawn(pending());
        s.cancel();
        Ok(left)
    }));
    let left = ended.unwrap();
    assert!(matches!(left.outcome(), Some(Err(Interrupt::Cancelled(_)))));
}
