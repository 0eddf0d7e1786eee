//! Stories that try to break the tree of frames with safe code.
//!
//! Frames are moved, leaked and dropped where they do not belong. Nobody may be
//! waited for who is not there, and no task may be kept alive by its own frames.

use std::{
    cell::{Cell, RefCell},
    future::{pending, poll_fn},
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    sync::{Arc, Mutex, mpsc},
    task::{Context, Poll, Wake, Waker},
    thread,
};

use arborio_task::{
    Interrupt, NoNotify, Notify, Tasks,
    frames::{Answer, Frame, Next, is_cancelling, limit},
};

use crate::support::{
    Bell, OnDrop, block_on, is_cancelled, own_waker, run, settle, spawn, tasks, turn,
};

/// Polls `frame` once, with nothing inside.
fn touch(frame: &mut Frame, cx: &mut Context<'_>) {
    assert!(frame.poll(cx, |_, _| Poll::<()>::Pending).is_pending());
}

/// Makes `frame` one of the tree that is being polled.
async fn enter(frame: &mut Frame) {
    poll_fn(|cx| {
        touch(frame, cx);
        Poll::Ready(())
    })
    .await;
}

/// Whether `frame`, polled now, was asked.
async fn is_asked(frame: &mut Frame) -> bool {
    let look = |cx: &mut Context<'_>| {
        frame.poll(cx, |_, inside| {
            if inside.is_asked() {
                inside.set_busy();
                return Poll::Ready(true);
            }
            Poll::Pending
        })
    };
    let mut look = look;
    poll_fn(|cx| Poll::Ready(look(cx).is_ready())).await
}

/// Runs `future` inside of `frame`.
async fn within<F: Future>(mut frame: Frame, future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    poll_fn(|cx| frame.poll(cx, |cx, _| future.as_mut().poll(cx))).await
}

#[test]
fn a_task_that_had_frames_is_freed_when_it_has_ended() {
    struct Alive;
    impl Notify for Alive {
        fn notify(&self) {}
    }
    let notifier = Arc::new(Alive);
    let bell = Arc::new(Bell::default());
    let main = async {
        for leaks in [false, true] {
            let bell = Arc::clone(&bell);
            let task = spawn(async move {
                let mut frames = [Frame::origin(), Frame::handler(), Frame::handler()];
                enter(&mut frames[0]).await;
                enter(&mut frames[1]).await;
                touch(
                    &mut frames[2],
                    &mut Context::from_waker(&Waker::from(Arc::clone(&bell))),
                );
                if leaks {
                    crate::leak::on_purpose(frames);
                }
                turn().await;
            });
            task.await.unwrap();
        }
    };
    let tasks = Tasks::new(notifier.clone());
    let ((), ended) = tasks.run_main(main, |running| while running.run_next() {});
    ended.unwrap();
    // The loop's memory lives as long as one of its tasks does.
    assert_eq!(Arc::strong_count(&notifier), 1);
    assert_eq!(Arc::strong_count(&bell), 1, "a leaked slot keeps no waker");
}

#[test]
fn each_of_several_frames_that_are_dropped_abroad_is_noticed() {
    run(async {
        let (send, frames) = mpsc::channel();
        let task = spawn(async move {
            for _ in 0..3 {
                let mut frame = Frame::handler();
                enter(&mut frame).await;
                send.send(frame).unwrap();
            }
            pending::<()>().await;
        });
        turn().await;
        assert!(task.cancel());
        for _ in 0..3 {
            turn().await;
            assert!(!task.is_finished(), "a handler has not answered yet");
            let frame = frames.recv().unwrap();
            thread::spawn(move || drop(frame)).join().unwrap();
        }
        assert!(is_cancelled(&task.await));
    });
}

