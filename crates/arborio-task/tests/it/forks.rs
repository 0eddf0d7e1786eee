//! A fork while another thread is at the tasks of the loop that forks.

use std::{
    future::{IntoFuture, pending},
    pin::pin,
    sync::{
        Arc,
        mpsc::{Sender, channel},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use arborio_task::{Interrupt, NoNotify, SpawnOptions, Submitter, Task, Tasks, try_spawn};

use crate::fork_meanwhile::{child_is_well, stop_at_next_allocation};

/// A loop of another thread, which a child of this process does not have, and a task there.
struct Far {
    to: Submitter,
    task: Task<()>,
}

impl Far {
    fn is_lost_here(&self) {
        assert!(self.to.is_closed());
        let mut late = self.to.spawn(async {}, SpawnOptions::new());
        assert!(matches!(late.try_take(), Some(Err(Interrupt::Stopped))));
        let joined = poll((&self.task).into_future());
        assert!(matches!(joined, Poll::Ready(Err(Interrupt::Stopped))));
        assert!(self.task.try_on_done(|_| ()).is_err());
    }
}

/// It goes on until the sender is dropped.
fn loop_elsewhere() -> (Far, Sender<()>) {
    let (is_there, there) = channel();
    let (ends, ended) = channel::<()>();
    thread::spawn(move || {
        let tasks = Tasks::new(Arc::new(NoNotify));
        let to = tasks.submitter();
        let task = to.spawn(pending(), SpawnOptions::new());
        is_there.send(Far { to, task }).unwrap();
        let ((), main) = tasks.run_main(async {}, |running| {
            while running.run_next() {}
            let _ = ended.recv();
        });
        main.unwrap();
    });
    (there.recv().unwrap(), ends)
}

fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// It is waited for what the other one does, or the child would wait for ever to get its tasks back.
#[test]
fn r22_a_fork_in_the_middle_of_a_rescue_leaves_the_child_its_tasks() {
    let tasks = Tasks::new(Arc::new(NoNotify));
    let stuck = tasks.submitter();
    let (done, when_done) = channel();
    let main = async {
        let rescuer = thread::spawn(move || {
            let tasks = Tasks::new(Arc::new(NoNotify));
            // It is in the mail, which a rescue gathers.
            let behind = async move { done.send(()).unwrap() };
            drop(stuck.spawn(behind, SpawnOptions::new()));
            let rescue = tasks.run_main(async {}, |running| {
                stop_at_next_allocation();
                assert_eq!(running.rescue(&stuck, 10), 1);
                while running.take_mail() > 0 || running.run_next() {}
            });
            rescue.1.unwrap();
        });
        let (far, far_ends) = loop_elsewhere();
        let own = Submitter::current().expect("a loop runs");
        assert!(child_is_well(|| {
            far.is_lost_here();
            assert!(!own.is_closed() && own.is_here());
            let fresh = Tasks::new(Arc::new(NoNotify));
            let mut task = fresh.submitter().spawn(async {}, SpawnOptions::new());
            assert!(poll(&mut task).is_pending(), "it is one of this process");
            let spawned = try_spawn(async {}, SpawnOptions::new()); // takes the tasks back
            spawned.is_ok()
        }));
        assert!(!far.to.is_closed() && !far.task.is_finished());
        drop(far_ends);
        when_done.recv_timeout(Duration::from_secs(30)).unwrap();
        rescuer.join().unwrap();
    };
    let run = |running: &arborio_task::Running<'_>| while running.run_until(1, |_| true) > 0 {};
    tasks.run_main(main, run).1.unwrap();
}
