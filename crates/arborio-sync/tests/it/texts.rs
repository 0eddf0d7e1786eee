//! What handles, guards and errors say of themselves, where no other test asks.

use std::{fmt::Debug, rc::Rc, sync::Arc};

use arborio_sync::{
    AlreadyDone, Closed, SetError, TooManyPermits, TryAcquireError, broadcast,
    flavour::{self, Flavour},
    mpsc, watch,
};

use crate::support::in_both_flavours;

in_both_flavours! {
    an_event_shows_whether_it_is_set,
    handles_of_a_channel_show_their_names,
}

fn an_event_shows_whether_it_is_set<F: Flavour>() {
    let event = flavour::Event::<F>::new();
    assert_eq!(shown(&event), "Event { set: false }");
    event.set();
    assert_eq!(shown(&event), "Event { set: true }");
}

fn handles_of_a_channel_show_their_names<F: Flavour>() {
    let (sender, _receiver) = flavour::mpsc::channel::<u8, F>(2);
    assert_eq!(shown(&sender.downgrade()), "WeakSender");
    assert_eq!(shown(&sender.try_reserve().unwrap()), "Permit");
    assert_eq!(shown(&sender.try_reserve_owned().unwrap()), "OwnedPermit");
    let (sender, _receiver) = flavour::mpsc::unbounded::<u8, F>();
    assert_eq!(shown(&sender.downgrade()), "WeakUnboundedSender");
}

#[test]
fn owned_guards_show_what_they_guard() {
    let mutex = Arc::new(arborio_sync::Mutex::new("a"));
    let guard = Arc::clone(&mutex).try_lock_owned().unwrap();
    assert_eq!(format!("{guard:?} {guard}"), r#""a" a"#);
    let lock = Arc::new(arborio_sync::RwLock::new("b"));
    let reader = Arc::clone(&lock).try_read_owned().unwrap();
    assert_eq!(format!("{reader:?} {reader}"), r#""b" b"#);
    drop(reader);
    let writer = Arc::clone(&lock).try_write_owned().unwrap();
    assert_eq!(format!("{writer:?} {writer}"), r#""b" b"#);
    let semaphore = Rc::new(arborio_sync::local::Semaphore::new(3));
    let permit = semaphore.try_acquire_many_owned(2).unwrap();
    assert_eq!(shown(&permit), "OwnedSemaphorePermit { count: 2 }");
}

#[test]
fn errors_of_channels_say_what_went_wrong() {
    use mpsc::{RecvError, SendError, TryRecvError, TrySendError};
    let refused = "the channel is closed: nobody will receive the message";
    assert_eq!(SendError(1).to_string(), refused);
    assert_eq!(TrySendError::from(SendError(1)).to_string(), refused);
    assert_eq!(TrySendError::Full(1).to_string(), "the channel is full");
    assert_eq!(shown(&TrySendError::Closed(1)), "Closed(..)");
    let over = "the channel is closed: no message will come";
    assert_eq!(RecvError.to_string(), over);
    assert_eq!(TryRecvError::from(RecvError).to_string(), over);
    assert_eq!(TryRecvError::Empty.to_string(), "the channel is empty");
}

#[test]
fn errors_of_broadcasts_say_what_went_wrong() {
    use broadcast::{Lagged, RecvError, SendError, TryRecvError};
    let refused = "the broadcast has no receiver for the message";
    assert_eq!(SendError(1).to_string(), refused);
    let one = "the receiver was too slow and missed 1 message";
    assert_eq!(Lagged(1).to_string(), one);
    let two = "the receiver was too slow and missed 2 messages";
    assert_eq!(RecvError::Lagged(2).to_string(), two);
    let over = "the broadcast is closed: no message will come";
    assert_eq!(RecvError::Closed.to_string(), over);
    assert_eq!(TryRecvError::from(RecvError::Closed).to_string(), over);
    assert_eq!(TryRecvError::from(RecvError::Lagged(1)).to_string(), one);
    assert_eq!(TryRecvError::Empty.to_string(), "no message is there yet");
}

#[test]
fn errors_of_watched_values_say_what_went_wrong() {
    assert_eq!(watch::SendError(1).to_string(), "nobody watches the value");
    let over = "the senders are gone: the value will not change any more";
    let (sender, mut receiver) = watch::channel(1);
    drop(sender);
    let error = receiver.blocking_changed().unwrap_err();
    assert_eq!(error.to_string(), over);
}

#[test]
fn errors_of_cells_and_promises_say_what_went_wrong() {
    let (full, busy) = (SetError::Initialized(1), SetError::Initializing(1));
    assert_eq!(shown(&busy), "Initializing(..)");
    assert_eq!(full.to_string(), "the cell has a value already");
    assert_eq!(busy.to_string(), "somebody initialises the cell");
    assert_eq!(shown(&AlreadyDone(1)), "AlreadyDone(..)");
    assert_eq!(AlreadyDone(1).to_string(), "the promise is done already");
}

#[test]
fn errors_of_semaphores_say_what_went_wrong() {
    let closed = "the semaphore is closed";
    assert_eq!(Closed.to_string(), closed);
    assert_eq!(TryAcquireError::Closed.to_string(), closed);
    let none = "too few permits are free, or others wait for them";
    assert_eq!(TryAcquireError::NoPermits.to_string(), none);
    let many = "the semaphore would have more than MAX_PERMITS permits";
    assert_eq!(TooManyPermits.to_string(), many);
}

fn shown(value: &impl Debug) -> String {
    format!("{value:?}")
}
