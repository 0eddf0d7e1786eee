//! Locks, semaphores, events and channels on a simulated clock: who goes on
//! when, to the second.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{Arc, mpsc},
    thread,
};

use arborio::{
    spawn, spawn_local,
    sync::{Event, Mutex, Promise, PromiseError, local},
    time::{Clock, clock, sleep, timeout},
    yield_now,
};

use crate::support::{Log, secs, simulated, without_hanging};

/// What is said, and at which second.
type Said = Log<(u64, &'static str)>;

fn say(log: &Said, word: &'static str) {
    log.add((clock().as_secs(), word));
}

#[test]
fn s31_a_mutex_is_held_across_sleeps_and_handed_over_in_order() {
    let log = Said::new();
    simulated().run(async {
        let lock = Rc::new(local::Mutex::new(()));
        for (word, seconds) in [("hello", 1), ("world", 1), ("hello world", 2)] {
            let (lock, log) = (Rc::clone(&lock), log.clone());
            drop(spawn_local(async move {
                let _guard = lock.lock().await;
                sleep(secs(seconds)).await;
                say(&log, word);
            }));
        }
    });
    assert_eq!(log.take(), [(1, "hello"), (2, "world"), (4, "hello world")]);
}

/// Releasing and locking again does not overtake.
#[test]
fn s31_two_tasks_that_lock_again_and_again_take_turns() {
    let log = Said::new();
    simulated().run(async {
        let lock = Rc::new(local::Mutex::new(()));
        for word in ["one", "two"] {
            let (lock, log) = (Rc::clone(&lock), log.clone());
            drop(spawn_local(async move {
                for _ in 0..3 {
                    let _guard = lock.lock().await;
                    say(&log, word);
                    yield_now().await;
                }
            }));
        }
    });
    let words: Vec<_> = log.take().into_iter().map(|(_, word)| word).collect();
    assert_eq!(words, ["one", "two", "one", "two", "one", "two"]);
}

#[test]
fn s31_an_uncontended_lock_does_not_suspend() {
    simulated().run(async {
        let lock = Mutex::new(());
        let ran = Rc::new(Cell::new(false));
        let bystander = Rc::clone(&ran);
        drop(spawn_local(async move { bystander.set(true) }));
        drop(lock.lock().await);
        assert!(!ran.get(), "nobody else was polled");
    });
}

#[test]
fn s31_a_lock_that_times_out_leaves_the_line_in_order() {
    let log = Said::new();
    simulated().run(async {
        let lock = Rc::new(local::Mutex::new(()));
        let holder = lock.lock().await;
        for (word, limit) in [("first", 9), ("second", 2), ("third", 9)] {
            let (lock, log) = (Rc::clone(&lock), log.clone());
            drop(spawn_local(async move {
                match timeout(secs(limit), lock.lock()).await {
                    Ok(_guard) => {
                        sleep(secs(1)).await;
                        say(&log, word);
                    }
                    Err(_) => say(&log, "too late"),
                }
            }));
        }
        sleep(secs(3)).await;
        drop(holder);
    });
    let expected = [(2, "too late"), (4, "first"), (5, "third")];
    assert_eq!(log.take(), expected);
}

/// The lock is handed to a task that is aborted before it runs again.
#[test]
fn s31_a_lock_that_was_granted_to_a_task_that_is_aborted_goes_to_the_next() {
    let log = Said::new();
    simulated().run(async {
        let lock = Rc::new(local::Mutex::new(()));
        let holder = lock.lock().await;
        let waiter = |word: &'static str| {
            let (lock, log) = (Rc::clone(&lock), log.clone());
            spawn_local(async move {
                let _guard = lock.lock().await;
                say(&log, word);
            })
        };
        let (granted, next) = (waiter("granted"), waiter("next"));
        sleep(secs(1)).await;
        drop(holder); // to `granted`, which is woken,
        granted.abort(); // and ended in the same cycle
        next.await.unwrap();
        assert!(!lock.is_locked());
    });
    assert_eq!(log.take(), [(1, "next")]);
}

