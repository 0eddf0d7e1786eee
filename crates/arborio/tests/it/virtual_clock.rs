//! When a simulated clock jumps, and when it stands still.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use arborio::{
    EventLoop, Handle, RunError,
    net::TcpListener,
    options::Report,
    spawn, spawn_blocking, spawn_local,
    time::{Clock, clock, sleep, timeout},
};
use rustix::time::{ClockId, clock_gettime};

use crate::support::{
    Gate, KernelThread, Log, connected, ms, read_to_end, secs, simulated, without_hanging,
};

#[test]
fn g04_time_stands_still_while_tasks_run_and_jumps_when_all_wait() {
    simulated().run(async {
        for _ in 0..10_000 {
            arborio::yield_now().await;
        }
        assert_eq!(clock(), ms(0));
        sleep(secs(86_400)).await;
        assert_eq!(clock(), secs(86_400));
    });
}

#[test]
fn w06_a_clock_that_is_held_stands_still_and_the_loop_sleeps_meanwhile() {
    without_hanging(|| {
        let clock_of = Clock::simulated();
        let hold = clock_of.hold();
        let (sender, receiver) = mpsc::channel();
        let (handle, start) = (clock_of.clone(), clock_of.now());
        // Watches the loop for a while, then lets the clock go.
        let watcher = thread::spawn(move || {
            let loop_thread: KernelThread = receiver.recv().unwrap();
            loop_thread.wait_until_asleep();
            let sleeps = loop_thread.sleeps();
            thread::sleep(ms(100)); // the time over which the loop is measured
            assert_eq!(handle.now(), start);
            let sleeps = loop_thread.sleeps() - sleeps;
            drop(hold);
            sleeps
        });
        let spent = EventLoop::builder().clock(clock_of).run(async move {
            let before = clock_gettime(ClockId::ThreadCPUTime);
            sender.send(KernelThread::current()).unwrap();
            sleep(secs(3600)).await;
            assert_eq!(clock(), secs(3600));
            Duration::try_from(clock_gettime(ClockId::ThreadCPUTime) - before).unwrap()
        });
        let sleeps = watcher.join().unwrap();
        assert!(
            sleeps <= 5,
            "the loop went to sleep {sleeps} times in 100 ms"
        );
        assert!(spent < ms(20), "the loop was busy for {spent:?}");
    });
}

#[test]
fn w06_the_result_of_a_thread_that_holds_the_clock_comes_at_the_time_of_the_question() {
    without_hanging(|| {
        let clock_of = Clock::simulated();
        let thread_clock = clock_of.clone();
        EventLoop::builder().clock(clock_of).run(async move {
            for _ in 0..20 {
                let (answer, before) = (Gate::default(), clock());
                let (hold, opens) = (thread_clock.hold(), answer.clone());
                let loop_thread = KernelThread::current();
                let thread = thread::spawn(move || {
                    loop_thread.wait_until_asleep();
                    opens.open();
                    drop(hold);
                });
                let late = timeout(secs(1), answer.passed()).await;
                assert!(late.is_ok(), "the clock jumped although it was held");
                assert_eq!(clock(), before);
                thread.join().unwrap();
                sleep(ms(1)).await;
            }
        });
    });
}

#[test]
fn w06_advancing_the_clock_from_another_thread_wakes_a_sleeping_loop() {
    without_hanging(|| {
        let clock_of = Clock::simulated();
        let hold = clock_of.hold();
        let (sender, receiver) = mpsc::channel();
        let moved = clock_of.clone();
        let mover = thread::spawn(move || {
            let loop_thread: KernelThread = receiver.recv().unwrap();
            loop_thread.wait_until_asleep();
            moved.advance(secs(1));
            loop_thread.wait_until_asleep();
            moved.advance(secs(1));
        });
        let end = EventLoop::builder().clock(clock_of).run(async move {
            sender.send(KernelThread::current()).unwrap();
            sleep(ms(1500)).await;
            clock()
        });
        assert_eq!(end, secs(2), "nobody but the thread moved the clock");
        mover.join().unwrap();
        drop(hold);
    });
}

