//! What tells tasks that something has happened.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use arborio::sync::Event;

use crate::{
    executor::Executor,
    support::{all, give_up_after, turn},
};

under_every_executor! {
    s33_an_event_lets_all_waiters_through,
    s33_an_event_that_is_cleared_at_once_still_lets_the_waiters_through,
}

async fn s33_an_event_lets_all_waiters_through<E: Executor>() {
    let event = Arc::new(Event::new());
    let through = Arc::new(AtomicUsize::new(0));
    let jobs: Vec<_> = (0..50)
        .map(|number| {
            let (event, through) = (Arc::clone(&event), Arc::clone(&through));
            E::spawn(async move {
                if number % 5 == 0 {
                    give_up_after(2, event.wait()).await;
                    return;
                }
                event.wait().await;
                assert!(event.is_set());
                through.fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();
    turn().await;
    event.set();
    all(jobs).await;
    assert_eq!(through.load(Ordering::Relaxed), 40);
}

async fn s33_an_event_that_is_cleared_at_once_still_lets_the_waiters_through<E: Executor>() {
    let (event, here) = (Arc::new(Event::new()), Arc::new(AtomicUsize::new(0)));
    let jobs: Vec<_> = (0..20)
        .map(|_| {
            let (event, here) = (Arc::clone(&event), Arc::clone(&here));
            E::spawn(async move {
                let wait = event.wait();
                let mut wait = std::pin::pin!(wait);
                assert!(
                    give_up_after(1, wait.as_mut()).await.is_none(),
                    "it is shut"
                );
                here.fetch_add(1, Ordering::Release);
                wait.await;
            })
        })
        .collect();
    while here.load(Ordering::Acquire) < 20 {
        turn().await;
    }
    event.set();
    event.clear();
    all(jobs).await;
    assert!(!event.is_set());
}