#[test]
fn an_origin_behind_wakers_of_its_own_hears_of_a_frame_that_is_dropped_abroad() {
    // The task's own poll reaches no frame: only what was woken inside is polled.
    run(async {
        let woken = Arc::new(Bell::default());
        let waker = Waker::from(Arc::new(Forward {
            count: Arc::clone(&woken),
            to: own_waker().await,
        }));
        let (mut origin, mut handler) = (Frame::origin(), Frame::handler());
        let mut cx = Context::from_waker(&waker);
        let asked = origin.poll(&mut cx, |cx, inside| {
            touch(&mut handler, cx);
            assert_eq!(inside.request(), Next::Poll);
            Poll::<()>::Pending
        });
        assert!(asked.is_pending());
        assert_eq!(woken.rung(), 1, "the handler");
        thread::spawn(move || drop(handler)).join().unwrap();
        let is_woken = |_: &mut Context<'_>| match woken.count() {
            0 => Poll::Pending,
            _ => Poll::Ready(()),
        };
        poll_fn(is_woken).await;
        let next = origin.poll(&mut cx, |_, inside| Poll::Ready(inside.settle()));
        assert_eq!(next, Poll::Ready(Next::Drop));
    });
}

/// Counts, and wakes somebody else.
struct Forward {
    count: Arc<Bell>,
    to: Waker,
}

impl Wake for Forward {
    fn wake(self: Arc<Self>) {
        self.count.wake_by_ref();
        self.to.wake_by_ref();
    }
}

#[test]
fn a_frame_that_is_dropped_in_another_task_of_the_loop_is_noticed_at_once() {
    run(async {
        let place = Rc::new(RefCell::new(None));
        let inside = Rc::clone(&place);
        let task = spawn(async move {
            let mut frame = Frame::handler();
            enter(&mut frame).await;
            inside.replace(Some(frame));
            pending::<()>().await;
        });
        turn().await;
        task.cancel();
        turn().await;
        drop(place.take());
        assert!(is_cancelled(&task.await));
    });
}

#[test]
fn an_outermost_frame_may_be_polled_inside_another_tree_later() {
    // Its key names another slot in the other tree's table, perhaps its own parent.
    let mut inner = Frame::origin();
    let mut handler = Frame::handler();
    let mut outer = Frame::origin();
    let mut cx = Context::from_waker(Waker::noop());
    let _ = inner.poll(&mut cx, |cx, _| {
        touch(&mut handler, cx);
        Poll::<()>::Pending
    });
    for _ in 0..2 {
        let next = outer.poll(&mut cx, |cx, inside| {
            let _ = inner.poll(cx, |cx, _| {
                touch(&mut handler, cx);
                Poll::<()>::Pending
            });
            Poll::Ready(inside.request())
        });
        assert_eq!(next, Poll::Ready(Next::Poll), "the handler is inside");
    }
    // And back: each is on its own again.
    let _ = inner.poll(&mut cx, |_, _| Poll::<()>::Pending);
    touch(&mut handler, &mut cx);
    let next = inner.poll(&mut cx, |_, inside| Poll::Ready(inside.request()));
    assert_eq!(next, Poll::Ready(Next::Drop));
}

#[test]
fn a_frame_may_wander_through_tasks_threads_and_executors() {
    let mut frames: Vec<Frame> = (0..8)
        .map(|number| match number % 3 {
            0 => Frame::origin(),
            1 => Frame::handler(),
            _ => Frame::shield(),
        })
        .collect();
    for _ in 0..3 {
        block_on(async { within_all(&mut frames).await });
        frames = run(async move {
            let task = spawn(async move {
                within_all(&mut frames).await;
                frames
            });
            let mut frames = task.await.unwrap();
            within_all(&mut frames).await;
            let task = spawn(async move {
                within_all(&mut frames).await;
                frames
            });
            turn().await;
            task.cancel();
            match task.await {
                Ok(frames) => frames,
                Err(_) => vec![Frame::handler()],
            }
        });
        frames = thread::spawn(move || {
            block_on(within_all(&mut frames));
            frames
        })
        .join()
        .unwrap();
    }
}

