//! Jobs that block, seen from a task of each kind of runtime.

use std::sync::{Arc, mpsc::channel};

use arborio::{Interrupt, blocking::BlockingPool, spawn, spawn_blocking};

use super::{Flavour, flavours};
use crate::support::{in_own_process, limit_memory, secs, without_hanging};

flavours! {
    #[cfg(panic = "unwind")]
    x25_a_job_that_panics_is_an_error_and_costs_no_thread: a_job_that_panics;
    x26_jobs_that_meet_the_end_of_their_pool_all_have_an_outcome: jobs_at_the_end;
    x27_a_job_that_waits_for_a_job_makes_room_in_a_pool_of_one: jobs_inside_of_jobs;
}

fn a_job_that_panics(flavour: Flavour) {
    let pool = BlockingPool::builder().max_threads(1).build();
    flavour.run(async {
        for _ in 0..10 {
            let doomed = pool.spawn(|| panic!("in a job"));
            let outcome: Result<(), _> = doomed.await;
            assert!(
                matches!(outcome, Err(Interrupt::Panicked(payload)) if payload.message() == "in a job")
            );
        }
        assert_eq!(pool.spawn(|| 3).await.unwrap(), 3);
        assert_eq!(pool.threads(), 1);
    });
}

fn jobs_at_the_end(flavour: Flavour) {
    without_hanging(move || {
        flavour.run(async {
            for _ in 0..20 {
                let pool = Arc::new(BlockingPool::builder().max_threads(2).build());
                let closes = Arc::clone(&pool);
                let waiters: Vec<_> = (0..10_u32)
                    .map(|n| {
                        let pool = Arc::clone(&pool);
                        spawn(async move { (pool.spawn(move || n).await, n) })
                    })
                    .collect();
                let closed = spawn_blocking(move || closes.stop_and_join(secs(5)));
                for waiter in waiters {
                    match waiter.await.unwrap() {
                        (Ok(value), n) => assert_eq!(value, n),
                        (Err(ended), _) => {
                            assert!(!matches!(ended, Interrupt::Panicked(_)), "{ended}")
                        }
                    }
                }
                closed.await.unwrap().unwrap();
            }
        });
    });
}

fn jobs_inside_of_jobs(flavour: Flavour) {
    without_hanging(move || {
        flavour.run(async {
            let pool = Arc::new(BlockingPool::builder().max_threads(1).build());
            let inner = Arc::clone(&pool);
            let outer = pool.spawn(move || inner.spawn(|| 5).wait().unwrap());
            assert_eq!(outer.await.unwrap(), 5);
        });
    });
}

/// How large the stack of a job's thread is where threads are refused: more than what else is needed.
const STACK: usize = 64 << 20;

fn jobs_without_threads(flavour: Flavour) {
    flavour.run(async {
        let none = BlockingPool::builder().stack_size(STACK).build();
        let some = BlockingPool::builder().stack_size(STACK).build();
        let (go_on, gate) = channel::<()>();
        let (started, running) = channel();
        let first = some.spawn(move || {
            started.send(()).unwrap();
            let _ = gate.recv();
        });
        running.recv().unwrap();
        limit_memory(8 << 20);
        let refused = none.spawn(|| ()).await.unwrap_err();
        assert!(matches!(refused, Interrupt::NoThread(_)), "{refused}");
        let jobs: Vec<_> = (0..40).map(|n| some.spawn(move || n)).collect();
        assert_eq!(some.threads(), 1, "the system refuses the others");
        drop(go_on);
        first.await.unwrap();
        for (n, job) in jobs.into_iter().enumerate() {
            assert_eq!(job.await.unwrap(), n);
        }
    });
}

#[test]
fn x24_jobs_of_a_loop_without_threads_fail_or_wait() {
    let name = "battery::jobs::x24_jobs_of_a_loop_without_threads_fail_or_wait";
    in_own_process(name, || jobs_without_threads(Flavour::Loop));
}

#[test]
fn x24_jobs_of_a_pool_without_threads_fail_or_wait() {
    let name = "battery::jobs::x24_jobs_of_a_pool_without_threads_fail_or_wait";
    in_own_process(name, || jobs_without_threads(Flavour::Pool(2)));
}
