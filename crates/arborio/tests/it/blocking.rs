//! Jobs on pool threads beside the rest: clocks, scopes, other executors, and a system that
//! gives no threads.

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Sender, channel},
    },
    thread,
};

use arborio::{
    Interrupt, Scope,
    blocking::{Blocking, BlockingPool, run_in_executor, spawn_blocking_with},
    cancel::{finally, shield},
    run, spawn, spawn_blocking,
    time::{Instant, sleep, timeout},
};

use crate::support::{
    FOR_EVER, KernelThread, Log, in_own_process, limit_memory, ms, secs, simulated, without_hanging,
};

/// A job that runs until it is let go, and where it says so at its end.
fn busy() -> (Blocking<()>, Sender<()>, Arc<Mutex<bool>>) {
    let (go_on, gate) = channel::<()>();
    let (started, running) = channel();
    let ended = Arc::new(Mutex::new(false));
    let end = Arc::clone(&ended);
    let job = spawn_blocking(move || {
        started.send(()).unwrap();
        let _ = gate.recv();
        *end.lock().unwrap() = true;
    });
    running.recv().unwrap();
    (job, go_on, ended)
}

fn wait_for(flag: &Mutex<bool>) {
    while !*flag.lock().unwrap() {
        thread::yield_now();
    }
}

#[test]
fn s30_a_simulated_clock_stands_still_while_a_job_runs() {
    let log = Log::new();
    let lines = log.clone();
    without_hanging(move || {
        simulated().run(async {
            let awake = lines.clone();
            let sleeper = spawn(async move {
                sleep(secs(3600)).await;
                awake.add("an hour has passed");
            });
            let loop_thread = KernelThread::current();
            // Without a hold the loop would jump to the sleep's end before it sleeps itself.
            let before = Instant::now();
            spawn_blocking(move || loop_thread.wait_until_asleep())
                .await
                .unwrap();
            assert_eq!(Instant::now(), before);
            lines.add("the job has ended");
            sleeper.await.unwrap();
        });
    });
    assert_eq!(log.take(), ["the job has ended", "an hour has passed"]);
}

#[test]
fn s30_a_job_that_was_given_up_does_not_stop_a_simulated_clock() {
    without_hanging(|| {
        simulated().run(async {
            for cancels in [true, false] {
                let (job, go_on, ended) = busy();
                if cancels {
                    assert!(job.cancel());
                    sleep(secs(3600)).await;
                    assert!(matches!(job.await, Err(Interrupt::Cancelled(_))));
                } else {
                    drop(job);
                    sleep(secs(3600)).await;
                }
                assert!(!*ended.lock().unwrap());
                drop(go_on);
                wait_for(&ended);
            }
        });
    });
}

#[test]
fn s30_a_simulated_loop_that_waits_only_for_jobs_has_not_stalled() {
    let sum = without_hanging(|| {
        simulated().try_run(async {
            let loop_thread = KernelThread::current();
            let jobs = (0..10).map(|number| {
                spawn_blocking(move || {
                    loop_thread.wait_until_asleep();
                    number
                })
            });
            let mut sum = 0;
            for job in jobs.collect::<Vec<_>>() {
                sum += job.await.unwrap();
            }
            sum
        })
    });
    assert_eq!(sum.unwrap(), 45);
}

#[test]
fn t15_s30_a_scope_that_runs_out_of_time_does_not_wait_for_its_job() {
    let (told, flag) = without_hanging(|| {
        run(async {
            let (told, was_told) = channel();
            let (go_on, gate) = channel::<()>();
            let flag = Arc::new(Mutex::new(false));
            let ended = Arc::clone(&flag);
            let scope = Scope::builder().timeout(ms(50));
            let outcome: Result<(), Interrupt> = scope
                .run(async |s| {
                    s.spawn(async move {
                        let job = spawn_blocking_with(move |token| {
                            let _ = gate.recv();
                            told.send(token.is_cancelled()).unwrap();
                            *ended.lock().unwrap() = true;
                        });
                        job.await.unwrap();
                    });
                    Ok(())
                })
                .await;
            assert!(matches!(outcome, Err(Interrupt::TimedOut)));
            assert!(!*flag.lock().unwrap(), "it still runs");
            drop(go_on);
            (was_told, flag)
        })
    });
    assert!(told.recv().unwrap());
    wait_for(&flag);
}

#[test]
fn s30_a_shield_waits_for_the_job() {
    let (job, go_on, ended) = busy();
    without_hanging(move || {
        run(async {
            let task = spawn(async move { shield(job).await });
            arborio::yield_now().await;
            task.cancel();
            arborio::yield_now().await;
            assert!(!task.is_finished());
            drop(go_on);
            task.await.unwrap().unwrap();
            assert!(*ended.lock().unwrap());
        });
    });
}

