//! What must not allocate. The counting allocator counts for each thread
//! separately, so tests that run beside each other do not disturb it.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    future::{pending, ready},
    sync::{Arc, mpsc},
    thread,
};

use arborio_executor::{spawn_local, yield_now};
use arborio_scope::{
    Concurrent, Scope, Ticker, catch_cancel, finally, move_on_after, repeat_timeout, shield,
    timeout,
};

use arborio_task::{Branch, Interrupt, SpawnOptions};
use arborio_timers::sleep;

use crate::support::{ms, run};

thread_local! {
    /// Allocations of this thread. No destructor, so it can be used at any time.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    /// Bytes that this thread has allocated, less those that it has freed.
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

/// Some bytes more, or less, are alive.
fn live(change: usize, grows: bool) {
    let change = change.cast_signed();
    LIVE.set(LIVE.get() + if grows { change } else { -change });
}

/// The system's allocator, with a count of its calls.
struct Counting;

// SAFETY: every call is passed on unchanged to the system's allocator, which
// keeps the contract; counting touches a thread-local without destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        live(layout.size(), true);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        live(layout.size(), false);
        // SAFETY: the pointer came from `alloc` above, so from the system.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        live(layout.size(), false);
        live(size, true);
        // SAFETY: the pointer came from `alloc` above, so from the system.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `code` allocates on this thread.
async fn allocations_in(code: impl AsyncFnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    code().await;
    ALLOCATIONS.get() - before
}

#[test]
fn the_count_of_allocations_counts() {
    run(async {
        assert_eq!(allocations_in(async || drop(Box::new(1))).await, 1);
    });
}

#[test]
fn frames_around_what_is_ready_at_once_allocate_nothing() {
    run(async {
        let count = allocations_in(async || {
            for _ in 0..100 {
                timeout(ms(5), ready(())).await.unwrap();
                assert!(catch_cancel(ready(())).await.is_ok());
                shield(ready(())).await;
                finally(ready(()), || ready(())).await;
            }
        });
        assert_eq!(count.await, 0);
    });
}

#[test]
fn a_deadline_around_what_has_no_handlers_allocates_nothing() {
    run(async {
        let limited = async || timeout(ms(5), yield_now()).await.unwrap();
        limited().await; // the wheel has its slab now
        let count = allocations_in(async || {
            for _ in 0..100 {
                limited().await;
            }
        });
        assert_eq!(count.await, 0);
    });
}

#[test]
fn handlers_of_one_task_share_a_table_and_tasks_inherit_it() {
    run(async {
        let handlers = async || {
            let inside = finally(yield_now(), yield_now);
            move_on_after(ms(5), inside).await.unwrap();
        };
        handlers().await;
        let count = allocations_in(async || {
            for _ in 0..100 {
                handlers().await;
            }
        });
        assert_eq!(count.await, 0, "in the same task");
        spawn_local(handlers()).await.unwrap();
        let count = allocations_in(async || {
            for _ in 0..100 {
                spawn_local(handlers()).await.unwrap();
            }
        });
        let count = count.await;
        if cfg!(not(arborio_no_cell_cache)) {
            assert_eq!(count, 0, "in tasks after each other");
        }
    });
}

#[test]
fn s28_a_million_rounds_have_one_timer() {
    run(async {
        let rounds = async |count: u32| {
            let rounds = repeat_timeout(ms(5), async |t: &Ticker| {
                for round in 0..count {
                    t.tick();
                    if round % 1_000 == 0 {
                        sleep(ms(3)).await; // the timer rings in a later round
                    }
                }
            });
            assert!(rounds.await.is_ok());
        };
        rounds(3_000).await; // the wheel has its slab now
        let count = allocations_in(async || rounds(1_000_000).await).await;
        assert!(count <= 2, "{count} allocations");
    });
}

/// Sends how many bytes are alive when it is dropped.
struct Witness(Cell<Option<mpsc::Sender<isize>>>);

impl Drop for Witness {
    fn drop(&mut self) {
        if let Some(tell) = self.0.take() {
            let _ = tell.send(LIVE.get());
        }
    }
}

#[test]
fn what_a_thread_keeps_for_branches_is_freed_when_it_ends() {
    thread_local! {
        /// What a thread has used first is dropped last.
        static WITNESS: Witness = const { Witness(Cell::new(None)) };
    }
    let live_after = |branches: usize| {
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            WITNESS.with(|witness| witness.0.set(Some(tell)));
            let concurrent = Concurrent::new();
            for _ in 0..branches {
                drop(concurrent.spawn(ready(())));
            }
            futures_lite::future::block_on(concurrent.run(ready(())));
        });
        thread.join().unwrap();
        told.recv().unwrap()
    };
    assert_eq!(live_after(1), live_after(100));
}

