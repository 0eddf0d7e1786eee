//! A system that has run out of descriptors: the loop goes on.

use std::{fs::File, future::poll_fn, net::TcpStream as StdStream, pin::pin, time::Instant};

use arborio::{
    EventLoop, Pool, RunError,
    net::{TcpListener, TcpStream},
    run, spawn, spawn_blocking,
    time::{Duration, sleep, timeout},
};
use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    time::{ClockId, clock_gettime},
};

use crate::support::{
    Gate, in_own_process, in_own_process_with, limit_memory, ms, open_descriptors, secs, threads,
    threads_become, unlimit_memory,
};

/// Lets this process open `count` descriptors at most.
fn limit_descriptors(count: usize) {
    let mut limit: Rlimit = getrlimit(Resource::Nofile);
    limit.current = Some(count as u64);
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// Takes every descriptor that is left; they come back when this is dropped.
fn take_all_descriptors() -> Vec<File> {
    limit_descriptors(64);
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

/// The processor time of this process.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap()
}

/// Waits for connections for which there are no descriptors, on whatever runs this.
async fn accept_without_descriptors() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Everything that the loop itself needs is open, and the listener is registered.
    let first = StdStream::connect(address).unwrap();
    drop((listener.accept().await.unwrap(), first));
    sleep(ms(1)).await;
    limit_descriptors(open_descriptors() + 25);
    let mut clients = Vec::new();
    while let Ok(client) = StdStream::connect(address) {
        clients.push(client);
    }
    // Not one descriptor is left; `waiting` connections wait.
    let waiting = clients.len();
    assert!((10..40).contains(&waiting), "{waiting}");
    let acceptor = spawn(async move {
        let mut accepted = Vec::new();
        while accepted.len() < waiting {
            accepted.push(listener.accept().await.unwrap());
        }
        accepted.len()
    });
    let (before, start) = (processor_time(), Instant::now());
    for _ in 0..50 {
        sleep(ms(10)).await;
    }
    let (spent, passed) = (processor_time() - before, start.elapsed());
    assert!(!acceptor.is_finished());
    assert!(spent < ms(50), "{spent:?} of processor in {passed:?}");

    // The limit goes up: all are accepted, without being asked again.
    limit_descriptors(1000);
    let accepted = timeout(secs(10), acceptor).await.unwrap().unwrap();
    assert_eq!(accepted, waiting);
}

#[test]
fn r14_accept_without_descriptors_neither_spins_nor_starves_others() {
    let name = "shortage::r14_accept_without_descriptors_neither_spins_nor_starves_others";
    in_own_process(name, || run(accept_without_descriptors()));
}

#[test]
fn r14_accept_without_descriptors_waits_on_a_loop_in_the_background() {
    let name = "shortage::r14_accept_without_descriptors_waits_on_a_loop_in_the_background";
    in_own_process(name, || {
        let event_loop = EventLoop::builder().start().unwrap();
        event_loop
            .handle()
            .run(accept_without_descriptors())
            .unwrap();
    });
}

#[test]
fn r14_accept_without_descriptors_waits_on_a_pool() {
    let name = "shortage::r14_accept_without_descriptors_waits_on_a_pool";
    in_own_process(name, || {
        Pool::builder().workers(3).run(accept_without_descriptors());
    });
}

#[test]
fn r14_others_tick_in_time_while_accept_pauses() {
    let name = "shortage::r14_others_tick_in_time_while_accept_pauses";
    in_own_process(name, || {
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            sleep(ms(1)).await;
            let client = StdStream::connect(address).unwrap();
            let taken = take_all_descriptors();
            let acceptor = spawn(async move {
                let mut accept = pin!(listener.accept());
                let mut longest = Duration::ZERO;
                let accepted = poll_fn(|cx| {
                    let start = Instant::now();
                    let polled = accept.as_mut().poll(cx);
                    longest = longest.max(start.elapsed());
                    polled
                });
                accepted.await.map(|_| longest)
            });
            let mut late = Vec::new();
            for _ in 0..100 {
                let start = Instant::now();
                sleep(ms(2)).await;
                late.push(start.elapsed() - ms(2));
            }
            late.sort();
            // A pause that held the loop up would make each late by 100 ms.
            assert!(late[25] < ms(20), "{:?} late", late[25]);
            assert!(!acceptor.is_finished());
            drop(taken);
            let longest = acceptor.await.unwrap().unwrap();
            assert!(
                longest < ms(90),
                "a poll of {longest:?}: a pause takes 100 ms"
            );
            drop(client);
        });
    });
}

#[test]
fn r21_a_loop_that_gets_no_descriptor_still_has_timers_and_other_threads() {
    let name = "shortage::r21_a_loop_that_gets_no_descriptor_still_has_timers_and_other_threads";
    in_own_process(name, || {
        let taken = take_all_descriptors();
        run(async {
            let error = TcpListener::bind("127.0.0.1:0").await.unwrap_err();
            let too_many = rustix::io::Errno::MFILE.raw_os_error();
            assert_eq!(error.raw_os_error(), Some(too_many));

            let (before, start) = (processor_time(), Instant::now());
            sleep(ms(100)).await;
            assert!(start.elapsed() >= ms(100));
            let spent = processor_time() - before;
            assert!(spent < ms(20), "{spent:?} of processor");

            let gate = Gate::default();
            let opens = gate.clone();
            let thread = std::thread::spawn(move || opens.open());
            gate.passed().await;
            thread.join().unwrap();

            // Once there are descriptors, sockets work on the same loop.
            drop(taken);
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            drop(TcpStream::connect(address).await.unwrap());
        });
    });
}

