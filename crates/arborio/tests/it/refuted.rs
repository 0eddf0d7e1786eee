//! Sequences that once broke the loop: each was found by somebody who tried to
//! refute it, and each stays here.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

use arborio::{
    EventLoop,
    net::TcpListener,
    task::skip_poll_cycle,
    time::{Clock, clock, sleep},
};

use crate::support::{Gate, KernelThread, secs, simulated, without_hanging};

#[test]
fn h09_io_that_does_not_hold_the_clock_is_still_io_and_no_stall() {
    without_hanging(|| {
        let end = simulated().io_holds_clock(false).try_run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let loop_thread = KernelThread::current();
            let client = thread::spawn(move || {
                loop_thread.wait_until_asleep();
                std::net::TcpStream::connect(address).map(drop)
            });
            let _accepted = listener.accept().await.unwrap();
            client.join().unwrap().unwrap();
        });
        assert!(end.is_ok(), "{end:?}");
    });
}

#[test]
fn h09_the_last_socket_that_is_dropped_elsewhere_lets_the_clock_go() {
    without_hanging(|| {
        simulated().run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let loop_thread = KernelThread::current();
            let other = thread::spawn(move || {
                loop_thread.wait_until_asleep();
                drop(listener);
            });
            sleep(secs(1)).await;
            assert_eq!(clock(), secs(1));
            other.join().unwrap();
        });
    });
}

#[test]
fn s25_a_waker_from_elsewhere_that_waits_for_a_pass_is_woken_at_the_end() {
    struct Counter(AtomicUsize);
    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let counter = Arc::new(Counter(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&counter));
    let mut skipping = skip_poll_cycle();
    arborio::run(poll_fn(|_| {
        let mut cx = Context::from_waker(&waker);
        assert!(Pin::new(&mut skipping).poll(&mut cx).is_pending());
        Poll::Ready(())
    }));
    assert_eq!(counter.0.load(Ordering::SeqCst), 1);
}

#[test]
fn h09_a_loop_that_waits_for_another_one_on_its_clock_is_not_stalled() {
    without_hanging(|| {
        let clock = Clock::simulated();
        let (same, hold) = (clock.clone(), clock.hold());
        let gate = Gate::default();
        let opens = gate.clone();
        let (started, has_started) = mpsc::channel();
        let (waits, is_waiting) = mpsc::channel::<KernelThread>();
        let other = thread::spawn(move || {
            EventLoop::builder().clock(same).run(async move {
                started.send(()).unwrap();
                sleep(secs(5)).await;
                // Busy, not asleep, while the first loop has nothing to do.
                is_waiting.recv().unwrap().wait_until_asleep();
                opens.open();
            });
        });
        has_started.recv().unwrap();
        let end = EventLoop::builder().clock(clock).try_run(async move {
            waits.send(KernelThread::current()).unwrap();
            drop(hold);
            gate.passed().await;
        });
        other.join().unwrap();
        assert!(end.is_ok(), "{end:?}");
    });
}
