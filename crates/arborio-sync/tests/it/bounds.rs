//! What may be sent to another thread, and shared with it.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{Arc, MutexGuard as StdGuard},
};

use arborio_sync::flavour::{
    Acquire, AcquireOwned, Barrier, BarrierWait, Event, EventWait, Lock, LockOwned, Mutex,
    MutexGuard, OnceCell, OneThread, OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard,
    OwnedSemaphorePermit, RwLock, RwLockRead, RwLockReadGuard, RwLockReadOwned, RwLockWrite,
    RwLockWriteGuard, RwLockWriteOwned, Semaphore, SemaphorePermit, Threads,
};

/// What a probe says where it has nothing better to say.
trait Otherwise {
    const IS: bool = false;
}
impl<T: ?Sized> Otherwise for T {}

/// Whether a type has a property. An inherent constant goes before that of a
/// trait, and exists only where its bound holds.
macro_rules! is {
    ($type:ty: $bound:ident) => {{
        struct Probe<T: ?Sized>(std::marker::PhantomData<T>);
        #[allow(dead_code, reason = "where the bound does not hold")]
        impl<T: ?Sized + $bound> Probe<T> {
            const IS: bool = true;
        }
        <Probe<$type>>::IS
    }};
}

/// Asserts of each type whether it is `Send` and `Sync`.
macro_rules! bounds {
    ($($type:ty => $send:literal $sync:literal,)*) => {
        $(assert_eq!(
            (is!($type: Send), is!($type: Sync)),
            ($send, $sync),
            "{} is Send and Sync",
            stringify!($type),
        );)*
    };
}

/// Asserts that no type may be moved once it is pinned.
macro_rules! pinned {
    ($($type:ty,)*) => {
        $(assert!(!is!($type: Unpin), "{} is Unpin", stringify!($type));)*
    };
}

mod news;

/// `Send` and `Sync`.
type Both = u8;
/// `Send`, not `Sync`.
type Sends = Cell<u8>;
/// `Sync`, not `Send`.
type Syncs = StdGuard<'static, u8>;
/// Neither.
type Neither = Rc<u8>;

#[test]
fn the_probe_can_tell() {
    bounds! {
        Both => true true,
        Sends => true false,
        Syncs => false true,
        Neither => false false,
    }
}

#[test]
fn y10_what_has_no_value_goes_to_any_thread() {
    bounds! {
        Semaphore<Threads> => true true,
        SemaphorePermit<'static, Threads> => true true,
        OwnedSemaphorePermit<Threads> => true true,
        Acquire<'static, Threads> => true true,
        AcquireOwned<Threads> => true true,
        Event<Threads> => true true,
        EventWait<'static, Threads> => true true,
        Barrier<Threads> => true true,
        BarrierWait<'static, Threads> => true true,
    }
}

#[test]
fn y10_a_mutex_asks_that_its_value_may_be_sent() {
    bounds! {
        Mutex<Both, Threads> => true true,
        Mutex<Sends, Threads> => true true,
        Mutex<Syncs, Threads> => false false,
        Mutex<Neither, Threads> => false false,
        // A shared guard gives the value and the mutex.
        MutexGuard<'static, Both, Threads> => true true,
        MutexGuard<'static, Sends, Threads> => true false,
        MutexGuard<'static, Syncs, Threads> => false false,
        MutexGuard<'static, Neither, Threads> => false false,
        OwnedMutexGuard<Both, Threads> => true true,
        OwnedMutexGuard<Sends, Threads> => true false,
        OwnedMutexGuard<Syncs, Threads> => false false,
        OwnedMutexGuard<Neither, Threads> => false false,
        Lock<'static, Both, Threads> => true true,
        Lock<'static, Sends, Threads> => true true,
        Lock<'static, Syncs, Threads> => false false,
        LockOwned<Both, Threads> => true true,
        LockOwned<Sends, Threads> => true true,
        LockOwned<Syncs, Threads> => false false,
    }
}

