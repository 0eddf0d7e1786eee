//! Waiters that leave: before they are granted anything, after it, and while others are woken.

use std::{
    pin::{Pin, pin},
    sync::{
        Arc, Mutex as StdMutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Wake, Waker},
};

use arborio::sync::{Barrier, Event, Mutex, Notify, RwLock, Semaphore, mpsc, oneshot};

use crate::{
    executor::{Executor, Job},
    support::{all, give_up_after, scrambled, turn},
};

under_every_executor! {
    y01_whatever_is_dropped_at_any_poll_loses_nothing,
    y02_what_was_granted_to_one_that_leaves_goes_to_the_next,
    y03_when_the_head_of_the_line_leaves_those_behind_are_looked_at_again,
    y04_a_notification_of_one_that_leaves_goes_to_the_next_or_is_kept,
    y12_waiters_leave_while_all_of_them_are_woken,
    y12_a_wake_may_drop_the_other_waiters,
    y13_both_ends_of_a_channel_go_and_each_message_is_dropped_once,
}

/// All that one can wait for here and give up.
struct World {
    lock: Mutex<()>,
    halves: RwLock<(u32, u32)>,
    permits: Semaphore,
    notify: Notify,
    barrier: Barrier,
    sender: mpsc::Sender<u32>,
    sent: AtomicUsize,
}

/// Waits for the `number`th of these things, for `polls` polls at most.
async fn wait_for(world: &World, number: u64, polls: usize) {
    match number % 7 {
        0 => drop(give_up_after(polls, world.lock.lock()).await),
        1 => drop(give_up_after(polls, world.halves.read()).await),
        2 => {
            if let Some(mut both) = give_up_after(polls, world.halves.write()).await {
                both.0 += 1;
                turn().await; // half done, and the lock is held
                both.1 += 1;
            }
        }
        3 => drop(give_up_after(polls, world.permits.acquire_many(2)).await),
        4 => {
            if give_up_after(polls, world.notify.notified())
                .await
                .is_some()
            {
                turn().await;
                world.notify.notify_one(); // there is one token
            }
        }
        5 => drop(give_up_after(polls, world.barrier.wait()).await),
        _ => match give_up_after(polls, world.sender.send(1)).await {
            Some(sent) => {
                sent.unwrap();
                world.sent.fetch_add(1, Relaxed);
            }
            None => turn().await,
        },
    }
}

async fn y01_whatever_is_dropped_at_any_poll_loses_nothing<E: Executor>() {
    for polls in 0..6 {
        let (sender, mut receiver) = mpsc::channel(2);
        let world = Arc::new(World {
            lock: Mutex::new(()),
            halves: RwLock::new((0, 0)),
            permits: Semaphore::new(3),
            notify: Notify::new(),
            barrier: Barrier::new(100), // nobody gets through
            sender,
            sent: AtomicUsize::new(0),
        });
        world.notify.notify_one();
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let receiving = E::spawn(async move {
            let mut received = 0;
            while !ends.load(Relaxed) || !receiver.is_empty() {
                received += usize::from(give_up_after(2, receiver.recv()).await.is_some());
                turn().await;
            }
            received
        });
        let jobs: Vec<_> = (0..28)
            .map(|job| {
                let world = Arc::clone(&world);
                E::spawn(async move {
                    for round in 0..20 {
                        wait_for(&world, scrambled(job * 20 + round), polls).await;
                    }
                })
            })
            .collect();
        all(jobs).await;
        over.store(true, Relaxed);
        assert_eq!(receiving.await, world.sent.load(Relaxed), "after {polls}");
        nothing_is_lost(&world, polls).await;
    }
}

async fn nothing_is_lost(world: &World, polls: usize) {
    assert!(world.lock.try_lock().is_some(), "after {polls}");
    let both = world.halves.try_write().expect("nobody has it");
    assert_eq!(both.0, both.1, "after {polls}");
    let permits = (world.permits.available_permits(), world.permits.waiting());
    assert_eq!(permits, (3, 0), "after {polls}");
    world.notify.notified().await; // the token is still there
    assert_eq!(world.sender.capacity(), 2, "after {polls}");
}

/// A future that is polled once, in a task that keeps it and does not look at it again.
struct Kept {
    let_go: oneshot::Sender<()>,
    job: Job<()>,
}

impl Kept {
    /// The future is in line when this returns.
    async fn new<E: Executor>(future: impl Future<Output: Send> + Send + 'static) -> Self {
        let (let_go, may_go) = oneshot::channel();
        let (tell, waits) = oneshot::channel();
        let job = E::spawn(async move {
            let mut future = pin!(future);
            let polled = give_up_after(1, future.as_mut()).await;
            assert!(polled.is_none(), "it waits");
            tell.send(()).unwrap();
            may_go.await.unwrap();
        });
        waits.await.unwrap();
        Self { let_go, job }
    }

    async fn leave(self) {
        self.let_go.send(()).unwrap();
        self.job.await;
    }
}

async fn y02_what_was_granted_to_one_that_leaves_goes_to_the_next<E: Executor>() {
    for _ in 0..20 {
        let permits = Arc::new(Semaphore::new(1));
        let permit = permits.acquire().await.unwrap();
        let first = Kept::new::<E>(Arc::clone(&permits).acquire_owned()).await;
        let next = Arc::clone(&permits);
        let next = E::spawn(async move { drop(next.acquire().await.unwrap()) });
        drop(permit); // it is the first one's, who does not look
        first.leave().await;
        next.await;

        let lock = Arc::new(Mutex::new(()));
        let guard = lock.lock().await;
        let first = Kept::new::<E>(Arc::clone(&lock).lock_owned()).await;
        let next = Arc::clone(&lock);
        let next = E::spawn(async move { drop(next.lock().await) });
        drop(guard);
        assert!(lock.try_lock().is_none(), "it is granted");
        first.leave().await;
        next.await;

        let (sender, mut receiver) = mpsc::channel(1);
        sender.try_send(1).unwrap();
        let first = Kept::new::<E>(sender.clone().reserve_owned()).await;
        let next = E::spawn(async move { sender.send(2).await.unwrap() });
        assert_eq!(receiver.recv().await, Some(1));
        first.leave().await;
        next.await;
        assert_eq!(receiver.recv().await, Some(2));
    }
}

