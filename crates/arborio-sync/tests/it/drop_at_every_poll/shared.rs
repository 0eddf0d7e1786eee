//! What is written apart for each flavour: owners that are counted.

use std::{fmt::Debug, ops::Deref, rc::Rc, sync::Arc};

use arborio_sync::flavour::{AcquireOwned, Flavour, OneThread, Semaphore, Threads};

/// A flavour, and how things are shared in it.
pub(super) trait Owners: Flavour + Debug {
    /// A thing with several owners.
    type Shared<T: 'static>: Deref<Target = T> + Clone + 'static;

    fn share<T>(value: T) -> Self::Shared<T>;

    /// The value of the last owner.
    fn alone<T>(shared: Self::Shared<T>) -> T;

    fn acquire_many_owned(
        semaphore: Self::Shared<Semaphore<Self>>,
        count: usize,
    ) -> AcquireOwned<Self>;
}

impl Owners for Threads {
    type Shared<T: 'static> = Arc<T>;

    fn share<T>(value: T) -> Arc<T> {
        Arc::new(value)
    }

    fn alone<T>(shared: Arc<T>) -> T {
        Arc::into_inner(shared).expect("an owner was leaked")
    }

    fn acquire_many_owned(semaphore: Arc<Semaphore<Self>>, count: usize) -> AcquireOwned<Self> {
        semaphore.acquire_many_owned(count)
    }
}

impl Owners for OneThread {
    type Shared<T: 'static> = Rc<T>;

    fn share<T>(value: T) -> Rc<T> {
        Rc::new(value)
    }

    fn alone<T>(shared: Rc<T>) -> T {
        Rc::into_inner(shared).expect("an owner was leaked")
    }

    fn acquire_many_owned(semaphore: Rc<Semaphore<Self>>, count: usize) -> AcquireOwned<Self> {
        semaphore.acquire_many_owned(count)
    }
}
