//! Spans of [tracing](https://docs.rs/tracing), with the feature `tracing`: one for each task, and one for each scope.
//!
//! [`Spans`] stands around the polls of a loop or pool that is told so. A task's span is entered at each of its
//! polls, so that every event in it knows the task, and where the task hangs:
//!
//! ```text
//! INFO scope{name="server"}:task{id=7 name="connection" at=src/main.rs:12:20}: accepted peer=...
//! ```
//!
//! * A task's span lasts from its first poll until it has ended; one whose future is dropped by force keeps its span for as long
//!   as somebody refers to the task.
//! * A scope's span lies in that of the scope around. It begins with the first poll of a task in it and lasts as long as one of its
//!   tasks; a scope that is without tasks for a while has another one afterwards. What the body of a scope does is in the span
//!   of the task that the body is part of.
//! * A loop without [`Spans`] does not know that there is such a thing: its polls are what they are without the
//!   feature.
//!
//! # Examples
//! ```
//! use arborio::{EventLoop, tracing::Spans};
//! let sum = EventLoop::builder().around_polls(Spans::new()).run(async {
//!     let task = arborio::task().name("adder").spawn(async {
//!         // An event in here knows `task{name="adder"}`, if somebody subscribes.
//!         tracing::info!("adding");
//!         1 + 1
//!     });
//!     task.await.unwrap()
//! });
//! assert_eq!(sum, 2);
//! ```

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use ::tracing::{Span, info_span};
use arborio_task::{AroundPolls, MetScope, MetTask, Note, ScopeKey};

/// The target of the spans, for filters.
const TARGET: &str = "arborio";

/// The span of one scope, as long as one of its tasks has one.
struct ScopeSpan {
    key: ScopeKey,
    span: Span,
    /// That of the scope around.
    _above: Option<Arc<Self>>,
    /// Where it is found.
    scopes: Arc<Scopes>,
}

/// The spans of the scopes that are open, by their keys.
#[derive(Default)]
struct Scopes(Mutex<HashMap<ScopeKey, Weak<ScopeSpan>>>);

impl Scopes {
    fn lock(&self) -> MutexGuard<'_, HashMap<ScopeKey, Weak<ScopeSpan>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ScopeSpan {
    fn drop(&mut self) {
        let mut scopes = self.scopes.lock();
        // It may have been made anew meanwhile.
        if scopes
            .get(&self.key)
            .is_some_and(|span| span.strong_count() == 0)
        {
            scopes.remove(&self.key);
        }
    }
}

/// The span of one task.
struct TaskSpan {
    span: Span,
    /// That of the scope it hangs on, which it keeps open.
    _scope: Option<Arc<ScopeSpan>>,
}

/// Makes the spans, and enters them: see [the module](crate::tracing). To be given to a builder, as
/// `around_polls(Spans::new())`.
///
/// All spans have the target `arborio` and the level `INFO`. The fields of a `task` are `id`, which counts
/// the tasks of these `Spans` from 1, `name` and `at`, where it was spawned; those of a `scope` are `name` and `at`.
///
/// # Examples
/// See [the module](crate::tracing).
#[derive(Default)]
pub struct Spans {
    tasks: AtomicU64,
    scopes: Arc<Scopes>,
}

impl Spans {
    /// Spans for the tasks of one loop, or of one pool.
    ///
    /// # Examples
    /// ```
    /// use arborio::{Pool, tracing::Spans};
    /// let pool = Pool::builder().workers(2).around_polls(Spans::new());
    /// assert_eq!(pool.run(async { 3 }), 3);
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// The span of the innermost of `scopes`, and those around it.
    fn scope(&self, scopes: &[MetScope]) -> Option<Arc<ScopeSpan>> {
        let (scope, around) = scopes.split_first()?;
        let known = self.scopes.lock().get(&scope.key).and_then(Weak::upgrade);
        if known.is_some() {
            return known;
        }
        let above = self.scope(around);
        let parent = above.as_ref().and_then(|above| above.span.id());
        let (name, at) = (scope.name.as_deref(), display(scope.opened_at));
        let span = info_span!(target: TARGET, parent: parent, "scope", name, at);
        let made = Arc::new(ScopeSpan {
            key: scope.key,
            span,
            _above: above,
            scopes: Arc::clone(&self.scopes),
        });
        // Another worker may have made one at the same time: both are right.
        let weak = Arc::downgrade(&made);
        self.scopes.lock().insert(scope.key, weak);
        Some(made)
    }
}

fn display<T: fmt::Display>(value: T) -> ::tracing::field::DisplayValue<T> {
    ::tracing::field::display(value)
}

impl AroundPolls for Spans {
    fn meet(&self, task: &MetTask) -> Note {
        let scope = self.scope(&task.scopes);
        let parent = scope.as_ref().and_then(|scope| scope.span.id());
        // Relaxed: a number that is not given twice.
        let id = self.tasks.fetch_add(1, Ordering::Relaxed) + 1;
        let (name, at) = (task.name.as_deref(), display(task.spawned_at));
        let span = info_span!(target: TARGET, parent: parent, "task", id, name, at);
        Arc::new(TaskSpan {
            span,
            _scope: scope,
        })
    }

    fn around(&self, note: &Note, poll: &mut dyn FnMut()) {
        match note.downcast_ref::<TaskSpan>() {
            Some(task) => task.span.in_scope(poll),
            None => poll(),
        }
    }
}

impl fmt::Debug for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spans").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{EventLoop, Scope, scope, time::sleep};

    #[test]
    fn a_scope_is_known_as_long_as_it_has_a_task_and_forgotten_then() {
        let spans = Spans::new();
        let scopes = Arc::clone(&spans.scopes);
        let known = || scopes.lock().len();
        let served = scope(async |s: &Scope<()>| {
            assert_eq!(known(), 0, "no task of it was polled");
            s.spawn(sleep(Duration::from_millis(1)));
            let inside = Arc::clone(&scopes);
            let seen = s.spawn(async move { Ok(inside.lock().len()) });
            assert_eq!(seen.await, Ok(1));
            Ok(())
        });
        EventLoop::builder()
            .around_polls(spans)
            .run(served)
            .unwrap();
        assert_eq!(known(), 0);
    }
}
