//! A frame that is dropped abroad, against what its tree does meanwhile (B1, B2 and
//! B4 of `src/frames/table.rs`).

use std::{
    future::{pending, poll_fn},
    sync::mpsc,
    task::{Context, Poll},
};

use arborio_task::{Interrupt, SpawnOptions, Task, frames::Frame, try_spawn};

use crate::world::{World, model, turn};

/// Polls `frame` once, with nothing inside.
fn touch(frame: &mut Frame, cx: &mut Context<'_>) {
    assert!(frame.poll(cx, |_, _| Poll::<()>::Pending).is_pending());
}

/// A handler of the task that is being polled.
async fn handler() -> Frame {
    let mut frame = Frame::handler();
    poll_fn(|cx| {
        touch(&mut frame, cx);
        Poll::Ready(())
    })
    .await;
    frame
}

/// A task that gives `frames` handlers away and then does `rest`.
fn giver<F: Future<Output = ()> + 'static>(
    frames: usize,
    rest: F,
) -> (Task<()>, mpsc::Receiver<Frame>) {
    let (send, receive) = mpsc::channel();
    let body = async move {
        for _ in 0..frames {
            send.send(handler().await).unwrap();
        }
        rest.await;
    };
    let task = try_spawn(body, SpawnOptions::new()).ok().unwrap();
    (task, receive)
}

fn drive(world: &World, main: impl Future<Output = ()>) {
    let ((), outcome) = world
        .tasks()
        .run_main(main, |running| world.settle(running));
    outcome.unwrap();
}

/// The task waits for the answers of two handlers, and polls a third: each note must
/// be heard, whatever of its polls it meets.
#[test]
fn b2_frames_dropped_abroad_against_the_polls_of_their_tree() {
    model(
        "frames_dropped_abroad_against_the_polls_of_their_tree",
        2,
        |world| {
            drive(world, async {
                let (task, frames) = giver(2, async {
                    let mut own = handler().await;
                    let mut polls = 0;
                    poll_fn(|cx| {
                        touch(&mut own, cx);
                        polls += 1;
                        if polls == 2 {
                            return Poll::Ready(());
                        }
                        cx.waker().wake_by_ref();
                        Poll::Pending
                    })
                    .await;
                    drop(own);
                    pending::<()>().await;
                });
                turn().await;
                assert!(task.cancel());
                for frame in frames.iter().take(2) {
                    world.spawn(move |_| drop(frame));
                }
                assert!(matches!(task.await, Err(Interrupt::Cancelled(_))));
            });
        },
    );
}

/// The task ends while a frame of it is dropped abroad: the table is freed once, by
/// whoever is last.
#[test]
fn b4_frames_dropped_abroad_against_the_end_of_their_task() {
    model(
        "frames_dropped_abroad_against_the_end_of_their_task",
        3,
        |world| {
            drive(world, async {
                let (task, frames) = giver(2, pending::<()>());
                turn().await;
                for frame in frames.iter().take(2) {
                    world.spawn(move |_| drop(frame));
                }
                task.abort();
                assert!(matches!(task.await, Err(Interrupt::Cancelled(_))));
            });
        },
    );
}

/// The same with the end of the loop, whose inbox may be closed when the note comes.
#[test]
fn b4_a_frame_dropped_abroad_against_the_end_of_its_loop() {
    model(
        "a_frame_dropped_abroad_against_the_end_of_its_loop",
        3,
        |world| {
            let main = async {
                let (task, frames) = giver(1, pending::<()>());
                turn().await;
                let frame = frames.recv().unwrap();
                world.spawn(move |abroad| {
                    drop(frame);
                    abroad.step();
                });
                task.cancel();
                drop(task);
            };
            let ((), outcome) = world.tasks().run_main(main, |running| {
                world.glance(running);
                world.glance(running);
            });
            outcome.unwrap();
        },
    );
}

/// A thread asks the task to end while it gets its first frame: the record that the one
/// makes and the table that the other makes are both there afterwards, and freed once.
#[test]
fn b4_a_request_from_abroad_against_the_first_frame_of_a_task() {
    model(
        "a_request_from_abroad_against_the_first_frame_of_a_task",
        2,
        |world| {
            drive(world, async {
                let (task, frames) = giver(1, pending::<()>());
                world.spawn(move |_| {
                    task.cancel();
                });
                turn().await;
                drop(frames);
            });
        },
    );
}
