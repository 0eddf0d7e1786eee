//! Calls foreign code and keeps its panic from spreading.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
};

/// How many panics this process has contained. Only ever grows.
static CONTAINED: AtomicU64 = AtomicU64::new(0);

/// Runs `foreign` and returns its value, or `None` if it panicked.
///
/// For wakers, destructors and callbacks: code whose panic belongs to nobody
/// who could be told. The panic hook has already reported it; here it is
/// counted, and the caller goes on with what it was doing.
///
/// # Examples
/// ```
/// use arborio_base::{contain, contained_panics};
/// let before = contained_panics();
/// assert_eq!(contain(|| 7), Some(7));
/// assert_eq!(contain(|| panic!("somebody else's")), None::<()>);
/// assert!(contained_panics() > before);
/// ```
pub fn contain<R>(foreign: impl FnOnce() -> R) -> Option<R> {
    if cfg!(loom) {
        return Some(foreign()); // a model's failure is a panic: let it through
    }
    match catch_unwind(AssertUnwindSafe(foreign)) {
        Ok(value) => Some(value),
        Err(payload) => {
            // Relaxed: a statistic, it publishes nothing.
            CONTAINED.fetch_add(1, Ordering::Relaxed);
            discard_payload(payload);
            None
        }
    }
}

/// Drops `value` and contains the panic if its destructor has one.
///
/// # Examples
/// ```
/// struct Bomb;
/// impl Drop for Bomb {
///     fn drop(&mut self) {
///         panic!("in a destructor");
///     }
/// }
/// let before = arborio_base::contained_panics();
/// arborio_base::drop_contained(Bomb);
/// assert!(arborio_base::contained_panics() > before);
/// ```
pub fn drop_contained<T>(value: T) {
    contain(|| drop(value));
}

/// The number of panics that [`contain`] and [`drop_contained`] caught since
/// the process started, on all threads.
///
/// # Examples
/// ```
/// let before = arborio_base::contained_panics();
/// arborio_base::contain(|| panic!("counted"));
/// assert!(arborio_base::contained_panics() > before);
/// ```
pub fn contained_panics() -> u64 {
    CONTAINED.load(Ordering::Relaxed)
}

/// How many payloads in a row are dropped, of which each but the last panics.
const MOST_PAYLOADS: usize = 3;

/// A payload's own destructor may panic too, with another payload. If these do not come to an end, the last one is
/// leaked rather than let it end the process.
fn discard_payload(mut payload: Box<dyn Any + Send>) {
    for _ in 0..MOST_PAYLOADS {
        match catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            Ok(()) => return,
            Err(next) => payload = next,
        }
    }
    std::mem::forget(payload);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::panic_any;

    /// Panics when it is dropped.
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic_any("the payload");
        }
    }

    #[test]
    #[cfg(panic = "unwind")]
    fn a_payload_that_panics_when_it_is_dropped_is_contained_too() {
        let before = contained_panics();
        assert_eq!(contain(|| panic_any(Bomb)), None::<()>);
        assert!(contained_panics() > before);
    }

    #[test]
    #[cfg(panic = "unwind")]
    fn payloads_that_have_no_end_are_given_up() {
        static DROPPED: AtomicU64 = AtomicU64::new(0);

        /// Panics with another one when it is dropped.
        struct Hydra;

        impl Drop for Hydra {
            fn drop(&mut self) {
                DROPPED.fetch_add(1, Ordering::Relaxed);
                panic_any(Hydra);
            }
        }

        assert_eq!(contain(|| panic_any(Hydra)), None::<()>);
        assert_eq!(DROPPED.load(Ordering::Relaxed), MOST_PAYLOADS as u64);
    }

    #[test]
    #[cfg(panic = "unwind")]
    fn a_destructor_that_panics_is_contained_and_counted() {
        let before = contained_panics();
        drop_contained(Bomb);
        assert!(contained_panics() > before);
    }
}
