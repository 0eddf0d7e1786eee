//! How long ready tasks keep the loop from its timers and its I/O: a bounded
//! number of polls, or a slice of time.

use std::{cell::Cell, rc::Rc, thread, time::Instant};

use arborio::{
    EventLoop, Handle,
    options::Drain,
    spawn_local,
    task::skip_ready_cycle,
    time::{Duration, interval, sleep},
    yield_now,
};

use crate::support::{armed_sleep, connected, ms, secs, simulated, spin_until, without_hanging};

/// Counts its own rounds until a timer that is due was seen, or `limit`.
/// Each round takes `busy`, and is one poll.
async fn rounds_until_a_timer_gets_through(limit: u32, busy: Duration) -> u32 {
    let seen = Rc::new(Cell::new(false));
    let (flag, nap) = (Rc::clone(&seen), armed_sleep());
    drop(spawn_local(async move {
        nap.await;
        flag.set(true);
    }));
    yield_now().await; // the task waits now
    spin_until(Instant::now() + ms(3));
    let mut rounds = 0;
    while !seen.get() && rounds < limit {
        rounds += 1;
        spin_until(Instant::now() + busy);
        skip_ready_cycle().await;
    }
    rounds
}

#[test]
fn s26_a_timer_gets_through_after_4096_polls() {
    // The seed makes the drain depend on polls alone.
    let rounds = EventLoop::builder()
        .seed(1)
        .run(rounds_until_a_timer_gets_through(100_000, ms(0)));
    assert!((4000..=4200).contains(&rounds), "{rounds} rounds");
}

#[test]
fn s26_a_timer_gets_through_when_long_polls_have_used_up_a_slice_of_time() {
    // After 64 polls of 20 us the slice of 1 ms is over.
    let rounds = EventLoop::builder().run(rounds_until_a_timer_gets_through(
        100_000,
        Duration::from_micros(20),
    ));
    assert!((60..=200).contains(&rounds), "{rounds} rounds");
}

#[test]
fn s26_draining_to_empty_lets_no_timer_through() {
    let rounds = EventLoop::builder()
        .drain(Drain::ToEmpty)
        .run(rounds_until_a_timer_gets_through(20_000, ms(0)));
    assert_eq!(rounds, 20_000);
}

#[test]
fn s26_a_byte_gets_through_a_drain_as_a_timer_does() {
    let rounds = EventLoop::builder().seed(1).run(async {
        let (client, server) = connected().await.unwrap();
        let reader = spawn_local(async move { server.read(&mut [0]).await.unwrap() });
        yield_now().await;
        client.write_all(b"x").await.unwrap();
        let mut rounds = 0;
        while !reader.is_finished() && rounds < 100_000 {
            rounds += 1;
            skip_ready_cycle().await;
        }
        rounds
    });
    assert!((4000..=4200).contains(&rounds), "{rounds} rounds");
}

#[test]
fn s26_who_a_pass_in_a_drain_has_woken_goes_to_the_end_of_the_queue() {
    let log = crate::support::Log::new();
    EventLoop::builder().seed(1).run(async {
        let (inside, nap) = (log.clone(), armed_sleep());
        drop(spawn_local(async move {
            nap.await;
            inside.add(usize::MAX);
        }));
        yield_now().await;
        spin_until(Instant::now() + ms(3));
        for number in 0..8 {
            let inside = log.clone();
            drop(spawn_local(async move {
                for _ in 0..1000 {
                    inside.add(number);
                    skip_ready_cycle().await;
                }
            }));
        }
    });
    let log = log.take();
    let at = log.iter().position(|who| *who == usize::MAX).unwrap();
    assert!((4000..=4200).contains(&at), "after {at} turns");
    let others: Vec<_> = log.into_iter().filter(|who| *who != usize::MAX).collect();
    let in_turn = others
        .iter()
        .enumerate()
        .all(|(at, number)| at % 8 == *number);
    assert!(in_turn, "the eight kept their turns across the pass");
}

#[test]
fn h10_what_another_thread_sends_is_seen_in_an_endless_drain() {
    without_hanging(|| {
        for drain in [Drain::Bounded, Drain::ToEmpty] {
            EventLoop::builder().drain(drain).run(async move {
                let handle = Handle::current().unwrap();
                let sender = thread::spawn(move || handle.spawn(async { 5 }));
                while !sender.is_finished() {
                    skip_ready_cycle().await;
                }
                let sent = sender.join().unwrap();
                let mut rounds = 0;
                while !sent.is_finished() {
                    rounds += 1;
                    assert!(rounds < 1000, "a drain looks at its mail every 64 polls");
                    skip_ready_cycle().await;
                }
                assert_eq!(sent.await.unwrap(), 5);
            });
        }
    });
}

#[test]
fn x14_a_socket_that_is_always_readable_does_not_starve_its_sibling() {
    simulated().run(async {
        let (client, server) = connected().await.unwrap();
        let reads = Rc::new(Cell::new(0));
        let count = Rc::clone(&reads);
        let reader = spawn_local(async move {
            let mut byte = [0];
            // Nothing is taken out: the socket stays readable for ever.
            while server.peek(&mut byte).await.unwrap() > 0 {
                count.set(count.get() + 1);
            }
        });
        client.write_all(b"x").await.unwrap();
        while reads.get() == 0 {
            arborio::task::skip_poll_cycle().await;
        }
        for _ in 0..5 {
            let before = reads.get();
            yield_now().await;
            assert!(
                reads.get() - before <= 1024,
                "one poll does so much at most"
            );
        }
        assert!(!reader.is_finished());
        reader.abort();
    });
}

#[test]
fn x14_an_interval_that_is_always_due_does_not_starve_its_sibling() {
    simulated().run(async {
        let ticks = Rc::new(Cell::new(0));
        let count = Rc::clone(&ticks);
        let start = arborio::time::Instant::now();
        sleep(secs(1_000_000)).await;
        let ticker = spawn_local(async move {
            let mut late = arborio::time::interval_at(start, Duration::from_micros(1));
            loop {
                late.tick().await;
                count.set(count.get() + 1);
            }
        });
        let mut most = 0;
        for _ in 0..50 {
            let before = ticks.get();
            yield_now().await;
            most = most.max(ticks.get() - before);
        }
        assert!((1..=1024).contains(&most), "{most} ticks in one poll");
        ticker.abort();
    });
}

#[test]
fn x14_an_interval_of_zero_takes_one_tick_in_each_turn() {
    simulated().run(async {
        let ticks = Rc::new(Cell::new(0));
        let count = Rc::clone(&ticks);
        let ticker = spawn_local(async move {
            let mut always = interval(Duration::ZERO);
            loop {
                always.tick().await;
                count.set(count.get() + 1);
            }
        });
        yield_now().await;
        for _ in 0..100 {
            let before = ticks.get();
            yield_now().await;
            assert_eq!(ticks.get() - before, 1);
        }
        ticker.abort();
    });
}
