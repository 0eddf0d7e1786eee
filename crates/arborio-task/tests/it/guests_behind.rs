//! What guests leave behind at the loop that they were with, and what is known of them there.

use std::{
    cell::RefCell,
    future::{pending, poll_fn},
    sync::{Arc, Mutex, mpsc::channel},
    task::{Poll, Waker},
    thread,
};

use arborio_task::{Branch, Interrupt, Reason, ReasonKind, Running, SpawnOptions, Task};

use crate::{
    branches::Meets,
    guests::{Patient, There, enter, leave, sent_on, work},
    support::{Named, OnDrop, Probes, is_cancelled, is_stopped, own_waker, tasks},
};

/// Runs `main` at home, where it gets a branch and whether a task of it goes there, or `drive` drives it.
fn on_a_branch<F: Future>(
    main: impl FnOnce(Arc<Branch>) -> F,
    drive: impl FnOnce(&Running<'_>, &Arc<Branch>),
) -> F::Output {
    let entered = RefCell::new(None);
    let main = async {
        let branch = enter();
        *entered.borrow_mut() = Some(Arc::clone(&branch));
        main(branch).await
    };
    let ((), ended) = tasks().run_main(main, |home| {
        assert!(home.run_next());
        let branch = entered.borrow().clone().expect("main has begun");
        drive(home, &branch);
    });
    ended.expect("main has ended")
}

/// Spawns two tasks on `branch`: one that ends here, and `guest`, which is given away.
fn send_guest<T: Send + 'static>(
    branch: &Arc<Branch>,
    guest: impl Future<Output = T> + Send + 'static,
) -> Task<T> {
    sent_on(branch, async {}).detach();
    sent_on(branch, guest)
}

fn asked() -> Interrupt {
    Interrupt::Cancelled(Reason::new(ReasonKind::Cancel))
}

/// How a branch at home ends what hangs on it elsewhere.
fn end_what_a_guest_has_spawned(end: fn(&Branch)) {
    let there = There::start();
    let outcomes: Arc<Mutex<Vec<Option<Task<()>>>>> = Arc::default();
    let (patients, told) = (
        [Patient::default(), Patient::default()],
        Arc::clone(&outcomes),
    );
    let children = patients.clone();
    let main = async |branch: Arc<Branch>| {
        let known = Arc::clone(&branch);
        let guest = send_guest(&branch, async move {
            for child in children {
                let child = known.try_spawn(child.wait(), SpawnOptions::new());
                told.lock().unwrap().push(child.ok());
            }
        });
        drop(guest); // who is awaited stays
        leave(branch).await;
    };
    on_a_branch(main, |home, branch| {
        assert_eq!(home.give(&there.inbox, 10), 1);
        there.ask(work);
        work(home);
        assert_eq!((branch.pending(), there.count()), (2, 2), "the children");
        let [_, second] = patients.clone();
        there.ask(move |there| {
            second.end();
            work(there);
        });
        work(home);
        assert_eq!((branch.pending(), there.count()), (1, 1));
        end(branch);
        there.ask(work);
        assert_eq!(there.count(), 0, "the first has ended");
        work(home);
        assert!(home.main_ended());
    });
    let mut outcomes = outcomes.lock().unwrap();
    let mut outcome = |child: usize| outcomes[child].as_mut()?.try_take();
    assert!(is_cancelled(&outcome(0).expect("it has ended")));
    outcome(1).expect("it has ended").expect("by itself");
}

#[test]
fn x12_what_a_guest_has_spawned_is_asked_with_the_branch() {
    end_what_a_guest_has_spawned(|branch| branch.cancel_all(asked()));
}

#[test]
fn x12_what_a_guest_has_spawned_is_forced_with_the_branch() {
    end_what_a_guest_has_spawned(|branch| drop(branch.force(&asked())));
}

