//! `run`: what it returns, what it waits for, what it leaves behind.

use std::{
    cell::{Cell, RefCell},
    future::pending,
    sync::{Arc, Mutex},
    thread,
};

use arborio::{
    EventLoop, Handle, Interrupt, Pool, RunError, is_running,
    options::Leftover,
    run, spawn, spawn_local, task,
    time::{Instant, clock, sleep},
    try_spawn, try_spawn_local, yield_now,
};

use crate::support::{
    DropProbe, Log, connected, in_own_process, ms, panic_message, secs, simulated, threads,
    threads_become,
};

#[test]
fn s01_run_returns_the_output_of_main_which_may_borrow_from_the_caller() {
    let words = vec![String::from("to"), String::from("borrow")];
    let mut seen = 0;
    let longest: &str = run(async {
        for word in &words {
            yield_now().await;
            seen += word.len();
        }
        words.iter().max_by_key(|word| word.len()).unwrap()
    });
    assert_eq!((longest, seen), ("borrow", 8));
}

#[test]
fn s01_main_is_dropped_before_run_returns() {
    let (probe, ends) = DropProbe::new();
    run(async move {
        let _held = probe;
        yield_now().await;
    });
    assert_eq!(*ends.lock().unwrap(), [thread::current().id()]);
}

#[cfg(panic = "unwind")]
#[test]
fn s01_a_run_inside_a_run_is_refused_and_disturbs_nobody() {
    let log = Log::new();
    simulated().run(async {
        let sleeper = log.clone();
        let other = spawn_local(async move {
            sleep(ms(5)).await;
            sleeper.add(clock());
        });
        yield_now().await; // so that the other's timer is armed

        let refused = EventLoop::builder().try_run(async { unreachable!("never polled") });
        assert!(matches!(refused, Err::<(), _>(RunError::Nested)));
        let message = panic_message(|| run(async {}));
        assert!(message.contains("`run` inside of `run`"), "{message}");

        assert!(is_running() && Handle::current().is_some());
        other.await.unwrap();
        log.add(clock());
    });
    assert_eq!(log.take(), [ms(5), ms(5)]);
}

#[test]
fn g01_an_async_function_with_arguments_is_run_by_calling_it() {
    async fn sleep_double(seconds: u64) -> u64 {
        sleep(secs(2 * seconds)).await;
        2 * seconds
    }
    let slept = simulated().run(async { (sleep_double(2).await, clock()) });
    assert_eq!(slept, (4, secs(4)));
}

#[test]
fn g02_run_waits_for_tasks_that_nobody_joins() {
    let log = Log::new();
    let inside = log.clone();
    let output = simulated().run(async move {
        drop(spawn_local(async move {
            sleep(ms(50)).await;
            let last = inside.clone();
            drop(spawn_local(async move {
                sleep(ms(50)).await;
                last.add(clock());
            }));
            inside.add(clock());
        }));
        clock()
    });
    assert_eq!(output, ms(0), "main itself did not wait");
    assert_eq!(log.take(), [ms(50), ms(100)]);
}

#[test]
fn a11_leftover_cancel_drops_what_is_left_before_run_returns() {
    let (probe, ends) = DropProbe::new();
    let mut left = None;
    EventLoop::builder().leftover(Leftover::Cancel).run(async {
        left = Some(spawn(async move {
            let _held = probe;
            pending::<()>().await;
        }));
        yield_now().await;
    });
    assert_eq!(*ends.lock().unwrap(), [thread::current().id()]);
    let outcome = futures_lite::future::block_on(left.unwrap());
    assert!(matches!(outcome, Err(Interrupt::Stopped)), "{outcome:?}");
}

