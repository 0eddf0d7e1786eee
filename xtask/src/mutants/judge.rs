//! Whether tests notice mutants: each test is run once to see which it comes to, and then each mutant meets those tests.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::suite::{Ended, Test};
use super::tally::{Fate, Tally};
use crate::{parallel, tool};

/// For a test without a mutant.
const LIMIT: Duration = Duration::from_secs(180);

/// A test that passes, how long it takes, and what it comes to.
struct Recorded<'a, T = Test> {
    test: &'a T,
    took: Duration,
    /// A byte for the number of each mutant, which is 0 if it is not reached.
    reached: Vec<u8>,
}

/// Has the mutants that are left meet these tests, and says which tests were of no use. `folder` is for files.
pub(crate) fn judge(
    folder: &Path,
    tests: &[Test],
    tally: &mut Tally,
) -> Result<Vec<String>, String> {
    let length = tally.mutants.len() + 1;
    let numbered: Vec<(usize, &Test)> = tests.iter().enumerate().collect();
    let (recorded, took) = tool::timed(|| {
        parallel::map(&numbered, |(number, test)| {
            record(&folder.join(format!("reached.{number}")), length, test)
        })
    });
    println!("tests alone: {}, {}", tests.len(), tool::seconds(took));
    let (mut good, mut useless) = (Vec::new(), Vec::new());
    for (recorded, test) in recorded.into_iter().zip(tests) {
        match recorded? {
            Some(recorded) => good.push(recorded),
            None => useless.push(test.name.clone()),
        }
    }
    good.sort_by_key(|recorded| recorded.took);
    let left = tally.left();
    let run = |test: &Test, number, limit| test.run(number, None, limit);
    let (fates, took) = tool::timed(|| parallel::map(&left, |place| fate(&good, place + 1, run)));
    println!("mutants: {}, {}", left.len(), tool::seconds(took));
    for (place, fate) in left.into_iter().zip(fates) {
        match fate? {
            // Tests of another crate may have come to it.
            Fate::Unreached => {}
            fate => tally.settle(place, fate),
        }
    }
    Ok(useless)
}

/// Nothing, if the test fails twice.
fn record<'a>(file: &Path, length: usize, test: &'a Test) -> Result<Option<Recorded<'a>>, String> {
    let told = |error| format!("{}: {error}", file.display());
    fs::write(file, vec![0; length]).map_err(told)?;
    let run = || test.run(0, Some(file), LIMIT);
    let (mut ended, mut took) = tool::timed(run);
    if ended != Ok(Ended::Well) {
        (ended, took) = tool::timed(run);
    }
    let reached = fs::read(file).map_err(told)?;
    fs::remove_file(file).map_err(told)?;
    let recorded = Recorded {
        test,
        took,
        reached,
    };
    Ok((ended? == Ended::Well).then_some(recorded))
}

/// What becomes of the mutant of this number. `tests` begin with the quickest.
fn fate<T>(
    tests: &[Recorded<'_, T>],
    number: usize,
    run: impl Fn(&T, usize, Duration) -> Result<Ended, String>,
) -> Result<Fate, String> {
    let mut fate = Fate::Unreached;
    for recorded in tests.iter().filter(|test| test.reached[number] != 0) {
        fate = Fate::Missed;
        let limit = recorded.took * 8 + Duration::from_secs(6);
        let ended = run(recorded.test, number, limit)?;
        // A test that fails now and then has noticed nothing.
        if ended == Ended::Well || run(recorded.test, 0, limit)? != Ended::Well {
            continue;
        }
        return Ok(match ended {
            Ended::Late => Fate::OutOfTime,
            _ => Fate::Caught,
        });
    }
    Ok(fate)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// A test that comes to the mutants 1 and 2, and how it ends without one and with one of them.
    type Made = (Ended, Ended, Ended);

    /// What becomes of mutant `number`, and which tests have run with which one.
    fn of(made: &[Made], number: usize) -> (Fate, Vec<(usize, usize)>) {
        let record = |test| Recorded {
            test,
            took: Duration::from_secs(1),
            reached: vec![0, 1, 1, 0],
        };
        let recorded: Vec<_> = made.iter().map(record).collect();
        let ran = RefCell::new(Vec::new());
        let run = |test: &Made, number, limit| {
            assert_eq!(limit, Duration::from_secs(14));
            let place = made.iter().position(|made| std::ptr::eq(made, test));
            ran.borrow_mut().push((place.unwrap(), number));
            Ok([test.0, test.1, test.2][number])
        };
        (fate(&recorded, number, run).unwrap(), ran.into_inner())
    }

    #[test]
    fn the_first_test_that_fails_notices() {
        use Ended::{Failed, Late, Well};
        let tests = [
            (Well, Well, Well),
            (Well, Failed, Late),
            (Well, Failed, Well),
        ];
        assert_eq!(of(&tests, 1), (Fate::Caught, vec![(0, 1), (1, 1), (1, 0)]));
        assert_eq!(of(&tests, 2).0, Fate::OutOfTime);
        assert_eq!(of(&tests[..1], 2), (Fate::Missed, vec![(0, 2)]));
        assert_eq!(of(&tests, 3), (Fate::Unreached, Vec::new()));
    }

    #[test]
    fn a_test_that_fails_without_the_mutant_notices_nothing() {
        use Ended::{Failed, Late, Well};
        let tests = [(Failed, Failed, Failed), (Late, Late, Late)];
        assert_eq!(of(&tests, 1).0, Fate::Missed);
        let tests = [tests[0], (Well, Failed, Failed)];
        assert_eq!(of(&tests, 1).0, Fate::Caught);
    }
}
