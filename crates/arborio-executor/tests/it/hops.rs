//! Parts of a task that are elsewhere: on another loop, or on the thread of a pool.

use std::{
    future::{Future, pending, poll_fn},
    pin::pin,
    sync::{
        Arc, Mutex,
        mpsc::{Sender, channel},
    },
    task::{Context, Poll, Waker},
    thread::{self, JoinHandle, ThreadId},
    time::Instant,
};

use arborio_executor::{
    Handle, Interrupt, LoopOptions, RunError, blocking::BlockingPool, resume_on, spawn,
    spawn_local, task, yield_now,
};

use arborio_task::frames::Frame;

use crate::{
    workers::{Note, TOO_LONG},
    world::World,
};

fn here() -> ThreadId {
    thread::current().id()
}

/// Another loop, on a thread of its own, which runs until this is dropped.
struct There {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl There {
    fn start() -> Self {
        let (tell, hear) = channel();
        let thread = thread::spawn(move || {
            let main = async {
                tell.send(Handle::current().unwrap()).unwrap();
                pending::<()>().await;
            };
            let ended = World::default().run_with(LoopOptions::default(), &|_| {}, main);
            assert!(matches!(ended, Err(RunError::Stopped)));
        });
        Self {
            handle: hear.recv().unwrap(),
            thread: Some(thread),
        }
    }

    fn id(&self) -> ThreadId {
        self.thread.as_ref().expect("it runs").thread().id()
    }

