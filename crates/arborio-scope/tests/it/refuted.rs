//! What hostile readers tried, and once achieved.

use std::{
    cell::{Cell, RefCell},
    future::{Future, IntoFuture, pending, poll_fn},
    marker::PhantomData,
    pin::Pin,
    rc::Rc,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    thread::{self, ThreadId},
};

use arborio_executor::{spawn, yield_now};
use arborio_scope::{
    LocalScope, Scope, ScopeNote, TaskGroup, finally, finally_detached, gather, local_scope, scope,
};
use arborio_task::{Interrupt, task_local};
use arborio_timers::sleep;

use crate::support::{Log, ms, run};

/// Belongs to the thread that made it.
struct OfThread {
    made_on: ThreadId,
    not_send: PhantomData<*const ()>,
}

impl OfThread {
    fn new() -> Self {
        Self {
            made_on: thread::current().id(),
            not_send: PhantomData,
        }
    }

    fn is_here(&self) -> bool {
        self.made_on == thread::current().id()
    }
}

task_local! { static OF_THREAD: OfThread }

/// Is pending once, and leaves the waker that is to be called.
async fn pause(left: &Mutex<Option<Waker>>) {
    let mut is_first = true;
    poll_fn(|cx| {
        if !std::mem::take(&mut is_first) {
            return Poll::Ready(());
        }
        *left.lock().unwrap() = Some(cx.waker().clone());
        Poll::Pending
    })
    .await;
}

#[test]
fn a_task_that_may_move_inherits_no_value_that_may_not() {
    let seen = Arc::new(Mutex::new(None));
    let paused = Arc::new(Mutex::new(None));
    let (told, theirs) = (Arc::clone(&seen), Arc::clone(&paused));
    let mut future = Box::pin(scope(async move |s: &Scope<()>| {
        // Polled here first, and then on the other thread.
        let task = async move {
            pause(&theirs).await;
            *told.lock().unwrap() = Some(OF_THREAD.try_with(OfThread::is_here));
        };
        OF_THREAD.sync_scope(OfThread::new(), || drop(s.spawn(task)));
        Ok(())
    }));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut cx).is_pending());
    let moved = thread::spawn(move || {
        paused.lock().unwrap().take().unwrap().wake();
        futures_lite::future::block_on(future)
    });
    assert_eq!(moved.join().unwrap(), Ok(()));
    let seen = seen.lock().unwrap().take().unwrap();
    assert_ne!(
        seen,
        Ok(false),
        "the value of one thread is seen on another"
    );
}

type Notes = Arc<Mutex<Vec<String>>>;

fn noted(notes: &Notes) -> impl Fn(&ScopeNote) + Send + Sync + 'static {
    let notes = Arc::clone(notes);
    move |note: &ScopeNote| notes.lock().unwrap().push(note.to_string())
}

const UNCLAIMED: &str = "the error of a scope that nobody awaits was dropped";

#[cfg(panic = "unwind")]
#[test]
fn t14_a_panic_of_a_free_scope_comes_up_when_its_owner_is_dropped_after_the_end() {
    let raised = std::panic::catch_unwind(|| {
        run(async {
            let free = Scope::<()>::new();
            drop(free.spawn(async { assert!(thread::panicking(), "of the free scope") }));
            free.finalize();
            while !free.is_over() {
                yield_now().await;
            }
            drop(free);
            for _ in 0..5 {
                yield_now().await;
            }
        });
    });
    assert!(raised.is_err(), "nobody was told of the panic");
}

#[test]
fn t14_an_error_is_told_if_the_await_that_owned_the_scope_is_dropped_after_the_end() {
    let notes = Notes::default();
    run(async {
        let free = Scope::<()>::builder().observer(noted(&notes)).open();
        let handle = free.clone();
        let mut end = Box::pin(free.into_future());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(end.as_mut().poll(&mut cx).is_pending());
        drop(handle.spawn(async { Err::<(), ()>(()) }));
        for _ in 0..5 {
            yield_now().await;
        }
        assert!(handle.try_spawn(async {}).is_err(), "it is over");
        drop(end);
        for _ in 0..5 {
            yield_now().await;
        }
    });
    assert_eq!(*notes.lock().unwrap(), [UNCLAIMED]);
}

