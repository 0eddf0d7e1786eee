//! Sockets of all kinds.

use std::{
    io::{IoSlice, IoSliceMut},
    net::Shutdown,
    path::{Path, PathBuf},
    time::Duration,
};

use arborio::{
    net::{
        TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream,
        copy_bidirectional,
    },
    spawn,
    time::sleep,
};

use super::{Done, on_a_loop, on_a_pool};
use crate::notes::note;

/// More than a socket takes at once.
const MUCH: usize = 8 << 20;

/// A connection on a loop.
pub(super) fn tcp() {
    on_a_loop(conversation());
}

/// The same on a pool.
pub(super) fn tcp_on_a_pool() {
    on_a_pool(conversation());
}

/// A connection that is written until it is full, and closed one way after the other.
async fn conversation() -> Done {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = spawn(async move {
        let served: Done = async {
            let (stream, _) = listener.accept().await?;
            let mut buffer = vec![0; 64 << 10];
            let mut count = 0;
            loop {
                let n = stream.read(&mut buffer).await?;
                if n == 0 {
                    break;
                }
                count += n;
            }
            stream.write_all(&(count as u64).to_le_bytes()).await?;
            Ok(())
        }
        .await;
        if let Err(failure) = served {
            note(&*failure);
        }
    });
    let told: Done = async {
        let stream = TcpStream::connect(address).await?;
        stream.write_all(&vec![1; MUCH]).await?;
        let mut parts = [IoSlice::new(&[2; 10]), IoSlice::new(&[3; 10])];
        stream.write_all_vectored(&mut parts).await?;
        stream.shutdown(Shutdown::Write)?;
        stream.peek(&mut [0; 4]).await?;
        let (mut one, mut other) = ([0; 4], [0; 4]);
        let mut parts = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut other)];
        stream.read_vectored(&mut parts).await?;
        let counted = u32::from_le_bytes(one) as usize;
        if counted != MUCH + 20 {
            return Err(format!("{counted} bytes came").into());
        }
        Ok(())
    }
    .await;
    // Who never got through to the server does not wait for it.
    if told.is_err() {
        server.abort();
    }
    drop(server.await);
    told
}

/// What can be set and asked.
pub(super) fn options() {
    on_a_loop(async {
        let listener = TcpListener::builder()
            .reuse_port(true)
            .backlog(7)
            .bind("127.0.0.1:0")
            .await?;
        let stream = TcpStream::connect(listener.local_addr()?).await?;
        let (other, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        stream.set_ttl(60)?;
        stream.set_linger(Some(Duration::from_secs(1)))?;
        stream.set_linger(None)?;
        assert!(stream.nodelay()?);
        assert_eq!((stream.ttl()?, stream.linger()?), (60, None));
        assert_eq!(stream.peer_addr()?, listener.local_addr()?);
        assert_eq!(other.peer_addr()?, stream.local_addr()?);
        if let Some(error) = stream.take_error()? {
            return Err(error.into());
        }
        drop(other.into_std()?);
        drop(listener.into_std()?);
        Ok(())
    });
}

/// Datagrams between two sockets, connected and not.
pub(super) fn udp() {
    on_a_loop(async {
        let one = UdpSocket::bind("127.0.0.1:0").await?;
        let other = UdpSocket::bind("127.0.0.1:0").await?;
        one.send_to(b"first", other.local_addr()?).await?;
        let (_, from) = other.recv_from(&mut [0; 8]).await?;
        other.connect(from).await?;
        other.send(b"second").await?;
        one.peek(&mut [0; 8]).await?;
        let length = one.recv(&mut [0; 8]).await?;
        assert_eq!(length, 6);
        one.set_broadcast(true)?;
        one.set_multicast_loop_v4(false)?;
        one.set_multicast_ttl_v4(3)?;
        assert_eq!(one.multicast_ttl_v4()?, 3);
        Ok(())
    });
}

/// A connection to a name, which has to be looked up.
pub(super) fn names() {
    on_a_loop(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let stream = TcpStream::connect(("localhost", port)).await?;
        drop(stream);
        Ok(())
    });
}

/// Sockets and sleeps on a thread that has no loop.
pub(super) fn elsewhere() {
    let talk = async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let stream = TcpStream::connect(listener.local_addr()?).await?;
        let (other, _) = listener.accept().await?;
        sleep(Duration::from_millis(1)).await;
        stream.write_all(b"there").await?;
        other.read_exact(&mut [0; 5]).await?;
        other.write_all(b"back").await?;
        stream.read_exact(&mut [0; 4]).await?;
        Ok(())
    };
    futures_lite::future::block_on(super::limited(talk));
}

/// Unix sockets of both kinds, with files and without, and a proxy between two of them.
pub(super) fn unix() {
    on_a_loop(async {
        let (stream, datagrams) = (place("stream"), place("datagrams"));
        let listener = UnixListener::builder().remove_on_drop(true).bind(&stream)?;
        let near = UnixStream::connect(&stream).await?;
        let (far, _) = listener.accept().await?;
        far.peer_cred()?;
        proxied(near, far).await?;
        let receiver = UnixDatagram::bind(&datagrams)?;
        let sender = UnixDatagram::unbound()?;
        sender.send_to(b"note", &datagrams).await?;
        receiver.recv_from(&mut [0; 8]).await?;
        let (one, other) = UnixDatagram::pair()?;
        one.send(b"note").await?;
        other.recv(&mut [0; 8]).await?;
        drop(receiver);
        std::fs::remove_file(&datagrams)?;
        Ok(())
    });
}

/// A path in the folder of this run.
fn place(name: &str) -> PathBuf {
    Path::new(".").join(name)
}

/// What goes into `near` comes out of a pair behind a proxy.
async fn proxied(near: UnixStream, mut far: UnixStream) -> Done {
    let (mut inside, outside) = UnixStream::pair()?;
    let talk = async {
        near.write_all(b"bread").await?;
        near.shutdown(Shutdown::Write)?;
        outside.read_exact(&mut [0; 5]).await?;
        outside.shutdown(Shutdown::Write)?;
        near.read(&mut [0]).await?;
        std::io::Result::Ok(())
    };
    futures_lite::future::try_zip(copy_bidirectional(&mut far, &mut inside), talk).await?;
    Ok(())
}
