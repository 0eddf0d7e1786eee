//! A fork while another thread is at the tasks of the loop that forks.

use std::{
    sync::{Arc, mpsc::channel},
    thread,
    time::Duration,
};

use arborio_task::{NoNotify, SpawnOptions, Tasks, try_spawn};

use crate::fork_meanwhile::{child_is_well, stop_at_next_allocation};

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
        assert!(child_is_well(|| {
            let spawned = try_spawn(async {}, SpawnOptions::new()); // takes the tasks back
            spawned.is_ok()
        }));
        when_done.recv_timeout(Duration::from_secs(30)).unwrap();
        rescuer.join().unwrap();
    };
    let run = |running: &arborio_task::Running<'_>| while running.run_until(1, |_| true) > 0 {};
    tasks.run_main(main, run).1.unwrap();
}
