//! How a loop runs: what its caller decides.

/// Whether ready tasks can keep the loop from its I/O for ever.
///
/// # Examples
/// ```
/// assert_eq!(arborio_executor::Drain::default(), arborio_executor::Drain::Bounded);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Drain {
    /// A pass after [`DRAIN_BOUND`](crate::DRAIN_BOUND) polls at the latest.
    #[default]
    Bounded,
    /// No pass before the queue is empty, however long that takes. What other
    /// threads send is still seen.
    ToEmpty,
}

/// What a loop does when a task panics and nobody has polled its handle.
///
/// # Examples
/// ```
/// use arborio_executor::OnUnobservedPanic;
/// assert_eq!(OnUnobservedPanic::default(), OnUnobservedPanic::Propagate);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnUnobservedPanic {
    /// Every task is ended, and the panic goes on in the caller of `run`.
    #[default]
    Propagate,
    /// The observer is told, and the other tasks go on.
    Report,
}

/// What happens to the tasks that are left when `main` has ended.
///
/// # Examples
/// ```
/// assert_eq!(arborio_executor::Leftover::default(), arborio_executor::Leftover::Wait);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Leftover {
    /// `run` waits for every awaited one, and then asks the others to end.
    #[default]
    Wait,
    /// All are asked to end.
    Cancel,
}

/// How a loop runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoopOptions {
    /// Whether ready tasks can starve the I/O.
    pub drain: Drain,
    /// What an unobserved panic does.
    pub on_unobserved_panic: OnUnobservedPanic,
    /// What happens to what is left when `main` has ended.
    pub leftover: Leftover,
    /// Permutes what has no order by contract: wakes from other threads.
    pub seed: Option<u64>,
}
