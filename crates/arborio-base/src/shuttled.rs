//! What shuttle has no twin of: the rest of the shim for `--cfg shuttle`.
//!
//! Shuttle runs all threads of a schedule on one, so thread-locals must be its own; its keys lack some of the standard
//! library's methods, which [`LocalKey`] has. And it has no time: an [`Instant`] knows nothing, and how much later another
//! one is, is anybody's guess. So code that measures takes all its branches, and each schedule can be replayed.

use std::{
    cell::{Cell, RefCell},
    cmp::Ordering,
    time::Duration,
};

use shuttle::rand::RngCore;

/// A number below `bound` that belongs to the schedule.
pub fn random_below(bound: usize) -> usize {
    let number = shuttle::rand::thread_rng().next_u64() >> 8;
    (number % bound.max(1) as u64) as usize
}

/// A moment.
#[derive(Clone, Copy, Debug)]
pub struct Instant(());

/// From below to above every limit at which the scheduler does one thing or the other.
const TIMES: [Duration; 5] = [
    Duration::from_nanos(50),
    Duration::from_nanos(50),
    Duration::from_micros(3),
    Duration::from_micros(30),
    Duration::from_millis(1),
];

impl Instant {
    /// The present one.
    pub fn now() -> Self {
        Self(())
    }

    /// How long ago it was: each time something else.
    pub fn elapsed(&self) -> Duration {
        TIMES[random_below(TIMES.len())]
    }

    /// How much later it is than `earlier`: each time something else.
    pub fn duration_since(&self, _earlier: Self) -> Duration {
        self.elapsed()
    }
}

/// Whether two moments are the same is anybody's guess as well.
impl PartialEq for Instant {
    fn eq(&self, _: &Self) -> bool {
        random_below(2) == 0
    }
}

/// So is which of them comes first.
impl PartialOrd for Instant {
    fn partial_cmp(&self, _: &Self) -> Option<Ordering> {
        Some(match random_below(2) {
            0 => Ordering::Less,
            _ => Ordering::Greater,
        })
    }
}

/// A thread-local of shuttle's, with the methods of the standard library's. Made by `thread_local!`.
#[derive(Debug)]
pub struct LocalKey<T: 'static>(&'static shuttle::thread::LocalKey<T>);

impl<T: 'static> LocalKey<T> {
    #[doc(hidden)]
    pub const fn new(key: &'static shuttle::thread::LocalKey<T>) -> Self {
        Self(key)
    }

    /// Does `code` with the value of this thread.
    pub fn with<R>(&self, code: impl FnOnce(&T) -> R) -> R {
        self.0.with(code)
    }

    /// The same, unless the thread is too far in its end.
    ///
    /// # Errors
    /// If it is.
    pub fn try_with<R>(
        &self,
        code: impl FnOnce(&T) -> R,
    ) -> Result<R, shuttle::thread::AccessError> {
        self.0.try_with(code)
    }
}

impl<T: 'static> LocalKey<Cell<T>> {
    /// What the cell of this thread holds.
    pub fn get(&self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    /// Makes it hold `value`.
    pub fn set(&self, value: T) {
        self.with(|cell| cell.set(value));
    }

    /// Makes it hold `value`, and returns what it held.
    pub fn replace(&self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> LocalKey<RefCell<T>> {
    /// Makes the cell of this thread hold `value`, and returns what it held.
    pub fn replace(&self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

/// `std::thread_local!`, for shuttle's threads.
#[doc(hidden)]
#[macro_export]
macro_rules! shuttled_thread_local {
    () => {};
    ($(#[$attr:meta])* $vis:vis static $name:ident: $t:ty = const { $init:expr }; $($rest:tt)*) => {
        $crate::shuttled_thread_local!($(#[$attr])* $vis static $name: $t = $init; $($rest)*);
    };
    ($(#[$attr:meta])* $vis:vis static $name:ident: $t:ty = $init:expr; $($rest:tt)*) => {
        $(#[$attr])*
        $vis static $name: $crate::sync::LocalKey<$t> = {
            $crate::sync::shuttle::thread_local! { static KEY: $t = $init; }
            $crate::sync::LocalKey::new(&KEY)
        };
        $crate::shuttled_thread_local!($($rest)*);
    };
}
