//! What frames are told, and what code inside of them may ask: limits, grace, and who asks to end.

use std::{
    cell::Cell,
    future::{pending, poll_fn},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    thread,
};

use arborio_task::{
    Interrupt, ReasonKind, Task,
    frames::{
        Answer, Frame, Inside, Next, Terms, asked_because, grace, is_cancelling, limit,
        limit_to_root,
    },
};

use crate::support::{Bell, is_cancelled, own_waker, run, spawn, turn};

/// Runs `code` with a context that wakes nobody.
fn in_a_poll<R>(code: impl FnOnce(&mut Context<'_>) -> R) -> R {
    code(&mut Context::from_waker(Waker::noop()))
}

/// Polls `frame`, with what `code` does inside of it, which is ready.
fn inside<R>(
    frame: &mut Frame,
    cx: &mut Context<'_>,
    code: impl FnOnce(&mut Context<'_>, &Inside<'_>) -> R,
) -> R {
    match frame.poll(cx, |cx, inside| Poll::Ready(code(cx, inside))) {
        Poll::Ready(answer) => answer,
        Poll::Pending => unreachable!("it is ready"),
    }
}

/// The same, and it is pending.
fn within<R>(
    frame: &mut Frame,
    cx: &mut Context<'_>,
    code: impl FnOnce(&mut Context<'_>, &Inside<'_>) -> R,
) -> R {
    let mut answer = None;
    let polled = frame.poll(cx, |cx, inside| {
        answer = Some(code(cx, inside));
        Poll::<()>::Pending
    });
    assert!(polled.is_pending());
    answer.expect("it was polled")
}

/// Polls `frame`, with nothing inside.
fn touch(frame: &mut Frame, cx: &mut Context<'_>) {
    within(frame, cx, |_, _| ());
}

/// The same in the task that is being polled.
async fn enter(frame: &mut Frame) {
    poll_fn(|cx| {
        touch(frame, cx);
        Poll::Ready(())
    })
    .await;
}

/// Polls an origin with `terms`, with what `code` does inside of it.
fn limited<R>(
    cx: &mut Context<'_>,
    terms: &dyn Terms,
    code: impl FnOnce(&mut Context<'_>) -> R,
) -> R {
    let polled = Frame::origin().poll_limited(cx, terms, |cx, _| Poll::Ready(code(cx)));
    match polled {
        Poll::Ready(answer) => answer,
        Poll::Pending => unreachable!("it is ready"),
    }
}

/// Says how long handlers may take, and nothing else.
struct Graceful(Option<u64>);

impl Terms for Graceful {
    fn limit(&self) -> Option<u64> {
        None
    }

    fn grace(&self) -> Option<u64> {
        self.0
    }
}

#[test]
fn the_earliest_limit_counts_as_far_as_the_next_shield() {
    let far = |cx: &mut Context<'_>, code: fn(&mut Context<'_>)| {
        limited(cx, &|| Some(7), |cx| limited(cx, &|| Some(9), code));
    };
    in_a_poll(|cx| {
        assert_eq!(limit_to_root(), (None, true));
        far(cx, |_| {
            assert_eq!((limit(), limit_to_root()), (Some(7), (Some(7), true)))
        });
        far(cx, |cx| {
            let seen = limited(cx, &|| Some(3), |_| limit());
            assert_eq!(seen, Some(3));
        });
        far(cx, |cx| {
            let seen = inside(&mut Frame::shield(), cx, |cx, _| {
                assert_eq!(limit_to_root(), (None, false));
                limited(cx, &|| Some(8), |_| limit_to_root())
            });
            assert_eq!(seen, (Some(8), false));
        });
        far(cx, |cx| {
            let seen = inside(&mut Frame::gate(), cx, |_, _| limit_to_root());
            assert_eq!(seen, (Some(7), true));
        });
        assert_eq!(limit(), None);
    });
}

#[test]
fn a_frame_that_becomes_a_shield_hides_the_limits_outside() {
    in_a_poll(|cx| {
        limited(cx, &|| Some(7), |cx| {
            inside(&mut Frame::origin(), cx, |_, inside| {
                inside.set_shield(true);
                assert_eq!(limit(), None);
                inside.set_shield(false);
                assert_eq!(limit(), Some(7));
            });
            inside(&mut Frame::handler(), cx, |_, inside| {
                inside.set_opaque();
                assert_eq!(limit(), None);
                assert_eq!(format!("{inside:?}"), "Inside { .. }");
            });
        });
    });
    assert_eq!(format!("{:?}", Frame::gate()), "Frame { kind: Gate, .. }");
}

#[test]
fn the_innermost_frame_that_says_so_tells_how_long_handlers_may_take() {
    in_a_poll(|cx| {
        assert_eq!(grace(), None);
        limited(cx, &Graceful(Some(5)), |cx| {
            let silent = limited(cx, &|| Some(1), |_| grace());
            assert_eq!((grace(), silent), (Some(5), Some(5)));
            assert_eq!(limited(cx, &Graceful(Some(6)), |_| grace()), Some(6));
            assert_eq!(limited(cx, &Graceful(None), |_| grace()), Some(5));
        });
        assert_eq!(limited(cx, &|| Some(1), |_| grace()), None);
    });
}

#[test]
fn what_a_handler_says_decides_what_the_origin_does_next() {
    let told = |firm: bool, answer: Option<Answer>| {
        let (mut origin, mut handler) = (Frame::origin(), Frame::handler());
        if firm {
            origin.set_firm();
        }
        in_a_poll(|cx| {
            inside(&mut origin, cx, |cx, inside| {
                touch(&mut handler, cx);
                assert_eq!(inside.request(), Next::Poll);
                assert_eq!(inside.settle(), Next::Wait, "it has not answered");
                within(&mut handler, cx, |_, inside| {
                    assert!(inside.is_asked());
                    answer.into_iter().for_each(|answer| inside.answer(answer));
                    assert_eq!(inside.is_asked(), answer.is_none());
                });
                inside.settle()
            })
        })
    };
    assert_eq!(told(false, None), Next::Wait);
    assert_eq!(told(false, Some(Answer::Passed)), Next::Drop);
    assert_eq!(told(false, Some(Answer::Swallowed)), Next::Withdraw);
    assert_eq!(told(true, Some(Answer::Swallowed)), Next::Drop);
}

#[test]
fn a_busy_handler_stays_when_its_poll_is_ready_until_it_is_finished() {
    for (answer, next) in [
        (Some(Answer::Swallowed), Next::Withdraw),
        (Some(Answer::Passed), Next::Drop),
        (None, Next::Drop),
    ] {
        let (mut origin, mut handler) = (Frame::origin(), Frame::handler());
        in_a_poll(|cx| {
            inside(&mut origin, cx, |cx, asker| {
                touch(&mut handler, cx);
                assert_eq!(asker.request(), Next::Poll);
                inside(&mut handler, cx, |_, inside| inside.set_busy());
                assert_eq!(asker.settle(), Next::Wait);
                match answer {
                    Some(answer) => handler.finish(answer),
                    None => drop(handler),
                }
                assert_eq!(asker.settle(), next);
            });
        });
    }
}

#[test]
fn a_handler_that_becomes_opaque_hides_those_inside_from_those_who_ask() {
    let (mut origin, mut outer, mut inner) = (Frame::origin(), Frame::handler(), Frame::handler());
    in_a_poll(|cx| {
        inside(&mut origin, cx, |cx, asker| {
            within(&mut outer, cx, |cx, _| touch(&mut inner, cx));
            within(&mut outer, cx, |cx, inside| {
                inside.set_opaque();
                touch(&mut inner, cx);
            });
            assert_eq!(asker.request(), Next::Poll);
            within(&mut outer, cx, |cx, outside| {
                assert!(outside.is_asked(), "it and not the one inside");
                assert!(!within(&mut inner, cx, |_, inside| inside.is_asked()));
            });
        });
    });
}

#[test]
fn a_request_is_felt_inside_until_a_shield_or_until_it_is_swallowed() {
    let (mut origin, mut handler) = (Frame::origin(), Frame::handler());
    let (mut between, mut shield, mut gate) = (Frame::origin(), Frame::shield(), Frame::gate());
    in_a_poll(|cx| {
        within(&mut origin, cx, |cx, asker| {
            touch(&mut handler, cx);
            let mut felt = |cx: &mut Context<'_>| {
                [&mut between, &mut shield, &mut gate]
                    .map(|frame| within(frame, cx, |_, _| is_cancelling()))
            };
            assert_eq!((is_cancelling(), felt(cx)), (false, [false; 3]));
            assert_eq!(asker.request(), Next::Poll);
            assert_eq!((is_cancelling(), felt(cx)), (true, [true, false, false]));
        });
        assert!(!is_cancelling(), "it is outside");
        within(&mut origin, cx, |_, asker| {
            for frame in [shield, gate] {
                frame.finish(Answer::Swallowed);
            }
            assert!(is_cancelling());
            handler.finish(Answer::Swallowed);
            assert!(!is_cancelling());
            assert_eq!(asker.settle(), Next::Withdraw);
            assert!(!is_cancelling());
        });
    });
}

