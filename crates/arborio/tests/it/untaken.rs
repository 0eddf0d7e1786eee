//! Errors and panics of tasks that do not bubble, and whose handles are dropped: the observer of the scope hears of
//! them, or that of the loop.

use std::sync::{Arc, mpsc};

use arborio::{
    EventLoop, Interrupt, Pool, Scope,
    cancel::{finally, move_on_after},
    run_scope, scope,
    time::sleep,
};

use crate::support::{Log, ms, secs, simulated};

/// Runs `body` in a scope `shop` with an observer, on a loop with another one. What the scope's was told, and what the
/// loop's was.
fn told<B>(body: B) -> (Vec<String>, Vec<String>)
where
    B: AsyncFnOnce(&Scope<Interrupt>) -> Result<(), Interrupt>,
{
    let (by_scope, by_loop) = (Log::new(), Log::new());
    let (note, report) = (by_scope.clone(), by_loop.clone());
    let ended = simulated()
        .observer(move |line| report.add(line.to_string()))
        .run(async move {
            let builder = Scope::builder()
                .name("shop")
                .observer(move |line| note.add(line.to_string()));
            builder
                .run(async |s: &Scope<Interrupt>| body(s).await)
                .await
        });
    ended.unwrap();
    (by_scope.take(), by_loop.take())
}

/// The same in a scope without an observer: what the loop's was told.
fn told_without_observer<B>(body: B) -> Vec<String>
where
    B: AsyncFnOnce(&Scope<Interrupt>) -> Result<(), Interrupt>,
{
    let log = Log::new();
    let report = log.clone();
    let ended = simulated()
        .observer(move |line| report.add(line.to_string()))
        .run(scope(async |s: &Scope<Interrupt>| body(s).await));
    ended.unwrap();
    log.take()
}

/// Panics after 1 ms.
async fn broken() -> Result<(), Interrupt> {
    sleep(ms(1)).await;
    panic!("no bread")
}

/// Fails after 1 ms.
async fn failing() -> Result<(), Interrupt> {
    sleep(ms(1)).await;
    Err(Interrupt::TimedOut)
}

const PANIC: &str = "no bread (task `baker` crates/arborio/tests/it/untaken.rs:";

#[cfg(panic = "unwind")]
#[test]
fn the_observer_of_the_scope_is_told_of_a_panic_whose_handle_was_dropped_before() {
    let (by_scope, by_loop) = told(async |s| {
        drop(s.task().name("baker").bubble(false).spawn(broken()));
        sleep(secs(1)).await;
        Ok(()) // the scope has gone on
    });
    assert_eq!(by_scope.len(), 1);
    let expected = format!("a task panicked, and nobody awaits it: {PANIC}");
    assert!(by_scope[0].starts_with(&expected), "{by_scope:?}");
    assert!(by_loop.is_empty(), "{by_loop:?}");
}

#[cfg(panic = "unwind")]
#[test]
fn the_observer_of_the_scope_is_told_of_a_panic_whose_handle_is_dropped_afterwards() {
    let (by_scope, by_loop) = told(async |s| {
        let child = s.task().name("baker").bubble(false).spawn(broken());
        sleep(secs(1)).await;
        assert!(child.is_finished());
        Ok(())
    });
    assert_eq!((by_scope.len(), by_loop.len()), (1, 0));
}

#[test]
fn the_observer_of_the_scope_is_told_of_an_error_whose_handle_is_dropped() {
    let (by_scope, by_loop) = told(async |s| {
        drop(s.task().name("before").bubble(false).spawn(failing()));
        let child = s.task().name("after").bubble(false).spawn(failing());
        sleep(secs(1)).await;
        drop(child);
        Ok(())
    });
    let start = format!(
        "the error of a task was dropped with its handle: {} (task ",
        Interrupt::TimedOut
    );
    let [first, second] = &by_scope[..] else {
        panic!("{by_scope:?}")
    };
    assert!(first.starts_with(&format!("{start}`before`")), "{first}");
    assert!(second.starts_with(&format!("{start}`after`")), "{second}");
    assert!(by_loop.is_empty(), "{by_loop:?}");
}

#[cfg(panic = "unwind")]
#[test]
fn the_observer_of_the_loop_is_told_of_a_panic_if_the_scope_has_none() {
    let before = told_without_observer(async |s| {
        drop(s.task().name("baker").bubble(false).spawn(broken()));
        sleep(secs(1)).await;
        Ok(())
    });
    let after = told_without_observer(async |s| {
        let _child = s.task().name("baker").bubble(false).spawn(broken());
        sleep(secs(1)).await;
        Ok(())
    });
    // The handle outlives the scope, and goes when the loop ends.
    let at_the_end = told_without_observer(async |s| {
        let child = s.task().name("baker").bubble(false).spawn(broken());
        let keeper = async move {
            sleep(secs(1000)).await;
            drop(child);
        };
        arborio::task().awaited(false).spawn(keeper).detach();
        sleep(secs(1)).await;
        Ok(())
    });
    for told in [before, after, at_the_end] {
        assert_eq!(told.len(), 1, "{told:?}");
        let expected = format!("a task panicked: {PANIC}");
        assert!(told[0].starts_with(&expected), "{told:?}");
    }
}