#[test]
fn y10_a_read_write_lock_asks_that_its_value_may_be_sent_and_shared() {
    bounds! {
        RwLock<Both, Threads> => true true,
        RwLock<Sends, Threads> => true false,
        RwLock<Syncs, Threads> => false false,
        RwLock<Neither, Threads> => false false,
        RwLockReadGuard<'static, Both, Threads> => true true,
        RwLockReadGuard<'static, Sends, Threads> => false false,
        RwLockReadGuard<'static, Syncs, Threads> => false false,
        RwLockWriteGuard<'static, Both, Threads> => true true,
        RwLockWriteGuard<'static, Sends, Threads> => false false,
        RwLockWriteGuard<'static, Syncs, Threads> => false false,
        OwnedRwLockReadGuard<Both, Threads> => true true,
        OwnedRwLockReadGuard<Sends, Threads> => false false,
        OwnedRwLockReadGuard<Syncs, Threads> => false false,
        OwnedRwLockWriteGuard<Both, Threads> => true true,
        OwnedRwLockWriteGuard<Sends, Threads> => false false,
        OwnedRwLockWriteGuard<Syncs, Threads> => false false,
        RwLockRead<'static, Both, Threads> => true true,
        RwLockRead<'static, Sends, Threads> => false false,
        RwLockWrite<'static, Both, Threads> => true true,
        RwLockWrite<'static, Sends, Threads> => false false,
        RwLockReadOwned<Both, Threads> => true true,
        RwLockReadOwned<Sends, Threads> => false false,
        RwLockWriteOwned<Both, Threads> => true true,
        RwLockWriteOwned<Sends, Threads> => false false,
    }
}

#[test]
fn y10_a_cell_is_shared_if_its_value_may_be_sent_and_shared() {
    bounds! {
        OnceCell<Both, Threads> => true true,
        OnceCell<Sends, Threads> => true false,
        OnceCell<Syncs, Threads> => false false,
        OnceCell<Neither, Threads> => false false,
    }
}

#[test]
fn y10_what_is_for_one_thread_stays_there() {
    bounds! {
        Mutex<Both, OneThread> => false false,
        MutexGuard<'static, Both, OneThread> => false false,
        OwnedMutexGuard<Both, OneThread> => false false,
        Lock<'static, Both, OneThread> => false false,
        LockOwned<Both, OneThread> => false false,
        RwLock<Both, OneThread> => false false,
        RwLockReadGuard<'static, Both, OneThread> => false false,
        RwLockWriteGuard<'static, Both, OneThread> => false false,
        OwnedRwLockReadGuard<Both, OneThread> => false false,
        OwnedRwLockWriteGuard<Both, OneThread> => false false,
        RwLockRead<'static, Both, OneThread> => false false,
        RwLockWrite<'static, Both, OneThread> => false false,
        RwLockReadOwned<Both, OneThread> => false false,
        RwLockWriteOwned<Both, OneThread> => false false,
        OnceCell<Both, OneThread> => false false,
        Semaphore<OneThread> => false false,
        SemaphorePermit<'static, OneThread> => false false,
        OwnedSemaphorePermit<OneThread> => false false,
        Acquire<'static, OneThread> => false false,
        AcquireOwned<OneThread> => false false,
        Event<OneThread> => false false,
        EventWait<'static, OneThread> => false false,
        Barrier<OneThread> => false false,
        BarrierWait<'static, OneThread> => false false,
    }
}

#[test]
fn what_waits_in_line_cannot_be_moved() {
    pinned! {
        Lock<'static, Both, Threads>,
        LockOwned<Both, Threads>,
        RwLockRead<'static, Both, Threads>,
        RwLockWriteOwned<Both, Threads>,
        Acquire<'static, Threads>,
        AcquireOwned<OneThread>,
        EventWait<'static, OneThread>,
        BarrierWait<'static, Threads>,
    }
    assert!(is!(Mutex<Both, Threads>: Unpin), "the probe can tell");
}

#[test]
fn a_shared_mutex_may_be_unsized() {
    let mutex: Arc<arborio_sync::Mutex<dyn std::fmt::Debug + Send>> =
        Arc::new(arborio_sync::Mutex::new(1));
    let other = Arc::clone(&mutex);
    let text = std::thread::spawn(move || format!("{:?}", &*other.try_lock().unwrap()));
    assert_eq!(text.join().unwrap(), "1");
}
