//! Making a connection without blocking.

use std::{io, net::SocketAddr};

use arborio_reactor::Async;
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

/// Connects to the first of `addrs` that accepts; the error is that of the
/// last one.
pub(crate) async fn connect(addrs: Vec<SocketAddr>) -> io::Result<Async<std::net::TcpStream>> {
    let mut last = None;
    for addr in addrs {
        match connect_to(addr).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::InvalidInput.into()))
}

async fn connect_to(addr: SocketAddr) -> io::Result<Async<std::net::TcpStream>> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new_raw(Domain::for_address(addr), kind, Some(Protocol::TCP))?;
    match socket.connect(&addr.into()) {
        Ok(()) => {}
        // An interrupted connect goes on all the same.
        Err(error) if is(&error, Errno::INPROGRESS) || is(&error, Errno::INTR) => {}
        Err(error) => return Err(error),
    }
    // Registered only now: a socket that is neither connected nor connecting
    // counts as hung up.
    let stream = connected(socket.into()).await?;
    Async::from_nonblocking_stream(stream)
}

/// Waits until the connection stands. The wait for room to write that tells of
/// it is no habit of the stream to come, which is therefore registered anew.
async fn connected(stream: std::net::TcpStream) -> io::Result<std::net::TcpStream> {
    match outcome(&stream) {
        // On loopback it usually stands at once.
        Ok(()) => return Ok(stream),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(error) => return Err(error),
    }
    let connecting = Async::from_nonblocking(stream)?;
    connecting.write_with(outcome).await?;
    Ok(connecting.into_inner())
}

/// Whether the connection stands. The error of a failed one is there to be
/// fetched once, and only this fetches it.
fn outcome(stream: &std::net::TcpStream) -> io::Result<()> {
    match stream.peer_addr() {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            let failed = stream.take_error()?;
            Err(failed.unwrap_or_else(|| io::ErrorKind::WouldBlock.into()))
        }
        Err(error) => Err(error),
        Ok(_) => Ok(()),
    }
}

/// Whether `error` came from the system with this number.
pub(crate) fn is(error: &io::Error, number: Errno) -> bool {
    error.raw_os_error() == Some(number.raw_os_error())
}