#[test]
fn r04_a_connection_that_gets_no_descriptor_is_an_error_and_leaves_nothing() {
    let name = "shortage::r04_a_connection_that_gets_no_descriptor_is_an_error_and_leaves_nothing";
    in_own_process(name, || {
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let open = open_descriptors();
            let taken = take_all_descriptors();
            for _ in 0..1000 {
                assert!(TcpStream::connect(address).await.is_err());
            }
            drop(taken);
            assert_eq!(open_descriptors(), open);
            drop(TcpStream::connect(address).await.unwrap());
        });
    });
}

#[test]
fn r21_pools_and_loops_in_the_background_start_without_descriptors() {
    let name = "shortage::r21_pools_and_loops_in_the_background_start_without_descriptors";
    in_own_process(name, || {
        let before = (open_descriptors(), threads());
        let taken = take_all_descriptors();
        let works = async || {
            let start = Instant::now();
            let tasks: Vec<_> = (0..10).map(|_| spawn(sleep(ms(5)))).collect();
            for task in tasks {
                task.await.unwrap();
            }
            assert!(start.elapsed() >= ms(5));
            let before = processor_time();
            sleep(ms(100)).await;
            let spent = processor_time() - before;
            assert!(spent < ms(60), "{spent:?} of processor");
            assert_eq!(spawn_blocking(|| 3).await.unwrap(), 3);
            let error = TcpListener::bind("127.0.0.1:0").await.unwrap_err();
            let too_many = rustix::io::Errno::MFILE.raw_os_error();
            assert_eq!(error.raw_os_error(), Some(too_many));
        };
        Pool::builder().workers(3).run(works());
        let event_loop = EventLoop::builder().start().unwrap();
        event_loop.handle().run(works()).unwrap();
        event_loop.stop_and_join(secs(1)).unwrap();
        drop(taken);
        assert_eq!(open_descriptors(), before.0);
        all_threads_but(1, before.1); // that of the job stays for a while
        Pool::builder().workers(3).run(connect());
        EventLoop::get_or_create().unwrap().run(connect()).unwrap();
    });
}

/// A connection there and back.
async fn connect() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await;
    drop((listener.accept().await.unwrap(), client.unwrap()));
}

/// Returns when there are `before` threads, and `more`. The kernel lists one for a moment longer
/// than whoever joins it waits.
fn all_threads_but(more: usize, before: usize) {
    let start = Instant::now();
    while threads() > before + more {
        assert!(start.elapsed() < secs(10), "threads are left over");
        std::thread::yield_now();
    }
}

/// How much address space a thread takes in the tests of threads that are refused, in bytes: more than all
/// else that a thread needs.
const STACK: u64 = 512 << 20;

fn says_again(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::AGAIN.raw_os_error())
}

#[test]
fn x23_a_pool_that_gets_only_some_of_its_threads_is_an_error_and_leaves_none() {
    let name =
        "shortage::x23_a_pool_that_gets_only_some_of_its_threads_is_an_error_and_leaves_none";
    in_own_process_with(name, &[("RUST_MIN_STACK", &STACK.to_string())], || {
        let before = (open_descriptors(), threads());
        for allowed in 0..3 {
            limit_memory(allowed * STACK + STACK / 2);
            let main = async { unreachable!("there are not enough workers") };
            let refused: Result<(), _> = Pool::builder().workers(4).try_run(main);
            unlimit_memory();
            let Err(RunError::System(error)) = refused else {
                panic!("the system gave more than {allowed} threads");
            };
            assert!(says_again(&error), "{error}");
            assert_eq!(open_descriptors(), before.0, "{allowed}");
            all_threads_but(0, before.1);
        }
        let slept = Pool::builder()
            .workers(4)
            .run(async { spawn(sleep(ms(1))).await });
        slept.unwrap();
    });
}

#[test]
fn x23_a_loop_that_gets_no_thread_is_an_error_and_leaves_nothing() {
    let name = "shortage::x23_a_loop_that_gets_no_thread_is_an_error_and_leaves_nothing";
    in_own_process_with(name, &[("RUST_MIN_STACK", &STACK.to_string())], || {
        let before = (open_descriptors(), threads());
        limit_memory(STACK / 2);
        let refused = EventLoop::builder().start().unwrap_err();
        assert!(says_again(&refused), "{refused}");
        let refused = EventLoop::get_or_create().unwrap_err();
        assert!(says_again(&refused), "{refused}");
        unlimit_memory();
        assert_eq!(open_descriptors(), before.0);
        threads_become(before.1);
        let handle = EventLoop::get_or_create().unwrap();
        assert_eq!(handle.run(async { 4 }).unwrap(), 4);
    });
}
