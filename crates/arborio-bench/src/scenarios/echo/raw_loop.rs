//! The floor of echo: one epoll, one buffer for all, and nothing per connection but its descriptor.

use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

/// What the listener's events carry; connections carry their place in the table.
const LISTENER: u64 = u64::MAX;

/// Serves for ever.
pub(super) fn serve(listener: &TcpListener, bytes: usize) {
    listener.set_nonblocking(true).expect("a socket");
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
    watch(&epoll, listener.as_fd(), LISTENER);
    let mut connections: Vec<Option<OwnedFd>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut buffer = vec![0; bytes];
    let mut events = Vec::with_capacity(1024);
    loop {
        events.clear();
        match epoll::wait(&epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => panic!("epoll: {error}"),
        }
        for event in &events {
            let place = event.data.u64();
            if place == LISTENER {
                accept(&epoll, listener, &mut connections, &mut free);
                continue;
            }
            let place = place as usize;
            let open = connections[place]
                .as_ref()
                .is_some_and(|one| echo(one, &mut buffer));
            if !open {
                // Closing takes it out of the epoll.
                connections[place] = None;
                free.push(place);
            }
        }
    }
}

fn watch(epoll: &OwnedFd, descriptor: BorrowedFd<'_>, data: u64) {
    let data = epoll::EventData::new_u64(data);
    epoll::add(epoll, descriptor, data, epoll::EventFlags::IN).expect("room in the epoll");
}

fn accept(
    epoll: &OwnedFd,
    listener: &TcpListener,
    connections: &mut Vec<Option<OwnedFd>>,
    free: &mut Vec<usize>,
) {
    while let Ok(accepted) = accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
        let place = free.pop().unwrap_or_else(|| {
            connections.push(None);
            connections.len() - 1
        });
        watch(epoll, accepted.as_fd(), place as u64);
        connections[place] = Some(accepted);
    }
}

/// One read and one write; whether the connection stays.
fn echo(connection: &OwnedFd, buffer: &mut [u8]) -> bool {
    let mut rest = match rustix::io::read(connection, &mut *buffer) {
        Ok(0) => return false,
        Ok(came) => &buffer[..came],
        Err(error) => return matches!(error, Errno::AGAIN | Errno::INTR),
    };
    while !rest.is_empty() {
        match rustix::io::write(connection, rest) {
            Ok(written) => rest = &rest[written..],
            // A closed loop never fills a socket's buffer: this does not happen.
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => return false,
        }
    }
    true
}
