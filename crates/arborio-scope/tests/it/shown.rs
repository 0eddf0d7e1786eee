//! What `{:?}` and `{}` show of each type: its name, and what one would look for.

use std::{
    error::Error,
    fmt::Debug,
    future::{pending, ready},
    io,
};

use arborio_executor::yield_now;
use arborio_scope::{
    AnyScope, CancelScope, Concurrent, Failed, LocalScope, Ready, Scope, ScopeClosed, TaskGroup,
    Ticker, concurrent_local, gather, limit, local_scope, move_on_after, repeat_timeout, scope,
    timeout, try_gather,
};

use crate::support::{ms, run};

#[track_caller]
fn shows(what: &dyn Debug, parts: &[&str]) {
    let shown = format!("{what:?}");
    let mut rest = shown.as_str();
    for part in parts {
        let at = rest.find(part);
        rest = &rest[at.unwrap_or_else(|| panic!("no {part:?} in its place: {shown}"))..];
    }
    assert!(shown.starts_with(parts[0]), "{shown}");
}

#[test]
fn limits_and_scopes_that_are_cancelled_show_what_they_go_by() {
    run(async {
        let inside = move_on_after(ms(5), pending::<()>()).grace(ms(7));
        shows(
            &inside,
            &["MoveOn", "until: After(5ms)", "grace: Some(7ms)"],
        );
        let inside = timeout(ms(5), pending::<()>());
        shows(&inside, &["Timeout", "until: After(5ms)", "grace: None"]);
        let scope = CancelScope::new();
        shows(&scope, &["CancelScope", "New", "request: None", "Forever"]);
        scope.set_shield(true);
        scope.set_grace(ms(3));
        scope.cancel();
        let parts = ["stage: New", "request: Some", "shield: true", "Some(3ms)"];
        shows(&scope, &[&["CancelScope"], &parts[..]].concat());
        scope.run(ready(())).await.unwrap();
        shows(&scope, &["CancelScope", "stage: Ended", "request: None"]);
        let round = repeat_timeout(ms(9), async |t: &Ticker| {
            shows(t, &["Ticker", "limit: 9ms", "due: Some("]);
        });
        round.await.unwrap();
    });
}

#[test]
fn futures_of_many_show_how_many_have_ended() {
    run(async {
        shows(&limit(2).run([ready(())]), &["Bounded {"]);
        shows(&limit(2).run_ordered([ready(())]), &["BoundedOrdered"]);
        let group = TaskGroup::new();
        let (first, _second) = (group.spawn(async { 5 }), group.spawn(pending::<i32>()));
        shows(&first, &["Member", "outcome: None"]);
        yield_now().await;
        shows(&group, &["TaskGroup", "pending: 1", "done: 1"]);
        shows(&group.exhaust(), &["Exhaust", "pending: 1", "done: 1"]);
        shows(&first, &["Member", "outcome: Some(Ok(5))"]);
        group.cancel_all();
        let all = gather([pending::<()>(), pending()]);
        shows(&all, &["Gather(TaskGroup", "pending: 2"]);
        let all = try_gather([pending::<Result<(), ()>>()]);
        shows(&all, &["TryGather(TaskGroup", "pending: 1"]);
    });
}

#[test]
fn branches_show_whether_they_have_ended() {
    run(async {
        let c = Concurrent::new();
        let branch = c.spawn(async {});
        shows(&c, &["Concurrent", "is_closed: false"]);
        shows(&c.spawner(), &["Spawner", "is_closed: false"]);
        shows(&branch, &["Branch", "is_finished: false"]);
        c.run(async {}).await;
        shows(&c, &["Concurrent", "is_closed: true"]);
        shows(&c.spawner(), &["Spawner", "is_closed: true"]);
        shows(&branch, &["Branch", "is_finished: true"]);
        concurrent_local(async |c| shows(c, &["Inside"])).await;
    });
}

#[test]
fn scopes_and_their_tasks_show_their_names() {
    let builder = || Scope::<()>::builder().name("kitchen");
    shows(&builder(), &["ScopeBuilder", "kitchen"]);
    shows(&builder().report(), &["Reporting", "kitchen"]);
    run(async {
        let named = builder().run(async |s| {
            shows(s, &["Scope {", "kitchen", file!()]);
            shows(&AnyScope::current(), &["Some(AnyScope", "kitchen", file!()]);
            shows(&s.task().name("cook"), &["ChildBuilder", "cook"]);
            let cook = s.task().name("cook").spawn(async { Ok(()) });
            shows(&cook, &["Child(", "cook"]);
            let started = s.start(async |ready: Ready<()>| {
                shows(&ready, &["Ready"]);
                ready.tell(());
                Ok(())
            });
            started.await
        });
        named.await.unwrap();
        let local = local_scope(async |s: &LocalScope<()>| {
            shows(s, &["LocalScope(Scope", "name: None"]);
            Ok(())
        });
        local.await.unwrap();
        let free = builder().open();
        shows(&free, &["FreeScope", "kitchen", "is_over: false"]);
        shows(&IntoFuture::into_future(&free), &["ScopeEnded("]);
        shows(&free.into_future(), &["ScopeEnd(", "kitchen"]);
    });
}

#[test]
fn what_is_refused_and_what_has_failed_says_so() {
    run(async {
        let mut kept = None;
        let closed = scope(async |s: &Scope<()>| {
            kept = Some(s.clone());
            Ok(())
        });
        closed.await.unwrap();
        let refused = kept.unwrap().try_spawn(async {}).unwrap_err();
        shows(&refused, &["ScopeClosed"]);
        let error = io::Error::from(refused);
        assert_eq!(error.kind(), io::ErrorKind::Other);
        let inside = error.get_ref().unwrap();
        assert!(inside.is::<ScopeClosed<()>>());
        assert!(inside.to_string().starts_with("the scope is closed"));
        let exhausted = TaskGroup::<()>::new().wait_first_n(3).await.unwrap_err();
        let said = "0 of 3 members have ended, and no other is left";
        assert_eq!(exhausted.to_string(), said);
    });
    let failed = |later: usize, dropped| Failed {
        first: io::Error::other("first"),
        later: (0..later).map(|_| io::Error::other("later")).collect(),
        dropped,
    };
    assert_eq!(failed(0, 0).to_string(), "first");
    assert_eq!(failed(1, 0).to_string(), "first (and 1 later error)");
    assert_eq!(failed(2, 3).to_string(), "first (and 5 later errors)");
    let source = failed(0, 0).source().map(ToString::to_string);
    assert_eq!(source.as_deref(), Some("first"));
}