#[test]
fn s31_a_holder_that_is_aborted_releases_the_lock() {
    let log = Said::new();
    simulated().run(async {
        let lock = Rc::new(local::Mutex::new(()));
        let theirs = Rc::clone(&lock);
        let holder = spawn_local(async move {
            let _guard = theirs.lock().await;
            sleep(secs(100)).await;
        });
        sleep(secs(1)).await;
        holder.abort();
        drop(lock.lock().await);
        say(&log, "mine");
    });
    assert_eq!(log.take(), [(1, "mine")]);
}

#[test]
fn s32_a_semaphore_of_two_lets_the_third_wait_for_a_permit() {
    let log = Said::new();
    simulated().run(async {
        let semaphore = Rc::new(local::Semaphore::new(2));
        for (word, seconds) in [("hello", 1), ("world", 1), ("hello world", 2)] {
            let (semaphore, log) = (Rc::clone(&semaphore), log.clone());
            drop(spawn_local(async move {
                let _permit = semaphore.acquire().await.unwrap();
                sleep(secs(seconds)).await;
                say(&log, word);
            }));
        }
    });
    assert_eq!(log.take(), [(1, "hello"), (1, "world"), (3, "hello world")]);
}

/// The permit is given to a task that is aborted before it runs again.
#[test]
fn s32_a_permit_that_was_granted_to_a_task_that_is_aborted_goes_to_the_next() {
    let log = Said::new();
    simulated().run(async {
        let semaphore = Rc::new(local::Semaphore::new(1));
        let held = semaphore.acquire().await.unwrap();
        let waiter = |word: &'static str| {
            let (semaphore, log) = (Rc::clone(&semaphore), log.clone());
            spawn_local(async move {
                let _permit = semaphore.acquire().await.unwrap();
                say(&log, word);
            })
        };
        let (granted, next) = (waiter("granted"), waiter("next"));
        sleep(secs(1)).await;
        drop(held);
        granted.abort();
        next.await.unwrap();
        assert_eq!(semaphore.available_permits(), 1);
    });
    assert_eq!(log.take(), [(1, "next")]);
}

/// Permit k of those who wait goes to waiter k, whoever releases.
#[test]
fn s32_each_release_lets_the_next_one_through() {
    let log = Said::new();
    simulated().run(async {
        let semaphore = Rc::new(local::Semaphore::empty());
        for word in ["first", "second", "third"] {
            let (semaphore, log) = (Rc::clone(&semaphore), log.clone());
            drop(spawn_local(async move {
                semaphore.acquire().await.unwrap().forget();
                say(&log, word);
            }));
        }
        for _ in 0..3 {
            sleep(secs(1)).await;
            semaphore.add_permits(1).unwrap();
        }
        assert_eq!(semaphore.waiting(), 0);
    });
    assert_eq!(log.take(), [(1, "first"), (2, "second"), (3, "third")]);
}

#[test]
fn s33_an_event_lets_two_waiters_through_in_their_order() {
    let log = Said::new();
    simulated().run(async {
        let event = Rc::new(local::Event::new());
        for word in ["hello", "world"] {
            let (event, log) = (Rc::clone(&event), log.clone());
            drop(spawn_local(async move {
                event.wait().await;
                say(&log, word);
            }));
        }
        sleep(secs(2)).await;
        event.set();
        event.wait().await; // does not suspend
        say(&log, "set");
    });
    assert_eq!(log.take(), [(2, "set"), (2, "hello"), (2, "world")]);
}

#[test]
fn s33_an_event_that_is_cleared_before_the_waiters_run_still_lets_them_through() {
    let log = Said::new();
    simulated().run(async {
        let event = Rc::new(local::Event::new());
        let (theirs, log) = (Rc::clone(&event), log.clone());
        let waiter = spawn_local(async move {
            theirs.wait().await;
            say(&log, "through");
        });
        sleep(secs(1)).await;
        event.set();
        event.clear();
        waiter.await.unwrap();
        assert!(!event.is_set());
    });
    assert_eq!(log.take(), [(1, "through")]);
}

#[test]
fn s33_a_waiter_that_gives_up_does_not_matter_to_the_others() {
    let log = Said::new();
    simulated().run(async {
        let event = Rc::new(local::Event::new());
        for (word, limit) in [("patient", 9), ("hasty", 1), ("patient too", 9)] {
            let (event, log) = (Rc::clone(&event), log.clone());
            drop(spawn_local(async move {
                let waited = timeout(secs(limit), event.wait()).await;
                say(&log, if waited.is_ok() { word } else { "too late" });
            }));
        }
        sleep(secs(2)).await;
        event.set();
    });
    let expected = [(1, "too late"), (2, "patient"), (2, "patient too")];
    assert_eq!(log.take(), expected);
}

