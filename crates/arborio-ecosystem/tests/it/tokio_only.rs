//! A client that works with tokio only, as tasks of Arborio.

use std::{future::pending, io, net::SocketAddr, sync::Arc, time::Duration};

use arborio::{Pool, Scope, run, scope, spawn, sync::Event, time::timeout, tokio::Context};
use axum::routing::get;
use tokio::runtime::Handle;

use crate::support::{FOR_EVER, Runtime, router};

async fn ask_for_squares(address: SocketAddr, tokio: Context) {
    let client = reqwest::Client::new();
    scope(async |s: &Scope<io::Error>| {
        let answers: Vec<_> = (0..20_u64)
            .map(|n| {
                let get = client.get(format!("http://{address}/square/{n}"));
                s.spawn(tokio.wrap(async move {
                    let answer = get.send().await.map_err(io::Error::other)?;
                    answer.text().await.map_err(io::Error::other)
                }))
            })
            .collect();
        for (n, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.await?, (n * n).to_string());
        }
        Ok(())
    })
    .await
    .unwrap();
}

#[test]
fn reqwest_asks_a_server_of_arborio_from_a_loop_and_from_a_pool() {
    for runtime in Runtime::both(FOR_EVER) {
        let address = runtime.serve(router());
        let tokio = Context::new().unwrap();
        run(ask_for_squares(address, tokio.clone()));
        Pool::builder()
            .workers(2)
            .run(ask_for_squares(address, tokio));
        runtime.stop_and_join(FOR_EVER).unwrap();
    }
}

#[test]
fn a_request_of_reqwest_ends_with_the_time_limit_around_it() {
    let [runtime, _] = Runtime::both(Duration::from_millis(10));
    let never = Arc::new(Event::new());
    let answer = move || async move { never.wait().await };
    let address = runtime.serve(router().route("/never", get(answer)));
    let tokio = Context::new().unwrap();
    let ended = run(async {
        let request = reqwest::Client::new().get(format!("http://{address}/never"));
        timeout(Duration::from_millis(20), tokio.wrap(request.send())).await
    });
    assert!(ended.is_err());
}

/// Looks where it is dropped.
struct Looks<'a>(&'a mut bool);

impl Drop for Looks<'_> {
    fn drop(&mut self) {
        *self.0 = Handle::try_current().is_ok();
    }
}

#[test]
fn a_wrapped_future_sees_tokio_in_its_polls_and_in_its_destructors_and_nobody_else_does() {
    let tokio = Context::new().unwrap();
    let mut seen = false;
    run(async {
        let looks = Looks(&mut seen);
        let mut inside = Box::pin(tokio.wrap(async move {
            let _looks = looks;
            assert!(Handle::try_current().is_ok());
            pending::<()>().await;
        }));
        assert!(futures_lite::future::poll_once(&mut inside).await.is_none());
        assert!(Handle::try_current().is_err());
    });
    assert!(seen);
}

#[test]
fn two_contexts_inside_each_other_are_told_apart() {
    let (one, other) = (Context::new().unwrap(), Context::new().unwrap());
    let id = |context: &Context| context.handle().id();
    run(one.wrap(async {
        assert_eq!(Handle::current().id(), id(&one));
        other
            .wrap(async { assert_eq!(Handle::current().id(), id(&other)) })
            .await;
        assert_eq!(Handle::current().id(), id(&one));
    }));
}

#[test]
fn what_was_spawned_with_tokio_is_dropped_with_the_last_context() {
    let (tell, told) = std::sync::mpsc::channel::<()>();
    let tokio = Context::new().unwrap();
    run(tokio.wrap(async {
        tokio::spawn(async move {
            let _tell = tell;
            pending::<()>().await;
        });
    }));
    let clone = tokio.clone();
    drop(tokio);
    assert!(told.try_recv().unwrap_err() == std::sync::mpsc::TryRecvError::Empty);
    drop(clone);
    assert_eq!(
        told.recv_timeout(FOR_EVER).unwrap_err(),
        std::sync::mpsc::RecvTimeoutError::Disconnected
    );
}

#[test]
fn tasks_of_a_loop_whose_main_has_entered_a_context_use_tokios_timers() {
    let tokio = Context::new().unwrap();
    run(async {
        let _entered = tokio.enter();
        let nap = spawn(async { tokio::time::sleep(Duration::from_millis(1)).await });
        nap.await.unwrap();
    });
    assert!(Handle::try_current().is_err());
}