#[test]
fn t14_an_error_that_an_await_by_reference_gave_is_not_told_when_the_owner_is_dropped() {
    let notes = Notes::default();
    run(async {
        let free = Scope::<()>::builder().observer(noted(&notes)).open();
        drop(free.spawn(async { Err::<(), ()>(()) }));
        assert_eq!((&free).await, Err(()));
        drop(free);
    });
    assert_eq!(*notes.lock().unwrap(), [""; 0]);
}

#[test]
fn t14_a_fork_that_runs_elsewhere_ends_when_the_scope_ends_well() {
    let ended = run(async {
        let kept = Rc::new(RefCell::new(None));
        let theirs = Rc::clone(&kept);
        let outer = scope(async |s: &Scope<()>| {
            let fork = s.fork::<()>();
            *theirs.borrow_mut() =
                Some(spawn(fork.run(async |_| pending::<Result<(), ()>>().await)));
            yield_now().await;
            Ok(())
        });
        assert_eq!(outer.await, Ok(()));
        let fork = kept.take().unwrap();
        for _ in 0..10 {
            yield_now().await;
        }
        let ended = fork.is_finished();
        fork.abort();
        ended
    });
    assert!(ended, "the fork goes on although its scope has ended");
}

#[test]
fn t14_a_fork_that_runs_elsewhere_ends_when_the_scope_is_dropped() {
    let ended = run(async {
        let kept = Rc::new(RefCell::new(None));
        let theirs = Rc::clone(&kept);
        let mut outer = Box::pin(scope(async |s: &Scope<()>| {
            let fork = s.fork::<()>();
            *theirs.borrow_mut() =
                Some(spawn(fork.run(async |_| pending::<Result<(), ()>>().await)));
            pending::<Result<(), ()>>().await
        }));
        poll_fn(|cx| Poll::Ready(outer.as_mut().poll(cx).is_pending())).await;
        yield_now().await;
        drop(outer);
        let fork = kept.take().unwrap();
        for _ in 0..10 {
            yield_now().await;
        }
        let ended = fork.is_finished();
        fork.abort();
        ended
    });
    assert!(ended, "the fork goes on although its scope is gone");
}

#[test]
fn t17_a_local_scope_inside_of_a_scope_under_another_executor_takes_local_tasks() {
    let ended = futures_lite::future::block_on(scope(async |_: &Scope<()>| {
        local_scope(async |s: &LocalScope<()>| {
            let shared = Rc::new(Cell::new(5));
            let theirs = Rc::clone(&shared);
            s.spawn(async move { theirs.set(6) }).await?;
            Ok(shared.get())
        })
        .await
    }));
    assert_eq!(ended, Ok(6));
}

#[test]
fn t17_a_member_of_a_group_in_a_local_scope_under_another_executor_is_cancelled() {
    let ended = futures_lite::future::block_on(local_scope(async |_: &LocalScope<()>| {
        let group = TaskGroup::new();
        let member = group.spawn(pending::<()>());
        yield_now().await;
        member.cancel();
        Ok(member.wait().await.as_ref().unwrap_err().to_string())
    }));
    let ended = ended.unwrap();
    assert!(ended.contains("cancel"), "{ended}");
}

#[test]
fn a_detached_cleanup_begins_when_what_it_cleans_up_after_is_gone() {
    struct Gone(Rc<Cell<bool>>);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let seen = run(async {
        let gone = Rc::new(Cell::new(false));
        let seen = Rc::new(Cell::new(None));
        let (inside, theirs) = (Gone(Rc::clone(&gone)), Rc::clone(&seen));
        let future = async move {
            let _inside = inside;
            pending::<()>().await;
        };
        let cleanup = move || {
            theirs.set(Some(gone.get()));
            async {}
        };
        let mut future = Box::pin(finally_detached(future, cleanup));
        poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await;
        drop(future);
        seen.get()
    });
    assert_eq!(seen, Some(true));
}

/// A scope that is polled and dropped by hand on this thread, then on another one.
#[test]
fn c04_tasks_of_a_scope_that_is_dropped_on_another_thread_end_on_their_own() {
    let here = thread::current().id();
    let dropped_on = Arc::new(Mutex::new(None));
    struct Note(Arc<Mutex<Option<ThreadId>>>);
    impl Drop for Note {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = Some(thread::current().id());
        }
    }
    let note = Note(Arc::clone(&dropped_on));
    run(async {
        let mut note = Some(note);
        let mut inner = Box::pin(scope(async move |s: &Scope<()>| {
            let note = note.take();
            drop(s.spawn(async move {
                let _note = note;
                pending::<()>().await;
            }));
            pending::<Result<(), ()>>().await
        }));
        poll_fn(|cx| Poll::Ready(inner.as_mut().poll(cx).is_pending())).await;
        yield_now().await;
        thread::scope(|threads| drop(threads.spawn(|| drop(inner)).join()));
    });
    assert_eq!(*dropped_on.lock().unwrap(), Some(here));
}