    /// Waits until all that came before has been polled there.
    fn settle(&self) {
        let mut marks = [(); 3].map(|()| self.handle.spawn(yield_now()));
        thread::scope(|threads| {
            let wait = || marks.each_mut().map(|mark| mark.wait().unwrap());
            threads.spawn(wait).join().unwrap();
        });
    }
}

impl Drop for There {
    fn drop(&mut self) {
        self.handle.stop();
        let ended = self.thread.take().expect("it runs").join();
        assert!(ended.is_ok() || thread::panicking());
    }
}

/// Tells on which thread it is dropped.
struct Grave(Sender<ThreadId>);

impl Drop for Grave {
    fn drop(&mut self) {
        let _ = self.0.send(here());
    }
}

/// Never ends, and tells where it was polled first, and where it was dropped.
fn endless() -> (
    impl Future<Output = ()> + Send,
    std::sync::mpsc::Receiver<ThreadId>,
) {
    let (tell, hear) = channel();
    let future = async move {
        tell.send(here()).unwrap();
        let _grave = Grave(tell);
        pending::<()>().await;
    };
    (future, hear)
}

/// A pool of so many threads that wait for ever.
fn pool(threads: usize) -> BlockingPool {
    BlockingPool::builder().max_threads(threads).build()
}

fn is_cancelled<T>(outcome: &Result<T, Interrupt>) -> bool {
    matches!(outcome, Err(Interrupt::Cancelled(_)))
}

#[test]
fn a_part_of_a_task_runs_on_another_loop_and_comes_back_with_its_value() {
    let there = There::start();
    World::default().run(async {
        let (release, held) = channel();
        let part = async move {
            held.recv().unwrap();
            yield_now().await;
            (here(), Handle::current())
        };
        let mut hop = pin!(resume_on(&there.handle, part));
        assert_eq!(format!("{hop:?}"), "ResumeOn { stage: \"Planned\", .. }");
        let mut first = true;
        let (thread, its_loop) = poll_fn(|cx| {
            let polled = hop.as_mut().poll(cx);
            if std::mem::take(&mut first) {
                assert_eq!(format!("{hop:?}"), "ResumeOn { stage: \"Away\", .. }");
                release.send(()).unwrap();
            }
            polled
        })
        .await
        .unwrap();
        assert_eq!(
            (thread, its_loop.as_ref()),
            (there.id(), Some(&there.handle))
        );
        assert_eq!(format!("{hop:?}"), "ResumeOn { stage: \"Over\", .. }");
    });
}

#[test]
fn a_part_of_a_task_runs_on_the_thread_of_a_pool_and_comes_back_with_its_value() {
    let pool = pool(1);
    World::default().run(async {
        let home = here();
        let mut hop = pin!(pool.enter(async {
            let child = spawn(async { here() });
            (here(), child.await.unwrap())
        }));
        assert_eq!(
            format!("{hop:?}"),
            "EnterExecutor { stage: \"Planned\", .. }"
        );
        assert_eq!(pool.threads(), 0);
        let (there, child) = hop.as_mut().await.unwrap();
        assert_ne!(there, home);
        assert_eq!(child, home, "what it spawns hangs on the loop that awaits");
        assert_eq!(format!("{hop:?}"), "EnterExecutor { stage: \"Over\", .. }");
    });
}

#[test]
fn a_part_that_nobody_awaits_any_more_is_dropped_where_it_is() {
    let (there, pool) = (There::start(), pool(1));
    World::default().run(async {
        let (future, told) = endless();
        let mut hop = Box::pin(resume_on(&there.handle, future));
        assert!(poll_once(hop.as_mut()).is_pending());
        assert_eq!(told.recv().unwrap(), there.id());
        drop(hop);
        assert_eq!(told.recv().unwrap(), there.id());

        let (future, told) = endless();
        let mut hop = Box::pin(pool.enter(future));
        assert!(poll_once(hop.as_mut()).is_pending());
        let thread = told.recv().unwrap();
        drop(hop);
        assert_eq!(told.recv().unwrap(), thread);
    });
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_request_to_end_reaches_the_part_and_is_passed_on_when_that_has_ended() {
    let (there, pool) = (There::start(), Arc::new(pool(1)));
    World::default().run(async {
        let (future, told) = endless();
        let handle = there.handle.clone();
        let task = spawn_local(async move { resume_on(&handle, future).await });
        yield_now().await;
        assert_eq!(told.recv().unwrap(), there.id());
        assert!(!task.is_finished() && task.cancel());
        assert!(is_cancelled(&task.await));
        assert_eq!(told.recv().unwrap(), there.id());

        let (future, told) = endless();
        let entered = Arc::clone(&pool);
        let task = spawn_local(async move { entered.enter(future).await });
        yield_now().await;
        let thread = told.recv().unwrap();
        assert!(!task.is_finished() && task.cancel());
        assert!(is_cancelled(&task.await));
        assert_eq!(told.recv().unwrap(), thread);
    });
}

/// It is asked while another job has the only thread.
#[test]
fn a_part_that_is_asked_to_end_before_it_begins_never_does() {
    let pool = Arc::new(pool(1));
    World::default().run(async {
        let (go_on, may_go_on) = channel();
        let first = pool.spawn(move || may_go_on.recv().unwrap());
        let (future, told) = endless();
        let entered = Arc::clone(&pool);
        let task = spawn_local(async move { entered.enter(future).await });
        yield_now().await;
        task.cancel();
        assert!(is_cancelled(&task.await));
        go_on.send(()).unwrap();
        first.await.unwrap();
        assert!(told.recv().is_err(), "it was dropped unpolled");
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a_panic_of_the_part_goes_on_in_who_awaits() {
    let (there, pool) = (There::start(), Arc::new(pool(1)));
    World::default().run(async {
        let handle = there.handle.clone();
        let fails = || async { panic!("no bread") };
        let hops = task().observed(true).spawn_local(async move {
            let ended: Result<(), _> = resume_on(&handle, fails()).await;
            unreachable!("{ended:?}");
        });
        let enters = task().observed(true).spawn_local(async move {
            let ended: Result<(), _> = pool.enter(fails()).await;
            unreachable!("{ended:?}");
        });
        for task in [hops, enters] {
            let ended: Result<(), _> = task.await;
            let Err(Interrupt::Panicked(panic)) = ended else {
                panic!("{ended:?}");
            };
            assert_eq!(panic.message(), "no bread");
        }
    });
}

#[test]
fn a_part_learns_that_its_loop_or_pool_takes_nothing_any_more() {
    let there = There::start();
    let handle = there.handle.clone();
    drop(there);
    let pool = pool(1);
    let closed = Arc::new(pool);
    World::default().run(async {
        let stopped = resume_on(&handle, async {}).await;
        assert!(matches!(stopped, Err(Interrupt::Stopped)), "{stopped:?}");
        closed.stop_and_join(std::time::Duration::ZERO).unwrap();
        let closed = closed.enter(async {}).await;
        assert!(matches!(closed, Err(Interrupt::Closed)), "{closed:?}");
    });
}

/// One loop at a time has the task, so neither of the two blocks for it.
#[test]
fn both_loops_go_on_while_a_part_is_away() {
    let there = There::start();
    let waker = Arc::new(Mutex::new(None::<Waker>));
    World::default().run(async {
        let (wakes, kept) = (Arc::clone(&waker), Arc::clone(&waker));
        let mut polls = 0;
        let part = poll_fn(move |cx| {
            polls += 1;
            *kept.lock().unwrap() = Some(cx.waker().clone());
            match polls {
                1 => Poll::Pending,
                _ => Poll::Ready(polls),
            }
        });
        let handle = there.handle.clone();
        let task = spawn_local(async move { resume_on(&handle, part).await.unwrap() });
        for _ in 0..3 {
            yield_now().await;
        }
        there.settle();
        assert!(!task.is_finished());
        wakes.lock().unwrap().take().unwrap().wake();
        assert_eq!(task.await.unwrap(), 2);
    });
}

/// What is asked to end there tells that, and ends when it is let go.
fn cleans_up() -> (
    impl Future<Output = ()> + Send,
    std::sync::mpsc::Receiver<()>,
    Note,
) {
    let (tell, asked) = channel();
    let (note, mut frame) = (Note::default(), Frame::handler());
    let end = note.clone();
    let mut cleanup = Box::pin(async move {
        tell.send(()).unwrap();
        end.read().await;
    });
    let future = poll_fn(move |cx| {
        frame.poll(cx, |cx, inside| match inside.is_asked() {
            true => cleanup.as_mut().poll(cx),
            false => Poll::Pending,
        })
    });
    (future, asked, note)
}

/// Awaits `hop`, asks it to end when it is away, and lets it go when it has been asked.
async fn ask_and_let_go(
    hop: impl Future<Output = Result<(), Interrupt>> + 'static,
    settle: impl Fn(),
    asked: std::sync::mpsc::Receiver<()>,
    note: Note,
) {
    let task = spawn_local(hop);
    yield_now().await;
    settle();
    task.cancel();
    let start = Instant::now();
    while asked.try_recv().is_err() {
        assert!(!task.is_finished(), "nobody waits for the cleanup");
        assert!(start.elapsed() < TOO_LONG, "nobody was asked");
        yield_now().await;
    }
    for _ in 0..3 {
        yield_now().await;
    }
    assert!(!task.is_finished(), "nobody waits for the cleanup");
    note.tell(true);
    task.await.unwrap().expect("a value wins");
}

#[test]
fn who_asks_a_part_to_end_waits_until_it_has_cleaned_up() {
    let (there, pool) = (There::start(), Arc::new(pool(1)));
    World::default().run(async {
        let (part, asked, note) = cleans_up();
        let handle = there.handle.clone();
        let hop = async move { resume_on(&handle, part).await };
        ask_and_let_go(hop, || there.settle(), asked, note).await;

        let (part, asked, note) = cleans_up();
        let (begun, begins) = channel();
        let entered = Arc::clone(&pool);
        let hop = async move {
            let part = async move {
                begun.send(()).unwrap();
                part.await;
            };
            entered.enter(part).await
        };
        ask_and_let_go(hop, || begins.recv().unwrap(), asked, note).await;
    });
}
