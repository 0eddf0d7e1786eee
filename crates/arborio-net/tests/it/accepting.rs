//! Listeners: crowds of clients, and a system that is out of descriptors.

use std::{
    cell::{Cell, RefCell},
    io::{ErrorKind, Read, Write},
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use arborio_net::{TcpListener, TcpStream, UnixListener};
use arborio_timers::interval;
use futures_lite::{
    StreamExt,
    future::{or, poll_fn, zip},
};
use rustix::{
    net::{AddressFamily, SocketType},
    time::{ClockId, clock_gettime},
};

use crate::support::{
    Crowd, Place, alone, limit_descriptors, listener, next_descriptor, open_descriptors, run,
};

#[test]
fn g08_a_hundred_clients_at_once_are_all_accepted() {
    const CLIENTS: usize = 100;
    let listener = listener();
    let addr = listener.local_addr().unwrap();
    let connected = Cell::new(0);
    let mut clients = Crowd::default();
    for _ in 0..CLIENTS {
        clients.add(async {
            let _client = TcpStream::connect(addr).await.unwrap();
            connected.set(connected.get() + 1);
        });
    }
    let accepting = async {
        for _ in 0..CLIENTS {
            listener.accept().await.unwrap();
        }
    };
    run(zip(accepting, poll_fn(|cx| clients.poll(cx))));
    assert_eq!(connected.get(), CLIENTS);
}

#[test]
fn g12_two_hundred_clients_get_their_messages_back() {
    const THREADS: usize = 8;
    const CLIENTS: usize = 25;
    let listener = listener();
    let addr = listener.local_addr().unwrap();
    let clients: Vec<_> = (0..THREADS)
        .map(|thread| thread::spawn(move || talk(addr, thread, CLIENTS)))
        .collect();
    let mut handlers = Crowd::default();
    let mut accepted = 0;
    run(poll_fn(|cx| {
        while accepted < THREADS * (CLIENTS + 1)
            && let Poll::Ready(accepting) = listener.poll_accept(cx)
        {
            accepted += 1;
            handlers.add(echo(accepting.unwrap().0));
        }
        match accepted == THREADS * (CLIENTS + 1) {
            true => handlers.poll(cx),
            false => {
                let _ = handlers.poll(cx);
                Poll::Pending
            }
        }
    }));
    for client in clients {
        client.join().unwrap();
    }
}

/// `count` clients that talk ten times, and one that leaves in the middle of a
/// message.
fn talk(addr: std::net::SocketAddr, thread: usize, count: usize) {
    let mut rude = std::net::TcpStream::connect(addr).unwrap();
    rude.write_all(b"hal").unwrap();
    drop(rude);
    let mut clients: Vec<_> = (0..count)
        .map(|_| std::net::TcpStream::connect(addr).unwrap())
        .collect();
    for round in 0..10 {
        for (number, client) in clients.iter_mut().enumerate() {
            let message = format!("{thread}/{number}/{round}!");
            client.write_all(message.as_bytes()).unwrap();
            let mut answer = vec![0; message.len()];
            client.read_exact(&mut answer).unwrap();
            assert_eq!(answer, message.as_bytes());
        }
    }
}

/// Answers each message, which ends in an exclamation mark, with itself.
async fn echo(stream: TcpStream) {
    let mut buf = [0; 64];
    // The rude one may have reset its connection.
    while let Ok(count @ 1..) = stream.read(&mut buf).await {
        if stream.write_all(&buf[..count]).await.is_err() {
            return;
        }
    }
}

#[test]
fn two_tasks_that_accept_from_one_listener_share_its_clients() {
    const CLIENTS: usize = 200;
    let listener = listener();
    let addr = listener.local_addr().unwrap();
    let accepted = Cell::new(0);
    let accepting = || async {
        while accepted.get() < CLIENTS {
            if listener.accept().await.is_err() {
                return;
            }
            accepted.set(accepted.get() + 1);
            if accepted.get() == CLIENTS {
                listener.close();
            }
        }
    };
    let client = thread::spawn(move || {
        for _ in 0..CLIENTS {
            std::net::TcpStream::connect(addr).unwrap();
        }
    });
    run(zip(accepting(), accepting()));
    assert_eq!(accepted.get(), CLIENTS);
    client.join().unwrap();
}

#[test]
fn incoming_gives_connections_until_it_is_closed() {
    let listener = listener();
    let addr = listener.local_addr().unwrap();
    let _clients: Vec<_> = (0..3)
        .map(|_| std::net::TcpStream::connect(addr).unwrap())
        .collect();
    let mut incoming = listener.incoming();
    for _ in 0..3 {
        assert!(run(incoming.next()).unwrap().is_ok());
    }
    listener.close();
    assert!(run(incoming.next()).is_none());
}

#[test]
fn incoming_goes_on_after_an_error() {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let listener = TcpListener::try_from(socket).unwrap();
    let mut incoming = listener.incoming();
    for _ in 0..2 {
        let error = run(incoming.next()).unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "it does not listen");
    }
    listener.close();
    assert!(run(incoming.next()).is_none());
}

#[test]
fn a_port_can_be_bound_again_while_its_old_connections_linger() {
    let listener = listener();
    let addr = listener.local_addr().unwrap();
    let client = std::net::TcpStream::connect(addr).unwrap();
    let (server, _) = run(listener.accept()).unwrap();
    // Whoever closes first keeps the port in TIME_WAIT.
    drop(server);
    drop(listener);
    let mut client = client;
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    drop(client);
    assert!(run(TcpListener::bind(addr)).is_ok());
}

