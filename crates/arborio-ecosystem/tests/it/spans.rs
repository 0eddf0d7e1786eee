//! Spans of tasks and scopes, as a subscriber sees them.

use std::{
    collections::HashMap,
    future::pending,
    sync::{Arc, Mutex, atomic::AtomicU64, atomic::Ordering},
};

use arborio::{EventLoop, Pool, Scope, scope, spawn, task, tracing::Spans, yield_now};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::{set_default, with_default},
};

/// What was seen of one span.
#[derive(Clone, Debug, Default)]
struct Seen {
    kind: &'static str,
    name: Option<String>,
    at: String,
    /// The field `id`, of a task.
    number: Option<String>,
    parent: Option<u64>,
    entered: usize,
    closed: bool,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "at" => self.at = format!("{value:?}"),
            "id" => self.number = Some(format!("{value:?}")),
            "name" => self.name = Some(format!("{value:?}").trim_matches('"').to_owned()),
            _ => {}
        }
    }
}

/// Writes down all spans, and the stack of spans around each event.
#[derive(Clone, Default)]
struct Log {
    ids: Arc<AtomicU64>,
    spans: Arc<Mutex<HashMap<u64, Seen>>>,
    refs: Arc<Mutex<HashMap<u64, usize>>>,
    entered: Arc<Mutex<HashMap<std::thread::ThreadId, Vec<u64>>>>,
    events: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Log {
    fn all(&self, kind: &str) -> Vec<Seen> {
        let spans = self.spans.lock().unwrap();
        let of_kind = spans.values().filter(|span| span.kind == kind);
        of_kind.cloned().collect()
    }

    fn task(&self, name: &str) -> Seen {
        let tasks = self.all("task");
        let mut named = tasks
            .into_iter()
            .filter(|span| span.name.as_deref() == Some(name));
        let only = named.next().unwrap();
        assert!(named.next().is_none());
        only
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        ["arborio", "here"].contains(&metadata.target())
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let id = self.ids.fetch_add(1, Ordering::Relaxed) + 1;
        let mut seen = Seen {
            kind: attributes.metadata().name(),
            parent: attributes.parent().map(Id::into_u64),
            ..Seen::default()
        };
        assert!(!attributes.is_contextual(), "it belongs where it hangs");
        attributes.record(&mut seen);
        self.spans.lock().unwrap().insert(id, seen);
        self.refs.lock().unwrap().insert(id, 1);
        Id::from_u64(id)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        let entered = self.entered.lock().unwrap();
        let spans = self.spans.lock().unwrap();
        let around = entered
            .get(&std::thread::current().id())
            .into_iter()
            .flatten();
        let names = around.map(|id| spans[id].name.clone().unwrap_or_default());
        self.events.lock().unwrap().push(names.collect());
    }

    fn enter(&self, id: &Id) {
        self.spans
            .lock()
            .unwrap()
            .get_mut(&id.into_u64())
            .unwrap()
            .entered += 1;
        let thread = std::thread::current().id();
        self.entered
            .lock()
            .unwrap()
            .entry(thread)
            .or_default()
            .push(id.into_u64());
    }

    fn exit(&self, id: &Id) {
        let thread = std::thread::current().id();
        let left = self.entered.lock().unwrap().get_mut(&thread).unwrap().pop();
        assert_eq!(left, Some(id.into_u64()));
    }

    fn clone_span(&self, id: &Id) -> Id {
        *self.refs.lock().unwrap().get_mut(&id.into_u64()).unwrap() += 1;
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let mut refs = self.refs.lock().unwrap();
        let left = refs.get_mut(&id.into_u64()).unwrap();
        *left -= 1;
        if *left == 0 {
            self.spans
                .lock()
                .unwrap()
                .get_mut(&id.into_u64())
                .unwrap()
                .closed = true;
        }
        *left == 0
    }
}

#[test]
fn a_task_has_a_span_that_is_entered_at_each_poll_and_closed_at_its_end() {
    let log = Log::default();
    let _guard = set_default(log.clone());
    EventLoop::builder().around_polls(Spans::new()).run(async {
        let child = task().name("child").spawn(async {
            tracing::info!(target: "here", "first");
            yield_now().await;
            tracing::info!(target: "here", "second");
        });
        child.await.unwrap();
        assert!(log.task("child").closed, "although its handle is there");
        tracing::info!(target: "here", "in main");
    });
    let child = log.task("child");
    assert_eq!((child.entered, child.parent), (2, None));
    assert!(child.at.contains("spans.rs:"), "{child:?}");
    assert_eq!(
        *log.events.lock().unwrap(),
        [["child"], ["child"], ["main"]]
    );
    assert!(log.all("task").iter().all(|span| span.closed));
}

#[test]
fn tasks_of_a_scope_hang_on_its_span_and_that_on_the_scope_around() {
    let log = Log::default();
    let _guard = set_default(log.clone());
    let outer = Scope::<()>::builder().name("outer");
    let main = outer.run(async |s| {
        let inner = Scope::<()>::builder().name("inner").run(async |inner| {
            inner.task().name("deep").spawn(yield_now());
            inner.task().name("deeper").spawn(yield_now());
            Ok(())
        });
        inner.await?;
        s.task().name("flat").spawn(async { Ok(()) });
        Ok(())
    });
    EventLoop::builder()
        .around_polls(Spans::new())
        .run(main)
        .unwrap();
    let spans = log.spans.lock().unwrap().clone();
    let parent = |span: &Seen| spans[&span.parent.unwrap()].clone();
    for name in ["deep", "deeper"] {
        let inner = parent(&log.task(name));
        assert_eq!(
            (inner.kind, inner.name.as_deref()),
            ("scope", Some("inner"))
        );
        let outer = parent(&inner);
        assert_eq!(
            (outer.kind, outer.name.as_deref()),
            ("scope", Some("outer"))
        );
        assert_eq!(outer.parent, None);
    }
    assert_eq!(log.task("deep").parent, log.task("deeper").parent);
    assert_eq!(parent(&log.task("flat")).name.as_deref(), Some("outer"));
    assert!(spans.values().all(|span| span.closed), "{spans:?}");
}

#[test]
fn a_span_goes_with_its_task_to_another_worker_and_ends_there() {
    let log = Log::default();
    let dispatch = tracing::Dispatch::new(log.clone());
    tracing::dispatcher::set_global_default(dispatch).unwrap();
    Pool::builder()
        .workers(2)
        .around_polls(Spans::new())
        .run(async {
            let barrier = Arc::new(std::sync::Barrier::new(2));
            let meeting = (0..2).map(|_| {
                let barrier = Arc::clone(&barrier);
                spawn(async move {
                    yield_now().await;
                    barrier.wait(); // each on a worker of its own, or never
                    yield_now().await;
                })
            });
            for met in meeting.collect::<Vec<_>>() {
                met.await.unwrap();
            }
        });
    let tasks = log.all("task");
    assert_eq!(
        tasks
            .iter()
            .filter(|task| task.name.is_none() && task.entered == 3)
            .count(),
        2
    );
    assert!(tasks.iter().all(|task| task.closed));
}

#[test]
fn a_task_that_is_cancelled_cleans_up_in_its_span_and_one_that_is_aborted_closes_it() {
    let log = Log::default();
    with_default(log.clone(), || {
        EventLoop::builder().around_polls(Spans::new()).run(async {
            let tidy = arborio::cancel::finally(pending::<()>(), async || {
                yield_now().await;
                tracing::info!(target: "here", "cleaning up");
            });
            let tidy = task().name("tidy").spawn(tidy);
            let rude = task().name("rude").spawn(pending::<()>());
            yield_now().await;
            tidy.cancel();
            rude.abort();
            let _ = (tidy.await, rude.await);
        });
    });
    assert_eq!(*log.events.lock().unwrap(), [["tidy"]]);
    assert!(log.task("tidy").closed && log.task("rude").closed);
}

#[test]
fn a_task_that_panics_closes_its_span() {
    let log = Log::default();
    let _guard = set_default(log.clone());
    EventLoop::builder().around_polls(Spans::new()).run(async {
        let broken = task().name("broken").spawn(async { panic!("oh") });
        assert!(broken.await.is_err());
    });
    assert!(log.task("broken").closed);
    assert!(log.entered.lock().unwrap().values().all(Vec::is_empty));
}

#[test]
fn the_tasks_of_a_loop_are_numbered_from_one() {
    let log = Log::default();
    let _guard = set_default(log.clone());
    EventLoop::builder().around_polls(Spans::new()).run(async {
        for _ in 0..3 {
            spawn(async {}).await.unwrap();
        }
    });
    let mut numbers: Vec<_> = log
        .all("task")
        .into_iter()
        .map(|task| task.number)
        .collect();
    numbers.sort();
    let expected = ["1", "2", "3", "4"].map(|number| Some(number.to_owned()));
    assert_eq!(numbers, expected);
}

#[test]
fn without_spans_nothing_is_seen() {
    let log = Log::default();
    let _guard = set_default(log.clone());
    arborio::run(scope(async |s: &Scope<()>| {
        s.spawn(async { Ok(()) });
        Ok(())
    }))
    .unwrap();
    assert!(log.spans.lock().unwrap().is_empty());
}
