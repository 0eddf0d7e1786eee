//! TCP on the loop: bytes, ends, errors, and back-pressure.

use std::{
    io::{self, ErrorKind, Read},
    net::{Shutdown, SocketAddr},
    rc::Rc,
    sync::Arc,
    thread,
};

use arborio::{
    Task,
    net::{TcpListener, TcpStream},
    run, spawn, spawn_local,
    time::{sleep, timeout},
    yield_now,
};

use crate::support::{connected, ms, poll_once, read_to_end, secs, without_hanging};

#[test]
fn g08_a_hundred_connections_at_once_are_all_accepted() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let clients: Vec<_> = (0..100)
            .map(|_| spawn(async move { TcpStream::connect(address).await.unwrap() }))
            .collect();
        let mut peers = Vec::new();
        let mut accepted = Vec::new();
        for _ in 0..100 {
            let (stream, peer) = listener.accept().await.unwrap();
            peers.push(peer);
            accepted.push(stream);
        }
        let mut connected: Vec<SocketAddr> = Vec::new();
        for client in clients {
            connected.push(client.await.unwrap().local_addr().unwrap());
        }
        peers.sort();
        connected.sort();
        assert_eq!(peers, connected);
    });
}

#[test]
fn g08_a_thousand_connections_live_on_one_loop() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = spawn_local(async move {
            let mut echoes = Vec::new();
            for _ in 0..1000 {
                let (stream, _) = listener.accept().await.unwrap();
                echoes.push(spawn(async move {
                    let mut word = [0; 4];
                    stream.read_exact(&mut word).await.unwrap();
                    stream.write_all(&word).await.unwrap();
                    stream
                }));
            }
            echoes
        });
        let mut clients = Vec::new();
        for _ in 0..1000 {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        let echoes = server.await.unwrap();
        // All are open now, and every server task waits.
        for (number, client) in (0_u32..).zip(&clients) {
            client.write_all(&number.to_le_bytes()).await.unwrap();
        }
        for (number, client) in (0_u32..).zip(&clients) {
            let mut word = [0; 4];
            client.read_exact(&mut word).await.unwrap();
            assert_eq!(u32::from_le_bytes(word), number);
        }
        for echo in echoes {
            drop(echo.await.unwrap());
        }
    });
}

#[test]
fn g08_a_port_on_which_nobody_listens_refuses() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn g09_the_end_of_the_peer_is_a_read_of_nothing_as_often_as_one_asks() {
    run(async {
        let (client, server) = connected().await.unwrap();
        client.write_all(b"last words").await.unwrap();
        drop(client);
        assert_eq!(read_to_end(&server).await.unwrap(), b"last words");
        for _ in 0..3 {
            assert_eq!(server.read(&mut [0; 4]).await.unwrap(), 0);
        }
    });
}

#[test]
fn g09_a_read_that_was_dropped_loses_no_byte() {
    run(async {
        let (client, server) = connected().await.unwrap();
        for round in 0..50_u8 {
            let mut buffer = [0; 3];
            {
                let mut read = Box::pin(server.read(&mut buffer));
                assert!(poll_once(&mut read).is_pending());
            }
            client.write_all(&[round, 1, 2]).await.unwrap();
            let late = timeout(ms(0), server.read(&mut [])).await;
            drop(late);
            server.read_exact(&mut buffer).await.unwrap();
            assert_eq!(buffer, [round, 1, 2]);
        }
    });
}

#[test]
fn r11_every_size_of_buffer_gets_all_bytes_and_then_the_end() {
    run(async {
        for size in 1..=18 {
            let (client, server) = connected().await.unwrap();
            let reader = spawn(async move {
                let (mut all, mut buffer) = (Vec::new(), vec![0; size]);
                loop {
                    match server.read(&mut buffer).await.unwrap() {
                        0 => return all,
                        count => all.extend_from_slice(&buffer[..count]),
                    }
                }
            });
            yield_now().await;
            client.write_all(b"seventeen letters").await.unwrap();
            drop(client);
            assert_eq!(reader.await.unwrap(), b"seventeen letters");
        }
    });
}

/// Bytes that do not repeat with any power of two.
fn noise(count: usize) -> Vec<u8> {
    (0..count as u64)
        .map(|index| (index.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8)
        .collect()
}

#[test]
fn g10_two_megabytes_reach_a_slow_reader_complete() {
    let sent = noise(2 << 20);
    run(async {
        let (client, server) = connected().await.unwrap();
        let reader = spawn(async move {
            let (mut all, mut buffer) = (Vec::new(), vec![0; 16 << 10]);
            loop {
                // Lets the sender fill every buffer on the way.
                arborio::task::skip_poll_cycle().await;
                match server.read(&mut buffer).await.unwrap() {
                    0 => return all,
                    count => all.extend_from_slice(&buffer[..count]),
                }
            }
        });
        client.write_all(&sent).await.unwrap();
        drop(client);
        assert!(reader.await.unwrap() == sent);
    });
}

#[test]
fn g10_a_writer_waits_for_room_while_bytes_come_the_other_way() {
    // The bug: waiting for readability, which the other direction fulfils.
    run(async {
        let (client, server) = connected().await.unwrap();
        let (client, server) = (Arc::new(client), Arc::new(server));
        server.write_all(b"unread").await.unwrap();
        let sender = Arc::clone(&client);
        let writer = spawn(async move { sender.write_all(&noise(4 << 20)).await });
        for _ in 0..100 {
            arborio::task::skip_poll_cycle().await;
        }
        assert!(!writer.is_finished(), "nobody has read: there is no room");
        let mut left = 4 << 20;
        let mut buffer = vec![0; 64 << 10];
        while left > 0 {
            left -= server.read(&mut buffer).await.unwrap();
        }
        writer.await.unwrap().unwrap();
        let mut word = [0; 6];
        client.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"unread");
    });
}

