//! Y01: every public future of the crate, in both flavours, dropped at every
//! poll and between all steps of those around it.

mod locks;
mod shared;
mod signals;

use arborio_sync::flavour::{OneThread, Threads};

use self::{locks::*, signals::*};
use crate::harness::drop_at_every_poll;

/// A test of each flavour for a scenario, and the list of the futures covered.
macro_rules! scenarios {
    ($($name:ident: $($future:ident),+;)+) => {
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
    y01_a_lock_behind_a_holder: Lock;
    y01_a_lock_of_a_barging_mutex: Lock;
    y01_y02_permits_behind_a_holder: Acquire;
    y01_y03_many_permits_with_few_behind: Acquire;
    y01_y03_many_permits_whose_leaving_is_all_that_helps: Acquire;
    y01_many_permits_of_a_barging_semaphore: Acquire;
    y01_permits_of_a_semaphore_that_is_closed: Acquire;
    y01_y03_many_owned_permits_with_few_behind: AcquireOwned;
    y01_a_wait_for_an_event: EventWait;
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
