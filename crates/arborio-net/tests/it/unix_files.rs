//! The files of Unix sockets: what is in the way, and what is left.

use std::{
    fs,
    io::{ErrorKind, Result},
    os::unix::net,
    path::Path,
    task::{Context, Waker},
};

use arborio_net::{PathInUse, UnixDatagram, UnixListener};

use crate::support::Place;

/// What a refused bind found.
fn found<T>(bound: Result<T>) -> PathInUse {
    let error = bound.err().expect("it is refused");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    error
        .get_ref()
        .unwrap()
        .downcast_ref::<PathInUse>()
        .unwrap()
        .clone()
}

fn replacing(path: &Path) -> Result<UnixListener> {
    UnixListener::builder().replace_stale(true).bind(path)
}

#[test]
fn a_stale_file_is_named_and_left_alone() {
    let place = Place::new();
    let path = place.at("stale");
    drop(UnixListener::bind(&path).unwrap());
    assert_eq!(
        found(UnixListener::bind(&path)),
        PathInUse::Stale(path.clone())
    );
    assert_eq!(
        found(UnixDatagram::bind(&path)),
        PathInUse::Stale(path.clone())
    );
    let text = UnixListener::bind(&path).unwrap_err().to_string();
    assert!(
        text.contains("stale") && text.contains(path.to_str().unwrap()),
        "{text}"
    );
    assert!(path.exists());
}

#[test]
fn a_stale_file_is_replaced_on_demand() {
    let place = Place::new();
    let path = place.at("stale");
    for _ in 0..3 {
        let listener = replacing(&path).unwrap();
        assert!(net::UnixStream::connect(&path).is_ok());
        drop(listener);
    }
    drop(net::UnixDatagram::bind(place.at("datagrams")).unwrap());
    assert!(replacing(&place.at("datagrams")).is_ok());
}

#[test]
fn a_socket_that_somebody_has_is_never_replaced_nor_disturbed() {
    let place = Place::new();
    let path = place.at("alive");
    let listener = UnixListener::bind(&path).unwrap();
    assert_eq!(
        found(UnixListener::bind(&path)),
        PathInUse::Alive(path.clone())
    );
    assert_eq!(found(replacing(&path)), PathInUse::Alive(path.clone()));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(listener.poll_accept(&mut cx).is_pending(), "nobody knocked");
    assert!(net::UnixStream::connect(&path).is_ok());

    let path = place.at("datagrams");
    let receiver = UnixDatagram::bind(&path).unwrap();
    assert_eq!(found(replacing(&path)), PathInUse::Alive(path.clone()));
    assert!(receiver.poll_recv(&mut cx, &mut [0]).is_pending());
    let (talker, elsewhere) = (place.at("talker"), place.at("elsewhere"));
    let _elsewhere = UnixDatagram::bind(&elsewhere).unwrap();
    let busy = UnixDatagram::bind(&talker).unwrap();
    busy.connect(&elsewhere).unwrap();
    assert_eq!(found(replacing(&talker)), PathInUse::Alive(talker.clone()));
}

#[test]
fn a_socket_that_does_not_listen_yet_is_alive() {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, socket};
    let place = Place::new();
    let path = place.at("starting");
    let starting = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    bind(&starting, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    assert_eq!(found(replacing(&path)), PathInUse::Alive(path));
}

#[test]
fn a_file_that_is_no_socket_is_never_replaced() {
    let place = Place::new();
    let (file, link) = (place.at("file"), place.at("link"));
    fs::write(&file, "precious").unwrap();
    assert_eq!(found(replacing(&file)), PathInUse::NoSocket(file.clone()));
    drop(UnixListener::bind(place.at("stale")).unwrap());
    std::os::unix::fs::symlink(place.at("stale"), &link).unwrap();
    assert_eq!(found(replacing(&link)), PathInUse::NoSocket(link.clone()));
    assert!(link.is_symlink());
    assert_eq!(fs::read_to_string(file).unwrap(), "precious");
}

#[test]
fn a_file_stays_as_with_the_standard_library_unless_it_is_to_go() {
    let place = Place::new();
    let path = place.at("listener");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    fs::remove_file(&path).unwrap();
    let removing = UnixListener::builder().remove_on_drop(true);
    drop(removing.clone().bind(&path).unwrap());
    assert!(!path.exists());
    let _std = removing.bind(&path).unwrap().into_std().unwrap();
    assert!(path.exists(), "the standard library leaves it");
}

#[test]
fn the_file_of_a_successor_is_not_removed() {
    let place = Place::new();
    let path = place.at("listener");
    let removing = UnixListener::builder().remove_on_drop(true);
    let old = removing.clone().bind(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let new = removing.bind(&path).unwrap();
    drop(old);
    assert!(net::UnixStream::connect(&path).is_ok());
    drop(new);
    assert!(!path.exists());
}

#[test]
fn a_directory_that_is_not_there_is_its_own_error() {
    let place = Place::new();
    let error = replacing(&place.at("none/listener")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = UnixListener::bind("").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