/// Waits until somebody asks `handler` to end.
async fn asked(handler: &mut Frame) {
    poll_fn(
        |cx| match within(handler, cx, |_, inside| inside.is_asked()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        },
    )
    .await;
}

/// What a task is told of its own end.
fn told() -> (bool, Option<ReasonKind>) {
    (is_cancelling(), asked_because().map(|reason| reason.kind()))
}

#[test]
fn a_task_that_is_asked_to_end_is_told_so_and_why_until_it_has_swallowed_that() {
    for with_slots in [false, true] {
        run(async move {
            let task = spawn(async move {
                let mut more = Frame::handler();
                if with_slots {
                    enter(&mut more).await;
                }
                let mut handler = Frame::handler();
                let mut seen = vec![told()];
                for _ in 0..2 {
                    asked(&mut handler).await;
                    seen.push(told());
                    let shielded = |cx: &mut Context<'_>| {
                        inside(&mut Frame::shield(), cx, |_, _| is_cancelling())
                    };
                    assert!(!poll_fn(|cx| Poll::Ready(shielded(cx))).await);
                    std::mem::replace(&mut handler, Frame::handler()).finish(Answer::Swallowed);
                    let one_is_left = with_slots && seen.len() == 2;
                    assert_eq!(is_cancelling(), one_is_left);
                    std::mem::replace(&mut more, Frame::origin()).finish(Answer::Swallowed);
                    assert!(!is_cancelling());
                    turn().await;
                    seen.push(told());
                }
                seen
            });
            turn().await;
            assert!(task.cancel());
            for _ in 0..4 {
                turn().await;
            }
            task.cancel();
            let cancelled = Some(ReasonKind::Cancel);
            let expected = [
                (false, None),
                (true, cancelled),
                (false, None),
                (true, cancelled),
                (false, None),
            ];
            assert_eq!(task.await.unwrap(), expected);
        });
    }
}