#[test]
fn s30_a_cleanup_may_be_a_job() {
    let cleaned = run(async {
        let (sender, cleaned) = channel();
        let work = finally(sleep(FOR_EVER), async move || {
            run_in_executor(move || sender.send("cleaned up").unwrap())
                .await
                .unwrap();
        });
        assert!(timeout(ms(1), work).await.is_err());
        cleaned.recv().unwrap()
    });
    assert_eq!(cleaned, "cleaned up");
}

#[cfg(panic = "unwind")]
#[test]
fn x25_the_panic_of_a_job_is_an_error_of_the_task_that_awaits_it() {
    let outcome = run(async {
        arborio::scope(async |s: &Scope<Interrupt>| {
            s.spawn(async { spawn_blocking(|| panic!("in a job")).await });
            Ok(())
        })
        .await
    });
    assert!(
        matches!(outcome, Err(Interrupt::Panicked(payload)) if payload.message() == "in a job")
    );
}

#[test]
fn s12_a_job_of_one_loop_is_awaited_on_another() {
    let (job, go_on, _) = run(async { busy() });
    let waiter = thread::spawn(move || run(job));
    drop(go_on);
    waiter.join().unwrap().unwrap();
}

#[test]
fn s30_jobs_are_awaited_under_any_executor() {
    let jobs = || async {
        let (first, second) = (spawn_blocking(|| 1), run_in_executor(|| 2));
        first.await.unwrap() + second.await.unwrap()
    };
    assert_eq!(futures_executor::block_on(jobs()), 3);
    assert_eq!(futures_lite::future::block_on(jobs()), 3);
    assert_eq!(smol::block_on(jobs()), 3);
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let spawned = tokio.spawn(jobs());
    assert_eq!(tokio.block_on(spawned).unwrap(), 3);
}

#[test]
fn s30_the_end_of_run_does_not_wait_for_jobs_that_nobody_awaits() {
    let (go_on, ended) = without_hanging(|| {
        run(async {
            let (job, go_on, ended) = busy();
            job.detach();
            (go_on, ended)
        })
    });
    assert!(!*ended.lock().unwrap());
    drop(go_on);
    wait_for(&ended);
}

/// More than [`limit_memory`] leaves.
const STACK: usize = 64 << 20;

#[test]
fn x24_jobs_wait_for_the_threads_that_there_are_if_there_can_be_no_more() {
    let name = "blocking::x24_jobs_wait_for_the_threads_that_there_are_if_there_can_be_no_more";
    in_own_process(name, || {
        let pool = BlockingPool::builder().stack_size(STACK).build();
        run(async {
            let (go_on, gate) = channel::<()>();
            let (started, running) = channel();
            let first = pool.spawn(move || {
                started.send(()).unwrap();
                let _ = gate.recv();
            });
            running.recv().unwrap();
            limit_memory(8 << 20);
            let jobs: Vec<_> = (0..40).map(|number| pool.spawn(move || number)).collect();
            assert_eq!(pool.threads(), 1, "the system refuses the others");
            drop(go_on);
            first.await.unwrap();
            for (number, job) in jobs.into_iter().enumerate() {
                assert_eq!(job.await.unwrap(), number);
            }
        });
    });
}

#[test]
fn x24_x27_a_job_that_awaits_a_job_for_which_there_can_be_no_thread_is_told() {
    let name = "blocking::x24_x27_a_job_that_awaits_a_job_for_which_there_can_be_no_thread_is_told";
    in_own_process(name, || {
        let pool = BlockingPool::builder().stack_size(STACK).max_threads(1);
        let pool = Arc::new(pool.build());
        let inner = Arc::clone(&pool);
        let outer = pool.spawn(move || {
            limit_memory(8 << 20);
            futures_lite::future::block_on(inner.spawn(|| ()))
        });
        let outcome = futures_lite::future::block_on(outer).unwrap();
        assert!(
            matches!(outcome, Err(Interrupt::NoThread(_))),
            "{outcome:?}"
        );
    });
}

#[test]
fn x24_without_any_thread_the_job_of_a_loop_ends_with_an_error_of_the_system() {
    let name =
        "blocking::x24_without_any_thread_the_job_of_a_loop_ends_with_an_error_of_the_system";
    in_own_process(name, || {
        limit_memory(1 << 20); // less than the stack of a thread
        run(async {
            let error = spawn_blocking(|| ()).await.unwrap_err();
            assert!(matches!(error, Interrupt::NoThread(_)), "{error}");
            let error = std::io::Error::from(error);
            assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "EAGAIN");
        });
    });
}

/// Short jobs one after the other, for which neither the loop nor the thread sleeps for long.
#[test]
fn s30_a_loop_that_waits_awake_for_its_jobs_serves_its_timers() {
    run(async {
        let start = Instant::now();
        let timer = spawn(sleep(ms(5)));
        while !timer.is_finished() {
            spawn_blocking(|| ()).await.unwrap();
            assert!(start.elapsed() < secs(20), "its timer does not fire");
        }
    });
}
