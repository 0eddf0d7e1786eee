//! The name of a value that is set around futures.

use std::{error::Error, fmt, future::Future, marker::PhantomData, ptr, sync::Arc};

use super::{
    values,
    with_local::{WithLocal, bind},
};

/// Declares values that belong to a future and to the tasks that are spawned in it.
///
/// Each is a `static` of type [`TaskLocal`].
///
/// # Examples
/// ```
/// use arborio_task::task_local;
///
/// task_local! {
///     /// The request that is being served.
///     static REQUEST: u64;
///     static USER: &'static str;
/// }
///
/// assert!(REQUEST.try_with(|_| ()).is_err(), "not set");
/// let both = REQUEST.sync_scope(7, || USER.sync_scope("ada", || (REQUEST.get(), USER.get())));
/// assert_eq!(both, (7, "ada"));
/// ```
#[macro_export]
macro_rules! task_local {
    ($($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty);* $(;)?) => {
        $(
            $(#[$attribute])*
            $visibility static $name: $crate::TaskLocal<$type> = $crate::TaskLocal::__new();
        )*
    };
}

/// A value of a future, which the tasks that are spawned in it inherit. Declared with
/// [`task_local!`](crate::task_local).
///
/// A task has the value that was set when it was spawned, for its whole life, whatever is
/// set elsewhere later. It is inherited by every task that is spawned on the loop of this
/// thread: with `spawn`, as a task of a scope, in a group. A task that is sent to another
/// loop inherits nothing, nor does one that may go to another thread: those of a scope
/// under another executor see what is set around the scope. Destructors of a future see what it saw.
///
/// The value itself is shared, not copied: one that is to be changed has a `Cell` or a lock
/// inside. It is dropped with the last future or task that has it.
///
/// # Examples
/// ```
/// # use arborio_task::{NoNotify, SpawnOptions, Tasks, try_spawn};
/// use arborio_task::task_local;
///
/// task_local! { static REQUEST: u64 }
///
/// let main = REQUEST.scope(7, async {
///     let child = async { REQUEST.get() };
///     let child = try_spawn(child, SpawnOptions::new()).ok().unwrap();
///     let other = REQUEST.scope(8, async { REQUEST.get() }).await;
///     (child.await.unwrap(), other)
/// });
/// # let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
/// let (_, both) = tasks.run_main(main, |running| while running.run_next() {});
/// assert_eq!(both.unwrap(), (7, 8));
/// ```
#[doc(alias("ContextVar", "LocalKey"))]
pub struct TaskLocal<T: 'static> {
    /// Gives it a size, so that each has an address of its own: that is who it is.
    _size: u8,
    value: PhantomData<fn() -> T>,
}

impl<T: 'static> TaskLocal<T> {
    /// For the macro.
    #[doc(hidden)]
    pub const fn __new() -> Self {
        Self {
            _size: 0,
            value: PhantomData,
        }
    }

    pub(super) fn address(&'static self) -> *const () {
        ptr::from_ref(self).cast()
    }

    /// Sets the value around `future`, while it is polled and dropped, under any
    /// executor. What was set outside is there again in between and afterwards.
    ///
    /// Each poll of it allocates once.
    ///
    /// # Cancel safety
    /// As safe as `future`.
    ///
    /// # Examples
    /// ```
    /// arborio_task::task_local! { static DEPTH: u32 }
    /// let nested = DEPTH.scope(1, async {
    ///     let inside = DEPTH.scope(DEPTH.get() + 1, async { DEPTH.get() }).await;
    ///     (inside, DEPTH.get())
    /// });
    /// # let tasks = arborio_task::Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
    /// let (_, depths) = tasks.run_main(nested, |running| while running.run_next() {});
    /// assert_eq!(depths.unwrap(), (2, 1));
    /// ```
    pub fn scope<F: Future>(&'static self, value: T, future: F) -> WithLocal<T, F> {
        WithLocal::new(self, value, future)
    }

    /// Sets the value while `code` runs.
    ///
    /// # Examples
    /// ```
    /// arborio_task::task_local! { static WORD: String }
    /// let length = WORD.sync_scope("risotto".into(), || WORD.with(|word| word.len()));
    /// assert_eq!(length, 7);
    /// ```
    pub fn sync_scope<R>(&'static self, value: T, code: impl FnOnce() -> R) -> R {
        values::within(Some(bind(self, &Arc::new(value))), code)
    }

    /// Calls `code` with the value.
    ///
    /// # Panics
    /// If none is set here; [`try_with`](Self::try_with) tells.
    ///
    /// # Examples
    /// ```
    /// arborio_task::task_local! { static WORDS: Vec<&'static str> }
    /// let count = WORDS.sync_scope(vec!["rice", "wine"], || WORDS.with(Vec::len));
    /// assert_eq!(count, 2);
    /// ```
    #[track_caller]
    pub fn with<R>(&'static self, code: impl FnOnce(&T) -> R) -> R {
        match self.try_with(code) {
            Ok(result) => result,
            Err(NoValue) => panic!(
                "no value is set here for a task-local `{}`",
                std::any::type_name::<T>()
            ),
        }
    }

    /// Calls `code` with the value, if one is set here.
    ///
    /// # Errors
    /// [`NoValue`] if none is.
    ///
    /// # Examples
    /// ```
    /// arborio_task::task_local! { static PORT: u16 }
    /// assert_eq!(PORT.try_with(|port| *port), Err(arborio_task::NoValue));
    /// assert_eq!(PORT.sync_scope(80, || PORT.try_with(|port| *port)), Ok(80));
    /// ```
    pub fn try_with<R>(&'static self, code: impl FnOnce(&T) -> R) -> Result<R, NoValue> {
        let found = values::find(self.address(), |value| value.downcast_ref().map(code));
        found.flatten().ok_or(NoValue)
    }

    /// A clone of the value.
    ///
    /// # Panics
    /// If none is set here.
    ///
    /// # Examples
    /// ```
    /// arborio_task::task_local! { static PORT: u16 }
    /// assert_eq!(PORT.sync_scope(80, || PORT.get()), 80);
    /// ```
    #[track_caller]
    pub fn get(&'static self) -> T
    where
        T: Clone,
    {
        self.with(T::clone)
    }
}

impl<T: 'static> fmt::Debug for TaskLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskLocal").finish_non_exhaustive()
    }
}

/// No value is set for the [`TaskLocal`] where it was asked for.
///
/// # Examples
/// ```
/// assert_eq!(arborio_task::NoValue.to_string(), "the task-local has no value here");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoValue;

impl fmt::Display for NoValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task-local has no value here")
    }
}

impl Error for NoValue {}
