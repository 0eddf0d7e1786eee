//! Names of hosts: they are looked up in a job, unless the program has a resolver of its own.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr},
    sync::mpsc::channel,
};

use arborio::{
    net::{Resolving, TcpListener, TcpStream, set_resolver},
    run, spawn,
};

use crate::support::{in_own_process, without_hanging};

#[test]
fn a_host_is_found_by_its_name_and_its_addresses_are_tried_in_turn() {
    // `localhost` is ::1 as well on most machines, and nobody listens there.
    without_hanging(|| {
        run(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let server = spawn(async move { listener.accept().await.unwrap().1 });
            let client = TcpStream::connect(("localhost", port)).await.unwrap();
            assert_eq!(server.await.unwrap(), client.local_addr().unwrap());

            let listener = TcpListener::bind("localhost:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            assert!(address.ip().is_loopback());
            let text = format!("localhost:{}", address.port());
            let (client, accepted) =
                arborio::join((TcpStream::connect(text), listener.accept())).await;
            assert_eq!(client.unwrap().local_addr().unwrap(), accepted.unwrap().1);
        });
    });
}

#[test]
fn a_name_that_nobody_has_is_an_error() {
    without_hanging(|| {
        run(async {
            // Names that end in `.invalid` are never given out (RFC 6761).
            let error = TcpStream::connect("nobody.invalid:1").await.unwrap_err();
            assert_ne!(error.kind(), ErrorKind::InvalidInput, "{error}");
        });
    });
}

#[test]
fn the_resolver_of_the_program_has_the_last_word() {
    let name = "names::the_resolver_of_the_program_has_the_last_word";
    in_own_process(name, || {
        run(async {
            let (asked, names) = channel();
            let own = move |host: String, port| -> Resolving {
                asked.send(host).unwrap();
                Box::pin(async move { Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))]) })
            };
            set_resolver(own).unwrap();
            let listener = TcpListener::bind("home:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            TcpStream::connect(("hearth", port)).await.unwrap();
            assert_eq!(names.try_iter().collect::<Vec<_>>(), ["home", "hearth"]);
        });
    });
}
