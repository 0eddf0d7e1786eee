//! Timers and sockets of tasks that move.

use std::{
    future::pending,
    io::{Read, Write},
    thread,
};

use arborio::{
    net::{TcpListener, TcpStream},
    spawn,
    time::{Duration, sleep, timeout},
    yield_now,
};
use futures_lite::AsyncReadExt as _;

use crate::{limits::without_hanging, running::two};

#[test]
fn sleeps_and_timeouts_work_wherever_a_task_is() {
    without_hanging(|| {
        two().run(async {
            let tasks: Vec<_> = (0..200_u64)
                .map(|n| {
                    spawn(async move {
                        yield_now().await;
                        sleep(Duration::from_millis(n % 5)).await;
                        let late = timeout(Duration::from_millis(1), pending::<()>()).await;
                        sleep(Duration::from_millis(n % 3)).await;
                        late.is_err()
                    })
                })
                .collect();
            for task in tasks {
                assert!(task.await.unwrap());
            }
        });
    });
}

#[test]
fn sockets_work_wherever_a_task_is() {
    without_hanging(|| {
        two().run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            let server = spawn(async move {
                for _ in 0..50 {
                    let (stream, _) = listener.accept().await.unwrap();
                    drop(spawn(async move {
                        let mut buffer = [0; 16];
                        loop {
                            let n = stream.read(&mut buffer).await.unwrap();
                            if n == 0 {
                                return;
                            }
                            stream.write_all(&buffer[..n]).await.unwrap();
                        }
                    }));
                }
            });
            let clients: Vec<_> = (0..50_u8)
                .map(|n| {
                    spawn(async move {
                        let stream = TcpStream::connect(addr).await.unwrap();
                        for round in 0..20 {
                            let sent = [n, round];
                            stream.write_all(&sent).await.unwrap();
                            let mut got = [0; 2];
                            stream.read_exact(&mut got).await.unwrap();
                            assert_eq!(got, sent);
                        }
                    })
                })
                .collect();
            for client in clients {
                client.await.unwrap();
            }
            server.await.unwrap();
        });
    });
}

#[test]
fn std_streams_and_arborios_meet_on_a_pool() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let peer = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        stream.write_all(&got).unwrap();
    });
    two().run(async move {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(b"bread").await.unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"bread");
    });
    peer.join().unwrap();
}
