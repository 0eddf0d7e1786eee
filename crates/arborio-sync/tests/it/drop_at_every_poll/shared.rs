//! What is written apart for each flavour: owners that are counted.

use std::{fmt::Debug, ops::Deref, rc::Rc, sync::Arc};

use arborio_sync::flavour::{
    AcquireOwned, Flavour, LockOwned, Mutex, Notify, OneThread, OwnedNotified, RwLock,
    RwLockReadOwned, RwLockWriteOwned, Semaphore, Threads,
};

/// A flavour, and how things are shared in it.
pub(super) trait Owners: Flavour + Debug {
    /// A thing with several owners.
    type Shared<T: 'static>: Deref<Target = T> + Clone + 'static;

    fn share<T: 'static>(value: T) -> Self::Shared<T>;

    /// The value of the last owner.
    fn alone<T: 'static>(shared: Self::Shared<T>) -> T;

    fn acquire_many_owned(
        semaphore: Self::Shared<Semaphore<Self>>,
        count: usize,
    ) -> AcquireOwned<Self>;

    fn lock_owned<T: 'static>(mutex: Self::Shared<Mutex<T, Self>>) -> LockOwned<T, Self>;

    fn read_owned<T: 'static>(lock: Self::Shared<RwLock<T, Self>>) -> RwLockReadOwned<T, Self>;

    fn write_owned<T: 'static>(lock: Self::Shared<RwLock<T, Self>>) -> RwLockWriteOwned<T, Self>;

    fn notified_owned(notify: Self::Shared<Notify<Self>>) -> OwnedNotified<Self>;
}

impl Owners for Threads {
    type Shared<T: 'static> = Arc<T>;

    fn share<T: 'static>(value: T) -> Arc<T> {
        Arc::new(value)
    }

    fn alone<T: 'static>(shared: Arc<T>) -> T {
        Arc::into_inner(shared).expect("an owner was leaked")
    }

    fn acquire_many_owned(semaphore: Arc<Semaphore<Self>>, count: usize) -> AcquireOwned<Self> {
        semaphore.acquire_many_owned(count)
    }

    fn lock_owned<T: 'static>(mutex: Arc<Mutex<T, Self>>) -> LockOwned<T, Self> {
        mutex.lock_owned()
    }

    fn read_owned<T: 'static>(lock: Arc<RwLock<T, Self>>) -> RwLockReadOwned<T, Self> {
        lock.read_owned()
    }

    fn write_owned<T: 'static>(lock: Arc<RwLock<T, Self>>) -> RwLockWriteOwned<T, Self> {
        lock.write_owned()
    }

    fn notified_owned(notify: Arc<Notify<Self>>) -> OwnedNotified<Self> {
        notify.notified_owned()
    }
}

impl Owners for OneThread {
    type Shared<T: 'static> = Rc<T>;

    fn share<T: 'static>(value: T) -> Rc<T> {
        Rc::new(value)
    }

    fn alone<T: 'static>(shared: Rc<T>) -> T {
        Rc::into_inner(shared).expect("an owner was leaked")
    }

    fn acquire_many_owned(semaphore: Rc<Semaphore<Self>>, count: usize) -> AcquireOwned<Self> {
        semaphore.acquire_many_owned(count)
    }

    fn lock_owned<T: 'static>(mutex: Rc<Mutex<T, Self>>) -> LockOwned<T, Self> {
        mutex.lock_owned()
    }

    fn read_owned<T: 'static>(lock: Rc<RwLock<T, Self>>) -> RwLockReadOwned<T, Self> {
        lock.read_owned()
    }

    fn write_owned<T: 'static>(lock: Rc<RwLock<T, Self>>) -> RwLockWriteOwned<T, Self> {
        lock.write_owned()
    }

    fn notified_owned(notify: Rc<Notify<Self>>) -> OwnedNotified<Self> {
        notify.notified_owned()
    }
}
