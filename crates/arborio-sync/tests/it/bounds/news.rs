//! The same of what tells others something: notifications, promises, broadcasts
//! and watched values.

use arborio_sync::flavour::{
    Notified, Notify, OneThread, OwnedNotified, Promise, PromiseFuture, PromiseTake, PromiseWait,
    Threads, broadcast, watch,
};

use super::{Both, Neither, Otherwise, Sends, Syncs};

/// What a predicate may be.
type Predicate = fn(&Both) -> bool;

#[test]
fn y10_a_notification_goes_to_any_thread() {
    bounds! {
        Notify<Threads> => true true,
        Notified<'static, Threads> => true true,
        OwnedNotified<Threads> => true true,
    }
}

#[test]
fn y10_a_promise_asks_that_its_value_may_be_sent_and_shared() {
    bounds! {
        Promise<Both, Threads> => true true,
        Promise<Sends, Threads> => false false,
        Promise<Syncs, Threads> => false false,
        Promise<Neither, Threads> => false false,
        PromiseWait<'static, Both, Threads> => true true,
        PromiseWait<'static, Sends, Threads> => false false,
        PromiseWait<'static, Syncs, Threads> => false false,
        PromiseTake<'static, Both, Threads> => true true,
        PromiseTake<'static, Sends, Threads> => false false,
        PromiseTake<'static, Syncs, Threads> => false false,
        PromiseFuture<Both, Threads> => true true,
        PromiseFuture<Sends, Threads> => false false,
        PromiseFuture<Syncs, Threads> => false false,
    }
}

/// Two receivers may clone one message at the same time.
#[test]
fn y10_a_broadcast_asks_that_its_messages_may_be_sent_and_shared() {
    bounds! {
        broadcast::Sender<Both, Threads> => true true,
        broadcast::Sender<Sends, Threads> => false false,
        broadcast::Sender<Syncs, Threads> => false false,
        broadcast::Sender<Neither, Threads> => false false,
        broadcast::Receiver<Both, Threads> => true true,
        broadcast::Receiver<Sends, Threads> => false false,
        broadcast::Receiver<Syncs, Threads> => false false,
        broadcast::Recv<'static, Both, Threads> => true true,
        broadcast::Recv<'static, Sends, Threads> => false false,
        broadcast::RecvStream<'static, Both, Threads> => true true,
        broadcast::RecvStream<'static, Syncs, Threads> => false false,
        broadcast::IntoStream<Both, Threads> => true true,
        broadcast::IntoStream<Sends, Threads> => false false,
    }
}

/// Two receivers may look at one value at the same time.
#[test]
fn y10_a_watch_asks_that_its_value_may_be_sent_and_shared() {
    bounds! {
        watch::Sender<Both, Threads> => true true,
        watch::Sender<Sends, Threads> => false false,
        watch::Sender<Syncs, Threads> => false false,
        watch::Sender<Neither, Threads> => false false,
        watch::Receiver<Both, Threads> => true true,
        watch::Receiver<Sends, Threads> => false false,
        watch::Receiver<Syncs, Threads> => false false,
        watch::Snapshot<Both, Threads> => true true,
        watch::Snapshot<Sends, Threads> => false false,
        watch::Snapshot<Syncs, Threads> => false false,
        watch::Changed<'static, Both, Threads> => true true,
        watch::Changed<'static, Sends, Threads> => false false,
        watch::WaitFor<'static, Both, Threads, Predicate> => true true,
        watch::WaitFor<'static, Both, Threads, Neither> => false false,
        watch::WatchStream<'static, Both, Threads> => true true,
        watch::WatchStream<'static, Syncs, Threads> => false false,
        watch::IntoStream<Both, Threads> => true true,
        watch::IntoStream<Sends, Threads> => false false,
        watch::Parting<'static, Both, Threads> => true true,
        watch::Parting<'static, Sends, Threads> => false false,
    }
}

#[test]
fn y10_news_for_one_thread_stay_there() {
    bounds! {
        Notify<OneThread> => false false,
        Notified<'static, OneThread> => false false,
        OwnedNotified<OneThread> => false false,
        Promise<Both, OneThread> => false false,
        PromiseWait<'static, Both, OneThread> => false false,
        PromiseTake<'static, Both, OneThread> => false false,
        PromiseFuture<Both, OneThread> => false false,
        broadcast::Sender<Both, OneThread> => false false,
        broadcast::Receiver<Both, OneThread> => false false,
        broadcast::Recv<'static, Both, OneThread> => false false,
        broadcast::RecvStream<'static, Both, OneThread> => false false,
        broadcast::IntoStream<Both, OneThread> => false false,
        watch::Sender<Both, OneThread> => false false,
        watch::Receiver<Both, OneThread> => false false,
        watch::Snapshot<Both, OneThread> => false false,
        watch::Changed<'static, Both, OneThread> => false false,
        watch::WaitFor<'static, Both, OneThread, Predicate> => false false,
        watch::WatchStream<'static, Both, OneThread> => false false,
        watch::IntoStream<Both, OneThread> => false false,
        watch::Parting<'static, Both, OneThread> => false false,
    }
}

#[test]
fn what_waits_for_news_cannot_be_moved() {
    pinned! {
        Notified<'static, Threads>,
        OwnedNotified<OneThread>,
        PromiseWait<'static, Both, Threads>,
        PromiseTake<'static, Both, OneThread>,
        PromiseFuture<Both, Threads>,
        broadcast::Recv<'static, Both, Threads>,
        broadcast::RecvStream<'static, Both, OneThread>,
        broadcast::IntoStream<Both, Threads>,
        watch::Changed<'static, Both, Threads>,
        watch::WaitFor<'static, Both, Threads, Predicate>,
        watch::WatchStream<'static, Both, OneThread>,
        watch::IntoStream<Both, Threads>,
        watch::Parting<'static, Both, Threads>,
    }
    assert!(is!(broadcast::Receiver<Neither, Threads>: Unpin));
    assert!(is!(watch::Receiver<Neither, Threads>: Unpin));
}
