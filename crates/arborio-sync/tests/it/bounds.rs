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
    channel::{self, OneReceiver},
    mpmc, mpsc, oneshot,
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
fn y10_the_ends_of_a_channel_ask_that_its_messages_may_be_sent() {
    bounds! {
        mpsc::Sender<Both, Threads> => true true,
        mpsc::Sender<Sends, Threads> => true true,
        mpsc::Sender<Syncs, Threads> => false false,
        mpsc::Sender<Neither, Threads> => false false,
        mpsc::WeakSender<Sends, Threads> => true true,
        mpsc::WeakSender<Syncs, Threads> => false false,
        mpsc::Permit<'static, Sends, Threads> => true true,
        mpsc::Permit<'static, Syncs, Threads> => false false,
        mpsc::OwnedPermit<Sends, Threads> => true true,
        mpsc::OwnedPermit<Syncs, Threads> => false false,
        mpsc::Receiver<Sends, Threads> => true true,
        mpsc::Receiver<Syncs, Threads> => false false,
        mpsc::UnboundedSender<Sends, Threads> => true true,
        mpsc::UnboundedSender<Syncs, Threads> => false false,
        mpsc::WeakUnboundedSender<Syncs, Threads> => false false,
        // A shared receiver shows no message.
        mpsc::UnboundedReceiver<Sends, Threads> => true true,
        mpsc::UnboundedReceiver<Syncs, Threads> => false false,
        mpmc::Sender<Sends, Threads> => true true,
        mpmc::Sender<Syncs, Threads> => false false,
        mpmc::Receiver<Sends, Threads> => true true,
        mpmc::Receiver<Syncs, Threads> => false false,
        mpmc::Recv<'static, Sends, Threads> => true true,
        mpmc::Recv<'static, Syncs, Threads> => false false,
        mpmc::IntoStream<Sends, Threads> => true true,
        mpmc::IntoStream<Syncs, Threads> => false false,
        oneshot::Sender<Sends, Threads> => true true,
        oneshot::Sender<Syncs, Threads> => false false,
        oneshot::Receiver<Sends, Threads> => true true,
        oneshot::Receiver<Syncs, Threads> => false false,
        // A send has the message with it.
        channel::Send<'static, Both, Threads, OneReceiver> => true true,
        channel::Send<'static, Sends, Threads, OneReceiver> => true false,
        channel::Send<'static, Syncs, Threads, OneReceiver> => false false,
        channel::Reserve<'static, Sends, Threads, OneReceiver> => true true,
        channel::ReserveOwned<Syncs, Threads, OneReceiver> => false false,
    }
}

#[test]
fn y10_the_ends_of_a_channel_for_one_thread_stay_there() {
    bounds! {
        mpsc::Sender<Both, OneThread> => false false,
        mpsc::WeakSender<Both, OneThread> => false false,
        mpsc::Permit<'static, Both, OneThread> => false false,
        mpsc::OwnedPermit<Both, OneThread> => false false,
        mpsc::Receiver<Both, OneThread> => false false,
        mpsc::UnboundedSender<Both, OneThread> => false false,
        mpsc::UnboundedReceiver<Both, OneThread> => false false,
        mpmc::Receiver<Both, OneThread> => false false,
        mpmc::Recv<'static, Both, OneThread> => false false,
        mpmc::IntoStream<Both, OneThread> => false false,
        oneshot::Sender<Both, OneThread> => false false,
        oneshot::Receiver<Both, OneThread> => false false,
        channel::Send<'static, Both, OneThread, OneReceiver> => false false,
        channel::ReserveOwned<Both, OneThread, OneReceiver> => false false,
    }
}

#[test]
fn y10_what_waits_for_a_message_goes_to_any_thread() {
    fn goes<T: Send>(_: T) {}
    let (sender, mut receiver) = mpsc::channel::<Sends, Threads>(1);
    goes(sender.closed());
    goes(receiver.recv());
    goes(receiver.recv_many(&mut Vec::new(), 1));
    let (sender, mut receiver) = mpsc::unbounded::<Sends, Threads>();
    goes(sender.closed());
    goes(receiver.recv());
    let (mut sender, _receiver) = oneshot::channel::<Sends, Threads>();
    goes(sender.closed());
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
        channel::Send<'static, Both, Threads, OneReceiver>,
        channel::ReserveOwned<Both, Threads, OneReceiver>,
        mpmc::Recv<'static, Both, Threads>,
        mpmc::IntoStream<Both, OneThread>,
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
