//! The channels that are compared, and what a scenario may ask of one.

use std::future::{Future, poll_fn};

use arborio::sync::{local::mpsc as local, mpsc};

use crate::contestants::floor::sync as floor;

/// A channel with room for a number of messages.
pub(super) trait Bounded: 'static {
    type Sender: 'static;
    type Receiver: 'static;
    /// Whether there is one without room, which hands a message over from hand to hand.
    const HANDS_OVER: bool = false;

    fn channel(capacity: usize) -> (Self::Sender, Self::Receiver);
    fn send(sender: &mut Self::Sender, message: u64) -> impl Future<Output = impl Success<()>>;
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = impl Success<u64>>;
}

/// A channel without a limit, whose sender never waits.
pub(super) trait Unbounded: 'static {
    type Sender: 'static;
    type Receiver: 'static;

    fn channel() -> (Self::Sender, Self::Receiver);
    fn send(sender: &mut Self::Sender, message: u64) -> impl Success<()>;
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = impl Success<u64>>;
}

/// What a peer returns where nothing can go wrong: both ends live.
pub(super) trait Success<T> {
    fn value(self) -> T;
}

impl<T> Success<T> for Option<T> {
    #[inline]
    fn value(self) -> T {
        self.expect("the other end lives")
    }
}

impl<T, E> Success<T> for Result<T, E> {
    #[inline]
    fn value(self) -> T {
        self.ok().expect("the other end lives")
    }
}

/// Channels whose two ends are used by a method each.
macro_rules! bounded {
    ($($channel:ident: $make:path => ($sender:ty, $receiver:ty), $send:ident, $receive:ident $(, $hands_over:literal)?;)+) => {$(
        impl Bounded for $channel {
            type Sender = $sender;
            type Receiver = $receiver;
            $(const HANDS_OVER: bool = $hands_over;)?

            fn channel(capacity: usize) -> ($sender, $receiver) {
                $make(capacity)
            }

            #[inline]
            fn send(sender: &mut $sender, message: u64) -> impl Future<Output = impl Success<()>> {
                sender.$send(message)
            }

            #[inline]
            fn receive(receiver: &mut $receiver) -> impl Future<Output = impl Success<u64>> {
                receiver.$receive()
            }
        }
    )+};
}

/// The same without a limit.
macro_rules! unbounded {
    ($($channel:ident: $make:path => ($sender:ty, $receiver:ty), $send:ident, $receive:ident;)+) => {$(
        impl Unbounded for $channel {
            type Sender = $sender;
            type Receiver = $receiver;

            fn channel() -> ($sender, $receiver) {
                $make()
            }

            #[inline]
            fn send(sender: &mut $sender, message: u64) -> impl Success<()> {
                sender.$send(message)
            }

            #[inline]
            fn receive(receiver: &mut $receiver) -> impl Future<Output = impl Success<u64>> {
                receiver.$receive()
            }
        }
    )+};
}

/// Arborio's mpsc for one thread.
pub(super) struct Local;
/// Arborio's mpsc for any threads.
pub(super) struct Send;
/// The floor for one thread.
pub(super) struct FloorLocal;
/// The floor for any threads.
pub(super) struct FloorSend;
/// tokio::sync::mpsc.
pub(super) struct Tokio;
/// async-channel: any number of receivers.
pub(super) struct Smol;
/// local-sync, of monoio's author: one thread only.
pub(super) struct LocalSync;
/// futures-channel.
pub(super) struct Futures;
/// Any number of receivers.
pub(super) struct Kanal;
/// Any number of receivers.
pub(super) struct Flume;

type FloorSender<K> = floor::Sender<K>;
type FloorReceiver<K> = floor::Receiver<K>;
type Alone = floor::Alone<floor::Ends>;
type Locked = floor::Locked<floor::Ends>;