#[test]
fn x12_a_branch_at_another_loop_is_kept_apart_from_its_sibling() {
    let there = There::start();
    let patients = [Patient::default(), Patient::default()];
    let children = patients.clone();
    let branches: Arc<Mutex<Vec<Arc<Branch>>>> = Arc::default();
    let known = Arc::clone(&branches);
    let main = async |branch: Arc<Branch>| {
        let other = enter();
        known
            .lock()
            .unwrap()
            .extend([Arc::clone(&branch), Arc::clone(&other)]);
        let guests = [(&branch, 0), (&other, 1)].map(|(on, number)| {
            let (known, child) = (Arc::clone(on), children[number].clone());
            sent_on(on, async move {
                drop(
                    known
                        .try_spawn(child.wait(), SpawnOptions::new())
                        .ok()
                        .unwrap(),
                );
            })
        });
        for guest in guests {
            drop(guest); // who is awaited stays
        }
        leave(branch).await;
        leave(other).await;
    };
    on_a_branch(main, |home, _| {
        assert_eq!(home.give_all(&there.inbox, 10), 2);
        there.ask(work);
        work(home);
        let pending = || {
            let branches = branches.lock().unwrap();
            [branches[0].pending(), branches[1].pending()]
        };
        assert_eq!(pending(), [1, 1]);
        let [first, second] = patients;
        there.ask(move |there| {
            second.end();
            work(there);
        });
        work(home);
        assert_eq!(pending(), [1, 0]);
        there.ask(move |there| {
            first.end();
            work(there);
        });
        work(home);
        assert!(home.main_ended());
    });
}

/// A guest goes home, and leaves a branch behind, with or without a task.
fn leave_a_branch_behind(with_task: bool) {
    let there = There::start();
    let patient = Patient::default();
    let child = patient.clone();
    let place: Arc<Mutex<Option<Arc<Branch>>>> = Arc::default();
    let kept = Arc::clone(&place);
    let main = async |branch: Arc<Branch>| {
        let guest = send_guest(&branch, async move {
            let below = enter();
            if with_task {
                drop(
                    below
                        .try_spawn(child.wait(), SpawnOptions::new())
                        .ok()
                        .unwrap(),
                );
            }
            assert!(!below.is_forced_elsewhere());
            *kept.lock().unwrap() = Some(below);
        });
        drop(guest); // who is awaited stays
        leave(branch).await;
    };
    on_a_branch(main, |home, branch| {
        assert_eq!(home.give(&there.inbox, 10), 1);
        there.ask(work);
        work(home);
        assert_eq!(branch.pending(), usize::from(with_task));
        assert_eq!(home.main_ended(), !with_task);
        if with_task {
            there.ask(move |there| {
                patient.end();
                work(there);
            });
            work(home);
            assert_eq!((branch.pending(), home.main_ended()), (0, true));
        }
    });
    let below = place.lock().unwrap().take().expect("it was entered");
    there.ask(move |_| drop(below.leave()));
}

#[test]
fn x12_a_branch_that_a_guest_leaves_behind_is_waited_for_until_its_tasks_have_ended() {
    leave_a_branch_behind(true);
}

#[test]
fn x12_a_branch_that_a_guest_leaves_behind_without_tasks_is_not_waited_for() {
    leave_a_branch_behind(false);
}

#[test]
fn x12_a_branch_that_a_guest_leaves_behind_is_waited_for_though_it_has_left_another_one() {
    let there = There::start();
    let patient = Patient::default();
    let child = patient.clone();
    let place: Arc<Mutex<Option<[Arc<Branch>; 2]>>> = Arc::default();
    let kept = Arc::clone(&place);
    let main = async |branch: Arc<Branch>| {
        let guest = send_guest(&branch, async move {
            let [left, stays] = [enter(), enter()];
            let child = stays.try_spawn(child.wait(), SpawnOptions::new());
            drop(child.ok().unwrap());
            drop(left.leave());
            *kept.lock().unwrap() = Some([left, stays]);
        });
        drop(guest); // who is awaited stays
        leave(branch).await;
    };
    on_a_branch(main, |home, branch| {
        assert_eq!(home.give(&there.inbox, 10), 1);
        there.ask(work);
        work(home);
        assert_eq!((branch.pending(), home.main_ended()), (1, false));
        there.ask(move |there| {
            patient.end();
            work(there);
        });
        work(home);
        assert_eq!((branch.pending(), home.main_ended()), (0, true));
    });
    let [_, stays] = place.lock().unwrap().take().expect("both were entered");
    there.ask(move |_| drop(stays.leave()));
}

