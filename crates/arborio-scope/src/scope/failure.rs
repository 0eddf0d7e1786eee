//! What went wrong in a scope, and where each error is.

use arborio_task::{Interrupt, Payload, Reason};

/// Why a scope ends without the value of its body.
pub(crate) enum Failure<E> {
    /// An error of the body or of a task.
    Error(E),
    /// A panic of a task, or of the body.
    Panic(Payload),
    /// Somebody cancelled it, with what its body is told.
    Cancelled(Interrupt),
}

/// The errors of a scope: the first one, which ended it, and those that came after it
/// while the others cleaned up. Given by a scope that [reports](super::ScopeBuilder::report).
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::{Scope, ScopeBuilder};
/// use std::io;
/// let scope = Scope::<io::Error>::builder().report();
/// let failed = run(scope.run(async |s| {
///     s.spawn(async { Err::<(), _>(io::Error::other("first")) });
///     s.spawn(async { Err::<(), _>(io::Error::other("second")) });
///     Ok(())
/// }));
/// let failed = failed.unwrap_err();
/// assert_eq!(failed.to_string(), "first (and 1 later error)");
/// assert_eq!(failed.later[0].to_string(), "second");
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Failed<E> {
    /// The error that a scope that does not report would give.
    pub first: E,
    /// The next ones, oldest first; at most 64.
    pub later: Vec<E>,
    /// How many more there were, which were dropped.
    pub dropped: usize,
}

impl<E: std::fmt::Display> std::fmt::Display for Failed<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.first.fmt(f)?;
        match self.later.len() + self.dropped {
            0 => Ok(()),
            1 => f.write_str(" (and 1 later error)"),
            count => write!(f, " (and {count} later errors)"),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for Failed<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.first)
    }
}

/// Errors that came after the first one.
pub(crate) struct Later<E> {
    kept: Vec<E>,
    dropped: usize,
}

impl<E> Later<E> {
    /// How many are kept.
    const LIMIT: usize = 64;

    pub(crate) const fn new() -> Self {
        Self {
            kept: Vec::new(),
            dropped: 0,
        }
    }

    /// Keeps the error, or counts it and gives it back.
    pub(crate) fn add(&mut self, error: E) -> Option<E> {
        if self.kept.len() < Self::LIMIT {
            self.kept.push(error);
            return None;
        }
        self.dropped += 1;
        Some(error)
    }

    pub(crate) fn after(self, first: E) -> Failed<E> {
        Failed {
            first,
            later: self.kept,
            dropped: self.dropped,
        }
    }
}

/// Why a scope is failing, as its tasks are told: that it `failed`, if there is no
/// reason to be passed on.
pub(crate) fn told<E>(failure: &Failure<E>, failed: impl FnOnce() -> Reason) -> Interrupt {
    match failure {
        Failure::Cancelled(Interrupt::Cancelled(reason)) => Interrupt::Cancelled(reason.clone()),
        _ => Interrupt::Cancelled(failed()),
    }
}