bounded! {
    Local: local::channel => (local::Sender<u64>, local::Receiver<u64>), send, recv;
    Send: mpsc::channel => (mpsc::Sender<u64>, mpsc::Receiver<u64>), send, recv;
    FloorLocal: floor::channel => (FloorSender<Alone>, FloorReceiver<Alone>), send, receive;
    FloorSend: floor::channel => (FloorSender<Locked>, FloorReceiver<Locked>), send, receive;
    Tokio: tokio::sync::mpsc::channel => (tokio::sync::mpsc::Sender<u64>, tokio::sync::mpsc::Receiver<u64>), send, recv;
    Smol: smol::channel::bounded => (smol::channel::Sender<u64>, smol::channel::Receiver<u64>), send, recv;
    LocalSync: local_sync::mpsc::bounded::channel => (local_sync::mpsc::bounded::Tx<u64>, local_sync::mpsc::bounded::Rx<u64>), send, recv;
    Kanal: kanal::bounded_async => (kanal::AsyncSender<u64>, kanal::AsyncReceiver<u64>), send, recv, true;
    Flume: flume::bounded => (flume::Sender<u64>, flume::Receiver<u64>), send_async, recv_async, true;
}

unbounded! {
    Local: local::unbounded => (local::UnboundedSender<u64>, local::UnboundedReceiver<u64>), send, recv;
    Send: mpsc::unbounded => (mpsc::UnboundedSender<u64>, mpsc::UnboundedReceiver<u64>), send, recv;
    FloorLocal: floor::unbounded => (FloorSender<Alone>, FloorReceiver<Alone>), send_now, receive;
    FloorSend: floor::unbounded => (FloorSender<Locked>, FloorReceiver<Locked>), send_now, receive;
    Tokio: tokio::sync::mpsc::unbounded_channel => (tokio::sync::mpsc::UnboundedSender<u64>, tokio::sync::mpsc::UnboundedReceiver<u64>), send, recv;
    Smol: smol::channel::unbounded => (smol::channel::Sender<u64>, smol::channel::Receiver<u64>), try_send, recv;
    LocalSync: local_sync::mpsc::unbounded::channel => (local_sync::mpsc::unbounded::Tx<u64>, local_sync::mpsc::unbounded::Rx<u64>), send, recv;
    Futures: futures_channel::mpsc::unbounded => (futures_channel::mpsc::UnboundedSender<u64>, futures_channel::mpsc::UnboundedReceiver<u64>), unbounded_send, recv;
    Flume: flume::unbounded => (flume::Sender<u64>, flume::Receiver<u64>), send, recv_async;
}

impl Bounded for Futures {
    type Sender = futures_channel::mpsc::Sender<u64>;
    type Receiver = futures_channel::mpsc::Receiver<u64>;

    /// Each sender has a slot of its own beside the buffer.
    fn channel(capacity: usize) -> (Self::Sender, Self::Receiver) {
        futures_channel::mpsc::channel(capacity.saturating_sub(1))
    }

    /// What `SinkExt::feed` does; `send` would flush as well, and wait until all is received.
    async fn send(sender: &mut Self::Sender, message: u64) -> impl Success<()> {
        poll_fn(|cx| sender.poll_ready(cx)).await?;
        sender.start_send(message)
    }

    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = impl Success<u64>> {
        receiver.recv()
    }
}

impl Unbounded for Kanal {
    type Sender = kanal::AsyncSender<u64>;
    type Receiver = kanal::AsyncReceiver<u64>;

    fn channel() -> (Self::Sender, Self::Receiver) {
        kanal::unbounded_async()
    }

    fn send(sender: &mut Self::Sender, message: u64) -> impl Success<()> {
        let sent = sender.try_send(message).value();
        sent.then_some(()) // there is always room
    }

    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = impl Success<u64>> {
        receiver.recv()
    }
}

/// [`pairs!`](super::pairs) of those that are given, and of all peers whose channels any thread may use.
macro_rules! with_peers {
    ($measure:ident: $($name:literal = $runtime:ident + $channel:ty),+ $(,)?) => {
        $crate::scenarios::sync::pairs!($measure:
            $($name = $runtime + $channel,)+
            "tokio-bare" = TokioBare + $crate::scenarios::sync::channels::Tokio,
            "tokio@arborio" = Arborio + $crate::scenarios::sync::channels::Tokio,
            "smol" = Smol + $crate::scenarios::sync::channels::Smol,
            "smol@arborio" = Arborio + $crate::scenarios::sync::channels::Smol,
            "futures" = Arborio + $crate::scenarios::sync::channels::Futures,
            "kanal" = Arborio + $crate::scenarios::sync::channels::Kanal,
            "flume" = Arborio + $crate::scenarios::sync::channels::Flume,
        )
    };
}

pub(super) use with_peers;
