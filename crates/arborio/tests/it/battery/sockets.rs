//! Sockets whose peers are gone, half gone, or were never there.

use std::{
    io::{ErrorKind, Write},
    net::{Shutdown, TcpListener as StdListener, TcpStream as StdStream},
    thread,
};

use arborio::{net::TcpStream, spawn};

use super::{Flavour, flavours};
use crate::support::{connected, read_to_end, without_hanging};

flavours! {
    r11_all_bytes_come_and_then_the_end_whatever_the_buffer: bytes_and_then_the_end;
    r12_a_peer_that_has_ended_its_half_gets_all_of_ours: half_a_connection;
    r13_a_reset_wakes_reader_and_writer: a_reset;
    r16_a_connection_that_is_refused_is_an_error: nobody_listens;
    r17_a_write_to_a_peer_that_has_closed_is_an_error: a_closed_peer;
}

fn bytes_and_then_the_end(flavour: Flavour) {
    const BYTES: usize = 20;
    without_hanging(move || {
        flavour.run(async {
            let readers: Vec<_> = (1..=BYTES + 1)
                .map(|size| {
                    spawn(async move {
                        let (near, far) = connected().await.unwrap();
                        let writer = spawn(async move { far.write_all(&[7; BYTES]).await });
                        let (mut buffer, mut count) = (vec![0; size], 0);
                        loop {
                            match near.read(&mut buffer).await.unwrap() {
                                0 => break,
                                n => count += n,
                            }
                        }
                        writer.await.unwrap().unwrap();
                        count
                    })
                })
                .collect();
            for reader in readers {
                assert_eq!(reader.await.unwrap(), BYTES);
            }
        });
    });
}

fn half_a_connection(flavour: Flavour) {
    const MUCH: usize = 4 << 20;
    without_hanging(move || {
        flavour.run(async {
            let (near, far) = connected().await.unwrap();
            far.shutdown(Shutdown::Write).unwrap();
            assert_eq!(near.read(&mut [0]).await.unwrap(), 0);
            let writer = spawn(async move { near.write_all(&vec![1; MUCH]).await });
            let reader = spawn(async move { read_to_end(&far).await.unwrap().len() });
            writer.await.unwrap().unwrap();
            assert_eq!(reader.await.unwrap(), MUCH);
        });
    });
}

fn a_reset(flavour: Flavour) {
    without_hanging(move || {
        flavour.run(async {
            let (near, far) = connected().await.unwrap();
            let near = std::sync::Arc::new(near);
            let reads = std::sync::Arc::clone(&near);
            let reader = spawn(async move { reads.read(&mut [0; 8]).await });
            let writer = spawn(async move {
                loop {
                    if let Err(error) = near.write_all(&[1; 64 << 10]).await {
                        return error.kind();
                    }
                }
            });
            // Both wait, or are about to.
            far.set_linger(Some(std::time::Duration::ZERO)).unwrap();
            drop(far);
            let read = reader.await.unwrap();
            assert!(
                read.is_err() || read.is_ok_and(|n| n == 0),
                "the end, or why"
            );
            let written = writer.await.unwrap();
            assert!(
                matches!(written, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
                "{written}"
            );
        });
    });
}

fn nobody_listens(flavour: Flavour) {
    flavour.run(async {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let tasks: Vec<_> = (0..10)
            .map(|_| spawn(async move { TcpStream::connect(address).await.map(drop) }))
            .collect();
        for task in tasks {
            let error = task.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        }
    });
}

fn a_closed_peer(flavour: Flavour) {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let peer = thread::spawn(move || {
        let (mut stream, _): (StdStream, _) = listener.accept().unwrap();
        stream.write_all(b"bye").unwrap();
    });
    flavour.run(async {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.read_exact(&mut [0; 3]).await.unwrap();
        let writer = spawn(async move {
            loop {
                // The first one is answered with a reset.
                if let Err(error) = stream.write_all(b"hello?").await {
                    return error.kind();
                }
            }
        });
        let kind = writer.await.unwrap();
        assert!(
            matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
            "{kind}"
        );
    });
    peer.join().unwrap();
}
