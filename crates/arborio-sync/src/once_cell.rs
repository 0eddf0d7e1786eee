//! A cell that is filled once, by an async function.
//!
//! # States
//! | `turns`            | `slot` | meaning                                        |
//! |--------------------|--------|------------------------------------------------|
//! | the permit is free | empty  | nobody has begun                               |
//! | it is taken        | empty  | its owner initialises                          |
//! | it is taken        | full   | its owner is about to close `turns`            |
//! | closed             | full   | done; nothing changes any more                 |
//!
//! # Invariants
//! - O1: only the owner of the permit fills the slot, and it is never given back
//!   after that. So the slot is filled once.
//! - O2: `turns` is closed, and `ready` set, after the slot was filled.

use std::{convert::Infallible, error::Error, fmt, future::Future};

use crate::{
    blocking::block_on,
    event::Event,
    flavour::Flavour,
    permits::{Order, Permits, Take, Taken},
    slot::Slot,
};

/// A cell that is filled once, by the first of those who want its value.
///
/// Under the name [`arborio_sync::OnceCell`](crate::OnceCell) for any threads, and
/// [`local::OnceCell`](crate::local::OnceCell) for one.
///
/// # Fairness
/// Those who come while somebody initialises wait in line. If the initialiser
/// fails, panics or is dropped, the next in line tries with its own.
///
/// An initialiser must not wait for the cell that it is to fill: that is a
/// deadlock.
///
/// # Examples
/// ```
/// use arborio_sync::OnceCell;
///
/// static GREETING: OnceCell<String> = OnceCell::new();
///
/// async fn greeting() -> &'static str {
///     GREETING.get_or_init(|| async { String::from("hello") }).await
/// }
///
/// # futures_lite::future::block_on(async {
/// assert_eq!(greeting().await, "hello");
/// assert!(std::ptr::eq(greeting().await, greeting().await));
/// # });
/// ```
pub struct OnceCell<T, F: Flavour> {
    slot: F::Slot<T>,
    /// One permit: the right to fill the slot (O1).
    turns: Permits<F>,
    /// Set once the slot is full: for those who only wait.
    ready: Event<F>,
}

impl<T, F: Flavour> OnceCell<T, F> {
    const_fn! {
        /// An empty cell.
        ///
        /// # Examples
        /// ```
        /// static PORT: arborio_sync::OnceCell<u16> = arborio_sync::OnceCell::new();
        /// assert_eq!(PORT.get(), None);
        /// ```
        pub const fn new() -> Self {
            Self {
                slot: F::Slot::EMPTY,
                turns: Permits::new(1, Order::Fifo),
                ready: Event::new(),
            }
        }
    }

