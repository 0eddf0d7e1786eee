//! Cells of every size, many of them, and deep chains of destructors.

use std::{
    cell::{Cell, RefCell},
    future::{pending, ready},
    mem::align_of_val,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    thread,
};

use arborio_task::{SpawnOptions, Task};

use crate::support::{OnDrop, Probes, is_stopped, run, spawn, tasks, turn};

/// Ready at its second poll; must never move, and must lie at its alignment.
#[repr(align(512))]
struct OverAligned {
    first_at: Option<usize>,
}

impl Future for OverAligned {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        let here = (&raw const *self).addr();
        assert_eq!(here % align_of_val(&*self), 0);
        match self.first_at {
            Some(first) => {
                assert_eq!(first, here, "it moved");
                Poll::Ready(here)
            }
            None => {
                self.first_at = Some(here);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

#[test]
fn futures_may_be_over_aligned() {
    run(async {
        let tasks: Vec<_> = (0..20)
            .map(|_| spawn(OverAligned { first_at: None }))
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap() % 512, 0);
        }
    });
}

#[test]
fn futures_and_outputs_may_be_huge() {
    run(async {
        for fill in 0..4_u8 {
            let task = spawn(async move {
                let block = [fill; 64 * 1024];
                turn().await;
                block
            });
            assert!(task.await.unwrap().iter().all(|&byte| byte == fill));
        }
        // The output is larger than the future that makes it.
        let task = spawn(async { Box::new([7_u8; 100_000]) });
        assert_eq!(task.await.unwrap()[99_999], 7);
        struct Grows;
        impl Future for Grows {
            type Output = [u64; 8192];
            fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<[u64; 8192]> {
                Poll::Ready([3; 8192])
            }
        }
        assert_eq!(size_of::<Grows>(), 0);
        assert_eq!(spawn(Grows).await.unwrap()[8191], 3);
    });
}

#[test]
fn futures_and_outputs_may_have_no_size() {
    struct Nothing;
    impl Future for Nothing {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
    }
    run(async {
        for _ in 0..100 {
            spawn(Nothing).await.unwrap();
        }
        let interrupted: Task<()> = spawn(pending());
        interrupted.abort();
        assert!(interrupted.await.is_err());
    });
}

#[test]
fn a_million_tasks_are_spawned_and_dropped() {
    let probes = Probes::default();
    run(async {
        let kept = Rc::new(());
        for batch in 0..1_000 {
            let mut tasks = Vec::with_capacity(1_000);
            for _ in 0..1_000 {
                let kept = Rc::clone(&kept);
                tasks.push(spawn(async move { drop(kept) }));
            }
            if batch % 2 == 0 {
                drop(tasks);
                turn().await;
            } else {
                for task in tasks {
                    task.await.unwrap();
                }
            }
            assert_eq!(Rc::strong_count(&kept), 1);
        }
        drop(probes.probe());
    });
    assert_eq!(probes.alive(), 0);
}

/// The next loop of a thread takes the free cells of the last one.
#[test]
fn loops_of_one_thread_share_their_free_cells() {
    struct Address;
    impl Future for Address {
        type Output = usize;
        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
            Poll::Ready(cx.waker().data().addr())
        }
    }
    let cells = || -> std::collections::BTreeSet<usize> {
        run(async {
            let tasks: Vec<_> = (0..50).map(|_| spawn(Address)).collect();
            let mut cells = std::collections::BTreeSet::new();
            for task in tasks {
                cells.insert(task.await.unwrap());
            }
            cells
        })
    };
    let first = cells();
    assert_eq!(first.len(), 50, "living tasks share no cell");
    if cfg!(not(arborio_no_cell_cache)) {
        assert_eq!(cells(), first);
    }
}

/// Each task holds the handle of the next, and aborts it when it is dropped.
#[test]
fn a_chain_of_tasks_that_abort_each_other_needs_little_stack() {
    const LENGTH: usize = 100_000;
    let small = thread::Builder::new().stack_size(1 << 20);
    let chain = small.spawn(|| {
        let probes = Probes::default();
        run(async {
            let mut next: Option<Task<()>> = None;
            for _ in 0..LENGTH {
                let probe = probes.probe();
                let held = next.take();
                let on_drop = OnDrop::new(move || {
                    if let Some(next) = held {
                        next.abort();
                    }
                    drop(probe);
                });
                next = Some(spawn(async move {
                    pending::<()>().await;
                    drop(on_drop);
                }));
            }
            turn().await;
            next.unwrap().abort();
            while probes.alive() != 0 {
                turn().await;
            }
        });
        assert_eq!(probes.dropped(), LENGTH);
    });
    chain.unwrap().join().unwrap();
}

