//! Groups whose members and waiters misbehave: destructors that use the group, handles on
//! other threads, waiters that go, and many of everything.

use std::{
    future::pending,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread,
};

use arborio::{
    Interrupt, TaskGroup,
    group::Member,
    time::{Instant, clock, sleep},
    yield_now,
};

use crate::{
    scopes::simulated,
    support::{Gate, Log, ms, secs, without_hanging},
};

/// When it is dropped it looks at the group, and adds to it.
struct Meddler(TaskGroup<u32>, Log<usize>);

impl Drop for Meddler {
    fn drop(&mut self) {
        self.1
            .add(self.0.iter().filter(Member::is_finished).count());
        self.0.spawn(async { 9 });
        self.0.cancel_all();
    }
}

#[test]
fn a_destructor_of_a_member_uses_its_group() {
    simulated(async {
        for cancel in [false, true] {
            let (group, log) = (TaskGroup::new(), Log::new());
            let meddler = Meddler(group.clone(), log.clone());
            let member = group.spawn(async move {
                let _meddler = meddler;
                sleep(secs(1)).await;
                1
            });
            yield_now().await;
            if cancel {
                member.cancel();
            }
            group.wait_all().await;
            assert_eq!(
                log.take(),
                [0],
                "nothing of a member is left when it has ended"
            );
            assert_eq!(group.len(), 2);
        }
    });
}

#[test]
fn a_future_that_is_ready_is_dropped_before_its_end_is_told() {
    simulated(async {
        let (group, log) = (TaskGroup::new(), Log::new());
        let meddler = Meddler(group.clone(), log.clone());
        group.spawn(std::future::poll_fn(move |_| {
            let _held = &meddler;
            Poll::Ready(1)
        }));
        group.wait_all().await;
        assert_eq!((log.take(), group.len()), (vec![0], 2));
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a_panic_in_the_destructor_of_a_member_waits_in_its_handle() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    simulated(async {
        let group = TaskGroup::new();
        let bomb = Bomb;
        let member = group.spawn(async move {
            let _bomb = bomb;
            yield_now().await;
        });
        group.wait_all().await;
        let ended = member.outcome().unwrap();
        assert!(matches!(ended, Err(Interrupt::Panicked(_))), "{ended:?}");
    });
}

/// Looks at the group in the very moment in which it is woken.
struct Looking(TaskGroup<u32>, Member<u32>, Gate);

impl Wake for Looking {
    fn wake(self: Arc<Self>) {
        assert!(self.1.outcome().is_some());
        assert!(!self.0.has_pending());
        self.2.open();
    }
}

#[test]
fn whoever_is_woken_finds_the_outcome_there() {
    simulated(async {
        for cancel in [false, true] {
            let group = TaskGroup::new();
            let member = group.spawn(async {
                sleep(secs(1)).await;
                1
            });
            let gate = Gate::default();
            let looking = Looking(group.clone(), member.clone(), gate.clone());
            let waker = Waker::from(Arc::new(looking));
            let mut all = Box::pin(group.wait_all());
            let polled = all.as_mut().poll(&mut Context::from_waker(&waker));
            assert_eq!(polled, Poll::Pending);
            yield_now().await;
            if cancel {
                member.cancel();
            }
            gate.passed().await;
            assert_eq!(member.outcome().unwrap().is_err(), cancel);
        }
    });
}

#[test]
fn waiters_that_are_dropped_leave_nothing_behind() {
    simulated(async {
        let group = TaskGroup::<Result<(), ()>>::new();
        let member = group.spawn(pending());
        let probe = Arc::new(Looking(
            TaskGroup::new(),
            TaskGroup::new().spawn(async { 1 }),
            Gate::default(),
        ));
        let waker = Waker::from(Arc::clone(&probe));
        let mut cx = Context::from_waker(&waker);
        macro_rules! abandon {
            ($($waiting:expr),+) => {
                $({
                    let mut waiting = Box::pin($waiting);
                    assert!(waiting.as_mut().poll(&mut cx).is_pending());
                    assert!(waiting.as_mut().poll(&mut cx).is_pending());
                })+
            };
        }
        for _ in 0..3 {
            abandon!(group.wait_all(), group.wait_first(), group.pop_first());
            abandon!(group.wait_next(), group.pop_next(), group.wait_first_n(1));
            abandon!(group.wait_error(), group.pop_error(), member.wait());
            abandon!(
                group.wait_error_or_cancelled(),
                group.pop_error_or_cancelled()
            );
        }
        drop(waker);
        assert_eq!(Arc::strong_count(&probe), 1, "no waker is left");
        member.cancel();
        group.wait_all().await;
    });
}

#[test]
fn a_group_is_waited_for_and_cancelled_from_another_thread() {
    without_hanging(|| {
        let group = TaskGroup::new();
        let ready = Gate::default();
        let (abroad, opened) = (group.clone(), ready.clone());
        let thread = thread::spawn(move || {
            futures_lite::future::block_on(async move {
                opened.passed().await;
                let first = abroad.wait_first().await.unwrap();
                assert_eq!(*first.outcome().unwrap().as_ref().unwrap(), 1);
                assert_eq!(abroad.cancel_all(), 1);
                abroad.wait_all().await;
                let mut interrupted = 0;
                while let Some(member) = abroad.pop_done() {
                    interrupted += usize::from(member.outcome().unwrap().is_err());
                }
                interrupted
            })
        });
        arborio::run(async {
            group.spawn(async { 1 });
            group.spawn(pending());
            ready.open();
            while !group.is_empty() {
                yield_now().await;
            }
        });
        assert_eq!(thread.join().unwrap(), 1);
    });
}

#[test]
fn members_end_while_other_threads_pop_and_each_comes_once() {
    without_hanging(|| {
        const MEMBERS: u32 = 3000;
        let group = TaskGroup::new();
        arborio::run(async {
            let keep = group.spawn(async {
                sleep(secs(1_000_000)).await;
                0
            });
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    let group = group.clone();
                    thread::spawn(move || {
                        futures_lite::future::block_on(async move {
                            let mut mine = Vec::new();
                            while let Some(member) = group.pop_first().await {
                                match member.outcome().unwrap() {
                                    Ok(number) => mine.push(*number),
                                    Err(_) => break,
                                }
                            }
                            mine
                        })
                    })
                })
                .collect();
            for number in 0..MEMBERS {
                group.spawn(async move { number });
                if number % 16 == 0 {
                    yield_now().await;
                }
            }
            while group.len() > 1 {
                yield_now().await;
            }
            keep.cancel();
            group.wait_all().await;
            let popped = threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap());
            let mut popped: Vec<u32> = popped.collect();
            popped.sort_unstable();
            assert!(popped.into_iter().eq(0..MEMBERS));
        });
    });
}