/// Polls each inside of the one before.
async fn within_all(frames: &mut [Frame]) {
    fn nest(frames: &mut [Frame], cx: &mut Context<'_>) {
        if let [first, rest @ ..] = frames {
            let _ = first.poll(cx, |cx, _| {
                nest(rest, cx);
                Poll::<()>::Pending
            });
        }
    }
    poll_fn(|cx| {
        nest(frames, cx);
        Poll::Ready(())
    })
    .await;
}

#[test]
fn a_frame_that_has_moved_to_another_task_is_asked_there_and_not_here() {
    run(async {
        let frame = Rc::new(Cell::new(Some(Frame::handler())));
        let first = Rc::clone(&frame);
        let from = spawn(async move {
            let mut frame = first.take().unwrap();
            enter(&mut frame).await;
            first.set(Some(frame));
            pending::<()>().await;
        });
        turn().await;
        let asked = Rc::new(Cell::new(false));
        let noted = Rc::clone(&asked);
        let to = spawn(async move {
            let mut frame = frame.take().unwrap();
            enter(&mut frame).await;
            while !is_asked(&mut frame).await {
                turn().await;
            }
            noted.set(true);
        });
        turn().await;
        from.cancel();
        assert!(is_cancelled(&from.await), "nobody is inside");
        turn().await;
        assert!(!asked.get());
        to.cancel();
        to.await.unwrap();
        assert!(asked.get());
    });
}

#[test]
fn a_loop_inside_of_a_frame_has_trees_of_its_own() {
    run(async {
        let mut outer = Frame::origin();
        poll_fn(|cx| {
            outer.poll_limited(cx, &|| Some(5), |cx, inside| {
                let mut handler = Frame::handler();
                touch(&mut handler, cx);
                let mut stray = Some(handler);
                let nested = async {
                    assert_eq!(limit(), None);
                    let mut own = Frame::handler();
                    enter(&mut own).await;
                    drop(stray.take()); // of the other tree
                    within(Frame::origin(), turn()).await;
                };
                let ((), ended) = tasks().run_main(nested, settle);
                ended.unwrap();
                assert_eq!(limit(), Some(5));
                assert_eq!(inside.request(), Next::Drop, "nobody is left");
                Poll::Ready(())
            })
        })
        .await;
    });
}

