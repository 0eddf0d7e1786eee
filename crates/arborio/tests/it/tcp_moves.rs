//! Sockets that change their loop, or have none.

use std::thread;

use arborio::{
    net::{TcpListener, TcpStream},
    run, spawn,
    time::{Instant, sleep, timeout},
    yield_now,
};
use futures_lite::future::{block_on, try_zip};

use crate::support::{connected, ms, secs, without_hanging};

/// A word there and a word back, each read before it was written.
async fn converse(client: TcpStream, server: TcpStream) -> (TcpStream, TcpStream) {
    let answering = spawn(async move {
        let mut word = [0; 4];
        server.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"ping");
        server.write_all(b"pong").await.unwrap();
        server
    });
    yield_now().await; // the server waits now
    client.write_all(b"ping").await.unwrap();
    let mut word = [0; 4];
    client.read_exact(&mut word).await.unwrap();
    assert_eq!(&word, b"pong");
    (client, answering.await.unwrap())
}

#[test]
fn g08_a_socket_made_in_one_run_is_used_in_the_next() {
    without_hanging(|| {
        let mut pair = run(async { connected().await.unwrap() });
        for _ in 0..5 {
            let (client, server) = pair;
            pair = run(converse(client, server));
        }
    });
}

#[test]
fn g08_a_socket_made_in_one_run_is_used_by_a_loop_on_another_thread() {
    without_hanging(|| {
        let mut pair = run(async {
            let (client, server) = connected().await.unwrap();
            converse(client, server).await
        });
        for _ in 0..5 {
            let (client, server) = pair;
            let thread = thread::spawn(move || run(converse(client, server)));
            pair = thread.join().unwrap();
        }
    });
}

#[test]
fn g08_a_socket_moves_to_another_loop_while_its_own_still_runs() {
    without_hanging(|| {
        run(async {
            let (client, server) = connected().await.unwrap();
            let echo = thread::spawn(move || {
                run(async move {
                    let mut word = [0; 4];
                    server.read_exact(&mut word).await.unwrap();
                    server.write_all(&word).await.unwrap();
                })
            });
            client.write_all(b"home").await.unwrap();
            let mut word = [0; 4];
            client.read_exact(&mut word).await.unwrap();
            assert_eq!(&word, b"home");
            echo.join().unwrap();
        });
    });
}

#[test]
fn g08_a_listener_made_in_one_run_accepts_in_the_next() {
    without_hanging(|| {
        let listener = run(async { TcpListener::bind("127.0.0.1:0").await.unwrap() });
        for _ in 0..3 {
            run(async {
                let connecting = TcpStream::connect(listener.local_addr().unwrap());
                let accepting = listener.accept();
                try_zip(connecting, accepting).await.unwrap();
            });
        }
    });
}

#[test]
fn g08_a_task_that_reads_under_a_foreign_executor_outlives_the_loop_of_its_socket() {
    without_hanging(|| {
        let (client, server) = run(async { connected().await.unwrap() });
        let reader = thread::spawn(move || {
            let mut word = [0; 4];
            block_on(server.read_exact(&mut word)).unwrap();
            word
        });
        run(async { client.write_all(b"word").await.unwrap() });
        assert_eq!(&reader.join().unwrap(), b"word");
    });
}

#[test]
fn g08_sockets_and_timers_work_under_a_foreign_executor() {
    without_hanging(|| {
        block_on(async {
            let (client, server) = connected().await.unwrap();
            client.write_all(b"plain").await.unwrap();
            let mut word = [0; 5];
            server.read_exact(&mut word).await.unwrap();
            assert_eq!(&word, b"plain");

            let start = Instant::now();
            let late = timeout(ms(2), server.read(&mut word)).await;
            assert!(late.is_err() && start.elapsed() >= ms(2));
            assert!(timeout(secs(10), sleep(ms(1))).await.is_ok());
        });
    });
}

#[test]
fn g08_a_socket_of_a_foreign_executor_is_used_on_a_loop() {
    without_hanging(|| {
        let (client, server) = block_on(connected()).unwrap();
        let (client, server) = run(converse(client, server));
        let mut byte = [0];
        block_on(client.write_all(b"!")).unwrap();
        assert_eq!(block_on(server.read(&mut byte)).unwrap(), 1);
    });
}

#[test]
fn s23_a_sleep_made_on_a_loop_ends_after_the_loop() {
    without_hanging(|| {
        let mut nap = None;
        run(async {
            let made = nap.insert(sleep(ms(5)));
            assert!(crate::support::poll_once(made).is_pending());
        });
        let nap = nap.unwrap();
        let deadline = nap.deadline();
        block_on(nap);
        assert!(Instant::now() >= deadline);
    });
}
