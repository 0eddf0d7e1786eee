//! Somebody stands around the polls of a loop.

use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use arborio_task::{AroundPolls, MetTask, NoNotify, Note, SpawnOptions, Tasks, try_spawn};

/// How somebody behaves.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Polls,
    PollsTwice,
    DoesNotPoll,
    PanicsInMeet,
    PanicsAround,
}

struct Somebody {
    manner: Manner,
    log: Mutex<Vec<String>>,
}

/// Tells when it is dropped.
struct Noted(String, Arc<Mutex<Vec<String>>>);

impl Drop for Noted {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(self.0.clone());
    }
}

impl AroundPolls for Somebody {
    fn meet(&self, task: &MetTask) -> Note {
        assert!(self.manner != Manner::PanicsInMeet);
        Arc::new(task.name.clone().unwrap_or_default().into_owned())
    }

    fn around(&self, note: &Note, poll: &mut dyn FnMut()) {
        let name = note.downcast_ref::<String>().unwrap();
        if self.manner == Manner::Polls || self.manner == Manner::PollsTwice {
            poll();
        }
        if self.manner == Manner::PollsTwice {
            poll();
        }
        assert!(self.manner != Manner::PanicsAround);
        self.log.lock().unwrap().push(name.clone());
    }
}

/// Runs a task that is polled twice, and gives how often that was, and who was around.
fn polls_with(manner: Manner, as_worker: bool) -> (u32, Vec<String>) {
    let somebody = Arc::new(Somebody {
        manner,
        log: Mutex::default(),
    });
    let tasks = Tasks::new(Arc::new(NoNotify));
    tasks.stand_around(somebody.clone());
    let mut polls = 0;
    let main = std::future::poll_fn(|cx| {
        polls += 1;
        if polls == 2 {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    });
    let (_, ended) = tasks.run_main(main, |running| {
        while match as_worker {
            true => running.run_until(1, |_| false),
            false => running.run_some(1),
        } > 0
        {}
    });
    ended.unwrap();
    let log = somebody.log.lock().unwrap().clone();
    (polls, log)
}

#[cfg(panic = "unwind")]
#[test]
fn each_poll_takes_place_once_whatever_is_done_around_it() {
    for as_worker in [false, true] {
        for manner in [
            Manner::Polls,
            Manner::PollsTwice,
            Manner::DoesNotPoll,
            Manner::PanicsInMeet,
            Manner::PanicsAround,
        ] {
            assert_eq!(polls_with(manner, as_worker).0, 2);
        }
        assert_eq!(polls_with(Manner::Polls, as_worker).1, ["main", "main"]);
    }
}

/// Notes tell when they are dropped.
struct Notes(Arc<Mutex<Vec<String>>>);

impl AroundPolls for Notes {
    fn meet(&self, task: &MetTask) -> Note {
        let name = task.name.clone().unwrap_or_default().into_owned();
        Arc::new(Noted(name, Arc::clone(&self.0)))
    }

    fn around(&self, _: &Note, poll: &mut dyn FnMut()) {
        poll();
    }
}

#[test]
fn what_is_noted_of_a_task_is_dropped_when_it_has_ended_although_its_handle_is_there() {
    let dropped = Arc::new(Mutex::default());
    let tasks = Tasks::new(Arc::new(NoNotify));
    tasks.stand_around(Arc::new(Notes(Arc::clone(&dropped))));
    let main = async {
        let named = |name: &'static str| SpawnOptions::new().name(name);
        let done = try_spawn(async {}, named("done")).ok().unwrap();
        let lost = try_spawn(pending::<()>(), named("lost")).ok().unwrap();
        (done, lost)
    };
    let (_, handles) = tasks.run_main(main, |running| while running.run_next() {});
    let (done, lost) = handles.unwrap();
    assert!(done.is_finished() && lost.is_finished());
    let before = dropped.lock().unwrap().clone();
    assert_eq!(before, ["main", "done"]);
    drop((done, lost));
    assert_eq!(
        dropped.lock().unwrap().len(),
        3,
        "at the latest with its memory"
    );
}
