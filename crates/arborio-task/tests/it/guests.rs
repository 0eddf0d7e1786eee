//! Tasks of a branch that another loop polls: where they are counted, where they end, and what waits for them.

use std::{
    cell::RefCell,
    future::{pending, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    task::{Poll, Waker},
    thread::{self, JoinHandle},
};

use arborio_task::{Branch, Running, SpawnOptions, Submitter, Task, Tasks, try_spawn_sent};

use crate::support::{Probes, is_stopped, tasks};

pub(crate) type Command = Box<dyn FnOnce(&Running<'_>) + Send>;

/// Another loop, on a thread of its own, which does what it is told.
pub(crate) struct There {
    pub(crate) inbox: Submitter,
    pub(crate) commands: Option<Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl There {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| ())
    }

    pub(crate) fn start_with(prepare: impl FnOnce(&Tasks) + Send + 'static) -> Self {
        let (tell, hear) = channel();
        let (commands, received) = channel::<Command>();
        let thread = thread::spawn(move || {
            let tasks = tasks();
            prepare(&tasks);
            tell.send(tasks.submitter()).unwrap();
            let obey = |running: &Running<'_>| {
                assert!(running.run_next()); // its main
                received.iter().for_each(|command| command(running));
            };
            tasks.run_main(async {}, obey).1.unwrap();
        });
        Self {
            inbox: hear.recv().unwrap(),
            commands: Some(commands),
            thread: Some(thread),
        }
    }

    pub(crate) fn tell(&self, command: impl FnOnce(&Running<'_>) + Send + 'static) {
        let commands = self.commands.as_ref().expect("it goes on");
        commands.send(Box::new(command)).unwrap();
    }

    /// What `code` returns there.
    pub(crate) fn ask<R: Send + 'static>(
        &self,
        code: impl FnOnce(&Running<'_>) -> R + Send + 'static,
    ) -> R {
        let (answer, answered) = channel();
        self.tell(move |running| answer.send(code(running)).unwrap());
        answered.recv().unwrap()
    }

    /// How many tasks are counted there.
    pub(crate) fn count(&self) -> u64 {
        let inbox = self.inbox.clone();
        self.ask(move |running| count(running, &inbox))
    }

    pub(crate) fn thread(&self) -> thread::ThreadId {
        self.thread.as_ref().expect("it runs").thread().id()
    }
}

impl Drop for There {
    fn drop(&mut self) {
        self.commands = None;
        let ended = self.thread.take().expect("it runs").join();
        assert!(ended.is_ok() || thread::panicking());
    }
}

/// Does all that can be done now.
pub(crate) fn work(running: &Running<'_>) {
    while running.take_mail() > 0 || running.run_next() {}
}

fn count(running: &Running<'_>, submitter: &Submitter) -> u64 {
    running.publish(0, 0);
    submitter.figures().tasks
}

pub(crate) fn enter() -> Arc<Branch> {
    Branch::enter(Arc::new(())).expect("a loop runs")
}

pub(crate) fn sent_on<F>(branch: &Arc<Branch>, future: F) -> Task<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let task = branch.try_spawn_sent(future, SpawnOptions::new());
    task.ok().expect("the branch is open")
}

/// Leaves `branch` when nothing is pending there.
pub(crate) async fn leave(branch: Arc<Branch>) {
    poll_fn(|cx| {
        branch.wake_on_change(cx.waker());
        match branch.pending() {
            0 => Poll::Ready(()),
            _ => Poll::Pending,
        }
    })
    .await;
    branch.leave();
}

#[test]
fn x12_a_task_of_a_branch_counts_where_it_is_polled_and_ends_at_home() {
    let there = There::start();
    let home = tasks();
    let here = home.submitter();
    let main = async {
        let branch = enter();
        let [stays, goes] = [(), ()].map(|()| sent_on(&branch, async { thread::current().id() }));
        let threads = [stays.await.unwrap(), goes.await.unwrap()];
        leave(branch).await;
        threads
    };
    let ((), threads) = home.run_main(main, |home| {
        assert!(home.run_next());
        assert_eq!(count(home, &here), 3, "main, and both of the branch");
        assert_eq!(home.give(&there.inbox, 10), 1);
        assert_eq!((count(home, &here), there.count()), (2, 0));
        assert_eq!(there.ask(|there| there.take_mail()), 1);
        assert_eq!((count(home, &here), there.count()), (2, 1));
        there.ask(work);
        assert_eq!((count(home, &here), there.count()), (2, 0));
        assert_eq!(home.take_mail(), 1, "it is back");
        work(home);
        assert_eq!(count(home, &here), 0);
    });
    assert_eq!(threads.unwrap(), [thread::current().id(), there.thread()]);
}

/// A task that ends when it is told to.
#[derive(Clone, Default)]
pub(crate) struct Patient {
    told: Arc<AtomicBool>,
    waker: Arc<std::sync::Mutex<Option<Waker>>>,
}