#[test]
fn accepted_and_connected_sockets_are_close_on_exec_and_nonblocking() {
    let listener = listener();
    let connecting = TcpStream::connect(listener.local_addr().unwrap());
    let (client, accepted) = run(zip(connecting, listener.accept()));
    let (client, server) = (client.unwrap(), accepted.unwrap().0);
    let r23 = |fd: std::os::fd::BorrowedFd<'_>| {
        let flags = rustix::io::fcntl_getfd(fd).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        let nothing = rustix::io::read(fd, &mut [0; 1][..]);
        assert!(nothing.is_err(), "it must not block");
    };
    use std::os::fd::AsFd;
    r23(client.as_fd());
    r23(server.as_fd());
    r23(listener.as_fd());
}

#[test]
fn connections_that_come_and_go_leak_no_descriptor() {
    alone(
        "accepting::connections_that_come_and_go_leak_no_descriptor",
        || {
            let listener = listener();
            let addr = listener.local_addr().unwrap();
            let once = || {
                let (client, server) = run(zip(TcpStream::connect(addr), listener.accept()));
                let (client, server) = (client.unwrap(), server.unwrap().0);
                let mut cx = Context::from_waker(Waker::noop());
                assert!(client.poll_read(&mut cx, &mut [0]).is_pending());
                run(server.write_all(b"x")).unwrap();
            };
            once();
            let before = open_descriptors();
            for _ in 0..300 {
                once();
            }
            assert_eq!(open_descriptors(), before);
        },
    );
}

/// Sixty clients, ten descriptors to accept them with, and one second of that.
/// `accepting` accepts and keeps what it gets. Meanwhile others must get on, at
/// next to no cost; when there are descriptors again, all are accepted.
fn r14_out_of_descriptors<C, K>(
    client: impl Fn() -> C,
    kept: &RefCell<Vec<K>>,
    accepting: impl Future<Output = ()>,
) {
    const CLIENTS: usize = 60;
    // Start the background threads, which need descriptors of their own.
    run(arborio_timers::sleep(Duration::from_millis(1)));
    let _clients: Vec<_> = (0..CLIENTS).map(|_| client()).collect();
    let old = limit_descriptors(next_descriptor() + 10);
    let cpu = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    let before = cpu();
    let mut ticks = interval(Duration::from_millis(10));
    let others = async {
        let start = Instant::now();
        for _ in 0..100 {
            ticks.next().await;
        }
        let (took, used) = (start.elapsed(), cpu() - before);
        assert_eq!(kept.borrow().len(), 10, "as many as there is room for");
        assert!(took < Duration::from_millis(1100), "100 ticks in {took:?}");
        assert!(used < Duration::from_millis(100), "{used:?} of one second");
        limit_descriptors(old);
        while kept.borrow().len() < CLIENTS {
            ticks.next().await;
        }
    };
    run(or(others, accepting));
    assert_eq!(kept.borrow().len(), CLIENTS);
}

#[test]
fn r14_accept_out_of_descriptors_waits_and_lets_others_go_on() {
    alone(
        "accepting::r14_accept_out_of_descriptors_waits_and_lets_others_go_on",
        || {
            let (listener, kept) = (listener(), RefCell::default());
            let addr = listener.local_addr().unwrap();
            let client = || std::net::TcpStream::connect(addr).unwrap();
            r14_out_of_descriptors(client, &kept, async {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    kept.borrow_mut().push(stream);
                }
            });
        },
    );
}

#[test]
fn r14_accept_of_a_unix_listener_out_of_descriptors_waits_and_lets_others_go_on() {
    alone(
        "accepting::r14_accept_of_a_unix_listener_out_of_descriptors_waits_and_lets_others_go_on",
        || {
            let (place, kept) = (Place::new(), RefCell::default());
            let path = place.at("listener");
            let listener = UnixListener::bind(&path).unwrap();
            let client = || std::os::unix::net::UnixStream::connect(&path).unwrap();
            r14_out_of_descriptors(client, &kept, async {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    kept.borrow_mut().push(stream);
                }
            });
        },
    );
}

#[test]
fn r14_poll_accept_out_of_descriptors_waits_and_lets_others_go_on() {
    alone(
        "accepting::r14_poll_accept_out_of_descriptors_waits_and_lets_others_go_on",
        || {
            let (listener, kept) = (listener(), RefCell::default());
            let mut incoming = listener.incoming();
            let addr = listener.local_addr().unwrap();
            let client = || std::net::TcpStream::connect(addr).unwrap();
            r14_out_of_descriptors(client, &kept, async {
                while let Some(stream) = incoming.next().await {
                    kept.borrow_mut().push(stream.unwrap());
                }
            });
        },
    );
}

#[test]
fn r14_tasks_of_several_threads_all_come_out_of_the_pause() {
    alone(
        "accepting::r14_tasks_of_several_threads_all_come_out_of_the_pause",
        || {
            const THREADS: usize = 4;
            let listener = listener();
            let addr = listener.local_addr().unwrap();
            run(arborio_timers::sleep(Duration::from_millis(1)));
            let _first: Vec<_> = (0..THREADS)
                .map(|_| std::net::TcpStream::connect(addr).unwrap())
                .collect();
            let old = limit_descriptors(next_descriptor());
            let started = AtomicBool::new(false);
            thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| {
                        run(poll_fn(|cx| {
                            let poll = listener.poll_accept(cx);
                            started.store(true, Ordering::SeqCst);
                            poll
                        }))
                        .unwrap()
                    });
                }
                while !started.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
                run(arborio_timers::sleep(Duration::from_millis(150)));
                limit_descriptors(old);
            });
        },
    );
}
