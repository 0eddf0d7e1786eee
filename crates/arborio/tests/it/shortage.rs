//! A system that has run out of descriptors: the loop goes on.

use std::{fs::File, net::TcpStream as StdStream, time::Instant};

use arborio::{
    net::{TcpListener, TcpStream},
    run, spawn,
    time::{Duration, sleep, timeout},
};
use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    time::{ClockId, clock_gettime},
};

use crate::support::{Gate, in_own_process, ms, open_descriptors, secs};

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

/// The processor time of this thread.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap()
}

#[test]
fn r14_accept_without_descriptors_neither_spins_nor_starves_others() {
    let name = "shortage::r14_accept_without_descriptors_neither_spins_nor_starves_others";
    in_own_process(name, || {
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            sleep(ms(1)).await; // everything the loop itself needs is open
            limit_descriptors(40);
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
        });
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
            let acceptor = spawn(async move { listener.accept().await.map(drop) });
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
            acceptor.await.unwrap().unwrap();
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
