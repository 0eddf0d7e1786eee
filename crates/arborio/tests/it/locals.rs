//! Task-locals: who sees which value, and when.
#![expect(
    clippy::async_yields_async,
    reason = "a task may outlive the future that spawns it"
)]

use std::{
    cell::{Cell, RefCell},
    future::{pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    sync::{Arc, Weak},
    task::Poll,
    thread,
};

use arborio::{
    Handle, Interrupt, Scope,
    cancel::{finally, move_on_after},
    run, scope,
    scope::Ready,
    spawn, spawn_local, task,
    task::NoValue,
    task_local,
    time::sleep,
    yield_now,
};
use futures_lite::future::{block_on, zip};

use crate::support::{Log, ms, secs, simulated};

task_local! {
    /// The one that most tests use.
    static REQUEST: u64;
    static USER: &'static str;
    static SHARED: Rc<Cell<u32>>;
    static COUNTED: Arc<()>
}

/// What is set where it is called.
fn request() -> Option<u64> {
    REQUEST.try_with(|request| *request).ok()
}

/// Notes what is set where it is dropped.
struct NotesRequest(Log<Option<u64>>);

impl Drop for NotesRequest {
    fn drop(&mut self) {
        self.0.add(request());
    }
}

#[test]
fn h07_a_value_is_seen_by_its_future_also_after_it_was_suspended() {
    run(async {
        assert_eq!(REQUEST.try_with(|_| ()), Err(NoValue));
        let seen = REQUEST.scope(7, async {
            yield_now().await;
            (REQUEST.get(), REQUEST.with(|request| *request + 1))
        });
        assert_eq!(seen.await, (7, 8));
        assert_eq!(request(), None);
    });
}

#[test]
fn h07_futures_that_run_by_turns_in_one_task_see_their_own_values() {
    let look = async || {
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.push(request());
            yield_now().await;
        }
        seen
    };
    run(async {
        let both = zip(REQUEST.scope(1, look()), REQUEST.scope(2, look()));
        let (both, none) = zip(both, look()).await;
        assert_eq!(both, (vec![Some(1); 3], vec![Some(2); 3]));
        assert_eq!(none, [None; 3]);
    });
}

#[test]
fn h07_nested_values_hide_and_come_back() {
    run(REQUEST.scope(1, async {
        USER.scope("ada", async {
            REQUEST
                .scope(2, async {
                    yield_now().await;
                    assert_eq!((REQUEST.get(), USER.get()), (2, "ada"));
                    REQUEST.sync_scope(3, || assert_eq!((REQUEST.get(), USER.get()), (3, "ada")));
                    assert_eq!(REQUEST.get(), 2);
                })
                .await;
            assert_eq!((REQUEST.get(), USER.get()), (1, "ada"));
        })
        .await;
        assert!(USER.try_with(|_| ()).is_err());
        assert_eq!(REQUEST.get(), 1);
    }));
}

#[test]
fn h07_every_kind_of_task_inherits_the_values_of_its_spawn() {
    run(async {
        let look = || async {
            yield_now().await;
            request()
        };
        let seen = REQUEST.scope(5, async {
            let mut seen = vec![spawn(look()).await.unwrap()];
            seen.push(spawn_local(look()).await.unwrap());
            seen.push(task().name("named").spawn(look()).await.unwrap());
            let of_a_scope = scope(async |s: &Scope<Interrupt>| {
                let child = s.spawn(async move { Ok(look().await) });
                let tell = async |ready: Ready<Option<u64>>| {
                    ready.tell(request());
                    Ok(())
                };
                let started = s.start(tell).await?;
                Ok([child.await?, started])
            });
            seen.extend(of_a_scope.await.unwrap());
            // A task of a task.
            seen.push(
                spawn(async move { spawn(look()).await.unwrap() })
                    .await
                    .unwrap(),
            );
            seen
        });
        assert_eq!(seen.await, [Some(5); 6]);
        assert_eq!(spawn(look()).await.unwrap(), None);
    });
}

#[test]
fn h07_a_child_keeps_the_value_as_of_its_spawn() {
    run(async {
        let child = REQUEST.scope(1, async {
            spawn(async {
                yield_now().await;
                yield_now().await;
                request()
            })
        });
        let child = child.await; // the spawner has ended
        let seen = REQUEST.scope(2, child).await.unwrap();
        assert_eq!(seen, Some(1), "and not that of its awaiter");
    });
}

