//! The notification.

use std::{pin::pin, sync::Arc};

use arborio_sync::Notify;
use loom::thread;

use crate::{
    pairs::{Operation, Subject, explore},
    world::{World, join_all, model},
};

#[test]
fn y09_pairs_of_the_notification() {
    explore::<Bell>();
}

/// A notification for which the witness waits.
struct Bell(Notify);

impl Subject for Bell {
    const NAME: &'static str = "notify";

    fn new(_: &World) -> Self {
        Self(Notify::new())
    }

    fn operations() -> Vec<Operation<Self>> {
        let can = Operation::<Self>::new;
        vec![
            can("notify_one", |bell, _| bell.0.notify_one()),
            can("notify_waiters", |bell, _| bell.0.notify_waiters()),
            can("notified", |bell, world| {
                world.block_on(bell.0.notified());
            })
            .waits(),
            can("notified, polled in vain", |bell, world| {
                world.impatient(bell.0.notified());
            })
            .waits(),
            can("notified, dropped", |bell, world| {
                world.glance(bell.0.notified());
            }),
            can("enable, dropped", |bell, world| {
                let mut notified = pin!(bell.0.notified());
                notified.as_mut().enable();
                world.step();
            }),
        ]
    }

    fn witness(&self, world: &World, start: &mut dyn FnMut()) {
        let mut queued = pin!(self.0.notified());
        assert!(world.poll_once(queued.as_mut()).is_pending());
        start();
        self.0.notify_waiters();
        world.block_on(queued);
    }

    fn release(&self, _: &World, waiting: &dyn Fn() -> usize) {
        loom::stop_exploring(); // these rounds are the model's own
        while waiting() > 0 {
            self.0.notify_waiters();
            thread::yield_now();
        }
    }

    fn settle(self, world: &World) {
        self.0.notify_one();
        world.block_on(self.0.notified());
        let mut second = pin!(self.0.notified());
        assert!(world.poll_once(second.as_mut()).is_pending(), "one is kept");
    }
}

fn spawn(world: &Arc<World>, notify: &Arc<Notify>, code: fn(&Notify)) -> thread::JoinHandle<()> {
    let (world, notify) = (Arc::clone(world), Arc::clone(notify));
    thread::spawn(move || {
        world.step();
        code(&notify);
    })
}

/// What was meant for somebody who left goes to the next in line.
#[test]
fn y04_a_notification_races_the_drop_of_its_waiter() {
    model("notify: one told leaves, the next goes on", 4, |world| {
        let notify = Arc::new(Notify::new());
        let mut second = pin!(notify.notified());
        let other = {
            let mut first = pin!(notify.notified());
            assert!(world.poll_once(first.as_mut()).is_pending());
            assert!(world.poll_once(second.as_mut()).is_pending());
            let other = spawn(world, &notify, Notify::notify_one);
            world.step();
            other
        };
        world.block_on(second);
        other.join().unwrap();
    });
    model("notify: one told leaves, it is kept", 4, |world| {
        let notify = Arc::new(Notify::new());
        let other = {
            let mut first = pin!(notify.notified());
            assert!(world.poll_once(first.as_mut()).is_pending());
            let other = spawn(world, &notify, Notify::notify_one);
            world.step();
            other
        };
        world.block_on(notify.notified());
        other.join().unwrap();
    });
}

/// Two notifications are for two who wait.
#[test]
fn two_notifications_are_for_two_who_wait() {
    model("notify: two tell two", 3, |world| {
        let notify = Arc::new(Notify::new());
        let (mut first, mut second) = (pin!(notify.notified()), pin!(notify.notified()));
        assert!(world.poll_once(first.as_mut()).is_pending());
        assert!(world.poll_once(second.as_mut()).is_pending());
        let others = [(); 2].map(|()| spawn(world, &notify, Notify::notify_one));
        world.block_on(second);
        world.block_on(first);
        join_all(others);
    });
}

/// Whoever takes part in a round is told by its end; the single notification that
/// comes after is for the next one.
#[test]
fn the_end_of_a_round_spends_no_single_notification() {
    model("notify: all, then one, while one joins", 4, |world| {
        let notify = Arc::new(Notify::new());
        let notified = notify.notified();
        let other = spawn(world, &notify, |notify| {
            notify.notify_waiters();
            notify.notify_one();
        });
        world.block_on(notified);
        other.join().unwrap();
        world.block_on(notify.notified());
    });
    model("notify: all, then one, while one is in line", 4, |world| {
        let notify = Arc::new(Notify::new());
        let mut notified = pin!(notify.notified());
        assert!(world.poll_once(notified.as_mut()).is_pending());
        let other = spawn(world, &notify, |notify| {
            notify.notify_waiters();
            notify.notify_one();
        });
        world.block_on(notified);
        other.join().unwrap();
        world.block_on(notify.notified());
    });
}

/// What was written before a notification is seen by whoever it notifies.
#[test]
fn a_notification_publishes_what_was_written_before() {
    model("notify: it publishes", 4, |world| {
        let shared = Arc::new((Notify::new(), arborio_base::Plain::new(0)));
        let others = [1, 2].map(|_| {
            let (shared, world) = (Arc::clone(&shared), Arc::clone(world));
            thread::spawn(move || {
                world.step();
                shared.0.notify_one();
            })
        });
        let [first, second] = others;
        first.join().unwrap();
        let writer = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                shared.1.set(1);
                shared.0.notify_one();
            }
        });
        world.block_on(shared.0.notified());
        writer.join().unwrap();
        second.join().unwrap();
        assert_eq!(shared.1.get(), 1);
    });
}