/// What a guest has spawned enters a branch: that is waited for until it leaves.
#[test]
fn x12_a_branch_that_no_guest_has_entered_is_waited_for_until_it_leaves() {
    let there = There::start();
    let place: Arc<Mutex<Option<Arc<Branch>>>> = Arc::default();
    let kept = Arc::clone(&place);
    let main = async |branch: Arc<Branch>| {
        let known = Arc::clone(&branch);
        let guest = send_guest(&branch, async move {
            let on = enter();
            let below = Arc::clone(&known);
            let child = async move {
                let knows = |branch| Arc::new(Knows(branch));
                *kept.lock().unwrap() = below.enter_below_with(knows).0.clone();
            };
            let child = on.try_spawn(child, SpawnOptions::new()).ok().unwrap();
            child.await.unwrap();
            on.leave();
        });
        drop(guest); // who is awaited stays
        leave(branch).await;
    };
    on_a_branch(main, |home, branch| {
        assert_eq!(home.give(&there.inbox, 10), 1);
        there.ask(work);
        work(home);
        let below = place.lock().unwrap().take().expect("it was entered");
        assert_eq!((branch.pending(), home.main_ended()), (1, false));
        branch.force(&asked());
        assert!(
            !below.is_forced() && !below.is_forced_elsewhere(),
            "not here"
        );
        let forced = there.ask(move |_| {
            let forced = below.is_forced_elsewhere();
            below.leave();
            forced
        });
        assert!(forced);
        work(home);
        assert_eq!((branch.pending(), home.main_ended()), (0, true));
    });
}

/// What builds on a branch, and knows it.
struct Knows(Option<Arc<Branch>>);

impl arborio_task::Describe for Knows {
    fn describe(&self) -> arborio_task::ScopeInfo {
        arborio_task::ScopeInfo::new(std::panic::Location::caller())
    }
}

/// Whoever stands around there may know the branch that the guest hangs on, and none above.
#[test]
fn x12_a_guest_knows_its_branch_and_is_met_with_that() {
    let meets = Arc::new(Meets(Mutex::default()));
    let around = meets.clone();
    let there = There::start_with(move |tasks| tasks.stand_around(around));
    let main = async |branch: Arc<Branch>| {
        let inner = branch.enter_below(Arc::new(Named("inner"))).unwrap();
        let task = || async { Branch::current_owner::<Named>() };
        let named = |name: &'static str| SpawnOptions::new().name(name);
        let stays = inner.try_spawn_sent(task(), named("stays")).ok().unwrap();
        let goes = inner.try_spawn_sent(task(), named("goes")).ok().unwrap();
        let seen = [stays.await.unwrap(), goes.await.unwrap()];
        leave(inner).await;
        leave(branch).await;
        seen
    };
    let seen = on_a_branch(main, |home, _| {
        assert_eq!(home.give(&there.inbox, 10), 1);
        there.ask(work);
        work(home);
    });
    assert_eq!(seen, [Some(Named("inner")), Some(Named("inner"))]);
    let met = meets.0.lock().unwrap();
    let goes = met.iter().find(|(name, _)| name == "goes");
    assert_eq!(goes.expect("it was met").1, ["inner"]);
}

