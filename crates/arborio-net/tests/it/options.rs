//! What is asked of the system for one socket: each setting is read back, and starts as the kernel has it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    os::fd::{AsFd, AsRawFd},
    time::Duration,
};

use arborio_net::{Resolving, UdpSocket};
use futures_lite::future::block_on;

use crate::support::{alone, listener, pair, unix_pair};

fn socket(addr: &str) -> Option<UdpSocket> {
    block_on(UdpSocket::bind(addr)).ok()
}

#[test]
fn settings_of_a_stream_are_read_back() {
    let (stream, _peer) = pair();
    for on in [true, false] {
        stream.set_nodelay(on).unwrap();
        assert_eq!(stream.nodelay().unwrap(), on);
    }
    for hops in [7, 64] {
        stream.set_ttl(hops).unwrap();
        assert_eq!(stream.ttl().unwrap(), hops);
    }
    for time in [Some(Duration::from_secs(3)), None] {
        stream.set_linger(time).unwrap();
        assert_eq!(stream.linger().unwrap(), time);
    }
}

#[test]
fn settings_of_a_udp_socket_are_read_back() {
    let socket = socket("127.0.0.1:0").unwrap();
    assert!(!socket.broadcast().unwrap());
    for on in [true, false] {
        socket.set_broadcast(on).unwrap();
        assert_eq!(socket.broadcast().unwrap(), on);
    }
    for hops in [7, 64] {
        socket.set_ttl(hops).unwrap();
        assert_eq!(socket.ttl().unwrap(), hops);
    }
}

#[test]
fn settings_for_groups_are_read_back() {
    let four = socket("0.0.0.0:0").unwrap();
    assert!(four.multicast_loop_v4().unwrap());
    assert_eq!(four.multicast_ttl_v4().unwrap(), 1);
    four.set_multicast_loop_v4(false).unwrap();
    four.set_multicast_ttl_v4(7).unwrap();
    assert!(!four.multicast_loop_v4().unwrap());
    assert_eq!(four.multicast_ttl_v4().unwrap(), 7);
    let Some(six) = socket("[::]:0") else {
        return; // a machine without IPv6
    };
    assert!(six.multicast_loop_v6().unwrap());
    six.set_multicast_loop_v6(false).unwrap();
    assert!(!six.multicast_loop_v6().unwrap());
}

#[test]
fn the_number_of_a_socket_is_that_of_its_descriptor() {
    let ((stream, _peer), (unix, _other)) = (pair(), unix_pair());
    let (listener, socket) = (listener(), socket("127.0.0.1:0").unwrap());
    assert_eq!(stream.as_raw_fd(), stream.as_fd().as_raw_fd());
    assert_eq!(unix.as_raw_fd(), unix.as_fd().as_raw_fd());
    assert_eq!(listener.as_raw_fd(), listener.as_fd().as_raw_fd());
    assert_eq!(socket.as_raw_fd(), socket.as_fd().as_raw_fd());
}

#[test]
fn the_first_fallback_resolver_stays_and_names_are_looked_up_by_it() {
    fn here(_host: String, port: u16) -> Resolving {
        Box::pin(async move { Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))]) })
    }
    alone(
        "options::the_first_fallback_resolver_stays_and_names_are_looked_up_by_it",
        || {
            assert!(arborio_net::set_fallback_resolver(here).is_ok());
            assert!(arborio_net::set_fallback_resolver(here).is_err());
            let bound = block_on(UdpSocket::bind(("somewhere", 0))).unwrap();
            assert!(bound.local_addr().unwrap().ip().is_loopback());
        },
    );
}