impl Patient {
    pub(crate) async fn wait(self) {
        poll_fn(|cx| {
            *self.waker.lock().unwrap() = Some(cx.waker().clone());
            match self.told.load(Ordering::SeqCst) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    pub(crate) fn end(&self) {
        self.told.store(true, Ordering::SeqCst);
        let waker = self.waker.lock().unwrap().take();
        waker.expect("it waits").wake();
    }
}

/// It hangs on the root of the other loop, and the branch at home waits for it.
#[test]
fn x12_what_a_guest_spawns_for_its_branch_keeps_that_pending() {
    let there = There::start();
    let home = tasks();
    let here = home.submitter();
    let patient = Patient::default();
    let entered = RefCell::new(None);
    let main = async {
        let branch = enter();
        *entered.borrow_mut() = Some(Arc::clone(&branch));
        let (known, child) = (Arc::clone(&branch), patient.clone());
        let at_home = sent_on(&branch, async {});
        let guest = sent_on(&branch, async move {
            let child = known.try_spawn(child.wait(), SpawnOptions::new());
            drop(child.ok().expect("the branch is open"));
        });
        at_home.await.unwrap();
        guest.await.unwrap();
        leave(branch).await;
    };
    let ((), ended) = home.run_main(main, |home| {
        assert!(home.run_next());
        assert_eq!(home.give(&there.inbox, 10), 1);
        there.ask(work);
        assert_eq!(there.count(), 1, "the child");
        work(home);
        let branch = entered.take().unwrap();
        assert_eq!((branch.pending(), home.main_ended()), (1, false));
        assert_eq!(count(home, &here), 1, "main");
        let child = patient.clone();
        there.ask(move |there| {
            child.end();
            work(there);
        });
        assert_eq!(there.count(), 0);
        work(home);
        assert_eq!((branch.pending(), home.main_ended()), (0, true));
    });
    ended.unwrap();
}

/// Ends the loop of a branch while a task of that is a guest of another loop, which goes on, or ends before.
fn end_with_a_guest(guest_loop_ends_first: bool) {
    let mut there = There::start();
    let probes = Probes::default();
    let probe = probes.probe();
    let main = async {
        let branch = enter();
        let stays = sent_on(&branch, pending::<()>());
        let goes = sent_on(&branch, async move {
            let _probe = probe;
            pending::<()>().await;
        });
        (branch, stays, goes)
    };
    let (serves, is_over): (_, Receiver<()>) = channel();
    let ((), tasks_left) = tasks().run_main(main, |home| {
        assert!(home.run_next());
        assert_eq!(home.give(&there.inbox, 10), 1);
        there.ask(work);
        assert_eq!((probes.alive(), there.count()), (1, 1));
        if guest_loop_ends_first {
            there.commands = None;
        } else {
            there.tell(move |there| {
                while is_over.try_recv().is_err() {
                    work(there);
                    thread::yield_now();
                }
            });
        }
    });
    assert_eq!(probes.graves(), [there.thread()], "where it was");
    let (branch, mut stays, mut goes) = tasks_left.unwrap();
    assert!(is_stopped(&stays.try_take().unwrap()));
    assert!(is_stopped(&goes.try_take().unwrap()));
    assert!(branch.is_closed());
    let _ = serves.send(());
}

#[test]
fn s05_a_loop_that_ends_has_its_tasks_dropped_that_are_elsewhere_and_waits_for_them() {
    end_with_a_guest(false);
}

#[test]
fn s05_a_loop_that_ends_with_a_guest_keeps_it_until_its_home_ends_it() {
    end_with_a_guest(true);
}

/// It has not arrived, so it goes on as it is.
#[test]
fn x12_a_guest_on_its_way_to_a_loop_that_ends_runs_at_home() {
    let there = There::start();
    let main = async {
        let branch = enter();
        drop(sent_on(&branch, async {}));
        let goes = sent_on(&branch, async { thread::current().id() });
        (branch, goes)
    };
    let (mail, tasks_left) = tasks().run_main(main, |home| {
        assert!(home.run_next());
        assert_eq!(home.give(&there.inbox, 10), 1);
        drop(there); // it has ended
        let mail = home.take_mail();
        work(home);
        mail
    });
    let (_, mut goes) = tasks_left.unwrap();
    let ran = goes.try_take().map(|ran| ran.ok());
    assert_eq!((mail, ran), (1, Some(Some(thread::current().id()))));
}

/// No branch at home waits for it, so it ends there.
#[test]
fn s05_a_task_on_its_way_to_a_loop_that_ends_is_stopped_there() {
    let there = There::start();
    let probes = Probes::default();
    let probe = probes.probe();
    let main = async {
        let stays = try_spawn_sent(async {}, SpawnOptions::new());
        let goes = try_spawn_sent(async move { drop(probe) }, SpawnOptions::new());
        (stays.ok(), goes.ok().expect("a loop runs"))
    };
    let ended = there.thread();
    let ((), both) = tasks().run_main(main, |home| {
        assert!(home.run_next());
        assert_eq!(home.give(&there.inbox, 10), 1);
        drop(there);
        work(home);
    });
    let (_, mut goes) = both.unwrap();
    assert!(is_stopped(&goes.try_take().unwrap()));
    assert_eq!(probes.graves(), [ended]);
}
