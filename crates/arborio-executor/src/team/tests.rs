//! What one step of a seat does, where no whole worker is needed.

use std::{hint, time::Duration};

use arborio_base::sync::{
    Arc, Instant,
    atomic::{AtomicUsize, Ordering},
};
use arborio_task::{NoNotify, Notify, Running, SpawnOptions, Tasks, try_spawn, try_spawn_sent};

use super::{SEARCH, Seat, Team, URGENT, sleeping::WATCH};
use crate::{
    grain::{LONG, Verdict},
    park::{Park, Passed, Wait},
};

mod giving;
mod steps;

fn place(team: &Arc<Team>, number: usize) -> (Tasks, Seat) {
    let notifier = std::sync::Arc::new(NoNotify);
    let tasks = Tasks::new(notifier.clone());
    let seat = Seat::take(Arc::clone(team), number, tasks.submitter(), notifier);
    assert_eq!(seat.number(), number);
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

/// Tasks that were asked to end have turns, but no polls that could be measured, and none of them may leave. Who has asked
/// for work is answered when ordinary tasks have been polled again.
#[test]
fn a_request_stands_while_cancelled_tasks_have_their_turns() {
    let team = Arc::new(Team::new(2));
    let (tasks, seat) = place(&team, 0);
    let (_other, asker) = place(&team, 1);
    let spawn = || try_spawn_sent(std::future::pending::<()>(), SpawnOptions::new());
    let main = async {
        let cancelled: Vec<_> = (0..1000).map(|_| spawn().ok().unwrap()).collect();
        yield_once().await;
        for task in &cancelled {
            task.cancel();
        }
        for _ in 0..100 {
            drop(try_spawn_sent(async { spin() }, SpawnOptions::new()));
        }
        std::future::pending::<()>().await;
    };
    let (_, ended) = tasks.run_main(main, |running| {
        for _ in 0..1002 {
            running.run_until(1, |_| true); // main, all that are cancelled then, and main
        }
        seat.begin(running);
        team.workers[0]
            .0
            .asked_by
            .store(asker.number + 1, Ordering::Relaxed);
        for turn in 0..1000 {
            running.run_until(1, |_| true);
            assert!(!seat.is_wanted(running), "in turn {turn}");
        }
        assert_eq!(running.count_ready(200), 100);
        while !seat.is_wanted(running) {
            assert_eq!(running.run_until(1, |_| true), 1, "nobody has answered");
        }
        seat.offer(running, false);
        assert_eq!(team.workers[0].0.asked_by.load(Ordering::Relaxed), 0);
        assert!(running.count_ready(200) <= 50, "nothing was given");
    });
    assert!(ended.is_err(), "it was dropped while it waited");
}

async fn yield_once() {
    let mut has_yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut has_yielded, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

/// For long enough that it pays to move the task.
fn spin() {
    spin_for(Duration::from_micros(3));
}

fn spin_for(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        hint::spin_loop();
    }
}

/// So many polls of no length come before: who loses its processor in one of them does not seem to poll long then.
fn polls_before(poll: Duration) -> u32 {
    if poll.is_zero() { 1000 } else { 0 }
}

/// Has worker 0 poll for so long; then 4 tasks are ready, and `meet` says what the other worker does before it polls the
/// next one. Returns how many of them came to the other one.
fn given_before_a_long_poll(poll: Duration, meet: impl FnOnce(&Team, &Seat)) -> usize {
    let team = Arc::new(Team::new(2));
    let (tasks, seat) = place(&team, 0);
    let (others, other) = place(&team, 1);
    let main = async {
        for _ in 0..polls_before(poll) {
            yield_once().await;
        }
        for _ in 0..4 {
            drop(try_spawn_sent(async {}, SpawnOptions::new()));
        }
        let start = Instant::now();
        while start.elapsed() < poll {
            hint::spin_loop();
        }
        std::future::pending::<()>().await;
    };
    let (in_transit, ended) = tasks.run_main(main, |running| {
        seat.begin(running);
        for _ in 0..=polls_before(poll) {
            running.run_until(1, |_| true);
        }
        seat.begin(running); // it has looked at the outside world
        meet(&team, &other);
        seat.share_before_long_polls(running);
        seat.share_before_long_polls(running); // who was sent tasks has not begun with them
        team.busy.load(Ordering::Relaxed)
    });
    assert!(ended.is_err(), "it was dropped while it waited");
    assert_eq!(team.workers[0].0.asked_by.load(Ordering::Relaxed), 0);
    let (came, _) = others.run_main(async {}, |running| {
        running.take_mail();
        running.take_arrivals()
    });
    assert_eq!(in_transit, came, "T4");
    came
}

#[test]
fn x12_before_a_long_poll_a_sleeper_gets_half() {
    let lies_down = |_: &Team, other: &Seat| other.lie_down();
    assert_eq!(given_before_a_long_poll(LONG, lies_down), 2);
    assert_eq!(given_before_a_long_poll(Duration::ZERO, lies_down), 0);
}

#[test]
fn x12_before_a_long_poll_who_asks_gets_half() {
    let asks = |team: &Team, other: &Seat| {
        let word = &team.workers[0].0.asked_by;
        word.store(other.number + 1, Ordering::Relaxed);
    };
    assert_eq!(given_before_a_long_poll(LONG, asks), 2);
    assert_eq!(
        given_before_a_long_poll(LONG, |_, _| {}),
        0,
        "nobody wants any"
    );
}

/// Those that stay are looked through once, and not before each of their long polls.
#[test]
fn x12_what_may_not_move_is_not_looked_through_before_each_long_poll() {
    let team = Arc::new(Team::new(2));
    let (tasks, seat) = place(&team, 0);
    let (_others, other) = place(&team, 1);
    let main = async {
        for _ in 0..4 {
            // Not said to be `Send`, so it stays.
            drop(try_spawn(async {}, SpawnOptions::new()));
        }
        let start = Instant::now();
        while start.elapsed() < LONG {
            hint::spin_loop();
        }
        std::future::pending::<()>().await;
    };
    let (_, ended) = tasks.run_main(main, |running| {
        seat.begin(running);
        running.run_until(1, |_| true);
        seat.begin(running);
        other.lie_down();
        assert_eq!(seat.pause_left.get(), 0);
        seat.share_before_long_polls(running);
        assert_eq!(running.count_ready(5), 4, "none of them may move");
        assert!(seat.pause_left.get() > 0, "it looks again at once");
    });
    assert!(ended.is_err(), "it was dropped while it waited");
}

/// Whose I/O and timers were looked at, and whose are attended in a sleep.
#[derive(Default)]
struct Helps {
    stood_in: Vec<usize>,
    attended: Vec<usize>,
    /// Whether it finds a task of this thread to wake.
    finds: bool,
}

impl Park for Helps {
    fn pass(&mut self, _: Wait) -> Passed {
        unreachable!("nobody sleeps here")
    }

    fn stand_in(&mut self, worker: usize) {
        self.stood_in.push(worker);
        if self.finds {
            drop(try_spawn(async {}, SpawnOptions::new()));
        }
    }

    fn attend(&mut self, worker: usize) {
        self.attended.push(worker);
    }
}

/// Has worker 0 poll for so long, and look at the outside world. Then `code` has worker 1.
fn beside_one_that_polls<R>(
    poll: Duration,
    code: impl FnOnce(&Team, &Seat, &Running<'_>) -> R,
) -> R {
    let team = Arc::new(Team::new(2));
    let (tasks, seat) = place(&team, 0);
    let (others, other) = place(&team, 1);
    let main = async {
        for _ in 0..polls_before(poll) {
            yield_once().await;
        }
        let start = Instant::now();
        while start.elapsed() < poll {
            hint::spin_loop();
        }
    };
    let (_, ended) = tasks.run_main(main, |running| {
        seat.begin(running);
        for _ in 0..=polls_before(poll) {
            running.run_until(1, |_| true);
        }
        seat.begin(running);
    });
    ended.unwrap();
    let (result, _) = others.run_main(async {}, |running| {
        running.run_until(1, |_| true);
        code(&team, &other, running)
    });
    result
}

/// One that has answered may go on to a long poll, so that nobody looks at its I/O.
#[test]
fn x12_who_sleeps_attends_those_that_are_awake_and_poll_long() {
    let attended = |poll, asleep: u64| {
        beside_one_that_polls(poll, |team, seat, _| {
            team.control.0.fetch_or(asleep, Ordering::Relaxed);
            let mut park = Helps::default();
            seat.lie_down();
            seat.attend(&mut park);
            park.attended
        })
    };
    assert_eq!(attended(LONG, 0), [0]);
    assert_eq!(attended(LONG, 1), [], "it sleeps, and looks itself");
    assert_eq!(attended(Duration::ZERO, 0), []);
}

/// Each event would wake all who attend.
#[test]
fn x12_one_sleeper_attends_who_polls_long_until_it_rises() {
    let team = Arc::new(Team::new(3));
    let seats = [0, 1, 2].map(|number| place(&team, number));
    let [(_, busy), (_, first), (_, second)] = &seats;
    busy.worker().says_long.store(true, Ordering::Relaxed);
    let attended_by = |seat: &Seat| {
        let mut park = Helps::default();
        seat.lie_down();
        seat.attend(&mut park);
        park.attended
    };
    assert_eq!(attended_by(first), [0]);
    assert_eq!(attended_by(second), []);
    first.rise();
    second.rise();
    assert_eq!(attended_by(second), [0]);
}

/// To ask one that is in a long poll takes longer than to look at its I/O.
#[test]
fn x12_who_looks_for_work_looks_at_the_io_of_who_polls_long_before_it_asks() {
    let search = |poll, finds| {
        beside_one_that_polls(poll, |team, seat, running| {
            let mut park = Helps {
                finds,
                ..Helps::default()
            };
            let found = seat.search(running, &mut park);
            let asked = team.workers[0].0.asked_by.load(Ordering::Relaxed) != 0;
            (found, asked, park.stood_in)
        })
    };
    assert_eq!(search(LONG, true), (true, false, vec![0]));
    assert_eq!(search(LONG, false), (false, true, vec![0]));
    assert_eq!(search(Duration::ZERO, true), (false, true, vec![]));
}

/// Has `meet` look at worker 0 of two, which has so many ready tasks, of which nobody knows how long they take.
fn with_ready<R>(count: usize, meet: impl FnOnce(&Seat, &Seat, &Running<'_>) -> R) -> R {
    let team = Arc::new(Team::new(2));
    let (tasks, seat) = place(&team, 0);
    let (_others, other) = place(&team, 1);
    let main = async move {
        for _ in 0..count {
            drop(try_spawn_sent(async { spin() }, SpawnOptions::new()));
        }
        std::future::pending::<()>().await;
    };
    let (result, ended) = tasks.run_main(main, |running| {
        running.run_until(1, |_| true);
        seat.begin(running);
        meet(&seat, &other, running)
    });
    assert!(ended.is_err(), "it was dropped while it waited");
    result
}

/// Who has seen that a poll is long does not wait until it is known whether polls are, unless that is known soon.
#[test]
fn t2_who_asks_urgently_is_answered_before_polls_were_measured() {
    let is_answered = |ready, flag| {
        with_ready(ready, |seat, other, running| {
            let word = &seat.worker().asked_by;
            word.store((other.number + 1) | flag, Ordering::Relaxed);
            seat.is_wanted(running)
        })
    };
    assert!(is_answered(1, 0), "there is nothing to give");
    assert!(!is_answered(2, 0));
    assert!(is_answered(2, URGENT) && is_answered(8, URGENT));
    assert!(!is_answered(9, URGENT), "many");
}

#[test]
fn t1_a_sleeper_is_woken_for_much_work_when_it_has_paid_before() {
    with_ready(100, |seat, other, running| {
        while seat.grain.judge(running) == Verdict::Unknown {
            assert_eq!(running.run_until(1, |_| true), 1, "nobody has judged");
        }
        assert!(!seat.is_wanted(running), "nobody sleeps");
        other.lie_down();
        assert!(seat.is_wanted(running));
        seat.note_given(0);
        let paused = (0..1000).take_while(|_| !seat.is_wanted(running)).count();
        assert_eq!(paused, 8);
        seat.offer(running, false);
        let control = &seat.team.control.0;
        assert_eq!(control.load(Ordering::Relaxed), SEARCH);
        other.rise();
        assert!(other.searches.get(), "it was woken to search");
    });
}

/// It is woken for more than it costs to wake it. Polls that lost their processor look longer than they are, so it is
/// enough if that holds once.
#[test]
fn t1_a_sleeper_is_not_woken_for_little_work() {
    let sleeps_on = || {
        with_ready(4, |seat, other, running| {
            other.lie_down();
            while seat.grain.judge(running) == Verdict::Unknown {
                assert_eq!(running.run_until(1, |_| true), 1, "nobody has judged");
            }
            assert!(seat.is_wanted(running));
            seat.offer(running, false);
            seat.team.control.0.load(Ordering::Relaxed) == other.bit()
        })
    };
    assert!((0..100).any(|_| sleeps_on()), "woken each time");
}

/// Has worker 0 poll tasks that take so long, one after the other, while many are ready; then `meet` looks at it.
fn after_polls<R>(polls: &[Duration], meet: impl FnOnce(&Seat, &Running<'_>) -> R) -> R {
    let team = Arc::new(Team::new(2));
    let (tasks, seat) = place(&team, 0);
    let main = async {
        for time in polls.iter().copied() {
            let poll = async move { spin_for(time) };
            drop(try_spawn_sent(poll, SpawnOptions::new()));
        }
        for _ in 0..20 {
            drop(try_spawn_sent(async {}, SpawnOptions::new()));
        }
        std::future::pending::<()>().await;
    };
    let (result, ended) = tasks.run_main(main, |running| {
        running.run_until(1, |_| true);
        seat.begin(running);
        for _ in polls {
            running.run_until(1, |_| true);
            if seat.grain.judge(running) != Verdict::Unknown {
                seat.grain.begin(running);
            }
        }
        meet(&seat, running)
    });
    assert!(ended.is_err(), "it was dropped while it waited");
    result
}

/// Whether worker 0 knows of long polls among short ones then.
fn is_scattered_after(polls: &[Duration]) -> bool {
    after_polls(polls, |seat, running| seat.grain.is_scattered(running))
}

/// Short ones that lost their processor look long, so it is enough if it holds for them once.
#[test]
fn two_long_polls_near_each_other_are_known_and_short_ones_are_none() {
    let short = Duration::ZERO;
    assert!(is_scattered_after(&[LONG, short, short, LONG]));
    assert!(!is_scattered_after(&[LONG]), "it may have spawned the rest");
    assert!((0..100).any(|_| !is_scattered_after(&[short; 5])));
}

#[test]
fn t1_who_looks_for_work_asks_nobody_who_sleeps() {
    with_ready(0, |seat, other, running| {
        let search = || {
            assert!(!seat.search(running, &mut Helps::default()));
            other.worker().asked_by.load(Ordering::Relaxed) & !URGENT
        };
        other.lie_down();
        assert_eq!(search(), 0);
        other.rise();
        assert_eq!(search(), seat.number + 1);
    });
}

#[test]
fn x19_who_is_busy_stands_in_for_who_is_in_one_poll_since_it_looked_last() {
    with_ready(0, |seat, other, running| {
        let stood_in = || {
            while seat.looked.get().elapsed() < WATCH {
                hint::spin_loop();
            }
            let mut park = Helps::default();
            seat.look_after_others(running, &mut park);
            park.stood_in
        };
        assert_eq!(stood_in(), [], "it may have begun that poll just now");
        assert_eq!(stood_in(), [other.number]);
        other.lie_down();
        assert_eq!([stood_in(), stood_in()], [[], []], "it is in none");
        other.rise();
        assert_eq!(stood_in(), []);
        assert_eq!(stood_in(), [other.number]);
    });
}

#[test]
fn t3_nobody_waits_for_the_answer_of_who_lies_down() {
    with_ready(0, |seat, other, _| {
        let word = &seat.worker().asked_by;
        word.store((other.number + 1) | URGENT, Ordering::Relaxed);
        seat.lie_down();
        assert_eq!(word.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn t6_a_sleeper_looks_again_while_somebody_is_awake_and_a_few_times_more() {
    with_ready(0, |seat, other, _| {
        let is_timed = || seat.team.timed.0.load(Ordering::Relaxed) & seat.bit() != 0;
        seat.lie_down();
        for _ in 0..1000 {
            assert_eq!(seat.watch(), Some(WATCH));
        }
        assert!(is_timed());
        other.lie_down();
        let looks = (0..1000).take_while(|_| seat.watch().is_some()).count();
        assert!((1..1000).contains(&looks), "{looks}");
        assert!(!is_timed());
        other.rise();
        assert_eq!(seat.watch(), Some(WATCH));
        assert!(is_timed());
    });
}

/// The first one counts; all end with it, and it is told to one.
#[test]
fn the_first_panic_ends_the_team_and_is_taken_once() {
    let team = Team::new(2);
    for message in ["first", "second"] {
        team.fail(arborio_task::Payload::new(Box::new(message)));
        assert_eq!(team.ending(), Some(super::Ending::Asked));
    }
    let taken = team.take_panic().map(|panic| panic.message().to_owned());
    assert_eq!(taken.as_deref(), Some("first"));
    assert!(team.take_panic().is_none());
}

#[test]
fn a_team_ends_in_one_way_or_the_other_and_goes_no_step_back() {
    use super::Ending::{Asked, WhenDone};
    let team = Team::new(1);
    assert_eq!(team.ending(), None);
    for (asked, ends) in [(WhenDone, WhenDone), (Asked, Asked), (WhenDone, Asked)] {
        team.end(asked);
        assert_eq!(team.ending(), Some(ends));
    }
}

/// Counts how often its worker is notified.
#[derive(Debug, Default)]
struct Notified(AtomicUsize);

impl Notify for Notified {
    fn notify(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn t6_who_has_something_to_do_has_one_sleeper_look_again() {
    let team = Arc::new(Team::new(2));
    let notified = std::sync::Arc::new(Notified::default());
    let tasks = Tasks::new(notified.clone());
    let sleeper = Seat::take(Arc::clone(&team), 1, tasks.submitter(), notified.clone());
    let (_tasks, seat) = place(&team, 0);
    sleeper.lie_down();
    for _ in 0..3 {
        seat.lie_down();
        seat.rise();
        seat.leave_search();
        assert_eq!(team.timed.0.load(Ordering::Relaxed), sleeper.bit());
        assert_eq!(notified.0.load(Ordering::Relaxed), 1, "once is enough");
    }
}