async fn y03_when_the_head_of_the_line_leaves_those_behind_are_looked_at_again<E: Executor>() {
    for _ in 0..20 {
        let permits = Arc::new(Semaphore::new(2));
        let held = permits.acquire().await.unwrap();
        let head = Kept::new::<E>(Arc::clone(&permits).acquire_many_owned(2)).await;
        let behind = Arc::clone(&permits);
        let behind = E::spawn(async move { drop(behind.acquire().await.unwrap()) });
        while permits.waiting() < 2 {
            turn().await;
        }
        head.leave().await;
        behind.await; // one was free all the time
        drop(held);

        let lock = Arc::new(RwLock::new(()));
        let held = lock.read().await;
        let head = Kept::new::<E>(Arc::clone(&lock).write_owned()).await;
        let behind = Kept::new::<E>(Arc::clone(&lock).read_owned()).await;
        assert!(lock.try_read().is_none(), "the writer is first");
        head.leave().await;
        assert!(lock.try_read().is_some(), "all are readers now");
        behind.leave().await;
        drop(held);
    }
}

async fn y04_a_notification_of_one_that_leaves_goes_to_the_next_or_is_kept<E: Executor>() {
    for _ in 0..20 {
        let notify = Arc::new(Notify::new());
        let first = Kept::new::<E>(Arc::clone(&notify).notified_owned()).await;
        let next = Kept::new::<E>(Arc::clone(&notify).notified_owned()).await;
        let theirs = Arc::clone(&notify);
        let last = E::spawn(async move { theirs.notified().await });
        notify.notify_one();
        first.leave().await;
        next.leave().await; // it has been handed the first one's
        last.await;
        let alone = Kept::new::<E>(Arc::clone(&notify).notified_owned()).await;
        notify.notify_one();
        alone.leave().await;
        notify.notified().await;
    }
}

async fn y12_waiters_leave_while_all_of_them_are_woken<E: Executor>() {
    let (notify, event) = (Arc::new(Notify::new()), Arc::new(Event::new()));
    let left = Arc::new(AtomicUsize::new(24));
    let jobs: Vec<_> = (0..24)
        .map(|job| {
            let (notify, event) = (Arc::clone(&notify), Arc::clone(&event));
            let left = Arc::clone(&left);
            E::spawn(async move {
                for round in 0..50 {
                    let polls = (scrambled(job * 50 + round) % 4) as usize;
                    give_up_after(polls, notify.notified()).await;
                    give_up_after(polls, event.wait()).await;
                }
                notify.notified().await; // this one is not given up
                event.wait().await;
                left.fetch_sub(1, Relaxed);
            })
        })
        .collect();
    while left.load(Relaxed) > 0 {
        notify.notify_waiters();
        event.set();
        event.clear();
        turn().await;
    }
    all(jobs).await;
}

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A waker of somebody else's, who drops all waits when the first of them is over.
#[derive(Default)]
struct DropsAll(StdMutex<Vec<Wait>>);

impl Wake for DropsAll {
    fn wake(self: Arc<Self>) {
        let waits = std::mem::take(&mut *self.0.lock().unwrap());
        drop(waits);
    }
}

async fn y12_a_wake_may_drop_the_other_waiters<E: Executor>() {
    for _ in 0..20 {
        let event = Arc::new(Event::new());
        let hostile = Arc::new(DropsAll::default());
        let waker = Waker::from(Arc::clone(&hostile));
        let mut jobs = Vec::new();
        for _ in 0..3 {
            let theirs = Arc::clone(&event);
            let mut wait: Wait = Box::pin(async move { theirs.wait().await });
            let polled = wait.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
            hostile.0.lock().unwrap().push(wait);
            let (theirs, (tell, waits)) = (Arc::clone(&event), oneshot::channel());
            jobs.push(E::spawn(async move {
                let mut wait = pin!(theirs.wait());
                assert!(give_up_after(1, wait.as_mut()).await.is_none());
                tell.send(()).unwrap();
                wait.await;
            }));
            waits.await.unwrap();
        }
        E::spawn(async move { event.set() }).await;
        all(jobs).await;
        assert!(hostile.0.lock().unwrap().is_empty(), "it was woken");
    }
}

/// Counts its drops.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

async fn y13_both_ends_of_a_channel_go_and_each_message_is_dropped_once<E: Executor>() {
    for round in 0..100 {
        let dropped = Arc::new(AtomicUsize::new(0));
        let (sender, mut receiver) = mpsc::channel(1);
        let mut jobs: Vec<_> = (0..3)
            .map(|_| {
                let (sender, dropped) = (sender.clone(), Arc::clone(&dropped));
                E::spawn(async move {
                    for _ in 0..4 {
                        // Comes back, and is dropped here, if nobody receives any more.
                        drop(sender.send(Counted(Arc::clone(&dropped))).await);
                    }
                })
            })
            .collect();
        drop(sender);
        jobs.push(E::spawn(async move {
            for _ in 0..round % 12 {
                drop(receiver.recv().await);
            }
        }));
        all(jobs).await;
        assert_eq!(dropped.load(Relaxed), 12, "in round {round}");
    }
}
