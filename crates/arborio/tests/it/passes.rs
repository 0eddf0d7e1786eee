//! One pass over timers and I/O: when it is made, and in which order it wakes.

use std::{cell::Cell, io, rc::Rc, time::Instant};

use arborio::{
    EventLoop, LoopBuilder, Task, run, spawn, spawn_local,
    task::{skip_poll_cycle, skip_ready_cycle},
    time::{Clock, clock, sleep},
};

use crate::support::{
    FOR_EVER, Log, armed_sleep, connected, ms, secs, simulated, spin_until, without_hanging,
};

/// The real clock, and drains whose length depends on polls only.
fn steady() -> LoopBuilder {
    EventLoop::builder().clock(Clock::real()).seed(1)
}

/// Two tasks that wait: one for a timer, one for a byte. When this returns,
/// the timer is due and the byte is there, and the loop has not looked since.
async fn both_are_ready(log: &Log<&'static str>) -> io::Result<[Task<()>; 2]> {
    let (client, server) = connected().await?;
    let (timer_log, byte_log) = (log.clone(), log.clone());
    // The reader is polled first, so the order below is not that of spawning.
    let reader = spawn_local(async move {
        server.read_exact(&mut [0]).await.unwrap();
        byte_log.add("byte");
    });
    let nap = armed_sleep();
    let timer = spawn_local(async move {
        nap.await;
        timer_log.add("timer");
    });
    skip_ready_cycle().await;
    client.write_all(b"x").await?;
    client.shutdown(std::net::Shutdown::Write)?;
    spin_until(Instant::now() + ms(3));
    assert_eq!(log.len(), 0, "the loop has not looked yet");
    Ok([timer, reader])
}

#[test]
fn s25_ten_ready_cycles_pass_before_one_poll_cycle_whoever_comes_first() {
    for patient_first in [true, false] {
        let log = Log::new();
        run(async {
            let inside = log.clone();
            let patient = async move {
                skip_poll_cycle().await;
                inside.add("world");
            };
            let inside = log.clone();
            let busy = async move {
                for _ in 0..10 {
                    skip_ready_cycle().await;
                }
                inside.add("hello");
            };
            if patient_first {
                drop(spawn_local(patient));
                drop(spawn_local(busy));
            } else {
                drop(spawn_local(busy));
                drop(spawn_local(patient));
            }
        });
        assert_eq!(log.take(), ["hello", "world"]);
    }
}

#[test]
fn s25_a_byte_that_is_there_is_delivered_before_the_poll_cycle_ends() {
    let log = Log::new();
    run(async {
        let tasks = both_are_ready(&log).await.unwrap();
        skip_poll_cycle().await;
        assert!(tasks.iter().all(Task::is_finished));
    });
}

#[test]
fn s25_one_pass_wakes_timers_then_io_then_who_waits_for_the_pass() {
    let log = Log::new();
    run(async {
        let _tasks = both_are_ready(&log).await.unwrap();
        let early = log.clone();
        drop(spawn_local(async move {
            skip_poll_cycle().await;
            early.add("early waiter");
        }));
        skip_ready_cycle().await;
        skip_poll_cycle().await;
        log.add("late waiter");
    });
    assert_eq!(log.take(), ["timer", "byte", "early waiter", "late waiter"]);
}

#[test]
fn s25_a_poll_cycle_does_not_wait_for_timers_or_io() {
    let start = Instant::now();
    run(async {
        let (_client, server) = connected().await.unwrap();
        let sleeper = spawn(sleep(FOR_EVER));
        let reader = spawn_local(async move { server.read(&mut [0]).await });
        for _ in 0..100 {
            skip_poll_cycle().await;
        }
        assert!(!sleeper.is_finished() && !reader.is_finished());
        sleeper.abort();
        reader.abort();
    });
    assert!(start.elapsed() < secs(5), "a pass that waits takes days");
}

#[test]
fn s25_a_poll_cycle_does_not_move_a_simulated_clock() {
    simulated().run(async {
        let sleeper = spawn(sleep(secs(1)));
        for _ in 0..10 {
            skip_poll_cycle().await;
        }
        assert_eq!(clock(), ms(0));
        sleeper.await.unwrap();
        assert_eq!(clock(), secs(1));
    });
}

#[test]
fn s25_a_poll_cycle_that_was_dropped_wakes_nobody() {
    run(async {
        let task = spawn(skip_poll_cycle());
        skip_ready_cycle().await;
        task.abort();
        skip_poll_cycle().await;
    });
    // The next loop on this thread owes nothing to the waiters of the last.
    run(async { assert!(crate::support::poll_once(&mut skip_poll_cycle()).is_pending()) });
    run(skip_poll_cycle());
}

#[test]
fn s26_neither_a_timer_nor_a_byte_is_seen_before_the_thousandth_ready_cycle() {
    let log = Log::new();
    steady().run(async {
        let _tasks = both_are_ready(&log).await.unwrap();
        for _ in 0..1000 {
            skip_ready_cycle().await;
            assert_eq!(log.len(), 0);
        }
        log.add("the thousandth");
        skip_poll_cycle().await;
    });
    assert_eq!(log.take(), ["the thousandth", "timer", "byte"]);
}

#[test]
fn s26_no_pass_is_made_while_a_task_is_ready() {
    steady().run(async {
        let passes = Rc::new(Cell::new(0));
        let count = Rc::clone(&passes);
        let counter = spawn_local(async move {
            loop {
                skip_poll_cycle().await;
                count.set(count.get() + 1);
            }
        });
        for _ in 0..1000 {
            skip_ready_cycle().await;
        }
        assert_eq!(passes.get(), 0);
        skip_poll_cycle().await;
        assert!(passes.get() <= 1, "the counter was queued first");
        counter.abort();
    });
}

#[test]
fn g03_a_byte_is_seen_while_others_sleep() {
    without_hanging(|| {
        run(async {
            let (client, server) = connected().await.unwrap();
            let sleeper = spawn(sleep(FOR_EVER));
            let thread = std::thread::spawn(move || {
                // A plain thread writes while the loop sleeps.
                client.into_std().unwrap()
            });
            let client = thread.join().unwrap();
            let writer = std::thread::spawn(move || {
                use std::io::Write;
                (&client).write_all(b"now").unwrap();
                client
            });
            let mut word = [0; 3];
            server.read_exact(&mut word).await.unwrap();
            assert_eq!(&word, b"now");
            assert!(!sleeper.is_finished());
            sleeper.abort();
            drop(writer.join().unwrap());
        });
    });
}