#[cfg(panic = "unwind")]
#[test]
fn the_observer_of_a_pool_is_told_of_a_panic_if_the_scope_has_none() {
    let log = Log::new();
    let report = log.clone();
    let ended: Result<(), Interrupt> = Pool::builder()
        .workers(2)
        .observer(move |line| report.add(line.to_string()))
        .run(scope(async |s: &Scope<Interrupt>| {
            for _ in 0..3 {
                drop(s.task().name("baker").bubble(false).spawn(broken()));
            }
            Ok(())
        }));
    ended.unwrap();
    let told = log.take();
    assert_eq!(told.len(), 3, "{told:?}");
    let expected = format!("a task panicked: {PANIC}");
    assert!(
        told.iter().all(|line| line.starts_with(&expected)),
        "{told:?}"
    );
}

#[cfg(panic = "unwind")]
#[test]
fn who_takes_the_error_or_the_panic_is_told_alone() {
    let (by_scope, by_loop) = told(async |s| {
        let child = s.task().bubble(false).spawn(broken());
        let outcome = child.outcome().await;
        assert!(matches!(outcome, Err(Interrupt::Panicked(_))));
        let child = s.task().bubble(false).spawn(failing());
        assert!(child.await.is_err());
        let mut child = s.task().bubble(false).spawn(broken());
        sleep(secs(1)).await;
        assert!(child.try_take().is_some());
        Ok(())
    });
    assert!(by_scope.is_empty(), "{by_scope:?}");
    assert!(by_loop.is_empty(), "{by_loop:?}");
}

#[cfg(panic = "unwind")]
#[test]
fn t10_a_callback_takes_the_panic_of_a_task_that_does_not_bubble_over() {
    let (sink, heard) = mpsc::channel();
    let (by_scope, by_loop) = told(async move |s| {
        let child = s.task().bubble(false).spawn(broken());
        child.on_done(move |ended| sink.send(ended.is_err()).unwrap());
        drop(child);
        sleep(secs(1)).await;
        Ok(())
    });
    assert!(heard.recv().unwrap());
    assert!(by_scope.is_empty(), "{by_scope:?}");
    assert!(by_loop.is_empty(), "{by_loop:?}");
}

#[cfg(panic = "unwind")]
#[test]
fn a_later_panic_of_a_scope_names_its_task() {
    let log = Log::new();
    let note = log.clone();
    let raised = std::panic::catch_unwind(|| {
        simulated().run(async {
            let builder =
                Scope::<Interrupt>::builder().observer(move |line| note.add(line.to_string()));
            let ended = builder.run(async |s| {
                s.task().name("first").spawn(broken());
                s.task().name("baker").spawn(broken());
                Ok(())
            });
            ended.await
        })
    });
    raised.unwrap_err();
    let told = log.take();
    assert_eq!(told.len(), 1, "{told:?}");
    let expected = format!("a later panic of the scope: {PANIC}");
    assert!(told[0].starts_with(&expected), "{told:?}");
}

#[cfg(panic = "unwind")]
#[test]
fn a_panic_whose_cleanup_is_cut_off_is_told_to_the_observer_of_the_scope() {
    let (by_scope, by_loop) = told(async |s| {
        let child = s.task().name("baker").spawn(async {
            let cleaned_up = finally(broken(), std::future::pending::<()>);
            let cut_off = move_on_after(secs(1), cleaned_up).grace(secs(1)).await;
            assert!(cut_off.is_none());
            Ok(())
        });
        child.await
    });
    assert!(by_loop.is_empty(), "{by_loop:?}");
    // That it was forced is told, too.
    assert!(
        by_scope.iter().any(|line| line.contains(PANIC)),
        "{by_scope:?}"
    );
}

#[cfg(panic = "unwind")]
#[test]
fn a_panic_that_is_dropped_without_any_loop_is_dropped() {
    let child = Arc::new(std::sync::Mutex::new(None));
    let kept = Arc::clone(&child);
    let ended = run_scope(async |s: &Scope<Interrupt>| {
        *kept.lock().unwrap() = Some(s.task().bubble(false).spawn(broken()));
        Ok(())
    });
    ended.unwrap();
    drop(child.lock().unwrap().take());
    let log = Log::new();
    let report = log.clone();
    EventLoop::builder()
        .observer(move |line| report.add(line.to_string()))
        .run(async {});
    assert!(
        log.take().is_empty(),
        "the next loop of this thread knows nothing of it"
    );
}
