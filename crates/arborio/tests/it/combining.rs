//! `join`, `race` and `limit`: many futures in one task.

use std::{
    cell::{Cell, RefCell},
    future::{pending, ready},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use arborio::{
    cancel::{catch_cancel, finally, move_on_after, shield},
    join, limit, race, spawn_local,
    time::{clock, sleep},
    yield_now,
};

use crate::{
    scopes::simulated,
    support::{Log, ms, panic_message, secs},
};

async fn after<T>(seconds: u64, value: T) -> T {
    sleep(secs(seconds)).await;
    value
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Never ready; counts its polls, and gives its waker away.
struct Counted<'a>(&'a Cell<usize>, &'a RefCell<Option<Waker>>);

impl Future for Counted<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.set(self.0.get() + 1);
        *self.1.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[test]
fn joined_futures_overlap_borrow_and_give_their_outputs_in_order() {
    simulated(async {
        let word = String::from("word");
        let all = join((after(2, word.len()), after(1, &word), async { 'x' })).await;
        assert_eq!(all, (4, &word, 'x'));
        assert_eq!(clock(), secs(2));
        assert_eq!(join([2, 1].map(|n| after(n, n))).await, [2, 1]);
        assert_eq!(join(vec![after(3, "a"), after(0, "b")]).await, ["a", "b"]);
        assert_eq!(clock(), secs(7));
        assert_eq!(join(Vec::<Boxed<()>>::new()).await, []);
        assert_eq!(join([(); 0].map(ready)).await, []);
    });
}

#[test]
fn of_many_joined_futures_only_those_are_polled_that_were_woken() {
    simulated(async {
        const MANY: usize = 1000;
        let counts = vec![Cell::new(0); MANY];
        let wakers = vec![RefCell::new(None); MANY];
        let futures = counts
            .iter()
            .zip(&wakers)
            .map(|(count, waker)| Counted(count, waker));
        let mut joined = Box::pin(join(futures.collect::<Vec<_>>()));
        assert!(move_on_after(ms(1), &mut joined).await.is_none());
        for _ in 0..3 {
            wakers[500].borrow().as_ref().unwrap().wake_by_ref();
        }
        assert!(move_on_after(ms(1), &mut joined).await.is_none());
        for (number, count) in counts.iter().enumerate() {
            assert_eq!(count.get(), if number == 500 { 2 } else { 1 });
        }
        drop(joined);
        wakers[1].borrow().as_ref().unwrap().wake_by_ref();
    });
}

#[test]
fn a_joined_future_that_always_wakes_itself_holds_nobody_up() {
    simulated(async {
        let spins = Cell::new(0);
        let spinning: Boxed<()> = Box::pin(async {
            while clock() < secs(1) && spins.get() < 100_000 {
                spins.set(spins.get() + 1);
                yield_now().await;
            }
        });
        let other = spawn_local(yield_now());
        join(vec![spinning, Box::pin(async { other.await.unwrap() })]).await;
        assert!(spins.get() > 0);
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a_panic_of_one_drops_the_others() {
    let log = Log::new();
    let noted = log.clone();
    let message = panic_message(|| {
        simulated(async move {
            struct Note(Log<&'static str>);
            impl Drop for Note {
                fn drop(&mut self) {
                    self.0.add("dropped");
                }
            }
            let note = Note(noted);
            let waits = async move {
                pending::<()>().await;
                drop(note);
            };
            join((waits, async { panic!("no luck") })).await;
        });
    });
    assert_eq!(message, "no luck");
    assert_eq!(log.take(), ["dropped"]);
}

#[test]
fn the_first_wins_and_the_losers_clean_up_before_it_is_told() {
    simulated(async {
        let log = Log::new();
        let loser = finally(after(5, "loser"), async || {
            sleep(ms(500)).await;
            log.add("cleaned up");
        });
        assert_eq!(race((loser, after(1, "winner"))).await, "winner");
        assert_eq!((clock(), log.take()), (ms(1500), vec!["cleaned up"]));

        let racers = [3, 1, 2].map(|seconds| {
            let cleanup = async move || sleep(ms(100)).await;
            finally(after(seconds, seconds), cleanup)
        });
        assert_eq!(race(racers).await, 1);
        // The winner has cleaned up, too, before it gave its output; the losers overlap.
        assert_eq!(clock(), ms(1500 + 1000 + 100 + 100));
    });
}

#[test]
fn a_loser_cannot_refuse_and_has_its_grace() {
    simulated(async {
        let refused = Cell::new(0);
        let refuses = async {
            for _ in 0..3 {
                catch_cancel(pending::<()>()).await.unwrap_err().swallow();
                refused.set(refused.get() + 1);
            }
            pending().await
        };
        let stubborn = || finally(pending(), pending::<()>);
        race((refuses, after(0, ()))).await;
        assert_eq!((clock(), refused.get()), (secs(0), 3), "asked each time");
        race((stubborn(), after(1, ()))).grace(ms(300)).await;
        assert_eq!(clock(), ms(1300));
        let racers: Vec<Boxed<()>> = vec![Box::pin(stubborn()), Box::pin(after(1, ()))];
        race(racers).await;
        assert_eq!(clock(), ms(3300));
        race([stubborn(), stubborn()].map(|one| async { race((one, sleep(secs(1)))).await }))
            .grace(ms(100))
            .await;
    });
}

#[test]
fn a_loser_that_refuses_again_and_again_has_one_grace() {
    simulated(async {
        let refuses = async {
            loop {
                let request = catch_cancel(pending::<()>()).await.unwrap_err();
                sleep(ms(400)).await;
                if clock() > secs(10) {
                    return;
                }
                request.swallow();
            }
        };
        race((refuses, after(0, ()))).await;
        assert_eq!(clock(), secs(1));
    });
}

#[test]
fn the_first_that_is_ready_wins_and_later_ones_are_not_polled() {
    simulated(async {
        let polled = Cell::new(false);
        let late = async {
            polled.set(true);
            2
        };
        assert_eq!(race((ready(1), late)).await, 1);
        assert!(!polled.get());
        assert_eq!(race(vec![after(1, 'a'), after(1, 'b')]).await, 'a');
        let value = race((async { shield(after(1, 3)).await }, after(1, 4))).await;
        assert_eq!(value, 3);
    });
}

#[test]
fn a_race_that_is_cancelled_asks_all_who_take_part() {
    simulated(async {
        let log = Log::new();
        let racer = |name| {
            finally(pending::<()>(), {
                let log = log.clone();
                async move || log.add(name)
            })
        };
        let racing = race((racer("one"), racer("two")));
        assert!(move_on_after(secs(1), racing).await.is_none());
        assert_eq!(log.take(), ["one", "two"]);
        let racing = race(vec![racer("three"), racer("four")]);
        assert!(move_on_after(secs(1), racing).await.is_none());
        let mut asked = log.take();
        asked.sort_unstable(); // in which order is not promised
        assert_eq!(asked, ["four", "three"]);
    });
}

#[test]
fn a_scope_that_loses_ends_with_its_tasks() {
    simulated(async {
        let log = Log::new();
        let noted = log.clone();
        let work = arborio::local_scope(async move |s: &arborio::LocalScope<()>| {
            s.spawn(finally(pending::<()>(), async move || noted.add("asked")));
            pending::<Result<&str, ()>>().await
        });
        let winner = async {
            sleep(secs(1)).await;
            Ok("winner")
        };
        assert_eq!(race((work, winner)).await, Ok("winner"));
        assert_eq!(log.take(), ["asked"]);
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a_race_without_futures_is_refused() {
    let message = panic_message(|| drop(race(Vec::<Boxed<()>>::new())));
    assert_eq!(message, "a race needs at least one future");
    let message = panic_message(|| limit(0));
    assert_eq!(message, "with a limit of zero nothing would ever run");
}

/// How many run at once, and how many were begun.
#[derive(Default)]
struct Load {
    now: Cell<usize>,
    most: Cell<usize>,
    begun: Cell<usize>,
}

async fn job(load: &Load, number: u64, naps: u64) -> u64 {
    load.begun.set(load.begun.get() + 1);
    load.now.set(load.now.get() + 1);
    load.most.set(load.most.get().max(load.now.get()));
    sleep(ms(naps)).await;
    load.now.set(load.now.get() - 1);
    number
}

#[test]
fn no_more_futures_run_than_the_limit_says_and_all_end() {
    simulated(async {
        let load = Load::default();
        let jobs = (0..100).map(|number| job(&load, number, 100 - number));
        let mut ended = limit(7).run(jobs).collect().await;
        assert_eq!(load.most.get(), 7);
        assert!(!ended.is_sorted(), "in the order of their ends");
        ended.sort_unstable();
        assert!(ended.into_iter().eq(0..100));
        let load = Load::default();
        let jobs = (0..100).map(|number| job(&load, number, 100 - number));
        let ended = limit(7).run_ordered(jobs).collect().await;
        assert!(ended.into_iter().eq(0..100));
        assert_eq!(load.most.get(), 7);
    });
}

#[test]
fn the_next_future_is_taken_when_there_is_room_and_not_before() {
    simulated(async {
        let taken = Cell::new(0);
        let jobs = (0..10).map(|number| {
            taken.set(taken.get() + 1);
            after(if number == 0 { 5 } else { 1 }, number)
        });
        let mut ordered = limit(3).run_ordered(jobs);
        assert_eq!(taken.get(), 0);
        assert!(move_on_after(secs(2), ordered.next()).await.is_none());
        assert_eq!(
            taken.get(),
            3,
            "outputs that wait for the first one take room"
        );
        assert_eq!(ordered.next().await, Some(0));
        assert_eq!((clock(), taken.get()), (secs(5), 3));
        assert!(ordered.collect().await.into_iter().eq(1..10));

        let mut any = limit(2).run((0..4).map(|number| after(number + 1, number)));
        assert_eq!(any.next().await, Some(0));
        assert_eq!(any.next().await, Some(1));
        drop(any);
    });
}

#[test]
fn the_iterator_may_spawn_tasks_as_there_is_room() {
    simulated(async {
        let jobs = (0..4).map(|number| spawn_local(after(1, number)));
        let mut ended = limit(2).run(jobs);
        let mut outputs = Vec::new();
        while let Some(output) = ended.next().await {
            outputs.push((output.unwrap(), clock().as_secs()));
        }
        assert_eq!(outputs, [(0, 1), (1, 1), (2, 2), (3, 2)]);
    });
}

#[test]
fn futures_that_are_ready_at_once_let_others_run_and_use_the_same_memory() {
    simulated(async {
        let others = Rc::new(Cell::new(0));
        let counted = Rc::clone(&others);
        let mut stream = limit(4).run((0..100_000).map(|number| async move { number }));
        drop(spawn_local(async move {
            loop {
                counted.set(counted.get() + 1);
                yield_now().await;
                if counted.get() > 10_000 {
                    break;
                }
            }
        }));
        let mut sum = 0_u64;
        while let Some(number) = stream.next().await {
            sum += number;
        }
        assert_eq!(sum, 4_999_950_000);
        assert!(others.get() > 100, "the budget of a poll is kept");
    });
}

#[test]
fn handlers_in_limited_futures_are_asked() {
    simulated(async {
        let log = Log::new();
        let jobs = (0..3).map(|number| {
            let log = log.clone();
            finally(pending::<()>(), async move || log.add(number))
        });
        let work = limit(2).run(jobs).collect();
        assert!(move_on_after(secs(1), work).await.is_none());
        let mut asked = log.take();
        asked.sort_unstable();
        assert_eq!(asked, [0, 1], "the third has not begun");
    });
}

#[test]
fn a_late_wake_of_a_future_that_has_ended_holds_no_task() {
    struct Probe;
    impl Wake for Probe {
        fn wake(self: Arc<Self>) {}
    }
    let kept = RefCell::new(None);
    let probe = Arc::new(Probe);
    let waker = Waker::from(Arc::clone(&probe));
    let count = Cell::new(0);
    {
        let mut joined = Box::pin(join([Counted(&count, &kept)]));
        let polled = joined.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    drop(waker);
    assert_eq!(Arc::strong_count(&probe), 1);
    kept.borrow().as_ref().unwrap().wake_by_ref();
}
