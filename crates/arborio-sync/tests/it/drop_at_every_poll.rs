//! Y01: every public future of the crate, in both flavours, dropped at every
//! poll and between all steps of those around it.

use std::{cell::Cell, rc::Rc};

use arborio_sync::flavour::{Event, Flavour, Mutex, OneThread, Threads};

use crate::harness::{Scenario, Victim, drop_at_every_poll, pause};

/// A test of each flavour for a scenario, and the list of the futures covered.
macro_rules! scenarios {
    ($($(#[$meta:meta])* $name:ident: $($future:ident),+;)+) => {
        mod threads {
            use super::*;
            $(
                $(#[$meta])*
                #[test]
                fn $name() {
                    drop_at_every_poll(&super::$name::<Threads>());
                }
            )+
        }

        mod one_thread {
            use super::*;
            $(
                $(#[$meta])*
                #[test]
                fn $name() {
                    drop_at_every_poll(&super::$name::<OneThread>());
                }
            )+
        }

        /// The futures that a scenario drops.
        const COVERED: &[&str] = &[$($(stringify!($future),)+)+];
    };
}

scenarios! {
    y01_a_lock_that_waits_is_dropped: Lock;
    y01_a_wait_for_an_event_is_dropped: EventWait;
}

fn y01_a_lock_that_waits_is_dropped<F: Flavour>() -> Scenario<Mutex<usize, F>> {
    Scenario {
        name: "a lock behind a holder, and one behind it",
        world: || Mutex::new(0),
        victim: |mutex| Box::pin(async move { *mutex.lock().await += 1 }),
        others: &[
            |mutex| {
                Box::pin(async move {
                    let mut guard = mutex.lock().await;
                    pause().await;
                    *guard += 10;
                })
            },
            |mutex| Box::pin(async move { *mutex.lock().await += 10 }),
        ],
        check: |mutex, victim| {
            assert!(mutex.try_lock().is_some(), "the permit is back");
            let victims = usize::from(victim == Victim::Ended);
            assert_eq!(mutex.into_inner(), 20 + victims);
        },
    }
}

fn y01_a_wait_for_an_event_is_dropped<F: Flavour>() -> Scenario<(Event<F>, Cell<usize>)> {
    Scenario {
        name: "an event that is set, cleared and set again",
        world: || (Event::new(), Cell::new(0)),
        victim: |world| Box::pin(async move { world.0.wait().await }),
        others: &[
            |world| {
                Box::pin(async move {
                    world.0.set();
                    world.0.clear();
                    pause().await;
                    world.0.set();
                })
            },
            |world: Rc<(Event<F>, Cell<usize>)>| {
                Box::pin(async move {
                    world.0.wait().await;
                    world.1.set(world.1.get() + 1);
                })
            },
        ],
        check: |(event, told), _victim| {
            assert!(event.is_set());
            assert_eq!(told.get(), 1);
        },
    }
}

/// The public futures and streams of the sources, and their async functions.
fn public_futures() -> Vec<String> {
    let mut found = Vec::new();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let mut folders = vec![std::path::PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.extend(futures_of(&std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn futures_of(source: &str) -> Vec<String> {
    let code: String = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let names_after = |mark: &str| -> Vec<String> {
        code.match_indices(mark)
            .map(|(at, _)| code[at + mark.len()..].trim_start())
            .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_'))
            .filter_map(|mut words| words.next().map(str::to_owned))
            .collect()
    };
    let public = |name: &String| code.contains(&format!("pub struct {name}"));
    let mut found = names_after("Future for");
    found.extend(names_after("Stream for"));
    found.retain(public);
    found.extend(names_after("pub async fn"));
    found
}

#[test]
fn y01_every_public_future_has_a_scenario() {
    let found = public_futures();
    assert!(
        found.contains(&"Lock".to_owned()),
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