#[test]
fn a_foreign_executor_inside_of_a_frame_polls_within_its_tree() {
    run(async {
        let mut outer = Frame::origin();
        poll_fn(|cx| {
            outer.poll_limited(cx, &|| Some(5), |_, inside| {
                block_on(async {
                    assert_eq!(limit(), Some(5));
                    within(Frame::handler(), turn()).await;
                });
                assert_eq!(inside.request(), Next::Drop, "nobody is left");
                Poll::Ready(())
            })
        })
        .await;
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a_panic_in_a_poll_takes_its_frames_off_the_stack() {
    block_on(async {
        let mut frames = [Frame::origin(), Frame::origin(), Frame::origin()];
        let boom = |cx: &mut Context<'_>, frames: &mut [Frame; 3]| {
            let [a, b, c] = frames;
            a.poll_limited(cx, &|| Some(3), |cx, _| {
                b.poll_limited(cx, &|| Some(2), |cx, _| {
                    let inner = AssertUnwindSafe(|| {
                        c.poll_limited(cx, &|| Some(1), |_, _| -> Poll<()> {
                            assert_eq!(limit(), Some(1));
                            panic!("inner")
                        })
                    });
                    assert!(catch_unwind(inner).is_err());
                    assert_eq!(limit(), Some(2));
                    panic!("outer");
                    #[expect(unreachable_code)]
                    Poll::<()>::Pending
                })
            })
        };
        let mut cx = Context::from_waker(Waker::noop());
        let outer = AssertUnwindSafe(|| boom(&mut cx, &mut frames));
        assert!(catch_unwind(outer).is_err());
        assert_eq!(limit(), None);
        enter(&mut frames[0]).await;
    });
}

#[test]
fn a_frame_may_be_dropped_in_the_middle_of_the_poll_of_another() {
    run(async {
        let mut origin = Frame::origin();
        poll_fn(|cx| {
            origin.poll(cx, |cx, inside| {
                let (mut one, mut two) = (Frame::handler(), Frame::handler());
                touch(&mut one, cx);
                touch(&mut two, cx);
                assert_eq!(inside.request(), Next::Poll);
                let other = Cell::new(Some(two));
                let _ = one.poll(cx, |cx, inside| {
                    assert!(inside.is_asked());
                    drop(other.take());
                    touch(&mut Frame::shield(), cx); // made and dropped inside
                    Poll::<()>::Pending
                });
                drop(one);
                assert_eq!(inside.settle(), Next::Drop);
                Poll::Ready(())
            })
        })
        .await;
    });
}

#[test]
fn a_busy_handler_may_outlive_its_task_and_its_loop() {
    let (send, guards) = mpsc::channel();
    let mut kept = None;
    run(async {
        let task = spawn(async move {
            let mut frame = Frame::handler();
            enter(&mut frame).await;
            while !is_asked(&mut frame).await {
                turn().await;
            }
            send.send(frame).unwrap();
            pending::<()>().await;
        });
        turn().await;
        task.cancel();
        turn().await;
        assert!(!task.is_finished(), "its handler is busy");
        task.abort();
        assert!(task.is_finished());
        kept = Some(task);
    });
    let task = kept.unwrap();
    let guard = guards.recv().unwrap();
    thread::spawn(move || guard.finish(Answer::Swallowed))
        .join()
        .unwrap();
    assert!(is_cancelled(&block_on(task)));
}

#[test]
fn a_frame_may_be_the_output_of_its_task() {
    let mut kept = None;
    run(async {
        let task = spawn(async {
            let mut frames = (Frame::origin(), Frame::handler());
            let (origin, handler) = &mut frames;
            poll_fn(|cx| {
                let _ = origin.poll(cx, |cx, _| {
                    touch(handler, cx);
                    Poll::<()>::Pending
                });
                Poll::Ready(())
            })
            .await;
            frames
        });
        turn().await;
        kept = Some(task);
    });
    let task = kept.unwrap();
    let (mut origin, handler) = block_on(task).unwrap();
    touch(&mut origin, &mut Context::from_waker(Waker::noop()));
    drop((handler, origin));
}

#[test]
fn the_frames_of_a_leaked_foreign_tree_may_be_dropped_anywhere() {
    let mut cx = Context::from_waker(Waker::noop());
    let (mut root, mut inner) = (Frame::origin(), Frame::handler());
    let _ = root.poll(&mut cx, |cx, _| {
        touch(&mut inner, cx);
        Poll::<()>::Pending
    });
    crate::leak::on_purpose(root);
    thread::spawn(move || drop(inner)).join().unwrap();
}

#[test]
fn a_foreign_tree_frees_its_wakers_and_what_it_leaves_behind_is_harmless() {
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut cx = Context::from_waker(&waker);
    let (mut root, mut inner, mut leaked) = (Frame::origin(), Frame::handler(), Frame::handler());
    let _ = root.poll(&mut cx, |cx, _| {
        touch(&mut inner, cx);
        touch(&mut leaked, cx);
        Poll::<()>::Pending
    });
    crate::leak::on_purpose(leaked);
    drop(root);
    touch(&mut inner, &mut Context::from_waker(Waker::noop())); // on its own now
    thread::spawn(move || drop(inner)).join().unwrap();
    drop(waker);
    assert_eq!(Arc::strong_count(&bell), 1);
    assert_eq!(bell.count(), 0);
}

/// Runs a closure when it is woken, and when its last clone is dropped.
struct Meddles(Mutex<Vec<Box<dyn FnOnce() + Send>>>);

impl Wake for Meddles {
    fn wake(self: Arc<Self>) {
        let all = mem::take(&mut *self.0.lock().unwrap());
        all.into_iter().for_each(|code| code());
    }
}

impl Drop for Meddles {
    fn drop(&mut self) {
        let all = mem::take(self.0.get_mut().unwrap());
        all.into_iter().for_each(|code| code());
    }
}

#[test]
fn wakers_may_drop_frames_of_the_tree_that_calls_them() {
    run(async {
        let mut origin = Frame::origin();
        poll_fn(|cx| {
            origin.poll(cx, |cx, inside| {
                let mut victims: Vec<Frame> = (0..4).map(|_| Frame::handler()).collect();
                victims.iter_mut().for_each(|victim| touch(victim, cx));
                for _ in 0..2 {
                    let victims: Vec<Frame> = victims.drain(..2).collect();
                    let code: Box<dyn FnOnce() + Send> = Box::new(move || drop(victims));
                    let waker = Waker::from(Arc::new(Meddles(Mutex::new(vec![code]))));
                    let mut handler = Frame::handler();
                    touch(&mut handler, &mut Context::from_waker(&waker));
                    drop(waker);
                    crate::leak::on_purpose(handler); // its slot has the last clone
                }
                assert_eq!(inside.request(), Next::Poll); // wakes the meddlers
                Poll::Ready(())
            })
        })
        .await;
    });
}

#[test]
fn a_task_may_be_aborted_in_the_poll_of_its_own_frame() {
    run(async {
        let own: Rc<Cell<Option<arborio_task::Task<()>>>> = Rc::default();
        let (inner, dropped) = (Rc::clone(&own), Rc::new(Cell::new(0)));
        let count = Rc::clone(&dropped);
        let task = spawn(async move {
            let _probe = OnDrop::new(move || count.set(count.get() + 1));
            let mut handler = Frame::handler();
            enter(&mut handler).await;
            within(
                Frame::shield(),
                poll_fn(|cx| {
                    if let Some(own) = inner.take() {
                        own.abort();
                        assert!(is_cancelling() || limit().is_none());
                    }
                    touch(&mut handler, cx);
                    Poll::<()>::Pending
                }),
            )
            .await;
        });
        own.set(Some(task));
        turn().await;
        assert_eq!(dropped.get(), 1);
    });
}

#[test]
fn frames_dropped_on_many_threads_while_their_tree_is_polled_are_all_heard() {
    const FRAMES: usize = 200;
    run(async {
        let (send, frames) = mpsc::channel();
        let task = spawn(async move {
            let mut own = Frame::handler();
            for _ in 0..FRAMES {
                let mut frame = Frame::handler();
                enter(&mut frame).await;
                send.send(frame).unwrap();
            }
            let mut polls = 0_u32;
            loop {
                polls += 1;
                if is_asked(&mut own).await {
                    own.finish(Answer::Passed);
                    return pending::<u32>().await;
                }
                assert!(polls < u32::MAX);
                turn().await;
            }
        });
        turn().await;
        task.cancel();
        let frames = Arc::new(Mutex::new(frames));
        let droppers: Vec<_> = (0..4)
            .map(|_| {
                let frames = Arc::clone(&frames);
                thread::spawn(move || {
                    loop {
                        let frame = frames.lock().unwrap().recv();
                        let Ok(frame) = frame else { return };
                        drop(frame);
                    }
                })
            })
            .collect();
        assert!(matches!(task.await, Err(Interrupt::Cancelled(_))));
        droppers
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_frame_that_never_was_in_a_tree_answers_nobody() {
    let tasks = Tasks::new(Arc::new(NoNotify));
    let main = async {
        let frames: [Pin<Box<Frame>>; 2] = [Box::pin(Frame::handler()), Box::pin(Frame::origin())];
        drop(frames);
        Frame::shield().finish(Answer::Swallowed);
    };
    let ((), ended) = tasks.run_main(main, |running| while running.run_next() {});
    ended.unwrap();
}