/// Bytes for each of many pending tasks with this future, which `make` makes.
fn bytes_per_task<F: Future + 'static>(make: impl Fn() -> F + Send + 'static) -> f64
where
    F::Output: 'static,
{
    const TASKS: u32 = 10_000;
    // On a thread of its own: no memory of other tasks is there to be used again.
    let measured = thread::spawn(move || {
        run(async {
            let mut tasks = Vec::with_capacity(TASKS as usize);
            let before = LIVE.get();
            tasks.extend((0..TASKS).map(|_| spawn_local(make())));
            yield_now().await;
            let grown = LIVE.get() - before;
            assert!(tasks.iter().all(|task| !task.is_finished()));
            tasks.iter().for_each(|task| task.abort());
            i32::try_from(grown).unwrap()
        })
    });
    f64::from(measured.join().unwrap()) / f64::from(TASKS)
}

#[test]
fn a_task_with_a_handler_armed_costs_at_most_64_bytes_more() {
    let without = bytes_per_task(|| async { pending::<()>().await });
    let caught = bytes_per_task(|| async { catch_cancel(pending::<()>()).await.is_ok() });
    let shielded = bytes_per_task(|| async { shield(pending::<()>()).await });
    let deep = bytes_per_task(|| async {
        let inside = finally(pending::<()>(), async || {});
        move_on_after(ms(50_000), inside).await
    });
    eprintln!("{without} bytes, {caught} with catch_cancel, {shielded} with shield");
    eprintln!("{deep} with finally inside of a deadline");
    assert!(caught - without <= 64.0, "{} bytes", caught - without);
    assert!(shielded - without <= 64.0, "{} bytes", shielded - without);
}

#[test]
fn a_request_of_a_whole_branch_allocates_nothing_for_its_tasks() {
    let asked = async |count: usize| {
        let branch = Branch::enter(Arc::new(())).expect("a loop runs");
        for number in 0..count {
            let future = async move {
                match number % 2 {
                    0 => pending().await,
                    _ => drop(catch_cancel(pending::<()>()).await),
                }
            };
            drop(branch.try_spawn(future, SpawnOptions::new()).ok());
        }
        yield_now().await;
        allocations_in(async || branch.cancel_all(Interrupt::TimedOut)).await
            + allocations_in(yield_now).await
    };
    run(async move {
        asked(1000).await; // the thread keeps some tables, and has room for them now
        assert_eq!(asked(1000).await, 0);
    });
}

/// Spawns a branch that is ready at once, and lets everybody have a turn, so often.
async fn branches_in_turn(rounds: usize) {
    let c = Concurrent::local();
    let body = async {
        for _ in 0..rounds {
            c.spawn(ready(())).await.unwrap();
            futures_lite::future::yield_now().await;
        }
    };
    c.run(body).await;
}

/// The same with a branch that only wakes itself.
async fn branch_that_wakes_itself(rounds: usize) {
    let c = Concurrent::local();
    c.spawn(async move {
        for _ in 0..rounds {
            futures_lite::future::yield_now().await;
        }
    });
    c.run(ready(())).await;
}

#[test]
fn branches_that_come_and_go_or_wake_themselves_allocate_nothing_more() {
    run(async {
        branch_that_wakes_itself(3).await; // the thread keeps blocks for cells
        branches_in_turn(3).await;
        let mut counts = Vec::new();
        for rounds in [3, 300] {
            let count = allocations_in(async || branch_that_wakes_itself(rounds).await);
            counts.push(count.await);
            if cfg!(not(arborio_no_cell_cache)) {
                counts.push(allocations_in(async || branches_in_turn(rounds).await).await);
            }
        }
        let (few, many) = counts.split_at(counts.len() / 2);
        assert_eq!(few, many);
    });
}

#[test]
fn forks_that_have_ended_are_forgotten() {
    run(async {
        let ended = arborio_scope::scope(async |s: &Scope<()>| {
            let live_after = async |forks: usize| {
                for _ in 0..forks {
                    s.fork::<()>().run(async |_| Ok(())).await?;
                }
                Ok::<_, ()>(LIVE.get())
            };
            let few = live_after(100).await?;
            let many = live_after(10_000).await?;
            assert!(many < few + 10_000, "{} bytes more", many - few);
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
    });
}