#[test]
fn a_hundred_thousand_members_come_and_go() {
    simulated(async {
        const MANY: usize = 100_000;
        let group = TaskGroup::new();
        let start = std::time::Instant::now();
        for number in 0..MANY {
            group.spawn(async move {
                yield_now().await;
                number
            });
        }
        let mut ended = group.exhaust();
        let mut next = 0;
        while let Some(member) = ended.next().await {
            assert_eq!(member.into_outcome().unwrap().unwrap(), next);
            next += 1;
        }
        assert_eq!(next, MANY);
        for _ in 0..MANY {
            group.spawn(pending());
        }
        yield_now().await;
        assert_eq!(group.cancel_all(), MANY);
        group.wait_all().await;
        assert_eq!(group.len(), MANY);
        assert!(start.elapsed() < secs(20), "not in linear time");
    });
}

#[test]
fn ten_thousand_who_pop_are_served_in_linear_time() {
    simulated(async {
        const MANY: usize = 10_000;
        let group = TaskGroup::new();
        let start = Instant::now();
        for _ in 0..MANY {
            group.spawn(sleep(ms(1)));
        }
        let popping: Vec<_> = (0..MANY)
            .map(|_| arborio::spawn(group.pop_first()))
            .collect();
        for one in popping {
            assert!(one.await.unwrap().is_some());
        }
        assert_eq!(clock(), ms(1));
        assert_eq!(start.elapsed(), ms(1));
        assert!(group.is_empty());
    });
}