#[test]
fn h07_what_is_set_in_a_child_is_not_seen_by_its_spawner() {
    run(REQUEST.scope(1, async {
        let child = spawn(REQUEST.scope(2, async {
            yield_now().await;
            spawn(async { request() }).await.unwrap()
        }));
        yield_now().await;
        assert_eq!(request(), Some(1));
        assert_eq!(child.await.unwrap(), Some(2));
        assert_eq!(request(), Some(1));
    }));
}

#[test]
fn h07_destructors_of_a_future_see_its_values_however_it_ends() {
    let log = Log::new();
    let hold = |log: &Log<Option<u64>>| {
        let notes = NotesRequest(log.clone());
        async move {
            let _notes = notes;
            pending::<()>().await;
        }
    };
    simulated().run(async {
        // Dropped where another value is set, polled or not.
        let mut future = Box::pin(REQUEST.scope(1, hold(&log)));
        let _ = move_on_after(ms(1), &mut future).await;
        REQUEST.sync_scope(9, || drop(future));
        REQUEST.sync_scope(9, || drop(REQUEST.scope(2, hold(&log))));
        assert_eq!(log.take(), [Some(1), Some(2)]);
        // A task that is aborted by one that has another value.
        let task = REQUEST.sync_scope(3, || spawn_local(hold(&log)));
        yield_now().await;
        REQUEST.sync_scope(9, || task.abort());
        let _ = task.await;
        // One that is asked.
        let task = REQUEST.sync_scope(4, || spawn_local(hold(&log)));
        yield_now().await;
        task.cancel();
        let _ = task.await;
        // One that has no value, ended by one that has.
        let task = spawn_local(hold(&log));
        yield_now().await;
        REQUEST.sync_scope(9, || task.abort());
        let _ = task.await;
        assert_eq!(log.take(), [Some(3), Some(4), None]);
        // One that the loop ends.
        let last = arborio::task().awaited(false);
        drop(REQUEST.sync_scope(5, || last.spawn_local(hold(&log))));
        yield_now().await;
    });
    assert_eq!(log.take(), [Some(5)]);
    assert_eq!(request(), None);
}

#[test]
fn h07_a_finished_future_is_dropped_where_its_value_is_set() {
    let log = Log::new();
    let notes = NotesRequest(log.clone());
    let mut held = Some(notes);
    let ready = poll_fn(move |_| {
        let _keeps = &mut held;
        Poll::Ready(())
    });
    run(async {
        let ended = REQUEST.scope(1, ready);
        let mut ended = Box::pin(ended);
        ended.as_mut().await;
        assert_eq!(log.take(), [Some(1)]);
    });
}

#[test]
fn h07_a_cleanup_sees_the_values_of_its_task() {
    let log = Log::new();
    let cleanup = {
        let log = log.clone();
        async move || {
            sleep(ms(1)).await;
            log.add(request());
        }
    };
    simulated().run(async {
        let work = finally(pending::<()>(), cleanup);
        let task = REQUEST.sync_scope(6, || spawn_local(work));
        yield_now().await;
        task.cancel();
        assert!(task.await.is_err());
    });
    assert_eq!(log.take(), [Some(6)]);
}

#[cfg(panic = "unwind")]
#[test]
fn h07_a_panic_leaves_nothing_set() {
    run(async {
        let future = REQUEST.scope(1, async {
            yield_now().await;
            panic!("on purpose");
        });
        let mut future = Box::pin(future);
        let caught = poll_fn(|cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
            assert_eq!(request(), None);
            match polled {
                Ok(Poll::Ready(())) => unreachable!(),
                Ok(Poll::Pending) => Poll::Pending,
                Err(_) => Poll::Ready("caught"),
            }
        });
        assert_eq!(caught.await, "caught");
        let task = task().observed(true);
        let task = REQUEST.sync_scope(2, || task.spawn(async { panic!("on purpose") }));
        assert!(matches!(task.await, Err(Interrupt::Panicked(_))));
        assert_eq!(request(), None);
        let thrown = catch_unwind(|| REQUEST.sync_scope(3, || panic!("on purpose")));
        assert!(thrown.is_err());
        assert_eq!(request(), None);
    });
}

