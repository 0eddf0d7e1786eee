//! Where a loop is called, and on whose behalf a thread of a pool works.

use std::{
    cell::Cell,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

use arborio_executor::{
    Doorbell, Notify, Ring, SkipPollCycle,
    blocking::{BlockingPool, Hold, set_job_hold},
    doc::run,
    skip_poll_cycle, try_spawn,
};

use crate::world::World;

/// Counts how often it was rung.
struct Counted(Arc<AtomicUsize>);

impl Ring for Counted {
    fn ring(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_loop_that_has_moved_is_called_at_its_new_place() {
    let bell = Arc::new(Doorbell::new());
    let places = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let [rung, second] = &places;
    bell.call();
    assert_eq!(rung.load(Ordering::Relaxed), 0);
    for place in &places {
        bell.move_to(Counted(Arc::clone(place)));
    }
    assert!(bell.take_call() && !bell.take_call());
    let waker = Waker::from(Arc::clone(&bell));
    let calls: [(&str, &dyn Fn()); 4] = [
        ("call", &|| bell.call()),
        ("notify", &|| bell.notify()),
        ("wake_by_ref", &|| waker.wake_by_ref()),
        ("wake", &|| Arc::clone(&bell).wake()),
    ];
    for (number, (name, call)) in calls.into_iter().enumerate() {
        call();
        assert!(bell.take_call(), "{name}");
        assert_eq!(rung.load(Ordering::Relaxed), number + 1, "{name}");
    }
    assert_eq!(second.load(Ordering::Relaxed), 0, "it moves once");
}

fn poll_once(future: &mut SkipPollCycle) -> Poll<()> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn s25_a_wish_to_skip_a_poll_cycle_stands_until_the_pass_however_often_it_is_polled() {
    let world = World::default();
    world.run(async {
        let mut skip = skip_poll_cycle();
        for _ in 0..3 {
            assert!(poll_once(&mut skip).is_pending());
        }
        skip.await;
        assert_eq!(world.count(), 1);
    });
}

/// This thread has made more passes than the other one ever makes.
#[test]
fn s25_who_has_moved_waits_for_a_pass_of_the_loop_where_it_is() {
    let mut skip = skip_poll_cycle();
    World::default().run(async {
        for _ in 0..3 {
            skip_poll_cycle().await;
        }
        assert!(poll_once(&mut skip).is_pending());
    });
    let there = thread::spawn(move || {
        let world = World::default();
        world.run(async {
            assert!(poll_once(&mut skip).is_pending(), "no pass was made here");
            skip.await;
            assert_eq!(world.count(), 1);
        });
    });
    there.join().unwrap();
}

/// Only a future that was taken to the thread works for the loop that awaits it.
#[test]
fn s02_a_thread_of_a_pool_forgets_for_whom_it_has_worked() {
    let pool = BlockingPool::builder().max_threads(1).build();
    World::default().run(async {
        let home = thread::current().id();
        let spawns = || try_spawn(async { thread::current().id() }).ok();
        let entered = pool.enter(async move { spawns() }).await.unwrap();
        assert_eq!(entered.expect("it has a loop").await.unwrap(), home);
        let job = pool.spawn(spawns).await.unwrap();
        if let Some(elsewhere) = job {
            assert_ne!(elsewhere.await.unwrap(), home);
        }
    });
    assert_eq!(pool.threads(), 1, "it was the same one");
}

thread_local! {
    /// Whether jobs that this thread spawns keep something.
    static HOLDS: Cell<bool> = const { Cell::new(false) };
}
static HELD: AtomicUsize = AtomicUsize::new(0);

struct Held;

impl Drop for Held {
    fn drop(&mut self) {
        HELD.fetch_sub(1, Ordering::SeqCst);
    }
}

fn hold() -> Option<Hold> {
    HOLDS.get().then(|| {
        HELD.fetch_add(1, Ordering::SeqCst);
        Box::new(Held) as Hold
    })
}

#[test]
fn a_job_keeps_what_the_first_hook_gives_it_until_it_has_ended() {
    assert!(set_job_hold(hold));
    assert!(!set_job_hold(|| unreachable!("the first one stays")));
    HOLDS.set(true);
    let pool = BlockingPool::builder().max_threads(1).build();
    let held = run(pool.spawn(|| HELD.load(Ordering::SeqCst)));
    assert_eq!(held.unwrap(), 1);
    HOLDS.set(false);
    run(pool.spawn(|| ())).unwrap(); // the first one is behind it
    assert_eq!(HELD.load(Ordering::SeqCst), 0);
}