/// A task that swallows the first request, and tells what it was.
fn swallows() -> Task<(bool, Option<ReasonKind>)> {
    spawn(async {
        let mut handler = Frame::handler();
        asked(&mut handler).await;
        let seen = told();
        handler.finish(Answer::Swallowed);
        turn().await;
        seen
    })
}

#[test]
fn a_task_is_told_no_reason_where_there_is_none() {
    assert!(asked_because().is_none(), "no task is being polled");
    run(async {
        let here = arborio_task::Submitter::current().expect("a loop runs");
        let asked_with = async |end: Interrupt| {
            let task = swallows();
            turn().await;
            task.cancel_with(end);
            task.await.unwrap()
        };
        assert_eq!(asked_with(Interrupt::TimedOut).await, (true, None));
        assert_eq!(asked_with(Interrupt::Stopped).await, (true, None));
        here.give_stop_reason(arborio_task::Reason::new(ReasonKind::CtrlC));
        let stopped = asked_with(Interrupt::Stopped).await;
        assert_eq!(stopped, (true, Some(ReasonKind::CtrlC)));
    });
}

/// It answers while it is polled, and by its end; a request that comes in the same poll is a new one.
#[test]
fn a_request_that_comes_after_one_was_swallowed_is_a_new_one() {
    for by_its_end in [false, true] {
        run(async move {
            let own = Rc::new(Cell::new(None::<Task<()>>));
            let inner = Rc::clone(&own);
            let task = spawn(async move {
                let mut handler = Frame::handler();
                asked(&mut handler).await;
                if by_its_end {
                    handler.finish(Answer::Swallowed);
                } else {
                    let mut answer = |cx: &mut Context<'_>| {
                        inside(&mut handler, cx, |_, inside| {
                            inside.answer(Answer::Swallowed)
                        });
                    };
                    poll_fn(|cx| {
                        answer(cx);
                        Poll::Ready(())
                    })
                    .await;
                }
                let own = inner.take().expect("it was put there");
                assert!(!is_cancelling() && own.cancel() && is_cancelling());
                inner.set(Some(own));
                pending().await
            });
            turn().await;
            assert!(task.cancel());
            own.set(Some(task));
            turn().await;
            let task = own.take().expect("it was put back");
            assert!(task.is_finished(), "nobody has swallowed the second one");
            assert!(is_cancelled(&task.await));
        });
    }
}