#[test]
fn a11_leftover_cancel_lets_no_ready_task_run_after_the_end_of_main() {
    let log = Log::new();
    let inside = log.clone();
    EventLoop::builder()
        .leftover(Leftover::Cancel)
        .run(async move {
            drop(spawn_local(async move { inside.add("ran") }));
        });
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn s01_a_task_that_is_not_awaited_ends_with_the_last_awaited_one() {
    let log = Log::new();
    simulated().run(async {
        let ticks = log.clone();
        let ticker = task().awaited(false).spawn_local(async move {
            loop {
                sleep(secs(1)).await;
                ticks.add(clock());
            }
        });
        drop(ticker);
        drop(spawn(sleep(ms(3500))));
    });
    assert_eq!(log.take(), [secs(1), secs(2), secs(3)]);
}

#[test]
fn s01_tasks_that_are_not_awaited_and_alone_never_start() {
    let log = Log::new();
    let inside = log.clone();
    run(async move {
        let idle = task().awaited(false);
        drop(idle.spawn_local(async move { inside.add("ran") }));
    });
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn s01_a_run_starts_no_thread() {
    in_own_process("running::s01_a_run_starts_no_thread", || {
        let before = threads();
        run(async {
            let (client, server) = connected().await.unwrap();
            let reader = spawn(async move { server.read(&mut [0; 1]).await });
            sleep(ms(1)).await;
            client.write_all(b"x").await.unwrap();
            assert_eq!(reader.await.unwrap().unwrap(), 1);
            threads_become(before);
        });
        threads_become(before);
    });
}

#[test]
fn s01_loops_that_follow_each_other_on_a_thread_share_nothing() {
    let mut handles = Vec::new();
    for round in 0..50 {
        simulated().run(async {
            assert_eq!(clock(), ms(0), "each loop has its own start");
            handles.push(Handle::current().unwrap());
            let (here, there) = connected().await.unwrap();
            here.write_all(&[round]).await.unwrap();
            drop(spawn(async move {
                let mut byte = [0];
                there.read_exact(&mut byte).await.unwrap();
                assert_eq!(byte, [round]);
            }));
        });
        assert!(!is_running());
    }
    assert!(handles.iter().all(Handle::is_closed));
}

#[test]
fn s01_many_threads_run_their_loops_at_once() {
    let threads: Vec<_> = (0..8)
        .map(|number: u32| {
            thread::spawn(move || {
                simulated().run(async move {
                    let tasks: Vec<_> = (0..20)
                        .map(|index| {
                            spawn(async move {
                                sleep(ms(index)).await;
                                index
                            })
                        })
                        .collect();
                    let mut sum = 0;
                    for task in tasks {
                        sum += task.await.unwrap();
                    }
                    (number, sum, clock())
                })
            })
        })
        .collect();
    for (number, thread) in (0..).zip(threads) {
        assert_eq!(thread.join().unwrap(), (number, 190, ms(19)));
    }
}

/// Runs a loop when its thread's locals are destroyed.
struct RunsAtTheEnd(Arc<Mutex<Vec<u32>>>);

impl Drop for RunsAtTheEnd {
    fn drop(&mut self) {
        let output = run(async {
            let child = spawn(async {
                yield_now().await;
                20
            });
            sleep(ms(1)).await;
            let (client, server) = connected().await.unwrap();
            client.write_all(b"!").await.unwrap();
            child.await.unwrap() + server.read(&mut [0; 8]).await.unwrap() as u32
        });
        self.0.lock().unwrap().push(output);
    }
}

/// A thread that runs a loop while its locals are destroyed, having run one
/// before or after that local came to be.
fn run_at_the_end(loop_comes_first: bool) -> Vec<u32> {
    thread_local! {
        static LAST: RefCell<Option<RunsAtTheEnd>> = const { RefCell::new(None) };
    }
    let outputs = Arc::new(Mutex::new(Vec::new()));
    let inside = Arc::clone(&outputs);
    let thread = thread::spawn(move || {
        let ordinary = || run(async { connected().await.map(drop).unwrap() });
        if loop_comes_first {
            ordinary();
        }
        LAST.set(Some(RunsAtTheEnd(inside)));
        if !loop_comes_first {
            ordinary();
        }
    });
    thread.join().unwrap();
    Arc::into_inner(outputs).unwrap().into_inner().unwrap()
}

#[test]
fn s01_a_loop_runs_while_thread_locals_are_destroyed() {
    crate::support::without_hanging(|| {
        assert_eq!(run_at_the_end(true), [21]);
        assert_eq!(run_at_the_end(false), [21]);
    });
}

#[test]
fn g14_every_body_runs_on_the_thread_of_run() {
    let here = thread::current().id();
    let log = Log::new();
    run(async {
        for _ in 0..20 {
            let inside = log.clone();
            drop(spawn_local(async move {
                inside.add(thread::current().id());
                sleep(ms(1)).await;
                inside.add(thread::current().id());
            }));
        }
        let handle = Handle::current().unwrap();
        let sent = thread::spawn(move || handle.spawn(async { thread::current().id() }));
        log.add(sent.join().unwrap().await.unwrap());
    });
    let seen = log.take();
    assert_eq!(seen.len(), 41);
    assert!(seen.iter().all(|id| *id == here));
}

#[test]
fn g04_the_clock_of_the_loop_counts_from_its_start() {
    let clock_of = simulated();
    let (first, elapsed) = clock_of.run(async {
        let (start, first) = (Instant::now(), clock());
        sleep(secs(2)).await;
        assert_eq!(clock(), secs(2));
        (first, start.elapsed())
    });
    assert_eq!((first, elapsed), (ms(0), secs(2)));
}

#[test]
fn s07_a_future_that_is_never_polled_has_no_effect() {
    let effect = Cell::new(false);
    run(async {
        let inert = async { effect.set(true) };
        yield_now().await;
        drop(inert);
    });
    assert!(!effect.get());
}

#[test]
fn a08_spawning_without_a_loop_gives_the_future_back_untouched() {
    let polled = std::rc::Rc::new(Cell::new(false));
    let inside = std::rc::Rc::clone(&polled);
    let refused = try_spawn_local(async move { inside.set(true) }).unwrap_err();
    assert!(!polled.get());
    assert!(refused.to_string().contains("no Arborio loop"));
    run(refused.into_inner());
    let refused = arborio::task().try_spawn_local(async { 5 });
    assert_eq!(run(refused.unwrap_err().into_inner()), 5);
    let named = run(async {
        arborio::task()
            .name("here")
            .try_spawn_local(async {})
            .unwrap()
            .name()
    });
    assert_eq!(named.unwrap(), "here");
    assert!(polled.get());
    assert!(try_spawn(async {}).is_err(), "the loop has ended");
}

#[cfg(panic = "unwind")]
#[test]
fn a08_spawning_without_a_loop_panics_and_says_what_to_do() {
    let message = panic_message(|| drop(spawn(async {})));
    assert!(message.contains("call `run`"), "{message}");
}

#[test]
fn g01_the_options_of_a_loop_can_be_used_again() {
    let builder = simulated().name("twice").linger(secs(1));
    let first = builder.clone().run(async { Instant::now() });
    let second = builder.run(async { Instant::now() });
    assert_eq!(first, second, "the clock is shared, and nobody moved it");
}

#[test]
fn g01_the_options_of_a_loop_and_of_a_pool_are_shown() {
    let options = format!("{:?}", EventLoop::builder().name("kitchen"));
    let start = r#"LoopBuilder { name: Some("kitchen"), clock: "#;
    assert!(options.starts_with(start), "{options}");
    let options = format!("{:?}", Pool::builder().name("kitchen").workers(3));
    let start = r#"PoolBuilder { name: Some("kitchen"), workers: Some(3), "#;
    assert!(options.starts_with(start), "{options}");
}
