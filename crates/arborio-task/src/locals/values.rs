//! The values that are set for the code that runs now on this thread.
//!
//! A chain of bindings, the innermost first, with at most one for each key: what is
//! hidden is left out, so that tasks which set a value and spawn each other for ever do
//! not pile up what was set before. Inheriting is counting the chain once more.
//!
//! Bindings stay on their thread. The values are shared with the futures that set them,
//! which may be elsewhere if the values may.
//!
//! # Invariants
//! - V1: `INNERMOST` is null, or points to a binding that a call of [`within`] on this
//!   thread's stack keeps alive until it has put back what was there before.

use std::{any::Any, cell::Cell, ptr, rc::Rc, sync::Arc};

use arborio_base::{drop_contained, sync::thread_local};

thread_local! {
    /// The innermost binding. It has no destructor, so reading it is one load, at any
    /// time of the thread's life. Models set no values and may share it.
    static INNERMOST: Cell<*const Values> = const { Cell::new(ptr::null()) };
}

/// One binding, and those around it.
pub(crate) struct Values {
    /// The address of the key.
    key: *const (),
    value: Arc<dyn Any>,
    outer: Option<Rc<Self>>,
}

/// Whether any value is set here.
#[inline(always)]
pub(crate) fn any() -> bool {
    !INNERMOST.get().is_null()
}

/// What is set here, to be set elsewhere on this thread.
pub(crate) fn snapshot() -> Option<Rc<Values>> {
    let innermost = INNERMOST.get();
    if innermost.is_null() {
        return None;
    }
    // SAFETY: it was made by `Rc::as_ptr` and is alive (V1).
    unsafe { Rc::increment_strong_count(innermost) };
    // SAFETY: counted just now.
    Some(unsafe { Rc::from_raw(innermost) })
}

/// Calls `code` with the value of `key`, if there is one.
pub(super) fn find<R>(key: *const (), code: impl FnOnce(&dyn Any) -> R) -> Option<R> {
    // SAFETY: null or alive (V1), until the call of `within` returns that this is inside.
    let mut binding = unsafe { INNERMOST.get().as_ref() };
    while let Some(values) = binding {
        if ptr::eq(values.key, key) {
            return Some(code(&*values.value));
        }
        binding = values.outer.as_deref();
    }
    None
}

/// Runs `code` where `values` are set, and no others.
pub(crate) fn within<R>(values: Option<Rc<Values>>, code: impl FnOnce() -> R) -> R {
    /// Puts back what was set before, then lets go of what was set here.
    struct PutBack {
        outside: *const Values,
        inside: Option<Rc<Values>>,
    }
    impl Drop for PutBack {
        fn drop(&mut self) {
            INNERMOST.set(self.outside); // V1
            if std::thread::panicking() {
                // A second panic would end the process.
                drop_contained(self.inside.take());
            }
        }
    }
    let innermost = values.as_ref().map_or(ptr::null(), Rc::as_ptr);
    let _put_back = PutBack {
        outside: INNERMOST.replace(innermost), // V1
        inside: values,
    };
    code()
}

/// Runs `code`, which belongs to another task, where nothing is set.
#[inline]
pub(crate) fn outside<R>(code: impl FnOnce() -> R) -> R {
    within(None, code)
}

/// What is set here, and `value` for `key`.
pub(super) fn bind(key: *const (), value: Arc<dyn Any>) -> Rc<Values> {
    let outer = snapshot().and_then(|outer| without(outer, key));
    Rc::new(Values { key, value, outer })
}

/// The chain without the binding of `key`, if it has one.
fn without(chain: Rc<Values>, key: *const ()) -> Option<Rc<Values>> {
    let (mut inside, mut next) = (Vec::new(), Some(&chain));
    while let Some(values) = next {
        if ptr::eq(values.key, key) {
            let rest = values.outer.clone();
            let chain = inside.into_iter().rfold(rest, |outer, values: &Values| {
                let (key, value) = (values.key, Arc::clone(&values.value));
                Some(Rc::new(Values { key, value, outer }))
            });
            return chain;
        }
        inside.push(&**values);
        next = values.outer.as_ref();
    }
    drop(inside);
    Some(chain)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_value_hides_the_one_before_of_its_key_and_no_other() {
        let keys = [1_u8, 2, 3];
        let [first, second, third] = keys.each_ref().map(|key| ptr::from_ref(key).cast::<()>());
        let bind = |key, value: i32, code: &mut dyn FnMut()| {
            within(Some(super::bind(key, Arc::new(value))), code);
        };
        let get = |key| find(key, |value| *value.downcast_ref::<i32>().unwrap());
        let length = || {
            let mut next = snapshot();
            std::iter::from_fn(|| {
                let values = next.take()?;
                next.clone_from(&values.outer);
                Some(())
            })
            .count()
        };
        bind(first, 1, &mut || {
            bind(second, 2, &mut || {
                assert_eq!([first, second, third].map(get), [Some(1), Some(2), None]);
                bind(first, 3, &mut || {
                    assert_eq!([first, second, third].map(get), [Some(3), Some(2), None]);
                    assert_eq!(length(), 2, "what is hidden is left out");
                });
                assert_eq!(get(first), Some(1));
            });
        });
        assert!(!any());
    }
}
