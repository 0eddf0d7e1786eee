//! Unix sockets, UDP and proxies on the loop.

use std::{io, net::Shutdown, path::PathBuf};

use arborio::{
    LoopBuilder,
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, BufWriter, StreamExt, copy_bidirectional},
    net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream},
    run, spawn,
    time::{Instant, sleep, timeout},
};

use crate::support::{ms, secs, simulated, without_hanging};

/// Where a listener of one test is to be, and its file's end.
struct Place(PathBuf);

impl Place {
    fn new(test: &str) -> Self {
        let name = format!("arborio-{test}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn listener(&self) -> UnixListener {
        let builder = UnixListener::builder();
        builder.remove_on_drop(true).bind(&self.0).unwrap()
    }
}

/// Answers what comes, in a task for each direction, and passes the end on.
async fn echo_by_halves(stream: UnixStream) -> io::Result<usize> {
    let (reader, writer) = stream.into_split();
    let (sender, mut receiver) = arborio::sync::mpsc::channel::<Vec<u8>>(4);
    let writing = spawn(async move {
        while let Some(bytes) = receiver.recv().await {
            writer.write_all(&bytes).await?;
        }
        io::Result::Ok(())
    });
    let (mut total, mut buf) = (0, [0; 512]);
    while let count @ 1.. = reader.read(&mut buf).await? {
        total += count;
        sender.send(buf[..count].to_vec()).await.unwrap();
    }
    drop(sender);
    writing.await.unwrap()?;
    Ok(total)
}

#[test]
fn a_unix_server_echoes_with_a_task_for_each_half() {
    const CLIENTS: usize = 20;
    let place = Place::new("echo");
    run(async {
        let listener = place.listener();
        let server = spawn(async move {
            let mut handlers = Vec::new();
            for _ in 0..CLIENTS {
                let (stream, _) = listener.accept().await.unwrap();
                handlers.push(spawn(echo_by_halves(stream)));
            }
            for handler in handlers {
                assert_eq!(handler.await.unwrap().unwrap(), 10 * 100);
            }
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let path = place.0.clone();
                spawn(async move {
                    let stream = UnixStream::connect(path).await.unwrap();
                    let sent = [u8::try_from(number).unwrap(); 100];
                    for _ in 0..10 {
                        stream.write_all(&sent).await.unwrap();
                        let mut got = [0; 100];
                        stream.read_exact(&mut got).await.unwrap();
                        assert_eq!(got, sent);
                    }
                    stream.shutdown(Shutdown::Write).unwrap();
                    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
        server.await.unwrap();
    });
    assert!(!place.0.exists());
}

#[test]
fn a_proxy_joins_tcp_and_unix_and_passes_half_closes_on() {
    let place = Place::new("proxy");
    run(async {
        let (inner, outer) = (
            place.listener(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        );
        let address = outer.local_addr().unwrap();
        let path = place.0.clone();
        let proxy = spawn(async move {
            let (mut client, _) = outer.accept().await?;
            let mut server = UnixStream::connect(path).await?;
            copy_bidirectional(&mut client, &mut server).await
        });
        let server = spawn(async move {
            let (stream, _) = inner.accept().await.unwrap();
            let mut lines = BufReader::new(&stream).lines();
            let mut count = 0;
            while let Some(line) = lines.next().await {
                assert_eq!(line.unwrap(), format!("line {count}"));
                count += 1;
            }
            // The end of the client has come, and its other half is open.
            stream.write_all(&[b'.'; 40_000]).await.unwrap();
        });
        let client = TcpStream::connect(address).await.unwrap();
        let mut writer = BufWriter::new(&client);
        let mut sent = 0;
        for number in 0..5000 {
            let line = format!("line {number}\n");
            sent += line.len() as u64;
            writer.write_all(line.as_bytes()).await.unwrap();
        }
        writer.close().await.unwrap();
        let mut answer = vec![0; 40_000];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        server.await.unwrap();
        assert_eq!(proxy.await.unwrap().unwrap(), (sent, 40_000));
    });
}

#[test]
fn udp_peers_play_ping_pong() {
    run(async {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let serving = spawn(async move {
            let mut buf = [0; 64];
            for _ in 0..100 {
                let (count, peer) = server.recv_from(&mut buf).await.unwrap();
                server.send_to(&buf[..count], peer).await.unwrap();
            }
        });
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.connect(address).await.unwrap();
        for number in 0..100_u32 {
            client.send(&number.to_le_bytes()).await.unwrap();
            let mut answer = [0; 64];
            assert_eq!(client.recv(&mut answer).await.unwrap(), 4);
            assert_eq!(answer[..4], number.to_le_bytes());
        }
        serving.await.unwrap();
    });
}

#[test]
fn a_timeout_around_a_receive_leaves_the_socket_usable() {
    run(async {
        let (one, other) = UnixDatagram::pair().unwrap();
        assert!(timeout(ms(1), one.recv(&mut [0; 8])).await.is_err());
        other.send(b"late").await.unwrap();
        assert_eq!(one.recv(&mut [0; 8]).await.unwrap(), 4);
    });
}

/// A second client waits for a server that accepts the first one after an
/// hour on the clock of the loop.
fn second_client(builder: LoopBuilder, test: &str, hour: std::time::Duration) {
    let place = Place::new(test);
    builder.run(async {
        let listener = UnixListener::builder().backlog(0).remove_on_drop(true);
        let listener = listener.bind(&place.0).unwrap();
        let start = Instant::now();
        let first = UnixStream::connect(&place.0).await.unwrap();
        let path = place.0.clone();
        let second = spawn(async move { UnixStream::connect(path).await });
        sleep(hour).await;
        drop(listener.accept().await.unwrap());
        second.await.unwrap().unwrap();
        assert_eq!(
            start.elapsed(),
            hour,
            "waiting for a queue takes no simulated time"
        );
        drop(first);
    });
}

#[test]
fn r16_a_connect_that_waits_for_the_backlog_ends_on_a_simulated_clock_that_sockets_hold() {
    without_hanging(|| second_client(simulated(), "held", ms(0)));
}

#[test]
fn r16_a_connect_that_waits_for_the_backlog_does_not_move_a_simulated_clock() {
    let free = || simulated().io_holds_clock(false);
    without_hanging(move || second_client(free(), "free", secs(3600)));
}
