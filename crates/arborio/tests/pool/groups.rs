//! What collects tasks runs them on several workers.

use std::{cell::Cell, future::pending, rc::Rc, sync::Arc, thread};

use arborio::{
    Interrupt, Pool, Scope, TaskGroup, gather, gather_all, gather_all_local, gather_local, scope,
    spawn, spawn_local, try_gather, try_gather_local, yield_now,
};

use crate::meeting::Meeting;

fn two() -> arborio::PoolBuilder {
    Pool::builder().workers(2)
}

/// Two futures that meet: each blocks its worker until the other one runs, too.
fn meeting() -> [impl Future<Output = usize> + Send + 'static; 2] {
    let both = Arc::new(Meeting::new(2));
    [1, 2].map(|number| {
        let both = Arc::clone(&both);
        async move {
            both.wait();
            number
        }
    })
}

#[test]
fn x12_members_of_a_group_run_on_all_workers() {
    let sum = two().run(async {
        let group = TaskGroup::new();
        let [a, b] = meeting();
        let a = group.spawn(a);
        let b = group.add(b);
        group.wait_all().await;
        a.outcome().unwrap().clone().unwrap() + b.outcome().unwrap().clone().unwrap()
    });
    assert_eq!(sum, 3);
}

#[test]
fn x12_members_of_a_group_of_a_scope_run_on_all_workers() {
    let sum = two().run(scope(async |_: &Scope<()>| {
        let group = TaskGroup::new();
        for future in meeting() {
            group.spawn(future);
        }
        group.wait_all().await;
        let outputs = group
            .iter()
            .map(|one| one.outcome().unwrap().clone().unwrap());
        Ok(outputs.sum::<usize>())
    }));
    assert_eq!(sum, Ok(3));
}

#[test]
fn x12_what_is_gathered_runs_on_all_workers() {
    two().run(async {
        assert_eq!(gather(meeting()).await.unwrap(), [1, 2]);
        let outcomes = gather_all(meeting()).await;
        assert_eq!(outcomes.into_iter().flatten().collect::<Vec<_>>(), [1, 2]);
        let results = meeting().map(|one| async { Ok::<_, Interrupt>(one.await) });
        assert_eq!(try_gather(results).await.unwrap(), [1, 2]);
        let [a, b] = meeting();
        let both = gather!(a, async { ("two", b.await) });
        assert_eq!(both.await.unwrap(), (1, ("two", 2)));
    });
}

#[test]
fn x12_an_output_that_is_not_sync_is_gathered_from_all_workers() {
    let cells = two().run(async {
        let [a, b] = meeting();
        let all = gather([a, b].map(|one| async { Cell::new(one.await) }))
            .await
            .unwrap();
        all.into_iter().map(Cell::into_inner).sum::<usize>()
    });
    assert_eq!(cells, 3);
}

#[test]
fn what_is_not_send_is_gathered_on_the_thread_where_it_is() {
    two().run(async {
        for _ in 0..4 {
            drop(spawn(async { yield_now().await })); // something that others may take
        }
        spawn_local(gather_here()).await.unwrap();
    });
}

async fn gather_here() {
    let here = || {
        let here = Rc::new(thread::current().id());
        async move {
            yield_now().await;
            assert_eq!(*here, thread::current().id());
            here
        }
    };
    assert_eq!(gather_local([here(), here()]).await.unwrap().len(), 2);
    assert_eq!(gather_all_local([here(), here()]).await.len(), 2);
    let results = [here(), here()].map(|one| async { Ok::<_, Interrupt>(one.await) });
    assert_eq!(try_gather_local(results).await.unwrap().len(), 2);
    assert!(gather_local!(here(), async { 1 }).await.is_ok());
    let group = TaskGroup::new();
    group.spawn_local(here());
    group.wait_all().await;
    assert!(group.pop_done().unwrap().outcome().unwrap().is_ok());
}

#[test]
fn many_members_end_on_all_workers_and_each_gives_its_output() {
    const ROUNDS: usize = 200;
    let total = two().run(async {
        let mut total = 0;
        for round in 0..ROUNDS {
            let member = |number: usize| async move {
                for _ in 0..(number + round) % 3 {
                    yield_now().await;
                }
                number
            };
            total += gather((0..20).map(member)).await.unwrap().len();
            let (a, b, c) = gather!(member(1), member(2), member(3)).await.unwrap();
            total += a + b + c;
            let group = TaskGroup::new();
            for number in 0..20 {
                group.spawn(member(number));
            }
            while let Some(member) = group.pop_first().await {
                assert!(member.outcome().unwrap().is_ok());
                total += 1;
            }
        }
        total
    });
    assert_eq!(total, ROUNDS * (20 + 6 + 20));
}

#[test]
fn members_that_are_away_are_cancelled_and_aborted_and_say_so() {
    two().run(async {
        for round in 0..200 {
            let begun = Arc::new(Meeting::new(2));
            let group = TaskGroup::new();
            let away = Arc::clone(&begun);
            let member = group.spawn(async move {
                away.wait();
                pending::<()>().await;
            });
            begun.wait(); // this worker is stuck until another one runs it
            if round % 2 == 0 {
                member.abort();
            } else {
                assert!(member.cancel());
            }
            assert!(matches!(member.wait().await, Err(Interrupt::Cancelled(_))));
        }
    });
}

#[test]
fn members_of_a_scope_that_is_cancelled_say_so_wherever_they_are() {
    two().run(async move {
        for _ in 0..100 {
            let ended = scope(async |s: &Scope<()>| {
                let group = TaskGroup::new();
                for _ in 0..4 {
                    group.spawn(pending::<()>());
                }
                yield_now().await;
                s.cancel();
                Ok(group)
            });
            let group = ended.await.unwrap();
            group.wait_all().await;
            for member in &group {
                let why = member.outcome().unwrap().as_ref().unwrap_err();
                assert!(matches!(why, Interrupt::Cancelled(_)), "{why}");
            }
        }
    });
}