#[test]
fn s33_an_event_set_on_another_thread_wakes_the_loop() {
    without_hanging(|| {
        let event = Arc::new(Event::new());
        let (sender, receiver) = mpsc::channel();
        let theirs = Arc::clone(&event);
        let setter = thread::spawn(move || {
            receiver.recv().unwrap();
            theirs.set();
        });
        arborio::run(async {
            let waiter = spawn(async move { event.wait().await });
            yield_now().await; // it waits now
            sender.send(()).unwrap();
            waiter.await.unwrap();
        });
        setter.join().unwrap();
    });
}

/// There is room for one: the third is sent when the first has been received.
#[test]
fn a_sender_goes_at_the_pace_of_its_receiver() {
    let log = Said::new();
    simulated().run(async {
        let (sender, mut receiver) = local::mpsc::channel(1);
        let sent = log.clone();
        drop(spawn_local(async move {
            for word in ["one", "two", "three"] {
                sender.send(word).await.unwrap();
                say(&sent, "sent");
            }
        }));
        sleep(secs(1)).await;
        while let Some(word) = receiver.recv().await {
            say(&log, word);
            sleep(secs(1)).await;
        }
    });
    let expected = [
        (0, "sent"),
        (1, "one"),
        (1, "sent"),
        (2, "two"),
        (2, "sent"),
        (3, "three"),
    ];
    assert_eq!(log.take(), expected);
}

/// Dropping the handle of the one that waits drops its message, too.
#[test]
fn y05_a_send_that_times_out_has_sent_nothing() {
    simulated().run(async {
        let (sender, mut receiver) = local::mpsc::channel(1);
        sender.send(1).await.unwrap();
        assert!(timeout(secs(1), sender.send(2)).await.is_err());
        assert_eq!(clock(), secs(1));
        drop(sender);
        assert_eq!(
            (receiver.recv().await, receiver.recv().await),
            (Some(1), None)
        );
    });
}

#[test]
fn y05_a_receive_that_times_out_loses_nothing() {
    simulated().run(async {
        let (sender, mut receiver) = local::mpsc::unbounded();
        assert!(timeout(secs(1), receiver.recv()).await.is_err());
        sender.send(1).unwrap();
        assert_eq!(timeout(secs(1), receiver.recv()).await, Ok(Some(1)));
    });
}

/// The message is granted to a worker that is aborted before it runs again.
#[test]
fn y05_a_job_for_a_worker_that_is_aborted_goes_to_another() {
    let log = Said::new();
    simulated().run(async {
        let (sender, receiver) = local::mpmc::channel(4);
        let worker = |word: &'static str| {
            let (receiver, log) = (receiver.clone(), log.clone());
            spawn_local(async move {
                receiver.recv().await.unwrap();
                say(&log, word);
            })
        };
        let (granted, next) = (worker("granted"), worker("next"));
        sleep(secs(1)).await;
        sender.try_send(()).unwrap();
        granted.abort();
        next.await.unwrap();
    });
    assert_eq!(log.take(), [(1, "next")]);
}

#[test]
fn a03_awaiting_a_promise_that_is_done_lets_nobody_run() {
    simulated().run(async {
        let promise = local::Promise::new();
        promise.set(7).unwrap();
        let ran = Rc::new(Cell::new(false));
        let bystander = Rc::clone(&ran);
        drop(spawn_local(async move { bystander.set(true) }));
        assert_eq!((&promise).await.unwrap(), 7);
        assert!(!ran.get(), "nobody else was polled");
        let failed = local::Promise::<()>::new();
        failed.fail(std::io::Error::other("no luck")).unwrap();
        for _ in 0..2 {
            let error = (&failed).await.unwrap_err();
            assert!(matches!(error, PromiseError::Failed(_)), "each time");
        }
        assert!(!ran.get());
    });
}

#[test]
fn a03_a_promise_that_is_pending_suspends_until_it_is_done() {
    let log = Said::new();
    simulated().run(async {
        let promise = local::Promise::new();
        for word in ["first", "second"] {
            let (promise, log) = (promise.clone(), log.clone());
            drop(spawn_local(async move {
                promise.await.unwrap();
                say(&log, word);
            }));
        }
        sleep(secs(2)).await;
        promise.set(()).unwrap();
        say(&log, "set");
    });
    assert_eq!(log.take(), [(2, "set"), (2, "first"), (2, "second")]);
}

