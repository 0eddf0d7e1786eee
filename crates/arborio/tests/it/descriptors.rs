//! Descriptors: none is left over, none is inherited, none is opened before it
//! is needed.

use std::{future::pending, os::fd::AsRawFd, process::Command};

use arborio::{
    EventLoop, Pool,
    net::{TcpListener, UdpSocket, UnixDatagram, UnixListener, UnixStream},
    options::Leftover,
    run, spawn, spawn_blocking,
    time::{Clock, sleep},
};

use crate::support::{connected, in_own_process, ms, open_descriptors, secs, simulated};

#[test]
fn f08_every_run_gives_all_its_descriptors_back() {
    in_own_process(
        "descriptors::f08_every_run_gives_all_its_descriptors_back",
        || {
            let before = open_descriptors();
            for round in 0..50 {
                let leftover = [Leftover::Wait, Leftover::Cancel][round % 2];
                EventLoop::builder().leftover(leftover).run(async {
                    let (client, server) = connected().await.unwrap();
                    let echo = spawn(async move {
                        let count = server.read(&mut [0; 8]).await.unwrap();
                        sleep(ms(1)).await;
                        count
                    });
                    let stuck = arborio::task().awaited(false);
                    let (one, two) = connected().await.unwrap();
                    drop(stuck.spawn(async move {
                        let _both = (one, two);
                        pending::<()>().await;
                    }));
                    client.write_all(b"x").await.unwrap();
                    assert_eq!(echo.await.unwrap(), 1);
                    assert!(open_descriptors() > before);
                });
                assert_eq!(open_descriptors(), before, "round {round}");
            }
        },
    );
}

#[test]
fn r21_a_loop_without_timers_and_sockets_opens_no_descriptor() {
    let name = "descriptors::r21_a_loop_without_timers_and_sockets_opens_no_descriptor";
    in_own_process(name, || {
        let before = open_descriptors();
        run(async {
            for _ in 0..10_000 {
                arborio::yield_now().await;
            }
            let gate = crate::support::Gate::default();
            let opens = gate.clone();
            let thread = std::thread::spawn(move || opens.open());
            gate.passed().await;
            thread.join().unwrap();
            assert_eq!(open_descriptors(), before);
        });
        simulated().run(async {
            sleep(secs(3600)).await;
            assert_eq!(open_descriptors(), before, "simulated time needs none");
        });
    });
}

#[test]
fn r23_a_program_that_is_started_inherits_nothing_of_the_loop() {
    let name = "descriptors::r23_a_program_that_is_started_inherits_nothing_of_the_loop";
    in_own_process(name, || {
        let list = || {
            let output = Command::new("ls").arg("/proc/self/fd").output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let before = list();
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let (client, server) = connected().await.unwrap();
            let inherited = server.as_raw_fd().to_string();
            sleep(ms(1)).await; // opens the timer's descriptor
            let during = list();
            assert!(!during.lines().any(|number| number == inherited));
            assert_eq!(during, before);
            drop((listener, client, server));
        });
    });
}

/// What the descriptors of this process lead to.
fn descriptor_names() -> Vec<String> {
    let names = std::fs::read_dir("/proc/self/fd").unwrap();
    let names = names.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    names.map(|name| name.display().to_string()).collect()
}

#[test]
fn r23_a_program_that_is_started_inherits_nothing_whatever_runs() {
    let name = "descriptors::r23_a_program_that_is_started_inherits_nothing_whatever_runs";
    in_own_process(name, || {
        let list = || {
            let output = Command::new("ls").arg("/proc/self/fd").output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let before = list();
        let path = std::env::temp_dir().join(format!("arborio-exec-{}", std::process::id()));
        let sockets = async || {
            let tcp = connected().await.unwrap();
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            udp.send_to(b"x", udp.local_addr().unwrap()).await.unwrap();
            udp.recv_from(&mut [0; 4]).await.unwrap();
            let unix = UnixStream::pair().unwrap();
            unix.0.write_all(b"x").await.unwrap();
            unix.1.read(&mut [0; 4]).await.unwrap();
            sleep(ms(1)).await;
            (tcp, udp, unix, UnixDatagram::pair().unwrap())
        };
        let event_loop = EventLoop::builder().start().unwrap();
        let far = event_loop.handle().run(async {
            let listener = UnixListener::builder()
                .remove_on_drop(true)
                .bind(&path)
                .unwrap();
            let client = UnixStream::connect(&path).await.unwrap();
            let server = listener.accept().await.unwrap();
            (sockets().await, listener, client, server)
        });
        let foreign = futures_lite::future::block_on(async {
            sleep(ms(1)).await;
            connected().await.unwrap()
        });
        Pool::builder().workers(2).run(async {
            let near = sockets().await;
            let tasks: Vec<_> = (0..20)
                .map(|_| spawn(async { (connected().await.unwrap(), sleep(ms(2)).await) }))
                .collect();
            let mut others = Vec::new();
            for task in tasks {
                others.push(task.await.unwrap());
            }
            let names = descriptor_names();
            for kind in ["eventpoll", "eventfd", "timerfd", "socket"] {
                assert!(names.iter().any(|name| name.contains(kind)), "{kind}");
            }
            let during = spawn_blocking(list).await.unwrap();
            assert_eq!(during, before);
            drop((near, others));
        });
        drop((far, foreign));
    });
}

#[test]
fn g11_a_socket_is_closed_when_it_is_dropped_and_not_when_the_loop_ends() {
    let name = "descriptors::g11_a_socket_is_closed_when_it_is_dropped_and_not_when_the_loop_ends";
    in_own_process(name, || {
        let before = open_descriptors();
        run(async {
            drop(connected().await.unwrap());
            // Only the loop's own are left.
            let own = open_descriptors();
            let pair = connected().await.unwrap();
            assert_eq!(open_descriptors(), own + 2);
            drop(pair);
            assert_eq!(open_descriptors(), own);
        });
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn g03_a_clock_that_is_shared_by_many_loops_holds_no_descriptor() {
    let name = "descriptors::g03_a_clock_that_is_shared_by_many_loops_holds_no_descriptor";
    in_own_process(name, || {
        let (before, clock) = (open_descriptors(), Clock::simulated());
        for _ in 0..20 {
            let builder = EventLoop::builder().clock(clock.clone());
            builder.run(async { drop(connected().await.unwrap()) });
        }
        assert_eq!(open_descriptors(), before);
    });
}
