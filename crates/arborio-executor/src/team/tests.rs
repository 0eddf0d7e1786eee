//! What one step of a seat does, where no whole worker is needed.

use arborio_task::{NoNotify, SpawnOptions, Tasks, try_spawn_sent};

use super::*;

fn place(team: &Arc<Team>, number: usize) -> (Tasks, Seat) {
    let notifier = std::sync::Arc::new(NoNotify);
    let tasks = Tasks::new(notifier.clone());
    let seat = Seat::take(Arc::clone(team), number, tasks.submitter(), notifier);
    (tasks, seat)
}

/// Has worker `number`, which has a single task, send it away.
fn send_its_last_task(team: &Arc<Team>, number: usize) {
    let (tasks, seat) = place(team, number);
    let main = async {
        drop(try_spawn_sent(async {}, SpawnOptions::new()));
    };
    let (sent, _) = tasks.run_main(main, |running| {
        running.run_next();
        let ready = running.count_ready(2);
        seat.send_last(running);
        ready - running.count_ready(2)
    });
    assert_eq!(sent, 1, "worker {number} keeps it");
}

/// A sleeper that was sent something stays in the word of who sleeps until it has risen. So two that send meanwhile see the
/// same sleepers.
#[test]
fn workers_that_send_their_last_task_at_the_same_time_find_different_sleepers() {
    let team = Arc::new(Team::new(4));
    let sleepers = [0, 2].map(|number| place(&team, number));
    for (_, seat) in &sleepers {
        seat.lie_down();
    }
    send_its_last_task(&team, 1);
    send_its_last_task(&team, 3);
    let got = sleepers.map(|(tasks, seat)| {
        let (got, _) = tasks.run_main(async {}, |running| {
            running.take_mail();
            running.take_arrivals()
        });
        drop(seat);
        got
    });
    assert_eq!(got, [1, 1]);
}