/// A handler behind a waker of its own is woken by that; one that the task polls itself has its turn anyway.
#[test]
fn those_who_are_asked_are_woken_by_who_has_polled_them_and_the_task_is_polled_once() {
    run(async {
        let bell = Arc::new(Bell::default());
        let polls = Rc::new(Cell::new(0));
        let (seen, waker) = (Rc::clone(&polls), Waker::from(Arc::clone(&bell)));
        let task = spawn(async move {
            let (mut own, mut other) = (Frame::handler(), Frame::handler());
            poll_fn(|cx| {
                seen.set(seen.get() + 1);
                touch(&mut own, cx);
                touch(&mut other, &mut Context::from_waker(&waker));
                Poll::<()>::Pending
            })
            .await;
        });
        turn().await;
        assert_eq!((polls.get(), bell.count()), (1, 0));
        task.cancel();
        for _ in 0..3 {
            turn().await;
        }
        assert_eq!((polls.get(), bell.count()), (2, 1));
        task.abort();
    });
}

#[test]
fn a_handler_that_another_task_polls_is_asked_by_the_waker_of_that() {
    run(async {
        let (mut frame, polled) = (Frame::handler(), Rc::new(Cell::new(None)));
        let place = Rc::clone(&polled);
        let lends = spawn(async move {
            place.set(Some(own_waker().await));
            let times = Cell::new(0);
            poll_fn(|_| {
                times.set(times.get() + 1);
                match times.get() {
                    1 => Poll::Pending,
                    _ => Poll::Ready(()),
                }
            })
            .await;
        });
        turn().await;
        let waker = polled.take().expect("it has begun");
        let task = spawn(async move {
            touch(&mut frame, &mut Context::from_waker(&waker));
            pending::<()>().await;
        });
        turn().await;
        assert!(!lends.is_finished());
        task.cancel();
        lends.await.unwrap();
        task.abort();
    });
}

#[test]
fn the_tree_of_a_foreign_executor_hears_of_a_frame_that_is_dropped_abroad_by_its_last_waker() {
    let bells = [(); 2].map(|()| Arc::new(Bell::default()));
    let wakers = bells.each_ref().map(|bell| Waker::from(Arc::clone(bell)));
    let [mut first, mut second] = wakers.each_ref().map(Context::from_waker);
    let counts = || bells.each_ref().map(|bell| bell.count());
    let (mut origin, mut handler) = (Frame::origin(), Frame::handler());
    within(&mut origin, &mut first, |cx, _| touch(&mut handler, cx));
    // The origin has another waker now, and the handler the same one.
    within(&mut origin, &mut second, |_, asker| {
        touch(&mut handler, &mut Context::from_waker(&wakers[0]));
        assert_eq!(asker.request(), Next::Poll);
    });
    assert_eq!(counts(), [1, 0], "the handler is asked");
    thread::spawn(move || drop(handler)).join().unwrap();
    assert_eq!(counts(), [1, 1], "the root hears of it");
    let next = within(&mut origin, &mut second, |_, asker| asker.settle());
    assert_eq!(next, Next::Drop);
}

#[test]
fn a_handler_is_asked_by_the_waker_that_has_polled_it_last() {
    let bells = [(); 2].map(|()| Arc::new(Bell::default()));
    let wakers = bells.each_ref().map(|bell| Waker::from(Arc::clone(bell)));
    let (mut origin, mut handler) = (Frame::origin(), Frame::handler());
    in_a_poll(|cx| {
        within(&mut origin, cx, |_, asker| {
            for waker in [&wakers[0], &wakers[0], &wakers[1], &wakers[1]] {
                touch(&mut handler, &mut Context::from_waker(waker));
            }
            assert_eq!(Arc::strong_count(&bells[0]), 2, "nobody keeps the first");
            assert_eq!(asker.request(), Next::Poll);
        });
    });
    assert_eq!(bells.each_ref().map(|bell| bell.count()), [0, 1]);
}

#[test]
fn a_frame_that_had_a_tree_of_its_own_is_asked_by_the_task_that_polls_it_now() {
    run(async {
        let mut handler = Frame::handler();
        in_a_poll(|cx| touch(&mut handler, cx));
        let task = spawn(async move {
            asked(&mut handler).await;
            handler.finish(Answer::Swallowed);
        });
        turn().await;
        task.cancel();
        task.await.unwrap();
    });
}

#[test]
fn a_frame_of_a_task_that_is_polled_elsewhere_is_not_asked_by_that_task_any_more() {
    run(async {
        let place = Rc::new(Cell::new(None));
        let kept = Rc::clone(&place);
        let task = spawn(async move {
            let mut handler = Frame::handler();
            enter(&mut handler).await;
            kept.set(Some(handler));
            pending::<()>().await;
        });
        turn().await;
        let handler = thread::spawn({
            let mut handler = place.take().expect("it was kept");
            move || {
                in_a_poll(|cx| touch(&mut handler, cx));
                handler
            }
        });
        let handler = handler.join().unwrap();
        task.cancel();
        turn().await;
        turn().await;
        assert!(task.is_finished(), "nobody is inside");
        drop(handler);
    });
}