#[test]
fn h07_values_need_not_be_send() {
    run(async {
        let count = Rc::new(Cell::new(0));
        let counting = SHARED.scope(Rc::clone(&count), async {
            for _ in 0..3 {
                let one = spawn(async { SHARED.with(|count| count.set(count.get() + 1)) });
                one.await.unwrap();
            }
        });
        counting.await;
        assert_eq!(count.get(), 3);
        assert_eq!(Rc::strong_count(&count), 1);
    });
}

#[test]
fn h07_a_value_is_dropped_with_the_last_who_has_it() {
    fn alive(weak: &Weak<()>) -> bool {
        weak.strong_count() > 0
    }
    run(async {
        let value = Arc::new(());
        let weak = Arc::downgrade(&value);
        let child = COUNTED.sync_scope(value, || spawn(yield_now()));
        assert!(alive(&weak), "its task has it");
        child.await.unwrap();
        assert!(!alive(&weak));
    });
}

/// Each task hides the value of its spawner: what is hidden is not kept.
#[test]
fn h07_tasks_that_set_and_spawn_for_ever_keep_the_last_value_only() {
    type Values = Rc<RefCell<Vec<Weak<()>>>>;
    fn next(round: u32, values: Values) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move {
            let alive = |weak: &&Weak<()>| weak.strong_count() > 0;
            let count = values.borrow().iter().filter(alive).count();
            assert!(count <= 2, "{count} values");
            if round > 0 {
                let value = Arc::new(());
                values.borrow_mut().push(Arc::downgrade(&value));
                let child = next(round - 1, values);
                let request = REQUEST.get() + 1;
                let spawned = COUNTED.scope(value, async move {
                    drop(REQUEST.sync_scope(request, || spawn_local(child)));
                });
                spawned.await;
            } else {
                assert_eq!(request(), Some(100));
            }
        })
    }
    run(REQUEST.scope(0, async {
        spawn_local(next(100, Values::default())).await.unwrap()
    }));
}

#[test]
fn h07_main_has_the_values_of_its_caller_and_what_comes_from_elsewhere_has_none() {
    REQUEST.sync_scope(1, || {
        let (main, child, sent) = run(async {
            let handle = Handle::current().expect("a loop runs here");
            let sent =
                thread::spawn(move || REQUEST.sync_scope(2, || handle.spawn(async { request() })));
            let sent = sent.join().unwrap().await.unwrap();
            (request(), spawn(async { request() }).await.unwrap(), sent)
        });
        assert_eq!((main, child, sent), (Some(1), Some(1), None));
        assert_eq!(request(), Some(1));
    });
    assert_eq!(request(), None);
}

#[test]
fn h07_under_a_foreign_executor_a_value_belongs_to_its_future() {
    let seen = block_on(REQUEST.scope(4, async {
        yield_now_foreign().await;
        request()
    }));
    assert_eq!(seen, Some(4));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            runtime.spawn(REQUEST.scope(number, async move {
                for _ in 0..100 {
                    tokio::task::yield_now().await; // may move to the other thread
                    assert_eq!(request(), Some(number));
                }
            }))
        })
        .collect();
    runtime.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(request(), None);
}

async fn yield_now_foreign() {
    futures_lite::future::yield_now().await;
}

#[test]
fn h07_a_value_of_a_sleeping_task_is_there_when_it_wakes() {
    simulated().run(async {
        let tasks: Vec<_> = (0..20)
            .map(|number| {
                let sleeper = async move {
                    sleep(secs(20 - number)).await;
                    request()
                };
                REQUEST.sync_scope(number, || spawn(sleeper))
            })
            .collect();
        for (number, task) in (0..).zip(tasks) {
            assert_eq!(task.await.unwrap(), Some(number));
        }
    });
}

/// Its tasks may go to another thread between two polls, and values may not.
#[test]
fn h07_tasks_of_a_scope_under_a_foreign_executor_see_what_is_around_the_scope() {
    let whole = REQUEST.scope(1, async {
        let ended = scope(async |s: &Scope<Interrupt>| {
            let child = REQUEST.sync_scope(2, || s.spawn(async { Ok(request()) }));
            child.await
        });
        ended.await
    });
    assert_eq!(block_on(whole).unwrap(), Some(1));
}