#[test]
fn g10_writing_nothing_returns_at_once() {
    run(async {
        let (client, _server) = connected().await.unwrap();
        client.write_all(b"").await.unwrap();
        let mut writing = Box::pin(client.write_all(b""));
        assert!(poll_once(&mut writing).is_ready());
    });
}

#[test]
fn r12_a_peer_that_ends_its_half_still_gets_ours() {
    run(async {
        let (client, server) = connected().await.unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
        let sent = noise(1 << 20);
        let copy = sent.clone();
        let writer = spawn(async move { server.write_all(&copy).await });
        assert!(read_to_end(&client).await.unwrap() == sent);
        writer.await.unwrap().unwrap();
    });
}

#[test]
fn r17_a_write_to_a_peer_that_is_gone_is_an_error() {
    run(async {
        let (client, server) = connected().await.unwrap();
        client.set_linger(Some(ms(0))).unwrap();
        drop(client); // sends a reset
        let error = loop {
            match server.write(b"anybody?").await {
                Ok(_) => yield_now().await,
                Err(error) => break error,
            }
        };
        let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        assert!(kinds.contains(&error.kind()), "{error}");
    });
}

/// What a handler does with its client, once it has said hello.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Good,
    Error,
    Panic,
    Abort,
}

#[cfg(panic = "unwind")]
#[test]
fn g11_the_client_sees_the_end_however_its_handler_ends() {
    for ending in [Ending::Good, Ending::Error, Ending::Panic, Ending::Abort] {
        run(async {
            let (client, server) = connected().await.unwrap();
            let handler: Task<io::Result<()>> = arborio::task().observed(true).spawn(async move {
                server.write_all(b"hello").await?;
                match ending {
                    Ending::Good => Ok(()),
                    Ending::Error => Err(ErrorKind::Other.into()),
                    Ending::Panic => panic!("the handler"),
                    Ending::Abort => std::future::pending().await,
                }
            });
            client.read_exact(&mut [0; 5]).await.unwrap();
            if let Ending::Abort = ending {
                handler.abort();
            }
            let end = timeout(secs(10), client.read(&mut [0])).await;
            assert_eq!(end.expect("no end came").unwrap(), 0, "{ending:?}");
            drop(handler.await);
        });
    }
}

#[test]
fn g11_closing_wakes_every_task_that_waits_with_an_error() {
    without_hanging(|| {
        run(async {
            let (_client, server) = connected().await.unwrap();
            let server = Rc::new(server);
            let readers: Vec<_> = (0..3)
                .map(|_| {
                    let server = Rc::clone(&server);
                    spawn_local(async move { server.read(&mut [0]).await.unwrap_err().kind() })
                })
                .collect();
            yield_now().await;
            server.close();
            for reader in readers {
                assert_eq!(reader.await.unwrap(), ErrorKind::NotConnected);
            }
            let late = server.write(b"late").await.unwrap_err();
            assert_eq!(late.kind(), ErrorKind::NotConnected);
        });
    });
}

#[test]
fn g11_closing_a_listener_wakes_who_accepts() {
    without_hanging(|| {
        run(async {
            let listener = Rc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
            let accepts = Rc::clone(&listener);
            let acceptor = spawn_local(async move { accepts.accept().await.unwrap_err().kind() });
            yield_now().await;
            listener.close();
            assert_eq!(acceptor.await.unwrap(), ErrorKind::NotConnected);
        });
    });
}

#[test]
fn g08_several_readers_of_one_socket_are_all_woken() {
    run(async {
        let (client, server) = connected().await.unwrap();
        let server = Rc::new(server);
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let server = Rc::clone(&server);
                spawn_local(async move { server.read(&mut [0]).await.unwrap() })
            })
            .collect();
        yield_now().await;
        client.write_all(b"four").await.unwrap();
        for reader in readers {
            assert_eq!(reader.await.unwrap(), 1);
        }
    });
}

#[test]
fn s27_a_timeout_around_a_read_ends_it_and_leaves_the_socket_usable() {
    run(async {
        let (client, server) = connected().await.unwrap();
        let mut word = [0; 2];
        for _ in 0..5 {
            assert!(timeout(ms(1), server.read(&mut word)).await.is_err());
        }
        client.write_all(b"ok").await.unwrap();
        let count = timeout(secs(10), server.read(&mut word)).await;
        assert_eq!(count.unwrap().unwrap(), 2);
        assert_eq!(&word, b"ok");
    });
}

#[test]
fn r02_bytes_and_timers_go_on_together() {
    let sent = noise(1 << 20);
    let copy = sent.clone();
    run(async {
        let (client, server) = connected().await.unwrap();
        // A plain thread reads on the other side, at its own pace.
        let mut client = client.into_std().unwrap();
        let reader = thread::spawn(move || {
            let mut all = Vec::new();
            client.read_to_end(&mut all).unwrap();
            all
        });
        let ticker = spawn(async {
            for _ in 0..10 {
                sleep(ms(1)).await;
            }
        });
        server.write_all(&copy).await.unwrap();
        drop(server);
        ticker.await.unwrap();
        assert!(reader.join().unwrap() == sent);
    });
}
