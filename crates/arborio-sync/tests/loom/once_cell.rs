//! The cell that is filled once.
//!
//! Its slot is the standard library's, which loom does not see: the values are
//! counted, and the order of those who read them is not checked.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
};

use arborio_sync::OnceCell;
use loom::thread;

use crate::{
    pairs::{Operation, Subject, explore},
    world::{Counted, World, join_all, model},
};

#[test]
fn y09_pairs_of_the_once_cell() {
    explore::<Filled>();
}

/// A cell that the witness fills, if nobody was faster.
struct Filled {
    cell: OnceCell<Counted>,
    /// How many have filled it.
    filled: AtomicUsize,
    /// What those who looked have seen, plus one.
    seen: AtomicUsize,
}

impl Filled {
    fn see(&self, value: &Counted) {
        let before = self.seen.swap(value.name + 1, Relaxed);
        assert!(before == 0 || before == value.name + 1, "two values");
    }

    /// Makes the value of `name`, in two polls.
    async fn init(&self, world: &World, name: usize) -> Counted {
        turn().await;
        self.filled.fetch_add(1, Relaxed);
        world.counted(name)
    }
}

/// Pending once.
async fn turn() {
    let mut waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Subject for Filled {
    const NAME: &'static str = "once cell";

    fn new(_: &World) -> Self {
        Self {
            cell: OnceCell::new(),
            filled: AtomicUsize::new(0),
            seen: AtomicUsize::new(0),
        }
    }

    fn operations() -> Vec<Operation<Self>> {
        let can = Operation::<Self>::new;
        vec![
            can("set", |it, world| {
                if it.cell.set(world.counted(1)).is_ok() {
                    it.filled.fetch_add(1, Relaxed);
                }
            }),
            can("get_or_init", |it, world| {
                let init = async || it.init(world, 2).await;
                it.see(world.block_on(it.cell.get_or_init(init)));
            }),
            can("get_or_init, dropped", |it, world| {
                let init = async || it.init(world, 3).await;
                if let Some(value) = world.glance(it.cell.get_or_init(init)) {
                    it.see(value);
                }
            }),
            can("get_or_try_init, in vain", |it, world| {
                let init = async || {
                    turn().await;
                    Err::<Counted, ()>(())
                };
                if let Ok(value) = world.block_on(it.cell.get_or_try_init(init)) {
                    it.see(value);
                }
            }),
            can("wait", |it, world| it.see(world.block_on(it.cell.wait()))),
            can("wait, dropped", |it, world| {
                if let Some(value) = world.glance(it.cell.wait()) {
                    it.see(value);
                }
            }),
            can("get", |it, _| {
                if let Some(value) = it.cell.get() {
                    it.see(value);
                }
            }),
        ]
    }

    fn witness(&self, world: &World, start: &mut dyn FnMut()) {
        start();
        let init = async || self.init(world, 0).await;
        self.see(world.block_on(self.cell.get_or_init(init)));
    }

    fn settle(self, _: &World) {
        assert_eq!(self.filled.load(Relaxed), 1, "filled once");
        let value = self.cell.into_inner().expect("the value was lost");
        assert_eq!(value.name + 1, self.seen.load(Relaxed));
    }
}

/// Whoever initialises is dropped; one of those behind takes over.
#[test]
fn y18_the_next_one_initialises_when_the_first_is_dropped() {
    model("once cell: the first is dropped, two wait", 2, |world| {
        let cell = Arc::new(OnceCell::new());
        let others = {
            let mut first = pin!(cell.get_or_init(async || std::future::pending().await));
            assert!(world.poll_once(first.as_mut()).is_pending());
            [1, 2].map(|name| {
                let (cell, world) = (Arc::clone(&cell), Arc::clone(world));
                thread::spawn(move || {
                    world.step();
                    let init = async || world.counted(name);
                    let value = world.block_on(cell.get_or_init(init));
                    assert!((1..=2).contains(&value.name));
                })
            })
        };
        join_all(others);
        assert!(cell.get().is_some());
    });
}
