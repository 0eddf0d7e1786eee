//! Single steps: who is asked and looked after, who counts, and who is told.

use std::{cell::Cell, rc::Rc};

use super::{super::GONE, *};
use crate::{LoopOptions, drive_in_team};

/// Worker 1 is awake and does not answer.
#[test]
fn t3_a_request_stands_until_who_has_made_it_has_slept() {
    with_ready(0, |seat, other, running| {
        let word = &other.worker().asked_by;
        assert!(!seat.search(running, &mut Helps::default()));
        assert_eq!(word.load(Ordering::Relaxed), (seat.number + 1) | URGENT);
        let mut park = Helps::default();
        seat.lie_down();
        seat.attend(&mut park);
        assert_eq!(park.attended, [other.number], "nobody sees its I/O");
        assert_eq!(word.load(Ordering::Relaxed), (seat.number + 1) | URGENT);
        seat.rise();
        assert_eq!(word.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn x12_who_sleeps_does_not_attend_another_sleeper() {
    let attended = |asleep: bool| {
        with_ready(0, |seat, other, _| {
            other.worker().says_long.store(true, Ordering::Relaxed);
            if asleep {
                other.lie_down();
            }
            let mut park = Helps::default();
            seat.lie_down();
            seat.attend(&mut park);
            let bits = seat.team.attended.0.load(Ordering::Relaxed);
            (park.attended, bits)
        })
    };
    assert_eq!(attended(false), (vec![1], 0b10));
    assert_eq!(attended(true), (vec![], 0));
}

#[test]
fn x19_who_is_busy_looks_after_others_now_and_then() {
    with_ready(0, |seat, _, running| {
        let mut park = Helps::default();
        for _ in 0..3 {
            seat.looked.set(Instant::now() + Duration::from_secs(3600)); // much less than that ago
            seat.look_after_others(running, &mut park);
        }
        assert_eq!(park.stood_in, []);
    });
}

#[test]
fn t6_a_sleeper_sees_the_one_of_several_that_is_awake() {
    let team = Arc::new(Team::new(3));
    let seats = [0, 1, 2].map(|number| place(&team, number));
    for asleep in 0..2 {
        seats[asleep].1.lie_down();
        for _ in 0..1000 {
            assert_eq!(seats[0].1.watch(), Some(WATCH), "{asleep}");
        }
    }
    seats[2].1.lie_down();
    assert!((0..1000).any(|_| seats[0].1.watch().is_none()));
}

#[test]
fn t4_who_has_the_last_awaited_task_says_so_when_it_ends() {
    let team = Arc::new(Team::new(2));
    let [(tasks, first), (others, second)] = [0, 1].map(|number| place(&team, number));
    let (_, ended) = tasks.run_main(yield_once(), |running| {
        assert!(!first.count(running, 0));
        let (_, ended) = others.run_main(async {}, |running| {
            assert!(!second.count(running, 0));
            running.run_until(1, |_| true);
            assert!(!second.count(running, 0), "the other one has some");
        });
        ended.unwrap();
        assert!(!first.may_end());
        while running.run_until(1, |_| true) > 0 {}
        assert!(first.count(running, 0), "nobody has any");
        assert!(first.may_end());
    });
    ended.unwrap();
}

#[test]
fn nobody_waits_for_a_worker_that_has_left() {
    let team = Arc::new(Team::new(2));
    let notified = std::sync::Arc::new(Notified::default());
    let tasks = Tasks::new(notified.clone());
    let first = Seat::take(Arc::clone(&team), 0, tasks.submitter(), notified.clone());
    let (others, second) = place(&team, 1);
    let word = &team.workers[1].0.asked_by;
    let (_, ended) = others.run_main(std::future::pending::<()>(), |running| {
        second.count(running, 0);
        assert!(!second.search(running, &mut Helps::default()));
        assert_ne!(first.worker().asked_by.load(Ordering::Relaxed), 0);
        second.lie_down();
        word.store(1, Ordering::Relaxed);
        assert!(!first.may_end());
        drop(second);
    });
    assert!(ended.is_err(), "it was dropped while it waited");
    assert_eq!(word.load(Ordering::Relaxed), GONE);
    assert_eq!(first.worker().asked_by.load(Ordering::Relaxed), 0);
    assert_eq!(team.control.0.load(Ordering::Relaxed), 0);
    assert!(first.may_end() && notified.0.load(Ordering::Relaxed) == 1);
}

#[test]
fn t5_all_are_notified_of_each_change_of_the_end_and_of_nothing_else() {
    use super::super::Ending::{Asked, WhenDone};
    let team = Arc::new(Team::new(1));
    let notified = std::sync::Arc::new(Notified::default());
    let tasks = Tasks::new(notified.clone());
    let _seat = Seat::take(Arc::clone(&team), 0, tasks.submitter(), notified.clone());
    let calls = [WhenDone, WhenDone, Asked, Asked, WhenDone].map(|ending| {
        team.end(ending);
        notified.0.load(Ordering::Relaxed)
    });
    assert_eq!(calls, [1, 1, 2, 2, 2]);
}

#[test]
fn pauses_grow_while_there_is_nothing_to_give_and_end_with_long_polls() {
    let short = Duration::ZERO;
    let pause_after = |polls: &[Duration]| {
        after_polls(polls, |seat, running| {
            let pauses = [(); 3].map(|()| {
                seat.note_given(0);
                seat.pause_left.get()
            });
            assert_eq!(pauses, [8, 16, 32]);
            seat.begin(running);
            seat.pause_left.get()
        })
    };
    assert_eq!(pause_after(&[LONG]), 32, "it may have spawned the rest");
    assert_eq!(pause_after(&[LONG, short, short, LONG]), 0);
    after_polls(&[], |seat, _| {
        (0..20).for_each(|_| seat.note_given(0));
        assert_eq!(seat.pause_left.get(), 4096);
        seat.note_given(1);
        assert_eq!(seat.pause_left.get(), 0);
    });
}

/// Counts the looks at the outside world.
struct Outside(Rc<Cell<u32>>);

impl Park for Outside {
    fn pass(&mut self, _: Wait) -> Passed {
        self.0.set(self.0.get() + 1);
        Passed::Looked
    }
}

/// What it has may not move, so that it polls all of it itself.
#[test]
fn t2_a_worker_answers_between_two_polls_and_goes_on_without_a_look_outside() {
    const TASKS: u32 = 200;
    let team = Arc::new(Team::new(2));
    let (tasks, seat) = place(&team, 0);
    let (_others, other) = place(&team, 1);
    let looks = Rc::new(Cell::new(0));
    let (answered, at_end) = (Rc::new(Cell::new(None)), Rc::new(Cell::new(None)));
    let main = async {
        let word = |team: &Team| team.workers[0].0.asked_by.load(Ordering::Relaxed);
        let asked_by = &team.workers[0].0.asked_by;
        asked_by.store(other.number + 1, Ordering::Relaxed);
        for poll in 1..=TASKS {
            let (team, looks) = (Arc::clone(&team), Rc::clone(&looks));
            let (answered, at_end) = (Rc::clone(&answered), Rc::clone(&at_end));
            let task = async move {
                spin();
                if word(&team) == 0 && answered.get().is_none() {
                    answered.set(Some(poll));
                }
                at_end.set(Some(looks.get()));
            };
            drop(try_spawn(task, SpawnOptions::new()));
        }
    };
    let mut park = Outside(Rc::clone(&looks));
    let options = LoopOptions::default();
    drive_in_team(tasks, &mut park, options, &|_| {}, &seat, main).unwrap();
    assert!(answered.get().is_some_and(|poll| poll < 40), "{answered:?}");
    assert_eq!(at_end.get(), Some(0));
}