    /// The value, if it is there.
    ///
    /// # Examples
    /// ```
    /// let cell = arborio_sync::OnceCell::from(7);
    /// assert_eq!(cell.get(), Some(&7));
    /// ```
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.slot.get()
    }

    /// The value, to be changed: nobody else has the cell.
    ///
    /// # Examples
    /// ```
    /// let mut cell = arborio_sync::OnceCell::from(7);
    /// *cell.get_mut().unwrap() += 1;
    /// assert_eq!(cell.into_inner(), Some(8));
    /// ```
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.slot.get_mut()
    }

    /// Whether the value is there.
    ///
    /// # Examples
    /// ```
    /// assert!(!arborio_sync::OnceCell::<u8>::new().is_initialized());
    /// ```
    pub fn is_initialized(&self) -> bool {
        self.get().is_some()
    }

    /// Fills the cell, if it is empty and nobody initialises it.
    ///
    /// # Errors
    /// [`SetError`] says which of the two it is, and has the value.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::{OnceCell, SetError};
    /// let cell = OnceCell::new();
    /// assert_eq!(cell.set(1), Ok(()));
    /// assert_eq!(cell.set(2), Err(SetError::Initialized(2)));
    /// ```
    pub fn set(&self, value: T) -> Result<(), SetError<T>> {
        if self.is_initialized() {
            return Err(SetError::Initialized(value));
        }
        match self.turns.try_take(1) {
            Taken::Yes => {
                Turn(self).fill(value);
                Ok(())
            }
            Taken::NotNow => Err(SetError::Initializing(value)),
            Taken::Closed => Err(SetError::Initialized(value)),
        }
    }

    /// The value; if it is not there, that of `init`, unless somebody else's
    /// initialiser is faster.
    ///
    /// # Panics
    /// If `init` panics, with its panic. The cell stays empty, and the next in
    /// line tries.
    ///
    /// # Cancel safety
    /// Dropping the future drops its initialiser, and the next in line tries with
    /// its own.
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let cell = arborio_sync::OnceCell::new();
    /// assert_eq!(*cell.get_or_init(|| async { 1 }).await, 1);
    /// assert_eq!(*cell.get_or_init(|| async { 2 }).await, 1);
    /// # });
    /// ```
    pub async fn get_or_init<I, Fut>(&self, init: I) -> &T
    where
        I: FnOnce() -> Fut,
        Fut: Future<Output = T>,
    {
        let init = async move || Ok::<T, Infallible>(init().await);
        match self.get_or_try_init(init).await {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// The value; if it is not there, that of `init`, unless somebody else's
    /// initialiser is faster.
    ///
    /// # Errors
    /// What `init` fails with. The cell stays empty, and the next in line tries.
    ///
    /// # Panics
    /// If `init` panics, with its panic. The cell stays empty as well.
    ///
    /// # Cancel safety
    /// Dropping the future drops its initialiser, and the next in line tries with
    /// its own.
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let cell = arborio_sync::OnceCell::new();
    /// assert_eq!(cell.get_or_try_init(|| async { "x".parse::<u8>() }).await.ok(), None);
    /// assert_eq!(cell.get_or_try_init(|| async { "7".parse::<u8>() }).await, Ok(&7));
    /// # });
    /// ```
    pub async fn get_or_try_init<I, Fut, E>(&self, init: I) -> Result<&T, E>
    where
        I: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        if let Some(value) = self.get() {
            return Ok(value);
        }
        match Take::new(&self.turns, 1).await {
            Ok(()) => {
                let turn = Turn(self);
                let value = init().await?;
                Ok(turn.fill(value))
            }
            Err(_) => Ok(self.get().expect("closed once the slot is full (O2)")),
        }
    }

    /// The value; if it is not there, that of `init`. Waits with the whole thread
    /// while somebody else initialises.
    ///
    /// # Panics
    /// In a task of an Arborio loop, which it would hold up, and if `init` panics.
    ///
    /// # Examples
    /// ```
    /// let cell = arborio_sync::OnceCell::new();
    /// assert_eq!(*cell.blocking_get_or_init(|| 7), 7);
    /// ```
    #[track_caller]
    pub fn blocking_get_or_init(&self, init: impl FnOnce() -> T) -> &T {
        block_on(self.get_or_init(async || init()))
    }

    /// Waits until somebody has filled the cell.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    /// ```
    /// use futures_lite::future::{block_on, zip};
    /// # block_on(async {
    /// let cell = arborio_sync::OnceCell::new();
    /// let (value, _) = zip(cell.wait(), async { cell.set(7) }).await;
    /// assert_eq!(*value, 7);
    /// # });
    /// ```
    pub async fn wait(&self) -> &T {
        if let Some(value) = self.get() {
            return value;
        }
        self.ready.wait().await;
        self.get().expect("ready once the slot is full (O2)")
    }

    /// Waits, with the whole thread, until somebody has filled the cell.
    ///
    /// # Panics
    /// In a task of an Arborio loop, which it would hold up.
    ///
    /// # Examples
    /// ```
    /// let cell = arborio_sync::OnceCell::new();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| cell.set(7));
    ///     assert_eq!(*cell.blocking_wait(), 7);
    /// });
    /// ```
    #[track_caller]
    pub fn blocking_wait(&self) -> &T {
        block_on(self.wait())
    }

    /// Takes the value out and leaves an empty cell.
    ///
    /// # Examples
    /// ```
    /// let mut cell = arborio_sync::OnceCell::from(7);
    /// assert_eq!(cell.take(), Some(7));
    /// assert_eq!(cell.get(), None);
    /// ```
    pub fn take(&mut self) -> Option<T> {
        std::mem::take(self).into_inner()
    }

    /// Takes the value out.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio_sync::OnceCell::from(7).into_inner(), Some(7));
    /// ```
    pub fn into_inner(self) -> Option<T> {
        self.slot.into_inner()
    }
}

/// The right to fill the cell. Its drop lets the next one try.
struct Turn<'a, T, F: Flavour>(&'a OnceCell<T, F>);

impl<'a, T, F: Flavour> Turn<'a, T, F> {
    /// Fills the cell, and tells everybody.
    fn fill(self, value: T) -> &'a T {
        let cell = self.0;
        let filled = cell.slot.fill(value);
        debug_assert!(filled.is_ok(), "the owner of the permit fills it (O1)");
        std::mem::forget(self); // the permit is never given back (O1)
        cell.turns.close();
        cell.ready.set();
        cell.get().expect("it was filled just now")
    }
}

impl<T, F: Flavour> Drop for Turn<'_, T, F> {
    fn drop(&mut self) {
        self.0.turns.give(1);
    }
}

impl<T, F: Flavour> Default for OnceCell<T, F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, F: Flavour> From<T> for OnceCell<T, F> {
    fn from(value: T) -> Self {
        let cell = Self::new();
        let filled = cell.set(value);
        debug_assert!(filled.is_ok(), "nobody else has the cell");
        cell
    }
}

impl<T: fmt::Debug, F: Flavour> fmt::Debug for OnceCell<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Some(value) => f.debug_tuple("OnceCell").field(value).finish(),
            None => f.write_str("OnceCell(<empty>)"),
        }
    }
}

/// A cell was not filled; the value comes back.
///
/// # Examples
/// ```
/// use arborio_sync::OnceCell;
/// let error = OnceCell::from(1).set(2).unwrap_err();
/// assert_eq!(error.to_string(), "the cell has a value already");
/// assert_eq!(error.into_inner(), 2);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SetError<T> {
    /// It has a value already.
    Initialized(T),
    /// Somebody initialises it, or is about to.
    Initializing(T),
}

impl<T> SetError<T> {
    /// The value that was to be set.
    ///
    /// # Examples
    /// ```
    /// let error = arborio_sync::OnceCell::from(1).set(2).unwrap_err();
    /// assert_eq!(error.into_inner(), 2);
    /// ```
    pub fn into_inner(self) -> T {
        match self {
            Self::Initialized(value) | Self::Initializing(value) => value,
        }
    }
}

impl<T> fmt::Debug for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initialized(_) => "Initialized(..)",
            Self::Initializing(_) => "Initializing(..)",
        })
    }
}

impl<T> fmt::Display for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initialized(_) => "the cell has a value already",
            Self::Initializing(_) => "somebody initialises the cell",
        })
    }
}

impl<T> Error for SetError<T> {}
