//! Addresses, names, and connections that fail.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr},
    os::fd::OwnedFd,
};

use arborio_net::{ResolverIsSet, TcpListener, TcpStream, set_resolver};
use futures_lite::future::zip;

use crate::support::{alone, listener, pair, run};

/// An address where nobody listens.
fn nowhere() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

#[test]
fn r16_a_refused_connection_is_its_error() {
    for _ in 0..50 {
        let error = run(TcpStream::connect(nowhere())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
}

#[test]
fn the_addresses_are_tried_in_turn() {
    let listener = listener();
    let here = listener.local_addr().unwrap();
    let addrs = [nowhere(), nowhere(), here];
    let (client, accepted) = run(zip(TcpStream::connect(&addrs[..]), listener.accept()));
    assert_eq!(client.unwrap().peer_addr().unwrap(), here);
    assert!(accepted.is_ok());
    let error = run(TcpStream::connect([nowhere(), nowhere()])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let none: [SocketAddr; 0] = [];
    let error = run(TcpStream::connect(none)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn text_names_an_address() {
    let listener = listener();
    let addr = listener.local_addr().unwrap();
    for text in [addr.to_string(), format!("127.0.0.1:{}", addr.port())] {
        assert!(run(TcpStream::connect(&text)).is_ok());
        assert!(run(TcpStream::connect(text.as_str())).is_ok());
    }
    assert!(run(TcpStream::connect((Ipv4Addr::LOCALHOST, addr.port()))).is_ok());
    assert!(run(TcpStream::connect(("127.0.0.1", addr.port()))).is_ok());
}

#[test]
fn a_host_name_goes_to_the_resolver_once_there_is_one() {
    alone(
        "connecting::a_host_name_goes_to_the_resolver_once_there_is_one",
        || {
            let listener = listener();
            let port = listener.local_addr().unwrap().port();
            let error = run(TcpStream::connect(("somewhere", port))).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains("somewhere"), "{error}");
            set_resolver(|host, port| {
                Box::pin(async move {
                    assert_eq!(host, "somewhere");
                    Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))])
                })
            })
            .unwrap();
            assert!(run(TcpStream::connect(("somewhere", port))).is_ok());
            assert!(run(TcpStream::connect(format!("somewhere:{port}"))).is_ok());
        },
    );
}

#[test]
fn a_second_resolver_is_refused_with_a_reason() {
    let text = "a resolver is installed already";
    assert_eq!(ResolverIsSet.to_string(), text);
}

#[test]
fn nonsense_is_invalid_input() {
    for text in ["", "127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:99999"] {
        let error = run(TcpStream::connect(text)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text:?}");
        let error = run(TcpListener::bind(text)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text:?}");
    }
}

#[test]
fn a_port_in_use_is_an_error() {
    let listener = listener();
    let error = run(TcpListener::bind(listener.local_addr().unwrap())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

#[test]
fn sockets_come_from_and_go_to_the_standard_library() {
    let (ours, peer) = pair();
    let std = ours.into_std().unwrap();
    let ours = TcpStream::try_from(OwnedFd::from(std)).unwrap();
    let peer = TcpStream::try_from(peer).unwrap();
    run(async {
        ours.write_all(b"x").await.unwrap();
        peer.read_exact(&mut [0]).await.unwrap();
    });
    let fd: OwnedFd = ours.into();
    drop(fd);
    assert_eq!(run(peer.read(&mut [0])).unwrap(), 0);

    let std = listener().into_std().unwrap();
    let listener = TcpListener::try_from(std).unwrap();
    let addr = listener.local_addr().unwrap();
    let listener = TcpListener::try_from(OwnedFd::from(listener)).unwrap();
    assert!(
        run(zip(TcpStream::connect(addr), listener.accept()))
            .1
            .is_ok()
    );
}
