//! `#[arborio::main]` and `#[arborio::test]`: what they make of a function.

use std::{
    cell::Cell,
    collections::HashSet,
    fmt,
    process::{ExitCode, Termination},
    sync::{Arc, Mutex},
    thread,
};

use arborio::{
    Pool, is_running, spawn, spawn_local,
    task::skip_ready_cycle,
    time::{Clock, clock, sleep},
    yield_now,
};

use crate::support::secs;

/// Where somebody has given the crate another name.
mod renamed {
    pub(crate) use arborio as forest;
}

#[derive(Debug, PartialEq)]
struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

/// How many threads run tasks, once there are as many as `workers`.
async fn threads_that_poll(workers: usize) -> usize {
    let seen = Arc::new(Mutex::new(HashSet::new()));
    let tasks: Vec<_> = (0..4 * workers)
        .map(|_| {
            let seen = Arc::clone(&seen);
            spawn(async move {
                while seen.lock().unwrap().len() < workers {
                    yield_now().await;
                    seen.lock().unwrap().insert(thread::current().id());
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    seen.lock().unwrap().len()
}

mod main {
    use super::*;

    #[arborio::main]
    async fn on_a_loop() -> thread::ThreadId {
        let cell = std::rc::Rc::new(Cell::new(0));
        let child = std::rc::Rc::clone(&cell);
        spawn_local(async move { child.set(1) }).await.unwrap();
        assert_eq!(cell.get(), 1);
        assert!(Pool::builder().try_run(async {}).is_err(), "it is a loop");
        thread::current().id()
    }

    #[test]
    fn a_function_runs_on_a_loop_on_the_thread_of_its_caller() {
        assert_eq!(on_a_loop(), thread::current().id());
        assert!(!is_running());
    }

    #[arborio::main]
    async fn fails() -> Result<u32, Refused> {
        let number: u32 = "x".parse().map_err(|_| Refused)?;
        Ok(number)
    }

    #[test]
    fn a_question_mark_leaves_the_function() {
        assert_eq!(fails(), Err(Refused));
    }

    #[arborio::main(workers = 2)]
    async fn on_a_pool_and_not_send() -> thread::ThreadId {
        let cell = std::rc::Rc::new(Cell::new(0));
        spawn(async {}).await.unwrap();
        cell.set(1);
        thread::current().id()
    }

    #[test]
    fn a_function_that_is_not_send_runs_on_a_pool_on_the_thread_of_its_caller() {
        assert_eq!(on_a_pool_and_not_send(), thread::current().id());
    }

    #[arborio::main(workers = 3)]
    async fn on_three_workers() -> usize {
        threads_that_poll(3).await
    }

    const TWO: usize = 2;

    #[arborio::main(workers = TWO,)]
    async fn on_two_workers() -> usize {
        threads_that_poll(2).await
    }

    #[test]
    fn a_function_with_workers_runs_on_a_pool() {
        assert_eq!(on_three_workers(), 3);
        assert_eq!(on_two_workers(), 2);
    }

    #[arborio::main(workers)]
    async fn on_all_workers() -> usize {
        let processors = thread::available_parallelism().unwrap().get();
        threads_that_poll(processors.min(63)).await
    }

    #[test]
    fn workers_without_a_number_are_as_many_as_there_are_processors() {
        let processors = thread::available_parallelism().unwrap().get();
        assert_eq!(on_all_workers(), processors.min(63));
    }

    #[arborio::main(crate = "crate::macros::renamed::forest")]
    async fn under_another_name() -> bool {
        is_running()
    }

    #[test]
    fn the_crate_may_have_another_name() {
        assert!(under_another_name());
    }

    #[arborio::main]
    async fn of_a_trait() -> impl Termination {
        ExitCode::from(3)
    }

    #[test]
    fn a_function_may_return_whatever_a_main_may() {
        assert_eq!(of_a_trait().report(), ExitCode::from(3));
    }

    /// Its attributes must reach the function: without `allow` the lint is an error.
    #[deny(unused_variables)]
    #[allow(unused_variables)]
    #[must_use]
    #[arborio::main]
    async fn with_attributes() -> u32 {
        let unused = 1;
        2
    }

    #[test]
    fn attributes_are_kept() {
        assert_eq!(with_attributes(), 2);
    }

    macro_rules! program {
        ($(#[$meta:meta])* $vis:vis $name:ident $result:ty $body:block) => {
            $(#[$meta])* #[arborio::main] $vis async fn $name() -> $result $body
        };
    }
    program!(
        /// With a comment.
        #[inline] pub(super) from_a_macro u32 { yield_now().await; 7 }
    );

    #[test]
    fn a_function_may_come_from_a_macro() {
        assert_eq!(from_a_macro(), 7);
    }

    /// Names that the expansion could mean by mistake.
    mod hostile {
        #![allow(non_camel_case_types, dead_code, reason = "they are in the way")]

        struct Pool;
        struct EventLoop;
        struct core;
        fn run() {}
        mod arborio {}
        use ::arborio::main as begin;

        #[begin(workers = 1)]
        pub(super) async fn unreachable() -> u32 {
            5
        }
    }

    #[test]
    fn names_of_the_program_are_not_in_the_way() {
        assert_eq!(hostile::unreachable(), 5);
    }
}

mod test {
    use super::*;

    #[arborio::test]
    async fn a_test_runs_on_a_loop_on_the_real_clock() {
        assert!(is_running() && !Clock::current().is_simulated());
        spawn_local(async {}).await.unwrap();
    }

    #[arborio::test]
    async fn a_test_may_fail_with_a_question_mark() -> Result<(), arborio::Interrupt> {
        spawn(async {}).await?;
        Ok(())
    }

    #[arborio::test(clock = "virtual")]
    async fn a_test_on_a_virtual_clock_takes_no_time() {
        sleep(secs(3600)).await;
        assert_eq!(clock(), secs(3600));
    }

    #[arborio::test(workers = 2)]
    async fn a_test_runs_on_a_pool() {
        assert_eq!(threads_that_poll(2).await, 2);
    }

    #[arborio::test]
    #[should_panic = "as it is told"]
    async fn a_test_should_panic() {
        yield_now().await;
        panic!("as it is told");
    }

    #[arborio::test(crate = "super::renamed::forest", clock = "virtual")]
    async fn a_test_finds_the_crate_by_another_name() {
        assert!(Clock::current().is_simulated());
    }

    /// The order in which wakes that come at the same time are seen.
    async fn order() -> Vec<u32> {
        let gate = Arc::new(arborio::sync::Event::new());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..16)
            .map(|number| {
                let (gate, seen) = (Arc::clone(&gate), Arc::clone(&seen));
                spawn(async move {
                    gate.wait().await;
                    seen.lock().unwrap().push(number);
                })
            })
            .collect();
        skip_ready_cycle().await;
        thread::scope(|threads| {
            threads.spawn(|| gate.set());
        });
        for task in tasks {
            task.await.unwrap();
        }
        Arc::into_inner(seen).unwrap().into_inner().unwrap()
    }

    #[arborio::test(seed = 7, clock = "virtual")]
    async fn a_test_with_a_seed_permutes_wakes_from_elsewhere() {
        let permuted = order().await;
        let same = thread::spawn(|| {
            let builder = arborio::EventLoop::builder().clock(Clock::simulated());
            builder.seed(7).run(order())
        });
        assert_eq!(permuted, same.join().unwrap());
        assert_ne!(permuted, (0..16).collect::<Vec<_>>());
    }
}
