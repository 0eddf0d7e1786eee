//! When a worker of a team looks at the outside world although tasks are ready.

use std::sync::Arc;

use arborio_executor::{DRAIN_BOUND, SLICE, Team, skip_ready_cycle};

use crate::workers::Script;

/// After how many polls each look has come, from the one before on.
async fn slices(script: &Script, polls: u32) -> Vec<u32> {
    let mut lengths = Vec::new();
    let mut seen = script.asked().len();
    let mut length = 0;
    for _ in 0..polls {
        skip_ready_cycle().await;
        length += 1;
        if script.asked().len() != seen {
            seen = script.asked().len();
            lengths.push(std::mem::take(&mut length));
        }
    }
    lengths
}

#[test]
fn d10_a_worker_looks_earlier_after_long_polls_and_later_after_short_ones() {
    let script = Script::default();
    let team = Arc::new(Team::new(1));
    let (long, short, again) = script.work(&team, 0, async {
        script.end_slices(true);
        let long = slices(&script, 2 * SLICE).await;
        script.end_slices(false);
        let short = slices(&script, 2 * DRAIN_BOUND).await;
        script.end_slices(true);
        (long, short, slices(&script, SLICE).await)
    });
    let halves = [SLICE, SLICE / 2, SLICE / 4, SLICE / 8, SLICE / 16, 2];
    assert_eq!(long[..6], halves);
    assert!(long[6..].iter().all(|&length| length == 1), "{long:?}");
    assert_eq!(short.last(), Some(&DRAIN_BOUND));
    assert_eq!(again, [SLICE], "nobody asked before, as polls were short");
}