#[test]
fn w06_two_loops_on_one_clock_see_one_time() {
    without_hanging(|| {
        let clock_of = Clock::simulated();
        let (other_clock, hold) = (clock_of.clone(), clock_of.hold());
        let (sender, receiver) = mpsc::channel();
        let other = thread::spawn(move || {
            EventLoop::builder().clock(other_clock).run(async move {
                let start = arborio::time::Instant::now();
                sender.send(KernelThread::current()).unwrap();
                sleep(secs(5)).await;
                arborio::time::Instant::now() - start
            })
        });
        let sleeper = receiver.recv().unwrap();
        sleeper.wait_until_asleep();
        drop(hold);
        let builder = EventLoop::builder().clock(clock_of);
        builder.run(async { sleep(secs(5)).await });
        assert!(other.join().unwrap() >= secs(5));
    });
}

#[test]
fn g03_a_registered_socket_keeps_the_clock_from_jumping() {
    without_hanging(|| {
        let log = Log::new();
        simulated().run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let loop_thread = KernelThread::current();
            let client = thread::spawn(move || {
                loop_thread.wait_until_asleep();
                drop(std::net::TcpStream::connect(address).unwrap());
            });
            let inside = log.clone();
            let sleeper = spawn_local(async move {
                sleep(secs(3600)).await;
                inside.add(("sleeper", clock()));
            });
            let (stream, _) = listener.accept().await.unwrap();
            assert_eq!(read_to_end(&stream).await.unwrap(), b"");
            log.add(("client", clock()));
            client.join().unwrap();
            drop((listener, stream));
            sleeper.await.unwrap();
        });
        assert_eq!(log.take(), [("client", ms(0)), ("sleeper", secs(3600))]);
    });
}

/// The listener is never looked at: who does not know that it holds the clock waits for ever.
#[test]
fn g03_the_observer_is_told_once_of_descriptors_that_hold_the_clock() {
    without_hanging(|| {
        let (log, clock_of) = (Log::new(), Clock::simulated());
        let (told, moved, moves) = (log.clone(), clock_of.clone(), clock_of.clone());
        let (sender, receiver) = mpsc::channel();
        let later = thread::spawn(move || {
            let loop_thread: KernelThread = receiver.recv().unwrap();
            loop_thread.wait_until_asleep();
            thread::sleep(ms(20)); // the time over which nothing is told
            moves.advance(secs(8));
        });
        let builder = EventLoop::builder().clock(clock_of).held_clock(ms(2));
        let builder = builder.observer(move |report| {
            told.add(report.to_string());
            let Report::HeldClock(held) = report else {
                panic!("{report}")
            };
            assert_eq!((held.descriptors, held.next), (1, secs(1)));
            assert!(held.waited >= ms(2));
            moved.advance(held.next);
        });
        builder.run(async {
            let _idle = TcpListener::bind("127.0.0.1:0").await.unwrap();
            sleep(secs(1)).await;
            sender.send(KernelThread::current()).unwrap();
            sleep(secs(8)).await;
            assert_eq!(clock(), secs(9));
        });
        later.join().unwrap();
        let told = log.take();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].contains("1 descriptor (a socket or a listener) keeps it from jumping to the next timer, which is 1s ahead"),
            "{told:?}"
        );
    });
}

/// A job holds the clock as well, and without a timer there is nothing to jump to.
#[test]
fn g03_nothing_is_told_while_something_else_is_waited_for() {
    without_hanging(|| {
        let log = Log::new();
        let told = log.clone();
        let builder = simulated().held_clock(ms(2));
        let builder = builder.observer(move |report| told.add(report.to_string()));
        builder.run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let job = || thread::sleep(ms(20)); // the time over which nothing is told
            let timer = spawn(sleep(secs(1)));
            spawn_blocking(job).await.unwrap();
            drop(listener);
            timer.await.unwrap();
            let _idle = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let (opens, gate) = (Gate::default(), Gate::default());
            let opened = opens.clone();
            let thread = thread::spawn(move || {
                job();
                opened.open();
            });
            opens.passed().await;
            gate.open();
            thread.join().unwrap();
        });
        assert!(log.take().is_empty());
    });
}