/// A guest counts there as what its branch is at home: waited for, or not.
#[test]
fn x12_a_guest_is_waited_for_there_if_its_branch_is_at_home() {
    for awaited in [true, false] {
        let there = There::start();
        let main = async {
            let enters = async {
                let branch = enter();
                drop(send_guest(&branch, async {}));
                leave(branch).await;
            };
            let options = SpawnOptions::new().awaited(awaited);
            let task = arborio_task::try_spawn(enters, options).ok().unwrap();
            task.await.unwrap();
        };
        let ((), ended) = tasks().run_main(main, |home| {
            assert!(home.run_next() && home.run_next());
            assert_eq!(home.give(&there.inbox, 10), 1);
            let counted = there.ask(|there| {
                there.take_mail();
                (there.pending(), there.daemons())
            });
            assert_eq!(counted, if awaited { (1, 0) } else { (0, 1) });
            let left = there.ask(|there| {
                work(there);
                (there.pending(), there.daemons())
            });
            assert_eq!(left, (0, 0));
            work(home);
        });
        ended.unwrap();
    }
}

/// It has not ended, so it does not go home by itself.
#[test]
fn s05_a_loop_that_ends_keeps_a_guest_that_is_ready_until_its_home_ends_it() {
    let mut there = There::start();
    let probes = Probes::default();
    let probe = probes.probe();
    let main = async {
        let branch = enter();
        let ends = sent_on(&branch, async {});
        let stays = sent_on(&branch, async move {
            let _probe = probe;
            pending::<()>().await;
        });
        (branch, ends, stays)
    };
    let ((), tasks_left) = tasks().run_main(main, |home| {
        assert!(home.run_next());
        assert_eq!(home.give_all(&there.inbox, 10), 2);
        there.ask(|there| {
            there.take_mail();
            assert!(there.run_next());
        });
        there.commands = None;
        // Who has ended stands behind the other one in the queue there: when it is here, the other was looked at.
        while !home.has_mail() {
            thread::yield_now();
        }
        home.take_mail();
    });
    assert_eq!(probes.graves(), [there.thread()], "where it was");
    let (_, mut ends, mut stays) = tasks_left.unwrap();
    ends.try_take().unwrap().expect("by itself");
    assert!(is_stopped(&stays.try_take().unwrap()));
}

/// Whoever says something of it meanwhile does not bring it once more.
#[test]
fn x12_a_guest_that_is_woken_on_its_way_home_comes_once() {
    let there = There::start();
    let place: Arc<Mutex<Option<Waker>>> = Arc::default();
    let kept = Arc::clone(&place);
    let main = async |branch: Arc<Branch>| {
        let guest = send_guest(&branch, async move {
            *kept.lock().unwrap() = Some(own_waker().await);
        });
        drop(guest); // who is awaited stays
        leave(branch).await;
    };
    on_a_branch(main, |home, _| {
        assert_eq!(home.give(&there.inbox, 10), 1);
        there.ask(work);
        place.lock().unwrap().take().expect("it has begun").wake();
        assert_eq!(home.take_mail(), 1);
        work(home);
        assert!(home.main_ended());
    });
}

/// A loop that ends closes before its guests do: what they leave there would be nobody's.
#[test]
fn s05_a_guest_of_a_loop_that_ends_spawns_nothing_there() {
    let mut there = There::start();
    let (tell, told) = channel();
    let handle = RefCell::new(None);
    let main = async |branch: Arc<Branch>| {
        let known = Arc::clone(&branch);
        let guest = send_guest(&branch, async move {
            let _last = OnDrop::new(move || {
                let spawned = known.try_spawn(async {}, SpawnOptions::new());
                tell.send(spawned.is_err()).unwrap();
            });
            pending::<()>().await;
        });
        *handle.borrow_mut() = Some(guest);
        leave(branch).await;
    };
    on_a_branch(main, |home, _| {
        assert_eq!(home.give(&there.inbox, 10), 1);
        there.ask(work);
        there.commands = None;
        handle.take().expect("it was spawned").abort();
        drop(there); // it has ended
        work(home);
        assert!(home.main_ended());
    });
    assert_eq!(told.recv(), Ok(true));
}