/// Callbacks run where the promise is completed, before those who wait do.
#[cfg(panic = "unwind")]
#[test]
fn a12_callbacks_run_first_come_first_before_set_returns() {
    let log = Said::new();
    simulated().run(async {
        let promise = local::Promise::new();
        let waiting = spawn_local({
            let (promise, log) = (promise.clone(), log.clone());
            async move {
                promise.await.unwrap();
                say(&log, "who waits");
            }
        });
        sleep(secs(1)).await;
        for word in ["first", "panics", "third"] {
            let log = log.clone();
            promise.on_done(move |_| {
                say(&log, word);
                assert_ne!(word, "panics", "it is contained");
            });
        }
        promise.set(()).unwrap();
        say(&log, "set");
        waiting.await.unwrap();
        let late = log.clone();
        promise.on_done(move |_| say(&late, "at once"));
    });
    let words: Vec<_> = log.take().into_iter().map(|(_, word)| word).collect();
    let expected = ["first", "panics", "third", "set", "who waits", "at once"];
    assert_eq!(words, expected);
}

#[test]
fn a02_a_promise_set_on_another_thread_wakes_the_loop() {
    without_hanging(|| {
        let promise = Promise::new();
        let (sender, receiver) = mpsc::channel();
        let theirs = promise.clone();
        let setter = thread::spawn(move || {
            receiver.recv().unwrap();
            theirs.set(7).unwrap();
            theirs.set(8).unwrap_err().into_inner()
        });
        let got = arborio::run(async {
            let waiter = spawn(promise.into_future());
            yield_now().await; // it waits now
            sender.send(()).unwrap();
            waiter.await.unwrap()
        });
        assert_eq!(got.unwrap(), 7);
        assert_eq!(setter.join().unwrap(), 8, "the second value comes back");
    });
}

/// A lock that was granted to a future that nobody polls any more: the way out
/// for each.
#[test]
fn y15_a_future_that_is_not_polled_holds_up_a_fair_lock_and_no_barging_one() {
    simulated().run(async {
        for (mutex, held_up) in [(Mutex::new(()), true), (Mutex::barging(()), false)] {
            let holder = mutex.lock().await;
            let mut abandoned = Box::pin(mutex.lock());
            assert!(
                timeout(secs(1), abandoned.as_mut()).await.is_err(),
                "it waits"
            );
            drop(holder); // for `abandoned`, which nobody polls
            let locked = timeout(secs(1), mutex.lock()).await;
            assert_eq!(locked.is_err(), held_up);
            drop(locked);
            drop(abandoned); // the way out of a fair lock
            assert!(mutex.try_lock().is_some());
        }
    });
}

/// A thread that waits in a loop would keep the loop from its tasks.
#[cfg(panic = "unwind")]
#[test]
fn s31_a_blocking_lock_in_a_task_is_refused() {
    arborio::run(async {
        let task = spawn(async {
            let lock = Mutex::new(());
            let _guard = lock.blocking_lock();
        });
        let interrupt = task.await.unwrap_err();
        assert!(interrupt.to_string().contains("panicked"), "{interrupt}");
    });
    // Elsewhere it is what threads use.
    assert_eq!(*Mutex::new(7).blocking_lock(), 7);
}

/// The clock is held while a thread has the lock: time does not pass.
#[test]
fn s31_a_thread_and_a_task_share_a_mutex() {
    let clock = Clock::simulated();
    let mutex = Arc::new(Mutex::new(0));
    let (sender, receiver) = mpsc::channel();
    let hold = clock.hold();
    let theirs = Arc::clone(&mutex);
    let holder = thread::spawn(move || {
        let mut guard = theirs.blocking_lock();
        sender.send(()).unwrap();
        *guard += 1;
        drop(guard);
        drop(hold);
    });
    receiver.recv().unwrap();
    let seen = arborio::EventLoop::builder().clock(clock).run(async {
        sleep(secs(1)).await;
        *mutex.lock().await
    });
    assert_eq!(seen, 1);
    holder.join().unwrap();
}
