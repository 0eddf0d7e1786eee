//! Y01: every public future of the crate, in both flavours, dropped at every
//! poll and between all steps of those around it.

mod broadcasts;
mod channels;
mod locks;
mod shared;
mod signals;
mod watches;

use arborio_sync::flavour::{OneThread, Threads};

use self::{broadcasts::*, channels::*, locks::*, signals::*, watches::*};
use crate::harness::drop_at_every_poll;

/// A test of each flavour for a scenario, and the list of the futures covered.
macro_rules! scenarios {
    ($($name:ident: $($future:path),+;)+) => {
        mod threads {
            $(
                #[test]
                fn $name() {
                    super::drop_at_every_poll(&super::$name::<super::Threads>());
                }
            )+
        }

        mod one_thread {
            $(
                #[test]
                fn $name() {
                    super::drop_at_every_poll(&super::$name::<super::OneThread>());
                }
            )+
        }

        /// The futures that a scenario drops.
        const COVERED: &[&str] = &[$($(stringify!($future),)+)+];
    };
}

scenarios! {
    y01_a_lock_behind_a_holder: mutex::Lock;
    y01_a_lock_of_a_barging_mutex: mutex::Lock;
    y01_an_owned_lock_behind_a_holder: mutex::LockOwned;
    y01_y02_permits_behind_a_holder: semaphore::Acquire;
    y01_y03_many_permits_with_few_behind: semaphore::Acquire;
    y01_y03_many_permits_whose_leaving_is_all_that_helps: semaphore::Acquire;
    y01_many_permits_of_a_barging_semaphore: semaphore::Acquire;
    y01_permits_of_a_semaphore_that_is_closed: semaphore::Acquire;
    y01_y03_many_owned_permits_with_few_behind: semaphore::AcquireOwned;
    y01_a_reader_among_readers_and_writers: rwlock::RwLockRead;
    y01_a_writer_among_readers_and_writers: rwlock::RwLockWrite;
    y01_a_writer_of_a_barging_lock: rwlock::RwLockWrite;
    y01_y03_a_writer_whose_leaving_is_all_that_helps: rwlock::RwLockWrite;
    y01_an_owned_reader: rwlock::RwLockReadOwned;
    y01_an_owned_writer: rwlock::RwLockWriteOwned;
    y01_y04_a_notification_that_is_handed_on: notify::Notified;
    y01_y04_an_enabled_notification_that_is_handed_on: notify::Notified;
    y01_y04_an_owned_notification_that_is_handed_on: notify::OwnedNotified;
    y01_a_wait_that_all_are_notified_of: notify::Notified;
    y01_a_wait_for_an_event: event::EventWait;
    y01_a_wait_at_a_barrier: barrier::BarrierWait;
    y01_y18_an_initialisation_among_others: once_cell::get_or_init;
    y01_y18_an_initialisation_that_fails: once_cell::get_or_try_init;
    y01_a_wait_for_a_cell: once_cell::wait;
    y01_a_wait_for_a_promise: promise::PromiseWait;
    y01_a_promise_that_is_awaited_itself: promise::PromiseFuture;
    y01_y13_a_value_that_two_would_take: promise::PromiseTake;
    y01_y13_a_receiver_of_one_message: oneshot::Receiver;
    y01_a_sender_of_one_message_that_waits_for_the_close: oneshot::closed;
    y01_y05_a_send_to_a_full_channel: channel::Send;
    y01_y05_a_reservation: channel::Reserve;
    y01_y05_an_owned_reservation: channel::ReserveOwned;
    y01_y06_a_send_to_a_channel_that_is_closed: channel::Send;
    y01_y06_a_permit_of_a_channel_that_is_closed: channel::Reserve;
    y01_a_sender_that_waits_for_the_close: channel::closed, channel::Closing;
    y01_y05_a_receive: mpsc::recv;
    y01_y05_a_receive_of_many: mpsc::recv_many;
    y01_y05_a_stream_of_messages: mpsc::Receiver;
    y01_y05_an_unbounded_receive: mpsc::recv;
    y01_y05_an_unbounded_receive_of_many: mpsc::recv_many;
    y01_y05_an_unbounded_stream: mpsc::UnboundedReceiver;
    y01_an_unbounded_sender_that_waits_for_the_close: mpsc::closed;
    y01_y05_one_receive_of_many: mpmc::Recv;
    y01_y05_one_stream_of_many: mpmc::RecvStream;
    y01_y05_one_owned_stream_of_many: mpmc::IntoStream;
    y01_y05_a_message_that_is_promised: mpmc::Recv;
    y01_y05_a_send_to_many: channel::Send;
    y01_a_wait_for_a_change: watch::Changed;
    y01_a_wait_for_a_certain_value: watch::WaitFor;
    y01_a_stream_of_changes: watch::WatchStream;
    y01_an_owned_stream_of_changes: watch::IntoStream;
    y01_a_sender_that_waits_until_nobody_watches: watch::Parting;
    y01_a_receive_of_a_broadcast: broadcast::Recv;
    y01_a_stream_of_a_broadcast: broadcast::RecvStream;
    y01_an_owned_stream_of_a_broadcast: broadcast::IntoStream;
}

/// The public futures, streams and functions that return futures, each behind
/// the first name of its module.
fn public_futures() -> Vec<String> {
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                std::fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            continue;
        }
        let within = path.strip_prefix(root).unwrap().with_extension("");
        let module = within.iter().next().unwrap().to_str().unwrap();
        let source = std::fs::read_to_string(&path).unwrap();
        found.extend(futures_of(&source).map(|name| format!("{module}::{name}")));
    }
    found.sort();
    found.dedup();
    found
}

fn futures_of(source: &str) -> impl Iterator<Item = String> {
    let comment = |line: &&str| line.trim_start().starts_with("//");
    let code: Vec<_> = source.lines().filter(|line| !comment(line)).collect();
    let code = code.join("\n");
    let after = |mark: &str| -> Vec<String> {
        let rests = code
            .match_indices(mark)
            .map(|(at, _)| &code[at + mark.len()..]);
        let first = |rest: &str| {
            rest.trim_start()
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
                .map(str::to_owned)
        };
        rests.filter_map(first).collect()
    };
    let mut found = [after(" Future for"), after(" Stream for")].concat();
    found.retain(|name| code.contains(&format!("pub struct {name}")));
    found.extend(after("pub async fn"));
    // `pub fn recv(&mut self) -> impl Future<...>`
    let signatures = code.match_indices("pub fn").map(|(at, _)| &code[at..]);
    let signatures = signatures.filter_map(|rest| rest.split('{').next());
    let returned = signatures.filter(|signature| signature.contains("-> impl Future"));
    found.extend(returned.flat_map(|signature| {
        let name = signature["pub fn".len()..].split(['<', '(']).next();
        name.map(|name| name.trim().to_owned())
    }));
    found.into_iter()
}

#[test]
fn y01_c09_every_public_future_has_a_scenario() {
    let found = public_futures();
    assert!(
        found.contains(&"mutex::Lock".to_owned()),
        "the search finds nothing"
    );
    let missing: Vec<_> = found
        .iter()
        .filter(|name| !COVERED.contains(&name.as_str()))
        .collect();
    assert!(missing.is_empty(), "nobody drops {missing:?}");
    let gone = COVERED
        .iter()
        .find(|name| !found.iter().any(|known| known == *name));
    assert_eq!(gone, None, "there is no such future any more");
}
