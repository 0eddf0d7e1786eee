//! Random trees of scopes against a reference that knows no futures.
//!
//! A [plan] says who does what and when; the [stage] plays it with real scopes on the
//! simulated clock, and the [reference](mod@reference) works out what must be seen. Each task
//! notes its end, whatever it is; each act and each effective deadline is noted, too.
//! Whatever differs, in time or in kind, fails the test; then the plan is made as small as
//! it can be.
//!
//! What is left out: cleanups that take time (with graces), values that are awaited, and
//! where the panic of an observed task comes up.

mod plan;
mod reference;
mod stage;

use std::panic::{AssertUnwindSafe, catch_unwind};

use plan::Tree;

/// What was seen: at which millisecond, by whom (nobody is the root's caller), and what.
type Record = (u64, usize, Note);

/// See [`Record`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Note {
    /// An act.
    Did,
    /// An effective deadline.
    Saw(Option<u64>),
    /// An end with a value.
    Well,
    Error(u8),
    Panic(u8),
    /// Dropped before it had ended by itself.
    Cut,
}

/// In the order of their times; things that follow from one event have no order.
fn sorted(mut records: Vec<Record>) -> Vec<Record> {
    for record in &mut records {
        // Whose panic came through a scope, is seen where it ends.
        if let (_, 1.., Note::Panic(code)) = record {
            *code = 0;
        }
    }
    records.sort();
    records
}

/// How what is seen differs from what must be seen.
fn difference(tree: &Tree) -> Option<String> {
    let expected = sorted(reference::reference(tree));
    let played = catch_unwind(AssertUnwindSafe(|| stage::play(tree.clone())));
    let found = match played {
        Ok(found) => sorted(found),
        Err(raised) => {
            return Some(arborio::task::Payload::new(raised).message().to_owned());
        }
    };
    let missing = expected.iter().find(|record| !found.contains(record));
    let wrong = found.iter().find(|record| !expected.contains(record));
    (found != expected).then(|| {
        format!("must be seen: {missing:?}, is seen: {wrong:?}\nall must: {expected:?}\nall is: {found:?}")
    })
}

/// The smallest plan found that still differs, and how.
fn shrunk(mut tree: Tree, mut how: String) -> (Tree, String) {
    while let Some(less) = plan::smaller(&tree)
        .into_iter()
        .find_map(|less| difference(&less).map(|how| (less, how)))
    {
        (tree, how) = less;
    }
    (tree, how)
}

#[cfg(panic = "unwind")]
#[test]
fn random_trees_of_scopes_end_when_and_how_they_should() {
    let cases = if cfg!(debug_assertions) {
        10_000
    } else {
        100_000
    };
    for seed in 0..cases {
        let tree = plan::plan(seed);
        if let Some(how) = difference(&tree) {
            let (tree, how) = shrunk(tree, how);
            panic!("seed {seed}, made small:\n{tree}{how}");
        }
    }
}
