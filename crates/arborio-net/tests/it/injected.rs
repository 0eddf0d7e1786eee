//! Errors of system calls, injected by strace into a child, and calls counted by
//! it. Where strace is missing or may not attach, these tests say so and check
//! nothing.

use std::{
    os::fd::AsFd,
    process::{Command, Stdio},
    task::{Context, Waker},
    time::{Duration, Instant},
};

use arborio_base::WakeBatch;
use arborio_net::{Connection, StreamSocket, TcpListener, TcpStream, UnixListener, UnixStream};
use arborio_reactor::LoopReactor;
use futures_lite::future::zip;

use crate::support::{Place, alone_under, is_child, listener, pair, run, unix_pair};

/// Runs `body` in a child, with `faults` (as strace's `-e inject=` takes them)
/// injected into it.
fn with_faults(faults: &str, test: &str, body: impl FnOnce()) {
    let calls = faults.split(':').next().unwrap();
    let (trace, inject) = (format!("trace={calls}"), format!("inject={faults}"));
    let wrapper = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        &trace,
        "-e",
        &inject,
    ];
    // The child of a traced process cannot be traced once more: it is asked
    // only in the parent.
    if !is_child(test) && !strace_works() {
        println!("skipped {test}: strace is missing or may not attach");
        return;
    }
    alone_under(&wrapper, test, body);
}

fn strace_works() -> bool {
    Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// How long it took to accept one client.
fn accept_one(listener: &TcpListener) -> std::io::Result<Duration> {
    let start = Instant::now();
    let connecting = TcpStream::connect(listener.local_addr().unwrap());
    let (_client, accepted) = run(zip(connecting, listener.accept()));
    accepted.map(|_| start.elapsed())
}

/// One test for each error, as each needs a child of its own.
macro_rules! accept_survives {
    ($($test:ident: $errno:literal => $pause:expr;)*) => { $(
        #[test]
        fn $test() {
            with_faults(
                concat!("accept4:error=", $errno, ":when=1"),
                concat!("injected::", stringify!($test)),
                || {
                    let took = accept_one(&listener()).unwrap();
                    let paused = took >= Duration::from_millis(100);
                    assert_eq!(paused, $pause, "{took:?}");
                },
            );
        }
    )* };
}

accept_survives! {
    r15_accept_goes_on_after_econnaborted: "ECONNABORTED" => false;
    r15_accept_goes_on_after_eproto: "EPROTO" => false;
    r15_accept_goes_on_after_eperm: "EPERM" => false;
    r15_accept_goes_on_after_eintr: "EINTR" => false;
    r15_accept_goes_on_after_enetdown: "ENETDOWN" => false;
    r15_accept_pauses_after_emfile: "EMFILE" => true;
    r15_accept_pauses_after_enfile: "ENFILE" => true;
    r15_accept_pauses_after_enomem: "ENOMEM" => true;
    r15_accept_pauses_after_enobufs: "ENOBUFS" => true;
}

#[test]
fn r15_accept_returns_what_cannot_be_mended() {
    with_faults(
        "accept4:error=EOPNOTSUPP:when=1",
        "injected::r15_accept_returns_what_cannot_be_mended",
        || {
            let listener = listener();
            let error = accept_one(&listener).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EOPNOTSUPP));
            assert!(accept_one(&listener).is_ok(), "the next one");
        },
    );
}

#[test]
fn r15_a_connection_error_that_never_ends_does_not_spin() {
    with_faults(
        "accept4:error=EPERM",
        "injected::r15_a_connection_error_that_never_ends_does_not_spin",
        || {
            let listener = listener();
            let accepting = listener.accept();
            let limit = arborio_timers::timeout(Duration::from_millis(350), accepting);
            let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            assert!(run(limit).is_err(), "it pauses, and goes on trying");
        },
    );
}

#[test]
fn r14_accept_tries_less_than_fifty_times_a_second_without_descriptors() {
    const TEST: &str =
        "injected::r14_accept_tries_less_than_fifty_times_a_second_without_descriptors";
    if !is_child(TEST) && !strace_works() {
        println!("skipped {TEST}: strace is missing or may not attach");
        return;
    }
    let log = std::env::temp_dir().join(format!("arborio-r14-{}", std::process::id()));
    let log = log.to_str().unwrap();
    let wrapper = [
        "strace",
        "-f",
        "-qq",
        "-o",
        log,
        "-e",
        "trace=accept4",
        "-e",
        "inject=accept4:error=EMFILE",
    ];
    alone_under(&wrapper, TEST, || {
        let listener = listener();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let second = Duration::from_secs(1);
        let limit = arborio_timers::timeout(second, listener.accept());
        assert!(run(limit).is_err());
    });
    if !is_child(TEST) {
        let calls = std::fs::read_to_string(log).unwrap();
        std::fs::remove_file(log).unwrap();
        let tries = calls.matches("EMFILE").count();
        assert!((5..50).contains(&tries), "{tries} tries in a second");
    }
}