#[derive(Debug, PartialEq)]
struct Number(u32);

impl From<Interrupt> for Number {
    fn from(_: Interrupt) -> Self {
        Self(0)
    }
}

#[test]
fn s2_a_cleanup_that_begins_while_errors_are_dropped_is_waited_for() {
    type Kept = Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>;
    let kept = Arc::new(Kept::default());
    let is_clean = Arc::new(Mutex::new(false));
    let (theirs, note) = (Arc::clone(&kept), Arc::clone(&is_clean));
    let builder = Scope::<Number>::builder().observer(move |_: &ScopeNote| {
        drop(theirs.lock().unwrap().take());
    });
    let ended = run(builder.run(async |s| {
        let note = Arc::clone(&note);
        let cleanup = move || async move {
            yield_now().await;
            *note.lock().unwrap() = true;
        };
        let mut future = Box::pin(finally_detached(pending(), cleanup));
        poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await;
        *kept.lock().unwrap() = Some(future);
        // Both errors wait in their handles until the scope ends.
        let handles = [1, 2].map(|n| {
            s.task()
                .observed(true)
                .spawn(async move { Err::<(), _>(Number(n)) })
        });
        crate::leak::on_purpose(handles);
        Ok(())
    }));
    assert_eq!(ended, Err(Number(1)));
    assert!(*is_clean.lock().unwrap());
}

#[test]
fn outputs_are_gathered_while_another_thread_looks() {
    for _ in 0..2000 {
        run(async {
            let mut all = Box::pin(gather([1, 2].map(async |n| n)));
            let looks = thread::spawn(move || {
                loop {
                    let mut cx = Context::from_waker(Waker::noop());
                    if let Poll::Ready(all) = all.as_mut().poll(&mut cx) {
                        return all.unwrap();
                    }
                }
            });
            for _ in 0..3 {
                yield_now().await;
            }
            assert_eq!(looks.join().unwrap(), [1, 2]);
        });
    }
}

#[test]
fn c03_a_detached_cleanup_runs_if_its_scope_fails_before_it_has_begun() {
    let log = Log::default();
    let (theirs, ours) = (log.clone(), log.clone());
    let ended = run(scope(async move |s: &Scope<()>| {
        drop(s.spawn(pending::<()>()));
        let cleanup = move || async move {
            yield_now().await;
            theirs.note("cleaned up");
        };
        let mut future = Box::pin(finally_detached(pending::<()>(), cleanup));
        poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await;
        drop(future);
        Err::<(), ()>(())
    }));
    assert_eq!((ended, ours.take()), (Err(()), vec!["cleaned up"]));
}

#[test]
fn c03_tasks_of_a_dropped_scope_are_asked_also_if_what_is_around_it_fails_at_once() {
    let log = Log::default();
    let (theirs, ours) = (log.clone(), log.clone());
    let ended = run(scope(async move |_: &Scope<()>| {
        let mut inner = Box::pin(scope(async |s: &Scope<()>| {
            drop(s.spawn(finally(pending::<()>(), move || async move {
                yield_now().await;
                theirs.note("cleaned up");
            })));
            pending::<Result<(), ()>>().await
        }));
        poll_fn(|cx| Poll::Ready(inner.as_mut().poll(cx).is_pending())).await;
        yield_now().await;
        drop(inner);
        Err::<(), ()>(())
    }));
    assert_eq!((ended, ours.take()), (Err(()), vec!["cleaned up"]));
}

/// A scope that is polled by one task, and then by another: the second one is woken when it is cancelled.
#[test]
fn a_scope_wakes_who_has_polled_it_last() {
    run(async {
        let mut polled = Box::pin(scope(async |s: &Scope<()>| {
            let inside = s.clone();
            s.spawn_local(async move {
                sleep(ms(5)).await;
                inside.cancel();
                pending::<Result<(), ()>>().await
            });
            pending::<Result<(), ()>>().await
        }));
        let mut nobody = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(polled.as_mut().poll(&mut nobody).is_pending());
        assert_eq!(polled.await, Err(()));
    });
}
