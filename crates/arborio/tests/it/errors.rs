//! What goes wrong as `io::Error`: `?` in a `main` that gives one, the kinds, and what is inside.

use std::{
    error::Error,
    future::pending,
    io::{self, ErrorKind},
    sync::mpsc::channel,
};

use arborio::{
    EventLoop, Interrupt, NoLoop, RunError, Scope, StopError, WaitError, blocking::BlockingPool,
    cancel::shield, run, scope, scope::ScopeClosed, spawn, try_spawn,
};

use crate::support::{ms, secs, simulated, without_hanging};

/// What is inside of `error`.
fn inside<E: Error + 'static>(error: &io::Error) -> &E {
    let inside = error.get_ref().expect("something is inside");
    inside.downcast_ref().expect("of another type")
}

#[test]
fn a_program_that_gives_io_errors_needs_no_unwrap() {
    fn program() -> io::Result<u32> {
        let event_loop = EventLoop::builder().start()?;
        let mut one = event_loop.handle().spawn(async { 1 });
        let sum = one.wait()? + event_loop.handle().run(async { 2 })?;
        let sum = sum + simulated().try_run(async { 3 })?;
        let pool = BlockingPool::builder().build();
        let sum = sum + pool.spawn(|| 4).wait()?;
        pool.stop_and_join(secs(10))?;
        event_loop.stop_and_join(secs(10))?;
        Ok(sum)
    }
    assert_eq!(without_hanging(program).unwrap(), 10);
}

#[test]
fn a_wait_that_fails_has_a_kind_and_itself_inside() {
    let on_loop = run(async {
        let mut task = spawn(pending::<()>());
        let refused = task.wait();
        task.cancel();
        io::Error::from(refused.unwrap_err())
    });
    assert_eq!(on_loop.kind(), ErrorKind::Deadlock);
    assert!(matches!(inside(&on_loop), WaitError::OnLoop));

    without_hanging(|| {
        let event_loop = EventLoop::builder().start().unwrap();
        let mut task = event_loop.handle().spawn(pending::<()>());
        let early = io::Error::from(task.wait_timeout(ms(1)).unwrap_err());
        assert_eq!(early.kind(), ErrorKind::TimedOut);
        task.cancel();
        let cancelled = io::Error::from(task.wait().unwrap_err());
        assert_eq!(cancelled.kind(), ErrorKind::Interrupted);
        assert!(cancelled.source().unwrap().is::<Interrupt>());
    });
}

#[test]
fn a_run_that_fails_has_a_kind_and_itself_inside() {
    let nested = run(async { EventLoop::builder().try_run(async {}) });
    let nested = io::Error::from(nested.unwrap_err());
    assert_eq!(nested.kind(), ErrorKind::Deadlock);
    assert!(matches!(inside(&nested), RunError::Nested));

    let stalled = io::Error::from(simulated().try_run(pending::<()>()).unwrap_err());
    assert_eq!(stalled.kind(), ErrorKind::Deadlock);

    let stopped = EventLoop::builder().try_run(async {
        arborio::Handle::current().unwrap().stop();
        pending::<()>().await;
    });
    let stopped = io::Error::from(stopped.unwrap_err());
    assert_eq!(stopped.kind(), ErrorKind::Interrupted);

    let refused = io::Error::from(ErrorKind::OutOfMemory);
    let refused = io::Error::from(RunError::System(refused));
    assert_eq!(refused.kind(), ErrorKind::OutOfMemory);
    assert!(refused.source().unwrap().is::<io::Error>());
}

#[test]
fn an_end_that_fails_has_a_kind_and_itself_inside() {
    without_hanging(|| {
        let event_loop = EventLoop::builder().start().unwrap();
        drop(event_loop.handle().spawn(shield(pending::<()>())));
        event_loop.handle().run(async {}).unwrap(); // by now the other one has begun
        let forced = io::Error::from(event_loop.stop_and_join(ms(1)).unwrap_err());
        assert_eq!(forced.kind(), ErrorKind::TimedOut);
        assert!(matches!(inside(&forced), StopError::Forced(_)));

        let pool = BlockingPool::builder().build();
        let (go_on, gate) = channel::<()>();
        let (tell, told) = channel();
        let job = pool.spawn(move || {
            tell.send(()).unwrap();
            gate.recv().is_err()
        });
        told.recv().unwrap();
        let given_up = io::Error::from(pool.stop_and_join(ms(1)).unwrap_err());
        assert_eq!(given_up.kind(), ErrorKind::TimedOut);
        assert!(matches!(inside(&given_up), StopError::Jobs(1)));
        drop((job, go_on));
    });
    let forked = io::Error::from(StopError::Forked);
    assert!(forked.source().unwrap().is::<arborio::Forked>());
}

#[test]
fn what_is_not_spawned_is_an_io_error_without_its_future() {
    fn nowhere() -> io::Result<()> {
        let held = std::rc::Rc::new(());
        drop(arborio::try_spawn_local(async move { drop(held) })?);
        Ok(())
    }
    let error = nowhere().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    assert!(error.to_string().contains("use a loop's `Handle`"));
    let _: &NoLoop<()> = inside(&error);
    assert!(try_spawn(async {}).is_err());

    let error = run(async {
        let mut kept = None;
        let ended = scope(async |s: &Scope<()>| {
            kept = Some(s.clone());
            Ok(())
        });
        ended.await.unwrap();
        let refused = kept.unwrap().try_spawn(async {});
        io::Error::from(refused.map(drop).unwrap_err())
    });
    let _: &ScopeClosed<()> = inside(&error);
}
