//! The adapters alone: what they hand on, and what they leave behind.

use std::{
    cell::{Cell, RefCell},
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use arborio::{
    EventLoop, LocalScope, Scope,
    hyper::{SpawnLocalOn, SpawnOn, Stream, Timer, TimerSleep},
    local_scope, run, scope,
    time::{Clock, Duration},
    tokio,
    tracing::Spans,
};
use futures_lite::AsyncWrite;
use hyper::rt::{Executor, Sleep, Timer as _, Write};

/// Writes down what it is asked for, and is never ready to be flushed.
#[derive(Default)]
struct Log(Vec<&'static str>);

impl AsyncWrite for Log {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.push("write");
        Poll::Ready(Ok(bytes.len() - 1))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.push("write vectored");
        Poll::Ready(Ok(buffers.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.push("flush");
        Poll::Pending
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.push("close");
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }
}

#[test]
fn a_stream_hands_on_each_call_and_its_answer() {
    let mut stream = Stream::new(Log::default());
    assert!(stream.is_write_vectored());
    let mut cx = Context::from_waker(Waker::noop());
    let mut pinned = Pin::new(&mut stream);
    let written = pinned.as_mut().poll_write(&mut cx, b"a word");
    assert!(matches!(written, Poll::Ready(Ok(5))));
    let buffers = [b"two", b"three".as_slice()].map(IoSlice::new);
    let written = pinned.as_mut().poll_write_vectored(&mut cx, &buffers);
    assert!(matches!(written, Poll::Ready(Ok(2))));
    assert!(pinned.as_mut().poll_flush(&mut cx).is_pending());
    let closed = pinned.as_mut().poll_shutdown(&mut cx);
    assert!(matches!(closed, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe));
    let calls = ["write", "write vectored", "flush", "close"];
    assert_eq!(stream.get_ref().0, calls);
    stream.get_mut().0.clear();
    assert!(stream.into_inner().0.is_empty());
}

#[test]
fn a_local_scope_waits_for_what_a_clone_of_its_executor_was_given() {
    let log = Rc::new(RefCell::new(Vec::new()));
    run(local_scope(async |s: &LocalScope<()>| {
        let executor = SpawnLocalOn::new(s);
        for (number, executor) in [executor.clone(), executor].into_iter().enumerate() {
            let log = Rc::clone(&log);
            executor.execute(async move {
                arborio::yield_now().await;
                log.borrow_mut().push(number);
            });
        }
        Ok(())
    }))
    .unwrap();
    assert_eq!(*log.borrow(), [0, 1]);
}

/// A sleep that is over, of another timer.
struct Others;

impl Future for Others {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl Sleep for Others {}

#[test]
fn a_timer_moves_its_own_sleeps_and_replaces_those_of_others() {
    let builder = EventLoop::builder().clock(Clock::simulated());
    builder.run(async {
        let (start, hours) = (Timer.now(), |count: u64| Duration::from_secs(count * 3600));
        let mut own = Timer.sleep(hours(9));
        Timer.reset(&mut own, start + hours(1));
        own.await;
        assert_eq!(Timer.now() - start, hours(1));
        let mut others: Pin<Box<dyn Sleep>> = Box::pin(Others);
        Timer.reset(&mut others, start + hours(3));
        assert!(others.as_mut().downcast_mut_pin::<TimerSleep>().is_some());
        others.await;
        assert_eq!(Timer.now() - start, hours(3));
        Timer.sleep_until(start + hours(4)).await;
        assert_eq!(Timer.now() - start, hours(4));
    });
}

#[test]
fn adapters_say_what_they_are() {
    let context = tokio::Context::new().unwrap();
    let shown = [
        (format!("{context:?}"), "Context"),
        (format!("{:?}", context.enter()), "Entered"),
        (format!("{:?}", Spans::new()), "Spans"),
    ];
    let (of_scope, of_local) = (Cell::new(None), Cell::new(None));
    run(async {
        let spawns_on = async |s: &Scope<()>| {
            of_scope.set(Some(format!("{:?}", SpawnOn::new(s))));
            Ok(())
        };
        scope(spawns_on).await.unwrap();
        let spawns_locally = async |s: &LocalScope<()>| {
            of_local.set(Some(format!("{:?}", SpawnLocalOn::new(s))));
            Ok(())
        };
        local_scope(spawns_locally).await.unwrap();
    });
    let of_scopes = [
        (of_scope.take().unwrap(), "SpawnOn"),
        (of_local.take().unwrap(), "SpawnLocalOn"),
    ];
    for (text, name) in shown.into_iter().chain(of_scopes) {
        assert_eq!(text, format!("{name} {{ .. }}"));
    }
}
