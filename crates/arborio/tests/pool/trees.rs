//! What `Handle::trees` says of a pool, and what of a worker that does not answer.

use std::{
    future::pending,
    sync::{Arc, mpsc},
};

use arborio::{
    EventLoop, Handle, Interrupt, Pool, Scope, WaitError, scope, spawn,
    sync::oneshot,
    task,
    time::{Duration, timeout},
    tree::{Tree, Trees},
};

use crate::{
    limits::{TOO_LONG, without_hanging},
    meeting::Meeting,
    running::{here, two},
};

/// Shorter than a hog blocks its worker.
const SHORT: Duration = Duration::from_millis(20);

/// For each worker that has answered, which of the cook and the waiter it has.
fn staff(trees: &[Option<Tree>]) -> Vec<Vec<String>> {
    let of_one = |tree: &Tree| {
        let names = tree.tasks().filter_map(|task| task.name.as_deref());
        let staff = names.filter(|name| ["cook", "waiter"].contains(name));
        staff.map(str::to_owned).collect()
    };
    let mut all: Vec<Vec<_>> = trees.iter().flatten().map(of_one).collect();
    all.sort();
    all
}

/// All answers.
fn wait(trees: Trees) -> Vec<Option<Tree>> {
    let trees = trees.wait_timeout(TOO_LONG).unwrap();
    assert!(trees.iter().all(Option::is_some), "{trees:?}");
    trees
}

/// Has `spawn` spawn two tasks that run at the same time, so one on each worker, and go on being there.
fn employ(mut spawn: impl FnMut(&'static str, Box<dyn Future<Output = ()> + Send + Unpin>)) {
    let both = Arc::new(Meeting::new(2));
    for name in ["cook", "waiter"] {
        let both = Arc::clone(&both);
        let work = async move {
            both.wait();
            pending::<()>().await;
        };
        spawn(name, Box::new(Box::pin(work)));
    }
}

#[test]
fn whoever_asks_sees_what_hangs_on_each_worker() {
    without_hanging(|| {
        let pool = two().start().unwrap();
        let spawned = pool.run(async {
            employ(|name, work| drop(task().name(name).spawn(work)));
        });
        spawned.unwrap();
        // They have met when each has its worker.
        while staff(&wait(pool.trees())) != [["cook"], ["waiter"]] {}
        let seen = pool.run(async { Handle::current().unwrap().trees().await });
        assert_eq!(staff(&seen.unwrap()), [["cook"], ["waiter"]]);
        let trees = wait(pool.trees());
        let asking = trees.iter().flatten().flat_map(Tree::tasks);
        let asking = asking.filter(|task| task.name.as_deref() == Some("tree"));
        assert_eq!(asking.count(), 0, "who only looks is not seen");
    });
}

#[test]
fn a_task_of_a_scope_is_seen_once_and_where_the_scope_is() {
    without_hanging(|| {
        let pool = two().start().unwrap();
        let shop = pool.spawn(scope(async |s: &Scope<Interrupt>| {
            employ(|name, work| drop(s.task().name(name).spawn(work)));
            pending::<Result<(), Interrupt>>().await
        }));
        let expected = [vec![], vec!["cook".to_owned(), "waiter".to_owned()]];
        while staff(&wait(pool.trees())) != expected {}
        for _ in 0..100 {
            assert_eq!(staff(&wait(pool.trees())), expected);
        }
        drop(shop);
    });
}

/// Blocks the worker that is not this one, until the sender is dropped.
async fn block_the_other_worker() -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(std::sync::Mutex::new(released));
    let (both, home) = (Arc::new(Meeting::new(2)), here());
    let (tell, blocks) = oneshot::channel();
    let tell = Arc::new(std::sync::Mutex::new(Some(tell)));
    for _ in 0..2 {
        let (both, tell, released) = (Arc::clone(&both), Arc::clone(&tell), Arc::clone(&released));
        drop(spawn(async move {
            both.wait();
            if here() != home {
                tell.lock().unwrap().take().unwrap().send(()).unwrap();
                let _ = released.lock().unwrap().recv();
            }
        }));
    }
    blocks.await.unwrap();
    release
}

#[test]
fn a_worker_in_a_long_poll_does_not_hold_up_who_asks() {
    without_hanging(|| {
        two().run(async {
            let release = block_the_other_worker().await;
            let handle = Handle::current().unwrap();
            for _ in 0..10 {
                let mut trees = handle.trees();
                assert!(timeout(SHORT, &mut trees).await.is_err());
                let trees = trees.take();
                assert!(matches!(&trees[..], [Some(_), None]), "{trees:?}");
            }
            let refused = handle.trees().wait_timeout(TOO_LONG);
            assert!(matches!(refused, Err(WaitError::OnLoop)), "{refused:?}");
            drop(release);
            let trees = handle.trees().await;
            let there = trees[1].as_ref().expect("it answers again");
            let left = there
                .tasks()
                .filter(|task| task.name.as_deref() == Some("tree"));
            assert_eq!(left.count(), 0, "what was taken back is gone");
        });
    });
}

#[test]
fn a_plain_thread_waits_no_longer_than_it_says() {
    without_hanging(|| {
        let pool = two().start().unwrap();
        let (release, released) = mpsc::channel::<()>();
        let (tell, blocks) = mpsc::channel();
        let mut hog = pool.spawn(async move {
            tell.send(()).unwrap();
            released.recv().unwrap_err()
        });
        blocks.recv().unwrap();
        // How long the other worker takes to answer is up to the machine.
        let one = loop {
            let trees = pool.trees().wait_timeout(SHORT).unwrap();
            match trees.iter().flatten().count() {
                0 => continue,
                count => break count,
            }
        };
        drop(release);
        hog.wait().unwrap();
        assert_eq!(one, 1);
        assert_eq!(wait(pool.trees()).len(), 2);
    });
}

#[test]
fn a_loop_has_one_tree_and_one_that_has_ended_none() {
    without_hanging(|| {
        let event_loop = EventLoop::builder().start().unwrap();
        event_loop
            .run(async { drop(task().name("cook").spawn(pending::<()>())) })
            .unwrap();
        assert_eq!(staff(&wait(event_loop.trees())), [["cook"]]);
        let handle = event_loop.handle().clone();
        event_loop.stop_and_join(TOO_LONG).unwrap();
        assert!(matches!(handle.trees().take()[..], [None]));

        let handle = Pool::builder()
            .workers(2)
            .run(async { Handle::current().unwrap() });
        assert!(matches!(
            handle.trees().wait_timeout(TOO_LONG).unwrap()[..],
            [None]
        ));
    });
}