/// The same chain, ended by the loop, and by handles that are only dropped.
#[test]
fn a_chain_of_tasks_that_its_loop_ends_needs_little_stack() {
    const LENGTH: usize = 100_000;
    let small = thread::Builder::new().stack_size(1 << 20);
    let chain = small.spawn(|| {
        let probes = Probes::default();
        let main = async {
            let mut next: Option<Task<()>> = None;
            for _ in 0..LENGTH {
                let (probe, held) = (probes.probe(), next.take());
                next = Some(spawn(async move {
                    let _held = (held, probe);
                    pending::<()>().await;
                }));
            }
            next
        };
        let ((), last) = tasks().run_main(main, |running| while running.run_next() {});
        assert_eq!(probes.alive(), 0);
        assert!(is_stopped(&last.unwrap().unwrap().try_take().unwrap()));
    });
    chain.unwrap().join().unwrap();
}

/// Each task's output is the handle of the next, which has ended.
#[test]
fn a_chain_of_outputs_that_hold_handles_is_dropped() {
    run(async {
        let mut next: Option<Box<dyn std::any::Any>> = None;
        for _ in 0..100_000 {
            let held = next.take();
            let task: Task<Option<Box<dyn std::any::Any>>> = spawn(ready(held));
            next = Some(Box::new(task));
        }
        turn().await;
        drop(next);
    });
}

#[test]
fn x30_two_tasks_that_await_each_other_die_with_their_loop() {
    let probes = Probes::default();
    type Slot = Rc<RefCell<Option<Task<()>>>>;
    let main = async {
        let slots: [Slot; 2] = Default::default();
        for me in 0..2 {
            let (other, probe) = (Rc::clone(&slots[1 - me]), probes.probe());
            let task = spawn(async move {
                turn().await;
                let task = other.borrow_mut().take().unwrap();
                task.await.unwrap();
                drop(probe);
            });
            *slots[me].borrow_mut() = Some(task);
        }
        turn().await;
        turn().await;
        assert_eq!(probes.alive(), 2);
    };
    tasks()
        .run_main(main, |running| {
            while running.run_next() {}
            assert_eq!(running.pending(), 2);
            assert!(running.take_attention());
        })
        .1
        .unwrap();
    assert_eq!(probes.alive(), 0);
}

#[test]
fn the_memory_of_a_named_task_goes_with_it() {
    run(async {
        for number in 0..1_000 {
            let options = SpawnOptions::new().name(format!("task {number}"));
            let task = arborio_task::try_spawn(ready(1), options).ok().unwrap();
            assert_eq!(task.name().unwrap(), format!("task {number}"));
            assert_eq!(task.await.unwrap(), 1);
        }
    });
}

/// The same, each output dropped by the end of its own detached task; nothing
/// is left behind.
#[test]
fn a_chain_of_detached_tasks_whose_outputs_end_each_other_is_dropped() {
    const LENGTH: usize = 100_000;
    /// Ends the task whose handle it holds when it is dropped.
    struct Ends(Option<Box<dyn std::any::Any>>, Rc<Cell<usize>>);
    impl Drop for Ends {
        fn drop(&mut self) {
            drop(self.0.take());
            self.1.set(self.1.get() + 1);
        }
    }
    let dropped = Rc::new(Cell::new(0));
    run(async {
        let mut next = None;
        for _ in 0..LENGTH {
            let ends = Ends(next.take(), Rc::clone(&dropped));
            next = Some(Box::new(spawn(ready(ends))) as Box<dyn std::any::Any>);
        }
        drop(next); // detached before it has run: it drops its own output
        while dropped.get() < LENGTH {
            turn().await;
        }
    });
    assert_eq!(Rc::strong_count(&dropped), 1);
}
