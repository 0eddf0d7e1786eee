//! Members of groups that end in an unusual way: refused, with their loop, let go; and who waits no more.

use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Context,
};

use arborio_executor::{spawn_local, yield_now};
use arborio_scope::{
    LocalScope, Member, Scope, TaskGroup, finally, gather, gather_local, local_scope, scope,
};
use arborio_task::{Interrupt, ReasonKind};

use crate::support::{Bad, Log, bad, nap, panic_of, run};

/// Why it was interrupted.
#[track_caller]
fn why<T: std::fmt::Debug>(member: &Member<T>) -> &Interrupt {
    member
        .outcome()
        .expect("it has ended")
        .as_ref()
        .unwrap_err()
}

#[test]
fn the_other_name_of_cancel_all_does_the_same() {
    run(async {
        let group = TaskGroup::new();
        let members = [group.spawn(pending::<()>()), group.spawn(pending())];
        assert_eq!(group.cancel_pending(), 2);
        group.wait_all().await;
        assert!(
            members
                .iter()
                .all(|member| matches!(why(member), Interrupt::Cancelled(_)))
        );
    });
}

#[test]
fn a_group_of_a_scope_that_is_closed_refuses_and_drops_the_future() {
    run(async {
        let (mut kept, log) = (None, Log::default());
        let ended = scope(async |_: &Scope<Bad>| {
            kept = Some(TaskGroup::new());
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
        let group = kept.unwrap();
        for sent in [true, false] {
            let captured = log.on_drop("dropped");
            let future = async move { drop(captured) };
            let member = match sent {
                true => group.spawn(future),
                false => group.spawn_local(future),
            };
            assert_eq!(log.take(), ["dropped"]);
            assert!(matches!(why(&member), Interrupt::Closed));
        }
        assert!(group.has_done() && !group.has_pending());
        group.wait_all().await;
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a_group_without_a_scope_and_a_loop_panics_and_has_a_member_that_was_refused() {
    let group = TaskGroup::new();
    let refused = catch_unwind(AssertUnwindSafe(|| group.spawn(async {})));
    let said = *refused.unwrap_err().downcast::<&str>().unwrap();
    assert!(said.starts_with("no Arborio loop runs on this thread"));
    assert!(matches!(why(&group.pop_done().unwrap()), Interrupt::Closed));
}

#[test]
fn a_member_that_stays_on_its_thread_tells_why_it_was_interrupted() {
    run(async {
        let group = TaskGroup::<()>::new();
        let asked = group.spawn_local(pending());
        let forced = group.spawn_local(pending());
        yield_now().await;
        assert!(asked.cancel());
        forced.abort();
        group.wait_all().await;
        for (member, kind) in [(asked, ReasonKind::Cancel), (forced, ReasonKind::Abort)] {
            let Interrupt::Cancelled(reason) = why(&member) else {
                panic!("{member:?}");
            };
            assert_eq!(reason.kind(), kind);
        }
    });
}

#[test]
fn members_that_their_loop_ends_have_ended() {
    let members = run(async {
        let group = TaskGroup::<()>::new();
        let daemon = arborio_executor::task().awaited(false);
        let members = [
            group.add(daemon.spawn_local(pending())),
            group.spawn(pending()),
            group.spawn_local(pending()),
        ];
        yield_now().await;
        arborio_executor::Handle::current().unwrap().stop();
        members
    });
    for member in &members {
        assert!(member.is_finished(), "{member:?}");
        drop(why(member).clone());
    }
}

#[test]
fn a_task_that_was_added_and_has_ended_as_the_last_one_of_its_loop_has_its_value() {
    let member = run(async {
        let group = TaskGroup::new();
        group.add(spawn_local(async {
            nap(5).await;
            7
        }))
    });
    assert!(matches!(member.outcome(), Some(Ok(7))), "{member:?}");
}

#[test]
fn who_waits_for_a_member_no_more_is_not_woken_and_not_kept() {
    run(async {
        let group = TaskGroup::new();
        let member = group.spawn(nap(5));
        let (waker, wakes) = crate::concurrent::counted();
        {
            let mut waits = pin!(member.wait());
            let polled = waits.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
            assert_eq!(Arc::strong_count(&wakes), 3);
        }
        assert_eq!(Arc::strong_count(&wakes), 2, "it keeps no waker");
        group.wait_all().await;
        assert_eq!(wakes.take(), 0);
    });
}

#[cfg(panic = "unwind")]
#[test]
fn when_one_of_a_tuple_fails_the_others_go_on_whether_or_not_that_is_looked_at() {
    run(async {
        let log = Log::default();
        let others = || {
            let log = log.clone();
            async move {
                nap(5).await;
                log.note("went on");
            }
        };
        let failed = gather!(others(), breaks(0, "as it is told"), others()).await;
        assert!(matches!(failed, Err(Interrupt::Panicked(_))));
        nap(10).await;
        assert_eq!(log.take(), ["went on"; 2]);
        let failed = gather_local!(others(), breaks(0, "as it is told")).await;
        assert!(matches!(failed, Err(Interrupt::Panicked(_))));
        nap(10).await;
        assert_eq!(log.take(), ["went on"]);
    });
}

/// Panics after so many milliseconds.
async fn breaks(millis: u64, why: &'static str) {
    if millis > 0 {
        nap(millis).await;
    }
    if true {
        panic!("{why}");
    }
}

#[cfg(panic = "unwind")]
#[test]
fn a_panic_that_who_gathers_is_not_given_comes_up_in_the_scope_also_if_it_has_come_before() {
    run(async {
        for (in_a_tuple, second) in [(true, 5), (true, 1), (false, 5), (false, 1)] {
            let log = Log::default();
            let failing = scope(async |_: &Scope<Bad>| {
                let (first, second) = (breaks(1, "first"), breaks(second, "second"));
                let failed = match in_a_tuple {
                    true => gather!(first, second).await.map(drop),
                    false => gather([first, second]).await.map(drop),
                };
                let Err(Interrupt::Panicked(given)) = failed else {
                    return bad::<()>("it has panicked");
                };
                assert_eq!(given.message(), "first");
                log.note("given");
                nap(100).await;
                Ok(())
            });
            assert_eq!(panic_of(failing).await, "second");
            assert_eq!(log.take(), ["given"]);
        }
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a_panic_that_who_gathers_is_not_given_comes_up_under_another_executor_too() {
    let failing = local_scope(async |_: &LocalScope<Bad>| {
        let failed = gather([breaks(0, "first"), breaks(0, "second")]).await;
        assert!(failed.is_err());
        pending::<Result<(), Bad>>().await
    });
    assert_eq!(futures_lite::future::block_on(panic_of(failing)), "second");
}

#[test]
fn a_tuple_that_is_dropped_leaves_no_waker_behind() {
    run(async {
        let (waker, wakes) = crate::concurrent::counted();
        {
            let cleans_up = finally(pending::<()>(), || nap(5));
            let mut both = pin!(gather!(cleans_up, pending::<()>()));
            let polled = both.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
            yield_now().await;
        }
        assert_eq!(Arc::strong_count(&wakes), 2);
        nap(10).await;
        assert_eq!(wakes.take(), 0);
    });
}
