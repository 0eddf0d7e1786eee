//! Which types may be sent and shared.

use std::{cell::Cell, rc::Rc};

use arborio_task::{
    Interrupt, NoNotify, Payload, Reason, Running, SpawnOptions, Submitter, Task, TaskInfo, Tasks,
};

/// What holds where no inherent constant hides it.
trait Fallback {
    const HOLDS: bool = false;
}
impl<T: ?Sized> Fallback for T {}

/// True if `$type` implements `$marker`: the inherent constant hides the one of
/// the trait where its bound holds.
macro_rules! is {
    ($type:ty: $marker:ident) => {{
        struct Asked<T: ?Sized>(std::marker::PhantomData<T>);
        #[allow(dead_code, reason = "hides the constant of the trait")]
        impl<T: ?Sized + $marker> Asked<T> {
            const HOLDS: bool = true;
        }
        <Asked<$type>>::HOLDS
    }};
}

#[test]
fn f12_a_handle_is_send_if_its_output_is() {
    assert!(is!(Task<u8>: Send));
    assert!(is!(Task<Cell<u8>>: Send));
    assert!(!is!(Task<Rc<u8>>: Send));
    assert!(!is!(Task<*const u8>: Send));
}

/// Through a shared handle another thread gets a clone, so the output is both
/// read from two threads and sent.
#[test]
fn f12_a_handle_is_sync_if_its_output_is_send_and_sync() {
    assert!(is!(Task<u8>: Sync));
    assert!(!is!(Task<Cell<u8>>: Sync), "not Sync");
    assert!(!is!(Task<Rc<u8>>: Sync), "neither");
    assert!(
        !is!(Task<std::sync::MutexGuard<'static, u8>>: Sync),
        "not Send"
    );
    assert!(is!(Task<u8>: Unpin) && is!(Task<std::marker::PhantomPinned>: Unpin));
}

#[test]
fn f12_a_loop_stays_on_its_thread_and_its_submitters_do_not() {
    assert!(!is!(Tasks: Send) && !is!(Tasks: Sync));
    assert!(!is!(Running<'static>: Send) && !is!(Running<'static>: Sync));
    assert!(is!(Submitter: Send) && is!(Submitter: Sync));
    assert!(is!(SpawnOptions: Send) && is!(TaskInfo: Send) && is!(NoNotify: Send));
}

#[test]
fn f12_what_ended_a_task_may_be_sent_and_shared() {
    assert!(is!(Interrupt: Send) && is!(Interrupt: Sync));
    assert!(is!(Payload: Send) && is!(Payload: Sync));
    assert!(is!(Reason: Send) && is!(Reason: Sync));
}

/// Tasks on one thread may share a value with a future that is on another.
#[test]
fn h07_a_future_with_a_value_is_send_if_the_value_may_be_sent_and_shared() {
    use arborio_task::{TaskLocal, WithLocal};
    type Ready = std::future::Ready<()>;
    assert!(is!(WithLocal<u8, Ready>: Send));
    assert!(!is!(WithLocal<Cell<u8>, Ready>: Send), "not Sync");
    assert!(!is!(WithLocal<Rc<u8>, Ready>: Send), "neither");
    assert!(!is!(WithLocal<std::sync::MutexGuard<'static, u8>, Ready>: Send));
    assert!(is!(TaskLocal<Rc<u8>>: Sync));
}