#[test]
fn r16_connect_tries_less_than_fifty_times_a_second_at_a_full_backlog() {
    const TEST: &str =
        "injected::r16_connect_tries_less_than_fifty_times_a_second_at_a_full_backlog";
    if !is_child(TEST) && !strace_works() {
        println!("skipped {TEST}: strace is missing or may not attach");
        return;
    }
    let log = std::env::temp_dir().join(format!("arborio-r16-{}", std::process::id()));
    let log = log.to_str().unwrap();
    let wrapper = ["strace", "-f", "-qq", "-o", log, "-e", "trace=connect"];
    alone_under(&wrapper, TEST, || {
        let place = Place::new();
        let path = place.at("full");
        let listener = UnixListener::builder().backlog(0).bind(&path).unwrap();
        let _first = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let second = Duration::from_secs(1);
        let limit = arborio_timers::timeout(second, UnixStream::connect(&path));
        assert!(run(limit).is_err());
        drop(listener);
    });
    if !is_child(TEST) {
        let calls = std::fs::read_to_string(log).unwrap();
        std::fs::remove_file(log).unwrap();
        let tries = calls.matches("EAGAIN").count();
        assert!((10..50).contains(&tries), "{tries} tries in a second");
    }
}

#[test]
fn r16_an_error_of_connect_itself_is_returned() {
    with_faults(
        "connect:error=ENETUNREACH:when=1",
        "injected::r16_an_error_of_connect_itself_is_returned",
        || {
            let listener = listener();
            let addr = listener.local_addr().unwrap();
            let error = run(TcpStream::connect(addr)).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ENETUNREACH));
            assert!(run(TcpStream::connect(addr)).is_ok());
        },
    );
}

#[test]
fn a_socket_without_descriptors_is_an_error() {
    with_faults(
        "socket:error=EMFILE:when=1",
        "injected::a_socket_without_descriptors_is_an_error",
        || {
            let error = run(TcpListener::bind("127.0.0.1:0")).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
            assert!(run(TcpListener::bind("127.0.0.1:0")).is_ok());
        },
    );
}

#[test]
fn a_request_that_fills_the_buffer_costs_one_recv_one_send_and_one_wait() {
    const TEST: &str =
        "injected::a_request_that_fills_the_buffer_costs_one_recv_one_send_and_one_wait";
    count_calls(TEST, 64, pair);
}

#[test]
fn a_request_over_a_unix_socket_costs_no_more_though_a_short_read_proves_nothing() {
    const TEST: &str =
        "injected::a_request_over_a_unix_socket_costs_no_more_though_a_short_read_proves_nothing";
    count_calls(TEST, 1000, unix_pair);
}

/// Counts the system calls of a server that answers requests of 64 bytes, and
/// whose buffer has `buffer` bytes.
fn count_calls<S: StreamSocket, P: AsFd>(
    test: &str,
    buffer: usize,
    pair: impl Fn() -> (Connection<S>, P),
) {
    const REQUESTS: usize = 1000;
    if !is_child(test) && !strace_works() {
        println!("skipped {test}: strace is missing or may not attach");
        return;
    }
    let log = std::env::temp_dir().join(format!("arborio-calls-{}-{buffer}", std::process::id()));
    let log = log.to_str().unwrap();
    let trace = "trace=recvfrom,sendto,epoll_wait,epoll_pwait,epoll_ctl";
    let wrapper = ["strace", "-f", "-qq", "-o", log, "-e", trace];
    alone_under(&wrapper, test, || echo_by_hand(REQUESTS, buffer, pair));
    if !is_child(test) {
        let calls = std::fs::read_to_string(log).unwrap();
        std::fs::remove_file(log).unwrap();
        for call in ["recvfrom(", "sendto(", "epoll_wait(", "epoll_pwait("] {
            let count = calls.matches(call).count();
            assert!(count * 100 <= REQUESTS * 102, "{count} times {call}");
        }
        assert!(
            calls.matches("recvfrom(").count() >= REQUESTS,
            "nothing was counted"
        );
        // The notifier, the listener, and the stream with their ends.
        let count = calls.matches("epoll_ctl(").count();
        assert!(count < 10, "{count} times epoll_ctl");
    }
}

/// Echoes `requests` on a loop driven by hand. The client uses calls that are
/// not counted.
fn echo_by_hand<S: StreamSocket, P: AsFd>(
    requests: usize,
    buffer: usize,
    pair: impl Fn() -> (Connection<S>, P),
) {
    let reactor = LoopReactor::new(|_| ());
    let _here = reactor.enter();
    let (ours, peer) = pair();
    let mut cx = Context::from_waker(Waker::noop());
    let mut buf = vec![0; buffer];
    for _ in 0..requests {
        rustix::io::write(&peer, &[7; 64]).unwrap();
        while ours.poll_read(&mut cx, &mut buf).is_pending() {
            reactor.wait(None).unwrap();
            reactor.dispatch(&mut WakeBatch::new());
        }
        assert!(ours.poll_write(&mut cx, &buf[..64]).is_ready());
        assert_eq!(rustix::io::read(&peer, &mut [0; 64]), Ok(64));
    }
}