/// Who has awaited a task at home, and has moved meanwhile, is woken where it is now.
#[test]
fn x12_a_task_that_waits_is_woken_where_it_has_moved() {
    let there = There::start();
    let patient = Patient::default();
    let place: Arc<Mutex<Option<Waker>>> = Arc::default();
    let (child, kept) = (patient.clone(), Arc::clone(&place));
    let (tell, told) = channel();
    let main = async |branch: Arc<Branch>| {
        let mut awaited = sent_on(&branch, child.wait());
        let moves = sent_on(&branch, async move {
            poll_fn(|cx| {
                *kept.lock().unwrap() = Some(cx.waker().clone());
                std::pin::Pin::new(&mut awaited).poll(cx)
            })
            .await
            .unwrap();
            tell.send(thread::current().id()).unwrap();
        });
        drop(moves);
        leave(branch).await;
    };
    on_a_branch(main, |home, _| {
        work(home);
        let waker = place.lock().unwrap().take().expect("it waits");
        waker.wake();
        assert_eq!(home.give_all(&there.inbox, 10), 1);
        there.ask(work);
        patient.end();
        work(home);
        there.ask(work);
        work(home);
    });
    assert_eq!(told.recv(), Ok(there.thread()));
}

/// Who has awaited a task at home, and has moved meanwhile, is given up where it is now.
#[test]
fn x12_a_task_that_waits_no_longer_is_forgotten_where_it_has_moved() {
    let there = There::start();
    let (awaited, stays) = (Patient::default(), Patient::default());
    let place: Arc<Mutex<Option<Waker>>> = Arc::default();
    let (child, rest, kept) = (awaited.clone(), stays.clone(), Arc::clone(&place));
    let main = async |branch: Arc<Branch>| {
        let mut awaited = sent_on(&branch, child.wait());
        let moves = sent_on(&branch, async move {
            let mut polled = false;
            poll_fn(|cx| {
                if std::mem::replace(&mut polled, true) {
                    return Poll::Ready(());
                }
                *kept.lock().unwrap() = Some(cx.waker().clone());
                std::pin::Pin::new(&mut awaited).poll(cx).map(drop)
            })
            .await;
            drop(awaited);
            rest.wait().await;
        });
        drop(moves);
        leave(branch).await;
    };
    on_a_branch(main, |home, _| {
        work(home);
        place.lock().unwrap().take().expect("it waits").wake();
        assert_eq!(home.give_all(&there.inbox, 10), 1);
        there.ask(work);
        let mail = [home.take_mail(), there.ask(|there| there.take_mail())];
        awaited.end();
        stays.end();
        there.ask(work);
        work(home);
        assert!(home.main_ended());
        assert_eq!(mail, [1, 1], "the handle is gone, and who waited");
    });
}

/// It has entered that branch, and is counted at home by then.
#[test]
fn x12_a_guest_that_has_gone_home_is_given_up_there_when_its_branch_leaves() {
    let there = There::start();
    let place: Arc<Mutex<Option<Arc<Branch>>>> = Arc::default();
    let kept = Arc::clone(&place);
    let main = async |branch: Arc<Branch>| {
        let guest = send_guest(&branch, async move {
            *kept.lock().unwrap() = Some(enter());
        });
        drop(guest); // who is awaited stays
        leave(branch).await;
    };
    on_a_branch(main, |home, _| {
        assert_eq!(home.give(&there.inbox, 10), 1);
        there.ask(work);
        work(home);
        let below = place.lock().unwrap().take().expect("it was entered");
        there.ask(move |_| drop(below.leave()));
        assert_eq!(home.take_mail(), 1);
    });
}