#[test]
fn g03_a_loop_may_be_told_that_sockets_do_not_hold_the_clock() {
    without_hanging(|| {
        simulated().io_holds_clock(false).run(async {
            let (_client, server) = connected().await.unwrap();
            let late = timeout(secs(3600), server.read(&mut [0])).await;
            assert!(late.is_err());
            assert_eq!(clock(), secs(3600));
        });
    });
}

#[test]
fn g03_a_byte_that_is_there_comes_before_the_jump() {
    without_hanging(|| {
        simulated().io_holds_clock(false).run(async {
            let (client, server) = connected().await.unwrap();
            client.write_all(b"x").await.unwrap();
            let read = timeout(secs(3600), async {
                arborio::task::skip_poll_cycle().await;
                server.read(&mut [0]).await
            });
            assert_eq!(read.await.unwrap().unwrap(), 1);
            assert_eq!(clock(), ms(0));
        });
    });
}

#[test]
fn s10_what_a_thread_sends_under_a_hold_arrives_before_the_clock_moves() {
    without_hanging(|| {
        let clock_of = Clock::simulated();
        let hold = clock_of.hold();
        let log = EventLoop::builder().clock(clock_of).run(async move {
            let log = Log::new();
            let (handle, loop_thread) = (Handle::current().unwrap(), KernelThread::current());
            let thread = thread::spawn(move || {
                loop_thread.wait_until_asleep();
                let sent = handle.spawn(async { clock() });
                drop(hold);
                futures_lite::future::block_on(sent).unwrap()
            });
            let inside = log.clone();
            let sleeper = spawn_local(async move {
                sleep(secs(1)).await;
                inside.add(clock());
            });
            sleeper.await.unwrap();
            log.add(thread.join().unwrap());
            log
        });
        assert_eq!(log.take(), [secs(1), ms(0)]);
    });
}

#[test]
fn w06_a_hold_that_ends_lets_a_loop_without_timers_see_that_it_is_stalled() {
    without_hanging(|| {
        let clock_of = Clock::simulated();
        let hold = clock_of.hold();
        let (sender, receiver) = mpsc::channel();
        let thread = thread::spawn(move || {
            let loop_thread: KernelThread = receiver.recv().unwrap();
            loop_thread.wait_until_asleep();
            drop(hold);
        });
        let end = EventLoop::builder().clock(clock_of).try_run(async move {
            sender.send(KernelThread::current()).unwrap();
            std::future::pending::<()>().await;
        });
        assert!(matches!(end, Err(RunError::Stalled(_))), "{end:?}");
        thread.join().unwrap();
    });
}

#[test]
fn g04_a_task_that_blocks_does_not_move_a_simulated_clock() {
    simulated().run(async {
        let task = spawn(sleep(ms(1)));
        crate::support::spin_until(Instant::now() + ms(5));
        assert_eq!(clock(), ms(0));
        task.await.unwrap();
        assert_eq!(clock(), ms(1));
    });
}

#[test]
fn w06_a_task_may_move_the_clock_itself() {
    let clock_of = Clock::simulated();
    let moved = clock_of.clone();
    EventLoop::builder().clock(clock_of).run(async move {
        let tasks = [spawn(sleep(secs(1))), spawn(sleep(secs(9)))];
        arborio::yield_now().await;
        moved.advance(secs(5));
        assert!(!tasks[0].is_finished(), "timers fire in a pass only");
        arborio::task::skip_poll_cycle().await;
        arborio::yield_now().await;
        assert!(tasks[0].is_finished() && !tasks[1].is_finished());
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(clock(), secs(9));
    });
}
