//! Tasks of a scope that another loop polls, and what its own loop tells of them meanwhile.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use arborio_base::WakeBatch;
use arborio_scope::{Scope, ScopeNote, shield};
use arborio_task::{NoNotify, Running, Submitter, Tasks};
use arborio_timers::{Clock, Timers};

use crate::support::ms;

fn tasks() -> Tasks {
    Tasks::new(Arc::new(NoNotify))
}

/// Does all that can be done now.
fn work(running: &Running<'_>) {
    while running.take_mail() > 0 || running.run_next() {}
}

/// Works whenever it is told to, and answers when nothing is left to do.
fn another_loop(
    tell: Sender<Submitter>,
    told: Receiver<()>,
    did: Sender<()>,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let tasks = tasks();
        tell.send(tasks.submitter()).unwrap();
        let obey = |running: &Running<'_>| {
            for () in told {
                work(running);
                did.send(()).unwrap();
            }
        };
        tasks.run_main(async {}, obey).1.unwrap();
    })
}

/// Its grace is over, and its worker is blocked for as long again: the scope inside of the one that has forced it has no
/// more to say.
#[test]
fn a_task_that_blocks_another_loop_after_its_grace_is_told_of_once() {
    let names: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&names);
    let hears = move |note: &ScopeNote| match note {
        ScopeNote::Stubborn(task) => heard
            .lock()
            .unwrap()
            .extend(task.name.clone().map(Into::into)),
        note => panic!("{note}"),
    };
    let hears_inside = hears.clone();
    let (begun, has_begun) = channel();
    let (release, released) = channel::<()>();
    let inner = async move {
        let scope = Scope::<()>::builder().grace(ms(100)).observer(hears_inside);
        let body = async |s: &Scope<()>| {
            let blocks = async move {
                begun.send(()).unwrap();
                released.recv().unwrap();
                Ok(())
            };
            drop(s.task().name("blocks").spawn(blocks));
            pending::<Result<(), ()>>().await
        };
        scope.run(body).await
    };
    let outer = Scope::<()>::builder().grace(ms(1000)).observer(hears);
    let main = outer.run(async |s| {
        s.spawn_local(shield(inner)); // so that its grace begins at no request
        s.set_timeout(Some(ms(10)));
        pending::<Result<(), ()>>().await
    });

    let (inbox, there) = channel();
    let (tell, told) = channel();
    let (did, has_done) = channel();
    let thread = another_loop(inbox, told, did);
    let there = there.recv().unwrap();
    let timers = Timers::new(Clock::simulated(), std::task::Waker::noop().clone());
    let _entered = timers.enter();
    let ((), ended) = tasks().run_main(main, |home| {
        while home.give_all(&there, 10) == 0 {
            assert!(home.run_next());
        }
        tell.send(()).unwrap();
        has_begun.recv().unwrap();
        work(home);
        let mut batch = WakeBatch::new();
        while let Some(deadline) = timers.next_deadline() {
            timers.jump_to(deadline);
            timers.fire(&mut batch);
            batch.wake_all();
            work(home);
        }
        assert!(!home.main_ended(), "it waits for the task");
        release.send(()).unwrap();
        has_done.recv().unwrap();
        work(home);
    });
    assert_eq!(ended.unwrap(), Err(()));
    assert_eq!(*names.lock().unwrap(), ["blocks"]);
    drop(tell);
    thread.join().unwrap();
}
